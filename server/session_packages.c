#define _GNU_SOURCE
#include "session_packages.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "metrics.h"
#include "session_inspect.h"
#include "session_keep.h"
#include "session_private.h"
#include "sessions.h"

enum operation_step { STEP_KNOW, STEP_INSTALL, STEP_TELL, STEP_END };

/* An installation or a removal on its way. */
struct operation {
    TAILQ_ENTRY(operation) entry;
    struct session                *session;
    struct session_packages_events events; /* on_end NULL: who asked has left */
    void                          *arg;
    enum operation_step            step;
    struct event                   soon;
    bool                           anew, is_pending, is_removal;
    json_t                        *requirements, *refused, *failures, *installed, *logs, *imported;
    struct packages_wait          *wait;
};

struct session_packages {
    struct session    *session;
    struct event_base *base;
    json_t            *list; /* of layers */
    bool               is_told, had_any;
    TAILQ_HEAD(, operation) operations;
    size_t            count;
    struct execution *given_to; /* whose packages are being installed; NULL when it is gone */
    bool              is_giving;
};

static struct packages *service_of(const struct session *session)
{
    return sessions_settings(session->sessions)->packages;
}

struct session_packages *session_packages_new(struct session *session, struct event_base *base)
{
    struct session_packages *packages = calloc(1, sizeof *packages);
    if (packages == NULL || (packages->list = json_array()) == NULL) {
        free(packages);
        return NULL;
    }
    packages->session = session;
    packages->base    = base;
    packages->is_told = true;
    TAILQ_INIT(&packages->operations);
    return packages;
}

/* Out of the session's list, and nobody's business any more. */
static void operation_detach(struct operation *operation)
{
    struct session_packages *packages = operation->session->packages;
    TAILQ_REMOVE(&packages->operations, operation, entry);
    packages->count--;
    packages_cancel(operation->wait);
    if (operation->step == STEP_KNOW)
        packages_forget_known(service_of(operation->session), operation);
    if (operation->step == STEP_TELL)
        session_inspect_forget(operation->session, operation);
    (void)evtimer_del(&operation->soon);
}

static void operation_free(struct operation *operation)
{
    json_decref(operation->requirements);
    json_decref(operation->refused);
    json_decref(operation->failures);
    json_decref(operation->installed);
    json_decref(operation->logs);
    json_decref(operation->imported);
    free(operation);
}

void session_packages_free(struct session_packages *packages)
{
    struct operation *operation;
    if (packages == NULL)
        return;
    while ((operation = TAILQ_FIRST(&packages->operations)) != NULL) {
        operation_detach(operation);
        operation_free(operation);
    }
    json_decref(packages->list);
    free(packages);
}

/* ---- the list ---- */

static const char *text_of(const json_t *object, const char *member)
{
    return json_string_value(json_object_get(object, member));
}

static size_t find(const json_t *list, const char *name)
{
    const json_t *layer;
    size_t        i;
    json_array_foreach(list, i, layer)
    {
        if (strcmp(text_of(layer, "name"), name) == 0)
            return i;
    }
    return SIZE_MAX;
}

const json_t *session_packages_list(const struct session *session)
{
    return session->packages->list;
}

static json_t *label(const json_t *layer)
{
    return json_sprintf("%s==%s", text_of(layer, "name"), text_of(layer, "version"));
}

json_t *session_packages_names(const struct session *session)
{
    json_t       *names = json_array();
    const json_t *layer;
    size_t        i;
    json_array_foreach(session->packages->list, i, layer)(void) json_array_append_new(names, label(layer));
    return names;
}

static json_t *present_of(const struct session *session)
{
    json_t       *present = json_object();
    const json_t *layer;
    size_t        i;
    json_array_foreach(session->packages->list, i, layer)(void)
        json_object_set(present, text_of(layer, "name"), json_object_get(layer, "version"));
    return present;
}

/* Its own list from then on: what it held is shared by sessions. */
static void set_list(struct session_packages *packages, json_t *owned)
{
    json_decref(packages->list);
    packages->list    = owned;
    packages->is_told = false;
    packages->had_any = true;
    session_keep_values(packages->session);
}

