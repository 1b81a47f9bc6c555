#define _GNU_SOURCE
#include "fake_session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

void fake_session_done(struct fake_session *s, const char *status)
{
    char text[512];
    int  n = snprintf(
         text, sizeof text,
         "{\"status\":\"%s\",\"executionCount\":1,\"cpuUser\":1500,\"cpuSystem\":500,\"memory\":1000000,\"memoryPeak\":2000000%s}", status,
        strcmp(status, "error") == 0 ? ",\"error\":{\"type\":\"ValueError\",\"message\":\"no\",\"traceback\":\"T\",\"line\":3,\"odd\":[1]}"
         : strcmp(status, "interrupted") == 0 ? ",\"error\":{\"type\":\"KeyboardInterrupt\",\"message\":\"\",\"traceback\":\"K\"}"
                                              : "");
    s->mood = IDLE;
    fake_session_send(s, EVENT_DONE, 0, text, (size_t)n);
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

void fake_session_die(struct fake_session *s, int status)
{
    s->dead = true;
    s->mood = IDLE;
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
