/* host_image.h: the zygote's memory as a file, so that a fork has no page tables to copy. */
#ifndef PENNY_HOST_IMAGE_H
#define PENNY_HOST_IMAGE_H

#include <stdbool.h>

/*
 * Replaces all private memory that has been written, but the stack and the thread's own, by private mappings of an unnamed file with the same
 * content at the same addresses. What a process then writes is its own, as before; what it only reads is mapped when it is looked at. A fork copies
 * page tables of mappings that the forking process has written to, which from now on are a few. The file stays in small pages: of a huge one all 512
 * are mapped at the first touch, which spares a first cell some faults, but each fork copies and each end undoes them.
 * The last act of all: what is written afterwards is paid by each fork. Returns false where it can't be done; memory is as it was then, or partly so.
 */
bool host_image_seal(void);

/*
 * Starting an interpreter writes to many pages only for a moment: a counter goes up and down again. Such a page is a copy that equals the image's.
 * Finds out which they are by letting a fork run `trial`, which ends in the state of a worker that waits; once, after the sealing.
 */
void host_image_learn(void (*trial)(void));
/* In a worker that begins to wait: gives back those copies that equal the image's pages still. */
void host_image_give_back(void);

#endif
