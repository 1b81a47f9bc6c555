#define _GNU_SOURCE
#include "mcp_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api_error.h"
#include "base64.h"
#include "file_error.h"
#include "files_given.h"
#include "json.h"
#include "mcp_result.h"
#include "text.h"

enum { READ_DEFAULT = 48 * 1024, TEXT_BYTES = 256 };

/* ---- read ---- */

bool mcp_files_prepare_read(struct mcp_call *call, struct http_request *inner)
{
    struct json_check check  = JSON_CHECK_INIT;
    const char       *path   = NULL;
    int64_t           offset = 0, limit = READ_DEFAULT;
    char              text[64];

    json_check_require(&check, call->arguments, "path");
    (void)json_field_string(&check, call->arguments, "path", 1, FILE_PATH_BYTES, &path);
    (void)json_field_integer(&check, call->arguments, "offset", 0, INT64_MAX / 2, &offset);
    (void)json_field_integer(&check, call->arguments, "limit", 1, MCP_FILE_BYTES, &limit);
    if (json_check_reply(&check, inner))
        return false;
    (void)snprintf(text, sizeof text, "bytes=%lld-%lld", (long long)offset, (long long)(offset + limit - 1));
    http_inner_add_header(inner, "Range", text);
    http_request_set_parameter(inner, 1, path);
    return true;
}

static const char *image_type(const char *path)
{
    static const char *const types[][2] = {
        {".png", "image/png"}, {".jpg", "image/jpeg"}, {".jpeg", "image/jpeg"}, {".gif", "image/gif"}, {".webp", "image/webp"}};
    size_t length = strlen(path);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        size_t n = strlen(types[i][0]);
        if (length > n && strcasecmp(path + length - n, types[i][0]) == 0)
            return types[i][1];
    }
    return NULL;
}

static json_t *encoded(const char *data, size_t length)
{
    struct bytes out  = {0};
    json_t      *json = base64_encode(data, length, &out) ? json_stringn(out.data != NULL ? out.data : "", out.length) : NULL;
    bytes_done(&out);
    return json;
}

static json_t *uri_of(const char *path)
{
    char text[FILE_PATH_BYTES * 3 + 32], *to = stpcpy(text, "file:///workspace/");
    for (; *path != '\0' && to < text + sizeof text - 4; path++) {
        bool plain = (*path >= '0' && *path <= '9') || (*path >= 'A' && *path <= 'Z') || (*path >= 'a' && *path <= 'z') ||
                     strchr("/-._~", *path) != NULL;
        to += sprintf(to, plain ? "%c" : "%%%02X", (unsigned char)*path);
    }
    return json_string(text);
}

/* Bytes that are no text: as an image where it is a whole one, else as they are. */
static json_t *binary_item(const char *path, const char *data, size_t length, bool whole)
{
    const char *type = whole ? image_type(path) : NULL;
    if (type != NULL)
        return json_pack("{s:s, s:o, s:s}", "type", "image", "data", encoded(data, length), "mimeType", type);
    return json_pack("{s:s, s:{s:o, s:s, s:o}}", "type", "resource", "resource", "uri", uri_of(path), "mimeType",
                     "application/octet-stream", "blob", encoded(data, length));
}

/* What of a file has come: bytes `from` to `from + length` of `size`. */
struct part {
    const char        *data;
    size_t             length;
    unsigned long long from, size;
};

/* A character that the end of the part has cut through is left to the next one. Returns false when it is no text. */
static bool is_text(struct part *part)
{
    size_t valid = text_valid(part->data, part->length);
    if (memchr(part->data, '\0', part->length) != NULL || (valid < part->length && part->from + part->length == part->size) ||
        part->length - valid > 3)
        return false;
    part->length = valid;
    return true;
}

static json_t *result_of(const char *path, struct part *part)
{
    char    text[TEXT_BYTES];
    bool    whole  = part->length == part->size;
    json_t *result = is_text(part)
                         ? mcp_result_one(json_pack("{s:s, s:o}", "type", "text", "text", json_stringn(part->data, part->length)), false)
                         : mcp_result_one(binary_item(path, part->data, part->length, whole), false);

    if (result == NULL || part->from + part->length >= part->size)
        return result;
    (void)snprintf(text, sizeof text, "These are bytes %llu to %llu of %llu. Go on with offset %llu.", part->from,
                   part->from + part->length, part->size, part->from + part->length);
    (void)json_array_append_new(json_object_get(result, "content"), mcp_result_text(text, strlen(text)));
    return result;
}

