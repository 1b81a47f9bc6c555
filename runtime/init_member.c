#define _GNU_SOURCE
#include "init_member.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fdio.h"
#include "init.h"
#include "init_mark.h"
#include "processes.h"

static struct channel *open_channel(struct members *members)
{
    struct channel *channel = members->channel_count < CHANNELS_MAX ? calloc(1, sizeof *channel) : NULL;
    int             pair[2];
    if (channel == NULL || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
        free(channel);
        return NULL;
    }
    *channel                                    = (struct channel){.init_fd = pair[0], .worker_fd = pair[1], .refs = 1};
    members->channels[members->channel_count++] = channel;
    return channel;
}

static void unref_channel(struct members *members, struct channel *channel)
{
    size_t i = 0;
    if (channel == NULL || --channel->refs > 0)
        return;
    while (members->channels[i] != channel)
        i++;
    members->channels[i] = members->channels[--members->channel_count];
    close(channel->init_fd);
    close(channel->worker_fd);
    free(channel);
}

static struct member *add(struct members *members, uint32_t number)
{
    struct member *member = members->count < FAMILY_MAX ? calloc(1, sizeof *member) : NULL;
    if (member == NULL)
        return NULL;
    member->number                  = number;
    member->mark                    = init_mark_of(number);
    member->channel                 = open_channel(members);
    members->list[members->count++] = member;
    return member;
}

struct member *members_begin(struct members *members, bool own_namespace)
{
    static const int places[MEMBER_FD_SERVER] = {
        [MEMBER_FD_REQUEST] = WORKER_REQUEST_FD, [MEMBER_FD_EVENT] = WORKER_EVENT_FD, [MEMBER_FD_STDOUT] = 1, [MEMBER_FD_STDERR] = 2};
    struct member *member;

    *members = (struct members){.own_namespace = own_namespace};
    member   = add(members, 0);
    for (int i = 0; member != NULL && i < MEMBER_FD_COUNT; i++)
        member->fds[i] = i < MEMBER_FD_SERVER ? places[i] : INIT_SERVER_FD + i - MEMBER_FD_SERVER;
    return member;
}

struct member *members_add(struct members *members, uint32_t number, const int fds[MEMBER_FD_COUNT])
{
    struct member *last = members->list[members->count - 1], *member = NULL;
    int            reason = EINVAL;

    if (number > last->number) {
        member = add(members, number);
        reason = ENOSPC;
    }
    if (member == NULL) {
        for (int i = 0; i < MEMBER_FD_COUNT; i++)
            close(fds[i]);
        errno = reason;
        return NULL;
    }
    memcpy(member->fds, fds, sizeof member->fds);
    if (member->channel == NULL) {
        members_remove(members, member);
        errno = EMFILE;
        return NULL;
    }
    return member;
}

/* The numbers below are places: what was there is covered, so that no descriptor that comes later lands there. */
static void give_up(int fd)
{
    if (fd > WORKER_EVENT_FD)
        close(fd);
    else if (fd > 0)
        (void)dup3(0, fd, O_CLOEXEC);
}

void members_remove(struct members *members, struct member *member)
{
    size_t i = 0;
    while (members->list[i] != member)
        i++;
    memmove(&members->list[i], &members->list[i + 1], (--members->count - i) * sizeof *members->list); /* in the order of numbers */
    for (i = 0; i < MEMBER_FD_COUNT; i++)
        give_up(member->fds[i]);
    for (i = 0; i < member->parked_count; i++)
        unref_channel(members, member->parked[i].channel);
    unref_channel(members, member->channel);
    free(member);
}

struct member *members_find(const struct members *members, uint32_t number)
{
    for (size_t i = 0; i < members->count; i++) {
        if (members->list[i]->number == number)
            return members->list[i];
    }
    return NULL;
}

struct member *members_find_worker(const struct members *members, pid_t pid)
{
    for (size_t i = 0; pid > 0 && i < members->count; i++) {
        if (members->list[i]->worker == pid)
            return members->list[i];
    }
    return NULL;
}

static const struct parked *find_parked(const struct member *member, pid_t pid)
{
    for (size_t i = 0; i < member->parked_count; i++) {
        if (member->parked[i].pid == pid)
            return &member->parked[i];
    }
    return NULL;
}

struct member *members_find_parked(const struct members *members, pid_t pid)
{
    for (size_t i = 0; pid > 0 && i < members->count; i++) {
        if (find_parked(members->list[i], pid) != NULL)
            return members->list[i];
    }
    return NULL;
}

struct member *members_find_adopting(const struct members *members, pid_t pid)
{
    for (size_t i = 0; pid > 0 && i < members->count; i++) {
        if (members->list[i]->parent == pid)
            return members->list[i];
    }
    return NULL;
}

