#include "notebook.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "notebook_cell.h"
#include "text.h"

static const char HEAD[] = "{\"cells\":[",
                  TAIL[] = "],\"metadata\":{\"kernelspec\":{\"display_name\":\"Python 3\",\"language\":\"python\",\"name\":\"python3\"},"
                           "\"language_info\":{\"file_extension\":\".py\",\"mimetype\":\"text/x-python\",\"name\":\"python\"}},"
                           "\"nbformat\":4,\"nbformat_minor\":5}\n",
                  CUT[]  = "\n# (the rest of this cell was not kept)\n";

bool notebook_note(struct bytes *out, const char *code, size_t length)
{
    if (length <= NOTEBOOK_CODE_MAX)
        return length == 0 || bytes_append(out, code, length);
    return bytes_append(out, code, text_cut(code, length, NOTEBOOK_CODE_MAX)) && bytes_append(out, CUT, sizeof CUT - 1);
}

static size_t count_tracks(struct event_log *log)
{
    size_t count = 0;
    for (struct event_track *track = event_log_next(log, NULL); track != NULL; track = event_log_next(log, track))
        count++;
    return count;
}

/* The newest first, so that they have their outputs where not all can. */
static int write_cells(struct event_log *log, uint64_t since, struct bytes *cells, size_t count, struct err *err)
{
    struct event_track **tracks = calloc(count + 1, sizeof *tracks), *track = NULL;
    size_t               room   = NOTEBOOK_OUTPUT_MAX;
    int                  result = tracks != NULL ? 0 : err_set(err, ENOMEM, "no memory for a notebook");
    for (size_t i = 0; result == 0 && i < count && (track = event_log_next(log, track)) != NULL; i++)
        tracks[i] = track;
    for (size_t i = count; result == 0 && i-- > 0;) {
        result = tracks[i] != NULL ? notebook_cell_write(tracks[i], since, room, &cells[i], err) : 0;
        room   = cells[i].length < room ? room - cells[i].length : 0;
    }
    free((void *)tracks);
    return result;
}

static bool join(const struct bytes *before, const struct bytes *cells, size_t count, struct bytes *out)
{
    bool first = before->length == 0;
    bool fine  = bytes_append(out, HEAD, sizeof HEAD - 1) && (first || bytes_append(out, before->data, before->length));
    for (size_t i = 0; fine && i < count; i++) {
        if (cells[i].length == 0)
            continue;
        fine  = (first || bytes_append(out, ",", 1)) && bytes_append(out, cells[i].data, cells[i].length);
        first = false;
    }
    return fine && bytes_append(out, TAIL, sizeof TAIL - 1);
}

int notebook_write(struct event_log *log, uint64_t since, const struct bytes *before, struct bytes *out, struct err *err)
{
    size_t        count;
    struct bytes *cells;
    int           result;
    event_log_flush(log);
    count = count_tracks(log);
    cells = calloc(count + 1, sizeof *cells);
    if (cells == NULL)
        return err_set(err, ENOMEM, "no memory for a notebook");
    result = write_cells(log, since, cells, count, err);
    if (result == 0 && !join(before, cells, count, out))
        result = err_set(err, ENOMEM, "no memory for a notebook");
    for (size_t i = 0; i < count; i++)
        bytes_done(&cells[i]);
    free(cells);
    return result;
}
