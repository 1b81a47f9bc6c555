/*
 * jail_landlock.c: the Landlock domain of a worker: which files it may touch, no TCP, no abstract socket and no signal beyond the
 * domain. Entered by the worker and not by init, so that the worker can't signal init. With a root of its own it is the second wall
 * around files; without, it is the only one.
 *
 * Debian 12's linux/landlock.h stops at ABI 2. The later constants are from include/uapi/linux/landlock.h of Linux 6.12.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "jail_layers.h"

enum {
    ACCESS_FS_TRUNCATE         = 1 << 14, /* ABI 3 */
    ACCESS_NET_BIND_TCP        = 1 << 0,  /* ABI 4 */
    ACCESS_NET_CONNECT_TCP     = 1 << 1,
    ACCESS_FS_IOCTL_DEV        = 1 << 15, /* ABI 5 */
    SCOPE_ABSTRACT_UNIX_SOCKET = 1 << 0,  /* ABI 6 */
    SCOPE_SIGNAL               = 1 << 1,
};

enum { RULE_NET_PORT = 2 }; /* ABI 4 */

struct net_port_attributes {
    uint64_t allowed_access, port;
};

struct ruleset_attributes {
    uint64_t handled_fs, handled_net, scoped;
};

enum { READ = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR };
enum {
    FILE_RIGHTS =
        LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE | ACCESS_FS_TRUNCATE | ACCESS_FS_IOCTL_DEV
};

static uint64_t handled_fs(int abi)
{
    uint64_t rights = (1u << 13) - 1; /* ABI 1 */
    if (abi >= 2)
        rights |= LANDLOCK_ACCESS_FS_REFER;
    if (abi >= 3)
        rights |= ACCESS_FS_TRUNCATE;
    if (abi >= 5)
        rights |= ACCESS_FS_IOCTL_DEV;
    return rights;
}

static size_t attributes(int abi, struct ruleset_attributes *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->handled_fs = handled_fs(abi);
    if (abi >= 4)
        ret->handled_net = ACCESS_NET_BIND_TCP | ACCESS_NET_CONNECT_TCP;
    if (abi >= 6)
        ret->scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
    return abi >= 6 ? sizeof *ret : abi >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t); /* an old kernel refuses a longer struct */
}

int jail_landlock_prepare(struct jail *jail, struct err *err)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    (void)err;
    if (abi < 1) {
        jail_inactive(jail, LAYER_LANDLOCK, "the kernel has none: %s", strerror(errno));
    } else {
        jail->landlock_abi = (int)abi;
        jail_active(jail, LAYER_LANDLOCK, "ABI %ld: files%s%s", abi, abi >= 4 ? ", no TCP" : "",
                    abi >= 6 ? ", signals and abstract sockets stay inside" : "");
    }
    if (jail->landlock_abi < 6 && jail->report[LAYER_NETWORK_NAMESPACE].active) {
        /* abstract socket names belong to the network namespace: shared, it would join sessions */
        jail->own_network = true;
        jail_active(jail, LAYER_NETWORK_NAMESPACE, "one per session, empty (Landlock can't scope abstract sockets here)");
    }
    return 0;
}

/* A path that does not exist on this host needs no rule. */
static int allow(int ruleset_fd, const char *path, uint64_t rights, struct err *err)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = rights};
    struct stat                       st;
    int                               failed;

    rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0)
        return errno == ENOENT ? 0 : err_errno(err, "landlock %s", path);
    if (fstat(rule.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
        rule.allowed_access &= FILE_RIGHTS;
    failed = (int)syscall(SYS_landlock_add_rule, ruleset_fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    if (failed)
        err_errno(err, "landlock rule for %s", path);
    close(rule.parent_fd);
    return failed;
}

static int allow_way_out(int ruleset_fd, struct err *err)
{
    struct net_port_attributes rule = {ACCESS_NET_CONNECT_TCP, EGRESS_PORT};
    if (syscall(SYS_landlock_add_rule, ruleset_fd, RULE_NET_PORT, &rule, 0) < 0)
        return err_errno(err, "landlock rule for the proxy");
    return 0;
}

static int allow_all(const struct jail *jail, const struct jail_session *session, int ruleset_fd, struct err *err)
{
    static const char *const system[] = {
        "/usr", "/lib", "/lib64", "/lib32", "/bin", "/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime", "/etc/mime.types"};
    static const char *const etc[]    = {"/etc/passwd", "/etc/group", "/etc/hosts", "/etc/nsswitch.conf"};
    static const char *const device[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"};
    uint64_t                 handled  = handled_fs(jail->landlock_abi);
    uint64_t writable = handled & ~(uint64_t)(LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK | ACCESS_FS_IOCTL_DEV);
    uint64_t use      = handled & (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_FS_TRUNCATE);

    for (size_t i = 0; i < sizeof system / sizeof *system; i++) {
        if (allow(ruleset_fd, system[i], READ, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < sizeof device / sizeof *device; i++) {
        if (allow(ruleset_fd, device[i], use, err) < 0)
            return -1;
    }
    for (size_t i = 0; jail->has_root && i < sizeof etc / sizeof *etc; i++) { /* generated ones; the host's are not to be read */
        if (allow(ruleset_fd, etc[i], READ, err) < 0)
            return -1;
    }
    if (jail->has_root && (allow(ruleset_fd, "/", LANDLOCK_ACCESS_FS_READ_DIR, err) < 0 || /* nothing in our root is secret */
                           allow(ruleset_fd, "/opt/penny", READ, err) < 0 || allow(ruleset_fd, "/proc", READ | use, err) < 0))
        return -1;
    if (jail->egress_fd >= 0 && allow_way_out(ruleset_fd, err) < 0)
        return -1;
    if (allow(ruleset_fd, jail->venv, READ, err) < 0 || allow(ruleset_fd, jail->library, READ, err) < 0 ||
        (jail->layers[0] != '\0' && allow(ruleset_fd, jail->layers, READ, err) < 0) ||
        allow(ruleset_fd, jail->python_base, READ, err) < 0 || allow(ruleset_fd, session->workspace, writable, err) < 0)
        return -1;
    return allow(ruleset_fd, session->temporary, writable, err);
}

int jail_landlock_enter(const struct jail *jail, const struct jail_session *session, struct err *err)
{
    struct ruleset_attributes attr;
    size_t                    size;
    int                       ruleset_fd, failed;

    if (jail->landlock_abi == 0)
        return 0;
    size       = attributes(jail->landlock_abi, &attr);
    ruleset_fd = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
    if (ruleset_fd < 0)
        return err_errno(err, "landlock ruleset");
    failed = allow_all(jail, session, ruleset_fd, err);
    if (!failed && syscall(SYS_landlock_restrict_self, ruleset_fd, 0) < 0)
        failed = err_errno(err, "landlock restrict");
    close(ruleset_fd);
    return failed;
}
