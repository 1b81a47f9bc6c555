#define _GNU_SOURCE
#include "packages.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "installation.h"
#include "json.h"
#include "metrics.h"

enum { KNOWN_MAX = 2000, LOG_LINES = 300, CATALOGUE_TRIES_MS = 2000 };

/* A request that was answered, and how. */
struct known {
    TAILQ_ENTRY(known) entry;
    char   *key;
    json_t *layers, *satisfied;
    int64_t made_ms;
};

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

struct asking {
    TAILQ_ENTRY(asking) entry;
    packages_on_known on_known;
    void             *arg;
};

struct packages {
    struct event_base     *base;
    const struct policies *policies;
    struct analysis       *analysis;
    int                    supervisor_fd;
    json_t                *preinstalled, *by_name; /* the list; {canonical: its entry} */
    json_t                *newest;                 /* {canonical: layer} */
    bool                   asked;
    TAILQ_HEAD(, asking) asking;
    TAILQ_HEAD(, known) known;
    TAILQ_HEAD(, job) jobs;
    size_t known_count, running, waiting;
};

static void go_on(struct packages *packages);

struct packages *packages_new(struct event_base *base, const struct policies *policies, struct analysis *analysis, int supervisor_fd,
                              struct err *err)
{
    struct packages *packages = calloc(1, sizeof *packages);
    if (packages != NULL)
        packages->newest = json_object();
    if (packages == NULL || packages->newest == NULL) {
        free(packages);
        (void)err_set(err, ENOMEM, "no memory for packages");
        return NULL;
    }
    packages->base          = base;
    packages->policies      = policies;
    packages->analysis      = analysis;
    packages->supervisor_fd = supervisor_fd;
    TAILQ_INIT(&packages->asking);
    TAILQ_INIT(&packages->known);
    TAILQ_INIT(&packages->jobs);
    return packages;
}

/* ---- what is known ---- */

static void known_free(struct packages *packages, struct known *known)
{
    TAILQ_REMOVE(&packages->known, known, entry);
    packages->known_count--;
    free(known->key);
    json_decref(known->layers);
    json_decref(known->satisfied);
    free(known);
}

static struct known *known_find(struct packages *packages, const char *key)
{
    struct known *known, *next;
    int64_t       now = json_time_monotonic();
    for (known = TAILQ_FIRST(&packages->known); known != NULL; known = next) {
        next = TAILQ_NEXT(known, entry);
        if (now - known->made_ms > packages->policies->packages.resolution_ms)
            known_free(packages, known);
        else if (strcmp(known->key, key) == 0)
            return known;
    }
    return NULL;
}

static void remember(struct packages *packages, const struct job *job)
{
    struct known *known = known_find(packages, job->key);
    json_t       *layer;
    size_t        i;

    json_array_foreach(job->layers, i, layer)(void)
        json_object_set(packages->newest, json_string_value(json_object_get(layer, "name")), layer);
    if (known != NULL)
        known_free(packages, known);
    if (packages->known_count >= KNOWN_MAX)
        known_free(packages, TAILQ_FIRST(&packages->known));
    known = calloc(1, sizeof *known);
    if (known == NULL || (known->key = strdup(job->key)) == NULL) {
        free(known); /* it is asked again the next time */
        return;
    }
    known->layers    = json_incref(job->layers);
    known->satisfied = json_incref(job->satisfied);
    known->made_ms   = json_time_monotonic();
    TAILQ_INSERT_TAIL(&packages->known, known, entry);
    packages->known_count++;
}

const json_t *packages_layer(const struct packages *packages, const char *name)
{
    return json_object_get(packages->newest, name);
}

/* ---- what every session has ---- */

static void answer_asking(struct packages *packages)
{
    struct asking *asking;
    while ((asking = TAILQ_FIRST(&packages->asking)) != NULL) {
        TAILQ_REMOVE(&packages->asking, asking, entry);
        if (asking->on_known != NULL)
            asking->on_known(packages->preinstalled, asking->arg);
        free(asking);
    }
}

static void take_catalogue(struct packages *packages, const char *text, size_t length)
{
    json_error_t error;
    json_t      *list = json_loadb(text, length, 0, &error), *entry;
    size_t       i;
    if (!json_is_array(list) || (packages->by_name = json_object()) == NULL) {
        json_decref(list);
        return;
    }
    json_array_foreach(list, i, entry)
    {
        const char *name    = json_string_value(json_object_get(entry, "name")),
                   *version = json_string_value(json_object_get(entry, "version"));
        if (name != NULL && version != NULL)
            (void)json_object_set(packages->by_name, name, entry);
    }
    packages->preinstalled = list;
}

static void on_catalogue(enum analysis_end end, const char *text, size_t length, void *arg)
{
    struct packages *packages = arg;
    packages->asked           = false;
    if (end == ANALYSIS_DONE)
        take_catalogue(packages, text, length);
    answer_asking(packages);
}

void packages_know(struct packages *packages, packages_on_known on_known, void *arg)
{
    struct asking *asking = packages->preinstalled == NULL ? calloc(1, sizeof *asking) : NULL;
    struct err     err    = {0};
    if (asking == NULL) {
        on_known(packages->preinstalled, arg);
        return;
    }
    *asking = (struct asking){.on_known = on_known, .arg = arg};
    TAILQ_INSERT_TAIL(&packages->asking, asking, entry);
    if (packages->asked)
        return;
    packages->asked = true;
    if (analysis_ask(packages->analysis, json_pack("{s:s}", "op", "catalogue"), NULL, on_catalogue, packages, &err) < 0) {
        packages->asked = false;
        answer_asking(packages);
    }
}

void packages_forget_known(struct packages *packages, const void *arg)
{
    struct asking *asking;
    TAILQ_FOREACH(asking, &packages->asking, entry)
    {
        if (asking->arg == arg) /* cppcheck-suppress uninitvar ; TAILQ_FOREACH sets it */
            asking->on_known = NULL;
    }
}

const json_t *packages_preinstalled(const struct packages *packages, const char *name)
{
    return json_object_get(packages->by_name, name);
}

/* ---- jobs ---- */

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
        remember(job->packages, job);
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
    struct known *known = anew ? NULL : known_find(job->packages, job->key);
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

/* The installation goes on: who comes next finds it done. */
void packages_cancel(struct packages_wait *wait)
{
    if (wait != NULL)
        wait_free(wait);
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
    struct asking *asking;
    struct job    *job;
    if (packages == NULL)
        return;
    while ((job = TAILQ_FIRST(&packages->jobs)) != NULL) {
        while (!TAILQ_EMPTY(&job->waits))
            wait_free(TAILQ_FIRST(&job->waits));
        job_free(job);
    }
    while (!TAILQ_EMPTY(&packages->known))
        known_free(packages, TAILQ_FIRST(&packages->known));
    while ((asking = TAILQ_FIRST(&packages->asking)) != NULL) {
        TAILQ_REMOVE(&packages->asking, asking, entry);
        free(asking);
    }
    json_decref(packages->preinstalled);
    json_decref(packages->by_name);
    json_decref(packages->newest);
    free(packages);
}
