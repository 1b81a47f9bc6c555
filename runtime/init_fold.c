#define _GNU_SOURCE
#include "init_fold.h"

#include "fdio.h"
#include "init.h"

void init_fold(struct member *member, int status)
{
    member->is_folded = (status & FOLD_BLIND) == 0;
}

void init_fold_end(struct members *members, struct member *member)
{
    const struct control_message message = {.type = CONTROL_UNFOLDED, .member = member->number, .pid = member->worker};
    if (fdio_send(INIT_CONTROL_FD, &message, sizeof message, &member->fds[MEMBER_FOLDED], MEMBER_FOLDED_FDS) == 0)
        member->is_folded = member->is_owed = false;
    else /* too many descriptors of our user are on their way at the moment: the server waits for these */
        member->is_owed = members->is_fold_late = true;
}

size_t init_fold_watch(struct members *members, struct pollfd fds[INIT_FOLD_POLLED_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < members->count && !members->is_fold_late; i++) {
        struct member *member = members->list[i];
        if (member->is_owed)
            init_fold_end(members, member);
        for (int k = 0; member->is_folded && k < MEMBER_FOLDED_FDS; k++)
            fds[n++] = (struct pollfd){.fd = member->fds[MEMBER_FOLDED + k], .events = POLLIN};
    }
    return n;
}

int init_fold_again_ms(struct members *members)
{
    bool is_late          = members->is_fold_late;
    members->is_fold_late = false;
    return is_late ? INIT_FOLD_AGAIN_MS : -1;
}

static struct member *folded_with(const struct members *members, int fd)
{
    for (size_t i = 0; i < members->count; i++) {
        for (int k = 0; members->list[i]->is_folded && k < MEMBER_FOLDED_FDS; k++)
            if (members->list[i]->fds[MEMBER_FOLDED + k] == fd)
                return members->list[i];
    }
    return NULL;
}

void init_fold_on_polled(struct members *members, const struct pollfd *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct member *member = fds[i].revents != 0 ? folded_with(members, fds[i].fd) : NULL; /* it may have ended meanwhile */
        if (member != NULL)
            init_fold_end(members, member);
    }
}
