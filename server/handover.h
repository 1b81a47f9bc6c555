/*
 * handover.h: the files that only who started the service may read or write: API keys, the certificate and its key, the audit log. The
 * supervisor opens them and hands the descriptors to the server process: at its start, and again on SIGHUP. So the server needs no
 * right to them, and gets what is in their place by then.
 */
#ifndef PENNY_HANDOVER_H
#define PENNY_HANDOVER_H

#include <stddef.h>

#include "config.h"
#include "err.h"
#include "supervisor_wire.h"

enum handover_file { HANDOVER_KEYS, HANDOVER_TLS_CERT, HANDOVER_TLS_KEY, HANDOVER_AUDIT, HANDOVER_COUNT };

struct handover {
    int fds[HANDOVER_COUNT]; /* -1: not configured, or not opened */
};

/* Opens what config names. Returns 0; or -1 with err for the last that could not be opened, while the others are. */
int  handover_open(const struct config *config, struct handover *ret, struct err *err);
void handover_close(struct handover *handover);

/* Sends them as one packet SUPERVISOR_FILES. Returns 0, or -1 with errno. */
int handover_send(int socket_fd, const struct handover *handover);
/* Sorts the descriptors of such a packet, which are owned by *ret from then on. Returns 0, or -1: it is not as it should be (all are closed). */
int handover_take(const struct supervisor_packet *packet, const int *fds, size_t fd_count, struct handover *ret);
/* Waits for the first packet of a server process, which must be this one. Returns 0 or -1 with err. */
int handover_receive(int socket_fd, struct handover *ret, struct err *err);

/* All of a file, freed by the caller; NUL-terminated beyond its length. NULL with err when it can't be read or is longer than `most`. */
char *handover_read(int fd, size_t most, size_t *ret_length, struct err *err);

#endif
