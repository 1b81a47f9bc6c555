/* doctor_finding.h: one thing that `penny-sandbox doctor` has looked at. */
#ifndef PENNY_DOCTOR_FINDING_H
#define PENNY_DOCTOR_FINDING_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

enum doctor_status {
    DOCTOR_OK,
    DOCTOR_WEAK,
    DOCTOR_FAILED
}; /* as it should be; it works, but could be better; the service would not start */

/* Appends {name, status, found, advice} to `findings`. `advice` may be NULL or hold several lines: what to do, as a command where there is one. */
void doctor_find(json_t *findings, const char *name, enum doctor_status status, const char *advice, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

const char *doctor_status_name(enum doctor_status status);
/* The worst of all. */
enum doctor_status doctor_worst(const json_t *findings);

/* The first line of a file of the kernel's, without its end; "" when there is none. */
void    doctor_read(const char *path, char *ret_text, size_t room);
int64_t doctor_read_number(const char *path); /* -1: there is none, or it is no number; "max" is INT64_MAX */
int64_t doctor_meminfo(const char *name);     /* bytes; -1 */

#endif
