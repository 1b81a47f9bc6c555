/* workers.h: all jails by the number the zygote knows them by, with the workers in them, and the connection to the zygote. */
#ifndef PENNY_WORKERS_H
#define PENNY_WORKERS_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "fold.h"
#include "worker.h"
#include "zygote_client.h"

/* on_zygote: whether sessions can be spawned has changed. Returns NULL with err filled. */
struct workers *workers_new(struct event_base *base, void (*on_zygote)(bool up, void *arg), void *arg, struct err *err);
void            workers_free(struct workers *workers); /* drops all workers without a callback; NULL is fine */
/* on_fd gets the socket inside the sessions' network (owned) whenever a zygote is ready; -1: it has none. */
void workers_on_way_out(struct workers *workers, void (*on_fd)(int fd, void *arg), void *arg);
/* A (new) socket to the zygote, owned from then on. Living workers are handed to a new zygote. Returns 0 or -1. */
int           workers_attach_zygote(struct workers *workers, int fd, struct err *err);
bool          workers_zygote_is_up(const struct workers *workers);
const json_t *workers_isolation(const struct workers *workers); /* the zygote's report, borrowed; NULL before it came */
size_t        workers_count(const struct workers *workers);     /* jails not yet gone, with those that are being ended */

/* What the next list from the zygote names and is no jail here: on_found is called for each (owns the descriptor), then on_all. Once. */
void workers_expect(struct workers *workers, void (*on_found)(const struct zygote_message *message, int control_fd, void *arg),
                    void (*on_all)(void *arg), void *arg);
/* Ends a jail that is none here. */
void workers_end(struct workers *workers, uint32_t serial);

/* For jail.c and worker*.c. */
struct folds         *workers_folds(const struct workers *workers);
struct event_base    *workers_base(const struct workers *workers);
struct zygote_client *workers_zygote(const struct workers *workers);
struct jail          *workers_find(const struct workers *workers, uint32_t serial);
uint32_t              workers_add(struct workers *workers, struct jail *jail);                     /* its number; 0: no memory */
uint32_t              workers_add_as(struct workers *workers, uint32_t serial, struct jail *jail); /* as workers_add */
void                  workers_remove(struct workers *workers, uint32_t serial);

#endif
