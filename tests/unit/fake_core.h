/* fake_core.h: the server's core over a fake zygote, without HTTP: for tests of pool, sessions and executions. */
#ifndef PENNY_FAKE_CORE_H
#define PENNY_FAKE_CORE_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fake_zygote.h"
#include "pool.h"
#include "sessions.h"
#include "workers.h"

struct fake_core {
    struct event_base       *base;
    struct workers          *workers;
    struct pool             *pool;
    struct sessions         *sessions;
    struct fake_zygote       zygote;
    struct sessions_settings settings;
    size_t                   pool_size;
    uint32_t                 grace_ms; /* of what is submitted: a minute, so that an interrupt that comes late is none that is ignored */
    unsigned                 ended;    /* runs so far */
};

extern struct fake_core core; /* of the test that runs */

/* For cmocka: starts it as it is by default; stops it. */
int fake_core_set_up(void **state);
int fake_core_tear_down(void **state);

/* Settings and pool size as a test may change them before fake_core_start. */
void fake_core_init(struct fake_core *core);
/* Starts all of it and waits until the pool is full. */
void fake_core_start(struct fake_core *core);
void fake_core_stop(struct fake_core *core);
/* A new zygote in place of a crashed one. */
void fake_core_new_zygote(struct fake_core *core);

/* A session, made as by POST /sessions; NULL members of request for the defaults. Waits for it. */
struct session *fake_core_session(struct fake_core *core, const struct session_request *request);

/* One execution and what became of it. */
struct fake_run {
    struct fake_core *core;
    struct execution *execution; /* until its session is over */
    struct id         id;
    struct err        err;     /* of a refused one */
    int               results; /* how often its end was told */
    unsigned          order;   /* of its end, among all of the core */
    json_t           *result;  /* NULL when the service failed */
};

/* Submits; `timeout_ms` 0: a minute. Returns false when it was refused (run->err). */
bool fake_core_submit(struct fake_core *core, struct session *session, const char *code, uint32_t timeout_ms, struct fake_run *run);
bool fake_core_submit_with(struct fake_core *core, struct session *session, const struct execution_request *request, bool may_queue,
                           struct fake_run *run);
/* Waits for its end and checks that it was told once, that its last event is its only terminal one, and that the log gives the same result. */
void fake_run_wait(struct fake_run *run);
void fake_run_done(struct fake_run *run);
/* Runs and checks status and stdout; the caller ends the run with fake_run_done. */
void fake_core_expect(struct fake_core *core, struct session *session, const char *code, const char *status, const char *text,
                      struct fake_run *run);
/* Runs what ends well, prints `text` and keeps the state. */
void fake_core_run_ok(struct fake_core *core, struct session *session, const char *code, const char *text);

const char *fake_result_text(const struct fake_run *run, const char *name);     /* of a member of the result: status, state */
const char *fake_result_output(const struct fake_run *run, const char *stream); /* output.stdout */
const char *fake_result_error(const struct fake_run *run, const char *name);    /* error.type */

#endif
