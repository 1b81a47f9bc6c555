#define _GNU_SOURCE
#include "fake_zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "fdio.h"
#include "wire.h"
#include "zygote_wire.h"

enum { SESSIONS_MAX = 256, CODE_MAX = 2 * 1024 * 1024 };

/* ---- a session: init and interpreter in one process ---- */

enum mood { IDLE, WAIT, SWALLOW, STUBBORN, INPUT, MUTE };

struct session {
    int       request_fd, event_fd, out_fd, control_fd;
    uint64_t  execution;
    uint64_t  early; /* the execution that an interrupt was for which came before it */
    enum mood mood;
    bool      dead; /* the interpreter is */
    uint32_t  member;
    pid_t     members[FAMILY_MAX]; /* by number, of member 0 */
    char      setup[4096];
    int       folded_fds[MEMBER_FOLDED_FDS]; /* what the server reads */
    bool      is_folded, is_blind;
    char      folded_text[100];
    long      losing; /* replies that come without all of them */
};

static void send_head(struct session *s, uint8_t type, uint8_t flags, uint32_t length, uint64_t execution)
{
    struct frame_head head = {.length = (uint16_t)length, .type = type, .flags = flags, .execution = execution};
    (void)fdio_write_all(s->event_fd, &head, sizeof head);
}

static void send_frame(struct session *s, uint8_t type, uint8_t flags, const void *payload, size_t length)
{
    char              buffer[FRAME_HEAD_BYTES + 4096];
    struct frame_head head = {.length = (uint16_t)length, .type = type, .flags = flags, .execution = s->execution};
    if (length > 4096) {
        send_head(s, type, flags, (uint32_t)length, s->execution);
        (void)fdio_write_all(s->event_fd, payload, length);
        return;
    }
    memcpy(buffer, &head, sizeof head);
    memcpy(buffer + sizeof head, payload, length);
    (void)fdio_write_all(s->event_fd, buffer, sizeof head + length);
}

static void send_long(struct session *s, uint8_t type, const char *payload, size_t length)
{
    while (length > FRAME_PAYLOAD_MAX) {
        send_frame(s, type, FRAME_MORE, payload, FRAME_PAYLOAD_MAX);
        payload += FRAME_PAYLOAD_MAX;
        length -= FRAME_PAYLOAD_MAX;
    }
    send_frame(s, type, 0, payload, length);
}

static void send_done(struct session *s, const char *status)
{
    char text[512];
    int  n = snprintf(
         text, sizeof text,
         "{\"status\":\"%s\",\"executionCount\":1,\"cpuUser\":1500,\"cpuSystem\":500,\"memory\":1000000,\"memoryPeak\":2000000%s}", status,
        strcmp(status, "error") == 0 ? ",\"error\":{\"type\":\"ValueError\",\"message\":\"no\",\"traceback\":\"T\",\"line\":3,\"odd\":[1]}"
         : strcmp(status, "interrupted") == 0 ? ",\"error\":{\"type\":\"KeyboardInterrupt\",\"message\":\"\",\"traceback\":\"K\"}"
                                              : "");
    s->mood = IDLE;
    send_frame(s, EVENT_DONE, 0, text, (size_t)n);
}

static void send_control(struct session *s, uint32_t type, int status)
{
    struct control_message message = {.type = type, .pid = 2, .status = status, .member = s->member};
    (void)fdio_send(s->control_fd, &message, sizeof message, NULL, 0);
}

static void say_ready(struct session *s)
{
    static const char text[] = "{\"python\":\"0\",\"pid\":2}";
    s->dead                  = false;
    s->mood                  = IDLE;
    s->execution             = 0;
    send_control(s, CONTROL_WORKER_STARTED, 0);
    send_frame(s, EVENT_READY, 0, text, sizeof text - 1);
}

static void die(struct session *s, int status)
{
    s->dead = true;
    s->mood = IDLE;
    send_control(s, CONTROL_WORKER_EXITED, status);
}

