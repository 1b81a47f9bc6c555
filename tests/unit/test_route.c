/* Routes: the tree alone, then the dispatcher behind a real HTTP server. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "http.h"
#include "route.h"
#include "route_access.h"
#include "route_limit.h"
#include "route_match.h"
#include "static.h"

/* Tells which route it was, its parameters and the body. */
static void tell(struct http_request *request, void *context)
{
    json_t *body = http_request_json(request);
    http_reply_json(request, 200,
                    json_pack("{s:s, s:s?, s:s?, s:O?, s:b}", "context", (const char *)context, "first", http_request_parameter(request, 0),
                              "second", http_request_parameter(request, 1), "body", body, "json", body != NULL));
}

static const struct route TABLE[] = {
    {HTTP_GET, "/", static_index, ROUTE_STATIC},
    {HTTP_POST, "/run", tell, ROUTE_BODY_JSON},
    {HTTP_GET, "/things", tell, 0},
    {HTTP_POST, "/things", tell, ROUTE_BODY_JSON},
    {HTTP_GET, "/things/new", tell, 0},
    {HTTP_GET, "/things/{id}", tell, 0},
    {HTTP_DELETE, "/things/{id}", tell, 0},
    {HTTP_GET, "/things/{id}/parts/{part}", tell, 0},
    {HTTP_PUT, "/things/{id}/files/{path...}", tell, 0},
    {HTTP_GET, "/things/new/special", tell, 0},
    {HTTP_GET, "/free", tell, ROUTE_UNLIMITED},
    {HTTP_GET, "/{path...}", static_file, ROUTE_STATIC | ROUTE_FALLBACK},
};
enum { TABLE_COUNT = sizeof TABLE / sizeof *TABLE };

static void test_match(void **state)
{
    static const struct {
        const char *path, *pattern, *first, *second;
    } cases[] = {
        {"/", "/", NULL, NULL},
        {"/things", "/things", NULL, NULL},
        {"/things/", "/things", NULL, NULL},
        {"/things///", "/{path...}", "things//", NULL},
        {"/things/new", "/things/new", NULL, NULL},
        {"/things/newer", "/things/{id}", "newer", NULL},
        {"/things/new/special", "/things/new/special", NULL, NULL},
        {"/things/new/parts/7", "/things/{id}/parts/{part}", "new", "7"},
        {"/things/5/parts/a b", "/things/{id}/parts/{part}", "5", "a b"},
        {"/things/5/parts", "/{path...}", "things/5/parts", NULL},
        {"/things/5/files/a/b/c", "/things/{id}/files/{path...}", "5", "a/b/c"},
        {"/things/5/files", "/things/{id}/files/{path...}", "5", ""},
        {"/thing", "/{path...}", "thing", NULL},
        {"/things5", "/{path...}", "things5", NULL},
        {"/a/b/c", "/{path...}", "a/b/c", NULL},
    };
    struct route_node *tree = route_tree_new(TABLE, TABLE_COUNT, NULL);
    (void)state;
    assert_non_null(tree);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct route *route = NULL;
        struct route_match  match;
        route_tree_match(tree, cases[i].path, &match);
        assert_non_null(match.node);
        for (unsigned bit = 0; route == NULL && bit < 7; bit++)
            route = route_node_get(match.node, (enum http_method)(1u << bit));
        assert_string_equal(route->pattern, cases[i].pattern);
        assert_int_equal(match.count, (cases[i].first != NULL) + (cases[i].second != NULL));
        if (cases[i].first != NULL)
            assert_memory_equal(match.parameters[0].text, cases[i].first, match.parameters[0].length);
        if (cases[i].second != NULL)
            assert_int_equal(match.parameters[1].length, strlen(cases[i].second));
    }
    route_tree_free(tree);
}

