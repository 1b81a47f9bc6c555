/* What an installation leaves: plain trees are put among the layers, anything else is refused whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "installer_layers.h"
#include "package_dir.h"

static char               place[300], path[700];
static struct package_dir dir = PACKAGE_DIR_INIT;
static struct err         err;

static const char *at(const char *name)
{
    (void)snprintf(path, sizeof path, "%s/%s", place, name);
    return path;
}

static const char *published(const char *name)
{
    (void)snprintf(path, sizeof path, "%s/layers/%s", dir.path, name);
    return path;
}

static void put(const char *name, size_t bytes)
{
    FILE *file = fopen(at(name), "w");
    assert_non_null(file);
    for (size_t i = 0; i < bytes; i++)
        fputc('x', file);
    fclose(file);
}

static int set_up(void **state)
{
    (void)state;
    memset(&err, 0, sizeof err);
    assert_int_equal(package_dir_make(&dir, "", &err), 0);
    (void)snprintf(place, sizeof place, "%s/staging/one", dir.path);
    assert_int_equal(mkdir(place, 0700) | mkdir(at("layers"), 0700) | mkdir(at("layers/a-1.0"), 0700), 0);
    put("layers/a-1.0/a.py", 10);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    package_dir_remove(&dir);
    return 0;
}

static void test_a_plain_tree(void **state)
{
    struct stat st;
    (void)state;
    assert_int_equal(chmod(at("layers/a-1.0/a.py"), 04777), 0);
    assert_true(installer_layers_bytes(place) > 0);
    assert_int_equal(installer_layers_publish(place, dir.path, 100, 1 << 20, &err), 0);
    assert_int_equal(stat(published("a-1.0/a.py"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
    assert_int_equal(stat(published("a-1.0"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0755);
}

static void test_the_first_of_a_name_stays(void **state)
{
    struct stat st;
    (void)state;
    assert_int_equal(installer_layers_publish(place, dir.path, 100, 1 << 20, &err), 0);
    assert_int_equal(mkdir(at("layers/a-1.0"), 0700), 0);
    put("layers/a-1.0/a.py", 20);
    assert_int_equal(installer_layers_publish(place, dir.path, 100, 1 << 20, &err), 0);
    assert_int_equal(stat(published("a-1.0/a.py"), &st), 0);
    assert_int_equal(st.st_size, 10);
}

static void refused(void)
{
    assert_int_equal(installer_layers_publish(place, dir.path, 100, 1 << 20, &err), -1);
    assert_int_not_equal(err.message[0], '\0');
    assert_int_equal(access(published("a-1.0"), F_OK), -1);
}

static void test_too_much(void **state)
{
    (void)state;
    put("layers/a-1.0/b.py", 91);
    refused();
}

static void test_too_much_in_all(void **state)
{
    (void)state;
    assert_int_equal(installer_layers_publish(place, dir.path, 100, 12, &err), -1); /* the directories count, too */
    assert_int_equal(access(published("a-1.0"), F_OK), -1);
}

static void test_a_link(void **state)
{
    (void)state;
    assert_int_equal(symlink("/etc/passwd", at("layers/a-1.0/b.py")), 0);
    refused();
}

static void test_a_second_name_of_a_file(void **state)
{
    char first[700];
    (void)state;
    (void)snprintf(first, sizeof first, "%s/layers/a-1.0/a.py", place);
    assert_int_equal(link(first, at("kept")), 0);
    refused();
}

static void test_a_pipe(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(at("layers/a-1.0/b"), 0600), 0);
    refused();
}

static void test_a_name_that_is_no_layers(void **state)
{
    (void)state;
    assert_int_equal(mkdir(at("layers/.hidden"), 0700), 0);
    refused();
}

static void test_nothing_at_all(void **state)
{
    (void)state;
    package_dir_remove_tree(at("layers"));
    assert_int_equal(installer_layers_publish(place, dir.path, 100, 1 << 20, &err), 0);
}

static void test_what_a_killed_service_has_left(void **state)
{
    struct package_dir other = PACKAGE_DIR_INIT, third = PACKAGE_DIR_INIT;
    (void)state;
    assert_int_equal(package_dir_make(&other, "", &err), 0);
    assert_int_equal(access(dir.path, F_OK), 0); /* it lives */
    assert_int_equal(close(other.lock_fd), 0);   /* as its end would */
    assert_int_equal(package_dir_make(&third, "", &err), 0);
    assert_int_equal(access(other.path, F_OK), -1);
    package_dir_remove(&third);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {TEST(test_a_plain_tree),
                                       TEST(test_the_first_of_a_name_stays),
                                       TEST(test_too_much),
                                       TEST(test_too_much_in_all),
                                       TEST(test_a_link),
                                       TEST(test_a_second_name_of_a_file),
                                       TEST(test_a_pipe),
                                       TEST(test_a_name_that_is_no_layers),
                                       TEST(test_what_a_killed_service_has_left),
                                       TEST(test_nothing_at_all)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
