#define _GNU_SOURCE
#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fdio.h"
#include "footing.h"
#include "inherited.h"
#include "keep.h"
#include "listener.h"
#include "log.h"
#include "notify.h"
#include "orphans.h"
#include "policy_memfd.h"
#include "policy_reload.h"
#include "supervisor_inner.h"
#include "supervisor_wire.h"
#include "zygote_wire.h"

const char SUPERVISOR_ARGUMENT[] = "--as-server-process";

enum {
    STOP_SLACK_MS  = 10000,
    ZYGOTE_STOP_MS = 20000, /* with thousands of sessions, on a machine that is busy */
    EXIT_REFUSED   = 3,     /* of the zygote: policy.require_isolation can't be met here; trying again would not help */
    KEEP_SPARE     = 64,
    STAGE_BYTES    = 1024 * 1024,
};

void supervisor_log(const char *what, const struct err *err)
{
    log_error("%s: %s", what, err->message);
}

static bool reap_installer(struct supervisor *s, pid_t pid)
{
    for (size_t i = 0; i < INSTALLERS_MAX; i++) {
        if (s->installers[i].pid == pid) {
            s->installers[i].pid = 0;
            return true;
        }
    }
    return false;
}

static void fail_start(struct supervisor *s, const char *format, const char *name, const char *detail)
{
    if (s->failure.message[0] == '\0')
        (void)err_set(&s->failure, 0, format, name, detail);
    s->phase = PHASE_STOPPED;
}

static void on_child_exit(struct supervisor *s, struct child *child, int status)
{
    bool wanted = s->phase == PHASE_SERVING;
    char text[80];

    child_describe_status(status, text, sizeof text);
    if (child == &s->zygote && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_REFUSED && wanted) {
        wanted = false;
        fail_start(s, "the %s %s: the required isolation can't be had any more", child->name, text);
    }
    child_on_exit(child, wanted);
    if (s->phase == PHASE_STARTING)
        fail_start(s, "the %s %s before the service was ready", child->name, text);
    else if (s->phase == PHASE_DRAINING && child == &s->zygote && status != 0)
        log_error("the %s %s before it was asked to", child->name, text);
    else if (wanted && !(child == &s->server && s->upgrade == UPGRADE_SERVER))
        log_error("the %s %s; it is started again%s", child->name, text, child->delay_ms > 200 ? " after a pause, since it died soon" : "");
    if (child == &s->server && s->phase == PHASE_DRAINING)
        s->phase = PHASE_STOPPED;
    if (child == &s->server)
        supervisor_on_server_exit(s);
}

static void reap(struct supervisor *s)
{
    int   status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == s->server.pid)
            on_child_exit(s, &s->server, status);
        else if (pid == s->zygote.pid)
            on_child_exit(s, &s->zygote, status);
        else if (pid == s->egress.pid)
            child_on_exit(&s->egress, false);
        else if (reap_installer(s, pid))
            continue;
        else
            orphans_on_exit(pid); /* the init of a session whose zygote is gone, or one that was there before us */
    }
}

/* Ours, too: a socket that anybody still holds goes on taking connections that nobody answers. */
static void close_listeners(struct supervisor *s)
{
    for (size_t i = 0; i < s->config->listen_count; i++)
        fdio_close(&s->listen_fds[i]);
}

static void drain(struct supervisor *s)
{
    char type      = s->phase == PHASE_SERVING ? SUPERVISOR_DRAIN : SUPERVISOR_STOP;
    s->deadline_ms = child_now_ms() + STOP_SLACK_MS + (type == SUPERVISOR_DRAIN ? s->config->drain_ms : 0);
    s->phase       = PHASE_DRAINING;
    close_listeners(s);
    notify_stopping("Waiting for what runs");
    if (type == SUPERVISOR_DRAIN)
        log_info("stopping: what runs has %u ms to end; a second signal ends it at once", s->config->drain_ms);
    if (s->server.pid == 0)
        s->phase = PHASE_STOPPED;
    else
        supervisor_tell(&s->server, type, NULL);
}

static bool has_terminal(void)
{
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (fd >= 0)
        (void)close(fd);
    return fd >= 0;
}

