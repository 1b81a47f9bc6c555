/* Package requirements: what is taken has nothing in it that an installer could read as more than a name, extras and versions. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "requirement.h"

static void check(const struct requirement *read)
{
    struct requirement again;
    char               text[sizeof read->name + sizeof read->extras + sizeof read->specifier + 3];

    if (strspn(read->name, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(read->name) || read->name[0] == '-' || read->name[0] == '\0')
        abort();
    if (strpbrk(read->specifier, " /;@\n\t'\"$`\\") != NULL || strpbrk(read->extras, "/;@ \n=") != NULL)
        abort();
    (void)snprintf(text, sizeof text, read->extras[0] != '\0' ? "%s[%s]%s" : "%s%s%s", read->name, read->extras, read->specifier);
    if (!requirement_parse(text, &again) || memcmp(&again, read, sizeof again) != 0) /* canonical is stable */
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct requirement read;
    char               text[1024], name[REQUIREMENT_NAME_BYTES];

    if (size >= sizeof text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (requirement_parse(text, &read))
        check(&read);
    if (requirement_is_word(text) && (strchr(text, '/') != NULL || text[0] == '.'))
        abort();
    (void)requirement_name(text, name);
    return 0;
}
