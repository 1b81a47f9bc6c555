/* host_memory.h: where Python's small objects live, and the zygote's memory made cheap to fork. */
#ifndef PENNY_HOST_MEMORY_H
#define PENNY_HOST_MEMORY_H

#include "shared/err.h"

/* Before Python starts: pymalloc's arenas come from one region aligned for huge pages. Returns 0 or -1. */
int host_memory_init(struct err *err);

/* Gives back what the allocators hold for nothing, and leaves them so that a fork touches little. */
void host_memory_settle(void);
/* Moves private memory to huge pages, for where it can't become an image (host_image.h). */
void host_memory_collapse(void);

#endif
