#include "quantity.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

bool quantity_read(const char *text, double *ret)
{
    static const struct {
        const char *name;
        double      factor;
    } units[] = {{"", 1},
                 {"n", 1e-9},
                 {"u", 1e-6},
                 {"m", 1e-3},
                 {"k", 1e3},
                 {"K", 1e3},
                 {"M", 1e6},
                 {"G", 1e9},
                 {"T", 1e12},
                 {"Ki", 1024.0},
                 {"Mi", 1024.0 * 1024},
                 {"Gi", 1024.0 * 1024 * 1024},
                 {"Ti", 1024.0 * 1024 * 1024 * 1024}};
    char  *end;
    double number;

    if (!isdigit((unsigned char)*text) && *text != '.')
        return false;
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
        return false;
    number = strtod(text, &end);
    if (end == text)
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(end, units[i].name) == 0) {
            *ret = number * units[i].factor;
            return *ret < 1e300;
        }
    }
    return false;
}
