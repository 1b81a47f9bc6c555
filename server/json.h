/*
 * json.h: reading request bodies, beside jansson.
 *
 * A handler reads its fields one by one into variables that hold the defaults; whatever is wrong is collected, and one answer names
 * all of it:
 *
 *     struct json_check check = JSON_CHECK_INIT;
 *     json_field_string(&check, body, "code", 1, limits->code_chars, &code);
 *     json_check_require(&check, body, "code");
 *     if (json_check_reply(&check, request))
 *         return;
 */
#ifndef PENNY_JSON_H
#define PENNY_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_request;

struct json_check {
    json_t     *errors; /* array of {field, message}; NULL while nothing is wrong */
    const char *where;  /* what the fields are part of; NULL: the body */
};

#define JSON_CHECK_INIT                                                                                                                    \
    {                                                                                                                                      \
        NULL, NULL                                                                                                                         \
    }

/* Records that `field` is wrong; the text follows the field's name, as in "must be string". */
void json_check_fail(struct json_check *check, const char *field, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Records that `field` is missing when it is absent or null. */
void json_check_require(struct json_check *check, const json_t *object, const char *field);
/* True when something was wrong: the request has been answered with 400 (VALIDATION_ERROR, validationErrors) and is dead. Ends the check. */
bool json_check_reply(struct json_check *check, struct http_request *request);
/* Frees what was collected without an answer. */
void json_check_done(struct json_check *check);

/*
 * Each returns true and sets *ret when the field is there and right. Absent or null: false, *ret stays as it was. Wrong: false, and
 * recorded. Numbers may come as numeric strings. Strings and containers are borrowed from `object`. Lengths are in characters.
 */
bool json_field_string(struct json_check *check, const json_t *object, const char *field, size_t min, size_t max, const char **ret);
bool json_field_integer(struct json_check *check, const json_t *object, const char *field, int64_t min, int64_t max, int64_t *ret);
bool json_field_number(struct json_check *check, const json_t *object, const char *field, double min, double max, double *ret);
bool json_field_bool(struct json_check *check, const json_t *object, const char *field, bool *ret);
bool json_field_object(struct json_check *check, const json_t *object, const char *field, json_t **ret);
bool json_field_array(struct json_check *check, const json_t *object, const char *field, size_t max, json_t **ret);
/* `choices` ends with NULL; *ret is the index. */
bool json_field_choice(struct json_check *check, const json_t *object, const char *field, const char *const choices[], size_t *ret);

/* The same for a query parameter: text may be NULL (absent). */
bool json_text_integer(struct json_check *check, const char *field, const char *text, int64_t min, int64_t max, int64_t *ret);
bool json_text_choice(struct json_check *check, const char *field, const char *text, const char *const choices[], size_t *ret);

/* Characters (code points) of a UTF-8 text. */
size_t json_characters(const char *text, size_t bytes);

/* Times: ms since 1970, and as text "2025-01-31T23:59:59.123Z". */
enum { JSON_TIME_BYTES = 25 };
int64_t json_time_now(void);
int64_t json_time_monotonic(void); /* ms, by a clock that nobody sets */
void    json_time_text(int64_t time_ms, char ret_text[JSON_TIME_BYTES]);
json_t *json_time(int64_t time_ms); /* a JSON string; NULL when memory is short */

#endif
