/* process_stat.h: what the kernel says of our own processes. */
#ifndef PENNY_PROCESS_STAT_H
#define PENNY_PROCESS_STAT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct process_stat {
    uint64_t resident_bytes, virtual_bytes; /* 0: not known */
    double   cpu_s;
};

/* Returns 0, or -1 when there is no such process or it may not be looked at. */
int process_stat_read(pid_t pid, struct process_stat *ret);
/* The child of `parent` whose name begins with `name`; 0: there is none, or the kernel does not tell. */
pid_t process_stat_child(pid_t parent, const char *name);
/* Open descriptors of this process; 0 when the kernel does not tell. */
size_t process_stat_descriptors(void);

#endif
