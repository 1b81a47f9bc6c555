/* command_mcp.h: `penny-sandbox mcp`: an MCP server on standard input and output, for clients that start their servers themselves. */
#ifndef PENNY_COMMAND_MCP_H
#define PENNY_COMMAND_MCP_H

/* argv[0] is the first argument behind "mcp". Returns the exit code. */
int command_mcp(int argc, char **argv);

#endif
