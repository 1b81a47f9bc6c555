/* init_file_private.h: what init_file*.c share. Nobody else includes it. */
#ifndef PENNY_INIT_FILE_PRIVATE_H
#define PENNY_INIT_FILE_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "init_file.h"

/* Opens beneath the workspace; "" is the workspace. Returns a descriptor, or -1 with errno. */
int init_file_open(const struct init_file *files, const char *path, int flags, unsigned mode);

/* init_file_walk.c: the operations on many entries. Each returns 0, or -1 with errno. */
int init_file_list(const struct init_file *files, const struct control_file *request, int list_fd, struct control_file_reply *reply);
int init_file_usage(const struct init_file *files, struct control_file_reply *reply);
/* Removes an entry with all that is in it. EAGAIN: some is left. */
int init_file_remove_tree(int parent_fd, const char *name);

#endif
