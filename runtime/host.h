/*
 * host.h: CPython inside the zygote, and the worker that a fork of it becomes. The files host.c and host_*.c are the only ones
 * that include Python.h; all others see this header.
 *
 * Order of use: host_start() once in the zygote; host_settle() as the zygote's last act before it forks; host_worker_main() in each
 * process that shall be a worker. Between them the zygote runs no Python at all.
 */
#ifndef PENNY_HOST_H
#define PENNY_HOST_H

#include "shared/err.h"
#include "shared/policy.h"

/*
 * Starts CPython (policy->python names the interpreter whose virtual environment is used, policy->python_library the directory of
 * our own modules), imports policy->preload and our modules, runs each costly path once so that no session pays for it, and
 * freezes the collector. imports_json is the text of policies/imports.json (NUL-terminated; copied).
 * The environment (PATH, HOME, MPLCONFIGDIR, ...) and the working directory are the caller's to set before.
 * Once per process. Returns 0; or -1: a module is missing, or a thread was started (the message names which).
 */
int host_start(const struct policy *policy, const char *imports_json, struct err *err);

/*
 * Leaves the allocators so that a fork touches as little as possible: free memory returned, the paths a session runs first walked
 * once, private memory turned into a file (host_image.h). Takes tens of ms. Whatever the zygote does after it makes every session dearer.
 * program: this very program, on a mount that no session can write to (host_program.h); or NULL.
 */
void host_settle(const char *program);

/*
 * The life of a worker, in a fork of a settled zygote that is already jailed (PyOS_AfterFork_Child must not have been called).
 * Descriptors: 0 /dev/null, 1 and 2 the raw pipes, WORKER_REQUEST_FD, WORKER_EVENT_FD,
 * WORKER_CHANNEL_FD; nothing else open.
 * Signal mask: empty. getppid() is the process whose SI_USER SIGINT is ignored and whose WAKE_SIGNAL is obeyed.
 * Ends with the request pipe, exit status 0; 70 when the pipes say what the table in wire.h does not allow.
 */
_Noreturn void host_worker_main(void);

/* Of the interpreter that is linked, "3.11.2 (main, ...)". Before host_start, too. */
const char *host_version(void);

#endif
