#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fdio.h"
#include "init_adopt.h"
#include "init_file.h"
#include "init_fold.h"
#include "init_mark.h"
#include "init_member.h"
#include "processes.h"
#include "worker.h"

enum { DESCRIPTORS_MAX = MEMBER_FD_COUNT /* with one packet of the server's */ };

struct init {
    pid_t (*fork_worker)(struct member *member, void *arg); /* NULL: the zygote sends them */
    void            *fork_arg;
    bool             own_namespace;
    int              signal_fd;
    struct init_file files;
    struct members   members;
};

union packet {
    struct control_message message;
    struct control_file    file;
};

static void tell(enum control_type type, uint32_t member, pid_t pid, int status)
{
    struct control_message message = {.type = type, .member = member, .pid = pid, .status = status};
    (void)fdio_send(INIT_CONTROL_FD, &message, sizeof message, NULL, 0); /* a server that is gone: the poll below sees it */
}

/* Without a pid namespace the kernel does not end the others with us. */
static _Noreturn void end_session(const struct init *init)
{
    if (!init->own_namespace)
        (void)processes_kill(false, NULL, NULL);
    _exit(0);
}

/* Or asks for one: see welcome(). */
static void start_worker(struct init *init, struct member *member)
{
    pid_t pid;

    if (init->fork_worker == NULL) {
        tell(CONTROL_WORKER_WANTED, member->number, 0, 0);
        return;
    }
    pid = init->fork_worker(member, init->fork_arg);
    if (pid < 0) {
        tell(CONTROL_WORKER_EXITED, member->number, 0, EXIT_JAIL << 8);
        return;
    }
    member->worker = pid;
    tell(CONTROL_WORKER_STARTED, member->number, pid, 0);
}

static int open_door(const struct member *member, int door_fd)
{
    const struct worker_order order = {.member = member->number};
    const int fds[DOOR_FD_COUNT]    = {member->fds[MEMBER_FD_REQUEST], member->fds[MEMBER_FD_EVENT], member->fds[MEMBER_FD_STDOUT],
                                       member->fds[MEMBER_FD_STDERR], member->channel != NULL ? member->channel->worker_fd : -1};
    return fdio_send(door_fd, &order, sizeof order, fds, member->channel != NULL ? DOOR_FD_COUNT : DOOR_FD_COUNT - 1);
}

/* The zygote has forked one for this member, or could not. One that comes when there is one already finds the door closed, and leaves. */
static void welcome(struct init *init, struct member *member, pid_t pid, int door_fd)
{
    if (member->worker != 0)
        return;
    member_drain_requests(member);
    if (!members_is_unknown_child(&init->members, pid) || open_door(member, door_fd) < 0) {
        tell(CONTROL_WORKER_EXITED, member->number, 0, EXIT_JAIL << 8);
        return;
    }
    member->worker = pid;
    tell(CONTROL_WORKER_STARTED, member->number, pid, 0);
}

static void interrupt(const struct member *member, uint64_t execution)
{
    union sigval value = {.sival_int = (int)(execution & 0x7fffffff)};

    if (member->worker == 0)
        return;
    (void)sigqueue(member->worker, SIGINT, value);
    (void)kill(-member->worker, SIGINT); /* its children, as Ctrl-C would; the worker ignores this one */
}

/* A copy that a former member has parked holds that one's descriptors, and must be given this one's. */
static void wake(struct init *init, struct member *member, pid_t pid)
{
    if (member->worker == 0)
        member_drain_requests(member);
    if (member->worker == 0 && member_is_foreign(member, pid) && init_adopt_own(&init->members, member, pid, tell))
        return;
    if (member->worker != 0 || member_is_foreign(member, pid) || !member_forget_parked(&init->members, member, pid)) {
        tell(CONTROL_PARKED_EXITED, member->number, pid, 0);
        return;
    }
    member->worker = pid;
    (void)kill(pid, SIGCONT); /* the session's own processes may have stopped it */
    (void)kill(pid, WAKE_SIGNAL);
    tell(CONTROL_WORKER_STARTED, member->number, pid, 0);
}

/* The server repeats what the worker said: init_member.c believes it of a child of ours only. */
static void remember_parked(struct init *init, struct member *member, pid_t pid)
{
    if (members_find_parked(&init->members, pid) != member && !member_add_parked(&init->members, member, pid))
        tell(CONTROL_PARKED_EXITED, member->number, pid, 0);
}

