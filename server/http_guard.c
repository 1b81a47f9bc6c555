/* http_guard.c: framing and judging of request heads and chunked bodies, before anything else looks at them. */
#include "http_guard.h"

#include <string.h>
#include <strings.h>

enum { CHUNK_SIZE_DIGITS = 15, CHUNK_SKIP_MAX = 8192 };

/* Bit 0: may be in a token (RFC 9110 5.6.2). Bit 1: may be in a field value. Bit 2: may be in a request target. */
enum { TOKEN = 1, VALUE = 2, TARGET = 4 };

static unsigned char classes[256];

static void fill_classes(void)
{
    for (int c = 0; c < 256; c++) {
        unsigned char set = 0;
        if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL))
            set |= TOKEN;
        if (c == '\t' || (c >= 0x20 && c != 0x7f))
            set |= VALUE;
        if (c > 0x20 && c != 0x7f && c != '#')
            set |= TARGET;
        classes[c] = set;
    }
}

static bool all_of(const char *text, size_t length, unsigned char class)
{
    for (size_t i = 0; i < length; i++) {
        if ((classes[(unsigned char)text[i]] & class) == 0)
            return false;
    }
    return true;
}

void http_guard_init(struct http_guard *guard)
{
    if (classes['A'] == 0)
        fill_classes();
    memset(guard, 0, sizeof *guard);
}

static enum guard_result refuse(struct http_refusal *ret, int status, const char *code, const char *message)
{
    ret->status  = status;
    ret->code    = code;
    ret->message = message;
    return GUARD_REFUSED;
}

static enum guard_result bad(struct http_refusal *ret, const char *message)
{
    return refuse(ret, 400, "BAD_REQUEST", message);
}

static enum guard_result check_method(struct http_head *head, const char *text, size_t length, struct http_refusal *ret)
{
    static const struct {
        const char      *name;
        enum http_method method;
    } known[] = {{"GET", HTTP_GET},         {"POST", HTTP_POST},   {"DELETE", HTTP_DELETE},
                 {"PUT", HTTP_PUT},         {"PATCH", HTTP_PATCH}, {"HEAD", HTTP_HEAD},
                 {"OPTIONS", HTTP_OPTIONS}, {"TRACE", 0},          {"CONNECT", 0}};
    if (length == 0 || !all_of(text, length, TOKEN))
        return bad(ret, "The request line does not start with a method");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strlen(known[i].name) != length || memcmp(known[i].name, text, length) != 0)
            continue;
        head->method = known[i].method;
        return head->method != 0 ? GUARD_MORE : refuse(ret, 405, "METHOD_NOT_ALLOWED", "This method is not allowed here");
    }
    return refuse(ret, 501, "METHOD_NOT_IMPLEMENTED", "This method is not implemented");
}

static enum guard_result check_version(struct http_head *head, const char *text, size_t length, struct http_refusal *ret)
{
    if (length != 8 || memcmp(text, "HTTP/", 5) != 0 || text[5] < '0' || text[5] > '9' || text[6] != '.' || text[7] < '0' || text[7] > '9')
        return bad(ret, "The request line does not end with a version such as HTTP/1.1");
    if (text[5] != '1' || text[7] > '1')
        return refuse(ret, 505, "HTTP_VERSION_NOT_SUPPORTED", "Only HTTP/1.1 and HTTP/1.0 are spoken here");
    head->minor = (uint8_t)(text[7] - '0');
    return GUARD_MORE;
}

bool http_guard_is_authority(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c != 0 && strchr("-._~:[]%", c) != NULL)))
            return false;
    }
    return length <= 255;
}

/* origin-form, OPTIONS *, or absolute-form, whose authority is noted and the target reduced to its path. */
static enum guard_result check_target(struct http_head *head, const char *data, struct http_refusal *ret)
{
    const char *text   = data + head->target_at;
    size_t      length = head->target_length, skip, host;

