#include "base64.h"

#include <stdint.h>

static int digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* `group` holds `digits` of 6 bits each; 4 of them are 3 bytes. */
static size_t put(char *to, uint32_t group, unsigned digits)
{
    group <<= 6 * (4 - digits);
    to[0] = (char)(group >> 16);
    to[1] = (char)(group >> 8);
    to[2] = (char)group;
    return digits - 1;
}

bool base64_decode(const char *text, size_t length, struct bytes *out)
{
    char    *to = bytes_reserve(out, length / 4 * 3 + 6), *start = to;
    uint32_t group  = 0;
    unsigned digits = 0, padding = 0;

    if (to == NULL)
        return false;
    for (size_t i = 0; i < length; i++) {
        int value = digit(text[i]);
        if (text[i] == '\n' || text[i] == '\r')
            continue;
        if (text[i] == '=' && digits >= 2) {
            padding++;
            continue;
        }
        if (value < 0 || padding > 0)
            return false;
        group = group << 6 | (uint32_t)value;
        if (++digits == 4) {
            to += put(to, group, 4);
            group = digits = 0;
        }
    }
    if (digits == 1 || (padding != 0 && digits + padding != 4))
        return false;
    if (digits > 0)
        to += put(to, group, digits);
    out->length += (size_t)(to - start);
    return true;
}

/* The four characters of up to three bytes. */
static void write_group(char *to, const unsigned char *from, size_t bytes)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t          group      = (uint32_t)from[0] << 16 | (bytes > 1 ? (uint32_t)from[1] << 8 : 0) | (bytes > 2 ? from[2] : 0);

    for (size_t i = 0; i < 4; i++)
        to[i] = i <= bytes ? alphabet[group >> (18 - 6 * i) & 63] : '=';
}

bool base64_encode(const void *data, size_t length, struct bytes *out)
{
    const unsigned char *from = data;
    char                *to   = bytes_reserve(out, (length + 2) / 3 * 4 + 1);

    if (to == NULL)
        return false;
    for (size_t i = 0; i < length; i += 3, to += 4, out->length += 4)
        write_group(to, from + i, length - i < 3 ? length - i : 3);
    return true;
}
