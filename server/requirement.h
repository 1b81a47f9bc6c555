/*
 * requirement.h: what a client may write to name a package: a name, perhaps extras, perhaps version specifiers: "scikit-image",
 * "uvicorn[standard]", "pydantic>=2,<3". Nothing else: no option, URL, path, marker or file, whatever the installer would make of it.
 *
 * What a version specifier means is not known here: PEP 440 is the installer's to judge.
 */
#ifndef PENNY_REQUIREMENT_H
#define PENNY_REQUIREMENT_H

#include <stdbool.h>

enum { REQUIREMENT_NAME_BYTES = 100, REQUIREMENT_EXTRAS_BYTES = 100, REQUIREMENT_SPECIFIER_BYTES = 160 };

struct requirement {
    char name[REQUIREMENT_NAME_BYTES];           /* canonical: lower case, runs of "-", "_" and "." are one "-" */
    char extras[REQUIREMENT_EXTRAS_BYTES];       /* "a,b"; "": none */
    char specifier[REQUIREMENT_SPECIFIER_BYTES]; /* ">=1,<2", without spaces; "": any version */
};

/* Returns false when `text` is no such thing. */
bool requirement_parse(const char *text, struct requirement *ret);
/* The canonical name of `text` alone. Returns false when it is no name. */
bool requirement_name(const char *text, char ret_name[REQUIREMENT_NAME_BYTES]);
/* Whether `text` can be the name or version of a distribution as an installer reports it: no path, nothing to escape. */
bool requirement_is_word(const char *text);
/* Whether it names exactly this version ("==1.2"), or any. */
bool requirement_is_met_plainly(const struct requirement *requirement, const char *version);

#endif
