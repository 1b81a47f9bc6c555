/*
 * policy_file.h: one policy file being read: its JSON, and its text, so that a wrong value is reported with its line.
 */
#ifndef PENNY_POLICY_FILE_H
#define PENNY_POLICY_FILE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

enum { POLICY_FILE_MAX = 1 << 20, POLICY_DEPTH_MAX = 8 };

struct policy_file {
    const char *path; /* borrowed */
    char       *text;
    size_t      length;
    json_t     *root; /* always an object */
};

/* Reads and parses. Returns 0, or -1 with "path:line: reason" (nothing is left to free then). */
int policy_file_open(struct policy_file *file, const char *path, struct err *err);
/* The same from memory, copied; path is only what messages say. */
int  policy_file_parse(struct policy_file *file, const char *path, const char *text, size_t length, struct err *err);
void policy_file_done(struct policy_file *file);

/*
 * Where in a file: keys from the root; an element of an array is "[n]". Ends with NULL.
 */
typedef const char *policy_place[POLICY_DEPTH_MAX];

/* Fills err with "path:line: a.b.c: text" and returns -1. The line is that of the deepest part of the place that exists. */
int policy_file_fail(const struct policy_file *file, const policy_place place, struct err *err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The value at a place; NULL when it, or something above it, is absent. -1 when something above it is not an object. */
int policy_file_find(const struct policy_file *file, const policy_place place, json_t **ret, struct err *err);

/* A whole number in min..max; absent: *ret stays. Returns 0 or -1. */
int policy_file_number(const struct policy_file *file, const policy_place place, uint64_t min, uint64_t max, uint64_t *ret,
                       struct err *err);

/* true or false; absent: *ret stays. Returns 0 or -1. */
int policy_file_bool(const struct policy_file *file, const policy_place place, bool *ret, struct err *err);

/* An array of non-empty strings, each shorter than `size`. *ret is borrowed, NULL when absent. Returns 0 or -1. */
int policy_file_strings(const struct policy_file *file, const policy_place place, size_t size, json_t **ret, struct err *err);

#endif
