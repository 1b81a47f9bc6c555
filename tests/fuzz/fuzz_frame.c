/* Frames from a hostile worker: no input may break the reader, and cutting it anywhere gives the same frames. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"

static const struct frame_rule RULES[256] = {
    [EVENT_STDOUT]  = {FRAME_PAYLOAD_MAX, true},
    [EVENT_DISPLAY] = {100000, false},
    [EVENT_DONE]    = {64, false},
};

struct sum {
    uint64_t hash;
    size_t   frames;
};

static bool on_frame(const struct frame *frame, void *arg)
{
    struct sum *sum = arg;
    if (frame->payload == NULL || frame->length > RULES[frame->type].limit ||
        (!RULES[frame->type].parts && (frame->flags & FRAME_MORE) != 0))
        abort();
    sum->hash = (sum->hash ^ frame->type ^ frame->execution ^ (uint64_t)frame->flags << 8) * UINT64_C(0x100000001b3);
    for (size_t i = 0; i < frame->length; i++)
        sum->hash = (sum->hash ^ (uint8_t)frame->payload[i]) * UINT64_C(0x100000001b3);
    sum->frames++;
    return true;
}

static enum frame_read feed(const uint8_t *data, size_t size, size_t step, struct sum *sum)
{
    struct frame_reader reader;
    enum frame_read     result = FRAME_READ_EMPTY;
    frame_reader_init(&reader, RULES);
    for (size_t at = 0; at < size && result == FRAME_READ_EMPTY; at += step)
        result = frame_reader_feed(&reader, data + at, size - at < step ? size - at : step, on_frame, sum, NULL);
    frame_reader_done(&reader);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sum whole = {0}, cut = {0};
    if (size < 1)
        return 0;
    if (feed(data + 1, size - 1, size, &whole) != feed(data + 1, size - 1, data[0] % 64 + 1u, &cut))
        abort();
    if (whole.hash != cut.hash || whole.frames != cut.frames)
        abort();
    return 0;
}
