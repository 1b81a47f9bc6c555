#define _GNU_SOURCE
#include "session_transfer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "event_record.h"
#include "json.h"
#include "notebook.h"
#include "session_keep.h"
#include "session_private.h"

enum { ID_MAX = 64, OUTPUTS_MAX = 10000 };

void session_set_transfer(struct session *session, uint32_t for_ms)
{
    session->transfer_ms = for_ms > 0 ? json_time_monotonic() + for_ms : 0;
}

bool session_is_in_transfer(const struct session *session)
{
    return session->transfer_ms > 0 && json_time_monotonic() < session->transfer_ms;
}

void session_move(struct session *session, const struct id *to)
{
    session->moved_to  = *to;
    session->has_moved = true;
    session_end(session, "moved", NULL, NULL);
}

/* ---- the history it came with ---- */

static bool is_id(const char *text)
{
    size_t length = text != NULL ? strlen(text) : 0;
    return length > 0 && length <= ID_MAX && text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")] == '\0';
}

static json_t *own_output(const json_t *output)
{
    static const char *const kinds[] = {"stream", "display_data", "execute_result", "error", NULL};
    const char              *kind    = json_string_value(json_object_get(output, "output_type"));
    for (size_t i = 0; kind != NULL && kinds[i] != NULL; i++) {
        if (strcmp(kind, kinds[i]) == 0)
            return json_incref((json_t *)output);
    }
    return NULL;
}

/* A cell made anew from what is right in this one; NULL: it is none. */
static json_t *own_cell(const json_t *cell)
{
    const json_t *count = json_object_get(cell, "execution_count"), *source = json_object_get(cell, "source");
    const json_t *penny = json_object_get(json_object_get(cell, "metadata"), "penny"), *outputs = json_object_get(cell, "outputs"), *output;
    const char   *id = json_string_value(json_object_get(cell, "id")), *status = json_string_value(json_object_get(penny, "status"));
    json_t       *own, *list                                                   = json_array();
    size_t        i;

    if (!json_is_integer(count) || json_integer_value(count) < 0 || !json_is_string(source) || !is_id(id)) {
        json_decref(list);
        return NULL;
    }
    json_array_foreach(outputs, i, output)
    {
        json_t *one = i < OUTPUTS_MAX ? own_output(output) : NULL;
        if (one != NULL)
            (void)json_array_append_new(list, one);
    }
    own = json_pack("{s:s, s:I, s:s, s:{s:{s:s, s:b}}, s:o, s:O}", "cell_type", "code", "execution_count",
                    (json_int_t)json_integer_value(count), "id", id, "metadata", "penny", "status", is_id(status) ? status : "lost",
                    "imported", 1, "outputs", list, "source", source);
    if (own != NULL && json_is_true(json_object_get(penny, "outputIncomplete")))
        (void)json_object_set_new(json_object_get(json_object_get(own, "metadata"), "penny"), "outputIncomplete", json_true());
    return own;
}

/* The newest that have room, oldest first. */
static json_t *own_cells(const json_t *cells)
{
    json_t *newest = json_array(), *own = json_array();
    size_t  room = SESSION_HISTORY_MAX;
    for (size_t i = json_array_size(cells); i-- > 0;) {
        json_t *cell = own_cell(json_array_get(cells, i));
        size_t  size = cell != NULL ? json_dumpb(cell, NULL, 0, JSON_COMPACT) : 0;
        if (size >= room) {
            json_decref(cell);
            break;
        }
        room -= size + (cell != NULL);
        if (cell != NULL)
            (void)json_array_append_new(newest, cell);
    }
    for (size_t i = json_array_size(newest); i-- > 0;)
        (void)json_array_append(own, json_array_get(newest, i));
    json_decref(newest);
    return own;
}

int session_set_history(struct session *session, const json_t *cells, uint64_t executions, struct err *err)
{
    json_t  *own   = own_cells(cells);
    char    *text  = json_array_size(own) > 0 ? json_dumps(own, JSON_COMPACT) : NULL;
    int      count = (int)json_array_size(own);
    uint64_t at    = 0;
    json_decref(own);
    session->executions = executions;
    session_keep(session);
    if (text == NULL)
        return count == 0 ? 0 : err_set(err, ENOMEM, "no memory for a history");
    if (event_log_record(session->log, EVENT_RECORD_HISTORY, 0, text, strlen(text), &at, err) < 0)
        count = -1;
    else
        session->history_at = at + 1;
    free(text);
    session_keep(session);
    event_log_flush(session->log);
    return count;
}

static bool append(struct bytes *out, const json_t *cell)
{
    char *text = json_dumps(cell, JSON_COMPACT);
    bool  fine = text != NULL && (out->length == 0 || bytes_append(out, ",", 1)) && bytes_append(out, text, strlen(text));
    free(text);
    return fine;
}

static int write_history(const struct session *session, uint64_t since, struct bytes *out, struct err *err)
{
    struct bytes  text = {0};
    struct bytes  list = {0};
    json_t       *cells;
    const json_t *cell;
    size_t        i;
    bool          fine = true;

    if (session->history_at == 0)
        return 0;
    if (event_log_read(session->log, session->history_at - 1, EVENT_RECORD_HISTORY, &text, err) < 0)
        return -1;
    cells = json_loadb(text.data, text.length, JSON_ALLOW_NUL, NULL);
    json_array_foreach(cells, i, cell)
    {
        if ((uint64_t)json_integer_value(json_object_get(cell, "execution_count")) >= since)
            fine = fine && append(&list, cell);
    }
    fine = fine && cells != NULL && (list.length == 0 || bytes_append(out, list.data, list.length));
    json_decref(cells);
    bytes_done(&text);
    bytes_done(&list);
    return fine ? 0 : err_set(err, ENOMEM, "no memory for a history");
}

int session_write_notebook(struct session *session, uint64_t since, struct bytes *out, struct err *err)
{
    struct bytes before = {0};
    int          result = write_history(session, since, &before, err);
    if (result == 0)
        result = notebook_write(session->log, since, &before, out, err);
    bytes_done(&before);
    return result;
}
