#define _GNU_SOURCE
#include "session_plots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base64.h"
#include "execution.h"
#include "json.h"
#include "json_slice.h"
#include "session_private.h"
#include "sessions.h"

enum { PNG_HEAD_BYTES = 24, PNG_HEAD_TEXT = 32, READ_MAX = 64 * 1024 * 1024 };

static const char PNG[] = "image/png", JPEG[] = "image/jpeg", SVG[] = "image/svg+xml", HTML[] = "text/html",
                  PLOTLY[] = "application/vnd.plotly.v1+json";

struct plot {
    TAILQ_ENTRY(plot) entry;
    struct id       id, execution;
    enum event_kind kind;
    const char     *mime; /* one of the above */
    uint64_t        seq;
    json_t         *brief;
};

struct session_plots {
    TAILQ_HEAD(plot_list, plot) list;
    uint32_t count, max;
};

struct session_plots *session_plots_new(uint32_t max)
{
    struct session_plots *plots = calloc(1, sizeof *plots);
    if (plots == NULL)
        return NULL;
    TAILQ_INIT(&plots->list);
    plots->max = max;
    return plots;
}

static void drop(struct session_plots *plots, struct plot *plot)
{
    TAILQ_REMOVE(&plots->list, plot, entry);
    plots->count--;
    json_decref(plot->brief);
    free(plot);
}

void session_plots_free(struct session_plots *plots)
{
    if (plots == NULL)
        return;
    while (!TAILQ_EMPTY(&plots->list))
        drop(plots, TAILQ_FIRST(&plots->list));
    free(plots);
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

static const char *mime_of_plot(const json_t *value)
{
    const char *format = text_of(value, "format");
    return strcmp(format, "png") == 0 ? PNG : strcmp(format, "svg") == 0 ? SVG : strcmp(format, "html") == 0 ? HTML : NULL;
}

static const char *mime_of_result(const json_t *value)
{
    static const char *const known[] = {PLOTLY, PNG, JPEG, SVG};
    const json_t            *data    = json_object_get(value, "data");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (json_object_get(data, known[i]) != NULL)
            return known[i];
    return NULL;
}

static unsigned long big_endian(const char *bytes)
{
    const unsigned char *b = (const unsigned char *)bytes;
    return (unsigned long)b[0] << 24 | (unsigned long)b[1] << 16 | (unsigned long)b[2] << 8 | b[3];
}

/* The pixels that an image in PNG says it has. */
static void add_size(json_t *metadata, const json_t *image)
{
    struct bytes head = {0};
    if (json_string_length(image) >= PNG_HEAD_TEXT && base64_decode(json_string_value(image), PNG_HEAD_TEXT, &head) &&
        head.length >= PNG_HEAD_BYTES && memcmp(head.data, "\x89PNG", 4) == 0) {
        (void)json_object_set_new(metadata, "width", json_integer((json_int_t)big_endian(head.data + 16)));
        (void)json_object_set_new(metadata, "height", json_integer((json_int_t)big_endian(head.data + 20)));
    }
    bytes_done(&head);
}

static json_t *brief_of_plot(const json_t *value)
{
    json_t *brief = json_copy((json_t *)value);
    (void)json_object_del(brief, "data");
    return brief;
}

static json_t *brief_of_result(const json_t *value, const char *mime, const char *id)
{
    bool    is_plotly = mime == PLOTLY;
    json_t *metadata  = json_pack("{s:b}", "interactive", is_plotly);
    if (is_plotly)
        (void)json_object_set_new(metadata, "backend", json_string("plotly"));
    if (mime == PNG)
        add_size(metadata, json_object_get(json_object_get(value, "data"), PNG));
    return json_pack("{s:s, s:s, s:o, s:o}", "id", id, "format",
                     is_plotly      ? "html"
                     : mime == PNG  ? "png"
                     : mime == JPEG ? "jpeg"
                                    : "svg",
                     "metadata", metadata, "timestamp", json_time(json_time_now()));
}

static struct plot *find(const struct session_plots *plots, const struct id *id)
{
    struct plot *plot;
    TAILQ_FOREACH(plot, &plots->list, entry)
    {
        if (memcmp(&plot->id, id, sizeof *id) == 0)
            return plot;
    }
    return NULL;
}

static void add(struct session_plots *plots, const struct plot *wanted)
{
    struct plot *plot = find(plots, &wanted->id), *kept;
    if (plot != NULL) /* the program says the same id again: the last one counts */
        drop(plots, plot);
    kept = malloc(sizeof *kept);
    if (kept == NULL || wanted->brief == NULL) {
        json_decref(wanted->brief);
        free(kept);
        return;
    }
    *kept = *wanted;
    TAILQ_INSERT_TAIL(&plots->list, kept, entry);
    plots->count++;
    while (plots->count > plots->max)
        drop(plots, TAILQ_FIRST(&plots->list));
}

void session_plots_note(struct session_plots *plots, const struct id *execution, enum event_kind kind, const json_t *value, uint64_t seq)
{
    struct plot plot = {.execution = *execution, .kind = kind, .seq = seq};
    char        text[ID_TEXT_BYTES];

    plot.mime = kind == EVENT_KIND_PLOT ? mime_of_plot(value) : kind == EVENT_KIND_RESULT ? mime_of_result(value) : NULL;
    if (plot.mime == NULL || (kind == EVENT_KIND_PLOT && !id_parse(text_of(value, "id"), &plot.id)))
        return;
    if (kind == EVENT_KIND_RESULT)
        id_make(&plot.id);
    id_format(&plot.id, text);
    plot.brief = kind == EVENT_KIND_PLOT ? brief_of_plot(value) : brief_of_result(value, plot.mime, text);
    id_format(execution, text);
    if (plot.brief != NULL)
        (void)json_object_set_new(plot.brief, "executionId", json_string(text));
    add(plots, &plot);
}

static struct event_track *track_of(const struct session *session, const struct plot *plot)
{
    struct execution   *execution = sessions_find_execution(session->sessions, &plot->execution);
    struct event_track *track     = execution != NULL ? execution_track(execution) : NULL;
    return track != NULL && event_track_first_seq(track) <= plot->seq ? track : NULL;
}

json_t *session_plots_list(const struct session *session)
{
    json_t      *list = json_array();
    struct plot *plot;
    TAILQ_FOREACH(plot, &session->plots->list, entry)
    {
        if (track_of(session, plot) != NULL)
            (void)json_array_append(list, plot->brief);
    }
    return list;
}

/* ---- the picture ---- */

struct reading {
    struct bytes text;
    bool         done, failed;
};

static void take_part(struct reading *reading, const char *text, size_t length)
{
    json_error_t error;
    json_t      *part = json_loadb(text, length, JSON_ALLOW_NUL, &error), *chunk = json_object_get(part, "chunk");
    json_int_t   index = json_integer_value(json_object_get(part, "part")), count = json_integer_value(json_object_get(part, "parts"));
    reading->failed = !json_is_string(chunk) || reading->text.length + json_string_length(chunk) > READ_MAX ||
                      !bytes_append(&reading->text, json_string_value(chunk), json_string_length(chunk));
    reading->done = index + 1 >= count;
    json_decref(part);
}

static bool on_event(const struct event_view *event, void *arg)
{
    struct reading *reading = arg;
    const char     *text;
    size_t          length;
    if (!json_slice_member(event->json, event->json_length, "data", &text, &length)) {
        reading->failed = true;
    } else if (event->kind == EVENT_KIND_PART) {
        take_part(reading, text, length);
    } else {
        reading->failed = !bytes_append(&reading->text, text, length);
        reading->done   = true;
    }
    return !reading->done && !reading->failed;
}

static json_t *read_value(struct event_track *track, const struct plot *plot, struct err *err)
{
    struct reading      reading = {0};
    struct event_cursor cursor;
    json_error_t        error;
    json_t             *value = NULL;

    if (event_track_seek(track, plot->seq - 1, &cursor) && event_track_read(track, &cursor, SIZE_MAX, on_event, &reading, err) == 0 &&
        reading.done && !reading.failed)
        value = json_loadb(reading.text.data, reading.text.length, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
    bytes_done(&reading.text);
    if (value == NULL)
        (void)err_set(err, ESTALE, "the plot is not kept any more");
    return value;
}

static int put_json(const json_t *value, struct session_picture *ret, struct err *err)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(15));
    bool  fine = text != NULL && bytes_append(&ret->data, text, strlen(text));
    free(text);
    ret->content_type = PLOTLY;
    return fine ? 0 : err_set(err, ENOMEM, "no memory for a plot");
}

