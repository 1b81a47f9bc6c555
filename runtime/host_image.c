#define _GNU_SOURCE
#include "host_image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PLACES_MAX = 8192, ENTRIES = 512 };

/* Of /proc/pid/pagemap. */
#define ENTRY_PRESENT (UINT64_C(1) << 63)
#define ENTRY_FILE    (UINT64_C(1) << 61)

struct place {
    uintptr_t     start, end;
    unsigned long anonymous_kb;
    int           access; /* PROT_* */
    bool          is_private, is_special, is_library;
};

static struct place places[PLACES_MAX];
static size_t       place_count;
static int          image_fd = -1; /* until it is closed */
static uintptr_t    image_base;

static bool is_special(const char *name)
{
    return name[0] == '[' && strcmp(name, "[heap]") != 0; /* the stack, and the kernel's own */
}

/* Returns false where the line is one of the figures below a mapping and not its head. */
static bool parse_head(const char *line, struct place *ret)
{
    unsigned long start, end;
    char          access[8], name[256] = "";
    if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %255s", &start, &end, access, name) < 3)
        return false;
    *ret = (struct place){.start = start,
                          .end   = end,
                          .access =
                              (access[0] == 'r' ? PROT_READ : 0) | (access[1] == 'w' ? PROT_WRITE : 0) | (access[2] == 'x' ? PROT_EXEC : 0),
                          .is_private = access[3] == 'p',
                          .is_special = is_special(name),
                          .is_library = strstr(name, "-packages/") != NULL || strstr(name, "/lib-dynload/") != NULL};
    return true;
}

static void parse_figure(const char *line, struct place *place)
{
    (void)sscanf(line, "Anonymous: %lu kB", &place->anonymous_kb);
    /* not handed on by a fork, or empty after it: what the C library keeps there (random numbers, since its version 2.41) must be in no two processes */
    if (strncmp(line, "VmFlags:", 8) == 0 && (strstr(line, " dc") != NULL || strstr(line, " wf") != NULL))
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
    for (size_t i = 0; i < HOST_IMAGE_PAGE / sizeof *words; i++)
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
        for (q = p + HOST_IMAGE_PAGE; q < place->end && is_empty((const char *)q) == empty;)
            q += HOST_IMAGE_PAGE;
        if (!empty && !write_all(fd, (const char *)p, q - p, (off_t)(p - base)))
            return false;
    }
    return true;
}

/*
 * What the loader made read-only in an extension module of Python lies before the module's data, and becomes one mapping with it: a hundred mappings
 * less for each fork. Code of the session's can undo that protection as it likes, and the zygote runs no such module any more. Its own program,
 * and the libraries that it does run, keep it.
 */
static int access_of(const struct place *place)
{
    const struct place *next = place + 1 < places + place_count ? place + 1 : NULL;
    bool joins = place->is_library && place->access == PROT_READ && next != NULL && next->start == place->end && is_meant(next) &&
                 next->access == (PROT_READ | PROT_WRITE);
    return joins ? PROT_READ | PROT_WRITE : place->access;
}

static bool map(int fd, const struct place *place, uintptr_t base)
{
    return mmap((void *)place->start, place->end - place->start, access_of(place), MAP_PRIVATE | MAP_FIXED, fd,
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

bool host_image_seal(void)
{
    bool done = false;
    image_fd  = memfd_create("penny-image", MFD_CLOEXEC);
    if (image_fd >= 0 && read_places()) {
        image_base = places[0].start;
        done       = replace(image_fd, image_base);
    }
    return done;
}

bool host_image_read(uintptr_t page, void *ret)
{
    return pread(image_fd, ret, HOST_IMAGE_PAGE, (off_t)(page - image_base)) == HOST_IMAGE_PAGE;
}

static void visit_place(int pagemap_fd, const struct place *place, void (*visit)(uintptr_t page, void *arg), void *arg)
{
    uint64_t entries[ENTRIES];
    for (uintptr_t p = place->start; p < place->end; p += (uintptr_t)HOST_IMAGE_PAGE * ENTRIES) {
        ssize_t n = pread(pagemap_fd, entries, sizeof entries, (off_t)(p / HOST_IMAGE_PAGE * sizeof *entries));
        for (size_t i = 0; n > 0 && i < (size_t)n / sizeof *entries && p + i * HOST_IMAGE_PAGE < place->end; i++)
            if ((entries[i] & ENTRY_PRESENT) != 0 && (entries[i] & ENTRY_FILE) == 0)
                visit(p + i * HOST_IMAGE_PAGE, arg);
    }
}

void host_image_each_copied(int pagemap_fd, void (*visit)(uintptr_t page, void *arg), void *arg)
{
    for (size_t i = 0; i < place_count; i++)
        if (is_meant(&places[i]))
            visit_place(pagemap_fd, &places[i], visit, arg);
}

void host_image_move(int to_min)
{
    int fd = fcntl(image_fd, F_DUPFD_CLOEXEC, to_min);
    if (fd >= 0) {
        (void)close(image_fd);
        image_fd = fd;
    }
}

void host_image_close(void)
{
    (void)close(image_fd);
    image_fd = -1;
}