/* Returns false when the session would have too many. */
static bool merge(struct session *session, const json_t *layers)
{
    json_t *list    = json_copy(session->packages->list), *layer;
    bool    changed = false;
    size_t  i;
    json_array_foreach((json_t *)layers, i, layer)
    {
        size_t at = find(list, text_of(layer, "name"));
        if (at != SIZE_MAX && strcmp(text_of(json_array_get(list, at), "layer"), text_of(layer, "layer")) == 0)
            continue;
        changed = true;
        if (at != SIZE_MAX)
            (void)json_array_set(list, at, layer);
        else
            (void)json_array_append(list, layer);
    }
    if (json_array_size(list) > packages_policies(service_of(session))->packages.per_session) {
        json_decref(list);
        return false;
    }
    if (changed)
        set_list(session->packages, list);
    else
        json_decref(list);
    return true;
}

void session_packages_copy(struct session *session, const struct session *from)
{
    if (json_array_size(from->packages->list) > 0)
        set_list(session->packages, json_copy(from->packages->list));
}

void session_packages_restore(struct session *session, json_t *list)
{
    if (json_array_size(list) > 0)
        set_list(session->packages, json_incref(list));
}

/* {"layers": [...], "imports": [...]}, as packages.py wants it. */
static json_t *state_of(const struct session *session)
{
    json_t *layers = json_array(), *imports = json_array(), *layer;
    size_t  i;
    json_array_foreach(session->packages->list, i, layer)
    {
        (void)json_array_append(layers, json_object_get(layer, "layer"));
        (void)json_array_extend(imports, json_object_get(layer, "topLevel"));
    }
    return json_pack("{s:o, s:o}", "layers", layers, "imports", imports);
}

void session_packages_on_fresh(struct session *session)
{
    session->packages->is_told = !session->packages->had_any;
}

json_t *session_packages_options(struct session *session)
{
    if (session->packages->is_told)
        return NULL;
    session->packages->is_told = true;
    return state_of(session);
}

bool session_packages_are_used(const struct session *session)
{
    return session->packages->count > 0;
}

/* ---- operations ---- */

static void answer(struct operation *operation, bool is_gone)
{
    const struct session_packages_end end = {operation->refused,
                                             operation->failures,
                                             operation->installed,
                                             operation->logs,
                                             operation->imported,
                                             operation->is_pending,
                                             is_gone};
    operation_detach(operation); /* the callback may end the session */
    if (operation->events.on_end != NULL)
        operation->events.on_end(&end, operation->arg);
    operation_free(operation);
}

static void end_soon(struct operation *operation)
{
    static const struct timeval now = {0};
    operation->step                 = STEP_END;
    (void)evtimer_add(&operation->soon, &now);
}

static void fail(struct operation *operation, const char *why)
{
    json_decref(operation->failures);
    operation->failures = json_pack("[{s:s, s:s}]", "package", "", "error", why);
    end_soon(operation);
}

static void on_told(const struct inspect_reply *reply, void *arg)
{
    struct operation *operation = arg;
    struct session   *session   = operation->session;
    json_t           *imported  = json_object_get(reply->json, "imported");

    operation->step = STEP_END;
    if (reply->end == INSPECT_ANSWERED && json_is_true(json_object_get(reply->json, "ok")) && json_is_array(imported)) {
        session->packages->is_told = true;
        operation->imported        = json_incref(imported);
    } else {
        operation->is_pending = true;
    }
    answer(operation, reply->end == INSPECT_GONE);
}

/* Of an idle interpreter is asked at once what it has imported already; a busy one is not waited for. */
static void tell(struct operation *operation)
{
    struct session *session = operation->session;
    json_t         *request;
    struct err      err = {0};

    if (session->packages->is_told) {
        end_soon(operation);
        return;
    }
    operation->is_pending = session->running != NULL || session->state != SESSION_READY;
    if (operation->is_pending) {
        end_soon(operation);
        return;
    }
    request = state_of(session);
    (void)json_object_set_new(request, "op", json_string("packages"));
    operation->step = STEP_TELL;
    if (session_inspect(session, request, false, on_told, operation, &err) < 0) {
        operation->is_pending = true;
        end_soon(operation);
    }
}

static void audit(const struct operation *operation, const char *outcome)
{
    char              id[ID_TEXT_BYTES];
    json_t           *details = json_pack("{s:O}", "packages", operation->requirements);
    struct audit_line line    = {.action     = "packages.layer",
                                 .key        = tenant_name(operation->session->owner),
                                 .outcome    = outcome,
                                 .session_id = id,
                                 .details    = details};
    id_format(&operation->session->id, id);
    if (operation->installed != NULL)
        (void)json_object_set(details, "installed", operation->installed);
    audit_write(&line, NULL);
    json_decref(details);
}

