/* command_service.h: what `penny-sandbox run` asks of the service: a session, its files, its results. */
#ifndef PENNY_COMMAND_SERVICE_H
#define PENNY_COMMAND_SERVICE_H

#include <jansson.h>
#include <signal.h>

#include "err.h"
#include "http_call.h"
#include "id.h"

enum { COMMAND_ANSWER_MAX = 256 * 1024 * 1024 };

struct command_service {
    struct http_call_target target;
    sigset_t                waiting; /* the signals' mask while something is waited for */
    char                    session[ID_TEXT_BYTES];
};

/* One request with a JSON body (may be NULL). Returns its answer, or NULL with err: not 2xx, or no JSON. */
json_t *command_service_ask(const struct command_service *service, const char *method, const char *path, const json_t *body,
                            struct err *err);
/* As above, below the session's own path. */
json_t *command_service_ask_session(const struct command_service *service, const char *method, const char *below, const json_t *body,
                                    struct err *err);

/* Makes the session. Returns 0 or -1. */
int command_service_open(struct command_service *service, const char *profile, struct err *err);
/* Ends the session, if there is one; there is nobody to tell when that fails. */
void command_service_close(struct command_service *service);

/* A file into the workspace, and one out of it (appended to *out). Returns 0 or -1. */
int command_service_put(const struct command_service *service, const char *path, const char *name, struct err *err);
int command_service_get(const struct command_service *service, const char *name, struct bytes *out, struct err *err);

#endif
