#define _GNU_SOURCE
#include "outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { STAGE_READ = 2, STAGE_WRITE = 3, PORTION_BYTES = 32 * 1024, MOVED = KEEP_MOVING + 1 };

/* What did not fit comes again with the next portion. */
static void empty_stage(struct keep *keep)
{
    char buffer[4096];
    int  n = 0;
    while (ioctl(keep_stage(keep, STAGE_READ), FIONREAD, &n) == 0 && n > 0)
        if (read(keep_stage(keep, STAGE_READ), buffer, sizeof buffer) <= 0)
            return;
}

static void conclude(struct keep *keep, struct keep_request *request, size_t moved)
{
    request->target = request->sent + moved;
    keep_order();
    request->phase = MOVED;
    keep_order();
    empty_stage(keep);
    request->sent = request->target;
    keep_order();
    request->phase = KEEP_STILL;
}

ssize_t outlet_write(struct keep *keep, struct keep_request *request, int fd, const void *data, size_t length)
{
    ssize_t filled, moved;

    request->phase = KEEP_FILLING;
    keep_order();
    filled = write(keep_stage(keep, STAGE_WRITE), data, length < PORTION_BYTES ? length : PORTION_BYTES);
    if (filled <= 0) {
        request->phase = KEEP_STILL;
        return filled;
    }
    request->chunk = (uint32_t)filled;
    keep_order();
    request->phase = KEEP_MOVING;
    keep_order();
    do
        moved = splice(keep_stage(keep, STAGE_READ), NULL, fd, NULL, (size_t)filled, SPLICE_F_NONBLOCK);
    while (moved < 0 && errno == EINTR);
    filled = errno;
    conclude(keep, request, moved > 0 ? (size_t)moved : 0);
    errno = (int)filled;
    return moved;
}

void outlet_recover(struct keep *keep, struct keep_request *request)
{
    int left = 0;
    if (request->phase == KEEP_MOVING) {
        (void)ioctl(keep_stage(keep, STAGE_READ), FIONREAD, &left);
        conclude(keep, request, (uint32_t)left <= request->chunk ? request->chunk - (uint32_t)left : 0);
    } else if (request->phase == MOVED) {
        request->sent = request->target;
    }
    empty_stage(keep);
    request->phase = KEEP_STILL;
}
