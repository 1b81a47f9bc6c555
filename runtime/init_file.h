/*
 * init_file.h: init's hand in the session's files (CONTROL_FILE in wire.h). It runs as the session's user, believes no name, and never
 * leaves the directory it was given: by openat2() where the kernel has it, else part by part, following no link at all.
 */
#ifndef PENNY_INIT_FILE_H
#define PENNY_INIT_FILE_H

#include <stdbool.h>

#include "wire.h"

struct init_file {
    int  workspace_fd;
    bool has_quota; /* the workspace is a file system of its own, whose limits the kernel holds */
    bool by_parts;  /* resolve without openat2() */
};

/* Opens the workspace. A failure leaves every request answered with an error. */
void init_file_init(struct init_file *files, const char *workspace, bool has_quota);

/*
 * Does what is asked. list_fd is the memfd that came with FILE_LIST, borrowed, or -1. Fills *reply, and *ret_fd with a descriptor for
 * the server, owned by the caller, or -1.
 */
void init_file_do(const struct init_file *files, const struct control_file *request, int list_fd, struct control_file_reply *reply,
                  int *ret_fd);

#endif
