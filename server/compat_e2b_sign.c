#define _GNU_SOURCE
#include "compat_e2b_sign.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "bytes.h"
#include "compat_e2b.h"
#include "json.h"

static const char VERSION[] = "v1_";

struct search {
    const char     *path, *operation, *user, *expiration, *signature;
    struct session *found;
};

static bool add(struct bytes *text, const char *part)
{
    return bytes_append(text, part, strlen(part));
}

/* "path:operation:user:token[:expiration]", as its owner has written it. */
static bool write_signed(const struct search *search, const char *token, struct bytes *text)
{
    bool fine = add(text, search->path) && add(text, ":") && add(text, search->operation) && add(text, ":") && add(text, search->user) &&
                add(text, ":") && add(text, token);
    if (search->expiration != NULL)
        fine = fine && add(text, ":") && add(text, search->expiration);
    return fine;
}

static bool is_signed_by(const struct search *search, const char *token)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    struct bytes  text = {0}, expected = {0};
    bool          fine = write_signed(search, token, &text) && add(&expected, VERSION);

    if (fine) {
        (void)SHA256((const unsigned char *)text.data, text.length, digest);
        fine = base64_encode(digest, sizeof digest, &expected);
    }
    while (fine && expected.length > 0 && expected.data[expected.length - 1] == '=')
        expected.length--;
    fine = fine && strlen(search->signature) == expected.length && CRYPTO_memcmp(search->signature, expected.data, expected.length) == 0;
    bytes_done(&text);
    bytes_done(&expected);
    return fine;
}

static void note(void *session, void *arg)
{
    struct search *search = arg;
    const char    *token  = json_string_value(json_object_get(compat_e2b_about(session), "token"));
    if (token != NULL && search->found == NULL && is_signed_by(search, token))
        search->found = session;
}

static const char *query(const struct http_request *request, const char *name)
{
    const char *value = http_request_query(request, name);
    return value != NULL ? value : "";
}

static bool is_over(const char *expiration)
{
    return expiration != NULL && strtoll(expiration, NULL, 10) * 1000 < json_time_now();
}

struct session *compat_e2b_signed_of(struct http_request *request, const struct server *server)
{
    struct search       search = {.path       = query(request, "path"),
                                  .operation  = http_request_method(request) == HTTP_POST ? "write" : "read",
                                  .user       = query(request, "username"),
                                  .expiration = http_request_query(request, "signature_expiration"),
                                  .signature  = query(request, "signature")};
    struct session_info info;

    if (is_over(search.expiration)) {
        http_reply_error(request, 401, "SIGNATURE_EXPIRED", "The URL was good until a time that is over", NULL, 0);
        return NULL;
    }
    sessions_each(server_sessions((struct server *)server), note, &search);
    if (search.found != NULL)
        session_get_info(search.found, &info);
    if (search.found == NULL || info.paused) {
        http_reply_error(request, 401, "SIGNATURE_INVALID", "No running sandbox has signed this URL", NULL, 0);
        return NULL;
    }
    http_request_set_caller(request, session_owner(search.found));
    return search.found;
}