    if (length == 0 || !all_of(text, length, TARGET))
        return bad(ret, "The request target is empty or has a character that is not allowed");
    if (*text == '/' || (length == 1 && *text == '*' && head->method == HTTP_OPTIONS))
        return GUARD_MORE;
    skip = length > 7 && strncasecmp(text, "http://", 7) == 0 ? 7 : length > 8 && strncasecmp(text, "https://", 8) == 0 ? 8 : 0;
    for (host = skip; host < length && text[host] != '/' && text[host] != '?'; host++)
        continue;
    if (skip == 0 || host == skip || !http_guard_is_authority(text + skip, host - skip))
        return bad(ret, "The request target must be a path");
    head->authority_at     = head->target_at + skip;
    head->authority_length = host - skip;
    head->target_at += host;
    head->target_length -= host;
    return GUARD_MORE;
}

static enum guard_result check_request_line(struct http_guard *guard, const char *data, const char *line, size_t length,
                                            struct http_refusal *ret)
{
    struct http_head *head  = &guard->head;
    const char       *first = memchr(line, ' ', length), *last = memrchr(line, ' ', length);
    enum guard_result result;

    if (first == NULL || first == last)
        return bad(ret, "The request line must be a method, a target and a version");
    head->method_at     = (size_t)(line - data);
    head->target_at     = (size_t)(first + 1 - data);
    head->target_length = (size_t)(last - first) - 1;
    result              = check_method(head, line, (size_t)(first - line), ret);
    if (result == GUARD_MORE)
        result = check_version(head, last + 1, length - (size_t)(last + 1 - line), ret);
    return result == GUARD_MORE ? check_target(head, data, ret) : result;
}

static enum guard_result check_length(struct http_head *head, const char *value, size_t length, struct http_refusal *ret)
{
    enum { DIGITS_MAX = 19 }; /* fits 64 bits */
    uint64_t number = 0;

    if (head->has_length)
        return bad(ret, "Content-Length is given twice");
    if (length == 0 || strspn(value, "0123456789") < length)
        return bad(ret, "Content-Length is not a number");
    if (length > DIGITS_MAX)
        return refuse(ret, 413, "PAYLOAD_TOO_LARGE", "The request's body is too large");
    for (size_t i = 0; i < length; i++)
        number = number * 10 + (uint64_t)(value[i] - '0');
    head->has_length     = true;
    head->content_length = number;
    return GUARD_MORE;
}

static bool equals(const char *text, size_t length, const char *word)
{
    return strlen(word) == length && strncasecmp(text, word, length) == 0;
}

static enum guard_result check_coding(struct http_guard *guard, const char *value, size_t length, struct http_refusal *ret)
{
    if (guard->has_coding)
        return bad(ret, "Transfer-Encoding is given twice");
    guard->has_coding = true;
    if (!equals(value, length, "chunked"))
        return refuse(ret, 501, "TRANSFER_CODING_NOT_IMPLEMENTED", "The only transfer coding spoken here is chunked");
    guard->head.chunked = true;
    return GUARD_MORE;
}

static void note_connection(struct http_guard *guard, const char *value, size_t length)
{
    const char *end = value + length;
    while (value < end) {
        const char *comma = memchr(value, ',', (size_t)(end - value));
        const char *stop  = comma != NULL ? comma : end;
        while (value < stop && (*value == ' ' || *value == '\t'))
            value++;
        while (stop > value && (stop[-1] == ' ' || stop[-1] == '\t'))
            stop--;
        if (equals(value, (size_t)(stop - value), "close"))
            guard->says_close = true;
        else if (equals(value, (size_t)(stop - value), "keep-alive"))
            guard->says_keep_alive = true;
        value = comma != NULL ? comma + 1 : end;
    }
}

