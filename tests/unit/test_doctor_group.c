#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "doctor_group.h"

static char place[64], groups[128];

static void write_text(const char *name, const char *text)
{
    char  path[512];
    FILE *file;
    (void)snprintf(path, sizeof path, "%s/%s", place, name);
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0755);
        *slash = '/';
    }
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int make_place(void **state)
{
    (void)state;
    strcpy(place, "/tmp/penny-group-XXXXXX");
    if (mkdtemp(place) == NULL)
        return -1;
    (void)snprintf(groups, sizeof groups, "%s/groups", place);
    return 0;
}

static int remove_place(void **state)
{
    char command[128];
    (void)state;
    (void)snprintf(command, sizeof command, "rm -rf '%s'", place);
    return system(command);
}

static void test_version_2_from_the_group_upwards(void **state)
{
    (void)state;
    write_text("groups", "0::/system.slice/penny.service\n");
    write_text("system.slice/penny.service/memory.max", "max\n");
    write_text("system.slice/penny.service/pids.max", "900\n");
    write_text("system.slice/memory.max", "4294967296\n");
    write_text("system.slice/pids.max", "1000\n");
    assert_int_equal(doctor_group_memory(groups, place), INT64_C(4294967296));
    assert_int_equal(doctor_group_processes(groups, place), 900);
}

static void test_a_container_sees_its_own_group_as_the_root(void **state)
{
    (void)state;
    write_text("groups", "0::/\n");
    write_text("memory.max", "1073741824\n");
    assert_int_equal(doctor_group_memory(groups, place), 1 << 30);
    assert_int_equal(doctor_group_processes(groups, place), INT64_MAX);
}

static void test_version_1_where_the_mount_shows_less_than_the_path_says(void **state)
{
    (void)state;
    write_text("groups", "5:cpu,memory,x:/docker/abc\n3:pids:/docker/abc\n2:xmemory:/\n0::/\n");
    write_text("memory/memory.limit_in_bytes", "2147483648\n");
    write_text("pids/docker/abc/pids.max", "max\n");
    write_text("pids/docker/pids.max", "77\n");
    assert_int_equal(doctor_group_memory(groups, place), INT64_C(2147483648));
    assert_int_equal(doctor_group_processes(groups, place), 77);
}

static void test_nothing_to_read_is_no_limit(void **state)
{
    (void)state;
    assert_int_equal(doctor_group_memory(groups, place), INT64_MAX);
    write_text("groups", "rubbish\n7\n0::\n::\n");
    assert_int_equal(doctor_group_memory(groups, place), INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_version_2_from_the_group_upwards, make_place, remove_place),
        cmocka_unit_test_setup_teardown(test_a_container_sees_its_own_group_as_the_root, make_place, remove_place),
        cmocka_unit_test_setup_teardown(test_version_1_where_the_mount_shows_less_than_the_path_says, make_place, remove_place),
        cmocka_unit_test_setup_teardown(test_nothing_to_read_is_no_limit, make_place, remove_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
