/* archive_send.h: what was gathered of a session (session_export.h), sent to a client as one archive, as fast as it takes it and no faster. */
#ifndef PENNY_ARCHIVE_SEND_H
#define PENNY_ARCHIVE_SEND_H

#include "http.h"
#include "session_export.h"

/*
 * Answers the request; headers must have been added. `gathered` is owned. A file that is gone or has grown too large meanwhile is left out
 * and named in end.json; one that shrinks while it is read, or a session that ends, cuts the answer so that the client notices.
 */
void archive_send_start(struct server *server, struct session *session, struct http_request *request, struct session_export *gathered);

#endif
