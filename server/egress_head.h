/*
 * egress_head.h: the head of a request to the proxy: CONNECT host:port, or GET http://host/path. Every byte comes from a session.
 */
#ifndef PENNY_EGRESS_HEAD_H
#define PENNY_EGRESS_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bytes.h"
#include "egress_wire.h"

enum { EGRESS_HEAD_MAX = 16 * 1024 };

struct egress_head {
    bool         is_connect;
    char         host[EGRESS_HOST_BYTES]; /* lower case, without a dot at its end; an IPv6 address in brackets */
    uint16_t     port;
    char         token[EGRESS_TOKEN_BYTES]; /* "": none, or none that could be right */
    struct bytes forward;                   /* not of CONNECT: the head as the other side gets it */
};

/*
 * Reads a head at the beginning of data. Returns its length; 0 when it is not whole yet; -1 when it is none. When positive, the caller
 * frees with egress_head_done().
 */
ssize_t egress_head_parse(const char *data, size_t length, struct egress_head *ret);
void    egress_head_done(struct egress_head *head);

#endif
