#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "host_event.h"
#include "host_signal.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ALTERNATE_BYTES = 65536 };

static struct {
    pid_t                 init, thread;
    volatile sig_atomic_t running;
    volatile uint32_t     value; /* what an interrupt for the present execution carries */
    struct sigaction      interrupt;
} state;

static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};

extern void _Py_DumpTraceback(int fd, PyThreadState *tstate);

/* Python's flag must be set in the main thread, in which host_signal_leave() clears it. */
static bool hand_to_main(siginfo_t *info)
{
    return syscall(SYS_gettid) != state.thread && syscall(SYS_rt_tgsigqueueinfo, getpid(), state.thread, SIGINT, info) == 0;
}

static void on_interrupt(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    (void)context;
    if (info->si_code == SI_QUEUE) {
        if (state.running && (uint32_t)info->si_value.sival_int == state.value && !hand_to_main(info))
            (void)PyErr_SetInterruptEx(number);
    } else if (!(info->si_code == SI_USER && info->si_pid == state.init) && !hand_to_main(info)) {
        (void)PyErr_SetInterruptEx(number);
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
    state.init      = getppid();
    state.thread    = (pid_t)syscall(SYS_gettid);
    state.interrupt = (struct sigaction){.sa_sigaction = on_interrupt, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    (void)sigaction(SIGINT, &state.interrupt, NULL);
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
}

void host_signal_leave(void)
{
    state.running = 0;
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
