/* egress_wire.h: the packets between the server and the egress process, on a SOCK_SEQPACKET socketpair. */
#ifndef PENNY_EGRESS_WIRE_H
#define PENNY_EGRESS_WIRE_H

#include <stdint.h>

enum egress_packet_type {
    /* server to egress */
    EGRESS_LISTEN = 1, /* one descriptor: the socket inside the sessions' network namespace. It replaces any former one */
    EGRESS_GRANT  = 2, /* grant, token: whoever shows it may go out, within the policy's limits for one execution */
    EGRESS_REVOKE = 3, /* grant: its token is worth nothing any more, and its connections end. Answer: EGRESS_CLOSED */
    /* egress to server */
    EGRESS_CONNECTION = 16, /* grant, host, port, outcome, sent, received: a connection has ended or was refused */
    EGRESS_CLOSED     = 17, /* grant: nothing more comes of it */
};

enum egress_outcome {
    EGRESS_DONE,
    EGRESS_BAD_REQUEST, /* no proxy request at all */
    EGRESS_NO_TOKEN,    /* none, or one that is worth nothing */
    EGRESS_BAD_HOST,    /* not on the list, or not at this port */
    EGRESS_BAD_ADDRESS, /* its name stands for an address that may not be reached */
    EGRESS_UNRESOLVED,
    EGRESS_UNREACHABLE,
    EGRESS_TOO_MANY, /* connections at once */
    EGRESS_TOO_MUCH, /* bytes */
    EGRESS_TIMEOUT,
    EGRESS_OUTCOMES
};

enum { EGRESS_TOKEN_BYTES = 33 /* 32 hexadecimal digits and NUL */, EGRESS_HOST_BYTES = 256 };

struct egress_packet {
    uint32_t type;
    uint32_t outcome;
    uint64_t grant;          /* 0: not known */
    uint64_t sent, received; /* bytes: of the program's, and for it */
    uint16_t port;
    char     token[EGRESS_TOKEN_BYTES];
    char     host[EGRESS_HOST_BYTES];
};

/* The egress process is executed with its end on this descriptor. */
enum { EGRESS_SERVER_FD = 3 };

#endif
