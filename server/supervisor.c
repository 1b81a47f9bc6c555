#define _GNU_SOURCE
#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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

#include "child.h"
#include "egress.h"
#include "fdio.h"
#include "handover.h"
#include "inherited.h"
#include "installer.h"
#include "keep.h"
#include "listener.h"
#include "log.h"
#include "notify.h"
#include "orphans.h"
#include "package_dir.h"
#include "policy_memfd.h"
#include "policy_reload.h"
#include "state_dir.h"
#include "supervisor_wire.h"
#include "watchdog.h"
#include "zygote_wire.h"

const char SUPERVISOR_ARGUMENT[] = "--as-server-process";

enum {
    STOP_SLACK_MS  = 10000,
    ZYGOTE_STOP_MS = 10000,
    YIELD_MS       = 2000, /* what a server process that is to be replaced has for its last writes */
    ARGUMENTS_MAX  = 256,
    ADDRESSES_MAX  = CONFIG_LISTEN_MAX * 80,
    INSTALLERS_MAX = 8,
    EXIT_REFUSED   = 3, /* of the zygote: policy.require_isolation can't be met here; trying again would not help */
};

enum { KEPT_FDS = SERVER_LISTEN_FD - SERVER_KEEP_FD, KEEP_SPARE = 64, STAGE_BYTES = 1024 * 1024 };

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

static void log_err(const char *what, const struct err *err)
{
    log_error("%s: %s", what, err->message);
}

/* A supervisor socket for a child about to be started: ours is kept in the child, the other end is for the new process. */
static int make_supervisor_socket(struct child *child, int *ret_theirs, struct err *err)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return err_errno(err, "cannot make a socket for %s", child->name);
    fdio_close(&child->socket_fd);
    child->socket_fd = ends[0];
    *ret_theirs      = ends[1];
    return 0;
}

static void tell(struct child *child, char type, const int *fd)
{
    struct supervisor_packet packet = {.type = type};
    size_t                   length = child->name[0] == 'z' ? 1 : sizeof packet;
    if (child->socket_fd >= 0 && fdio_send(child->socket_fd, &packet, length, fd, fd != NULL ? 1 : 0) < 0)
        log_warn("cannot tell the %s: %s", child->name, strerror(errno));
}

static int start_zygote(struct supervisor *s, int server_end, struct err *err)
{
    char *argv[] = {s->config->zygote_path, NULL};
    int   theirs = -1, result;
    if (make_supervisor_socket(&s->zygote, &theirs, err) < 0)
        return -1;
    result = child_start(&s->zygote, s->config->zygote_path, argv, (int[]){server_end, s->policy_fd, theirs}, 3, SIGTERM, err);
    close(theirs);
    return result;
}

/* To a server process just started: the files it may not open itself. */
static int hand_over(struct supervisor *s, struct err *err)
{
    struct handover files;
    int             result = handover_open(s->config, &files, err);
    if (result == 0 && handover_send(s->server.socket_fd, &files) < 0)
        result = err_errno(err, "cannot hand files to the server process");
    handover_close(&files);
    return result;
}

static int start_server(struct supervisor *s, struct err *err)
{
    char  *argv[ARGUMENTS_MAX] = {s->argv[0], (char *)SUPERVISOR_ARGUMENT};
    int    fds[CHILD_FDS_MAX], theirs = -1, result;
    size_t n = 2;
    for (size_t i = 1; i < ARGUMENTS_MAX - 3 && s->argv[i] != NULL; i++)
        argv[n++] = s->argv[i];
    argv[n] = s->addresses;
    if (make_supervisor_socket(&s->server, &theirs, err) < 0)
        return -1;
    if (hand_over(s, err) < 0) {
        close(theirs);
        return -1;
    }
    fds[0] = theirs;
    memcpy(fds + 1, s->keep_fds, sizeof s->keep_fds);
    memcpy(fds + 1 + KEPT_FDS, s->listen_fds, s->config->listen_count * sizeof(int));
    result = child_start(&s->server, s->from_disk ? s->program : "/proc/self/exe", argv, fds, 1 + KEPT_FDS + s->config->listen_count,
                         SIGKILL, err);
    close(theirs);
    return result;
}

