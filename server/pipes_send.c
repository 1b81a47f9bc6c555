/* pipes_send.c: requests to the worker: at once where they fit, else bit by bit; kept so that another process can send the rest (outlet.h). */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>

#include "outlet.h"
#include "pipes_private.h"

static int sent(struct pipes *pipes, enum frame_write result, struct err *err)
{
    if (result == FRAME_WRITE_QUEUED && event_add(&pipes->request_writable, NULL) < 0)
        return err_set(err, ENOMEM, "cannot wait for a worker's request pipe");
    return result == FRAME_WRITE_FAILED ? -1 : 0;
}

static ssize_t write_kept(int fd, const void *data, size_t length, void *arg)
{
    struct pipes *pipes = arg;
    return outlet_write(pipes->intake.keep, pipes->request, fd, data, length);
}

static void note_request(struct pipes *pipes, uint64_t execution, uint32_t type, uint64_t record_at, size_t bytes)
{
    struct keep_request *request = pipes->request;
    request->phase               = KEEP_STILL;
    request->sent                = 0;
    request->execution           = execution;
    request->record_at           = record_at;
    request->bytes               = bytes;
    request->type                = type;
    keep_order();
    request->count++;
    keep_order();
}

/* What does not go with one write is recorded first, so that its rest can be sent by another process. */
static int send_long(struct pipes *pipes, uint64_t execution, const struct frame_part *parts, size_t count, struct err *err)
{
    struct frame_writer *writer = &pipes->writer;
    uint64_t             at     = UINT64_MAX;

    if (frame_writer_pending(writer) > 0)
        return err_set(err, EBUSY, "the worker has not read the request before this one");
    frame_writer_done(writer);
    if (!frame_parts_write(execution, parts, count, &writer->queue))
        return err_set(err, ENOBUFS, "no memory for a request of this size");
    if (pipes->store->on_record(PIPES_RECORD_REQUEST, writer->queue.data, writer->queue.length, &at, pipes->store_arg) < 0)
        at = UINT64_MAX;
    note_request(pipes, execution, parts[count - 1].type, at, writer->queue.length);
    writer->write     = write_kept;
    writer->write_arg = pipes;
    return sent(pipes, frame_writer_flush(writer, pipes->request_fd, err), err);
}

static int send_kept(struct pipes *pipes, uint64_t execution, const struct frame_part *parts, size_t count, struct err *err)
{
    enum frame_write result;
    if (pipes_need_commit(pipes)) /* else what made us send this would make another process send it again */
        pipes->store->on_commit(pipes->store_arg);
    if (frame_parts_size(parts, count) > PIPE_BUF || frame_writer_pending(&pipes->writer) > 0)
        return send_long(pipes, execution, parts, count, err);
    note_request(pipes, execution, parts[count - 1].type, 0, 0);
    result = frame_writer_send_once(pipes->request_fd, execution, parts, count, err);
    return result == FRAME_WRITE_QUEUED ? send_long(pipes, execution, parts, count, err) : sent(pipes, result, err);
}

int pipes_send(struct pipes *pipes, uint64_t execution, const struct frame_part *parts, size_t count, struct err *err)
{
    int result = 0;
    if (!pipes->open)
        return err_set(err, EPIPE, "the worker is gone");
    if (pipes->request != NULL)
        return send_kept(pipes, execution, parts, count, err);
    for (size_t i = 0; i < count && result == 0; i++)
        result = sent(
            pipes, frame_writer_send(&pipes->writer, pipes->request_fd, parts[i].type, execution, parts[i].payload, parts[i].length, err),
            err);
    return result;
}

int pipes_send_rest(struct pipes *pipes, const char *rest, size_t length, struct err *err)
{
    if (length == 0)
        return 0;
    if (!bytes_append(&pipes->writer.queue, rest, length))
        return err_set(err, ENOMEM, "no memory for the rest of a request");
    pipes->writer.write     = write_kept;
    pipes->writer.write_arg = pipes;
    return sent(pipes, frame_writer_flush(&pipes->writer, pipes->request_fd, err), err);
}

void pipes_on_request_writable(evutil_socket_t fd, short what, void *arg)
{
    struct pipes    *pipes  = arg;
    struct err       err    = {0};
    enum frame_write result = frame_writer_flush(&pipes->writer, fd, &err);
    (void)what;
    if (result != FRAME_WRITE_QUEUED)
        (void)event_del(&pipes->request_writable);
    if (result == FRAME_WRITE_FAILED)
        pipes->events->on_broken(&err, pipes->arg);
}
