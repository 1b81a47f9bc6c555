/* json_look_is_line() beside jansson: what it says is an object on one line is that for jansson, too. */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>

#include "json_look.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    json_t     *loaded;
    if (!json_look_is_line(text, size))
        return 0;
    loaded = json_loadb(text, size, JSON_DECODE_INT_AS_REAL, NULL);
    if (!json_is_object(loaded) || !text_is_line(text, size))
        abort();
    json_decref(loaded);
    return 0;
}
