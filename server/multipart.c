#define _GNU_SOURCE
#include "multipart.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "text.h"

static const char *skip_blanks(const char *text)
{
    return text + strspn(text, " \t");
}

static enum multipart_result fail(struct multipart *multipart, const char *fault)
{
    multipart->state = MULTIPART_BROKEN;
    multipart->fault = fault;
    return MULTIPART_BAD;
}

/*
 * A parameter's value: a token, or a quoted string in which \" and \\ stand for a quote and a backslash (any other backslash is one, as
 * in the paths that old browsers send). Returns where it ends, or NULL when it has no end or no room.
 */
static const char *read_value(const char *text, char *to, size_t room)
{
    size_t used   = 0;
    bool   quoted = *text == '"';

    for (text += quoted; *text != '\0' && (quoted ? *text != '"' : strchr("; \t", *text) == NULL); text++) {
        if (quoted && *text == '\\' && (text[1] == '"' || text[1] == '\\'))
            text++;
        if (used + 1 >= room)
            return NULL;
        to[used++] = *text;
    }
    to[used] = '\0';
    if (!quoted)
        return text;
    return *text == '"' ? text + 1 : NULL;
}

/* Moves *text behind the parameter that it stands before, `; name=value`. Returns false when there is none, or it is malformed (*ret_bad). */
static bool read_parameter(const char **text, char name[32], char *value, size_t room, bool *ret_bad)
{
    const char *at = skip_blanks(*text);
    size_t      length;

    if (*at == '\0')
        return false;
    *ret_bad = true;
    if (*at != ';')
        return false;
    at     = skip_blanks(at + 1);
    length = strcspn(at, "=; \t\"");
    if (length == 0 && *at == '\0') { /* a semicolon at the end */
        *ret_bad = false;
        return false;
    }
    if (length == 0 || length >= 32 || at[length] != '=')
        return false;
    memcpy(name, at, length);
    name[length] = '\0';
    at           = read_value(at + length + 1, value, room);
    if (at == NULL)
        return false;
    *text    = at;
    *ret_bad = false;
    return true;
}

static bool is_boundary(const char *text)
{
    size_t length = strlen(text);
    return length > 0 && length <= MULTIPART_BOUNDARY_MAX && text[length - 1] != ' ' &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'()+_,-./:=? ") == length;
}

bool multipart_init(struct multipart *multipart, const char *content_type)
{
    static const char type[] = "multipart/form-data";
    char              name[32], value[MULTIPART_BOUNDARY_MAX + 2];
    const char       *at;
    bool              bad = false, found = false;

    memset(multipart, 0, sizeof *multipart);
    if (content_type == NULL || strncasecmp(content_type, type, sizeof type - 1) != 0)
        return false;
    at = content_type + sizeof type - 1;
    while (!found && read_parameter(&at, name, value, sizeof value, &bad))
        found = strcasecmp(name, "boundary") == 0;
    if (!found || !is_boundary(value))
        return false;
    multipart->delimiter_length = (size_t)(stpcpy(stpcpy(multipart->delimiter, "\r\n--"), value) - multipart->delimiter);
    multipart->matched          = 2; /* the first boundary needs no line end before it */
    return true;
}

/* ---- headers of a part ---- */

