/* What init does with the session's files: in a directory with every kind of entry, outside of which lies what must not be reached. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "init_file.h"

static char                      top[64];
static struct init_file          files;
static struct control_file       request;
static struct control_file_reply reply;
static int                       fd, list_fd;

static void make(const char *path, const char *text)
{
    int made = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(made >= 0);
    assert_int_equal(write(made, text, strlen(text)), strlen(text));
    close(made);
}

static int set_up_with(bool by_parts)
{
    strcpy(top, "/tmp/penny-init-file-XXXXXX");
    assert_non_null(mkdtemp(top));
    assert_int_equal(chdir(top), 0);
    make("secret", "secret");
    assert_int_equal(mkdir("outside", 0755) | mkdir("w", 0755) | mkdir("w/d", 0755) | mkdir("w/d/e", 0755), 0);
    make("outside/secret", "secret");
    make("w/a", "hello");
    make("w/d/b", "below");
    assert_int_equal(symlink("a", "w/near") | symlink("d", "w/dir") | symlink("../secret", "w/up") | symlink("/etc/passwd", "w/far") |
                         symlink("..", "w/above") | symlink("nothing", "w/dangling") | symlink("loop", "w/loop") |
                         symlink("../../secret", "w/d/up"),
                     0);
    assert_int_equal(mkfifo("w/fifo", 0644), 0);
    list_fd = memfd_create("list", MFD_CLOEXEC);
    assert_int_equal(ftruncate(list_fd, FILE_LIST_BYTES), 0);
    init_file_init(&files, "w", false);
    files.by_parts = by_parts;
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    return set_up_with(false);
}

static int set_up_by_parts(void **state)
{
    (void)state;
    return set_up_with(true);
}

static int tear_down(void **state)
{
    char command[256];
    (void)state;
    close(files.workspace_fd);
    close(list_fd);
    assert_int_equal(chdir("/"), 0);
    (void)snprintf(command, sizeof command, "chmod -R u+rwx %s; rm -rf %s", top, top);
    return system(command);
}

/* Returns the error; the reply and fd are there to be looked at. */
static int ask(enum control_file_operation operation, const char *path, const char *other, unsigned flags)
{
    memset(&request, 0, sizeof request);
    request = (struct control_file){.type      = CONTROL_FILE,
                                    .request   = 7,
                                    .operation = operation,
                                    .flags     = flags,
                                    .mode      = operation == FILE_CREATE ? 0644 : 0755,
                                    .depth     = 1};
    strncpy(request.path, path, sizeof request.path - 1);
    strncpy(request.other, other, sizeof request.other - 1);
    init_file_do(&files, &request, operation == FILE_LIST ? list_fd : -1, &reply, &fd);
    assert_int_equal(reply.type, CONTROL_FILE_REPLY);
    assert_int_equal(reply.request, 7);
    assert_true(reply.error == 0 || fd == -1);
    return reply.error;
}

static void expect_text(const char *path, const char *text)
{
    char got[64] = "";
    assert_int_equal(ask(FILE_OPEN, path, "", 0), 0);
    assert_int_equal(reply.size, strlen(text));
    assert_true(S_ISREG(reply.mode));
    assert_int_equal(read(fd, got, sizeof got - 1), strlen(text));
    assert_string_equal(got, text);
    assert_int_equal(write(fd, "x", 1), -1);
    close(fd);
}

static void test_open(void **state)
{
    (void)state;
    expect_text("a", "hello");
    expect_text("d/b", "below");
    assert_int_equal(ask(FILE_OPEN, "d", "", 0), EISDIR);
    assert_int_equal(ask(FILE_OPEN, "fifo", "", 0), ENXIO);
    assert_int_equal(ask(FILE_OPEN, "nothing", "", 0), ENOENT);
    assert_int_equal(ask(FILE_OPEN, "no/thing", "", 0), ENOENT);
    assert_int_equal(ask(FILE_OPEN, "a/b", "", 0), ENOTDIR);
}

static void test_links_within_are_followed(void **state)
{
    (void)state;
    expect_text("near", "hello");
    expect_text("dir/b", "below");
}

static void test_links_are_not_followed_by_parts(void **state)
{
    (void)state;
    assert_int_equal(ask(FILE_OPEN, "near", "", 0), ELOOP);
    assert_int_equal(ask(FILE_OPEN, "dir/b", "", 0), ENOTDIR);
}

