#include "doctor_finding.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const NAMES[] = {[DOCTOR_OK] = "ok", [DOCTOR_WEAK] = "weak", [DOCTOR_FAILED] = "failed"};

const char *doctor_status_name(enum doctor_status status)
{
    return NAMES[status];
}

void doctor_find(json_t *findings, const char *name, enum doctor_status status, const char *advice, const char *format, ...)
{
    char    found[512];
    va_list ap;
    va_start(ap, format);
    (void)vsnprintf(found, sizeof found, format, ap);
    va_end(ap);
    (void)json_array_append_new(findings, json_pack("{s:s, s:s, s:s, s:s?}", "name", name, "status", NAMES[status], "found", found,
                                                    "advice", status == DOCTOR_OK ? NULL : advice));
}

enum doctor_status doctor_worst(const json_t *findings)
{
    enum doctor_status worst = DOCTOR_OK;
    size_t             i;
    json_t            *finding;
    json_array_foreach(findings, i, finding)
    {
        for (int status = DOCTOR_FAILED; status > (int)worst; status--)
            if (strcmp(json_string_value(json_object_get(finding, "status")), NAMES[status]) == 0)
                worst = (enum doctor_status)status;
    }
    return worst;
}

void doctor_read(const char *path, char *ret_text, size_t room)
{
    FILE *file = fopen(path, "re");
    *ret_text  = '\0';
    if (file == NULL)
        return;
    if (fgets(ret_text, (int)room, file) == NULL)
        *ret_text = '\0';
    ret_text[strcspn(ret_text, "\n")] = '\0';
    (void)fclose(file);
}

int64_t doctor_read_number(const char *path)
{
    char      text[64], *end;
    long long value;
    doctor_read(path, text, sizeof text);
    if (strcmp(text, "max") == 0)
        return INT64_MAX;
    value = strtoll(text, &end, 10);
    return end != text ? value : -1;
}

int64_t doctor_meminfo(const char *name)
{
    FILE   *file  = fopen("/proc/meminfo", "re");
    size_t  n     = strlen(name);
    int64_t bytes = -1;
    char    line[128];
    while (file != NULL && bytes < 0 && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, n) == 0 && line[n] == ':')
            bytes = strtoll(line + n + 1, NULL, 10) * 1024;
    if (file != NULL)
        (void)fclose(file);
    return bytes;
}
