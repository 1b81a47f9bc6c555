/* packages_catalogue.h: the packages that every session has, asked of an interpreter once, when somebody wants to know. */
#ifndef PENNY_PACKAGES_CATALOGUE_H
#define PENNY_PACKAGES_CATALOGUE_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "analysis.h"

struct packages_catalogue {
    struct analysis *analysis;
    json_t          *list, *by_name; /* NULL: not known yet; {canonical: its entry} */
    bool             asked;
    TAILQ_HEAD(, packages_asking) asking;
};

/* `list` is borrowed; NULL: it can't be found out now. */
typedef void (*packages_on_known)(const json_t *list, void *arg);

void packages_catalogue_init(struct packages_catalogue *catalogue, struct analysis *analysis);
/* Without callbacks. */
void packages_catalogue_done(struct packages_catalogue *catalogue);
/* May call back at once. */
void packages_catalogue_ask(struct packages_catalogue *catalogue, packages_on_known on_known, void *arg);
void packages_catalogue_forget(struct packages_catalogue *catalogue, const void *arg); /* who asked has left */
/* {name, version, ...}, borrowed; NULL: there is none, or it is not known yet. */
const json_t *packages_catalogue_find(const struct packages_catalogue *catalogue, const char *name);

#endif
