#define _GNU_SOURCE
#include "result.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "artifacts.h"
#include "decimal.h"
#include "json_slice.h"
#include "sse.h"
#include "text.h"

enum {
    BRIEF_OUT_BYTES       = 12 * 1024, /* after escaping */
    BRIEF_ERR_BYTES       = 6 * 1024,
    BRIEF_VALUE_BYTES     = 8 * 1024,
    BRIEF_ERROR_BYTES     = 10 * 1024,
    BRIEF_ARTIFACTS_BYTES = 4 * 1024,
    HEAD_BYTES            = 160, /* of the summary's beginning without its texts */
    METRICS_BYTES         = 400,
    ESCAPED_MAX           = 6, /* bytes that one byte of text can become */
};

void result_done(struct result *result)
{
    struct bytes *all[] = {&result->out, &result->err, &result->plots, &result->results, &result->variables, &result->plots_brief};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        bytes_done(all[i]);
}

bool result_add_text(struct result *result, enum event_kind kind, const char *data, size_t length)
{
    struct bytes *to = kind == EVENT_KIND_ERR ? &result->err : &result->out;
    if (!result->whole && to->length + length > RESULT_KEEP_BYTES) {
        result->cut = true;
        length      = to->length < RESULT_KEEP_BYTES ? text_cut(data, length, RESULT_KEEP_BYTES - to->length) : 0;
    }
    return length == 0 || bytes_append(to, data, length);
}

static bool add_joined(struct bytes *to, const char *name, size_t name_length, const char *json, size_t length)
{
    bool fine = to->length == 0 || bytes_append(to, ",", 1);
    if (fine && name_length > 0)
        fine = bytes_append(to, name, name_length) && bytes_append(to, ":", 1);
    return fine && bytes_append(to, json, length);
}

static bool add_plot_brief(struct result *result, const json_t *plot)
{
    json_t *brief = json_copy((json_t *)plot);
    char   *text;
    bool    fine;
    (void)json_object_del(brief, "data");
    text = json_dumps(brief, JSON_COMPACT | JSON_REAL_PRECISION(15));
    json_decref(brief);
    fine = text != NULL && add_joined(&result->plots_brief, NULL, 0, text, strlen(text));
    free(text);
    return fine;
}

/* Under its name, as that is written there. */
static bool add_variable(struct result *result, const char *json, size_t length)
{
    const char *name;
    size_t      name_length;
    return json_slice_member(json, length, "name", &name, &name_length) && add_joined(&result->variables, name, name_length, json, length);
}

bool result_add_value(struct result *result, enum event_kind kind, const char *json, size_t length, const json_t *value)
{
    struct bytes *to = kind == EVENT_KIND_PLOT ? &result->plots : kind == EVENT_KIND_RESULT ? &result->results : &result->variables;
    if (kind == EVENT_KIND_PLOT && !add_plot_brief(result, value))
        return false;
    if (!result->whole && kind == EVENT_KIND_PLOT)
        return true;
    if (!result->whole && to->length + length > RESULT_KEEP_BYTES) {
        result->cut = true;
        return true;
    }
    return kind == EVENT_KIND_VARIABLE ? add_variable(result, json, length) : add_joined(to, NULL, 0, json, length);
}

static bool literal(struct bytes *out, const char *text)
{
    return bytes_append(out, text, strlen(text));
}

/* Quoted and escaped, at most `room` bytes of it. *cut is set when that was not all. */
static bool quoted(struct bytes *out, const char *text, size_t length, size_t room, bool *cut)
{
    size_t used = 0;
    char  *to;
    if (room > length * ESCAPED_MAX)
        room = length * ESCAPED_MAX;
    if (!literal(out, "\"") || (to = bytes_reserve(out, room + 1)) == NULL)
        return false;
    out->length += sse_escape(to, room, text, length, &used);
    if (used < length)
        *cut = true;
    return literal(out, "\"");
}

static bool joined(struct bytes *out, const char *open, const struct bytes *values, const char *close, size_t room, bool *cut)
{
    bool fine = literal(out, open);
    if (values->length > room)
        *cut = true;
    else if (fine && values->length > 0)
        fine = bytes_append(out, values->data, values->length);
    return fine && literal(out, close);
}

static bool write_output(struct bytes *out, const struct result *result, bool brief, bool *cut)
{
    size_t value_room = brief ? BRIEF_VALUE_BYTES : SIZE_MAX;
    return literal(out, "\"output\":{\"stdout\":") &&
           quoted(out, result->out.data, result->out.length, brief ? BRIEF_OUT_BYTES : SIZE_MAX, cut) && literal(out, ",\"stderr\":") &&
           quoted(out, result->err.data, result->err.length, brief ? BRIEF_ERR_BYTES : SIZE_MAX, cut) &&
           joined(out, ",\"plots\":[", brief ? &result->plots_brief : &result->plots, "]", value_room, cut) &&
           joined(out, ",\"variables\":{", &result->variables, "}", value_room, cut) &&
           joined(out, ",\"results\":[", &result->results, "]}", value_room, cut);
}

