/*
 * resume.h: the start of a server process after another one has died: the zygote names the sessions that live, their inits give the
 * descriptors back, the seats (keep.h) and the logs say the rest. Nothing is accepted from the world before this is done.
 */
#ifndef PENNY_RESUME_H
#define PENNY_RESUME_H

#include "keep.h"
#include "sessions.h"
#include "tenants.h"
#include "workers.h"

struct resume;

/*
 * All borrowed. on_done is called once, with how many sessions live on and how many could not be had back: at once when there are none to
 * be had. Before the zygote is attached. Returns NULL with err filled.
 */
struct resume *resume_start(struct keep *keep, struct workers *workers, struct sessions *sessions, struct tenants *tenants,
                            void (*on_done)(size_t resumed, size_t lost, void *arg), void *arg, struct err *err);
void           resume_free(struct resume *resume); /* NULL is fine */

#endif
