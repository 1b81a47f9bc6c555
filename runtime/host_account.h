/* host_account.h: what one cell used, as the kernel counts it. Callers hold the GIL. */
#ifndef PENNY_HOST_ACCOUNT_H
#define PENNY_HOST_ACCOUNT_H

#include <stdint.h>

struct host_account {
    uint64_t cpu_user_us, cpu_system_us;      /* of this cell, children that were waited for included */
    uint64_t memory_bytes, memory_peak_bytes; /* resident beyond what the fork inherited: now, and at most during this cell */
    uint32_t threads;                         /* alive now, the main one included */
};

/* In a worker, once: what the fork inherited counts as nothing. */
void host_account_start(void);
/* In a parked copy that was woken, whose processor time and page faults count from nothing; what the fork inherited stays. */
void host_account_renew(void);

void host_account_begin(void);
void host_account_end(struct host_account *ret);

/* Threads of this process that are alive; 0 when /proc is not there to say it. The caller holds the GIL. */
uint32_t host_account_threads(void);

#endif
