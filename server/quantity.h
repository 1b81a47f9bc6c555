/* quantity.h: amounts as Kubernetes writes them: "100m" is a tenth, "256Mi" is 256 * 2^20, "1.5G", "2e3". */
#ifndef PENNY_QUANTITY_H
#define PENNY_QUANTITY_H

#include <stdbool.h>

/* Returns false when the text is none, or negative. */
bool quantity_read(const char *text, double *ret);

#endif
