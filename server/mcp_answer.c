#define _GNU_SOURCE
#include "mcp_answer.h"

#include <stdlib.h>
#include <string.h>

#include "api_error.h"
#include "bytes.h"
#include "sse.h"
#include "version.h"

struct mcp_answer {
    struct http_request            *request; /* NULL once it is a stream */
    struct http_stream             *stream;
    json_t                         *id;
    enum mcp_version                version;
    bool                            takes_stream;
    const struct mcp_answer_events *events;
    void                           *arg;
};

static void on_gone(void *arg)
{
    struct mcp_answer *answer = arg;
    answer->request           = NULL;
    answer->stream            = NULL;
    answer->events->on_gone(answer->arg);
}

static void on_drain(void *arg)
{
    struct mcp_answer *answer = arg;
    if (answer->events->on_drain != NULL)
        answer->events->on_drain(answer->arg);
}

/* Who says nothing of what it takes, or not that it takes a stream, gets JSON. */
static bool takes_stream(const struct http_request *request)
{
    const char *accept = http_request_header(request, "Accept");
    return accept != NULL && strcasestr(accept, "text/event-stream") != NULL;
}

struct mcp_answer *mcp_answer_new(struct http_request *request, json_t *id, enum mcp_version version,
                                  const struct mcp_answer_events *events, void *arg)
{
    struct mcp_answer *answer = calloc(1, sizeof *answer);
    if (answer == NULL)
        return NULL;
    *answer = (struct mcp_answer){
        .request = request, .id = json_incref(id), .version = version, .takes_stream = takes_stream(request), .events = events, .arg = arg};
    http_request_on_gone(request, on_gone, answer);
    return answer;
}

void mcp_answer_begin(struct mcp_answer *answer)
{
    if (answer->request == NULL || !answer->takes_stream)
        return;
    http_request_add_header(answer->request, "Cache-Control", "no-cache");
    http_request_add_header(answer->request, "X-Accel-Buffering", "no");
    answer->stream  = http_stream_begin(answer->request, 200, "text/event-stream");
    answer->request = NULL;
    http_stream_set_callbacks(answer->stream, MCP_ANSWER_LOW_BYTES, on_drain, on_gone, answer);
}

bool mcp_answer_is_stream(const struct mcp_answer *answer)
{
    return answer->stream != NULL;
}

void mcp_answer_free(struct mcp_answer *answer)
{
    if (answer == NULL)
        return;
    json_decref(answer->id);
    free(answer);
}

static bool literal(struct bytes *out, const char *text)
{
    return bytes_append(out, text, strlen(text));
}

static char *dump(json_t *owned)
{
    char *text = owned != NULL ? json_dumps(owned, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
    json_decref(owned);
    return text;
}

/* One write is one event. Returns false when there is no memory. */
static bool write_event(struct mcp_answer *answer, const char *event_id, const char *text)
{
    struct bytes out  = {0};
    bool         fine = (event_id == NULL || (literal(&out, "id: ") && literal(&out, event_id) && literal(&out, "\n"))) &&
                literal(&out, text[0] != '\0' ? "event: message\ndata: " : "data: ") && literal(&out, text) && literal(&out, "\n\n");
    if (fine)
        (void)http_stream_write(answer->stream, out.data, out.length);
    bytes_done(&out);
    return fine;
}

size_t mcp_answer_send(struct mcp_answer *answer, json_t *owned, const char *event_id)
{
    char *text = answer->stream != NULL ? dump(owned) : NULL;
    if (answer->stream == NULL) {
        json_decref(owned);
        return 0;
    }
    if (text != NULL)
        (void)write_event(answer, event_id, text);
    free(text);
    return http_stream_pending(answer->stream);
}

size_t mcp_answer_ping(struct mcp_answer *answer)
{
    return answer->stream != NULL ? http_stream_write(answer->stream, SSE_PING, sizeof SSE_PING - 1) : 0;
}

size_t mcp_answer_prime(struct mcp_answer *answer, const char *event_id)
{
    if (answer->stream == NULL ||
        answer->version != MCP_2025_11_25) /* before, clients take it for a broken message; later nothing is resumed */
        return 0;
    (void)write_event(answer, event_id, "");
    return http_stream_pending(answer->stream);
}

void mcp_answer_end(struct mcp_answer *answer)
{
    if (answer->stream != NULL)
        http_stream_end(answer->stream);
    mcp_answer_free(answer);
}

static void finish(struct mcp_answer *answer, int status, json_t *message)
{
    char *text = dump(message);
    if (answer->stream != NULL && (text == NULL || !write_event(answer, NULL, text)))
        http_stream_cut(answer->stream); /* a response that is missing must be noticed */
    else if (answer->stream != NULL)
        http_stream_end(answer->stream);
    else if (text == NULL)
        api_error_unavailable(answer->request, "NO_MEMORY", "No memory for the answer");
    else
        http_reply_bytes(answer->request, status, "application/json", text, strlen(text));
    free(text);
    mcp_answer_free(answer);
}

void mcp_answer_result(struct mcp_answer *answer, json_t *result)
{
    if (answer->version >= MCP_STATELESS && result != NULL) {
        (void)json_object_set_new(result, "resultType", json_string("complete"));
        (void)json_object_set_new(
            result, "_meta",
            json_pack("{s:{s:s, s:s}}", "io.modelcontextprotocol/serverInfo", "name", "penny-sandbox", "version", PENNY_VERSION));
    }
    finish(answer, 200, result != NULL ? mcp_message_result(answer->id, result) : NULL);
}

void mcp_answer_error(struct mcp_answer *answer, int status, int code, const char *message, json_t *data)
{
    finish(answer, status, mcp_message_error(answer->id, code, message, data));
}

void mcp_reply_error(struct http_request *request, int status, json_t *id, int code, const char *message, json_t *data)
{
    http_reply_json(request, status, mcp_message_error(id, code, message, data));
}
