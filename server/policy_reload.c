#include "policy_reload.h"

#include <stdio.h>

static const uint64_t BASE = UINT64_C(0xcbf29ce484222325), PRIME = UINT64_C(0x100000001b3); /* FNV-1a: nobody here forges his own files */

static uint64_t add_file(uint64_t digest, const char *path)
{
    FILE *file = fopen(path, "re");
    int   c;
    while (file != NULL && (c = getc(file)) != EOF)
        digest = (digest ^ (uint64_t)(unsigned char)c) * PRIME;
    if (file != NULL)
        (void)fclose(file);
    return (digest ^ 0x100) * PRIME; /* the border between two files */
}

uint64_t policy_reload_digest(const struct config *config)
{
    const char *const paths[] = {config->imports_policy, config->resources_policy, config->filesystem_policy, config->syscalls_policy,
                                 config->packages_policy};
    uint64_t          digest  = BASE;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        digest = add_file(digest, paths[i]);
    return digest;
}
