#define _GNU_SOURCE
#include "packages.h"

#include <errno.h>
#include <stdlib.h>

#include "packages_private.h"

struct packages *packages_new(struct event_base *base, const struct policies *policies, struct analysis *analysis, int supervisor_fd,
                              struct err *err)
{
    struct packages *packages = calloc(1, sizeof *packages);
    if (packages == NULL || !packages_memory_init(&packages->memory, policies->packages.resolution_ms)) {
        free(packages);
        (void)err_set(err, ENOMEM, "no memory for packages");
        return NULL;
    }
    packages->base          = base;
    packages->policies      = policies;
    packages->supervisor_fd = supervisor_fd;
    packages_catalogue_init(&packages->catalogue, analysis);
    TAILQ_INIT(&packages->jobs);
    return packages;
}

const json_t *packages_layer(const struct packages *packages, const char *name)
{
    return json_object_get(packages->memory.newest, name);
}

void packages_know(struct packages *packages, packages_on_known on_known, void *arg)
{
    packages_catalogue_ask(&packages->catalogue, on_known, arg);
}

void packages_forget_known(struct packages *packages, const void *arg)
{
    packages_catalogue_forget(&packages->catalogue, arg);
}

const json_t *packages_preinstalled(const struct packages *packages, const char *name)
{
    return packages_catalogue_find(&packages->catalogue, name);
}

bool packages_are_enabled(const struct packages *packages)
{
    return packages->policies->packages.enabled;
}

const struct policies *packages_policies(const struct packages *packages)
{
    return packages->policies;
}

void packages_get_counts(const struct packages *packages, struct packages_counts *ret)
{
    *ret = (struct packages_counts){.running = packages->running, .waiting = packages->waiting};
}

void packages_free(struct packages *packages)
{
    if (packages == NULL)
        return;
    packages_jobs_done(packages);
    packages_catalogue_done(&packages->catalogue);
    packages_memory_done(&packages->memory);
    free(packages);
}
