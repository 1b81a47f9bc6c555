/*
 * http_inner.h: a request that the server makes of itself, for one of a client's that it is serving: the same handlers with the same checks,
 * but what they answer comes back as bytes. It has the caller, the address and the id of the client's request.
 *
 *     inner = http_inner_new(request, HTTP_GET, tag, 65536, on_answer, arg);
 *     http_request_set_parameter(inner, 0, session);
 *     api_variables_list(inner, server);
 */
#ifndef PENNY_HTTP_INNER_H
#define PENNY_HTTP_INNER_H

#include "http.h"

/* All borrowed, but for the time of the callback. */
struct http_inner_answer {
    int         status;  /* 0: it was broken off, or is longer than was wanted */
    const char *headers; /* "Name: value\r\n..." as the handler added them */
    const char *body;
    size_t      length;
};

typedef void (*http_inner_on_answer)(const struct http_inner_answer *answer, void *arg);

/*
 * `of` is only looked at. `tag` as http_request_set_tag(): what the answer is counted as. on_answer is called once, when the handler answers, from
 * within its call of http.h; the request is dead then. `max`: bytes of an answer. NULL: no memory.
 */
struct http_request *http_inner_new(const struct http_request *of, enum http_method method, unsigned tag, size_t max,
                                    http_inner_on_answer on_answer, void *arg);
/* Before the handler is called. */
void http_inner_add_query(struct http_request *inner, const char *name, const char *value);
void http_inner_add_header(struct http_request *inner, const char *name, const char *value);
/* Nobody waits for it any more: its handler is told as when a client leaves. on_answer is not called. NULL is fine. */
void http_inner_cancel(struct http_request *inner);

/* The value of one of the answer's headers to ret_text (cut to what fits). Returns false when there is none of this name. */
bool http_inner_header(const struct http_inner_answer *answer, const char *name, char *ret_text, size_t room);

#endif
