/*
 * session_join.h: a further interpreter in a session's jail, fresh as after start: variables of its own, the session's files, a share of its
 * limits (worker_join). It is a session of its own that is `part` of the other and ends with it.
 */
#ifndef PENNY_SESSION_JOIN_H
#define PENNY_SESSION_JOIN_H

#include "err.h"
#include "session.h"

/* session NULL: there is none, and why. */
typedef void (*join_on_session)(struct session *session, const char *reason, void *arg);

/*
 * `request` as for sessions_create; its id, limits and owner are not looked at: they are the host's. Waits for nothing that the host runs. on_session is called
 * once, never before this returns. Returns 0; or -1 with err and it is not called: EAGAIN (so many do not fit into a jail, or no session is made any more), EDQUOT (the
 * owner's quota), EBUSY (there is no jail at the moment), ENOMEM, EINVAL (the session is over).
 */
int session_join(struct session *host, const struct session_request *request, join_on_session on_session, void *arg, struct err *err);
/* Who asked with this arg has left; on_session is not called. */
void session_join_forget(struct session *host, const void *arg);

/* For session*.c. */
void session_join_free_all(struct session *host); /* without a callback */
void session_join_end_all(struct session *host);

#endif
