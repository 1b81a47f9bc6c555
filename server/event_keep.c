/* What an event log holds besides events (event_log.h): for a server process that takes it over. */
#include "event_log_private.h"

#include <errno.h>
#include <string.h>

void event_log_set_committer(struct event_log *log, void (*on_commit)(void *arg), void (*on_written)(void *arg), void *arg)
{
    log->on_commit  = on_commit;
    log->on_written = on_written;
    log->commit_arg = arg;
}

void event_log_commit(struct event_log *log)
{
    log->is_asked = log->on_commit != NULL;
    event_log_flush(log);
}

bool event_log_is_heavy(const struct event_log *log)
{
    return log->batch.length >= BATCH_BYTES;
}

int event_log_descriptor(const struct event_log *log)
{
    return log->store.fd;
}

const struct bytes *event_log_last_commit(const struct event_log *log)
{
    return &log->commit;
}

/* A commit is given back with the execution it stands behind. */
static void count_commit(struct event_log *log, uint64_t at, size_t size)
{
    struct event_track *track = event_log_find(log, log->last_serial);

    log->coming_at = at;
    if (track != NULL && track->last_seq > 0 && track->last_offset + track->last_size + track->tail_size == at)
        track->tail_size += size;
}

int event_log_record(struct event_log *log, unsigned kind, uint64_t serial, const void *data, size_t length, uint64_t *ret_at,
                     struct err *err)
{
    struct event_record head = {.length = (uint32_t)length, .serial = serial, .kind = (uint16_t)kind};
    char               *to;

    if (length > EVENT_RECORD_PAYLOAD_MAX)
        return err_set(err, EMSGSIZE, "a record of %zu bytes is too long", length);
    to = event_log_reserve(log, length, err);
    if (to == NULL)
        return -1;
    memcpy(to + sizeof head, data, length);
    if (ret_at != NULL)
        *ret_at = log->end + log->batch.length;
    if (kind == EVENT_RECORD_COMMIT)
        count_commit(log, log->end + log->batch.length, event_record_size(length));
    event_log_add(log, &head);
    if (kind == EVENT_RECORD_NOTE || kind == EVENT_RECORD_SESSION || kind == EVENT_RECORD_FILE || kind == EVENT_RECORD_HISTORY)
        log->last_serial = UINT64_MAX; /* it stands among the events of an execution, which must not be given back in one piece */
    return 0;
}

int event_log_read(const struct event_log *log, uint64_t at, unsigned kind, struct bytes *out, struct err *err)
{
    struct event_record head;
    char               *to;

    if (event_store_read(&log->store, at, (char *)&head, sizeof head) != (ssize_t)sizeof head ||
        !event_record_head((const char *)&head, sizeof head, &head) || head.kind != kind)
        return err_set(err, EIO, "a record of the event log can't be read");
    to = bytes_reserve(out, head.length);
    if (to == NULL)
        return err_set(err, ENOMEM, "no memory for a record of the event log");
    if (event_store_read(&log->store, at + sizeof head, to, head.length) != (ssize_t)head.length ||
        !event_record_payload_is_good(&head, to))
        return err_set(err, EIO, "a record of the event log is damaged");
    out->length += head.length;
    return 0;
}

void event_log_erase(struct event_log *log, uint64_t at)
{
    struct event_record head;
    if (at != 0 && at < log->end && event_store_read(&log->store, at, (char *)&head, sizeof head) == (ssize_t)sizeof head &&
        event_record_head((const char *)&head, sizeof head, &head) && head.kind > EVENT_RECORD_BEGIN)
        event_store_erase(&log->store, at, event_record_size(head.length));
}

int event_track_keep(struct event_track *track, const void *note, size_t length, struct err *err)
{
    uint64_t before = track->note_offset;
    int      result = 0;

    track->note_offset = 0;
    if (length > 0)
        result = event_log_record(track->log, EVENT_RECORD_NOTE, track->serial, note, length, &track->note_offset, err);
    event_log_erase(track->log, before);
    return result;
}

int event_track_kept(const struct event_track *track, struct bytes *out, struct err *err)
{
    if (track->note_offset == 0)
        return err_set(err, ENOENT, "nothing was kept of this execution");
    return event_log_read(track->log, track->note_offset, EVENT_RECORD_NOTE, out, err);
}

void event_track_set_counts(struct event_track *track, uint64_t output_bytes, uint64_t dropped_bytes)
{
    track->output_bytes  = output_bytes;
    track->dropped_bytes = dropped_bytes;
}
