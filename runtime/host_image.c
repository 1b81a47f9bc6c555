#define _GNU_SOURCE
#include "host_image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clone.h"

enum { PLACES_MAX = 8192, PAGE_BYTES = 4096, PASSING_MAX = 512, ENTRIES = 512 };

/* Of /proc/pid/pagemap. */
#define ENTRY_PRESENT (UINT64_C(1) << 63)
#define ENTRY_FILE    (UINT64_C(1) << 61)

struct place {
    uintptr_t     start, end;
    unsigned long anonymous_kb;
    int           access; /* PROT_* */
    bool          is_private, is_special, is_library;
};

/* A page that a start changes and changes back; its image's checksum. */
struct passing {
    uintptr_t page;
    uint64_t  sum;
};

static struct place places[PLACES_MAX];
static size_t       place_count;
static int          image_fd = -1; /* until it is learnt */
static uintptr_t    image_base;

/* In memory that is shared, and read only once it is filled: to write to it in the zygote would cost each fork a page. */
static struct {
    size_t         count;
    struct passing list[PASSING_MAX];
} * passing;

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
    passing   = mmap(NULL, sizeof *passing, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (passing == MAP_FAILED)
        passing = NULL;
    if (image_fd >= 0 && passing != NULL && read_places()) {
        image_base = places[0].start;
        done       = replace(image_fd, image_base);
    }
    return done;
}

static uint64_t sum_of(const void *page)
{
    const uint64_t *words = page;
    uint64_t        sum   = 0x9e3779b97f4a7c15;
    for (size_t i = 0; i < PAGE_BYTES / sizeof *words; i++) {
        sum = (sum ^ words[i]) * 0xff51afd7ed558ccd;
        sum ^= sum >> 32;
    }
    return sum;
}

/* In the trial's process: a page of its own that equals the image's. */
static void note_if_same(uintptr_t page)
{
    static uint64_t original[PAGE_BYTES / sizeof(uint64_t)];
    if (passing->count < PASSING_MAX && pread(image_fd, original, PAGE_BYTES, (off_t)(page - image_base)) == PAGE_BYTES &&
        memcmp(original, (const void *)page, PAGE_BYTES) == 0)
        passing->list[passing->count++] = (struct passing){page, sum_of(original)};
}

static void note_place(int pagemap_fd, const struct place *place)
{
    uint64_t entries[ENTRIES];
    for (uintptr_t p = place->start; p < place->end; p += (uintptr_t)PAGE_BYTES * ENTRIES) {
        ssize_t n = pread(pagemap_fd, entries, sizeof entries, (off_t)(p / PAGE_BYTES * sizeof *entries));
        for (size_t i = 0; n > 0 && i < (size_t)n / sizeof *entries && p + i * PAGE_BYTES < place->end; i++)
            if ((entries[i] & ENTRY_PRESENT) != 0 && (entries[i] & ENTRY_FILE) == 0)
                note_if_same(p + i * PAGE_BYTES);
    }
}

static _Noreturn void try_out(void (*trial)(void))
{
    int fd     = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    int own_fd = fcntl(image_fd, F_DUPFD_CLOEXEC, 64), map_fd = fcntl(fd, F_DUPFD_CLOEXEC, 64); /* out of the trial's way */
    image_fd = own_fd;
    trial();
    passing->count = 0;
    for (size_t i = 0; map_fd >= 0 && i < place_count; i++)
        if (is_meant(&places[i]))
            note_place(map_fd, &places[i]);
    _exit(0);
}

void host_image_learn(void (*trial)(void))
{
    pid_t pid = clone_process(0, -1);
    if (pid == 0)
        try_out(trial);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    (void)mprotect(passing, sizeof *passing, PROT_READ);
    (void)close(image_fd);
}

void host_image_give_back(void)
{
    for (size_t i = 0; passing != NULL && i < passing->count; i++)
        if (sum_of((const void *)passing->list[i].page) == passing->list[i].sum)
            (void)madvise((void *)passing->list[i].page, PAGE_BYTES, MADV_DONTNEED);
}
