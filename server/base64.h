/* base64.h: the alphabet of RFC 4648, strictly. */
#ifndef PENNY_BASE64_H
#define PENNY_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include "bytes.h"

/* Appends what `text` stands for. Line ends are passed over; anything else out of the alphabet, or a wrong end, is refused: returns false. */
bool base64_decode(const char *text, size_t length, struct bytes *out);
/* Appends the text that stands for `data`, in one line. Returns false when there is no memory. */
bool base64_encode(const void *data, size_t length, struct bytes *out);

#endif
