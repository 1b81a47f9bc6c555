#define _GNU_SOURCE
#include <errno.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "metrics.h"
#include "session_inspect.h"
#include "session_packages_inner.h"

enum change_step { STEP_KNOW, STEP_INSTALL, STEP_TELL, STEP_END };

/* An installation or a removal on its way. */
struct packages_change {
    TAILQ_ENTRY(packages_change) entry;
    struct session                *session;
    struct session_packages_events events; /* on_end NULL: who asked has left */
    void                          *arg;
    enum change_step               step;
    struct event                   soon;
    bool                           anew, is_pending, is_removal;
    json_t                        *requirements, *refused, *failures, *installed, *logs, *imported;
    struct packages_wait          *wait;
};

/* Out of the session's list, and nobody's business any more. */
static void change_detach(struct packages_change *change)
{
    struct session_packages *packages = change->session->packages;
    TAILQ_REMOVE(&packages->changes, change, entry);
    packages->count--;
    packages_cancel(change->wait);
    if (change->step == STEP_KNOW)
        packages_forget_known(session_packages_service(change->session), change);
    if (change->step == STEP_TELL)
        session_inspect_forget(change->session, change);
    (void)evtimer_del(&change->soon);
}

static void change_free(struct packages_change *change)
{
    json_decref(change->requirements);
    json_decref(change->refused);
    json_decref(change->failures);
    json_decref(change->installed);
    json_decref(change->logs);
    json_decref(change->imported);
    free(change);
}

void session_packages_drop_changes(struct session_packages *packages)
{
    struct packages_change *change;
    while ((change = TAILQ_FIRST(&packages->changes)) != NULL) {
        change_detach(change);
        change_free(change);
    }
}

static void answer(struct packages_change *change, bool is_gone)
{
    const struct session_packages_end end = {change->refused,    change->failures, change->installed, change->logs, change->imported,
                                             change->is_pending, is_gone};
    change_detach(change); /* the callback may end the session */
    if (change->events.on_end != NULL)
        change->events.on_end(&end, change->arg);
    change_free(change);
}

static void end_soon(struct packages_change *change)
{
    static const struct timeval now = {0};
    change->step                    = STEP_END;
    (void)evtimer_add(&change->soon, &now);
}

static void fail(struct packages_change *change, const char *why)
{
    json_decref(change->failures);
    change->failures = json_pack("[{s:s, s:s}]", "package", "", "error", why);
    end_soon(change);
}

static void on_told(const struct inspect_reply *reply, void *arg)
{
    struct packages_change *change   = arg;
    struct session         *session  = change->session;
    json_t                 *imported = json_object_get(reply->json, "imported");

    change->step = STEP_END;
    if (reply->end == INSPECT_ANSWERED && json_is_true(json_object_get(reply->json, "ok")) && json_is_array(imported)) {
        session->packages->is_told = true;
        change->imported           = json_incref(imported);
    } else {
        change->is_pending = true;
    }
    answer(change, reply->end == INSPECT_GONE);
}

/* Of an idle interpreter is asked at once what it has imported already; a busy one is not waited for. */
static void tell(struct packages_change *change)
{
    struct session *session = change->session;
    json_t         *request;
    struct err      err = {0};

    if (session->packages->is_told) {
        end_soon(change);
        return;
    }
    change->is_pending = session->running != NULL || session->state != SESSION_READY;
    if (change->is_pending) {
        end_soon(change);
        return;
    }
    request = session_packages_state(session);
    (void)json_object_set_new(request, "op", json_string("packages"));
    change->step = STEP_TELL;
    if (session_inspect(session, request, false, on_told, change, &err) < 0) {
        change->is_pending = true;
        end_soon(change);
    }
}

static void audit(const struct packages_change *change, const char *outcome)
{
    char              id[ID_TEXT_BYTES];
    json_t           *details = json_pack("{s:O}", "packages", change->requirements);
    struct audit_line line    = {
           .action = "packages.layer", .key = tenant_name(change->session->owner), .outcome = outcome, .session_id = id, .details = details};
    id_format(&change->session->id, id);
    if (change->installed != NULL)
        (void)json_object_set(details, "installed", change->installed);
    audit_write(&line, NULL);
    json_decref(details);
}

static void add_labels(json_t *all, const json_t *list)
{
    const json_t *item;
    size_t        i;
    json_array_foreach(list, i, item)
    {
        (void)json_array_append_new(all, session_packages_label(item));
    }
}

static void on_result(const struct packages_result *result, void *arg)
{
    struct packages_change *change = arg;
    change->wait                   = NULL;
    change->logs                   = json_incref((json_t *)result->logs);
    if (result->layers == NULL) {
        change->failures = json_incref((json_t *)result->failures);
        if (audit_is_open())
            audit(change, "failed");
        end_soon(change);
        return;
    }
    if (!session_packages_merge(change->session, result->layers)) {
        metrics_deny(METRICS_DENIED_PACKAGES);
        fail(change, "the session would have more packages than a session may have");
        return;
    }
    add_labels(change->installed, result->layers);
    add_labels(change->installed, result->satisfied);
    if (audit_is_open())
        audit(change, "ok");
    tell(change);
}

static void on_progress(const json_t *progress, void *arg)
{
    const struct packages_change *change = arg;
    if (change->events.on_progress != NULL)
        change->events.on_progress(progress, change->arg);
}

