/* api_packages.h: /api/v1/packages: what there is, what can be installed, what a session has. */
#ifndef PENNY_API_PACKAGES_H
#define PENNY_API_PACKAGES_H

#include "http.h"

void api_packages_list(struct http_request *request, void *context);    /* GET /api/v1/packages?search&category&installed */
void api_packages_get(struct http_request *request, void *context);     /* GET /api/v1/packages/{name} */
void api_packages_session(struct http_request *request, void *context); /* GET /api/v1/packages/session/{id} */

/* api_packages_install.c */
void api_packages_install(struct http_request *request, void *context);   /* POST /api/v1/packages/install */
void api_packages_uninstall(struct http_request *request, void *context); /* POST /api/v1/packages/uninstall */

/* 400 PACKAGES_BLOCKED: names (borrowed) that may not be installed here. */
void api_packages_blocked(struct http_request *request, const json_t *names);

#endif
