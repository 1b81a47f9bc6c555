/*
 * session_files.h: what is asked of a session's files, by way of its init (CONTROL_FILE in wire.h). Orders are answered in their turn,
 * have a time limit, and end with the jail.
 */
#ifndef PENNY_SESSION_FILES_H
#define PENNY_SESSION_FILES_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "err.h"
#include "session.h"
#include "wire.h"

enum {
    FILES_QUEUE_MAX = 64,    /* orders per session */
    FILES_LIMIT_MS  = 10000, /* from the order to its answer */
};

struct file_order {
    enum control_file_operation operation;
    unsigned                    flags, depth;
    const char                 *path, *other; /* relative to the workspace; NULL is "" */
};

/* Borrowed; only for the duration of the callback. */
struct file_answer {
    int                              error; /* 0; init's errno; ETIMEDOUT; or ESHUTDOWN: the jail is gone */
    const struct control_file_reply *reply; /* NULL when there was none */
    int                              fd;    /* the receiver's from then on: of OPEN and CREATE; of LIST the memfd; else -1 */
};

typedef void (*files_on_answer)(const struct file_answer *answer, void *arg);

/*
 * on_answer (may be NULL: nobody waits) is called once, never before this returns. Returns 0, or -1 with err and it is not called:
 * ENAMETOOLONG, ENOBUFS (too many wait), ESHUTDOWN (there is no jail at the moment), or another errno.
 */
int session_files_ask(struct session *session, const struct file_order *order, files_on_answer on_answer, void *arg, struct err *err);
/* Who asked with this arg has left. What was asked is still done. */
void session_files_forget(struct session *session, const void *arg);

/* Someone who works on a descriptor of the session's: on_end is called when the jail is gone; the session is not to be used any more. */
struct files_user {
    TAILQ_ENTRY(files_user) entry;
    void (*on_end)(void *arg);
    void *arg;
};
void session_files_add_user(struct session *session, struct files_user *user);
void session_files_remove_user(struct session *session, struct files_user *user);

bool session_files_are_used(const struct session *session);

/* Bytes of uploads that have not come to their end, which the quota must count where the kernel does not. */
uint64_t *session_files_uploading(struct session *session);

/* The file is no doing of the session's program. */
void session_files_note_upload(struct session *session, const char *path);

struct event_base *session_files_base(const struct session *session);

/* For session*.c. */
struct session_files;
struct session_files *session_files_new(struct session *session, struct event_base *base); /* NULL: no memory */
void                  session_files_free(struct session_files *files);                     /* without a callback; NULL is fine */
void                  session_files_on_reply(const struct control_file_reply *reply, int fd, void *session);
/* The jail is gone, or the session over: all are told. */
void session_files_on_end(struct session *session);

#endif
