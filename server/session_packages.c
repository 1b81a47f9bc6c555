#define _GNU_SOURCE
#include "session_packages.h"

#include <stdlib.h>
#include <string.h>

#include "session_keep.h"
#include "session_packages_inner.h"
#include "sessions.h"

struct packages *session_packages_service(const struct session *session)
{
    return sessions_settings(session->sessions)->packages;
}

struct session_packages *session_packages_new(struct session *session, struct event_base *base)
{
    struct session_packages *packages = calloc(1, sizeof *packages);
    if (packages == NULL || (packages->list = json_array()) == NULL) {
        free(packages);
        return NULL;
    }
    packages->session = session;
    packages->base    = base;
    packages->is_told = true;
    TAILQ_INIT(&packages->changes);
    return packages;
}

void session_packages_free(struct session_packages *packages)
{
    if (packages == NULL)
        return;
    session_packages_drop_changes(packages);
    json_decref(packages->list);
    free(packages);
}

const char *session_packages_text(const json_t *object, const char *member)
{
    return json_string_value(json_object_get(object, member));
}

size_t session_packages_find(const json_t *list, const char *name)
{
    const json_t *layer;
    size_t        i;
    json_array_foreach(list, i, layer)
    {
        if (strcmp(session_packages_text(layer, "name"), name) == 0)
            return i;
    }
    return SIZE_MAX;
}

const json_t *session_packages_list(const struct session *session)
{
    return session->packages->list;
}

json_t *session_packages_label(const json_t *layer)
{
    return json_sprintf("%s==%s", session_packages_text(layer, "name"), session_packages_text(layer, "version"));
}

json_t *session_packages_names(const struct session *session)
{
    json_t       *names = json_array();
    const json_t *layer;
    size_t        i;
    json_array_foreach(session->packages->list, i, layer)(void) json_array_append_new(names, session_packages_label(layer));
    return names;
}

json_t *session_packages_present(const struct session *session)
{
    json_t       *present = json_object();
    const json_t *layer;
    size_t        i;
    json_array_foreach(session->packages->list, i, layer)(void)
        json_object_set(present, session_packages_text(layer, "name"), json_object_get(layer, "version"));
    return present;
}

/* Its own list from then on: what it held is shared by sessions. */
void session_packages_set(struct session_packages *packages, json_t *owned)
{
    json_decref(packages->list);
    packages->list    = owned;
    packages->is_told = false;
    packages->had_any = true;
    session_keep_values(packages->session);
}

bool session_packages_merge(struct session *session, const json_t *layers)
{
    json_t *list    = json_copy(session->packages->list), *layer;
    bool    changed = false;
    size_t  i;
    json_array_foreach((json_t *)layers, i, layer)
    {
        size_t at = session_packages_find(list, session_packages_text(layer, "name"));
        if (at != SIZE_MAX && strcmp(session_packages_text(json_array_get(list, at), "layer"), session_packages_text(layer, "layer")) == 0)
            continue;
        changed = true;
        if (at != SIZE_MAX)
            (void)json_array_set(list, at, layer);
        else
            (void)json_array_append(list, layer);
    }
    if (json_array_size(list) > packages_policies(session_packages_service(session))->packages.per_session) {
        json_decref(list);
        return false;
    }
    if (changed)
        session_packages_set(session->packages, list);
    else
        json_decref(list);
    return true;
}

void session_packages_copy(struct session *session, const struct session *from)
{
    if (json_array_size(from->packages->list) > 0)
        session_packages_set(session->packages, json_copy(from->packages->list));
}

void session_packages_restore(struct session *session, json_t *list)
{
    if (json_array_size(list) > 0)
        session_packages_set(session->packages, json_incref(list));
}

json_t *session_packages_state(const struct session *session)
{
    json_t *layers = json_array(), *imports = json_array(), *layer;
    size_t  i;
    json_array_foreach(session->packages->list, i, layer)
    {
        (void)json_array_append(layers, json_object_get(layer, "layer"));
        (void)json_array_extend(imports, json_object_get(layer, "topLevel"));
    }
    return json_pack("{s:o, s:o}", "layers", layers, "imports", imports);
}

void session_packages_on_fresh(struct session *session)
{
    session->packages->is_told = !session->packages->had_any;
}

json_t *session_packages_options(struct session *session)
{
    if (session->packages->is_told)
        return NULL;
    session->packages->is_told = true;
    return session_packages_state(session);
}

bool session_packages_are_used(const struct session *session)
{
    return session->packages->count > 0;
}

json_t *session_packages_read(struct json_check *check, const json_t *object)
{
    json_t            *list = NULL, *item;
    struct requirement ignored;
    size_t             i;
    if (!json_field_array(check, object, "packages", PACKAGES_PER_REQUEST, &list) || json_array_size(list) == 0)
        return NULL;
    json_array_foreach(list, i, item)
    {
        const char *text = json_string_value(item);
        if (text == NULL || strlen(text) != json_string_length(item) || !requirement_parse(text, &ignored)) {
            json_check_fail(check, "packages", "must have package names, perhaps with version specifiers, which '%.60s' is not",
                            text != NULL ? text : "(no string)");
            return NULL;
        }
    }
    return list;
}
