#define _GNU_SOURCE
#include "output.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_look.h"
#include "json_said.h"
#include "json_slice.h"
#include "log.h"
#include "sse.h"
#include "wire.h"

void output_done(struct output *output)
{
    result_done(&output->result);
}

/* The result gets as much as the log let through. */
static void publish(struct output *output, enum event_kind kind, const char *data, size_t length)
{
    struct err err     = {0};
    uint64_t   dropped = event_track_dropped_bytes(output->track), kept;

    if (length == 0)
        return;
    if (event_track_text(output->track, kind, data, length, &err) < 0)
        log_warn("output is lost: %s", err.message);
    kept = length - (event_track_dropped_bytes(output->track) - dropped);
    if (!result_add_text(&output->result, kind, data, (size_t)kept))
        output->result.cut = true;
}

static enum event_kind kind_of_stream(enum pipes_stream stream)
{
    return stream == PIPES_STDERR ? EVENT_KIND_ERR : EVENT_KIND_OUT;
}

void output_text(struct output *output, enum pipes_stream stream, enum output_way way, const char *data, size_t length)
{
    struct text_pair pair = text_carry_join(&output->carry[stream][way], data, length);
    for (int i = 0; i < 2; i++)
        publish(output, kind_of_stream(stream), pair.slice[i].data, pair.slice[i].length);
}

void output_end(struct output *output)
{
    for (int stream = 0; stream < PIPES_STREAM_COUNT; stream++) {
        for (int way = 0; way < OUTPUT_WAY_COUNT; way++) {
            char              bytes[4];
            struct text_slice slice = text_carry_end(&output->carry[stream][way], bytes);
            publish(output, kind_of_stream((enum pipes_stream)stream), slice.data, slice.length);
        }
    }
}

static void drop(struct output *output, const char *what, const char *why)
{
    char line[200];
    int  n = snprintf(line, sizeof line, "[%s was dropped: %s]\n", what, why);
    if (output->dropped++ < 16)
        publish(output, EVENT_KIND_ERR, line, (size_t)n);
}

static json_t *load(const struct frame *frame)
{
    json_t *value = json_said_read(frame->payload, frame->length);
    if (json_is_object(value))
        return value;
    json_decref(value);
    return NULL;
}

static void pass_on(struct output *output, enum event_kind kind, const char *json, size_t length, const json_t *value)
{
    struct err err     = {0};
    uint64_t   dropped = event_track_dropped_bytes(output->track), seq = event_track_last_seq(output->track) + 1;
    if (event_track_json(output->track, kind, json, length, &err) < 0) {
        log_warn("a %s is lost: %s", event_kind_name(kind), err.message);
        return;
    }
    if (event_track_dropped_bytes(output->track) != dropped)
        return;
    if (!result_add_value(&output->result, kind, json, length, value))
        output->result.cut = true;
    if (output->on_value != NULL && kind != EVENT_KIND_VARIABLE)
        output->on_value(kind, value, seq, output->on_value_arg);
}

/* The text as it came when it can stand on one line, else written anew. */
static void publish_value(struct output *output, enum event_kind kind, const struct frame *frame, const json_t *value)
{
    char *text;
    if (sse_value_is_line(frame->payload, frame->length)) {
        pass_on(output, kind, frame->payload, frame->length, value);
        return;
    }
    text = json_dumps(value, JSON_COMPACT);
    if (text != NULL)
        pass_on(output, kind, text, strlen(text), value);
    free(text);
}

static bool has_name(const char *json, size_t length)
{
    const char *name;
    size_t      name_length;
    return json_slice_member(json, length, "name", &name, &name_length) && *name == '"';
}

/*
 * Nothing of a variable is wanted but its text and its name: no value is made of it. Returns false when it has to be, or is not JSON. (Where there are
 * escapes, which json_look leaves to jansson, a name may be written in two ways.)
 */
static bool publish_variable(struct output *output, const struct frame *frame)
{
    if (!json_look_is_line(frame->payload, frame->length) || !has_name(frame->payload, frame->length))
        return false;
    pass_on(output, EVENT_KIND_VARIABLE, frame->payload, frame->length, NULL);
    return true;
}

static const char *excess(struct output *output, enum event_kind kind, const struct frame *frame)
{
    const struct output_limits *limits = &output->limits;
    if (kind == EVENT_KIND_PLOT && frame->length > limits->plot_bytes / 3 * 4 + 4096)
        return "larger than the policy permits";
    if (kind == EVENT_KIND_VARIABLE && frame->length > limits->variable_bytes)
        return "larger than the policy permits";
    if (kind == EVENT_KIND_PLOT && ++output->plots > limits->plots)
        return "more plots than the policy permits";
    if (kind == EVENT_KIND_VARIABLE && ++output->variables > limits->variables)
        return "more variables than the policy permits";
    return NULL;
}

void output_value(struct output *output, const struct frame *frame)
{
    enum event_kind kind = frame->type == EVENT_PLOT       ? EVENT_KIND_PLOT
                           : frame->type == EVENT_VARIABLE ? EVENT_KIND_VARIABLE
                                                           : EVENT_KIND_RESULT;
    const char     *why;
    json_t         *value;

    if (kind == EVENT_KIND_VARIABLE && !output->include_variables)
        return;
    why = excess(output, kind, frame);
    if (why == NULL && kind == EVENT_KIND_VARIABLE && publish_variable(output, frame))
        return;
    value = why == NULL ? load(frame) : NULL;
    if (why == NULL && (value == NULL || (kind == EVENT_KIND_VARIABLE &&
                                          (!json_is_string(json_object_get(value, "name")) || !has_name(frame->payload, frame->length)))))
        why = "it is not JSON of the agreed form";
    if (why != NULL)
        drop(output, event_kind_name(kind), why);
    else
        publish_value(output, kind, frame, value);
    json_decref(value);
}
