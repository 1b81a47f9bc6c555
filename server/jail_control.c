/* jail_control.c: what a jail's init says and is told, over its control socket. */
#include <errno.h>

#include "fdio.h"
#include "jail_private.h"
#include "workers.h"
#include "zygote_client.h"

union control_packet {
    struct control_message    message;
    struct control_file_reply file;
};

void jail_close_control(struct jail *jail)
{
    if (jail->is_watched)
        (void)event_del(&jail->readable);
    jail->is_watched = false;
    fdio_close(&jail->control_fd);
}

static void on_control_end(struct jail *jail)
{
    struct jail_member *member;

    (void)event_del(&jail->readable);
    jail->is_watched = false;
    if (!zygote_client_is_ready(workers_zygote(jail->workers))) {
        jail_bury(jail);
        return;
    }
    jail->state = JAIL_ENDING;
    jail_set_timer(jail);
    TAILQ_FOREACH(member, &jail->members, entry)
    {
        member->events->on_init_gone(member);
    }
}

static void on_member_gone(struct jail *jail, struct jail_member *member)
{
    static const struct worker_death none;
    struct jail_member              *other;
    bool                             waits = false;

    member->events->on_gone(member, &none); /* never the last one: its jail would be ending */
    TAILQ_FOREACH(other, &jail->members, entry)
    {
        waits |= other->is_ending;
    }
    if (!waits && jail->state == JAIL_UP)
        (void)evtimer_del(&jail->timer);
    if (jail->state == JAIL_UP)
        jail_tell_family(jail);
}

void jail_ask_worker(struct jail_member *member)
{
    struct jail *jail    = member->jail;
    member->wants_worker = true;
    (void)zygote_client_worker(workers_zygote(jail->workers), jail->limits, member->number); /* -1: jail_on_zygote asks again */
}

static void on_message(struct jail *jail, const struct control_message *message)
{
    struct jail_member *member = jail_find(jail, message->member);
    if (member == NULL)
        return;
    if (message->type == CONTROL_WORKER_STARTED || message->type == CONTROL_WORKER_EXITED)
        member->wants_worker = false;
    if (message->type == CONTROL_MEMBER_GONE)
        on_member_gone(jail, member);
    else if (message->type == CONTROL_WORKER_WANTED)
        jail_ask_worker(member);
    else
        member->events->on_control(member, message);
}

static void on_file(struct jail *jail, const struct control_file_reply *reply, int fd)
{
    struct jail_member *member = jail_find(jail, reply->member);
    if (member != NULL)
        member->events->on_file(member, reply, fd);
    else
        fdio_close(&fd);
}

/* Returns whether it was one that is waited for; then its descriptors are owned by someone else. */
static bool on_descriptors(struct jail *jail, const struct control_message *reply, const int *fds, size_t fd_count)
{
    if (jail->on_member == NULL || reply->type != CONTROL_DESCRIPTORS_REPLY || fd_count != MEMBER_SERVER_FDS)
        return false;
    jail->on_member(jail, reply, fds, jail->found_arg);
    if (reply->execution != 0)
        return true;
    (void)evtimer_del(&jail->timer);
    jail_end_takeover(jail);
    if (TAILQ_EMPTY(&jail->members))
        jail_end(jail);
    return true;
}

/* Owns the descriptors. */
static void on_unfolded(struct jail *jail, const struct control_message *message, int *fds, size_t fd_count)
{
    struct jail_member *member = jail_find(jail, message->member);
    bool                whole  = fd_count == MEMBER_FOLDED_FDS;
    for (size_t i = 0; (member == NULL || !whole) && i < fd_count; i++)
        fdio_close(&fds[i]);
    if (member != NULL)
        member->events->on_unfolded(member, whole ? fds : NULL);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct jail         *jail = arg;
    union control_packet packet;
    int                  fds[MEMBER_SERVER_FDS], sent_fd;
    size_t               fd_count = MEMBER_SERVER_FDS;
    ssize_t              n        = fdio_receive(fd, &packet, sizeof packet, fds, &fd_count);

    (void)what;
    if (n < 0 && errno == EAGAIN)
        return;
    if (n == (ssize_t)sizeof packet.message && on_descriptors(jail, &packet.message, fds, fd_count))
        return;
    if (n == (ssize_t)sizeof packet.message && packet.message.type == CONTROL_UNFOLDED) {
        on_unfolded(jail, &packet.message, fds, fd_count);
        return;
    }
    for (size_t i = 1; i < fd_count; i++)
        fdio_close(&fds[i]);
    sent_fd  = fd_count > 0 ? fds[0] : -1;
    fd_count = fd_count > 0;
    if (n == (ssize_t)sizeof packet.file && packet.file.type == CONTROL_FILE_REPLY) {
        on_file(jail, &packet.file, fd_count == 1 ? sent_fd : -1);
        return;
    }
    if (fd_count == 1)
        fdio_close(&sent_fd);
    if (n == (ssize_t)sizeof packet.message)
        on_message(jail, &packet.message);
    else
        on_control_end(jail);
}

bool jail_watch(struct jail *jail)
{
    struct event_base *base = workers_base(jail->workers);
    jail->is_watched        = event_assign(&jail->readable, base, jail->control_fd, EV_READ | EV_PERSIST, on_readable, jail) == 0 &&
                       event_add(&jail->readable, NULL) == 0;
    return jail->is_watched;
}

void jail_control(struct jail_member *member, struct control_message message)
{
    message.member = member->number;
    if (member->jail->state == JAIL_UP && fdio_send(member->jail->control_fd, &message, sizeof message, NULL, 0) < 0)
        jail_fail(member->jail, "its init does not answer");
}

int jail_send(struct jail *jail, const void *packet, size_t length, const int *fds, size_t fd_count)
{
    if (jail->state != JAIL_UP) {
        errno = EPIPE;
        return -1;
    }
    return fdio_send(jail->control_fd, packet, length, fds, fd_count);
}
