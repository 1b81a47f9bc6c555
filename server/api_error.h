/* api_error.h: the errors that several handlers answer with. Each answers the request, which is dead afterwards. */
#ifndef PENNY_API_ERROR_H
#define PENNY_API_ERROR_H

#include "config.h"
#include "err.h"
#include "http.h"
#include "id.h"
#include "sessions.h"

/*
 * 404; when the session is known to be over, 410 with the reason and when; when it has moved, 308 to where it is now, or 410 that says so
 * where the id was not in the path; 421 for another instance's. `given` is the id as the client wrote it.
 */
void api_error_no_session(struct http_request *request, const struct sessions *sessions, const char *given);
void api_error_no_execution(struct http_request *request, const char *given);
/* 421 when `given` is an id that another instance has made. Returns whether it was. */
bool api_error_elsewhere(struct http_request *request, const char *given);
/* 429: a limit that time or the client can lift; 503: the service can't now. Both with Retry-After. */
void api_error_busy(struct http_request *request, const char *code, const char *message);
void api_error_unavailable(struct http_request *request, const char *code, const char *message);
/* What sessions_create or session_submit said. */
void api_error_refused(struct http_request *request, const struct err *err);

/* Whose requests these are: NULL where there are no keys. What belongs to another is answered like what does not exist. */
struct tenant *api_caller(const struct http_request *request);
/*
 * Notes in what a session is asked for who asks, and checks that this one may choose the profile. Returns false when not: the request has
 * been answered.
 */
bool api_sign_request(struct http_request *request, const struct config *config, struct session_request *wanted);

/*
 * Whether the caller may drain the service and move sessions: a key with access=operator; without any keys, whoever comes from this machine.
 */
bool api_is_operator(const struct http_request *request);
/* Answers with 403 when not. */
bool api_require_operator(struct http_request *request);

/* The session of path parameter 0, or NULL: the request has been answered. One that is on its way (session_transfer.h) can only be looked at. */
struct session *api_session_of(struct http_request *request, const struct sessions *sessions);
/* The same for an operator, whose it may be whosever. */
struct session *api_session_of_any(struct http_request *request, const struct sessions *sessions);
/* Likewise the execution. */
struct execution *api_execution_of(struct http_request *request, const struct sessions *sessions);

/*
 * Memory, all zero, for a request that is answered later; on_gone gets it should the client leave before. It is the caller's to free.
 * NULL: there is none, and the request has been answered.
 */
void *api_wait(struct http_request *request, size_t size, void (*on_gone)(void *arg));

#endif
