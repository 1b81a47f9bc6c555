/* orphans.h: processes that came to the supervisor because their parent, a zygote, died. */
#ifndef PENNY_ORPHANS_H
#define PENNY_ORPHANS_H

#include <sys/types.h>

/*
 * Notes the children that this process has: before it starts any they are those of the shell that has become it (`tee log & exec ...`), and
 * nobody's to kill. At most 64 of them.
 */
void orphans_spare(void);
/* One has ended: its number can be another's from now on. */
void orphans_on_exit(pid_t pid);

/* Kills and reaps every child this process still has, but those that are spared. */
void orphans_end(void);

#endif