static void add_labels(json_t *all, const json_t *list)
{
    const json_t *item;
    size_t        i;
    json_array_foreach(list, i, item)
    {
        (void)json_array_append_new(all, label(item));
    }
}

static void on_result(const struct packages_result *result, void *arg)
{
    struct operation *operation = arg;
    operation->wait             = NULL;
    operation->logs             = json_incref((json_t *)result->logs);
    if (result->layers == NULL) {
        operation->failures = json_incref((json_t *)result->failures);
        if (audit_is_open())
            audit(operation, "failed");
        end_soon(operation);
        return;
    }
    if (!merge(operation->session, result->layers)) {
        metrics_deny(METRICS_DENIED_PACKAGES);
        fail(operation, "the session would have more packages than a session may have");
        return;
    }
    add_labels(operation->installed, result->layers);
    add_labels(operation->installed, result->satisfied);
    if (audit_is_open())
        audit(operation, "ok");
    tell(operation);
}

static void on_progress(const json_t *progress, void *arg)
{
    const struct operation *operation = arg;
    if (operation->events.on_progress != NULL)
        operation->events.on_progress(progress, operation->arg);
}

/* Names that nobody may install here. */
static json_t *find_refused(const struct operation *operation)
{
    const struct packages        *service = service_of(operation->session);
    const struct policy_packages *policy  = &packages_policies(service)->packages;
    json_t                       *refused = json_array();
    const json_t                 *item;
    struct requirement            wanted;
    size_t                        i;
    json_array_foreach(operation->requirements, i, item)
    {
        if (!requirement_parse(json_string_value(item), &wanted) || packages_preinstalled(service, wanted.name) != NULL)
            continue;
        if (policy_packages_blocked(policy, wanted.name) != NULL || policy_packages_rule(policy, wanted.name) == NULL)
            (void)json_array_append_new(refused, json_string(wanted.name));
    }
    return refused;
}

/* What is not there plainly, as the installer wants it; what is goes to `installed`. */
static json_t *find_wanted(struct operation *operation)
{
    const struct packages *service = service_of(operation->session);
    json_t                *wanted  = json_array();
    const json_t          *item, *own;
    struct requirement     requirement;
    size_t                 i;
    json_array_foreach(operation->requirements, i, item)
    {
        if (!requirement_parse(json_string_value(item), &requirement))
            continue;
        own = packages_preinstalled(service, requirement.name);
        if (own == NULL && !operation->anew)
            own = json_array_get(operation->session->packages->list, find(operation->session->packages->list, requirement.name));
        if (own != NULL && requirement_is_met_plainly(&requirement, text_of(own, "version")))
            (void)json_array_append_new(operation->installed, label(own));
        else
            (void)json_array_append_new(wanted, json_sprintf(requirement.extras[0] != '\0' ? "%s[%s]%s" : "%s%s%s", requirement.name,
                                                             requirement.extras, requirement.specifier));
    }
    return wanted;
}

static void install(struct operation *operation)
{
    static const struct packages_events events  = {on_progress, on_result};
    struct packages                    *service = service_of(operation->session);
    json_t                             *wanted, *present;
    struct err                          err = {0};

    operation->refused = find_refused(operation);
    if (json_array_size(operation->refused) > 0) {
        metrics_deny(METRICS_DENIED_PACKAGES);
        end_soon(operation);
        return;
    }
    json_decref(operation->refused);
    operation->refused = NULL;
    wanted             = find_wanted(operation);
    if (json_array_size(wanted) == 0) {
        end_soon(operation);
    } else {
        present         = present_of(operation->session);
        operation->step = STEP_INSTALL;
        operation->wait = packages_install(service, wanted, present, operation->anew, &events, operation, &err);
        json_decref(present);
        if (operation->wait == NULL)
            fail(operation, err.message);
    }
    json_decref(wanted);
}

static void on_known(const json_t *preinstalled, void *arg)
{
    struct operation *operation = arg;
    operation->step             = STEP_INSTALL;
    if (preinstalled == NULL)
        fail(operation, "what is installed already can't be found out now");
    else
        install(operation);
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
    struct operation *operation = arg;
    (void)fd;
    (void)what;
    if (operation->step == STEP_KNOW && operation->is_removal)
        tell(operation);
    else if (operation->step == STEP_KNOW)
        packages_know(service_of(operation->session), on_known, operation);
    else
        answer(operation, false);
}

