#define _GNU_SOURCE
#include "host_pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clone.h"
#include "host_image.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

enum { PAGES_MAX = 512, WORDS = HOST_IMAGE_PAGE / sizeof(uint64_t), OUT_OF_THE_WAY = 64 };

struct page {
    uintptr_t address;
    uint64_t  sum; /* of the image's */
    bool      is_ahead;
};

/*
 * In a file of its own: to write to the zygote's memory would cost each fork a page, and in the trial be found. Shared while it is written, which
 * is by the trial alone. Then it is sealed, for what is shared and can be made writable would join all sessions.
 */
struct pages {
    size_t      count, started_count;
    struct page list[PAGES_MAX];
    uintptr_t   started[PAGES_MAX]; /* those that the trial's start has copied */
    uint64_t    original[WORDS];
};

static struct pages *known; /* NULL: none */

static uint64_t sum_of(const void *page)
{
    const uint64_t *words = page;
    uint64_t        sum   = 0x9e3779b97f4a7c15;
    for (size_t i = 0; i < WORDS; i++) {
        sum = (sum ^ words[i]) * 0xff51afd7ed558ccd;
        sum ^= sum >> 32;
    }
    return sum;
}

static void note_page(uintptr_t address, bool is_ahead)
{
    bool is_found = known->count < PAGES_MAX && host_image_read(address, known->original);
    if (is_found && (is_ahead || memcmp(known->original, (const void *)address, HOST_IMAGE_PAGE) == 0))
        known->list[known->count++] = (struct page){address, sum_of(known->original), is_ahead};
}

static void note_started(uintptr_t address, void *arg)
{
    (void)arg;
    if (known->started_count < PAGES_MAX)
        known->started[known->started_count++] = address;
    note_page(address, false);
}

static bool is_started(uintptr_t address)
{
    for (size_t i = 0; i < known->started_count; i++)
        if (known->started[i] == address)
            return true;
    return false;
}

static void note_new(uintptr_t address, void *arg)
{
    (void)arg;
    if (!is_started(address))
        note_page(address, true);
}

static _Noreturn void try_out(void (*start)(void), void (*cell)(void))
{
    int fd     = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    int map_fd = fcntl(fd, F_DUPFD_CLOEXEC, OUT_OF_THE_WAY);
    host_image_move(OUT_OF_THE_WAY);
    start();
    host_image_each_copied(map_fd, note_started, NULL);
    cell();
    host_image_each_copied(map_fd, note_new, NULL);
    _exit(0);
}

static struct pages *map(int fd, int access, int kind)
{
    void *memory = mmap(NULL, sizeof *known, access, kind, fd, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static void try_apart(void (*start)(void), void (*cell)(void))
{
    pid_t pid = clone_process(0, -1);
    if (pid == 0)
        try_out(start, cell);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

void host_pages_learn(void (*start)(void), void (*cell)(void))
{
    static const int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
    int              fd    = memfd_create("penny-pages", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && ftruncate(fd, sizeof *known) == 0 && (known = map(fd, PROT_READ | PROT_WRITE, MAP_SHARED)) != NULL) {
        try_apart(start, cell);
        (void)munmap(known, sizeof *known);
        known = fcntl(fd, F_ADD_SEALS, seals) == 0 ? map(fd, PROT_READ, MAP_PRIVATE) : NULL;
    }
    if (fd >= 0)
        (void)close(fd);
    host_image_close();
}

void host_pages_prepare(void)
{
    for (size_t i = 0; known != NULL && i < known->count; i++)
        if (known->list[i].is_ahead)
            (void)madvise((void *)known->list[i].address, HOST_IMAGE_PAGE, MADV_POPULATE_WRITE);
}

void host_pages_give_back(void)
{
    for (size_t i = 0; known != NULL && i < known->count; i++)
        if (sum_of((const void *)known->list[i].address) == known->list[i].sum)
            (void)madvise((void *)known->list[i].address, HOST_IMAGE_PAGE, MADV_DONTNEED);
}
