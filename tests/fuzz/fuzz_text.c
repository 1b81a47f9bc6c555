/* Text in pieces: repaired piece by piece it is what it is when repaired whole, and valid. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

static void add(struct bytes *out, const char *data, size_t length)
{
    if (!text_repair(out, data, length))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes      whole = {0}, pieces = {0};
    struct text_carry carry = {0};
    const char       *text  = (const char *)data + 1;
    char              rest[4];
    struct text_slice end;
    size_t            step;

    if (size < 1)
        return 0;
    step = data[0] % 32 + 1u;
    size--;
    add(&whole, text, size);
    for (size_t at = 0; at < size; at += step) {
        struct text_pair pair = text_carry_join(&carry, text + at, size - at < step ? size - at : step);
        add(&pieces, pair.slice[0].data, pair.slice[0].length);
        add(&pieces, pair.slice[1].data, pair.slice[1].length);
    }
    end = text_carry_end(&carry, rest);
    add(&pieces, end.data, end.length);
    if (whole.length != pieces.length || (whole.length > 0 && memcmp(whole.data, pieces.data, whole.length) != 0))
        abort();
    if (text_valid(whole.data, whole.length) != whole.length || whole.length < text_valid(text, size))
        abort();
    for (size_t max = 0; max <= size; max++) {
        size_t cut = text_cut(text, size, max);
        if (cut > max || max - cut > 3 || (text_valid(text, size) == size && text_valid(text, cut) != cut))
            abort();
    }
    bytes_done(&whole);
    bytes_done(&pieces);
    return 0;
}
