/* mcp_stdio.h: an MCP client on standard input and output, brought to the service's /mcp. */
#ifndef PENNY_MCP_STDIO_H
#define PENNY_MCP_STDIO_H

#include <stdbool.h>

#include "mcp_stdio_call.h"

enum {
    MCP_STDIO_CALLS_MAX = 64,               /* at the same time; then nothing is read until one has ended */
    MCP_STDIO_LINE_MAX  = 16 * 1024 * 1024, /* bytes of one message */
};

/*
 * Until standard input has ended and all is answered, or a signal other than SIGINT can be read from signal_fd. Returns false when the
 * service has ended: then end_fd can be read (-1: it is nobody's to watch).
 */
bool mcp_stdio_run(struct mcp_stdio_session *session, int signal_fd, int end_fd);

/*
 * Takes the first line out of `text`, where there is a whole one, and gives it without its end; it is valid until the next call.
 * *used is what of `text` has been taken, and is to be passed on from call to call.
 */
bool mcp_stdio_line(const struct bytes *text, size_t *used, const char **ret_line, size_t *ret_length);

#endif