/* Makes a new connection between the two and starts whichever of them does not run. */
static int connect_children(struct supervisor *s, struct err *err)
{
    int ends[2], result = 0;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return err_errno(err, "cannot make the zygote's socket");
    if (s->zygote.pid == 0)
        result = start_zygote(s, ends[1], err);
    else
        tell(&s->zygote, SUPERVISOR_ZYGOTE, &ends[1]);
    if (result == 0 && s->server.pid == 0)
        result = start_server(s, err);
    if (result == 0)
        tell(&s->server, SUPERVISOR_ZYGOTE, &ends[0]);
    close(ends[0]);
    close(ends[1]);
    return result;
}

/* An installation is nobody's to start again: who asked sees its socket end. */
static void start_installer(struct supervisor *s, const int fds[2])
{
    char         *argv[ARGUMENTS_MAX] = {s->argv[0], (char *)INSTALLER_ARGUMENT};
    size_t        n                   = 2;
    struct err    err                 = {0};
    struct child *child               = NULL;

    for (size_t i = 1; n < ARGUMENTS_MAX - 3 && s->argv[i] != NULL; i++)
        argv[n++] = s->argv[i];
    argv[n++] = (char *)"--package-dir";
    argv[n++] = s->package_dir.path;
    for (size_t i = 0; i < INSTALLERS_MAX && child == NULL; i++)
        if (s->installers[i].pid == 0)
            child = &s->installers[i];
    if ((s->phase != PHASE_SERVING && s->phase != PHASE_STARTING) || s->package_dir.path[0] == '\0' || child == NULL)
        log_warn("an installation was asked for that can't be");
    else if (child_start(child, "/proc/self/exe", argv, fds, 2, SIGKILL, &err) < 0)
        log_err("installer", &err);
}

/* Its end is the server's to notice, which asks again. One at a time: a server that has no use for the former is another server. */
static void start_egress(struct supervisor *s, const int *fd)
{
    char      *argv[ARGUMENTS_MAX] = {s->argv[0], (char *)EGRESS_ARGUMENT};
    size_t     n                   = 2;
    struct err err                 = {0};

    for (size_t i = 1; n < ARGUMENTS_MAX - 1 && s->argv[i] != NULL; i++)
        argv[n++] = s->argv[i];
    if (!s->policies->network.enabled || s->egress.pid != 0)
        log_warn("an egress process was asked for that can't be");
    else if (child_start(&s->egress, "/proc/self/exe", argv, fd, 1, SIGKILL, &err) < 0)
        log_err("egress", &err);
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
    tell(&s->server, SUPERVISOR_YIELD, NULL);
    return true;
}

static void upgrade(struct supervisor *s)
{
    bool was_from_disk = s->from_disk;
    s->from_disk       = true;
    if (replace_children(s))
        log_info("SIGUSR2: %s and %s are started anew", s->program, s->config->zygote_path);
    else
        s->from_disk = was_from_disk;
}

static void notify_serving(const struct supervisor *s)
{
    char url[96], status[160];
    listener_url(&s->config->listen[0], s->config->tls_cert[0] != '\0', url, sizeof url);
    (void)snprintf(status, sizeof status, "Serving at %s", url);
    notify_ready(status);
}

static void upgrade_zygote(struct supervisor *s)
{
    s->upgrade = UPGRADE_ZYGOTE;
    if (s->zygote.pid != 0)
        (void)kill(s->zygote.pid, SIGKILL); /* asked to end it would end its sessions */
}

/* One from the disk that can't go on is followed by one like us. */
static void on_server_exit(struct supervisor *s)
{
    s->yield_ms = 0;
    if (s->upgrade == UPGRADE_SERVER)
        s->upgrade = UPGRADE_STARTED;
    else if (s->upgrade == UPGRADE_STARTED) {
        log_error("the new server process did not get ready; the former version goes on");
        s->upgrade   = UPGRADE_NONE;
        s->from_disk = false;
        notify_serving(s);
    }
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
    else if (wanted && !(child == &s->server && s->upgrade == UPGRADE_SERVER))
        log_error("the %s %s; it is started again%s", child->name, text, child->delay_ms > 200 ? " after a pause, since it died soon" : "");
    if (child == &s->server && s->phase == PHASE_DRAINING)
        s->phase = PHASE_STOPPED;
    if (child == &s->server)
        on_server_exit(s);
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
        /* else the init of a session whose zygote is gone */
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
        tell(&s->server, type, NULL);
}