static void hostile(struct session *s, const char *what)
{
    static const char done[] = "{\"status\":\"ok\"}";
    char              junk[4096];
    if (strcmp(what, "junk") == 0) {
        memset(junk, 0xA5, sizeof junk);
        (void)fdio_write_all(s->event_fd, junk, sizeof junk);
    } else if (strcmp(what, "giant") == 0) {
        send_head(s, EVENT_STDOUT, 0, UINT32_MAX, s->execution);
    } else if (strcmp(what, "unknown") == 0) {
        send_frame(s, 200, 0, "x", 1);
    } else if (strcmp(what, "flags") == 0) {
        send_frame(s, EVENT_STDOUT, 0x80, "x", 1);
    } else if (strcmp(what, "early") == 0) {
        send_frame(s, EVENT_READY, 0, "{}", 2);
    } else if (strcmp(what, "twice") == 0) {
        send_frame(s, EVENT_DONE, 0, done, sizeof done - 1);
        send_frame(s, EVENT_DONE, 0, done, sizeof done - 1);
    } else if (strcmp(what, "other") == 0) {
        s->execution += 1000;
        send_frame(s, EVENT_DONE, 0, done, sizeof done - 1);
    } else if (strcmp(what, "badjson") == 0) {
        send_frame(s, EVENT_DONE, 0, "{\"status\":", 10);
    } else {
        send_done(s, "error");
    }
}

static void print(struct session *s, const char *text, uint8_t flags)
{
    send_frame(s, EVENT_STDOUT, flags, text, strlen(text));
}

static void print_after_raw(struct session *s, const char *text, size_t raw)
{
    struct frame_head head = {.length = (uint16_t)strlen(text), .type = EVENT_STDOUT, .raw = {(uint16_t)raw, 0}, .execution = s->execution};
    (void)fdio_write_all(s->event_fd, &head, sizeof head);
    (void)fdio_write_all(s->event_fd, text, strlen(text));
}

static void print_line(struct session *s, const char *text)
{
    size_t length = strlen(text);
    char  *line   = malloc(length + 1);
    memcpy(line, text, length);
    line[length] = '\n';
    send_long(s, EVENT_STDOUT, line, length + 1);
    free(line);
    send_done(s, "ok");
}

/* As the real one does: sent whenever it is asked for, watched no more. */
static void unfold(struct session *s)
{
    struct control_message message = {.type = CONTROL_UNFOLDED};
    size_t                 count   = s->losing > 0 ? 1 : MEMBER_FOLDED_FDS;
    s->losing -= s->losing > 0;
    s->is_folded = false;
    (void)fdio_send(s->control_fd, &message, sizeof message, s->folded_fds, count);
}

static void fold(struct session *s, const struct control_message *message)
{
    s->is_folded = true;
    s->is_blind  = message->status == FOLD_BLIND;
    if (s->folded_text[0] == '\0')
        return;
    (void)fdio_write_all(s->out_fd, s->folded_text, strlen(s->folded_text));
    print_after_raw(s, s->folded_text, strlen(s->folded_text));
    s->folded_text[0] = '\0';
}

static void talk(struct session *s, const char *word, const char *rest)
{
    char text[1000];
    if (strcmp(word, "print") == 0) {
        print_line(s, rest);
    } else if (strcmp(word, "raw") == 0) {
        (void)fdio_write_all(s->out_fd, rest, strlen(rest));
        print_after_raw(s, "after", strlen(rest));
        send_done(s, "ok");
    } else if (strcmp(word, "late") == 0) {
        send_done(s, "ok");
        print(s, rest, 0);
    } else if (strcmp(word, "lose") == 0) {
        s->losing = strtol(rest, NULL, 10);
        send_done(s, "ok");
    } else if (strcmp(word, "folded") == 0) {
        (void)snprintf(s->folded_text, sizeof s->folded_text, "%.90s", rest);
        send_done(s, "ok");
    } else if (strcmp(word, "setup") == 0) {
        print(s, s->setup, 0);
        send_done(s, "ok");
    } else if (strcmp(word, "value") == 0) {
        send_frame(s, EVENT_VARIABLE, 0, rest, strlen(rest));
        send_done(s, "ok");
    } else if (strcmp(word, "flood") == 0) {
        memset(text, 'f', 1000);
        for (long n = strtol(rest, NULL, 10); n > 0; n--)
            send_frame(s, EVENT_STDOUT, 0, text, 1000);
        send_done(s, "ok");
    } else {
        hostile(s, word);
    }
}

static void send_plot(struct session *s, size_t bytes)
{
    char *text = malloc(bytes + 256);
    int   n    = sprintf(text, "{\"id\":\"p\",\"format\":\"png\",\"metadata\":{\"width\":1.5},\"data\":\"");
    memset(text + n, 'A', bytes);
    (void)memcpy(text + (size_t)n + bytes, "\"}", 2);
    send_long(s, EVENT_PLOT, text, (size_t)n + bytes + 2);
    free(text);
    send_done(s, "ok");
}

