/*
 * compat_e2b_rpc.h: calls of Connect whose answer goes on: their question is one envelope, their answer is several, the last of which says how it
 * ended. An envelope is a byte of flags, a length in four bytes, and JSON. (Calls with one answer are plain JSON.)
 */
#ifndef PENNY_COMPAT_E2B_RPC_H
#define PENNY_COMPAT_E2B_RPC_H

#include <jansson.h>

#include "bytes.h"
#include "http.h"

#define COMPAT_E2B_RPC_TYPE "application/connect+json"

/* Makes the question the request's JSON. Returns false when it is none: the request has been answered. */
bool compat_e2b_rpc_read(struct http_request *request);
/* One answer, owned. False: no memory. */
bool compat_e2b_rpc_add(struct bytes *out, json_t *owned);
/* The end; code NULL: it went well. */
bool compat_e2b_rpc_end(struct bytes *out, const char *code, const char *message);
/* An end without any answer. */
void compat_e2b_rpc_refuse(struct http_request *request, const char *code, const char *message);
/* The time limit that the caller gives, in ms; 0: none. */
uint32_t compat_e2b_rpc_timeout(const struct http_request *request);

#endif
