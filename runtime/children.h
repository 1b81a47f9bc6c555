/* children.h: the sessions that the zygote has made or taken over, and the host users they have. */
#ifndef PENNY_CHILDREN_H
#define PENNY_CHILDREN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "jail.h"
#include "zygote_wire.h"

struct child {
    struct jail_session session;
    pid_t               pid;                   /* of init */
    int                 pidfd;                 /* of an adopted one, which is no child of ours; else -1 */
    bool                known;                 /* the server has been told of it, and is to be told of its end */
    bool                failed;                /* the server has been told that it could not be made */
    int                 fds[SESSION_FD_COUNT]; /* the server's, until it is known; from then on only CONTROL */
    struct child       *next, *next_pid;
    TAILQ_ENTRY(child) dying;
    bool is_dying; /* its end was asked for */
};

struct children; /* in memory that forks do not inherit: a session has no business with the others' records */

struct children *children_new(const struct jail *jail, struct err *err);
/* A new record, or NULL when the session exists or there are too many. */
struct child *children_add(struct children *children, uint32_t session);
struct child *children_find(const struct children *children, uint32_t session); /* NULL: none */
struct child *children_find_pid(const struct children *children, pid_t pid);
void          children_set_pid(struct children *children, struct child *child, pid_t pid); /* once it is known */
/* Closes what the record holds and frees it. */
void   children_remove(struct children *children, struct child *child);
size_t children_count(const struct children *children);
size_t children_adopted(const struct children *children);
/* Marks pidfd as the way the end of this child is seen; owns it from then on. */
void children_adopt(struct children *children, struct child *child, int pidfd);
/* Its end was asked for. */
void children_expect_end(struct children *children, struct child *child);
/* It has been reaped, and its record is to stay. */
void   children_end_seen(struct children *children, struct child *child);
size_t children_dying(const struct children *children);
/* As children_each, for at most `most` of those whose end is expected, who have waited longest. */
void children_each_dying(struct children *children, size_t most, void (*visit)(struct child *child, void *arg), void *arg);
/* Calls `visit` for every record; the visitor may remove the one it is given. */
void children_each(struct children *children, void (*visit)(struct child *child, void *arg), void *arg);

/* A host user that no living session has, round robin, so that one is not given again soon; (uid_t)-1: none is free. Returned by children_remove. */
uid_t children_take_uid(struct children *children);
void  children_mark_uid(struct children *children, uid_t uid);

#endif
