/* session_body.h: members that describe a session in request bodies, and the Session object of answers. */
#ifndef PENNY_SESSION_BODY_H
#define PENNY_SESSION_BODY_H

#include <jansson.h>

#include "ended.h"
#include "json.h"
#include "policies.h"
#include "session.h"

/* {metadata?, variables?, policy?, resources?, envVars?, idleTimeout?, checkpoints?} into *ret, borrowing from the JSON; what is wrong goes to `check`. */
void session_body_read(struct json_check *check, const json_t *json, const struct policies *policies, struct session_request *ret);

/* `policy` of a body: {"profile": name}, or the name. What is no profile goes to `check`; without one ret_profile stays as it was. */
void session_body_read_profile(struct json_check *check, const json_t *json, char ret_profile[16]);

/* `checkpoints` of a body: "always", "adaptive" or "off". Returns whether it is there and right. */
bool session_body_read_checkpoints(struct json_check *check, const json_t *json, enum checkpoint_mode *ret);

/* Whether the names in `object` can be Python variables, and the values of environment variables strings; what is not goes to `check`. */
void session_body_check_variables(struct json_check *check, const json_t *object);
void session_body_check_environment(struct json_check *check, const json_t *object);

/* The Session object; isolation (borrowed) may be NULL. Returns NULL when memory is short. */
json_t *session_body_write(const struct session *session, const struct policies *policies, const json_t *isolation);
/* The same of one that is over. */
json_t *session_body_write_ended(const struct ended_session *session);

/* "active" or "idle": nothing done for five minutes. */
const char *session_body_status(const struct session_info *info);
/* Per cent of one core over the time that executions ran. */
double session_body_cpu(const struct session_info *info);

#endif
