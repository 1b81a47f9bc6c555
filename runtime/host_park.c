#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "host_account.h"
#include "host_cell.h"
#include "host_event.h"
#include "host_park.h"
#include "shared/wire.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ANSWER_BYTES = 256 };

static int *thread_id; /* where the C library caches the main thread's id: a raw clone must keep it right */

void host_park_init(void)
{
    if (prctl(PR_GET_TID_ADDRESS, &thread_id, 0, 0, 0) != 0)
        thread_id = NULL;
}

/* fork(), but the child's parent is ours: it outlives the worker, and init reaps it. */
static pid_t clone_sibling(void)
{
    unsigned long flags = CLONE_PARENT | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD;
#if defined(__x86_64__)
    return (pid_t)syscall(SYS_clone, flags, 0UL, 0UL, thread_id, 0UL);
#else
    return (pid_t)syscall(SYS_clone, flags, 0UL, 0UL, 0UL, thread_id);
#endif
}

static void answer(pid_t pid, const char *reason)
{
    char text[ANSWER_BYTES];
    int  n = reason == NULL ? snprintf(text, sizeof text, "{\"pid\":%d,\"executionCount\":%u}", pid, (unsigned)host_cell_count())
                            : snprintf(text, sizeof text, "{\"pid\":0,\"reason\":\"%s\"}", reason);
    host_event_queue(EVENT_PARKED, text, (size_t)n);
    host_event_flush();
}

/* Only init wakes. Whatever else was sent to this process while it slept was not meant for the worker it becomes. */
static void wait_for_wake(pid_t init, const sigset_t *before)
{
    struct timespec none = {0, 0};
    sigset_t        all, wake;
    siginfo_t       info;
    (void)sigfillset(&all);
    (void)sigemptyset(&wake);
    (void)sigaddset(&wake, WAKE_SIGNAL);
    do
        memset(&info, 0, sizeof info);
    while (sigwaitinfo(&wake, &info) != WAKE_SIGNAL || info.si_code != SI_USER || info.si_pid != init);
    while (sigtimedwait(&all, NULL, &none) > 0)
        ;
    (void)sigprocmask(SIG_SETMASK, before, NULL);
}

static const char *find_reason(char *text, size_t size)
{
    uint32_t threads = host_account_threads();
    if (thread_id == NULL)
        return "the kernel does not tell where the thread id is kept (PR_GET_TID_ADDRESS)";
    if (threads == 0)
        return "/proc does not tell how many threads there are";
    if (threads == 1)
        return NULL;
    (void)snprintf(text, size, "%u other thread%s alive: a copy would lose them", (unsigned)threads - 1, threads == 2 ? " is" : "s are");
    return text;
}

int host_park(void)
{
    char        text[ANSWER_BYTES / 2];
    const char *reason       = find_reason(text, sizeof text);
    pid_t       init         = getppid(), pid;
    int         death_signal = 0;
    sigset_t    all, before;
    if (reason != NULL) {
        answer(0, reason);
        return 0;
    }
    host_event_begin(0);
    (void)prctl(PR_GET_PDEATHSIG, &death_signal, 0, 0, 0);
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_BLOCK, &all, &before);
    PyOS_BeforeFork();
    pid = clone_sibling();
    if (pid == 0) {
        (void)setpgid(0, 0);
        (void)prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0); /* a clone has none of its own */
        if (getppid() != init)
            _exit(0);
        wait_for_wake(init, &before);
        PyOS_AfterFork_Child();
        return 1;
    }
    PyOS_AfterFork_Parent();
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    answer(pid, pid < 0 ? strerror(errno) : NULL);
    return 0;
}
