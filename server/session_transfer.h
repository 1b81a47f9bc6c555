/*
 * session_transfer.h: a session on its way, taken to another instance or filled from an archive; and what it had run before it came
 * here: cells of a notebook, which stand before its own in its history.
 */
#ifndef PENNY_SESSION_TRANSFER_H
#define PENNY_SESSION_TRANSFER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"
#include "err.h"
#include "session.h"

enum { SESSION_HISTORY_MAX = 5 * 1000 * 1000 /* bytes of cells */ };

/* It takes no executions, and the API changes nothing in it, for at most so many ms. 0: it is not on its way any more. */
void session_set_transfer(struct session *session, uint32_t for_ms);
bool session_is_in_transfer(const struct session *session);

/* It goes on elsewhere under this id; here it ends. */
void session_move(struct session *session, const struct id *to);

/*
 * `cells` come from wherever: what is no code cell, or not as one has to be, is left out, and so is the oldest of more than
 * SESSION_HISTORY_MAX. `executions`: how many there have been before; its own are counted from there. Returns how many cells were kept, or -1
 * with err.
 */
int session_set_history(struct session *session, const json_t *cells, uint64_t executions, struct err *err);
/* Appends the whole history as a notebook, from executionCount `since` on (0: all). Returns 0, or -1 with err. */
int session_write_notebook(struct session *session, uint64_t since, struct bytes *out, struct err *err);

#endif
