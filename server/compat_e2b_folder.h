/* compat_e2b_folder.h: E2B's RPC service filesystem.Filesystem (Connect, JSON): the workspace's entries, one question each. */
#ifndef PENNY_COMPAT_E2B_FOLDER_H
#define PENNY_COMPAT_E2B_FOLDER_H

#include "http.h"
#include "server.h"

void compat_e2b_folder_stat(struct http_request *request, void *server);         /* Stat {path} */
void compat_e2b_folder_list(struct http_request *request, void *server);         /* ListDir {path, depth} */
void compat_e2b_folder_make(struct http_request *request, void *server);         /* MakeDir {path} */
void compat_e2b_folder_move(struct http_request *request, void *server);         /* Move {source, destination} */
void compat_e2b_folder_remove(struct http_request *request, void *server);       /* Remove {path} */
void compat_e2b_folder_watch(struct http_request *request, void *server);        /* CreateWatcher, which there is not */
void compat_e2b_folder_watch_stream(struct http_request *request, void *server); /* nor WatchDir */

#endif
