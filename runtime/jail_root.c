/*
 * jail_root.c: the root that all sessions see, built once by the zygote, which then lives in it itself. A tmpfs with read-only binds
 * of what Python and ordinary commands need: no /home but a way to the workspace, no /root, /var, /sys, nothing of the host's /etc but the loader's cache. A session
 * inherits it by its mount namespace and adds only what is its own (jail_workspace.c), which costs 0.1 ms instead of 0.3.
 *
 * Where there is no mount namespace there is no root: Landlock rules take its place (jail_landlock.c).
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fdio.h"
#include "jail_layers.h"

#define VENV_IN_ROOT    "/opt/penny/venv"
#define LIBRARY_IN_ROOT "/opt/penny/python"
#define LAYERS_IN_ROOT  "/opt/penny/layers"
#define FONT_CACHE      "/share/penny/matplotlib"

/* mkdir -p below `root`; components that exist are fine. */
static int make_directories(const char *root, const char *path, struct err *err)
{
    char full[PATH_MAX];
    int  n = snprintf(full, sizeof full, "%s%s", root, path);

    if (n < 0 || (size_t)n >= sizeof full)
        return err_set(err, ENAMETOOLONG, "%s%s", root, path);
    for (char *p = full + strlen(root) + 1;; p++) {
        char end = *p;
        if (end != '/' && end != '\0')
            continue;
        *p = '\0';
        if (mkdir(full, 0755) < 0 && errno != EEXIST)
            return err_errno(err, "mkdir %s", full);
        *p = end;
        if (end == '\0')
            return 0;
    }
}

static int make_file(const char *root, const char *path, const char *text, struct err *err)
{
    char full[PATH_MAX];
    int  fd, failed;

    (void)snprintf(full, sizeof full, "%s%s", root, path);
    fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_errno(err, "create %s", full);
    failed = fdio_write_all(fd, text, strlen(text));
    if (failed)
        err_errno(err, "write %s", full);
    close(fd);
    return failed;
}

/* In a user namespace, what the host has set on a mount (noexec, noatime, ...) is locked and must be given again. */
static unsigned long locked_flags(const char *path)
{
    static const unsigned long flags[][2] = {{ST_RDONLY, MS_RDONLY},    {ST_NOSUID, MS_NOSUID},   {ST_NODEV, MS_NODEV},
                                             {ST_NOEXEC, MS_NOEXEC},    {ST_NOATIME, MS_NOATIME}, {ST_NODIRATIME, MS_NODIRATIME},
                                             {ST_RELATIME, MS_RELATIME}};
    struct statvfs             st;
    unsigned long              found = 0;

    if (statvfs(path, &st) < 0)
        return 0;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        found |= (st.f_flag & flags[i][0]) != 0 ? flags[i][1] : 0;
    return found;
}

/* Binds `source` of the host at `target` of the root, read-only. A source that does not exist is left out: distributions differ. */
static int bind_read_only(const char *root, const char *source, const char *target, bool device, struct err *err)
{
    unsigned long flags =
        MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | (device ? MS_NOEXEC : MS_NODEV); /* a device on it can be written to */
    char        full[PATH_MAX];
    struct stat st;

    if (stat(source, &st) < 0)
        return errno == ENOENT ? 0 : err_errno(err, "%s", source);
    (void)snprintf(full, sizeof full, "%s%s", root, target);
    if (S_ISDIR(st.st_mode) ? make_directories(root, target, err) < 0 : make_file(root, target, "", err) < 0)
        return -1;
    if (mount(source, full, NULL, MS_BIND, NULL) < 0)
        return err_errno(err, "bind %s", source);
    if (mount(NULL, full, NULL, flags | locked_flags(full), NULL) == 0)
        return 0;
    return err_errno(err, "remount %s read-only", target);
}

/* A path that is a directory is bound, a symbolic link (merged /usr) is made again. */
static int copy_or_bind(const char *root, const char *path, struct err *err)
{
    char        target[PATH_MAX], full[PATH_MAX];
    struct stat st;
    ssize_t     n;

    if (lstat(path, &st) < 0)
        return 0;
    if (!S_ISLNK(st.st_mode))
        return bind_read_only(root, path, path, false, err);
    n = readlink(path, target, sizeof target - 1);
    if (n < 0)
        return err_errno(err, "%s", path);
    target[n] = '\0';
    (void)snprintf(full, sizeof full, "%s%s", root, path);
    if (symlink(target, full) < 0 && errno != EEXIST)
        return err_errno(err, "symlink %s", full);
    return 0;
}

/* See host_program.h. */
static int bind_program(const char *root, struct err *err)
{
    char    path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

    if (n < 0)
        return err_errno(err, "/proc/self/exe");
    path[n] = '\0';
    return bind_read_only(root, path, JAIL_PROGRAM, false, err);
}

