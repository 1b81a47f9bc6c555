/*
 * jail_cgroup_place.c: where the groups of sessions are made. Version 2 where it has been delegated to us, version 1 where it is writable.
 *
 * Ours is the group in which the service was started: a unit's with Delegate=, a container's, the one of a shell. What a container shows of it
 * is read-only; where the zygote may mount, it makes a mount of its own of the same groups that nobody else sees.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fdio.h"
#include "jail_layers.h"

enum { ROUNDS_MAX = 100 };

static const char LEAF[] = "penny-service";

static const enum jail_layer_id layers[CGROUP_KINDS] = {
    [CGROUP_MEMORY] = LAYER_CGROUP_MEMORY, [CGROUP_PIDS] = LAYER_CGROUP_PIDS, [CGROUP_CPU] = LAYER_CGROUP_CPU};

/* Is `word` one of the comma-separated words of `list`? */
static bool has_word(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = list; p != NULL; p = strchr(p, ',') != NULL ? strchr(p, ',') + 1 : NULL) {
        if (strncmp(p, word, n) == 0 && (p[n] == ',' || p[n] == '\0' || p[n] == '\n'))
            return true;
    }
    return false;
}

/* Our own group in the hierarchy of a controller (NULL: version 2) and all controllers of that, from /proc/self/cgroup. Returns 0 or -1. */
static int own_path(const char *controller, char *ret_path, char *ret_names, size_t size)
{
    FILE *file = fopen("/proc/self/cgroup", "re");
    char  line[PATH_MAX];
    int   found = -1;

    while (file != NULL && found < 0 && fgets(line, sizeof line, file) != NULL) {
        char *names = strchr(line, ':'), *path = names != NULL ? strchr(names + 1, ':') : NULL;
        if (path == NULL)
            continue;
        *path++ = '\0';
        names++;
        path[strcspn(path, "\n")] = '\0';
        if (controller == NULL ? *names == '\0' : has_word(names, controller)) {
            (void)snprintf(ret_path, size, "%s", path);
            (void)snprintf(ret_names, size, "%s", names);
            found = 0;
        }
    }
    if (file != NULL)
        fclose(file);
    return found;
}

/* Where that hierarchy is mounted, and which part of it the mount shows, from /proc/self/mountinfo (proc(5)). */
static int mount_point(const char *controller, char *ret_mount, char *ret_root, size_t size)
{
    FILE *file = fopen("/proc/self/mountinfo", "re");
    char  line[PATH_MAX * 2], root[PATH_MAX], point[PATH_MAX], type[32], options[512];
    int   found = -1;

    while (file != NULL && found < 0 && fgets(line, sizeof line, file) != NULL) {
        char *dash = strstr(line, " - ");
        if (dash == NULL || sscanf(line, "%*d %*d %*s %4095s %4095s", root, point) != 2 ||
            sscanf(dash, " - %31s %*s %511s", type, options) != 2)
            continue;
        if (controller == NULL ? strcmp(type, "cgroup2") == 0 : strcmp(type, "cgroup") == 0 && has_word(options, controller)) {
            (void)snprintf(ret_mount, size, "%s", point);
            (void)snprintf(ret_root, size, "%s", root);
            found = 0;
        }
    }
    if (file != NULL)
        fclose(file);
    return found;
}

