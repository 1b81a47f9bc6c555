/* log.c: one line per message, one write per line. */
#include "log.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <poll.h>
#include <unistd.h>

#include "json.h"

enum { LINE_BYTES = 1024, MESSAGE_BYTES = LINE_BYTES - 160 };

static struct {
    enum log_level least;
    bool           json_lines;
    const char    *name;
    unsigned long  dropped;
} state = {.least = LOG_INFO, .name = "penny"};

static const char *const NAMES[] = {"debug", "info", "warn", "error"};

void log_open(const char *level, bool json_lines, const char *name)
{
    state.least      = LOG_INFO;
    state.json_lines = json_lines;
    state.name       = name;
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        if (strcmp(NAMES[i], level) == 0)
            state.least = (enum log_level)i;
    }
}

bool log_enabled(enum log_level level)
{
    return level >= state.least;
}

/* Copies text so that one message stays one line and, as JSON, inside its string. Returns the new end. */
static char *escape(char *to, const char *end, const char *text, bool json_lines)
{
    for (; *text != '\0' && to + 7 < end; text++) {
        unsigned char c = (unsigned char)*text;
        if (json_lines && (c == '"' || c == '\\')) {
            *to++ = '\\';
            *to++ = (char)c;
        } else if (c < 0x20 || c == 0x7f) {
            to += sprintf(to, json_lines ? "\\u%04x" : "\\x%02x", c);
        } else {
            *to++ = (char)c;
        }
    }
    return to;
}

struct line {
    size_t length;
    char   text[LINE_BYTES];
};

static void compose(struct line *line, enum log_level level, const char *message)
{
    char        time[JSON_TIME_BYTES];
    char       *to;
    const char *end = line->text + sizeof line->text - 4;

    json_time_text(json_time_now(), time);
    to = line->text +
         snprintf(line->text, 128,
                  state.json_lines ? "{\"time\":\"%s\",\"level\":\"%s\",\"name\":\"%.40s\",\"message\":\"" : "%s %-5s %.40s: ", time,
                  NAMES[level], state.name);
    to           = escape(to, end, message, state.json_lines);
    to           = stpcpy(to, state.json_lines ? "\"}\n" : "\n");
    line->length = (size_t)(to - line->text);
}

/* Writes one line, unless standard error would make us wait. */
static bool emit(enum log_level level, const char *message)
{
    struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
    struct line   line  = {.length = 0};

    if (poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0)
        return false;
    compose(&line, level, message);
    return write(STDERR_FILENO, line.text, line.length) == (ssize_t)line.length;
}

void log_write(enum log_level level, const char *format, ...)
{
    char    message[MESSAGE_BYTES];
    va_list ap;

    if (!log_enabled(level))
        return;
    if (state.dropped > 0) {
        snprintf(message, sizeof message, "%lu lines were dropped, standard error was full", state.dropped);
        if (emit(LOG_WARN, message))
            state.dropped = 0;
    }
    va_start(ap, format);
    vsnprintf(message, sizeof message, format, ap);
    va_end(ap);
    if (!emit(level, message))
        state.dropped++;
}
