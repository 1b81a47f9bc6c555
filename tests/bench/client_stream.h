/*
 * client_stream.h: readers of server-sent events.
 */
#ifndef PENNY_BENCH_CLIENT_STREAM_H
#define PENNY_BENCH_CLIENT_STREAM_H

/* COUNT streams, each over a connection of its own and read to its end; prints "first_us first_text_us total_us bytes lines" of each:
 * from the request to its first event and to the first printed text; bytes of the answer, newlines in the printed text. */
int client_stream(int port, int count, const char *path, const char *body);

/*
 * `watchers` readers of one stream of events at once, all connected and each given its first event when "ready" is printed. Then each
 * is read to its end. Prints for each "first_us total_us bytes events", by the clock from the arrival of the first byte that any of
 * them got after "ready".
 */
int client_watch(int port, int watchers, const char *path);

#endif
