/* session_copies.c: a session's parked copies for the server process that comes after this one, and from the one before. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "event_record.h"
#include "log.h"
#include "session_checkpoints_private.h"
#include "session_keep.h"

static void collect(const struct session_checkpoints *own, struct bytes *out)
{
    const struct checkpoint *one;
    TAILQ_FOREACH(one, &own->all.list, entry)
    {
        struct checkpoint copy = *one;
        memset(&copy.entry, 0, sizeof copy.entry);
        (void)bytes_append(out, &copy, sizeof copy);
    }
}

/* Recorded when it has changed. */
static void record_list(struct session *session)
{
    struct bytes list = {0};

    collect(session->checkpoints, &list);
    if (list.length != session->copies.length || (list.length > 0 && memcmp(list.data, session->copies.data, list.length) != 0)) {
        event_log_erase(session->log, session->copies_at);
        session->copies_at = 0;
        if (list.length > 0 &&
            event_log_record(session->log, EVENT_RECORD_COPIES, 0, list.data, list.length, &session->copies_at, NULL) < 0)
            log_warn("session %s: no memory to note its copies", session->id_text);
        bytes_done(&session->copies);
        session->copies = list;
        return;
    }
    bytes_done(&list);
}

static int32_t pid_of(const struct checkpoint *checkpoint)
{
    return checkpoint != NULL ? checkpoint->pid : 0;
}

void session_copies_commit(struct session *session, struct copies_kept *ret)
{
    const struct session_checkpoints *own = session->checkpoints;

    record_list(session);
    *ret = (struct copies_kept){.state           = own->state,
                                .last_state      = own->last_state,
                                .refused_state   = own->refused_state,
                                .memory_bytes    = own->memory_bytes,
                                .execution_count = own->execution_count,
                                .base            = own->all.base,
                                .numbered        = own->all.numbered,
                                .list_at         = session->copies_at,
                                .count           = (uint32_t)(session->copies.length / sizeof(struct checkpoint)),
                                .purpose         = (uint32_t)own->purpose,
                                .wants_fresh     = own->wants_fresh,
                                .target          = pid_of(own->target),
                                .wanted          = pid_of(own->wanted)};
}

enum checkpoint_mode session_copies_mode(const struct session *session)
{
    return session->checkpoints->mode;
}

static void restore_list(struct session *session, const struct copies_kept *kept)
{
    struct session_checkpoints *own = session->checkpoints;

    if (kept->count == 0 || event_log_read(session->log, kept->list_at, EVENT_RECORD_COPIES, &session->copies, NULL) < 0 ||
        session->copies.length != kept->count * sizeof(struct checkpoint))
        return;
    for (uint32_t i = 0; i < kept->count; i++) {
        struct checkpoint *one = malloc(sizeof *one);
        if (one == NULL)
            return;
        memcpy(one, session->copies.data + i * sizeof *one, sizeof *one);
        TAILQ_INSERT_TAIL(&own->all.list, one, entry);
        if (one->pid == kept->target && one->status == CHECKPOINT_AWAKE)
            own->target = one;
        if (one->pid == kept->wanted && one->status == CHECKPOINT_PARKED)
            own->wanted = one;
    }
    session->copies_at = kept->list_at;
}

void session_copies_restore(struct session *session, const struct copies_kept *kept)
{
    struct session_checkpoints *own = session->checkpoints;

    restore_list(session, kept);
    own->state           = kept->state;
    own->last_state      = kept->last_state;
    own->refused_state   = kept->refused_state;
    own->memory_bytes    = kept->memory_bytes;
    own->execution_count = kept->execution_count;
    own->all.base        = kept->base;
    own->all.numbered    = kept->numbered;
    own->wants_fresh     = kept->wants_fresh != 0;
    own->purpose         = (enum park_purpose)kept->purpose;
    if (own->purpose == PARK_NAMED) /* who asked for it has been cut off */
        own->purpose = PARK_OWN;
    if (own->purpose == PARK_AGAIN && own->target == NULL)
        own->purpose = PARK_OWN;
}

bool session_copies_are_awaited(const struct session *session)
{
    const struct session_checkpoints *own = session->checkpoints;
    return own->wanted != NULL || own->wants_fresh;
}

/* What died meanwhile, or was never said to be one: init knows. */
void session_copies_resume(struct session *session, bool interpreter)
{
    struct session_checkpoints *own = session->checkpoints;
    struct checkpoint          *one;

    TAILQ_FOREACH(one, &own->all.list, entry)
    {
        if (one->status == CHECKPOINT_PARKED)
            worker_keep_copy(session->worker, one->pid);
    }
    if (interpreter && session_copies_are_awaited(session))
        worker_kill_interpreter(session->worker);
}

void session_copies_on_unsent(struct session *session)
{
    struct session_checkpoints *own = session->checkpoints;
    if (own->purpose == PARK_AGAIN && own->target != NULL) {
        checkpoints_lose(&own->all, own->target);
        own->target = NULL;
    }
    own->purpose = PARK_NONE;
}
