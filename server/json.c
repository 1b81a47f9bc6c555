/* json.c: fields read with their type and range; what is wrong is collected. Messages read like those of JSON-schema validators. */
#include "json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "http.h"

enum { ERRORS_MAX = 50 };

void json_check_fail(struct json_check *check, const char *field, const char *format, ...)
{
    char    text[160], message[240];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    snprintf(message, sizeof message, "%s%s%.60s %s", check->where != NULL ? check->where : "body", *field != '\0' ? "/" : "", field, text);
    if (check->errors == NULL)
        check->errors = json_array();
    if (json_array_size(check->errors) < ERRORS_MAX)
        (void)json_array_append_new(check->errors, json_pack("{s:s, s:s}", "field", field, "message", message));
}

static json_t *present(const json_t *object, const char *field)
{
    json_t *value = json_object_get(object, field);
    return json_is_null(value) ? NULL : value;
}

void json_check_require(struct json_check *check, const json_t *object, const char *field)
{
    if (present(object, field) == NULL)
        json_check_fail(check, "", "must have required property '%s'", field);
}

bool json_check_reply(struct json_check *check, struct http_request *request)
{
    const char *message;
    json_t     *details;

    if (check->errors == NULL)
        return false;
    message = json_string_value(json_object_get(json_array_get(check->errors, 0), "message"));
    details = json_pack("{s:O}", "validationErrors", check->errors);
    http_reply_error(request, 400, "VALIDATION_ERROR", message != NULL ? message : "The request is not valid", details, 0);
    json_check_done(check);
    return true;
}

void json_check_done(struct json_check *check)
{
    json_decref(check->errors);
    check->errors = NULL;
}

size_t json_characters(const char *text, size_t bytes)
{
    size_t characters = 0;
    for (size_t i = 0; i < bytes; i++)
        characters += ((unsigned char)text[i] & 0xc0) != 0x80;
    return characters;
}

bool json_field_string(struct json_check *check, const json_t *object, const char *field, size_t min, size_t max, const char **ret)
{
    json_t *value = present(object, field);
    size_t  characters;

    if (value == NULL)
        return false;
    if (!json_is_string(value)) {
        json_check_fail(check, field, "must be string");
        return false;
    }
    characters = json_characters(json_string_value(value), json_string_length(value));
    if (characters < min)
        json_check_fail(check, field, "must NOT have fewer than %zu characters", min);
    else if (characters > max)
        json_check_fail(check, field, "must NOT have more than %zu characters", max);
    else
        *ret = json_string_value(value);
    return characters >= min && characters <= max;
}

static bool in_range(struct json_check *check, const char *field, double value, double min, double max)
{
    if (value < min)
        json_check_fail(check, field, "must be >= %.15g", min);
    else if (value > max)
        json_check_fail(check, field, "must be <= %.15g", max);
    return value >= min && value <= max;
}

/* A number, or a string that is nothing but one. Infinity and NaN are none. */
static bool number_of(const json_t *value, double *ret)
{
    const char *text = json_string_value(value);
    char       *end;

    if (json_is_number(value)) {
        *ret = json_number_value(value);
        return true;
    }
    if (text == NULL || *text == '\0' || strspn(text, "+-.0123456789eE") != strlen(text))
        return false;
    *ret = strtod(text, &end);
    return *end == '\0' && *ret - *ret == 0;
}

bool json_field_number(struct json_check *check, const json_t *object, const char *field, double min, double max, double *ret)
{
    json_t *value = present(object, field);
    double  number;

    if (value == NULL)
        return false;
    if (!number_of(value, &number)) {
        json_check_fail(check, field, "must be number");
        return false;
    }
    if (!in_range(check, field, number, min, max))
        return false;
    *ret = number;
    return true;
}

/* Beyond 2^53 a double no longer knows its last digits, so whole numbers are read as such. */
static bool integer_of(const json_t *value, int64_t *ret)
{
    const char *text = json_string_value(value);
    char       *end;
    double      number;

    if (json_is_integer(value)) {
        *ret = json_integer_value(value);
        return true;
    }
    if (text != NULL && *text != '\0' && strspn(text, "+-0123456789") == strlen(text)) {
        errno = 0;
        *ret  = strtoll(text, &end, 10);
        return errno == 0 && *end == '\0';
    }
    if (!number_of(value, &number) || !(number > -9e15 && number < 9e15) || number != (double)(int64_t)number)
        return false;
    *ret = (int64_t)number;
    return true;
}

static bool integer_in_range(struct json_check *check, const char *field, int64_t number, int64_t min, int64_t max, int64_t *ret)
{
    if (number < min)
        json_check_fail(check, field, "must be >= %lld", (long long)min);
    else if (number > max)
        json_check_fail(check, field, "must be <= %lld", (long long)max);
    else
        *ret = number;
    return number >= min && number <= max;
}

bool json_field_integer(struct json_check *check, const json_t *object, const char *field, int64_t min, int64_t max, int64_t *ret)
{
    json_t *value = present(object, field);
    int64_t number;

    if (value == NULL)
        return false;
    if (!integer_of(value, &number)) {
        json_check_fail(check, field, "must be integer");
        return false;
    }
    return integer_in_range(check, field, number, min, max, ret);
}

