/* The proxy's request heads, and the policy's judgement of hosts and addresses. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "egress_head.h"
#include "policy_network.h"

#define TOKEN "0123456789abcdef0123456789abcdef"
#define BASIC "cGVubnk6MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

static struct policy_network network;

static void load(const char *section)
{
    struct policy_file file;
    struct err         err = {0};
    char               text[1024];
    (void)snprintf(text, sizeof text, "{\"network\": %s}", section);
    policy_network_done(&network);
    memset(&network, 0, sizeof network);
    assert_int_equal(policy_file_parse(&file, "x", text, strlen(text), &err), 0);
    if (policy_network_read(&network, &file, &err) != 0)
        fail_msg("%s", err.message);
    policy_file_done(&file);
}

static void test_connect(void **state)
{
    static const char  text[] = "CONNECT Example.ORG.:8443 HTTP/1.1\r\nHost: x\r\nProxy-Authorization: basic " BASIC "\r\n\r\nrest";
    struct egress_head head;
    (void)state;
    assert_int_equal(egress_head_parse(text, sizeof text - 1, &head), sizeof text - 5);
    assert_true(head.is_connect);
    assert_string_equal(head.host, "example.org");
    assert_int_equal(head.port, 8443);
    assert_string_equal(head.token, TOKEN);
    assert_int_equal(head.forward.length, 0);
    egress_head_done(&head);
}

static void test_plain(void **state)
{
    static const char text[] = "GET http://a.test:81?q=1 HTTP/1.0\r\nHost: evil\r\nProxy-: a\r\nProxy-Authorization: Basic " BASIC
                               "\r\nX: y\r\nConnection: keep-alive\r\nUpgrade: h2c\r\n\r\n";
    static const char  expected[] = "GET /?q=1 HTTP/1.1\r\nHost: a.test:81\r\nX: y\r\nConnection: close\r\n\r\n";
    struct egress_head head;
    (void)state;
    assert_int_equal(egress_head_parse(text, sizeof text - 1, &head), sizeof text - 1);
    assert_false(head.is_connect);
    assert_int_equal(head.port, 81);
    assert_string_equal(head.token, TOKEN);
    assert_int_equal(head.forward.length, sizeof expected - 1);
    assert_memory_equal(head.forward.data, expected, sizeof expected - 1);
    egress_head_done(&head);
}

/* Byte by byte: nothing until it is whole, whatever the point it is cut at. */
static void test_cut_anywhere(void **state)
{
    static const char  text[] = "GET http://[::1]/x HTTP/1.1\r\nA: b\r\n\r\n";
    struct egress_head head;
    (void)state;
    for (size_t length = 0; length < sizeof text - 1; length++) {
        char *copy = malloc(length + 1); /* of this size, so that a read beyond it is seen */
        memcpy(copy, text, length);
        assert_int_equal(egress_head_parse(copy, length, &head), 0);
        free(copy);
    }
    assert_int_equal(egress_head_parse(text, sizeof text - 1, &head), sizeof text - 1);
    assert_string_equal(head.host, "[::1]");
    egress_head_done(&head);
}

static void test_wrong_heads(void **state)
{
    static const char *const heads[] = {"GET / HTTP/1.1",
                                        "CONNECT a.test..:44 HTTP/1.1",
                                        "CONNECT a..test:44 HTTP/1.1",
                                        "GET  http://a/ HTTP/1.1",
                                        "GET http://a/ HTTP/2.0",
                                        "GET http://a/",
                                        "CONNECT a HTTP/1.1",
                                        "CONNECT :1 HTTP/1.1",
                                        "CONNECT a:0 HTTP/1.1",
                                        "CONNECT a:65536 HTTP/1.1",
                                        "CONNECT a:1x HTTP/1.1",
                                        "CONNECT http://a:1 HTTP/1.1",
                                        "GET https://a/ HTTP/1.1",
                                        "GET http://u@a/ HTTP/1.1",
                                        "GET http:///x HTTP/1.1",
                                        "GET http://[::1/ HTTP/1.1",
                                        "GET http://a]/ HTTP/1.1",
                                        "G@T http://a/ HTTP/1.1",
                                        "GET http://a/ HTTP/1.1\r\n: x",
                                        "GET http://a/ HTTP/1.1\r\nA b: x",
                                        "GET http://a/ HTTP/1.1\r\n A: x",
                                        "GET http://a/ HTTP/1.1\r\nA: x\ny: z",
                                        "GET http://a/ HTTP/1.1\r\nA",
                                        "GET http://a%00b/ HTTP/1.1",
                                        "GET http://a\tb/ HTTP/1.1"};
    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        struct egress_head head;
        char               text[200];
        int                n = snprintf(text, sizeof text, "%s\r\n\r\n", heads[i]);
        if (egress_head_parse(text, (size_t)n, &head) != -1)
            fail_msg("taken: %s", heads[i]);
    }
}

