#define _GNU_SOURCE
#include "packages_catalogue.h"

#include <stdlib.h>

#include "err.h"

struct packages_asking {
    TAILQ_ENTRY(packages_asking) entry;
    packages_on_known on_known;
    void             *arg;
};

void packages_catalogue_init(struct packages_catalogue *catalogue, struct analysis *analysis)
{
    *catalogue = (struct packages_catalogue){.analysis = analysis};
    TAILQ_INIT(&catalogue->asking);
}

void packages_catalogue_done(struct packages_catalogue *catalogue)
{
    struct packages_asking *asking;
    while ((asking = TAILQ_FIRST(&catalogue->asking)) != NULL) {
        TAILQ_REMOVE(&catalogue->asking, asking, entry);
        free(asking);
    }
    json_decref(catalogue->list);
    json_decref(catalogue->by_name);
}

static void answer_asking(struct packages_catalogue *catalogue)
{
    struct packages_asking *asking;
    while ((asking = TAILQ_FIRST(&catalogue->asking)) != NULL) {
        TAILQ_REMOVE(&catalogue->asking, asking, entry);
        if (asking->on_known != NULL)
            asking->on_known(catalogue->list, asking->arg);
        free(asking);
    }
}

static void take_list(struct packages_catalogue *catalogue, const char *text, size_t length)
{
    json_error_t error;
    json_t      *list = json_loadb(text, length, 0, &error), *entry;
    size_t       i;
    if (!json_is_array(list) || (catalogue->by_name = json_object()) == NULL) {
        json_decref(list);
        return;
    }
    json_array_foreach(list, i, entry)
    {
        const char *name    = json_string_value(json_object_get(entry, "name")),
                   *version = json_string_value(json_object_get(entry, "version"));
        if (name != NULL && version != NULL)
            (void)json_object_set(catalogue->by_name, name, entry);
    }
    catalogue->list = list;
}

static void on_list(enum analysis_end end, const char *text, size_t length, void *arg)
{
    struct packages_catalogue *catalogue = arg;
    catalogue->asked                     = false;
    if (end == ANALYSIS_DONE)
        take_list(catalogue, text, length);
    answer_asking(catalogue);
}

void packages_catalogue_ask(struct packages_catalogue *catalogue, packages_on_known on_known, void *arg)
{
    struct packages_asking *asking = catalogue->list == NULL ? calloc(1, sizeof *asking) : NULL;
    struct err              err    = {0};
    if (asking == NULL) {
        on_known(catalogue->list, arg);
        return;
    }
    *asking = (struct packages_asking){.on_known = on_known, .arg = arg};
    TAILQ_INSERT_TAIL(&catalogue->asking, asking, entry);
    if (catalogue->asked)
        return;
    catalogue->asked = true;
    if (analysis_ask(catalogue->analysis, json_pack("{s:s}", "op", "catalogue"), NULL, on_list, catalogue, &err) < 0) {
        catalogue->asked = false;
        answer_asking(catalogue);
    }
}

void packages_catalogue_forget(struct packages_catalogue *catalogue, const void *arg)
{
    struct packages_asking *asking;
    TAILQ_FOREACH(asking, &catalogue->asking, entry)
    {
        if (asking->arg == arg) /* cppcheck-suppress uninitvar ; TAILQ_FOREACH sets it */
            asking->on_known = NULL;
    }
}

const json_t *packages_catalogue_find(const struct packages_catalogue *catalogue, const char *name)
{
    return json_object_get(catalogue->by_name, name);
}
