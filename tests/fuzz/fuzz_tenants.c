/* The file of API keys: whatever the text, it is taken whole or refused whole, and never lets in a key that it does not name. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tenants.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char    good[] = "alice:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n"; /* of "abc" */
    static struct config config;
    struct err           err = {0};
    struct tenants      *tenants;
    const struct tenant *found;

    strcpy(config.keys_file, "/keys");
    tenants = tenants_new(&config, &err);
    if (tenants == NULL || tenants_load(tenants, good, sizeof good - 1, &err) < 0)
        abort();
    if (tenants_load(tenants, (const char *)data, size, &err) < 0) {
        found = tenants_find(tenants, "abc", 3);
        if (err.message[0] == '\0' || found == NULL || strcmp(found->name, "alice") != 0 || tenants_count(tenants) != 1)
            abort();
    }
    if (tenants_find(tenants, "", 0) != NULL || tenants_find(tenants, "abd", 3) != NULL)
        abort();
    tenants_free(tenants);
    return 0;
}
