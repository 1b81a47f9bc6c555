#define _GNU_SOURCE
#include "doctor_host.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "doctor_finding.h"
#include "fdio.h"
#include "footing.h"
#include "listener.h"

enum { MAPPINGS_WANTED = 65530 };

void doctor_kernel(json_t *findings)
{
    struct utsname name;
    unsigned       major = 0, minor = 0;
    char           lsm[256];

    (void)uname(&name);
    (void)sscanf(name.release, "%u.%u", &major, &minor);
    doctor_read("/sys/kernel/security/lsm", lsm, sizeof lsm);
    if (major < 5 || (major == 5 && minor < 9))
        doctor_find(findings, "kernel", DOCTOR_FAILED, "use Linux 5.13 or newer (clone3, openat2, close_range, Landlock)", "Linux %s",
                    name.release);
    else if (major == 5 && minor < 13)
        doctor_find(findings, "kernel", DOCTOR_WEAK, "use Linux 5.13 or newer, which has Landlock", "Linux %s", name.release);
    else
        doctor_find(findings, "kernel", DOCTOR_OK, NULL, "Linux %s%s%s", name.release, *lsm != '\0' ? ", security modules " : "", lsm);
}

void doctor_limits(json_t *findings)
{
    struct err err = {0};
    if (footing_limits(&err) < 0)
        doctor_find(findings, "limits", DOCTOR_FAILED, "ulimit, or Limit...= of its unit", "%s", err.message);
    else
        doctor_find(findings, "limits", DOCTOR_OK, NULL, "none of the shell's (ulimit) is in the way");
}

/* pyvenv.cfg says "version = 3.11.2". */
static void environment_version(const struct config *config, char *ret, size_t room)
{
    char  path[PATH_MAX], line[256], *slash;
    FILE *file;
    *ret = '\0';
    (void)snprintf(path, sizeof path, "%s", config->python);
    for (int i = 0; i < 2; i++)
        if ((slash = strrchr(path, '/')) != NULL)
            *slash = '\0';
    (void)strncat(path, "/pyvenv.cfg", sizeof path - strlen(path) - 1);
    file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "version = ", 10) == 0)
            (void)snprintf(ret, room, "%.*s", (int)strcspn(line + 10, "\n"), line + 10);
    if (file != NULL)
        (void)fclose(file);
}

static bool same_minor(const char *a, const char *b)
{
    unsigned a_major, a_minor, b_major, b_minor;
    return sscanf(a, "%u.%u", &a_major, &a_minor) == 2 && sscanf(b, "%u.%u", &b_major, &b_minor) == 2 && a_major == b_major &&
           a_minor == b_minor;
}

void doctor_python(const struct config *config, const char *python, json_t *findings)
{
    char version[64];

    environment_version(config, version, sizeof version);
    if (access(config->python, X_OK) < 0)
        doctor_find(findings, "python", DOCTOR_FAILED, "make venv, or name another environment: --python", "%s: %s", config->python,
                    strerror(errno));
    else if (*python != '\0' && *version != '\0' && !same_minor(python, version))
        doctor_find(findings, "python", DOCTOR_FAILED, "make the environment anew with the Python that penny-zygote is linked with",
                    "%s is of Python %s, penny-zygote of %s", config->python, version, python);
    else
        doctor_find(findings, "python", DOCTOR_OK, NULL, "%s %s", *python != '\0' ? python : version, config->python);
}

void doctor_files(const struct config *config, json_t *findings)
{
    if (access(config->web_dir, R_OK) == 0)
        doctor_find(findings, "page", DOCTOR_OK, NULL, "%s", config->web_dir);
    else
        doctor_find(findings, "page", DOCTOR_WEAK, "make web, or name another place: --web-dir", "%s: %s; the API serves without it",
                    config->web_dir, strerror(errno));
    if (geteuid() != 0)
        return;
    if (getpwnam(config->user) == NULL)
        doctor_find(findings, "user", DOCTOR_FAILED, "make it, or name another one: --user",
                    "there is no user '%s' for the server process to become", config->user);
    else
        doctor_find(findings, "user", DOCTOR_OK, NULL, "the server process becomes %s", config->user);
}

