/*
 * multipart.h: multipart/form-data (RFC 7578) in pieces, cut anywhere. A reader takes bytes and says, one thing at a time, what they
 * are; it keeps no more than the present part's header. Pure: no descriptor, no event loop.
 */
#ifndef PENNY_MULTIPART_H
#define PENNY_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>

enum {
    MULTIPART_BOUNDARY_MAX = 70,   /* RFC 2046 */
    MULTIPART_NAME_MAX     = 1024, /* with its NUL */
    MULTIPART_HEADER_MAX   = 4096, /* bytes of one line */
    MULTIPART_LINES_MAX    = 16,   /* of a part's header */
};

enum multipart_result {
    MULTIPART_MORE, /* all bytes are used */
    MULTIPART_PART, /* a part begins: name, filename and has_filename are its */
    MULTIPART_DATA, /* *ret_piece is some of it */
    MULTIPART_END_OF_PART,
    MULTIPART_END, /* the last boundary: what follows means nothing */
    MULTIPART_BAD, /* not well-formed: `fault` says why */
};

enum multipart_state {
    MULTIPART_PREAMBLE,
    MULTIPART_AFTER_BOUNDARY, /* "--", or blanks and the end of the line */
    MULTIPART_HEADER,
    MULTIPART_BODY,
    MULTIPART_EPILOGUE,
    MULTIPART_BROKEN,
};

struct multipart {
    char                 delimiter[MULTIPART_BOUNDARY_MAX + 5]; /* CR LF "--" boundary */
    size_t               delimiter_length, matched;             /* bytes of it that were the last ones */
    enum multipart_state state;
    bool                 has_filename, has_disposition;
    bool                 dash;  /* the first of the two that end it all */
    bool                 fresh; /* no byte of the part's body yet: the line end before a boundary may be the header's */
    size_t               line_length, lines;
    char                 line[MULTIPART_HEADER_MAX + 1];
    char                 name[MULTIPART_NAME_MAX], filename[MULTIPART_NAME_MAX]; /* "" when absent; UTF-8 as sent */
    const char          *fault;
};

/* From a Content-Type header (may be NULL). Returns false when it is not multipart/form-data with a boundary. */
bool multipart_init(struct multipart *multipart, const char *content_type);

/* Takes bytes from *data (moved on). Call it until MORE. A piece lies in `data`, or in *multipart until the next call. */
enum multipart_result multipart_next(struct multipart *multipart, const char **data, size_t *length, const char **ret_piece,
                                     size_t *ret_length);

#endif
