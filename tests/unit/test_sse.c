/* The encoding of events: whatever the text, one event comes out, valid, and says the same. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>

#include "event_fit.h"
#include "sse.h"
#include "text.h"

static struct sse_source source;
static const char        STAMP[] = "2026-01-31T12:00:00.000Z";

static const char *const HOSTILE[] = {
    "",
    "plain",
    "\n",
    "\r\n\r\nevent: complete\r\ndata: {}\r\n\r\n",
    "\n\nid: 9\nevent: complete\ndata: {\"type\":\"complete\"}\n\n",
    "\"},\"type\":\"complete\"",
    "\\",
    "\\\\\"",
    "\\u0000",
    "\x01\x02\x1f\x7f",
    "\b\t\n\f\r",
    "\xe2\x80\xa8\xe2\x80\xa9",
    "\xef\xbb\xbfmark",
    "\xc2\x85",
    "caf\xc3\xa9 \xe4\xb8\xad \xf0\x9f\x98\x80",
    "</script>",
    ": comment",
    "data: x",
    "0123456789abcde\"",
    "0123456789abcdef\n0123456789abcdef\\0123456789abcdef\x01",
};

/* An SSE parser by the letter of the standard, for one event. Returns the data (owned) and checks that nothing else came. */
static char *parse_event(const char *bytes, size_t length, char *ret_id, char *ret_type)
{
    char *text = strndup(bytes, length), *rest = text, *line, *data = NULL;
    assert_int_equal(strlen(text), length);
    assert_null(memchr(text, '\r', length));
    while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
        if (strncmp(line, "id: ", 4) == 0)
            strcpy(ret_id, line + 4);
        else if (strncmp(line, "event: ", 7) == 0)
            strcpy(ret_type, line + 7);
        else if (strncmp(line, "data: ", 6) == 0 && data == NULL)
            data = strdup(line + 6);
        else
            fail_msg("not a line of an event: %s", line);
    }
    assert_non_null(line);
    assert_non_null(rest);
    assert_string_equal(rest, "");
    assert_non_null(data);
    free(text);
    return data;
}

static json_t *parse_object(const char *data)
{
    json_error_t error;
    json_t      *object = json_loads(data, JSON_ALLOW_NUL, &error);
    if (object == NULL)
        fail_msg("%s in %s", error.text, data);
    return object;
}

static void round_trip(enum event_kind kind, const char *text, size_t length)
{
    struct bytes out = {0}, want = {0};
    char         id[64], type[32], *data;
    json_t      *object, *value;
    assert_int_equal(sse_encode(&out, &source, kind, 7, STAMP, text, length, NULL), 0);
    assert_int_equal(text_valid(out.data, out.length), out.length);
    data   = parse_event(out.data, out.length, id, type);
    object = parse_object(data);
    assert_string_equal(id, "0badcafe-7");
    assert_string_equal(type, event_kind_name(kind));
    assert_string_equal(json_string_value(json_object_get(object, "type")), type);
    assert_string_equal(json_string_value(json_object_get(object, "timestamp")), STAMP);
    assert_string_equal(json_string_value(json_object_get(object, "executionId")), "e-1");
    assert_string_equal(json_string_value(json_object_get(object, "sessionId")), "s.2");
    assert_int_equal(json_object_size(object), 5);
    value = json_object_get(object, "data");
    assert_true(text_repair(&want, text, length));
    assert_int_equal(json_string_length(value), want.length);
    if (want.length > 0)
        assert_memory_equal(json_string_value(value), want.data, want.length);
    json_decref(object);
    free(data);
    bytes_done(&want);
    bytes_done(&out);
}

static void hostile_text_is_one_event(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof HOSTILE / sizeof HOSTILE[0]; i++) {
        round_trip(EVENT_KIND_OUT, HOSTILE[i], strlen(HOSTILE[i]));
        round_trip(EVENT_KIND_ERR, HOSTILE[i], strlen(HOSTILE[i]));
    }
}

static void every_byte_and_pair_is_one_event(void **state)
{
    char text[40];
    (void)state;
    for (int a = 0; a < 256; a++) {
        memset(text, 'x', sizeof text);
        text[17] = (char)a;
        round_trip(EVENT_KIND_OUT, text, sizeof text);
        for (int b = 0; b < 256; b += a < 0x80 ? 51 : 1) {
            text[18] = (char)b;
            round_trip(EVENT_KIND_OUT, text, sizeof text);
        }
    }
}

