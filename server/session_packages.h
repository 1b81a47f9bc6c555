/*
 * session_packages.h: which packages a session has installed: layers that its interpreter finds, in the order in which they came. A fresh
 * interpreter is told of them with its first cell; a living one at once, when it is idle, else with the next cell.
 */
#ifndef PENNY_SESSION_PACKAGES_H
#define PENNY_SESSION_PACKAGES_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "execution.h"
#include "json.h"
#include "packages.h"
#include "session.h"

enum { SESSION_INSTALLS_MAX = 16 /* under way in one session */ };

/* How an installation into a session, or the removal of packages, has ended. All borrowed, but for the time of the callback. */
struct session_packages_end {
    const json_t *refused;    /* ["name", ...] that may not be installed here; then nothing else is set */
    const json_t *failures;   /* [{package, error}]; NULL: none */
    const json_t *installed;  /* ["name==version", ...] that the session now has of what was asked for and what that needs */
    const json_t *logs;       /* [line] */
    const json_t *imported;   /* modules that stay as they are until a restart */
    bool          is_pending; /* the interpreter hears of it with its next cell */
    bool          is_gone;    /* the session is over */
};

struct session_packages_events {
    void (*on_progress)(const json_t *progress, void *arg); /* or NULL */
    void (*on_end)(const struct session_packages_end *end, void *arg);
};

/* `packages` of a body: an array of requirements (requirement.h). What is none goes to `check`. Borrowed; NULL: none. */
json_t *session_packages_read(struct json_check *check, const json_t *object);

/* No event comes before this returns. Returns 0, or -1 with err: ENOBUFS, ENOMEM, ECONNREFUSED, EINVAL (the session is over). */
int session_packages_install(struct session *session, const json_t *requirements, bool anew, const struct session_packages_events *events,
                             void *arg, struct err *err);
/* Takes packages by canonical name out of the session; `installed` of the end is what was there. Likewise. */
int  session_packages_uninstall(struct session *session, const json_t *names, const struct session_packages_events *events, void *arg,
                                struct err *err);
void session_packages_forget(struct session *session, const void *arg); /* who asked has left; what was begun goes on */

/* [{name, version, ...}] as packages.h has layers. Borrowed. */
const json_t *session_packages_list(const struct session *session);
json_t       *session_packages_names(const struct session *session); /* ["name==version"]; owned */
/* What another session has, this one, which has run nothing yet, gets too. */
void session_packages_copy(struct session *session, const struct session *from);

/* What the session had in the server process before this one. */
void session_packages_restore(struct session *session, json_t *list);

/* For session*.c. */
struct session_packages;
struct session_packages *session_packages_new(struct session *session, struct event_base *base); /* NULL: no memory */
void                     session_packages_free(struct session_packages *packages);               /* without callbacks; NULL is fine */
void                     session_packages_end_all(struct session *session);                      /* answers all: the session is over */
bool                     session_packages_are_used(const struct session *session);               /* something is being installed */
/* The interpreter is another one, which knows nothing of them, or of how they were when it was put aside. */
void session_packages_on_fresh(struct session *session);
/* Its "packages" of REQUEST_SETUP; NULL: it knows. Owned. */
json_t *session_packages_options(struct session *session);
void    session_packages_forget_execution(struct session *session, const struct execution *execution); /* it is about to be freed */
/* Whether what came with an execution is there; if not, it is being installed, and session_go_on() follows. */
bool session_packages_are_ready(struct session *session, struct execution *execution);

#endif
