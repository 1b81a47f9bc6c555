#define _GNU_SOURCE
#include "compat_form.h"

#include <string.h>

#include "bytes.h"
#include "json.h"
#include "multipart.h"

enum { PARTS_MAX = 1000 };

/* A form whose body is there. */
struct form {
    struct multipart       parser;
    struct json_check      check;
    const char            *part_name;
    compat_form_path       path_of;
    struct http_request   *request;
    const struct policies *policies;
    struct files_given    *files;
    json_t                *fields;
    struct bytes           part;
    size_t                 parts;
    bool                   has_ended;
};

static void end_file(struct form *form)
{
    if (form->files == NULL)
        form->files = files_given_new(FILES_GIVEN_MAX);
    if (form->files == NULL)
        json_check_fail(&form->check, form->part_name, "are too many for the memory at hand");
    else
        files_given_add(form->files, &form->check, form->part_name, form->path_of(form->request, form->parser.filename), &form->part,
                        form->policies);
}

static void end_part(struct form *form)
{
    json_t *text;

    if (strcmp(form->parser.name, form->part_name) == 0) {
        if (form->parser.filename[0] != '\0') /* else a form's file field that was left empty */
            end_file(form);
    } else {
        text = json_stringn(form->part.length > 0 ? form->part.data : "", form->part.length);
        if (text == NULL || json_object_set_new(form->fields, form->parser.name, text) < 0)
            json_check_fail(&form->check, "", "must have UTF-8 as text");
    }
    form->part.length = 0;
}

/* Returns NULL, or what is wrong with the form. */
static const char *take(struct form *form, const char *data, size_t length)
{
    for (;;) {
        const char *piece;
        size_t      n;
        switch (multipart_next(&form->parser, &data, &length, &piece, &n)) {
        case MULTIPART_MORE: return form->has_ended ? NULL : "The form ends before its last boundary";
        case MULTIPART_BAD: return form->parser.fault;
        case MULTIPART_PART:
            if (++form->parts > PARTS_MAX)
                return "The form has more than 1000 parts";
            break;
        case MULTIPART_DATA:
            if (!bytes_append(&form->part, piece, n))
                return "There is no memory for the form";
            break;
        case MULTIPART_END_OF_PART: end_part(form); break;
        case MULTIPART_END: form->has_ended = true; break;
        }
    }
}

bool compat_form_read(struct http_request *request, const struct policies *policies, const char *part_name, compat_form_path path_of,
                      struct files_given **ret_files)
{
    struct form form = {.check     = JSON_CHECK_INIT,
                        .policies  = policies,
                        .fields    = json_object(),
                        .part_name = part_name,
                        .path_of   = path_of,
                        .request   = request};
    size_t      length;
    const char *data    = http_request_body(request, &length), *fault;
    bool        is_form = multipart_init(&form.parser, http_request_header(request, "Content-Type"));

    http_request_set_json(request, form.fields);
    fault = is_form ? take(&form, data, length) : "The body must be multipart/form-data with a boundary";
    bytes_done(&form.part);
    *ret_files = form.files;
    if (fault != NULL) {
        json_check_done(&form.check);
        http_reply_error(request, 400, "INVALID_FORM", fault, NULL, 0);
    }
    if (fault == NULL && !json_check_reply(&form.check, request))
        return true;
    files_given_free(form.files);
    return false;
}
