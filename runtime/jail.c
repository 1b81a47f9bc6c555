/* jail.c: what is prepared of each layer, once, in the zygote, and what the layers add up to. Sessions enter them in jail_enter.c. */
#define _GNU_SOURCE
#include "jail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fdio.h"
#include "jail_layers.h"
#include "visit.h"

static const char *const layer_names[LAYER_COUNT] = {
    [LAYER_USER_NAMESPACE]    = "userNamespace",
    [LAYER_PID_NAMESPACE]     = "pidNamespace",
    [LAYER_MOUNT_NAMESPACE]   = "mountNamespace",
    [LAYER_IPC_NAMESPACE]     = "ipcNamespace",
    [LAYER_UTS_NAMESPACE]     = "utsNamespace",
    [LAYER_CGROUP_NAMESPACE]  = "cgroupNamespace",
    [LAYER_NETWORK_NAMESPACE] = "networkNamespace",
    [LAYER_ROOT]              = "readOnlyRoot",
    [LAYER_WORKSPACE]         = "workspace",
    [LAYER_PROC]              = "proc",
    [LAYER_HOST_UID]          = "hostUid",
    [LAYER_CGROUP_MEMORY]     = "cgroupMemory",
    [LAYER_CGROUP_PIDS]       = "cgroupPids",
    [LAYER_CGROUP_CPU]        = "cgroupCpu",
    [LAYER_RLIMITS]           = "rlimits",
    [LAYER_CAPABILITIES]      = "capabilities",
    [LAYER_NO_NEW_PRIVILEGES] = "noNewPrivileges",
    [LAYER_LANDLOCK]          = "landlock",
    [LAYER_SECCOMP]           = "seccomp",
};

static const char *const level_names[] = {
    [ISOLATION_NONE] = "none", [ISOLATION_PROCESS] = "process", [ISOLATION_NAMESPACE] = "namespace", [ISOLATION_FULL] = "full"};

const char *jail_layer_name(enum jail_layer_id layer)
{
    return layer_names[layer];
}

static void note(struct jail *jail, enum jail_layer_id layer, bool active, const char *format, va_list ap)
{
    struct jail_report *report = &jail->report[layer];
    report->active             = active;
    (void)vsnprintf(report->detail, sizeof report->detail, format, ap);
}

void jail_active(struct jail *jail, enum jail_layer_id layer, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    note(jail, layer, true, format, ap);
    va_end(ap);
}

void jail_inactive(struct jail *jail, enum jail_layer_id layer, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    note(jail, layer, false, format, ap);
    va_end(ap);
}

static bool all_active(const struct jail *jail, const enum jail_layer_id *layers, size_t count, enum jail_layer_id *ret_missing)
{
    for (size_t i = 0; i < count; i++) {
        if (!jail->report[layers[i]].active) {
            *ret_missing = layers[i];
            return false;
        }
    }
    return true;
}

/* The highest level whose layers all hold; *ret_missing is the layer that kept it from the next. */
static enum isolation_level level_of(const struct jail *jail, enum jail_layer_id *ret_missing)
{
    static const enum jail_layer_id process[]   = {LAYER_SECCOMP, LAYER_RLIMITS, LAYER_NO_NEW_PRIVILEGES, LAYER_CAPABILITIES};
    static const enum jail_layer_id namespace[] = {LAYER_USER_NAMESPACE, LAYER_PID_NAMESPACE, LAYER_MOUNT_NAMESPACE,
                                                   LAYER_IPC_NAMESPACE,  LAYER_UTS_NAMESPACE, LAYER_NETWORK_NAMESPACE,
                                                   LAYER_ROOT,           LAYER_WORKSPACE,     LAYER_PROC};
    static const enum jail_layer_id full[]      = {LAYER_HOST_UID, LAYER_CGROUP_MEMORY, LAYER_CGROUP_PIDS};

    if (!all_active(jail, process, sizeof process / sizeof *process, ret_missing))
        return ISOLATION_NONE;
    if (!jail->report[LAYER_LANDLOCK].active && !jail->report[LAYER_ROOT].active) {
        *ret_missing = LAYER_LANDLOCK;
        return ISOLATION_NONE;
    }
    if (!all_active(jail, namespace, sizeof namespace / sizeof *namespace, ret_missing))
        return ISOLATION_PROCESS;
    if (!all_active(jail, full, sizeof full / sizeof *full, ret_missing))
        return ISOLATION_NAMESPACE;
    return ISOLATION_FULL;
}

enum isolation_level jail_level(const struct jail *jail)
{
    enum jail_layer_id missing;
    return level_of(jail, &missing);
}

static int require(const struct jail *jail, struct err *err)
{
    enum jail_layer_id   missing = LAYER_SECCOMP;
    enum isolation_level level   = level_of(jail, &missing);

    if (level >= jail->policy->require_isolation)
        return 0;
    return err_set(err, EPERM, "isolation '%s' is required but this host gives '%s': %s: %s", level_names[jail->policy->require_isolation],
                   level_names[level], layer_names[missing], jail->report[missing].detail);
}

