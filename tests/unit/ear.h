/* ear.h: workers over a fake zygote, and what is heard of each. One set at a time. */
#ifndef PENNY_EAR_H
#define PENNY_EAR_H

#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"
#include "fake_zygote.h"
#include "workers.h"

extern struct event_base         *ear_base;
extern struct workers            *ear_workers;
extern struct fake_zygote         ear_fake;
extern int                        ear_ups, ear_downs; /* of the zygote */
extern const struct worker_events ear_events;

struct ear {
    struct worker      *worker;
    struct bytes        text;
    int                 ready, done, exits, gone, stats;
    int                 exit_status;
    struct worker_death death;
    char                order[64]; /* F: a frame with text, R: raw text, D: done, X: exit, G: gone */
    bool                release_on_frame, respawn_on_exit;
    uint8_t             last_type;
};

int  ear_set_up(void **state);
int  ear_tear_down(void **state);
void ear_spawn(struct ear *ear);
void ear_spawn_ready(struct ear *ear);
void ear_execute(struct ear *ear, uint64_t number, const char *code);
void ear_expect_text(struct ear *ear, const char *text);
void ear_end(struct ear *ear);
void ear_expect_print(struct ear *ear, uint64_t number, const char *what); /* the worker runs this and it is heard */

/* For fake_run_until(): of an ear; the first and the last of all. */
bool ear_is_up(void *arg);
bool ear_is_ready(void *arg);
bool ear_is_ready_again(void *arg);
bool ear_is_done(void *arg);
bool ear_has_begun(void *arg);
bool ear_is_gone(void *arg);
bool ear_has_exited(void *arg);
bool ear_has_stats(void *arg);
bool ear_is_empty(void *arg);

#endif
