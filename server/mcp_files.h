/* mcp_files.h: the tools read_file and write_file: what of a file can be said in a message. */
#ifndef PENNY_MCP_FILES_H
#define PENNY_MCP_FILES_H

#include "http.h"
#include "mcp_call.h"

enum { MCP_FILE_BYTES = 1024 * 1024 /* of one read_file, at most */ };

bool mcp_files_prepare_read(struct mcp_call *call, struct http_request *inner);
void mcp_files_finish_read(const struct http_inner_answer *answer, void *call);

/* Answers an inner request whose body is {path, content, encoding?}, as api_files_put would one from outside. */
bool mcp_files_prepare_write(struct mcp_call *call, struct http_request *inner);
void mcp_files_write(struct http_request *inner, void *context);

#endif