static void test_wrong_tokens(void **state)
{
    static const char *const values[] = {
        "Basic",      "Basic x",   ("Bearer " BASIC), "Basic cGVubnk6", "Basic cGVubnk6MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYw",
        "Basic ====", "Basic AAAA"};
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct egress_head head;
        char               text[300];
        int                n = snprintf(text, sizeof text, "CONNECT a:1 HTTP/1.1\r\nProxy-Authorization: %s\r\n\r\n", values[i]);
        assert_int_equal(egress_head_parse(text, (size_t)n, &head), n);
        assert_string_equal(head.token, "");
        egress_head_done(&head);
    }
}

static void test_hosts(void **state)
{
    (void)state;
    load("{\"enabled\": true, \"allowedDomains\": [\"A.test\", \"*.b.test\", \"c.test:22\"], \"blockedDomains\": [\"*\", \"x.b.test\"], "
         "\"allowedPorts\": [443]}");
    assert_true(policy_network_allows(&network, "a.test", 443));
    assert_false(policy_network_allows(&network, "a.test", 80));
    assert_false(policy_network_allows(&network, "sub.a.test", 443));
    assert_true(policy_network_allows(&network, "y.z.b.test", 443));
    assert_false(policy_network_allows(&network, "b.test", 443));
    assert_false(policy_network_allows(&network, "evilb.test", 443));
    assert_false(policy_network_allows(&network, "x.b.test", 443));
    assert_true(policy_network_allows(&network, "c.test", 22));
    assert_false(policy_network_allows(&network, "c.test", 443));
    load("{\"enabled\": true}");
    assert_false(policy_network_allows(&network, "a.test", 443));
}

static bool allows(const char *text)
{
    struct sockaddr_in  four = {.sin_family = AF_INET};
    struct sockaddr_in6 six  = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &four.sin_addr) == 1)
        return policy_network_allows_address(&network, (struct sockaddr *)&four);
    assert_int_equal(inet_pton(AF_INET6, text, &six.sin6_addr), 1);
    return policy_network_allows_address(&network, (struct sockaddr *)&six);
}

static void test_addresses(void **state)
{
    static const char *const inner[] = {"0.0.0.0",
                                        "10.1.2.3",
                                        "100.64.0.1",
                                        "100.127.255.255",
                                        "127.0.0.1",
                                        "169.254.169.254",
                                        "172.16.0.1",
                                        "172.31.255.255",
                                        "192.0.2.1",
                                        "192.168.1.1",
                                        "198.19.0.1",
                                        "224.0.0.1",
                                        "255.255.255.255",
                                        "::",
                                        "::1",
                                        "fe80::1",
                                        "fc00::1",
                                        "ff02::1",
                                        "2001:db8::1",
                                        "2002::1",
                                        "2001::1",
                                        "::ffff:10.0.0.1",
                                        "::ffff:127.0.0.1",
                                        "64:ff9b::a00:1",
                                        "::7f00:1"};
    static const char *const outer[] = {"1.1.1.1",     "100.63.0.1",      "100.128.0.1",  "172.15.0.1", "172.32.0.1",
                                        "192.167.1.1", "223.255.255.255", "2606:4700::1", "2a00::1",    "::ffff:1.1.1.1"};
    (void)state;
    load("{\"enabled\": true}");
    for (size_t i = 0; i < sizeof inner / sizeof *inner; i++)
        if (allows(inner[i]))
            fail_msg("allowed: %s", inner[i]);
    for (size_t i = 0; i < sizeof outer / sizeof *outer; i++)
        if (!allows(outer[i]))
            fail_msg("refused: %s", outer[i]);
    load("{\"enabled\": true, \"allowedAddresses\": [\"10.1.0.0/16\", \"::1\", \"192.168.3.128/25\"]}");
    assert_true(allows("10.1.255.1") && allows("::1") && allows("192.168.3.200") && allows("::ffff:10.1.0.1"));
    assert_false(allows("10.2.0.1") || allows("192.168.3.1") || allows("127.0.0.1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_connect),      cmocka_unit_test(test_plain),
                                       cmocka_unit_test(test_cut_anywhere), cmocka_unit_test(test_wrong_heads),
                                       cmocka_unit_test(test_wrong_tokens), cmocka_unit_test(test_hosts),
                                       cmocka_unit_test(test_addresses)};
    int                     failed  = cmocka_run_group_tests(tests, NULL, NULL);
    policy_network_done(&network);
    return failed;
}
