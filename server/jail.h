/*
 * jail.h: one jail, as the server sees it: its init, with a control socket, and the workers that live in it. A session begins with a jail
 * of its own; its forks live there, too, each as a member (wire.h) with a number. The jail ends with its last member.
 *
 * It belongs to its `struct workers`, and is freed when it has no member any more.
 */
#ifndef PENNY_JAIL_H
#define PENNY_JAIL_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "err.h"
#include "wire.h"
#include "worker.h"
#include "zygote_wire.h"

struct jail;

struct jail_member;

/* What a member is told. */
struct jail_events {
    void (*on_up)(struct jail_member *member, const int fds[SESSION_FD_COUNT]); /* of the first: owned, but for CONTROL */
    void (*on_control)(struct jail_member *member, const struct control_message *message);
    void (*on_file)(struct jail_member *member, const struct control_file_reply *reply, int fd); /* fd is owned, or -1 */
    void (*on_unfolded)(struct jail_member *member, const int *fds); /* MEMBER_FOLDED_FDS, owned; NULL: they found no room in our table */
    void (*on_stats)(struct jail_member *member, const struct session_stats *stats);
    void (*on_init_gone)(struct jail_member *member);                  /* what its processes have said can be read still; on_gone follows */
    void (*on_failed)(struct jail_member *member, const char *reason); /* the jail is being ended; on_gone follows */
    /* No process of it is left: it must be removed. `death` NULL: it is to be dropped silently. */
    void (*on_gone)(struct jail_member *member, const struct worker_death *death);
};

/* By which a worker is kept in the list of its jail. Embedded in struct worker. */
struct jail_member {
    TAILQ_ENTRY(jail_member) entry;
    const struct jail_events *events;
    struct jail              *jail;
    uint32_t                  number;               /* 0 is the first */
    uint32_t                  oom_kills;            /* of those of the jail: the ones that ended its interpreter */
    bool                      is_ending, is_absent; /* is_absent: its interpreter is dead; the worker sets it */
    bool                      is_guest;             /* is not counted */
    bool                      asks;                 /* for stats */
    bool                      wants_worker;         /* and has not been told of one */
};

/* Asks the zygote for a jail; `first` is its first member. Returns 0; or -1 with err, and there is none. */
int jail_spawn(struct workers *workers, const struct worker_limits *limits, struct jail_member *first, const struct jail_events *events,
               struct err *err);
/* One more member; its number is set. Returns 0, or -1 with err: EAGAIN when there are FAMILY_MAX already. */
int jail_add(struct jail *jail, struct jail_member *member, const struct jail_events *events, struct err *err);
/*
 * A jail of an earlier server process: `found` and the control socket (owned from then on) are the zygote's; the limits are of one member. on_member is called for each
 * member that init names, with its descriptors in the order of CONTROL_DESCRIPTORS_REPLY (owned by the callee), which makes it a member by
 * jail_add_as or ends it by jail_end_unknown; and at the end, or when the jail dies before, with NULL. Returns 0, or -1 with err.
 */
typedef void (*jail_on_member)(struct jail *jail, const struct control_message *reply, const int fds[MEMBER_SERVER_FDS], void *arg);
int  jail_take_over(struct workers *workers, const struct zygote_message *found, const struct worker_limits *limits, int control_fd,
                    jail_on_member on_member, void *arg, struct err *err);
void jail_add_as(struct jail *jail, struct jail_member *member, uint32_t number, const struct jail_events *events);
void jail_end_unknown(struct jail *jail, uint32_t number);

/* It is a member no more. Drops a jail that has none left, without ending it. */
void jail_remove(struct jail_member *member);

/* Ends all processes of the member: on_gone follows. The jail goes with the last that is not ending. */
void jail_end_member(struct jail_member *member);

/* Likewise; its parked copies live on, as those of the heir, a member of the same jail. */
void jail_succeed(struct jail_member *member, const struct jail_member *heir);

/* To init, with the number of the member in it. A failure ends the whole jail. */
void jail_control(struct jail_member *member, struct control_message message);
/* Any packet with descriptors. Returns 0, or -1 with errno: not now. */
int  jail_send(struct jail *jail, const void *packet, size_t length, const int *fds, size_t fd_count);
bool jail_ask_stats(struct jail_member *member); /* on_stats follows; false: the zygote is away */
/* Of all that runs in it: per cent of one core from now on, 0: no limit. Returns false when it is not held. */
bool jail_limit_cpu(const struct jail_member *member, uint32_t cpu_percent);
/* Has the kernel take back the memory that it does not use. The answer is jail_reclaimed. Returns false when it can't be asked now. */
bool                           jail_reclaim(struct jail_member *member);
const struct worker_reclaimed *jail_reclaimed(const struct jail_member *member);
bool                           jail_is_up(const struct jail *jail); /* its init is there, and is not to end */

struct workers *jail_workers(const struct jail *jail);
uint32_t        jail_serial(const struct jail *jail);
size_t          jail_count(const struct jail *jail); /* of members that are not ending, without guests */

/* From the zygote, by way of workers.c. */
void jail_on_spawned(struct jail *jail, const struct zygote_message *message, const int fds[SESSION_FD_COUNT]); /* fds are owned */
void jail_on_spawn_failed(struct jail *jail, const char *reason);
void jail_on_exited(struct jail *jail, const struct zygote_message *message);
void jail_on_reclaimed(struct jail *jail, const struct zygote_message *message);
void jail_on_stats(struct jail *jail, const struct session_stats *stats);
/* A new zygote is there, or the former one was lost. */
void jail_on_zygote(struct jail *jail, bool up);
/* Drops it and its members without a callback and without ending it. */
void jail_free(struct jail *jail);

#endif
