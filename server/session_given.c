#define _GNU_SOURCE
#include "session_given.h"

#include <errno.h>

#include "file_error.h"
#include "files_given.h"
#include "session_private.h"
#include "sessions.h"

static struct execution *first_of(const struct session *session)
{
    struct execution_node *first = TAILQ_FIRST(&session->queue);
    return first != NULL ? first->execution : NULL;
}

static void reject(struct session *session, struct execution *execution, int error, const char *path)
{
    struct file_error described;
    file_error_describe(error, path, sessions_settings(session->sessions)->policies, &described);
    execution_reject(execution, described.code, described.message);
}

/* The files are the session's while they are written: the execution may be cancelled meanwhile. */
static void on_written(int error, const char *path, void *arg)
{
    struct session     *session   = arg;
    struct files_given *given     = session->given;
    struct execution   *execution = session->given_to;

    session->writing  = NULL;
    session->given    = NULL;
    session->given_to = NULL;
    if (execution == NULL || execution != first_of(session)) {
        files_given_free(given);
    } else if (error == ESHUTDOWN && session->state != SESSION_ENDED) {
        execution_give_files(execution, given); /* the next jail needs them too */
        return;
    } else if (error != 0) {
        reject(session, execution, error, path); /* while its path lives */
        files_given_free(given);
        return;
    } else {
        files_given_free(given);
    }
    session_go_on(session);
}

bool session_given_is_ready(struct session *session, struct execution *execution)
{
    struct err err = {0};

    if (session->writing != NULL)
        return false;
    session->given = execution_take_files(execution);
    if (session->given == NULL)
        return true;
    session->given_to = execution;
    session->writing =
        files_given_write(session->given, session, sessions_settings(session->sessions)->policies, on_written, session, &err);
    if (session->writing == NULL) {
        files_given_free(session->given);
        session->given    = NULL;
        session->given_to = NULL;
        execution_reject(execution, "FILES_NOT_WRITTEN", err.message);
    }
    return false;
}

void session_given_cancel(struct session *session)
{
    files_writing_cancel(session->writing);
    files_given_free(session->given);
    session->writing = NULL;
    session->given   = NULL;
}
