/*
 * err.h: the error object.
 *
 * Functions that can fail return -1 (or NULL) and fill the `struct err *` that is their last argument.
 * Nothing below the edge logs or exits: the edge (the API layer, main) turns an err into HTTP, a log line or an exit.
 */
#ifndef PENNY_ERR_H
#define PENNY_ERR_H

struct err {
    int  code;         /* an errno value, or 0 where none fits; never negative */
    char message[256]; /* one line, UTF-8, no newline; says what failed and, where it helps, what to do */
};

/* Fills e (which may be NULL) and returns -1, so that a caller can write `return err_set(e, ...)`. */
int err_set(struct err *e, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* As err_set with ": strerror(errno)" appended and code = errno. Returns -1. */
int err_errno(struct err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
