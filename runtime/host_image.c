#define _GNU_SOURCE
#include "host_image.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

enum { PLACES_MAX = 8192, PAGE_BYTES = 4096, HUGE_BYTES = 2 << 20 };

struct place {
    uintptr_t     start, end;
    unsigned long anonymous_kb;
    int           access; /* PROT_* */
    bool          is_private, is_special;
};

static struct place places[PLACES_MAX];
static size_t       place_count;

static bool is_special(const char *name)
{
    return name[0] == '[' && strcmp(name, "[heap]") != 0; /* the stack, and the kernel's own */
}

/* Returns false where the line is one of the figures below a mapping and not its head. */
static bool parse_head(const char *line, struct place *ret)
{
    unsigned long start, end;
    char          access[8], name[64] = "";
    if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %63s", &start, &end, access, name) < 3)
        return false;
    *ret = (struct place){.start = start,
                          .end   = end,
                          .access =
                              (access[0] == 'r' ? PROT_READ : 0) | (access[1] == 'w' ? PROT_WRITE : 0) | (access[2] == 'x' ? PROT_EXEC : 0),
                          .is_private = access[3] == 'p',
                          .is_special = is_special(name)};
    return true;
}

static void parse_figure(const char *line, struct place *place)
{
    (void)sscanf(line, "Anonymous: %lu kB", &place->anonymous_kb);
    if (strncmp(line, "VmFlags:", 8) == 0 && strstr(line, " dc") != NULL) /* not handed on by a fork */
        place->is_special = true;
}

static bool read_places(void)
{
    FILE *f = fopen("/proc/self/smaps", "re");
    char  line[512];
    place_count = 0;
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (place_count < PLACES_MAX && parse_head(line, &places[place_count]))
            place_count++;
        else if (place_count > 0)
            parse_figure(line, &places[place_count - 1]);
    }
    if (f != NULL)
        (void)fclose(f);
    return place_count > 0 && place_count < PLACES_MAX;
}

/* The kernel writes into the thread's own memory when it pleases (restartable sequences). */
static bool is_meant(const struct place *place)
{
    uintptr_t own = (uintptr_t)&errno;
    return place->is_private && !place->is_special && place->anonymous_kb > 0 && (place->access & PROT_READ) != 0 &&
           !(place->start <= own && own < place->end);
}

static bool is_empty(const char *page)
{
    const uint64_t *words = (const uint64_t *)page;
    for (size_t i = 0; i < PAGE_BYTES / sizeof *words; i++)
        if (words[i] != 0)
            return false;
    return true;
}

static bool write_all(int fd, const char *p, size_t length, off_t offset)
{
    while (length > 0) {
        ssize_t n = pwrite(fd, p, length, offset);
        if (n <= 0)
            return false;
        p += n;
        offset += n;
        length -= (size_t)n;
    }
    return true;
}

/* What is zero is left out: the file reads as zero there. */
static bool copy(int fd, const struct place *place, uintptr_t base)
{
    for (uintptr_t p = place->start, q; p < place->end; p = q) {
        bool empty = is_empty((const char *)p);
        for (q = p + PAGE_BYTES; q < place->end && is_empty((const char *)q) == empty;)
            q += PAGE_BYTES;
        if (!empty && !write_all(fd, (const char *)p, q - p, (off_t)(p - base)))
            return false;
    }
    return true;
}

static bool map(int fd, const struct place *place, uintptr_t base)
{
    return mmap((void *)place->start, place->end - place->start, place->access, MAP_PRIVATE | MAP_FIXED, fd,
                (off_t)(place->start - base)) != MAP_FAILED;
}

/* From here on nothing may be written but the stack, until all is mapped. */
static bool replace(int fd, uintptr_t base)
{
    for (size_t i = 0; i < place_count; i++)
        if (is_meant(&places[i]) && !copy(fd, &places[i], base))
            return false;
    for (size_t i = 0; i < place_count; i++)
        if (is_meant(&places[i]) && !map(fd, &places[i], base))
            return false;
    return true;
}

/* A kernel that cannot collapse leaves the file in small pages: more of them are to be mapped then. */
static void collapse(void)
{
    for (size_t i = 0; i < place_count; i++) {
        uintptr_t start = (places[i].start + HUGE_BYTES - 1) & ~((uintptr_t)HUGE_BYTES - 1);
        for (uintptr_t p = start; is_meant(&places[i]) && p + HUGE_BYTES <= places[i].end; p += HUGE_BYTES)
            (void)madvise((void *)p, HUGE_BYTES, MADV_COLLAPSE);
    }
}

bool host_image_seal(void)
{
    int  fd = memfd_create("penny-image", MFD_CLOEXEC);
    bool done;
    if (fd < 0)
        return false;
    done = read_places() && replace(fd, places[0].start & ~((uintptr_t)HUGE_BYTES - 1));
    if (done)
        collapse();
    (void)close(fd);
    return done;
}
