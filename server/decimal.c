#define _GNU_SOURCE
#include "decimal.h"

#include <stddef.h>
#include <string.h>

static const double most = 1e15;

char *decimal_whole(char *to, uint64_t number)
{
    char   digits[DECIMAL_WHOLE_MAX];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return mempcpy(to, digits + at, sizeof digits - at);
}

char *decimal_fixed(char *to, double number, int places)
{
    uint64_t scale = places == 1 ? 10 : places == 2 ? 100 : 1000, parts;
    number         = !(number > 0) ? 0 : number > most ? most : number;
    parts          = (uint64_t)(number * (double)scale + 0.5);
    to             = decimal_whole(to, parts / scale);
    *to++          = '.';
    for (parts %= scale, scale /= 10; scale > 0; scale /= 10)
        *to++ = (char)('0' + parts / scale % 10);
    return to;
}