static int bind_system(const struct jail *jail, const char *root, struct err *err)
{
    static const char *const paths[] = {
        "/usr/bin",         "/usr/lib",        "/usr/lib64",        "/usr/lib32",       "/usr/share/zoneinfo",
        "/usr/share/fonts", "/usr/share/mime", "/etc/alternatives", "/etc/ld.so.cache", "/etc/localtime"};
    static const char *const links[] = {"/bin", "/lib", "/lib64", "/lib32"};

    if (make_directories(root, "/usr/share", err) < 0 || make_directories(root, "/etc", err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        if (copy_or_bind(root, links[i], err) < 0)
            return -1;
    }
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        if (bind_read_only(root, paths[i], paths[i], false, err) < 0)
            return -1;
    }
    if (strcmp(jail->python_base, "/usr") != 0 && bind_read_only(root, jail->python_base, jail->python_base, false, err) < 0)
        return -1;
    if (bind_read_only(root, jail->venv, VENV_IN_ROOT, false, err) < 0)
        return -1;
    /* what is installed later appears in it: the bind shows the directory as it is, and no session can write there */
    if (jail->layers[0] != '\0' && bind_read_only(root, jail->layers, LAYERS_IN_ROOT, false, err) < 0)
        return -1;
    if (bind_read_only(root, jail->library, LIBRARY_IN_ROOT, false, err) < 0)
        return -1;
    return bind_program(root, err);
}

static int make_etc(const char *root, struct err *err)
{
    if (make_file(root, "/etc/passwd",
                  "root:x:0:0:root:/nonexistent:/bin/sh\nsandbox:x:1000:1000:sandbox:/workspace:/bin/sh\nnobody:x:65534:65534:nobody:/"
                  "nonexistent:/bin/false\n",
                  err) < 0 ||
        make_file(root, "/etc/group", "root:x:0:\nsandbox:x:1000:\nnogroup:x:65534:\n", err) < 0 ||
        make_file(root, "/etc/hosts", "127.0.0.1 localhost sandbox\n::1 localhost\n", err) < 0)
        return -1;
    return make_file(root, "/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n", err);
}

