#define _GNU_SOURCE
#include "api_stats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api_checkpoints.h"
#include "api_error.h"
#include "json.h"
#include "server.h"
#include "session_body.h"
#include "session_files.h"

/* A request that waits for the zygote's word and then for init's. */
struct asking {
    struct server       *server;
    struct http_request *request;
    struct id            session;
    struct session_stats stats;
    bool                 has_stats;
};

static struct session *session_of(const struct asking *asking)
{
    return sessions_find(server_sessions(asking->server), &asking->session);
}

static json_t *write_live(const struct session_stats *stats, const struct control_file_reply *usage)
{
    json_t *live =
        json_pack("{s:I, s:I, s:f, s:i}", "memory", (json_int_t)stats->memory_bytes, "memoryPeak", (json_int_t)stats->memory_peak_bytes,
                  "cpuTime", (double)stats->cpu_us / 1000.0, "processes", (int)stats->processes);
    json_t *disk = live != NULL && usage != NULL
                       ? json_pack("{s:I, s:I}", "used", (json_int_t)usage->size, "entries", (json_int_t)usage->entries)
                       : NULL;
    if (disk != NULL && usage->bytes_left <= INT64_MAX) /* where the kernel keeps count */
        (void)json_object_set_new(disk, "free", json_integer((json_int_t)usage->bytes_left));
    if (disk != NULL)
        (void)json_object_set_new(live, "disk", disk);
    return live;
}

/* What giving its memory back has come to, told as it is: a machine without swap can take back little. */
static json_t *write_hibernation(const struct session_info *info)
{
    const struct worker_reclaimed *reclaimed = info->reclaimed;
    json_t                        *json      = json_pack("{s:b}", "hibernated", info->hibernated);
    if (!info->hibernated || reclaimed == NULL || !reclaimed->is_known)
        return json;
    (void)json_object_set_new(json, "reclaimed", json_integer((json_int_t)reclaimed->bytes));
    if (reclaimed->error != 0)
        (void)json_object_set_new(json, "reason",
                                  json_sprintf("nothing could be taken back: %s", reclaimed->error == ENOENT
                                                                                      ? "Linux 5.19 and newer can, this one can't"
                                                                                      : strerror(reclaimed->error)));
    else if (reclaimed->bytes == 0)
        (void)json_object_set_new(json, "reason",
                                  json_string("the kernel found nothing to take back; without swap it can take back caches only"));
    return json;
}

static json_t *write_stats(const struct session *session, const struct session_stats *stats, const struct control_file_reply *usage)
{
    struct session_info info;
    json_t             *json;
    session_get_info(session, &info);
    json = json_pack("{s:s, s:{s:I, s:f, s:I, s:f}, s:s, s:I, s:o}", "sessionId", info.id_text, "resourceUsage", "memory",
                     (json_int_t)(stats != NULL ? stats->memory_bytes : info.memory_bytes), "cpu", session_body_cpu(&info), "executions",
                     (json_int_t)info.executions, "totalExecutionTime", info.execution_ms, "status", session_body_status(&info), "uptime",
                     (json_int_t)(json_time_now() - info.created_us / 1000), "lastActivity", json_time(info.last_activity_us / 1000));
    if (json != NULL && stats != NULL)
        (void)json_object_set_new(json, "live", write_live(stats, usage));
    if (json != NULL)
        (void)json_object_set_new(json, "checkpoints", api_checkpoints_status(session));
    if (json != NULL)
        (void)json_object_set_new(json, "hibernation", write_hibernation(&info));
    return json;
}

static void reply(struct asking *asking, const struct control_file_reply *usage)
{
    struct session *session = session_of(asking);
    char            text[ID_TEXT_BYTES];
    http_request_on_gone(asking->request, NULL, NULL);
    if (session != NULL) {
        http_reply_json(asking->request, 200, write_stats(session, asking->has_stats ? &asking->stats : NULL, usage));
    } else {
        id_format(&asking->session, text);
        api_error_no_session(asking->request, server_sessions(asking->server), text);
    }
    free(asking);
}

static void on_usage(const struct file_answer *answer, void *arg)
{
    reply(arg, answer->error == 0 ? answer->reply : NULL);
}

static void on_stats(const struct session_stats *stats, void *arg)
{
    struct asking    *asking  = arg;
    struct session   *session = session_of(asking);
    struct file_order order   = {.operation = FILE_USAGE};
    struct err        err     = {0};

    asking->has_stats = stats != NULL;
    if (stats != NULL)
        asking->stats = *stats;
    if (stats == NULL || session == NULL || session_files_ask(session, &order, on_usage, asking, &err) < 0)
        reply(asking, NULL);
}

static void on_asker_gone(void *arg)
{
    struct asking  *asking  = arg;
    struct session *session = session_of(asking);
    if (session != NULL) {
        session_forget_stats(session, asking);
        session_files_forget(session, asking);
    }
    free(asking);
}

void api_stats(struct http_request *request, void *context)
{
    struct session *session = api_session_of(request, server_sessions(context));
    struct asking  *asking;

    if (session == NULL)
        return;
    asking = api_wait(request, sizeof *asking, on_asker_gone);
    if (asking == NULL)
        return;
    *asking = (struct asking){.server = context, .request = request, .session = *session_id(session)};
    session_ask_stats(session, on_stats, asking);
}