static void test_bad_tables(void **state)
{
    static const struct route twice[]   = {{HTTP_GET, "/a/{x}", tell, 0}, {HTTP_GET, "/a/{y}/", tell, 0}};
    static const struct route slashed[] = {{HTTP_GET, "a", tell, 0}};
    struct err                err;
    (void)state;
    assert_null(route_tree_new(twice, 2, &err));
    assert_non_null(strstr(err.message, "twice"));
    assert_null(route_tree_new(slashed, 1, &err));
}

static void test_hosts(void **state)
{
    static const struct {
        const char *host;
        bool        narrow, wide; /* bound to 127.0.0.1 and 10.0.0.5; bound to the wildcard */
    } cases[]            = {{"localhost", true, true},
                            {"LOCALHOST:3003", true, true},
                            {"localhost.:3003", true, true},
                            {"app.localhost", true, true},
                            {"127.0.0.1:9", true, true},
                            {"127.1.2.3", true, true},
                            {"[::1]:80", true, true},
                            {"10.0.0.5:3003", true, true},
                            {"10.0.0.6", false, true},
                            {"[fe80::1]", false, true},
                            {"evil.example", false, false},
                            {"localhost.evil.example", false, false},
                            {"127.0.0.1.evil.example", false, false},
                            {"good.example:80", true, true},
                            {"a.below.example", true, true},
                            {"below.example", false, false},
                            {"notbelow.example", false, false},
                            {"", false, false},
                            {"[::1", false, false},
                            {":80", false, false}};
    struct config narrow = {.listen = {{"127.0.0.1", 1}, {"10.0.0.5", 2}}, .listen_count = 2};
    struct config wide   = {.listen = {{"0.0.0.0", 1}}, .listen_count = 1};
    (void)state;
    narrow.allowed_host_count = wide.allowed_host_count = 2;
    strcpy(narrow.allowed_hosts[0], "good.example");
    strcpy(narrow.allowed_hosts[1], ".below.example");
    memcpy(wide.allowed_hosts, narrow.allowed_hosts, sizeof wide.allowed_hosts);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (route_host_is_allowed(&narrow, cases[i].host) != cases[i].narrow ||
            route_host_is_allowed(&wide, cases[i].host) != cases[i].wide)
            fail_msg("%s", cases[i].host);
    }
    strcpy(narrow.allowed_hosts[0], "*");
    assert_true(route_host_is_allowed(&narrow, "evil.example"));
}

static void test_limit(void **state)
{
    struct route_limit *limit = route_limit_new(3, 1000);
    uint32_t            remaining, reset;
    char                peer[32];
    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(route_limit_take(limit, "10.0.0.1", 5000 + i, &remaining, &reset));
        assert_int_equal(remaining, 2 - i);
    }
    assert_false(route_limit_take(limit, "10.0.0.1", 5500, &remaining, &reset));
    assert_int_equal(reset, 1);
    assert_true(route_limit_take(limit, "10.0.0.2", 5500, &remaining, &reset));
    assert_true(route_limit_take(limit, "10.0.0.1", 6000, &remaining, &reset));
    for (int i = 0; i < 3; i++) {
        snprintf(peer, sizeof peer, "2001:db8::%d", i);
        assert_true(route_limit_take(limit, peer, 6000, &remaining, &reset));
    }
    assert_false(route_limit_take(limit, "2001:db8::ffff", 6000, &remaining, &reset)); /* one /64, one client */
    assert_true(route_limit_take(limit, "2001:db8:0:1::1", 6000, &remaining, &reset));
    for (int i = 0; i < 100000; i++) { /* more clients than slots: still answers, still in bounds */
        snprintf(peer, sizeof peer, "10.%d.%d.%d", i >> 16, (i >> 8) & 255, i & 255);
        (void)route_limit_take(limit, peer, 7000, &remaining, &reset);
    }
    route_limit_free(limit);
}

/* ---- Behind a server ---- */

static struct config        config;
static struct event_base   *base;
static struct http         *http;
static struct router       *router;
static struct static_files *files;
static in_port_t            port;

