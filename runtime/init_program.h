/*
 * init_program.h: what the zygote hands to the program penny-init: descriptors beside those of init.h, the jail as it has prepared it, and,
 * when the maps of users are written, a struct jail_session through a pipe.
 */
#ifndef PENNY_INIT_PROGRAM_H
#define PENNY_INIT_PROGRAM_H

#include "init.h"
#include "jail.h"
#include "policy.h"

enum init_program_fd { INIT_ADMITTED_FD = INIT_FD_COUNT, INIT_CONFIG_FD, INIT_IMAGE_FD, INIT_PROGRAM_FD_COUNT };

enum { INIT_CONFIG_MAGIC = 0x70696e69 };

/* In a sealed memfd. Pointers and descriptors in `jail` are the zygote's. */
struct init_config {
    uint32_t      magic;
    struct jail   jail;
    struct policy policy;
};

#endif
