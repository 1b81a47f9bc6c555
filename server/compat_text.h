/* compat_text.h: texts that several adapters make of a result. */
#ifndef PENNY_COMPAT_TEXT_H
#define PENNY_COMPAT_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"
#include "compat.h"

/* A member of result.error ("type", "message", "traceback"), "" where there is none. */
const char *compat_text_error(const json_t *result, const char *name);
/* result.output.stdout or stderr; *ret_length may be NULL. */
const char *compat_text_output(const json_t *result, const char *name, size_t *ret_length);
bool        compat_text_has_status(const json_t *result, const char *status);

/* As a shell would tell of such a process: 0, the status of sys.exit(), 124 timeout, 130 interrupted, -9 ended by the kernel or a limit, else 1. */
int compat_text_exit_code(const json_t *result);

/* A string from bytes that are UTF-8 and may hold NUL; frees them. NULL: no memory. */
json_t *compat_text_take(struct bytes *text);
/* Appends a line: what is there already gets its line end first. */
bool compat_text_line(struct bytes *out, const char *text);
/* What was written to standard error and, of a failure, why it ended: its traceback, where there is one and it is wanted, else its message. */
json_t *compat_text_what_failed(const json_t *result, bool wants_traceback);

#endif
