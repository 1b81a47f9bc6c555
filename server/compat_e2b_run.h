/*
 * compat_e2b_run.h: E2B's data plane, as far as code is concerned: E2B_SANDBOX_URL=http://host:port/e2b. The header E2b-Sandbox-Id names the
 * sandbox.
 */
#ifndef PENNY_COMPAT_E2B_RUN_H
#define PENNY_COMPAT_E2B_RUN_H

#include "http.h"
#include "server.h"

void compat_e2b_health(struct http_request *request, void *server);  /* GET /health: 502 when the sandbox does not run */
void compat_e2b_execute(struct http_request *request, void *server); /* POST /execute: lines of JSON */

/* The sandbox that the header names, whose caller is known. NULL: it does not run, and the request has been answered. */
struct session *compat_e2b_running_of(struct http_request *request, const struct server *server);

/* ---- compat_e2b_files.c: paths are the workspace's, relative or below /home/user or /workspace ---- */

void compat_e2b_read_file(struct http_request *request, void *server);   /* GET /files?path= */
void compat_e2b_write_files(struct http_request *request, void *server); /* POST /files?path=, a form with parts called "file" */

/* ---- compat_e2b_line.c ---- */

#include <jansson.h>

#include "bytes.h"
#include "event.h"

/* What has come of a value that comes in parts. All zero is none. */
struct compat_e2b_lines {
    struct bytes parts;
};

/* Appends the lines that say what one event does, which is the NDJSON of our own stream; none where E2B has no word for it. False: no memory. */
bool compat_e2b_lines_add(struct compat_e2b_lines *lines, const char *json, size_t length, struct bytes *out);
void compat_e2b_lines_done(struct compat_e2b_lines *lines);

#endif
