/* What the installer's process says is taken for nothing more than it may be: here it lies, cuts its lines anywhere, or says nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fdio.h"
#include "installation.h"
#include "installer.h"
#include "supervisor_wire.h"

#define LAYER                                                                                                                              \
    "{\"name\":\"a\",\"version\":\"1.0\",\"layer\":\"%s\",\"topLevel\":[\"%s\"],\"requires\":[],\"size\":1,\"requested\":true,"            \
    "\"summary\":\"\"}"
#define RESOLVED  "P{\"event\":\"resolved\",\"satisfied\":[],\"packages\":[" LAYER "]}\n"
#define PUBLISHED "M{\"event\":\"published\",\"message\":\"\"}\n"

static struct event_base   *base;
static struct installation *installation;
static int                  supervisor[2], theirs;
static unsigned             ends, progresses;
static json_t              *layers, *failures;

static void on_progress(const json_t *progress, void *arg)
{
    (void)arg;
    assert_true(json_is_object(progress));
    progresses++;
}

static void on_end(const json_t *l, const json_t *satisfied, const json_t *f, void *arg)
{
    (void)arg;
    assert_true((l == NULL) == (satisfied == NULL));
    assert_true((l == NULL) == (f != NULL));
    layers   = json_deep_copy(l);
    failures = json_deep_copy(f);
    ends++;
}

static int set_up(void **state)
{
    static const struct installation_events events = {on_progress, on_end};
    struct supervisor_packet                packet;
    struct err                              err = {0};
    int                                     fds[2];
    size_t                                  count = 2;
    char                                    text[64];
    json_t                                 *job = json_pack("{s:s}", "requirements", "x");

    (void)state;
    ends = progresses = 0;
    layers = failures = NULL;
    base              = event_base_new();
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, supervisor), 0);
    installation = installation_start(base, supervisor[0], job, &events, NULL, &err);
    json_decref(job);
    assert_non_null(installation);
    assert_int_equal(fdio_receive(supervisor[1], &packet, sizeof packet, fds, &count), sizeof packet);
    assert_int_equal(packet.type, SUPERVISOR_INSTALL);
    assert_int_equal(count, 2);
    assert_true(pread(fds[1], text, sizeof text, 0) > 0); /* the job, as it is */
    assert_memory_equal(text, "{\"requirements\":\"x\"}", 20);
    close(fds[1]);
    theirs = fds[0];
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    installation_free(installation);
    if (theirs >= 0)
        close(theirs);
    close(supervisor[0]);
    close(supervisor[1]);
    json_decref(layers);
    json_decref(failures);
    event_base_free(base);
    return 0;
}

static void turn(void)
{
    for (int i = 0; i < 4; i++)
        (void)event_base_loop(base, EVLOOP_NONBLOCK);
}

static void say(const char *text)
{
    assert_int_equal(send(theirs, text, strlen(text), MSG_NOSIGNAL), strlen(text));
    turn();
}

static void hang_up(void)
{
    close(theirs);
    theirs = -1;
    turn();
    assert_int_equal(ends, 1);
}

static void say_layer(const char *layer, const char *module)
{
    char text[1024];
    (void)snprintf(text, sizeof text, RESOLVED, layer, module);
    say(text);
}

static void test_it_went_well(void **state)
{
    static const char progress[] = "P{\"event\":\"progress\",\"phase\":\"resolving\"}\n";
    (void)state;
    for (size_t i = 0; i < sizeof progress - 1; i++) {
        char one[2] = {progress[i], '\0'};
        say(one);
    }
    assert_int_equal(progresses, 1);
    say_layer("a-1.0", "a");
    say(PUBLISHED);
    hang_up();
    assert_int_equal(json_array_size(layers), 1);
}

static void failed(const char *part)
{
    hang_up();
    assert_null(layers);
    assert_non_null(strstr(json_string_value(json_object_get(json_array_get(failures, 0), "error")), part));
}

static void test_it_says_nothing(void **state)
{
    (void)state;
    failed("without a result");
}

static void test_layers_that_nobody_has_published(void **state)
{
    (void)state;
    say_layer("a-1.0", "a");
    say("P{\"event\":\"published\",\"message\":\"\"}\n"); /* not its to say */
    failed("without a result");
}

static void test_layers_with_a_path(void **state)
{
    (void)state;
    say_layer("../../etc", "a");
    say(PUBLISHED);
    failed("without a result");
}

static void test_modules_that_are_none(void **state)
{
    (void)state;
    say_layer("a-1.0", "a.b/c");
    say(PUBLISHED);
    failed("without a result");
}

static void test_a_reason(void **state)
{
    (void)state;
    say_layer("a-1.0", "a");
    say("M{\"event\":\"failed\",\"message\":\"it took too long\"}\n");
    failed("too long");
}

static void test_reasons_of_the_worker(void **state)
{
    (void)state;
    say("P{\"event\":\"failed\",\"failures\":[{\"package\":\"a\",\"error\":\"not there\"}]}\nM{\"event\":\"failed\",\"message\":\"\"}\n");
    failed("not there");
}

static void test_nonsense(void **state)
{
    (void)state;
    say("\n\nP\nM\nX{}\nP{\nM[]\nP{\"event\":5}\nP{\"event\":\"resolved\"}\nP{\"event\":\"resolved\",\"packages\":[5],\"satisfied\":[]}\nP{"
        "\"event\":\"failed\",\"failures\":[]}\n");
    assert_int_equal(ends, 0);
    failed("without a result");
}

static void test_a_line_without_an_end(void **state)
{
    char text[4097];
    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (size_t sent = 0; sent <= INSTALLER_LINE_MAX + sizeof text && ends == 0; sent += sizeof text - 1)
        say(text);
    assert_int_equal(ends, 1);
    assert_null(layers);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {TEST(test_it_went_well),
                                       TEST(test_it_says_nothing),
                                       TEST(test_layers_that_nobody_has_published),
                                       TEST(test_layers_with_a_path),
                                       TEST(test_modules_that_are_none),
                                       TEST(test_a_reason),
                                       TEST(test_reasons_of_the_worker),
                                       TEST(test_nonsense),
                                       TEST(test_a_line_without_an_end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
