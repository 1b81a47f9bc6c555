/* jail_rlimit.c: per-process limits. They hold on every host; where there is a cgroup they are the second line. */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fdio.h"
#include "jail_layers.h"
#include "wire.h"

/*
 * The kernel refuses to send descriptors while more of the user's are on their way, sent and not received, than the sender may have open. A
 * session can have as many on their way as it may have open, and a message more (253): init may have more than that.
 */
enum { INIT_FILES = 1024 };

/*
 * Signals on their way, and timers. The kernel counts them for the session's user, and once more for the user who made its namespace, within
 * that one's limit: a session that could fill it would leave none to the others, nor to the host's own programs. Where all are one user the
 * number is for all sessions together.
 */
enum { SIGNALS = 256, SIGNALS_OF_ALL = 4096 };

struct limit {
    int         resource;
    const char *name;
    rlim_t      value;
};

static bool counts_alone(const struct jail *jail)
{
    return jail->unique_uid || jail->report[LAYER_USER_NAMESPACE].active;
}

int jail_rlimit_prepare(struct jail *jail, struct err *err)
{
    (void)err;
    jail_active(jail, LAYER_RLIMITS,
                "core, nofile, fsize, memlock, msgqueue, sigpending, nproc%s, address space on top of what a session inherits",
                counts_alone(jail) ? "" : " (counted over all processes of this user)");
    return 0;
}

/* How many processes our user has. 1 us each: paid only where the kernel can't count a session by itself. */
static rlim_t processes_of_user(const struct jail *jail)
{
    int            fd    = openat(jail->proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR           *proc  = fd < 0 ? NULL : fdopendir(fd);
    rlim_t         count = 0;
    struct dirent *entry;
    struct stat    st;

    while (proc != NULL && (entry = readdir(proc)) != NULL) {
        if (isdigit((unsigned char)entry->d_name[0]) && fstatat(jail->proc_fd, entry->d_name, &st, 0) == 0 && st.st_uid == geteuid())
            count++;
    }
    if (proc != NULL)
        closedir(proc);
    return count;
}

void jail_rlimit_reserve(const struct jail *jail, struct jail_session *session)
{
    /* RLIMIT_NPROC is compared with all processes of the user: "those there are now, and so many more". A session that forks without end
       then stops at its own number; sessions that are older than others may find theirs used up by those. */
    session->process_limit = session->processes;
    if (!counts_alone(jail))
        session->process_limit += (uint32_t)processes_of_user(jail) + 2; /* its init and worker */
    if (jail->cgroup_fd[CGROUP_PIDS] >= 0)
        session->process_limit *=
            FAMILY_MAX; /* the group holds the number, which grows with the session's forks; this could not be raised */
}

/* What this process has inherited: less than the zygote had when it was asked last, as some of that is not handed on. */
static uint64_t inherited_bytes(const struct jail *jail)
{
    char    text[128];
    int     fd = openat(jail->proc_fd, "self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n  = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

    fdio_close(&fd);
    if (n <= 0)
        return jail->address_space_bytes;
    text[n] = '\0';
    return strtoull(text, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int set(const struct limit *limit, struct err *err)
{
    struct rlimit now, want = {limit->value, limit->value};
    if (getrlimit(limit->resource, &now) < 0)
        return err_errno(err, "rlimit %s", limit->name);
    if (now.rlim_max != RLIM_INFINITY && want.rlim_max > now.rlim_max) /* CAP_SYS_RESOURCE can be missing even for root */
        want.rlim_cur = want.rlim_max = now.rlim_max;
    if (setrlimit(limit->resource, &want) < 0)
        return err_errno(err, "rlimit %s", limit->name);
    return 0;
}

int jail_rlimit_enter_worker(const struct jail *jail, struct err *err)
{
    return set(&(struct limit){RLIMIT_NOFILE, "nofile", jail->policy->open_files}, err);
}

int jail_rlimit_enter(const struct jail *jail, const struct jail_session *session, struct err *err)
{
    const struct limit limits[] = {
        {RLIMIT_CORE, "core", 0},
        {RLIMIT_NOFILE, "nofile", (rlim_t)jail->policy->open_files + INIT_FILES},
        {RLIMIT_FSIZE, "fsize", jail->policy->file_bytes},
        {RLIMIT_MEMLOCK, "memlock", 64 << 10},
        {RLIMIT_MSGQUEUE, "msgqueue", 0},
        {RLIMIT_SIGPENDING, "sigpending", counts_alone(jail) ? SIGNALS : SIGNALS_OF_ALL},
        {RLIMIT_NPROC, "nproc", session->process_limit},
        {RLIMIT_AS, "as", inherited_bytes(jail) + session->memory_bytes},
    };

    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        if (set(&limits[i], err) < 0)
            return -1;
    }
    return 0;
}
