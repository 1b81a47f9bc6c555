/* packages_job.c: requests for packages: who asks the same is joined to one job, and a job waits while one before it installs a package of its. */
#define _GNU_SOURCE
#include <errno.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>

#include "installation.h"
#include "metrics.h"
#include "packages_private.h"

enum { LOG_LINES = 300 };

struct job;

struct packages_wait {
    TAILQ_ENTRY(packages_wait) entry;
    struct packages       *packages;
    struct job            *job;
    struct packages_events events;
    void                  *arg;
};

TAILQ_HEAD(wait_list, packages_wait);

struct job {
    TAILQ_ENTRY(job) entry;
    struct packages     *packages;
    char                *key;
    json_t              *requirements, *names /* {canonical: true} */, *present, *logs;
    struct installation *installation; /* NULL: it waits */
    struct wait_list     waits;
    bool                 from_known; /* answered by what is known */
    struct event         soon;       /* its answer, which must not come before packages_install() returns */
    json_t              *layers, *satisfied, *failures;
};

static void go_on(struct packages *packages);

static void job_free(struct job *job)
{
    TAILQ_REMOVE(&job->packages->jobs, job, entry);
    if (job->installation != NULL)
        job->packages->running--;
    installation_free(job->installation);
    (void)evtimer_del(&job->soon);
    json_decref(job->requirements);
    json_decref(job->names);
    json_decref(job->present);
    json_decref(job->logs);
    json_decref(job->layers);
    json_decref(job->satisfied);
    json_decref(job->failures);
    free(job->key);
    free(job);
}

static void wait_free(struct packages_wait *wait)
{
    TAILQ_REMOVE(&wait->job->waits, wait, entry);
    wait->packages->waiting--;
    free(wait);
}

static void job_answer(struct job *job)
{
    struct packages             *packages = job->packages;
    const struct packages_result result   = {job->layers, job->satisfied, job->failures, job->logs, job->from_known};
    struct packages_wait        *wait;
    while ((wait = TAILQ_FIRST(&job->waits)) != NULL) {
        struct packages_events events = wait->events;
        void                  *arg    = wait->arg;
        wait_free(wait);
        events.on_result(&result, arg);
    }
    job_free(job);
    go_on(packages);
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    job_answer(arg);
}

static void answer_soon(struct job *job)
{
    static const struct timeval now = {0};
    (void)evtimer_add(&job->soon, &now);
}

static void on_progress(const json_t *progress, void *arg)
{
    struct job           *job  = arg;
    const json_t         *line = json_object_get(progress, "line");
    struct packages_wait *wait, *next;

    if (json_is_string(line)) {
        if (json_array_size(job->logs) < LOG_LINES)
            (void)json_array_append(job->logs, (json_t *)line);
        return;
    }
    for (wait = TAILQ_FIRST(&job->waits); wait != NULL; wait = next) {
        next = TAILQ_NEXT(wait, entry);
        if (wait->events.on_progress != NULL)
            wait->events.on_progress(progress, wait->arg);
    }
}

static void on_end(const json_t *layers, const json_t *satisfied, const json_t *failures, void *arg)
{
    struct job *job = arg;
    job->layers     = json_incref((json_t *)layers);
    job->satisfied  = json_incref((json_t *)satisfied);
    job->failures   = json_incref((json_t *)failures);
    metrics_add(layers != NULL ? METRICS_INSTALLS : METRICS_INSTALL_FAILURES, 1);
    if (layers != NULL)
        packages_memory_add(&job->packages->memory, job->key, &(struct packages_answer){job->layers, job->satisfied});
    answer_soon(job);
}

static bool share_a_name(const struct job *one, const struct job *other)
{
    const char *name;
    json_t     *value;
    json_object_foreach(one->names, name, value)
    {
        if (json_object_get(other->names, name) != NULL)
            return true;
    }
    return false;
}

/* An installation of the same package is under way, or was asked for before. */
static bool must_wait(const struct job *job)
{
    const struct job *other;
    TAILQ_FOREACH(other, &job->packages->jobs, entry)
    {
        if (other == job)
            return false;
        if (!other->from_known && share_a_name(job, other))
            return true;
    }
    return false;
}

static void start(struct job *job)
{
    static const struct installation_events events   = {on_progress, on_end};
    struct packages                        *packages = job->packages;
    struct err                              err      = {0};
    json_t                                 *task     = json_pack("{s:O, s:O}", "requirements", job->requirements, "present", job->present);

    job->installation = installation_start(packages->base, packages->supervisor_fd, task, &events, job, &err);
    json_decref(task);
    if (job->installation != NULL) {
        packages->running++;
        return;
    }
    job->failures   = json_pack("[{s:s, s:s}]", "package", "", "error", err.message);
    job->from_known = true; /* no other has to wait for it */
    answer_soon(job);
}

/* Who came after another for the same package may find its answer known. */
static bool settle(struct job *job, bool anew)
{
    const struct packages_answer *known = anew ? NULL : packages_memory_find(&job->packages->memory, job->key);
    if (known == NULL)
        return false;
    job->layers     = json_incref(known->layers);
    job->satisfied  = json_incref(known->satisfied);
    job->from_known = true;
    answer_soon(job);
    return true;
}

