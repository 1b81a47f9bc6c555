#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "host_memory.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

enum { ARENA_BYTES = 1 << 20, ARENAS_MAX = 256, REGION_BYTES = ARENA_BYTES * ARENAS_MAX, HUGE_BYTES = 2 << 20, RANGES_MAX = 4096 };

/* Of Objects/obmalloc.c, CPython 3.10 and later; with another layout FILL_BYTES_MAX of each size class are lost and nothing else. */
enum { SMALL_STEP = 16, SMALL_MAX = 512, POOL_BYTES = 1 << 14, POOL_HEAD_BYTES = 48, FILL_BYTES_MAX = 4 << 20 };

static struct {
    char *start, *next, *end;
    void *free[ARENAS_MAX];
    int   free_count;
} region;

struct range {
    uintptr_t start, end;
};

static void *arena_new(void *context, size_t size)
{
    void *p;
    (void)context;
    if (size == ARENA_BYTES) {
        if (region.free_count > 0)
            return region.free[--region.free_count];
        if (region.next < region.end) {
            region.next += ARENA_BYTES;
            return region.next - ARENA_BYTES;
        }
    }
    p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static void arena_free(void *context, void *p, size_t size)
{
    (void)context;
    if ((char *)p >= region.start && (char *)p < region.end) {
        (void)madvise(p, size, MADV_DONTNEED);
        region.free[region.free_count++] = p;
    } else {
        (void)munmap(p, size);
    }
}

int host_memory_init(struct err *err)
{
    PyObjectArenaAllocator arenas = {NULL, arena_new, arena_free};
    char *p = mmap(NULL, REGION_BYTES + HUGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return err_errno(err, "mmap of the arena region");
    /* One for all threads: each of its own would reserve 64 MB of the address space that a session's limit counts. */
    (void)mallopt(M_ARENA_MAX, 1);
    region.start = (char *)(((uintptr_t)p + HUGE_BYTES - 1) & ~((uintptr_t)HUGE_BYTES - 1));
    region.next  = region.start;
    region.end   = region.start + REGION_BYTES;
    PyObject_SetArenaAllocator(&arenas);
    return 0;
}

/* What is reserved and unused would count against a session's address-space limit as if it were its own. */
static void give_back_region(void)
{
    uintptr_t used = ((uintptr_t)region.next + HUGE_BYTES - 1) & ~((uintptr_t)HUGE_BYTES - 1);
    if (used < (uintptr_t)region.end)
        (void)munmap((void *)used, (uintptr_t)region.end - used);
    region.end = (char *)used;
    if (region.next > region.end)
        region.next = region.end;
}

/* Private, anonymous, writable, and not a stack. */
static bool parse_range(const char *line, struct range *ret)
{
    unsigned long start, end, inode;
    char          access[8], name[256] = "";
    if (sscanf(line, "%lx-%lx %7s %*s %*s %lu %255s", &start, &end, access, &inode, name) < 4)
        return false;
    *ret = (struct range){(start + HUGE_BYTES - 1) & ~((uintptr_t)HUGE_BYTES - 1), end & ~((uintptr_t)HUGE_BYTES - 1)};
    return inode == 0 && access[1] == 'w' && access[3] == 'p' && strstr(name, "stack") == NULL && ret->start < ret->end;
}

static size_t read_ranges(struct range *ranges)
{
    FILE  *f = fopen("/proc/self/maps", "re");
    char   line[512];
    size_t n = 0;
    while (f != NULL && n < RANGES_MAX && fgets(line, sizeof line, f) != NULL)
        if (parse_range(line, &ranges[n]))
            n++;
    if (f != NULL)
        (void)fclose(f);
    return n;
}

/* A kernel that cannot collapse leaves the memory as it is: forks are then slower, not wrong. */
void host_memory_collapse(void)
{
    static struct range ranges[RANGES_MAX];
    size_t              n = read_ranges(ranges);
    for (size_t i = 0; i < n; i++)
        for (uintptr_t p = ranges[i].start; p < ranges[i].end; p += HUGE_BYTES)
            (void)madvise((void *)p, HUGE_BYTES, MADV_COLLAPSE);
}

/* A trimmed heap leaves unsorted bins; one large and one small request sort them here and not in every child. */
static void sort_bins(void)
{
    free(malloc(100000));
    free(malloc(2000));
    free(malloc(100000));
}

/*
 * A size class takes its next block from the pool that was freed into last: one page for the pool's head and, in a used pool, another
 * one for the block, in every child. So the used pools are filled up and each class is left at the start of an empty one.
 */
static void fill_pools(void)
{
    for (size_t size = SMALL_STEP; size <= SMALL_MAX; size += SMALL_STEP) {
        for (size_t filled = 0; filled < FILL_BYTES_MAX; filled += size) {
            char *block = PyObject_Malloc(size);
            if (block != NULL && ((uintptr_t)block & (POOL_BYTES - 1)) == POOL_HEAD_BYTES) {
                PyObject_Free(block);
                break;
            }
        }
    }
}

void host_memory_settle(void)
{
    fill_pools();
    give_back_region();
    (void)malloc_trim(0);
    sort_bins();
}
