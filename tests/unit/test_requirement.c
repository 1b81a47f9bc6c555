/* What a client may write for a package: names, extras and specifiers in every spelling; and nothing that could mean more than that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "requirement.h"

static void test_right_ones(void **state)
{
    static const char *const cases[][4] = {
        {"numpy", "numpy", "", ""},
        {"  Ruamel.YAML  ", "ruamel-yaml", "", ""},
        {"a__b--c..d", "a-b-c-d", "", ""},
        {"x2", "x2", "", ""},
        {"uvicorn[standard]", "uvicorn", "standard", ""},
        {"a [ B_c , d ] >= 1 , < 2", "a", "b-c,d", ">=1,<2"},
        {"p==1.0.post1+local", "p", "", "==1.0.post1+local"},
        {"p==1.*", "p", "", "==1.*"},
        {"p~=1.4,!=1.4.2", "p", "", "~=1.4,!=1.4.2"},
        {"p>1!2.0", "p", "", ">1!2.0"},
    };
    struct requirement read;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(requirement_parse(cases[i][0], &read));
        assert_string_equal(read.name, cases[i][1]);
        assert_string_equal(read.extras, cases[i][2]);
        assert_string_equal(read.specifier, cases[i][3]);
    }
}

static void test_wrong_ones(void **state)
{
    static const char *const cases[] = {"",      " ",     "-r",    "--pre",     "-e .",  ".",       "a/b",    "/a",     "a b",    "a@b",
                                        "a @ b", "a;b",   "a==",   "a=1",       "a===1", "a>=1 <2", "a>=1,",  "a,b",    "a[",     "a[]",
                                        "a[b",   "a[b]]", "a[b,]", "a==1/2",    "a==-1", "a==$x",   "a==1\n", "a\n",    "a\t",    "_a",
                                        "a_",    "a-",    "a.",    "p\xc3\xa9", "a%20b", "a'",      "a\"",    "a(>=1)", "a>=1;x", "a==1#x"};
    struct requirement       read;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (requirement_parse(cases[i], &read))
            fail_msg("'%s' was taken", cases[i]);
}

static void test_lengths(void **state)
{
    char               text[400];
    struct requirement read;
    (void)state;
    memset(text, 'a', sizeof text);
    text[REQUIREMENT_NAME_BYTES - 1] = '\0';
    assert_true(requirement_parse(text, &read));
    text[REQUIREMENT_NAME_BYTES - 1] = 'a';
    text[REQUIREMENT_NAME_BYTES]     = '\0';
    assert_false(requirement_parse(text, &read));
    memset(text, '1', sizeof text);
    memcpy(text, "a==", 3);
    text[sizeof text - 1] = '\0';
    assert_false(requirement_parse(text, &read));
}

static void test_words(void **state)
{
    char name[REQUIREMENT_NAME_BYTES];
    (void)state;
    assert_true(requirement_is_word("penny-good-1.0+x"));
    assert_false(requirement_is_word(""));
    assert_false(requirement_is_word("."));
    assert_false(requirement_is_word(".."));
    assert_false(requirement_is_word("a/b"));
    assert_false(requirement_is_word("a b"));
    assert_true(requirement_name("A_b", name));
    assert_string_equal(name, "a-b");
    assert_false(requirement_name("a==1", name));
}

static void test_met_plainly(void **state)
{
    struct requirement read;
    (void)state;
    assert_true(requirement_parse("a", &read) && requirement_is_met_plainly(&read, "1.0"));
    assert_true(requirement_parse("a == 1.0", &read) && requirement_is_met_plainly(&read, "1.0"));
    assert_true(requirement_parse("a==1", &read) && !requirement_is_met_plainly(&read, "1.0"));
    assert_true(requirement_parse("a>=1", &read) && !requirement_is_met_plainly(&read, "1.0"));
    assert_true(requirement_parse("a[x]", &read) && !requirement_is_met_plainly(&read, "1.0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_right_ones), cmocka_unit_test(test_wrong_ones), cmocka_unit_test(test_lengths),
                                       cmocka_unit_test(test_words), cmocka_unit_test(test_met_plainly)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
