/* decimal.h: numbers as text where it is done for each cell: printf() takes ten times as long. */
#ifndef PENNY_DECIMAL_H
#define PENNY_DECIMAL_H

#include <stdint.h>

enum {
    DECIMAL_WHOLE_MAX = 20, /* bytes that decimal_whole() writes at most */
    DECIMAL_FIXED_MAX = 24, /* and decimal_fixed() */
};

/* Both write at `to`, without a NUL, and return where the text ends. */
char *decimal_whole(char *to, uint64_t number);
/* With so many places (1 to 3) behind the point. What is negative, or no number, is 0; what is above 10^15 is that. */
char *decimal_fixed(char *to, double number, int places);

#endif
