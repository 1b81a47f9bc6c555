/*
 * session_packages_inner.h: the body of a session's packages, for the rooms of session_packages.h's house: session_packages.c (the list),
 * session_packages_change.c (installations and removals on their way) and session_packages_given.c (what comes with an execution).
 */
#ifndef PENNY_SESSION_PACKAGES_INNER_H
#define PENNY_SESSION_PACKAGES_INNER_H

#include "session_packages.h"
#include "session_private.h"

struct packages_change;

struct session_packages {
    struct session    *session;
    struct event_base *base;
    json_t            *list; /* of layers */
    bool               is_told, had_any;
    TAILQ_HEAD(packages_changes, packages_change) changes;
    size_t            count;
    struct execution *given_to; /* whose packages are being installed; NULL when it is gone */
    bool              is_giving;
};

/* The service's, of all sessions. */
struct packages *session_packages_service(const struct session *session);
const char      *session_packages_text(const json_t *object, const char *member);
json_t          *session_packages_label(const json_t *layer); /* "name==version"; owned */
/* Where the package of this name stands in a list of layers; SIZE_MAX: nowhere. */
size_t session_packages_find(const json_t *list, const char *name);
/* {name: version}; owned. */
json_t *session_packages_present(const struct session *session);
/* {"layers": [...], "imports": [...]}, as packages.py wants it; owned. */
json_t *session_packages_state(const struct session *session);
/* `owned` is the list from then on. */
void session_packages_set(struct session_packages *packages, json_t *owned);
/* Returns false when the session would have too many. */
bool session_packages_merge(struct session *session, const json_t *layers);

/* session_packages_change.c: ends all without callbacks. */
void session_packages_drop_changes(struct session_packages *packages);

#endif
