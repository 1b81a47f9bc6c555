/* host_image.h: the zygote's memory as a file, so that a fork has no page tables to copy. */
#ifndef PENNY_HOST_IMAGE_H
#define PENNY_HOST_IMAGE_H

#include <stdbool.h>

/*
 * Replaces all private memory that has been written, but the stack and the thread's own, by private mappings of an unnamed file with the same
 * content at the same addresses. What a process then writes is its own, as before; what it only reads is mapped when it is looked at. A fork copies
 * page tables of mappings that the forking process has written to, which from now on are a few.
 * The last act of all: what is written afterwards is paid by each fork. Returns false where it can't be done; memory is as it was then, or partly so.
 */
bool host_image_seal(void);

#endif
