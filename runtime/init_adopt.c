#define _GNU_SOURCE
#include "init_adopt.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>

#include "init_mark.h"

static void fail(struct members *members, struct member *child, pid_t copy, int error, init_tell tell)
{
    uint32_t number = child->number;
    members_remove(members, child);
    tell(CONTROL_ADOPT_FAILED, number, copy, error);
}

/* The copy itself becomes the worker. */
static void move(struct members *members, struct member *from, struct member *child, pid_t copy, init_tell tell)
{
    (void)member_forget_parked(members, from, copy);
    init_mark_set(copy, child->mark);
    child->worker = copy;
    tell(CONTROL_WORKER_STARTED, child->number, copy, 0);
}

bool init_adopt(struct members *members, const struct control_message *message, const int *fds, size_t fd_count, init_tell tell)
{
    struct member   *from  = members_find_parked(members, message->pid), *child;
    enum adopt_flags flags = (enum adopt_flags)message->status;

    if (fd_count != MEMBER_FD_COUNT || from == NULL) {
        tell(CONTROL_ADOPT_FAILED, message->member, message->pid, from == NULL ? ESRCH : EMFILE);
        return false;
    }
    child = members_add(members, message->member, fds);
    if (child == NULL) {
        tell(CONTROL_ADOPT_FAILED, message->member, message->pid, errno);
        return true;
    }
    if (member_send_order(from, message->pid, child, flags) < 0)
        fail(members, child, message->pid, errno, tell);
    else if ((flags & ADOPT_KEEP) == 0)
        move(members, from, child, message->pid, tell);
    else
        child->parent = message->pid;
    return true;
}

/* The one the report is about: a copy that found no order speaks of the first that it has not taken. */
static struct member *find_child(const struct members *members, const struct adopt_report *report)
{
    struct member *child = report->member != 0 ? members_find(members, report->member) : members_find_adopting(members, report->copy);
    return child != NULL && child->parent == report->copy ? child : NULL;
}

static void on_report(struct members *members, const struct adopt_report *report, init_tell tell)
{
    struct member *child = report->copy > 0 ? find_child(members, report) : NULL;

    if (child == NULL) { /* it was to become the worker itself, and could not */
        child = members_find_worker(members, report->copy);
        if (child != NULL && report->pid == 0)
            (void)kill(report->copy, SIGKILL);
        return;
    }
    child->parent = 0;
    if (!members_is_unknown_child(members, report->pid)) {
        fail(members, child, report->copy, report->pid == 0 && report->error > 0 ? report->error : ESRCH, tell);
        return;
    }
    child->worker = report->pid;
    init_mark_set(child->worker, child->mark);
    tell(CONTROL_WORKER_STARTED, child->number, child->worker, 0);
}

void init_adopt_on_report(struct members *members, const struct channel *channel, init_tell tell)
{
    struct adopt_report report;
    ssize_t             n = recv(channel->init_fd, &report, sizeof report, MSG_DONTWAIT); /* descriptors beside it are not received */
    if (n == (ssize_t)sizeof report)
        on_report(members, &report, tell);
}

bool init_adopt_own(struct members *members, struct member *member, pid_t copy, init_tell tell)
{
    if (member_send_order(member, copy, member, 0) < 0)
        return false;
    move(members, member, member, copy, tell);
    return true;
}

void init_adopt_on_exit(struct members *members, struct member *from, pid_t pid, init_tell tell)
{
    const struct channel *channel = member_channel_of(from, pid);
    struct member        *child;
    int                   left = FAMILY_MAX;

    if (channel == NULL)
        return; /* nothing can have come of it */
    while (members_find_adopting(members, pid) != NULL && left-- > 0)
        init_adopt_on_report(members, channel, tell); /* it may have said something before it died */
    member_withdraw_order(channel, pid);
    while ((child = members_find_adopting(members, pid)) != NULL)
        fail(members, child, pid, ESRCH, tell);
}

void init_adopt_end(struct members *members, struct member *from, init_tell tell)
{
    while (from->parked_count > 0) {
        pid_t pid = from->parked[0].pid;
        init_adopt_on_exit(members, from, pid, tell);
        (void)member_forget_parked(members, from, pid);
    }
}
