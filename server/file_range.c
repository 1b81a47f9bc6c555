#define _GNU_SOURCE
#include "file_range.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { MOMENT_NS = 100000000 /* no kernel counts a file's time in larger steps than some ms */ };

/* Digits only. Returns false when there are none or too many. */
static bool read_number(const char **text, uint64_t *ret)
{
    size_t digits = strspn(*text, "0123456789");
    if (digits == 0 || digits > 18)
        return false;
    *ret = strtoull(*text, NULL, 10);
    *text += digits;
    return true;
}

static const char *skip_blanks(const char *text)
{
    return text + strspn(text, " \t");
}

static enum file_range from_end(const char *text, uint64_t size, uint64_t *ret_from, uint64_t *ret_length)
{
    uint64_t count;
    if (!read_number(&text, &count) || *skip_blanks(text) != '\0')
        return FILE_RANGE_NONE;
    if (count == 0 || size == 0)
        return FILE_RANGE_UNSATISFIABLE;
    *ret_length = count < size ? count : size;
    *ret_from   = size - *ret_length;
    return FILE_RANGE_PART;
}

enum file_range file_range_read(const char *header, uint64_t size, uint64_t *ret_from, uint64_t *ret_length)
{
    uint64_t from, to = UINT64_MAX;

    if (header == NULL || strncasecmp(header, "bytes=", 6) != 0)
        return FILE_RANGE_NONE;
    header = skip_blanks(header + 6);
    if (*header == '-')
        return from_end(header + 1, size, ret_from, ret_length);
    if (!read_number(&header, &from) || *header++ != '-')
        return FILE_RANGE_NONE;
    if (isdigit((unsigned char)*header) && !read_number(&header, &to))
        return FILE_RANGE_NONE;
    if (*skip_blanks(header) != '\0' || to < from)
        return FILE_RANGE_NONE;
    if (from >= size)
        return FILE_RANGE_UNSATISFIABLE;
    *ret_from   = from;
    *ret_length = (to < size - 1 ? to : size - 1) - from + 1;
    return FILE_RANGE_PART;
}

void file_range_tag(const struct control_file_reply *file, int64_t now_ns, char ret_tag[FILE_TAG_BYTES])
{
    int64_t changed = file->changed_ns > file->modified_ns ? file->changed_ns : file->modified_ns;
    (void)snprintf(ret_tag, FILE_TAG_BYTES, "%s\"%" PRIx64 "-%" PRIx64 "-%" PRIx64 "\"", now_ns - changed < MOMENT_NS ? "W/" : "",
                   file->inode, (uint64_t)changed, file->size);
}

static const char *opaque(const char *tag)
{
    return strncmp(tag, "W/", 2) == 0 ? tag + 2 : tag;
}

bool file_range_has_tag(const char *list, const char *tag, bool strong)
{
    size_t length = strlen(opaque(tag));

    if (list == NULL || (strong && opaque(tag) != tag))
        return false;
    for (list = skip_blanks(list); *list != '\0'; list += strspn(list, " \t,")) {
        const char *value = opaque(list);
        if (*list == '*')
            return !strong;
        if (strncmp(value, opaque(tag), length) == 0 && strchr(" \t,", value[length]) != NULL && (!strong || value == list))
            return true;
        if (*value == '"') /* a tag may contain commas */
            value += 1 + strcspn(value + 1, "\"");
        list = value + strcspn(value, ",");
    }
    return false;
}

void file_range_date(int64_t time_ns, char ret_text[FILE_DATE_BYTES])
{
    time_t    seconds = (time_t)(time_ns / 1000000000);
    struct tm parts;
    if (gmtime_r(&seconds, &parts) == NULL || strftime(ret_text, FILE_DATE_BYTES, "%a, %d %b %Y %H:%M:%S GMT", &parts) == 0)
        ret_text[0] = '\0';
}

int64_t file_range_parse_date(const char *text)
{
    struct tm   parts = {0};
    const char *end   = text != NULL ? strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &parts) : NULL;
    return end != NULL && *end == '\0' ? (int64_t)timegm(&parts) : -1;
}
