#define _GNU_SOURCE
#include "api_plots.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api_error.h"
#include "json.h"
#include "server.h"
#include "session_plots.h"

enum { MESSAGE_MAX = 160 };

static void add_url(json_t *plot, const char *session)
{
    char        url[256];
    const char *id = json_string_value(json_object_get(plot, "id"));
    (void)snprintf(url, sizeof url, "/api/v1/sessions/%s/plots/%.36s", session, id != NULL ? id : "");
    (void)json_object_set_new(plot, "url", json_string(url));
}

void api_plots_list(struct http_request *request, void *context)
{
    struct session     *session = api_session_of(request, server_sessions(context));
    struct session_info info;
    json_t             *plots, *plot;
    size_t              i;

    if (session == NULL)
        return;
    session_get_info(session, &info);
    plots = session_plots_list(session);
    json_array_foreach(plots, i, plot) add_url(plot, info.id_text);
    http_reply_json(request, 200, json_pack("{s:s, s:o}", "sessionId", info.id_text, "plots", plots));
}

static void reply_error(struct http_request *request, const char *given, const struct err *err)
{
    char message[MESSAGE_MAX];
    if (err->code == ENOENT) {
        (void)snprintf(message, sizeof message, "Plot '%.80s' not found", given);
        http_reply_error(request, 404, "PLOT_NOT_FOUND", message, NULL, 0);
    } else if (err->code == ESTALE) {
        http_reply_error(request, 410, "PLOT_GONE", err->message, NULL, 0);
    } else if (err->code == EINVAL) {
        http_reply_error(request, 422, "PLOT_UNREADABLE", err->message, NULL, 0);
    } else {
        api_error_unavailable(request, "PLOT_UNREADABLE", err->message);
    }
}

/* Nothing of it may run in this service's origin, however it is opened: a page is only handed out as a file. */
static void add_headers(struct http_request *request, const struct session_picture *picture)
{
    if (picture->is_active)
        http_request_add_header(request, "Content-Security-Policy",
                                "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:");
    if (strncmp(picture->content_type, "text/html", 9) == 0)
        http_request_add_header(request, "Content-Disposition", "attachment; filename=\"plot.html\"");
}

void api_plots_get(struct http_request *request, void *context)
{
    static const char *const formats[] = {"image", "json", NULL};
    struct session          *session   = api_session_of(request, server_sessions(context));
    struct json_check        check     = JSON_CHECK_INIT;
    struct session_picture   picture;
    struct err               err    = {.code = ENOENT};
    size_t                   format = 0;
    const char              *given;
    struct id                id;

    if (session == NULL)
        return;
    (void)json_text_choice(&check, "format", http_request_query(request, "format"), formats, &format);
    if (json_check_reply(&check, request))
        return;
    given = http_request_parameter(request, 1);
    if (!id_parse(given, &id) || session_plots_read(session, &id, format == 1, &picture, &err) < 0) {
        reply_error(request, given, &err);
        return;
    }
    add_headers(request, &picture);
    http_reply_bytes(request, 200, picture.content_type, picture.data.data != NULL ? picture.data.data : "", picture.data.length);
    bytes_done(&picture.data);
}
