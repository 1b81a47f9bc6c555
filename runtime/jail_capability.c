/* jail_capability.c: no capabilities in any set, none to be gained by executing a file. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "jail_layers.h"

int jail_capability_prepare(struct jail *jail, struct err *err)
{
    (void)err;
    jail_active(jail, LAYER_CAPABILITIES, "none, bounding set empty");
    jail_active(jail, LAYER_NO_NEW_PRIVILEGES, "set");
    return 0;
}

static bool has_setpcap(void)
{
    struct __user_cap_header_struct head    = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct   data[2] = {{0}};
    return syscall(SYS_capget, &head, data) == 0 && (data[0].effective & (1u << CAP_SETPCAP)) != 0;
}

int jail_capability_enter(const struct jail *jail, struct err *err)
{
    struct __user_cap_header_struct head    = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct   data[2] = {{0}};

    (void)jail;
    if (has_setpcap()) { /* an ordinary process has an idle bounding set it can't change; no_new_privs makes it moot */
        int i = 0;
        while (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) == 0)
            i++;
        if (i == 0 || errno != EINVAL) /* EINVAL: the kernel knows no more of them */
            return err_errno(err, "capability %d", i);
    }
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
        return err_errno(err, "ambient capabilities");
    if (syscall(SYS_capset, &head, data) < 0)
        return err_errno(err, "capset");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_errno(err, "no_new_privs");
    return 0;
}
