/* MCP's messages, what a model is told, the ids of events, and the lines of standard input: whole, and cut at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mcp_message.h"
#include "mcp_result.h"
#include "mcp_run.h"
#include "mcp_stdio.h"
#include "mcp_tools.h"
#include "text.h"

static enum mcp_kind kind_of(const char *text, struct mcp_message *ret, json_t **ret_json)
{
    *ret_json = json_loads(text, JSON_DECODE_ANY, NULL);
    return mcp_message_read(ret, *ret_json);
}

static void test_messages(void **state)
{
    static const struct {
        const char   *text;
        enum mcp_kind kind;
        bool          has_id;
    } cases[] = {
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\"}", MCP_REQUEST, true},
        {"{\"jsonrpc\":\"2.0\",\"id\":\"\",\"method\":\"a\",\"params\":{}}", MCP_REQUEST, true},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"a\"}", MCP_NOTIFICATION, false},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":null}", MCP_RESPONSE, true},
        {"{\"jsonrpc\":\"2.0\",\"error\":{}}", MCP_RESPONSE, false},
        {"{\"jsonrpc\":\"2.0\",\"result\":{}}", MCP_INVALID, false},
        {"{\"jsonrpc\":\"2.0\",\"id\":1}", MCP_INVALID, true},
        {"{\"jsonrpc\":2.0,\"id\":1,\"method\":\"a\"}", MCP_INVALID, true},
        {"{\"jsonrpc\":\"2.0\",\"id\":[],\"method\":\"a\"}", MCP_INVALID, false},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\",\"params\":null}", MCP_INVALID, true},
        {"[]", MCP_INVALID, false},
        {"7", MCP_INVALID, false},
    };
    struct mcp_message message;
    json_t            *json;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(kind_of(cases[i].text, &message, &json), cases[i].kind);
        assert_int_equal(message.id != NULL, cases[i].has_id);
        assert_int_equal(message.fault != NULL, cases[i].kind == MCP_INVALID);
        json_decref(json);
    }
    assert_int_equal(mcp_message_read(&message, NULL), MCP_INVALID);
}

static void test_meta(void **state)
{
    struct mcp_message message;
    json_t            *json;
    (void)state;
    assert_int_equal(kind_of("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\",\"params\":{\"_meta\":{\"progressToken\":7,"
                             "\"io.modelcontextprotocol/protocolVersion\":\"x\"}}}",
                             &message, &json),
                     MCP_REQUEST);
    assert_int_equal(json_integer_value(message.token), 7);
    assert_string_equal(message.version, "x");
    json_decref(json);
    assert_int_equal(
        kind_of("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\",\"params\":{\"_meta\":{\"progressToken\":[]}}}", &message, &json),
        MCP_REQUEST);
    assert_null(message.token);
    assert_null(message.version);
    json_decref(json);
}

static void test_versions(void **state)
{
    enum mcp_version version = MCP_2025_11_25;
    json_t          *list    = mcp_version_list();
    (void)state;
    assert_int_equal(json_array_size(list), MCP_VERSIONS);
    assert_string_equal(json_string_value(json_array_get(list, 0)), mcp_version_name(MCP_STATELESS));
    for (int i = 0; i < MCP_VERSIONS; i++) {
        assert_true(mcp_version_parse(mcp_version_name((enum mcp_version)i), &version));
        assert_int_equal(version, i);
    }
    assert_false(mcp_version_parse(NULL, &version));
    assert_false(mcp_version_parse("2025-06-18 ", &version));
    json_decref(list);
}

static void test_errors_with_any_text(void **state)
{
    json_t *json = mcp_message_error(NULL, -1, "\xff", NULL);
    (void)state;
    assert_non_null(json);
    assert_true(json_is_null(json_object_get(json, "id")));
    json_decref(json);
}

/* However long, and wherever its letters are cut: UTF-8, and not longer than it may be. */
static void test_texts_are_cut_between_letters(void **state)
{
    char *text = malloc(MCP_TEXT_MAX * 2);
    (void)state;
    for (size_t i = 0; i < MCP_TEXT_MAX * 2; i++)
        text[i] = "\xe2\x82\xac"[i % 3];
    for (size_t length = MCP_TEXT_MAX - 4; length < MCP_TEXT_MAX + 5; length++) {
        json_t     *item = mcp_result_text(text, length);
        const char *got  = json_string_value(json_object_get(item, "text"));
        assert_non_null(got);
        assert_int_equal(text_valid(got, strlen(got)), strlen(got));
        assert_true(strlen(got) < MCP_TEXT_MAX + 200);
        assert_int_equal(strstr(got, "left out here") != NULL, length > MCP_TEXT_MAX);
        json_decref(item);
    }
    free(text);
}

