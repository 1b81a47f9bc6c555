#define _GNU_SOURCE
#include "workers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "fdio.h"
#include "jail.h"
#include "log.h"
#include "table.h"

struct workers {
    struct event_base    *base;
    struct zygote_client *zygote;
    struct folds         *folds;
    struct table         *by_serial;
    json_t               *isolation;
    uint32_t              last_serial;
    void (*on_zygote)(bool up, void *arg);
    void (*on_way_out)(int fd, void *arg);
    void *way_out_arg;
    void *arg;
    void (*on_found)(const struct zygote_message *message, int control_fd, void *arg); /* NULL: none are expected */
    void (*on_listed)(void *arg);
    void *found_arg;
};

static void on_spawned(void *arg, const struct zygote_message *message, const int fds[SESSION_FD_COUNT])
{
    struct workers *workers = arg;
    struct jail    *jail    = workers_find(workers, message->session);

    if (jail != NULL) {
        jail_on_spawned(jail, message, fds);
        return;
    }
    log_error("the zygote made a session %u that is not wanted", message->session);
    (void)zygote_client_kill(workers->zygote, message->session);
    for (int i = 0; i < SESSION_FD_COUNT; i++)
        fdio_close(&(int){fds[i]});
}

static void on_message(void *arg, const struct zygote_message *message)
{
    struct workers *workers = arg;
    struct jail    *jail    = workers_find(workers, message->session);
    if (jail == NULL)
        return; /* its end has been noticed before */
    if (message->type == ZYGOTE_SPAWN_FAILED)
        jail_on_spawn_failed(jail, message->text[0] != '\0' ? message->text : strerror(message->error));
    else if (message->type == ZYGOTE_EXITED)
        jail_on_exited(jail, message);
    else if (message->type == ZYGOTE_RECLAIMED)
        jail_on_reclaimed(jail, message);
    else if (message->type == ZYGOTE_STATS_REPLY)
        jail_on_stats(jail, &message->stats);
}

static void tell_up(void *jail, void *arg)
{
    (void)arg;
    jail_on_zygote(jail, true);
}

static void tell_down(void *jail, void *arg)
{
    (void)arg;
    jail_on_zygote(jail, false);
}

/* Less than full is said where the operator looks first, and again when another zygote has come to less, or more, than the one before it. */
static void tell_isolation(const json_t *before, const json_t *report)
{
    const char   *level = json_string_value(json_object_get(report, "level")), *name, *why = NULL;
    const json_t *layer;

    if (level == NULL || (before == NULL && strcmp(level, "full") == 0) ||
        json_equal(json_object_get(before, "level"), json_object_get(report, "level")))
        return;
    json_object_foreach(json_object_get(report, "layers"), name, layer)
    {
        if (why == NULL && json_is_false(json_object_get(layer, "active")))
            why = json_string_value(json_object_get(layer, "reason"));
    }
    if (strcmp(level, "full") == 0)
        log_info("isolation is full now");
    else
        log_warn("isolation is '%s' and not 'full': %s; 'penny-sandbox doctor' says what to change", level,
                 why != NULL ? why : "see /health");
}

static void on_ready(void *arg, json_t *report)
{
    struct workers *workers = arg;
    tell_isolation(workers->isolation, report);
    json_decref(workers->isolation);
    workers->isolation = report;
    table_each(workers->by_serial, tell_up, NULL);
    workers->on_zygote(true, workers->arg);
}

static void on_lost(void *arg)
{
    struct workers *workers = arg;
    table_each(workers->by_serial, tell_down, NULL);
    workers->on_zygote(false, workers->arg);
}

static void on_way_out(void *arg, int fd)
{
    const struct workers *workers = arg;
    if (workers->on_way_out != NULL)
        workers->on_way_out(fd, workers->way_out_arg);
    else
        fdio_close(&fd);
}

void workers_on_way_out(struct workers *workers, void (*on_fd)(int fd, void *arg), void *arg)
{
    workers->on_way_out  = on_fd;
    workers->way_out_arg = arg;
}

static void on_session(void *arg, const struct zygote_message *message, int control_fd)
{
    struct workers *workers = arg;
    if (table_get(workers->by_serial, &message->session) == NULL && workers->on_found != NULL) {
        workers->on_found(message, control_fd, workers->found_arg);
        return;
    }
    fdio_close(&control_fd);
    if (table_get(workers->by_serial, &message->session) == NULL)
        (void)zygote_client_kill(workers->zygote, message->session); /* of the pool of an earlier process, or half made */
}

