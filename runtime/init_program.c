/*
 * init_program.c: the program penny-init, pid 1 of a session whose workers are forks of the zygote made in its namespaces (visit.h). It has no
 * Python and little else: a static program of some pages, where a fork of the zygote would keep its page tables for a life of waiting.
 */
#define _GNU_SOURCE
#include "init_program.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "fdio.h"

/* Returns NULL with err. */
static struct init_config *map_config(struct err *err)
{
    struct init_config *config;

    if (lseek(INIT_CONFIG_FD, 0, SEEK_END) != (off_t)sizeof *config) {
        (void)err_set(err, EINVAL, "penny-init and penny-zygote are of different versions");
        return NULL;
    }
    config = mmap(NULL, sizeof *config, PROT_READ | PROT_WRITE, MAP_PRIVATE, INIT_CONFIG_FD, 0);
    if (config == MAP_FAILED) {
        (void)err_errno(err, "init's configuration");
        return NULL;
    }
    if (config->magic != INIT_CONFIG_MAGIC) {
        (void)err_set(err, EINVAL, "penny-init and penny-zygote are of different versions");
        return NULL;
    }
    config->jail.policy  = &config->policy;
    config->jail.proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return config;
}

int main(void)
{
    struct err          err = {0};
    struct jail_session session;
    struct init_config *config;
    struct init_place   place;

    if (fdio_read_exact(INIT_ADMITTED_FD, &session, sizeof session) != 1)
        return 1; /* the zygote has given up */
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    (void)prctl(PR_SET_NAME, "penny-init", 0, 0, 0);
    config = map_config(&err);
    if (config == NULL || jail_enter(&config->jail, &session, &err) < 0) {
        spawn_report_send(INIT_REPORT_FD, session.session, err.code != 0 ? err.code : EPERM, err.message);
        return 1;
    }
    place = (struct init_place){.workspace = session.workspace, .has_quota = config->jail.has_root, .own_namespace = true};
    (void)close(config->jail.proc_fd);
    (void)munmap(config, sizeof *config);
    for (int fd = INIT_FD_COUNT; fd < INIT_PROGRAM_FD_COUNT; fd++)
        (void)close(fd);
    for (int fd = STDERR_FILENO + 1; fd < INIT_FD_COUNT; fd++)
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    (void)close(INIT_REPORT_FD);
    init_main(&place, NULL, NULL);
}
