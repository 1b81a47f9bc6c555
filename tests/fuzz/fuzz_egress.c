/* Heads of requests to the proxy: whatever comes, what is taken names a host that can be judged, and what goes on holds no secret and no second head. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "egress_head.h"

static void check(const struct egress_head *head)
{
    const char *text   = head->forward.data;
    size_t      length = head->forward.length;

    if (head->host[0] == '\0' || head->port == 0 || strpbrk(head->host, " \r\n\t/@%") != NULL || head->host[strlen(head->host) - 1] == '.')
        abort();
    if (head->token[0] != '\0' && strlen(head->token) != EGRESS_TOKEN_BYTES - 1)
        abort();
    if (head->is_connect ? length != 0 : length < 4 || memmem(text, length, "\r\n\r\n", 4) != text + length - 4)
        abort();
    if (length > 0 && (memchr(text, '\0', length) != NULL))
        abort();
    for (size_t i = 0; i + 8 < length; i++)
        if (text[i] == '\n' && strncasecmp(text + i + 1, "proxy-", 6) == 0)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct egress_head head;
    char              *copy = malloc(size + 1); /* of this size, so that a read beyond it is seen */
    ssize_t            n;

    if (copy == NULL)
        return 0;
    memcpy(copy, data, size);
    n = egress_head_parse(copy, size, &head);
    if (n > (ssize_t)size)
        abort();
    if (n > 0) {
        check(&head);
        egress_head_done(&head);
    }
    free(copy);
    return 0;
}
