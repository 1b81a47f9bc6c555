/*
 * supervisor_inner.h: the supervisor's body, for its rooms: supervisor.c (its loop, start and end), supervisor_start.c (how its processes are
 * started and connected), supervisor_renew.c (how they are replaced, and policies read again). Nobody else includes it.
 */
#ifndef PENNY_SUPERVISOR_INNER_H
#define PENNY_SUPERVISOR_INNER_H

#include <limits.h>
#include <stdbool.h>

#include "child.h"
#include "handover.h"
#include "package_dir.h"
#include "state_dir.h"
#include "supervisor.h"
#include "watchdog.h"

enum { INSTALLERS_MAX = 8, KEPT_FDS = SERVER_LISTEN_FD - SERVER_KEEP_FD, ADDRESSES_MAX = CONFIG_LISTEN_MAX * 80 };

enum phase { PHASE_STARTING, PHASE_SERVING, PHASE_DRAINING, PHASE_STOPPED };

/* NONE; the server process was asked to leave; its successor is to get ready; the zygote's is. */
enum upgrade { UPGRADE_NONE, UPGRADE_SERVER, UPGRADE_STARTED, UPGRADE_ZYGOTE };

struct supervisor {
    struct config         *config;
    const struct policies *policies;
    struct policies        reread;        /* what `policies` is after a reload */
    uint64_t               policy_digest; /* of the files */
    char                 **argv;
    enum phase             phase;
    bool                   had_terminal; /* at the start */
    enum upgrade           upgrade;
    bool                   from_disk;         /* what lies at `program` is started, and not what we are */
    char                   program[PATH_MAX]; /* the executable's path, where another one may be put */
    int                    listen_fds[CONFIG_LISTEN_MAX];
    char                   addresses[16 + ADDRESSES_MAX]; /* an argument of the server process: where listen_fds listen */
    struct watchdog        watchdog;
    int                    keep_fds[KEPT_FDS]; /* what outlives the server process */
    int                    signal_fd;
    int                    policy_fd;
    struct state_dir       state_dir;
    struct package_dir     package_dir;
    char                   package_dir_wanted[sizeof((struct config *)0)->package_dir];
    struct child           server, zygote;
    struct child           installers[INSTALLERS_MAX];
    struct child           egress;
    int64_t                yield_ms;    /* when the server process is killed for want of leaving; 0: it was not asked to */
    int64_t                deadline_ms; /* while draining: when what still runs is killed */
    struct err             failure;     /* why the start failed */
};

void supervisor_log(const char *what, const struct err *err);

/* supervisor_start.c. Tells a child something; `fd` (borrowed) goes with it, or NULL. */
void supervisor_tell(struct child *child, char type, const int *fd);
/* Makes a new connection between server process and zygote, and starts whichever of them does not run. Returns 0, or -1 with err. */
int  supervisor_connect(struct supervisor *s, struct err *err);
void supervisor_restart_due(struct supervisor *s); /* what has died, and waited long enough */
void supervisor_start_installer(struct supervisor *s, const int fds[2]);
void supervisor_start_egress(struct supervisor *s, const int *fd);

/* supervisor_renew.c. On SIGUSR2: what lies on the disk is started in the place of what runs. */
void supervisor_upgrade(struct supervisor *s);
void supervisor_upgrade_zygote(struct supervisor *s); /* its turn has come: the new server process is ready */
void supervisor_on_server_exit(struct supervisor *s);
void supervisor_notify_serving(const struct supervisor *s);
/* Policies that were changed are for the next server process and the next zygote, which go on with all sessions. Returns whether that takes a
   while. */
bool supervisor_reload_policies(struct supervisor *s);

#endif
