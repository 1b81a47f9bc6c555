#include "json_look.h"

#include <string.h>

#include "text.h"

enum { NUMBER_CHARS = 300 /* without an exponent, one of no more is not too large for a double */ };

struct look {
    const char *at, *end;
    int         depth_left;
};

static bool look_at_value(struct look *l);

static char peek(const struct look *l)
{
    return l->at < l->end ? *l->at : '\0';
}

static char next(struct look *l)
{
    while (peek(l) == ' ')
        l->at++;
    return peek(l);
}

static bool take(struct look *l, char c)
{
    if (next(l) != c)
        return false;
    l->at++;
    return true;
}

static bool look_at_string(struct look *l)
{
    l->at++;
    while (l->at < l->end) {
        int n;
        l->at += text_plain(l->at, (size_t)(l->end - l->at));
        if (peek(l) == '"') {
            l->at++;
            return true;
        }
        if ((unsigned char)peek(l) < 0x80) /* a backslash, a control character, the end */
            return false;
        n = text_character(l->at, (size_t)(l->end - l->at), NULL);
        if (n <= 0)
            return false;
        l->at += n;
    }
    return false;
}

static bool skip_digits(struct look *l)
{
    const char *start = l->at;
    while (peek(l) >= '0' && peek(l) <= '9')
        l->at++;
    return l->at > start;
}

static bool look_at_number(struct look *l)
{
    const char *start = l->at;
    l->at += peek(l) == '-';
    if (peek(l) == '0')
        l->at++;
    else if (!skip_digits(l))
        return false;
    if (peek(l) == '.') {
        l->at++;
        if (!skip_digits(l))
            return false;
    }
    return peek(l) != 'e' && peek(l) != 'E' && l->at - start <= NUMBER_CHARS;
}

static bool skip_word(struct look *l, const char *word)
{
    size_t length = strlen(word);
    if ((size_t)(l->end - l->at) < length || memcmp(l->at, word, length) != 0)
        return false;
    l->at += length;
    return true;
}

static bool look_at_member(struct look *l)
{
    return next(l) == '"' && look_at_string(l) && take(l, ':') && look_at_value(l);
}

static bool look_at_all(struct look *l, char close, bool (*look_at_one)(struct look *))
{
    bool is_whole;
    if (l->depth_left-- == 0)
        return false;
    l->at++;
    is_whole = take(l, close);
    if (!is_whole) {
        do
            if (!look_at_one(l))
                return false;
        while (take(l, ','));
        is_whole = take(l, close);
    }
    l->depth_left++;
    return is_whole;
}

static bool look_at_value(struct look *l)
{
    switch (next(l)) {
    case '"': return look_at_string(l);
    case '{': return look_at_all(l, '}', look_at_member);
    case '[': return look_at_all(l, ']', look_at_value);
    case 't': return skip_word(l, "true");
    case 'f': return skip_word(l, "false");
    case 'n': return skip_word(l, "null");
    default: return look_at_number(l);
    }
}

bool json_look_is_line(const char *text, size_t length)
{
    struct look l = {.at = text, .end = text + length, .depth_left = JSON_LOOK_DEPTH_MAX};
    if (next(&l) != '{' || !look_at_value(&l))
        return false;
    (void)next(&l);
    return l.at == l.end;
}
