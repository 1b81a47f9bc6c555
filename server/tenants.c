#define _GNU_SOURCE
#include "tenants.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "tenants_private.h"

enum { TENANTS_MAX = 1024, KEY_MIN = 16, KEY_RANDOM_BYTES = 32 };

struct tenants {
    const struct config *config;
    struct tenant       *tenant[TENANTS_MAX]; /* never moved or freed before the end: sessions point to them */
    size_t               count;
    struct tenant_line   environment[32]; /* what SANDBOX_API_KEYS says, beside any file */
    size_t               environment_count;
};

void tenants_digest(const void *key, size_t length, unsigned char ret_digest[TENANT_DIGEST_BYTES])
{
    (void)SHA256(key, length, ret_digest);
}

static void fill_defaults(const struct tenants *tenants, struct tenant_line *line)
{
    const struct config *config = tenants->config;
    *line                       = (struct tenant_line){.quota = {.sessions   = config->key_sessions,
                                                                 .executions = config->key_executions,
                                                                 .cpu_s      = config->key_cpu_s,
                                                                 .requests   = config->key_requests}};
}

/* ---- SANDBOX_API_KEYS ---- */

static int add_item(struct tenants *tenants, char *item, struct err *err)
{
    char               *colon = strchr(item, ':'), *key = colon != NULL ? colon + 1 : item;
    struct tenant_line *line;

    if (tenants->environment_count == sizeof tenants->environment / sizeof *tenants->environment)
        return err_set(err, E2BIG, "SANDBOX_API_KEYS: at most %zu keys; a file (SANDBOX_KEYS_FILE) may have more",
                       tenants->environment_count);
    line = &tenants->environment[tenants->environment_count];
    fill_defaults(tenants, line);
    if (colon != NULL)
        *colon = '\0';
    if (colon != NULL && !tenants_is_name(item))
        return err_set(err, 0, "SANDBOX_API_KEYS: a name is 1 to 63 letters, digits, dots, dashes and underscores");
    if (strlen(key) < KEY_MIN)
        return err_set(err, 0, "SANDBOX_API_KEYS: a key of less than %d characters can be guessed", KEY_MIN);
    (void)snprintf(line->name, sizeof line->name, "%s", colon != NULL ? item : "default");
    tenants_digest(key, strlen(key), line->digest);
    for (size_t i = 0; i < tenants->environment_count; i++) {
        if (memcmp(tenants->environment[i].digest, line->digest, sizeof line->digest) == 0)
            return err_set(err, 0, "SANDBOX_API_KEYS: a key is given twice");
    }
    tenants->environment_count++;
    return 0;
}

static int read_environment(struct tenants *tenants, struct err *err)
{
    char  text[sizeof tenants->config->api_keys], *save = NULL;
    int   result = 0;
    char *item;
    (void)snprintf(text, sizeof text, "%s", tenants->config->api_keys);
    for (item = strtok_r(text, ", \t", &save); item != NULL && result == 0; item = strtok_r(NULL, ", \t", &save))
        result = add_item(tenants, item, err);
    explicit_bzero(text, sizeof text);
    return result;
}

/* ---- all of it ---- */

struct tenant *tenants_named(const struct tenants *tenants, const char *name)
{
    for (size_t i = 0; i < tenants->count; i++) {
        if (strcmp(tenants->tenant[i]->name, name) == 0)
            return tenants->tenant[i];
    }
    return NULL;
}

static int apply(struct tenants *tenants, const struct tenant_line *line, struct err *err)
{
    struct tenant *tenant = tenants_named(tenants, line->name);
    if (tenant == NULL) {
        tenant = tenants->count < TENANTS_MAX ? malloc(sizeof *tenant) : NULL;
        if (tenant == NULL)
            return err_set(err, ENOMEM, "no room for more than %d names", TENANTS_MAX);
        tenant_init(tenant, line->name);
        tenants->tenant[tenants->count++] = tenant;
    }
    if (tenant->digest_count == TENANT_KEYS_MAX)
        return err_set(err, 0, "%s has more than %d keys", line->name, TENANT_KEYS_MAX);
    memcpy(tenant->digests[tenant->digest_count++], line->digest, TENANT_DIGEST_BYTES);
    tenant_set_quota(tenant, &line->quota);
    tenant->only_metrics = line->only_metrics;
    tenant->is_operator  = line->is_operator;
    tenant->profiles     = line->profiles;
    memcpy(tenant->profile, line->profile, sizeof tenant->profile);
    return 0;
}