static void test_nothing_outside_is_reached(void **state)
{
    static const char *const ways[] = {"up", "far", "above", "above/secret", "above/w/a", "d/up", "loop", "above/outside/secret"};
    (void)state;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        assert_int_not_equal(ask(FILE_OPEN, ways[i], "", 0), 0);
        assert_int_not_equal(ask(FILE_LIST, ways[i], "", 0), 0);
        if (strchr(ways[i], '/') != NULL && ways[i][0] == 'a') {
            assert_int_not_equal(ask(FILE_STAT, ways[i], "", 0), 0);
            assert_int_not_equal(ask(FILE_REMOVE, ways[i], "", FILE_TREE), 0);
            assert_int_not_equal(ask(FILE_RENAME, "a", ways[i], 0), 0);
            assert_int_not_equal(ask(FILE_RENAME, ways[i], "taken", 0), 0);
        }
    }
    assert_int_not_equal(ask(FILE_CREATE, "above/new", "", 0), 0);
    assert_int_not_equal(ask(FILE_MKDIR, "above/new/er", "", FILE_PARENTS), 0);
    assert_int_not_equal(ask(FILE_RENAME, "a", "above/x/y", FILE_PARENTS), 0);
    assert_int_equal(access("secret", F_OK) | access("outside/secret", F_OK) | access("w/a", F_OK), 0);
    assert_int_equal(access("new", F_OK), -1);
    assert_int_equal(access("x", F_OK), -1);
}

static void test_paths_that_are_none(void **state)
{
    static const char *const paths[] = {"..", "../secret", "/etc/passwd", "/", "a/", "d//b", "./a", "d/../a", "d/.", ".", "d/..", "//a"};
    static const enum control_file_operation all[] = {FILE_STAT,  FILE_OPEN,   FILE_CREATE, FILE_RENAME,
                                                      FILE_MKDIR, FILE_REMOVE, FILE_LIST,   FILE_USAGE};
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        for (size_t j = 0; j < sizeof all / sizeof *all; j++) {
            assert_int_equal(ask(all[j], paths[i], "b", 0), EINVAL);
            assert_int_equal(ask(all[j], "a", paths[i], 0), EINVAL);
        }
    }
    memset(request.path, 'a', sizeof request.path); /* without its NUL */
    init_file_do(&files, &request, -1, &reply, &fd);
    assert_int_equal(reply.error, EINVAL);
    assert_int_equal(ask(FILE_OPEN, "", "", 0), EINVAL);
    assert_int_equal(ask(FILE_REMOVE, "", "", FILE_TREE), EINVAL);
    assert_int_equal(ask((enum control_file_operation)99, "a", "", 0), ENOSYS);
    expect_text("a", "hello");
}

static void test_stat(void **state)
{
    (void)state;
    assert_int_equal(ask(FILE_STAT, "a", "", 0), 0);
    assert_true(S_ISREG(reply.mode));
    assert_int_equal(reply.size, 5);
    assert_true(reply.inode != 0 && reply.modified_ns > INT64_C(1600000000000000000) && reply.changed_ns >= reply.modified_ns);
    assert_int_equal(ask(FILE_STAT, "far", "", 0), 0);
    assert_true(S_ISLNK(reply.mode));
    assert_int_equal(ask(FILE_STAT, "", "", 0), 0);
    assert_true(S_ISDIR(reply.mode));
    assert_int_equal(ask(FILE_STAT, "fifo", "", 0), 0);
    assert_true(S_ISFIFO(reply.mode));
}

static void test_create_and_rename(void **state)
{
    struct stat st;
    (void)state;
    assert_int_equal(ask(FILE_CREATE, ".penny-upload-1", "", 0), 0);
    assert_int_equal(write(fd, "new", 3), 3);
    close(fd);
    assert_int_equal(ask(FILE_CREATE, ".penny-upload-1", "", 0), EEXIST);
    assert_int_equal(ask(FILE_CREATE, "far", "", 0), EEXIST);
    assert_int_equal(ask(FILE_RENAME, ".penny-upload-1", "a", FILE_NEW), EEXIST);
    assert_int_equal(ask(FILE_RENAME, ".penny-upload-1", "d", 0), EISDIR);
    assert_int_equal(ask(FILE_RENAME, ".penny-upload-1", "x/y/z", 0), ENOENT);
    assert_int_equal(ask(FILE_RENAME, ".penny-upload-1", "a/y/z", FILE_PARENTS), ENOTDIR);
    assert_int_equal(ask(FILE_RENAME, ".penny-upload-1", "x/y/z", FILE_PARENTS | FILE_NEW), 0);
    assert_int_equal(reply.replaced, 0);
    assert_int_equal(reply.size, 3);
    expect_text("x/y/z", "new");
    assert_int_equal(ask(FILE_RENAME, "x/y/z", "far", 0), 0); /* the link is replaced, not followed */
    assert_int_equal(reply.replaced, 1);
    assert_int_equal(lstat("w/far", &st), 0);
    assert_true(S_ISREG(st.st_mode));
}

