#define _GNU_SOURCE
#include "installer_layers.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "package_dir.h"
#include "requirement.h"

enum { WALK_FDS = 16, LAYERS_MAX = 500, ENTRIES_MAX = 200000 };

/* nftw() takes no argument. */
static uint64_t   walk_bytes, walk_entries;
static struct err walk_err;

static int count_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)path;
    (void)kind;
    (void)ftw;
    walk_bytes += (uint64_t)st->st_blocks * 512;
    return 0;
}

uint64_t installer_layers_bytes(const char *path)
{
    walk_bytes = 0;
    (void)nftw(path, count_entry, WALK_FDS, FTW_PHYS | FTW_MOUNT);
    return walk_bytes;
}

static int settle_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    bool is_file = kind == FTW_F && S_ISREG(st->st_mode) && st->st_nlink == 1;
    (void)ftw;
    if (!is_file && kind != FTW_DP)
        return err_set(&walk_err, EINVAL, "it has left something that is no plain file or directory");
    walk_bytes += is_file ? (uint64_t)st->st_size : 0;
    if (++walk_entries > ENTRIES_MAX)
        return err_set(&walk_err, EFBIG, "it has more than %d files", ENTRIES_MAX);
    if (lchown(path, geteuid(), getegid()) < 0 || chmod(path, is_file ? 0644 : 0755) < 0)
        return err_errno(&walk_err, "cannot take over a file");
    return 0;
}

/* Calls act with the name and the path of each layer of the installation. */
static int each_layer(const char *place, int (*act)(const char *name, const char *path, void *arg, struct err *err), void *arg,
                      struct err *err)
{
    char           directory[PATH_MAX], path[PATH_MAX + NAME_MAX + 2];
    struct dirent *entry;
    DIR           *dir;
    int            result = 0, count = 0;

    (void)snprintf(directory, sizeof directory, "%s/layers", place);
    dir = opendir(directory);
    if (dir == NULL)
        return errno == ENOENT ? 0 : err_errno(err, "what was installed"); /* everything was there already */
    while (result == 0 && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        if (++count > LAYERS_MAX)
            result = err_set(err, EFBIG, "it brings more than %d packages", LAYERS_MAX);
        else
            result = act(entry->d_name, path, arg, err);
    }
    (void)closedir(dir);
    return result;
}

static int settle(const char *name, const char *path, void *arg, struct err *err)
{
    struct stat st;
    (void)arg;
    if (!requirement_is_word(name) || lstat(path, &st) < 0 || !S_ISDIR(st.st_mode))
        return err_set(err, EINVAL, "it has left something that is no package");
    if (nftw(path, settle_entry, WALK_FDS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) != 0) {
        *err = walk_err;
        return -1;
    }
    return 0;
}

static int publish(const char *name, const char *path, void *arg, struct err *err)
{
    const char *package_dir = arg;
    char        target[PATH_MAX];
    (void)snprintf(target, sizeof target, "%s/layers/%s", package_dir, name);
    if (rename(path, target) == 0 || errno == ENOTEMPTY || errno == EEXIST)
        return 0;
    return err_errno(err, "cannot put %.80s among the layers", name);
}

int installer_layers_publish(const char *place, const char *package_dir, uint64_t most, uint64_t most_in_all, struct err *err)
{
    char     layers[PATH_MAX];
    uint64_t bytes;

    walk_bytes = walk_entries = 0;
    if (each_layer(place, settle, NULL, err) < 0)
        return -1;
    if (walk_bytes > most)
        return err_set(err, EFBIG, "it takes %llu bytes; at most %llu are allowed", (unsigned long long)walk_bytes,
                       (unsigned long long)most);
    bytes = walk_bytes;
    (void)snprintf(layers, sizeof layers, "%s/layers", package_dir);
    if (bytes > 0 && bytes + installer_layers_bytes(layers) > most_in_all)
        return err_set(err, ENOSPC, "all that was installed here takes as much room as it may; the operator can remove layers");
    return each_layer(place, publish, (void *)package_dir, err);
}
