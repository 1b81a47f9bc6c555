/* artifacts.h: the files that a run made or changed, as its worker says, re-read under limits, and as a result tells them. */
#ifndef PENNY_ARTIFACTS_H
#define PENNY_ARTIFACTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"

enum { ARTIFACTS_MAX = 1000 };

/*
 * What is right in `sent` (any JSON, or NULL): paths that can be asked for, sizes, MIME types. Returns a new array, or NULL when there is
 * nothing; *ret_omitted is how many there were beyond ARTIFACTS_MAX.
 */
json_t *artifacts_read(const json_t *sent, uint64_t *ret_omitted);

/* `,"artifacts":[...]`, and `,"artifactsOmitted":n` when it is not all: at most `room` bytes of entries. False when there is no memory. */
bool artifacts_write(struct bytes *out, const json_t *artifacts, uint64_t omitted, size_t room);

#endif