static void send_descriptors(const struct init *init)
{
    for (size_t i = 0; i < init->members.count; i++) {
        struct member         *member  = init->members.list[i];
        struct control_message message = {
            .type      = CONTROL_DESCRIPTORS_REPLY,
            .member    = member->number,
            .pid       = member->worker,
            .status    = member->last_status,
            .execution = init->members.count - i - 1,
        };
        member->is_folded = false; /* another server asks: what the former one had left to us, it has not */
        (void)fdio_send(INIT_CONTROL_FD, &message, sizeof message, &member->fds[MEMBER_FD_SERVER], MEMBER_SERVER_FDS);
    }
}

/* heir: who gets its parked copies; NULL: they end, too. */
static void end_member(struct init *init, struct member *member, struct member *heir)
{
    uint32_t number = member->number;

    if (init->members.count == 1)
        end_session(init);
    if (heir != NULL && heir != member)
        member_give_parked(&init->members, member, heir);
    member_kill(&init->members, member, true);
    init_adopt_end(&init->members, member, tell);
    members_remove(&init->members, member);
    tell(CONTROL_MEMBER_GONE, number, 0, 0);
}

static void obey_member(struct init *init, struct member *member, const struct control_message *message)
{
    switch ((enum control_type)message->type) {
    case CONTROL_INTERRUPT: interrupt(member, message->execution); break;
    case CONTROL_KILL_WORKER: member_kill(&init->members, member, false); break;
    case CONTROL_WAKE: wake(init, member, message->pid); break;
    case CONTROL_DROP:
        if (member_forget_parked(&init->members, member, message->pid))
            (void)kill(message->pid, SIGKILL);
        break;
    case CONTROL_RESPAWN:
        if (member->worker == 0) {
            member_drain_requests(member);
            start_worker(init, member);
        }
        break;
    case CONTROL_FOLD: init_fold(member, message->status); break;
    case CONTROL_UNFOLD: init_fold_end(&init->members, member); break;
    case CONTROL_PARKED: remember_parked(init, member, message->pid); break;
    case CONTROL_END_MEMBER: end_member(init, member, NULL); break;
    case CONTROL_SUCCEED: end_member(init, member, members_find(&init->members, (uint32_t)message->execution)); break;
    default: /* from a newer server: nothing it could mean is ours to guess */ break;
    }
}

/* A member whose interpreter is as after start. Returns whether the descriptors are owned by it. */
static bool begin_member(struct init *init, const struct control_message *message, const int *fds, size_t fd_count)
{
    struct member *member;

    if (fd_count != MEMBER_FD_COUNT) {
        tell(CONTROL_ADOPT_FAILED, message->member, 0, EMFILE);
        return false;
    }
    member = members_add(&init->members, message->member, fds);
    if (member == NULL)
        tell(CONTROL_ADOPT_FAILED, message->member, 0, errno);
    else
        start_worker(init, member);
    return true;
}

/* Returns whether the descriptors are owned by someone else now. */
static bool obey(struct init *init, const struct control_message *message, const int *fds, size_t fd_count)
{
    struct member *member;

    if (message->type == CONTROL_EXIT)
        end_session(init);
    if (message->type == CONTROL_DESCRIPTORS)
        send_descriptors(init);
    if (message->type == CONTROL_ADOPT && (message->status & ADOPT_FRESH) != 0)
        return begin_member(init, message, fds, fd_count);
    if (message->type == CONTROL_ADOPT)
        return init_adopt(&init->members, message, fds, fd_count, tell);
    member = members_find(&init->members, message->member);
    if (member != NULL && message->type == CONTROL_LOG && fd_count == 1)
        (void)dup3(fds[0], member->fds[MEMBER_FD_COUNT - 1], O_CLOEXEC);
    else if (member != NULL && message->type == CONTROL_WORKER)
        welcome(init, member, message->pid, fd_count == 1 ? fds[0] : -1);
    else if (member != NULL)
        obey_member(init, member, message);
    return false;
}

static void serve_file(const struct init *init, const struct control_file *request, int list_fd)
{
    struct control_file_reply reply;
    int                       fd;

    init_file_do(&init->files, request, list_fd, &reply, &fd);
    (void)fdio_send(INIT_CONTROL_FD, &reply, sizeof reply, &fd, fd >= 0 ? 1 : 0); /* a server that is gone: as in tell() */
    fdio_close(&fd);
}

