#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_error.h"
#include "compat_e2b.h"
#include "json.h"

enum { LIMIT_MAX = 100, LIMIT_DEFAULT = 100, TEXT_MAX = 4096, STATE_RUNNING = 1, STATE_PAUSED = 2 };

struct listing {
    const struct tenant *owner;
    json_t              *metadata; /* each of these must be the sandbox's too */
    unsigned             states;
    const char *template;
    const struct session **all;
    size_t                 count, room;
    int64_t                limit, offset;
    size_t                 ascending;
};

/* ---- what is asked ---- */

/* Percent escapes, in place; what is none stays. */
static void unescape(char *text)
{
    char *to = text;
    for (; *text != '\0'; text++) {
        unsigned byte;
        if (*text == '+') {
            *to++ = ' ';
        } else if (*text == '%' && sscanf(text + 1, "%2x", &byte) == 1 && byte != 0) {
            *to++ = (char)byte;
            text += 2;
        } else {
            *to++ = *text;
        }
    }
    *to = '\0';
}

/* "name=value&name=value", each escaped once more by the SDK and once by the form. */
static json_t *read_metadata(const char *given)
{
    char    text[TEXT_MAX], *at = text, *pair;
    json_t *metadata = json_object();

    (void)snprintf(text, sizeof text, "%s", given != NULL ? given : "");
    while ((pair = strsep(&at, "&")) != NULL) {
        char *value = strchr(pair, '=');
        if (value == NULL)
            continue;
        *value++ = '\0';
        for (int i = 0; i < 2; i++) {
            unescape(pair);
            unescape(value);
        }
        (void)json_object_set_new(metadata, pair, json_string(value));
    }
    return metadata;
}

/* Returns false when it is not right: the request has been answered. */
static bool read_query(struct http_request *request, struct listing *listing)
{
    static const char *const orders[] = {"desc", "asc", NULL};
    struct json_check        check    = JSON_CHECK_INIT;
    const char              *states   = http_request_query(request, "state");

    check.where       = "query";
    listing->owner    = api_caller(request);
    listing->limit    = LIMIT_DEFAULT;
    listing->template = http_request_query(request, "template");
    if (states == NULL || strstr(states, "running") != NULL)
        listing->states |= STATE_RUNNING;
    if (states == NULL || strstr(states, "paused") != NULL)
        listing->states |= STATE_PAUSED;
    (void)json_text_integer(&check, "limit", http_request_query(request, "limit"), 1, LIMIT_MAX, &listing->limit);
    (void)json_text_integer(&check, "nextToken", http_request_query(request, "nextToken"), 0, 1 << 30, &listing->offset);
    (void)json_text_choice(&check, "order", http_request_query(request, "order"), orders, &listing->ascending);
    if (json_check_reply(&check, request))
        return false;
    listing->metadata = read_metadata(http_request_query(request, "metadata"));
    return true;
}

/* ---- what there is ---- */

static bool has_metadata(const json_t *wanted, const json_t *given)
{
    const char *name;
    json_t     *value;
    json_object_foreach((json_t *)wanted, name, value)
    {
        if (!json_equal(json_object_get(given, name), value))
            return false;
    }
    return true;
}

static void note(void *value, void *arg)
{
    struct listing       *listing = arg;
    const struct session *session = value;
    const json_t         *about   = compat_e2b_about(session);
    const char *template          = json_string_value(json_object_get(about, "templateID"));
    struct session_info info;

    session_get_info(session, &info);
    if (about == NULL || session_owner(session) != listing->owner || listing->count == listing->room)
        return;
    if ((listing->states & (info.paused ? STATE_PAUSED : STATE_RUNNING)) == 0 ||
        !has_metadata(listing->metadata, json_object_get(about, "metadata")))
        return;
    if (listing->template == NULL || (template != NULL && strcmp(listing->template, template) == 0))
        listing->all[listing->count++] = session;
}

static int newest_first(const void *one, const void *two)
{
    struct session_info a, b;
    session_get_info(*(const struct session *const *)one, &a);
    session_get_info(*(const struct session *const *)two, &b);
    return a.created_us != b.created_us ? (a.created_us < b.created_us) - (a.created_us > b.created_us) : strcmp(a.id_text, b.id_text);
}

static json_t *write_page(const struct listing *listing, const struct server *server)
{
    json_t *page = json_array();
    for (size_t i = (size_t)listing->offset; i < listing->count && json_array_size(page) < (size_t)listing->limit; i++)
        (void)json_array_append_new(page, compat_e2b_write_detail(listing->all[listing->ascending ? listing->count - 1 - i : i], server));
    return page;
}

void compat_e2b_list(struct http_request *request, void *context)
{
    struct sessions *sessions = server_sessions(context);
    struct listing   listing  = {.room = sessions_count(sessions)};
    char             next[24];

    if (!read_query(request, &listing))
        return;
    listing.all = calloc(listing.room + 1, sizeof *listing.all);
    if (listing.all == NULL) {
        json_decref(listing.metadata);
        api_error_unavailable(request, "NO_MEMORY", "No memory for the list");
        return;
    }
    sessions_each(sessions, note, &listing);
    qsort(listing.all, listing.count, sizeof *listing.all, newest_first);
    if ((size_t)(listing.offset + listing.limit) < listing.count) {
        (void)snprintf(next, sizeof next, "%lld", (long long)(listing.offset + listing.limit));
        http_request_add_header(request, "X-Next-Token", next);
    }
    http_reply_json(request, 200, write_page(&listing, context));
    json_decref(listing.metadata);
    free(listing.all);
}
