#define _GNU_SOURCE
#include "session_reader.h"

#include <stdlib.h>
#include <string.h>

#include "session_private.h"
#include "sessions.h"
#include "wire.h"

struct session_reader {
    struct session      *session;
    struct worker       *worker; /* NULL: nothing is being asked */
    char                *text;
    struct reader_moment moment;
    reader_on_answer     on_answer;
    void                *arg;
};

struct session_reader *session_reader_new(struct session *session)
{
    struct session_reader *reader = calloc(1, sizeof *reader);
    if (reader != NULL)
        reader->session = session;
    return reader;
}

void session_reader_cancel(struct session_reader *reader)
{
    worker_release(reader->worker);
    reader->worker = NULL;
    free(reader->text);
    reader->text = NULL;
}

void session_reader_free(struct session_reader *reader)
{
    if (reader == NULL)
        return;
    session_reader_cancel(reader);
    free(reader);
}

static void answer(struct session_reader *reader, const struct frame *frame)
{
    reader_on_answer     on_answer = reader->on_answer;
    struct reader_moment moment    = reader->moment;
    void                *arg       = reader->arg;
    session_reader_cancel(reader);
    on_answer(frame, &moment, arg);
}

static void on_ready(void *arg)
{
    struct session_reader *reader = arg;
    struct err             err    = {0};
    if (worker_inspect(reader->worker, sessions_next_serial(reader->session->sessions), reader->text, strlen(reader->text), &err) < 0)
        answer(reader, NULL);
}

/* What it prints is nobody's. */
static void on_frame(const struct frame *frame, void *arg)
{
    if (frame->type == EVENT_REPLY)
        answer(arg, frame);
}

static void on_exit_of(int status, void *arg)
{
    (void)status;
    answer(arg, NULL);
}

static void on_gone(const struct worker_death *death, void *arg)
{
    struct session_reader *reader = arg;
    (void)death;
    reader->worker = NULL; /* it frees itself */
    answer(reader, NULL);
}

static const struct worker_events reader_events = {.on_ready = on_ready, .on_frame = on_frame, .on_exit = on_exit_of, .on_gone = on_gone};

bool session_reader_ask(struct session_reader *reader, const char *text, reader_on_answer on_answer, void *arg)
{
    struct session         *session = reader->session;
    struct checkpoints_info info;
    struct err              err = {0};

    if (reader->worker != NULL || session->worker == NULL)
        return false;
    session_checkpoints_info(session, &info);
    if (info.newest == NULL || (reader->text = strdup(text)) == NULL)
        return false;
    reader->worker = worker_fork(session->worker, info.newest->pid, true, &reader_events, reader, &err);
    if (reader->worker == NULL) {
        session_reader_cancel(reader);
        return false;
    }
    worker_be_guest(reader->worker);
    reader->moment    = (struct reader_moment){info.newest->execution_count, info.newest->created_ms};
    reader->on_answer = on_answer;
    reader->arg       = arg;
    return true;
}
