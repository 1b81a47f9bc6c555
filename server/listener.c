#define _GNU_SOURCE
#include "listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fdio.h"
#include "inherited.h"
#include "log.h"

enum { BACKLOG = 4096 };

static int resolve(const struct config_address *address, struct addrinfo **ret_list, struct err *err)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    char            port[8];
    int             code;

    (void)snprintf(port, sizeof port, "%u", address->port);
    code = getaddrinfo(address->host[0] != '\0' ? address->host : NULL, port, &hints, ret_list);
    if (code != 0)
        return err_set(err, 0, "cannot listen on %s: %s", address->host, gai_strerror(code));
    return 0;
}

static int listen_on(const struct addrinfo *info)
{
    int on = 1, fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (info->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
        fdio_close(&fd);
    return fd;
}

static uint16_t port_of(int fd)
{
    union {
        struct sockaddr     any;
        struct sockaddr_in  v4;
        struct sockaddr_in6 v6;
    } name;
    socklen_t length = sizeof name;
    memset(&name, 0, sizeof name);
    if (getsockname(fd, &name.any, &length) < 0)
        return 0;
    return ntohs(name.any.sa_family == AF_INET6 ? name.v6.sin6_port : name.v4.sin_port);
}

static bool is_loopback(const struct sockaddr *address)
{
    const struct sockaddr_in  *four = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *six  = (const struct sockaddr_in6 *)address;
    if (address->sa_family == AF_INET)
        return (ntohl(four->sin_addr.s_addr) >> 24) == 127;
    return address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
}

/* Whoever reaches the service runs programs on it: others than this machine's own users only with a key, or when the operator says so. */
static int check_reach(const struct config *config, const struct config_address *address, const struct sockaddr *resolved, struct err *err)
{
    if (is_loopback(resolved) || config->keys_file[0] != '\0' || config->api_keys[0] != '\0')
        return 0;
    if (!config->allow_anonymous)
        return err_set(err, EACCES,
                       "%s can be reached from elsewhere, and there are no API keys: give some (--keys-file, SANDBOX_API_KEYS), listen on "
                       "127.0.0.1, or say --allow-anonymous=on",
                       address->host);
    log_warn("listening on %s without API keys: whoever reaches it may run programs here", address->host);
    return 0;
}

static int open_one(const struct config *config, struct config_address *address, struct err *err)
{
    struct addrinfo *list;
    int              fd;

    if (resolve(address, &list, err) < 0)
        return -1;
    if (check_reach(config, address, list->ai_addr, err) < 0) {
        freeaddrinfo(list);
        return -1;
    }
    fd = listen_on(list);
    if (fd < 0 && errno == EADDRINUSE)
        (void)err_set(err, EADDRINUSE,
                      "cannot listen on %s port %u: it is in use; stop what listens there, or choose another port (--port)", address->host,
                      address->port);
    else if (fd < 0)
        (void)err_errno(err, "cannot listen on %s port %u", address->host, address->port);
    else if (address->port == 0)
        address->port = port_of(fd);
    freeaddrinfo(list);
    return fd;
}

/* What the service manager listens on is judged as what we would. */
static int check_inherited(const struct config *config, const int fds[CONFIG_LISTEN_MAX], struct err *err)
{
    for (size_t i = 0; i < config->listen_count; i++) {
        struct sockaddr_storage name;
        socklen_t               length = sizeof name;
        if (getsockname(fds[i], (struct sockaddr *)&name, &length) < 0)
            return err_errno(err, "socket %d of the service manager", fds[i]);
        if (check_reach(config, &config->listen[i], (struct sockaddr *)&name, err) < 0)
            return -1;
    }
    return 0;
}

int listener_open_all(struct config *config, int ret_fds[CONFIG_LISTEN_MAX], struct err *err)
{
    int inherited = inherited_take(config, ret_fds, err);
    if (inherited != 0)
        return inherited < 0 ? -1 : check_inherited(config, ret_fds, err);
    for (size_t i = 0; i < config->listen_count; i++) {
        ret_fds[i] = open_one(config, &config->listen[i], err);
        if (ret_fds[i] < 0) {
            while (i-- > 0)
                fdio_close(&ret_fds[i]);
            return -1;
        }
    }
    return 0;
}

void listener_url(const struct config_address *address, bool tls, char *ret_text, size_t room)
{
    const char *host = address->host;
    if (strcmp(host, "0.0.0.0") == 0 || host[0] == '\0')
        host = "127.0.0.1";
    if (strcmp(host, "::") == 0)
        host = "::1";
    (void)snprintf(ret_text, room, strchr(host, ':') != NULL ? "http%s://[%s]:%u" : "http%s://%s:%u", tls ? "s" : "", host, address->port);
}
