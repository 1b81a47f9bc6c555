#define _GNU_SOURCE
#include "host_mappings.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { MAPPINGS_MAX = 8192 };

struct mapping {
    uintptr_t     start, end;
    unsigned long offset, inode, anonymous_kb;
    char          access[5];
};

/* Returns false where the line is one of the figures below a mapping and not its head. */
static bool parse_head(const char *line, struct mapping *ret)
{
    struct mapping m = {0};
    unsigned long  start, end;
    if (sscanf(line, "%lx-%lx %4s %lx %*s %lu", &start, &end, m.access, &m.offset, &m.inode) != 5)
        return false;
    m.start = start;
    m.end   = end;
    *ret    = m;
    return true;
}

static size_t read_mappings(struct mapping *mappings)
{
    FILE  *f = fopen("/proc/self/smaps", "re");
    char   line[512];
    size_t n = 0;
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (n < MAPPINGS_MAX && parse_head(line, &mappings[n]))
            n++;
        else if (n > 0)
            (void)sscanf(line, "Anonymous: %lu kB", &mappings[n - 1].anonymous_kb);
    }
    if (f != NULL)
        (void)fclose(f);
    return n;
}

static bool is_one_file(const struct mapping *a, const struct mapping *b)
{
    return a->inode != 0 && a->inode == b->inode && a->end == b->start && a->offset + (a->end - a->start) == b->offset;
}

/* Read-only since the file says so. What the loader has written to holds pages of its own; merged, all code would be copied at a fork. */
static bool is_constant(const struct mapping *m)
{
    return strcmp(m->access, "r--p") == 0 && m->anonymous_kb == 0;
}

static void join(const struct mapping *m)
{
    (void)mprotect((void *)m->start, m->end - m->start, PROT_READ | PROT_EXEC);
}

void host_mappings_merge(void)
{
    static struct mapping mappings[MAPPINGS_MAX];
    size_t                n = read_mappings(mappings);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(mappings[i].access, "r-xp") != 0)
            continue;
        if (i > 0 && is_constant(&mappings[i - 1]) && is_one_file(&mappings[i - 1], &mappings[i]))
            join(&mappings[i - 1]);
        if (i + 1 < n && is_constant(&mappings[i + 1]) && is_one_file(&mappings[i], &mappings[i + 1]))
            join(&mappings[i + 1]);
    }
}
