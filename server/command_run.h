/* command_run.h: `penny-sandbox run FILE`: one program, or a notebook, in the real jail, with the terminal as its reader. */
#ifndef PENNY_COMMAND_RUN_H
#define PENNY_COMMAND_RUN_H

/* argv[0] is the first argument behind "run". Returns the exit code. */
int command_run(int argc, char **argv);

#endif
