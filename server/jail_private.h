/* jail_private.h: what jail*.c share. Nobody else includes it. */
#ifndef PENNY_JAIL_PRIVATE_H
#define PENNY_JAIL_PRIVATE_H

#include <event2/event_struct.h>

#include "jail.h"

enum jail_state { JAIL_SPAWNING, JAIL_UP, JAIL_ENDING, JAIL_GONE };

struct jail {
    struct workers         *workers;
    enum jail_state         state;
    bool                    is_unwanted; /* while it is made: nobody waits for it any more */
    uint32_t                serial;
    int32_t                 pid; /* of init, on the host */
    uint32_t                uid;
    int                     control_fd;
    struct event            readable, timer;
    bool                    is_watched;
    struct zygote_message   limits; /* of one member */
    uint32_t                last_number;
    uint32_t                oom_kills; /* that members have been told of */
    struct worker_death     death;
    struct worker_reclaimed reclaimed;
    jail_on_member          on_member; /* while it is taken over */
    void                   *found_arg;
    TAILQ_HEAD(jail_members, jail_member) members;
};

/* jail.c */
struct jail_member *jail_find(const struct jail *jail, uint32_t number); /* NULL: none has it */
/* The zygote's EXITED, or the end of the control socket while there is no zygote, completes it. */
void jail_end(struct jail *jail);
/* Its init can't be reached: all members end with it. */
void jail_fail(struct jail *jail, const char *reason);
/* It has no process any more. Callbacks may release other members; then these are told nothing. */
void jail_bury(struct jail *jail);
/* After which it, or what is to end in it, must be over. */
void jail_set_timer(struct jail *jail);
/* Nothing more is heard of its members. */
void jail_end_takeover(struct jail *jail);

/* jail_control.c */
bool jail_watch(struct jail *jail); /* the control socket; false: no memory */
void jail_close_control(struct jail *jail);
/* Has the zygote send a fresh interpreter for a member that has none; at once, or as soon as there is a zygote. */
void jail_ask_worker(struct jail_member *member);

/* jail_use.c */
/* The limits of the jail's control group follow the number of its members. */
void jail_tell_family(struct jail *jail);

#endif