static bool write_head(struct bytes *out, const struct result_summary *s)
{
    char *start = bytes_reserve(out, HEAD_BYTES + strlen(s->status) + strlen(s->session_id) + strlen(s->execution_id)), *to = start;
    if (to == NULL)
        return false;
    to = stpcpy(stpcpy(to, s->success ? "{\"success\":true,\"status\":\"" : "{\"success\":false,\"status\":\""), s->status);
    to = stpcpy(stpcpy(to, "\",\"sessionId\":\""), s->session_id);
    to = stpcpy(stpcpy(stpcpy(to, "\",\"executionId\":\""), s->execution_id), "\",");
    if (s->execution_count > 0)
        to = stpcpy(decimal_whole(stpcpy(to, "\"executionCount\":"), s->execution_count), ",");
    out->length += (size_t)(to - start);
    return true;
}

static bool write_metrics(struct bytes *out, const struct result_metrics *m)
{
    double cpu_ms = (double)(m->cpu_user_us + m->cpu_system_us) / 1000.0;
    char   text[METRICS_BYTES], *to = text;

    to = decimal_fixed(stpcpy(to, ",\"metrics\":{\"executionTime\":"), m->execution_ms, 3);
    to = decimal_whole(stpcpy(to, ",\"memoryUsage\":"), m->memory_bytes);
    to = decimal_fixed(stpcpy(to, ",\"cpuUsage\":"), m->execution_ms > 0 ? cpu_ms / m->execution_ms * 100 : 0.0, 1);
    if (m->cpu_is_split) {
        to = decimal_fixed(stpcpy(to, ",\"cpuUser\":"), (double)m->cpu_user_us / 1000.0, 3);
        to = decimal_fixed(stpcpy(to, ",\"cpuSystem\":"), (double)m->cpu_system_us / 1000.0, 3);
    }
    to = decimal_whole(stpcpy(to, ",\"memoryPeak\":"), m->memory_peak_bytes);
    to = decimal_whole(stpcpy(to, ",\"bytesOut\":"), m->bytes_out);
    to = stpcpy(decimal_fixed(stpcpy(to, ",\"queued\":"), m->queued_ms, 3), "}");
    return bytes_append(out, text, (size_t)(to - text));
}

static void shorten_member(json_t *object, const char *name, size_t room, bool keep_end)
{
    const char *text   = json_string_value(json_object_get(object, name));
    size_t      length = text != NULL ? strlen(text) : 0;
    if (length <= room)
        return;
    if (keep_end) {
        text += length - room;
        while (((unsigned char)*text & 0xc0) == 0x80)
            text++;
        (void)json_object_set_new(object, name, json_string(text));
    } else {
        (void)json_object_set_new(object, name, json_stringn(text, text_cut(text, length, room)));
    }
}

/* The error with its message's beginning and its traceback's end, so that what was raised can be seen. */
static char *brief_error(const json_t *error)
{
    json_t *brief = json_copy((json_t *)error);
    char   *text  = NULL;
    for (size_t room = BRIEF_ERROR_BYTES / 5; room > 0; room /= 2) {
        shorten_member(brief, "type", room / 4, false);
        shorten_member(brief, "message", room, false);
        shorten_member(brief, "traceback", room * 3, true);
        free(text);
        text = json_dumps(brief, JSON_COMPACT);
        if (text == NULL || strlen(text) <= BRIEF_ERROR_BYTES)
            break;
    }
    json_decref(brief);
    return text;
}

static bool write_error(struct bytes *out, const json_t *error, bool brief, bool *cut)
{
    char *text = json_dumps(error, JSON_COMPACT);
    bool  fine;
    if (brief && text != NULL && strlen(text) > BRIEF_ERROR_BYTES) {
        free(text);
        *cut = true;
        text = brief_error(error);
    }
    fine = text != NULL && literal(out, ",\"error\":") && literal(out, text);
    free(text);
    return fine;
}

static bool write_tail(struct bytes *out, const struct result_summary *s, bool cut)
{
    char text[128];
    bool ignored = false, fine = literal(out, ",\"state\":\"") && literal(out, s->state) && literal(out, "\"");
    if (s->restored_to >= 0) {
        (void)snprintf(text, sizeof text, ",\"restoredTo\":%lld", (long long)s->restored_to);
        fine = fine && literal(out, text);
    }
    if (s->threads > 1) {
        (void)snprintf(text, sizeof text, ",\"checkpoint\":{\"possible\":false,\"reason\":\"%llu other thread%s alive\"}",
                       (unsigned long long)s->threads - 1, s->threads == 2 ? " is" : "s are");
        fine = fine && literal(out, text);
    }
    if (s->notice != NULL)
        fine = fine && literal(out, ",\"notice\":") && quoted(out, s->notice, strlen(s->notice), SIZE_MAX, &ignored);
    if (s->truncated || cut)
        fine = fine && literal(out, ",\"truncated\":true");
    return fine && literal(out, "}");
}

static bool write_all(const struct result *result, const struct result_summary *summary, bool brief, struct bytes *out)
{
    bool cut = result->cut;
    return write_head(out, summary) && write_output(out, result, brief, &cut) && write_metrics(out, &summary->metrics) &&
           artifacts_write(out, summary->artifacts, summary->artifacts_omitted, brief ? BRIEF_ARTIFACTS_BYTES : SIZE_MAX) &&
           (summary->error == NULL || write_error(out, summary->error, brief, &cut)) && write_tail(out, summary, cut);
}

bool result_write(const struct result *result, const struct result_summary *summary, struct bytes *out)
{
    return write_all(result, summary, false, out);
}

bool result_write_brief(const struct result *result, const struct result_summary *summary, struct bytes *out)
{
    return write_all(result, summary, true, out);
}
