/* seen.h: an event log with tracks, and what a reader of one has seen. */
#ifndef PENNY_SEEN_H
#define PENNY_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "event_log.h"

extern const struct event_log_limits SEEN_ROOMY;

struct seen {
    struct bytes sse, text; /* every event's bytes; stdout and stderr joined */
    uint64_t     first, last;
    size_t       count, longest;
    int          kinds[EVENT_KIND_COUNT];
    bool         has_hole;
};

void seen_done(struct seen *seen);

struct event_log   *seen_log(int fd, const struct event_log_limits *limits);
struct event_track *seen_track(struct event_log *log, uint64_t serial);

void seen_say(struct event_track *track, const char *text);
void seen_tell(struct event_track *track, enum event_kind kind, const char *json);
/* A run with every kind of event, flushed now and then. */
void seen_run(struct event_track *track, struct event_log *log, int lines);
/* Another, which has written so much. */
void seen_talk(struct event_track *track, struct event_log *log, size_t bytes);

struct seen seen_after(struct event_track *track, uint64_t after); /* read back */
bool        seen_on_read(const struct event_view *event, void *seen);
void        seen_listen(struct event_track *track, struct seen *seen);

#endif
