#define _GNU_SOURCE
#include "host_adopt.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "host_worker.h"
#include "shared/fdio.h"
#include "shared/wire.h"

enum { WAIT_NS = 200000, WAITS_MAX = 25000 };

static int  *thread_id; /* where the C library caches the main thread's id: a raw clone must keep it right */
static ino_t channel;   /* inode; 0: none */

void host_adopt_init(void)
{
    if (prctl(PR_GET_TID_ADDRESS, &thread_id, 0, 0, 0) != 0)
        thread_id = NULL;
}

bool host_adopt_can_clone(void)
{
    return thread_id != NULL;
}

static ino_t find_channel(void)
{
    struct stat present;
    return fstat(WORKER_CHANNEL_FD, &present) == 0 && S_ISSOCK(present.st_mode) ? present.st_ino : 0;
}

void host_adopt_own(void)
{
    channel = find_channel();
}

bool host_adopt_has_channel(void)
{
    return channel != 0 && find_channel() == channel;
}

static pid_t clone_sibling(void)
{
    unsigned long flags = CLONE_PARENT | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD;
#if defined(__x86_64__)
    return (pid_t)syscall(SYS_clone, flags, 0UL, 0UL, thread_id, 0UL);
#else
    return (pid_t)syscall(SYS_clone, flags, 0UL, 0UL, 0UL, thread_id);
#endif
}

pid_t host_adopt_clone(pid_t init)
{
    int   death_signal = 0;
    pid_t pid;
    (void)prctl(PR_GET_PDEATHSIG, &death_signal, 0, 0, 0);
    pid = clone_sibling();
    if (pid == 0) {
        (void)setpgid(0, 0);
        (void)prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0); /* a clone has none of its own */
        if (getppid() != init)
            _exit(0);
    }
    return pid;
}

/* Orders of two copies may stand in the channel at once: each waits until the first is its own. What it says may be the session's word. */
static bool is_next(void)
{
    const struct timespec moment = {.tv_nsec = WAIT_NS};
    struct adopt_order    order  = {0};
    for (int i = 0; i < WAITS_MAX; i++) {
        ssize_t n = recv(WORKER_CHANNEL_FD, &order, sizeof order, MSG_PEEK | MSG_DONTWAIT);
        if (n <= 0 || (n == (ssize_t)sizeof order && order.pid == getpid()))
            return n > 0; /* init sends before it wakes: when there is none, somebody else has taken it */
        if (n != (ssize_t)sizeof order)
            (void)recv(WORKER_CHANNEL_FD, &order, sizeof order, MSG_DONTWAIT); /* nothing of init's */
        else
            (void)nanosleep(&moment, NULL);
    }
    return false;
}

/* Returns 0, or -1 with errno. */
static int take_order(struct adopt_order *ret, int fds[ADOPT_FD_COUNT])
{
    size_t count = ADOPT_FD_COUNT;
    (void)fcntl(WORKER_CHANNEL_FD, F_SETFL, O_RDWR | O_NONBLOCK); /* code of the session may have changed it */
    if (!is_next() || fdio_receive(WORKER_CHANNEL_FD, ret, sizeof *ret, fds, &count) != (ssize_t)sizeof *ret)
        count = 0;
    if (count == ADOPT_FD_COUNT && ret->pid == getpid())
        return 0;
    for (size_t i = 0; i < count; i++)
        fdio_close(&fds[i]);
    errno = ENOMSG;
    return -1;
}

static void report(uint32_t member, pid_t pid, int error)
{
    const struct adopt_report report = {.copy = getpid(), .pid = pid, .error = error, .member = member};
    (void)fdio_send(WORKER_CHANNEL_FD, &report, sizeof report, NULL, 0); /* an init that does not hear us has other ways to see our end */
}

/* The new member's descriptors to their places. What fails here leaves a process that can only end. */
static void become(const struct adopt_order *order, int fds[ADOPT_FD_COUNT])
{
    static const int places[ADOPT_FD_COUNT] = {[ADOPT_FD_REQUEST] = WORKER_REQUEST_FD,
                                               [ADOPT_FD_EVENT]   = WORKER_EVENT_FD,
                                               [ADOPT_FD_STDOUT]  = STDOUT_FILENO,
                                               [ADOPT_FD_STDERR]  = STDERR_FILENO,
                                               [ADOPT_FD_CHANNEL] = WORKER_CHANNEL_FD};
    struct rlimit    mark                   = {.rlim_cur = order->mark, .rlim_max = order->mark};
    int              lifted[ADOPT_FD_COUNT];
    (void)setrlimit(RLIMIT_LOCKS, &mark); /* before any code of the user's runs; init makes sure of it */
    for (int i = 0; i < ADOPT_FD_COUNT; i++) {
        lifted[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, WORKER_FD_END); /* user code may have closed one of the places */
        fdio_close(&fds[i]);
    }
    for (int i = 0; i < ADOPT_FD_COUNT; i++) {
        if (lifted[i] < 0 || dup3(lifted[i], places[i], places[i] <= STDERR_FILENO ? 0 : O_CLOEXEC) < 0)
            _exit(HOST_EXIT_PROTOCOL);
        fdio_close(&lifted[i]);
    }
    host_adopt_own();
}

bool host_adopt(pid_t init)
{
    struct adopt_order order;
    int                fds[ADOPT_FD_COUNT];
    pid_t              pid = 0;
    if (take_order(&order, fds) != 0) {
        report(0, 0, errno);
        return false;
    }
    if ((order.flags & ADOPT_KEEP) != 0)
        pid = host_adopt_clone(init);
    if (pid == 0) {
        become(&order, fds);
        return true;
    }
    report(order.member, pid > 0 ? pid : 0, pid > 0 ? 0 : errno);
    for (int i = 0; i < ADOPT_FD_COUNT; i++)
        fdio_close(&fds[i]);
    return false;
}
