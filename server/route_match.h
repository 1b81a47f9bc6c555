/* route_match.h: the route table as a tree of path segments. */
#ifndef PENNY_ROUTE_MATCH_H
#define PENNY_ROUTE_MATCH_H

#include "route.h"

enum { ROUTE_METHODS = 7, ROUTE_PARAMETERS_MAX = 8 };

struct route_node; /* where a path ends */

struct route_match {
    const struct route_node *node; /* NULL: no pattern fits */
    size_t                   count;
    struct {
        const char *text; /* into the path */
        size_t      length;
    } parameters[ROUTE_PARAMETERS_MAX];
};

/* Returns NULL with err filled when a pattern is malformed or given twice for a method. Borrows the table. */
struct route_node *route_tree_new(const struct route *table, size_t count, struct err *err);
void               route_tree_free(struct route_node *tree);

/* A slash at the end of path is ignored. */
void route_tree_match(const struct route_node *tree, const char *path, struct route_match *ret);

/* The route of a node for one method (HEAD takes GET's), or NULL. */
const struct route *route_node_get(const struct route_node *node, enum http_method method);
/* "GET, HEAD, POST, OPTIONS". */
void route_node_methods(const struct route_node *node, char *ret_text, size_t room);
/* True when every route there is a ROUTE_FALLBACK. */
bool route_node_is_fallback(const struct route_node *node);

#endif
