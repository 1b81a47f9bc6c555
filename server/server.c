#define _GNU_SOURCE
#include "server.h"

#include <errno.h>
#include <event2/event.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "api_audit.h"
#include "fdio.h"
#include "handover.h"
#include "http.h"
#include "http_tls.h"
#include "json.h"
#include "log.h"
#include "loop_lag.h"
#include "metrics.h"
#include "pool.h"
#include "resume.h"
#include "route.h"
#include "server_files.h"
#include "service_status.h"
#include "static.h"
#include "supervisor_wire.h"
#include "workers.h"

enum {
    PRIORITIES  = 3, /* 2 is for what can wait until nothing else is to be done */
    BODY_BYTES  = 16 * 1024 * 1024,
    HEAD_BYTES  = 32 * 1024,
    END_LIMIT_S = 8,   /* how long the end waits for the last jail */
    END_TICKS   = 100, /* of 10 ms: and then for the last reader */
};

struct server {
    const struct config   *config;
    const struct policies *policies;
    struct event_base     *base;
    struct packages       *packages;
    struct egress_client  *egress;
    struct analysis       *analysis;
    struct http           *http;
    struct router         *router;
    struct static_files   *files;
    struct workers        *workers;
    struct pool           *pool;
    struct sessions       *sessions;
    struct watcher_hub    *watchers;
    struct tenants        *tenants;
    struct http_tls       *tls; /* NULL: plain HTTP */
    struct loop_lag       *lag;
    struct keep           *keep;
    struct resume         *resume;
    int64_t                started_ms; /* since 1970 */
    struct event          *supervisor_readable, *limit, *ticker;
    bool                   stopping, announced, is_resumed, has_first;
    unsigned               idle_ticks;
};

/* ---- the supervisor ---- */

static void tell_supervisor(char type, const char *text)
{
    struct supervisor_packet packet = {.type = type};
    (void)snprintf(packet.text, sizeof packet.text, "%s", text);
    if (fdio_send(SERVER_SUPERVISOR_FD, &packet, sizeof packet, NULL, 0) < 0)
        log_error("cannot tell the supervisor: %s", strerror(errno));
}

/* Requests are answered, and a first session can be had, or not. */
static void announce(struct server *server)
{
    const char *failure;
    if (server->announced || !server->is_resumed || !server->has_first)
        return;
    failure           = pool_failure(server->pool);
    server->announced = true;
    tell_supervisor(failure == NULL ? SUPERVISOR_READY : SUPERVISOR_FAILED, failure != NULL ? failure : "");
}

static void on_first_worker(void *arg)
{
    struct server *server = arg;
    server->has_first     = true;
    announce(server);
}

static void on_zygote(bool up, void *arg)
{
    struct server *server = arg;
    if (!up)
        log_warn("the zygote is away; living sessions go on");
    else
        tell_supervisor(SUPERVISOR_SPAWNS, "");
    pool_on_zygote(server->pool, up);
}

/* ---- the end ---- */

/* The last answers, which say how executions ended, are sent; a reader that takes nothing can't hold us up. */
static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;
    (void)fd;
    (void)what;
    if (workers_count(server->workers) > 0)
        return;
    if (http_connections(server->http) == 0 || ++server->idle_ticks > END_TICKS)
        (void)event_base_loopexit(server->base, NULL);
}

static void on_end_limit(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;
    (void)fd;
    (void)what;
    log_warn("%zu sessions did not end in time", workers_count(server->workers));
    (void)event_base_loopexit(server->base, NULL);
}

/* Ends all sessions, lets their last events and answers be sent, then leaves the loop. */
static void stop(struct server *server)
{
    static const struct timeval tick = {.tv_usec = 10000}, limit = {.tv_sec = END_LIMIT_S};
    if (server->stopping)
        return;
    server->stopping = true;
    http_stop_listening(server->http);
    sessions_end_all(server->sessions, "ended, since the service stops");
    analysis_stop(server->analysis);
    pool_stop(server->pool);
    server->ticker = event_new(server->base, -1, EV_PERSIST, on_tick, server);
    if (server->ticker != NULL)
        (void)event_add(server->ticker, &tick);
    event_free(server->limit);
    server->limit = evtimer_new(server->base, on_end_limit, server);
    if (server->limit != NULL)
        (void)evtimer_add(server->limit, &limit);
}

