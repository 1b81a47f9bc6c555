#define _GNU_SOURCE
#include "package_dir.h"

#include <errno.h>
#include <ftw.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <dirent.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fdio.h"

enum { WALK_FDS = 16, TRIES = 10 };

#define PREFIX "penny-layers-"

/* A directory of ours that nobody holds a lock on is that of a service that was killed. */
static void remove_if_left(const char *path)
{
    struct stat st;
    int         fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid() && flock(fd, LOCK_EX | LOCK_NB) == 0)
        package_dir_remove_tree(path);
    fdio_close(&fd);
}

static void remove_left(const char *parent)
{
    DIR           *list = opendir(parent);
    struct dirent *entry;
    char           path[PATH_MAX];
    while (list != NULL && (entry = readdir(list)) != NULL) {
        if (strncmp(entry->d_name, PREFIX, sizeof PREFIX - 1) == 0 &&
            snprintf(path, sizeof path, "%s/%s", parent, entry->d_name) < (int)sizeof path)
            remove_if_left(path);
    }
    if (list != NULL)
        (void)closedir(list);
}

/* Between its making and its lock another's start could take it for left: then it is made again. */
static bool lock(struct package_dir *dir)
{
    struct stat held, named;
    dir->lock_fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir->lock_fd >= 0 && flock(dir->lock_fd, LOCK_EX | LOCK_NB) == 0 && fstat(dir->lock_fd, &held) == 0 &&
        stat(dir->path, &named) == 0 && held.st_ino == named.st_ino)
        return true;
    fdio_close(&dir->lock_fd);
    return false;
}

static int make_once(struct package_dir *dir, const char *parent)
{
    int n = snprintf(dir->path, sizeof dir->path, "%s/" PREFIX "XXXXXX", parent);
    if (n < 0 || (size_t)n >= sizeof dir->path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return mkdtemp(dir->path) != NULL ? 0 : -1;
}

static int make_fresh(struct package_dir *dir, const char *parent)
{
    remove_left(parent);
    for (int i = 0; i < TRIES; i++) {
        if (make_once(dir, parent) < 0)
            return -1;
        if (lock(dir))
            return 0;
    }
    return -1;
}

static int make_anywhere(struct package_dir *dir, struct err *err)
{
    const char *temporary = getenv("TMPDIR");
    dir->ours             = true;
    if (temporary == NULL || temporary[0] != '/')
        temporary = "/tmp";
    if (make_fresh(dir, "/var/tmp") == 0 || make_fresh(dir, temporary) == 0 || make_fresh(dir, "/run") == 0) /* rather a disk than memory */
        return 0;
    dir->path[0] = '\0';
    return err_errno(err, "cannot make a package directory in %s (choose a place: TMPDIR, or --package-dir)", temporary);
}

int package_dir_look(const char *wanted, struct err *err)
{
    struct stat st;
    if (stat(wanted, &st) < 0)
        return err_errno(err, "cannot use the package directory %s", wanted);
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022) != 0)
        return err_set(err, EPERM, "the package directory %s must be a directory of ours that nobody else can write", wanted);
    return 0;
}

static int make_named(struct package_dir *dir, const char *wanted, struct err *err)
{
    char *absolute;
    dir->ours    = false;
    dir->lock_fd = -1;
    if (mkdir(wanted, 0755) < 0 && errno != EEXIST)
        return err_errno(err, "cannot make the package directory %s", wanted);
    if (package_dir_look(wanted, err) < 0)
        return -1;
    absolute = realpath(wanted, NULL);
    if (absolute == NULL || strlen(absolute) >= sizeof dir->path) {
        free(absolute);
        return err_set(err, ENAMETOOLONG, "the package directory's path %s is too long", wanted);
    }
    (void)snprintf(dir->path, sizeof dir->path, "%s", absolute);
    free(absolute);
    return 0;
}

static int make_part(const struct package_dir *dir, const char *name, struct err *err)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", dir->path, name);
    if ((mkdir(path, 0755) < 0 && errno != EEXIST) || chmod(path, 0755) < 0)
        return err_errno(err, "cannot make %s", path);
    return 0;
}

static void remove_staging(const struct package_dir *dir)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/staging", dir->path);
    package_dir_remove_tree(path);
}

int package_dir_make(struct package_dir *dir, const char *wanted, struct err *err)
{
    if ((wanted[0] == '\0' ? make_anywhere(dir, err) : make_named(dir, wanted, err)) < 0)
        return -1;
    if (dir->ours && chmod(dir->path, 0755) < 0)
        return err_errno(err, "cannot use %s", dir->path);
    remove_staging(dir); /* of a service that was killed */
    return make_part(dir, "layers", err) < 0 ? -1 : make_part(dir, "staging", err);
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    (void)remove(path);
    return 0;
}

void package_dir_remove_tree(const char *path)
{
    (void)nftw(path, remove_entry, WALK_FDS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

void package_dir_remove(struct package_dir *dir)
{
    if (dir->path[0] == '\0')
        return;
    if (dir->ours)
        package_dir_remove_tree(dir->path);
    else
        remove_staging(dir);
    fdio_close(&dir->lock_fd);
    dir->path[0] = '\0';
}
