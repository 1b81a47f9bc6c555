#define _GNU_SOURCE
#include "fdio.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FDS_MAX = 16 };

int fdio_send(int socket_fd, const void *data, size_t length, const int *fds, size_t fd_count)
{
    union {
        char           bytes[CMSG_SPACE(sizeof(int) * FDS_MAX)];
        struct cmsghdr align;
    } control;
    struct iovec  vector  = {.iov_base = (void *)data, .iov_len = length};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    ssize_t       n;

    if (fd_count > FDS_MAX) {
        errno = EINVAL;
        return -1;
    }
    if (fd_count > 0) {
        struct cmsghdr *c;
        memset(&control, 0, sizeof control);
        message.msg_control    = control.bytes;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        c                      = CMSG_FIRSTHDR(&message);
        c->cmsg_level          = SOL_SOCKET;
        c->cmsg_type           = SCM_RIGHTS;
        c->cmsg_len            = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * fd_count);
    }
    do
        n = sendmsg(socket_fd, &message, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -1 : 0;
}

ssize_t fdio_receive(int socket_fd, void *data, size_t length, int *fds, size_t *ret_fd_count)
{
    union {
        char           bytes[CMSG_SPACE(sizeof(int) * FDS_MAX)];
        struct cmsghdr align;
    } control;
    struct iovec  vector  = {.iov_base = data, .iov_len = length};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    size_t        room = ret_fd_count != NULL ? *ret_fd_count : 0, count = 0;
    ssize_t       n;

    do
        n = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n >= 0) {
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c != NULL; c = CMSG_NXTHDR(&message, c)) {
            size_t carried;
            if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                continue;
            carried = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            for (size_t i = 0; i < carried; i++) {
                int fd;
                memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
                if (count < room)
                    fds[count++] = fd;
                else
                    close(fd);
            }
        }
    }
    if (ret_fd_count != NULL)
        *ret_fd_count = count;
    return n;
}

int fdio_write_all(int fd, const void *data, size_t length)
{
    const char *p = data;
    while (length > 0) {
        ssize_t n = write(fd, p, length);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return -1;
        }
        p += n;
        length -= (size_t)n;
    }
    return 0;
}

int fdio_read_exact(int fd, void *data, size_t length)
{
    char  *p   = data;
    size_t got = 0;
    while (got < length) {
        ssize_t n = read(fd, p + got, length - got);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return -1;
        }
        if (n == 0) {
            if (got == 0)
                return 0;
            errno = EPIPE;
            return -1;
        }
        got += (size_t)n;
    }
    return 1;
}

void fdio_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}