static struct operation *operation_new(struct session *session, const json_t *requirements, const struct session_packages_events *events,
                                       void *arg, struct err *err)
{
    static const struct timeval now       = {0};
    struct operation           *operation = NULL;
    bool                        is_over   = session->state == SESSION_ENDED;

    if (!is_over && session->packages->count < SESSION_INSTALLS_MAX)
        operation = calloc(1, sizeof *operation);
    if (operation == NULL) {
        (void)err_set(err, is_over ? EINVAL : ENOBUFS, "%s",
                      is_over ? "the session is over" : "too many installations are under way in this session");
        return NULL;
    }
    operation->session      = session;
    operation->events       = *events;
    operation->arg          = arg;
    operation->requirements = json_deep_copy(requirements);
    operation->installed    = json_array();
    (void)evtimer_assign(&operation->soon, session->packages->base, on_soon, operation);
    (void)evtimer_add(&operation->soon, &now);
    TAILQ_INSERT_TAIL(&session->packages->operations, operation, entry);
    session->packages->count++;
    return operation;
}

int session_packages_install(struct session *session, const json_t *requirements, bool anew, const struct session_packages_events *events,
                             void *arg, struct err *err)
{
    struct operation *operation;
    operation = operation_new(session, requirements, events, arg, err);
    if (operation == NULL)
        return -1;
    operation->anew = anew;
    session_touch(session);
    return 0;
}

int session_packages_uninstall(struct session *session, const json_t *names, const struct session_packages_events *events, void *arg,
                               struct err *err)
{
    struct operation *operation = operation_new(session, names, events, arg, err);
    json_t           *list, *name;
    size_t            i;
    if (operation == NULL)
        return -1;
    operation->is_removal = true;
    list                  = json_copy(session->packages->list);
    json_array_foreach((json_t *)names, i, name)
    {
        size_t at = find(list, json_string_value(name));
        if (at == SIZE_MAX)
            continue;
        (void)json_array_append_new(operation->installed, label(json_array_get(list, at)));
        (void)json_array_remove(list, at);
    }
    if (json_array_size(operation->installed) > 0)
        set_list(session->packages, list);
    else
        json_decref(list);
    session_touch(session);
    return 0;
}

void session_packages_forget(struct session *session, const void *arg)
{
    struct operation *operation;
    TAILQ_FOREACH(operation, &session->packages->operations, entry)
    {
        if (operation->arg == arg) /* cppcheck-suppress uninitvar ; TAILQ_FOREACH sets it */
            operation->events = (struct session_packages_events){0};
    }
}

void session_packages_end_all(struct session *session)
{
    struct operation *operation;
    while ((operation = TAILQ_FIRST(&session->packages->operations)) != NULL)
        answer(operation, true);
}

json_t *session_packages_read(struct json_check *check, const json_t *object)
{
    json_t            *list = NULL, *item;
    struct requirement ignored;
    size_t             i;
    if (!json_field_array(check, object, "packages", PACKAGES_PER_REQUEST, &list) || json_array_size(list) == 0)
        return NULL;
    json_array_foreach(list, i, item)
    {
        const char *text = json_string_value(item);
        if (text == NULL || strlen(text) != json_string_length(item) || !requirement_parse(text, &ignored)) {
            json_check_fail(check, "packages", "must have package names, perhaps with version specifiers, which '%.60s' is not",
                            text != NULL ? text : "(no string)");
            return NULL;
        }
    }
    return list;
}

/* ---- with an execution ---- */

static void reject(struct execution *execution, const struct session_packages_end *end)
{
    const json_t *failure = json_array_get(end->failures, 0);
    char          text[600];
    if (end->refused != NULL) {
        (void)snprintf(text, sizeof text, "Blocked packages: %s", json_string_value(json_array_get(end->refused, 0)));
        execution_reject(execution, "PolicyViolation", text);
        return;
    }
    (void)snprintf(text, sizeof text, "%.100s%s%.400s", text_of(failure, "package"), text_of(failure, "package")[0] != '\0' ? ": " : "",
                   text_of(failure, "error"));
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
