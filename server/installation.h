/*
 * installation.h: one installation as the server sees it: asked of the supervisor, followed line by line on a socket. What its process says
 * is read under limits and believed as little as a session is: it can end in failure, and else it is a list of layers.
 */
#ifndef PENNY_INSTALLATION_H
#define PENNY_INSTALLATION_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>

#include "err.h"

struct installation;

/*
 * {"event":"progress","phase":...} and {"event":"log","line":...}, borrowed. `layers`: [{name, version, layer, topLevel, requires, size,
 * requested, summary}] and `satisfied`: [{name, version}]; or both NULL and `failures`: [{package, error}], where package "" means all.
 * All borrowed. on_end is the last, and may free.
 */
struct installation_events {
    void (*on_progress)(const json_t *progress, void *arg);
    void (*on_end)(const json_t *layers, const json_t *satisfied, const json_t *failures, void *arg);
};

/* Asks for one: `job` (borrowed) goes to the installer as it is. No event comes before this returns. NULL with err filled. */
struct installation *installation_start(struct event_base *base, int supervisor_fd, const json_t *job,
                                        const struct installation_events *events, void *arg, struct err *err);
void                 installation_free(struct installation *installation); /* ends it; NULL is fine */

#endif
