/* compat_e2b_metrics.c: what a sandbox uses at the moment, which is all of it that is kept: one sample. */
#define _GNU_SOURCE
#include <stdlib.h>

#include "api_error.h"
#include "api_stats.h"
#include "compat_e2b.h"
#include "http_inner.h"
#include "json.h"

enum { ANSWER_MAX = 65536, CPU_WHOLE = 100 };

struct measuring {
    struct server       *server;
    struct http_request *request, *inner;
};

static json_t *sample(const json_t *stats, const struct policies *policies)
{
    const json_t *live = json_object_get(stats, "live"), *disk = json_object_get(live, "disk"),
                 *used = json_object_get(stats, "resourceUsage");
    json_int_t now = json_time_now(), memory = json_integer_value(json_object_get(live != NULL ? live : used, "memory"));
    uint32_t   cpu = policies->cpu_percent;

    return json_pack("{s:o, s:I, s:i, s:f, s:I, s:I, s:i, s:I, s:I}", "timestamp", json_time(now), "timestampUnix", now / 1000, "cpuCount",
                     cpu > CPU_WHOLE ? (int)((cpu + CPU_WHOLE - 1) / CPU_WHOLE) : 1, "cpuUsedPct",
                     json_number_value(json_object_get(used, "cpu")), "memUsed", memory, "memTotal",
                     (json_int_t)policies->memory_per_session_bytes, "memCache", 0, "diskUsed",
                     json_integer_value(json_object_get(disk, "used")), "diskTotal", (json_int_t)policies->storage_bytes);
}

static void on_gone(void *arg)
{
    struct measuring *measuring = arg;
    http_inner_cancel(measuring->inner);
    free(measuring);
}

static void on_stats(const struct http_inner_answer *answer, void *arg)
{
    struct measuring *measuring = arg;
    json_error_t      error;
    json_t           *stats = answer->status == 200 ? json_loadb(answer->body, answer->length, 0, &error) : NULL;

    http_request_on_gone(measuring->request, NULL, NULL);
    if (stats != NULL)
        http_reply_json(measuring->request, 200, json_pack("[o]", sample(stats, server_policies(measuring->server))));
    else
        api_error_unavailable(measuring->request, "STATS_UNAVAILABLE", "What the sandbox uses can't be asked for at the moment");
    json_decref(stats);
    free(measuring);
}

void compat_e2b_metrics(struct http_request *request, void *context)
{
    struct session     *session   = compat_e2b_sandbox_of(request, context);
    struct measuring   *measuring = session != NULL ? calloc(1, sizeof *measuring) : NULL;
    struct session_info info;

    if (session == NULL)
        return;
    if (measuring == NULL ||
        (measuring->inner = http_inner_new(request, HTTP_GET, http_request_tag(request), ANSWER_MAX, on_stats, measuring)) == NULL) {
        free(measuring);
        api_error_unavailable(request, "NO_MEMORY", "No memory for the answer");
        return;
    }
    measuring->server  = context;
    measuring->request = request;
    session_get_info(session, &info);
    http_request_on_gone(request, on_gone, measuring);
    http_request_set_parameter(measuring->inner, 0, info.id_text);
    api_stats(measuring->inner, context);
}
