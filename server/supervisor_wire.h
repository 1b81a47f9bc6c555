/*
 * supervisor_wire.h: the packets between the supervisor and the server process, on a SOCK_SEQPACKET socketpair. The zygote is
 * told only one thing by the supervisor, on ZYGOTE_SUPERVISOR_FD: a packet of one byte with a new server socket beside it.
 */
#ifndef PENNY_SUPERVISOR_WIRE_H
#define PENNY_SUPERVISOR_WIRE_H

enum supervisor_packet_type {
    /* supervisor to server */
    SUPERVISOR_ZYGOTE = 'Z', /* one descriptor: a socket to the zygote, which replaces any former one */
    SUPERVISOR_DRAIN  = 'D', /* accept no more, let running executions end within drain_ms, then end everything and exit */
    SUPERVISOR_STOP   = 'S', /* as DRAIN, without waiting for executions */
    SUPERVISOR_YIELD  = 'Y', /* another server process is to go on: write what waits to be written, and exit; sessions stay */
    SUPERVISOR_FILES  = 'F', /* the first packet of all, and again on SIGHUP: descriptors as text says (handover.h) */
    SUPERVISOR_ASK    = 'Q', /* are you there? Answer: ANSWER */
    /* server to supervisor */
    SUPERVISOR_ANSWER  = 'A',
    SUPERVISOR_SPAWNS  = 'U', /* a zygote is there that makes sessions */
    SUPERVISOR_READY   = 'R', /* requests are answered and a session can be had */
    SUPERVISOR_EGRESS  = 'X', /* one descriptor: a socket to the server: start the egress process (egress.h) */
    SUPERVISOR_INSTALL = 'I', /* two descriptors: a socket to the server and a memfd with the job: start an installation (installer.h) */
    SUPERVISOR_FAILED  = 'E', /* no session can be had; text says why. Sent only before READY */
};

struct supervisor_packet {
    char type;
    char text[255];
};

/*
 * The server process is executed with its end of the socketpair here, what outlives it (keep.h: the memory and two pipes, each with its
 * read end first) from the next number on, then the listening sockets.
 */
enum { SERVER_SUPERVISOR_FD = 3, SERVER_KEEP_FD = 4, SERVER_STAGE_FD = 5, SERVER_LISTEN_FD = 9 };

#endif
