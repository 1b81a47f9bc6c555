#define _GNU_SOURCE
#include "mcp_stdio.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "child.h"

enum { READ_BYTES = 65536, AGAIN_MS = 1000 };

/* Everything that is under way. */
struct bridge {
    struct mcp_stdio_session *session;
    struct mcp_stdio_call    *calls;
    size_t                    count;
    struct bytes              input;
    size_t                    used;
    bool                      has_ended;           /* standard input */
    bool                      listens;             /* a stream is open, so that the session is in use */
    int64_t                   renew_ms, listen_ms; /* not before these is it tried again */
};

bool mcp_stdio_line(const struct bytes *text, size_t *used, const char **ret_line, size_t *ret_length)
{
    const char *at  = text->length > *used ? text->data + *used : NULL;
    const char *end = at != NULL ? memchr(at, '\n', text->length - *used) : NULL;

    if (end == NULL)
        return false;
    *ret_line   = at;
    *ret_length = (size_t)(end - at);
    if (*ret_length > 0 && end[-1] == '\r')
        --*ret_length;
    *used = (size_t)(end + 1 - text->data);
    return true;
}

static void add_call(struct bridge *bridge, struct mcp_stdio_call *call)
{
    if (call == NULL)
        return;
    call->next    = bridge->calls;
    bridge->calls = call;
    bridge->count++;
    bridge->listens = bridge->listens || call->kind == STDIO_LISTEN;
}

static void remove_call(struct bridge *bridge, struct mcp_stdio_call **at)
{
    struct mcp_stdio_call *call = *at;
    *at                         = call->next;
    bridge->count--;
    if (call->kind == STDIO_LISTEN)
        bridge->listens = false;
    mcp_stdio_call_free(call);
}

/*
 * What was cancelled is answered no more. The service is told by the client's own message, or, of requests without a session, by the closing
 * of the connection. Returns true when that was all.
 */
static bool cancel(struct bridge *bridge, const json_t *request_id)
{
    bool has_session = bridge->session->version[0] != '\0';
    for (struct mcp_stdio_call **at = &bridge->calls; *at != NULL; at = &(*at)->next) {
        if ((*at)->id == NULL || !json_equal((*at)->id, request_id))
            continue;
        (*at)->is_answered = true;
        if (!has_session)
            remove_call(bridge, at);
        break;
    }
    return !has_session;
}

static void send(struct bridge *bridge, json_t *json)
{
    struct mcp_message message;

    if (mcp_message_read(&message, json) == MCP_INVALID) {
        mcp_stdio_write(bridge->session, mcp_message_error(message.id, MCP_INVALID_REQUEST, message.fault, NULL));
        return;
    }
    if (message.kind == MCP_NOTIFICATION && strcmp(message.method, "notifications/cancelled") == 0 &&
        cancel(bridge, json_object_get(message.params, "requestId")))
        return;
    if (message.kind == MCP_REQUEST && message.version == NULL && strcmp(message.method, "initialize") == 0) {
        json_decref(bridge->session->initialize);
        bridge->session->initialize = json_incref(json);
    }
    add_call(bridge, mcp_stdio_call_new(bridge->session, STDIO_MESSAGE, json, &message));
}

static void take_line(struct bridge *bridge, const char *line, size_t length)
{
    json_error_t error;
    json_t      *json;

    if (strspn(line, " \t") >= length)
        return;
    json = json_loadb(line, length, JSON_ALLOW_NUL, &error);
    if (json == NULL)
        mcp_stdio_write(bridge->session, mcp_message_error(NULL, MCP_PARSE_ERROR, error.text, NULL));
    else
        send(bridge, json);
    json_decref(json);
}

static bool has_room(const struct bridge *bridge)
{
    return bridge->count < MCP_STDIO_CALLS_MAX;
}

static void take_lines(struct bridge *bridge)
{
    const char *line;
    size_t      length;

    while (has_room(bridge) && mcp_stdio_line(&bridge->input, &bridge->used, &line, &length))
        take_line(bridge, line, length);
    if (bridge->used == 0)
        return;
    bridge->input.length -= bridge->used;
    memmove(bridge->input.data, bridge->input.data + bridge->used, bridge->input.length);
    bridge->used = 0;
}