static void test_directories(void **state)
{
    (void)state;
    assert_int_equal(ask(FILE_MKDIR, "m/n", "", 0), ENOENT);
    assert_int_equal(ask(FILE_MKDIR, "m/n", "", FILE_PARENTS), 0);
    assert_true(S_ISDIR(reply.mode));
    assert_int_equal(ask(FILE_MKDIR, "m/n", "", FILE_PARENTS), 0);
    assert_int_equal(ask(FILE_MKDIR, "a", "", 0), EEXIST);
    assert_int_equal(ask(FILE_REMOVE, "m", "", 0), ENOTEMPTY);
    assert_int_equal(ask(FILE_REMOVE, "m/n", "", 0), 0);
    assert_int_equal(ask(FILE_REMOVE, "m", "", 0), 0);
    assert_int_equal(ask(FILE_REMOVE, "m", "", 0), ENOENT);
}

static void test_remove(void **state)
{
    (void)state;
    assert_int_equal(ask(FILE_REMOVE, "above", "", FILE_TREE), 0); /* the link only */
    assert_int_equal(ask(FILE_REMOVE, "fifo", "", 0), 0);
    assert_int_equal(symlink("../../outside", "w/d/e/out"), 0);
    assert_int_equal(ask(FILE_REMOVE, "d", "", FILE_TREE), 0);
    assert_int_equal(access("w/d", F_OK), -1);
    assert_int_equal(access("outside/secret", F_OK) | access("secret", F_OK), 0);
}

static void test_remove_much_takes_turns(void **state)
{
    char path[64];
    int  turns = 0, error;
    (void)state;
    for (int i = 0; i < 5000; i++) {
        (void)snprintf(path, sizeof path, "w/d/e/%d", i);
        make(path, "");
    }
    for (; (error = ask(FILE_REMOVE, "d", "", FILE_TREE)) == EAGAIN; turns++)
        assert_true(turns < 10);
    assert_int_equal(error, 0);
    assert_int_equal(turns, 1);
}

static void test_remove_what_is_too_deep_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(mkdir("w/deep", 0755) | chdir("w/deep"), 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(mkdir("d", 0755) | chdir("d"), 0);
    assert_int_equal(chdir(top), 0);
    assert_int_equal(ask(FILE_REMOVE, "deep", "", FILE_TREE), ENAMETOOLONG);
}

/* The record whose path is `path`, or NULL. */
static const struct control_file_entry *find(const char *path, struct control_file_entry *room)
{
    char  *all   = malloc(FILE_LIST_BYTES);
    size_t at    = 0;
    bool   found = false;
    assert_int_equal(pread(list_fd, all, reply.size, 0), (ssize_t)reply.size);
    while (!found && at < reply.size) {
        memcpy(room, all + at, sizeof *room);
        found = room->length == strlen(path) && memcmp(all + at + sizeof *room, path, room->length) == 0;
        at += sizeof *room + room->length;
    }
    free(all);
    return found ? room : NULL;
}

static void test_list(void **state)
{
    struct control_file_entry entry;
    (void)state;
    make("w/.penny-upload-x", "");
    make("w/d/.penny-upload-x", "");
    assert_int_equal(ask(FILE_LIST, "", "", 0), 0);
    assert_int_equal(reply.entries, 10);
    assert_int_equal(reply.is_cut, 0);
    assert_int_equal(find("a", &entry)->size, 5);
    assert_true(S_ISDIR(find("d", &entry)->mode));
    assert_true(S_ISLNK(find("far", &entry)->mode));
    assert_true(S_ISFIFO(find("fifo", &entry)->mode));
    assert_null(find("d/b", &entry));
    assert_null(find(".penny-upload-x", &entry));
    request.depth = 3;
    init_file_do(&files, &request, list_fd, &reply, &fd);
    assert_int_equal(reply.entries, 14);
    assert_non_null(find("d/e", &entry));
    assert_non_null(find("d/.penny-upload-x", &entry));
    assert_null(find("above/w", &entry));
    assert_int_equal(ask(FILE_LIST, "d", "", 0), 0);
    assert_int_equal(find("b", &entry)->size, 5);
    assert_int_equal(ask(FILE_LIST, "a", "", 0), ENOTDIR);
    assert_int_equal(ask(FILE_LIST, "nothing", "", 0), ENOENT);
}

static void test_list_needs_its_memory(void **state)
{
    (void)state;
    assert_int_equal(ask(FILE_LIST, "", "", 0), 0);
    init_file_do(&files, &request, -1, &reply, &fd);
    assert_int_equal(reply.error, EINVAL);
    assert_int_equal(ftruncate(list_fd, 4096), 0);
    assert_int_equal(ask(FILE_LIST, "", "", 0), EINVAL);
    assert_int_equal(ftruncate(list_fd, FILE_LIST_BYTES), 0);
    request.depth = FILE_DEPTH_MAX + 1;
    init_file_do(&files, &request, list_fd, &reply, &fd);
    assert_int_equal(reply.error, EINVAL);
}

