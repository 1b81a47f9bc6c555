#define _GNU_SOURCE
#include "session_files.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fdio.h"
#include "log.h"
#include "session_private.h"

enum {
    SENT_MAX    = 4, /* orders with init at the same time: its socket takes many more */
    UPLOADS_MAX = 1000,
};

struct waiting_order {
    TAILQ_ENTRY(waiting_order) entry;
    struct session     *session;
    struct control_file packet;
    struct event        timer;
    int                 list_fd;
    bool                sent;
    files_on_answer     on_answer; /* NULL: nobody waits */
    void               *arg;
};

TAILQ_HEAD(order_list, waiting_order);

struct session_files {
    struct event_base *base;
    struct order_list  orders; /* the sent ones first */
    size_t             count, sent_count;
    uint32_t           last_request;
    uint64_t           uploading_bytes;
    TAILQ_HEAD(files_users, files_user) users;
};

struct session_files *session_files_new(struct session *session, struct event_base *base)
{
    struct session_files *files = calloc(1, sizeof *files);
    (void)session;
    if (files == NULL)
        return NULL;
    files->base = base;
    TAILQ_INIT(&files->orders);
    TAILQ_INIT(&files->users);
    return files;
}

static void order_free(struct waiting_order *order)
{
    (void)evtimer_del(&order->timer);
    fdio_close(&order->list_fd);
    free(order);
}

static void take_out(struct session_files *files, struct waiting_order *order)
{
    TAILQ_REMOVE(&files->orders, order, entry);
    files->count--;
    files->sent_count -= order->sent;
}

void session_files_free(struct session_files *files)
{
    if (files == NULL)
        return;
    while (!TAILQ_EMPTY(&files->orders)) {
        struct waiting_order *order = TAILQ_FIRST(&files->orders);
        take_out(files, order);
        order_free(order);
    }
    free(files);
}

/* fd is the receiver's. */
static void answer(struct waiting_order *order, int error, const struct control_file_reply *reply, int fd)
{
    struct file_answer result = {.error = error, .reply = reply, .fd = fd};

    if (error == 0 && order->packet.operation == FILE_LIST) {
        fdio_close(&result.fd);
        result.fd      = order->list_fd;
        order->list_fd = -1;
    }
    if (order->on_answer != NULL)
        order->on_answer(&result, order->arg);
    else
        fdio_close(&result.fd);
    order_free(order);
}

/* Hands the next ones to init, as many as it may have. What its socket does not take now goes after the next reply. */
static void go_on(struct session *session)
{
    struct session_files *files = session->files;
    struct waiting_order *order;

    for (order = TAILQ_FIRST(&files->orders); order != NULL; order = TAILQ_NEXT(order, entry)) {
        if (order->sent)
            continue;
        if (files->sent_count == SENT_MAX || session->worker == NULL || worker_file(session->worker, &order->packet, order->list_fd) < 0)
            return;
        order->sent = true;
        files->sent_count++;
    }
}

static void on_late(evutil_socket_t fd, short what, void *arg)
{
    struct waiting_order *order   = arg;
    struct session       *session = order->session;
    (void)fd;
    (void)what;
    log_warn("session %s: its init did not answer in time", session->id_text);
    take_out(session->files, order);
    answer(order, ETIMEDOUT, NULL, -1);
    go_on(session);
}

void session_files_on_reply(const struct control_file_reply *reply, int fd, void *arg)
{
    struct session       *session = arg;
    struct waiting_order *order;

    for (order = TAILQ_FIRST(&session->files->orders); order != NULL; order = TAILQ_NEXT(order, entry)) {
        if (!order->sent || order->packet.request != reply->request)
            continue;
        take_out(session->files, order);
        go_on(session);
        answer(order, reply->error, reply, fd);
        return;
    }
    fdio_close(&fd); /* it came too late */
}

static int list_memory(struct err *err)
{
    int fd = memfd_create("list", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, FILE_LIST_BYTES) < 0) {
        (void)err_errno(err, "no memory for a list of files");
        fdio_close(&fd);
    }
    return fd;
}

