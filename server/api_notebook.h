/* api_notebook.h: GET /api/v1/sessions/{id}/notebook. */
#ifndef PENNY_API_NOTEBOOK_H
#define PENNY_API_NOTEBOOK_H

struct http_request;

/* The session's history as .ipynb; ?since=N: from executionCount N on. `context` is the server. */
void api_notebook_get(struct http_request *request, void *context);

#endif
