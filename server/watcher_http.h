/* watcher_http.h: a watcher whose reader is an HTTP client. */
#ifndef PENNY_WATCHER_HTTP_H
#define PENNY_WATCHER_HTTP_H

#include "err.h"
#include "event_log.h"
#include "http.h"
#include "watcher.h"

/* WATCHER_NDJSON when Accept names application/x-ndjson (or application/jsonl) and not text/event-stream before it; else WATCHER_SSE. */
enum watcher_format watcher_http_format(const struct http_request *request);
/* The id to go on after: the header Last-Event-ID, else ?after=; NULL when neither is given. */
const char *watcher_http_after(const struct http_request *request);

/*
 * Answers `request` with 200 and the stream of the track's events, in the format and from the point it asks for, with Cache-Control: no-cache and
 * X-Accel-Buffering: no; the stream ends after the terminal event. The request pointer is dead when this succeeds.
 * on_gone (may be NULL) runs when the client left before that; not when the stream was complete.
 * Returns 0, or -1 with err: the request is untouched and must be answered otherwise.
 */
int watcher_http_start(struct watcher_hub *hub, struct event_track *track, struct http_request *request, void (*on_gone)(void *arg),
                       void *arg, struct err *err);

#endif
