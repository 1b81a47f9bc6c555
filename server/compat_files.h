/* compat_files.h: the files that a run made, read whole, for answers that carry them. */
#ifndef PENNY_COMPAT_FILES_H
#define PENNY_COMPAT_FILES_H

#include <jansson.h>

#include "session.h"

enum { COMPAT_FILES_BYTES = 16 * 1024 * 1024 /* all together: what is beyond is left out and named */ };

struct compat_files;

/* files: [{path, content (base64), mime}]; omitted: [path]. Both borrowed. The reading is at its end and gone. */
typedef void (*compat_on_files)(const json_t *files, const json_t *omitted, void *arg);

/* From the artifacts of a result, one after the other. on_files is never called before this returns. NULL: no memory. */
struct compat_files *compat_files_read(struct session *session, const json_t *artifacts, compat_on_files on_files, void *arg);
void                 compat_files_cancel(struct compat_files *reading); /* on_files is not called; NULL is fine */

#endif
