/* command_drain.h: `penny-sandbox drain`: empties a service before it is stopped, and moves its sessions to another one. A client of both. */
#ifndef PENNY_COMMAND_DRAIN_H
#define PENNY_COMMAND_DRAIN_H

/* argv[0] is the first argument behind "drain". Returns the exit code. */
int command_drain(int argc, char **argv);

#endif
