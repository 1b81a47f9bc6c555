/* spawn_report.h: how a session that has just been made says so. */
#ifndef PENNY_SPAWN_REPORT_H
#define PENNY_SPAWN_REPORT_H

#include <stdint.h>

/* What a new session tells the zygote, once. */
struct spawn_report {
    uint32_t session;
    int32_t  error; /* 0: the worker is jailed */
    char     text[160];
};

/* Sends the report; error 0 for success. */
void spawn_report_send(int fd, uint32_t session, int error, const char *text);

#endif
