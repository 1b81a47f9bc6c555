/* server_files.h: what the server process makes of the files that the supervisor hands it (handover.h). */
#ifndef PENNY_SERVER_FILES_H
#define PENNY_SERVER_FILES_H

#include "err.h"
#include "handover.h"
#include "http_tls.h"
#include "tenants.h"

/* Each reads what was handed over, or does nothing where nothing was. Returns 0; or -1 with err, and all is as before. */
int server_files_keys(struct tenants *tenants, const struct handover *files, struct err *err);
/* *tls: made when it is NULL. */
int server_files_tls(struct http_tls **tls, const struct handover *files, struct err *err);

#endif
