#include "json_read.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

enum {
    NAME_BYTES   = 256, /* a longer name is kept on the heap while its member is read */
    PLAIN_DIGITS = 18,  /* a whole number of no more surely fits */
    REAL_CHARS   = 300, /* a number without exponent and of no more is not too large for a double */
};

struct reader {
    const char *at, *end;
    size_t      flags;
    int         depth_left;
    bool        makes; /* values; else the text is only looked at, and JSON_TRUE stands for each value */
    bool        has_control;
};

/* Between two quotes. */
struct piece {
    const char *text;
    size_t      length;
    bool        has_escape;
};

static json_t *read_value(struct reader *r);

static char peek(const struct reader *r)
{
    return r->at < r->end ? *r->at : '\0';
}

static char next(struct reader *r)
{
    for (; r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'); r->at++)
        r->has_control |= *r->at != ' ';
    return peek(r);
}

static bool take(struct reader *r, char c)
{
    if (next(r) != c || r->at == r->end)
        return false;
    r->at++;
    return true;
}

/* ---- strings ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four digits of \u. Returns -1 when they are not. */
static int32_t read_unit(const char *at, const char *end)
{
    int32_t unit = 0;
    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(at[i]);
        if (digit < 0)
            return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

/* The character behind a backslash: *at goes past it. Returns -1 when there is none; halves of a pair count only as one. */
static int32_t read_escape(const char **at, const char *end)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char       *found = *at < end && **at != '\0' ? strchr(from, **at) : NULL;
    int32_t           unit, low;
    if (found != NULL) {
        (*at)++;
        return to[found - from];
    }
    if (*at == end || **at != 'u' || (unit = read_unit(*at + 1, end)) < 0)
        return -1;
    *at += 5;
    if (unit < 0xd800 || unit > 0xdfff)
        return unit;
    if (unit > 0xdbff || end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u' || (low = read_unit(*at + 2, end)) < 0xdc00 || low > 0xdfff)
        return -1;
    *at += 6;
    return 0x10000 + ((unit - 0xd800) << 10 | (low - 0xdc00));
}

/* One that is not as plain as most. */
static bool skip_character(struct reader *r, struct piece *piece)
{
    int n;
    if (*r->at == '\\') {
        int32_t c;
        r->at++;
        c                 = read_escape(&r->at, r->end);
        piece->has_escape = true;
        return c > 0 || (c == 0 && (r->flags & JSON_ALLOW_NUL) != 0);
    }
    n = (unsigned char)*r->at < 0x20 ? -1 : text_character(r->at, (size_t)(r->end - r->at), NULL);
    if (n > 0)
        r->at += n;
    return n > 0;
}

static bool read_piece(struct reader *r, struct piece *ret)
{
    r->at++;
    *ret = (struct piece){.text = r->at};
    while (r->at < r->end) {
        r->at += text_plain(r->at, (size_t)(r->end - r->at));
        if (peek(r) == '"' && r->at < r->end) {
            ret->length = (size_t)(r->at++ - ret->text);
            return true;
        }
        if (r->at < r->end && !skip_character(r, ret))
            return false;
    }
    return false;
}

static char *put_character(char *to, int32_t c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    } else {
        *to++ = (char)(0xf0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 0x3f));
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    }
    return to;
}

/* What a piece stands for, into at least as many bytes as it has. Returns their end. */
static char *unescape(char *to, const struct piece *piece)
{
    const char *at = piece->text, *end = at + piece->length;
    while (at < end) {
        const char *backslash = piece->has_escape ? memchr(at, '\\', (size_t)(end - at)) : NULL;
        size_t      plain     = (size_t)((backslash != NULL ? backslash : end) - at);
        memcpy(to, at, plain);
        to += plain;
        at += plain;
        if (backslash != NULL) {
            at++;
            to = put_character(to, read_escape(&at, end));
        }
    }
    return to;
}

static json_t *make_string(const struct piece *piece)
{
    json_t *string;
    char   *text;
    if (!piece->has_escape)
        return json_stringn_nocheck(piece->text, piece->length);
    text   = malloc(piece->length + 1);
    string = text != NULL ? json_stringn_nocheck(text, (size_t)(unescape(text, piece) - text)) : NULL;
    free(text);
    return string;
}

static json_t *read_string(struct reader *r)
{
    struct piece piece;
    if (!read_piece(r, &piece))
        return NULL;
    return r->makes ? make_string(&piece) : json_true();
}

/* ---- numbers and words ---- */

static bool skip_digits(struct reader *r)
{
    const char *start = r->at;
    while (peek(r) >= '0' && peek(r) <= '9')
        r->at++;
    return r->at > start;
}

/* From the sign to the exponent. *ret_is_whole: it has neither fraction nor exponent. */
static bool skip_number(struct reader *r, bool *ret_is_whole, bool *ret_has_exponent)
{
    r->at += peek(r) == '-';
    *ret_is_whole     = true;
    *ret_has_exponent = false;
    if (peek(r) == '0')
        r->at++;
    else if (!skip_digits(r))
        return false;
    if (peek(r) == '.') {
        r->at++;
        *ret_is_whole = false;
        if (!skip_digits(r))
            return false;
    }
    if (peek(r) != 'e' && peek(r) != 'E')
        return true;
    r->at++;
    r->at += peek(r) == '+' || peek(r) == '-';
    *ret_is_whole     = false;
    *ret_has_exponent = true;
    return skip_digits(r);
}