static bool has_order(void)
{
    struct pollfd control = {.fd = INIT_CONTROL_FD, .events = POLLIN};
    return poll(&control, 1, 0) > 0;
}

static void on_control(struct init *init)
{
    union packet packet;
    int          fds[DESCRIPTORS_MAX];
    size_t       fd_count = DESCRIPTORS_MAX;
    ssize_t      n        = fdio_receive(INIT_CONTROL_FD, &packet, sizeof packet, fds, &fd_count);
    bool         is_taken = false;

    if (n == 0 || (n < 0 && errno != EAGAIN))
        end_session(init);
    if (n == (ssize_t)sizeof packet.message)
        is_taken = obey(init, &packet.message, fds, fd_count);
    else if (n == (ssize_t)sizeof packet.file && packet.file.type == CONTROL_FILE)
        serve_file(init, &packet.file, fd_count == 1 ? fds[0] : -1);
    for (size_t i = 0; !is_taken && i < fd_count; i++)
        fdio_close(&fds[i]);
}

static void on_exit_of(struct init *init, pid_t pid, int status)
{
    struct member *member = members_find_worker(&init->members, pid);

    if (member != NULL) {
        member->worker      = 0;
        member->last_status = status;
        /* what it started goes with it: a process that outlives its worker could still write into the pipes of the next */
        member_kill(&init->members, member, false);
        tell(CONTROL_WORKER_EXITED, member->number, pid, status);
        return;
    }
    member = members_find_parked(&init->members, pid);
    if (member != NULL) {
        init_adopt_on_exit(&init->members, member, pid, tell);
        (void)member_forget_parked(&init->members, member, pid);
        tell(CONTROL_PARKED_EXITED, member->number, pid, status);
    }
}

static void on_signal(struct init *init)
{
    struct signalfd_siginfo info;
    int                     status;
    pid_t                   pid;

    while (read(init->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGTERM) /* the zygote's way where SIGKILL would leave our descendants alive */
            end_session(init);
    }
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        on_exit_of(init, pid, status);
}

static void watch_signals(struct init *init)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    if (!init->own_namespace)
        sigaddset(&signals, SIGTERM);
    (void)sigprocmask(SIG_SETMASK, &signals, NULL); /* everything else by default: only the zygote and the kernel can signal us */
    init->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (init->signal_fd < 0)
        _exit(EXIT_JAIL);
}

/* Control socket, signals, then the channels, then what the server has left to us. */
static void turn(struct init *init)
{
    struct pollfd fds[2 + CHANNELS_MAX + INIT_FOLD_POLLED_MAX] = {{.fd = INIT_CONTROL_FD, .events = POLLIN},
                                                                  {.fd = init->signal_fd, .events = POLLIN}};
    size_t        count                                        = init->members.channel_count;
    size_t        folded                                       = init_fold_watch(&init->members, &fds[2 + count]);

    for (size_t i = 0; i < count; i++)
        fds[2 + i] = (struct pollfd){.fd = init->members.channels[i]->init_fd, .events = POLLIN};
    if (poll(fds, 2 + count + folded, init_fold_again_ms(&init->members)) < 0)
        return; /* EINTR */
    for (size_t i = 0; i < count && i < init->members.channel_count; i++) {
        const struct channel *channel = init->members.channels[i];
        if (fds[2 + i].revents != 0 && fds[2 + i].fd == channel->init_fd) /* a report can end a member, and others move up */
            init_adopt_on_report(&init->members, channel, tell);
    }
    /* Orders before deaths: a worker may die over what the server sent it just after CONTROL_PARKED, and must not take the copy along. */
    while (has_order())
        on_control(init);
    init_fold_on_polled(&init->members, &fds[2 + count], folded);
    if (fds[1].revents != 0)
        on_signal(init);
}

_Noreturn void init_main(const struct init_place *place, pid_t (*fork_worker)(struct member *member, void *arg), void *arg)
{
    struct init    init = {.fork_worker = fork_worker, .fork_arg = arg, .own_namespace = place->own_namespace};
    struct member *member;

    if (!init.own_namespace)
        (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    watch_signals(&init);
    init_file_init(&init.files, place->workspace, place->has_quota);
    member = members_begin(&init.members, init.own_namespace);
    if (member == NULL)
        _exit(EXIT_JAIL);
    if (fork_worker != NULL)
        start_worker(&init, member);
    for (;;)
        turn(&init);
}
