/* route_table.c: every path of the service. */
#include "api_checkpoints.h"
#include "api_contract.h"
#include "api_drain.h"
#include "api_execute.h"
#include "api_executions.h"
#include "api_export.h"
#include "api_files.h"
#include "api_forks.h"
#include "api_health.h"
#include "api_import.h"
#include "api_metrics.h"
#include "api_notebook.h"
#include "api_packages.h"
#include "api_plots.h"
#include "api_races.h"
#include "api_sessions.h"
#include "api_stats.h"
#include "api_validate.h"
#include "api_variables.h"
#include "compat_aevatar.h"
#include "compat_e2b.h"
#include "compat_e2b_context.h"
#include "compat_e2b_folder.h"
#include "compat_e2b_process.h"
#include "compat_e2b_run.h"
#include "compat_flask.h"
#include "compat_penny.h"
#include "compat_secure.h"
#include "mcp.h"
#include "route.h"
#include "static.h"

enum {
    FLASK    = ROUTE_BODY_JSON | ROUTE_ERRORS_FLASK,
    AEVATAR  = ROUTE_BODY_JSON | ROUTE_ERRORS_PROBLEM,
    E2B      = ROUTE_BODY_JSON | ROUTE_ERRORS_E2B,
    CONNECT  = ROUTE_BODY_JSON | ROUTE_ERRORS_CONNECT | ROUTE_OPEN,
    STREAMED = ROUTE_ERRORS_E2B | ROUTE_OPEN,
    NOAUTH   = ROUTE_BODY_JSON | ROUTE_ERRORS_NOAUTH | ROUTE_OPEN,
};

