#define _GNU_SOURCE
#include "installer_jail.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/landlock.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine.h"
#include "installer_reach.h"

enum {
    PROCESSES_MAX = 64,
    FILES_MAX     = 256,
    CPU_SLACK_S   = 10,
    /* Debian 12's linux/landlock.h stops at ABI 2; see jail_landlock.c */
    ACCESS_FS_TRUNCATE = 1 << 14,
    SCOPE_SIGNAL       = 1 << 1,
    SCOPE_ABSTRACT     = 1 << 0,
};

#define READ  (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FILES (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_FS_TRUNCATE)

uid_t installer_jail_uid(const struct policies *policies)
{
    return geteuid() == 0 ? (uid_t)policies->uid_base + policies->uid_count : geteuid();
}

/* ---- environment ---- */

/* What pip's configuration may come from; everything else of the operator's environment stays with us. */
static const char *const KEPT[] = {
    "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_TRUSTED_HOST", "PIP_CERT",     "PIP_CLIENT_CERT",
    "PIP_PROXY",     "PIP_DEFAULT_TIMEOUT", "PIP_TIMEOUT",    "PIP_RETRIES",  "PIP_CONFIG_FILE",  "http_proxy",   "https_proxy",
    "no_proxy",      "HTTP_PROXY",          "HTTPS_PROXY",    "NO_PROXY",     "SSL_CERT_FILE",    "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"};
enum { KEPT_COUNT = sizeof KEPT / sizeof *KEPT };

static int set_environment(const char *place, char *const kept[KEPT_COUNT])
{
    char temporary[300];
    (void)snprintf(temporary, sizeof temporary, "%s/tmp", place);
    if (clearenv() != 0 || setenv("HOME", place, 1) < 0 || setenv("TMPDIR", temporary, 1) < 0 || setenv("PATH", "/usr/bin:/bin", 1) < 0 ||
        setenv("LANG", "C.UTF-8", 1) < 0)
        return -1;
    for (size_t i = 0; i < KEPT_COUNT; i++)
        if (kept[i] != NULL && setenv(KEPT[i], kept[i], 1) < 0)
            return -1;
    return 0;
}

/* ---- Landlock ---- */

