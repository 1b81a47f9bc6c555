/* session_reply.h: the answer that is one Session, with what it holds. */
#ifndef PENNY_SESSION_REPLY_H
#define PENNY_SESSION_REPLY_H

#include "http.h"
#include "server.h"
#include "session.h"

/*
 * Answers the request with the Session object; it is dead afterwards, or belongs to this module until it is answered. `variables` is in it
 * when the interpreter can be asked now: while a cell runs it is left out rather than waited for.
 */
void session_reply(struct server *server, struct http_request *request, struct session *session, int status);

#endif
