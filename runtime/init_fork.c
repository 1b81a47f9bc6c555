#define _GNU_SOURCE
#include "init_fork.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "clone.h"
#include "init.h"
#include "init_mark.h"
#include "worker.h"

struct image {
    const struct jail         *jail;
    const struct jail_session *session;
    int                        report_fd; /* until the first worker is there */
};

static void take_places(void *arg)
{
    member_take_places(arg);
}

/* Runs in the fork. Signal handling first: from here it is an ordinary process. */
static _Noreturn void become_worker(const struct image *image, struct member *member)
{
    (void)setpgid(0, 0); /* a group of its own: an interrupt reaches it and its children, not init and not parked copies */
    (void)prctl(PR_SET_NAME, "penny-worker", 0, 0, 0);
    if (!image->jail->report[LAYER_PID_NAMESPACE].active)
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    init_mark_set(0, member->mark);
    worker_begin(image->jail, image->session, image->report_fd, take_places, member);
}

static pid_t fork_worker(struct member *member, void *arg)
{
    struct image *image = arg;
    pid_t         pid   = clone_process(0, -1);

    if (pid == 0)
        become_worker(image, member);
    if (image->report_fd >= 0) {
        if (pid < 0)
            spawn_report_send(image->report_fd, image->session->session, errno, "the worker could not be forked");
        (void)close(image->report_fd);
        image->report_fd = -1;
    }
    return pid;
}

_Noreturn void init_fork_main(const struct jail *jail, const struct jail_session *session)
{
    struct image      image = {jail, session, INIT_REPORT_FD};
    struct init_place place = {
        .workspace = session->workspace, .has_quota = jail->has_root, .own_namespace = jail->report[LAYER_PID_NAMESPACE].active};

    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    (void)prctl(PR_SET_NAME, "penny-init", 0, 0, 0);
    init_main(&place, fork_worker, &image);
}