static void on_listed(void *arg)
{
    struct workers *workers       = arg;
    void (*on_listed)(void *arg_) = workers->on_listed;
    workers->on_found             = NULL;
    workers->on_listed            = NULL;
    if (on_listed != NULL)
        on_listed(workers->found_arg);
}

void workers_end(struct workers *workers, uint32_t serial)
{
    (void)zygote_client_kill(workers->zygote, serial);
}

void workers_expect(struct workers *workers, void (*on_found)(const struct zygote_message *message, int control_fd, void *arg),
                    void (*on_all)(void *arg), void *arg)
{
    workers->on_found  = on_found;
    workers->on_listed = on_all;
    workers->found_arg = arg;
}

static bool on_crowded(void *arg)
{
    const struct workers *workers = arg;
    return folds_make_room(workers->folds, SESSION_FD_COUNT);
}

static const struct zygote_events zygote_events = {on_ready,   on_spawned, on_message, on_way_out,
                                                   on_session, on_listed,  on_crowded, on_lost};

struct workers *workers_new(struct event_base *base, void (*on_zygote)(bool up, void *arg), void *arg, struct err *err)
{
    struct workers *workers = calloc(1, sizeof *workers);
    if (workers == NULL) {
        (void)err_set(err, ENOMEM, "no memory for the workers");
        return NULL;
    }
    workers->base      = base;
    workers->on_zygote = on_zygote;
    workers->arg       = arg;
    workers->by_serial = table_new(sizeof(uint32_t));
    workers->folds     = folds_new(base, &worker_fold_events, FOLD_LIMIT_MS);
    workers->zygote    = zygote_client_new(base, &zygote_events, workers, err);
    if (workers->by_serial == NULL || workers->folds == NULL || workers->zygote == NULL) {
        (void)err_set(err, ENOMEM, "no memory for the workers");
        workers_free(workers);
        return NULL;
    }
    /* Numbers must be new to a zygote that has served an earlier server process. */
    while (getrandom(&workers->last_serial, sizeof workers->last_serial, 0) < 0)
        continue;
    workers->last_serial &= 0x7fffffff;
    return workers;
}

static void free_jail(void *jail, void *arg)
{
    (void)arg;
    jail_free(jail);
}

void workers_free(struct workers *workers)
{
    if (workers == NULL)
        return;
    if (workers->by_serial != NULL)
        table_each(workers->by_serial, free_jail, NULL);
    zygote_client_free(workers->zygote);
    table_free(workers->by_serial);
    folds_free(workers->folds);
    json_decref(workers->isolation);
    free(workers);
}

int workers_attach_zygote(struct workers *workers, int fd, struct err *err)
{
    return zygote_client_attach(workers->zygote, fd, err);
}

bool workers_zygote_is_up(const struct workers *workers)
{
    return zygote_client_is_ready(workers->zygote);
}

const json_t *workers_isolation(const struct workers *workers)
{
    return workers->isolation;
}

size_t workers_count(const struct workers *workers)
{
    return table_count(workers->by_serial);
}

struct folds *workers_folds(const struct workers *workers)
{
    return workers->folds;
}

struct event_base *workers_base(const struct workers *workers)
{
    return workers->base;
}

struct zygote_client *workers_zygote(const struct workers *workers)
{
    return workers->zygote;
}

struct jail *workers_find(const struct workers *workers, uint32_t serial)
{
    return table_get(workers->by_serial, &serial);
}

uint32_t workers_add(struct workers *workers, struct jail *jail)
{
    uint32_t serial;
    do
        serial = ++workers->last_serial;
    while (serial == 0 || table_get(workers->by_serial, &serial) != NULL);
    return table_put(workers->by_serial, &serial, jail) < 0 ? 0 : serial;
}

uint32_t workers_add_as(struct workers *workers, uint32_t serial, struct jail *jail)
{
    return table_get(workers->by_serial, &serial) == NULL && table_put(workers->by_serial, &serial, jail) == 0 ? serial : 0;
}

void workers_remove(struct workers *workers, uint32_t serial)
{
    (void)table_take(workers->by_serial, &serial);
}