static int hex_of(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

/* filename*=UTF-8''percent-encoded, in place. Returns false when it is not that. */
static bool decode_extended(char *value)
{
    char *from, *to = value;
    if (strncasecmp(value, "UTF-8'", 6) != 0 || (from = strchr(value + 6, '\'')) == NULL)
        return false;
    for (from++; *from != '\0'; from++) {
        if (*from != '%') {
            *to++ = *from;
        } else {
            if (hex_of(from[1]) < 0 || hex_of(from[2]) < 0 || (from[1] == '0' && from[2] == '0'))
                return false;
            *to++ = (char)(hex_of(from[1]) << 4 | hex_of(from[2]));
            from += 2;
        }
    }
    *to = '\0';
    return true;
}

static const char *read_disposition(struct multipart *multipart, const char *text)
{
    static const char form_data[] = "form-data";
    char              name[32], value[MULTIPART_NAME_MAX];
    bool              bad = false, extended = false;

    if (strncasecmp(text, form_data, sizeof form_data - 1) != 0)
        return "a part's Content-Disposition is not form-data";
    text += sizeof form_data - 1;
    while (read_parameter(&text, name, value, sizeof value, &bad)) {
        bool star = strcasecmp(name, "filename*") == 0;
        if (star && !decode_extended(value))
            return "a part's filename* is not well-formed";
        if (strcasecmp(name, "name") == 0)
            strcpy(multipart->name, value);
        else if (star || (strcasecmp(name, "filename") == 0 && !extended))
            strcpy(multipart->filename, value);
        multipart->has_filename |= star || strcasecmp(name, "filename") == 0;
        extended |= star;
    }
    multipart->has_disposition = true;
    return bad ? "a part's Content-Disposition is not well-formed, or too long" : NULL;
}

static const char *read_line(struct multipart *multipart)
{
    char *line = multipart->line, *colon;

    line[multipart->line_length] = '\0';
    if (strlen(line) != multipart->line_length || text_valid(line, multipart->line_length) != multipart->line_length)
        return "a part's header is not text";
    colon = strchr(line, ':');
    if (colon == NULL || colon == line || *line == ' ' || *line == '\t')
        return "a line of a part's header is not well-formed";
    *colon = '\0';
    colon  = (char *)skip_blanks(colon + 1);
    if (strcasecmp(line, "Content-Disposition") == 0)
        return multipart->has_disposition ? "a part has two Content-Dispositions" : read_disposition(multipart, colon);
    if (strcasecmp(line, "Content-Transfer-Encoding") == 0 && strcasecmp(colon, "binary") != 0 && strcasecmp(colon, "8bit") != 0 &&
        strcasecmp(colon, "7bit") != 0)
        return "a part has a Content-Transfer-Encoding, which forms do not have";
    return NULL;
}

static void begin_header(struct multipart *multipart)
{
    multipart->state       = MULTIPART_HEADER;
    multipart->line_length = multipart->lines = 0;
    multipart->name[0] = multipart->filename[0] = '\0';
    multipart->has_filename = multipart->has_disposition = false;
}

static enum multipart_result end_header(struct multipart *multipart)
{
    if (!multipart->has_disposition)
        return fail(multipart, "a part has no Content-Disposition");
    multipart->state   = MULTIPART_BODY;
    multipart->fresh   = true;
    multipart->matched = 2;
    return MULTIPART_PART;
}

/* One whole line, its line end taken off. MORE: go on. */
static enum multipart_result take_line(struct multipart *multipart)
{
    const char *fault;

    if (multipart->line_length == 0)
        return end_header(multipart);
    if (++multipart->lines > MULTIPART_LINES_MAX)
        return fail(multipart, "a part's header has too many lines");
    fault                  = read_line(multipart);
    multipart->line_length = 0;
    return fault != NULL ? fail(multipart, fault) : MULTIPART_MORE;
}

static enum multipart_result take_header(struct multipart *multipart, const char **data, size_t *length)
{
    while (*length > 0) {
        char c = *(*data)++;
        (*length)--;
        if (c == '\n') {
            enum multipart_result result;
            if (multipart->line_length == 0 || multipart->line[multipart->line_length - 1] != '\r')
                return fail(multipart, "a line of a part's header does not end with CR LF");
            multipart->line_length--;
            result = take_line(multipart);
            if (result != MULTIPART_MORE)
                return result;
        } else if (multipart->line_length == MULTIPART_HEADER_MAX) {
            return fail(multipart, "a line of a part's header is too long");
        } else {
            multipart->line[multipart->line_length++] = c;
        }
    }
    return MULTIPART_MORE;
}

/* ---- boundaries ---- */

/* Behind a boundary. MORE: go on, perhaps in another state. */
static enum multipart_result take_after_boundary(struct multipart *multipart, const char **data, size_t *length)
{
    while (*length > 0) {
        char c = *(*data)++;
        (*length)--;
        if (c == '-' && multipart->line_length == 0) {
            if (multipart->dash) {
                multipart->state = MULTIPART_EPILOGUE;
                return MULTIPART_END;
            }
            multipart->dash = true;
        } else if (multipart->dash) {
            return fail(multipart, "a boundary is followed by something else");
        } else if (c == '\n' && multipart->line_length > 0 && multipart->line[0] == '\r') {
            begin_header(multipart);
            return MULTIPART_MORE;
        } else if ((c == ' ' || c == '\t' || c == '\r') && (multipart->line_length == 0 || multipart->line[0] != '\r')) {
            multipart->line[0]     = c;
            multipart->line_length = 1;
        } else {
            return fail(multipart, "a boundary is followed by something else");
        }
    }
    return MULTIPART_MORE;
}

static void end_boundary(struct multipart *multipart)
{
    multipart->state       = MULTIPART_AFTER_BOUNDARY;
    multipart->matched     = 0;
    multipart->line_length = 0;
    multipart->dash        = false;
}

/* Moves on while the delimiter goes on. A carriage return is nowhere in it but at its start, so what fails can only begin again there. */
static bool match(struct multipart *multipart, const char **data, size_t *length)
{
    while (*length > 0 && multipart->matched < multipart->delimiter_length && **data == multipart->delimiter[multipart->matched]) {
        multipart->matched++;
        (*data)++;
        (*length)--;
    }
    return multipart->matched == multipart->delimiter_length;
}

static enum multipart_result take_preamble(struct multipart *multipart, const char **data, size_t *length)
{
    while (*length > 0) {
        const char *next;
        size_t      skipped;
        if (match(multipart, data, length)) {
            end_boundary(multipart);
            return MULTIPART_MORE;
        }
        if (*length == 0)
            break;
        multipart->matched = 0;
        next               = memchr(*data, '\r', *length);
        skipped            = next != NULL ? (size_t)(next - *data) : *length;
        *data += skipped;
        *length -= skipped;
    }
    return MULTIPART_MORE;
}

/* What was taken for the start of a delimiter, and was none, is data; but not the header's line end. */
static enum multipart_result give_back(struct multipart *multipart, const char **ret_piece, size_t *ret_length)
{
    size_t skip        = multipart->fresh ? 2 : 0;
    *ret_piece         = multipart->delimiter + skip;
    *ret_length        = multipart->matched - skip;
    multipart->matched = 0;
    multipart->fresh   = false;
    return *ret_length > 0 ? MULTIPART_DATA : MULTIPART_MORE;
}

static enum multipart_result take_body(struct multipart *multipart, const char **data, size_t *length, const char **ret_piece,
                                       size_t *ret_length)
{
    const char *next;

    if (multipart->matched > 0) {
        if (match(multipart, data, length)) {
            end_boundary(multipart);
            return MULTIPART_END_OF_PART;
        }
        return *length == 0 ? MULTIPART_MORE : give_back(multipart, ret_piece, ret_length);
    }
    next        = memchr(*data, '\r', *length);
    *ret_piece  = *data;
    *ret_length = next != NULL ? (size_t)(next - *data) : *length;
    *data += *ret_length;
    *length -= *ret_length;
    if (next != NULL)
        (void)match(multipart, data, length);
    return *ret_length > 0 ? MULTIPART_DATA : MULTIPART_MORE;
}

/* The boundary was the last of what came, and has not been told of. */
static bool has_ended_part(const struct multipart *multipart)
{
    return multipart->state == MULTIPART_BODY && multipart->matched == multipart->delimiter_length;
}

enum multipart_result multipart_next(struct multipart *multipart, const char **data, size_t *length, const char **ret_piece,
                                     size_t *ret_length)
{
    while (*length > 0 || has_ended_part(multipart)) {
        enum multipart_result result;
        switch (multipart->state) {
        case MULTIPART_PREAMBLE: result = take_preamble(multipart, data, length); break;
        case MULTIPART_AFTER_BOUNDARY: result = take_after_boundary(multipart, data, length); break;
        case MULTIPART_HEADER: result = take_header(multipart, data, length); break;
        case MULTIPART_BODY: result = take_body(multipart, data, length, ret_piece, ret_length); break;
        case MULTIPART_EPILOGUE:
            *data += *length;
            *length = 0;
            return MULTIPART_MORE;
        default: return MULTIPART_BAD;
        }
        if (result != MULTIPART_MORE)
            return result;
    }
    return MULTIPART_MORE;
}
