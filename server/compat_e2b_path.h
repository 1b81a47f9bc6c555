/* compat_e2b_path.h: paths as E2B's clients write them: below /home/user, /workspace or ~, or relative; all are the workspace's. */
#ifndef PENNY_COMPAT_E2B_PATH_H
#define PENNY_COMPAT_E2B_PATH_H

#include "wire.h"

enum { COMPAT_E2B_PATH_BYTES = FILE_PATH_BYTES + 16 };

/* As the workspace's files are named ("" is the workspace); what can't be one is left as it is, for file_path_fault() to say so. Within `given`, or a constant. */
const char *compat_e2b_path_inside(const char *given);
/* Likewise, without slashes at its end; cut to what fits, which is then too long for file_path_fault(). */
void compat_e2b_path_copy(const char *given, char ret_path[FILE_PATH_BYTES + 1]);
/* The whole path of such a file, below /workspace where `like` is, else below /home/user. */
void compat_e2b_path_whole(const char *like, const char *path, char ret_whole[COMPAT_E2B_PATH_BYTES]);

#endif
