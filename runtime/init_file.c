#define _GNU_SOURCE
#include "init_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fdio.h"
#include "init_file_private.h"

enum { RACES_MAX = 32 /* how often a path is looked up again because a rename met it */ };

void init_file_init(struct init_file *files, const char *workspace, bool has_quota)
{
    files->workspace_fd = open(workspace, O_PATH | O_DIRECTORY | O_CLOEXEC);
    files->has_quota    = has_quota;
    files->by_parts     = false;
}

/* Made of names: relative, no empty part, no "." and no "..". "" is none, and is allowed. */
static bool is_path(const char path[FILE_PATH_BYTES])
{
    if (memchr(path, '\0', FILE_PATH_BYTES) == NULL)
        return false;
    for (const char *part = path; *part != '\0';) {
        size_t length = strcspn(part, "/");
        if (length == 0 || (length <= 2 && strspn(part, ".") >= length))
            return false;
        part += length;
        if (*part == '/' && *++part == '\0')
            return false;
    }
    return true;
}

/* Closes *fd and leaves errno as it was. */
static void drop(int *fd)
{
    int error = errno;
    fdio_close(fd);
    errno = error;
}

/* For kernels, and containers, without openat2(): each part from the one before it, and no link followed. */
static int open_by_parts(int directory_fd, const char *path, int flags, unsigned mode)
{
    int at = directory_fd, own = -1, next;

    for (const char *rest; (rest = strchr(path, '/')) != NULL; path = rest + 1) {
        char part[FILE_PATH_BYTES] = {0};
        memcpy(part, path, (size_t)(rest - path));
        next = openat(at, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        drop(&own);
        at = own = next;
        if (next < 0)
            return -1;
    }
    next = openat(at, path, flags | O_NOFOLLOW, mode);
    drop(&own);
    return next;
}

int init_file_open(const struct init_file *files, const char *path, int flags, unsigned mode)
{
    struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC), .mode = mode, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    int             fd  = -1;

    if (path[0] == '\0')
        return openat(files->workspace_fd, ".", flags | O_CLOEXEC);
    if (!files->by_parts) {
        for (int i = 0; i < RACES_MAX; i++) {
            fd = (int)syscall(SYS_openat2, files->workspace_fd, path, &how, sizeof how);
            if (fd >= 0 || errno != EAGAIN)
                break;
        }
        if (fd >= 0 || (errno != ENOSYS && errno != EPERM)) /* EPERM: what a container's filter says of calls it does not know */
            return fd;
    }
    return open_by_parts(files->workspace_fd, path, flags | O_CLOEXEC, mode);
}

/* The directory that holds the last part of path, and that part. Returns a descriptor or -1. */
static int open_parent(const struct init_file *files, const char *path, const char **ret_name)
{
    const char *slash                   = strrchr(path, '/');
    char        parent[FILE_PATH_BYTES] = {0};

    *ret_name = slash != NULL ? slash + 1 : path;
    if (slash != NULL)
        memcpy(parent, path, (size_t)(slash - path));
    return init_file_open(files, parent, O_PATH | O_DIRECTORY, 0);
}

/* Makes one directory; that it is there already is fine. */
static int make_one(const struct init_file *files, const char *path, unsigned mode)
{
    const char *name;
    int         parent_fd = open_parent(files, path, &name), result;

    if (parent_fd < 0)
        return -1;
    result = mkdirat(parent_fd, name, mode & 0777);
    if (result < 0 && errno == EEXIST)
        result = 0;
    drop(&parent_fd);
    return result;
}

static int make_parents(const struct init_file *files, const char *path, unsigned mode)
{
    char above[FILE_PATH_BYTES];

    for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        (void)snprintf(above, sizeof above, "%.*s", (int)(slash - path), path);
        if (make_one(files, above, mode) < 0)
            return -1;
    }
    return 0;
}

static void fill(struct control_file_reply *reply, const struct stat *st)
{
    reply->mode        = st->st_mode;
    reply->size        = (uint64_t)st->st_size;
    reply->inode       = st->st_ino;
    reply->modified_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
    reply->changed_ns  = (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec;
}

static int do_stat(const struct init_file *files, const struct control_file *request, struct control_file_reply *reply)
{
    struct stat st;
    int         fd = init_file_open(files, request->path, O_PATH | O_NOFOLLOW, 0), result;

    if (fd < 0)
        return -1;
    result = fstat(fd, &st);
    if (result == 0)
        fill(reply, &st);
    drop(&fd);
    return result;
}

/* O_NONBLOCK: the opening of a FIFO must not wait for its other end. */
static int do_open(const struct init_file *files, const struct control_file *request, struct control_file_reply *reply, int *ret_fd)
{
    struct stat st;
    int         fd = init_file_open(files, request->path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);

    if (fd < 0)
        return -1;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        errno = S_ISDIR(st.st_mode) ? EISDIR : ENXIO;
        drop(&fd);
        return -1;
    }
    fill(reply, &st);
    *ret_fd = fd;
    return 0;
}

