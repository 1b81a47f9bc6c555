#define _GNU_SOURCE
#include "state_dir.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WALK_FDS = 16 };

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

int state_dir_make(struct state_dir *dir, const char *wanted, struct err *err)
{
    char *absolute;
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
    if (dir->ours && dir->path[0] != '\0')
        (void)nftw(dir->path, remove_entry, WALK_FDS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    dir->path[0] = '\0';
}
