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

static int own_instance = ID_NO_INSTANCE;

void id_set_own_instance(int instance)
{
    own_instance = instance;
}

int id_own_instance(void)
{
    return own_instance;
}

static unsigned char two_digits(int number)
{
    return (unsigned char)((number / 10 % 10) << 4 | number % 10);
}

static int number_of(unsigned char digits)
{
    return digits >> 4 < 10 && (digits & 15) < 10 ? (digits >> 4) * 10 + (digits & 15) : -1;
}

int id_instance(const struct id *id)
{
    int high = number_of(id->bytes[0]), low = number_of(id->bytes[1]);
    return high >= 0 && low >= 0 ? high * 100 + low : ID_NO_INSTANCE;
}

bool id_is_own(const struct id *id)
{
    return own_instance == ID_NO_INSTANCE || id_instance(id) == own_instance;
}

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
    if (own_instance != ID_NO_INSTANCE) {
        ret_id->bytes[0] = two_digits(own_instance / 100);
        ret_id->bytes[1] = two_digits(own_instance);
    }
}

bool id_parse(const char *text, struct id *ret_id)
{
    return text != NULL && uuid_parse(text, ret_id->bytes) == 0;
}

void id_format(const struct id *id, char ret_text[ID_TEXT_BYTES])
{
    uuid_unparse_lower(id->bytes, ret_text);
}
