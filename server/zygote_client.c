#define _GNU_SOURCE
#include "zygote_client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "fdio.h"
#include "fold.h"
#include "log.h"

enum { QUEUE_MAX = 65536, PACKETS_PER_WAKEUP = 64, REPORT_BYTES_MAX = 1 << 20 };

struct waiting {
    TAILQ_ENTRY(waiting) entry;
    struct zygote_message message;
    int                   fd; /* -1: none */
};

struct zygote_client {
    struct event_base          *base;
    const struct zygote_events *events;
    void                       *arg;
    int                         fd;
    bool                        ready;
    struct event               *readable, *writable;
    TAILQ_HEAD(waiting_list, waiting) queue;
    size_t queued;
};

static void drop_first(struct zygote_client *client)
{
    struct waiting *first = TAILQ_FIRST(&client->queue);
    TAILQ_REMOVE(&client->queue, first, entry);
    client->queued--;
    fdio_close(&first->fd);
    free(first);
}

static void detach(struct zygote_client *client)
{
    if (client->readable != NULL)
        event_free(client->readable);
    if (client->writable != NULL)
        event_free(client->writable);
    client->readable = client->writable = NULL;
    client->ready                       = false;
    fdio_close(&client->fd);
    while (!TAILQ_EMPTY(&client->queue))
        drop_first(client);
}

static void lose(struct zygote_client *client)
{
    detach(client);
    client->events->on_lost(client->arg);
}

static json_t *read_report(int fd)
{
    json_t      *report = NULL;
    json_error_t error;
    off_t        length = lseek(fd, 0, SEEK_END);
    char        *text;

    if (length <= 0 || length > REPORT_BYTES_MAX)
        return NULL;
    text = malloc((size_t)length);
    if (text != NULL && pread(fd, text, (size_t)length, 0) == length)
        report = json_loadb(text, (size_t)length, 0, &error);
    free(text);
    return report;
}

static bool is_known_answer(uint32_t type)
{
    return type == ZYGOTE_SPAWN_FAILED || type == ZYGOTE_EXITED || type == ZYGOTE_STATS_REPLY || type == ZYGOTE_RECLAIMED;
}

/* A session whose descriptors did not all fit in our table of open files, or would leave no room in it, is not used. */
static void refuse_spawned(struct zygote_client *client, const struct zygote_message *message)
{
    struct zygote_message failed = {.type = ZYGOTE_SPAWN_FAILED, .session = message->session, .error = EMFILE};
    (void)snprintf(failed.text, sizeof failed.text, "too many open files in the server process");
    (void)zygote_client_kill(client, message->session);
    client->events->on_message(client->arg, &failed);
}

static bool leaves_room(struct zygote_client *client, const int fds[SESSION_FD_COUNT])
{
    int highest = -1;
    for (size_t i = 0; i < SESSION_FD_COUNT; i++)
        highest = fds[i] > highest ? fds[i] : highest;
    return !folds_is_full(highest, FOLD_ROOMS) || (client->events->on_crowded != NULL && client->events->on_crowded(client->arg));
}

static void dispatch(struct zygote_client *client, const struct zygote_message *message, int *fds, size_t fd_count)
{
    if (message->type == ZYGOTE_SPAWNED && fd_count == SESSION_FD_COUNT && leaves_room(client, fds)) {
        client->events->on_spawned(client->arg, message, fds);
        return;
    }
    if (message->type == ZYGOTE_SESSION && fd_count == 1) {
        client->events->on_session(client->arg, message, fds[0]);
        return;
    }
    if (message->type == ZYGOTE_LISTED) {
        client->events->on_listed(client->arg);
    } else if (message->type == ZYGOTE_READY) {
        client->ready = true;
        client->events->on_ready(client->arg, fd_count > 0 ? read_report(fds[0]) : NULL);
        if (client->events->on_way_out != NULL) {
            client->events->on_way_out(client->arg, fd_count == 2 ? fds[1] : -1);
            if (fd_count == 2)
                fds[1] = -1;
        }
    } else if (message->type == ZYGOTE_SPAWNED) {
        refuse_spawned(client, message);
    } else if (is_known_answer(message->type)) {
        client->events->on_message(client->arg, message);
    } else {
        log_error("the zygote sent a message of type %u with %zu descriptors, which is not understood", message->type, fd_count);
    }
    for (size_t i = 0; i < fd_count; i++)
        fdio_close(&fds[i]);
}

