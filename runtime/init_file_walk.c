/*
 * init_file_walk.c: the operations of init_file.c that look at many entries. Every directory is opened from the one that holds it, by
 * one name and without following a link, so that a walk can't be led out by what is renamed or linked meanwhile. Init does
 * nothing else in this time, so each has a limit.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "init_file_private.h"

enum {
    USAGE_ENTRIES_MAX = 200000,
    LEVELS_MAX        = 64,   /* of directories; a descriptor for each */
    REMOVE_MAX        = 4096, /* entries removed before something else may be asked for */
};

/* What a walk does with an entry. Returns whether it goes on. */
typedef bool (*visit_entry)(const char *path, size_t length, const struct stat *st, void *arg);

struct walk {
    visit_entry visit;
    void       *arg;
    unsigned    levels; /* still allowed below the present one */
    bool        is_cut; /* something was not looked at */
    size_t      length; /* of the path of the present directory */
    char        path[4096];
};

static bool walk_directory(struct walk *walk, int fd, bool is_top); /* fd is owned */

static bool descend(struct walk *walk, int directory_fd, const char *name)
{
    int fd = openat(directory_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd >= 0)
        return walk_directory(walk, fd, false);
    if (errno != ENOENT)
        walk->is_cut = true;
    return true;
}

static bool walk_entry(struct walk *walk, int directory_fd, const char *name)
{
    size_t      before = walk->length, length = strlen(name);
    struct stat st;
    bool        goes_on;

    if (fstatat(directory_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return true; /* gone meanwhile */
    if (before + length + 2 > sizeof walk->path) {
        walk->is_cut = true;
        return true;
    }
    if (before > 0)
        walk->path[walk->length++] = '/';
    memcpy(walk->path + walk->length, name, length + 1);
    walk->length += length;
    goes_on = walk->visit(walk->path, walk->length, &st, walk->arg);
    if (goes_on && S_ISDIR(st.st_mode) && walk->levels > 0)
        goes_on = descend(walk, directory_fd, name);
    walk->length = before;
    return goes_on;
}

static bool is_passed_over(bool is_top, const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
           (is_top && strncmp(name, FILE_UPLOAD_PREFIX, sizeof FILE_UPLOAD_PREFIX - 1) == 0);
}

static bool walk_directory(struct walk *walk, int fd, bool is_top)
{
    DIR           *directory = fdopendir(fd);
    struct dirent *entry;
    bool           goes_on = true;

    if (directory == NULL) {
        close(fd);
        walk->is_cut = true;
        return true;
    }
    walk->levels--;
    while (goes_on && (entry = readdir(directory)) != NULL) {
        if (!is_passed_over(is_top, entry->d_name))
            goes_on = walk_entry(walk, dirfd(directory), entry->d_name);
    }
    walk->levels++;
    (void)closedir(directory);
    if (!goes_on)
        walk->is_cut = true;
    return goes_on;
}

/* ---- list ---- */

struct listing {
    char  *to;
    size_t used, count;
};

static bool list_one(const char *path, size_t length, const struct stat *st, void *arg)
{
    struct listing           *listing = arg;
    struct control_file_entry entry   = {.length      = (uint32_t)length,
                                         .mode        = st->st_mode,
                                         .size        = (uint64_t)st->st_size,
                                         .modified_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec};

    if (listing->count == FILE_ENTRIES_MAX || listing->used + sizeof entry + length > FILE_LIST_BYTES)
        return false;
    memcpy(listing->to + listing->used, &entry, sizeof entry);
    memcpy(listing->to + listing->used + sizeof entry, path, length);
    listing->used += sizeof entry + length;
    listing->count++;
    return true;
}

/* Mapped, not written: a write would be held to the session's limit of file sizes. */
static char *map_list(int list_fd)
{
    struct stat st;
    char       *map;

    if (list_fd < 0 || fstat(list_fd, &st) < 0 || st.st_size != FILE_LIST_BYTES)
        return NULL;
    map = mmap(NULL, FILE_LIST_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, list_fd, 0);
    return map != MAP_FAILED ? map : NULL;
}

int init_file_list(const struct init_file *files, const struct control_file *request, int list_fd, struct control_file_reply *reply)
{
    struct listing listing = {.to = map_list(list_fd)};
    struct walk    walk    = {.visit = list_one, .arg = &listing, .levels = request->depth};
    int            fd      = -1;

    errno = EINVAL;
    if (listing.to != NULL && request->depth > 0 && request->depth <= FILE_DEPTH_MAX)
        fd = init_file_open(files, request->path, O_RDONLY | O_DIRECTORY | O_NONBLOCK, 0);
    if (fd >= 0)
        (void)walk_directory(&walk, fd, request->path[0] == '\0');
    if (listing.to != NULL)
        (void)munmap(listing.to, FILE_LIST_BYTES);
    reply->size    = listing.used;
    reply->entries = listing.count;
    reply->is_cut  = walk.is_cut;
    return fd >= 0 ? 0 : -1;
}

/* ---- usage ---- */

static bool count_one(const char *path, size_t length, const struct stat *st, void *arg)
{
    struct control_file_reply *reply = arg;
    (void)path;
    (void)length;
    reply->entries++;
    reply->size += S_ISREG(st->st_mode) ? (uint64_t)st->st_blocks * 512 : 0;
    return reply->entries < USAGE_ENTRIES_MAX;
}

static int count_all(const struct init_file *files, struct control_file_reply *reply)
{
    struct walk walk = {.visit = count_one, .arg = reply, .levels = LEVELS_MAX};
    int         fd   = init_file_open(files, "", O_RDONLY | O_DIRECTORY, 0);

    if (fd < 0)
        return -1;
    (void)walk_directory(&walk, fd, true);
    reply->bytes_left = reply->entries_left = UINT64_MAX;
    reply->is_cut                           = walk.is_cut;
    return 0;
}

int init_file_usage(const struct init_file *files, struct control_file_reply *reply)
{
    struct statfs st;

    if (!files->has_quota)
        return count_all(files, reply);
    if (fstatfs(files->workspace_fd, &st) < 0)
        return -1;
    reply->size         = (uint64_t)(st.f_blocks - st.f_bfree) * (uint64_t)st.f_bsize;
    reply->entries      = st.f_files - st.f_ffree;
    reply->bytes_left   = (uint64_t)st.f_bavail * (uint64_t)st.f_bsize;
    reply->entries_left = st.f_ffree;
    return 0;
}

/* ---- remove ---- */

static int remove_one(int directory_fd, const char *name, unsigned levels, unsigned *left);

/* fd is owned. */
static int empty(int fd, unsigned levels, unsigned *left)
{
    DIR           *directory = fdopendir(fd);
    struct dirent *entry;
    int            result = 0, error;

    if (directory == NULL) {
        close(fd);
        return -1;
    }
    while (result == 0 && (entry = readdir(directory)) != NULL) {
        if (!is_passed_over(false, entry->d_name))
            result = remove_one(dirfd(directory), entry->d_name, levels, left);
    }
    error = errno;
    (void)closedir(directory);
    errno = error;
    return result;
}

static int remove_directory(int parent_fd, const char *name, unsigned levels, unsigned *left)
{
    int fd = -1;

    if (unlinkat(parent_fd, name, AT_REMOVEDIR) == 0)
        return 0;
    if (errno != ENOTEMPTY)
        return -1;
    if (levels > 0)
        fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    else
        errno = ENAMETOOLONG;
    if (fd < 0 || empty(fd, levels - 1, left) < 0)
        return -1;
    return unlinkat(parent_fd, name, AT_REMOVEDIR);
}

static int remove_one(int directory_fd, const char *name, unsigned levels, unsigned *left)
{
    if (*left == 0) {
        errno = EAGAIN;
        return -1;
    }
    (*left)--;
    if (unlinkat(directory_fd, name, 0) == 0 || errno == ENOENT)
        return 0;
    return errno == EISDIR ? remove_directory(directory_fd, name, levels, left) : -1;
}

int init_file_remove_tree(int parent_fd, const char *name)
{
    unsigned left = REMOVE_MAX;
    return remove_directory(parent_fd, name, LEVELS_MAX, &left);
}
