/* route_match.c: the route table as a tree of path segments: literals before a parameter before the rest of the path. */
#include "route_match.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct route_node {
    char               *literal; /* NULL for a parameter or a rest */
    size_t              length;
    struct route_node  *literals, *next; /* children by literal; siblings */
    struct route_node  *parameter, *rest;
    const struct route *routes[ROUTE_METHODS];
};

static const char *const METHOD_NAMES[ROUTE_METHODS] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};

void route_tree_free(struct route_node *node)
{
    if (node == NULL)
        return;
    while (node->literals != NULL) {
        struct route_node *child = node->literals;
        node->literals           = child->next;
        route_tree_free(child);
    }
    route_tree_free(node->parameter);
    route_tree_free(node->rest);
    free(node->literal);
    free(node);
}

static struct route_node *literal_child(const struct route_node *node, const char *text, size_t length)
{
    for (struct route_node *child = node->literals; child != NULL; child = child->next) {
        if (child->length == length && memcmp(child->literal, text, length) == 0)
            return child;
    }
    return NULL;
}

static struct route_node *add_literal(struct route_node *node, const char *text, size_t length)
{
    struct route_node *child = literal_child(node, text, length);

    if (child != NULL)
        return child;
    child = calloc(1, sizeof *child);
    if (child == NULL || (child->literal = strndup(text, length)) == NULL) {
        free(child);
        return NULL;
    }
    child->length  = length;
    child->next    = node->literals;
    node->literals = child;
    return child;
}

static struct route_node *add_segment(struct route_node *node, const char *text, size_t length)
{
    struct route_node **place;

    if (length < 2 || text[0] != '{' || text[length - 1] != '}')
        return add_literal(node, text, length);
    place = length > 5 && memcmp(text + length - 4, "...", 3) == 0 ? &node->rest : &node->parameter;
    if (*place == NULL)
        *place = calloc(1, sizeof **place);
    return *place;
}

static int add_route(struct route_node *node, const struct route *route, struct err *err)
{
    const char          *at = route->pattern;
    const struct route **place;

    if (*at != '/')
        return err_set(err, EINVAL, "route \"%s\": does not start with a slash", at);
    while (*at == '/' && node != NULL) {
        const char *end = strchrnul(++at, '/');
        if (end > at)
            node = add_segment(node, at, (size_t)(end - at));
        at = end;
    }
    if (node == NULL)
        return err_set(err, ENOMEM, "route \"%s\": out of memory", route->pattern);
    place = &node->routes[__builtin_ctz(route->method)];
    if (*place != NULL)
        return err_set(err, EEXIST, "route \"%s\" is given twice for one method", route->pattern);
    *place = route;
    return 0;
}

struct route_node *route_tree_new(const struct route *table, size_t count, struct err *err)
{
    struct route_node *tree = calloc(1, sizeof *tree);

    if (tree == NULL) {
        err_set(err, ENOMEM, "routes: out of memory");
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (add_route(tree, &table[i], err) != 0) {
            route_tree_free(tree);
            return NULL;
        }
    }
    return tree;
}

static bool has_routes(const struct route_node *node)
{
    for (size_t i = 0; i < ROUTE_METHODS; i++) {
        if (node->routes[i] != NULL)
            return true;
    }
    return false;
}

static bool keep(struct route_match *match, const char *text, size_t length)
{
    if (match->count == ROUTE_PARAMETERS_MAX)
        return false;
    match->parameters[match->count].text   = text;
    match->parameters[match->count].length = length;
    match->count++;
    return true;
}

/* `at` is behind a slash; `end` is the end of the path. The depth is that of the table's patterns, whatever the path. */
static const struct route_node *find(const struct route_node *node, const char *at, const char *end, struct route_match *match)
{
    const char              *stop  = memchr(at, '/', (size_t)(end - at));
    size_t                   count = match->count;
    const struct route_node *child, *found = NULL;

    if (at == end && has_routes(node))
        return node;
    if (stop == NULL)
        stop = end;
    child = at < end ? literal_child(node, at, (size_t)(stop - at)) : NULL;
    if (child != NULL)
        found = find(child, stop < end ? stop + 1 : end, end, match);
    if (found == NULL && node->parameter != NULL && stop > at) {
        match->count = count;
        if (keep(match, at, (size_t)(stop - at)))
            found = find(node->parameter, stop < end ? stop + 1 : end, end, match);
    }
    if (found == NULL && node->rest != NULL) {
        match->count = count;
        if (keep(match, at, (size_t)(end - at)))
            found = node->rest;
    }
    return found;
}

void route_tree_match(const struct route_node *tree, const char *path, struct route_match *ret)
{
    size_t length = strlen(path);

    ret->count = 0;
    ret->node  = NULL;
    if (length == 0 || *path != '/')
        return;
    if (length > 1 && path[length - 1] == '/')
        length--;
    ret->node = find(tree, path + 1, path + length, ret);
}

const struct route *route_node_get(const struct route_node *node, enum http_method method)
{
    const struct route *route = node->routes[__builtin_ctz(method)];
    return route == NULL && method == HTTP_HEAD ? node->routes[0] : route;
}

void route_node_methods(const struct route_node *node, char *ret_text, size_t room)
{
    size_t used = 0;

    *ret_text = '\0';
    for (size_t i = 0; i < ROUTE_METHODS; i++) {
        bool there = node->routes[i] != NULL || (i == 1 && node->routes[0] != NULL) || i == 6;
        if (there && used < room)
            used += (size_t)snprintf(ret_text + used, room - used, used > 0 ? ", %s" : "%s", METHOD_NAMES[i]);
    }
}

bool route_node_is_fallback(const struct route_node *node)
{
    for (size_t i = 0; i < ROUTE_METHODS; i++) {
        if (node->routes[i] != NULL && (node->routes[i]->flags & ROUTE_FALLBACK) == 0)
            return false;
    }
    return true;
}
