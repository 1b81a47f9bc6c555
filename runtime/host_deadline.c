#define _GNU_SOURCE
#include "host_deadline.h"

#include <signal.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

/* User code may catch what the handler raises; it is raised again this often. */
enum { AGAIN_MS = 50 };

static timer_t timer;
static bool    has_timer;
static pid_t   owner;

static int make_timer(void)
{
    struct sigevent how = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = HOST_DEADLINE_SIGNAL};
    how._sigev_un._tid  = getpid();
    if (timer_create(CLOCK_MONOTONIC, &how, &timer) != 0)
        return -1;
    has_timer = true;
    owner     = getpid();
    return 0;
}

int host_deadline_set(long milliseconds)
{
    struct itimerspec when = {.it_value = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000}};
    if (milliseconds > 0)
        when.it_interval.tv_nsec = AGAIN_MS * 1000000;
    if (has_timer && owner != getpid())
        has_timer = false;
    if (!has_timer && (milliseconds == 0 || make_timer() != 0))
        return milliseconds == 0 ? 0 : -1;
    return timer_settime(timer, 0, &when, NULL);
}

void host_deadline_forget(void)
{
    has_timer = false;
}
