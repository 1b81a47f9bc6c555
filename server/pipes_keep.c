/* pipes_keep.c: what a session's pipes need so that another process can go on with them (intake.h, outlet.h). */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "pipes.h"

/* A record of pending bytes begins with this; the bytes follow. */
struct pending_head {
    uint64_t before; /* record of the bytes before these */
    uint64_t has_before;
};

void pipes_keep(struct pipes *pipes, struct keep *keep, uint32_t seat, struct keep_request *request, const struct pipes_store *store,
                void *arg)
{
    pipes->intake    = (struct intake){.keep = keep, .seat = seat};
    pipes->request   = request;
    pipes->store     = store;
    pipes->store_arg = arg;
    /* What was read before is over: a half-read frame could not be told to anybody, but a ready interpreter has sent none. */
    pipes->logged_to = pipes->reader.fed;
    pipes->has_chain = false;
    request->folded  = pipes->folded;
}

bool pipes_need_commit(const struct pipes *pipes)
{
    uint64_t turn;
    uint32_t covered;
    if (!pipes->open || !intake_is_open(&pipes->intake))
        return false;
    intake_position(&pipes->intake, &turn, &covered);
    return turn != pipes->covered_turn || covered != pipes->covered;
}

static void add_piece(const char *data, size_t length, void *arg)
{
    (void)bytes_append(arg, data, length);
}

static int record_pending(struct pipes *pipes, uint64_t from)
{
    bool                goes_on = pipes->has_chain && pipes->reader.handled < pipes->logged_to;
    struct pending_head head    = {.before = pipes->chain_at, .has_before = goes_on};
    struct bytes        record  = {0};
    size_t              length  = (size_t)(pipes->reader.fed - from);
    uint64_t            at;
    int                 result = -1;

    (void)bytes_append(&record, &head, sizeof head);
    intake_tail(&pipes->intake, length, add_piece, &record);
    if (record.length == sizeof head + length &&
        pipes->store->on_record(PIPES_RECORD_PENDING, record.data, record.length, &at, pipes->store_arg) == 0) {
        if (!goes_on)
            pipes->chain_base = (int64_t)from;
        pipes->chain_at  = at;
        pipes->has_chain = true;
        pipes->logged_to = pipes->reader.fed;
        result           = 0;
    }
    bytes_done(&record);
    return result;
}

int pipes_commit(struct pipes *pipes, struct pipes_position *ret)
{
    const struct frame_reader *reader = &pipes->reader;
    uint64_t                   from   = reader->handled > pipes->logged_to ? reader->handled : pipes->logged_to;

    *ret = (struct pipes_position){0};
    if (!pipes->open || pipes->request == NULL)
        return 0;
    for (int stream = 0; stream < PIPES_STREAM_COUNT; stream++)
        ret->raw_ahead[stream] = pipes->raw_read[stream] - pipes->raw_base[stream];
    intake_position(&pipes->intake, &ret->turn, &ret->covered);
    pipes->covered_turn = ret->turn;
    pipes->covered      = ret->covered;
    if (from < reader->fed && record_pending(pipes, from) < 0)
        return -1;
    ret->has_pending    = reader->handled < reader->fed;
    ret->pending_length = reader->fed - reader->handled;
    if (ret->has_pending != 0) {
        ret->pending_at   = pipes->chain_at;
        ret->pending_skip = (uint64_t)((int64_t)reader->handled - pipes->chain_base);
    }
    return 0;
}

bool pipes_pending(const struct bytes *record, const char **ret_data, size_t *ret_length, uint64_t *ret_before)
{
    struct pending_head head = {0};
    if (record->length >= sizeof head)
        memcpy(&head, record->data, sizeof head);
    *ret_data   = record->data + sizeof head;
    *ret_length = record->length >= sizeof head ? record->length - sizeof head : 0;
    *ret_before = head.before;
    return head.has_before != 0;
}
