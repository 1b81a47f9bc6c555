#define _GNU_SOURCE
#include "spawn_report.h"

#include <string.h>
#include <sys/socket.h>

void spawn_report_send(int fd, uint32_t session, int error, const char *text)
{
    struct spawn_report report = {.session = session, .error = error};
    (void)strncpy(report.text, text, sizeof report.text - 1);
    (void)send(fd, &report, sizeof report, MSG_NOSIGNAL); /* a zygote that is gone has no use for it */
}