/* The operator has put other files in place of the former ones; or the terminal we were started from is gone. */
static void on_hangup(struct supervisor *s)
{
    struct handover files;
    struct err      err = {0};

    if (s->had_terminal && !has_terminal()) {
        drain(s);
        return;
    }
    notify_reloading("Reading files again");
    if (handover_open(s->config, &files, &err) < 0)
        supervisor_log("SIGHUP: the former one stays", &err);
    if (s->server.socket_fd >= 0 && handover_send(s->server.socket_fd, &files) < 0)
        log_warn("SIGHUP: cannot hand files to the server process: %s", strerror(errno));
    handover_close(&files);
    if (!supervisor_reload_policies(s))
        supervisor_notify_serving(s);
}

static void on_signal(struct supervisor *s)
{
    struct signalfd_siginfo info;
    if (read(s->signal_fd, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    if (info.ssi_signo == SIGCHLD)
        reap(s);
    else if (info.ssi_signo == SIGUSR2)
        supervisor_upgrade(s);
    else if (info.ssi_signo == SIGHUP && s->phase == PHASE_SERVING)
        on_hangup(s);
    else if (info.ssi_signo == SIGHUP)
        return;
    else if (s->phase == PHASE_STARTING)
        s->phase = PHASE_STOPPED;
    else
        drain(s);
}

static void announce(const struct supervisor *s)
{
    char url[96];
    listener_url(&s->config->listen[0], s->config->tls_cert[0] != '\0', url, sizeof url);
    (void)printf("Penny Sandbox is ready at %s\n", url);
    (void)printf("Try: curl -s%s %s/api/v1/execute -H 'Content-Type: application/json' -d '{\"code\": \"print(1 + 1)\"}'%s\n",
                 s->config->tls_cert[0] != '\0' ? "k" : "", url,
                 s->config->keys_file[0] != '\0' || s->config->api_keys[0] != '\0' ? " -H \"Authorization: Bearer $KEY\"" : "");
    (void)fflush(stdout);
    supervisor_notify_serving(s);
}

static void on_server_packet(struct supervisor *s)
{
    struct supervisor_packet packet   = {0};
    int                      fds[2]   = {-1, -1};
    size_t                   fd_count = 2;
    ssize_t                  n        = fdio_receive(s->server.socket_fd, &packet, sizeof packet, fds, &fd_count);

    packet.text[sizeof packet.text - 1] = '\0';
    if (n <= 0)
        fdio_close(&s->server.socket_fd); /* its exit follows */
    else if (packet.type == SUPERVISOR_FAILED && s->phase == PHASE_STARTING)
        fail_start(s, "%s: %s", "no session can be started", packet.text);
    else if (packet.type == SUPERVISOR_READY && s->phase == PHASE_STARTING) {
        s->phase = PHASE_SERVING;
        announce(s);
    } else if (packet.type == SUPERVISOR_READY && s->upgrade == UPGRADE_STARTED) {
        supervisor_upgrade_zygote(s);
    } else if (packet.type == SUPERVISOR_SPAWNS && s->upgrade == UPGRADE_ZYGOTE) {
        s->upgrade = UPGRADE_NONE;
        supervisor_notify_serving(s);
    } else if (packet.type == SUPERVISOR_ANSWER) {
        watchdog_on_answer(&s->watchdog);
    } else if (packet.type == SUPERVISOR_EGRESS && fd_count == 1) {
        supervisor_start_egress(s, fds);
    } else if (packet.type == SUPERVISOR_INSTALL && fd_count == 2) {
        supervisor_start_installer(s, fds);
    }
    for (size_t i = 0; i < fd_count; i++)
        fdio_close(&fds[i]);
}

static int next_timeout(const struct supervisor *s)
{
    int64_t next = s->phase == PHASE_DRAINING ? s->deadline_ms : s->yield_ms, now = child_now_ms();
    if (s->server.retry_ms > next)
        next = s->server.retry_ms;
    if (s->zygote.retry_ms > next)
        next = s->zygote.retry_ms;
    if (next == 0 || (s->watchdog.next_ms != 0 && s->watchdog.next_ms < next))
        next = s->watchdog.next_ms;
    if (next == 0)
        return -1;
    return next > now ? (int)(next - now) : 0;
}

static void beat(struct supervisor *s)
{
    enum watchdog_act act = watchdog_act(&s->watchdog, s->phase == PHASE_SERVING && s->server.pid != 0, child_now_ms());
    if (act == WATCHDOG_WAIT)
        return;
    notify_alive();
    if (act == WATCHDOG_ASK)
        supervisor_tell(&s->server, SUPERVISOR_ASK, NULL);
    if (act == WATCHDOG_KILL) {
        log_error("the server process has not answered for %lld ms and is killed", (long long)s->watchdog.patience_ms);
        watchdog_on_answer(&s->watchdog);
        (void)kill(s->server.pid, SIGKILL);
    }
}

static void loop(struct supervisor *s)
{
    while (s->phase != PHASE_STOPPED) {
        struct pollfd polled[] = {{.fd = s->signal_fd, .events = POLLIN}, {.fd = s->server.socket_fd, .events = POLLIN}};
        if (poll(polled, 2, next_timeout(s)) < 0 && errno != EINTR)
            break;
        if (polled[1].revents != 0)
            on_server_packet(s);
        if (polled[0].revents != 0)
            on_signal(s);
        beat(s);
        if (s->yield_ms != 0 && s->server.pid != 0 && child_now_ms() >= s->yield_ms)
            (void)kill(s->server.pid, SIGKILL); /* nothing is lost by that */
        if (s->phase == PHASE_SERVING)
            supervisor_restart_due(s);
        if (s->phase == PHASE_DRAINING && child_now_ms() >= s->deadline_ms)
            s->phase = PHASE_STOPPED;
    }
}

/* Ends one child: `signal` first, SIGKILL when that has not worked within patience_ms. */
static void end_child(struct child *child, int signal, int64_t patience_ms)
{
    int64_t deadline = child_now_ms() + patience_ms;
    int     status   = 0;
    char    text[80];
    if (child->pid == 0)
        return;
    (void)kill(child->pid, signal);
    while (waitpid(child->pid, &status, WNOHANG) == 0) {
        if (child_now_ms() >= deadline) {
            log_warn("the %s did not end in time and is killed", child->name);
            (void)kill(child->pid, SIGKILL);
            (void)waitpid(child->pid, NULL, 0);
            break;
        }
        (void)poll(NULL, 0, 5);
    }
    if (WIFSIGNALED(status) && WTERMSIG(status) != signal) {
        child_describe_status(status, text, sizeof text);
        log_error("the %s %s while it was ending", child->name, text);
    }
    child_on_exit(child, false);
}

static int open_signals(struct supervisor *s, struct err *err)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGUSR2);
    (void)sigaddset(&set, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return err_errno(err, "cannot block signals");
    s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return s->signal_fd < 0 ? err_errno(err, "cannot make a signalfd") : 0;
}

/* What the kernel lets a process have at most, by its setting fs.nr_open. */
static rlim_t most_descriptors(void)
{
    FILE         *file = fopen("/proc/sys/fs/nr_open", "re");
    unsigned long most = 0;
    if (file == NULL || fscanf(file, "%lu", &most) != 1)
        most = 0;
    if (file != NULL)
        fclose(file);
    return most;
}

/* Enough for all sessions that there may be. Refused: fewer fit, which /health says. */
static void raise_descriptor_limit(const struct supervisor *s)
{
    rlim_t        wanted = (rlim_t)DESCRIPTORS_OF_SERVICE + (rlim_t)s->policies->concurrent_sessions * DESCRIPTORS_PER_SESSION;
    rlim_t        most   = most_descriptors();
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    wanted = wanted > most ? most : wanted;
    if (wanted > limit.rlim_max) {
        const struct rlimit higher = {wanted, wanted};
        if (setrlimit(RLIMIT_NOFILE, &higher) == 0) /* needs CAP_SYS_RESOURCE */
            return;
    }
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int make_kept(struct supervisor *s, struct err *err)
{
    s->keep_fds[0] = keep_make(s->policies->concurrent_sessions + KEEP_SPARE, err);
    if (s->keep_fds[0] < 0)
        return -1;
    for (int i = 1; i < KEPT_FDS; i += 2) {
        if (pipe2(s->keep_fds + i, O_CLOEXEC | O_NONBLOCK) < 0)
            return err_errno(err, "cannot make the server process's pipes");
        (void)fcntl(s->keep_fds[i], F_SETPIPE_SZ, STAGE_BYTES); /* smaller is slower, not wrong */
    }
    return 0;
}

static int prepare(struct supervisor *s, struct err *err)
{
    struct policy policy;
    (void)signal(SIGPIPE, SIG_IGN); /* who reads what we print may leave */
    orphans_spare();
    if (footing_limits(err) < 0)
        return -1;
    raise_descriptor_limit(s);
    notify_open();
    watchdog_init(&s->watchdog, notify_watchdog_ms(), child_now_ms());
    s->had_terminal  = !footing_outlives_terminal() && has_terminal();
    s->policy_digest = policy_reload_digest(s->config);
    if (readlink("/proc/self/exe", s->program, sizeof s->program - 1) < 0)
        return err_errno(err, "cannot find the executable");
    if (access(s->config->zygote_path, X_OK) < 0)
        return err_errno(err, "cannot execute the zygote %s", s->config->zygote_path);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return err_errno(err, "cannot become a subreaper");
    if (open_signals(s, err) < 0 || make_kept(s, err) < 0 || listener_open_all(s->config, s->listen_fds, err) < 0)
        return -1;
    strcpy(s->addresses, "--listen=");
    inherited_addresses(s->config, s->addresses + strlen(s->addresses), sizeof s->addresses - strlen(s->addresses));
    if (state_dir_make(&s->state_dir, s->config->state_dir, err) < 0)
        return -1;
    (void)snprintf(s->config->state_dir, sizeof s->config->state_dir, "%s", s->state_dir.path);
    (void)snprintf(s->package_dir_wanted, sizeof s->package_dir_wanted, "%s", s->config->package_dir);
    if (s->policies->packages.enabled && package_dir_make(&s->package_dir, s->package_dir_wanted, err) < 0)
        return -1;
    (void)snprintf(s->config->package_dir, sizeof s->config->package_dir, "%s", s->package_dir.path);
    if (policies_to_policy(s->policies, s->config, &policy, err) < 0)
        return -1;
    s->policy_fd = policy_memfd_make(&policy, s->policies->imports, err);
    return s->policy_fd < 0 ? -1 : 0;
}

static void finish(struct supervisor *s)
{
    end_child(&s->server, SIGTERM, 1000);
    for (size_t i = 0; i < INSTALLERS_MAX; i++)
        end_child(&s->installers[i], SIGTERM, 1000);
    end_child(&s->egress, SIGTERM, 1000);
    end_child(&s->zygote, SIGTERM, ZYGOTE_STOP_MS);
    orphans_end();
    package_dir_remove(&s->package_dir);
    state_dir_remove(&s->state_dir);
    fdio_close(&s->policy_fd);
    for (int i = 0; i < KEPT_FDS; i++)
        fdio_close(&s->keep_fds[i]);
    fdio_close(&s->signal_fd);
    close_listeners(s);
    policies_done(&s->reread);
    notify_close();
}

int supervisor_run(struct config *config, const struct policies *policies, char **argv, struct err *err)
{
    struct supervisor s = {
        .config = config, .policies = policies, .argv = argv, .signal_fd = -1, .policy_fd = -1, .package_dir = PACKAGE_DIR_INIT};
    for (size_t i = 0; i < CONFIG_LISTEN_MAX; i++)
        s.listen_fds[i] = -1;
    for (int i = 0; i < KEPT_FDS; i++)
        s.keep_fds[i] = -1;
    child_init(&s.server, "server process");
    child_init(&s.zygote, "zygote");
    child_init(&s.egress, "egress process");
    for (size_t i = 0; i < INSTALLERS_MAX; i++)
        child_init(&s.installers[i], "installer");
    if (prepare(&s, &s.failure) == 0 && supervisor_connect(&s, &s.failure) == 0)
        loop(&s);
    finish(&s);
    if (s.failure.message[0] != '\0') {
        *err = s.failure;
        return -1;
    }
    return 0;
}
