#include "requirement.h"

#include <ctype.h>
#include <string.h>

static bool is_separator(char c)
{
    return c == '-' || c == '_' || c == '.';
}

static const char *skip_spaces(const char *at)
{
    while (*at == ' ')
        at++;
    return at;
}

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* A name begins and ends with a letter or digit. Returns what follows, NULL when there is none here or it is too long. */
static const char *read_name(const char *at, char *ret, size_t room)
{
    size_t used = 0;
    while (is_alphanumeric(*at) || is_separator(*at)) {
        if (is_separator(*at)) {
            if (used == 0)
                return NULL;
            while (is_separator(at[1]))
                at++;
            if (!is_alphanumeric(at[1]))
                return NULL;
        }
        if (used + 1 >= room)
            return NULL;
        ret[used++] = is_separator(*at) ? '-' : (char)tolower((unsigned char)*at);
        at++;
    }
    ret[used] = '\0';
    return used > 0 ? at : NULL;
}

static bool append(char *text, size_t room, const char *more, size_t length)
{
    size_t used = strlen(text);
    if (used + length >= room)
        return false;
    memcpy(text + used, more, length);
    text[used + length] = '\0';
    return true;
}

/* "[a, b]", behind its bracket. */
static const char *read_extras(const char *at, struct requirement *ret)
{
    char extra[REQUIREMENT_EXTRAS_BYTES];
    do {
        at = read_name(skip_spaces(at), extra, sizeof extra);
        if (at == NULL || (ret->extras[0] != '\0' && !append(ret->extras, sizeof ret->extras, ",", 1)) ||
            !append(ret->extras, sizeof ret->extras, extra, strlen(extra)))
            return NULL;
        at = skip_spaces(at);
    } while (*at++ == ',');
    return at[-1] == ']' ? at : NULL;
}

/* How long the comparison at this place is: 0: there is none. "===" compares texts without a version's rules and is not offered. */
static size_t comparison(const char *at)
{
    if (strncmp(at, "===", 3) == 0)
        return 0;
    if (strchr("=~!<>", at[0]) != NULL && at[0] != '\0' && at[1] == '=')
        return 2;
    return at[0] == '<' || at[0] == '>' ? 1 : 0;
}

static const char *read_specifier(const char *at, struct requirement *ret)
{
    do {
        size_t length = comparison(at = skip_spaces(at));
        if (length == 0 || (ret->specifier[0] != '\0' && !append(ret->specifier, sizeof ret->specifier, ",", 1)) ||
            !append(ret->specifier, sizeof ret->specifier, at, length))
            return NULL;
        at     = skip_spaces(at + length);
        length = strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.*+!_-");
        if (length == 0 || !is_alphanumeric(*at) || !append(ret->specifier, sizeof ret->specifier, at, length))
            return NULL;
        at = skip_spaces(at + length);
    } while (*at++ == ',');
    return at - 1;
}

bool requirement_parse(const char *text, struct requirement *ret)
{
    const char *at;
    memset(ret, 0, sizeof *ret);
    at = read_name(skip_spaces(text), ret->name, sizeof ret->name);
    if (at != NULL)
        at = skip_spaces(at);
    if (at != NULL && *at == '[')
        at = read_extras(at + 1, ret);
    if (at != NULL)
        at = skip_spaces(at);
    if (at != NULL && *at != '\0')
        at = read_specifier(at, ret);
    return at != NULL && *at == '\0';
}

bool requirement_name(const char *text, char ret_name[REQUIREMENT_NAME_BYTES])
{
    const char *end = read_name(text, ret_name, REQUIREMENT_NAME_BYTES);
    return end != NULL && *end == '\0';
}

bool requirement_is_word(const char *text)
{
    size_t length = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.+!_-");
    return length > 0 && length < REQUIREMENT_NAME_BYTES && text[length] == '\0' && is_alphanumeric(text[0]);
}

bool requirement_is_met_plainly(const struct requirement *requirement, const char *version)
{
    if (requirement->extras[0] != '\0')
        return false;
    return requirement->specifier[0] == '\0' ||
           (strncmp(requirement->specifier, "==", 2) == 0 && strcmp(requirement->specifier + 2, version) == 0);
}
