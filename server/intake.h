/*
 * intake.h: reading a session's pipes so that no byte is lost, and none is taken twice, when the process dies between two instructions.
 *
 * A byte is in the session's pipe, or in the stage (a pipe that the supervisor holds open), or in the inbox (keep.h), and always in
 * exactly one of them: splice() moves it from the first to the second, read() to the third, and which of the two calls has happened
 * can be told afterwards by what is left in the stage. A commit in the session's log (event_log.h) says up to where the inbox has become
 * events. What a dead process had taken and not committed is read again from the inbox, in the same portions; nobody can have seen
 * what it made of them, since a commit comes before the events it covers are handed on.
 */
#ifndef PENNY_INTAKE_H
#define PENNY_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "keep.h"

enum intake_source { INTAKE_EVENT, INTAKE_STDOUT, INTAKE_STDERR };

struct intake {
    struct keep *keep; /* NULL: reads are plain, and nothing outlives the process */
    uint32_t     seat; /* index + 1 */
};

/* Something was read for this seat, or failed to be, that no commit covers. */
bool intake_is_open(const struct intake *intake);
/* There is no room for one more read of the usual size: a commit must come first. */
bool intake_is_full(const struct intake *intake);
/* A commit covers everything: the turn and how much of it is for the commit to say. */
void intake_position(const struct intake *intake, uint64_t *ret_turn, uint32_t *ret_covered);

/* As read(); *ret_data is valid until the next commit (plain: until the next read). */
ssize_t intake_read(struct intake *intake, enum intake_source source, int fd, size_t want, const char **ret_data);
/* Starts anew after a commit in the middle of a wake-up. */
void intake_restart(struct intake *intake);
/* The last `length` bytes that came from the event pipe in this turn, as pieces from the first to the last. */
void intake_tail(const struct intake *intake, size_t length, void (*on_piece)(const char *data, size_t length, void *arg), void *arg);

/*
 * After a takeover, once: completes a move that was under way. From then on, reads for the seat it belongs to get what the inbox holds
 * beyond the seat's last commit, portion by portion. Returns the seat (index + 1), or 0.
 */
uint32_t intake_recover(struct keep *keep);
/* The last commit of the seat that intake_recover named; it drops what is covered. Returns whether anything is left to be read again. */
bool intake_replay(struct intake *intake, uint64_t turn, uint32_t covered);
/* Of the next portion; only while some are left. */
enum intake_source intake_next_source(const struct intake *intake);
/* Portions are left that were read before the takeover. */
bool intake_is_replaying(const struct intake *intake);

#endif
