/* compat_form.h: a form (multipart/form-data) that lies in the request's body whole. */
#ifndef PENNY_COMPAT_FORM_H
#define PENNY_COMPAT_FORM_H

#include "files_given.h"
#include "http.h"
#include "policies.h"

/* Where in the workspace a file of this name goes. Borrowed until the next call. */
typedef const char *(*compat_form_path)(const struct http_request *request, const char *filename);

/*
 * Text fields go into an object, which becomes the request's JSON; the files of the parts called `part_name` into *ret_files (owned; NULL:
 * none). Returns false when it is not right: the request has been answered.
 */
bool compat_form_read(struct http_request *request, const struct policies *policies, const char *part_name, compat_form_path path_of,
                      struct files_given **ret_files);

#endif
