#define _GNU_SOURCE
#include "host_program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/prctl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/fdio.h"

static int                 program_fd = -1; /* between the two steps */
static struct prctl_mm_map layout;

enum { PLACES_MAX = 8 };

struct place {
    uintptr_t     start, end;
    unsigned long offset;
    int           access; /* PROT_* */
};

static bool is_same_file(int fd)
{
    struct stat one, other;
    return fstat(fd, &one) == 0 && stat("/proc/self/exe", &other) == 0 && one.st_ino == other.st_ino && one.st_dev == other.st_dev;
}

/* Returns false where the line is of another file, or no head of a mapping. */
static bool parse(const char *line, const char *program, struct place *ret)
{
    struct place place;
    char         access[5];
    int          name = 0;
    if (sscanf(line, "%lx-%lx %4s %lx %*s %*s %n", &place.start, &place.end, access, &place.offset, &name) != 4 || name == 0)
        return false;
    if (strncmp(line + name, program, strlen(program)) != 0 || line[(size_t)name + strlen(program)] != '\n')
        return false;
    place.access = (access[0] == 'r' ? PROT_READ : 0) | (access[1] == 'w' ? PROT_WRITE : 0) | (access[2] == 'x' ? PROT_EXEC : 0);
    *ret         = place; /* of a line that is no head, such as "Anonymous:", nothing */
    return true;
}

/* Those that are as the file is. What has been written, relocations too, is the image's matter. */
static size_t find_places(struct place *places)
{
    char          program[PATH_MAX], line[PATH_MAX + 128];
    ssize_t       n     = readlink("/proc/self/exe", program, sizeof program - 1);
    FILE         *f     = n <= 0 ? NULL : fopen("/proc/self/smaps", "re");
    size_t        count = 0;
    bool          found = false;
    unsigned long kb;

    program[n <= 0 ? 0 : n] = '\0';
    while (f != NULL && fgets(line, sizeof line, f) != NULL && count < PLACES_MAX) {
        found = parse(line, program, &places[count]) || (found && strncmp(line, "VmFlags:", 8) != 0);
        if (found && sscanf(line, "Anonymous: %lu kB", &kb) == 1 && kb == 0)
            count++;
    }
    if (f != NULL)
        (void)fclose(f);
    return count;
}

/* The kernel wants to be told all of it anew. */
static bool read_layout(void)
{
    enum {
        FIRST = 4,
        CODE  = 26,
        CODE_END,
        STACK,
        DATA = 45,
        DATA_END,
        HEAP,
        ARGUMENTS,
        ARGUMENTS_END,
        ENVIRONMENT,
        ENVIRONMENT_END,
        FIELDS
    };
    unsigned long long field[FIELDS] = {0}; /* of /proc/self/stat, as proc(5) counts them */
    char               text[1024], *rest;
    int                fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    ssize_t            n  = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

    (void)close(fd);
    text[n < 0 ? 0 : n] = '\0';
    rest                = strrchr(text, ')'); /* behind the name; then comes a letter */
    if (rest == NULL || strlen(rest) < sizeof ") R ")
        return false;
    rest += sizeof ") R";
    for (size_t i = FIRST; i < FIELDS; i++)
        field[i] = strtoull(rest, &rest, 10);
    layout = (struct prctl_mm_map){.start_code  = field[CODE],
                                   .end_code    = field[CODE_END],
                                   .start_data  = field[DATA],
                                   .end_data    = field[DATA_END],
                                   .start_brk   = field[HEAP],
                                   .brk         = (uintptr_t)sbrk(0),
                                   .start_stack = field[STACK],
                                   .arg_start   = field[ARGUMENTS],
                                   .arg_end     = field[ARGUMENTS_END],
                                   .env_start   = field[ENVIRONMENT],
                                   .env_end     = field[ENVIRONMENT_END]};
    return true;
}

static void say(const char *why)
{
    (void)dprintf(STDERR_FILENO, "penny-zygote: a session could mark the file of its program, if their user owns it: %s\n", why);
}

void host_program_map(const char *path)
{
    struct place places[PLACES_MAX];
    size_t       count;

    if (path == NULL)
        return;
    program_fd = open(path, O_RDONLY | O_CLOEXEC);
    if (program_fd < 0 || !is_same_file(program_fd) || !read_layout()) {
        say("its read-only place is not there");
        fdio_close(&program_fd);
        return;
    }
    count = find_places(places);
    for (size_t i = 0; i < count; i++) /* the running code is replaced by itself */
        (void)mmap((void *)places[i].start, places[i].end - places[i].start, places[i].access, MAP_PRIVATE | MAP_FIXED, program_fd,
                   (off_t)places[i].offset);
}

void host_program_name(void)
{
    struct prctl_mm_map map = layout; /* `layout` is a page that forks inherit */
    if (program_fd < 0)
        return;
    map.exe_fd = (unsigned)program_fd;
    if (prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0) < 0)
        say(strerror(errno));
    (void)close(program_fd); /* its number is not forgotten: that, too, would be a page of each fork */
}
