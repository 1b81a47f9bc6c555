/*
 * http_parse.c: a judged head taken apart by libevhtp's htparser: method, path, query and headers, copied into the request.
 *
 * Only the parser of libevhtp is used. Its connection layer frees a connection without an answer when parsing fails, loses requests that
 * are pipelined behind one not yet answered, knows no limit for heads, and writes a loop turn late; http_connection.c is ours for that.
 */
#include <evhtp/parser.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http_internal.h"
#include "text.h"

struct parse {
    struct http_request *request;
    bool                 skip_host; /* the target's authority stands for it */
    bool                 failed, many;
};

/* Appends a NUL-terminated copy to the request's text. Room was reserved, so that offsets and pointers stay. */
static uint32_t keep(struct http_request *request, const char *data, size_t length)
{
    struct http_buffer *text = &request->text;
    uint32_t            at   = (uint32_t)text->length;
    memcpy(text->data + at, data, length);
    text->data[at + length] = '\0';
    text->length += length + 1;
    return at;
}

static int hex_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Percent-decodes in place. Returns 0, or -1 for a broken escape, a NUL, or what is then not UTF-8. */
static int decode(char *text, bool plus_is_space)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; from++, to++) {
        *to = *from;
        if (*from == '+' && plus_is_space)
            *to = ' ';
        if (*from != '%')
            continue;
        if (hex_of(from[1]) < 0 || hex_of(from[2]) < 0 || (from[1] == '0' && from[2] == '0'))
            return -1;
        *to = (char)(hex_of(from[1]) << 4 | hex_of(from[2]));
        from += 2;
    }
    *to = '\0';
    return text_valid(text, (size_t)(to - text)) == (size_t)(to - text) ? 0 : -1;
}

static int on_path(htparser *parser, const char *data, size_t length)
{
    struct parse *parse  = htparser_get_userdata(parser);
    parse->request->path = keep(parse->request, data, length);
    parse->failed        = decode(parse->request->text.data + parse->request->path, false) != 0;
    return parse->failed ? -1 : 0;
}

/* name=value&name=value, split and decoded where it lies. */
static int on_query(htparser *parser, const char *data, size_t length)
{
    struct parse        *parse   = htparser_get_userdata(parser);
    struct http_request *request = parse->request;
    char                *text    = request->text.data, *next;

    next = text + keep(request, data, length);
    for (char *item = next; item != NULL && !parse->failed; item = next) {
        char *value;
        next = strchr(item, '&');
        if (next != NULL)
            *next++ = '\0';
        if (*item == '\0')
            continue;
        if (request->query_count == HTTP_QUERY_MAX) {
            parse->many = parse->failed = true;
            break;
        }
        value = strchr(item, '=');
        if (value != NULL)
            *value++ = '\0';
        else
            value = item + strlen(item);
        parse->failed                            = decode(item, true) != 0 || decode(value, true) != 0;
        request->queries[request->query_count++] = (struct http_pair){(uint32_t)(item - text), (uint32_t)(value - text)};
    }
    return parse->failed ? -1 : 0;
}

static int on_field_name(htparser *parser, const char *data, size_t length)
{
    struct parse *parse                                      = htparser_get_userdata(parser);
    parse->request->fields[parse->request->field_count].name = keep(parse->request, data, length);
    return 0;
}

static int on_field_value(htparser *parser, const char *data, size_t length)
{
    struct parse        *parse   = htparser_get_userdata(parser);
    struct http_request *request = parse->request;
    struct http_pair    *pair    = &request->fields[request->field_count];

    while (length > 0 && (*data == ' ' || *data == '\t')) {
        data++;
        length--;
    }
    while (length > 0 && (data[length - 1] == ' ' || data[length - 1] == '\t'))
        length--;
    pair->value = keep(request, data, length);
    if (!parse->skip_host || strcasecmp(request->text.data + pair->name, "host") != 0)
        request->field_count++;
    return 0;
}

/* The head is whole, so the parser's work ends here whatever it thinks of a body. */
static int on_head_end(htparser *parser)
{
    (void)parser;
    return -1;
}

static htparse_hooks hooks = {
    .path = on_path, .args = on_query, .hdr_key = on_field_name, .hdr_val = on_field_value, .on_hdrs_complete = on_head_end};

void *http_parser_new(void)
{
    return htparser_new();
}

void http_parser_free(void *parser)
{
    free(parser);
}

/* An absolute-form or asterisk-form head with its target made a path, as htparser wants it. Returns NULL when memory is short. */
static char *with_path(const char *data, const struct http_head *head, size_t *ret_length)
{
    size_t method = head->target_at - head->method_at, rest_at = head->target_at + head->target_length;
    char  *text = malloc(head->length + 2), *to = text;

    if (text == NULL)
        return NULL;
    if (head->authority_length > 0)
        method = strcspn(data + head->method_at, " ") + 1;
    to = mempcpy(to, data + head->method_at, method);
    if (head->target_length == 0 || data[head->target_at] != '/')
        *to++ = '/';
    if (head->target_length > 0 && data[head->target_at] != '*')
        to = mempcpy(to, data + head->target_at, head->target_length);
    to          = mempcpy(to, data + rest_at, head->length - rest_at);
    *ret_length = (size_t)(to - text);
    return text;
}

static int refuse(struct http_refusal *ret, int status, const char *code, const char *message)
{
    *ret = (struct http_refusal){status, code, message};
    return -1;
}

static int run(struct parse *parse, htparser *parser, const char *data, size_t length, struct http_refusal *ret)
{
    htparser_init(parser, htp_type_request);
    htparser_set_userdata(parser, parse);
    if (htparser_run(parser, &hooks, data, length) == length && htparser_get_error(parser) == htparse_error_user && !parse->failed)
        return 0;
    if (parse->many)
        return refuse(ret, 400, "BAD_REQUEST", "The query has too many parameters");
    if (parse->failed)
        return refuse(ret, 400, "BAD_REQUEST", "The path or query has a broken percent escape, a NUL or text that is not UTF-8");
    return refuse(ret, 400, "BAD_REQUEST", "The request's head is not well-formed");
}

int http_parse_head(struct http_request *request, void *parser, const char *data, const struct http_head *head,
                    struct http_refusal *ret_refusal)
{
    struct parse parse    = {.request = request, .skip_host = head->authority_length > 0};
    size_t       length   = head->length - head->method_at;
    const char  *text     = data + head->method_at;
    char        *replaced = NULL;
    int          result;

    request->method     = head->method;
    request->minor      = head->minor;
    request->keep_alive = head->keep_alive;
    if (http_buffer_reserve(&request->text, head->length + 2 * GUARD_FIELDS_MAX + 64) != 0)
        return refuse(ret_refusal, 503, "OUT_OF_MEMORY", "The server is short of memory");
    if (head->authority_length > 0) {
        request->fields[0] = (struct http_pair){keep(request, "Host", 4), keep(request, data + head->authority_at, head->authority_length)};
        request->field_count = 1;
    }
    if (head->authority_length > 0 || data[head->target_at] != '/') {
        text = replaced = with_path(data, head, &length);
        if (replaced == NULL)
            return refuse(ret_refusal, 503, "OUT_OF_MEMORY", "The server is short of memory");
    }
    result = run(&parse, parser, text, length, ret_refusal);
    free(replaced);
    return result;
}
