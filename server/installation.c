#define _GNU_SOURCE
#include "installation.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fdio.h"
#include "installer.h"
#include "requirement.h"
#include "supervisor_wire.h"

enum { LAYERS_MAX = 500, MODULES_MAX = 2000, READ_BYTES = 65536 };

struct installation {
    int                        fd;
    struct event               readable;
    struct evbuffer           *input;
    struct installation_events events;
    void                      *arg;
    json_t                    *layers, *satisfied, *failures;
    bool                       published;
};

/* ---- what comes ---- */

static bool is_module(const char *text)
{
    return text != NULL && strlen(text) < REQUIREMENT_NAME_BYTES && strpbrk(text, "/\\. \n\"") == NULL && text[0] != '\0';
}

static bool is_text(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));
    return text != NULL && requirement_is_word(text);
}

static bool is_list(const json_t *list, size_t most, bool (*is_item)(const char *text))
{
    const json_t *item;
    size_t        i;
    if (!json_is_array(list) || json_array_size(list) > most)
        return false;
    json_array_foreach(list, i, item)
    {
        if (json_string_value(item) == NULL || !is_item(json_string_value(item)))
            return false;
    }
    return true;
}

static bool is_layer(const json_t *layer)
{
    return is_text(layer, "name") && is_text(layer, "version") && is_text(layer, "layer") &&
           is_list(json_object_get(layer, "topLevel"), MODULES_MAX, is_module) &&
           is_list(json_object_get(layer, "requires"), MODULES_MAX, requirement_is_word) &&
           json_is_integer(json_object_get(layer, "size")) && json_is_boolean(json_object_get(layer, "requested")) &&
           json_is_string(json_object_get(layer, "summary"));
}

static bool is_satisfied(const json_t *item)
{
    return is_text(item, "name") && is_text(item, "version");
}

static bool is_failure(const json_t *item)
{
    return json_is_string(json_object_get(item, "package")) && json_is_string(json_object_get(item, "error"));
}

static bool each_is(const json_t *list, bool (*is)(const json_t *item))
{
    const json_t *item;
    size_t        i;
    if (!json_is_array(list) || json_array_size(list) > LAYERS_MAX)
        return false;
    json_array_foreach(list, i, item)
    {
        if (!is(item))
            return false;
    }
    return true;
}

static void take(json_t **place, json_t *value)
{
    json_decref(*place);
    *place = json_incref(value);
}

static void fail(struct installation *installation, const char *why)
{
    json_decref(installation->failures);
    installation->failures = json_pack("[{s:s, s:s}]", "package", "", "error", why);
}

static void on_worker_line(struct installation *installation, const json_t *line, const char *event)
{
    json_t *packages = json_object_get(line, "packages"), *satisfied = json_object_get(line, "satisfied"),
           *failures = json_object_get(line, "failures");
    if (strcmp(event, "progress") == 0 || strcmp(event, "log") == 0) {
        installation->events.on_progress(line, installation->arg);
    } else if (strcmp(event, "resolved") == 0 && each_is(packages, is_layer) && each_is(satisfied, is_satisfied)) {
        take(&installation->layers, packages);
        take(&installation->satisfied, satisfied);
    } else if (strcmp(event, "failed") == 0 && each_is(failures, is_failure) && json_array_size(failures) > 0) {
        take(&installation->failures, failures);
    }
}

static void on_line(struct installation *installation, const char *line, size_t length)
{
    json_error_t error;
    json_t      *json  = length > 1 ? json_loadb(line + 1, length - 1, 0, &error) : NULL;
    const char  *event = json_string_value(json_object_get(json, "event")), *message;

    if (event != NULL && line[0] == 'P') {
        on_worker_line(installation, json, event);
    } else if (event != NULL && line[0] == 'M') {
        message                 = json_string_value(json_object_get(json, "message"));
        installation->published = strcmp(event, "published") == 0;
        if (!installation->published && message != NULL && message[0] != '\0')
            fail(installation, message);
    }
    json_decref(json);
}

static void end(struct installation *installation)
{
    bool fine = installation->published && installation->layers != NULL;
    (void)event_del(&installation->readable);
    if (!fine && installation->failures == NULL)
        fail(installation, "the installer ended without a result");
    installation->events.on_end(fine ? installation->layers : NULL, fine ? installation->satisfied : NULL,
                                fine ? NULL : installation->failures, installation->arg);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct installation *installation = arg;
    int                  n            = evbuffer_read(installation->input, fd, READ_BYTES);
    char                *line;
    size_t               length;

    (void)what;
    if (n < 0 && errno == EAGAIN)
        return;
    while ((line = evbuffer_readln(installation->input, &length, EVBUFFER_EOL_LF)) != NULL) {
        on_line(installation, line, length);
        free(line);
    }
    if (n <= 0 || evbuffer_get_length(installation->input) > INSTALLER_LINE_MAX)
        end(installation);
}

/* ---- the start ---- */

static int make_job(const json_t *job, struct err *err)
{
    char *text = json_dumps(job, JSON_COMPACT);
    int   fd   = text != NULL ? memfd_create("penny-install", MFD_CLOEXEC) : -1;
    if (fd >= 0 && fdio_write_all(fd, text, strlen(text)) < 0)
        fdio_close(&fd);
    free(text);
    if (fd < 0)
        (void)err_errno(err, "cannot write the installation's job");
    return fd;
}

static int ask(struct installation *installation, int supervisor_fd, const json_t *job, struct err *err)
{
    struct supervisor_packet packet  = {.type = SUPERVISOR_INSTALL};
    int                      ends[2] = {-1, -1}, fds[2], result;

    fds[1] = make_job(job, err);
    if (fds[1] < 0)
        return -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
        fdio_close(&fds[1]);
        return err_errno(err, "cannot make the installation's socket");
    }
    installation->fd = ends[0];
    fds[0]           = ends[1];
    result           = fdio_send(supervisor_fd, &packet, sizeof packet, fds, 2);
    if (result < 0)
        (void)err_errno(err, "cannot ask for an installation");
    fdio_close(&fds[0]);
    fdio_close(&fds[1]);
    return result;
}

struct installation *installation_start(struct event_base *base, int supervisor_fd, const json_t *job,
                                        const struct installation_events *events, void *arg, struct err *err)
{
    struct installation *installation = calloc(1, sizeof *installation);
    if (installation != NULL)
        installation->input = evbuffer_new();
    if (installation == NULL || installation->input == NULL) {
        free(installation);
        (void)err_set(err, ENOMEM, "no memory for an installation");
        return NULL;
    }
    installation->fd     = -1;
    installation->events = *events;
    installation->arg    = arg;
    if (ask(installation, supervisor_fd, job, err) < 0 || evutil_make_socket_nonblocking(installation->fd) < 0) {
        evbuffer_free(installation->input);
        fdio_close(&installation->fd);
        free(installation);
        return NULL;
    }
    (void)event_assign(&installation->readable, base, installation->fd, EV_READ | EV_PERSIST, on_readable, installation);
    (void)event_add(&installation->readable, NULL);
    return installation;
}

void installation_free(struct installation *installation)
{
    if (installation == NULL)
        return;
    (void)event_del(&installation->readable);
    fdio_close(&installation->fd);
    evbuffer_free(installation->input);
    json_decref(installation->layers);
    json_decref(installation->satisfied);
    json_decref(installation->failures);
    free(installation);
}
