/*
 * race_stream.h: the events of a race's candidates as one stream. Each event is that of its execution with "candidate": n in front; the end
 * of a candidate is an event of type "candidate"; a last one of type "complete" has what became of the race. The stream itself can't be resumed:
 * each candidate's events can be had again by its executionId.
 */
#ifndef PENNY_RACE_STREAM_H
#define PENNY_RACE_STREAM_H

#include <jansson.h>
#include <stddef.h>

#include "err.h"
#include "execution.h"
#include "http.h"
#include "watcher.h"

struct race_stream;

/* The request is dead when this succeeds. on_gone: the client has left; the stream is freed after it. Returns NULL with err: the request must be answered otherwise. */
struct race_stream *race_stream_begin(struct watcher_hub *hub, struct execution *const *executions, size_t count,
                                      struct http_request *request, void (*on_gone)(void *arg), void *arg, struct err *err);
/* `data` (owned) is that of the last event. It is sent, and the stream ends and is freed, when all events of the candidates have been. */
void race_stream_end(struct race_stream *stream, json_t *data);

#endif