struct lines {
    struct tenant_line *line;
    size_t              count, room;
};

static int read_lines(const struct tenants *tenants, const char *text, size_t length, struct lines *lines, struct err *err)
{
    const char *end = text + length;
    for (unsigned number = 1; text < end; number++) {
        const char *feed = memchr(text, '\n', (size_t)(end - text)), *stop = feed != NULL ? feed : end;
        char        copy[512];
        struct err  why  = {0};
        size_t      size = (size_t)(stop - text);

        (void)snprintf(copy, sizeof copy, "%.*s", (int)(size < sizeof copy ? size : sizeof copy), text);
        text = stop + 1;
        if (copy[strspn(copy, " \t\r")] == '\0' || copy[strspn(copy, " \t")] == '#')
            continue;
        if (lines->count == lines->room)
            return err_set(err, E2BIG, "line %u: no more than %zu keys", number, lines->room);
        fill_defaults(tenants, &lines->line[lines->count]);
        if (size >= sizeof copy)
            return err_set(err, 0, "line %u: too long", number);
        if (tenant_line_read(copy, &lines->line[lines->count++], &why) < 0)
            return err_set(err, 0, "line %u: %s", number, why.message);
    }
    return 0;
}

/* A key that belonged to two would belong to neither. */
static int check_digests(const struct tenants *tenants, const struct lines *lines, struct err *err)
{
    for (size_t i = 0; i < lines->count; i++) {
        const struct tenant_line *one = &lines->line[i];
        for (size_t j = 0; j < i + tenants->environment_count; j++) {
            const struct tenant_line *other = j < i ? &lines->line[j] : &tenants->environment[j - i];
            if (memcmp(one->digest, other->digest, sizeof one->digest) == 0)
                return err_set(err, 0, "the key of %s is given twice, also to %s", one->name, other->name);
        }
    }
    return 0;
}

/* Refuses what apply() would, before anything is changed. */
static int check(const struct tenants *tenants, const struct lines *lines, struct err *err)
{
    size_t new_names = 0;
    for (size_t i = 0; i < lines->count; i++) {
        size_t same = 1, before = 0;
        for (size_t j = 0; j < lines->count; j++)
            same += j != i && strcmp(lines->line[i].name, lines->line[j].name) == 0;
        for (size_t j = 0; j < i; j++)
            before += strcmp(lines->line[i].name, lines->line[j].name) == 0;
        for (size_t j = 0; j < tenants->environment_count; j++)
            same += strcmp(lines->line[i].name, tenants->environment[j].name) == 0;
        if (same > TENANT_KEYS_MAX)
            return err_set(err, 0, "%s has more than %d keys", lines->line[i].name, TENANT_KEYS_MAX);
        new_names += before == 0 && tenants_named(tenants, lines->line[i].name) == NULL;
    }
    return tenants->count + new_names <= TENANTS_MAX ? 0 : err_set(err, E2BIG, "there were more than %d names", TENANTS_MAX);
}

static int replace(struct tenants *tenants, const struct lines *lines, struct err *err)
{
    for (size_t i = 0; i < tenants->count; i++)
        tenants->tenant[i]->digest_count = 0;
    for (size_t i = 0; i < tenants->environment_count; i++) {
        if (apply(tenants, &tenants->environment[i], err) < 0)
            return -1;
    }
    for (size_t i = 0; i < lines->count; i++) {
        if (apply(tenants, &lines->line[i], err) < 0)
            return -1;
    }
    return 0;
}

