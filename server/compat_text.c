#include "compat_text.h"

#include <stdlib.h>
#include <string.h>

const char *compat_text_error(const json_t *result, const char *name)
{
    const char *text = json_string_value(json_object_get(json_object_get(result, "error"), name));
    return text != NULL ? text : "";
}

const char *compat_text_output(const json_t *result, const char *name, size_t *ret_length)
{
    const json_t *text = json_object_get(json_object_get(result, "output"), name);
    if (ret_length != NULL)
        *ret_length = json_string_length(text);
    return json_is_string(text) ? json_string_value(text) : "";
}

bool compat_text_has_status(const json_t *result, const char *status)
{
    const char *text = json_string_value(json_object_get(result, "status"));
    return text != NULL && strcmp(text, status) == 0;
}

int compat_text_exit_code(const json_t *result)
{
    const char *message = compat_text_error(result, "message");
    char       *end;
    long        code;

    if (compat_text_has_status(result, "ok"))
        return 0;
    if (compat_text_has_status(result, "timeout"))
        return 124;
    if (compat_text_has_status(result, "interrupted"))
        return 130;
    if (compat_text_has_status(result, "killed") || compat_text_has_status(result, "memory") || compat_text_has_status(result, "lost"))
        return -9;
    if (strcmp(compat_text_error(result, "type"), "SystemExit") != 0)
        return 1;
    code = strtol(message, &end, 10);
    return end != message && *end == '\0' && code > 0 && code < 256 ? (int)code : 1;
}

json_t *compat_text_take(struct bytes *text)
{
    json_t *string = json_stringn(text->length > 0 ? text->data : "", text->length);
    bytes_done(text);
    return string;
}

bool compat_text_line(struct bytes *out, const char *text)
{
    if (out->length > 0 && out->data[out->length - 1] != '\n' && !bytes_append(out, "\n", 1))
        return false;
    return bytes_append(out, text, strlen(text));
}

json_t *compat_text_what_failed(const json_t *result, bool wants_traceback)
{
    struct bytes text = {0};
    size_t       length;
    const char  *err       = compat_text_output(result, "stderr", &length);
    const char  *traceback = compat_text_error(result, "traceback");
    bool         fine      = bytes_append(&text, err, length);

    if (fine && !json_is_true(json_object_get(result, "success")))
        fine = compat_text_line(&text, wants_traceback && *traceback != '\0' ? traceback : compat_text_error(result, "message"));
    return compat_text_take(&text);
}
