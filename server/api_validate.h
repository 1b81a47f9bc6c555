/* api_validate.h: POST /api/v1/validate, .../security, .../syntax. Handlers of the route table; `context` is the struct server. */
#ifndef PENNY_API_VALIDATE_H
#define PENNY_API_VALIDATE_H

#include "http.h"

void api_validate(struct http_request *request, void *context);          /* {code, strict?, includeWarnings?, + policy?} */
void api_validate_security(struct http_request *request, void *context); /* {code, + policy?} */
void api_validate_syntax(struct http_request *request, void *context);   /* {code} */

#endif
