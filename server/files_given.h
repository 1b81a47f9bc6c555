/* files_given.h: files that come with a request: `files` {name: {content, encoding: utf-8|base64}}. */
#ifndef PENNY_FILES_GIVEN_H
#define PENNY_FILES_GIVEN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "bytes.h"
#include "json.h"
#include "policies.h"
#include "session.h"

enum { FILES_GIVEN_MAX = 1000 };

struct files_given;

/* Reads the member; what is wrong goes to `check`. A string in place of an object is its content as UTF-8. NULL: there are none, or not right ones. */
struct files_given *files_given_read(struct json_check *check, const json_t *object, const struct policies *policies);
void                files_given_free(struct files_given *given); /* NULL is fine */
/* Likewise one by one: of room for `room` (at most FILES_GIVEN_MAX). NULL: no memory. */
struct files_given *files_given_new(size_t room);
/* `content` is taken over, also when the file is not right, which goes to `check` as a fault of `field`. */
void        files_given_add(struct files_given *given, struct json_check *check, const char *field, const char *name, struct bytes *content,
                            const struct policies *policies);
const char *files_given_path(const struct files_given *given, size_t n); /* of the n-th; NULL: there are no more */
const struct bytes *files_given_content(const struct files_given *given, size_t n);
/* One that has been checked before. `content` is taken over. Returns false when there is no room or no memory. */
bool files_given_put(struct files_given *given, const char *path, struct bytes *content);

/* Their writing into a session, one after the other. */
struct files_writing;

/* error: 0, or an errno as of file_error.h, about `path`. The writing is at its end and gone; nothing of `given` has been taken. */
typedef void (*files_on_written)(int error, const char *path, void *arg);

/* `given` is borrowed until the end; on_written is never called before this returns. Returns NULL with err filled. */
struct files_writing *files_given_write(const struct files_given *given, struct session *session, const struct policies *policies,
                                        files_on_written on_written, void *arg, struct err *err);
void                  files_writing_cancel(struct files_writing *writing); /* on_written is not called; NULL is fine */

#endif
