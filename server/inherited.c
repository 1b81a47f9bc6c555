#define _GNU_SOURCE
#include "inherited.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FIRST_FD = 3 };

/* How many were passed to this very process; what was meant for another, which has started us, is not ours. */
static int count_passed(struct err *err)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    char       *end;
    long        n = 0;

    if (pid != NULL && count != NULL && strtol(pid, NULL, 10) == (long)getpid()) {
        n = strtol(count, &end, 10);
        if (end == count || *end != '\0' || n < 0 || n > CONFIG_LISTEN_MAX)
            n = err_set(err, 0, "LISTEN_FDS: \"%.20s\" is not a number from 0 to %d", count, CONFIG_LISTEN_MAX);
    }
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
    return (int)n;
}

static int read_name(int fd, struct config_address *ret, struct err *err)
{
    struct sockaddr_storage name;
    socklen_t               length = sizeof name;
    char                    port[8];

    if (getsockname(fd, (struct sockaddr *)&name, &length) < 0)
        return err_errno(err, "socket %d of the service manager", fd);
    if (name.ss_family != AF_INET && name.ss_family != AF_INET6)
        return err_set(err, EAFNOSUPPORT, "socket %d of the service manager: only TCP addresses are served (ListenStream=address:port)",
                       fd);
    if (getnameinfo((struct sockaddr *)&name, length, ret->host, sizeof ret->host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return err_set(err, 0, "socket %d of the service manager has no readable address", fd);
    ret->port = (uint16_t)strtoul(port, NULL, 10);
    return 0;
}

static int take_one(int fd, struct config_address *ret, struct err *err)
{
    int       value  = 0;
    socklen_t length = sizeof value;

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &length) < 0)
        return err_errno(err, "socket %d of the service manager", fd);
    if (value != SOCK_STREAM || getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &length) < 0 || value == 0)
        return err_set(err, EINVAL, "socket %d of the service manager does not listen (ListenStream=, Accept=no)", fd);
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
        return err_errno(err, "socket %d of the service manager", fd);
    return read_name(fd, ret, err);
}

int inherited_take(struct config *config, int ret_fds[CONFIG_LISTEN_MAX], struct err *err)
{
    struct config_address list[CONFIG_LISTEN_MAX] = {0};
    int                   count                   = count_passed(err);

    for (int i = 0; i < count; i++) {
        if (take_one(FIRST_FD + i, &list[i], err) < 0)
            return -1;
        ret_fds[i] = FIRST_FD + i;
    }
    if (count > 0) {
        memcpy(config->listen, list, sizeof list);
        config->listen_count = (size_t)count;
    }
    return count;
}

void inherited_addresses(const struct config *config, char *ret_text, size_t room)
{
    size_t used = 0;
    *ret_text   = '\0';
    for (size_t i = 0; i < config->listen_count && used < room; i++) {
        const struct config_address *address = &config->listen[i];
        const char                  *form    = strchr(address->host, ':') != NULL ? "%s[%s]:%u" : "%s%s:%u";
        used += (size_t)snprintf(ret_text + used, room - used, form, i > 0 ? "," : "", address->host, address->port);
    }
}
