#define _GNU_SOURCE
#include "children.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fdio.h"

enum { CHILDREN_MAX = 65536, BUCKETS = 16384 };

struct children {
    const struct jail *jail;
    size_t             count, adopted, dying_count;
    uint32_t           uid_next;
    struct child      *free;
    uint8_t           *uid_used;
    TAILQ_HEAD(dying, child) dying;
    struct child *buckets[BUCKETS]; /* by session */
    struct child *by_pid[BUCKETS];
    struct child  pool[CHILDREN_MAX];
};

static void *private_memory(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    (void)madvise(p, size, MADV_DONTFORK);
    return p;
}

struct children *children_new(const struct jail *jail, struct err *err)
{
    struct children *children = private_memory(sizeof *children);
    uint8_t         *uid_used = private_memory(jail->policy->uid_count + 1);

    if (children == NULL || uid_used == NULL) {
        err_errno(err, "session table");
        return NULL;
    }
    children->jail     = jail;
    children->uid_used = uid_used;
    TAILQ_INIT(&children->dying);
    return children;
}

static struct child **slot_of(struct children *children, uint32_t session)
{
    struct child **slot = &children->buckets[session % BUCKETS];
    while (*slot != NULL && (*slot)->session.session != session)
        slot = &(*slot)->next;
    return slot;
}

/* Freed records first, then fresh ones: pages of the pool are touched only as far as there have ever been sessions. */
static struct child *take_record(struct children *children)
{
    struct child *child = children->free;
    static size_t fresh;

    if (child != NULL) {
        children->free = child->next;
        return child;
    }
    return fresh < CHILDREN_MAX ? &children->pool[fresh++] : NULL;
}

struct child *children_add(struct children *children, uint32_t session)
{
    struct child **slot = slot_of(children, session), *child;

    if (*slot != NULL || (child = take_record(children)) == NULL)
        return NULL;
    memset(child, 0, sizeof *child);
    memset(child->fds, -1, sizeof child->fds);
    child->session.session = session;
    child->session.uid     = (uid_t)-1;
    child->pidfd           = -1;
    *slot                  = child;
    children->count++;
    return child;
}

struct child *children_find(const struct children *children, uint32_t session)
{
    struct child *child = children->buckets[session % BUCKETS];
    while (child != NULL && child->session.session != session)
        child = child->next;
    return child;
}

static struct child **pid_slot(const struct children *children, pid_t pid)
{
    return (struct child **)&children->by_pid[(uint32_t)pid % BUCKETS];
}

struct child *children_find_pid(const struct children *children, pid_t pid)
{
    struct child *child = *pid_slot(children, pid);
    while (child != NULL && child->pid != pid)
        child = child->next_pid;
    return child;
}

void children_set_pid(struct children *children, struct child *child, pid_t pid)
{
    struct child **slot = pid_slot(children, pid);
    child->pid          = pid;
    child->next_pid     = *slot;
    *slot               = child;
}

static void forget_pid(struct children *children, const struct child *child)
{
    struct child **slot = pid_slot(children, child->pid);
    while (*slot != NULL && *slot != child)
        slot = &(*slot)->next_pid;
    if (*slot != NULL)
        *slot = child->next_pid;
}

static uint8_t *uid_slot(const struct children *children, uid_t uid)
{
    const struct policy *policy = children->jail->policy;
    if (!children->jail->unique_uid || uid < policy->uid_base || uid - policy->uid_base >= policy->uid_count)
        return NULL;
    return &children->uid_used[uid - policy->uid_base];
}

void children_remove(struct children *children, struct child *child)
{
    struct child **slot = slot_of(children, child->session.session);
    uint8_t       *used = uid_slot(children, child->session.uid);

    *slot = child->next;
    children->count--;
    children_end_seen(children, child);
    forget_pid(children, child);
    for (int i = 0; i < SESSION_FD_COUNT; i++)
        fdio_close(&child->fds[i]);
    if (child->pidfd >= 0)
        children->adopted--;
    fdio_close(&child->pidfd);
    if (used != NULL)
        *used = 0;
    child->next    = children->free;
    children->free = child;
}

size_t children_count(const struct children *children)
{
    return children->count;
}

size_t children_adopted(const struct children *children)
{
    return children->adopted;
}

void children_adopt(struct children *children, struct child *child, int pidfd)
{
    child->pidfd = pidfd;
    children->adopted++;
}

void children_expect_end(struct children *children, struct child *child)
{
    if (child->is_dying)
        return;
    TAILQ_INSERT_TAIL(&children->dying, child, dying);
    child->is_dying = true;
    children->dying_count++;
}

void children_end_seen(struct children *children, struct child *child)
{
    if (!child->is_dying)
        return;
    TAILQ_REMOVE(&children->dying, child, dying);
    child->is_dying = false;
    children->dying_count--;
}

size_t children_dying(const struct children *children)
{
    return children->dying_count;
}

void children_each_dying(struct children *children, size_t most, void (*visit)(struct child *child, void *arg), void *arg)
{
    for (struct child *child = TAILQ_FIRST(&children->dying), *next; child != NULL && most > 0; child = next, most--) {
        next = TAILQ_NEXT(child, dying);
        visit(child, arg);
    }
}

void children_each(struct children *children, void (*visit)(struct child *child, void *arg), void *arg)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct child *child = children->buckets[i], *next; child != NULL; child = next) {
            next = child->next;
            visit(child, arg);
        }
    }
}

uid_t children_take_uid(struct children *children)
{
    const struct policy *policy = children->jail->policy;

    if (!children->jail->unique_uid)
        return geteuid();
    for (uint32_t i = 0; i < policy->uid_count; i++) {
        uint32_t n = children->uid_next++ % policy->uid_count;
        if (!children->uid_used[n]) {
            children->uid_used[n] = 1;
            return policy->uid_base + n;
        }
    }
    return (uid_t)-1;
}

void children_mark_uid(struct children *children, uid_t uid)
{
    uint8_t *used = uid_slot(children, uid);
    if (used != NULL)
        *used = 1;
}
