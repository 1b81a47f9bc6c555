#define _GNU_SOURCE
#include "installer_reach.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TREES_MAX = 3 };

struct tree {
    char path[PATH_MAX];
    char closed[PATH_MAX]; /* the uppermost directory above it that others may not enter; or empty */
    int  fd;
};

/* The directory that is `up` levels above a path. */
static void above(const char *path, int up, char ret[PATH_MAX])
{
    (void)snprintf(ret, PATH_MAX, "%s", path);
    for (char *slash; up > 0 && (slash = strrchr(ret, '/')) != NULL; up--)
        *slash = '\0';
}

static void find_closed(struct tree *tree)
{
    struct stat st;
    for (const char *end = tree->path[0] != '\0' ? strchr(tree->path + 1, '/') : NULL; end != NULL; end = strchr(end + 1, '/')) {
        (void)snprintf(tree->closed, sizeof tree->closed, "%.*s", (int)(end - tree->path), tree->path);
        if (stat(tree->closed, &st) == 0 && (st.st_mode & S_IXOTH) == 0)
            return;
    }
    tree->closed[0] = '\0';
}

/* <environment>/bin/python, what that links to (<base>/bin/python3), and the directory of installer.py. */
static size_t list(const struct config *config, struct tree trees[TREES_MAX])
{
    char   real[PATH_MAX];
    size_t count = 0;
    above(config->python, 2, trees[count++].path);
    (void)snprintf(trees[count++].path, PATH_MAX, "%s", config->python_library);
    if (realpath(config->python, real) != NULL)
        above(real, 2, trees[count++].path);
    for (size_t i = 0; i < count; i++)
        find_closed(&trees[i]);
    return count;
}

/* Below the cover, which is there. */
static int make_directories(struct tree *tree)
{
    for (char *slash = tree->path + strlen(tree->closed); (slash = strchr(slash + 1, '/')) != NULL; *slash = '/') {
        *slash = '\0';
        if (mkdir(tree->path, 0755) < 0 && errno != EEXIST)
            return -1;
    }
    return mkdir(tree->path, 0755) < 0 && errno != EEXIST ? -1 : 0;
}

static bool is_covered(const struct tree *trees, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(trees[i].closed, trees[index].closed) == 0)
            return true;
    return false;
}

static int bind_tree(struct tree *tree)
{
    char source[40];
    (void)snprintf(source, sizeof source, "/proc/self/fd/%d", tree->fd);
    return make_directories(tree) == 0 && mount(source, tree->path, NULL, MS_BIND, NULL) == 0
               ? mount(NULL, tree->path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL)
               : -1;
}

int installer_reach(const struct config *config, struct err *err)
{
    struct tree trees[TREES_MAX];
    size_t      count  = list(config, trees);
    int         result = 0;

    for (size_t i = 0; i < count; i++)
        trees[i].fd = trees[i].closed[0] != '\0' ? open(trees[i].path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    for (size_t i = 0; i < count && result == 0; i++)
        if (trees[i].fd >= 0 && !is_covered(trees, i) &&
            mount("none", trees[i].closed, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=64k") < 0)
            result = err_errno(err, "cannot cover %.150s", trees[i].closed);
    for (size_t i = 0; i < count && result == 0; i++)
        if (trees[i].fd >= 0 && bind_tree(&trees[i]) < 0)
            result = err_errno(err, "the installer's user cannot be given %.150s", trees[i].path);
    for (size_t i = 0; i < count; i++)
        if (trees[i].fd >= 0)
            (void)close(trees[i].fd);
    return result;
}
