#define _GNU_SOURCE
#include "id.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

enum { STOCK_IDS = 16 };

static struct {
    unsigned char bytes[STOCK_IDS * ID_BYTES]; /* 256 bytes: the most that getrandom() gives without ever being cut short */
    size_t        left;
} stock;

static int own_instance = ID_NO_INSTANCE;

void id_set_own_instance(int instance)
{
    own_instance = instance;
}

int id_own_instance(void)
{
    return own_instance;
}

static unsigned char two_digits(int number)
{
    return (unsigned char)((number / 10 % 10) << 4 | number % 10);
}

static int number_of(unsigned char digits)
{
    return digits >> 4 < 10 && (digits & 15) < 10 ? (digits >> 4) * 10 + (digits & 15) : -1;
}

int id_instance(const struct id *id)
{
    int high = number_of(id->bytes[0]), low = number_of(id->bytes[1]);
    return high >= 0 && low >= 0 ? high * 100 + low : ID_NO_INSTANCE;
}

bool id_is_own(const struct id *id)
{
    return own_instance == ID_NO_INSTANCE || id_instance(id) == own_instance;
}

void id_make(struct id *ret_id)
{
    if (stock.left == 0) {
        while (getrandom(stock.bytes, sizeof stock.bytes, 0) != (ssize_t)sizeof stock.bytes)
            continue; /* only EINTR while the kernel's generator is not seeded yet */
        stock.left = STOCK_IDS;
    }
    stock.left--;
    memcpy(ret_id->bytes, stock.bytes + stock.left * ID_BYTES, ID_BYTES);
    memset(stock.bytes + stock.left * ID_BYTES, 0, ID_BYTES);
    ret_id->bytes[6] = (unsigned char)((ret_id->bytes[6] & 0x0f) | 0x40);
    ret_id->bytes[8] = (unsigned char)((ret_id->bytes[8] & 0x3f) | 0x80);
    if (own_instance != ID_NO_INSTANCE) {
        ret_id->bytes[0] = two_digits(own_instance / 100);
        ret_id->bytes[1] = two_digits(own_instance);
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Whether a hyphen stands before this byte in the text. */
static bool follows_hyphen(size_t byte)
{
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

bool id_parse(const char *text, struct id *ret_id)
{
    struct id id;
    if (text == NULL || strnlen(text, ID_TEXT_BYTES) != ID_TEXT_BYTES - 1)
        return false;
    for (size_t i = 0; i < ID_BYTES; i++, text += 2) {
        int high, low;
        if (follows_hyphen(i) && *text++ != '-')
            return false;
        high = hex_digit(text[0]);
        low  = hex_digit(text[1]);
        if (high < 0 || low < 0)
            return false;
        id.bytes[i] = (unsigned char)(high << 4 | low);
    }
    *ret_id = id;
    return true;
}

void id_format(const struct id *id, char ret_text[ID_TEXT_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    char             *to       = ret_text;
    for (size_t i = 0; i < ID_BYTES; i++) {
        if (follows_hyphen(i))
            *to++ = '-';
        *to++ = digits[id->bytes[i] >> 4];
        *to++ = digits[id->bytes[i] & 15];
    }
    *to = '\0';
}
