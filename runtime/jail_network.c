/*
 * jail_network.c: where the operator lets executions use the network, the one way out of the sessions' network namespace: a listening
 * socket on its loopback, handed to the server, at whose other end the egress process judges who may reach what. Nothing else changes:
 * there is no other device, no route, no name server, and sessions do not reach each other, since
 *   - Landlock lets a worker connect to this port and no other, and bind to none;
 *   - the system call filter lets it make TCP sockets and none of UDP or another kind;
 *   - TCP Fast Open, which connects past Landlock, is off in the namespace.
 * Where one of these can't be had there is no way out, and the report says why.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fdio.h"
#include "jail_layers.h"

enum { BACKLOG = 1024, LANDLOCK_ABI_WANTED = 6 /* of a shared namespace; ABI 4 has the rules of TCP */ };

static int no_way(struct jail *jail, const char *what)
{
    (void)snprintf(jail->egress_detail, sizeof jail->egress_detail, "%s%s%s", what, errno != 0 ? ": " : "",
                   errno != 0 ? strerror(errno) : "");
    return -1;
}

static int turn_fast_open_off(struct jail *jail)
{
    int fd = openat(jail->proc_fd, "sys/net/ipv4/tcp_fastopen", O_WRONLY | O_CLOEXEC), failed;
    if (fd < 0)
        return errno == ENOENT ? 0 : no_way(jail, "TCP Fast Open can't be turned off in the sessions' network");
    failed = fdio_write_all(fd, "0", 1);
    close(fd);
    return failed ? no_way(jail, "TCP Fast Open can't be turned off in the sessions' network") : 0;
}

static int raise_loopback(struct jail *jail)
{
    struct ifreq request = {.ifr_name = "lo"};
    int          fd      = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), failed;
    if (fd < 0)
        return no_way(jail, "the sessions' loopback device can't be reached");
    failed = ioctl(fd, SIOCGIFFLAGS, &request);
    if (!failed) {
        request.ifr_flags = (short)(request.ifr_flags | IFF_UP);
        failed            = ioctl(fd, SIOCSIFFLAGS, &request);
    }
    close(fd);
    return failed ? no_way(jail, "the sessions' loopback device can't be brought up") : 0;
}

static int listen_inside(struct jail *jail)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(EGRESS_PORT), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int                fd      = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, BACKLOG) == 0) {
        jail->egress_fd = fd;
        return 0;
    }
    fdio_close(&fd);
    return no_way(jail, "the sessions' way out can't be made");
}

int jail_network_prepare(struct jail *jail, struct err *err)
{
    (void)err; /* without a way out sessions are as safe as ever */
    jail->egress_fd = -1;
    if (!jail->policy->network)
        return 0;
    errno = 0;
    if (!jail->report[LAYER_NETWORK_NAMESPACE].active || !jail->has_root)
        (void)no_way(jail, "sessions have no network namespace of their own here");
    else if (jail->landlock_abi < LANDLOCK_ABI_WANTED)
        (void)no_way(jail, "this kernel's Landlock can't keep sessions apart on one loopback (ABI 6 is needed)");
    else if (turn_fast_open_off(jail) == 0 && raise_loopback(jail) == 0 && listen_inside(jail) == 0)
        (void)snprintf(jail->egress_detail, sizeof jail->egress_detail,
                       "by a proxy at port %d of the sessions' loopback, for executions that may", EGRESS_PORT);
    return 0;
}
