#define _GNU_SOURCE
#include "command_service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fdio.h"

enum { PATH_BYTES = 512 };

static int refuse(const struct bytes *answer, int status, struct err *err)
{
    json_error_t error;
    json_t      *json    = answer->length > 0 ? json_loadb(answer->data, answer->length, JSON_ALLOW_NUL, &error) : NULL;
    const char  *message = json_string_value(json_object_get(json, "message"));
    (void)err_set(err, EIO, "the service refused: %.200s (%d)", message != NULL ? message : "no reason given", status);
    json_decref(json);
    return -1;
}

static json_t *read_answer(const struct bytes *answer, int status, struct err *err)
{
    json_error_t error;
    json_t      *json = NULL;
    if (status >= 300)
        (void)refuse(answer, status, err);
    else if (status >= 0 && answer->length > 0)
        json = json_loadb(answer->data, answer->length, JSON_ALLOW_NUL, &error);
    if (json == NULL && status >= 0 && status < 300)
        (void)err_set(err, EPROTO, "the answer is not one of this service");
    return json;
}

json_t *command_service_ask(const struct command_service *service, const char *method, const char *path, const json_t *body,
                            struct err *err)
{
    char                    *text    = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    struct http_call_request request = {.method = method, .path = path, .body = text, .body_length = text != NULL ? strlen(text) : 0};
    struct bytes             answer  = {0};
    int                      status  = http_call_do(&service->target, &request, COMMAND_ANSWER_MAX, &answer, &service->waiting, err);
    json_t                  *json    = read_answer(&answer, status, err);
    free(text);
    bytes_done(&answer);
    return json;
}

json_t *command_service_ask_session(const struct command_service *service, const char *method, const char *below, const json_t *body,
                                    struct err *err)
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "/api/v1/sessions/%s%s", service->session, below);
    return command_service_ask(service, method, path, body, err);
}

int command_service_open(struct command_service *service, const char *profile, struct err *err)
{
    json_t     *body   = json_pack("{s:s}", "policy", profile);
    json_t     *answer = command_service_ask(service, "POST", "/api/v1/sessions", body, err);
    const char *id     = json_string_value(json_object_get(answer, "id"));
    int         result = 0;
    if (id != NULL && strlen(id) == sizeof service->session - 1)
        strcpy(service->session, id);
    else
        result = answer != NULL ? err_set(err, EPROTO, "the service gave a session without an id") : -1;
    json_decref(body);
    json_decref(answer);
    return result;
}

void command_service_close(struct command_service *service)
{
    struct err err = {0};
    if (service->session[0] != '\0')
        json_decref(command_service_ask_session(service, "DELETE", "", NULL, &err));
    service->session[0] = '\0';
}

static bool file_path(const struct command_service *service, const char *name, struct bytes *out)
{
    static const char before[] = "/api/v1/sessions/", behind[] = "/files/";
    return bytes_append(out, before, sizeof before - 1) && bytes_append(out, service->session, strlen(service->session)) &&
           bytes_append(out, behind, sizeof behind - 1) && http_call_encode(out, name, true) && bytes_append(out, "", 1);
}

/* Sends or fetches one file; `request` lacks its path. */
static int transfer(const struct command_service *service, const char *name, struct http_call_request *request, struct bytes *out,
                    struct err *err)
{
    struct bytes path   = {0};
    int          status = -1;
    if (file_path(service, name, &path)) {
        request->path         = path.data;
        request->content_type = "application/octet-stream";
        request->accept       = "*/*";
        status                = http_call_do(&service->target, request, COMMAND_ANSWER_MAX, out, &service->waiting, err);
    } else {
        (void)err_set(err, ENOMEM, "no memory for a path");
    }
    bytes_done(&path);
    return status < 0 ? -1 : status >= 300 ? refuse(out, status, err) : 0;
}

int command_service_put(const struct command_service *service, const char *path, const char *name, struct err *err)
{
    struct http_call_request request = {.method = "PUT", .body = ""};
    struct bytes             answer  = {0};
    struct stat              st;
    void                    *data = NULL;
    int                      fd   = open(path, O_RDONLY | O_CLOEXEC), result;

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        result = err_set(err, EINVAL, "--file %.150s: %s", path, fd < 0 ? strerror(errno) : "not a regular file");
        fdio_close(&fd);
        return result;
    }
    if (st.st_size > 0)
        data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    fdio_close(&fd);
    if (data == MAP_FAILED)
        return err_errno(err, "--file %.150s", path);
    if (data != NULL) {
        request.body        = data;
        request.body_length = (size_t)st.st_size;
    }
    result = transfer(service, name, &request, &answer, err);
    if (data != NULL)
        (void)munmap(data, (size_t)st.st_size);
    bytes_done(&answer);
    return result;
}

int command_service_get(const struct command_service *service, const char *name, struct bytes *out, struct err *err)
{
    struct http_call_request request = {.method = "GET"};
    return transfer(service, name, &request, out, err);
}