bool json_field_bool(struct json_check *check, const json_t *object, const char *field, bool *ret)
{
    json_t     *value = present(object, field);
    const char *text  = json_string_value(value);

    if (value == NULL)
        return false;
    if (json_is_true(value) || (text != NULL && strcasecmp(text, "true") == 0)) {
        *ret = true;
    } else if (json_is_false(value) || (text != NULL && strcasecmp(text, "false") == 0)) {
        *ret = false;
    } else {
        json_check_fail(check, field, "must be boolean");
        return false;
    }
    return true;
}

bool json_field_object(struct json_check *check, const json_t *object, const char *field, json_t **ret)
{
    json_t *value = present(object, field);

    if (value == NULL)
        return false;
    if (!json_is_object(value)) {
        json_check_fail(check, field, "must be object");
        return false;
    }
    *ret = value;
    return true;
}

bool json_field_array(struct json_check *check, const json_t *object, const char *field, size_t max, json_t **ret)
{
    json_t *value = present(object, field);

    if (value == NULL)
        return false;
    if (!json_is_array(value)) {
        json_check_fail(check, field, "must be array");
        return false;
    }
    if (json_array_size(value) > max) {
        json_check_fail(check, field, "must NOT have more than %zu items", max);
        return false;
    }
    *ret = value;
    return true;
}

static void fail_choice(struct json_check *check, const char *field, const char *const choices[])
{
    char   list[120] = "";
    size_t used      = 0;
    for (size_t i = 0; choices[i] != NULL && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, i > 0 ? ", %s" : "%s", choices[i]);
    json_check_fail(check, field, "must be one of: %s", list);
}

static bool choice_of(const char *text, const char *const choices[], size_t *ret)
{
    for (size_t i = 0; text != NULL && choices[i] != NULL; i++) {
        if (strcmp(text, choices[i]) == 0) {
            *ret = i;
            return true;
        }
    }
    return false;
}

bool json_field_choice(struct json_check *check, const json_t *object, const char *field, const char *const choices[], size_t *ret)
{
    json_t *value = present(object, field);

    if (value == NULL)
        return false;
    if (choice_of(json_string_value(value), choices, ret))
        return true;
    fail_choice(check, field, choices);
    return false;
}

static bool text_integer(struct json_check *check, const char *field, const char *text, int64_t min, int64_t max, int64_t *ret)
{
    char   *end;
    int64_t number;

    errno  = 0;
    number = strtoll(text, &end, 10);
    if (errno != 0 || *text == '\0' || *end != '\0' || strspn(text, "+-0123456789") != strlen(text)) {
        json_check_fail(check, field, "must be integer");
        return false;
    }
    return integer_in_range(check, field, number, min, max, ret);
}

bool json_text_integer(struct json_check *check, const char *field, const char *text, int64_t min, int64_t max, int64_t *ret)
{
    const char *where = check->where;
    bool        good;

    if (text == NULL)
        return false;
    check->where = "querystring";
    good         = text_integer(check, field, text, min, max, ret);
    check->where = where;
    return good;
}

bool json_text_choice(struct json_check *check, const char *field, const char *text, const char *const choices[], size_t *ret)
{
    const char *where = check->where;

    if (text == NULL)
        return false;
    if (choice_of(text, choices, ret))
        return true;
    check->where = "querystring";
    fail_choice(check, field, choices);
    check->where = where;
    return false;
}

int64_t json_time_monotonic(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t json_time_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static char *two_digits(char *to, int number)
{
    *to++ = (char)('0' + number / 10 % 10);
    *to++ = (char)('0' + number % 10);
    return to;
}

void json_time_text(int64_t time_ms, char ret_text[JSON_TIME_BYTES])
{
    static time_t    known_day = -1;
    static struct tm day;
    time_t           seconds = (time_t)(time_ms / 1000);
    int              ms = (int)(time_ms % 1000), left = (int)(seconds % 86400);
    char            *to = ret_text;

    if (time_ms < 0 || time_ms >= INT64_C(253402300800000)) {
        strcpy(ret_text, time_ms < 0 ? "1970-01-01T00:00:00.000Z" : "9999-12-31T23:59:59.999Z");
        return;
    }
    if (seconds / 86400 != known_day) {
        known_day = seconds / 86400;
        gmtime_r(&seconds, &day);
    }
    to    = two_digits(two_digits(to, (day.tm_year + 1900) / 100), day.tm_year + 1900);
    *to++ = '-';
    to    = two_digits(to, day.tm_mon + 1);
    *to++ = '-';
    to    = two_digits(to, day.tm_mday);
    *to++ = 'T';
    to    = two_digits(to, left / 3600);
    *to++ = ':';
    to    = two_digits(to, left / 60 % 60);
    *to++ = ':';
    to    = two_digits(to, left % 60);
    *to++ = '.';
    *to++ = (char)('0' + ms / 100);
    to    = two_digits(to, ms);
    strcpy(to, "Z");
}

json_t *json_time(int64_t time_ms)
{
    char text[JSON_TIME_BYTES];
    json_time_text(time_ms, text);
    return json_string(text);
}