static void put_file(const char *name, const char *text)
{
    char  path[512];
    FILE *file;
    snprintf(path, sizeof path, "%s/%s", config.web_dir, name);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void make_web(void)
{
    char path[512];
    strcpy(config.web_dir, "/tmp/penny-test-web-XXXXXX");
    assert_non_null(mkdtemp(config.web_dir));
    snprintf(path, sizeof path, "%s/assets", config.web_dir);
    mkdir(path, 0755);
    put_file("index.html", "<p>page</p>");
    put_file("assets/a.js", "alert(1)");
    put_file("assets/a.js.gz", "gzipped");
    put_file(".hidden", "secret");
    snprintf(path, sizeof path, "%s/link", config.web_dir);
    assert_int_equal(symlink("/etc/passwd", path), 0);
}

static void drop_web(void)
{
    static const char *const names[] = {"index.html", "assets/a.js", "assets/a.js.gz", ".hidden", "link"};
    char                     path[512];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", config.web_dir, names[i]);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/assets", config.web_dir);
    rmdir(path);
    rmdir(config.web_dir);
}

static int set_up(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct http_limits limits  = {1 << 20, 16384, 60000, 60000, 100, 60000};
    socklen_t          length  = sizeof address;
    int                fd      = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memset(&config, 0, sizeof config);
    config.listen_count      = 1;
    config.cors_origin_count = 1;
    strcpy(config.listen[0].host, "127.0.0.1");
    strcpy(config.cors_origins[0], "https://good.example");
    config.rate_limit     = *state != NULL ? 2 : 0;
    config.rate_window_ms = 60000;
    make_web();
    base   = event_base_new();
    files  = static_open(&config, NULL);
    router = router_new(&config, TABLE, TABLE_COUNT, files, (void *)"core", NULL);
    http   = http_new(base, &limits, route_dispatch, router, NULL);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address) | listen(fd, 8), 0);
    getsockname(fd, (struct sockaddr *)&address, &length);
    port = address.sin_port;
    return http_add_listener(http, fd, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    http_free(http);
    router_free(router);
    static_close(files);
    event_base_free(base);
    drop_web();
    return 0;
}

/* One request in HTTP/1.0, whose answer ends with the connection. `head` is "METHOD target" and more header lines. */
static const char *ask(const char *method, const char *target, const char *headers, const char *body)
{
    static char        answer[65536];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char               request[8192];
    size_t             length = 0;
    int                fd     = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ssize_t            n;

    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    n = snprintf(request, sizeof request, "%s %s HTTP/1.0\r\n%sContent-Length: %zu\r\n\r\n%s", method, target, headers, strlen(body), body);
    assert_int_equal(send(fd, request, (size_t)n, MSG_NOSIGNAL), n);
    for (int i = 0; i < 2000; i++) {
        event_base_loop(base, EVLOOP_NONBLOCK);
        n = recv(fd, answer + length, sizeof answer - 1 - length, 0);
        if (n == 0)
            break;
        length += n > 0 ? (size_t)n : 0;
        if (n < 0)
            usleep(500);
    }
    answer[length] = '\0';
    close(fd);
    return answer;
}

static void expect(const char *answer, int status, const char *part)
{
    if (atoi(answer + 9) != status || (part != NULL && strstr(answer, part) == NULL))
        fail_msg("wanted %d and %s: %s", status, part != NULL ? part : "", answer);
}

#define JSON "Content-Type: application/json\r\n"

