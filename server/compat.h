/*
 * compat.h: what the adapters of other systems' APIs share. An adapter reads their body into a job, which is run as one execution in a
 * session of its own, as api_execute.c would have it run; then it writes the result in their words. Errors find their shape by themselves (compat_error.h).
 */
#ifndef PENNY_COMPAT_H
#define PENNY_COMPAT_H

#include <jansson.h>
#include <stdbool.h>

#include "execution.h"
#include "http.h"
#include "json.h"
#include "server.h"
#include "worker.h"

/* What their body asks for, in our words. */
struct compat_job {
    struct execution_request execution;  /* code borrowed from the request; options, files, label and id owned by the job */
    struct worker_limits     limits;     /* all 0: the policy's */
    bool                     with_files; /* the answer has the files that the program made */
    bool                     is_kept;    /* what came of it can be asked for after its end */
};

/* What came of it. All is borrowed; `request` is to be answered. */
struct compat_answer {
    struct http_request     *request;
    struct execution        *execution; /* NULL where files were read */
    const struct session    *session;   /* NULL: it is over */
    const struct compat_job *job;       /* without its files */
    const json_t            *result;    /* ExecutionResult */
    const json_t            *files;     /* [{path, content (base64), mime}]; NULL where none were read */
    const json_t            *omitted;   /* [path]: files that are not among them, since all together are too large or can't be read */
};
typedef void (*compat_on_result)(const struct compat_answer *answer);

/* With our defaults. Without `variables` none is told of in the result. */
struct compat_job compat_job_init(const struct policies *policies, bool variables);
void              compat_job_done(struct compat_job *job);

/* `code` of `json`, at least `min` characters; what is wrong goes to `check`. */
void compat_job_read_code(struct compat_job *job, struct json_check *check, const json_t *json, size_t min,
                          const struct policies *policies);
/* The time limit from `field`, which counts seconds. */
void compat_job_read_seconds(struct compat_job *job, struct json_check *check, const json_t *json, const char *field,
                             const struct policies *policies);

enum { COMPAT_MEMORY_MIN_BYTES = 64 * 1024 * 1024, COMPAT_STORAGE_MIN_BYTES = 1024 * 1024 }; /* with less Python does not run */

/* Limits of their own, in bytes and in cores; 0, or more than the policy's: the policy's. */
void compat_job_limit(struct compat_job *job, const struct policies *policies, double memory, double storage, double cores);

/*
 * Runs the job (taken over) and calls on_result when it has ended, unless the request has been answered with an error, or its client has
 * left: then the run is ended.
 */
void compat_run(struct server *server, struct http_request *request, struct compat_job *job, compat_on_result on_result);
/* As compat_run, but the request is to be answered when the execution is there, whatever becomes of its client. */
typedef void (*compat_on_start)(struct http_request *request, struct execution *execution);
void compat_start(struct server *server, struct http_request *request, struct compat_job *job, compat_on_start on_start);

#endif
