#include "api_notebook.h"

#include "api_error.h"
#include "json.h"
#include "server.h"
#include "session_transfer.h"

void api_notebook_get(struct http_request *request, void *context)
{
    struct session   *session = api_session_of(request, server_sessions(context));
    struct json_check check   = JSON_CHECK_INIT;
    struct bytes      out     = {0};
    struct err        err     = {0};
    int64_t           since   = 0;

    if (session == NULL)
        return;
    (void)json_text_integer(&check, "since", http_request_query(request, "since"), 0, INT64_MAX, &since);
    if (json_check_reply(&check, request))
        return;
    http_request_add_header(request, "Content-Disposition", "attachment; filename=\"session.ipynb\"");
    if (session_write_notebook(session, (uint64_t)since, &out, &err) == 0)
        http_reply_bytes(request, 200, "application/x-ipynb+json; charset=utf-8", out.data, out.length);
    else
        api_error_unavailable(request, "NOTEBOOK_UNREADABLE", err.message);
    bytes_done(&out);
}