static bool has_terminal(void)
{
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (fd >= 0)
        (void)close(fd);
    return fd >= 0;
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

/* Policies that were changed are for the next server process and the next zygote, which go on with all sessions. Returns whether that takes a while. */
static bool reload_policies(struct supervisor *s)
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
        log_err("SIGHUP: the former policies stay", &err);
        return false;
    }
    if (take_policies(s, &fresh, &err) < 0) {
        log_err("SIGHUP: the former policies stay", &err);
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
        log_err("SIGHUP: the former one stays", &err);
    if (s->server.socket_fd >= 0 && handover_send(s->server.socket_fd, &files) < 0)
        log_warn("SIGHUP: cannot hand files to the server process: %s", strerror(errno));
    handover_close(&files);
    if (!reload_policies(s))
        notify_serving(s);
}

static void on_signal(struct supervisor *s)
{
    struct signalfd_siginfo info;
    if (read(s->signal_fd, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    if (info.ssi_signo == SIGCHLD)
        reap(s);
    else if (info.ssi_signo == SIGUSR2)
        upgrade(s);
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
    notify_serving(s);
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
        upgrade_zygote(s);
    } else if (packet.type == SUPERVISOR_SPAWNS && s->upgrade == UPGRADE_ZYGOTE) {
        s->upgrade = UPGRADE_NONE;
        notify_serving(s);
    } else if (packet.type == SUPERVISOR_ANSWER) {
        watchdog_on_answer(&s->watchdog);
    } else if (packet.type == SUPERVISOR_EGRESS && fd_count == 1) {
        start_egress(s, fds);
    } else if (packet.type == SUPERVISOR_INSTALL && fd_count == 2) {
        start_installer(s, fds);
    }
    for (size_t i = 0; i < fd_count; i++)
        fdio_close(&fds[i]);
}

static void restart_what_is_due(struct supervisor *s)
{
    int64_t       now        = child_now_ms();
    bool          server_due = s->server.pid == 0 && s->server.retry_ms > 0, zygote_due = s->zygote.pid == 0 && s->zygote.retry_ms > 0;
    struct child *child = server_due ? &s->server : &s->zygote;
    struct err    err   = {0};

    if ((!server_due && !zygote_due) || (server_due && now < s->server.retry_ms) || (zygote_due && now < s->zygote.retry_ms))
        return;
    if (connect_children(s, &err) < 0) {
        log_err("restart", &err);
        child_on_exit(child, true);
    }
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
        tell(&s->server, SUPERVISOR_ASK, NULL);
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
            restart_what_is_due(s);
        if (s->phase == PHASE_DRAINING && child_now_ms() >= s->deadline_ms)
            s->phase = PHASE_STOPPED;
    }
}

/* Ends one child: `signal` first, SIGKILL when that has not worked within patience_ms. */
static void end_child(struct child *child, int signal, int64_t patience_ms)
{
    int64_t deadline = child_now_ms() + patience_ms;
    int     status;
    if (child->pid == 0)
        return;
    (void)kill(child->pid, signal);
    while (waitpid(child->pid, &status, WNOHANG) == 0) {
        if (child_now_ms() >= deadline) {
            log_warn("the %s did not end in time and is killed", child->name);
            (void)kill(child->pid, SIGKILL);
            (void)waitpid(child->pid, &status, 0);
            break;
        }
        (void)poll(NULL, 0, 5);
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
    raise_descriptor_limit(s);
    notify_open();
    watchdog_init(&s->watchdog, notify_watchdog_ms(), child_now_ms());
    s->had_terminal  = has_terminal();
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
    if (prepare(&s, &s.failure) == 0 && connect_children(&s, &s.failure) == 0)
        loop(&s);
    finish(&s);
    if (s.failure.message[0] != '\0') {
        *err = s.failure;
        return -1;
    }
    return 0;
}
