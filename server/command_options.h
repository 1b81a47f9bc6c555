/* command_options.h: what `penny-sandbox run` was told. */
#ifndef PENNY_COMMAND_OPTIONS_H
#define PENNY_COMMAND_OPTIONS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

enum { COMMAND_FILES_MAX = 256 };

/* A file for the session's workspace. */
struct command_file {
    const char *path; /* here */
    const char *name; /* there */
};

struct command_options {
    const char         *file;      /* "-": standard input */
    char              **arguments; /* of the program; borrowed from argv */
    size_t              argument_count;
    int64_t             timeout_ms; /* 0: the service's */
    const char         *profile;
    const char         *server_url; /* NULL: a jail of our own */
    const char         *key;        /* "": none */
    const char         *output;     /* directory for plots and files, or where a notebook goes; NULL: none */
    json_t             *environment;
    struct command_file files[COMMAND_FILES_MAX];
    size_t              file_count;
    bool                in_place; /* a notebook: its outputs are written into it */
    bool                time;     /* say what it cost */
};

/* argv[0] is the first argument behind "run". Returns 0; 1 when the help was printed; -1 with err. */
int  command_options_read(struct command_options *options, int argc, char **argv, struct err *err);
void command_options_done(struct command_options *options);
bool command_options_is_notebook(const struct command_options *options);

#endif