/* Our own group below `mount`, which shows the part of the hierarchy that begins at `root`. Returns a descriptor or -1 with errno. */
static int open_below(int mount_fd, const char *root, const char *path)
{
    size_t n = strlen(root);
    /* in a container the mount shows only a part: what it shows as its root is a prefix of our path */
    if (strcmp(root, "/") != 0 && strncmp(path, root, n) == 0)
        path += n;
    while (*path == '/')
        path++;
    return openat(mount_fd, *path == '\0' ? "." : path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* A mount of the hierarchy that is in no directory tree: nobody but who has the descriptor sees it. `names`: all controllers of a hierarchy of
   version 1, which exists; "": version 2. Returns the descriptor or -1 with errno. */
static int mount_apart(char *names)
{
    int   context_fd = fsopen(*names == '\0' ? "cgroup2" : "cgroup", FSOPEN_CLOEXEC), mount_fd = -1, saved;
    bool  failed = context_fd < 0;
    char *rest   = names;

    for (char *name; !failed && *names != '\0' && (name = strsep(&rest, ",")) != NULL;)
        failed = fsconfig(context_fd, FSCONFIG_SET_FLAG, name, NULL, 0) < 0;
    if (!failed && fsconfig(context_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
        mount_fd = fsmount(context_fd, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    saved = errno;
    fdio_close(&context_fd);
    errno = saved;
    return mount_fd;
}

static int open_through(int mount_fd, const char *root, const char *path)
{
    int own_fd = mount_fd < 0 ? -1 : open_below(mount_fd, root, path), saved = errno;
    fdio_close(&mount_fd);
    errno = saved;
    return own_fd;
}

/* Our own group's directory, which we may write. Returns a descriptor or -1 with errno: why not. */
static int open_own(const char *controller)
{
    char path[PATH_MAX], names[PATH_MAX], mount[PATH_MAX], root[PATH_MAX], *last;
    int  own_fd = -1, reason = ENOENT;

    if (own_path(controller, path, names, sizeof path) < 0) {
        errno = ENOENT;
        return -1;
    }
    /* the service was moved into its leaf already, by a zygote before us or by a service that was started in the same group */
    last = strrchr(path, '/');
    if (controller == NULL && last != NULL && strcmp(last + 1, LEAF) == 0)
        *last = '\0';
    if (mount_point(controller, mount, root, sizeof mount) == 0)
        own_fd = open_through(open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC), root, path);
    if (own_fd >= 0 && faccessat(own_fd, "cgroup.procs", W_OK, AT_EACCESS) == 0)
        return own_fd;
    reason = own_fd < 0 ? reason : errno;
    fdio_close(&own_fd);
    if (reason == EROFS || reason == ENOENT)
        own_fd = open_through(mount_apart(names), "/", path);
    if (own_fd < 0 || faccessat(own_fd, "cgroup.procs", W_OK, AT_EACCESS) < 0) {
        fdio_close(&own_fd);
        errno = reason;
    }
    return own_fd;
}

/* One pass over the processes of a group: into another. Returns how many it found, or -1 with errno when one can't be moved. */
static int move_all(int from_fd, int to_fd)
{
    int   procs_fd = openat(from_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC), found = 0;
    FILE *procs = procs_fd < 0 ? NULL : fdopen(procs_fd, "r");
    char  line[32];

    if (procs == NULL) {
        fdio_close(&procs_fd);
        return -1;
    }
    while (found >= 0 && fgets(line, sizeof line, procs) != NULL)
        found = jail_cgroup_write(to_fd, "cgroup.procs", line) < 0 && errno != ESRCH ? -1 : found + 1;
    fclose(procs);
    return found;
}

/*
 * Version 2 forbids processes in a group whose controllers are passed on to children, so all that live in ours move into a leaf first: the
 * supervisor's, and where the service was started by hand the shell's, too. The hierarchy's root alone is exempt. Returns 0, or -1 with errno.
 */
static int vacate(struct jail *jail, int own_fd)
{
    bool is_new = faccessat(own_fd, LEAF, F_OK, 0) < 0;
    int  leaf_fd, found = 1;

    if (faccessat(own_fd, "cgroup.type", F_OK, 0) < 0 && errno == ENOENT)
        return 0;
    leaf_fd = jail_cgroup_make(own_fd, LEAF);
    if (leaf_fd < 0)
        return -1;
    jail->cgroup_leaf = is_new ? LEAF_MADE : LEAF_FOUND;
    for (int i = 0; i < ROUNDS_MAX && found > 0; i++) /* again: one may have been born meanwhile */
        found = move_all(own_fd, leaf_fd);
    fdio_close(&leaf_fd);
    return found < 0 ? -1 : 0;
}

/* One of our group's files that lists controllers has this one. */
static bool lists(int own_fd, const char *file, const char *controller)
{
    char    text[256] = "";
    int     list_fd   = openat(own_fd, file, O_RDONLY | O_CLOEXEC);
    ssize_t n         = list_fd < 0 ? -1 : read(list_fd, text, sizeof text - 1);

    fdio_close(&list_fd);
    text[strcspn(text, "\n")] = '\0';
    for (char *p = text; n > 0 && *p != '\0'; p++)
        *p = *p == ' ' ? ',' : *p;
    return n > 0 && has_word(text, controller);
}

/* Makes our group pass a controller on to its children, or no longer. Returns 0 or -1 with errno. */
static int pass_on(int own_fd, char sign, const char *controller)
{
    char change[32];
    (void)snprintf(change, sizeof change, "%c%s", sign, controller);
    return jail_cgroup_write(own_fd, "cgroup.subtree_control", change);
}

/* The kernel refuses it while other groups below ours use a controller: those of another service that was started here. */
static void restore_v2(const struct jail *jail)
{
    int leaf_fd;

    for (int i = 0; i < CGROUP_KINDS; i++) {
        bool is_ours = jail->cgroup_leaf == LEAF_FOUND || (jail->cgroup_switched & 1u << i) != 0;
        if (is_ours && pass_on(jail->cgroup_own_fd, '-', jail_cgroup_controllers[i]) < 0)
            return;
    }
    leaf_fd = openat(jail->cgroup_own_fd, LEAF, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (leaf_fd >= 0 && move_all(leaf_fd, jail->cgroup_own_fd) >= 0)
        (void)unlinkat(jail->cgroup_own_fd, LEAF, AT_REMOVEDIR);
    fdio_close(&leaf_fd);
}

void jail_cgroup_restore(struct jail *jail, bool is_service)
{
    if (jail->cgroup_leaf == LEAF_MADE || (is_service && jail->cgroup_leaf == LEAF_FOUND))
        restore_v2(jail);
    fdio_close(&jail->cgroup_own_fd);
}

/* Hands one controller down to our group's children. Returns the directory of the sessions' groups, or -1 with errno. */
static int delegate(struct jail *jail, int kind)
{
    const char *controller = jail_cgroup_controllers[kind];
    int         own_fd     = jail->cgroup_own_fd, group_fd;
    bool        is_passed  = lists(own_fd, "cgroup.subtree_control", controller);

    if (pass_on(own_fd, '+', controller) < 0)
        return -1;
    jail->cgroup_switched |= is_passed ? 0 : 1u << kind;
    group_fd = jail_cgroup_claim(own_fd, jail->cgroup_name);
    if (group_fd >= 0 && pass_on(group_fd, '+', controller) < 0)
        fdio_close(&group_fd);
    return group_fd;
}

/* Returns 0 or errno: why there are no groups of version 2. */
static int prepare_v2(struct jail *jail)
{
    int error;

    jail->cgroup_own_fd = open_own(NULL);
    if (jail->cgroup_own_fd < 0)
        return errno;
    error = !lists(jail->cgroup_own_fd, "cgroup.controllers", jail_cgroup_controllers[CGROUP_MEMORY]) ? ENODEV
            : vacate(jail, jail->cgroup_own_fd) < 0                                                   ? errno
                                                                                                      : 0;
    for (int i = 0; error == 0 && i < CGROUP_KINDS; i++) {
        jail->cgroup_fd[i] = delegate(jail, i);
        if (jail->cgroup_fd[i] >= 0)
            jail->cgroup_version = 2;
    }
    return error;
}

static void prepare_v1(struct jail *jail)
{
    for (int i = 0; i < CGROUP_KINDS; i++) {
        int own_fd = open_own(jail_cgroup_controllers[i]);
        if (own_fd >= 0)
            jail->cgroup_fd[i] = jail_cgroup_claim(own_fd, jail->cgroup_name);
        if (jail->cgroup_fd[i] >= 0)
            jail->cgroup_version = 1;
        fdio_close(&own_fd);
    }
}

int jail_cgroup_prepare(struct jail *jail, struct err *err)
{
    int why;

    (void)err;
    jail_cgroup_name(jail, getppid()); /* a zygote that replaces a dead one finds the groups of its sessions again */
    why = prepare_v2(jail);
    if (jail->cgroup_version == 0)
        prepare_v1(jail);
    for (int i = 0; i < CGROUP_KINDS; i++) {
        if (jail->cgroup_fd[i] >= 0)
            jail_active(jail, layers[i], "cgroup version %d", jail->cgroup_version);
        else if (jail->cgroup_version == 0)
            jail_inactive(jail, layers[i], "no %s controller of version 2 is delegated to us (%s) and none of version 1 is writable",
                          jail_cgroup_controllers[i], strerror(why));
        else
            jail_inactive(jail, layers[i], "the %s controller of version %d is not delegated to us", jail_cgroup_controllers[i],
                          jail->cgroup_version);
    }
    return 0;
}