/* Returns false when nothing is left to read. */
static bool read_one(struct zygote_client *client)
{
    struct zygote_message message;
    int                   fds[SESSION_FD_COUNT];
    size_t                fd_count = SESSION_FD_COUNT;
    ssize_t               n        = fdio_receive(client->fd, &message, sizeof message, fds, &fd_count);

    if (n < 0 && errno == EAGAIN)
        return false;
    if (n != (ssize_t)sizeof message) {
        if (n > 0)
            log_error("the zygote sent a packet of %zd bytes instead of %zu", n, sizeof message);
        for (size_t i = 0; i < fd_count; i++)
            fdio_close(&fds[i]);
        lose(client);
        return false;
    }
    message.text[sizeof message.text - 1] = '\0';
    dispatch(client, &message, fds, fd_count);
    return client->fd >= 0;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct zygote_client *client = arg;
    (void)what;
    for (int i = 0; i < PACKETS_PER_WAKEUP && client->fd == fd; i++)
        if (!read_one(client))
            return;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct zygote_client *client = arg;
    (void)what;
    while (!TAILQ_EMPTY(&client->queue)) {
        struct waiting *first = TAILQ_FIRST(&client->queue);
        if (fdio_send(fd, &first->message, sizeof first->message, &first->fd, first->fd >= 0 ? 1 : 0) < 0) {
            if (errno == EAGAIN)
                return;
            lose(client);
            return;
        }
        drop_first(client);
    }
    (void)event_del(client->writable);
}

static int enqueue(struct zygote_client *client, const struct zygote_message *message, int fd)
{
    struct waiting *waiting = client->queued < QUEUE_MAX ? calloc(1, sizeof *waiting) : NULL;
    if (waiting == NULL)
        return -1;
    waiting->message = *message;
    waiting->fd      = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -1;
    TAILQ_INSERT_TAIL(&client->queue, waiting, entry);
    client->queued++;
    return event_add(client->writable, NULL);
}

static int send_with(struct zygote_client *client, const struct zygote_message *message, int fd)
{
    if (client->fd < 0)
        return -1;
    if (TAILQ_EMPTY(&client->queue)) {
        if (fdio_send(client->fd, message, sizeof *message, &fd, fd >= 0 ? 1 : 0) == 0)
            return 0;
        if (errno != EAGAIN)
            return -1; /* the end of the socket is seen by the reader */
    }
    return enqueue(client, message, fd);
}

static int send_message(struct zygote_client *client, const struct zygote_message *message)
{
    return send_with(client, message, -1);
}

static int send_short(struct zygote_client *client, uint32_t type, uint32_t session)
{
    struct zygote_message message = {.type = type, .session = session};
    return send_message(client, &message);
}

struct zygote_client *zygote_client_new(struct event_base *base, const struct zygote_events *events, void *arg, struct err *err)
{
    struct zygote_client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        (void)err_set(err, ENOMEM, "no memory for the zygote's client");
        return NULL;
    }
    client->base   = base;
    client->events = events;
    client->arg    = arg;
    client->fd     = -1;
    TAILQ_INIT(&client->queue);
    return client;
}

void zygote_client_free(struct zygote_client *client)
{
    if (client == NULL)
        return;
    detach(client);
    free(client);
}

int zygote_client_attach(struct zygote_client *client, int fd, struct err *err)
{
    if (client->fd >= 0)
        lose(client);
    client->fd       = fd;
    client->readable = event_new(client->base, fd, EV_READ | EV_PERSIST, on_readable, client);
    client->writable = event_new(client->base, fd, EV_WRITE | EV_PERSIST, on_writable, client);
    if (evutil_make_socket_nonblocking(fd) < 0 || client->readable == NULL || client->writable == NULL ||
        event_add(client->readable, NULL) < 0) {
        detach(client);
        return err_set(err, ENOMEM, "cannot watch the zygote's socket");
    }
    return 0;
}

bool zygote_client_is_ready(const struct zygote_client *client)
{
    return client->ready;
}

int zygote_client_spawn(struct zygote_client *client, const struct zygote_message *limits_and_session)
{
    struct zygote_message message = *limits_and_session;
    message.type                  = ZYGOTE_SPAWN;
    return client->ready ? send_message(client, &message) : -1;
}

int zygote_client_kill(struct zygote_client *client, uint32_t session)
{
    return send_short(client, ZYGOTE_KILL, session);
}

int zygote_client_reclaim(struct zygote_client *client, uint32_t session)
{
    return client->ready ? send_short(client, ZYGOTE_RECLAIM, session) : -1;
}

int zygote_client_stats(struct zygote_client *client, uint32_t session)
{
    return send_short(client, ZYGOTE_STATS, session);
}

int zygote_client_limit(struct zygote_client *client, uint32_t session, uint32_t cpu_percent)
{
    struct zygote_message message = {.type = ZYGOTE_LIMIT, .session = session, .cpu_percent = cpu_percent};
    return client->ready ? send_message(client, &message) : -1;
}

int zygote_client_family(struct zygote_client *client, struct zygote_message limits_and_session, uint32_t members)
{
    limits_and_session.type  = ZYGOTE_FAMILY;
    limits_and_session.value = members;
    return client->ready ? send_message(client, &limits_and_session) : -1;
}

int zygote_client_worker(struct zygote_client *client, struct zygote_message limits_and_session, uint32_t member)
{
    limits_and_session.type  = ZYGOTE_WORKER;
    limits_and_session.value = member;
    return client->ready ? send_message(client, &limits_and_session) : -1;
}

int zygote_client_adopt(struct zygote_client *client, uint32_t session, int32_t pid, uint32_t uid, int control_fd)
{
    struct zygote_message message = {.type = ZYGOTE_ADOPT, .session = session, .pid = pid, .uid = uid};
    return send_with(client, &message, control_fd);
}
