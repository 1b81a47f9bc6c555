#define _GNU_SOURCE
#include "api_packages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_error.h"
#include "json.h"
#include "server.h"
#include "session_packages.h"

enum { QUERY_MAX = 100 };

/* One who waits until it is known what every session has. */
struct asking {
    struct server       *server;
    struct http_request *request;
    char                 search[QUERY_MAX], name[REQUIREMENT_NAME_BYTES];
    const char          *category;  /* one of the five; NULL: any */
    int                  installed; /* 1: only what is, 0: only what is not, -1: both */
    struct id            session;
    void (*answer)(struct asking *asking, const json_t *preinstalled);
};

static void on_known(const json_t *preinstalled, void *arg)
{
    struct asking *asking = arg;
    if (preinstalled == NULL)
        api_error_unavailable(asking->request, "PACKAGES_UNKNOWN", "What is installed can't be found out now");
    else
        asking->answer(asking, preinstalled);
    free(asking);
}

static void on_gone(void *arg)
{
    struct asking *asking = arg;
    packages_forget_known(server_packages(asking->server), asking);
    free(asking);
}

static struct asking *asking_new(struct server *server, struct http_request *request,
                                 void (*answer)(struct asking *asking, const json_t *preinstalled))
{
    struct asking *asking = calloc(1, sizeof *asking);
    if (asking == NULL) {
        api_error_unavailable(request, "NO_MEMORY", "No memory for the answer");
        return NULL;
    }
    *asking = (struct asking){.server = server, .request = request, .installed = -1, .answer = answer};
    return asking;
}

static void ask(struct asking *asking)
{
    http_request_on_gone(asking->request, on_gone, asking);
    packages_know(server_packages(asking->server), on_known, asking);
}

/* ---- one package as an object ---- */

static const char *text_of(const json_t *object, const char *member)
{
    return json_string_value(json_object_get(object, member));
}

static const struct policy_packages *policy_of(const struct asking *asking)
{
    return &server_policies(asking->server)->packages;
}

/* Of one that every session has. */
static json_t *describe_preinstalled(const struct asking *asking, const json_t *package)
{
    json_t *json = json_copy((json_t *)package);
    (void)json_object_set_new(json, "installed", json_true());
    (void)json_object_set_new(json, "preinstalled", json_true());
    (void)json_object_set_new(json, "category", json_string(policy_packages_category(policy_of(asking), text_of(package, "name"))));
    return json;
}

/* Of one that can be installed. What it is exactly is known once somebody has. */
static json_t *describe_rule(const struct asking *asking, const json_t *rule)
{
    const char   *name    = text_of(rule, "name");
    const json_t *layer   = packages_layer(server_packages(asking->server), name);
    const char   *summary = text_of(rule, "description") != NULL ? text_of(rule, "description") : text_of(layer, "summary");
    json_t       *json    = json_pack("{s:s, s:s, s:b, s:b, s:s}", "name", name, "version", layer != NULL ? text_of(layer, "version") : "",
                                      "installed", 0, "preinstalled", 0, "category", policy_packages_category(policy_of(asking), name));
    if (summary != NULL)
        (void)json_object_set_new(json, "description", json_string(summary));
    if (layer != NULL) {
        (void)json_object_set(json, "size", json_object_get(layer, "size"));
        (void)json_object_set(json, "dependencies", json_object_get(layer, "requires"));
    }
    return json;
}

/* ---- the list ---- */

static bool matches(const struct asking *asking, const json_t *package)
{
    const char *description = text_of(package, "description");
    if (asking->category != NULL && strcmp(text_of(package, "category"), asking->category) != 0)
        return false;
    if (asking->installed >= 0 && json_is_true(json_object_get(package, "installed")) != (asking->installed == 1))
        return false;
    return asking->search[0] == '\0' || strcasestr(text_of(package, "name"), asking->search) != NULL ||
           (description != NULL && strcasestr(description, asking->search) != NULL);
}

static void add(const struct asking *asking, json_t *list, json_t *owned)
{
    static const char *const only_in_detail[] = {"author", "license", "homepage", "repository"};
    if (owned != NULL && matches(asking, owned)) {
        for (size_t i = 0; i < sizeof only_in_detail / sizeof *only_in_detail; i++)
            (void)json_object_del(owned, only_in_detail[i]);
        (void)json_array_append(list, owned);
    }
    json_decref(owned);
}

static void answer_list(struct asking *asking, const json_t *preinstalled)
{
    json_t       *list = json_array(), *categories = json_array();
    const json_t *item;
    size_t        i;

    json_array_foreach(preinstalled, i, item) add(asking, list, describe_preinstalled(asking, item));
    json_array_foreach(policy_of(asking)->enabled ? json_object_get(policy_of(asking)->root, "packages") : NULL, i, item)
    {
        if (packages_preinstalled(server_packages(asking->server), text_of(item, "name")) == NULL)
            add(asking, list, describe_rule(asking, item));
    }
    for (i = 0; i < POLICY_PACKAGES_CATEGORIES; i++)
        (void)json_array_append_new(categories, json_string(policy_packages_categories[i]));
    http_reply_json(asking->request, 200,
                    json_pack("{s:o, s:I, s:o}", "packages", list, "total", (json_int_t)json_array_size(list), "categories", categories));
}

