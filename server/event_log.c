#include "event_log_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCKS_KEPT = 4 };

static struct bytes blocks[BLOCKS_KEPT];
static size_t       block_count;

struct bytes event_block_take(void)
{
    struct bytes block = {0};
    if (block_count > 0)
        return blocks[--block_count];
    (void)bytes_reserve(&block, BLOCK_BYTES);
    return block;
}

void event_block_give(struct bytes *block)
{
    if (block->capacity != BLOCK_BYTES || block_count == BLOCKS_KEPT) {
        bytes_done(block);
        return;
    }
    block->length         = 0;
    blocks[block_count++] = *block;
    *block                = (struct bytes){0};
}

void event_log_set_limits(struct event_log *log, const struct event_log_limits *limits)
{
    log->limits = *limits;
}

bool event_log_is_dirty(const struct event_log *log)
{
    return log->batch.length > 0 || log->open_track != NULL; /* text that later text may still join is unwritten too */
}

bool event_log_is_in_memory(const struct event_log *log)
{
    return log->store.error != 0;
}

uint64_t event_log_bytes(const struct event_log *log)
{
    return log->kept_bytes;
}

/* The table of tracks: mostly appended to, so a sorted array. Returns the first position whose serial is not less. */
static size_t position_of(const struct event_log *log, uint64_t serial)
{
    size_t low = 0, high = log->track_count;
    if (high > 0 && log->tracks[high - 1]->serial < serial)
        return high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (log->tracks[middle]->serial < serial)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct event_track *event_log_find(struct event_log *log, uint64_t serial)
{
    size_t i = position_of(log, serial);
    return i < log->track_count && log->tracks[i]->serial == serial ? log->tracks[i] : NULL;
}

struct event_track *event_log_next(struct event_log *log, const struct event_track *after)
{
    size_t i = after == NULL ? 0 : position_of(log, after->serial) + 1;
    return i < log->track_count ? log->tracks[i] : NULL;
}

int event_log_insert(struct event_log *log, struct event_track *track, struct err *err)
{
    size_t i = position_of(log, track->serial);

    if (log->track_count == log->track_capacity) {
        size_t               capacity = log->track_capacity == 0 ? 4 : log->track_capacity * 2;
        struct event_track **tracks   = realloc(log->tracks, capacity * sizeof *tracks);
        if (tracks == NULL)
            return err_set(err, ENOMEM, "no memory for an execution's events");
        log->tracks         = tracks;
        log->track_capacity = capacity;
    }
    memmove(log->tracks + i + 1, log->tracks + i, (log->track_count - i) * sizeof(struct event_track *));
    log->tracks[i] = track;
    log->track_count++;
    return 0;
}

void event_log_remove(struct event_log *log, struct event_track *track)
{
    size_t i = position_of(log, track->serial);
    log->track_count--;
    memmove(log->tracks + i, log->tracks + i + 1, (log->track_count - i) * sizeof(struct event_track *));
}

/* Appending: the batch. */
char *event_log_reserve(struct event_log *log, size_t payload, struct err *err)
{
    char *to;

    event_log_close_text(log);
    if (log->batch.length >= BATCH_BYTES && log->on_commit == NULL)
        event_log_flush(log);
    if (log->batch.data == NULL)
        log->batch = event_block_take();
    to = bytes_reserve(&log->batch, event_record_size(payload));
    if (to == NULL)
        (void)err_set(err, ENOMEM, "no memory for events");
    return to;
}

void event_log_add(struct event_log *log, struct event_record *head)
{
    event_record_seal(log->batch.data + log->batch.length, head);
    log->batch.length += event_record_size(head->length);
}

/* Every execution that has begun and not ended is told that its log is in memory now. */
static void tell_storage(struct event_log *log)
{
    for (size_t i = 0; i < log->track_count; i++) {
        struct event_track *track = log->tracks[i];
        if (track->last_seq > 0 && !track->has_ended)
            event_track_tell_storage(track, log->store.error);
    }
}

static void deliver(struct event_log *log, const struct bytes *batch, uint64_t offset)
{
    struct event_record head;
    struct event_track *track = NULL;

    for (size_t at = 0; at < batch->length; at += event_record_size(head.length)) {
        struct event_view view;
        memcpy(&head, batch->data + at, sizeof head);
        if (head.kind >= EVENT_RECORD_BEGIN)
            continue;
        if (track == NULL || track->serial != head.serial)
            track = event_log_find(log, head.serial);
        if (track == NULL)
            continue;
        track->flushed_seq = head.seq;
        if (track->listener.on_event == NULL)
            continue;
        view = event_record_view(&head, batch->data + at + sizeof head, offset + at);
        track->listener.on_event(&view, track->listener.arg);
    }
}

void event_log_flush(struct event_log *log)
{
    if (log->is_flushing)
        return;
    log->is_flushing = true;
    event_log_close_text(log);
    while (log->batch.length > 0 || log->is_asked) {
        struct bytes batch;
        uint64_t     offset = log->end;
        log->is_asked       = false;
        if (log->on_commit != NULL)
            log->on_commit(log->commit_arg);
        batch      = log->batch;
        log->batch = (struct bytes){0};
        log->end += batch.length;
        if (event_store_write(&log->store, offset, batch.data, batch.length) < 0)
            tell_storage(log);
        else if (log->coming_at > 0)
            log->commit_at = log->coming_at;
        log->coming_at = 0;
        if (log->on_written != NULL)
            log->on_written(log->commit_arg);
        deliver(log, &batch, offset);
        event_block_give(&batch);
        event_log_close_text(log);
    }
    log->is_flushing = false;
}

static void end_listener(struct event_track *track)
{
    struct event_listener listener = track->listener;
    track->listener                = (struct event_listener){0};
    if (listener.on_end != NULL)
        listener.on_end(listener.arg);
}

static void free_track(struct event_track *track)
{
    end_listener(track);
    free(track->index);
    free(track);
}

void event_track_free(struct event_track *track)
{
    struct event_log *log;

    if (track == NULL)
        return;
    log = track->log;
    event_log_flush(log);
    event_track_give_back(track);
    log->kept_bytes -= track->kept_bytes;
    event_log_remove(log, track);
    free_track(track);
}

void event_log_free(struct event_log *log)
{
    if (log == NULL)
        return;
    event_log_flush(log);
    for (size_t i = 0; i < log->track_count; i++)
        free_track(log->tracks[i]);
    free(log->tracks);
    bytes_done(&log->batch);
    bytes_done(&log->commit);
    event_store_done(&log->store);
    free(log);
}

/* Opening: the file tells everything. */
static int restore_track(struct event_log *log, const struct event_record *head, const char *payload, uint64_t offset, struct err *err)
{
    struct event_record_begin begin;
    struct event_track       *track;

    if (head->length < sizeof begin || event_log_find(log, head->serial) != NULL)
        return 0;
    memcpy(&begin, payload, sizeof begin);
    if (begin.execution_id_length > SSE_NAME_MAX || begin.session_id_length > SSE_NAME_MAX ||
        sizeof begin + begin.execution_id_length + begin.session_id_length > head->length)
        return 0;
    track = calloc(1, sizeof *track);
    if (track == NULL)
        return err_set(err, ENOMEM, "no memory for an execution's events");
    memcpy(track->execution_id, payload + sizeof begin, begin.execution_id_length);
    memcpy(track->session_id, payload + sizeof begin + begin.execution_id_length, begin.session_id_length);
    track->log          = log;
    track->serial       = head->serial;
    track->first_seq    = 1;
    track->begin_offset = offset;
    track->begin_size   = event_record_size(head->length);
    track->output_limit = log->limits.output_bytes;
    track->log_limit    = log->limits.log_bytes;
    if (sse_source_init(&track->source, begin.epoch, track->execution_id, track->session_id, NULL) < 0 ||
        event_log_insert(log, track, err) < 0) {
        free(track);
        return 0;
    }
    return 0;
}

static int restore_event(struct event_log *log, const struct event_record *head, uint64_t offset, struct err *err)
{
    struct event_track *track = event_log_find(log, head->serial);

    if (track == NULL || head->seq <= track->last_seq || head->kind >= EVENT_KIND_COUNT)
        return 0;
    if (track->last_seq == 0)
        track->first_seq = head->seq;
    if (!event_track_count(track, head, offset))
        return err_set(err, ENOMEM, "no memory for an execution's events");
    track->flushed_seq  = head->seq;
    track->output_bytes = head->output;
    return 0;
}

static void restore_note(const struct event_log *log, const struct event_record *head, uint64_t offset)
{
    struct event_track *track = event_log_find((struct event_log *)log, head->serial);
    if (track != NULL)
        track->note_offset = offset;
}

/* A begin record can be longer than the window (a long note): its ids are read for themselves. */
static int restore_record(struct event_log *log, const struct event_record *head, const char *payload, uint64_t offset, struct err *err)
{
    char start[sizeof(struct event_record_begin) + 2 * SSE_NAME_MAX];

    if (head->kind == EVENT_RECORD_NOTE)
        restore_note(log, head, offset);
    if (head->kind != EVENT_RECORD_BEGIN)
        return payload == NULL || head->kind > EVENT_RECORD_BEGIN ? 0 : restore_event(log, head, offset, err);
    if (payload == NULL) {
        if (event_store_read(&log->store, offset + sizeof *head, start, sizeof start) != (ssize_t)sizeof start)
            return 0;
        payload = start;
    }
    return restore_track(log, head, payload, offset, err);
}

/* Sets *size to the end of the last commit, if there is one, and keeps what it says. Returns 0, or -1: no memory. */
static int find_commit(struct event_log *log, uint64_t *size, struct err *err)
{
    struct bytes        block = event_block_take();
    struct event_walk   walk;
    struct event_record head;
    const char         *payload;
    uint64_t            offset, end = *size;
    int                 result = block.data == NULL ? err_set(err, ENOMEM, "no memory to read an event log") : 0;

    event_walk_init(&walk, &log->store, 0, *size, block.data, BLOCK_BYTES);
    while (result == 0 && event_walk_next(&walk, &head, &payload, &offset) == EVENT_WALK_RECORD) {
        if (head.kind != EVENT_RECORD_COMMIT || payload == NULL)
            continue;
        end                = walk.offset;
        log->commit.length = 0;
        if (!bytes_append(&log->commit, payload, head.length))
            result = err_set(err, ENOMEM, "no memory to read an event log");
    }
    *size = end;
    event_block_give(&block);
    return result;
}

static int restore(struct event_log *log, uint64_t size, struct err *err)
{
    struct bytes         block = event_block_take();
    struct event_walk    walk;
    struct event_record  head;
    const char          *payload;
    uint64_t             offset;
    enum event_walk_step step   = EVENT_WALK_END;
    int                  result = block.data == NULL ? err_set(err, ENOMEM, "no memory to read an event log") : 0;

    event_walk_init(&walk, &log->store, 0, size, block.data, BLOCK_BYTES);
    while (result == 0 && (step = event_walk_next(&walk, &head, &payload, &offset)) == EVENT_WALK_RECORD) {
        result   = restore_record(log, &head, payload, offset, err);
        log->end = walk.offset;
    }
    if (result == 0 && step == EVENT_WALK_FAILED)
        result = err_errno(err, "reading an event log");
    event_block_give(&block);
    return result;
}

struct event_log *event_log_open(int fd, const struct event_log_limits *limits, struct err *err)
{
    struct event_log *log = calloc(1, sizeof *log);
    struct stat       status;
    uint64_t          size;

    if (log == NULL) {
        if (fd >= 0)
            close(fd);
        (void)err_set(err, ENOMEM, "no memory for an event log");
        return NULL;
    }
    log->limits = *limits;
    if (event_store_init(&log->store, fd, EVENT_LOG_MEMORY_MAX, err) < 0) {
        free(log);
        return NULL;
    }
    if (fstat(log->store.fd, &status) < 0) {
        (void)err_errno(err, "reading an event log");
    } else if (size = (uint64_t)status.st_size, (size == 0 || find_commit(log, &size, err) == 0) && restore(log, size, err) == 0) {
        /* What was cut off; harmless should it stay. A file that is truncated to nothing is written to the disk when it is closed (ext4). */
        if ((uint64_t)status.st_size != log->end)
            (void)!ftruncate(log->store.fd, (off_t)log->end);
        return log;
    }
    event_log_free(log);
    return NULL;
}