static void test_dispatch(void **state)
{
    (void)state;
    expect(ask("GET", "/things", "", ""), 200, "\"context\":\"core\",\"first\":null");
    expect(ask("GET", "/things/%41%20b/", "", ""), 200, "\"first\":\"A b\"");
    expect(ask("GET", "/things/5/parts/6?x", "", ""), 200, "\"second\":\"6\"");
    expect(ask("PUT", "/things/5/files/a/b%2fc", "", "x"), 200, "\"second\":\"a/b/c\"");
    expect(ask("HEAD", "/things", "", ""), 200, "Content-Length: ");
    expect(ask("GET", "/nowhere", "", ""), 404, "\"message\":\"Route GET:/nowhere not found\"");
    expect(ask("POST", "/nowhere", "", ""), 404, "\"message\":\"Route POST:/nowhere not found\"");
    expect(ask("POST", "/things/5", "", ""), 405, "Allow: GET, HEAD, DELETE, OPTIONS\r\n");
    expect(ask("OPTIONS", "/things/5", "", ""), 204, "Allow: GET, HEAD, DELETE, OPTIONS\r\n");
}

static void test_bodies(void **state)
{
    char deep[600];
    (void)state;
    expect(ask("POST", "/run", "", ""), 200, "\"body\":{},\"json\":true");
    expect(ask("POST", "/run", JSON, ""), 200, "\"body\":{}");
    expect(ask("POST", "/run", JSON, "{\"a\":[1,\"\\u00e9\"]}"), 200, "\"body\":{\"a\":[1,\"\xc3\xa9\"]}");
    expect(ask("POST", "/run", "Content-Type: application/json; charset=utf-8\r\n", "{}"), 200, NULL);
    expect(ask("POST", "/run", "Content-Type: application/ld+json\r\n", "{}"), 200, NULL);
    expect(ask("POST", "/run", "", "{}"), 415, "UNSUPPORTED_MEDIA_TYPE");
    expect(ask("POST", "/run", "Content-Type: text/plain\r\n", "{}"), 415, NULL);
    expect(ask("POST", "/run", "Content-Type: application/jsonp\r\n", "{}"), 415, NULL);
    expect(ask("POST", "/run", JSON, "{\n \"a\": x}"), 400, "\"position\":{\"line\":2,\"column\":7");
    expect(ask("POST", "/run", JSON, "[1]"), 400, "must be a JSON object");
    expect(ask("POST", "/run", JSON, "{} x"), 400, "INVALID_JSON");
    expect(ask("POST", "/run", JSON, "{\"a\":\"\xff\"}"), 400, "INVALID_JSON");
    expect(ask("POST", "/run", JSON, "{\"a\":\"\\ud800\"}"), 400, "INVALID_JSON");
    expect(ask("POST", "/run", JSON, "{\"a\":\"\\u0000\"}"), 400, "INVALID_JSON");
    expect(ask("POST", "/run", JSON, "{\"a\":\"\\"), 400, "INVALID_JSON");
    memset(deep, '[', 500);
    deep[500] = '\0';
    expect(ask("POST", "/run", JSON, deep), 400, "nested too deeply");
    expect(ask("POST", "/run", JSON, "{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[\"}"), 200,
           NULL);
}

static void test_access(void **state)
{
    const char *answer;
    (void)state;
    expect(ask("GET", "/things", "Host: evil.example\r\n", ""), 403, "HOST_NOT_ALLOWED");
    expect(ask("GET", "/things", "Host: localhost:1\r\n", ""), 200, NULL);
    answer = ask("GET", "/things", "Host: localhost\r\nOrigin: https://evil.example\r\n", "");
    expect(answer, 200, NULL);
    assert_null(strstr(answer, "Access-Control"));
    expect(ask("GET", "/things", "Host: localhost\r\nOrigin: https://good.example\r\n", ""), 200,
           "Access-Control-Allow-Origin: https://good.example\r\n");
    expect(ask("POST", "/things", "Host: localhost\r\nOrigin: https://evil.example\r\n", ""), 403, "ORIGIN_NOT_ALLOWED");
    expect(ask("POST", "/things", "Host: localhost\r\nOrigin: null\r\n", ""), 403, "ORIGIN_NOT_ALLOWED");
    expect(ask("POST", "/things", "Host: localhost:80\r\nOrigin: http://localhost:80\r\n", ""), 200, NULL);
    expect(ask("POST", "/things", "Host: localhost\r\nOrigin: https://good.example\r\n", ""), 200, NULL);
    answer = ask("OPTIONS", "/things",
                 "Host: localhost\r\nOrigin: https://good.example\r\nAccess-Control-Request-Method: POST\r\n"
                 "Access-Control-Request-Headers: content-type\r\n",
                 "");
    expect(answer, 204, "Access-Control-Allow-Methods: GET, HEAD, POST, OPTIONS\r\n");
    expect(answer, 204, "Access-Control-Allow-Headers: content-type\r\n");
    answer = ask("OPTIONS", "/things", "Host: localhost\r\nOrigin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\n", "");
    expect(answer, 204, NULL);
    assert_null(strstr(answer, "Access-Control"));
}