void api_packages_list(struct http_request *request, void *context)
{
    static const char *const bools[] = {"false", "true", NULL};
    struct json_check        check   = JSON_CHECK_INIT;
    const char              *search  = http_request_query(request, "search");
    size_t                   index;
    struct asking           *asking = asking_new(context, request, answer_list);

    if (asking == NULL)
        return;
    if (search != NULL && strlen(search) >= sizeof asking->search)
        json_check_fail(&check, "search", "must have at most %d bytes", QUERY_MAX - 1);
    else if (search != NULL)
        strcpy(asking->search, search);
    if (json_text_choice(&check, "category", http_request_query(request, "category"), policy_packages_categories, &index))
        asking->category = policy_packages_categories[index];
    if (json_text_choice(&check, "installed", http_request_query(request, "installed"), bools, &index))
        asking->installed = (int)index;
    if (json_check_reply(&check, request))
        free(asking);
    else
        ask(asking);
}

/* ---- one ---- */

static const char *rating_of(const struct asking *asking, const json_t *preinstalled, const json_t *rule)
{
    if (policy_packages_blocked(policy_of(asking), asking->name) != NULL && preinstalled == NULL)
        return "blocked";
    return preinstalled != NULL ? "safe" : rule != NULL ? "caution" : "restricted";
}

static void set_allowed(json_t *json, const json_t *preinstalled, const json_t *rule)
{
    json_t     *allowed  = json_array();
    const char *versions = text_of(rule, "versions");
    if (preinstalled != NULL)
        (void)json_array_append(allowed, json_object_get(preinstalled, "version"));
    else if (rule != NULL)
        (void)json_array_append_new(allowed, json_string(versions != NULL && versions[0] != '\0' ? versions : "*"));
    (void)json_object_set_new(json, "allowedVersions", allowed);
}

static void answer_one(struct asking *asking, const json_t *all)
{
    const json_t *preinstalled = packages_preinstalled(server_packages(asking->server), asking->name);
    const json_t *rule         = policy_of(asking)->enabled ? policy_packages_rule(policy_of(asking), asking->name) : NULL;
    const char   *blocked      = preinstalled == NULL ? policy_packages_blocked(policy_of(asking), asking->name) : NULL;
    char          message[REQUIREMENT_NAME_BYTES + 40];
    json_t       *json;

    (void)all;
    if (preinstalled == NULL && rule == NULL && blocked == NULL) {
        (void)snprintf(message, sizeof message, "Package '%s' not found", asking->name);
        http_reply_error(asking->request, 404, "PACKAGE_NOT_FOUND", message, NULL, 0);
        return;
    }
    json = preinstalled != NULL ? describe_preinstalled(asking, preinstalled)
           : rule != NULL       ? describe_rule(asking, rule)
                          : json_pack("{s:s, s:s, s:b, s:b, s:s, s:s}", "name", asking->name, "version", "", "installed", 0, "preinstalled",
                                      0, "category", "utility", "description", blocked);
    if (json_object_get(json, "dependencies") == NULL)
        (void)json_object_set_new(json, "dependencies", json_array());
    if (json_object_get(json, "size") == NULL)
        (void)json_object_set_new(json, "size", json_integer(0));
    if (json_object_get(json, "description") == NULL)
        (void)json_object_set_new(json, "description", json_string(""));
    if (rule != NULL && text_of(rule, "reason") != NULL)
        (void)json_object_set(json, "reason", json_object_get(rule, "reason"));
    set_allowed(json, preinstalled, blocked == NULL ? rule : NULL);
    (void)json_object_set_new(json, "securityRating", json_string(rating_of(asking, preinstalled, rule)));
    http_reply_json(asking->request, 200, json);
}

void api_packages_get(struct http_request *request, void *context)
{
    struct asking *asking = asking_new(context, request, answer_one);
    if (asking == NULL)
        return;
    if (requirement_name(http_request_parameter(request, 0), asking->name)) {
        ask(asking);
        return;
    }
    http_reply_error(request, 404, "PACKAGE_NOT_FOUND", "Package not found: that is no package's name", NULL, 0);
    free(asking);
}

/* ---- of a session ---- */

static json_t *describe_layer(const struct asking *asking, const json_t *layer)
{
    const char *name = text_of(layer, "name");
    return json_pack("{s:s, s:s, s:b, s:b, s:s, s:O, s:O, s:O, s:O}", "name", name, "version", text_of(layer, "version"), "installed", 1,
                     "preinstalled", 0, "category", policy_packages_category(policy_of(asking), name), "size",
                     json_object_get(layer, "size"), "dependencies", json_object_get(layer, "requires"), "modules",
                     json_object_get(layer, "topLevel"), "requested", json_object_get(layer, "requested"));
}

static void answer_session(struct asking *asking, const json_t *preinstalled)
{
    struct session *session = sessions_find(server_sessions(asking->server), &asking->session);
    json_t         *list;
    const json_t   *item;
    char            id[ID_TEXT_BYTES];
    size_t          i;

    id_format(&asking->session, id);
    if (session == NULL) {
        api_error_no_session(asking->request, server_sessions(asking->server), id);
        return;
    }
    list = json_array();
    json_array_foreach(session_packages_list(session), i, item)(void) json_array_append_new(list, describe_layer(asking, item));
    json_array_foreach(preinstalled, i, item) add(asking, list, describe_preinstalled(asking, item));
    http_reply_json(asking->request, 200, json_pack("{s:s, s:o}", "sessionId", id, "packages", list));
}

void api_packages_session(struct http_request *request, void *context)
{
    struct session *session = api_session_of(request, server_sessions(context));
    struct asking  *asking  = session != NULL ? asking_new(context, request, answer_session) : NULL;
    if (asking == NULL)
        return;
    asking->session = *session_id(session);
    ask(asking);
}