static bool set_mood(struct session *s, const char *word)
{
    static const struct {
        const char *word;
        enum mood   mood;
    } moods[] = {{"wait", WAIT}, {"swallow", SWALLOW}, {"stubborn", STUBBORN}, {"mute", MUTE}};
    for (size_t i = 0; i < sizeof moods / sizeof *moods; i++) {
        if (strcmp(word, moods[i].word) == 0) {
            s->mood = moods[i].mood;
            return true;
        }
    }
    return false;
}

static void half_a_frame(struct session *s)
{
    send_head(s, EVENT_STDOUT, 0, 100, s->execution);
    (void)fdio_write_all(s->event_fd, "half", 4);
    die(s, SIGSEGV);
}

static void run(struct session *s, char *code)
{
    char *rest = strchr(code, ' ');
    if (rest != NULL)
        *rest++ = '\0';
    else
        rest = code + strlen(code);
    if (set_mood(s, code)) {
        if (s->early == s->execution && s->mood != STUBBORN && s->mood != MUTE)
            send_done(s, s->mood == WAIT ? "interrupted" : "ok");
        return;
    }
    if (strcmp(code, "ok") == 0 || strcmp(code, "error") == 0)
        send_done(s, code);
    else if (strcmp(code, "exit") == 0)
        die(s, atoi(rest) << 8);
    else if (strcmp(code, "signal") == 0 || strcmp(code, "slowdeath") == 0)
        die(s, code[1] == 'l' ? SIGKILL : atoi(rest));
    else if (strcmp(code, "gone") == 0)
        _exit(7);
    else if (strcmp(code, "half") == 0)
        half_a_frame(s);
    else if (strcmp(code, "plot") == 0)
        send_plot(s, (size_t)atol(rest));
    else if (strcmp(code, "input") == 0) {
        s->mood = INPUT;
        send_frame(s, EVENT_INPUT_REQUEST, 0, "{\"prompt\":\"name? \",\"password\":false}", 37);
    } else
        talk(s, code, rest);
}

static void on_request(struct session *s)
{
    static char       code[CODE_MAX];
    static size_t     length;
    struct frame_head head;
    if (fdio_read_exact(s->request_fd, &head, sizeof head) != 1 || head.length > FRAME_PAYLOAD_MAX || length + head.length >= CODE_MAX ||
        (head.length > 0 && fdio_read_exact(s->request_fd, code + length, head.length) != 1))
        _exit(9);
    length += head.length;
    if ((head.flags & FRAME_MORE) != 0)
        return;
    code[length] = '\0';
    length       = 0;
    if (head.type == REQUEST_SETUP) {
        (void)snprintf(s->setup, sizeof s->setup, "%.4000s", code);
    } else if (head.type == REQUEST_INPUT && s->mood == INPUT) {
        print(s, code, 0);
        send_done(s, "ok");
    } else if (head.type == REQUEST_EXECUTE) {
        s->execution = head.execution;
        run(s, code);
    } else {
        _exit(8);
    }
}

static void answer_control(struct session *s, uint32_t type, uint32_t member, int status)
{
    struct control_message message = {.type = type, .member = member, .status = status};
    (void)fdio_send(s->control_fd, &message, sizeof message, NULL, 0);
}

/* A process that only reads its requests; the parked copy it comes from is not looked at, but 13 is none. */
static void adopt(struct session *s, const struct control_message *message, const int *fds, size_t count)
{
    if (message->pid == 13 || count != MEMBER_FD_COUNT || message->member >= FAMILY_MAX) {
        answer_control(s, CONTROL_ADOPT_FAILED, message->member, ENOMEM);
        return;
    }
    s->members[message->member] = fork();
    if (s->members[message->member] != 0)
        return;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    *s = (struct session){.request_fd = fds[MEMBER_FD_REQUEST],
                          .event_fd   = fds[MEMBER_FD_EVENT],
                          .out_fd     = fds[MEMBER_FD_STDOUT],
                          .control_fd = s->control_fd,
                          .member     = message->member};
    for (int i = MEMBER_FD_SERVER; i < MEMBER_FD_COUNT; i++)
        close(fds[i]);
    if (message->pid != 14) /* which never becomes ready */
        say_ready(s);
    for (;;)
        on_request(s);
}