static json_int_t whole_of(const char *at, const char *end)
{
    bool       negative = *at == '-';
    json_int_t number   = 0;
    for (at += negative; at < end; at++)
        number = number * 10 + (*at - '0');
    return negative ? -number : number;
}

static json_t *read_number(struct reader *r)
{
    const char *start = r->at;
    bool        is_whole, has_exponent;
    size_t      length;
    json_t     *number;
    if (!skip_number(r, &is_whole, &has_exponent))
        return NULL;
    length = (size_t)(r->at - start);
    if (!r->makes && !has_exponent && length <= REAL_CHARS)
        return json_true();
    if (r->makes && is_whole && length <= PLAIN_DIGITS && (r->flags & JSON_DECODE_INT_AS_REAL) == 0)
        return json_integer(whole_of(start, r->at));
    number = json_loadb(start, length, JSON_DECODE_ANY | (r->flags & JSON_DECODE_INT_AS_REAL), NULL);
    if (r->makes || number == NULL)
        return number;
    json_decref(number);
    return json_true();
}

static json_t *read_word(struct reader *r, const char *word, json_t *value)
{
    size_t length = strlen(word);
    if ((size_t)(r->end - r->at) < length || memcmp(r->at, word, length) != 0)
        return NULL;
    r->at += length;
    return value;
}

/* ---- objects and arrays ---- */

/* Takes the value over. */
static bool add_member(json_t *object, const struct piece *name, json_t *value)
{
    char  small[NAME_BYTES], *text = name->length < sizeof small ? small : malloc(name->length + 1);
    bool  fine = false;
    char *end;
    if (text == NULL) {
        json_decref(value);
        return false;
    }
    end  = unescape(text, name);
    *end = '\0';
    if (memchr(text, '\0', (size_t)(end - text)) == NULL)
        fine = json_object_set_new_nocheck(object, text, value) == 0;
    else
        json_decref(value);
    if (text != small)
        free(text);
    return fine;
}

/* A name with a NUL in it is one only by its escape. */
static bool has_nul(const struct piece *name)
{
    const char *at = name->text, *end = at + name->length;
    while (name->has_escape && (at = memchr(at, '\\', (size_t)(end - at))) != NULL) {
        at++;
        if (read_escape(&at, end) == 0)
            return true;
    }
    return false;
}

static bool read_member(struct reader *r, json_t *object)
{
    struct piece name;
    json_t      *value;
    if (next(r) != '"' || !read_piece(r, &name) || has_nul(&name) || !take(r, ':') || (value = read_value(r)) == NULL)
        return false;
    return object == NULL || add_member(object, &name, value);
}

static bool read_item(struct reader *r, json_t *array)
{
    json_t *value = read_value(r);
    return value != NULL && (array == NULL || json_array_append_new(array, value) == 0);
}

static bool read_all(struct reader *r, json_t *container, char close, bool (*read_one)(struct reader *, json_t *))
{
    r->at++;
    if (take(r, close))
        return true;
    do
        if (!read_one(r, container))
            return false;
    while (take(r, ','));
    return take(r, close);
}

static json_t *read_container(struct reader *r, bool is_object)
{
    json_t *container = !r->makes ? NULL : is_object ? json_object() : json_array();
    bool    fine      = (container != NULL || !r->makes) && r->depth_left-- > 0;
    if (fine && (is_object ? read_all(r, container, '}', read_member) : read_all(r, container, ']', read_item))) {
        r->depth_left++;
        return r->makes ? container : json_true();
    }
    json_decref(container);
    return NULL;
}

static json_t *read_value(struct reader *r)
{
    switch (next(r)) {
    case '"': return read_string(r);
    case '{': return read_container(r, true);
    case '[': return read_container(r, false);
    case 't': return read_word(r, "true", json_true());
    case 'f': return read_word(r, "false", json_false());
    case 'n': return read_word(r, "null", json_null());
    default: return read_number(r);
    }
}

static json_t *read_text(struct reader *r)
{
    char    first = next(r);
    json_t *value = first == '{' || first == '[' ? read_value(r) : NULL;
    (void)next(r);
    if (value != NULL && r->at == r->end)
        return value;
    json_decref(value);
    return NULL;
}

json_t *json_read(const char *text, size_t length, int depth_max, size_t flags)
{
    struct reader r = {.at = text, .end = text + length, .flags = flags, .depth_left = depth_max, .makes = true};
    return read_text(&r);
}

bool json_read_is_object(const char *text, size_t length, bool *ret_is_line)
{
    struct reader r = {
        .at = text, .end = text + length, .flags = JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, .depth_left = JSON_READ_DEPTH_MAX};
    bool is_it   = next(&r) == '{' && read_text(&r) != NULL;
    *ret_is_line = !r.has_control;
    return is_it;
}
