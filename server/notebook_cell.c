#define _GNU_SOURCE
#include "notebook_cell.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "text.h"

/* What is gathered from the events of an execution. */
struct reading {
    struct bytes    outputs; /* the members of the array */
    struct bytes    parts;
    enum event_kind stream; /* of the last output, when text can still join it */
    json_int_t      count;  /* executionCount; -1: it has not begun */
    json_t         *last;   /* of the terminal event */
    size_t          room;
    uint64_t        next_seq, since;
    bool            incomplete, no_memory;
};

static json_t *parse(const char *text, size_t length)
{
    json_error_t error;
    json_t      *value = json_loadb(text, length, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (value == NULL) /* it may have a number of more than 64 bits */
        value = json_loadb(text, length, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
    return value;
}

static bool literal(struct bytes *out, const char *text)
{
    return bytes_append(out, text, strlen(text));
}

static bool dump(struct bytes *out, const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
    bool  fine = text != NULL && literal(out, text);
    free(text);
    return fine;
}

static bool has_room(struct reading *reading, size_t more)
{
    if (reading->outputs.length + more <= reading->room)
        return true;
    reading->incomplete = true;
    return false;
}

/* `json` is a JSON string, quotes and all, as it came: two of them join at their quotes. */
static void add_text(struct reading *reading, enum event_kind kind, const char *json, size_t length)
{
    struct bytes *out = &reading->outputs;
    bool          fine;
    if (length < 2 || !has_room(reading, length + 64))
        return;
    if (reading->stream == kind) {
        out->length -= 2; /* "} */
        fine = bytes_append(out, json + 1, length - 1) && literal(out, "}");
    } else {
        fine = (out->length == 0 || literal(out, ",")) && literal(out, "{\"output_type\":\"stream\",\"name\":\"") &&
               literal(out, event_kind_name(kind)) && literal(out, "\",\"text\":") && bytes_append(out, json, length) && literal(out, "}");
        reading->stream = kind;
    }
    if (!fine)
        reading->no_memory = true;
}

/* Takes the reference. */
static void add_output(struct reading *reading, json_t *output)
{
    struct bytes text = {0};
    if (output == NULL || !dump(&text, output) || (reading->outputs.length > 0 && !literal(&reading->outputs, ",")) ||
        (has_room(reading, text.length) && !bytes_append(&reading->outputs, text.data, text.length)))
        reading->no_memory = true;
    if (reading->outputs.length > 0 && reading->outputs.data[reading->outputs.length - 1] == ',')
        reading->outputs.length--;
    reading->stream = EVENT_KIND_NONE;
    bytes_done(&text);
    json_decref(output);
}

static bool is_json_type(const char *mime)
{
    size_t length = strlen(mime);
    return strcmp(mime, "application/json") == 0 ||
           (length > 17 && strncmp(mime, "application/", 12) == 0 && strcmp(mime + length - 5, "+json") == 0);
}

/* The bundle as the format permits it: text for every type that is not JSON. */
static json_t *clean_bundle(const json_t *data)
{
    json_t     *clean = json_object(), *value;
    const char *mime;
    json_object_foreach((json_t *)data, mime, value)
    {
        if (strchr(mime, '/') != NULL && (json_is_string(value) || is_json_type(mime)))
            (void)json_object_set(clean, mime, value);
    }
    return clean;
}

static json_t *object_or_empty(json_t *value)
{
    return json_is_object(value) ? json_incref(value) : json_object();
}

static void add_result(struct reading *reading, const json_t *value)
{
    bool    is_main = json_is_true(json_object_get(value, "isMainResult"));
    json_t *output =
        json_pack("{s:s, s:o, s:o}", "output_type", is_main ? "execute_result" : "display_data", "data",
                  clean_bundle(json_object_get(value, "data")), "metadata", object_or_empty(json_object_get(value, "metadata")));
    if (is_main)
        (void)json_object_set_new(output, "execution_count", json_integer(reading->count));
    add_output(reading, output);
}

/* PNG stays base64; what is text in a notebook is decoded. */
static json_t *image_of(const json_t *plot, const char *format)
{
    json_t      *data  = json_object_get(plot, "data");
    struct bytes plain = {0}, valid = {0};
    json_t      *text = NULL;
    if (strcmp(format, "png") == 0 || strcmp(format, "jpeg") == 0)
        return json_incref(data);
    if (json_is_string(data) && base64_decode(json_string_value(data), json_string_length(data), &plain) && plain.length > 0 &&
        text_repair(&valid, plain.data, plain.length))
        text = json_stringn(valid.data, valid.length);
    bytes_done(&plain);
    bytes_done(&valid);
    return text;
}

static void add_plot(struct reading *reading, const json_t *value)
{
    static const char *const known[][2] = {{"png", "image/png"}, {"svg", "image/svg+xml"}, {"html", "text/html"}, {"jpeg", "image/jpeg"}};
    const char              *format     = json_string_value(json_object_get(value, "format"));
    for (size_t i = 0; format != NULL && i < sizeof known / sizeof *known; i++) {
        json_t *image = strcmp(format, known[i][0]) == 0 ? image_of(value, format) : NULL;
        if (image != NULL)
            add_output(reading, json_pack("{s:s, s:{s:o}, s:{}}", "output_type", "display_data", "data", known[i][1], image, "metadata"));
    }
}

static void add_message(struct reading *reading, const json_t *text, enum event_kind kind)
{
    struct bytes quoted = {0};
    if (json_is_string(text) && json_string_length(text) > 0 && dump(&quoted, text))
        add_text(reading, kind, quoted.data, quoted.length);
    bytes_done(&quoted);
}

static enum event_kind kind_named(const char *name)
{
    for (int kind = 0; kind < EVENT_KIND_COUNT; kind++)
        if (name != NULL && strcmp(event_kind_name((enum event_kind)kind), name) == 0)
            return (enum event_kind)kind;
    return EVENT_KIND_NONE;
}

static void take_value(struct reading *reading, enum event_kind kind, const json_t *value)
{
    switch (kind) {
    case EVENT_KIND_START: reading->count = json_integer_value(json_object_get(value, "executionCount")); break;
    case EVENT_KIND_PLOT: add_plot(reading, value); break;
    case EVENT_KIND_RESULT: add_result(reading, value); break;
    case EVENT_KIND_INPUT_REQUEST: add_message(reading, json_object_get(value, "prompt"), EVENT_KIND_OUT); break;
    case EVENT_KIND_TRUNCATED:
        reading->incomplete = true;
        add_message(reading, json_object_get(value, "message"), EVENT_KIND_ERR);
        break;
    case EVENT_KIND_COMPLETE:
    case EVENT_KIND_ERROR: reading->last = json_incref((json_t *)value); break;
    default: break;
    }
}

static void take_part(struct reading *reading, const json_t *part)
{
    const json_t   *chunk = json_object_get(part, "chunk");
    json_int_t      index = json_integer_value(json_object_get(part, "part")), count = json_integer_value(json_object_get(part, "parts"));
    enum event_kind kind = kind_named(json_string_value(json_object_get(part, "type")));
    json_t         *value;
    if (index == 0)
        reading->parts.length = 0;
    if (kind == EVENT_KIND_VARIABLE || !json_is_string(chunk) || !has_room(reading, reading->parts.length + json_string_length(chunk)))
        return;
    if (!bytes_append(&reading->parts, json_string_value(chunk), json_string_length(chunk)))
        reading->no_memory = true;
    if (index + 1 < count)
        return;
    value = parse(reading->parts.data, reading->parts.length);
    take_value(reading, kind, value);
    json_decref(value);
}

/* Known from its first event on: the rest needs not be read. */
static bool is_too_old(const struct reading *reading)
{
    return reading->count >= 0 && (uint64_t)reading->count < reading->since;
}

static bool on_event(const struct event_view *event, void *arg)
{
    struct reading *reading = arg;
    const char     *text;
    size_t          length;
    json_t         *value;
    if (event->seq != reading->next_seq)
        reading->incomplete = true;
    reading->next_seq = event->seq + 1;
    if (event->kind == EVENT_KIND_VARIABLE || !event_view_data(event, &text, &length))
        return true;
    if (event_kind_is_text(event->kind)) {
        add_text(reading, event->kind, text, length);
        return !reading->no_memory;
    }
    value = parse(text, length);
    if (event->kind == EVENT_KIND_PART)
        take_part(reading, value);
    else
        take_value(reading, event->kind, value);
    json_decref(value);
    return !reading->no_memory && !is_too_old(reading);
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

/* The exception, timeout or whatever else ended it, as a traceback of one string. */
static void add_error(struct reading *reading)
{
    json_t     *error = json_object_get(reading->last, "error");
    const char *ename = json_is_string(error) ? "ServiceError" : text_of(error, "type"), *trace = text_of(error, "traceback");
    const char *evalue = json_is_string(error) ? text_of(reading->last, "message") : text_of(error, "message");
    if (error != NULL && !json_is_null(error))
        add_output(reading, json_pack("{s:s, s:s, s:s, s:[s]}", "output_type", "error", "ename", ename, "evalue", evalue, "traceback",
                                      *trace != '\0' ? trace : evalue));
}

static bool write_source(struct event_track *track, struct bytes *out, struct err *err)
{
    struct bytes code = {0}, valid = {0};
    json_t      *text = NULL;
    bool         fine;
    if (event_track_note(track, &code, err) == 0 && text_repair(&valid, code.data != NULL ? code.data : "", code.length))
        text = json_stringn(valid.data != NULL ? valid.data : "", valid.length);
    fine = text != NULL && dump(out, text);
    json_decref(text);
    bytes_done(&code);
    bytes_done(&valid);
    return fine;
}

static int write_cell(struct event_track *track, const struct reading *reading, struct bytes *out, struct err *err)
{
    const char *status = text_of(reading->last, "status");
    char        text[320];
    bool        fine;
    (void)snprintf(text, sizeof text,
                   "{\"cell_type\":\"code\",\"execution_count\":%lld,\"id\":\"%.64s\",\"metadata\":{\"penny\":{\"status\":\"%.20s\"%s}},"
                   "\"outputs\":[",
                   (long long)reading->count, event_track_execution_id(track),
                   *status != '\0'                ? status
                   : event_track_has_ended(track) ? "lost"
                                                  : "running",
                   reading->incomplete ? ",\"outputIncomplete\":true" : "");
    fine = literal(out, text) && (reading->outputs.length == 0 || bytes_append(out, reading->outputs.data, reading->outputs.length)) &&
           literal(out, "],\"source\":") && write_source(track, out, err) && literal(out, "}");
    return fine ? 0 : err_set(err, ENOMEM, "no memory for a notebook");
}

int notebook_cell_write(struct event_track *track, uint64_t since, size_t room, struct bytes *out, struct err *err)
{
    struct reading      reading = {.count = -1, .room = room, .next_seq = 1, .since = since};
    struct event_cursor cursor;
    int                 result;
    if (!event_track_seek(track, 0, &cursor))
        reading.incomplete = true;
    result = event_track_read(track, &cursor, SIZE_MAX, on_event, &reading, err);
    if (reading.count < 0) /* of an execution whose events are gone the end still knows it */
        reading.count = json_is_object(reading.last) ? json_integer_value(json_object_get(reading.last, "executionCount")) : -1;
    if (result == 0 && reading.no_memory)
        result = err_set(err, ENOMEM, "no memory for a notebook");
    if (result == 0 && reading.count > 0 && !is_too_old(&reading)) {
        add_error(&reading);
        result = write_cell(track, &reading, out, err);
    }
    json_decref(reading.last);
    bytes_done(&reading.outputs);
    bytes_done(&reading.parts);
    return result;
}
