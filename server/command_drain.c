#define _GNU_SOURCE
#include "command_drain.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "command_line.h"
#include "command_service.h"
#include "fdio.h"
#include "json.h"

enum {
    EXIT_LEFT     = 1,
    EXIT_USAGE    = 2,
    EXIT_FAILED   = 125,
    TIMEOUT_MAX_S = 86400,
    TIMEOUT_S     = 300,
    STUCK_S       = 60,
    PAUSE_MS      = 250,
    PATH_BYTES    = 512
};

static const char HELP[] =
    "usage: penny-sandbox drain [OPTION ...]\n\n"
    "Empties a running service before it is stopped: it takes no new sessions and is not ready for a proxy any more; what runs comes to\n"
    "its end, and every session that is idle is moved, variables, files and history, to another service. The session's id leads there\n"
    "from then on. What a session can't take along is said.\n\n"
    "  --server URL       the service to empty (or SANDBOX_URL) [http://127.0.0.1:3003]\n"
    "  --to URL           where its sessions go: another service, or a proxy before several; without it none is moved\n"
    "  --timeout SECONDS  how long to wait for what runs [300]\n"
    "  --cancel           it takes new sessions again, and keeps those that it has\n\n"
    "SANDBOX_OPERATOR_KEY is an API key with access=operator, known to both; without API keys the services must be on this machine.\n\n"
    "Exit code: 0 when no session is left (without --to: when nothing runs); 1 when some are; 125 when the service can't be reached or\n"
    "refuses; 2 for a wrong command line.\n";

struct drain {
    struct command_service from, to;
    bool                   moves, cancels;
    int64_t                deadline_ms;
    size_t                 moved, failed; /* attempts */
};

/* ---- one session ---- */