static const struct route TABLE[] = {
    {HTTP_POST, "/api/v1/execute", api_execute, ROUTE_BODY_JSON},
    {HTTP_POST, "/api/v1/execute/stream", api_execute_stream, ROUTE_BODY_JSON},
    {HTTP_GET, "/api/v1/execute/status/{id}", api_executions_get, 0},
    {HTTP_DELETE, "/api/v1/execute/{id}", api_executions_cancel, 0},

    {HTTP_POST, "/api/v1/executions", api_executions_create, ROUTE_BODY_JSON},
    {HTTP_GET, "/api/v1/executions/{id}", api_executions_get, 0},
    {HTTP_GET, "/api/v1/executions/{id}/events", api_executions_events, 0},
    {HTTP_DELETE, "/api/v1/executions/{id}", api_executions_cancel, 0},
    {HTTP_POST, "/api/v1/executions/{id}/input", api_executions_input, ROUTE_BODY_JSON},

    {HTTP_POST, "/api/v1/sessions", api_sessions_create, ROUTE_BODY_JSON},
    {HTTP_GET, "/api/v1/sessions", api_sessions_list, 0},
    {HTTP_GET, "/api/v1/sessions/{id}", api_sessions_get, 0},
    {HTTP_PATCH, "/api/v1/sessions/{id}", api_sessions_update, ROUTE_BODY_JSON},
    {HTTP_DELETE, "/api/v1/sessions/{id}", api_sessions_delete, 0},
    {HTTP_GET, "/api/v1/sessions/{id}/stats", api_stats, 0},
    {HTTP_POST, "/api/v1/sessions/{id}/interrupt", api_sessions_interrupt, ROUTE_BODY_JSON},
    {HTTP_POST, "/api/v1/sessions/{id}/restart", api_sessions_restart, ROUTE_BODY_JSON},

    {HTTP_POST, "/api/v1/sessions/{id}/fork", api_forks_create, ROUTE_BODY_JSON},
    {HTTP_POST, "/api/v1/sessions/{id}/race", api_races_create, ROUTE_BODY_JSON},
    {HTTP_GET, "/api/v1/sessions/{id}/checkpoints", api_checkpoints_list, 0},
    {HTTP_POST, "/api/v1/sessions/{id}/checkpoints", api_checkpoints_create, ROUTE_BODY_JSON},
    {HTTP_DELETE, "/api/v1/sessions/{id}/checkpoints/{checkpointId}", api_checkpoints_delete, 0},
    {HTTP_POST, "/api/v1/sessions/{id}/rollback", api_checkpoints_rollback, ROUTE_BODY_JSON},

    {HTTP_GET, "/api/v1/sessions/{id}/variables", api_variables_list, 0},
    {HTTP_PUT, "/api/v1/sessions/{id}/variables", api_variables_set, ROUTE_BODY_JSON},
    {HTTP_DELETE, "/api/v1/sessions/{id}/variables", api_variables_clear, 0},
    {HTTP_GET, "/api/v1/sessions/{id}/variables/{name}", api_variables_get, 0},
    {HTTP_DELETE, "/api/v1/sessions/{id}/variables/{name}", api_variables_delete, 0},

    {HTTP_GET, "/api/v1/sessions/{id}/plots", api_plots_list, 0},
    {HTTP_GET, "/api/v1/sessions/{id}/plots/{plotId}", api_plots_get, 0},
    {HTTP_GET, "/api/v1/sessions/{id}/notebook", api_notebook_get, 0},
    {HTTP_GET, "/api/v1/sessions/{id}/export", api_export, 0},
    {HTTP_POST, "/api/v1/sessions/import", api_import, ROUTE_BODY_STREAM},

    {HTTP_POST, "/api/v1/validate", api_validate, ROUTE_BODY_JSON},
    {HTTP_POST, "/api/v1/validate/security", api_validate_security, ROUTE_BODY_JSON},
    {HTTP_POST, "/api/v1/validate/syntax", api_validate_syntax, ROUTE_BODY_JSON},

    {HTTP_GET, "/api/v1/sessions/{id}/files", api_files_list, 0},
    {HTTP_POST, "/api/v1/sessions/{id}/files", api_files_post, ROUTE_BODY_STREAM},
    {HTTP_GET, "/api/v1/sessions/{id}/files/{path...}", api_files_get, 0},
    {HTTP_PUT, "/api/v1/sessions/{id}/files/{path...}", api_files_put, ROUTE_BODY_STREAM},
    {HTTP_DELETE, "/api/v1/sessions/{id}/files/{path...}", api_files_delete, 0},

    {HTTP_POST, "/api/execute/python", compat_penny_execute, ROUTE_BODY_JSON},
    {HTTP_POST, "/api/execute", compat_flask_execute, FLASK},
    {HTTP_POST, "/execute", compat_secure_execute, ROUTE_BODY_JSON | ROUTE_ERRORS_FASTAPI},
    {HTTP_POST, "/execute-with-files", compat_secure_execute_form, ROUTE_ERRORS_FASTAPI},
    {HTTP_POST, "/api/python/execute", compat_aevatar_execute, AEVATAR},
    {HTTP_POST, "/api/sandbox/execute", compat_aevatar_execute, AEVATAR},
    {HTTP_POST, "/api/sandbox/execute-async", compat_aevatar_execute_async, AEVATAR},
    {HTTP_GET, "/api/sandbox/status/{id}", compat_aevatar_status, ROUTE_ERRORS_PROBLEM},
    {HTTP_GET, "/api/sandbox/result/{id}", compat_aevatar_result, ROUTE_ERRORS_PROBLEM},
    {HTTP_GET, "/api/sandbox/logs/{id}", compat_aevatar_logs, ROUTE_ERRORS_PROBLEM},
    {HTTP_POST, "/api/sandbox/cancel/{id}", compat_aevatar_cancel, AEVATAR},
    {HTTP_GET, "/api/noauth", compat_aevatar_noauth_hello, ROUTE_ERRORS_NOAUTH | ROUTE_OPEN},
    {HTTP_POST, "/api/noauth/execute", compat_aevatar_noauth_execute, NOAUTH},
    {HTTP_GET, "/api/test", compat_aevatar_noauth_hello, ROUTE_ERRORS_NOAUTH | ROUTE_OPEN},
    {HTTP_POST, "/api/test/execute", compat_aevatar_noauth_execute, NOAUTH},

    {HTTP_GET, "/api/v1/packages", api_packages_list, 0},
    {HTTP_POST, "/api/v1/packages/install", api_packages_install, ROUTE_BODY_JSON},
    {HTTP_POST, "/api/v1/packages/uninstall", api_packages_uninstall, ROUTE_BODY_JSON},
    {HTTP_GET, "/api/v1/packages/session/{id}", api_packages_session, 0},
    {HTTP_GET, "/api/v1/packages/{name}", api_packages_get, 0},
    {HTTP_POST, "/e2b/sandboxes", compat_e2b_create, E2B},
    {HTTP_POST, "/e2b/v2/sandboxes", compat_e2b_create, E2B},
    {HTTP_GET, "/e2b/sandboxes", compat_e2b_list, ROUTE_ERRORS_E2B},
    {HTTP_GET, "/e2b/v2/sandboxes", compat_e2b_list, ROUTE_ERRORS_E2B},
    {HTTP_GET, "/e2b/sandboxes/{id}", compat_e2b_get, ROUTE_ERRORS_E2B},
    {HTTP_DELETE, "/e2b/sandboxes/{id}", compat_e2b_kill, ROUTE_ERRORS_E2B},
    {HTTP_POST, "/e2b/sandboxes/{id}/connect", compat_e2b_connect, E2B},
    {HTTP_POST, "/e2b/v2/sandboxes/{id}/connect", compat_e2b_connect, E2B},
    {HTTP_POST, "/e2b/sandboxes/{id}/resume", compat_e2b_resume, E2B},
    {HTTP_POST, "/e2b/sandboxes/{id}/timeout", compat_e2b_timeout, E2B},
    {HTTP_POST, "/e2b/sandboxes/{id}/refreshes", compat_e2b_refresh, E2B},
    {HTTP_POST, "/e2b/sandboxes/{id}/pause", compat_e2b_pause, E2B},
    {HTTP_POST, "/e2b/sandboxes/{id}/fork", compat_e2b_fork, E2B},
    {HTTP_POST, "/e2b/sandboxes/{id}/snapshots", compat_e2b_snapshot, E2B},
    {HTTP_GET, "/e2b/sandboxes/{id}/metrics", compat_e2b_metrics, ROUTE_ERRORS_E2B},
    {HTTP_PUT, "/e2b/sandboxes/{id}/network", compat_e2b_update_network, E2B},
    /* the caller of these is known by the sandbox's own token, too */
    {HTTP_GET, "/e2b/health", compat_e2b_health, ROUTE_ERRORS_E2B | ROUTE_OPEN},
    {HTTP_POST, "/e2b/execute", compat_e2b_execute, E2B | ROUTE_OPEN},
    {HTTP_GET, "/e2b/contexts", compat_e2b_context_list, ROUTE_ERRORS_E2B | ROUTE_OPEN},
    {HTTP_GET, "/e2b/files", compat_e2b_read_file, ROUTE_ERRORS_E2B | ROUTE_OPEN},
    {HTTP_POST, "/e2b/files", compat_e2b_write_files, ROUTE_BODY_STREAM | ROUTE_ERRORS_E2B | ROUTE_OPEN},
    /* the SDKs' signed URLs have their path from the root of the host */
    {HTTP_GET, "/files", compat_e2b_read_file, ROUTE_ERRORS_E2B | ROUTE_OPEN},
    {HTTP_POST, "/files", compat_e2b_write_files, ROUTE_BODY_STREAM | ROUTE_ERRORS_E2B | ROUTE_OPEN},
    {HTTP_POST, "/e2b/filesystem.Filesystem/Stat", compat_e2b_folder_stat, CONNECT},
    {HTTP_POST, "/e2b/filesystem.Filesystem/ListDir", compat_e2b_folder_list, CONNECT},
    {HTTP_POST, "/e2b/filesystem.Filesystem/MakeDir", compat_e2b_folder_make, CONNECT},
    {HTTP_POST, "/e2b/filesystem.Filesystem/Move", compat_e2b_folder_move, CONNECT},
    {HTTP_POST, "/e2b/filesystem.Filesystem/Remove", compat_e2b_folder_remove, CONNECT},
    {HTTP_POST, "/e2b/filesystem.Filesystem/CreateWatcher", compat_e2b_folder_watch, CONNECT},
    {HTTP_POST, "/e2b/filesystem.Filesystem/WatchDir", compat_e2b_folder_watch_stream, STREAMED},
    {HTTP_POST, "/e2b/process.Process/Start", compat_e2b_process_start, STREAMED},
    {HTTP_POST, "/e2b/process.Process/Connect", compat_e2b_process_connect, STREAMED},
    {HTTP_POST, "/e2b/process.Process/List", compat_e2b_process_list, CONNECT},
    {HTTP_POST, "/e2b/process.Process/SendSignal", compat_e2b_process_signal, CONNECT},
    {HTTP_POST, "/e2b/process.Process/SendInput", compat_e2b_process_input, CONNECT},
    {HTTP_POST, "/e2b/process.Process/CloseStdin", compat_e2b_process_close_input, CONNECT},
    {HTTP_POST, "/e2b/contexts", compat_e2b_context_create, E2B | ROUTE_OPEN},
    {HTTP_DELETE, "/e2b/contexts/{id}", compat_e2b_context_remove, ROUTE_ERRORS_E2B | ROUTE_OPEN},
    {HTTP_POST, "/e2b/contexts/{id}/restart", compat_e2b_context_restart, E2B | ROUTE_OPEN},

    {HTTP_POST, "/mcp", mcp_post, ROUTE_BODY_JSON | ROUTE_ERRORS_MCP},
    {HTTP_GET, "/mcp", mcp_get, ROUTE_ERRORS_MCP | ROUTE_OWN_ORIGIN},
    {HTTP_DELETE, "/mcp", mcp_delete, ROUTE_ERRORS_MCP},

    {HTTP_GET, "/api/v1/admin/drain", api_drain_get, 0},
    {HTTP_POST, "/api/v1/admin/drain", api_drain_begin, ROUTE_BODY_JSON},
    {HTTP_DELETE, "/api/v1/admin/drain", api_drain_end, 0},
    {HTTP_POST, "/api/v1/admin/sessions/{id}/move", api_drain_move, ROUTE_BODY_JSON},
    {HTTP_DELETE, "/api/v1/admin/sessions/{id}/move", api_drain_keep, 0},

    {HTTP_GET, "/health", api_health, ROUTE_UNLIMITED | ROUTE_OPEN},
    {HTTP_GET, "/ready", api_ready, ROUTE_UNLIMITED | ROUTE_OPEN},
    {HTTP_GET, "/metrics", api_metrics, ROUTE_UNLIMITED | ROUTE_METRICS},

    {HTTP_GET, "/openapi.json", api_contract, ROUTE_OPEN},
    {HTTP_GET, "/docs", static_docs, ROUTE_STATIC},
    {HTTP_GET, "/", static_index, ROUTE_STATIC},
    {HTTP_GET, "/{path...}", static_file, ROUTE_STATIC | ROUTE_FALLBACK},
};

const struct route *route_table(size_t *ret_count)
{
    *ret_count = sizeof TABLE / sizeof *TABLE;
    return TABLE;
}
