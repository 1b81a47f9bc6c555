#include "event_record.h"

#include <stddef.h>
#include <string.h>

_Static_assert(sizeof(struct event_record) == 48 && sizeof(struct event_record) % EVENT_RECORD_ALIGN == 0, "no padding in the file");

static uint64_t mix(uint64_t h, uint64_t word)
{
    h = (h ^ word) * UINT64_C(0x9fb21c651e98df25);
    return h ^ h >> 29;
}

/* Not against an enemy (nobody but the server can write the file): against a write that was cut off. Four lanes, so that they overlap. */
static uint32_t check_of(const char *data, size_t length, uint64_t seed)
{
    uint64_t lane[4] = {seed, ~seed, seed ^ length, length}, word[4], last = 0;

    for (; length >= sizeof word; data += sizeof word, length -= sizeof word) {
        memcpy(word, data, sizeof word);
        for (int i = 0; i < 4; i++)
            lane[i] = mix(lane[i], word[i]);
    }
    for (; length >= 8; data += 8, length -= 8) {
        memcpy(&last, data, 8);
        lane[0] = mix(lane[0], last);
    }
    last = 0;
    memcpy(&last, data, length);
    last = mix(mix(mix(mix(lane[0], last), lane[1]), lane[2]), lane[3]);
    return (uint32_t)(last ^ last >> 32);
}

size_t event_record_size(size_t payload_length)
{
    return sizeof(struct event_record) + (payload_length + EVENT_RECORD_ALIGN - 1) / EVENT_RECORD_ALIGN * EVENT_RECORD_ALIGN;
}

static uint32_t head_check(const struct event_record *head)
{
    return check_of((const char *)head, offsetof(struct event_record, head_check), EVENT_RECORD_MAGIC);
}

void event_record_seal(char *record, struct event_record *head)
{
    char  *payload = record + sizeof *head;
    size_t size    = event_record_size(head->length);

    memset(payload + head->length, 0, size - sizeof *head - head->length);
    head->magic         = EVENT_RECORD_MAGIC;
    head->reserved      = 0;
    head->payload_check = check_of(payload, head->length, head->seq);
    head->head_check    = head_check(head);
    memcpy(record, head, sizeof *head);
}

bool event_record_head(const char *data, size_t length, struct event_record *ret_head)
{
    if (length < sizeof *ret_head)
        return false;
    memcpy(ret_head, data, sizeof *ret_head);
    return ret_head->magic == EVENT_RECORD_MAGIC && ret_head->length <= EVENT_RECORD_PAYLOAD_MAX && ret_head->json <= ret_head->length &&
           ret_head->head_check == head_check(ret_head);
}

bool event_record_payload_is_good(const struct event_record *head, const char *payload)
{
    return check_of(payload, head->length, head->seq) == head->payload_check;
}

struct event_view event_record_view(const struct event_record *head, const char *payload, uint64_t offset)
{
    return (struct event_view){
        .seq         = head->seq,
        .kind        = (enum event_kind)head->kind,
        .sse         = payload,
        .sse_length  = head->length,
        .json        = payload + head->json,
        .json_length = head->length - head->json - 1, /* of the two newlines one belongs to the line */
        .offset      = offset,
    };
}
