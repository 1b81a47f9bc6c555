#define _GNU_SOURCE
#include "keep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fdio.h"
#include "log.h"

enum { MAGIC = 0x70656b37 /* another layout must have another one */ };

/* In the mapping. */
struct head {
    uint32_t          magic, seat_bytes;
    uint32_t          seats, reserved;
    uint64_t          last_serial;
    struct keep_inbox inbox;
};

struct keep {
    struct head      *head;
    struct keep_seat *seats;
    size_t            size;
    uint32_t          first_free; /* none below it is */
    bool              told;
    int               stage_fds[4];
};

static size_t size_for(uint32_t seats)
{
    return sizeof(struct head) + (size_t)seats * sizeof(struct keep_seat);
}

int keep_make(uint32_t seats, struct err *err)
{
    struct head *head;
    int          fd = memfd_create("penny-keep", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t)size_for(seats)) < 0) {
        fdio_close(&fd);
        return err_errno(err, "cannot make the memory that outlives the server process");
    }
    head = mmap(NULL, sizeof *head, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (head == MAP_FAILED) {
        fdio_close(&fd);
        return err_errno(err, "cannot map the memory that outlives the server process");
    }
    head->magic      = MAGIC;
    head->seat_bytes = sizeof(struct keep_seat);
    head->seats      = seats;
    (void)munmap(head, sizeof *head);
    return fd;
}

static int map(struct keep *keep, int fd, struct err *err)
{
    struct stat status;
    void       *memory;
    if (fstat(fd, &status) < 0 || (size_t)status.st_size < sizeof(struct head))
        return err_set(err, EINVAL, "the memory that outlives the server process is not what it should be");
    keep->size = (size_t)status.st_size;
    memory     = mmap(NULL, keep->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return err_errno(err, "cannot map the memory that outlives the server process");
    keep->head  = memory;
    keep->seats = (struct keep_seat *)(keep->head + 1);
    if (keep->head->magic != MAGIC || keep->head->seat_bytes != sizeof(struct keep_seat) || size_for(keep->head->seats) > keep->size)
        return err_set(err, EINVAL, "the memory that outlives the server process was laid out by another version");
    return 0;
}

struct keep *keep_open(int fd, const int stage_fds[4], struct err *err)
{
    struct keep *keep = calloc(1, sizeof *keep);
    if (keep == NULL) {
        (void)err_set(err, ENOMEM, "no memory for what outlives the server process");
        return NULL;
    }
    memcpy(keep->stage_fds, stage_fds, sizeof keep->stage_fds);
    if (map(keep, fd, err) < 0) {
        keep_close(keep);
        return NULL;
    }
    return keep;
}

void keep_close(struct keep *keep)
{
    if (keep == NULL)
        return;
    if (keep->head != NULL)
        (void)munmap(keep->head, keep->size);
    free(keep);
}

bool keep_is_shared(const struct keep *keep, const struct keep_seat *seat)
{
    return keep != NULL && seat >= keep->seats && seat < keep->seats + keep->head->seats;
}

uint32_t keep_index(const struct keep *keep, const struct keep_seat *seat)
{
    return keep_is_shared(keep, seat) ? (uint32_t)(seat - keep->seats) + 1 : 0;
}

struct keep_seat *keep_take_seat(struct keep *keep)
{
    struct keep_seat *seat;
    for (uint32_t i = keep != NULL ? keep->first_free : 0; keep != NULL && i < keep->head->seats; i++) {
        keep->first_free = i + 1;
        if (keep->seats[i].used != KEEP_FREE)
            continue;
        memset(&keep->seats[i], 0, sizeof keep->seats[i]);
        keep->seats[i].used = KEEP_TAKEN;
        return &keep->seats[i];
    }
    if (keep != NULL && !keep->told)
        log_warn("more sessions than the kept memory has room for: those beyond would not outlive this process");
    if (keep != NULL)
        keep->told = true;
    seat = calloc(1, sizeof *seat);
    return seat;
}

void keep_free_seat(struct keep *keep, struct keep_seat *seat)
{
    if (seat == NULL)
        return;
    if (!keep_is_shared(keep, seat)) {
        free(seat);
        return;
    }
    seat->used = KEEP_FREE;
    if (seat < keep->seats + keep->first_free)
        keep->first_free = (uint32_t)(seat - keep->seats);
}

struct keep_seat *keep_next(struct keep *keep, const struct keep_seat *after)
{
    for (uint32_t i = after == NULL ? 0 : (uint32_t)(after - keep->seats) + 1; i < keep->head->seats; i++)
        if (keep->seats[i].used == KEEP_FILLED)
            return &keep->seats[i];
    return NULL;
}

struct keep_inbox *keep_inbox(struct keep *keep)
{
    return &keep->head->inbox;
}

int keep_stage(const struct keep *keep, int which)
{
    return keep->stage_fds[which];
}

uint64_t keep_next_serial(struct keep *keep)
{
    static uint64_t alone;
    return keep != NULL ? ++keep->head->last_serial : ++alone;
}
