/*
 * file_rules.h: what the policies say about names of files: types that may be uploaded (resources.json storage.allowedFileTypes and
 * blockedFileTypes, filesystem.json fileTypes) and names that are hidden from clients (filesystem.json security.hiddenFiles).
 */
#ifndef PENNY_FILE_RULES_H
#define PENNY_FILE_RULES_H

#include <jansson.h>
#include <stdbool.h>

#include "err.h"
#include "policy_file.h"

struct file_rules {
    json_t *allowed[2], *blocked[2];      /* lists of extensions by file, owned; NULL: no list */
    json_t *hidden;                       /* patterns of names, owned; NULL: none */
    bool    keeps_hidden, refuses_hidden; /* from being listed, read and deleted; from being uploaded */
};

/* From each of the two files. Return 0, or -1 with err. */
int  file_rules_read_resources(struct file_rules *rules, const struct policy_file *file, struct err *err);
int  file_rules_read_filesystem(struct file_rules *rules, const struct policy_file *file, struct err *err);
void file_rules_done(struct file_rules *rules);

/* Why a file may not be uploaded under this path, as a sentence; NULL: it may. Counts the refusal. */
const char *file_rules_fault(const struct file_rules *rules, const char *path);
/* Whether any part of the path is kept from clients. */
bool file_rules_hide(const struct file_rules *rules, const char *path);

#endif
