/* host_leftover.h: what libraries leave behind in the zygote and no fork would have: threads and open descriptors. */
#ifndef PENNY_HOST_LEFTOVER_H
#define PENNY_HOST_LEFTOVER_H

#include "shared/err.h"

/* Before Python starts: the descriptors that are open now are the zygote's own. */
void host_leftover_note(void);

/* Returns 0, or -1: the message names the thread or the descriptor. */
int host_leftover_check(struct err *err);

#endif
