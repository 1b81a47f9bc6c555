/* api_health.c: GET /health and GET /ready: the service's numbers and the machine's. */
#include "api_health.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "id.h"
#include "json.h"
#include "service_status.h"
#include "version.h"

/* "MemTotal:  123 kB" of /proc/meminfo, in bytes; 0 when it is not there. */
static uint64_t meminfo(const char *text, const char *name)
{
    const char *line = strstr(text, name);
    return line != NULL ? strtoull(line + strlen(name), NULL, 10) * 1024 : 0;
}

static void read_file(const char *path, char *text, size_t room)
{
    FILE  *file = fopen(path, "re");
    size_t n    = 0;
    if (file != NULL) {
        n = fread(text, 1, room - 1, file);
        fclose(file);
    }
    text[n] = '\0';
}

static double per_cent(uint64_t part, uint64_t whole)
{
    return whole > 0 ? (double)(part * 1000 / whole) / 10 : 0;
}

static json_t *amounts(uint64_t total, uint64_t free_bytes)
{
    uint64_t used = total > free_bytes ? total - free_bytes : 0;
    return json_pack("{s:I, s:I, s:I, s:f}", "total", (json_int_t)total, "used", (json_int_t)used, "free", (json_int_t)free_bytes,
                     "percentage", per_cent(used, total));
}

static json_t *memory(void)
{
    char text[4096];
    read_file("/proc/meminfo", text, sizeof text);
    return amounts(meminfo(text, "MemTotal:"), meminfo(text, "MemAvailable:"));
}

static json_t *disk(void)
{
    struct statvfs root;
    if (statvfs("/", &root) != 0)
        return amounts(0, 0);
    return amounts((uint64_t)root.f_blocks * root.f_frsize, (uint64_t)root.f_bavail * root.f_frsize);
}

/* Per cent of all cores that were busy since the last call (the first time: since the machine started). */
static double cpu_usage(void)
{
    static unsigned long long last_busy, last_total;
    unsigned long long        v[8] = {0}, busy, total = 0;
    double                    usage;
    char                      text[512];

    read_file("/proc/stat", text, sizeof text);
    if (sscanf(text, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]) < 4)
        return 0;
    for (size_t i = 0; i < 8; i++)
        total += v[i];
    busy       = total - v[3] - v[4];
    usage      = total > last_total && busy >= last_busy ? per_cent(busy - last_busy, total - last_total) : 0;
    last_busy  = busy;
    last_total = total;
    return usage;
}

static json_t *cpu(void)
{
    double load[3] = {0};
    (void)getloadavg(load, 3);
    return json_pack("{s:f, s:i, s:[f, f, f]}", "usage", cpu_usage(), "cores", (int)sysconf(_SC_NPROCESSORS_ONLN), "loadAverage", load[0],
                     load[1], load[2]);
}

/* Seconds since this process started, from the kernel's own record of it. */
static int64_t uptime_s(void)
{
    char               text[1024];
    const char        *at;
    unsigned long long start = 0;
    long               ticks = sysconf(_SC_CLK_TCK);
    struct timespec    boot;

    read_file("/proc/self/stat", text, sizeof text);
    at = strrchr(text, ')');
    if (at == NULL || ticks <= 0 ||
        sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &start) != 1)
        return 0;
    clock_gettime(CLOCK_BOOTTIME, &boot);
    return boot.tv_sec - (int64_t)(start / (unsigned long long)ticks);
}

static const char *status_text(const struct service_status *status)
{
    return status->draining ? "draining" : status->zygote_up ? "healthy" : "degraded";
}

static json_t *sessions(const struct service_status *status)
{
    return json_pack("{s:i, s:I, s:i, s:i, s:i}", "active", (int)status->sessions_active, "total", (json_int_t)status->sessions_total,
                     "pooled", (int)status->sessions_pooled, "limit", (int)status->sessions_limit, "possible",
                     (int)status->sessions_possible);
}

static json_t *executions(const struct service_status *status)
{
    return json_pack("{s:i, s:i, s:I}", "active", (int)status->executions_running, "queued", (int)status->executions_queued, "total",
                     (json_int_t)status->executions_total);
}

/* default_timeout is in seconds, as the readers of this object expect. */
static json_t *config(const struct service_status *status)
{
    return json_pack("{s:i, s:b, s:I, s:s}", "default_timeout", (int)((status->default_timeout_ms + 999) / 1000), "default_allow_network",
                     0, "max_output_size", (json_int_t)status->output_bytes, "profile", status->profile);
}

/* Numbers as people read them: 25.1, not the nearest double in full. */
static void reply_rounded(struct http_request *request, json_t *owned)
{
    char *text = owned != NULL ? json_dumps(owned, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;

    json_decref(owned);
    if (text != NULL)
        http_reply_bytes(request, 200, "application/json; charset=utf-8", text, strlen(text));
    else
        http_reply_error(request, 500, "INTERNAL_ERROR", "The service's state could not be written as JSON", NULL, 0);
    free(text);
}

void api_health(struct http_request *request, void *context)
{
    struct service_status status = {0};
    json_t               *body;

    service_status_get(context, &status);
    body = json_pack("{s:s, s:o, s:s, s:I, s:o, s:o, s:{s:o, s:o, s:o}, s:s, s:o}", "status", status_text(&status), "timestamp",
                     json_time(json_time_now()), "version", PENNY_VERSION, "uptime", (json_int_t)uptime_s(), "sessions", sessions(&status),
                     "executions", executions(&status), "system", "memory", memory(), "cpu", cpu(), "disk", disk(), "execution_mode",
                     "secure", "config", config(&status));
    if (body != NULL && status.isolation != NULL)
        (void)json_object_set(body, "isolation", status.isolation);
    if (body != NULL && id_own_instance() != ID_NO_INSTANCE)
        (void)json_object_set_new(body, "instance", json_integer(id_own_instance()));
    reply_rounded(request, body);
}

void api_ready(struct http_request *request, void *context)
{
    struct service_status status = {0};

    service_status_get(context, &status);
    if (status.draining)
        http_reply_error(request, 503, "DRAINING", "The server is about to stop", NULL, 5);
    else if (!status.zygote_up && status.sessions_pooled == 0)
        http_reply_error(request, 503, "NOT_READY", "No session can be made at the moment", NULL, 1);
    else
        http_reply_json(request, 200, json_pack("{s:b, s:s}", "ready", 1, "status", status_text(&status)));
}
