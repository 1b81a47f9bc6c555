/* server_start.c: of what the server process is made, in its order, and taken apart again. */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "api_audit.h"
#include "handover.h"
#include "json.h"
#include "log.h"
#include "metrics.h"
#include "server_files.h"
#include "server_private.h"
#include "supervisor_wire.h"

enum {
    PRIORITIES = 3, /* 2 is for what can wait until nothing else is to be done */
    BODY_BYTES = 16 * 1024 * 1024,
    HEAD_BYTES = 32 * 1024,
};

/* Root has done its work in the supervisor; from here on nobody's rights are enough. */
static int drop_privileges(const struct config *config, struct err *err)
{
    const struct passwd *user;
    pid_t                parent = getppid();
    if (geteuid() == 0) {
        user = getpwnam(config->user);
        if (user == NULL)
            return err_set(err, 0, "there is no user '%s' for the server process to become", config->user);
        if (setgroups(0, NULL) < 0 || setresgid(user->pw_gid, user->pw_gid, user->pw_gid) < 0 ||
            setresuid(user->pw_uid, user->pw_uid, user->pw_uid) < 0)
            return err_errno(err, "cannot become the user '%s'", config->user);
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) /* setresuid has cleared it */
        return err_errno(err, "cannot restrict the server process");
    return getppid() == parent ? 0 : err_set(err, 0, "the supervisor is gone");
}

static struct event_base *new_base(struct err *err)
{
    struct event_base *base = event_base_new();
    if (base == NULL || event_base_priority_init(base, PRIORITIES) < 0) {
        (void)err_set(err, errno, "cannot make an event loop");
        return NULL;
    }
    return base;
}

static void fill_settings(const struct server *server, struct sessions_settings *settings)
{
    const struct policies *policies = server->policies;
    *settings                       = (struct sessions_settings){
                              .max_sessions    = policies->concurrent_sessions,
                              .max_queue       = server->config->max_queue,
                              .policies        = policies,
                              .max_running     = policies->concurrent_executions,
                              .idle_timeout_ms = policies->session_timeout_ms,
                              .sweep_ms        = policies->cleanup_interval_ms,
                              .output          = {.plots          = policies->plots,
                                                  .variables      = policies->variables,
                                                  .plot_bytes     = policies->plot_bytes,
                                                  .variable_bytes = policies->variable_bytes},
                              .log             = {.output_bytes = policies->output_bytes,
                                                  .log_bytes    = policies->output_bytes * 3,
                                                  .retain_bytes = policies->output_bytes * 4},
                              .keep            = server->keep,
    };
    (void)snprintf(settings->profile, sizeof settings->profile, "%s", server->config->profile);
}

static void on_way_out(int fd, void *arg)
{
    const struct server *server = arg;
    egress_client_listen(server->egress, fd);
}

static void on_first_worker(void *arg)
{
    struct server *server = arg;
    server->has_first     = true;
    server_announce(server);
}

static void on_zygote(bool up, void *arg)
{
    struct server *server = arg;
    if (!up)
        log_warn("the zygote is away; living sessions go on");
    else
        server_tell_supervisor(SUPERVISOR_SPAWNS, "");
    pool_on_zygote(server->pool, up);
}

static int start_core(struct server *server, struct err *err)
{
    struct sessions_settings settings;
    fill_settings(server, &settings);
    server->workers = workers_new(server->base, on_zygote, server, err);
    if (server->workers == NULL)
        return -1;
    server->pool = pool_new(server->base, server->workers, server->config->pool_size, err);
    if (server->pool == NULL)
        return -1;
    pool_on_first(server->pool, on_first_worker, server);
    server->analysis = analysis_new(server->base, server->pool, err);
    server->packages =
        server->analysis != NULL ? packages_new(server->base, server->policies, server->analysis, SERVER_SUPERVISOR_FD, err) : NULL;
    if (server->packages == NULL)
        return -1;
    server->egress = egress_client_new(server->base, server->policies, SERVER_SUPERVISOR_FD, err);
    if (server->egress == NULL)
        return -1;
    workers_on_way_out(server->workers, on_way_out, server);
    settings.packages = server->packages;
    settings.egress   = server->egress;
    server->sessions  = sessions_new(server->base, server->pool, &settings, err);
    server->watchers  = server->sessions != NULL ? watcher_hub_new(server->base, WATCHER_SILENCE_MS, err) : NULL;
    return server->watchers != NULL ? 0 : -1;
}

static void on_answer(const struct http_request *request, int status, uint64_t us, void *arg)
{
    unsigned            tag = http_request_tag(request);
    size_t              count;
    const struct route *table = route_table(&count);
    (void)arg;
    metrics_http(tag, status, us);
    if (audit_is_open())
        api_audit_answer(request, tag > 0 && tag <= count ? &table[tag - 1] : NULL, status);
}