/* The fields that decide about framing and the connection. */
static enum guard_result check_field(struct http_guard *guard, const char *name, size_t name_length, const char *value, size_t length,
                                     struct http_refusal *ret)
{
    switch (name_length) {
    case 4:
        if (equals(name, 4, "host") && (++guard->hosts > 1 || !http_guard_is_authority(value, length)))
            return bad(ret, "The Host header must be given once and be a host name");
        break;
    case 6:
        if (equals(name, 6, "expect")) {
            if (!equals(value, length, "100-continue"))
                return refuse(ret, 417, "EXPECTATION_FAILED", "The only expectation known here is 100-continue");
            guard->head.expect_continue = true;
        }
        break;
    case 10:
        if (equals(name, 10, "connection"))
            note_connection(guard, value, length);
        break;
    case 14: return equals(name, 14, "content-length") ? check_length(&guard->head, value, length, ret) : GUARD_MORE;
    case 17: return equals(name, 17, "transfer-encoding") ? check_coding(guard, value, length, ret) : GUARD_MORE;
    default: break;
    }
    return GUARD_MORE;
}

static enum guard_result check_header_line(struct http_guard *guard, const char *line, size_t length, struct http_refusal *ret)
{
    const char *colon = memchr(line, ':', length), *value, *end = line + length;

    if (++guard->fields > GUARD_FIELDS_MAX)
        return refuse(ret, 431, "HEADERS_TOO_LARGE", "The request has too many headers");
    if (colon == NULL || colon == line || !all_of(line, (size_t)(colon - line), TOKEN))
        return bad(ret, "A header line must be a name, a colon and a value, on one line");
    value = colon + 1;
    if (!all_of(value, (size_t)(end - value), VALUE))
        return bad(ret, "A header's value has a control character");
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return check_field(guard, line, (size_t)(colon - line), value, (size_t)(end - value), ret);
}

static enum guard_result finish(struct http_guard *guard, size_t length, struct http_refusal *ret)
{
    struct http_head *head = &guard->head;

    head->length     = length;
    head->keep_alive = head->minor == 1 ? !guard->says_close : guard->says_keep_alive && !guard->says_close;
    if (head->minor == 1 && guard->hosts == 0)
        return bad(ret, "The Host header is missing");
    if (head->chunked && head->has_length)
        return bad(ret, "Content-Length and Transfer-Encoding contradict each other");
    if (head->chunked && head->minor == 0)
        return bad(ret, "HTTP/1.0 knows no Transfer-Encoding");
    if (head->minor == 0)
        head->expect_continue = false;
    return GUARD_COMPLETE;
}

/* One whole line, without its CR LF. */
static enum guard_result check_line(struct http_guard *guard, const char *data, size_t length, size_t after, struct http_refusal *ret)
{
    const char *line = data + guard->line;

    if (!guard->started && length == 0)
        return ++guard->blanks > GUARD_BLANK_MAX ? bad(ret, "The request does not start with a method") : GUARD_MORE;
    if (!guard->started) {
        guard->started = true;
        return check_request_line(guard, data, line, length, ret);
    }
    return length == 0 ? finish(guard, after, ret) : check_header_line(guard, line, length, ret);
}

static enum guard_result too_long(const struct http_guard *guard, struct http_refusal *ret)
{
    if (!guard->started)
        return refuse(ret, 414, "URI_TOO_LONG", "The request line is too long");
    return refuse(ret, 431, "HEADERS_TOO_LARGE", "The request's headers are too large");
}

/* What can be said before the line's end has come: refuse at once what can't become right any more. */
static enum guard_result check_start(const struct http_guard *guard, const char *data, size_t length, struct http_refusal *ret)
{
    const char *line = data + guard->line;
    if (!guard->started && guard->line < length && *line != '\r' && !all_of(line, 1, TOKEN))
        return bad(ret, "This is not an HTTP request");
    return GUARD_MORE;
}

