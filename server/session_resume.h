/* session_resume.h: a session of the server process before this one, from what it left (session_keep.h). */
#ifndef PENNY_SESSION_RESUME_H
#define PENNY_SESSION_RESUME_H

#include "keep.h"
#include "session.h"

struct session_remains {
    struct keep_seat *seat;
    struct tenant    *owner;
    struct worker    *worker;      /* owned from then on */
    int               log_fd;      /* owned from then on */
    bool              interpreter; /* there is one; else `status` is how the last one ended */
    int               status;
};

/*
 * Makes the session and what it has of executions. Nothing is read from it yet. Returns NULL with err filled when it can't be: the
 * jail is released then.
 */
struct session *session_restore(struct sessions *sessions, const struct session_remains *remains, struct err *err);
/* When it is in the tables: goes on. */
void session_resume(struct session *session, const struct session_remains *remains);

#endif
