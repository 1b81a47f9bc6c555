#define _GNU_SOURCE
#include "intake.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    USUAL_BYTES = 256 * 1024, /* the most that is asked for at once */
    STAGE_READ  = 0,
    STAGE_WRITE = 1,
    /* A read that was empty is a portion too: what came after it must not be handed on before it when it is read again. */
};

static char     plain[USUAL_BYTES];
static uint32_t replay_next, replay_end; /* portions of the inbox that are to be read again */
static uint32_t replay_seat;
static size_t   replay_at;

static size_t filled(const struct keep_inbox *inbox, uint32_t count)
{
    size_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += inbox->segment[i].length;
    return sum;
}

static size_t fill; /* of the inbox, in this turn */

bool intake_is_open(const struct intake *intake)
{
    const struct keep_inbox *inbox = intake->keep != NULL ? keep_inbox(intake->keep) : NULL;
    return inbox != NULL && intake->seat != 0 && inbox->seat == intake->seat && inbox->count > 0;
}

bool intake_is_full(const struct intake *intake)
{
    return intake_is_open(intake) && !intake_is_replaying(intake) &&
           (fill + USUAL_BYTES > KEEP_INBOX_BYTES || keep_inbox(intake->keep)->count + 8 > KEEP_SEGMENTS_MAX);
}

void intake_position(const struct intake *intake, uint64_t *ret_turn, uint32_t *ret_covered)
{
    bool is_open = intake_is_open(intake);
    *ret_turn    = is_open ? keep_inbox(intake->keep)->turn : 0;
    *ret_covered = !is_open ? 0 : intake_is_replaying(intake) ? replay_next : keep_inbox(intake->keep)->count;
}

static void begin(struct intake *intake)
{
    struct keep_inbox *inbox = keep_inbox(intake->keep);
    inbox->count             = 0;
    keep_order();
    inbox->turn++;
    inbox->seat = intake->seat;
    keep_order();
    fill        = 0;
    replay_seat = 0;
}

void intake_restart(struct intake *intake)
{
    if (intake->keep != NULL && intake->seat != 0 && !intake_is_replaying(intake))
        begin(intake);
}

static ssize_t read_plain(int fd, size_t want, const char **ret_data)
{
    ssize_t n;
    do
        n = read(fd, plain, want < sizeof plain ? want : sizeof plain);
    while (n < 0 && errno == EINTR);
    *ret_data = plain;
    return n;
}

/* What the stage holds comes into the inbox. */
static int unstage(struct keep *keep, char *to, size_t length)
{
    while (length > 0) {
        ssize_t n = read(keep_stage(keep, STAGE_READ), to, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        to += n;
        length -= (size_t)n;
    }
    return 0;
}

static ssize_t read_again(struct intake *intake, enum intake_source source, const char **ret_data)
{
    struct keep_inbox *inbox   = keep_inbox(intake->keep);
    uint32_t           portion = replay_next;
    uint32_t           length  = inbox->segment[portion].length;

    if (inbox->segment[portion].source != source) {
        errno = EAGAIN;
        return -1;
    }
    *ret_data = inbox->bytes + replay_at;
    replay_at += length;
    replay_next++;
    if (replay_next == replay_end)
        fill = replay_at; /* further reads go on behind it */
    if (length > 0)
        return length;
    errno = EAGAIN;
    return -1;
}

ssize_t intake_read(struct intake *intake, enum intake_source source, int fd, size_t want, const char **ret_data)
{
    struct keep_inbox *inbox;
    uint32_t           portion;
    ssize_t            n;

    if (intake->keep == NULL || intake->seat == 0)
        return read_plain(fd, want, ret_data);
    if (intake_is_replaying(intake))
        return read_again(intake, source, ret_data);
    inbox = keep_inbox(intake->keep);
    if (inbox->seat != intake->seat)
        begin(intake);
    if (want > USUAL_BYTES)
        want = USUAL_BYTES;
    if (fill + want > KEEP_INBOX_BYTES || inbox->count == KEEP_SEGMENTS_MAX) {
        errno = EAGAIN; /* the turn has all it may have */
        return -1;
    }
    portion                        = inbox->count;
    inbox->segment[portion].source = source;
    inbox->segment[portion].length = 0;
    inbox->current                 = portion;
    keep_order();
    inbox->phase = KEEP_FILLING;
    do
        n = splice(fd, NULL, keep_stage(intake->keep, STAGE_WRITE), NULL, want, SPLICE_F_NONBLOCK);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        inbox->segment[portion].length = (uint32_t)n;
        keep_order();
        inbox->phase = KEEP_MOVING;
        if (unstage(intake->keep, inbox->bytes + fill, (size_t)n) < 0)
            n = -1;
        keep_order();
    }
    *ret_data    = inbox->bytes + fill;
    inbox->count = portion + 1;
    keep_order();
    inbox->phase = KEEP_STILL;
    fill += n > 0 ? (size_t)n : 0;
    return n;
}

