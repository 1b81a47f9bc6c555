#include "host_split.h"

#include <stdbool.h>
#include <string.h>

/* What begins a compound statement or goes on with one. `match` and `case` have an indented block, which tells them. */
static const char *const compound[] = {
    "if", "elif", "else", "for", "while", "try", "except", "finally", "with", "def", "class", "async",
};

struct scan {
    const char *text, *end, *p;
    size_t      line;
    int         depth;     /* of brackets */
    bool        is_broken; /* a string or bracket has no end */
};

/* What a logical line was. */
struct logical {
    size_t offset, line;
    bool   is_indented, has_semicolon, ends_with_semicolon;
};

static bool at_break(const struct scan *s)
{
    return *s->p == '\n' || *s->p == '\r';
}

static void skip_break(struct scan *s)
{
    if (*s->p == '\r' && s->p + 1 < s->end && s->p[1] == '\n')
        s->p++;
    s->p++;
    s->line++;
}

static void skip_comment(struct scan *s)
{
    while (s->p < s->end && !at_break(s))
        s->p++;
}

static void skip_string(struct scan *s)
{
    char quote  = *s->p;
    bool triple = s->end - s->p >= 3 && s->p[1] == quote && s->p[2] == quote;
    s->p += triple ? 3 : 1;
    while (s->p < s->end) {
        if (*s->p == quote && (!triple || (s->end - s->p >= 3 && s->p[1] == quote && s->p[2] == quote))) {
            s->p += triple ? 3 : 1;
            return;
        }
        if (*s->p == '\\' && s->p + 1 < s->end)
            s->p++;
        else if (at_break(s) && !triple)
            break;
        if (at_break(s))
            skip_break(s);
        else
            s->p++;
    }
    s->is_broken = true;
}

/* One character of code that is no line break. */
static void step(struct scan *s, struct logical *line)
{
    char c = *s->p;
    if (c == ' ' || c == '\t' || c == '\f') {
        s->p++;
        return;
    }
    if (c == '#') {
        skip_comment(s);
        return;
    }
    line->ends_with_semicolon = c == ';' && s->depth == 0;
    line->has_semicolon |= line->ends_with_semicolon;
    if (c == '"' || c == '\'') {
        skip_string(s);
        return;
    }
    if (strchr("([{", c) != NULL && c != '\0')
        s->depth++;
    if (strchr(")]}", c) != NULL && c != '\0')
        s->depth--;
    s->p++;
    if (c == '\\' && s->p < s->end && at_break(s))
        skip_break(s);
}

static struct logical read_logical(struct scan *s)
{
    struct logical line = {.offset = (size_t)(s->p - s->text), .line = s->line};
    line.is_indented    = *s->p == ' ' || *s->p == '\t' || *s->p == '\f';
    while (s->p < s->end && !s->is_broken && s->depth >= 0) {
        if (!at_break(s)) {
            step(s, &line);
        } else if (s->depth > 0) {
            skip_break(s);
        } else {
            break;
        }
    }
    s->is_broken |= s->depth != 0;
    return line;
}

/* Goes to the next line that is not blank and no comment alone. Returns false at the end. */
static bool find_line(struct scan *s)
{
    while (s->p < s->end) {
        const char *p = s->p;
        while (p < s->end && (*p == ' ' || *p == '\t' || *p == '\f'))
            p++;
        if (p < s->end && *p != '#' && *p != '\n' && *p != '\r')
            return true;
        s->p = p;
        skip_comment(s);
        if (s->p < s->end)
            skip_break(s);
    }
    return false;
}

static bool is_name_character(char c)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (unsigned char)c >= 0x80;
}

static bool is_compound(const char *text, const char *end)
{
    size_t length = 0;
    if (*text == '@')
        return true;
    while (text + length < end && is_name_character(text[length]))
        length++;
    for (size_t i = 0; i < sizeof compound / sizeof compound[0]; i++)
        if (strlen(compound[i]) == length && memcmp(compound[i], text, length) == 0)
            return true;
    return false;
}

enum host_split_kind host_split(const char *text, size_t length, struct host_split *ret)
{
    struct scan    s        = {.text = text, .end = text + length, .p = text};
    struct logical last     = {0, 0, false, false, false};
    bool           has_last = false, has_block = false;
    while (!s.is_broken && find_line(&s)) {
        struct logical line = read_logical(&s);
        if (line.is_indented) {
            has_block = true;
            continue;
        }
        last      = line;
        has_last  = true;
        has_block = false;
    }
    if (s.is_broken)
        return HOST_SPLIT_UNSURE;
    if (!has_last || has_block || last.ends_with_semicolon || is_compound(text + last.offset, s.end))
        return HOST_SPLIT_WHOLE;
    if (last.has_semicolon)
        return HOST_SPLIT_UNSURE;
    *ret = (struct host_split){.offset = last.offset, .line = last.line};
    return HOST_SPLIT_LAST;
}
