/* The executions of an event log (event_log.h). */
#include "event_log_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

const char *event_track_execution_id(const struct event_track *track)
{
    return track->execution_id;
}

const char *event_track_session_id(const struct event_track *track)
{
    return track->session_id;
}

uint64_t event_track_serial(const struct event_track *track)
{
    return track->serial;
}

uint64_t event_track_last_seq(const struct event_track *track)
{
    return track->last_seq;
}

uint64_t event_track_first_seq(const struct event_track *track)
{
    return track->last_seq == 0 ? 1 : track->first_seq;
}

bool event_track_has_ended(const struct event_track *track)
{
    return track->has_ended;
}

bool event_track_is_truncated(const struct event_track *track)
{
    return track->is_truncated;
}

uint64_t event_track_output_bytes(const struct event_track *track)
{
    return track->output_bytes;
}

uint64_t event_track_dropped_bytes(const struct event_track *track)
{
    return track->dropped_bytes;
}

uint32_t event_track_epoch(const struct event_track *track)
{
    return track->source.epoch;
}

const struct sse_source *event_track_source(const struct event_track *track)
{
    return &track->source;
}

void event_track_set_listener(struct event_track *track, const struct event_listener *listener)
{
    static const struct event_listener NOBODY;
    track->listener = listener == NULL ? NOBODY : *listener;
}

const struct event_listener *event_track_listener(const struct event_track *track)
{
    return &track->listener;
}

/* A number that differs between executions; splitmix64 from one random seed. */
static uint32_t new_epoch(void)
{
    static uint64_t state;
    uint64_t        z;
    if (state == 0 && getrandom(&state, sizeof state, 0) != (ssize_t)sizeof state)
        state = (uint64_t)time(NULL);
    state += UINT64_C(0x9e3779b97f4a7c15);
    z = (state ^ state >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(z >> 32);
}

static int append_begin(struct event_track *track, const void *note, size_t note_length, struct err *err)
{
    struct event_record_begin begin  = {track->source.epoch, (uint16_t)strlen(track->execution_id), (uint16_t)strlen(track->session_id)};
    size_t                    length = sizeof begin + begin.execution_id_length + begin.session_id_length + note_length;
    struct event_record       head   = {.length = (uint32_t)length, .serial = track->serial, .kind = EVENT_RECORD_BEGIN};
    char                     *to     = event_log_reserve(track->log, length, err);

    if (to == NULL)
        return -1;
    to += sizeof head;
    memcpy(to, &begin, sizeof begin);
    to += sizeof begin;
    memcpy(to, track->execution_id, begin.execution_id_length);
    to += begin.execution_id_length;
    memcpy(to, track->session_id, begin.session_id_length);
    if (note_length > 0)
        memcpy(to + begin.session_id_length, note, note_length);
    track->begin_offset = track->log->end + track->log->batch.length;
    track->begin_size   = event_record_size(head.length);
    event_log_add(track->log, &head);
    track->log->last_serial = track->serial; /* it stands among the events of another one, then */
    return 0;
}

static struct event_track *make_track(struct event_log *log, uint64_t serial, const char *execution_id, const char *session_id,
                                      uint32_t epoch, struct err *err)
{
    struct event_track *track = calloc(1, sizeof *track);

    if (track == NULL) {
        (void)err_set(err, ENOMEM, "no memory for an execution's events");
        return NULL;
    }
    track->log          = log;
    track->serial       = serial;
    track->first_seq    = 1;
    track->output_limit = log->limits.output_bytes;
    track->log_limit    = log->limits.log_bytes;
    if (sse_source_init(&track->source, epoch, execution_id, session_id, err) < 0) {
        free(track);
        return NULL;
    }
    memcpy(track->execution_id, execution_id, strlen(execution_id));
    memcpy(track->session_id, session_id, strlen(session_id));
    return track;
}

static struct event_track *begin_track(struct event_log *log, uint64_t serial, const char *execution_id, const char *session_id,
                                       uint32_t epoch, const void *note, size_t note_length, struct err *err)
{
    struct event_track *track;

    if (note_length > EVENT_LOG_NOTE_MAX || event_log_find(log, serial) != NULL) {
        (void)err_set(err, EINVAL, "execution %" PRIu64 " is in the log already, or its note is too long", serial);
        return NULL;
    }
    track = make_track(log, serial, execution_id, session_id, epoch, err);
    if (track == NULL)
        return NULL;
    event_store_recover(&log->store);
    event_log_trim(log);
    if (event_log_insert(log, track, err) < 0) {
        free(track);
        return NULL;
    }
    if (append_begin(track, note, note_length, err) < 0) {
        event_log_remove(log, track);
        free(track);
        return NULL;
    }
    return track;
}

struct event_track *event_track_new(struct event_log *log, uint64_t serial, const char *execution_id, const char *session_id,
                                    const void *note, size_t note_length, struct err *err)
{
    return begin_track(log, serial, execution_id, session_id, new_epoch(), note, note_length, err);
}

struct event_track *event_track_renew(struct event_log *log, uint64_t serial, const char *execution_id, const char *session_id,
                                      uint32_t epoch, struct err *err)
{
    return begin_track(log, serial, execution_id, session_id, epoch, NULL, 0, err);
}

static bool add_index(struct event_track *track, uint64_t seq, uint64_t offset)
{
    if (track->index_count > 0 && offset - track->index[track->index_count - 1].offset < INDEX_STRIDE)
        return true;
    if (track->index_count == track->index_capacity) {
        uint32_t            capacity = track->index_capacity == 0 ? 2 : track->index_capacity * 2;
        struct index_entry *index    = realloc(track->index, capacity * sizeof *index);
        if (index == NULL)
            return false;
        track->index          = index;
        track->index_capacity = capacity;
    }
    track->index[track->index_count++] = (struct index_entry){seq, offset};
    return true;
}

bool event_track_count(struct event_track *track, const struct event_record *head, uint64_t offset)
{
    struct event_log *log = track->log;

    if (!add_index(track, head->seq, offset))
        return false;
    if (track->index_count == 1 && track->index[0].offset == offset)
        track->first_offset = offset;
    else if (log->last_serial != track->serial)
        track->is_interleaved = true;
    log->last_serial   = track->serial;
    track->last_seq    = head->seq;
    track->last_offset = offset;
    track->last_size   = event_record_size(head->length);
    track->tail_size   = 0;
    track->kept_bytes += track->last_size;
    log->kept_bytes += track->last_size;
    if (event_kind_is_terminal((enum event_kind)head->kind))
        track->has_ended = true;
    if (head->kind == EVENT_KIND_TRUNCATED && (head->flags & EVENT_RECORD_STORAGE) == 0)
        track->is_truncated = true;
    return true;
}
