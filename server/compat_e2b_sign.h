/* compat_e2b_sign.h: URLs of files that say themselves who gave them out, for those who have no key: download_url and upload_url of E2B's SDKs. */
#ifndef PENNY_COMPAT_E2B_SIGN_H
#define PENNY_COMPAT_E2B_SIGN_H

#include "http.h"
#include "server.h"

/* The running sandbox by whose token the query (path, username, signature, signature_expiration) is signed. NULL: the request has been answered. */
struct session *compat_e2b_signed_of(struct http_request *request, const struct server *server);

#endif
