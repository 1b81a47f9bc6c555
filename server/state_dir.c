#define _GNU_SOURCE
#include "state_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fdio.h"

enum { WALK_FDS = 16, DEPTH_MAX = 256 };

static int make_fresh(struct state_dir *dir, const char *parent)
{
    int n = snprintf(dir->path, sizeof dir->path, "%s/penny-sandbox-XXXXXX", parent);
    if (n < 0 || (size_t)n >= sizeof dir->path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return mkdtemp(dir->path) != NULL ? 0 : -1;
}

static int make_anywhere(struct state_dir *dir, struct err *err)
{
    const char *temporary = getenv("TMPDIR");
    dir->ours             = true;
    if (geteuid() == 0 && make_fresh(dir, "/run") == 0)
        return 0;
    if (temporary == NULL || temporary[0] != '/')
        temporary = "/tmp";
    if (make_fresh(dir, temporary) == 0)
        return 0;
    return err_errno(err, "cannot make a state directory in %s (choose a place: TMPDIR, or --state-dir)", temporary);
}

int state_dir_look(const char *wanted, struct err *err)
{
    struct stat st;
    if (stat(wanted, &st) < 0)
        return err_errno(err, "cannot use the state directory %s", wanted);
    /* 0711 is what a zygote without mount namespaces has made of it, for sessions to pass through */
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 066) != 0)
        return err_set(err, EPERM, "the state directory %s must be a directory of ours with mode 0700", wanted);
    return 0;
}

static int make_named(struct state_dir *dir, const char *wanted, struct err *err)
{
    dir->ours = false;
    if (mkdir(wanted, 0700) < 0 && errno != EEXIST)
        return err_errno(err, "cannot make the state directory %s", wanted);
    if (state_dir_look(wanted, err) < 0)
        return -1;
    return chmod(wanted, 0700) == 0 ? 0 : err_errno(err, "cannot use the state directory %s", wanted);
}

/* By descriptors, so that no link is followed, whatever somebody does there meanwhile. What can't be removed stays. */
static void remove_at(int parent_fd, const char *name, int depth)
{
    int            fd   = depth < DEPTH_MAX ? openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    DIR           *list = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;

    if (list == NULL) {
        fdio_close(&fd);
        return;
    }
    while ((entry = readdir(list)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && unlinkat(fd, entry->d_name, 0) < 0)
            remove_at(fd, entry->d_name, depth + 1);
    }
    (void)closedir(list);
    (void)unlinkat(parent_fd, name, AT_REMOVEDIR);
}

/* Sessions' directories (jail_workspace.c), where they are not in memory. */
static void remove_left(int fd)
{
    int            own_fd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR           *list   = own_fd >= 0 ? fdopendir(own_fd) : NULL;
    struct dirent *entry;

    while (list != NULL && (entry = readdir(list)) != NULL) {
        const char *digits = entry->d_name + 1;
        if (entry->d_name[0] == 's' && *digits != '\0' && digits[strspn(digits, "0123456789")] == '\0')
            remove_at(fd, entry->d_name, 0);
    }
    if (list != NULL)
        (void)closedir(list);
    else
        fdio_close(&own_fd);
}

static void lock_and_clean(struct state_dir *dir)
{
    dir->lock_fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir->lock_fd >= 0 && flock(dir->lock_fd, LOCK_EX | LOCK_NB) == 0)
        remove_left(dir->lock_fd);
    else
        fdio_close(&dir->lock_fd); /* another service is at work there */
}

int state_dir_make(struct state_dir *dir, const char *wanted, struct err *err)
{
    char *absolute;
    dir->lock_fd = -1;
    if (wanted[0] == '\0')
        return make_anywhere(dir, err);
    if (make_named(dir, wanted, err) < 0)
        return -1;
    absolute = realpath(wanted, NULL);
    if (absolute == NULL || strlen(absolute) >= sizeof dir->path) {
        free(absolute);
        return err_set(err, ENAMETOOLONG, "the state directory's path %s is too long", wanted);
    }
    (void)snprintf(dir->path, sizeof dir->path, "%s", absolute);
    free(absolute);
    lock_and_clean(dir);
    return 0;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    (void)remove(path); /* what can't be removed now would not be helped by stopping here */
    return 0;
}

void state_dir_remove(struct state_dir *dir)
{
    if (dir->path[0] == '\0')
        return;
    fdio_close(&dir->lock_fd);
    if (dir->ours)
        (void)nftw(dir->path, remove_entry, WALK_FDS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    dir->path[0] = '\0';
}
