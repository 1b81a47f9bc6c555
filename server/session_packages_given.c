#define _GNU_SOURCE
#include <stdio.h>

#include "session_packages_inner.h"

static void reject(struct execution *execution, const struct session_packages_end *end)
{
    const json_t *failure = json_array_get(end->failures, 0);
    char          text[600];
    if (end->refused != NULL) {
        (void)snprintf(text, sizeof text, "Blocked packages: %s", json_string_value(json_array_get(end->refused, 0)));
        execution_reject(execution, "PolicyViolation", text);
        return;
    }
    (void)snprintf(text, sizeof text, "%.100s%s%.400s", session_packages_text(failure, "package"),
                   session_packages_text(failure, "package")[0] != '\0' ? ": " : "", session_packages_text(failure, "error"));
    execution_reject(execution, "PackageError", text);
}

static void on_given(const struct session_packages_end *end, void *arg)
{
    struct session        *session   = arg;
    struct execution      *execution = session->packages->given_to;
    struct execution_node *first     = TAILQ_FIRST(&session->queue);

    session->packages->is_giving = false;
    session->packages->given_to  = NULL;
    if (end->is_gone)
        return;
    if (execution != NULL && first != NULL && first->execution == execution && (end->refused != NULL || end->failures != NULL))
        reject(execution, end);
    else
        session_go_on(session);
}

bool session_packages_are_ready(struct session *session, struct execution *execution)
{
    static const struct session_packages_events events = {NULL, on_given};
    json_t                                     *wanted;
    struct err                                  err = {0};
    int                                         result;

    if (session->packages->is_giving)
        return false;
    wanted = execution_take_packages(execution);
    if (wanted == NULL)
        return true;
    result = session_packages_install(session, wanted, false, &events, session, &err);
    json_decref(wanted);
    if (result < 0) {
        execution_reject(execution, "PackageError", err.message);
        return false;
    }
    session->packages->is_giving = true;
    session->packages->given_to  = execution;
    return false;
}

void session_packages_forget_execution(struct session *session, const struct execution *execution)
{
    if (session->packages->given_to == execution)
        session->packages->given_to = NULL;
}
