/* session_limits.h: a run that is held to less than its session may use. */
#ifndef PENNY_SESSION_LIMITS_H
#define PENNY_SESSION_LIMITS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct session;
struct execution;

/* Before it starts. Takes the options of the session (NULL: none) and returns them with what the interpreter needs to know. */
json_t *session_limits_apply(struct session *session, const struct execution *execution, json_t *options);
/* Where no control group holds its memory: asks for figures while something runs, and ends what has more than it may have. */
void session_limits_sample(struct session *session, bool is_held);
/* Figures have come. Returns whether what runs ends for that. */
bool session_limits_judge(struct session *session, uint64_t memory_bytes);
/* After it has ended. */
void session_limits_lift(struct session *session);

#endif
