/*
 * packages.h: what can be installed into sessions, and what was. Asks are joined: the same request is resolved once, and for a while its
 * answer is known at once; those that name the same package wait for each other. What a session then has of it is session_packages.h's.
 */
#ifndef PENNY_PACKAGES_H
#define PENNY_PACKAGES_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>

#include "analysis.h"
#include "err.h"
#include "packages_catalogue.h"
#include "policies.h"
#include "requirement.h"

enum { PACKAGES_PER_REQUEST = 50, PACKAGES_WAITING_MAX = 256 /* who waits for an installation, in all */ };

struct packages;
struct packages_wait; /* one who waits */

/* Analysis is asked once for what is preinstalled; supervisor_fd for installations. All borrowed. NULL with err filled. */
struct packages       *packages_new(struct event_base *base, const struct policies *policies, struct analysis *analysis, int supervisor_fd,
                                    struct err *err);
void                   packages_free(struct packages *packages); /* without callbacks; NULL is fine */
bool                   packages_are_enabled(const struct packages *packages);
const struct policies *packages_policies(const struct packages *packages);

/*
 * Preinstalled: [{name, version, description?, ...}], as the interpreter says. on_known is called when it is known, perhaps before this
 * returns, with NULL when it can't be. The list is borrowed and stays.
 */
void          packages_know(struct packages *packages, packages_on_known on_known, void *arg);
void          packages_forget_known(struct packages *packages, const void *arg);        /* who asked has left */
const json_t *packages_preinstalled(const struct packages *packages, const char *name); /* NULL: it is not, or nothing is known yet */

/* The newest layer of a package that was installed while this process runs; NULL: none. Borrowed. */
const json_t *packages_layer(const struct packages *packages, const char *name);

struct packages_result {
    const json_t *layers;    /* as installation.h has it; NULL: it has failed */
    const json_t *satisfied; /* [{name, version}] of what every session has */
    const json_t *failures;  /* [{package, error}]; NULL: none */
    const json_t *logs;      /* [line] */
    bool          was_known; /* nothing had to be installed */
};

struct packages_events {
    void (*on_progress)(const json_t *progress, void *arg); /* or NULL */
    void (*on_result)(const struct packages_result *result, void *arg);
};

/*
 * Wants `requirements`, an array of strings that requirement_parse() takes. `present`: {name: version} of what the session has besides
 * what every one has. `anew`: the index is asked although the answer is known. No event comes before this returns. Returns NULL with err:
 * ENOBUFS (too many wait), ENOMEM, ECONNREFUSED (turned off).
 */
struct packages_wait *packages_install(struct packages *packages, const json_t *requirements, const json_t *present, bool anew,
                                       const struct packages_events *events, void *arg, struct err *err);
void                  packages_cancel(struct packages_wait *wait); /* who asked has left; NULL is fine */

/* Figures. */
struct packages_counts {
    size_t running, waiting;
};
void packages_get_counts(const struct packages *packages, struct packages_counts *ret);

#endif
