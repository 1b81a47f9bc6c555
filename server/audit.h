/*
 * audit.h: the audit log: one JSON line for each execution and for each operation on sessions, files and packages.
 *
 * A line is put into a buffer of bounded size and written from the loop a moment later. Where the file can't be written (the disk is
 * full, nobody reads the pipe) lines wait in the buffer; when that is full too, new ones are dropped, counted and reported. There is one
 * log in a process; while it is not open every call does nothing.
 *
 * Every line: {"time", "action", "key", "peer", "requestId", "outcome", ...}. An operation that a request does is written by itself when
 * the request is answered (api_audit.c); what a handler knows beyond it goes into http_request_notes(). Work that outlives its
 * request, or has none, calls audit_write().
 */
#ifndef PENNY_AUDIT_H
#define PENNY_AUDIT_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

/* From where something came; "" what is not known. */
struct audit_origin {
    char peer[46], request_id[65];
};

/* fd: opened for appending, owned from then on. with_code: the code of executions is written, not only its hash. Returns 0 or -1. */
int  audit_open(struct event_base *base, int fd, bool with_code, struct err *err);
bool audit_is_open(void);
bool audit_keeps_code(void);
void audit_reopen(int fd); /* the file was moved away: goes on in this one (owned) */
void audit_close(void);    /* writes what waits, as far as it can be written */

struct audit_line {
    const char *action;                    /* "session.end" */
    const char *key;                       /* tenant_name() */
    const char *outcome;                   /* "ok", "refused", a status or a reason */
    const char *session_id, *execution_id; /* or NULL */
    json_t     *details;                   /* more members, borrowed; or NULL */
};
void audit_write(const struct audit_line *line, const struct audit_origin *origin); /* origin: NULL: the service itself */

struct audit_counts {
    uint64_t lines, dropped;
    size_t   waiting_bytes;
};
void audit_get_counts(struct audit_counts *ret);

/* ---- audit_run.c: what is kept of an execution until its end ---- */

struct audit_run;

/* NULL while the log is not open, or when memory is short (the line will then lack it). */
struct audit_run *audit_run_new(const char *key, const struct audit_origin *origin, const char *code, size_t length);
void              audit_run_free(struct audit_run *run); /* NULL is fine */

struct audit_figures {
    double   execution_ms, queued_ms, cpu_ms;
    uint64_t memory_peak_bytes, output_bytes;
};
/* error: its type, or NULL. */
void audit_run_ended(const struct audit_run *run, const char *session_id, const char *execution_id, const char *outcome, const char *error,
                     const struct audit_figures *figures);

#endif