static void test_rate(void **state)
{
    const char *answer;
    (void)state;
    expect(ask("GET", "/things", "", ""), 200, "x-ratelimit-remaining: 1\r\n");
    expect(ask("GET", "/nowhere", "", ""), 404, "x-ratelimit-remaining: 0\r\n");
    expect(ask("GET", "/things", "", ""), 429, "\"code\":\"RATE_LIMIT_EXCEEDED\"");
    answer = ask("GET", "/things", "", "");
    expect(answer, 429, "Retry-After: ");
    assert_in_range(atoi(strstr(answer, "Retry-After: ") + strlen("Retry-After: ")), 30, 60);
    expect(ask("GET", "/free", "", ""), 200, NULL);
}

static void test_static(void **state)
{
    const char *answer, *tag;
    char        headers[256];
    (void)state;
    expect(ask("GET", "/", "", ""), 200, "\"message\":\"Python Code Sandbox API is running\"");
    expect(ask("GET", "/", "Accept: text/html,*/*\r\n", ""), 200, "<p>page</p>");
    answer = ask("GET", "/assets/a.js", "", "");
    expect(answer, 200, "Cache-Control: public, max-age=31536000, immutable\r\n");
    expect(answer, 200, "alert(1)");
    tag = strstr(answer, "ETag: ") + 6;
    snprintf(headers, sizeof headers, "If-None-Match: \"x\", %.*s\r\n", (int)strcspn(tag, "\r"), tag);
    answer = ask("GET", "/assets/a.js", headers, "");
    expect(answer, 304, NULL);
    assert_null(strstr(answer, "alert"));
    answer = ask("GET", "/assets/a.js", "Accept-Encoding: br, gzip\r\n", "");
    expect(answer, 200, "Content-Encoding: gzip\r\n");
    expect(answer, 200, "gzipped");
    expect(ask("GET", "/assets/a.js", "Accept-Encoding: gzip;q=0\r\n", ""), 200, "alert(1)");
    expect(ask("GET", "/assets", "", ""), 404, NULL);
    expect(ask("GET", "/.hidden", "", ""), 404, NULL);
    expect(ask("GET", "/link", "", ""), 404, NULL);
    expect(ask("GET", "/../../../../etc/passwd", "", ""), 404, NULL);
    expect(ask("GET", "/assets/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "", ""), 404, NULL);
    expect(ask("GET", "//etc/passwd", "", ""), 404, NULL);
    expect(ask("DELETE", "/index.html", "", ""), 404, NULL);
}

static void test_no_web(void **state)
{
    (void)state;
    drop_web();
    expect(ask("GET", "/", "Accept: text/html\r\n", ""), 200, "The API is running");
    expect(ask("GET", "/x.js", "", ""), 404, NULL);
}

int main(void)
{
#define SERVED(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_match), cmocka_unit_test(test_bad_tables),
        cmocka_unit_test(test_hosts), cmocka_unit_test(test_limit),
        SERVED(test_dispatch),        SERVED(test_bodies),
        SERVED(test_access),          cmocka_unit_test_prestate_setup_teardown(test_rate, set_up, tear_down, (void *)"limited"),
        SERVED(test_static),          SERVED(test_no_web),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
