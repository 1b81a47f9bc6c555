/* zygote.h: the zygote's state, shared by its start (zygote.c) and its loop (zygote_loop.c). */
#ifndef PENNY_ZYGOTE_H
#define PENNY_ZYGOTE_H

#include "children.h"
#include "jail.h"
#include "retired.h"
#include "zygote_wire.h"

struct zygote {
    const struct policy *policy;
    struct jail          jail;
    struct children     *children;
    int                  server_fd; /* -1: no server at the moment */
    int                  signal_fd;
    int                  report_fd;    /* reports of new sessions are read here */
    int                  reporting_fd; /* and sent by them here */
    struct retired      *retired;
    int64_t              unseen_ms;  /* since when a child may have died that nobody has looked for; 0: none */
    int64_t              adopted_ms; /* when those that are no children were looked at last */
    bool                 ending;
};

/* Greets the server: the isolation report, then the sessions that live. Returns 0 or -1. */
int zygote_greet(struct zygote *zygote, struct err *err);
/* Serves until told to end. */
void zygote_loop(struct zygote *zygote);
/* To the server, if there is one. */
void zygote_send(struct zygote *zygote, const struct zygote_message *message, const int *fds, size_t fd_count);
void zygote_send_failed(struct zygote *zygote, uint32_t session, int error, const char *text);
/* Reads what new sessions have reported so far. */
void zygote_on_reports(struct zygote *zygote);
/* Ends a session: zygote_on_child hears of it. */
void zygote_kill(struct zygote *zygote, struct child *child);
/* This child has died, by the kernel's signal, and maybe others. */
void zygote_on_child(struct zygote *zygote, pid_t pid);
/* How long the loop may wait for something to do, in milliseconds; -1: for ever. */
int zygote_wait_ms(const struct zygote *zygote);
/* What can wait until then; is_quiet: there was nothing else for zygote_wait_ms. */
void zygote_after_turn(struct zygote *zygote, bool is_quiet);
/* Ends every session and returns when the last is gone. */
void zygote_end_sessions(struct zygote *zygote);

#endif