static void read_input(struct bridge *bridge)
{
    char   *to = bytes_reserve(&bridge->input, READ_BYTES);
    ssize_t n  = to != NULL ? read(STDIN_FILENO, to, READ_BYTES) : -1;

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n > 0)
        bridge->input.length += (size_t)n;
    else
        bridge->has_ended = true;
    take_lines(bridge);
    if (bridge->input.length > MCP_STDIO_LINE_MAX && has_room(bridge)) {
        mcp_stdio_write(bridge->session, mcp_message_error(NULL, MCP_INVALID_REQUEST, "a message is longer than 16 MiB", NULL));
        bridge->has_ended = true; /* where the next one begins can't be known */
    }
}

/* While there is a session its stream is open, so that it is in use; when it is over, another one is begun, for what is called next. */
static void keep_session(struct bridge *bridge)
{
    struct mcp_stdio_session *session = bridge->session;
    struct mcp_message        message = {0};
    int64_t                   now     = child_now_ms();

    if (session->version[0] == '\0' || bridge->has_ended)
        return;
    if (session->id[0] == '\0' && now >= bridge->renew_ms && mcp_message_read(&message, session->initialize) == MCP_REQUEST) {
        bridge->renew_ms = now + AGAIN_MS;
        add_call(bridge, mcp_stdio_call_new(session, STDIO_RENEW, session->initialize, &message));
    }
    if (session->id[0] != '\0' && !bridge->listens && now >= bridge->listen_ms) {
        bridge->listen_ms = now + AGAIN_MS;
        add_call(bridge, mcp_stdio_call_new(session, STDIO_LISTEN, NULL, &(struct mcp_message){0}));
    }
}

static void read_calls(struct bridge *bridge, const struct pollfd *polled, size_t count)
{
    struct mcp_stdio_call **at = &bridge->calls;
    while (*at != NULL) {
        struct mcp_stdio_call *call  = *at;
        bool                   ready = http_call_is_buffered(&call->http);
        for (size_t i = 0; i < count && !ready; i++)
            ready = polled[i].fd == call->http.fd && polled[i].revents != 0;
        if (ready && !mcp_stdio_call_read(bridge->session, call))
            remove_call(bridge, at);
        else
            at = &call->next;
    }
}

static bool wants_no_more(const struct bridge *bridge)
{
    return bridge->session->is_broken || (bridge->has_ended && bridge->count == (bridge->listens ? 1 : 0));
}

/* Returns the signal that ends it, or 0. */
static int take_signal(int signal_fd)
{
    struct signalfd_siginfo info;
    return read(signal_fd, &info, sizeof info) == (ssize_t)sizeof info && info.ssi_signo != SIGINT ? (int)info.ssi_signo : 0;
}

/* One turn: waits for something, and takes it. Returns the signal that ends it (SIGCHLD: the service has ended), or 0. */
static int turn(struct bridge *bridge, int signal_fd, int end_fd)
{
    struct pollfd polled[MCP_STDIO_CALLS_MAX + 5];
    bool          reads = !bridge->has_ended && has_room(bridge), waits = true;
    size_t        count  = 3;
    int           number = 0;

    polled[0] = (struct pollfd){.fd = signal_fd, .events = POLLIN};
    polled[1] = (struct pollfd){.fd = reads ? STDIN_FILENO : -1, .events = POLLIN};
    polled[2] = (struct pollfd){.fd = end_fd, .events = POLLIN};
    for (struct mcp_stdio_call *call = bridge->calls; call != NULL && count < sizeof polled / sizeof *polled; call = call->next) {
        polled[count++] = (struct pollfd){.fd = call->http.fd, .events = POLLIN};
        waits           = waits && !http_call_is_buffered(&call->http);
    }
    if (poll(polled, count, !waits ? 0 : bridge->listens ? -1 : AGAIN_MS) < 0)
        return 0;
    if (polled[0].revents != 0)
        number = take_signal(signal_fd);
    if (polled[2].revents != 0)
        number = SIGCHLD;
    read_calls(bridge, polled + 3, count - 3);
    keep_session(bridge);
    if (polled[1].revents != 0)
        read_input(bridge);
    else
        take_lines(bridge);
    keep_session(bridge);
    return number;
}

bool mcp_stdio_run(struct mcp_stdio_session *session, int signal_fd, int end_fd)
{
    struct bridge bridge = {.session = session};
    int           number = 0;

    while (number == 0 && !wants_no_more(&bridge))
        number = turn(&bridge, signal_fd, end_fd);
    while (bridge.calls != NULL)
        remove_call(&bridge, &bridge.calls);
    bytes_done(&bridge.input);
    return number != SIGCHLD;
}
