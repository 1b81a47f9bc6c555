/* host_pages.h: which pages of the image (host_image.h) the start of a worker writes to, and which its first cell will. */
#ifndef PENNY_HOST_PAGES_H
#define PENNY_HOST_PAGES_H

/*
 * Starting an interpreter writes to many pages only for a moment: a counter goes up and down again. Such a page is a copy that equals the
 * image's, and a worker of which nothing is wanted may give it back. And a first cell writes to pages that no start has: each is a fault, twice
 * where it reads first, and all together are a third of the time that it takes. A worker that waits can make the copies beforehand.
 *
 * Finds out which both are by letting a fork run `start`, which ends in the state of a worker that waits, and then `cell`; once, after the sealing.
 */
void host_pages_learn(void (*start)(void), void (*cell)(void));
/* In a worker that has begun to wait: copies what a first cell will write to. Where the kernel can't (before Linux 5.14), that cell's faults do. */
void host_pages_prepare(void);
/* In a worker that has run nothing: gives back those copies that equal the image's pages still. No thread may run meanwhile. */
void host_pages_give_back(void);

#endif
