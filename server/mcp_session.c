#define _GNU_SOURCE
#include "mcp_session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_error.h"
#include "mcp_answer.h"
#include "version.h"

enum { NAME_MAX_BYTES = 200 };

static const char INSTRUCTIONS[] =
    "A jailed Python interpreter that keeps its state: variables, imports and files stay from one run_code to the next. numpy, pandas and "
    "matplotlib are imported in no time; figures come back as images. Work in small steps. Before something risky call checkpoint, and "
    "rollback if it went wrong; fork gives live copies to try several ways at once. Files are below the working directory, "
    "reached by read_file and write_file too.";

/* Someone who waits for a session to be made. */
struct making {
    struct server       *server;
    struct http_request *request;
    mcp_session_on_made  on_made;
    void                *arg;
};

static void on_gone(void *arg)
{
    struct making *making = arg;
    sessions_cancel(server_sessions(making->server), making);
    free(making);
}

static void on_session(struct session *session, const char *reason, void *arg)
{
    struct making making = *(struct making *)arg;

    free(arg);
    http_request_on_gone(making.request, NULL, NULL);
    if (session != NULL)
        making.on_made(session, making.request, making.arg);
    else
        api_error_unavailable(making.request, "SESSION_UNAVAILABLE", reason);
}

static void make(struct server *server, struct http_request *request, const struct session_request *wanted, mcp_session_on_made on_made,
                 void *arg)
{
    struct making *making = malloc(sizeof *making);
    struct err     err    = {0};

    if (making == NULL) {
        api_error_unavailable(request, "NO_MEMORY", "No memory for a session");
        return;
    }
    *making = (struct making){server, request, on_made, arg};
    http_request_on_gone(request, on_gone, making);
    if (sessions_create(server_sessions(server), wanted, on_session, making, &err) < 0) {
        http_request_on_gone(request, NULL, NULL);
        free(making);
        api_error_refused(request, &err);
    }
}

void mcp_session_make(struct server *server, struct http_request *request, const char *profile, json_t *metadata,
                      mcp_session_on_made on_made, void *arg)
{
    struct session_request wanted = {.metadata = metadata};

    (void)snprintf(wanted.profile, sizeof wanted.profile, "%s", profile);
    if (sessions_are_draining(server_sessions(server)))
        api_error_unavailable(request, "DRAINING", "The service is about to stop");
    else if (api_sign_request(request, server_config(server), &wanted))
        make(server, request, &wanted, on_made, arg);
    json_decref(metadata);
}

/* ---- initialize ---- */

json_t *mcp_session_about(void)
{
    return json_pack("{s:{s:{}}, s:{s:s, s:s, s:s}, s:s}", "capabilities", "tools", "serverInfo", "name", "penny-sandbox", "title",
                     "Penny Sandbox", "version", PENNY_VERSION, "instructions", INSTRUCTIONS);
}

static const json_t *about_of(const struct session *session)
{
    struct session_info info;
    session_get_info(session, &info);
    return json_object_get(info.metadata, "mcp");
}

enum mcp_version mcp_session_version(const struct session *session)
{
    enum mcp_version version = MCP_NEWEST_WITH_SESSIONS;
    (void)mcp_version_parse(json_string_value(json_object_get(about_of(session), "protocolVersion")), &version);
    return version;
}

static void on_initialized(struct session *session, struct http_request *request, void *arg)
{
    json_t *result = mcp_session_about();
    char    text[ID_TEXT_BYTES];

    (void)arg;
    id_format(session_id(session), text);
    (void)json_object_set_new(result, "protocolVersion", json_string(mcp_version_name(mcp_session_version(session))));
    http_request_add_header(request, "Mcp-Session-Id", text);
    http_reply_json(request, 200, mcp_message_result(json_object_get(http_request_json(request), "id"), result));
}

static void add_client(json_t *about, const json_t *client)
{
    static const char *const names[] = {"name", "version"};
    json_t                  *known   = json_object();
    for (size_t i = 0; i < 2; i++) {
        json_t *text = json_object_get(client, names[i]);
        if (json_is_string(text) && json_string_length(text) <= NAME_MAX_BYTES)
            (void)json_object_set(known, names[i], text);
    }
    (void)json_object_set_new(about, "client", known);
}

void mcp_session_initialize(struct server *server, struct http_request *request, const struct mcp_message *message)
{
    const char      *wanted  = json_string_value(json_object_get(message->params, "protocolVersion"));
    const char      *profile = http_request_query(request, "profile");
    enum mcp_version version = MCP_NEWEST_WITH_SESSIONS;
    json_t          *about;

    if (wanted == NULL) {
        mcp_reply_error(request, 400, message->id, MCP_INVALID_PARAMS, "initialize needs a protocolVersion", NULL);
        return;
    }
    if (mcp_version_parse(wanted, &version) && version >= MCP_STATELESS)
        version = MCP_NEWEST_WITH_SESSIONS; /* a handshake is for those before it */
    about = json_pack("{s:s}", "protocolVersion", mcp_version_name(version));
    add_client(about, json_object_get(message->params, "clientInfo"));
    mcp_session_make(server, request, profile != NULL ? profile : "", json_pack("{s:o}", "mcp", about), on_initialized, NULL);
}

/* ---- its use ---- */

struct session *mcp_session_of(struct http_request *request, json_t *id, const struct server *server)
{
    const char     *given = http_request_header(request, "Mcp-Session-Id");
    struct id       which;
    struct session *session = id_parse(given, &which) ? sessions_find(server_sessions((struct server *)server), &which) : NULL;

    if (session != NULL && session_owner(session) == api_caller(request) &&
        json_is_string(json_object_get(about_of(session), "protocolVersion")))
        return session;
    if (given == NULL)
        mcp_reply_error(request, 400, id, MCP_REFUSED, "The header Mcp-Session-Id is missing: begin with initialize", NULL);
    else
        mcp_reply_error(request, 404, id, MCP_NO_SESSION, "There is no such session, or not any more: begin anew with initialize", NULL);
    return NULL;
}
