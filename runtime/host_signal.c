#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "host_event.h"
#include "host_signal.h"
#include "shared/wire.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { ALTERNATE_BYTES = 65536, NUDGE_SIGNAL = WAKE_SIGNAL + 3, NUDGE_NS = 20000000 };

static struct {
    pid_t                 init, thread;
    volatile sig_atomic_t running;
    volatile uint32_t     value; /* what an interrupt for the present execution carries */
    volatile uint32_t     early; /* what the last interrupt carried that came while nothing ran; NO_VALUE when none did */
    struct sigaction      interrupt;
    timer_t               nudge;
    bool                  has_nudge;
    volatile sig_atomic_t nudging;
    volatile sig_atomic_t held, waits; /* an interrupt waits until it is not held any more */
} state;

static const uint32_t NO_VALUE = UINT32_MAX;

static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};

extern void _Py_DumpTraceback(int fd, PyThreadState *tstate);

/* Python's flag must be set in the main thread, in which host_signal_leave() clears it. */
static bool hand_to_main(siginfo_t *info)
{
    return syscall(SYS_gettid) != state.thread && syscall(SYS_rt_tgsigqueueinfo, getpid(), state.thread, SIGINT, info) == 0;
}

/*
 * A signal that comes just before a system call blocks has set Python's flag, and the call does not know. So it is followed by others,
 * which do nothing but interrupt system calls, until the cell has ended.
 */
static void nudge(bool on)
{
    struct itimerspec when = {.it_value = {.tv_nsec = on ? NUDGE_NS : 0}, .it_interval = {.tv_nsec = on ? NUDGE_NS : 0}};
    if (state.has_nudge && on != (state.nudging != 0))
        (void)timer_settime(state.nudge, 0, &when, NULL);
    state.nudging = on;
}

static void on_nudge(int number)
{
    (void)number;
}

static void make_nudge(void)
{
    struct sigaction action = {.sa_handler = on_nudge, .sa_flags = SA_ONSTACK};
    struct sigevent  how    = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = NUDGE_SIGNAL};
    how._sigev_un._tid      = state.thread;
    state.nudging           = 0;
    state.has_nudge         = sigaction(NUDGE_SIGNAL, &action, NULL) == 0 && timer_create(CLOCK_MONOTONIC, &how, &state.nudge) == 0;
}

static void trip(void)
{
    if (state.held) {
        state.waits = 1;
        return;
    }
    (void)PyErr_SetInterruptEx(SIGINT);
    nudge(true);
}

/* In the main thread. A cell whose text is still in the request pipe can be interrupted too. */
static void on_request_to_stop(uint32_t value)
{
    if (!state.running)
        state.early = value;
    else if (value == state.value)
        trip();
}

static void on_interrupt(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    (void)number;
    (void)context;
    if (info->si_code == SI_QUEUE) {
        if (!hand_to_main(info))
            on_request_to_stop((uint32_t)info->si_value.sival_int);
    } else if (!(info->si_code == SI_USER && info->si_pid == state.init) && !hand_to_main(info)) {
        trip();
    }
    errno = saved;
}

/* What was printed before a crash is not lost with it, and the place of the crash is told. */
static void on_fatal(int number)
{
    static const char before[] = "Fatal Python error: ", after[] = "\n\n";
    const char       *name   = sigdescr_np(number);
    PyThreadState    *thread = PyGILState_GetThisThreadState();
    host_event_rescue();
    if (name != NULL) {
        (void)!write(STDERR_FILENO, before, sizeof before - 1);
        (void)!write(STDERR_FILENO, name, strlen(name));
        (void)!write(STDERR_FILENO, after, sizeof after - 1);
    }
    if (thread != NULL)
        _Py_DumpTraceback(STDERR_FILENO, thread);
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

static void catch_fatal(void)
{
    static char      stack[ALTERNATE_BYTES];
    stack_t          alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action    = {.sa_handler = on_fatal, .sa_flags = SA_ONSTACK | SA_NODEFER};
    if (sigaltstack(&alternate, NULL) != 0)
        return;
    for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++)
        (void)sigaction(fatal[i], &action, NULL);
}

void host_signal_start(void)
{
    state.early     = NO_VALUE;
    state.init      = getppid();
    state.thread    = (pid_t)syscall(SYS_gettid);
    state.interrupt = (struct sigaction){.sa_sigaction = on_interrupt, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    (void)sigaction(SIGINT, &state.interrupt, NULL);
    make_nudge();
    catch_fatal();
}

/* User code's own SIGINT handler lasts as long as its cell: the next one must be interruptible again. */
static void reinstall(void)
{
    struct sigaction present;
    PyObject        *module, *done = NULL, *handler = NULL;
    if (sigaction(SIGINT, NULL, &present) == 0 && present.sa_sigaction == on_interrupt)
        return;
    module = PyImport_ImportModule("_signal");
    if (module != NULL)
        handler = PyObject_GetAttrString(module, "default_int_handler");
    if (handler != NULL)
        done = PyObject_CallMethod(module, "signal", "iO", SIGINT, handler);
    PyErr_Clear();
    Py_XDECREF(done);
    Py_XDECREF(handler);
    Py_XDECREF(module);
    (void)sigaction(SIGINT, &state.interrupt, NULL);
}

void host_signal_enter(uint64_t execution)
{
    reinstall();
    state.value   = (uint32_t)execution & 0x7fffffff;
    state.running = 1;
    if (state.early == state.value)
        trip();
    state.early = NO_VALUE;
}

void host_signal_hold(bool on)
{
    state.held = on;
    if (!on && state.waits) {
        state.waits = 0;
        trip();
    }
}

void host_signal_leave(void)
{
    state.running = 0;
    state.held    = 0;
    state.waits   = 0;
    nudge(false);
    if (PyErr_CheckSignals() != 0)
        PyErr_Clear();
}

bool host_signal_is_main_thread(void)
{
    return syscall(SYS_gettid) == state.thread;
}

bool host_signal_pending(void)
{
    return PyErr_CheckSignals() != 0;
}
