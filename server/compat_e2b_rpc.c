#define _GNU_SOURCE
#include "compat_e2b_rpc.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

enum { HEAD_BYTES = 5, FLAG_COMPRESSED = 1, FLAG_END = 2 };

bool compat_e2b_rpc_read(struct http_request *request)
{
    const char  *type = http_request_header(request, "Content-Type");
    size_t       length;
    const char  *body = http_request_body(request, &length);
    uint32_t     size;
    json_error_t error;
    json_t      *json = NULL;

    if (type == NULL || strncmp(type, COMPAT_E2B_RPC_TYPE, strlen(COMPAT_E2B_RPC_TYPE)) != 0) {
        http_reply_error(request, 415, "UNSUPPORTED_MEDIA_TYPE", "The body must come with Content-Type: " COMPAT_E2B_RPC_TYPE, NULL, 0);
        return false;
    }
    if (length >= HEAD_BYTES) {
        memcpy(&size, body + 1, sizeof size);
        if (body[0] == 0 && ntohl(size) == length - HEAD_BYTES)
            json = json_loadb(body + HEAD_BYTES, length - HEAD_BYTES, 0, &error);
    }
    if (!json_is_object(json)) {
        json_decref(json);
        compat_e2b_rpc_refuse(request, "invalid_argument", "The body must be one envelope with a JSON object, not compressed");
        return false;
    }
    http_request_set_json(request, json);
    return true;
}

static bool add(struct bytes *out, char flags, json_t *owned)
{
    char    *text = owned != NULL ? json_dumps(owned, JSON_COMPACT) : NULL;
    uint32_t size = text != NULL ? htonl((uint32_t)strlen(text)) : 0;
    bool     fine =
        text != NULL && bytes_append(out, &flags, 1) && bytes_append(out, &size, sizeof size) && bytes_append(out, text, strlen(text));
    free(text);
    json_decref(owned);
    return fine;
}

bool compat_e2b_rpc_add(struct bytes *out, json_t *owned)
{
    return add(out, 0, owned);
}

bool compat_e2b_rpc_end(struct bytes *out, const char *code, const char *message)
{
    return add(out, FLAG_END, code != NULL ? json_pack("{s:{s:s, s:s}}", "error", "code", code, "message", message) : json_object());
}

void compat_e2b_rpc_refuse(struct http_request *request, const char *code, const char *message)
{
    struct bytes out = {0};
    (void)compat_e2b_rpc_end(&out, code, message);
    http_reply_bytes(request, 200, COMPAT_E2B_RPC_TYPE, out.length > 0 ? out.data : "", out.length);
    bytes_done(&out);
}

uint32_t compat_e2b_rpc_timeout(const struct http_request *request)
{
    const char   *given = http_request_header(request, "Connect-Timeout-Ms");
    unsigned long ms    = given != NULL ? strtoul(given, NULL, 10) : 0;
    return ms <= UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}
