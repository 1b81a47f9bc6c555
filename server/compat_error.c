#define _GNU_SOURCE
#include "compat_error.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "mcp_message.h"
#include "route.h"

enum { FIELD_MAX = 64, TEXT_MAX = 320 };

static const char *text_of(const json_t *error, const char *name)
{
    const char *text = json_string_value(json_object_get(error, name));
    return text != NULL ? text : "";
}

static bool has_code(const json_t *error, const char *code)
{
    return strcmp(text_of(error, "code"), code) == 0;
}

/* One of validationErrors: the field, and what it must be. "must have required property 'x'" is about x. */
struct fault {
    char        field[FIELD_MAX];
    const char *text;
    bool        is_missing;
};

static struct fault fault_of(const json_t *one)
{
    const char  *message = text_of(one, "message"), *text = strstr(message, " must ");
    struct fault fault = {.text = text != NULL ? text + 1 : message};

    (void)snprintf(fault.field, sizeof fault.field, "%s", text_of(one, "field"));
    fault.is_missing = sscanf(fault.text, "must have required property '%60[^']'", fault.field) == 1;
    return fault;
}

/* ---- Flask: {status, output}; a body that is not JSON is a 400 ---- */

static json_t *write_flask(const struct http_request *request, json_t *error, int *status)
{
    const char *message = text_of(error, "message");
    json_t     *body;

    (void)request;
    if (has_code(error, "UNSUPPORTED_MEDIA_TYPE")) {
        message = "Request must be JSON";
        *status = 400;
    } else if (has_code(error, "VALIDATION_ERROR") &&
               (strstr(message, "required property 'code'") != NULL || strstr(message, "fewer than 1 ") != NULL)) {
        message = "No code provided";
    }
    body = json_pack("{s:s, s:s, s:s}", "status", "Error", "output", message, "message", message);
    json_decref(error);
    return body;
}

/* ---- FastAPI: {detail: text}, and for a body that is not right 422 with {detail: [{type, loc, msg, input}]} ---- */

static const char *fastapi_type(const struct fault *fault)
{
    static const char *const types[][2] = {{"must be string", "string_type"},         {"must be integer", "int_parsing"},
                                           {"must be number", "float_parsing"},       {"must be boolean", "bool_parsing"},
                                           {"must be object", "dict_type"},           {"must be array", "list_type"},
                                           {"must be >=", "greater_than_equal"},      {"must be <=", "less_than_equal"},
                                           {"must NOT have more", "string_too_long"}, {"must NOT have fewer", "string_too_short"}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strncmp(fault->text, types[i][0], strlen(types[i][0])) == 0)
            return types[i][1];
    }
    return "value_error";
}

static json_t *fastapi_fault(const struct http_request *request, const json_t *one)
{
    struct fault fault = fault_of(one);
    json_t      *given = http_request_json(request), *input = fault.is_missing ? given : json_object_get(given, fault.field);

    return json_pack("{s:s, s:[s, s], s:s, s:O?}", "type", fault.is_missing ? "missing" : fastapi_type(&fault), "loc", "body", fault.field,
                     "msg", fault.is_missing ? "Field required" : fault.text, "input", input);
}

static json_t *fastapi_faults(const struct http_request *request, const json_t *error)
{
    json_t *detail = json_array(), *one;
    size_t  i;

    json_array_foreach(json_object_get(error, "validationErrors"), i, one)
    {
        (void)json_array_append_new(detail, fastapi_fault(request, one));
    }
    return detail;
}

static json_t *write_fastapi(const struct http_request *request, json_t *error, int *status)
{
    json_t *body, *position = json_object_get(json_object_get(error, "position"), "offset");

    if (has_code(error, "NOT_FOUND") || has_code(error, "METHOD_NOT_ALLOWED")) /* of the path, not of anything it names */
        body = json_pack("{s:O}", "detail", json_object_get(error, "error"));
    else if (has_code(error, "VALIDATION_ERROR"))
        body = json_pack("{s:o}", "detail", fastapi_faults(request, error));
    else if (has_code(error, "INVALID_JSON") || has_code(error, "UNSUPPORTED_MEDIA_TYPE") || has_code(error, "INVALID_FORM"))
        body = json_pack("{s:[{s:s, s:[s, I], s:s, s:{}}]}", "detail", "type", "json_invalid", "loc", "body", json_integer_value(position),
                         "msg", text_of(error, "message"), "input");
    else
        body = json_pack("{s:O}", "detail", json_object_get(error, "message"));
    if (json_is_array(json_object_get(body, "detail")))
        *status = 422;
    json_decref(error);
    return body;
}

/* ---- ASP.NET: RFC 9457 ---- */

/* {"Code": ["The Code field is required."]} */
static json_t *problem_faults(const json_t *error)
{
    json_t *errors = json_object(), *one;
    size_t  i;

    json_array_foreach(json_object_get(error, "validationErrors"), i, one)
    {
        struct fault fault = fault_of(one);
        char         text[TEXT_MAX];
        fault.field[0] = (char)toupper((unsigned char)fault.field[0]);
        if (fault.is_missing)
            (void)snprintf(text, sizeof text, "The %s field is required.", fault.field);
        else
            (void)snprintf(text, sizeof text, "The field %s %s.", fault.field, fault.text);
        if (json_object_get(errors, fault.field) == NULL)
            (void)json_object_set_new(errors, fault.field, json_array());
        (void)json_array_append_new(json_object_get(errors, fault.field), json_string(text));
    }
    return errors;
}

