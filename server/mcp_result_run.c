/* mcp_result_run.c: an ExecutionResult as a model is best told of it. */
#define _GNU_SOURCE
#include <string.h>

#include "bytes.h"
#include "mcp_result.h"

struct writing {
    json_t *content;
    size_t  images; /* bytes */
    size_t  omitted;
};

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

static void add_text(struct writing *writing, const json_t *text)
{
    if (json_string_length(text) > 0)
        (void)json_array_append_new(writing->content, mcp_result_text(json_string_value(text), json_string_length(text)));
}

static void add_line(struct writing *writing, const char *text)
{
    (void)json_array_append_new(writing->content, mcp_result_text(text, strlen(text)));
}

static void add_image(struct writing *writing, const json_t *data, const char *mime)
{
    size_t length = json_string_length(data);
    if (length == 0)
        return;
    if (length > MCP_IMAGES_MAX - writing->images) {
        writing->omitted++;
        return;
    }
    writing->images += length;
    (void)json_array_append_new(writing->content, json_pack("{s:s, s:O, s:s}", "type", "image", "data", data, "mimeType", mime));
}

/* What is no image that models can see (svg, pdf) is there for programs. */
static void add_drawing(struct writing *writing, const json_t *plot, const char *format)
{
    const char *mime   = strcmp(format, "svg") == 0   ? "image/svg+xml"
                         : strcmp(format, "pdf") == 0 ? "application/pdf"
                                                      : "application/octet-stream";
    size_t      length = json_string_length(json_object_get(plot, "data"));
    if (length == 0 || length > MCP_IMAGES_MAX - writing->images) {
        writing->omitted++;
        return;
    }
    writing->images += length;
    (void)json_array_append_new(writing->content, json_pack("{s:s, s:{s:o, s:s, s:O}}", "type", "resource", "resource", "uri",
                                                            json_sprintf("plot:///%.64s.%.16s", text_of(plot, "id"), format), "mimeType",
                                                            mime, "blob", json_object_get(plot, "data")));
}

static void add_plots(struct writing *writing, const json_t *plots)
{
    const json_t *plot;
    size_t        i;
    json_array_foreach(plots, i, plot)
    {
        const char *format = text_of(plot, "format");
        if (strcmp(format, "png") == 0)
            add_image(writing, json_object_get(plot, "data"), "image/png");
        else if (strcmp(format, "jpeg") == 0 || strcmp(format, "jpg") == 0)
            add_image(writing, json_object_get(plot, "data"), "image/jpeg");
        else
            add_drawing(writing, plot, format);
    }
}

/* The value of the last expression, and each display(). */
static void add_results(struct writing *writing, const json_t *results)
{
    static const char *const images[] = {"image/png", "image/jpeg"}, *const texts[] = {"text/markdown", "text/latex", "text/plain",
                                                                                       "text/html"};
    const json_t *bundle;
    size_t        i;
    json_array_foreach(results, i, bundle)
    {
        const json_t *data = json_object_get(bundle, "data"), *found = NULL;
        for (size_t k = 0; found == NULL && k < 2; k++)
            if ((found = json_object_get(data, images[k])) != NULL)
                add_image(writing, found, images[k]);
        for (size_t k = 0; found == NULL && k < 4; k++)
            if ((found = json_object_get(data, texts[k])) != NULL)
                add_text(writing, found);
    }
}

static void add_error(struct writing *writing, const json_t *execution)
{
    const json_t *error = json_object_get(execution, "error"), *traceback = json_object_get(error, "traceback");
    const char   *status = text_of(execution, "status"), *state = text_of(execution, "state");

    if (json_string_length(traceback) > 0)
        add_text(writing, traceback);
    else
        add_text(writing, json_object_get(error, "message"));
    if (strcmp(status, "timeout") == 0)
        add_line(writing, "The time limit was reached. Do it in smaller steps, or give a longer timeout.");
    else if (strcmp(status, "memory") == 0)
        add_line(writing, "The memory limit was reached. Work on less data at once.");
    else if (strcmp(status, "rejected") == 0)
        add_line(writing, "The policy does not permit this code. Do it in another way.");
    if (strcmp(state, "rolledBack") == 0)
        add_line(writing, "The interpreter had to be replaced: variables are as they were before this run; files are as they are.");
    else if (strcmp(state, "lost") == 0)
        add_line(writing, "The interpreter had to be replaced: all variables are lost; files are still there.");
}

static json_t *text_value(const json_t *results)
{
    const json_t *bundle;
    size_t        i;
    json_array_foreach(results, i, bundle)
    {
        json_t *text = json_object_get(json_object_get(bundle, "data"), "text/plain");
        if (json_is_true(json_object_get(bundle, "isMainResult")) && json_is_string(text))
            return text;
    }
    return NULL;
}

/* A copy, shortened as a text item is; absent ones are left out. */
static void set_text(json_t *object, const char *name, const json_t *text)
{
    json_t *item = json_string_length(text) > 0 ? mcp_result_text(json_string_value(text), json_string_length(text)) : NULL;
    if (item != NULL)
        (void)json_object_set(object, name, json_object_get(item, "text"));
    json_decref(item);
}

static void copy(json_t *to, const json_t *from, const char *name)
{
    json_t *value = json_object_get(from, name);
    if (value != NULL)
        (void)json_object_set(to, name, value);
}

static json_t *structured(const json_t *execution)
{
    static const char *const same[] = {"success", "status",     "sessionId", "executionId", "executionCount",
                                       "state",   "restoredTo", "truncated", "notice",      "artifacts"};
    const json_t            *output = json_object_get(execution, "output"), *error = json_object_get(execution, "error");
    json_t                  *json = json_object(), *brief;

    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        copy(json, execution, same[i]);
    copy(json, json_object_get(execution, "metrics"), "executionTime");
    set_text(json, "stdout", json_object_get(output, "stdout"));
    set_text(json, "stderr", json_object_get(output, "stderr"));
    set_text(json, "result", text_value(json_object_get(output, "results")));
    (void)json_object_set_new(json, "plots", json_integer((json_int_t)json_array_size(json_object_get(output, "plots"))));
    if (json_is_object(error)) {
        brief = json_object();
        copy(brief, error, "type");
        copy(brief, error, "line");
        set_text(brief, "message", json_object_get(error, "message"));
        set_text(brief, "traceback", json_object_get(error, "traceback"));
        (void)json_object_set_new(json, "error", brief);
    }
    return json;
}

json_t *mcp_result_execution(const json_t *execution)
{
    const json_t  *output  = json_object_get(execution, "output");
    struct writing writing = {.content = json_array()};
    bool           success = json_is_true(json_object_get(execution, "success"));
    json_t        *result;

    add_text(&writing, json_object_get(output, "stdout"));
    add_text(&writing, json_object_get(output, "stderr"));
    add_results(&writing, json_object_get(output, "results"));
    add_plots(&writing, json_object_get(output, "plots"));
    if (!success)
        add_error(&writing, execution);
    add_text(&writing, json_object_get(execution, "notice"));
    if (writing.omitted > 0)
        add_line(&writing, "Some images are left out: all together they are too large. Make fewer or smaller ones.");
    if (json_array_size(writing.content) == 0)
        add_line(&writing, "The code ran to its end and printed nothing.");
    result = json_pack("{s:o, s:o}", "content", writing.content, "structuredContent", structured(execution));
    if (result != NULL && !success)
        (void)json_object_set_new(result, "isError", json_true());
    return result;
}
