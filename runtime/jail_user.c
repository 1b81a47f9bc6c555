/*
 * jail_user.c: who a session is. Inside it is user 1000; on the host it is a user that owns nothing: one of its own where the zygote is
 * root, else the zygote's own user.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fdio.h"
#include "jail_layers.h"

enum { SANDBOX_ID = 1000 };

/* Root of a container may lack CAP_SETUID, or have no such user: find out in a child. With a path: whether that user can read what is there. Returns 0 or errno. */
static int try_uid(uid_t uid, const char *path)
{
    int   status = 0;
    pid_t pid    = fork();
    if (pid < 0)
        return errno;
    if (pid == 0) {
        bool failed = setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0;
        _exit(failed || (path != NULL && access(path, R_OK | X_OK) < 0) ? errno : 0);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EAGAIN;
}

/* The last of them: where there are few, the first may be there and others not. */
static int try_uids(const struct policy *policy)
{
    int refused = try_uid(policy->uid_base, NULL);
    return refused != 0 ? refused : try_uid(policy->uid_base + policy->uid_count - 1, NULL);
}

int jail_user_prepare(struct jail *jail, struct err *err)
{
    const struct policy *policy  = jail->policy;
    unsigned             last    = (unsigned)(policy->uid_base + policy->uid_count - 1);
    int                  refused = 0;

    (void)err;
    jail->map_uid = geteuid();
    jail->map_gid = getegid();
    if (!jail->as_root)
        jail_inactive(jail, LAYER_HOST_UID, "the server was not started as root: all sessions are its own user on the host");
    else if (policy->uid_count == 0)
        jail_inactive(jail, LAYER_HOST_UID, "process.uidCount of resources.json is 0: all sessions are the server's own user on the host");
    else if ((refused = try_uids(policy)) != 0)
        jail_inactive(jail, LAYER_HOST_UID,
                      "root here can't become the users %u to %u (%s): all sessions are the server's own user on the host",
                      (unsigned)policy->uid_base, last, strerror(refused));
    else
        jail_active(jail, LAYER_HOST_UID, "one per session, %u to %u", (unsigned)policy->uid_base, last);
    jail->unique_uid = jail->report[LAYER_HOST_UID].active;
    return 0;
}

/* The first directory on the way that is closed to others: to read, the last of them; to go through, those before it. NULL: none is by its mode. */
static const char *closed_directory(char *path)
{
    struct stat st;
    for (char *end = path; *end != '\0';) {
        char   kept;
        mode_t needed;
        end += strspn(end, "/");
        end += strcspn(end, "/");
        kept   = *end;
        *end   = '\0';
        needed = kept == '\0' ? S_IROTH | S_IXOTH : S_IXOTH;
        if (stat(path, &st) < 0 || (st.st_mode & needed) != needed)
            return path;
        *end = kept;
    }
    return NULL;
}

/* In a root of ours the directories above don't matter: there it is mounted where everybody comes by. `host_path`: its name outside. */
static int refuse(const struct jail *jail, const char *host_path, int refused, struct err *err)
{
    char        path[PATH_MAX];
    const char *closed = NULL;

    if (jail->has_root)
        return err_set(err, refused, "sessions, users of their own here, can't read %.120s: open it to others (chmod -R o+rX)", host_path);
    (void)snprintf(path, sizeof path, "%s", host_path);
    closed = closed_directory(path);
    return err_set(err, refused, "sessions, users of their own here, can't read %.60s: open %.60s to others (chmod o+rx)", host_path,
                   closed != NULL ? closed : host_path);
}

int jail_user_reach(const struct jail *jail, struct err *err)
{
    char python[sizeof jail->policy->python];
    (void)snprintf(python, sizeof python, "%s", jail->policy->python);

    const struct {
        const char *path, *host_path;
    } needed[] = {{jail->python_base, jail->python_base},
                  {jail->venv, dirname(dirname(python))},
                  {jail->library, jail->policy->python_library},
                  {jail->layers, jail->policy->package_dir}};

    if (!jail->unique_uid)
        return 0;
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        int refused = needed[i].path[0] == '\0' ? ENOENT : try_uid(jail->policy->uid_base, needed[i].path);
        if (refused != 0 && refused != ENOENT)
            return refuse(jail, jail->has_root ? needed[i].host_path : needed[i].path, refused, err);
    }
    return 0;
}

static int write_map(int proc_fd, pid_t pid, const char *file, unsigned id, struct err *err)
{
    char path[64], text[64];
    int  fd, failed;

    (void)snprintf(path, sizeof path, "%d/%s", (int)pid, file);
    (void)snprintf(text, sizeof text, "%d %u 1", SANDBOX_ID, id);
    fd = openat(proc_fd, path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, "/proc/%s", path);
    failed = fdio_write_all(fd, text, strlen(text));
    if (failed)
        err_errno(err, "/proc/%s <- %s", path, text);
    close(fd);
    return failed;
}

int jail_user_admit(const struct jail *jail, const struct jail_session *session, pid_t pid, struct err *err)
{
    if (!jail->report[LAYER_USER_NAMESPACE].active)
        return 0;
    if (write_map(jail->proc_fd, pid, "uid_map", jail->unique_uid ? session->uid : jail->map_uid, err) < 0)
        return -1;
    return write_map(jail->proc_fd, pid, "gid_map", jail->unique_uid ? session->uid : jail->map_gid, err);
}

int jail_user_enter(const struct jail *jail, const struct jail_session *session, struct err *err)
{
    bool namespace = jail->report[LAYER_USER_NAMESPACE].active;
    uid_t id       = namespace ? SANDBOX_ID : session->uid;

    if (!namespace && !jail->unique_uid)
        return 0;
    if (setgroups(0, NULL) < 0 && errno != EPERM) /* EPERM: the ordinary user's namespace forbids it, and has no groups to drop */
        return err_errno(err, "setgroups");
    if (!namespace && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
        return err_errno(err, "keep capabilities");
    if (setresgid(id, id, id) < 0)
        return err_errno(err, "setresgid %u", (unsigned)id);
    if (setresuid(id, id, id) < 0)
        return err_errno(err, "setresuid %u", (unsigned)id);
    return 0;
}
