/* host_image.h: the zygote's memory as a file, so that a fork has no page tables to copy. */
#ifndef PENNY_HOST_IMAGE_H
#define PENNY_HOST_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

enum { HOST_IMAGE_PAGE = 4096 };

/*
 * Replaces all private memory that has been written, but the stack and the thread's own, by private mappings of an unnamed file with the same
 * content at the same addresses. What a process then writes is its own, as before; what it only reads is mapped when it is looked at. A fork copies
 * page tables of mappings that the forking process has written to, which from now on are a few. The file stays in small pages: of a huge one all 512
 * are mapped at the first touch, which spares a first cell some faults, but each fork copies and each end undoes them.
 * The last act of all: what is written afterwards is paid by each fork. Returns false where it can't be done; memory is as it was then, or partly so.
 */
bool host_image_seal(void);

/* What the page was when it was sealed. ret: HOST_IMAGE_PAGE bytes. Until host_image_close. */
bool host_image_read(uintptr_t page, void *ret);
/* Visits every page of the image of which this process has a copy of its own, upwards. pagemap_fd: of /proc/self/pagemap. */
void host_image_each_copied(int pagemap_fd, void (*visit)(uintptr_t page, void *arg), void *arg);
/* Moves the file's descriptor to this number or above; closes it. The mappings stay. */
void host_image_move(int to_min);
void host_image_close(void);

#endif
