/* log.h: one line per message on standard error: text, or JSON lines. Control characters in a message are escaped. */
#ifndef PENNY_LOG_H
#define PENNY_LOG_H

#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* level: "debug", "info", "warn" or "error"; anything else is "info". `name` (borrowed) says which process speaks. */
void log_open(const char *level, bool json_lines, const char *name);
bool log_enabled(enum log_level level);
/* Never waits: a line that standard error does not take at once is dropped, and the next line that gets through says how many were. */
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...)                                                                                                                     \
    do {                                                                                                                                   \
        if (log_enabled(LOG_DEBUG))                                                                                                        \
            log_write(LOG_DEBUG, __VA_ARGS__);                                                                                             \
    } while (0)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)

#endif
