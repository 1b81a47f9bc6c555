#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "host_account.h"
#include "host_adopt.h"
#include "host_cell.h"
#include "host_event.h"
#include "host_park.h"
#include "shared/wire.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_BYTES = 256 };

static int64_t processor_us(void)
{
    struct timespec t = {0, 0};
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void answer(pid_t pid, int64_t cpu_us, const char *reason)
{
    char text[ANSWER_BYTES];
    int  n = reason == NULL ? snprintf(text, sizeof text, "{\"pid\":%d,\"executionCount\":%u,\"channel\":%s,\"cpu\":%lld}", pid,
                                       (unsigned)host_cell_count(), host_adopt_has_channel() ? "true" : "false", (long long)cpu_us)
                            : snprintf(text, sizeof text, "{\"pid\":0,\"reason\":\"%s\"}", reason);
    host_event_queue(EVENT_PARKED, text, (size_t)n);
    host_event_flush();
}

/* Only init tells a copy anything. Returns which signal it sent. */
static int wait_for_init(pid_t init)
{
    sigset_t  signals;
    siginfo_t info;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, WAKE_SIGNAL);
    (void)sigaddset(&signals, ADOPT_SIGNAL);
    do
        memset(&info, 0, sizeof info);
    while (sigwaitinfo(&signals, &info) < 0 || info.si_code != SI_USER || info.si_pid != init);
    return info.si_signo;
}

/* All signals are blocked. What else was sent to this process while it slept was not meant for the worker it becomes. */
static void be_parked(pid_t init, const sigset_t *before)
{
    struct timespec none = {0, 0};
    sigset_t        all;
    while (wait_for_init(init) == ADOPT_SIGNAL && !host_adopt(init))
        ;
    (void)sigfillset(&all);
    while (sigtimedwait(&all, NULL, &none) > 0)
        ;
    (void)sigprocmask(SIG_SETMASK, before, NULL);
}

static const char *find_reason(char *text, size_t size)
{
    uint32_t threads = host_account_threads();
    if (!host_adopt_can_clone())
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
    const char *reason = find_reason(text, sizeof text);
    pid_t       init   = getppid(), pid;
    int64_t     began  = processor_us();
    sigset_t    all, before;
    if (reason != NULL) {
        answer(0, 0, reason);
        return 0;
    }
    host_event_begin(0);
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_BLOCK, &all, &before);
    pid = host_adopt_clone(init);
    if (pid == 0) {
        be_parked(init, &before);
        /*
         * As if the fork were now: what acquires before it and what releases in the child are still a pair. In the interpreter that goes on
         * none of it runs; there it would touch 80 pages before the fork and copy as many after it, with each checkpoint.
         */
        PyOS_BeforeFork();
        PyOS_AfterFork_Child();
        return 1;
    }
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    answer(pid, processor_us() - began, pid < 0 ? strerror(errno) : NULL);
    return 0;
}