void doctor_addresses(const struct config *config, json_t *findings)
{
    for (size_t i = 0; i < config->listen_count; i++) {
        struct config one                    = *config;
        int           fds[CONFIG_LISTEN_MAX] = {-1};
        struct err    err                    = {0};
        one.listen[0]                        = config->listen[i];
        one.listen_count                     = 1;
        if (listener_open_all(&one, fds, &err) == 0)
            doctor_find(findings, "address", DOCTOR_OK, NULL, "%s port %u is free", config->listen[i].host, config->listen[i].port);
        else if (err.code == EADDRINUSE)
            doctor_find(findings, "address", DOCTOR_WEAK, "stop what listens there (a service that runs?), or choose another port: --port",
                        "%s", err.message);
        else
            doctor_find(findings, "address", DOCTOR_FAILED, "see the message", "%s", err.message);
        fdio_close(&fds[0]);
    }
}

void doctor_memory(json_t *findings)
{
    int64_t total = doctor_meminfo("MemTotal"), available = doctor_meminfo("MemAvailable"), swap = doctor_meminfo("SwapTotal");
    int64_t overcommit = doctor_read_number("/proc/sys/vm/overcommit_memory"), mappings = doctor_read_number("/proc/sys/vm/max_map_count");

    if (available < (INT64_C(1) << 29))
        doctor_find(findings, "memory", DOCTOR_WEAK, "give it more: the libraries alone need 300 MB", "%lld MB of %lld MB are free",
                    (long long)(available >> 20), (long long)(total >> 20));
    else
        doctor_find(findings, "memory", DOCTOR_OK, NULL, "%lld MB of %lld MB are free%s", (long long)(available >> 20),
                    (long long)(total >> 20),
                    swap > 0 ? ", and there is swap for sessions that nobody uses" : "; without swap, idle sessions give only caches back");
    if (overcommit == 2)
        doctor_find(findings, "overcommit", DOCTOR_WEAK, "sysctl -w vm.overcommit_memory=1",
                    "vm.overcommit_memory is 2: copies of large sessions will be refused, though they share their memory");
    else
        doctor_find(findings, "overcommit", DOCTOR_OK, NULL, "vm.overcommit_memory is %lld", (long long)overcommit);
    if (mappings < MAPPINGS_WANTED)
        doctor_find(findings, "mappings", DOCTOR_WEAK, "sysctl -w vm.max_map_count=65530",
                    "vm.max_map_count is %lld: programs with many arrays run out", (long long)mappings);
    else
        doctor_find(findings, "mappings", DOCTOR_OK, NULL, "vm.max_map_count is %lld", (long long)mappings);
}

/* ---- the jail ---- */

/* The kernel lets nobody who has only changed his root make user namespaces. There "/" is seldom a mount of its own. */
static bool is_chroot(void)
{
    FILE *file = fopen("/proc/self/mountinfo", "re");
    char  line[4096], point[4096];
    bool  found = file == NULL;
    while (!found && fgets(line, sizeof line, file) != NULL)
        found = sscanf(line, "%*s %*s %*s %*s %4095s", point) == 1 && strcmp(point, "/") == 0;
    if (file != NULL)
        (void)fclose(file);
    return !found;
}

static const char *advice_on_user_namespace(void)
{
    if (is_chroot())
        return "leave the chroot: use a container, or pivot_root, or the host itself";
    if (doctor_read_number("/proc/sys/user/max_user_namespaces") == 0)
        return "sysctl -w user.max_user_namespaces=100000";
    if (doctor_read_number("/proc/sys/kernel/unprivileged_userns_clone") == 0)
        return "sysctl -w kernel.unprivileged_userns_clone=1, or start it as root";
    if (doctor_read_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1)
        return "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or start it as root";
    return "in a container: --security-opt seccomp=deploy/container/seccomp.json (deploy/container/README.md has its flags, also for "
           "AppArmor)";
}

