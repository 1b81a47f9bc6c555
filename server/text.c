#include "text.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

static const char REPLACEMENT[3] = {'\xef', '\xbf', '\xbd'};

/* How many bytes follow the first one, and the range of the second: all of what UTF-8 forbids beyond the continuation bits is there. */
static int sequence_shape(unsigned char first, unsigned char *ret_low, unsigned char *ret_high)
{
    *ret_low  = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    *ret_high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (first < 0x80)
        return 0;
    if (first < 0xc2 || first > 0xf4)
        return -1;
    return first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
}

int text_character(const char *data, size_t length, bool *ret_incomplete)
{
    unsigned char low, high;
    int           follow = sequence_shape((unsigned char)data[0], &low, &high);

    if (ret_incomplete != NULL)
        *ret_incomplete = false;
    if (follow < 0)
        return -1;
    for (int i = 1; i <= follow; i++) {
        if ((size_t)i >= length) {
            if (ret_incomplete != NULL)
                *ret_incomplete = true;
            return -i;
        }
        if ((unsigned char)data[i] < low || (unsigned char)data[i] > high)
            return -i;
        low  = 0x80;
        high = 0xbf;
    }
    return follow + 1;
}

size_t text_ascii(const char *data, size_t length)
{
    size_t i = 0;
#ifdef __SSE2__
    for (; i + 16 <= length; i += 16) {
        int mask = _mm_movemask_epi8(_mm_loadu_si128((const __m128i *)(const void *)(data + i)));
        if (mask != 0)
            return i + (size_t)__builtin_ctz((unsigned)mask);
    }
#else
    for (; i + 8 <= length; i += 8) {
        uint64_t word;
        memcpy(&word, data + i, 8);
        if ((word & UINT64_C(0x8080808080808080)) != 0)
            break;
    }
#endif
    while (i < length && (unsigned char)data[i] < 0x80)
        i++;
    return i;
}

size_t text_plain(const char *data, size_t length)
{
    size_t i = 0;
#ifdef __SSE2__
    for (; i + 16 <= length; i += 16) {
        __m128i v    = _mm_loadu_si128((const __m128i *)(const void *)(data + i));
        __m128i low  = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20)); /* signed: control characters, and all of 0x80..0xff */
        __m128i mark = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
        int     mask = _mm_movemask_epi8(_mm_or_si128(low, mark));
        if (mask != 0)
            return i + (size_t)__builtin_ctz((unsigned)mask);
    }
#endif
    while (i < length && (signed char)data[i] >= 0x20 && data[i] != '"' && data[i] != '\\')
        i++;
    return i;
}

/* Length of the longest prefix that is printable ASCII. */
static size_t printable(const char *data, size_t length)
{
    size_t i = 0;
#ifdef __SSE2__
    for (; i + 16 <= length; i += 16) {
        __m128i v    = _mm_loadu_si128((const __m128i *)(const void *)(data + i));
        int     mask = _mm_movemask_epi8(_mm_cmplt_epi8(v, _mm_set1_epi8(0x20)));
        if (mask != 0)
            return i + (size_t)__builtin_ctz((unsigned)mask);
    }
#endif
    while (i < length && (signed char)data[i] >= 0x20)
        i++;
    return i;
}

bool text_is_line(const char *data, size_t length)
{
    size_t i = 0;
    while ((i += printable(data + i, length - i)) < length) {
        int n = (unsigned char)data[i] < 0x20 ? -1 : text_character(data + i, length - i, NULL);
        if (n < 0)
            return false;
        i += (size_t)n;
    }
    return true;
}

size_t text_valid(const char *data, size_t length)
{
    size_t i = 0;
    while (i < length) {
        int n;
        if ((unsigned char)data[i] < 0x80) {
            i += text_ascii(data + i, length - i);
            continue;
        }
        n = text_character(data + i, length - i, NULL);
        if (n < 0)
            break;
        i += (size_t)n;
    }
    return i;
}

size_t text_cut(const char *data, size_t length, size_t max)
{
    if (max >= length)
        return length;
    for (size_t back = 0; back <= 3 && back <= max; back++) {
        unsigned char c = (unsigned char)data[max - back];
        if ((c & 0xc0) == 0x80)
            continue;
        if (text_character(data + max - back, length - (max - back), NULL) > (int)back)
            return max - back;
        break;
    }
    return max;
}

bool text_repair(struct bytes *out, const char *data, size_t length)
{
    while (length > 0) {
        size_t valid = text_valid(data, length);
        size_t bad;
        if (!bytes_append(out, data, valid))
            return false;
        data += valid;
        length -= valid;
        if (length == 0)
            break;
        bad = (size_t)-text_character(data, length, NULL);
        if (!bytes_append(out, REPLACEMENT, sizeof REPLACEMENT))
            return false;
        data += bad;
        length -= bad;
    }
    return true;
}

/* Adds bytes to what waits until it is a character or can't become one. Returns how many bytes were taken; *ret_whole: it is decided. */
static size_t complete_carry(struct text_carry *carry, const char *data, size_t length, struct text_slice *ret_whole)
{
    size_t used = 0;
    while (used < length) {
        bool incomplete;
        int  n;
        carry->bytes[carry->length] = data[used];
        n                           = text_character(carry->bytes, carry->length + 1u, &incomplete);
        if (n < 0 && !incomplete)
            break; /* this byte does not belong to it: what waited is invalid */
        carry->length++;
        used++;
        if (n > 0)
            break;
        if (used == length)
            return used;
    }
    memcpy(carry->whole, carry->bytes, sizeof carry->whole);
    *ret_whole    = (struct text_slice){carry->whole, carry->length};
    carry->length = 0;
    return used;
}

/* Length of the unfinished but so far valid character at the end. */
static size_t unfinished_tail(const char *data, size_t length)
{
    for (size_t back = 1; back <= 3 && back <= length; back++) {
        bool incomplete;
        if (((unsigned char)data[length - back] & 0xc0) == 0x80)
            continue;
        (void)text_character(data + length - back, back, &incomplete);
        return incomplete ? back : 0;
    }
    return 0;
}

struct text_pair text_carry_join(struct text_carry *carry, const char *data, size_t length)
{
    struct text_pair pair = {{{carry->whole, 0}, {data, 0}}};
    size_t           tail;

    if (length == 0)
        return pair;
    if (carry->length > 0) {
        size_t used = complete_carry(carry, data, length, &pair.slice[0]);
        data += used;
        length -= used;
    }
    tail          = unfinished_tail(data, length);
    pair.slice[1] = (struct text_slice){data, length - tail};
    if (tail > 0) {
        memcpy(carry->bytes, data + length - tail, tail);
        carry->length = (uint8_t)tail;
    }
    return pair;
}

struct text_slice text_carry_end(struct text_carry *carry, char ret_bytes[4])
{
    struct text_slice slice = {ret_bytes, carry->length};
    memcpy(ret_bytes, carry->bytes, 4);
    carry->length = 0;
    return slice;
}