static void on_accept(int fd, void *arg)
{
    const struct server *server = arg;
    folds_note(workers_folds(server->workers), fd);
}

static int start_http(struct server *server, struct err *err)
{
    const struct config     *config = server->config;
    const struct http_limits limits = {.body_bytes       = BODY_BYTES,
                                       .head_bytes       = HEAD_BYTES,
                                       .head_timeout_ms  = config->head_timeout_ms,
                                       .idle_timeout_ms  = config->idle_timeout_ms,
                                       .connections      = config->max_connections,
                                       .write_timeout_ms = config->write_timeout_ms};
    size_t                   count;
    const struct route      *table = route_table(&count);

    server->router = router_new(server->config, table, count, server->files, server, err);
    server->http   = server->router != NULL ? http_new(server->base, &limits, route_dispatch, server->router, err) : NULL;
    if (server->http == NULL)
        return -1;
    router_set_tenants(server->router, server->tenants);
    http_set_on_answer(server->http, on_answer, server);
    http_set_on_accept(server->http, on_accept, server);
    http_set_tls(server->http, server->tls);
    http_stream_bodies(server->http, route_is_streamed);
    return 0;
}

/* Who was connected to the process before this one is let in when all is there again. */
static void on_resumed(size_t resumed, size_t lost, void *arg)
{
    struct server *server = arg;
    struct err     err    = {0};
    if (resumed + lost > 0)
        log_warn("the server process is a new one: %zu sessions go on, %zu are lost", resumed, lost);
    for (size_t i = 0; i < server->config->listen_count; i++) {
        if (http_add_listener(server->http, SERVER_LISTEN_FD + (int)i, &err) < 0) {
            log_error("%s", err.message);
            (void)event_base_loopbreak(server->base);
            return;
        }
    }
    server->is_resumed = true;
    server_announce(server);
}

static int start_kept(struct server *server, struct err *err)
{
    const int stage_fds[4] = {SERVER_STAGE_FD, SERVER_STAGE_FD + 1, SERVER_STAGE_FD + 2, SERVER_STAGE_FD + 3};
    server->keep           = keep_open(SERVER_KEEP_FD, stage_fds, err);
    return server->keep != NULL ? 0 : -1;
}

/* What must be there before the first request: keys, certificate, audit log. */
static int start_files(struct server *server, struct err *err)
{
    const struct config *config = server->config;
    struct handover      files;
    int                  result = handover_receive(SERVER_SUPERVISOR_FD, &files, err);
    if (result < 0)
        return -1;
    id_set_own_instance(config->instance > 0 ? (int)config->instance - 1 : ID_NO_INSTANCE);
    server->tenants = tenants_new(config, err);
    if (server->tenants == NULL || server_files_keys(server->tenants, &files, err) < 0 || server_files_tls(&server->tls, &files, err) < 0)
        result = -1;
    if (result == 0 && files.fds[HANDOVER_AUDIT] >= 0) {
        result                    = audit_open(server->base, files.fds[HANDOVER_AUDIT], config->audit_code, err);
        files.fds[HANDOVER_AUDIT] = -1;
    }
    handover_close(&files);
    server->lag = loop_lag_new(server->base);
    return result;
}

int server_start(struct server *server, struct err *err)
{
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN); /* it is meant for the supervisor */
    (void)prctl(PR_SET_NAME, "penny-server");
    server->started_ms = json_time_now();
    /* the page may lie where its reader is not let in, as in root's home */
    server->files = static_open(server->config, err);
    if (server->files == NULL || drop_privileges(server->config, err) < 0)
        return -1;
    server->base = new_base(err);
    if (server->base == NULL || start_kept(server, err) < 0 || start_files(server, err) < 0 || start_core(server, err) < 0 ||
        start_http(server, err) < 0)
        return -1;
    if (server_watch_supervisor(server, err) < 0)
        return -1;
    server->resume = resume_start(server->keep, server->workers, server->sessions, server->tenants, on_resumed, server, err);
    return server->resume != NULL ? 0 : -1;
}

void server_finish(struct server *server)
{
    http_free(server->http);
    router_free(server->router);
    static_close(server->files);
    sessions_free(server->sessions);
    resume_free(server->resume);
    watcher_hub_free(server->watchers);
    packages_free(server->packages);
    egress_client_free(server->egress);
    analysis_free(server->analysis);
    pool_free(server->pool);
    workers_free(server->workers);
    audit_close();
    tenants_free(server->tenants);
    keep_close(server->keep);
    http_tls_free(server->tls);
    loop_lag_free(server->lag);
    if (server->limit != NULL)
        event_free(server->limit);
    if (server->ticker != NULL)
        event_free(server->ticker);
    if (server->supervisor_readable != NULL)
        event_free(server->supervisor_readable);
    if (server->base != NULL)
        event_base_free(server->base);
}