static void allow(int ruleset_fd, const char *path, uint64_t rights)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = rights};
    struct stat                       st;

    rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0) /* what does not exist, or may not be seen, needs no rule */
        return;
    if (fstat(rule.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
        rule.allowed_access &= FILES;
    (void)syscall(SYS_landlock_add_rule, ruleset_fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0); /* without its rule a path is closed */
    (void)close(rule.parent_fd);
}

/* Files that pip's configuration names in the environment: "/wheels /more", "file:///wheels". */
static void allow_named(int ruleset_fd, const char *text)
{
    char *copy = text != NULL ? strdup(text) : NULL, *save = NULL;
    for (char *word = copy != NULL ? strtok_r(copy, " \n", &save) : NULL; word != NULL; word = strtok_r(NULL, " \n", &save)) {
        const char *path = strncmp(word, "file://", 7) == 0 ? word + 7 : word;
        if (path[0] == '/' && path[1] != '\0')
            allow(ruleset_fd, path, READ & ~(uint64_t)LANDLOCK_ACCESS_FS_EXECUTE);
    }
    free(copy);
}

static void allow_all(int ruleset_fd, const struct config *config, const struct policies *policies, const char *place, uint64_t handled,
                      char *const kept[KEPT_COUNT])
{
    static const char *const system[] = {"/usr", "/lib", "/lib64", "/lib32", "/bin", "/etc/ld.so.cache", "/etc/alternatives"};
    static const char *const etc[]    = {"/etc/resolv.conf",     "/etc/hosts",          "/etc/nsswitch.conf",
                                         "/etc/gai.conf",        "/etc/localtime",      "/etc/services",
                                         "/etc/host.conf",       "/etc/pip.conf",       "/etc/ssl",
                                         "/etc/passwd",          "/etc/debian_version", "/etc/os-release",
                                         "/etc/lsb-release",     "/etc/redhat-release", "/etc/pki",
                                         "/etc/ca-certificates", "/etc/mime.types",     "/run/systemd/resolve"};
    static const char *const device[] = {"/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"};
    char                     path[PATH_MAX], real[PATH_MAX];
    json_t                  *extra;
    size_t                   i;

    for (i = 0; i < sizeof system / sizeof *system; i++)
        allow(ruleset_fd, system[i], READ);
    for (i = 0; i < sizeof etc / sizeof *etc; i++)
        allow(ruleset_fd, etc[i], READ & ~(uint64_t)LANDLOCK_ACCESS_FS_EXECUTE);
    for (i = 0; i < sizeof device / sizeof *device; i++)
        allow(ruleset_fd, device[i], LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE);
    /* the virtual environment and the interpreter it links to: <venv>/bin/python, <base>/bin/python3 */
    (void)snprintf(path, sizeof path, "%.*s/..", (int)(strrchr(config->python, '/') - config->python), config->python);
    allow(ruleset_fd, path, READ);
    if (realpath(config->python, real) != NULL && strncmp(real, "/usr/", 5) != 0) {
        (void)snprintf(path, sizeof path, "%.*s/..", (int)(strrchr(real, '/') - real), real);
        allow(ruleset_fd, path, READ);
    }
    (void)snprintf(path, sizeof path, "%s/installer.py", config->python_library);
    allow(ruleset_fd, path, READ);
    allow(ruleset_fd, "/proc/self", READ);
    allow(ruleset_fd, place,
          handled & ~(uint64_t)(LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM));
    for (i = 0; i < KEPT_COUNT; i++)
        allow_named(ruleset_fd, kept[i]);
    json_array_foreach(json_object_get(policies->packages.root, "readable"), i, extra)
        allow(ruleset_fd, json_string_value(extra), READ & ~(uint64_t)LANDLOCK_ACCESS_FS_EXECUTE);
}

static int enter_landlock(const struct config *config, const struct policies *policies, const char *place, char *const kept[KEPT_COUNT],
                          struct err *err)
{
    struct {
        uint64_t fs, net, scoped;
    } rules       = {.fs = (1u << 13) - 1};
    long   abi    = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    size_t length = abi >= 6 ? sizeof rules : abi >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
    int    ruleset_fd, failed;

    if (abi < 1)
        return 0; /* a kernel without: the user and the filter remain */
    if (abi >= 2)
        rules.fs |= LANDLOCK_ACCESS_FS_REFER;
    if (abi >= 3)
        rules.fs |= ACCESS_FS_TRUNCATE;
    if (abi >= 6)
        rules.scoped = SCOPE_SIGNAL | SCOPE_ABSTRACT;
    ruleset_fd = (int)syscall(SYS_landlock_create_ruleset, &rules, length, 0);
    if (ruleset_fd < 0)
        return err_errno(err, "Landlock rules");
    allow_all(ruleset_fd, config, policies, place, rules.fs, kept);
    failed = (int)syscall(SYS_landlock_restrict_self, ruleset_fd, 0);
    (void)close(ruleset_fd);
    return failed != 0 ? err_errno(err, "Landlock") : 0;
}

/* ---- the rest ---- */

static int limit(int resource, rlim_t value, const char *name, struct err *err)
{
    struct rlimit now, want = {value, value};
    if (getrlimit((__rlimit_resource_t)resource, &now) == 0 && now.rlim_max != RLIM_INFINITY && value > now.rlim_max)
        want.rlim_cur = want.rlim_max = now.rlim_max;
    return setrlimit((__rlimit_resource_t)resource, &want) == 0 ? 0 : err_errno(err, "limit of %s", name);
}

static int set_limits(const struct policies *policies, struct err *err)
{
    const struct policy_packages *packages = &policies->packages;
    if (limit(RLIMIT_CORE, 0, "core", err) < 0 || limit(RLIMIT_NOFILE, FILES_MAX, "nofile", err) < 0 ||
        limit(RLIMIT_FSIZE, packages->file_bytes, "fsize", err) < 0 || limit(RLIMIT_AS, packages->memory_bytes, "as", err) < 0)
        return -1;
    if (geteuid() == 0 && limit(RLIMIT_NPROC, PROCESSES_MAX, "nproc", err) < 0) /* else it would count all that our user has */
        return -1;
    return limit(RLIMIT_CPU, packages->install_time_ms / 1000 + CPU_SLACK_S, "cpu", err);
}

/* Where nothing of ours lies. */
static const char *find_cover(const struct config *config)
{
    static const char *const covers[] = {"/mnt", "/media", "/srv"};
    char                     real[PATH_MAX];
    if (realpath(config->python, real) == NULL)
        return NULL;
    for (size_t i = 0; i < sizeof covers / sizeof *covers; i++) {
        size_t length = strlen(covers[i]);
        if (access(covers[i], F_OK) == 0 && strncmp(config->python, covers[i], length) != 0 && strncmp(real, covers[i], length) != 0 &&
            strncmp(config->python_library, covers[i], length) != 0)
            return covers[i];
    }
    return NULL;
}

/* As root its directory gets another name in a mount namespace, so that no directory above it needs to be open to its user; nor above
 * the interpreter. */
static int move_place(const struct config *config, const char *place, char ret_place[256], struct err *err)
{
    const char *cover = geteuid() == 0 ? find_cover(config) : NULL;
    (void)snprintf(ret_place, 256, "%s", place);
    if (geteuid() != 0 || unshare(CLONE_NEWNS | CLONE_NEWIPC) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return 0;
    if (cover != NULL && mount(place, cover, NULL, MS_BIND, NULL) == 0)
        (void)snprintf(ret_place, 256, "%s", cover);
    return installer_reach(config, err);
}

static int become(uid_t uid, struct err *err)
{
    if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0))
        return err_errno(err, "cannot become the installer's user");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, 9) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
        return err_errno(err, "cannot restrict the installer");
    return 0;
}

int installer_jail_enter(const struct config *config, const struct policies *policies, const char *place, char ret_place[256],
                         struct err *err)
{
    char *kept[KEPT_COUNT];
    for (size_t i = 0; i < KEPT_COUNT; i++) {
        const char *value = getenv(KEPT[i]);
        kept[i]           = value != NULL ? strdup(value) : NULL;
    }
    umask(022);
    if (move_place(config, place, ret_place, err) < 0 || set_limits(policies, err) < 0 || become(installer_jail_uid(policies), err) < 0)
        return -1;
    if (chdir(ret_place) < 0)
        return err_errno(err, "the installer's user cannot reach %.150s (SANDBOX_PACKAGE_DIR)", ret_place);
    if (set_environment(ret_place, kept) < 0)
        return err_errno(err, "environment");
    if (enter_landlock(config, policies, ret_place, kept, err) < 0)
        return -1;
    return confine_system_calls(err);
}
