#define _GNU_SOURCE
#include "worker_inner.h"

#include <errno.h>

#include "frame.h"
#include "wire.h"

int worker_execute(struct worker *worker, uint64_t execution, const char *setup, size_t setup_length, const char *code, size_t code_length,
                   struct err *err)
{
    const struct frame_part parts[] = {{REQUEST_SETUP, setup, setup_length}, {REQUEST_EXECUTE, code, code_length}};
    if (worker->state != WORKER_IDLE)
        return err_set(err, EBUSY, "the worker is %s", worker_state_name(worker->state));
    pipes_pause(&worker->pipes, false);
    worker->execution = execution;
    if (pipes_send(&worker->pipes, execution, setup != NULL ? parts : parts + 1, setup != NULL ? 2 : 1, err) < 0)
        return -1;
    worker_unfold(worker);
    worker_set_state(worker, WORKER_BUSY);
    return 0;
}

int worker_inspect(struct worker *worker, uint64_t serial, const char *request, size_t length, struct err *err)
{
    const struct frame_part part = {REQUEST_INSPECT, request, length};
    if (worker->state != WORKER_IDLE)
        return err_set(err, EBUSY, "the worker is %s", worker_state_name(worker->state));
    pipes_pause(&worker->pipes, false);
    worker->execution = serial;
    if (pipes_send(&worker->pipes, serial, &part, 1, err) < 0)
        return -1;
    worker_unfold(worker);
    worker_set_state(worker, WORKER_INSPECTING);
    return 0;
}

int worker_park(struct worker *worker, struct err *err)
{
    static const struct frame_part part = {REQUEST_PARK, "", 0};
    if (worker->state != WORKER_IDLE)
        return err_set(err, EBUSY, "the worker is %s", worker_state_name(worker->state));
    pipes_pause(&worker->pipes, false);
    if (pipes_send(&worker->pipes, 0, &part, 1, err) < 0)
        return -1;
    worker_unfold(worker);
    worker_set_state(worker, WORKER_PARKING);
    worker_set_timer(worker, PARK_LIMIT_S);
    return 0;
}

/* Not by pipes_send: what is not answered need not be known to another process, which would tell it again. */
bool worker_shed(struct worker *worker)
{
    static const struct frame_part part = {REQUEST_SHED, "", 0};
    struct err                     err;
    return worker->state == WORKER_IDLE && frame_writer_send_once(worker->fds[SESSION_FD_REQUEST], 0, &part, 1, &err) == FRAME_WRITE_ALL;
}

int worker_input(struct worker *worker, const char *text, size_t length, struct err *err)
{
    const struct frame_part part = {REQUEST_INPUT, text, length};
    if (worker->state != WORKER_INPUT)
        return err_set(err, EBUSY, "no input is waited for");
    worker_set_state(worker, WORKER_BUSY);
    return pipes_send(&worker->pipes, worker->execution, &part, 1, err);
}

static void control_pid(struct worker *worker, enum control_type type, int32_t pid)
{
    struct control_message message = {.type = type, .pid = pid, .execution = worker->execution};
    if (worker->state != WORKER_ENDING && worker->state != WORKER_SPAWNING)
        jail_control(&worker->member, message);
}

static void control(struct worker *worker, enum control_type type)
{
    control_pid(worker, type, 0);
}

void worker_keep_copy(struct worker *worker, int32_t pid)
{
    control_pid(worker, CONTROL_PARKED, pid);
}

void worker_drop_copy(struct worker *worker, int32_t pid)
{
    control_pid(worker, CONTROL_DROP, pid);
}

/* Before an order is given by which READY will come: another process must know what it takes over. */
static void commit(struct worker *worker)
{
    if (worker->pipes.store != NULL)
        worker->pipes.store->on_commit(worker->pipes.store_arg);
}

void worker_wake_copy(struct worker *worker, int32_t pid)
{
    /* What the former one started goes first, as in worker_respawn. */
    worker->waking_pid = pid;
    worker->is_killing = false; /* what was to be killed is gone */
    worker_set_state(worker, WORKER_WAKING);
    commit(worker);
    control(worker, CONTROL_KILL_WORKER);
    control_pid(worker, CONTROL_WAKE, pid);
    if (worker->state == WORKER_ENDING)
        return;
    worker_set_timer(worker, WAKE_LIMIT_S);
}

void worker_interrupt(struct worker *worker)
{
    control(worker, CONTROL_INTERRUPT);
}

void worker_kill_interpreter(struct worker *worker)
{
    control(worker, CONTROL_KILL_WORKER);
    worker->is_killing = true;
    if (worker->state != WORKER_ENDING)
        worker_set_timer(worker, KILL_LIMIT_S);
}

void worker_respawn(struct worker *worker)
{
    /* Its children first, so that none of them writes where the new one does. */
    worker->is_killing = false;
    worker_set_state(worker, WORKER_STARTING);
    commit(worker);
    control(worker, CONTROL_KILL_WORKER);
    control(worker, CONTROL_RESPAWN);
    if (worker->state == WORKER_ENDING)
        return;
    worker_set_timer(worker, START_LIMIT_S);
}

int worker_file(struct worker *worker, const struct control_file *request, int fd)
{
    struct control_file own = *request;
    own.member              = worker->member.number;
    if (worker->state == WORKER_ENDING || worker->state == WORKER_SPAWNING)
        return -1;
    return jail_send(worker->member.jail, &own, sizeof own, &fd, fd >= 0 ? 1 : 0);
}

void worker_set_file_receiver(struct worker *worker, void (*on_file)(const struct control_file_reply *reply, int fd, void *arg), void *arg)
{
    worker->on_file     = on_file;
    worker->on_file_arg = arg;
}

bool worker_ask_stats(struct worker *worker)
{
    return worker->state != WORKER_ENDING && jail_ask_stats(&worker->member);
}

bool worker_limit_cpu(struct worker *worker, uint32_t cpu_percent)
{
    return worker->state != WORKER_ENDING && jail_limit_cpu(&worker->member, cpu_percent);
}

bool worker_reclaim(struct worker *worker)
{
    return worker->state == WORKER_IDLE && jail_reclaim(&worker->member);
}

const struct worker_reclaimed *worker_reclaimed(const struct worker *worker)
{
    return jail_reclaimed(&worker->member);
}

void worker_pause(struct worker *worker)
{
    pipes_pause(&worker->pipes, true);
}