/* Images are base64, as are all plots; what is text in a bundle is just that. */
static int put_text(const struct plot *plot, const char *mime, const json_t *text, struct session_picture *ret, struct err *err)
{
    bool is_text      = plot->kind == EVENT_KIND_RESULT && (mime == SVG || mime == HTML);
    bool fine         = json_is_string(text);
    ret->is_active    = mime == SVG || mime == HTML;
    ret->content_type = mime == HTML ? "text/html; charset=utf-8" : mime;
    if (fine)
        fine = is_text ? bytes_append(&ret->data, json_string_value(text), json_string_length(text))
                       : base64_decode(json_string_value(text), json_string_length(text), &ret->data);
    return fine ? 0 : err_set(err, EINVAL, "the plot is not what it says it is");
}

int session_plots_read(struct session *session, const struct id *id, bool as_json, struct session_picture *ret, struct err *err)
{
    struct plot        *plot  = find(session->plots, id);
    struct event_track *track = plot != NULL ? track_of(session, plot) : NULL;
    json_t             *value, *data;
    const char         *mime;
    int                 result;

    *ret = (struct session_picture){0};
    if (plot == NULL)
        return err_set(err, ENOENT, "there is no such plot");
    if (as_json && plot->mime != PLOTLY)
        return err_set(err, EINVAL, "only a plotly figure can be had as JSON");
    event_log_flush(session->log);
    value = track != NULL ? read_value(track, plot, err) : NULL;
    if (value == NULL)
        return track != NULL ? -1 : err_set(err, ESTALE, "the plot is not kept any more");
    mime   = plot->mime == PLOTLY && !as_json ? HTML : plot->mime;
    data   = plot->kind == EVENT_KIND_PLOT ? json_object_get(value, "data") : json_object_get(json_object_get(value, "data"), mime);
    result = as_json ? put_json(data, ret, err) : put_text(plot, mime, data, ret, err);
    json_decref(value);
    if (result != 0)
        bytes_done(&ret->data);
    return result;
}