/* Names that nobody may install here. */
static json_t *find_refused(const struct packages_change *change)
{
    const struct packages        *service = session_packages_service(change->session);
    const struct policy_packages *policy  = &packages_policies(service)->packages;
    json_t                       *refused = json_array();
    const json_t                 *item;
    struct requirement            wanted;
    size_t                        i;
    json_array_foreach(change->requirements, i, item)
    {
        if (!requirement_parse(json_string_value(item), &wanted) || packages_preinstalled(service, wanted.name) != NULL)
            continue;
        if (policy_packages_blocked(policy, wanted.name) != NULL || policy_packages_rule(policy, wanted.name) == NULL)
            (void)json_array_append_new(refused, json_string(wanted.name));
    }
    return refused;
}

/* What is not there plainly, as the installer wants it; what is goes to `installed`. */
static json_t *find_wanted(struct packages_change *change)
{
    const struct packages *service = session_packages_service(change->session);
    json_t                *wanted  = json_array();
    const json_t          *item, *own;
    struct requirement     requirement;
    size_t                 i;
    json_array_foreach(change->requirements, i, item)
    {
        if (!requirement_parse(json_string_value(item), &requirement))
            continue;
        own = packages_preinstalled(service, requirement.name);
        if (own == NULL && !change->anew)
            own = json_array_get(change->session->packages->list, session_packages_find(change->session->packages->list, requirement.name));
        if (own != NULL && requirement_is_met_plainly(&requirement, session_packages_text(own, "version")))
            (void)json_array_append_new(change->installed, session_packages_label(own));
        else
            (void)json_array_append_new(wanted, json_sprintf(requirement.extras[0] != '\0' ? "%s[%s]%s" : "%s%s%s", requirement.name,
                                                             requirement.extras, requirement.specifier));
    }
    return wanted;
}

static void install(struct packages_change *change)
{
    static const struct packages_events events  = {on_progress, on_result};
    struct packages                    *service = session_packages_service(change->session);
    json_t                             *wanted, *present;
    struct err                          err = {0};

    change->refused = find_refused(change);
    if (json_array_size(change->refused) > 0) {
        metrics_deny(METRICS_DENIED_PACKAGES);
        end_soon(change);
        return;
    }
    json_decref(change->refused);
    change->refused = NULL;
    wanted          = find_wanted(change);
    if (json_array_size(wanted) == 0) {
        end_soon(change);
    } else {
        present      = session_packages_present(change->session);
        change->step = STEP_INSTALL;
        change->wait = packages_install(service, wanted, present, change->anew, &events, change, &err);
        json_decref(present);
        if (change->wait == NULL)
            fail(change, err.message);
    }
    json_decref(wanted);
}

static void on_known(const json_t *preinstalled, void *arg)
{
    struct packages_change *change = arg;
    change->step                   = STEP_INSTALL;
    if (preinstalled == NULL)
        fail(change, "what is installed already can't be found out now");
    else
        install(change);
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
    struct packages_change *change = arg;
    (void)fd;
    (void)what;
    if (change->step == STEP_KNOW && change->is_removal)
        tell(change);
    else if (change->step == STEP_KNOW)
        packages_know(session_packages_service(change->session), on_known, change);
    else
        answer(change, false);
}

static struct packages_change *change_new(struct session *session, const json_t *requirements, const struct session_packages_events *events,
                                          void *arg, struct err *err)
{
    static const struct timeval now     = {0};
    struct packages_change     *change  = NULL;
    bool                        is_over = session->state == SESSION_ENDED;

    if (!is_over && session->packages->count < SESSION_INSTALLS_MAX)
        change = calloc(1, sizeof *change);
    if (change == NULL) {
        (void)err_set(err, is_over ? EINVAL : ENOBUFS, "%s",
                      is_over ? "the session is over" : "too many installations are under way in this session");
        return NULL;
    }
    change->session      = session;
    change->events       = *events;
    change->arg          = arg;
    change->requirements = json_deep_copy(requirements);
    change->installed    = json_array();
    (void)evtimer_assign(&change->soon, session->packages->base, on_soon, change);
    (void)evtimer_add(&change->soon, &now);
    TAILQ_INSERT_TAIL(&session->packages->changes, change, entry);
    session->packages->count++;
    return change;
}

int session_packages_install(struct session *session, const json_t *requirements, bool anew, const struct session_packages_events *events,
                             void *arg, struct err *err)
{
    struct packages_change *change;
    change = change_new(session, requirements, events, arg, err);
    if (change == NULL)
        return -1;
    change->anew = anew;
    session_touch(session);
    return 0;
}

int session_packages_uninstall(struct session *session, const json_t *names, const struct session_packages_events *events, void *arg,
                               struct err *err)
{
    struct packages_change *change = change_new(session, names, events, arg, err);
    json_t                 *list, *name;
    size_t                  i;
    if (change == NULL)
        return -1;
    change->is_removal = true;
    list               = json_copy(session->packages->list);
    json_array_foreach((json_t *)names, i, name)
    {
        size_t at = session_packages_find(list, json_string_value(name));
        if (at == SIZE_MAX)
            continue;
        (void)json_array_append_new(change->installed, session_packages_label(json_array_get(list, at)));
        (void)json_array_remove(list, at);
    }
    if (json_array_size(change->installed) > 0)
        session_packages_set(session->packages, list);
    else
        json_decref(list);
    session_touch(session);
    return 0;
}

void session_packages_forget(struct session *session, const void *arg)
{
    struct packages_change *change;
    TAILQ_FOREACH(change, &session->packages->changes, entry)
    {
        if (change->arg == arg) /* cppcheck-suppress uninitvar ; TAILQ_FOREACH sets it */
            change->events = (struct session_packages_events){0};
    }
}

void session_packages_end_all(struct session *session)
{
    struct packages_change *change;
    while ((change = TAILQ_FIRST(&session->packages->changes)) != NULL)
        answer(change, true);
}