static void test_results_of_any_shape(void **state)
{
    static const char *const cases[] = {"{}",
                                        "[]",
                                        "{\"success\":true,\"output\":{}}",
                                        "{\"success\":false,\"error\":7,\"output\":[]}",
                                        "{\"output\":{\"plots\":[7,{},{\"format\":\"png\"},{\"format\":\"svg\",\"data\":\"x\"}]}}",
                                        "{\"output\":{\"results\":[{},7,{\"data\":{\"image/png\":7}},{\"data\":{\"text/html\":\"x\"}}]}}"};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *json = json_loads(cases[i], 0, NULL), *result = mcp_result_execution(json);
        assert_true(json_array_size(json_object_get(result, "content")) > 0);
        assert_true(json_is_object(json_object_get(result, "structuredContent")));
        json_decref(result);
        json_decref(json);
    }
}

static void test_every_refusal_is_a_sentence(void **state)
{
    static const struct http_inner_answer cases[] = {
        {404, "", "{\"code\":\"FILE_NOT_FOUND\",\"message\":\"There is none\"}", 51}, {503, "", "", 0}, {0, "", "", 0}, {500, "", "[]", 2}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t     *result = mcp_result_of(&cases[i]);
        const char *text   = json_string_value(json_object_get(json_array_get(json_object_get(result, "content"), 0), "text"));
        assert_true(json_is_true(json_object_get(result, "isError")));
        assert_true(strlen(text) > 10 && text[strlen(text) - 1] == '.');
        json_decref(result);
    }
}

static void test_the_tools_are_json(void **state)
{
    json_t *list = mcp_tools_list(), *tool;
    size_t  i;
    (void)state;
    json_array_foreach(list, i, tool)
    {
        const struct mcp_tool *found = mcp_tools_find(json_string_value(json_object_get(tool, "name")));
        assert_non_null(found);
        assert_true(json_is_object(json_object_get(json_object_get(tool, "inputSchema"), "properties")));
        assert_int_equal(found->output != NULL, json_is_object(json_object_get(tool, "outputSchema")));
    }
    assert_int_equal(i, 12);
    assert_null(mcp_tools_find("nothing"));
    assert_null(mcp_tools_find(NULL));
    json_decref(list);
}

static void test_events(void **state)
{
    static const char good[] = "f04252e5-4b79-8cdd-868b-462ed9b7d44d.0000002a-17";
    char              text[sizeof good];
    struct id         id;
    const char       *after;
    (void)state;
    assert_true(mcp_run_parse_event(good, &id, &after));
    assert_string_equal(after, "0000002a-17");
    assert_true(mcp_run_parse_event("f04252e5-4b79-8cdd-868b-462ed9b7d44d.0", &id, &after));
    for (size_t n = 0; n < sizeof good; n++) { /* each beginning: a number must have come, and only digits behind it can be missing */
        memcpy(text, good, n);
        text[n] = '\0';
        assert_int_equal(mcp_run_parse_event(text, &id, &after), (n > 37 && n < 46 && strspn(text + 37, "0123456789") == n - 37) || n > 46);
    }
    assert_false(mcp_run_parse_event("f04252e5-4b79-8cdd-868b-462ed9b7d44d-1", &id, &after));
    assert_false(mcp_run_parse_event("g04252e5-4b79-8cdd-868b-462ed9b7d44d.1", &id, &after));
}

/* The lines that come of a text when it comes in two parts, joined by '|'. */
static void cut_lines(const char *text, size_t length, size_t at, char ret[256])
{
    struct bytes input = {0};
    size_t       used  = 0, n;
    const char  *line;
    ret[0] = '\0';
    for (int part = 0; part < 2; part++) {
        assert_true(bytes_append(&input, part == 0 ? text : text + at, part == 0 ? at : length - at));
        while (mcp_stdio_line(&input, &used, &line, &n)) {
            strncat(ret, line, n);
            strcat(ret, "|");
        }
    }
    bytes_done(&input);
}

static void test_lines(void **state)
{
    static const char text[] = "{}\n\n[1]\r\nx\r\r\nrest";
    char              got[256];
    (void)state;
    for (size_t at = 0; at < sizeof text; at++) {
        cut_lines(text, sizeof text - 1, at < sizeof text - 1 ? at : sizeof text - 1, got);
        assert_string_equal(got, "{}||[1]|x\r|");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_meta),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_errors_with_any_text),
        cmocka_unit_test(test_texts_are_cut_between_letters),
        cmocka_unit_test(test_results_of_any_shape),
        cmocka_unit_test(test_every_refusal_is_a_sentence),
        cmocka_unit_test(test_the_tools_are_json),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
