/*
 * compat_e2b_process.h: E2B's RPC service process.Process (Connect, JSON): commands in a sandbox. Each runs in an interpreter of its own, a part of the sandbox
 * (session_join.h), which starts it as any program may start another, so the import policy and the limits hold for it; both end together.
 */
#ifndef PENNY_COMPAT_E2B_PROCESS_H
#define PENNY_COMPAT_E2B_PROCESS_H

#include "http.h"
#include "server.h"

void compat_e2b_process_start(struct http_request *request,
                              void                *server); /* Start {process: {cmd, args, envs, cwd}, stdin, tag}: a stream */
void compat_e2b_process_connect(struct http_request *request, void *server);     /* Connect {process}: a stream, from the beginning */
void compat_e2b_process_list(struct http_request *request, void *server);        /* List */
void compat_e2b_process_signal(struct http_request *request, void *server);      /* SendSignal {process, signal} */
void compat_e2b_process_input(struct http_request *request, void *server);       /* SendInput {process, input: {stdin}} */
void compat_e2b_process_close_input(struct http_request *request, void *server); /* CloseStdin {process} */

/* ---- compat_e2b_command.c ---- */

#include "bytes.h"
#include "compat_e2b_stream.h"

/* The Python program that runs a command and ends as it does; owned. NULL: no memory. */
char *compat_e2b_command_code(const char *command, const json_t *arguments, bool has_input);
/* How its number is made of the part's id. */
uint32_t compat_e2b_command_number(const struct session *part);
/* For streams of its events. NULL: no memory. */
void                                 *compat_e2b_command_new(const struct session *part);
extern const struct compat_e2b_teller compat_e2b_command_teller;

#endif
