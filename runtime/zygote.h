/* zygote.h: the zygote's state, shared by its start (zygote.c) and its loop (zygote_loop.c). */
#ifndef PENNY_ZYGOTE_H
#define PENNY_ZYGOTE_H

#include "children.h"
#include "jail.h"
#include "zygote_wire.h"

struct zygote {
    const struct policy *policy;
    struct jail          jail;
    struct children     *children;
    int                  server_fd; /* -1: no server at the moment */
    int                  signal_fd;
    int                  report_fd;    /* reports of new sessions are read here */
    int                  reporting_fd; /* and sent by them here */
    bool                 ending;
};

/* Greets the server: the isolation report, then the sessions that live. Returns 0 or -1. */
int zygote_greet(struct zygote *zygote, struct err *err);
/* Serves until told to end. */
void zygote_loop(struct zygote *zygote);
/* Ends every session and returns when the last is gone. */
void zygote_end_sessions(struct zygote *zygote);

#endif
