/*
 * command_private.h: `penny-sandbox private [OPTION ...]`: a service for one program (clients/python starts it for its local mode). Prints
 * one line of JSON, {"url", "key", "startMs"}, and lives until its standard input ends.
 */
#ifndef PENNY_COMMAND_PRIVATE_H
#define PENNY_COMMAND_PRIVATE_H

/* argv[0] is the first option. Returns the exit code. */
int command_private(int argc, char **argv);

/* A descriptor for signalfd(2): of SIGINT, and of those that end the service of one's own, SIGCHLD among them, which no longer come otherwise. -1: errno. */
int command_private_signals(void);

#endif
