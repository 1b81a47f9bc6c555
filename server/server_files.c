#define _GNU_SOURCE
#include "server_files.h"

#include <stdlib.h>
#include <string.h>

enum { KEYS_MOST = 1 << 20, PEM_MOST = 1 << 18 };

int server_files_keys(struct tenants *tenants, const struct handover *files, struct err *err)
{
    struct err why = {0};
    size_t     length;
    char      *text;
    int        result;

    if (files->fds[HANDOVER_KEYS] < 0)
        return 0;
    text   = handover_read(files->fds[HANDOVER_KEYS], KEYS_MOST, &length, &why);
    result = text != NULL ? tenants_load(tenants, text, length, &why) : -1;
    free(text);
    return result == 0 ? 0 : err_set(err, why.code, "the file of API keys: %.200s", why.message);
}

int server_files_tls(struct http_tls **tls, const struct handover *files, struct err *err)
{
    size_t cert_length = 0, key_length = 0;
    char  *cert, *key;
    int    result = -1;

    if (files->fds[HANDOVER_TLS_CERT] < 0 || files->fds[HANDOVER_TLS_KEY] < 0)
        return 0;
    cert = handover_read(files->fds[HANDOVER_TLS_CERT], PEM_MOST, &cert_length, err);
    key  = cert != NULL ? handover_read(files->fds[HANDOVER_TLS_KEY], PEM_MOST, &key_length, err) : NULL;
    if (key != NULL && *tls != NULL)
        result = http_tls_replace(*tls, cert, cert_length, key, key_length, err);
    else if (key != NULL)
        result = (*tls = http_tls_new(cert, cert_length, key, key_length, err)) != NULL ? 0 : -1;
    if (key != NULL)
        explicit_bzero(key, key_length);
    free(cert);
    free(key);
    return result;
}
