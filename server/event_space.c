/* Giving the space of executions back (event_log.h). */
#include "event_log_private.h"

/* What lies between two offsets and is the track's. The commits among it that a later one has replaced go with it, or no block would ever be free. */
static void punch(struct event_track *track, uint64_t from, uint64_t to)
{
    struct event_log   *log   = track->log;
    struct bytes        block = {0};
    struct event_walk   walk;
    struct event_record head;
    const char         *payload;
    uint64_t            offset, run = from;

    if (!track->is_interleaved) {
        event_store_punch(&log->store, from, to - from);
        return;
    }
    block = event_block_take();
    event_walk_init(&walk, &log->store, from, to, block.data, block.data == NULL ? 0 : BLOCK_BYTES);
    while (block.data != NULL && event_walk_next(&walk, &head, &payload, &offset) == EVENT_WALK_RECORD) {
        if (head.serial == track->serial || (head.kind == EVENT_RECORD_COMMIT && offset < log->commit_at))
            continue;
        event_store_punch(&log->store, run, offset - run);
        run = walk.offset;
    }
    if (block.data != NULL)
        event_store_punch(&log->store, run, to - run);
    event_block_give(&block);
}

static void trim_track(struct event_track *track)
{
    struct event_log *log = track->log;

    punch(track, track->first_offset, track->last_offset);
    if (!log->store.can_punch)
        return;
    log->kept_bytes -= track->kept_bytes;
    track->kept_bytes   = 0; /* the terminal event is little and counts no more */
    track->first_seq    = track->last_seq;
    track->first_offset = track->last_offset;
    track->index[0]     = (struct index_entry){track->last_seq, track->last_offset};
    track->index_count  = 1;
    track->is_trimmed   = true;
}

void event_log_trim(struct event_log *log)
{
    for (size_t i = 0; i < log->track_count && log->kept_bytes > log->limits.retain_bytes; i++) {
        struct event_track *track = log->tracks[i];
        if (track->has_ended && !track->is_trimmed && track->flushed_seq == track->last_seq)
            trim_track(track);
    }
}

/* Behind the last event and the commits that follow it, short of the one that holds now. */
static uint64_t end_of(const struct event_track *track)
{
    uint64_t event_end = track->last_offset + track->last_size, end = event_end + track->tail_size, commit_at = track->log->commit_at;
    if (commit_at < event_end)
        return event_end;
    return commit_at < end ? commit_at : end;
}

void event_track_give_back(struct event_track *track)
{
    if (track->last_seq == 0) {
        event_store_punch(&track->log->store, track->begin_offset, track->begin_size);
        return;
    }
    track->is_interleaved |= track->begin_offset + track->begin_size != track->first_offset;
    punch(track, track->begin_offset, end_of(track));
}