static void test_list_is_bounded(void **state)
{
    struct rlimit small = {4096, RLIM_INFINITY}, before;
    char          path[64];
    (void)state;
    assert_int_equal(mkdir("w/many", 0755), 0);
    for (int i = 0; i <= FILE_ENTRIES_MAX; i++) {
        (void)snprintf(path, sizeof path, "w/many/%d", i);
        assert_int_equal(symlink("x", path), 0);
    }
    (void)getrlimit(RLIMIT_FSIZE, &before);
    small.rlim_max = before.rlim_max;
    (void)setrlimit(RLIMIT_FSIZE, &small); /* a session's limit of file sizes is none for a list */
    assert_int_equal(ask(FILE_LIST, "many", "", 0), 0);
    (void)setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(reply.entries, FILE_ENTRIES_MAX);
    assert_int_equal(reply.is_cut, 1);
    assert_int_equal(ask(FILE_LIST, "", "", 0), 0);
    assert_int_equal(reply.is_cut, 0);
}

static void test_usage(void **state)
{
    uint64_t before;
    (void)state;
    assert_int_equal(ask(FILE_USAGE, "", "", 0), 0);
    assert_int_equal(reply.entries, 13);
    assert_true(reply.bytes_left == UINT64_MAX && reply.entries_left == UINT64_MAX);
    before = reply.size;
    make("w/d/more", "more");
    assert_int_equal(ask(FILE_USAGE, "", "", 0), 0);
    assert_int_equal(reply.entries, 14);
    assert_true(reply.size > before);
    files.has_quota = true;
    assert_int_equal(ask(FILE_USAGE, "", "", 0), 0);
    assert_true(reply.bytes_left < UINT64_MAX);
}

static void test_a_workspace_that_could_not_be_opened(void **state)
{
    struct init_file none;
    (void)state;
    init_file_init(&none, "nowhere", false);
    (void)ask(FILE_STAT, "a", "", 0);
    init_file_do(&none, &request, -1, &reply, &fd);
    assert_int_equal(reply.error, EBADF);
}

/* Exchanges, as fast as it can, a directory with a link that leads out. */
static pid_t start_exchanging(void)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    for (;;) {
        (void)renameat2(AT_FDCWD, "w/d", AT_FDCWD, "w/out", RENAME_EXCHANGE);
        (void)renameat2(AT_FDCWD, "w/d", AT_FDCWD, "outside/moved", 0);
        (void)renameat2(AT_FDCWD, "outside/moved", AT_FDCWD, "w/d", 0);
    }
}

static void test_races_lead_nowhere(void **state)
{
    struct timespec now;
    time_t          end;
    pid_t           pid;
    int             reached = 0;
    (void)state;
    assert_int_equal(symlink("../outside", "w/out"), 0);
    make("w/d/secret", "within");
    pid = start_exchanging();
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    for (end = now.tv_sec + 2; now.tv_sec < end || (reached == 0 && now.tv_sec < end + 20); (void)clock_gettime(CLOCK_MONOTONIC, &now)) {
        char text[16] = "";
        if (ask(FILE_OPEN, "d/secret", "", 0) == 0) {
            assert_int_equal(read(fd, text, sizeof text - 1), 6);
            assert_string_equal(text, "within");
            reached++;
            close(fd);
        }
        if (ask(FILE_CREATE, "d/new", "", 0) == 0)
            close(fd);
        (void)ask(FILE_REMOVE, "d/new", "", 0);
        assert_int_equal(access("outside/new", F_OK), -1);
    }
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    assert_true(reached > 0);
    assert_int_equal(access("outside/secret", F_OK), 0);
}

#define BOTH(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down), cmocka_unit_test_setup_teardown(f, set_up_by_parts, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_open),
        cmocka_unit_test_setup_teardown(test_links_within_are_followed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_links_are_not_followed_by_parts, set_up_by_parts, tear_down),
        BOTH(test_nothing_outside_is_reached),
        BOTH(test_paths_that_are_none),
        BOTH(test_stat),
        BOTH(test_create_and_rename),
        BOTH(test_directories),
        BOTH(test_remove),
        BOTH(test_remove_much_takes_turns),
        BOTH(test_remove_what_is_too_deep_is_an_error),
        BOTH(test_list),
        BOTH(test_list_needs_its_memory),
        BOTH(test_list_is_bounded),
        BOTH(test_usage),
        BOTH(test_a_workspace_that_could_not_be_opened),
        BOTH(test_races_lead_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