static void end_member(struct session *s, uint32_t member)
{
    if (member == 0) {
        s->mood = MUTE;
    } else if (member < FAMILY_MAX && s->members[member] > 0) {
        (void)kill(s->members[member], SIGKILL);
        (void)waitpid(s->members[member], NULL, 0);
        s->members[member] = 0;
    }
    answer_control(s, CONTROL_MEMBER_GONE, member, 0);
}

static void on_message_to(struct session *s, const struct control_message *message)
{
    if (message->type == CONTROL_EXIT)
        _exit(0);
    if (message->type == CONTROL_END_MEMBER)
        end_member(s, message->member);
    if (message->member != 0)
        return;
    if (message->type == CONTROL_FOLD)
        fold(s, message);
    else if (message->type == CONTROL_UNFOLD && s->mood != MUTE)
        unfold(s);
    else if (message->type == CONTROL_INTERRUPT && message->execution != s->execution)
        s->early = message->execution;
    else if (message->type == CONTROL_INTERRUPT && (s->mood == WAIT || s->mood == INPUT))
        send_done(s, "interrupted");
    else if (message->type == CONTROL_INTERRUPT && s->mood == SWALLOW)
        send_done(s, "ok");
    else if (message->type == CONTROL_KILL_WORKER && !s->dead && s->mood != MUTE)
        die(s, SIGKILL);
    else if (message->type == CONTROL_RESPAWN && s->mood != MUTE)
        say_ready(s);
}

static void on_control(struct session *s)
{
    struct control_message message;
    int                    fds[MEMBER_FD_COUNT];
    size_t                 count = MEMBER_FD_COUNT;
    if (fdio_receive(s->control_fd, &message, sizeof message, fds, &count) != (ssize_t)sizeof message)
        _exit(0);
    if (message.type == CONTROL_ADOPT)
        adopt(s, &message, fds, count);
    else
        on_message_to(s, &message);
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

static _Noreturn void session_main(struct session *s, char how)
{
    (void)prctl(PR_SET_PDEATHSIG, 0);
    if (how == 'D')
        _exit(5);
    if (how != 'S')
        say_ready(s);
    for (;;) {
        bool          watches  = s->is_folded && !s->is_blind;
        struct pollfd polled[] = {{.fd = s->control_fd, .events = POLLIN},
                                  {.fd = s->mood == MUTE ? -1 : s->request_fd, .events = POLLIN},
                                  {.fd = watches ? s->folded_fds[0] : -1, .events = POLLIN},
                                  {.fd = watches ? s->folded_fds[1] : -1, .events = POLLIN}};
        if (poll(polled, sizeof polled / sizeof *polled, -1) < 0)
            _exit(6);
        if (polled[0].revents != 0)
            on_control(s);
        else if (polled[2].revents != 0 || polled[3].revents != 0)
            unfold(s);
        else if (polled[1].revents != 0)
            on_request(s);
    }
}

/* ---- the zygote ---- */

struct zygote {
    int      socket_fd, command_fd, server_end;
    uint32_t serials[SESSIONS_MAX];
    pid_t    pids[SESSIONS_MAX];
    unsigned fail, die, silent, ignore_kill, without_fds;
};

static void answer(struct zygote *z, struct zygote_message *message, const int *fds, size_t count)
{
    if (fdio_send(z->socket_fd, message, sizeof *message, fds, count) < 0)
        _exit(1);
}

static void say_zygote_ready(struct zygote *z)
{
    static const char     report[] = "{\"level\":\"none\",\"layers\":{}}";
    struct zygote_message message  = {.type = ZYGOTE_READY};
    int                   fd       = memfd_create("report", MFD_CLOEXEC);
    (void)fdio_write_all(fd, report, sizeof report - 1);
    answer(z, &message, &fd, 1);
    close(fd);
}

static unsigned take(unsigned *counter)
{
    return *counter > 0 ? (*counter)-- : 0;
}

static int make_ends(int ours[SESSION_FD_COUNT], struct session *theirs)
{
    int pipes[4][2], control[2];
    for (int i = 0; i < 4; i++)
        if (pipe2(pipes[i], O_CLOEXEC) < 0)
            return -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) < 0)
        return -1;
    *theirs = (struct session){.request_fd = pipes[0][0], .event_fd = pipes[1][1], .out_fd = pipes[2][1], .control_fd = control[1]};
    ours[SESSION_FD_REQUEST] = pipes[0][1];
    ours[SESSION_FD_EVENT]   = pipes[1][0];
    ours[SESSION_FD_STDOUT]  = pipes[2][0];
    ours[SESSION_FD_STDERR]  = pipes[3][0];
    ours[SESSION_FD_CONTROL] = control[0];
    ours[SESSION_FD_LOG]     = memfd_create("log", MFD_CLOEXEC);
    (void)dup2(pipes[3][1], 250); /* the write end of stderr stays open in the session */
    close(pipes[3][1]);
    for (int i = 0; i < SESSION_FD_LOG; i++)
        (void)fcntl(ours[i], F_SETFL, O_NONBLOCK);
    return 0;
}

