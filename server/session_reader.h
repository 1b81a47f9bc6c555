/*
 * session_reader.h: what a session's newest copy knows, while the interpreter itself is busy. The copy brings forth a live one with pipes of
 * its own (worker_fork), which answers one question and is ended; the copy stays what it was. One question at a time.
 */
#ifndef PENNY_SESSION_READER_H
#define PENNY_SESSION_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frame.h"

struct session;

/* Where the answer is from. */
struct reader_moment {
    uint64_t execution_count; /* of the last execution whose doing it shows */
    int64_t  created_ms;      /* since 1970 */
};

/* frame: EVENT_REPLY, borrowed; NULL: there is none, the reader has died or could not be made. */
typedef void (*reader_on_answer)(const struct frame *frame, const struct reader_moment *moment, void *arg);

struct session_reader;
struct session_reader *session_reader_new(struct session *session); /* NULL: no memory */
void                   session_reader_free(struct session_reader *reader);
/* `text` (copied) is what worker_inspect gets. Returns false when there is no copy, or a question is being answered, or no memory. */
bool session_reader_ask(struct session_reader *reader, const char *text, reader_on_answer on_answer, void *arg);
/* Ends the reader; on_answer is not called. */
void session_reader_cancel(struct session_reader *reader);

#endif