void intake_tail(const struct intake *intake, size_t length, void (*on_piece)(const char *data, size_t length, void *arg), void *arg)
{
    const struct keep_inbox *inbox = keep_inbox(intake->keep);
    uint32_t                 end = intake_is_replaying(intake) ? replay_next : inbox->count, i = end;
    size_t                   at = filled(inbox, end), found = 0;

    while (i > 0 && found < length) {
        i--;
        at -= inbox->segment[i].length;
        if (inbox->segment[i].source == INTAKE_EVENT)
            found += inbox->segment[i].length;
    }
    for (size_t skip = found > length ? found - length : 0; i < end; i++) {
        size_t n = inbox->segment[i].length;
        if (inbox->segment[i].source == INTAKE_EVENT && n > skip) {
            on_piece(inbox->bytes + at + skip, n - skip, arg);
            skip = 0;
        } else if (inbox->segment[i].source == INTAKE_EVENT) {
            skip -= n;
        }
        at += n;
    }
}

/* ---- after a takeover ---- */

static size_t waiting_in(int fd)
{
    int n = 0;
    return ioctl(fd, FIONREAD, &n) == 0 && n > 0 ? (size_t)n : 0;
}

static void complete_move(struct keep *keep, struct keep_inbox *inbox)
{
    uint32_t portion = inbox->current;
    size_t   left = waiting_in(keep_stage(keep, STAGE_READ)), at = filled(inbox, portion);

    if (inbox->phase == KEEP_FILLING)
        inbox->segment[portion].length = (uint32_t)left; /* moved into the stage, all or nothing of it noted */
    if (left <= inbox->segment[portion].length)
        (void)unstage(keep, inbox->bytes + at + inbox->segment[portion].length - left, left);
    inbox->count = portion + 1;
    inbox->phase = KEEP_STILL;
}

uint32_t intake_recover(struct keep *keep)
{
    struct keep_inbox *inbox = keep_inbox(keep);
    if (inbox->phase != KEEP_STILL)
        complete_move(keep, inbox);
    replay_seat = 0;
    return inbox->count > 0 ? inbox->seat : 0;
}

bool intake_replay(struct intake *intake, uint64_t turn, uint32_t covered)
{
    struct keep_inbox *inbox = intake->keep != NULL ? keep_inbox(intake->keep) : NULL;
    if (inbox == NULL || intake->seat == 0 || inbox->seat != intake->seat)
        return false;
    replay_next = turn == inbox->turn ? covered : 0;
    replay_end  = inbox->count;
    replay_at   = filled(inbox, replay_next);
    replay_seat = intake->seat;
    fill        = filled(inbox, inbox->count);
    return intake_is_replaying(intake);
}

enum intake_source intake_next_source(const struct intake *intake)
{
    return (enum intake_source)keep_inbox(intake->keep)->segment[replay_next].source;
}

bool intake_is_replaying(const struct intake *intake)
{
    return intake->seat != 0 && intake->seat == replay_seat && replay_next < replay_end;
}
