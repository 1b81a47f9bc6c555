#define _GNU_SOURCE
#include "fake_past.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fdio.h"

void fake_past_init(struct fake_past *past)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    past->control_fd = fds[0];
    past->server_fd  = fds[1];
    for (int i = 0; i < MEMBER_SERVER_FDS - 1; i++) { /* requests go the other way */
        assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
        past->server_ends[i]      = i == 0 ? fds[1] : fds[0];
        past->interpreter_ends[i] = i == 0 ? fds[0] : fds[1];
    }
    past->server_ends[MEMBER_SERVER_FDS - 1] = memfd_create("log", MFD_CLOEXEC);
}

void fake_past_done(struct fake_past *past)
{
    for (int i = 0; i < MEMBER_SERVER_FDS; i++)
        fdio_close(&past->server_ends[i]);
    for (int i = 0; i < MEMBER_SERVER_FDS - 1; i++)
        fdio_close(&past->interpreter_ends[i]);
    fdio_close(&past->control_fd);
}

void fake_past_say(const struct fake_past *past, enum control_type type, int status, const int *fds, size_t count)
{
    const struct control_message message = {.type = type, .pid = 2, .status = status};
    assert_int_equal(fdio_send(past->control_fd, &message, sizeof message, fds, count), 0);
}

void fake_past_introduce(const struct fake_past *past)
{
    fake_past_say(past, CONTROL_DESCRIPTORS_REPLY, 0, past->server_ends, MEMBER_SERVER_FDS);
}

void fake_past_unfold(const struct fake_past *past)
{
    fake_past_say(past, CONTROL_UNFOLDED, 0, &past->server_ends[1], MEMBER_FOLDED_FDS);
}

bool fake_past_is_asked(const struct fake_past *past, enum control_type type)
{
    struct control_message message;
    if (fdio_receive(past->control_fd, &message, sizeof message, NULL, NULL) != (ssize_t)sizeof message) {
        assert_int_equal(errno, EAGAIN);
        return false;
    }
    assert_int_equal(message.type, type);
    return true;
}
