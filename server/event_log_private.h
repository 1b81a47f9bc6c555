/* event_log_private.h: what the files of the event log share: event_log.c (file, flush), event_append.c, event_space.c
 * (giving back), event_reader.c (reading back). */
#ifndef PENNY_EVENT_LOG_PRIVATE_H
#define PENNY_EVENT_LOG_PRIVATE_H

#include "event_log.h"
#include "event_record.h"
#include "event_store.h"

enum {
    BATCH_BYTES  = 256 * 1024,                      /* appended before a flush is made by itself */
    BLOCK_BYTES  = BATCH_BYTES + SSE_EVENT_MAX * 2, /* of memory for a batch or a window, so that neither grows in the usual case */
    INDEX_STRIDE = 64 * 1024,                       /* log bytes between two entries of a track's index */
};

struct index_entry {
    uint64_t seq;
    uint64_t offset;
};

struct event_track {
    struct event_log     *log;
    struct event_listener listener;
    struct sse_source     source;
    uint64_t              serial;
    uint64_t              begin_offset, begin_size; /* of the record that names it */
    uint64_t              note_offset;              /* of its NOTE; 0: none */
    uint64_t              first_seq, last_seq, flushed_seq;
    uint64_t              first_offset, last_offset;               /* of the first and the last event's record */
    uint64_t              last_size;                               /* of the last record */
    uint64_t              tail_size;                               /* of the commits right behind it */
    uint64_t              output_bytes, dropped_bytes, kept_bytes; /* sent by the program; dropped; encoded in the log */
    uint64_t              output_limit, log_limit;
    struct index_entry   *index;
    uint32_t              index_count, index_capacity;
    bool                  has_ended, is_truncated, told_storage, is_interleaved, is_trimmed;
    char                  execution_id[SSE_NAME_MAX + 1], session_id[SSE_NAME_MAX + 1];
};

struct event_log {
    struct event_store      store;
    struct event_log_limits limits;
    struct event_track    **tracks; /* by serial */
    size_t                  track_count, track_capacity;
    uint64_t                end; /* where the batch will be written */
    uint64_t                kept_bytes;
    uint64_t                last_serial; /* of the last event's record, to see which tracks are interleaved */
    struct bytes            batch;       /* records to be written; the last may be open */
    struct event_track     *open_track;  /* whose text event is open; NULL: none */
    struct event_record     open_head;
    size_t                  open_at;               /* of its record, in the batch */
    bool                    is_flushing, is_asked; /* asked: a commit is wanted although nothing was appended */
    void (*on_commit)(void *arg);                  /* NULL: nobody takes the session over */
    void (*on_written)(void *arg);
    void        *commit_arg;
    uint64_t     commit_at, coming_at; /* of the last commit that was written, and of the one in the batch; 0: none */
    struct bytes commit;               /* payload of the last one in the file, when it was opened */
};

/* Blocks of BLOCK_BYTES, a few of which are kept; for batches and windows, which live for one wake-up. data is NULL when there is no memory. */
struct bytes event_block_take(void);
void         event_block_give(struct bytes *block);

/* The place of a new record of at most `payload` bytes at the end of the batch; closes an open one, flushes a full batch. NULL: no memory. */
char *event_log_reserve(struct event_log *log, size_t payload, struct err *err);
/* Seals the record at the end of the batch; its payload of head->length bytes is there. */
void event_log_add(struct event_log *log, struct event_record *head);
/* Ends the open text event, if there is one. */
void event_log_close_text(struct event_log *log);
/* `truncated` {"reason":"storage"} for a running execution. */
void event_track_tell_storage(struct event_track *track, int error);

/* An event's record stands at `offset`: counts it in track and log, and indexes it. False: no memory (nothing is counted). */
bool event_track_count(struct event_track *track, const struct event_record *head, uint64_t offset);
/* Puts a track that has its ids and serial into the log's table. */
int  event_log_insert(struct event_log *log, struct event_track *track, struct err *err);
void event_log_remove(struct event_log *log, struct event_track *track);
/* Drops events of the oldest ended executions until no more than limits.retain_bytes are kept. */
void event_log_trim(struct event_log *log);
/* Gives back all that the file holds of it, and the commits behind it that no longer hold. What was appended must have been flushed. */
void event_track_give_back(struct event_track *track);

#endif