enum guard_result http_guard_head(struct http_guard *guard, const char *data, size_t length, size_t head_max, struct http_refusal *ret)
{
    for (;;) {
        const char       *feed = guard->scanned < length ? memchr(data + guard->scanned, '\n', length - guard->scanned) : NULL;
        size_t            end = feed != NULL ? (size_t)(feed - data) : length, after = end + 1;
        enum guard_result result = check_start(guard, data, length, ret);

        if (result != GUARD_MORE)
            return result;
        if (end - guard->line > GUARD_LINE_MAX || after > head_max)
            return too_long(guard, ret);
        if (feed == NULL) {
            guard->scanned = length;
            return GUARD_MORE;
        }
        if (end == guard->line || data[end - 1] != '\r')
            return bad(ret, "A line does not end with CR LF");
        result = check_line(guard, data, end - 1 - guard->line, after, ret);
        if (result != GUARD_MORE)
            return result;
        guard->line = guard->scanned = after;
    }
}

/* ---- Chunked bodies: size [;extension] CR LF data CR LF ... 0 CR LF [trailers] CR LF ---- */

enum { SIZE, EXTENSION, SIZE_FEED, DATA, DATA_RETURN, DATA_FEED, TRAILER, TRAILER_LINE, TRAILER_FEED, END_FEED };

static int hex_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static enum chunk_result size_byte(struct http_chunked *chunked, char c)
{
    int digit = hex_of(c);
    if (digit >= 0) {
        chunked->left = chunked->left << 4 | (unsigned)digit;
        return ++chunked->digits > CHUNK_SIZE_DIGITS ? CHUNK_BAD : CHUNK_MORE;
    }
    if (chunked->digits == 0 || (c != '\r' && c != ';'))
        return CHUNK_BAD;
    chunked->state = c == '\r' ? SIZE_FEED : EXTENSION;
    return CHUNK_MORE;
}

/* A byte of an extension or a trailer: ignored, but counted. */
static enum chunk_result skipped_byte(struct http_chunked *chunked, char c, unsigned next)
{
    if (c == '\r')
        chunked->state = next;
    else if (!all_of(&c, 1, VALUE) || ++chunked->skipped > CHUNK_SKIP_MAX)
        return CHUNK_BAD;
    return CHUNK_MORE;
}

static enum chunk_result feed_byte(struct http_chunked *chunked, char c, unsigned next)
{
    chunked->state = next;
    return c == '\n' ? CHUNK_MORE : CHUNK_BAD;
}

static enum chunk_result framing_byte(struct http_chunked *chunked, char c)
{
    switch (chunked->state) {
    case SIZE: return size_byte(chunked, c);
    case EXTENSION: return skipped_byte(chunked, c, SIZE_FEED);
    case SIZE_FEED: return feed_byte(chunked, c, chunked->left == 0 ? TRAILER : DATA);
    case DATA_RETURN: chunked->state = DATA_FEED; return c == '\r' ? CHUNK_MORE : CHUNK_BAD;
    case DATA_FEED: chunked->digits = 0; return feed_byte(chunked, c, SIZE);
    case TRAILER: chunked->state = TRAILER_LINE; return skipped_byte(chunked, c, END_FEED);
    case TRAILER_LINE: return skipped_byte(chunked, c, TRAILER_FEED);
    case TRAILER_FEED: return feed_byte(chunked, c, TRAILER);
    default: return c == '\n' ? CHUNK_END : CHUNK_BAD;
    }
}

enum chunk_result http_chunked_next(struct http_chunked *chunked, const char **data, size_t *length, const char **ret_piece,
                                    size_t *ret_length)
{
    while (*length > 0) {
        enum chunk_result result;
        if (chunked->state == DATA) {
            *ret_piece  = *data;
            *ret_length = chunked->left < *length ? (size_t)chunked->left : *length;
            chunked->left -= *ret_length;
            *data += *ret_length;
            *length -= *ret_length;
            if (chunked->left == 0)
                chunked->state = DATA_RETURN;
            return CHUNK_DATA;
        }
        result = framing_byte(chunked, *(*data)++);
        --*length;
        if (result != CHUNK_MORE)
            return result;
    }
    return CHUNK_MORE;
}
