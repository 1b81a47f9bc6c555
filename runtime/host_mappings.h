/* host_mappings.h: fewer memory mappings, since a fork copies each of them. */
#ifndef PENNY_HOST_MAPPINGS_H
#define PENNY_HOST_MAPPINGS_H

/*
 * A linker lays a library out as header (r--), code (r-x), constants (r--) and data. The first three are one file in one piece and never
 * written, and become one r-x mapping: with some hundred libraries loaded, a third of all mappings. Data and what the loader made
 * read-only after relocation stay as they are. Nothing depends on it: where it can't be done, forks are slower.
 */
void host_mappings_merge(void);

#endif
