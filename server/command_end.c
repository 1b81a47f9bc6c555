#define _GNU_SOURCE
#include "command_end.h"

#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

/* The traceback, with the file's name where the interpreter says <cell N>. */
static void write_traceback(const char *text, json_int_t number, const char *name)
{
    char   cell[32];
    size_t length = (size_t)snprintf(cell, sizeof cell, "<cell %lld>", (long long)number);
    for (const char *found; (found = strstr(text, cell)) != NULL; text = found + length)
        (void)fprintf(stderr, "%.*s%s", (int)(found - text), text, name);
    (void)fputs(text, stderr);
}

/* sys.exit(n), or sys.exit("reason"), which is shown. */
static int exit_code(const char *message)
{
    char *end;
    long  code = strtol(message, &end, 10);
    if (*message != '\0' && !isspace((unsigned char)*message) && *end == '\0')
        return (int)(code & 255);
    if (strcmp(message, "True") == 0 || strcmp(message, "False") == 0)
        return *message == 'T';
    (void)fprintf(stderr, "%s\n", message);
    return COMMAND_EXIT_ERROR;
}

static int killed_code(const char *message)
{
    int number = 0;
    (void)fprintf(stderr, "penny-sandbox: %s\n", message);
    if (sscanf(message, "The interpreter exited with status %d", &number) == 1)
        return number & 255;
    if (sscanf(message, "The interpreter was ended by signal %d", &number) == 1 && number > 0 && number < 128)
        return COMMAND_EXIT_SIGNAL + number;
    return COMMAND_EXIT_KILLED;
}

int command_end_report(const json_t *result, const char *name)
{
    const json_t *error  = json_object_get(result, "error");
    const char   *status = text_of(result, "status"), *message = text_of(error, "message");

    if (json_is_true(json_object_get(result, "success")))
        return 0;
    if (strcmp(status, "killed") == 0)
        return killed_code(message);
    if (strcmp(status, "error") == 0 && strcmp(text_of(error, "type"), "SystemExit") == 0)
        return exit_code(message);
    write_traceback(text_of(error, "traceback"), json_integer_value(json_object_get(result, "executionCount")), name);
    if (strcmp(status, "error") == 0 || strcmp(status, "rejected") == 0)
        return COMMAND_EXIT_ERROR;
    if (strcmp(status, "interrupted") == 0)
        return COMMAND_EXIT_SIGNAL + SIGINT;
    (void)fprintf(stderr, "penny-sandbox: %s\n", message);
    return strcmp(status, "timeout") == 0  ? COMMAND_EXIT_TIMEOUT
           : strcmp(status, "memory") == 0 ? COMMAND_EXIT_KILLED
                                           : COMMAND_EXIT_FAILED;
}

void command_end_time(const json_t *result, long long start_ms)
{
    const json_t *metrics = json_object_get(result, "metrics");
    if (start_ms >= 0)
        (void)fprintf(stderr,
                      "penny-sandbox: starting took %lld ms: a server, its jail, and an interpreter that has imported its libraries\n",
                      start_ms);
    else
        (void)fprintf(stderr, "penny-sandbox: the server was running already\n");
    (void)fprintf(stderr, "penny-sandbox: the program took %.1f ms (processor %.1f ms), %.1f MB at most\n",
                  json_number_value(json_object_get(metrics, "executionTime")),
                  json_number_value(json_object_get(metrics, "cpuUser")) + json_number_value(json_object_get(metrics, "cpuSystem")),
                  json_number_value(json_object_get(metrics, "memoryPeak")) / 1e6);
}
