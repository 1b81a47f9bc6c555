/*
 * init_member.h: the interpreters of a jail as its init knows them. Each member has a worker (or none, while one is dead), parked
 * copies, the ends of its pipes, and a channel to its parked copies.
 */
#ifndef PENNY_INIT_MEMBER_H
#define PENNY_INIT_MEMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire.h"

enum {
    PARKED_MAX   = 64,             /* copies of one member */
    CHANNELS_MAX = FAMILY_MAX * 3, /* of all members, and of former ones whose copies live on */
};

/* By which a member's parked copies get orders. */
struct channel {
    int      init_fd, worker_fd;
    unsigned refs;
};

struct parked {
    pid_t           pid;
    struct channel *channel; /* of the member it was parked by, which may be gone (CONTROL_SUCCEED); NULL: none */
};

struct member {
    uint32_t        number;
    uint64_t        mark;
    pid_t           worker;      /* 0: none */
    int             last_status; /* of the last one that died */
    struct parked   parked[PARKED_MAX];
    size_t          parked_count;
    pid_t           parent;               /* the parked copy that is to bring forth its first worker; 0: it is there */
    int             fds[MEMBER_FD_COUNT]; /* as in CONTROL_ADOPT */
    bool            is_folded, is_owed;   /* its pipes are watched for the server; are to be sent again (init_fold.h) */
    struct channel *channel;              /* NULL: this system gives none, and no member can come of this one */
};

struct members {
    struct member  *list[FAMILY_MAX];
    size_t          count;
    struct channel *channels[CHANNELS_MAX];
    size_t          channel_count;
    bool            own_namespace;
    bool            is_fold_late; /* descriptors could not be sent a moment ago */
};

/* Member 0, whose descriptors have their places already (init.h). Returns NULL: no memory. */
struct member *members_begin(struct members *members, bool own_namespace);
/* With descriptors that are owned from then on, and closed on failure. Returns NULL with errno. */
struct member *members_add(struct members *members, uint32_t number, const int fds[MEMBER_FD_COUNT]);
/* Closes what it holds. */
void members_remove(struct members *members, struct member *member);

struct member *members_find(const struct members *members, uint32_t number);
struct member *members_find_worker(const struct members *members, pid_t pid);
struct member *members_find_parked(const struct members *members, pid_t pid);
/* The one whose first worker this parked copy is to bring forth. */
struct member *members_find_adopting(const struct members *members, pid_t pid);

/* A child of ours, not yet known as anything. Returns whether it is one, and there was room. */
bool member_add_parked(struct members *members, struct member *member, pid_t pid);
bool member_forget_parked(struct members *members, struct member *member, pid_t pid);
/* Its copies are another member's from now on; those for which that has no room are ended. */
void member_give_parked(struct members *members, struct member *member, struct member *heir);
/* Whether this copy, when it is woken, must be given the descriptors of its member, as it holds those of a former one. */
bool member_is_foreign(const struct member *member, pid_t pid);
/* Whether it is a living child of ours of which no member knows. */
bool members_is_unknown_child(const struct members *members, pid_t pid);

/* SIGKILL to every process of the member but the worker's parked copies (those, too, when `all`), until none is alive. */
void member_kill(const struct members *members, const struct member *member, bool all);
/* What its former worker left unread must not be taken for a request by the next one. */
void member_drain_requests(const struct member *member);
/* In the fork that becomes its worker: the descriptors of wire.h, and nothing else. */
void member_take_places(const struct member *member);

/* Sends the order to the parked copy `pid` of `from` and wakes it. Returns 0, or -1 with errno. */
int member_send_order(const struct member *from, pid_t pid, const struct member *child, enum adopt_flags flags);
/* An order that nobody will take, since the copy is dead, must not stand in the way of the next. */
void member_withdraw_order(const struct channel *channel, pid_t pid);
/* By which this parked copy of the member gets its orders; NULL: none. */
struct channel *member_channel_of(const struct member *member, pid_t pid);

#endif
