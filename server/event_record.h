/*
 * event_record.h: one record of an event log's file: a head, a payload, zeros up to a multiple of 8.
 *
 * Records stand one behind the other; holes (zeros, from dropped executions) may lie between them. Head and payload carry checks of
 * their own, so that a reader can pass over a record by its head alone, and a file cut off or damaged anywhere is read up to there
 * and from the next good record on. The format is this machine's and this version's: a log never leaves the machine it was made on.
 */
#ifndef PENNY_EVENT_RECORD_H
#define PENNY_EVENT_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event.h"

enum {
    EVENT_RECORD_ALIGN = 8,
    EVENT_RECORD_MAGIC = 0x31766550, /* "Pev1" */
    EVENT_RECORD_BEGIN = 0x100, /* kind of the record that names an execution; its payload: struct event_record_begin and what follows it */
    /* What is no event: for a server process that takes the session over (session_keep.h). No watcher sees them. */
    EVENT_RECORD_NOTE    = 0x101, /* an execution's, as BEGIN's note, written later */
    EVENT_RECORD_SESSION = 0x102,
    EVENT_RECORD_REQUEST = 0x103,
    EVENT_RECORD_PENDING = 0x104,
    EVENT_RECORD_LATE    = 0x105,
    EVENT_RECORD_COPIES  = 0x107,
    EVENT_RECORD_FILE    = 0x108, /* a part of a file that is to be there before an execution starts */
    EVENT_RECORD_HISTORY = 0x109,
    EVENT_RECORD_COMMIT = 0x106, /* ends what one flush wrote: what stands behind the last one was never handed to anybody and is dropped */
    EVENT_RECORD_PAYLOAD_MAX = 5 * 1024 * 1024,
};

enum event_record_flags { EVENT_RECORD_STORAGE = 1 /* a `truncated` that says: the storage failed */ };

struct event_record {
    uint32_t magic;
    uint32_t length; /* of the payload */
    uint64_t serial; /* of the execution */
    uint64_t seq;    /* of the event; 0: none */
    uint64_t output; /* what the program had sent, up to and with this event, less what was dropped */
    uint16_t kind;   /* enum event_kind or EVENT_RECORD_BEGIN */
    uint16_t json;   /* where in the payload the JSON object begins */
    uint16_t flags;
    uint16_t reserved;
    uint32_t payload_check;
    uint32_t head_check;
};

/* Payload of a BEGIN record: this, the execution's id, the session's id (without NULs), the caller's note. */
struct event_record_begin {
    uint32_t epoch;
    uint16_t execution_id_length;
    uint16_t session_id_length;
};

/* Bytes of a record with a payload of this length. */
size_t event_record_size(size_t payload_length);
/* Completes a record in place: magic, checks, and the zeros behind its payload. The head is at `record`, the payload behind it. */
void event_record_seal(char *record, struct event_record *head);
/* True when the bytes hold a head that can be believed (copied to *ret_head). Says nothing of the payload. */
bool event_record_head(const char *data, size_t length, struct event_record *ret_head);
/* True when the payload behind a believed head is what was written. All of it must be there. */
bool event_record_payload_is_good(const struct event_record *head, const char *payload);
/* The event in a record of one. */
struct event_view event_record_view(const struct event_record *head, const char *payload, uint64_t offset);

#endif