/* Escaped in rooms of every size, the pieces joined are the whole. */
static void pieces_of_any_size_join(void **state)
{
    static const char TEXT[] =
        "ab\"c\\\n\x01\0 caf\xc3\xa9 \xe4\xb8\xad\xf0\x9f\x98\x80 \xff\xed\xa0\x80 0123456789abcdef0123456789abcdef\x7f end";
    char   whole[512];
    size_t used, whole_length = sse_escape(whole, sizeof whole, TEXT, sizeof TEXT - 1, &used);
    (void)state;
    assert_int_equal(used, sizeof TEXT - 1);
    for (size_t room = 6; room < 200; room++) {
        char   joined[512], piece[256];
        size_t joined_length = 0;
        for (size_t at = 0; at < sizeof TEXT - 1; at += used) {
            size_t n;
            memset(piece, '#', sizeof piece);
            n = sse_escape(piece, room, TEXT + at, sizeof TEXT - 1 - at, &used);
            assert_true(n <= room && used > 0);
            assert_int_equal(piece[room], '#');
            assert_int_equal(text_valid(piece, n), n);
            memcpy(joined + joined_length, piece, n);
            joined_length += n;
        }
        assert_int_equal(joined_length, whole_length);
        assert_memory_equal(joined, whole, whole_length);
    }
    assert_int_equal(sse_escape(whole, 2, "\x01", 1, &used), 0);
    assert_int_equal(used, 0);
}

static void an_event_is_never_too_long(void **state)
{
    char        *text = malloc(SSE_EVENT_MAX);
    struct bytes out  = {0};
    struct err   err;
    (void)state;
    memset(text, 'x', SSE_EVENT_MAX);
    assert_int_equal(sse_encode(&out, &source, EVENT_KIND_OUT, UINT64_MAX, STAMP, text, SSE_VALUE_MAX, &err), 0);
    assert_true(out.length <= SSE_EVENT_MAX);
    assert_int_equal(sse_encode(&out, &source, EVENT_KIND_OUT, 1, STAMP, text, SSE_VALUE_MAX + 1, &err), -1);
    assert_int_equal(err.code, EMSGSIZE);
    memset(text, '1', SSE_EVENT_MAX);
    out.length = 0;
    assert_int_equal(sse_encode(&out, &source, EVENT_KIND_INPUT_REQUEST, UINT64_MAX, STAMP, text, SSE_VALUE_MAX, &err), 0);
    assert_true(out.length <= SSE_EVENT_MAX);
    assert_int_equal(sse_encode(&out, &source, EVENT_KIND_COMPLETE, 1, STAMP, text, SSE_VALUE_MAX + 1, &err), -1);
    assert_int_equal(err.code, EMSGSIZE);
    bytes_done(&out);
    free(text);
}

static void a_value_must_be_a_line(void **state)
{
    static const char *const BAD[] = {"", "{\n}", "\"\x01\"", "\"\xff\"", "\"\xed\xa0\x80\"", "1\r2"};
    (void)state;
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        struct bytes out = {0};
        struct err   err;
        assert_int_equal(sse_encode(&out, &source, EVENT_KIND_RESULT, 1, STAMP, BAD[i], strlen(BAD[i]), &err), -1);
        assert_int_equal(err.code, EINVAL);
        assert_int_equal(out.length, 0);
        bytes_done(&out);
    }
    assert_true(sse_value_is_line("{\"a\":\"\xe2\x80\xa8\"}", 11));
}

static void ids_are_read_back(void **state)
{
    static const char *const BAD[] = {"",
                                      "x",
                                      "-",
                                      "1-",
                                      "0badcafe",
                                      "0badcafe-",
                                      "0badcafe-x",
                                      "0BADCAFE-1",
                                      "0badcafe-1 ",
                                      "0badcafe-99999999999999999999",
                                      "+1",
                                      "-1",
                                      "0badcafe--1",
                                      "99999999999999999999",
                                      "0badcaf-1",
                                      "\n1"};
    char                     id[SSE_ID_MAX];
    uint32_t                 epoch;
    uint64_t                 seq;
    bool                     has_epoch;
    (void)state;
    sse_format_id(id, 0xffffffff, UINT64_MAX);
    assert_string_equal(id, "ffffffff-18446744073709551615");
    sse_format_id(id, 0x0badcafe, 1234567890123);
    assert_true(sse_parse_id(id, &epoch, &has_epoch, &seq));
    assert_true(has_epoch && epoch == 0x0badcafe && seq == 1234567890123);
    assert_true(sse_parse_id("42", &epoch, &has_epoch, &seq));
    assert_true(!has_epoch && seq == 42);
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        assert_false(sse_parse_id(BAD[i], &epoch, &has_epoch, &seq));
}