static void on_idle(void *arg)
{
    stop(arg);
}

static void on_drain_limit(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    stop(arg);
}

static void drain(struct server *server)
{
    uint32_t       ms    = server->config->drain_ms;
    struct timeval limit = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};
    http_stop_listening(server->http);
    (void)evtimer_add(server->limit, &limit);
    sessions_drain(server->sessions, on_idle, server);
}

static void on_yield_limit(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    audit_close();
    _exit(0); /* no end of anything: the next process goes on where this one is, as after a kill */
}

/* Another server process takes over. What was answered has a moment to leave; what comes from now on waits for the other one. */
static void yield(struct server *server)
{
    static const struct timeval moment = {.tv_usec = 100000};
    log_info("another server process goes on");
    http_stop_listening(server->http);
    event_free(server->limit);
    server->limit = evtimer_new(server->base, on_yield_limit, server);
    if (server->limit == NULL || evtimer_add(server->limit, &moment) < 0)
        on_yield_limit(-1, 0, server);
}

/* SIGHUP has reached the supervisor. */
static void take_files(struct server *server, const struct supervisor_packet *packet, const int *fds, size_t fd_count)
{
    struct handover files;
    struct err      err = {0};
    if (handover_take(packet, fds, fd_count, &files) < 0)
        return;
    if (files.fds[HANDOVER_AUDIT] >= 0)
        audit_reopen(files.fds[HANDOVER_AUDIT]);
    files.fds[HANDOVER_AUDIT] = -1;
    if (server_files_keys(server->tenants, &files, &err) < 0)
        log_error("the API keys stay as they were: %s", err.message);
    if (server_files_tls(&server->tls, &files, &err) < 0)
        log_error("the certificate stays as it was: %s", err.message);
    handover_close(&files);
    log_info("files were read again: %zu names with API keys", tenants_count(server->tenants));
}

static void on_supervisor(evutil_socket_t fd, short what, void *arg)
{
    struct server           *server = arg;
    struct supervisor_packet packet = {0};
    int                      fds[HANDOVER_COUNT];
    size_t                   fd_count = HANDOVER_COUNT;
    ssize_t                  n        = fdio_receive(fd, &packet, sizeof packet, fds, &fd_count);
    struct err               err      = {0};

    (void)what;
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0 || packet.type == SUPERVISOR_STOP)
        stop(server);
    else if (packet.type == SUPERVISOR_DRAIN)
        drain(server);
    else if (packet.type == SUPERVISOR_YIELD)
        yield(server);
    else if (packet.type == SUPERVISOR_ASK)
        tell_supervisor(SUPERVISOR_ANSWER, "");
    else if (packet.type == SUPERVISOR_FILES)
        take_files(server, &packet, fds, fd_count);
    else if (packet.type == SUPERVISOR_ZYGOTE && fd_count == 1 && workers_attach_zygote(server->workers, fds[0], &err) < 0)
        log_error("cannot use the zygote's socket: %s", err.message);
    if (n <= 0)
        (void)event_del(server->supervisor_readable);
}

/* ---- the start ---- */

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

    server->files  = static_open(server->config, err);
    server->router = server->files != NULL ? router_new(server->config, table, count, server->files, server, err) : NULL;
    server->http   = server->router != NULL ? http_new(server->base, &limits, route_dispatch, server->router, err) : NULL;
    if (server->http == NULL)
        return -1;
    router_set_tenants(server->router, server->tenants);
    http_set_on_answer(server->http, on_answer, server);
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
    announce(server);
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