static int make_dev(const char *root, struct err *err)
{
    static const char *const devices[]  = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"};
    static const char *const links[][2] = {{"/proc/self/fd", "/dev/fd"},
                                           {"/proc/self/fd/0", "/dev/stdin"},
                                           {"/proc/self/fd/1", "/dev/stdout"},
                                           {"/proc/self/fd/2", "/dev/stderr"},
                                           {"/tmp", "/dev/shm"}}; /* one tmpfs less per session; semaphores of multiprocessing live there */
    char                     full[PATH_MAX];

    if (make_directories(root, "/dev", err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
        if (bind_read_only(root, devices[i], devices[i], true, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        (void)snprintf(full, sizeof full, "%s%s", root, links[i][1]);
        if (symlink(links[i][0], full) < 0)
            return err_errno(err, "symlink %s", full);
    }
    return 0;
}

/* The workspace is where programs written for E2B look for their files, too. */
static int make_home(const char *root, struct err *err)
{
    char full[PATH_MAX];

    (void)snprintf(full, sizeof full, "%s/home/user", root);
    if (make_directories(root, "/home", err) < 0)
        return -1;
    return symlink("/workspace", full) < 0 ? err_errno(err, "symlink %s", full) : 0;
}

/*
 * A user namespace may mount a /proc of its own only where it can see a whole one already, so the root has the host's; every session
 * covers it with its own or, where it can't, with nothing (jail_workspace.c).
 */
static int make_proc(const char *root, struct err *err)
{
    char full[PATH_MAX];

    (void)snprintf(full, sizeof full, "%s/proc", root);
    if (mkdir(full, 0555) < 0)
        return err_errno(err, "mkdir %s", full);
    if (mount("proc", full, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0)
        return 0;
    if (mount("/proc", full, NULL, MS_BIND | MS_REC, NULL) < 0)
        return err_errno(err, "bind /proc");
    return 0;
}

static int make_writable(const char *root, struct err *err)
{
    static const char *const paths[] = {"/tmp", "/workspace"};
    char                     full[PATH_MAX];

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        (void)snprintf(full, sizeof full, "%s%s", root, paths[i]);
        if (mkdir(full, 0755) < 0)
            return err_errno(err, "mkdir %s", full);
        if (mount("tmpfs", full, "tmpfs", MS_NOSUID | MS_NODEV, "size=16m,nr_inodes=1024,mode=0755") <
            0) /* the zygote's own, while Python starts */
            return err_errno(err, "tmpfs %s", full);
    }
    return 0;
}

static int enter_root(const char *root, struct err *err)
{
    if (chdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
        return err_errno(err, "pivot_root");
    if (umount2(".", MNT_DETACH) < 0)
        return err_errno(err, "leave the host's root");
    if (chdir("/") < 0)
        return err_errno(err, "chdir /");
    if (mount(NULL, "/", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) < 0)
        return err_errno(err, "make the root read-only");
    return 0;
}

static int build(const struct jail *jail, const char *root, struct err *err)
{
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return err_errno(err, "private mounts");
    if (mkdir(root, 0755) < 0 && errno != EEXIST)
        return err_errno(err, "mkdir %s", root);
    if (mount("tmpfs", root, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,nr_inodes=512,mode=0755") < 0)
        return err_errno(err, "tmpfs %s", root);
    if (bind_system(jail, root, err) < 0 || make_etc(root, err) < 0 || make_dev(root, err) < 0 || make_home(root, err) < 0 ||
        make_proc(root, err) < 0 || make_writable(root, err) < 0 || enter_root(root, err) < 0)
        return -1;
    (void)unlinkat(jail->state_fd, "root", AT_REMOVEDIR); /* the mount needs no name any more, and nobody has to clean it up later */
    return 0;
}

/* policy->python is <venv>/bin/python; the interpreter it links to is <base>/bin/python3.x. */
static int find_python(struct jail *jail, struct err *err)
{
    char copy[PATH_MAX], real[PATH_MAX];

    (void)snprintf(copy, sizeof copy, "%s", jail->policy->python);
    (void)snprintf(jail->venv, sizeof jail->venv, "%s", dirname(dirname(copy)));
    if (realpath(jail->policy->python, real) == NULL)
        return err_errno(err, "interpreter %s", jail->policy->python);
    (void)snprintf(jail->python_base, sizeof jail->python_base, "%s", dirname(dirname(real)));
    (void)snprintf(jail->library, sizeof jail->library, "%s", jail->policy->python_library);
    if (jail->policy->package_dir[0] != '\0')
        (void)snprintf(jail->layers, sizeof jail->layers, "%s/layers", jail->policy->package_dir);
    return 0;
}

static int copy_file(int from_dir, int to_dir, const char *name, struct err *err)
{
    int from = openat(from_dir, name, O_RDONLY | O_CLOEXEC), to = openat(to_dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644),
        failed = 0;
    char    buffer[16384];
    ssize_t n = -1;

    while (from >= 0 && to >= 0 && !failed && (n = read(from, buffer, sizeof buffer)) > 0)
        failed = fdio_write_all(to, buffer, (size_t)n);
    if (from < 0 || to < 0 || failed || n < 0)
        failed = err_errno(err, "font cache %s", name);
    fdio_close(&from);
    fdio_close(&to);
    return failed;
}

/*
 * matplotlib wants a directory it can write, with the list of fonts that the build has made (else it searches for seconds). It is the
 * zygote's alone: a session has its own /tmp over it, and the list in memory.
 */
static int copy_fonts(const struct jail *jail, struct err *err)
{
    char           path[PATH_MAX];
    DIR           *dir;
    struct dirent *entry;
    int            to_fd, failed = 0;

    (void)snprintf(path, sizeof path, "%s" FONT_CACHE, jail->venv);
    if (mkdir(jail->matplotlib, 0755) < 0 && errno != EEXIST)
        return err_errno(err, "mkdir %s", jail->matplotlib);
    dir   = opendir(path);
    to_fd = open(jail->matplotlib, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (dir != NULL && to_fd >= 0 && !failed && (entry = readdir(dir)) != NULL) {
        if (entry->d_type == DT_REG)
            failed = copy_file(dirfd(dir), to_fd, entry->d_name, err);
    }
    if (dir != NULL)
        closedir(dir);
    fdio_close(&to_fd);
    return failed;
}

int jail_root_prepare(struct jail *jail, struct err *err)
{
    char       root[272];
    struct err why;

    if (find_python(jail, err) < 0)
        return -1;
    if (!jail->report[LAYER_MOUNT_NAMESPACE].active) {
        jail_inactive(jail, LAYER_ROOT, "no mount namespace");
        (void)snprintf(jail->matplotlib, sizeof jail->matplotlib, "%s/matplotlib", jail->policy->state_dir);
        return copy_fonts(jail, err);
    }
    (void)snprintf(root, sizeof root, "%s/root", jail->policy->state_dir);
    if (unshare(CLONE_NEWNS) < 0)
        return err_errno(err, "mount namespace of the zygote (root without CAP_SYS_ADMIN? Start it as an ordinary user, or with "
                              "SANDBOX_USER_NAMESPACES=off)");
    if (build(jail, root, &why) < 0) {
        /* half a root is worse than none, and the mount namespace that holds it can't be left again */
        return err_set(err, why.code, "the sandbox root could not be built: %.180s (SANDBOX_USER_NAMESPACES=off starts without one)",
                       why.message);
    }
    jail->has_root = true;
    (void)snprintf(jail->venv, sizeof jail->venv, VENV_IN_ROOT);
    (void)snprintf(jail->library, sizeof jail->library, LIBRARY_IN_ROOT);
    if (jail->layers[0] != '\0')
        (void)snprintf(jail->layers, sizeof jail->layers, LAYERS_IN_ROOT);
    (void)snprintf(jail->matplotlib, sizeof jail->matplotlib, "/tmp/matplotlib");
    jail_active(jail, LAYER_ROOT, "tmpfs with read-only binds of the interpreter and /usr");
    return copy_fonts(jail, err);
}