/* The archive, in a file without a name. Returns its descriptor, or -1 with err. */
static int fetch(const struct drain *drain, const char *id, struct err *err)
{
    struct http_call_request request = {.method = "GET", .accept = "application/x-tar"};
    struct http_call         call    = HTTP_CALL_INIT;
    struct bytes             piece   = {0};
    const char              *place   = getenv("TMPDIR");
    char                     path[PATH_BYTES];
    int                      more = -1, fd;

    (void)snprintf(path, sizeof path, "/api/v1/sessions/%s/export?move=true", id);
    request.path = path;
    fd           = open(place != NULL && *place != '\0' ? place : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        fd = memfd_create("penny-archive", MFD_CLOEXEC);
    if (fd < 0)
        return err_errno(err, "no place for an archive");
    if (http_call_open(&call, &drain->from.target, &request, NULL, err) == 0) {
        do {
            piece.length = 0;
            more         = http_call_read(&call, &piece, NULL, err);
            if (more >= 0 && piece.length > 0 && fdio_write_all(fd, piece.data, piece.length) < 0)
                more = err_errno(err, "an archive can't be written");
        } while (more > 0);
    }
    if (more == 0 && call.status != 200)
        more = err_set(err, call.status == 409 ? EBUSY : EIO, "it could not be exported (%d)", call.status);
    http_call_close(&call);
    bytes_done(&piece);
    if (more < 0)
        fdio_close(&fd);
    return fd;
}

/* Returns what the other service says, or NULL with err. */
static json_t *send_archive(const struct drain *drain, const char *id, const char *owner, int fd, struct err *err)
{
    struct http_call_request request = {.method = "POST", .content_type = "application/x-tar"};
    struct bytes             path = {0}, answer = {0};
    struct stat              st;
    json_t                  *json    = NULL;
    void                    *data    = fstat(fd, &st) == 0 ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    int                      status  = -1;
    static const char        start[] = "/api/v1/sessions/import?sessionId=", middle[] = "&owner=";

    if (data == MAP_FAILED) {
        (void)err_errno(err, "an archive can't be read");
        return NULL;
    }
    if (bytes_append(&path, start, sizeof start - 1) && bytes_append(&path, id, strlen(id)) &&
        (owner == NULL || (bytes_append(&path, middle, sizeof middle - 1) && http_call_encode(&path, owner, false))) &&
        bytes_append(&path, "", 1)) {
        request.path        = path.data;
        request.body        = data;
        request.body_length = (size_t)st.st_size;
        status              = http_call_do(&drain->to.target, &request, COMMAND_ANSWER_MAX, &answer, NULL, err);
    }
    if (status >= 0)
        json = json_loadb(answer.data != NULL ? answer.data : "", answer.length, JSON_ALLOW_NUL, NULL);
    if (status >= 0 && status != 201) {
        const char *message = json_string_value(json_object_get(json, "message"));
        (void)err_set(err, EIO, "the other service did not take it: %.150s (%d)", message != NULL ? message : "no reason given", status);
        json_decref(json);
        json = NULL;
    }
    (void)munmap(data, (size_t)st.st_size);
    bytes_done(&path);
    bytes_done(&answer);
    return json;
}

static void say_moved(const char *id, const json_t *there)
{
    const json_t *omitted = json_object_get(json_object_get(there, "imported"), "omitted"), *one;
    size_t        i;
    (void)printf("%s moved, is %s\n", id, json_string_value(json_object_get(there, "id")));
    json_array_foreach((json_t *)omitted, i, one)
    {
        const char *kind = json_string_value(json_object_get(one, "kind")), *name = json_string_value(json_object_get(one, "name")),
                   *reason = json_string_value(json_object_get(one, "reason"));
        (void)printf("  without %s %s: %s\n", kind != NULL ? kind : "", name != NULL ? name : "", reason != NULL ? reason : "");
    }
}

/* Tells the former service: POST with where it is, or DELETE: it stays. */
static int tell(const struct drain *drain, const char *id, const json_t *there, struct err *err)
{
    char    path[PATH_BYTES];
    json_t *body = there != NULL ? json_pack("{s:O}", "sessionId", json_object_get(there, "id")) : NULL, *answer;
    (void)snprintf(path, sizeof path, "/api/v1/admin/sessions/%s/move", id);
    answer = command_service_ask(&drain->from, there != NULL ? "POST" : "DELETE", path, body, err);
    json_decref(body);
    json_decref(answer);
    return answer != NULL ? 0 : -1;
}

/* It can't be told: then there are two of it, of which the new one, which nobody knows, goes. */
static void end_there(const struct drain *drain, const json_t *there)
{
    char       path[PATH_BYTES];
    struct err err = {0};
    (void)snprintf(path, sizeof path, "/api/v1/sessions/%.36s", json_string_value(json_object_get(there, "id")));
    json_decref(command_service_ask(&drain->to, "DELETE", path, NULL, &err));
}

static void move(struct drain *drain, const char *id, const char *owner)
{
    struct err err = {0}, ignored = {0};
    int        fd    = fetch(drain, id, &err);
    json_t    *there = fd >= 0 ? send_archive(drain, id, owner, fd, &err) : NULL;
    bool       moved = there != NULL && tell(drain, id, there, &err) == 0;

    if (moved) {
        drain->moved++;
        say_moved(id, there);
    } else if (err.code != EBUSY) {
        drain->failed++;
        (void)fprintf(stderr, "penny-sandbox: %s: %s\n", id, err.message);
    }
    if (there != NULL && !moved)
        end_there(drain, there);
    if (fd >= 0 && there == NULL)
        (void)tell(drain, id, NULL, &ignored); /* if not, it is free again when its time is over */
    fdio_close(&fd);
    json_decref(there);
}

/* ---- all of them ---- */

static json_t *ask(const struct drain *drain, const char *method, struct err *err)
{
    return command_service_ask(&drain->from, method, "/api/v1/admin/drain", NULL, err);
}

static int64_t count_of(const json_t *state, const char *name)
{
    return json_integer_value(json_object_get(state, name));
}

static bool is_done(const struct drain *drain, const json_t *state)
{
    return count_of(state, "active") == 0 || (!drain->moves && count_of(state, "running") + count_of(state, "queued") == 0);
}

static void move_idle(struct drain *drain, const json_t *state)
{
    const json_t *one;
    size_t        i;
    json_array_foreach(json_object_get(state, "sessions"), i, one)
    {
        const char *id = json_string_value(json_object_get(one, "id"));
        if (id != NULL && strlen(id) == ID_TEXT_BYTES - 1 && !json_is_true(json_object_get(one, "busy")) &&
            json_time_monotonic() < drain->deadline_ms)
            move(drain, id, json_string_value(json_object_get(one, "owner")));
    }
}

static void wait_a_little(const struct drain *drain)
{
    const struct timespec pause = {.tv_sec = drain->failed > 0, .tv_nsec = PAUSE_MS * 1000000L};
    (void)nanosleep(&pause, NULL);
}

static int empty(struct drain *drain)
{
    struct err err   = {0};
    json_t    *state = ask(drain, "POST", &err);
    int        code;

    while (state != NULL && !is_done(drain, state) && json_time_monotonic() < drain->deadline_ms) {
        if (drain->moves)
            move_idle(drain, state);
        json_decref(state);
        state = ask(drain, "POST", &err); /* each time anew: a server process that took over has not heard of it */
        if (state != NULL && !is_done(drain, state))
            wait_a_little(drain);
    }
    if (state == NULL)
        return command_line_complain(&err, EXIT_FAILED);
    (void)printf("%zu moved, %lld left, of which %lld run\n", drain->moved, (long long)count_of(state, "active"),
                 (long long)count_of(state, "busy"));
    code = is_done(drain, state) ? 0 : EXIT_LEFT;
    json_decref(state);
    return code;
}

static int cancel(const struct drain *drain)
{
    struct err err   = {0};
    json_t    *state = ask(drain, "DELETE", &err);
    json_decref(state);
    return state != NULL ? 0 : command_line_complain(&err, EXIT_FAILED);
}

/* ---- the command line ---- */

static int read_timeout(const char *text, long *ret_s, struct err *err)
{
    char *end;
    *ret_s = strtol(text, &end, 10);
    return isdigit((unsigned char)*text) && *end == '\0' && *ret_s <= TIMEOUT_MAX_S
               ? 0
               : err_set(err, EINVAL, "--timeout: \"%.60s\" is not a number of seconds up to %d", text, TIMEOUT_MAX_S);
}

static int read_option(struct drain *drain, int argc, char **argv, int *at, const char **ret_from, long *ret_s, struct err *err)
{
    const char *value;
    if ((value = command_line_value(argv, argc, at, "--server")) != NULL) {
        *ret_from = value;
        return 0;
    }
    if ((value = command_line_value(argv, argc, at, "--timeout")) != NULL)
        return read_timeout(value, ret_s, err);
    if ((value = command_line_value(argv, argc, at, "--to")) != NULL) {
        drain->moves = true;
        return http_call_parse_url(value, &drain->to.target, err);
    }
    drain->cancels = strcmp(argv[*at], "--cancel") == 0;
    return drain->cancels
               ? 0
               : err_set(err, EINVAL, "drain: %.80s is not an option or has no value; see penny-sandbox drain --help", argv[*at]);
}

/* Returns 0; 1 when the help was printed; -1 with err. */
static int read_options(struct drain *drain, int argc, char **argv, struct err *err)
{
    const char *key = command_line_key("SANDBOX_OPERATOR_KEY"), *from = command_line_server("http://127.0.0.1:3003");
    long        timeout_s = TIMEOUT_S;

    for (int at = 0; at < argc; at++) {
        if (command_line_is_help(argv[at])) {
            (void)fputs(HELP, stdout);
            return 1;
        }
        if (read_option(drain, argc, argv, &at, &from, &timeout_s, err) < 0)
            return -1;
    }
    if (http_call_parse_url(from, &drain->from.target, err) < 0)
        return -1;
    (void)snprintf(drain->from.target.key, sizeof drain->from.target.key, "%s", key);
    (void)snprintf(drain->to.target.key, sizeof drain->to.target.key, "%s", key);
    drain->deadline_ms = json_time_monotonic() + timeout_s * 1000;
    (void)alarm((unsigned)(timeout_s + STUCK_S)); /* a service that says nothing at all must not hold a shutdown up for ever */
    return 0;
}

int command_drain(int argc, char **argv)
{
    struct drain drain  = {0};
    struct err   err    = {0};
    int          result = read_options(&drain, argc, argv, &err);
    (void)sigprocmask(SIG_SETMASK, NULL, &drain.from.waiting);
    drain.to.waiting = drain.from.waiting;
    if (result != 0)
        return result < 0 ? command_line_complain(&err, EXIT_USAGE) : 0;
    return drain.cancels ? cancel(&drain) : empty(&drain);
}