static pid_t fork_session(struct zygote *z, const int ours[SESSION_FD_COUNT], struct session *theirs)
{
    char  how = take(&z->die) > 0 ? 'D' : take(&z->silent) > 0 ? 'S' : 0;
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < MEMBER_FOLDED_FDS; i++)
            theirs->folded_fds[i] = fcntl(ours[SESSION_FD_EVENT + i], F_DUPFD_CLOEXEC, 251); /* EVENT, STDOUT, STDERR */
        for (int i = 0; i < SESSION_FD_COUNT; i++)
            close(ours[i]);
        close(z->socket_fd);
        close(z->command_fd);
        session_main(theirs, how);
    }
    return pid;
}

static void spawn(struct zygote *z, uint32_t serial)
{
    struct zygote_message message = {.type = ZYGOTE_SPAWNED, .session = serial};
    struct session        theirs;
    int                   ours[SESSION_FD_COUNT], slot = 0;
    if (take(&z->fail) > 0) {
        message.type  = ZYGOTE_SPAWN_FAILED;
        message.error = EAGAIN;
        (void)snprintf(message.text, sizeof message.text, "told to fail");
        answer(z, &message, NULL, 0);
        return;
    }
    while (slot < SESSIONS_MAX - 1 && z->pids[slot] != 0)
        slot++;
    if (make_ends(ours, &theirs) < 0)
        _exit(2);
    z->serials[slot] = serial;
    z->pids[slot]    = fork_session(z, ours, &theirs);
    message.pid      = z->pids[slot];
    answer(z, &message, ours, take(&z->without_fds) > 0 ? 0 : SESSION_FD_COUNT);
    for (int i = 0; i < SESSION_FD_COUNT; i++)
        close(ours[i]);
    close(theirs.request_fd);
    close(theirs.event_fd);
    close(theirs.out_fd);
    close(theirs.control_fd);
    close(250);
}

static pid_t *find(struct zygote *z, uint32_t serial)
{
    for (int i = 0; i < SESSIONS_MAX; i++)
        if (z->serials[i] == serial && z->pids[i] != 0)
            return &z->pids[i];
    return NULL;
}

static void on_message(struct zygote *z)
{
    struct zygote_message message;
    pid_t                *pid;
    if (fdio_receive(z->socket_fd, &message, sizeof message, NULL, NULL) != (ssize_t)sizeof message)
        _exit(0);
    pid = find(z, message.session);
    if (message.type == ZYGOTE_SPAWN) {
        spawn(z, message.session);
    } else if (message.type == ZYGOTE_KILL && pid != NULL) {
        if (take(&z->ignore_kill) == 0)
            (void)kill(*pid, SIGKILL);
    } else if (message.type == ZYGOTE_ADOPT) {
        for (int i = 0; i < SESSIONS_MAX; i++) {
            if (z->pids[i] == 0) {
                z->serials[i] = message.session;
                z->pids[i]    = message.pid;
                break;
            }
        }
    } else if (message.type == ZYGOTE_STATS && pid != NULL) {
        message.type = ZYGOTE_STATS_REPLY;
        message.stats =
            (struct session_stats){.memory_bytes = 4096, .memory_peak_bytes = 8192, .cpu_us = 77, .processes = 2, .oom_kills = 1};
        answer(z, &message, NULL, 0);
    }
}

static void report_exit(struct zygote *z, int slot, int status)
{
    struct zygote_message message = {.type = ZYGOTE_EXITED, .session = z->serials[slot], .status = status};
    z->pids[slot]                 = 0;
    answer(z, &message, NULL, 0);
}

/* Adopted ones are not our children: they are looked for. */
static void reap(struct zygote *z)
{
    int status;
    for (int i = 0; i < SESSIONS_MAX; i++) {
        pid_t n = z->pids[i] != 0 ? waitpid(z->pids[i], &status, WNOHANG) : 0;
        if (n > 0)
            report_exit(z, i, status);
        else if (n < 0 && kill(z->pids[i], 0) < 0)
            report_exit(z, i, 0);
    }
}

