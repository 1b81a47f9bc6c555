/*
 * http_guard.h: what must be true of bytes before libevhtp's parser sees them, and the framing of bodies.
 *
 * htparser wants a whole head at once (fed in pieces that part inside the target it reads past its input), takes bare line feeds, folded
 * headers, repeated and conflicting lengths, and says nothing when it refuses. So heads are framed and judged here, incrementally and
 * strictly after RFC 9112, and htparser only takes a complete, well-formed one apart. Pure functions: no descriptor, no event loop.
 */
#ifndef PENNY_HTTP_GUARD_H
#define PENNY_HTTP_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http.h"

enum {
    GUARD_LINE_MAX   = 8000, /* htparser's token buffer holds 8191 */
    GUARD_FIELDS_MAX = 100,
    GUARD_BLANK_MAX  = 4, /* empty lines tolerated before a request */
};

/* How to refuse: an error answer, after which the connection ends. */
struct http_refusal {
    int         status;
    const char *code, *message;
};

/* What the framing needs of a head. Offsets are from its first byte, blank lines before it included. */
struct http_head {
    size_t           length;
    enum http_method method;
    size_t           method_at, target_at, target_length;
    size_t           authority_at, authority_length; /* of an absolute-form target; 0: there is none */
    uint64_t         content_length;
    uint8_t          minor; /* HTTP/1.minor */
    bool             has_length, chunked, keep_alive, expect_continue;
};

struct http_guard {
    struct http_head head;
    size_t           line, scanned; /* start of the line being looked at; where to look on for its end */
    uint32_t         fields, hosts, blanks;
    bool             started, has_coding, says_close, says_keep_alive;
};

enum guard_result { GUARD_MORE, GUARD_COMPLETE, GUARD_REFUSED };

void http_guard_init(struct http_guard *guard);
/* `data` always starts at the same first byte and only grows. COMPLETE: guard->head is filled. REFUSED: *ret_refusal is. */
enum guard_result http_guard_head(struct http_guard *guard, const char *data, size_t length, size_t head_max,
                                  struct http_refusal *ret_refusal);

struct http_chunked {
    uint64_t left; /* of the present chunk */
    uint32_t state, digits, skipped;
};

enum chunk_result { CHUNK_MORE, CHUNK_DATA, CHUNK_END, CHUNK_BAD };

/* Takes bytes from *data (moved on). DATA: *ret_piece is some of the body; call again. Start with a zeroed struct. */
enum chunk_result http_chunked_next(struct http_chunked *chunked, const char **data, size_t *length, const char **ret_piece,
                                    size_t *ret_length);

/* True for a Host header's value or an authority: a name or address, perhaps with a port. */
bool http_guard_is_authority(const char *text, size_t length);

#endif
