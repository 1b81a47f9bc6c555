/* compat_e2b_stream.h: an execution's events as an answer in pieces, each told in E2B's words. A sandbox that ends meanwhile breaks the connection. */
#ifndef PENNY_COMPAT_E2B_STREAM_H
#define PENNY_COMPAT_E2B_STREAM_H

#include "bytes.h"
#include "http.h"
#include "server.h"

struct compat_e2b_teller {
    const char *content_type;
    bool        interrupts; /* the run of a client that has left */
    /* Appends what one event, a line of our NDJSON, is to them. False: no memory. */
    bool (*add)(void *state, const char *json, size_t length, struct bytes *out);
    void (*free)(void *state);
};

/* `state` is the stream's from now on. NULL: there was no memory for it. */
void compat_e2b_stream(struct http_request *request, struct server *server, const struct session *sandbox, struct session *session,
                       struct execution *execution, const struct compat_e2b_teller *teller, void *state);

#endif
