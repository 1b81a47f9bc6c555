/* Any text becomes one event: valid, on its lines, and saying the same. Any id is parsed or refused. */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sse.h"
#include "text.h"

static void check_lines(const struct bytes *event)
{
    size_t breaks = 0;
    for (size_t i = 0; i < event->length; i++) {
        if (event->data[i] == '\n')
            breaks++;
        else if ((unsigned char)event->data[i] < 0x20)
            abort();
    }
    if (breaks != 4 || memcmp(event->data + event->length - 2, "\n\n", 2) != 0 || text_valid(event->data, event->length) != event->length)
        abort();
}

static void check_text(const struct bytes *event, const char *text, size_t length)
{
    const char  *json   = memchr(event->data, '{', event->length);
    json_t      *object = json_loadb(json, event->length - (size_t)(json - event->data), JSON_ALLOW_NUL, NULL), *data;
    struct bytes want   = {0};

    data = json_object_get(object, "data");
    if (object == NULL || json_object_size(object) != 5 || !text_repair(&want, text, length))
        abort();
    if (json_string_length(data) != want.length || (want.length > 0 && memcmp(json_string_value(data), want.data, want.length) != 0))
        abort();
    json_decref(object);
    bytes_done(&want);
}

static void check_id(const char *text, size_t length)
{
    char     id[64] = {0}, back[SSE_ID_MAX];
    uint32_t epoch;
    bool     has_epoch;
    uint64_t seq;
    memcpy(id, text, length < sizeof id - 1 ? length : sizeof id - 1);
    if (!sse_parse_id(id, &epoch, &has_epoch, &seq) || !has_epoch)
        return;
    sse_format_id(back, epoch, seq);
    if (strncmp(id, back, 9) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sse_source source;
    struct bytes      event = {0};
    const char       *text  = (const char *)data;

    if (sse_source_init(&source, 1, "execution", "session", NULL) < 0)
        abort();
    if (sse_encode(&event, &source, EVENT_KIND_ERR, size, sse_timestamp(size), text, size, NULL) == 0) {
        check_lines(&event);
        check_text(&event, text, size);
    }
    event.length = 0;
    if (sse_encode(&event, &source, EVENT_KIND_RESULT, size, sse_timestamp(0), text, size, NULL) == 0)
        check_lines(&event);
    check_id(text, size);
    bytes_done(&event);
    return 0;
}
