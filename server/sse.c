#define _GNU_SOURCE
#include "sse.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "decimal.h"
#include "text.h"

/* What stands between the id and the value of each kind, and where in it the JSON object begins. */
#define LINES(name) "\nevent: " name "\ndata: "
#define BETWEEN(name)                                                                                                                      \
    {                                                                                                                                      \
        LINES(name) "{\"type\":\"" name "\",\"data\":", sizeof LINES(name) "{\"type\":\"" name "\",\"data\":" - 1, sizeof LINES(name) - 1  \
    }

static const struct {
    const char *text;
    uint8_t     length;
    uint8_t     json;
} BETWEENS[EVENT_KIND_COUNT] = {
    [EVENT_KIND_START] = BETWEEN("start"),         [EVENT_KIND_OUT] = BETWEEN("stdout"),
    [EVENT_KIND_ERR] = BETWEEN("stderr"),          [EVENT_KIND_PLOT] = BETWEEN("plot"),
    [EVENT_KIND_RESULT] = BETWEEN("result"),       [EVENT_KIND_VARIABLE] = BETWEEN("variable"),
    [EVENT_KIND_PART] = BETWEEN("part"),           [EVENT_KIND_INPUT_REQUEST] = BETWEEN("inputRequest"),
    [EVENT_KIND_TRUNCATED] = BETWEEN("truncated"), [EVENT_KIND_GAP] = BETWEEN("gap"),
    [EVENT_KIND_COMPLETE] = BETWEEN("complete"),   [EVENT_KIND_ERROR] = BETWEEN("error"),
};

static bool is_plain(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_' || c == ':';
}

static bool is_plain_id(const char *id)
{
    size_t length = 0;
    while (length <= SSE_NAME_MAX && is_plain(id[length]))
        length++;
    return length >= 1 && length <= SSE_NAME_MAX && id[length] == '\0';
}

int sse_source_init(struct sse_source *source, uint32_t epoch, const char *execution_id, const char *session_id, struct err *err)
{
    char *to = source->tail;

    if (!is_plain_id(execution_id) || !is_plain_id(session_id))
        return err_set(err, EINVAL, "an id must be 1 to %d of the characters A-Z a-z 0-9 . _ : -", SSE_NAME_MAX);
    to                  = stpcpy(stpcpy(to, "\",\"executionId\":\""), execution_id);
    to                  = stpcpy(stpcpy(stpcpy(to, "\",\"sessionId\":\""), session_id), "\"}\n\n");
    source->epoch       = epoch;
    source->tail_length = (uint16_t)(to - source->tail);
    return 0;
}

const char *sse_timestamp(uint64_t unix_ms)
{
    static char     text[SSE_TIMESTAMP_LENGTH + 8];
    static uint64_t formatted_ms = UINT64_MAX;

    if (unix_ms == formatted_ms)
        return text;
    if (unix_ms / 1000 != formatted_ms / 1000 || formatted_ms == UINT64_MAX) {
        time_t    seconds = (time_t)(unix_ms / 1000);
        struct tm tm;
        (void)gmtime_r(&seconds, &tm);
        (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.000Z", &tm);
    }
    text[20]     = (char)('0' + unix_ms / 100 % 10);
    text[21]     = (char)('0' + unix_ms / 10 % 10);
    text[22]     = (char)('0' + unix_ms % 10);
    formatted_ms = unix_ms;
    return text;
}

const char *sse_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return sse_timestamp((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
}

static size_t write_id(char *out, uint32_t epoch, uint64_t seq)
{
    for (int i = 0; i < 8; i++)
        out[i] = "0123456789abcdef"[epoch >> (28 - 4 * i) & 15];
    out[8] = '-';
    return (size_t)(decimal_whole(out + 9, seq) - out);
}

void sse_format_id(char out[SSE_ID_MAX], uint32_t epoch, uint64_t seq)
{
    out[write_id(out, epoch, seq)] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_decimal(const char *text, uint64_t *ret)
{
    *ret = 0;
    if (*text == '\0' || strlen(text) > 19)
        return false;
    for (; *text >= '0' && *text <= '9'; text++)
        *ret = *ret * 10 + (uint64_t)(*text - '0');
    return *text == '\0';
}

bool sse_parse_id(const char *text, uint32_t *ret_epoch, bool *ret_has_epoch, uint64_t *ret_seq)
{
    *ret_epoch     = 0;
    *ret_has_epoch = false;
    if (parse_decimal(text, ret_seq))
        return true;
    for (int i = 0; i < 8; i++) {
        int digit = hex_digit(text[i]);
        if (digit < 0)
            return false;
        *ret_epoch = *ret_epoch << 4 | (uint32_t)digit;
    }
    *ret_has_epoch = true;
    return text[8] == '-' && parse_decimal(text + 9, ret_seq);
}

size_t sse_open(char *out, const struct sse_source *source, enum event_kind kind, uint64_t seq, size_t *ret_json)
{
    size_t n = 4;

    memcpy(out, "id: ", 4);
    n += write_id(out + n, source->epoch, seq);
    *ret_json = n + BETWEENS[kind].json;
    memcpy(out + n, BETWEENS[kind].text, BETWEENS[kind].length);
    n += BETWEENS[kind].length;
    if (event_kind_is_text(kind))
        out[n++] = '"';
    return n;
}

size_t sse_close(char *out, const struct sse_source *source, enum event_kind kind, const char *timestamp)
{
    static const char LABEL[] = "\",\"timestamp\":\"";
    size_t            skip = event_kind_is_text(kind) ? 0 : 1, n = sizeof LABEL - 1 - skip;

    memcpy(out, LABEL + skip, n);
    memcpy(out + n, timestamp, SSE_TIMESTAMP_LENGTH);
    n += SSE_TIMESTAMP_LENGTH;
    memcpy(out + n, source->tail, source->tail_length);
    return n + source->tail_length;
}

bool sse_value_is_line(const char *value, size_t length)
{
    return length > 0 && text_is_line(value, length);
}

/* Text that is to be one event must fit after it is escaped. */
static int encode_text(char *at, size_t room, const char *value, size_t length, size_t *ret_written, struct err *err)
{
    size_t used;
    *ret_written = sse_escape(at, room, value, length, &used);
    return used == length ? 0 : err_set(err, EMSGSIZE, "%zu bytes of text are too long for one event", length);
}

static int encode_json(char *at, size_t room, const char *value, size_t length, size_t *ret_written, struct err *err)
{
    if (length > room)
        return err_set(err, EMSGSIZE, "a value of %zu bytes is too long for one event", length);
    if (!sse_value_is_line(value, length))
        return err_set(err, EINVAL, "a value must be one line of valid UTF-8");
    memcpy(at, value, length);
    *ret_written = length;
    return 0;
}

int sse_encode(struct bytes *out, const struct sse_source *source, enum event_kind kind, uint64_t seq, const char *timestamp,
               const char *value, size_t length, struct err *err)
{
    char  *at = bytes_reserve(out, SSE_EVENT_MAX);
    size_t n, json, written = 0;
    int    result;

    if (at == NULL)
        return err_set(err, ENOMEM, "no memory for an event");
    n      = sse_open(at, source, kind, seq, &json);
    result = event_kind_is_text(kind) ? encode_text(at + n, SSE_VALUE_MAX, value, length, &written, err)
                                      : encode_json(at + n, SSE_VALUE_MAX, value, length, &written, err);
    if (result < 0)
        return -1;
    n += written;
    out->length += n + sse_close(at + n, source, kind, timestamp);
    return 0;
}