static int fill(struct control_file *packet, const struct file_order *order, struct err *err)
{
    const char *path = order->path != NULL ? order->path : "", *other = order->other != NULL ? order->other : "";
    size_t      length = strlen(path), other_length = strlen(other);

    if (length >= FILE_PATH_BYTES || other_length >= FILE_PATH_BYTES)
        return err_set(err, ENAMETOOLONG, "the path is longer than %d bytes", FILE_PATH_BYTES - 1);
    packet->type      = CONTROL_FILE;
    packet->operation = order->operation;
    packet->flags     = order->flags;
    packet->depth     = order->depth;
    packet->mode      = order->operation == FILE_CREATE ? 0644 : 0755;
    memcpy(packet->path, path, length + 1);
    memcpy(packet->other, other, other_length + 1);
    return 0;
}

static struct waiting_order *order_new(struct session *session, const struct file_order *wanted, struct err *err)
{
    static const struct timeval limit = {.tv_sec = FILES_LIMIT_MS / 1000};
    struct waiting_order       *order = calloc(1, sizeof *order);

    if (order == NULL) {
        (void)err_set(err, ENOMEM, "no memory to ask for a file");
        return NULL;
    }
    order->session = session;
    order->list_fd = -1;
    (void)evtimer_assign(&order->timer, session->files->base, on_late, order);
    if (fill(&order->packet, wanted, err) < 0 || (wanted->operation == FILE_LIST && (order->list_fd = list_memory(err)) < 0)) {
        order_free(order);
        return NULL;
    }
    order->packet.request = ++session->files->last_request;
    (void)evtimer_add(&order->timer, &limit);
    return order;
}

int session_files_ask(struct session *session, const struct file_order *wanted, files_on_answer on_answer, void *arg, struct err *err)
{
    struct session_files *files = session->files;
    struct waiting_order *order;

    if (session->state == SESSION_ENDED || session->worker == NULL)
        return err_set(err, ESHUTDOWN, "the session has no files at the moment");
    if (files->count == FILES_QUEUE_MAX)
        return err_set(err, ENOBUFS, "%zu requests for files wait in this session already", files->count);
    order = order_new(session, wanted, err);
    if (order == NULL)
        return -1;
    order->on_answer = on_answer;
    order->arg       = arg;
    TAILQ_INSERT_TAIL(&files->orders, order, entry);
    files->count++;
    if (wanted->operation != FILE_USAGE) /* looking at it is no use of it */
        session_touch(session);
    go_on(session);
    return 0;
}

void session_files_forget(struct session *session, const void *arg)
{
    struct waiting_order *order;
    for (order = TAILQ_FIRST(&session->files->orders); order != NULL; order = TAILQ_NEXT(order, entry)) {
        if (order->arg == arg)
            order->on_answer = NULL;
    }
}

void session_files_add_user(struct session *session, struct files_user *user)
{
    TAILQ_INSERT_TAIL(&session->files->users, user, entry);
}

void session_files_remove_user(struct session *session, struct files_user *user)
{
    TAILQ_REMOVE(&session->files->users, user, entry);
}

bool session_files_are_used(const struct session *session)
{
    return !TAILQ_EMPTY(&session->files->users);
}

uint64_t *session_files_uploading(struct session *session)
{
    return &session->files->uploading_bytes;
}

void session_files_note_upload(struct session *session, const char *path)
{
    if (session->uploads == NULL)
        session->uploads = json_array();
    if (json_array_size(session->uploads) < UPLOADS_MAX)
        (void)json_array_append_new(session->uploads, json_string(path));
    else if (json_is_array(session->uploads)) {
        json_decref(session->uploads);
        session->uploads = json_true(); /* too many to be named */
    }
}

struct event_base *session_files_base(const struct session *session)
{
    return session->files->base;
}

void session_files_on_end(struct session *session)
{
    struct session_files *files = session->files;

    while (!TAILQ_EMPTY(&files->orders)) {
        struct waiting_order *order = TAILQ_FIRST(&files->orders);
        take_out(files, order);
        answer(order, ESHUTDOWN, NULL, -1);
    }
    while (!TAILQ_EMPTY(&files->users)) {
        struct files_user *user = TAILQ_FIRST(&files->users);
        TAILQ_REMOVE(&files->users, user, entry);
        user->on_end(user->arg);
    }
}