static void go_on(struct packages *packages)
{
    struct job *job, *next;
    for (job = TAILQ_FIRST(&packages->jobs); job != NULL; job = next) {
        next = TAILQ_NEXT(job, entry);
        if (job->installation == NULL && !job->from_known && packages->running < packages->policies->packages.concurrent_installs &&
            !must_wait(job))
            start(job);
    }
}

static int compare(const void *one, const void *other)
{
    return strcmp(*(char *const *)one, *(char *const *)other);
}

/* The request as text, the same for the same: what is wanted, and what it must go with, each sorted. */
static char *make_key(const json_t *requirements, const json_t *present)
{
    size_t      count                       = json_array_size(requirements), i;
    const char *items[PACKAGES_PER_REQUEST] = {NULL};
    json_t     *all                         = json_array(), *item;
    char       *text;

    json_array_foreach(requirements, i, item) items[i] = json_string_value(item);
    qsort(items, count, sizeof *items, compare);
    for (i = 0; i < count; i++)
        (void)json_array_append_new(all, json_string(items[i]));
    (void)json_array_append(all, (json_t *)present);
    text = json_dumps(all, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(all);
    return text;
}

static json_t *names_of(const json_t *requirements)
{
    json_t            *names = json_object(), *item;
    struct requirement requirement;
    size_t             i;
    json_array_foreach(requirements, i, item)
    {
        if (requirement_parse(json_string_value(item), &requirement))
            (void)json_object_set_new(names, requirement.name, json_true());
    }
    return names;
}

static struct job *job_new(struct packages *packages, const json_t *requirements, const json_t *present, char *key, struct err *err)
{
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL) {
        free(key);
        (void)err_set(err, ENOMEM, "no memory for an installation");
        return NULL;
    }
    job->packages     = packages;
    job->key          = key;
    job->requirements = json_deep_copy(requirements);
    job->present      = json_deep_copy(present);
    job->names        = names_of(requirements);
    job->logs         = json_array();
    TAILQ_INIT(&job->waits);
    (void)evtimer_assign(&job->soon, packages->base, on_soon, job);
    TAILQ_INSERT_TAIL(&packages->jobs, job, entry);
    return job;
}

/* One that has not answered yet for the same request. */
static struct job *find_job(struct packages *packages, const char *key)
{
    struct job *job;
    TAILQ_FOREACH(job, &packages->jobs, entry)
    {
        if (strcmp(job->key, key) == 0 && job->layers == NULL && job->failures == NULL)
            return job;
    }
    return NULL;
}

struct packages_wait *packages_install(struct packages *packages, const json_t *requirements, const json_t *present, bool anew,
                                       const struct packages_events *events, void *arg, struct err *err)
{
    struct packages_wait *wait;
    struct job           *job;
    char                 *key;
    int                   code = !packages->policies->packages.enabled                  ? ECONNREFUSED
                                 : packages->waiting >= PACKAGES_WAITING_MAX            ? ENOBUFS
                                 : json_array_size(requirements) > PACKAGES_PER_REQUEST ? E2BIG
                                                                                        : 0;
    if (code != 0) {
        (void)err_set(err, code, "%s",
                      code == ECONNREFUSED ? "packages can't be installed here: the operator has turned it off"
                      : code == ENOBUFS    ? "too many wait for installations already"
                                           : "too many packages in one request");
        return NULL;
    }
    key  = make_key(requirements, present);
    wait = key != NULL ? calloc(1, sizeof *wait) : NULL;
    if (wait == NULL) {
        free(key);
        (void)err_set(err, ENOMEM, "no memory for an installation");
        return NULL;
    }
    job = find_job(packages, key);
    if (job != NULL)
        free(key);
    else if ((job = job_new(packages, requirements, present, key, err)) == NULL) {
        free(wait);
        return NULL;
    } else {
        (void)settle(job, anew);
    }
    *wait = (struct packages_wait){.packages = packages, .job = job, .events = *events, .arg = arg};
    TAILQ_INSERT_TAIL(&job->waits, wait, entry);
    packages->waiting++;
    go_on(packages);
    return wait;
}

/* What is under way goes on, and who comes next finds it done; what nobody waits for any more is not begun. */
void packages_cancel(struct packages_wait *wait)
{
    struct job      *job;
    struct packages *packages;
    if (wait == NULL)
        return;
    job      = wait->job;
    packages = wait->packages;
    wait_free(wait);
    if (!TAILQ_EMPTY(&job->waits) || job->installation != NULL || job->from_known)
        return;
    job_free(job);
    go_on(packages); /* others may have waited for it */
}

void packages_jobs_done(struct packages *packages)
{
    struct job *job;
    while ((job = TAILQ_FIRST(&packages->jobs)) != NULL) {
        while (!TAILQ_EMPTY(&job->waits))
            wait_free(TAILQ_FIRST(&job->waits));
        job_free(job);
    }
}
