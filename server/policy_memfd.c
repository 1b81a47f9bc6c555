#define _GNU_SOURCE
#include "policy_memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fdio.h"

static int write_and_seal(int fd, const struct policy *policy, const char *imports)
{
    if (fdio_write_all(fd, policy, sizeof *policy) < 0 || fdio_write_all(fd, imports, policy->imports_json_bytes) < 0)
        return -1;
    if (lseek(fd, 0, SEEK_SET) < 0)
        return -1;
    return fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
}

int policy_memfd_make(const struct policy *policy, const json_t *imports, struct err *err)
{
    struct policy copy = *policy;
    char         *text = imports != NULL ? json_dumps(imports, JSON_COMPACT) : strdup("{}");
    int           fd   = memfd_create("penny-policy", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (text == NULL)
        (void)err_set(err, ENOMEM, "cannot write the import policy");
    else if (fd < 0)
        (void)err_errno(err, "cannot make the policy's memfd");
    if (text == NULL || fd < 0) {
        free(text);
        fdio_close(&fd);
        return -1;
    }
    copy.imports_json_bytes = (uint32_t)strlen(text);
    if (write_and_seal(fd, &copy, text) < 0) {
        (void)err_errno(err, "cannot seal the policy");
        fdio_close(&fd);
    }
    free(text);
    return fd;
}
