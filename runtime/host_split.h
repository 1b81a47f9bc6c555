/*
 * host_split.h: where the last statement of a cell begins, seen from its text alone: strings, brackets and comments are followed, and
 * nothing else of the language. It is a guess: the compiler has the last word, and code that it refuses is parsed in the ordinary way.
 */
#ifndef PENNY_HOST_SPLIT_H
#define PENNY_HOST_SPLIT_H

#include <stddef.h>

enum host_split_kind {
    HOST_SPLIT_WHOLE,  /* nothing to display: the last statement is compound, ends with a semicolon, or there is none */
    HOST_SPLIT_LAST,   /* the last statement is a simple one, alone on its line: `offset` and `line` say where it begins */
    HOST_SPLIT_UNSURE, /* only a parser can tell */
};

struct host_split {
    size_t offset; /* bytes before the last statement */
    size_t line;   /* line breaks before it */
};

enum host_split_kind host_split(const char *text, size_t length, struct host_split *ret);

#endif
