/* Ranges, tags, dates and paths of files: pure functions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "artifacts.h"
#include "file_path.h"
#include "file_range.h"
#include "file_rules.h"

static void expect_range(const char *header, uint64_t size, enum file_range wanted, uint64_t from, uint64_t length)
{
    uint64_t got_from = 0, got_length = 0;
    assert_int_equal(file_range_read(header, size, &got_from, &got_length), wanted);
    if (wanted == FILE_RANGE_PART) {
        assert_int_equal(got_from, from);
        assert_int_equal(got_length, length);
    }
}

static void test_ranges(void **state)
{
    static const char *const none[] = {"",          "bytes",       "bytes=",     "bytes=-",     "bytes=a-b",   "bytes=1",
                                       "bytes=5-4", "bytes=1-2,3", "bytes=1-2x", "items=0-1",   "bytes=--1",   "bytes=1--2",
                                       "bytes 1-2", "bytes=-1x",   "bytes=+1-2", "bytes=0x1-2", "bytes=1-\xff"};
    (void)state;
    expect_range(NULL, 10, FILE_RANGE_NONE, 0, 0);
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        expect_range(none[i], 10, FILE_RANGE_NONE, 0, 0);
    expect_range("bytes=0-9", 10, FILE_RANGE_PART, 0, 10);
    expect_range("bytes=0-", 10, FILE_RANGE_PART, 0, 10);
    expect_range("bytes=9-", 10, FILE_RANGE_PART, 9, 1);
    expect_range("bytes=9-999999999999999999", 10, FILE_RANGE_PART, 9, 1);
    expect_range("bytes=-1", 10, FILE_RANGE_PART, 9, 1);
    expect_range("bytes=-11", 10, FILE_RANGE_PART, 0, 10);
    expect_range("BYTES= 1-2 ", 10, FILE_RANGE_PART, 1, 2);
    expect_range("bytes=10-", 10, FILE_RANGE_UNSATISFIABLE, 0, 0);
    expect_range("bytes=-0", 10, FILE_RANGE_UNSATISFIABLE, 0, 0);
    expect_range("bytes=0-", 0, FILE_RANGE_UNSATISFIABLE, 0, 0);
    expect_range("bytes=-5", 0, FILE_RANGE_UNSATISFIABLE, 0, 0);
    expect_range("bytes=0-0", UINT64_MAX, FILE_RANGE_PART, 0, 1);
}

static void test_tags(void **state)
{
    struct control_file_reply file = {.size = 255, .inode = 16, .modified_ns = 1000000000, .changed_ns = 2000000000};
    char                      tag[FILE_TAG_BYTES];
    (void)state;
    file_range_tag(&file, 2050000000, tag);
    assert_string_equal(tag, "W/\"10-77359400-ff\"");
    file_range_tag(&file, 3000000000, tag);
    assert_string_equal(tag, "\"10-77359400-ff\"");
    assert_true(file_range_has_tag(tag, tag, true));
    assert_true(file_range_has_tag("\"a,b\", \"10-77359400-ff\"", tag, false));
    assert_true(file_range_has_tag("W/\"10-77359400-ff\"", tag, false));
    assert_true(file_range_has_tag("\"x\",\"10-77359400-ff\",\"y\"", tag, false));
    assert_true(file_range_has_tag(" *", tag, false));
    assert_false(file_range_has_tag("*", tag, true));
    assert_false(file_range_has_tag("W/\"10-77359400-ff\"", tag, true));
    assert_false(file_range_has_tag("\"a\"10-77359400-ff\"", tag, false));
    assert_false(file_range_has_tag("\"10-77359400-fff\"", tag, false));
    assert_false(file_range_has_tag("", tag, false));
    assert_false(file_range_has_tag(NULL, tag, false));
    file_range_tag(&file, 2050000000, tag);
    assert_true(file_range_has_tag(tag, tag, false));
    assert_false(file_range_has_tag(tag, tag, true));
}

static void test_dates(void **state)
{
    char text[FILE_DATE_BYTES];
    (void)state;
    file_range_date(INT64_C(784111777) * 1000000000 + 5, text);
    assert_string_equal(text, "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_int_equal(file_range_parse_date(text), 784111777);
    assert_int_equal(file_range_parse_date("Sunday, 06-Nov-94 08:49:37 GMT"), -1);
    assert_int_equal(file_range_parse_date("Sun, 06 Nov 1994 08:49:37 GMT+1"), -1);
    assert_int_equal(file_range_parse_date(""), -1);
    assert_int_equal(file_range_parse_date(NULL), -1);
}

static void expect_path(const char *path, bool good)
{
    const char *fault = file_path_fault(path, strlen(path), false);
    if (good != (fault == NULL))
        fail_msg("'%s': %s", path, fault != NULL ? fault : "no fault");
}

static void test_paths(void **state)
{
    static const char *const good[] = {"a", "a/b", "a b", "...", "..a", "a..", ".a/.b", "\xc3\xa9", "a\nb", "a\\b", "~", "-"};
    static const char *const bad[]  = {"",     "/",     "/a",     "a/",   "a//b",          ".",        "..",
                                       "./a",  "a/.",   "a/../b", "../a", "\xff",          "a/\xc3/b", ".penny-upload-1",
                                       "a/..", "a/./b", "a/b/..", "//",   ".penny-upload-"};
    char                     path[FILE_PATH_BYTES + 2];
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        expect_path(good[i], true);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_path(bad[i], false);
    assert_null(file_path_fault("", 0, true));
    assert_non_null(file_path_fault("a\0b", 3, false));
    memset(path, 'a', sizeof path);
    assert_null(file_path_fault(path, 255, false));
    assert_non_null(file_path_fault(path, 256, false));
    for (size_t i = 200; i < sizeof path; i += 200)
        path[i] = '/';
    assert_null(file_path_fault(path, FILE_PATH_BYTES - 1, false));
    assert_non_null(file_path_fault(path, FILE_PATH_BYTES, false));
    assert_true(file_path_join("", "a", path));
    assert_string_equal(path, "a");
    assert_true(file_path_join("d/e", "a", path));
    assert_string_equal(path, "d/e/a");
    assert_string_equal(file_path_name(path), "a");
}

static bool lets_in(const char *path, json_t *allowed, json_t *blocked, json_t *hidden)
{
    struct file_rules rules = {.allowed = {allowed}, .blocked = {NULL, blocked}, .hidden = hidden, .refuses_hidden = hidden != NULL};
    return file_rules_fault(&rules, path) == NULL;
}

static void test_types(void **state)
{
    json_t *allowed = json_pack("[s, s]", ".csv", ".txt"), *blocked = json_pack("[s, s]", ".exe", ".tar.gz");
    (void)state;
    assert_true(lets_in("x", NULL, NULL, NULL));
    assert_true(lets_in("d.exe/x.CSV", allowed, blocked, NULL));
    assert_false(lets_in("x", allowed, NULL, NULL));
    assert_false(lets_in("x.csv/y", allowed, NULL, NULL));
    assert_false(lets_in("a.Exe", NULL, blocked, NULL));
    assert_false(lets_in("a.tar.gz", NULL, blocked, NULL));
    assert_true(lets_in("a.gz", NULL, blocked, NULL));
    json_decref(allowed);
    json_decref(blocked);
}

static void test_hidden(void **state)
{
    json_t           *hidden = json_pack("[s, s]", ".*", "_*");
    struct file_rules rules  = {.hidden = hidden, .keeps_hidden = true};
    (void)state;
    assert_false(lets_in(".x", NULL, NULL, hidden));
    assert_false(lets_in("a/_b/c", NULL, NULL, hidden));
    assert_true(lets_in("a.b/c_d", NULL, NULL, hidden));
    assert_true(file_rules_hide(&rules, "a/.b/c"));
    assert_false(file_rules_hide(&rules, "a/b"));
    assert_false(file_rules_hide(&rules, ""));
    rules.keeps_hidden = false;
    assert_false(file_rules_hide(&rules, ".a"));
    json_decref(hidden);
}

static void expect_artifacts(const char *sent, const char *wanted, size_t room)
{
    json_t      *json = sent != NULL ? json_loads(sent, JSON_DECODE_ANY, NULL) : NULL;
    uint64_t     omitted;
    json_t      *artifacts = artifacts_read(json, &omitted);
    struct bytes out       = {0};
    assert_true(artifacts_write(&out, artifacts, omitted, room));
    assert_true(bytes_append(&out, "", 1));
    assert_string_equal(out.data, wanted);
    bytes_done(&out);
    json_decref(artifacts);
    json_decref(json);
}

static void test_artifacts(void **state)
{
    static const char two[] = "[{\"path\":\"a\",\"size\":1,\"mime\":\"a/b\"},{\"path\":\"b\",\"size\":2,\"mime\":\"a/b\"}]";
    json_t           *many  = json_array(), *artifacts;
    uint64_t          omitted;
    (void)state;
    expect_artifacts(NULL, ",\"artifacts\":[]", SIZE_MAX);
    expect_artifacts("3", ",\"artifacts\":[]", SIZE_MAX);
    expect_artifacts("[1, null, [], {}, {\"path\":\"../a\",\"size\":1}, {\"path\":\"a\",\"size\":-1}, {\"path\":\"a\",\"size\":\"1\"}]",
                     ",\"artifacts\":[]", SIZE_MAX);
    expect_artifacts(two, ",\"artifacts\":[{\"path\":\"a\",\"size\":1,\"mime\":\"a/b\"},{\"path\":\"b\",\"size\":2,\"mime\":\"a/b\"}]",
                     SIZE_MAX);
    expect_artifacts(two, ",\"artifacts\":[{\"path\":\"a\",\"size\":1,\"mime\":\"a/b\"}],\"artifactsOmitted\":1", 40);
    expect_artifacts(two, ",\"artifacts\":[],\"artifactsOmitted\":2", 3);
    expect_artifacts("[{\"path\":\"a\",\"size\":1,\"mime\":\"text/html; x\\r\\n\"}]",
                     ",\"artifacts\":[{\"path\":\"a\",\"size\":1,\"mime\":\"application/octet-stream\"}]", SIZE_MAX);
    for (int i = 0; i < ARTIFACTS_MAX + 7; i++)
        json_array_append_new(many, json_pack("{s:s, s:i, s:s}", "path", "a", "size", i, "mime", "a/b"));
    artifacts = artifacts_read(many, &omitted);
    assert_int_equal(json_array_size(artifacts), ARTIFACTS_MAX);
    assert_int_equal(omitted, 7);
    json_decref(artifacts);
    json_decref(many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges), cmocka_unit_test(test_tags),   cmocka_unit_test(test_dates),     cmocka_unit_test(test_paths),
        cmocka_unit_test(test_types),  cmocka_unit_test(test_hidden), cmocka_unit_test(test_artifacts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
