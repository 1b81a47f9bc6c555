#define _GNU_SOURCE
#include "notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "fdio.h"
#include "log.h"

static int     manager_fd = -1;
static int64_t patience_ms;

/* The manager's socket: a path, or an abstract name written with an @. Returns its length in *ret, 0 when it is neither. */
static socklen_t address_of(const char *text, struct sockaddr_un *ret)
{
    size_t length = strlen(text);
    *ret          = (struct sockaddr_un){.sun_family = AF_UNIX};
    if ((*text != '/' && *text != '@') || length < 2 || length >= sizeof ret->sun_path)
        return 0;
    memcpy(ret->sun_path, text, length + 1);
    if (*text != '@')
        return (socklen_t)sizeof *ret;
    ret->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

static void open_socket(const char *text)
{
    struct sockaddr_un address;
    socklen_t          length = address_of(text, &address);

    if (length == 0) {
        log_warn("NOTIFY_SOCKET: \"%.100s\" is neither a path nor an abstract name", text);
        return;
    }
    manager_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (manager_fd >= 0 && connect(manager_fd, (const struct sockaddr *)&address, length) == 0)
        return;
    log_warn("cannot reach the service manager at %.100s: %s", text, strerror(errno));
    fdio_close(&manager_fd);
}

static int64_t read_patience(void)
{
    const char *text = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    char       *end;
    long long   us;

    if (text == NULL || (pid != NULL && strtol(pid, NULL, 10) != (long)getpid()))
        return 0;
    errno = 0;
    us    = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || us < 1000) {
        log_warn("WATCHDOG_USEC: \"%.40s\" is not a time", text);
        return 0;
    }
    return us / 1000;
}

void notify_open(void)
{
    const char *text = getenv("NOTIFY_SOCKET");
    notify_close();
    if (text != NULL && *text != '\0')
        open_socket(text);
    patience_ms = manager_fd >= 0 ? read_patience() : 0;
    (void)unsetenv("NOTIFY_SOCKET");
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
}

void notify_close(void)
{
    fdio_close(&manager_fd);
    patience_ms = 0;
}

int64_t notify_watchdog_ms(void)
{
    return patience_ms;
}

/* A manager that does not take it now must not hold us up; it will ask why we are late. */
static void tell(const char *text)
{
    if (manager_fd >= 0 && send(manager_fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        log_warn("cannot tell the service manager: %s", strerror(errno));
}

static void tell_state(const char *state, const char *status)
{
    char text[320];
    (void)snprintf(text, sizeof text, "%s\nSTATUS=%.200s", state, status);
    tell(text);
}

void notify_ready(const char *status)
{
    tell_state("READY=1", status);
}

void notify_reloading(const char *status)
{
    struct timespec now;
    char            state[80];
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    (void)snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    tell_state(state, status);
}

void notify_stopping(const char *status)
{
    tell_state("STOPPING=1", status);
}

void notify_alive(void)
{
    tell("WATCHDOG=1");
}
