#define _GNU_SOURCE
#include "id.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <uuid/uuid.h>

enum { STOCK_IDS = 16 };

static struct {
    unsigned char bytes[STOCK_IDS * ID_BYTES]; /* 256 bytes: the most that getrandom() gives without ever being cut short */
    size_t        left;
} stock;

void id_make(struct id *ret_id)
{
    if (stock.left == 0) {
        while (getrandom(stock.bytes, sizeof stock.bytes, 0) != (ssize_t)sizeof stock.bytes)
            continue; /* only EINTR while the kernel's generator is not seeded yet */
        stock.left = STOCK_IDS;
    }
    stock.left--;
    memcpy(ret_id->bytes, stock.bytes + stock.left * ID_BYTES, ID_BYTES);
    memset(stock.bytes + stock.left * ID_BYTES, 0, ID_BYTES);
    ret_id->bytes[6] = (unsigned char)((ret_id->bytes[6] & 0x0f) | 0x40);
    ret_id->bytes[8] = (unsigned char)((ret_id->bytes[8] & 0x3f) | 0x80);
}

bool id_parse(const char *text, struct id *ret_id)
{
    return text != NULL && uuid_parse(text, ret_id->bytes) == 0;
}

void id_format(const struct id *id, char ret_text[ID_TEXT_BYTES])
{
    uuid_unparse_lower(id->bytes, ret_text);
}
