/* output.h: what a running cell prints and shows, on its way into the event log and into its result. */
#ifndef PENNY_OUTPUT_H
#define PENNY_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event_log.h"
#include "frame.h"
#include "pipes.h"
#include "result.h"
#include "text.h"

struct output_limits {
    uint32_t plots, variables; /* how many of an execution are passed on */
    uint64_t plot_bytes, variable_bytes;
};

/* Text of the two streams comes two ways: in frames, from Python, and through the raw pipes. */
enum output_way { OUTPUT_FRAME, OUTPUT_RAW, OUTPUT_WAY_COUNT };

/* A plot or result that is in the log from `seq` on. */
typedef void (*output_on_value)(enum event_kind kind, const json_t *value, uint64_t seq, void *arg);

struct output {
    struct event_track  *track;
    struct output_limits limits;
    struct result        result;
    struct text_carry    carry[PIPES_STREAM_COUNT][OUTPUT_WAY_COUNT];
    uint32_t             plots, variables;
    uint32_t             dropped; /* values past the limits, or not JSON */
    bool                 include_variables;
    output_on_value      on_value; /* NULL: nobody */
    void                *on_value_arg;
};

void output_done(struct output *output);

void output_text(struct output *output, enum pipes_stream stream, enum output_way way, const char *data, size_t length);
/* A DISPLAY, PLOT or VARIABLE frame. It is read as JSON; what is not, or goes past a limit, is replaced by a line on stderr. */
void output_value(struct output *output, const struct frame *frame);
/* The cell has ended: characters begun and not completed are given out as what they are, invalid. */
void output_end(struct output *output);

#endif
