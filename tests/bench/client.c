/*
 * client.c: an HTTP client that costs next to nothing, so that what is measured is the service. Raw sockets, blocking on one
 * connection, epoll over several; every answer's status is looked at. What each command prints is said in its header.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client_http.h"
#include "client_load.h"
#include "client_stream.h"

static int usage(void)
{
    fprintf(stderr, "usage: client load PORT COUNT CONNECTIONS FILE\n"
                    "       client cycle PORT COUNT CONNECTIONS SECONDS CODE\n"
                    "       client stream PORT COUNT PATH BODY\n"
                    "       client watch PORT WATCHERS PATH\n");
    return 2;
}

static int connections_of(const char *text)
{
    int n = atoi(text);

    return n < 1 ? 1 : n > CONNECTIONS_MAX ? CONNECTIONS_MAX : n;
}

int main(int argc, char **argv)
{
    int port = argc > 2 ? atoi(argv[2]) : 0;

    if (argc == 6 && strcmp(argv[1], "load") == 0)
        return client_load(port, atol(argv[3]), connections_of(argv[4]), argv[5]);
    if (argc == 7 && strcmp(argv[1], "cycle") == 0)
        return client_cycle(port, atol(argv[3]), connections_of(argv[4]), atof(argv[5]), argv[6]);
    if (argc == 6 && strcmp(argv[1], "stream") == 0)
        return client_stream(port, atoi(argv[3]), argv[4], argv[5]);
    if (argc == 5 && strcmp(argv[1], "watch") == 0)
        return client_watch(port, atoi(argv[3]), argv[4]);
    return usage();
}
