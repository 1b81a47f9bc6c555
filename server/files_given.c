#define _GNU_SOURCE
#include "files_given.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "file_path.h"
#include "file_upload.h"

struct file_given {
    char        *path;
    struct bytes content;
};

struct files_given {
    size_t            count, room;
    struct file_given files[];
};

struct files_writing {
    const struct files_given *given;
    struct session           *session;
    const struct policies    *policies;
    struct file_upload       *upload;
    size_t                    next;
    files_on_written          on_written;
    void                     *arg;
};

void files_given_free(struct files_given *given)
{
    if (given == NULL)
        return;
    for (size_t i = 0; i < given->count; i++) {
        free(given->files[i].path);
        bytes_done(&given->files[i].content);
    }
    free(given);
}

/* ---- reading ---- */

static bool read_content(struct json_check *check, const char *name, const json_t *value, struct bytes *ret)
{
    static const char *const encodings[] = {"utf-8", "base64", NULL};
    const json_t            *content     = json_is_object(value) ? json_object_get(value, "content") : value;
    const char              *text        = json_string_value(content);
    size_t                   encoding = 0, length = json_string_length(content);

    if (text == NULL) {
        json_check_fail(check, "files", "must have a string as content, which '%.80s' has not", name);
        return false;
    }
    if (json_is_object(value))
        (void)json_field_choice(check, value, "encoding", encodings, &encoding);
    if (encoding == 0 ? bytes_append(ret, text, length) : base64_decode(text, length, ret))
        return true;
    bytes_done(ret);
    json_check_fail(check, "files", "must have base64 as content, which that of '%.80s' is not", name);
    return false;
}

/* Whether a file may have this name. */
static bool check_name(struct json_check *check, const char *field, const char *name, const struct policies *policies)
{
    const char *fault = file_path_fault(name, strlen(name), false);

    if (fault != NULL)
        json_check_fail(check, field, "must have paths as names; '%.80s' %s", name, fault);
    else if (file_rules_fault(&policies->file_rules, name) != NULL)
        json_check_fail(check, field, "must be of types and names that the policy lets in, which '%.80s' is not", name);
    else
        return true;
    return false;
}

struct files_given *files_given_new(size_t room)
{
    struct files_given *given = calloc(1, sizeof *given + room * sizeof *given->files);
    if (given != NULL)
        given->room = room;
    return given;
}

void files_given_add(struct files_given *given, struct json_check *check, const char *field, const char *name, struct bytes *content,
                     const struct policies *policies)
{
    struct file_given *file = &given->files[given->count];

    if (given->count == given->room) {
        json_check_fail(check, field, "must be at most %zu", given->room);
        bytes_done(content);
        return;
    }
    if (!check_name(check, field, name, policies)) {
        bytes_done(content);
        return;
    }
    given->count++; /* from here on it is freed with the others */
    file->content = *content;
    *content      = (struct bytes){0};
    file->path    = strdup(name);
    if (file->path == NULL)
        json_check_fail(check, field, "are too many for the memory at hand");
    if (file->content.length > policies->file_bytes)
        json_check_fail(check, field, "must not be larger than %llu bytes, which '%.80s' is", (unsigned long long)policies->file_bytes,
                        name);
}

static void read_one(struct json_check *check, const char *name, const json_t *value, const struct policies *policies,
                     struct files_given *given)
{
    struct bytes content = {0};
    if (check_name(check, "files", name, policies) && read_content(check, name, value, &content))
        files_given_add(given, check, "files", name, &content, policies);
}

struct files_given *files_given_read(struct json_check *check, const json_t *object, const struct policies *policies)
{
    json_t             *files = NULL, *value;
    const char         *name;
    struct files_given *given;

    if (!json_field_object(check, object, "files", &files) || json_object_size(files) == 0)
        return NULL;
    if (json_object_size(files) > FILES_GIVEN_MAX) {
        json_check_fail(check, "files", "must be at most %d", FILES_GIVEN_MAX);
        return NULL;
    }
    given = files_given_new(json_object_size(files));
    if (given == NULL) {
        json_check_fail(check, "files", "are too many for the memory at hand");
        return NULL;
    }
    json_object_foreach(files, name, value)
    {
        read_one(check, name, value, policies, given);
    }
    return given;
}

const char *files_given_path(const struct files_given *given, size_t n)
{
    return n < given->count ? given->files[n].path : NULL;
}

const struct bytes *files_given_content(const struct files_given *given, size_t n)
{
    return &given->files[n].content;
}

bool files_given_put(struct files_given *given, const char *path, struct bytes *content)
{
    struct file_given *file = &given->files[given->count];
    char              *name = given->count < given->room ? strdup(path) : NULL;

    if (name == NULL) {
        bytes_done(content);
        return false;
    }
    given->count++;
    file->path    = name;
    file->content = *content;
    *content      = (struct bytes){0};
    return true;
}

/* ---- writing ---- */

static void end(struct files_writing *writing, int error, const char *path)
{
    files_on_written on_written = writing->on_written;
    void            *arg        = writing->arg;

    file_upload_free(writing->upload);
    free(writing);
    on_written(error, path, arg);
}

static void on_event(struct file_upload *upload, enum upload_event event, int error, void *arg);

static int begin(struct files_writing *writing, struct err *err)
{
    const struct file_given *file = &writing->given->files[writing->next];
    writing->upload = file_upload_new(writing->session, writing->policies, file->path, false, file->content.length, on_event, writing, err);
    return writing->upload != NULL ? 0 : -1;
}

static void go_on(struct files_writing *writing)
{
    struct err err = {0};

    file_upload_free(writing->upload);
    writing->upload = NULL;
    if (++writing->next == writing->given->count)
        end(writing, 0, "");
    else if (begin(writing, &err) < 0)
        end(writing, err.code, writing->given->files[writing->next].path);
}

static void write_content(struct files_writing *writing)
{
    const struct file_given *file  = &writing->given->files[writing->next];
    int                      error = file_upload_write(writing->upload, file->content.data, file->content.length);

    if (error != 0)
        end(writing, error, file->path);
    else
        file_upload_finish(writing->upload);
}

static void on_event(struct file_upload *upload, enum upload_event event, int error, void *arg)
{
    struct files_writing *writing = arg;
    (void)upload;
    switch (event) {
    case UPLOAD_READY: write_content(writing); break;
    case UPLOAD_DONE: go_on(writing); break;
    case UPLOAD_FAILED: end(writing, error, writing->given->files[writing->next].path); break;
    }
}

struct files_writing *files_given_write(const struct files_given *given, struct session *session, const struct policies *policies,
                                        files_on_written on_written, void *arg, struct err *err)
{
    struct files_writing *writing = calloc(1, sizeof *writing);

    if (writing == NULL) {
        (void)err_set(err, ENOMEM, "no memory to write files");
        return NULL;
    }
    *writing = (struct files_writing){.given = given, .session = session, .policies = policies, .on_written = on_written, .arg = arg};
    if (begin(writing, err) < 0) {
        free(writing);
        return NULL;
    }
    return writing;
}

void files_writing_cancel(struct files_writing *writing)
{
    if (writing == NULL)
        return;
    file_upload_free(writing->upload);
    free(writing);
}
