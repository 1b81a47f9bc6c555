#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>

#include "fdio.h"
#include "listener.h"
#include "log.h"
#include "notify.h"
#include "policy_memfd.h"
#include "policy_reload.h"
#include "supervisor_inner.h"
#include "supervisor_wire.h"

enum { YIELD_MS = 2000 /* what a server process that is to be replaced has for its last writes */ };

/*
 * The server process leaves and another one goes on with its sessions; when that is ready, the zygote is replaced likewise: never both at
 * once, since they are what keeps the sessions alive. Both are executed from the disk, where newer ones may lie.
 */
static bool replace_children(struct supervisor *s)
{
    if (s->phase != PHASE_SERVING || s->server.pid == 0 || s->upgrade != UPGRADE_NONE)
        return false;
    s->upgrade  = UPGRADE_SERVER;
    s->yield_ms = child_now_ms() + YIELD_MS;
    supervisor_tell(&s->server, SUPERVISOR_YIELD, NULL);
    return true;
}

void supervisor_upgrade(struct supervisor *s)
{
    bool was_from_disk = s->from_disk;
    s->from_disk       = true;
    if (replace_children(s))
        log_info("SIGUSR2: %s and %s are started anew", s->program, s->config->zygote_path);
    else
        s->from_disk = was_from_disk;
}

void supervisor_notify_serving(const struct supervisor *s)
{
    char url[96], status[160];
    listener_url(&s->config->listen[0], s->config->tls_cert[0] != '\0', url, sizeof url);
    (void)snprintf(status, sizeof status, "Serving at %s", url);
    notify_ready(status);
}

void supervisor_upgrade_zygote(struct supervisor *s)
{
    s->upgrade = UPGRADE_ZYGOTE;
    if (s->zygote.pid != 0)
        (void)kill(s->zygote.pid, SIGKILL); /* asked to end it would end its sessions */
}

/* One from the disk that can't go on is followed by one like us. */
void supervisor_on_server_exit(struct supervisor *s)
{
    s->yield_ms = 0;
    if (s->upgrade == UPGRADE_SERVER)
        s->upgrade = UPGRADE_STARTED;
    else if (s->upgrade == UPGRADE_STARTED) {
        log_error("the new server process did not get ready; the former version goes on");
        s->upgrade   = UPGRADE_NONE;
        s->from_disk = false;
        supervisor_notify_serving(s);
    }
}

/* Sessions that live keep the limits that they were made with. */
static int take_policies(struct supervisor *s, struct policies *fresh, struct err *err)
{
    struct policy policy;
    int           fd;

    if (fresh->packages.enabled && s->package_dir.path[0] == '\0' && package_dir_make(&s->package_dir, s->package_dir_wanted, err) < 0)
        return -1;
    (void)snprintf(s->config->package_dir, sizeof s->config->package_dir, "%s", s->package_dir.path);
    fd = policies_to_policy(fresh, s->config, &policy, err) < 0 ? -1 : policy_memfd_make(&policy, fresh->imports, err);
    if (fd < 0)
        return -1;
    fdio_close(&s->policy_fd);
    s->policy_fd = fd;
    policies_done(&s->reread);
    s->reread   = *fresh;
    s->policies = &s->reread;
    return 0;
}

bool supervisor_reload_policies(struct supervisor *s)
{
    uint64_t        digest = policy_reload_digest(s->config);
    struct policies fresh  = {0};
    struct err      err    = {0};

    if (digest == s->policy_digest)
        return false;
    if (s->upgrade != UPGRADE_NONE) {
        log_warn("SIGHUP: the policies are not read while processes are being replaced; ask again");
        return false;
    }
    if (policies_load(&fresh, s->config, &err) < 0) {
        supervisor_log("SIGHUP: the former policies stay", &err);
        return false;
    }
    if (take_policies(s, &fresh, &err) < 0) {
        supervisor_log("SIGHUP: the former policies stay", &err);
        policies_done(&fresh);
        return false;
    }
    if (!replace_children(s)) {
        log_warn("SIGHUP: the changed policies wait, since a process is away; ask again");
        return false;
    }
    s->policy_digest = digest;
    log_info("SIGHUP: the policies were changed; new sessions get the new ones");
    return true;
}