static void on_command(struct zygote *z)
{
    unsigned char         command[2];
    struct zygote_message odd = {.type = 199};
    if (fdio_read_exact(z->command_fd, command, sizeof command) != 1 || command[0] == 'Q') {
        for (int i = 0; i < SESSIONS_MAX; i++)
            if (z->pids[i] != 0)
                (void)kill(z->pids[i], SIGKILL);
        _exit(0);
    }
    switch (command[0]) {
    case 'R': say_zygote_ready(z); break;
    case 'F': z->fail = command[1]; break;
    case 'D': z->die = command[1]; break;
    case 'S': z->silent = command[1]; break;
    case 'K': z->ignore_kill = command[1]; break;
    case 'N': z->without_fds = command[1]; break;
    case 'B': (void)fdio_send(z->socket_fd, "short", 5, NULL, 0); break;
    case 'U': answer(z, &odd, NULL, 0); break;
    case 'X':
        for (int i = 0; i < SESSIONS_MAX; i++) {
            if (z->pids[i] != 0) {
                (void)kill(z->pids[i], SIGKILL);
                break;
            }
        }
        break;
    default: _exit(3);
    }
}

static _Noreturn void zygote_main(struct zygote *z, bool ready)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)signal(SIGPIPE, SIG_IGN);
    if (ready)
        say_zygote_ready(z);
    for (;;) {
        struct pollfd polled[] = {{.fd = z->socket_fd, .events = POLLIN}, {.fd = z->command_fd, .events = POLLIN}};
        (void)poll(polled, 2, 5);
        if (polled[1].revents != 0)
            on_command(z);
        else if (polled[0].revents != 0)
            on_message(z);
        reap(z);
    }
}

void fake_zygote_start(struct fake_zygote *fake, bool ready)
{
    int sockets[2], commands[2];
    (void)signal(SIGPIPE, SIG_IGN);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
    assert_int_equal(pipe2(commands, O_CLOEXEC), 0);
    (void)fflush(NULL);
    fake->pid = fork();
    assert_true(fake->pid >= 0);
    if (fake->pid == 0) {
        struct zygote z = {.socket_fd = sockets[1], .command_fd = commands[0]};
        close(sockets[0]);
        close(commands[1]);
        zygote_main(&z, ready);
    }
    close(sockets[1]);
    close(commands[0]);
    fake->socket_fd  = sockets[0];
    fake->command_fd = commands[1];
}

void fake_zygote_stop(struct fake_zygote *fake)
{
    if (fake->pid > 0) {
        /* Closing our end would not be seen if a later fake holds a copy of it. It may have ended with its socket already. */
        (void)!write(fake->command_fd, "Q", 2);
        (void)waitpid(fake->pid, NULL, 0);
    }
    fdio_close(&fake->command_fd);
    fake->pid = 0;
}

void fake_zygote_crash(struct fake_zygote *fake)
{
    (void)kill(fake->pid, SIGKILL);
    (void)waitpid(fake->pid, NULL, 0);
    fdio_close(&fake->command_fd);
    fake->pid = 0;
}

void fake_zygote_command(struct fake_zygote *fake, char command, unsigned char n)
{
    unsigned char bytes[2] = {(unsigned char)command, n};
    assert_int_equal(write(fake->command_fd, bytes, 2), 2);
}

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void turn(struct event_base *base, int ms)
{
    struct timeval limit = {.tv_usec = ms * 1000};
    (void)event_base_loopexit(base, &limit);
    (void)event_base_loop(base, EVLOOP_ONCE);
}

void fake_run_until(struct event_base *base, bool (*is_done)(void *arg), void *arg)
{
    int64_t deadline = now_ms() + 10000;
    while (!is_done(arg)) {
        if (now_ms() > deadline)
            fail_msg("ten seconds have passed in vain");
        turn(base, 20);
    }
}

void fake_run_for(struct event_base *base, int ms)
{
    int64_t deadline = now_ms() + ms;
    while (now_ms() < deadline)
        turn(base, 5);
}

struct event_base *fake_base(void)
{
    struct event_base *base = event_base_new();
    assert_non_null(base);
    assert_int_equal(event_base_priority_init(base, 3), 0);
    return base;
}