int tenants_load(struct tenants *tenants, const char *text, size_t length, struct err *err)
{
    struct lines lines = {.room = TENANTS_MAX, .line = calloc(TENANTS_MAX + 1, sizeof(struct tenant_line))};
    int          result;
    if (lines.line == NULL)
        return err_set(err, ENOMEM, "no memory for the keys");
    result = read_lines(tenants, text, length, &lines, err);
    if (result == 0)
        result = check_digests(tenants, &lines, err);
    if (result == 0)
        result = check(tenants, &lines, err);
    if (result == 0)
        result = replace(tenants, &lines, err);
    free(lines.line);
    return result;
}

struct tenants *tenants_new(const struct config *config, struct err *err)
{
    struct tenants *tenants = calloc(1, sizeof *tenants);
    if (tenants == NULL) {
        (void)err_set(err, ENOMEM, "no memory for the keys");
        return NULL;
    }
    tenants->config = config;
    if (read_environment(tenants, err) < 0 || tenants_load(tenants, "", 0, err) < 0) {
        tenants_free(tenants);
        return NULL;
    }
    return tenants;
}

void tenants_free(struct tenants *tenants)
{
    if (tenants == NULL)
        return;
    for (size_t i = 0; i < tenants->count; i++)
        free(tenants->tenant[i]);
    free(tenants);
}

bool tenants_are_there(const struct tenants *tenants)
{
    return tenants->config->keys_file[0] != '\0' || tenants->environment_count > 0;
}

size_t tenants_count(const struct tenants *tenants)
{
    size_t n = 0;
    for (size_t i = 0; i < tenants->count; i++)
        n += tenants->tenant[i]->digest_count > 0;
    return n;
}

/* 1 when equal, else 0; always all of it is looked at. */
static unsigned equals(const unsigned char *one, const unsigned char *two)
{
    uint64_t a[TENANT_DIGEST_BYTES / 8], b[TENANT_DIGEST_BYTES / 8], differ = 0;
    memcpy(a, one, sizeof a);
    memcpy(b, two, sizeof b);
    for (size_t i = 0; i < sizeof a / sizeof *a; i++)
        differ |= a[i] ^ b[i];
    differ |= differ >> 32;
    differ &= 0xffffffffu;
    return (unsigned)((differ - 1) >> 63);
}

struct tenant *tenants_find(struct tenants *tenants, const char *key, size_t length)
{
    unsigned char digest[TENANT_DIGEST_BYTES];
    size_t        found = 0; /* place + 1 */
    tenants_digest(key, length, digest);
    for (size_t i = 0; i < tenants->count; i++) {
        const struct tenant *tenant = tenants->tenant[i];
        for (size_t k = 0; k < tenant->digest_count; k++)
            found |= (i + 1) & -(size_t)equals(tenant->digests[k], digest);
    }
    return found > 0 ? tenants->tenant[found - 1] : NULL;
}

/* ---- making one ---- */

int tenants_print_key(const char *name, struct err *err)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned char     random[KEY_RANDOM_BYTES], digest[TENANT_DIGEST_BYTES];
    char              key[sizeof "penny_" + 43] = "penny_";
    size_t            at                        = 6;

    if (!tenants_is_name(name))
        return err_set(err, 0, "key: a name is 1 to 63 letters, digits, dots, dashes and underscores");
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return err_errno(err, "key: no random bytes");
    for (size_t bit = 0; bit < sizeof random * 8; bit += 6) {
        unsigned pair = (unsigned)random[bit / 8] << 8 | (bit / 8 + 1 < sizeof random ? random[bit / 8 + 1] : 0);
        key[at++]     = letters[pair >> (10 - bit % 8) & 63];
    }
    tenants_digest(key, at, digest);
    (void)printf("key (for the client, it is kept nowhere): %s\nline (for the file of --keys-file):\n%s:", key, name);
    for (size_t i = 0; i < sizeof digest; i++)
        (void)printf("%02x", digest[i]);
    (void)printf("\n");
    (void)fputs("# behind it, as wanted: sessions=N executions=N cpu=SECONDS (a minute) requests=N (a minute) profiles=standard,open "
                "access=all|metrics|operator\n",
                stderr);
    return fflush(stdout) == 0 ? 0 : err_errno(err, "key: it could not be printed");
}
