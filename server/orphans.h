/* orphans.h: processes that came to the supervisor because their parent, a zygote, died. */
#ifndef PENNY_ORPHANS_H
#define PENNY_ORPHANS_H

/* Kills and reaps every child this process still has. */
void orphans_end(void);

#endif