void mcp_files_finish_read(const struct http_inner_answer *answer, void *arg)
{
    struct mcp_call *call     = arg;
    const char      *path     = json_string_value(json_object_get(call->arguments, "path"));
    struct part      part     = {.data = answer->body, .length = answer->length, .size = answer->length};
    bool             is_empty = answer->status == 416 && json_integer_value(json_object_get(call->arguments, "offset")) == 0;
    char             text[TEXT_BYTES];

    if (is_empty)
        part.length = part.size = 0; /* there is no range of an empty file */
    if (!is_empty && (answer->status < 200 || answer->status >= 300)) {
        mcp_call_result(call, mcp_result_of(answer));
        return;
    }
    if (http_inner_header(answer, "Content-Range", text, sizeof text))
        (void)sscanf(text, "bytes %llu-%*u/%llu", &part.from, &part.size);
    mcp_call_result(call, result_of(path, &part));
}

/* ---- write ---- */

struct writing {
    struct http_request   *inner;
    struct files_given    *given;
    struct files_writing  *writing;
    const struct policies *policies;
    size_t                 size;
};

static void writing_free(struct writing *writing)
{
    files_writing_cancel(writing->writing);
    files_given_free(writing->given);
    free(writing);
}

static void on_gone(void *arg)
{
    writing_free(arg);
}

static void on_written(int error, const char *path, void *arg)
{
    struct writing *writing = arg;

    writing->writing = NULL;
    http_request_on_gone(writing->inner, NULL, NULL);
    if (error != 0)
        file_error_reply(writing->inner, error, path, writing->policies);
    else
        http_reply_json(writing->inner, 200,
                        json_pack("{s:s, s:I}", "path", files_given_path(writing->given, 0), "size", (json_int_t)writing->size));
    writing_free(writing);
}

bool mcp_files_prepare_write(struct mcp_call *call, struct http_request *inner)
{
    struct json_check check = JSON_CHECK_INIT;
    const char       *path = NULL, *content = NULL;
    size_t            longest = server_policies(call->server)->file_bytes * 4 / 3 + 4;
    json_t           *file;

    json_check_require(&check, call->arguments, "path");
    json_check_require(&check, call->arguments, "content");
    (void)json_field_string(&check, call->arguments, "path", 1, FILE_PATH_BYTES, &path);
    (void)json_field_string(&check, call->arguments, "content", 0, longest, &content);
    if (json_check_reply(&check, inner))
        return false;
    file = json_pack("{s:O, s:O*}", "content", json_object_get(call->arguments, "content"), "encoding",
                     json_object_get(call->arguments, "encoding"));
    http_request_set_json(inner, json_pack("{s:{s:o}}", "files", path, file));
    http_request_set_parameter(inner, 1, path);
    return true;
}

void mcp_files_write(struct http_request *inner, void *context)
{
    const struct policies *policies = server_policies(context);
    struct session        *session  = api_session_of(inner, server_sessions(context));
    struct json_check      check    = JSON_CHECK_INIT;
    struct err             err      = {0};
    struct writing        *writing;
    struct files_given    *given;

    if (session == NULL)
        return;
    given = files_given_read(&check, http_request_json(inner), policies);
    if (json_check_reply(&check, inner)) {
        files_given_free(given);
        return;
    }
    writing = calloc(1, sizeof *writing);
    if (writing == NULL || given == NULL) {
        files_given_free(given);
        free(writing);
        api_error_unavailable(inner, "NO_MEMORY", "No memory to write the file");
        return;
    }
    *writing = (struct writing){.inner = inner, .given = given, .policies = policies, .size = files_given_content(given, 0)->length};
    writing->writing = files_given_write(given, session, policies, on_written, writing, &err);
    if (writing->writing == NULL) {
        writing_free(writing);
        file_error_refused(inner, &err, http_request_parameter(inner, 1), policies);
        return;
    }
    http_request_on_gone(inner, on_gone, writing);
}
