/* api_contract.h: GET /openapi.json: server/openapi.yaml as JSON, built into the program. */
#ifndef PENNY_API_CONTRACT_H
#define PENNY_API_CONTRACT_H

#include "http.h"

void api_contract(struct http_request *request, void *context);

#endif
