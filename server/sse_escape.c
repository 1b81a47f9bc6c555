/* The inside of JSON strings (sse.h): the hottest loop of the server. */
#include "sse.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "text.h"

enum { STEP = 16 };

/* Length of the escape of each ASCII character; 1: itself. */
static const uint8_t WIDTH[128] = {
    6, 6, 6, 6, 6, 6, 6, 6, 2, 2, 2, 6, 2, 2, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, /* \b \t \n \f \r are short */
    1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, /* the quote */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1, /* the backslash */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
};

static const char LETTER[128] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r', ['"'] = '"', ['\\'] = '\\'};

static void write_escape(char *out, unsigned char c)
{
    static const char DIGITS[] = "0123456789abcdef";
    out[0]                     = '\\';
    if (WIDTH[c] == 2) {
        out[1] = LETTER[c];
        return;
    }
    memcpy(out + 1, "u00", 3);
    out[4] = DIGITS[c >> 4];
    out[5] = DIGITS[c & 15];
}

#ifdef __SSE2__
/* Copies STEP bytes and returns how many of them, from the first, may stay as they are. */
static inline unsigned copy_plain(char *out, const char *in)
{
    __m128i  v    = _mm_loadu_si128((const __m128i *)(const void *)in);
    __m128i  low  = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20)); /* signed: control characters, and all of 0x80..0xff */
    __m128i  mark = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
    unsigned mask = (unsigned)_mm_movemask_epi8(_mm_or_si128(low, mark));
    _mm_storeu_si128((__m128i *)(void *)out, v);
    return mask == 0 ? STEP : (unsigned)__builtin_ctz(mask);
}
#else
/* The high bit of each byte that is zero. */
static inline uint64_t zero_bytes(uint64_t v)
{
    return (v - UINT64_C(0x0101010101010101)) & ~v & UINT64_C(0x8080808080808080);
}

static inline bool is_plain(uint64_t v)
{
    uint64_t control = (v - UINT64_C(0x2020202020202020)) & ~v;
    return ((control | v | zero_bytes(v ^ UINT64_C(0x2222222222222222)) | zero_bytes(v ^ UINT64_C(0x5c5c5c5c5c5c5c5c))) &
            UINT64_C(0x8080808080808080)) == 0;
}

static inline unsigned copy_plain(char *out, const char *in)
{
    uint64_t v[2];
    unsigned n = 0;
    memcpy(v, in, STEP);
    memcpy(out, v, STEP);
    if (is_plain(v[0]) && is_plain(v[1]))
        return STEP;
    while ((unsigned char)in[n] < 0x80 && WIDTH[(unsigned char)in[n]] == 1)
        n++;
    return n;
}
#endif

/* One character that is not ASCII, or what is not one. Returns the bytes written, 0 when there is no room. */
static inline size_t copy_character(char *out, size_t room, const char *in, size_t length, size_t *ret_used)
{
    int n = text_character(in, length, NULL);
    if (n > 0) {
        *ret_used = (size_t)n;
        if ((size_t)n > room)
            return 0;
        for (int i = 0; i < n; i++)
            out[i] = in[i];
        return (size_t)n;
    }
    *ret_used = (size_t)-n;
    if (room < 3)
        return 0;
    memcpy(out, "\xef\xbf\xbd", 3);
    return 3;
}

size_t sse_escape(char *out, size_t room, const char *text, size_t length, size_t *ret_used)
{
    size_t i = 0, o = 0;

    while (i < length) {
        unsigned char c;
        while (length - i >= STEP && room - o >= STEP) {
            unsigned n = copy_plain(out + o, text + i);
            i += n;
            o += n;
            if (n < STEP)
                break;
        }
        if (i == length)
            break;
        c = (unsigned char)text[i];
        if (c >= 0x80) {
            size_t used, n = copy_character(out + o, room - o, text + i, length - i, &used);
            if (n == 0)
                break;
            i += used;
            o += n;
        } else if (WIDTH[c] > room - o) {
            break;
        } else {
            if (WIDTH[c] == 1)
                out[o] = (char)c;
            else
                write_escape(out + o, c);
            o += WIDTH[c];
            i++;
        }
    }
    *ret_used = i;
    return o;
}
