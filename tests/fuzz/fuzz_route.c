/* Paths against the route table's shape, Host headers, and JSON bodies through the dispatcher: the answer is always JSON. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_internal.h"
#include "json.h"
#include "route.h"
#include "route_access.h"
#include "route_match.h"

static void tell(struct http_request *request, void *context)
{
    static const char *const choices[] = {"a", "b", NULL};
    struct json_check        check     = JSON_CHECK_INIT;
    json_t                  *body = http_request_json(request), *part = NULL;
    const char              *text   = NULL;
    int64_t                  number = 0;
    double                   real   = 0;
    bool                     flag   = false;
    size_t                   choice = 0;

    (void)context;
    json_check_require(&check, body, "r");
    json_field_string(&check, body, "s", 1, 5, &text);
    json_field_integer(&check, body, "i", -5, 5, &number);
    json_field_number(&check, body, "n", -5, 5, &real);
    json_field_bool(&check, body, "b", &flag);
    json_field_object(&check, body, "o", &part);
    json_field_array(&check, body, "a", 3, &part);
    json_field_choice(&check, body, "c", choices, &choice);
    json_text_integer(&check, "q", http_request_query(request, "q"), 0, 9, &number);
    if (number < -5 || number > 9 || real < -5 || real > 5)
        abort();
    if (!json_check_reply(&check, request))
        http_reply_json(request, 200, json_pack("{s:s?}", "first", http_request_parameter(request, 0)));
}

static const struct route TABLE[] = {
    {HTTP_POST, "/a", tell, ROUTE_BODY_JSON},
    {HTTP_GET, "/a/{x}", tell, 0},
    {HTTP_GET, "/a/b", tell, 0},
    {HTTP_GET, "/a/{x}/b/{y}", tell, 0},
    {HTTP_PUT, "/a/{x}/f/{rest...}", tell, ROUTE_BODY_JSON},
    {HTTP_GET, "/{path...}", tell, ROUTE_FALLBACK},
};

static struct config      config;
static struct event_base *base;
static struct http       *http;
static struct router     *router;
static struct route_node *tree;

static void start(void)
{
    static const struct http_limits limits = {16384, 16384, 60000, 60000, 10, 60000};
    config.listen_count                    = 1;
    strcpy(config.listen[0].host, "127.0.0.1");
    base   = event_base_new();
    tree   = route_tree_new(TABLE, sizeof TABLE / sizeof *TABLE, NULL);
    router = router_new(&config, TABLE, sizeof TABLE / sizeof *TABLE, NULL, NULL, NULL);
    http   = http_new(base, &limits, route_dispatch, router, NULL);
}

static void check_match(const char *path)
{
    struct route_match match;
    size_t             length = strlen(path);
    route_tree_match(tree, path, &match);
    if ((match.node != NULL) != (*path == '/'))
        abort();
    for (size_t i = 0; i < match.count; i++) {
        if (match.parameters[i].text < path || match.parameters[i].text + match.parameters[i].length > path + length)
            abort();
    }
}

static void check_answer(const char *answer)
{
    const char *body = strstr(answer, "\r\n\r\n");
    json_t     *json = body != NULL ? json_loads(body + 4, 0, NULL) : NULL;
    if (strncmp(answer, "HTTP/1.1 ", 9) != 0 || json == NULL)
        abort();
    json_decref(json);
}

/* As a body of POST /a. */
static void post(const char *body, size_t length)
{
    char answer[65536], head[200];
    int  pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
        abort();
    http_connection_accept(http, pair[0], "127.0.0.1");
    snprintf(head, sizeof head, "POST /a?q=5 HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", length);
    if (write(pair[1], head, strlen(head)) < 0 || write(pair[1], body, length) != (ssize_t)length)
        abort();
    for (int i = 0; i < 6; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
    answer[read(pair[1], answer, sizeof answer - 1)] = '\0';
    check_answer(answer);
    close(pair[1]);
    for (int i = 0; i < 6; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
    if (http->connection_count != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text;

    if (size == 0 || size > 8192)
        return 0;
    if (base == NULL)
        start();
    text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';
    check_match(text);
    (void)route_host_is_allowed(&config, text);
    post(text, size);
    free(text);
    return 0;
}
