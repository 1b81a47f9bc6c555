#define _GNU_SOURCE
#include "fake_script.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fdio.h"

enum { CODE_MAX = 2 * 1024 * 1024 };

static void hostile(struct fake_session *s, const char *what)
{
    static const char done[] = "{\"status\":\"ok\"}";
    char              junk[4096];
    if (strcmp(what, "junk") == 0) {
        memset(junk, 0xA5, sizeof junk);
        (void)fdio_write_all(s->event_fd, junk, sizeof junk);
    } else if (strcmp(what, "giant") == 0) {
        fake_session_send_head(s, EVENT_STDOUT, 0, UINT32_MAX, s->execution);
    } else if (strcmp(what, "unknown") == 0) {
        fake_session_send(s, 200, 0, "x", 1);
    } else if (strcmp(what, "flags") == 0) {
        fake_session_send(s, EVENT_STDOUT, 0x80, "x", 1);
    } else if (strcmp(what, "early") == 0) {
        fake_session_send(s, EVENT_READY, 0, "{}", 2);
    } else if (strcmp(what, "twice") == 0) {
        fake_session_done_and(s, EVENT_DONE, done, sizeof done - 1);
    } else if (strcmp(what, "other") == 0) {
        s->execution += 1000;
        fake_session_send(s, EVENT_DONE, 0, done, sizeof done - 1);
    } else if (strcmp(what, "badjson") == 0) {
        fake_session_send(s, EVENT_DONE, 0, "{\"status\":", 10);
    } else {
        fake_session_done(s, "error");
    }
}

static void print_line(struct fake_session *s, const char *text)
{
    size_t length = strlen(text);
    char  *line   = malloc(length + 1);
    memcpy(line, text, length);
    line[length] = '\n';
    fake_session_send_long(s, EVENT_STDOUT, line, length + 1);
    free(line);
    fake_session_done(s, "ok");
}

static void send_plot(struct fake_session *s, size_t bytes)
{
    char *text = malloc(bytes + 256);
    int   n    = sprintf(text, "{\"id\":\"p\",\"format\":\"png\",\"metadata\":{\"width\":1.5},\"data\":\"");
    memset(text + n, 'A', bytes);
    (void)memcpy(text + (size_t)n + bytes, "\"}", 2);
    fake_session_send_long(s, EVENT_PLOT, text, (size_t)n + bytes + 2);
    free(text);
    fake_session_done(s, "ok");
}

static void talk(struct fake_session *s, const char *word, const char *rest)
{
    char text[1000];
    if (strcmp(word, "print") == 0) {
        print_line(s, rest);
    } else if (strcmp(word, "raw") == 0) {
        (void)fdio_write_all(s->out_fd, rest, strlen(rest));
        fake_session_print_after_raw(s, "after", strlen(rest));
        fake_session_done(s, "ok");
    } else if (strcmp(word, "late") == 0) {
        fake_session_done_and(s, EVENT_STDOUT, rest, strlen(rest));
    } else if (strcmp(word, "lose") == 0) {
        s->losing = strtol(rest, NULL, 10);
        fake_session_done(s, "ok");
    } else if (strcmp(word, "folded") == 0) {
        (void)snprintf(s->folded_text, sizeof s->folded_text, "%.90s", rest);
        fake_session_done(s, "ok");
    } else if (strcmp(word, "unparkable") == 0) {
        (void)snprintf(s->unparkable, sizeof s->unparkable, "%s", rest);
        fake_session_done(s, "ok");
    } else if (strcmp(word, "setup") == 0) {
        fake_session_print(s, s->setup, 0);
        fake_session_done(s, "ok");
    } else if (strcmp(word, "shed") == 0) {
        (void)snprintf(text, sizeof text, "%d", s->shed);
        fake_session_print(s, text, 0);
        fake_session_done(s, "ok");
    } else if (strcmp(word, "value") == 0) {
        fake_session_send(s, EVENT_VARIABLE, 0, rest, strlen(rest));
        fake_session_done(s, "ok");
    } else if (strcmp(word, "flood") == 0) {
        memset(text, 'f', 1000);
        for (long n = strtol(rest, NULL, 10); n > 0; n--)
            fake_session_send(s, EVENT_STDOUT, 0, text, 1000);
        fake_session_done(s, "ok");
    } else {
        hostile(s, word);
    }
}

static bool set_mood(struct fake_session *s, const char *word)
{
    static const struct {
        const char    *word;
        enum fake_mood mood;
    } moods[] = {{"wait", WAIT}, {"swallow", SWALLOW}, {"stubborn", STUBBORN}, {"mute", MUTE}};
    for (size_t i = 0; i < sizeof moods / sizeof *moods; i++) {
        if (strcmp(word, moods[i].word) == 0) {
            s->mood = moods[i].mood;
            return true;
        }
    }
    return false;
}

static void half_a_frame(struct fake_session *s)
{
    fake_session_send_head(s, EVENT_STDOUT, 0, 100, s->execution);
    (void)fdio_write_all(s->event_fd, "half", 4);
    fake_session_die(s, SIGSEGV);
}

static void run(struct fake_session *s, char *code)
{
    char *rest = strchr(code, ' ');
    if (rest != NULL)
        *rest++ = '\0';
    else
        rest = code + strlen(code);
    if (set_mood(s, code)) {
        if (s->early == s->execution && s->mood != STUBBORN && s->mood != MUTE)
            fake_session_done(s, s->mood == WAIT ? "interrupted" : "ok");
        return;
    }
    if (strcmp(code, "ok") == 0 || strcmp(code, "error") == 0)
        fake_session_done(s, code);
    else if (strcmp(code, "exit") == 0)
        fake_session_die(s, atoi(rest) << 8);
    else if (strcmp(code, "signal") == 0 || strcmp(code, "slowdeath") == 0)
        fake_session_die(s, code[1] == 'l' ? SIGKILL : atoi(rest));
    else if (strcmp(code, "gone") == 0)
        _exit(7);
    else if (strcmp(code, "half") == 0)
        half_a_frame(s);
    else if (strcmp(code, "plot") == 0)
        send_plot(s, (size_t)atol(rest));
    else if (strcmp(code, "input") == 0) {
        s->mood = INPUT;
        fake_session_send(s, EVENT_INPUT_REQUEST, 0, "{\"prompt\":\"name? \",\"password\":false}", 37);
    } else
        talk(s, code, rest);
}

/* As if there were a copy, with a pid that none had before. */
static void park(struct fake_session *s)
{
    char text[1000];
    int  n = s->unparkable[0] == '\0'
                 ? snprintf(text, sizeof text, "{\"pid\":%d,\"executionCount\":1,\"channel\":false,\"cpu\":1000}", 100 + ++s->parked)
                 : snprintf(text, sizeof text, "{\"pid\":0,\"reason\":\"%s\"}", s->unparkable);
    fake_session_send(s, EVENT_PARKED, 0, text, (size_t)n);
}

void fake_script_on_request(struct fake_session *s)
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
        fake_session_print(s, code, 0);
        fake_session_done(s, "ok");
    } else if (head.type == REQUEST_PARK) {
        park(s);
    } else if (head.type == REQUEST_SHED) {
        s->shed++;
    } else if (head.type == REQUEST_EXECUTE) {
        s->execution = head.execution;
        run(s, code);
    } else {
        _exit(8);
    }
}
