#define _GNU_SOURCE
#include "compat_e2b_sign.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "bytes.h"
#include "compat_e2b.h"
#include "json.h"

static const char VERSION[] = "v1_";

enum { TEXT_MAX = 2048 };

struct search {
    const char     *expiration, *signature; /* expiration NULL: none */
    EVP_MD_CTX     *begun, *whole;          /* what all that is signed begins with; for the rest of it */
    struct session *found;
};

static bool add(EVP_MD_CTX *digest, const char *part)
{
    return EVP_DigestUpdate(digest, part, strlen(part)) == 1;
}

/* "path:operation:user:token[:expiration]", as its owner has written it. Up to the token it is the same for all. */
static bool begin(struct search *search, const char *path, const char *operation, const char *user)
{
    search->begun = EVP_MD_CTX_new();
    search->whole = EVP_MD_CTX_new();
    return search->begun != NULL && search->whole != NULL && EVP_DigestInit_ex(search->begun, EVP_sha256(), NULL) == 1 &&
           add(search->begun, path) && add(search->begun, ":") && add(search->begun, operation) && add(search->begun, ":") &&
           add(search->begun, user) && add(search->begun, ":");
}

static bool finish(const struct search *search, const char *token, unsigned char ret_digest[EVP_MAX_MD_SIZE], unsigned *ret_length)
{
    bool fine = EVP_MD_CTX_copy_ex(search->whole, search->begun) == 1 && add(search->whole, token);
    if (search->expiration != NULL)
        fine = fine && add(search->whole, ":") && add(search->whole, search->expiration);
    return fine && EVP_DigestFinal_ex(search->whole, ret_digest, ret_length) == 1;
}

static bool is_signed_by(const struct search *search, const char *token)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned      length;
    struct bytes  expected = {0};
    bool          fine     = finish(search, token, digest, &length) && bytes_append(&expected, VERSION, strlen(VERSION)) &&
                base64_encode(digest, length, &expected);

    while (fine && expected.length > 0 && expected.data[expected.length - 1] == '=')
        expected.length--;
    fine = fine && strlen(search->signature) == expected.length && CRYPTO_memcmp(search->signature, expected.data, expected.length) == 0;
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

static struct session *find(const struct http_request *request, const struct server *server)
{
    const char   *path = query(request, "path"), *user = query(request, "username");
    struct search search = {.expiration = http_request_query(request, "signature_expiration"), .signature = query(request, "signature")};

    if (strlen(path) < TEXT_MAX && strlen(user) < TEXT_MAX &&
        begin(&search, path, http_request_method(request) == HTTP_POST ? "write" : "read", user))
        sessions_each(server_sessions((struct server *)server), note, &search);
    EVP_MD_CTX_free(search.begun);
    EVP_MD_CTX_free(search.whole);
    return search.found;
}

struct session *compat_e2b_signed_of(struct http_request *request, const struct server *server)
{
    struct session     *found;
    struct session_info info = {0};

    if (is_over(http_request_query(request, "signature_expiration"))) {
        http_reply_error(request, 401, "SIGNATURE_EXPIRED", "The URL was good until a time that is over", NULL, 0);
        return NULL;
    }
    found = find(request, server);
    if (found != NULL)
        session_get_info(found, &info);
    if (found == NULL || info.paused) {
        http_reply_error(request, 401, "SIGNATURE_INVALID", "No running sandbox has signed this URL", NULL, 0);
        return NULL;
    }
    http_request_set_caller(request, session_owner(found));
    return found;
}
