/* audit_run.c: the line of an execution: who and what from its beginning, the outcome from its end. */
#define _GNU_SOURCE
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"

enum { KEY_BYTES = 64 };

struct audit_run {
    struct audit_origin origin;
    char                key[KEY_BYTES];
    char                sha256[2 * SHA256_DIGEST_LENGTH + 1];
    size_t              code_bytes;
    char               *code; /* NULL: not kept */
};

struct audit_run *audit_run_new(const char *key, const struct audit_origin *origin, const char *code, size_t length)
{
    unsigned char     digest[SHA256_DIGEST_LENGTH];
    struct audit_run *run = audit_is_open() ? calloc(1, sizeof *run) : NULL;

    if (run == NULL)
        return NULL;
    if (origin != NULL)
        run->origin = *origin;
    (void)snprintf(run->key, sizeof run->key, "%s", key);
    (void)SHA256((const unsigned char *)code, length, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        (void)sprintf(run->sha256 + 2 * i, "%02x", digest[i]);
    run->code_bytes = length;
    if (audit_keeps_code())
        run->code = strndup(code, length);
    return run;
}

void audit_run_free(struct audit_run *run)
{
    if (run == NULL)
        return;
    free(run->code);
    free(run);
}

void audit_run_ended(const struct audit_run *run, const char *session_id, const char *execution_id, const char *outcome, const char *error,
                     const struct audit_figures *figures)
{
    json_t *details              = json_pack("{s:s, s:I, s:s*, s:s*, s:{s:f, s:f, s:f, s:I, s:I}}", "codeSha256", run->sha256, "codeBytes",
                                             (json_int_t)run->code_bytes, "code", run->code, "error", error, "resources", "executionMs",
                                             figures->execution_ms, "queuedMs", figures->queued_ms, "cpuMs", figures->cpu_ms, "memoryPeak",
                                             (json_int_t)figures->memory_peak_bytes, "bytesOut", (json_int_t)figures->output_bytes);
    const struct audit_line line = {.action       = "execution",
                                    .key          = run->key,
                                    .outcome      = outcome,
                                    .session_id   = session_id,
                                    .execution_id = execution_id,
                                    .details      = details};
    audit_write(&line, &run->origin);
    json_decref(details);
}
