#include "api_execute.h"

#include "run.h"

void api_execute(struct http_request *request, void *context)
{
    run_start(context, request, RUN_ANSWER_RESULT);
}

void api_execute_stream(struct http_request *request, void *context)
{
    run_start(context, request, RUN_ANSWER_STREAM);
}
