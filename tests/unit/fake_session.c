#define _GNU_SOURCE
#include "fake_session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fdio.h"

void fake_session_send_head(struct fake_session *s, uint8_t type, uint8_t flags, uint32_t length, uint64_t execution)
{
    struct frame_head head = {.length = (uint16_t)length, .type = type, .flags = flags, .execution = execution};
    (void)fdio_write_all(s->event_fd, &head, sizeof head);
}

void fake_session_send(struct fake_session *s, uint8_t type, uint8_t flags, const void *payload, size_t length)
{
    char              buffer[FRAME_HEAD_BYTES + 4096];
    struct frame_head head = {.length = (uint16_t)length, .type = type, .flags = flags, .execution = s->execution};
    if (length > 4096) {
        fake_session_send_head(s, type, flags, (uint32_t)length, s->execution);
        (void)fdio_write_all(s->event_fd, payload, length);
        return;
    }
    memcpy(buffer, &head, sizeof head);
    memcpy(buffer + sizeof head, payload, length);
    (void)fdio_write_all(s->event_fd, buffer, sizeof head + length);
}

void fake_session_send_long(struct fake_session *s, uint8_t type, const char *payload, size_t length)
{
    while (length > FRAME_PAYLOAD_MAX) {
        fake_session_send(s, type, FRAME_MORE, payload, FRAME_PAYLOAD_MAX);
        payload += FRAME_PAYLOAD_MAX;
        length -= FRAME_PAYLOAD_MAX;
    }
    fake_session_send(s, type, 0, payload, length);
}

enum { DONE_BYTES = 512 };

static size_t write_done(char text[DONE_BYTES], const char *status)
{
    int n = snprintf(
        text, DONE_BYTES,
        "{\"status\":\"%s\",\"executionCount\":1,\"cpuUser\":1500,\"cpuSystem\":500,\"memory\":1000000,\"memoryPeak\":2000000%s}", status,
        strcmp(status, "error") == 0 ? ",\"error\":{\"type\":\"ValueError\",\"message\":\"no\",\"traceback\":\"T\",\"line\":3,\"odd\":[1]}"
        : strcmp(status, "interrupted") == 0 ? ",\"error\":{\"type\":\"KeyboardInterrupt\",\"message\":\"\",\"traceback\":\"K\"}"
                                             : "");
    return (size_t)n;
}

void fake_session_done(struct fake_session *s, const char *status)
{
    char   text[DONE_BYTES];
    size_t length = write_done(text, status);
    s->mood       = IDLE;
    fake_session_send(s, EVENT_DONE, 0, text, length);
}

static size_t put_frame(char *to, uint64_t execution, uint8_t type, const void *payload, size_t length)
{
    const struct frame_head head = {.length = (uint16_t)length, .type = type, .execution = execution};
    memcpy(to, &head, sizeof head);
    memcpy(to + sizeof head, payload, length);
    return sizeof head + length;
}

void fake_session_done_and(struct fake_session *s, uint8_t type, const void *payload, size_t length)
{
    char   text[DONE_BYTES], both[2 * FRAME_HEAD_BYTES + 2 * DONE_BYTES];
    size_t used = put_frame(both, s->execution, EVENT_DONE, text, write_done(text, "ok"));
    if (length > DONE_BYTES)
        abort();
    used += put_frame(both + used, s->execution, type, payload, length);
    s->mood = IDLE;
    (void)fdio_write_all(s->event_fd, both, used);
}

static void send_control(struct fake_session *s, uint32_t type, int status)
{
    struct control_message message = {.type = type, .pid = 2, .status = status, .member = s->member};
    (void)fdio_send(s->control_fd, &message, sizeof message, NULL, 0);
}

void fake_session_ready(struct fake_session *s)
{
    static const char text[] = "{\"python\":\"0\",\"pid\":2}";
    s->dead                  = false;
    s->mood                  = IDLE;
    s->execution             = 0;
    send_control(s, CONTROL_WORKER_STARTED, 0);
    fake_session_send(s, EVENT_READY, 0, text, sizeof text - 1);
}

/* As init does it. */
static void drop_requests(struct fake_session *s)
{
    char bytes[4096];
    int  left = 0;
    while (ioctl(s->request_fd, FIONREAD, &left) == 0 && left > 0)
        if (read(s->request_fd, bytes, (size_t)left < sizeof bytes ? (size_t)left : sizeof bytes) <= 0)
            return;
}

void fake_session_die(struct fake_session *s, int status)
{
    s->dead = true;
    s->mood = IDLE;
    drop_requests(s);
    send_control(s, CONTROL_WORKER_EXITED, status);
}

void fake_session_print(struct fake_session *s, const char *text, uint8_t flags)
{
    fake_session_send(s, EVENT_STDOUT, flags, text, strlen(text));
}

void fake_session_print_after_raw(struct fake_session *s, const char *text, size_t raw)
{
    struct frame_head head = {.length = (uint16_t)strlen(text), .type = EVENT_STDOUT, .raw = {(uint16_t)raw, 0}, .execution = s->execution};
    (void)fdio_write_all(s->event_fd, &head, sizeof head);
    (void)fdio_write_all(s->event_fd, text, strlen(text));
}
