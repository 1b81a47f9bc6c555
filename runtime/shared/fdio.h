/* fdio.h: small, exact input and output on descriptors. */
#ifndef PENNY_FDIO_H
#define PENNY_FDIO_H

#include <stddef.h>
#include <sys/types.h>

/* Sends one packet with `fd_count` (0..16) descriptors beside it. Returns 0, or -1 with errno (EAGAIN when the socket is full). */
int fdio_send(int socket_fd, const void *data, size_t length, const int *fds, size_t fd_count);

/*
 * Receives one packet of at most `length` bytes. *ret_fd_count is in: room in `fds`; out: how many arrived (O_CLOEXEC set, the
 * caller owns them; any beyond the room are closed). Returns the packet's length, 0 at the end, or -1 with errno.
 */
ssize_t fdio_receive(int socket_fd, void *data, size_t length, int *fds, size_t *ret_fd_count);

/* Writes all of it to a blocking descriptor, through EINTR. Returns 0, or -1 with errno. */
int fdio_write_all(int fd, const void *data, size_t length);

/* Reads exactly `length` bytes from a blocking descriptor. Returns 1, 0 when the end came before the first byte, or -1 (errno EPIPE: the end came in between). */
int fdio_read_exact(int fd, void *data, size_t length);

/* Closes *fd unless it is negative, and sets it to -1. For cleanup attributes and destructors. */
void fdio_close(int *fd);

#endif
