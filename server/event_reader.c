/* Reading the event log back (event_log.h). */
#include "event_log_private.h"

#include <errno.h>
#include <inttypes.h>

bool event_track_seek(struct event_track *track, uint64_t after_seq, struct event_cursor *ret_cursor)
{
    uint64_t wanted = after_seq + 1, first = event_track_first_seq(track);
    uint32_t low = 0, high = track->index_count;
    bool     is_there = wanted >= first && after_seq <= track->last_seq;

    if (!is_there)
        wanted = first;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (track->index[middle].seq <= wanted)
            low = middle + 1;
        else
            high = middle;
    }
    ret_cursor->next_seq = wanted;
    ret_cursor->offset   = low > 0 ? track->index[low - 1].offset : track->index_count > 0 ? track->index[0].offset : track->begin_offset;
    return is_there;
}

bool event_track_is_at_tail(const struct event_track *track, const struct event_cursor *cursor)
{
    return cursor->next_seq > track->flushed_seq;
}

/* A cursor that stands before dropped events need not walk through what is left of them. */
static void skip_dropped(const struct event_track *track, struct event_cursor *cursor)
{
    if (cursor->next_seq < track->first_seq)
        *cursor = (struct event_cursor){track->first_seq, track->first_offset};
    if (cursor->offset < track->first_offset)
        cursor->offset = track->first_offset;
}

/* Moves to this track's next flushed event; the view lies in the walk's window. */
static enum event_walk_step next_event(const struct event_track *track, struct event_walk *walk, struct event_cursor *cursor,
                                       struct event_view *ret_view)
{
    struct event_record  head;
    const char          *payload;
    uint64_t             offset;
    enum event_walk_step step;

    while ((step = event_walk_next(walk, &head, &payload, &offset)) == EVENT_WALK_RECORD) {
        bool is_ours = head.serial == track->serial && head.kind < EVENT_KIND_COUNT && payload != NULL;
        if (is_ours && head.seq > track->flushed_seq)
            return EVENT_WALK_END;
        cursor->offset = walk->offset;
        if (!is_ours || head.seq < cursor->next_seq)
            continue;
        cursor->next_seq = head.seq + 1;
        *ret_view        = event_record_view(&head, payload, offset);
        return step;
    }
    return step;
}

int event_track_read(struct event_track *track, struct event_cursor *cursor, size_t max_bytes,
                     bool (*on_event)(const struct event_view *event, void *arg), void *arg, struct err *err)
{
    struct bytes         block = event_block_take();
    struct event_walk    walk;
    struct event_view    view;
    enum event_walk_step step = EVENT_WALK_RECORD;
    uint64_t             start;

    if (block.data == NULL)
        return err_set(err, ENOMEM, "no memory to read events");
    skip_dropped(track, cursor);
    start = cursor->offset;
    event_walk_init(&walk, &track->log->store, start, track->log->end, block.data, BLOCK_BYTES);
    while (!event_track_is_at_tail(track, cursor) && cursor->offset - start < max_bytes) {
        step = next_event(track, &walk, cursor, &view);
        if (step != EVENT_WALK_RECORD || !on_event(&view, arg))
            break;
    }
    if (step == EVENT_WALK_FAILED)
        (void)err_errno(err, "reading events");
    if (step == EVENT_WALK_END) /* what should be there is not: go on behind it */
        cursor->next_seq = track->flushed_seq + 1;
    event_block_give(&block);
    return step == EVENT_WALK_FAILED ? -1 : 0;
}

int event_track_note(struct event_track *track, struct bytes *out, struct err *err)
{
    struct event_log         *log = track->log;
    struct event_record       head;
    struct event_record_begin begin;
    uint64_t                  at = track->begin_offset;
    size_t                    skip, length;
    char                     *to;

    event_log_flush(log);
    if (event_store_read(&log->store, at, (char *)&head, sizeof head) != (ssize_t)sizeof head ||
        event_store_read(&log->store, at + sizeof head, (char *)&begin, sizeof begin) != (ssize_t)sizeof begin ||
        !event_record_head((const char *)&head, sizeof head, &head) || head.kind != EVENT_RECORD_BEGIN)
        return err_set(err, EIO, "the note of execution %" PRIu64 " can't be read", track->serial);
    skip = sizeof begin + begin.execution_id_length + begin.session_id_length;
    if (skip > head.length)
        return err_set(err, EIO, "the note of execution %" PRIu64 " is damaged", track->serial);
    length = head.length - skip;
    to     = bytes_reserve(out, length);
    if (to == NULL)
        return err_set(err, ENOMEM, "no memory for a note");
    if (length > 0 && event_store_read(&log->store, at + sizeof head + skip, to, length) != (ssize_t)length)
        return err_set(err, EIO, "the note of execution %" PRIu64 " can't be read", track->serial);
    out->length += length;
    return 0;
}