static json_t *write_problem(const struct http_request *request, json_t *error, int *status)
{
    bool    is_validation = has_code(error, "VALIDATION_ERROR");
    json_t *body =
        json_pack("{s:s, s:s, s:i, s:O, s:O, s:s}", "type", "about:blank", "title",
                  is_validation ? "One or more validation errors occurred." : text_of(error, "error"), "status", *status, "detail",
                  json_object_get(error, "message"), "code", json_object_get(error, "code"), "traceId", http_request_id(request));

    if (body != NULL && is_validation)
        (void)json_object_set_new(body, "errors", problem_faults(error));
    json_decref(error);
    return body;
}

/* ---- what Aevatar's routes without keys answer ---- */

static json_t *write_noauth(const struct http_request *request, json_t *error, int *status)
{
    json_t *body = json_pack("{s:O, s:O}", "error", json_object_get(error, "message"), "message", json_object_get(error, "message"));
    (void)request;
    (void)status;
    json_decref(error);
    return body;
}

/* ---- E2B: {code, message}, the code being the status ---- */

static json_t *write_e2b(const struct http_request *request, json_t *error, int *status)
{
    json_t *body = json_pack("{s:i, s:O}", "code", *status, "message", json_object_get(error, "message"));
    (void)request;
    json_decref(error);
    return body;
}

/* ---- MCP: a JSON-RPC error, with ours as its data ---- */

static json_t *write_mcp(const struct http_request *request, json_t *error, int *status)
{
    struct mcp_message message;
    bool               is_json = http_request_json(request) != NULL;
    int                code    = has_code(error, "INVALID_JSON") && !is_json ? MCP_PARSE_ERROR
                                 : has_code(error, "INVALID_JSON")           ? MCP_INVALID_REQUEST
                                                                             : MCP_REFUSED;
    json_t            *body;

    (void)status;
    (void)mcp_message_read(&message, http_request_json(request));
    body = mcp_message_error(message.id, code, code == MCP_INVALID_REQUEST ? message.fault : text_of(error, "message"), error);
    return body;
}

/* ---- Connect, a way to write RPCs: {code, message}, the code being one of its words ---- */

static const char *connect_code(int status, const json_t *error)
{
    static const struct {
        int         status;
        const char *code;
    } codes[] = {{400, "invalid_argument"},    {401, "unauthenticated"},  {403, "permission_denied"},  {404, "not_found"},
                 {409, "failed_precondition"}, {410, "not_found"},        {412, "already_exists"},     {413, "resource_exhausted"},
                 {415, "invalid_argument"},    {422, "invalid_argument"}, {429, "resource_exhausted"}, {501, "unimplemented"},
                 {502, "unavailable"},         {503, "unavailable"},      {504, "deadline_exceeded"},  {507, "resource_exhausted"}};
    if (has_code(error, "NOT_FOUND") || has_code(error, "METHOD_NOT_ALLOWED")) /* there is no such procedure */
        return "unimplemented";
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (codes[i].status == status)
            return codes[i].code;
    }
    return "internal";
}

static json_t *write_connect(const struct http_request *request, json_t *error, int *status)
{
    json_t *body = json_pack("{s:s, s:O}", "code", connect_code(*status, error), "message", json_object_get(error, "message"));
    (void)request;
    json_decref(error);
    return body;
}

const struct http_error_shape *compat_error_shape(unsigned flags)
{
    static const struct {
        unsigned                flag;
        struct http_error_shape shape;
    } shapes[] = {{ROUTE_ERRORS_FLASK, {"application/json; charset=utf-8", write_flask}},
                  {ROUTE_ERRORS_FASTAPI, {"application/json", write_fastapi}},
                  {ROUTE_ERRORS_PROBLEM, {"application/problem+json; charset=utf-8", write_problem}},
                  {ROUTE_ERRORS_NOAUTH, {"application/json; charset=utf-8", write_noauth}},
                  {ROUTE_ERRORS_E2B, {"application/json; charset=utf-8", write_e2b}},
                  {ROUTE_ERRORS_CONNECT, {"application/json", write_connect}},
                  {ROUTE_ERRORS_MCP, {"application/json", write_mcp}}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        if ((flags & shapes[i].flag) != 0)
            return &shapes[i].shape;
    }
    return NULL;
}

/* Where no route says it: by whose clients the path is asked for. */
const struct http_error_shape *compat_error_shape_of_path(const char *path)
{
    static const struct {
        const char *prefix;
        unsigned    flags;
    } places[] = {{"/e2b/filesystem.Filesystem", ROUTE_ERRORS_CONNECT},
                  {"/e2b/process.Process", ROUTE_ERRORS_CONNECT},
                  {"/e2b", ROUTE_ERRORS_E2B},
                  {"/api/execute", ROUTE_ERRORS_FLASK},
                  {"/api/sandbox", ROUTE_ERRORS_PROBLEM},
                  {"/api/python", ROUTE_ERRORS_PROBLEM},
                  {"/api/noauth", ROUTE_ERRORS_NOAUTH},
                  {"/api/test", ROUTE_ERRORS_NOAUTH},
                  {"/execute", ROUTE_ERRORS_FASTAPI},
                  {"/execute-with-files", ROUTE_ERRORS_FASTAPI}};
    if (strcmp(path, "/api/execute/python") == 0)
        return NULL; /* PENNY's, which are ours */
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        size_t length = strlen(places[i].prefix);
        if (strncmp(path, places[i].prefix, length) == 0 && (path[length] == '/' || path[length] == '\0'))
            return compat_error_shape(places[i].flags);
    }
    return NULL;
}
