#define _GNU_SOURCE
#include "session_list.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "session_body.h"

enum { LIMIT_DEFAULT = 20, LIMIT_MAX = 100 };

/* One line of the list: a living session, or the record of one that is over. */
struct line {
    const struct session       *session; /* or */
    const struct ended_session *ended;
    int64_t                     key, created_us;
    struct id                   id;
};

struct lines {
    struct line                     *line;
    size_t                           count, room;
    const struct session_list_query *query;
};

bool session_list_read(struct session_list_query *query, struct http_request *request)
{
    static const char *const statuses[] = {"active", "idle", "terminated", NULL};
    static const char *const orders[]   = {"lastActivity", "createdAt", "executions", NULL};
    static const char *const ways[]     = {"desc", "asc", NULL};
    struct json_check        check      = JSON_CHECK_INIT;
    size_t                   status = SIZE_MAX, order = BY_LAST_ACTIVITY, way = 0;
    int64_t                  limit = LIMIT_DEFAULT, offset = 0;

    (void)json_text_choice(&check, "status", http_request_query(request, "status"), statuses, &status);
    (void)json_text_choice(&check, "sortBy", http_request_query(request, "sortBy"), orders, &order);
    (void)json_text_choice(&check, "sortOrder", http_request_query(request, "sortOrder"), ways, &way);
    (void)json_text_integer(&check, "limit", http_request_query(request, "limit"), 1, LIMIT_MAX, &limit);
    (void)json_text_integer(&check, "offset", http_request_query(request, "offset"), 0, INT32_MAX, &offset);
    if (json_check_reply(&check, request))
        return false;
    query->status    = status == SIZE_MAX ? LIST_ANY : (int)status + LIST_ACTIVE;
    query->order     = order;
    query->ascending = way == 1;
    query->limit     = (size_t)limit;
    query->offset    = (size_t)offset;
    return true;
}

static void add(struct lines *lines, const struct line *line)
{
    if (lines->count < lines->room)
        lines->line[lines->count++] = *line;
}

static void add_living(void *value, void *arg)
{
    const struct session *session = value;
    struct lines         *lines   = arg;
    struct session_info   info;
    struct line           line = {.session = session, .id = *session_id(session)};
    bool                  idle;

    if (session_owner(session) != lines->query->owner)
        return;
    session_get_info(session, &info);
    idle = session_body_status(&info)[0] == 'i';
    if ((lines->query->status == LIST_ACTIVE && idle) || (lines->query->status == LIST_IDLE && !idle))
        return;
    line.created_us = info.created_us;
    line.key        = lines->query->order == BY_CREATED      ? info.created_us
                      : lines->query->order == BY_EXECUTIONS ? (int64_t)info.executions
                                                             : info.last_activity_us;
    add(lines, &line);
}

static void add_ended(struct lines *lines, const struct ended *ended)
{
    const struct ended_session *session;
    for (session = TAILQ_FIRST(ended_list(ended)); session != NULL; session = TAILQ_NEXT(session, entry)) {
        if (session->owner != lines->query->owner)
            continue;
        struct line line = {.ended = session, .id = session->id, .created_us = session->created_us};
        line.key         = lines->query->order == BY_CREATED      ? session->created_us
                           : lines->query->order == BY_EXECUTIONS ? 0
                                                                  : session->last_activity_us;
        add(lines, &line);
    }
}

static int compare(const void *a, const void *b)
{
    const struct line *one = a, *two = b;
    if (one->key != two->key)
        return one->key < two->key ? -1 : 1;
    if (one->created_us != two->created_us)
        return one->created_us < two->created_us ? -1 : 1;
    return memcmp(&one->id, &two->id, sizeof one->id);
}

static json_t *write_page(const struct lines *lines, const struct policies *policies, const json_t *isolation)
{
    const struct session_list_query *query = lines->query;
    json_t                          *page  = json_array();
    for (size_t i = query->offset; i < lines->count && i < query->offset + query->limit; i++) {
        const struct line *line = &lines->line[query->ascending ? i : lines->count - 1 - i];
        json_t            *json =
            line->session != NULL ? session_body_write(line->session, policies, isolation) : session_body_write_ended(line->ended);
        (void)json_array_append_new(page, json);
    }
    return page;
}

json_t *session_list_write(struct sessions *sessions, const struct session_list_query *query, const struct policies *policies,
                           const json_t *isolation)
{
    size_t       room  = sessions_count(sessions) + (query->status == LIST_TERMINATED ? ENDED_MAX : 0);
    struct lines lines = {.query = query, .room = room, .line = calloc(room + 1, sizeof(struct line))};
    json_t      *json;

    if (lines.line == NULL)
        return NULL;
    if (query->status == LIST_TERMINATED)
        add_ended(&lines, sessions_ended(sessions));
    else
        sessions_each(sessions, add_living, &lines);
    qsort(lines.line, lines.count, sizeof *lines.line, compare);
    json = json_pack("{s:o, s:I, s:I, s:I}", "sessions", write_page(&lines, policies, isolation), "total", (json_int_t)lines.count, "limit",
                     (json_int_t)query->limit, "offset", (json_int_t)query->offset);
    free(lines.line);
    return json;
}
