/* tenants_line.c: one line of the keys file; see tenants.h. */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tenants_private.h"

bool tenants_is_name(const char *text)
{
    size_t length = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
    return length > 0 && length < TENANT_NAME_BYTES && text[length] == '\0';
}

static int hex_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool read_digest(const char *text, unsigned char ret_digest[TENANT_DIGEST_BYTES])
{
    if (strlen(text) != TENANT_DIGEST_BYTES * 2)
        return false;
    for (size_t i = 0; i < TENANT_DIGEST_BYTES; i++) {
        int high = hex_of(text[2 * i]), low = hex_of(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        ret_digest[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

static int read_number(const char *name, const char *text, uint32_t *ret, struct err *err)
{
    char *end;
    long  value = strtol(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end != '\0' || value > 1000000000)
        return err_set(err, 0, "%s=%.20s: a number is wanted; 0: no limit", name, text);
    *ret = (uint32_t)value;
    return 0;
}

static int read_profiles(char *text, struct tenant_line *line, struct err *err)
{
    char *save       = NULL;
    line->profiles   = 0;
    line->profile[0] = '\0';
    for (char *item = strtok_r(text, ",", &save); item != NULL; item = strtok_r(NULL, ",", &save)) {
        unsigned bit = tenant_profile_bit(item);
        if (bit == 0)
            return err_set(err, 0, "profiles: there is none called \"%.20s\"; there are standard and open", item);
        line->profiles |= bit;
        if (line->profile[0] == '\0')
            (void)snprintf(line->profile, sizeof line->profile, "%s", item);
    }
    return line->profiles != 0 ? 0 : err_set(err, 0, "profiles: none is given");
}

static int read_option(char *item, struct tenant_line *line, struct err *err)
{
    char *value = strchr(item, '=');
    if (value == NULL)
        return err_set(err, 0, "\"%.40s\" is not option=value", item);
    *value++ = '\0';
    if (strcmp(item, "sessions") == 0)
        return read_number(item, value, &line->quota.sessions, err);
    if (strcmp(item, "executions") == 0)
        return read_number(item, value, &line->quota.executions, err);
    if (strcmp(item, "cpu") == 0)
        return read_number(item, value, &line->quota.cpu_s, err);
    if (strcmp(item, "requests") == 0)
        return read_number(item, value, &line->quota.requests, err);
    if (strcmp(item, "profiles") == 0)
        return read_profiles(value, line, err);
    if (strcmp(item, "access") != 0)
        return err_set(err, 0, "there is no option %.40s; there are sessions, executions, cpu, requests, profiles and access", item);
    line->only_metrics = strcmp(value, "metrics") == 0;
    line->is_operator  = strcmp(value, "operator") == 0;
    return line->only_metrics || line->is_operator || strcmp(value, "all") == 0
               ? 0
               : err_set(err, 0, "access: all, metrics or operator is wanted");
}

int tenant_line_read(char *text, struct tenant_line *ret, struct err *err)
{
    char *save = NULL, *item = strtok_r(text, " \t\r", &save), *colon = item != NULL ? strchr(item, ':') : NULL;

    if (colon == NULL)
        return err_set(err, 0, "NAME:SHA256 is wanted");
    *colon = '\0';
    if (!tenants_is_name(item))
        return err_set(err, 0, "a name is 1 to 63 letters, digits, dots, dashes and underscores");
    if (!read_digest(colon + 1, ret->digest))
        return err_set(err, 0,
                       "after the name a SHA-256 in 64 hexadecimal digits is wanted, not the key; penny-sandbox key NAME makes one");
    (void)snprintf(ret->name, sizeof ret->name, "%s", item);
    while ((item = strtok_r(NULL, " \t\r", &save)) != NULL) {
        if (read_option(item, ret, err) < 0)
            return -1;
    }
    return 0;
}
