/* api_import_private.h: what api_import*.c share. Nobody else includes it. */
#ifndef PENNY_API_IMPORT_PRIVATE_H
#define PENNY_API_IMPORT_PRIVATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "file_upload.h"
#include "http.h"
#include "server.h"

enum import_phase { IMPORT_MANIFEST, IMPORT_MAKING, IMPORT_PACKAGES, IMPORT_OPENING, IMPORT_PART, IMPORT_READING, IMPORT_ENDING };

struct import {
    struct server         *server;
    struct http_request   *request;
    enum import_phase      phase;
    struct session_request wanted; /* borrows from the manifest */
    json_t                *manifest, *omitted;
    struct id              session;
    bool                   has_session, is_first, is_last;
    struct bytes           head; /* came before there was a session */
    struct file_upload    *upload;
    uint64_t               taken, part_bytes;
};

/* api_import.c */
struct session *api_import_session(const struct import *import); /* NULL: it is not made yet, or gone */
void            api_import_free(struct import *import);
/* Answers, and that is the end of it: `import` is gone. */
void api_import_refuse(struct import *import, int status, const char *code, const char *message, json_t *details);
void api_import_refuse_gone(struct import *import);
void api_import_refuse_archive(struct import *import, const char *message);

/* api_import_parts.c */
/* The session is there; what follows comes in by api_import_put, and the request is answered at its end. */
void api_import_begin_part(struct import *import);
void api_import_put(struct import *import, const void *data, size_t length);
void api_import_add_omitted(struct import *import, const char *kind, const char *name, const char *reason);

#endif
