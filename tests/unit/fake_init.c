#define _GNU_SOURCE
#include "fake_init.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_script.h"
#include "fdio.h"

/* As the real one does: sent whenever it is asked for, watched no more. */
static void unfold(struct fake_session *s)
{
    struct control_message message = {.type = CONTROL_UNFOLDED};
    size_t                 count   = s->losing > 0 ? 1 : MEMBER_FOLDED_FDS;
    s->losing -= s->losing > 0;
    s->is_folded = false;
    (void)fdio_send(s->control_fd, &message, sizeof message, s->folded_fds, count);
}

static void fold(struct fake_session *s, const struct control_message *message)
{
    s->is_folded = true;
    s->is_blind  = message->status == FOLD_BLIND;
    if (s->folded_text[0] == '\0')
        return;
    (void)fdio_write_all(s->out_fd, s->folded_text, strlen(s->folded_text));
    fake_session_print_after_raw(s, s->folded_text, strlen(s->folded_text));
    s->folded_text[0] = '\0';
}

static void answer_control(struct fake_session *s, uint32_t type, uint32_t member, int status)
{
    struct control_message message = {.type = type, .member = member, .status = status};
    (void)fdio_send(s->control_fd, &message, sizeof message, NULL, 0);
}

/* A process that only reads its requests; the parked copy it comes from is not looked at, but 13 is none. */
static void adopt(struct fake_session *s, const struct control_message *message, const int *fds, size_t count)
{
    if (message->pid == 13 || count != MEMBER_FD_COUNT || message->member >= FAMILY_MAX) {
        answer_control(s, CONTROL_ADOPT_FAILED, message->member, ENOMEM);
        return;
    }
    s->members[message->member] = fork();
    if (s->members[message->member] != 0)
        return;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    *s = (struct fake_session){.request_fd = fds[MEMBER_FD_REQUEST],
                               .event_fd   = fds[MEMBER_FD_EVENT],
                               .out_fd     = fds[MEMBER_FD_STDOUT],
                               .control_fd = s->control_fd,
                               .member     = message->member};
    for (int i = MEMBER_FD_SERVER; i < MEMBER_FD_COUNT; i++)
        close(fds[i]);
    if (message->pid != 14) /* which never becomes ready */
        fake_session_ready(s);
    for (;;)
        fake_script_on_request(s);
}

static void end_member(struct fake_session *s, uint32_t member)
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

static void on_message_to(struct fake_session *s, const struct control_message *message)
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
        fake_session_done(s, "interrupted");
    else if (message->type == CONTROL_INTERRUPT && s->mood == SWALLOW)
        fake_session_done(s, "ok");
    else if (message->type == CONTROL_KILL_WORKER && !s->dead && s->mood != MUTE)
        fake_session_die(s, SIGKILL);
    else if (message->type == CONTROL_RESPAWN && s->mood != MUTE)
        fake_session_ready(s);
}

static void on_control(struct fake_session *s)
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

_Noreturn void fake_init_main(struct fake_session *s, char how)
{
    (void)prctl(PR_SET_PDEATHSIG, 0);
    if (how == 'D')
        _exit(5);
    if (how != 'S')
        fake_session_ready(s);
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
            fake_script_on_request(s);
    }
}
