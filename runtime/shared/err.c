#include "err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *e, int code, const char *format, ...)
{
    if (e != NULL) {
        va_list ap;
        e->code = code;
        va_start(ap, format);
        (void)vsnprintf(e->message, sizeof e->message, format, ap);
        va_end(ap);
    }
    return -1;
}

int err_errno(struct err *e, const char *format, ...)
{
    int saved = errno;
    if (e != NULL) {
        va_list ap;
        int     n;
        e->code = saved;
        va_start(ap, format);
        n = vsnprintf(e->message, sizeof e->message, format, ap);
        va_end(ap);
        if (n >= 0 && (size_t)n < sizeof e->message)
            (void)snprintf(e->message + n, sizeof e->message - (size_t)n, ": %s", strerror(saved));
    }
    errno = saved;
    return -1;
}