static int do_create(const struct init_file *files, const struct control_file *request, int *ret_fd)
{
    *ret_fd = init_file_open(files, request->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, request->mode & 0777);
    return *ret_fd < 0 ? -1 : 0;
}

static int rename_into(int from_fd, const char *from, int to_fd, const char *to, bool must_be_new, struct control_file_reply *reply)
{
    struct stat st;

    reply->replaced = fstatat(to_fd, to, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (reply->replaced && S_ISDIR(st.st_mode)) {
        errno = EISDIR;
        return -1;
    }
    if (renameat2(from_fd, from, to_fd, to, must_be_new ? RENAME_NOREPLACE : 0) < 0)
        return -1;
    if (fstatat(to_fd, to, &st, AT_SYMLINK_NOFOLLOW) == 0)
        fill(reply, &st);
    return 0;
}

static int do_rename(const struct init_file *files, const struct control_file *request, struct control_file_reply *reply)
{
    const char *from, *to;
    int         from_fd = -1, to_fd = -1, result = -1;

    if ((request->flags & FILE_PARENTS) != 0 && make_parents(files, request->other, request->mode) < 0)
        return -1;
    from_fd = open_parent(files, request->path, &from);
    if (from_fd >= 0)
        to_fd = open_parent(files, request->other, &to);
    if (to_fd >= 0)
        result = rename_into(from_fd, from, to_fd, to, (request->flags & FILE_NEW) != 0, reply);
    drop(&from_fd);
    drop(&to_fd);
    return result;
}

static int do_mkdir(const struct init_file *files, const struct control_file *request, struct control_file_reply *reply)
{
    if ((request->flags & FILE_PARENTS) != 0 && make_parents(files, request->path, request->mode) < 0)
        return -1;
    if (make_one(files, request->path, request->mode) < 0 || do_stat(files, request, reply) < 0)
        return -1;
    errno = EEXIST;
    return S_ISDIR(reply->mode) ? 0 : -1;
}

static int do_remove(const struct init_file *files, const struct control_file *request)
{
    const char *name;
    int         parent_fd = open_parent(files, request->path, &name), result;

    if (parent_fd < 0)
        return -1;
    result = unlinkat(parent_fd, name, 0);
    if (result < 0 && errno == EISDIR)
        result = unlinkat(parent_fd, name, AT_REMOVEDIR);
    if (result < 0 && errno == ENOTEMPTY && (request->flags & FILE_TREE) != 0)
        result = init_file_remove_tree(parent_fd, name);
    drop(&parent_fd);
    return result;
}

/* Whether the paths are such as the operation needs: what would act on the workspace itself is refused. */
static bool is_sound(const struct control_file *request)
{
    bool itself = request->operation == FILE_STAT || request->operation == FILE_LIST || request->operation == FILE_USAGE;

    if (!is_path(request->path) || !is_path(request->other))
        return false;
    return (itself || request->path[0] != '\0') && (request->operation != FILE_RENAME || request->other[0] != '\0');
}

static int perform(const struct init_file *files, const struct control_file *request, int list_fd, struct control_file_reply *reply,
                   int *ret_fd)
{
    switch ((enum control_file_operation)request->operation) {
    case FILE_STAT: return do_stat(files, request, reply);
    case FILE_OPEN: return do_open(files, request, reply, ret_fd);
    case FILE_CREATE: return do_create(files, request, ret_fd);
    case FILE_RENAME: return do_rename(files, request, reply);
    case FILE_MKDIR: return do_mkdir(files, request, reply);
    case FILE_REMOVE: return do_remove(files, request);
    case FILE_LIST: return init_file_list(files, request, list_fd, reply);
    case FILE_USAGE: return init_file_usage(files, reply);
    }
    errno = ENOSYS;
    return -1;
}

void init_file_do(const struct init_file *files, const struct control_file *request, int list_fd, struct control_file_reply *reply,
                  int *ret_fd)
{
    *reply  = (struct control_file_reply){.type = CONTROL_FILE_REPLY, .request = request->request, .member = request->member};
    *ret_fd = -1;
    if (!is_sound(request))
        reply->error = EINVAL;
    else if (perform(files, request, list_fd, reply, ret_fd) < 0)
        reply->error = errno != 0 ? errno : EIO;
}
