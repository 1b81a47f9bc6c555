/* packages_private.h: what packages*.c share. Nobody else includes it. */
#ifndef PENNY_PACKAGES_PRIVATE_H
#define PENNY_PACKAGES_PRIVATE_H

#include <sys/queue.h>

#include "packages.h"
#include "packages_memory.h"

struct packages {
    struct event_base        *base;
    const struct policies    *policies;
    int                       supervisor_fd;
    struct packages_catalogue catalogue;
    struct packages_memory    memory;
    TAILQ_HEAD(, job) jobs;
    size_t running, waiting;
};

/* packages_job.c */
void packages_jobs_done(struct packages *packages); /* without callbacks */

#endif
