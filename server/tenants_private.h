/* tenants_private.h: what tenants*.c share. Nobody else includes it. */
#ifndef PENNY_TENANTS_PRIVATE_H
#define PENNY_TENANTS_PRIVATE_H

#include "tenants.h"

/* What one line, or one item of SANDBOX_API_KEYS, says. */
struct tenant_line {
    char                name[TENANT_NAME_BYTES];
    unsigned char       digest[TENANT_DIGEST_BYTES];
    struct tenant_quota quota;
    unsigned            profiles;
    char                profile[16];
    bool                only_metrics, is_operator;
};

/* `line` (NUL-terminated, is cut up) over the defaults in *ret. Returns 0, or -1 with err. */
int tenant_line_read(char *line, struct tenant_line *ret, struct err *err);

bool tenants_is_name(const char *text);
void tenants_digest(const void *key, size_t length, unsigned char ret_digest[TENANT_DIGEST_BYTES]);

#endif