static void timestamps_follow_the_clock(void **state)
{
    (void)state;
    assert_string_equal(sse_timestamp(0), "1970-01-01T00:00:00.000Z");
    assert_string_equal(sse_timestamp(UINT64_C(1769860800000)), "2026-01-31T12:00:00.000Z");
    assert_string_equal(sse_timestamp(UINT64_C(1769860800007)), "2026-01-31T12:00:00.007Z");
    assert_string_equal(sse_timestamp(UINT64_C(1769860800999)), "2026-01-31T12:00:00.999Z");
    assert_string_equal(sse_timestamp(UINT64_C(1769860801000)), "2026-01-31T12:00:01.000Z");
    assert_string_equal(sse_timestamp(UINT64_C(1769860800999)), "2026-01-31T12:00:00.999Z");
    assert_int_equal(strlen(sse_now()), SSE_TIMESTAMP_LENGTH);
}

static void ids_need_no_escape(void **state)
{
    static const char *const BAD[] = {"",     "a b",      "a\"b",
                                      "a\nb", "\xc3\xa9", "12345678901234567890123456789012345678901234567890123456789012345"};
    struct sse_source        other;
    struct err               err;
    (void)state;
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        assert_int_equal(sse_source_init(&other, 1, BAD[i], "s", &err), -1);
        assert_int_equal(sse_source_init(&other, 1, "e", BAD[i], &err), -1);
        assert_int_equal(err.code, EINVAL);
    }
}

static json_t *result_with(const char *unit, size_t count)
{
    char   *text = malloc(strlen(unit) * count + 1), *p = text;
    json_t *result;
    for (size_t i = 0; i < count; i++)
        p = stpcpy(p, unit);
    result = json_pack("{s:b, s:{s:s, s:s, s:[{s:s}], s:{s:s}, s:[s]}, s:{s:s, s:s, s:s}, s:[s]}", "success", 0, "output", "stdout", text,
                       "stderr", text, "plots", "data", text, "variables", "v", text, "results", text, "error", "type", "E", "message",
                       text, "traceback", text, "artifacts", text);
    free(text);
    return result;
}

static void a_result_is_made_to_fit(void **state)
{
    static const char *const UNITS[] = {"x", "\xe4\xb8\xad", "\x01", "\xf0\x9f\x98\x80\"\\"};
    (void)state;
    for (size_t i = 0; i < sizeof UNITS / sizeof UNITS[0]; i++) {
        json_t *result = result_with(UNITS[i], 100000);
        char   *dumped;
        assert_true(event_fit(result));
        dumped = json_dumps(result, JSON_COMPACT);
        assert_non_null(dumped);
        assert_true(strlen(dumped) <= SSE_VALUE_MAX);
        assert_true(json_is_true(json_object_get(result, "truncated")));
        assert_true(json_string_length(json_object_get(json_object_get(result, "output"), "stdout")) > 1000);
        free(dumped);
        json_decref(result);
    }
}

static void a_small_result_is_left_alone(void **state)
{
    json_t *result = result_with("x", 10), *copy = json_deep_copy(result);
    (void)state;
    assert_true(event_fit(result));
    assert_true(json_equal(result, copy));
    json_decref(result);
    json_decref(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_text_is_one_event),   cmocka_unit_test(every_byte_and_pair_is_one_event),
        cmocka_unit_test(pieces_of_any_size_join),     cmocka_unit_test(an_event_is_never_too_long),
        cmocka_unit_test(a_value_must_be_a_line),      cmocka_unit_test(ids_are_read_back),
        cmocka_unit_test(timestamps_follow_the_clock), cmocka_unit_test(ids_need_no_escape),
        cmocka_unit_test(a_result_is_made_to_fit),     cmocka_unit_test(a_small_result_is_left_alone),
    };
    if (sse_source_init(&source, 0x0badcafe, "e-1", "s.2", NULL) < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
