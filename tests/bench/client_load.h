/*
 * client_load.h: short requests, as fast as the answers come: each connection sends its next one when its last is answered.
 */
#ifndef PENNY_BENCH_CLIENT_LOAD_H
#define PENNY_BENCH_CLIENT_LOAD_H

/*
 * COUNT requests over CONNECTIONS, taken from a file that has "METHOD PATH [BODY]" in each line: in turn from the beginning when it has
 * more lines than there are connections, else each connection keeps to its own line. Prints the microseconds of each (and for an answer
 * 201 the id in it), a line each, then "total SECONDS". An answer that is no 2xx ends it with code 3, when what is on its way has been answered;
 * what was refused is on standard error.
 */
int client_load(int port, long count, int connections, const char *file);

/*
 * Session after session on each connection: made, `code` run in it, deleted. At most `count` of them and none begun after `seconds`. Prints three times in
 * microseconds a line, then "total SECONDS".
 */
int client_cycle(int port, long count, int connections, double seconds, const char *code);

#endif