static int start(struct server *server, struct err *err)
{
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN); /* it is meant for the supervisor */
    (void)prctl(PR_SET_NAME, "penny-server");
    server->started_ms = json_time_now();
    if (drop_privileges(server->config, err) < 0)
        return -1;
    server->base = new_base(err);
    if (server->base == NULL || start_kept(server, err) < 0 || start_files(server, err) < 0 || start_core(server, err) < 0 ||
        start_http(server, err) < 0)
        return -1;
    server->limit               = evtimer_new(server->base, on_drain_limit, server);
    server->supervisor_readable = event_new(server->base, SERVER_SUPERVISOR_FD, EV_READ | EV_PERSIST, on_supervisor, server);
    if (server->limit == NULL || server->supervisor_readable == NULL || evutil_make_socket_nonblocking(SERVER_SUPERVISOR_FD) < 0 ||
        event_add(server->supervisor_readable, NULL) < 0)
        return err_set(err, ENOMEM, "cannot watch the supervisor's socket");
    server->resume = resume_start(server->keep, server->workers, server->sessions, server->tenants, on_resumed, server, err);
    return server->resume != NULL ? 0 : -1;
}

static void finish(struct server *server)
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

int server_run(const struct config *config, const struct policies *policies, struct err *err)
{
    struct server server = {.config = config, .policies = policies};
    int           result = start(&server, err);
    if (result == 0)
        (void)event_base_dispatch(server.base);
    finish(&server);
    return result;
}

/* ---- what handlers ask ---- */

const struct config *server_config(const struct server *server)
{
    return server->config;
}

const struct policies *server_policies(const struct server *server)
{
    return server->policies;
}

struct sessions *server_sessions(const struct server *server)
{
    return server->sessions;
}

struct analysis *server_analysis(const struct server *server)
{
    return server->analysis;
}

struct egress_client *server_egress(const struct server *server)
{
    return server->egress;
}

struct packages *server_packages(const struct server *server)
{
    return server->packages;
}

struct watcher_hub *server_watchers(const struct server *server)
{
    return server->watchers;
}

const json_t *server_isolation(const struct server *server)
{
    return workers_isolation(server->workers);
}

bool server_zygote_is_up(const struct server *server)
{
    return workers_zygote_is_up(server->workers);
}

double server_started_s(const struct server *server)
{
    return (double)server->started_ms / 1000.0;
}

struct tenant *server_tenant_named(const struct server *server, const char *name)
{
    return tenants_named(server->tenants, name);
}

size_t server_requests_active(const struct server *server)
{
    return http_in_flight(server->http);
}

size_t server_connections(const struct server *server)
{
    return http_connections(server->http);
}

double server_longest_lag_s(const struct server *server)
{
    return server->lag != NULL ? loop_lag_longest_s(server->lag) : 0;
}

static uint32_t possible_sessions(void)
{
    struct rlimit limit = {0};
    rlim_t        own;
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    own = limit.rlim_cur / 8 < DESCRIPTORS_OF_SERVICE ? limit.rlim_cur / 8 : DESCRIPTORS_OF_SERVICE;
    return (uint32_t)((limit.rlim_cur - own) / DESCRIPTORS_PER_SESSION);
}

void service_status_get(void *context, struct service_status *ret)
{
    const struct server   *server = context;
    struct sessions_totals totals = sessions_totals(server->sessions);
    *ret                          = (struct service_status){
                                 .sessions_active    = (uint32_t)sessions_count(server->sessions),
                                 .sessions_pooled    = (uint32_t)pool_ready_count(server->pool),
                                 .sessions_total     = totals.sessions,
                                 .sessions_limit     = server->policies->concurrent_sessions,
                                 .sessions_possible  = possible_sessions(),
                                 .executions_running = (uint32_t)totals.running,
                                 .executions_queued  = (uint32_t)totals.queued,
                                 .executions_total   = totals.executions,
                                 .zygote_up          = workers_zygote_is_up(server->workers),
                                 .draining           = server->stopping || sessions_are_draining(server->sessions) || sessions_are_closed(server->sessions),
                                 .isolation          = (json_t *)workers_isolation(server->workers),
                                 .default_timeout_ms = server->policies->execution_time_ms,
                                 .output_bytes       = server->policies->output_bytes,
    };
    (void)snprintf(ret->profile, sizeof ret->profile, "%s", server->config->profile);
}