int jail_prepare(struct jail *jail, const struct policy *policy, struct err *err)
{
    memset(jail, 0, sizeof *jail);
    jail->policy        = policy;
    jail->as_root       = getuid() == 0;
    jail->proc_fd       = -1;
    jail->state_fd      = -1;
    jail->egress_fd     = -1;
    jail->config_fd     = -1;
    jail->cgroup_own_fd = -1;
    visit_find_image(jail); /* before the host's directories are left behind */
    for (int i = 0; i < CGROUP_KINDS; i++)
        jail->cgroup_fd[i] = -1;
    jail->state_fd = open(policy->state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (jail->state_fd < 0)
        return err_errno(err, "state directory %s", policy->state_dir);
    jail->proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (jail->proc_fd < 0)
        return err_errno(err, "/proc");

    if (jail_cgroup_prepare(jail, err) < 0 ||    /* needs the host's view of /sys/fs/cgroup */
        jail_namespace_prepare(jail, err) < 0 || /* from here on the zygote may be in a user namespace of its own */
        jail_user_prepare(jail, err) < 0 || jail_root_prepare(jail, err) < 0 || jail_user_reach(jail, err) < 0 ||
        jail_workspace_prepare(jail, err) < 0 || jail_rlimit_prepare(jail, err) < 0 || jail_capability_prepare(jail, err) < 0 ||
        jail_landlock_prepare(jail, err) < 0 || jail_network_prepare(jail, err) < 0 || jail_seccomp_prepare(jail, err) < 0)
        return -1;
    visit_prepare(jail);
    return require(jail, err);
}

int jail_reserve(const struct jail *jail, struct jail_session *session, struct err *err)
{
    jail_workspace_name(jail, session);
    jail_rlimit_reserve(jail, session);
    if (jail_workspace_reserve(jail, session, err) < 0 || jail_cgroup_reserve(jail, session, err) < 0) {
        jail_release(jail, session);
        return -1;
    }
    return 0;
}

int jail_admit(const struct jail *jail, const struct jail_session *session, pid_t pid, struct err *err)
{
    return jail_user_admit(jail, session, pid, err);
}

void jail_release(const struct jail *jail, const struct jail_session *session)
{
    jail_cgroup_release(jail, session->session, true);
    jail_workspace_release(jail, session);
}

void jail_done(struct jail *jail)
{
    jail_cgroup_done(jail);
    jail_workspace_done(jail);
    for (int i = 0; i < CGROUP_KINDS; i++)
        fdio_close(&jail->cgroup_fd[i]);
    fdio_close(&jail->egress_fd);
    fdio_close(&jail->config_fd);
    fdio_close(&jail->image_fd);
    fdio_close(&jail->proc_fd);
    fdio_close(&jail->state_fd);
}

/* Details are our own words and strerror's: only the two characters that JSON forbids can matter. */
static void json_string(FILE *out, const char *text)
{
    fputc('"', out);
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\')
            fputc('\\', out);
        fputc((unsigned char)*p < ' ' ? ' ' : *p, out);
    }
    fputc('"', out);
}

/* What is no layer of the jail. */
static void write_way(FILE *out, const char *name, bool active, const char *detail)
{
    fprintf(out, ",\"%s\":{\"active\":%s,\"%s\":", name, active ? "true" : "false", active ? "detail" : "reason");
    json_string(out, detail);
    fputc('}', out);
}

int jail_report_fd(const struct jail *jail, struct err *err)
{
    int   fd = memfd_create("isolation", MFD_CLOEXEC), copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    FILE *out = copy < 0 ? NULL : fdopen(copy, "w");
    int   failed;

    if (out == NULL) {
        err_errno(err, "isolation report");
        fdio_close(&copy);
        fdio_close(&fd);
        return -1;
    }
    fprintf(out, "{\"level\":\"%s\",\"layers\":{", level_names[jail_level(jail)]);
    for (int i = 0; i < LAYER_COUNT; i++) {
        fprintf(out, "%s\"%s\":{\"active\":%s,\"%s\":", i > 0 ? "," : "", layer_names[i], jail->report[i].active ? "true" : "false",
                jail->report[i].active ? "detail" : "reason");
        json_string(out, jail->report[i].detail);
        fputc('}', out);
    }
    fputs("}", out);
    write_way(out, "visits", jail->can_visit, jail->visit_detail);
    if (jail->egress_detail[0] != '\0')
        write_way(out, "network", jail->egress_fd >= 0, jail->egress_detail);
    fputs("}", out);
    failed = ferror(out);
    if (fclose(out) != 0 || failed) {
        fdio_close(&fd);
        return err_set(err, EIO, "isolation report could not be written");
    }
    return fd;
}
