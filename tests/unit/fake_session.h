/* fake_session.h: one session of the fake zygote, init and interpreter in one process: what it knows of itself, and what it says. */
#ifndef PENNY_FAKE_SESSION_H
#define PENNY_FAKE_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire.h"

enum fake_mood { IDLE, WAIT, SWALLOW, STUBBORN, INPUT, MUTE };

struct fake_session {
    int            request_fd, event_fd, out_fd, control_fd;
    uint64_t       execution;
    uint64_t       early; /* the execution that an interrupt was for which came before it */
    enum fake_mood mood;
    bool           dead; /* the interpreter is */
    uint32_t       member;
    pid_t          members[FAMILY_MAX]; /* by number, of member 0 */
    char           setup[4096];
    int            folded_fds[MEMBER_FOLDED_FDS]; /* what the server reads */
    bool           is_folded, is_blind;
    char           folded_text[100];
    int            parked;          /* copies so far */
    int            shed;            /* how often it was asked to */
    char           unparkable[500]; /* why it has none */
    long           losing;          /* replies that come without all of them */
};

/* As the interpreter: frames of the present execution. */
void fake_session_send_head(struct fake_session *s, uint8_t type, uint8_t flags, uint32_t length, uint64_t execution);
void fake_session_send(struct fake_session *s, uint8_t type, uint8_t flags, const void *payload, size_t length);
void fake_session_send_long(struct fake_session *s, uint8_t type, const char *payload, size_t length); /* in as many as it takes */
void fake_session_print(struct fake_session *s, const char *text, uint8_t flags);
void fake_session_print_after_raw(struct fake_session *s, const char *text, size_t raw); /* names `raw` bytes on descriptor 1 */
void fake_session_done(struct fake_session *s, const char *status);
/* Its end and, in the same write, one more frame: so that nobody can begin anything between the two. */
void fake_session_done_and(struct fake_session *s, uint8_t type, const void *payload, size_t length);

/* As init. */
void fake_session_ready(struct fake_session *s);           /* a new interpreter; its READY as well */
void fake_session_die(struct fake_session *s, int status); /* requests that it has not read go with it */

#endif