static const char *advice_on_host_uid(void)
{
    if (geteuid() != 0)
        return "start it as root: the server process gives that up at once";
    return "in a container: --cap-add SETUID --cap-add SETGID; in a user namespace: process.uidBase and uidCount in resources.json, among "
           "the "
           "users of /proc/self/uid_map";
}

static const char *advice_on_control_groups(void)
{
    if (access("/run/systemd/system", F_OK) == 0)
        return "start it by systemd: systemctl start penny-sandbox, or: systemd-run --pty -p Delegate=yes penny-sandbox";
    return "in a container: the flags for full of deploy/container/README.md; else as root, or by a manager that delegates a control group";
}

static const char *advice_on(const struct config *config, const char *layer)
{
    if (strcmp(layer, "userNamespace") == 0)
        return config->allow_user_namespaces ? advice_on_user_namespace() : "--user-namespaces=on";
    if (strstr(layer, "Namespace") != NULL || strcmp(layer, "readOnlyRoot") == 0 || strcmp(layer, "workspace") == 0 ||
        strcmp(layer, "proc") == 0)
        return "comes with userNamespace";
    if (strcmp(layer, "hostUid") == 0)
        return advice_on_host_uid();
    if (strncmp(layer, "cgroup", 6) == 0)
        return advice_on_control_groups();
    if (strcmp(layer, "landlock") == 0)
        return "boot with lsm=landlock,... on the kernel's command line (CONFIG_SECURITY_LANDLOCK)";
    return "a kernel with CONFIG_SECCOMP_FILTER";
}

/* No layer: it makes sessions small. */
static void look_at_visits(const json_t *report, json_t *findings)
{
    const json_t *visits      = json_object_get(report, "visits");
    bool          active      = json_is_true(json_object_get(visits, "active"));
    bool        is_namespaced = json_is_true(json_object_get(json_object_get(json_object_get(report, "layers"), "pidNamespace"), "active"));
    const char *detail        = json_string_value(json_object_get(visits, active ? "detail" : "reason"));

    doctor_find(findings, "visits", active ? DOCTOR_OK : DOCTOR_WEAK,
                is_namespaced ? "keep penny-init beside penny-zygote; in a container allow clone3 and setns "
                                "(deploy/container/seccomp.json); for an ordinary user "
                                "Linux 6.12"
                              : "comes with userNamespace",
                "%s", detail != NULL ? detail : "");
}

void doctor_isolation(const struct config *config, const json_t *report, json_t *findings)
{
    static const char *const levels[] = {"none", "process", "namespace", "full"};
    const char              *level    = json_string_value(json_object_get(report, "level")), *name;
    json_t                  *layer;
    int                      have = 0;

    for (int i = 0; level != NULL && i < 4; i++)
        have = strcmp(level, levels[i]) == 0 ? i : have;
    doctor_find(findings, "isolation",
                have < config->require_isolation ? DOCTOR_FAILED
                : have < 3                       ? DOCTOR_WEAK
                                                 : DOCTOR_OK,
                "see the layers below", "%s%s%s", levels[have], have < config->require_isolation ? "; required is " : "",
                have < config->require_isolation ? levels[config->require_isolation] : "");
    json_object_foreach(json_object_get(report, "layers"), name, layer)
    {
        bool        active = json_is_true(json_object_get(layer, "active"));
        const char *detail = json_string_value(json_object_get(layer, active ? "detail" : "reason"));
        doctor_find(findings, name, active ? DOCTOR_OK : DOCTOR_WEAK, advice_on(config, name), "%s", detail != NULL ? detail : "");
    }
    look_at_visits(report, findings);
}