bool members_is_unknown_child(const struct members *members, pid_t pid)
{
    siginfo_t info = {0};
    return pid > 1 && members_find_worker(members, pid) == NULL && members_find_parked(members, pid) == NULL &&
           waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

bool member_add_parked(struct members *members, struct member *member, pid_t pid)
{
    if (member->parked_count == PARKED_MAX || !members_is_unknown_child(members, pid))
        return false;
    member->parked[member->parked_count++] = (struct parked){pid, member->channel};
    if (member->channel != NULL)
        member->channel->refs++;
    return true;
}

bool member_forget_parked(struct members *members, struct member *member, pid_t pid)
{
    struct parked *parked = (struct parked *)find_parked(member, pid);
    if (parked == NULL)
        return false;
    unref_channel(members, parked->channel);
    *parked = member->parked[--member->parked_count];
    return true;
}

void member_give_parked(struct members *members, struct member *member, struct member *heir)
{
    while (member->parked_count > 0) {
        struct parked *last = &member->parked[--member->parked_count];
        if (heir->parked_count < PARKED_MAX && last->channel != NULL) {
            heir->parked[heir->parked_count++] = *last;
        } else {
            (void)kill(last->pid, SIGKILL);
            unref_channel(members, last->channel);
        }
    }
}

bool member_is_foreign(const struct member *member, pid_t pid)
{
    const struct parked *parked = find_parked(member, pid);
    return parked != NULL && parked->channel != member->channel;
}

struct verdict {
    const struct members *members;
    const struct member  *member;
    bool                  all;
};

/* What carries no living member's mark is nobody's: it goes with the first that does. */
static bool is_spared(pid_t pid, void *arg)
{
    const struct verdict *verdict = arg;
    uint64_t              mark;

    if (find_parked(verdict->member, pid) != NULL)
        return !verdict->all;
    if (verdict->members->count == 1 || pid == verdict->member->worker)
        return false;
    if (members_find_worker(verdict->members, pid) != NULL || members_find_parked(verdict->members, pid) != NULL)
        return true;
    mark = init_mark_get(pid);
    for (size_t i = 0; i < verdict->members->count; i++) {
        const struct member *other = verdict->members->list[i];
        if (other != verdict->member && other->mark == mark)
            return true;
    }
    return false;
}

void member_kill(const struct members *members, const struct member *member, bool all)
{
    struct verdict verdict = {members, member, all};
    bool           nobody  = members->count == 1 && (all || member->parked_count == 0);
    (void)processes_kill(members->own_namespace, nobody ? NULL : is_spared, &verdict);
}

/* A process of the session may read there as well, and must not have us wait: read() has no flag for that, and the pipe's own is anybody's. */
void member_drain_requests(const struct member *member)
{
    char buffer[4096];
    int  sink[2];

    if (pipe2(sink, O_CLOEXEC | O_NONBLOCK) < 0)
        _exit(EXIT_JAIL); /* rather than that the next interpreter gets a request of this one */
    while (splice(member->fds[MEMBER_FD_REQUEST], NULL, sink[1], NULL, sizeof buffer, SPLICE_F_NONBLOCK) > 0) {
        while (read(sink[0], buffer, sizeof buffer) > 0)
            ;
    }
    close(sink[0]);
    close(sink[1]);
}

static void place(int fd, int number, int flags)
{
    if (fd != number)
        (void)dup3(fd, number, flags);
}

void member_take_places(const struct member *member)
{
    unsigned first_free = WORKER_FD_END;

    place(member->fds[MEMBER_FD_REQUEST], WORKER_REQUEST_FD, O_CLOEXEC);
    place(member->fds[MEMBER_FD_EVENT], WORKER_EVENT_FD, O_CLOEXEC);
    place(member->fds[MEMBER_FD_STDOUT], STDOUT_FILENO, 0);
    place(member->fds[MEMBER_FD_STDERR], STDERR_FILENO, 0);
    if (member->channel != NULL)
        place(member->channel->worker_fd, WORKER_CHANNEL_FD, O_CLOEXEC);
    else
        first_free = WORKER_CHANNEL_FD;
    (void)syscall(SYS_close_range, first_free, ~0u, 0);
}

int member_send_order(const struct member *from, pid_t pid, const struct member *child, enum adopt_flags flags)
{
    const struct adopt_order order               = {.pid = pid, .member = child->number, .flags = flags, .mark = child->mark};
    const struct parked     *parked              = find_parked(from, pid);
    int                      fds[ADOPT_FD_COUNT] = {
                             [ADOPT_FD_REQUEST] = child->fds[MEMBER_FD_REQUEST],
                             [ADOPT_FD_EVENT]   = child->fds[MEMBER_FD_EVENT],
                             [ADOPT_FD_STDOUT]  = child->fds[MEMBER_FD_STDOUT],
                             [ADOPT_FD_STDERR]  = child->fds[MEMBER_FD_STDERR],
    };
    if (parked == NULL || parked->channel == NULL || child->channel == NULL) {
        errno = ENOTCONN;
        return -1;
    }
    fds[ADOPT_FD_CHANNEL] = child->channel->worker_fd;
    if (fdio_send(parked->channel->init_fd, &order, sizeof order, fds, ADOPT_FD_COUNT) < 0)
        return -1;
    (void)kill(pid, SIGCONT); /* the session's own processes may have stopped it */
    (void)kill(pid, ADOPT_SIGNAL);
    return 0;
}

void member_withdraw_order(const struct channel *channel, pid_t pid)
{
    struct adopt_order order;
    while (recv(channel->worker_fd, &order, sizeof order, MSG_PEEK | MSG_DONTWAIT) == (ssize_t)sizeof order && order.pid == pid)
        (void)recv(channel->worker_fd, &order, sizeof order, MSG_DONTWAIT); /* without room for descriptors: the kernel closes them */
}

struct channel *member_channel_of(const struct member *member, pid_t pid)
{
    const struct parked *parked = find_parked(member, pid);
    return parked != NULL ? parked->channel : NULL;
}
