#define _GNU_SOURCE
#include "api_contract.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Written by deploy/openapi.py. */
static const unsigned char DOCUMENT[] = {
#include "openapi.inc"
};

/* FNV-1a: tells one build's document from another's. */
static const char *tag_of_document(void)
{
    static char tag[24];
    uint64_t    hash = UINT64_C(0xcbf29ce484222325);

    if (tag[0] != '\0')
        return tag;
    for (size_t i = 0; i < sizeof DOCUMENT; i++)
        hash = (hash ^ DOCUMENT[i]) * UINT64_C(0x100000001b3);
    (void)snprintf(tag, sizeof tag, "\"%016" PRIx64 "\"", hash);
    return tag;
}

void api_contract(struct http_request *request, void *context)
{
    const char *tag = tag_of_document(), *known = http_request_header(request, "If-None-Match");
    bool        is_known = known != NULL && (strcmp(known, "*") == 0 || strstr(known, tag) != NULL);

    (void)context;
    http_request_add_header(request, "ETag", tag);
    http_request_add_header(request, "Cache-Control", "no-cache");
    http_reply_bytes(request, is_known ? 304 : 200, "application/json; charset=utf-8", DOCUMENT, is_known ? 0 : sizeof DOCUMENT);
}
