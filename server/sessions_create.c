/* sessions_create.c: how a session is made: at once from the pool, or when a jail made for it is ready. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sessions_private.h"
#include "table.h"

void sessions_free_birth(struct birth *birth)
{
    TAILQ_REMOVE(&birth->sessions->births, birth, entry);
    birth->sessions->birth_count--;
    tenant_count_session(birth->request.owner, -1);
    while (!TAILQ_EMPTY(&birth->askers)) {
        struct asker *asker = TAILQ_FIRST(&birth->askers);
        TAILQ_REMOVE(&birth->askers, asker, entry);
        free(asker);
    }
    json_decref(birth->request.metadata);
    json_decref(birth->request.variables);
    json_decref(birth->request.environment);
    free(birth);
}

static void record_start(const struct session *session, const struct session_request *request)
{
    struct session_info info;
    struct audit_line   line = {.action = "session.start", .key = tenant_name(request->owner), .outcome = "ok"};
    if (!audit_is_open())
        return;
    session_get_info(session, &info);
    line.session_id = info.id_text;
    line.details    = json_pack("{s:s}", "profile", info.profile);
    audit_write(&line, &request->origin);
    json_decref(line.details);
}

static struct session *make(struct sessions *sessions, const struct session_request *request, struct worker *worker, struct err *err)
{
    struct session *session = session_new(sessions, request, worker, err);
    if (session == NULL)
        return NULL;
    if (table_put(sessions->by_id, session_id(session), session) < 0) {
        session_free(session);
        (void)err_set(err, ENOMEM, "no memory for a session");
        return NULL;
    }
    sessions->totals.sessions++;
    sessions->parts += request->is_part;
    tenant_count_session(request->owner, 1);
    record_start(session, request);
    return session;
}

static void on_worker(struct worker *worker, const char *reason, void *arg)
{
    struct birth    *birth    = arg;
    struct sessions *sessions = birth->sessions;
    struct err       err      = {0};
    struct session  *session  = worker != NULL ? make(sessions, &birth->request, worker, &err) : NULL;

    while (!TAILQ_EMPTY(&birth->askers)) {
        struct asker *first = TAILQ_FIRST(&birth->askers), asker = *first;
        TAILQ_REMOVE(&birth->askers, first, entry);
        free(first);
        asker.on_session(session, session != NULL ? NULL : worker != NULL ? err.message : reason, asker.arg);
    }
    sessions_free_birth(birth);
}

static int add_asker(struct birth *birth, sessions_on_session on_session, void *arg, struct err *err)
{
    struct asker *asker = malloc(sizeof *asker);
    if (asker == NULL)
        return err_set(err, ENOMEM, "no memory to wait for a session");
    asker->on_session = on_session;
    asker->arg        = arg;
    TAILQ_INSERT_TAIL(&birth->askers, asker, entry);
    return 0;
}

static bool has_limits(const struct session_request *request)
{
    static const struct worker_limits none = {0};
    return memcmp(&request->limits, &none, sizeof none) != 0;
}

static int begin_birth(struct sessions *sessions, const struct session_request *request, sessions_on_session on_session, void *arg,
                       struct err *err)
{
    struct birth *birth = calloc(1, sizeof *birth);
    if (birth == NULL)
        return err_set(err, ENOMEM, "no memory for a session");
    birth->sessions = sessions;
    birth->request  = *request;
    (void)json_incref(request->metadata);
    (void)json_incref(request->variables);
    (void)json_incref(request->environment);
    TAILQ_INIT(&birth->askers);
    TAILQ_INSERT_TAIL(&sessions->births, birth, entry);
    sessions->birth_count++;
    tenant_count_session(request->owner, 1);
    if (add_asker(birth, on_session, arg, err) < 0 ||
        (birth->claim = pool_wait(sessions->pool, has_limits(request) ? &request->limits : NULL, on_worker, birth, err)) == NULL) {
        sessions_free_birth(birth);
        return -1;
    }
    return 0;
}

static struct birth *find_birth(const struct sessions *sessions, const struct id *id)
{
    struct birth *birth;
    for (birth = TAILQ_FIRST(&sessions->births); birth != NULL; birth = TAILQ_NEXT(birth, entry)) {
        if (birth->request.has_id && memcmp(&birth->request.id, id, sizeof *id) == 0)
            return birth;
    }
    return NULL;
}

int sessions_check_room(const struct sessions *sessions, const struct tenant *owner, size_t count, struct err *err)
{
    if (sessions->closed)
        return err_set(err, ESHUTDOWN, "this instance is being drained and takes no new sessions");
    if (tenant_check_sessions(owner, count, err) < 0)
        return -1;
    if (sessions_count(sessions) + sessions->birth_count + count > sessions->settings.max_sessions)
        return err_set(err, EAGAIN, "there are %zu sessions already, and %u is the limit", sessions_count(sessions) + sessions->birth_count,
                       sessions->settings.max_sessions);
    return 0;
}

struct session *sessions_add_fork(struct sessions *sessions, const struct session *parent, const struct session_request *request,
                                  struct worker *worker, const struct fork_moment *moment, struct err *err)
{
    struct session *session;
    if (sessions_check_room(sessions, request->owner, 1, err) < 0) {
        worker_release(worker);
        return NULL;
    }
    session = make(sessions, request, worker, err);
    if (session != NULL)
        session_inherit(session, parent, moment);
    return session;
}

int sessions_create(struct sessions *sessions, const struct session_request *request, sessions_on_session on_session, void *arg,
                    struct err *err)
{
    struct birth   *birth = request->has_id ? find_birth(sessions, &request->id) : NULL;
    struct worker  *worker;
    struct session *session;

    if (birth != NULL && birth->request.owner == request->owner)
        return add_asker(birth, on_session, arg, err);
    if (birth != NULL || (request->has_id && sessions_find(sessions, &request->id) != NULL))
        return err_set(err, EEXIST, "there is a session with this id");
    if (request->has_id && !id_is_own(&request->id))
        return err_set(err, EREMOTE, "the first four digits of a session's id name its instance; without an id one is made");
    if (sessions_check_room(sessions, request->owner, 1, err) < 0)
        return -1;
    worker = has_limits(request) ? NULL : pool_take(sessions->pool);
    if (worker == NULL)
        return begin_birth(sessions, request, on_session, arg, err);
    session = make(sessions, request, worker, err);
    if (session == NULL)
        return -1;
    on_session(session, NULL, arg);
    return 0;
}

void sessions_cancel(struct sessions *sessions, void *arg)
{
    struct birth *birth, *next_birth;
    struct asker *asker, *next;
    for (birth = TAILQ_FIRST(&sessions->births); birth != NULL; birth = next_birth) {
        next_birth = TAILQ_NEXT(birth, entry);
        for (asker = TAILQ_FIRST(&birth->askers); asker != NULL; asker = next) {
            next = TAILQ_NEXT(asker, entry);
            if (asker->arg != arg)
                continue;
            TAILQ_REMOVE(&birth->askers, asker, entry);
            free(asker);
        }
        if (TAILQ_EMPTY(&birth->askers)) {
            pool_cancel(birth->claim);
            sessions_free_birth(birth);
        }
    }
}
