#define _GNU_SOURCE
#include "http_tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "metrics.h"

enum { RECORD_BYTES = 16384 };

struct http_tls {
    SSL_CTX *context;
    char     gather[RECORD_BYTES]; /* what goes into one record */
};

struct http_tls_session {
    struct http_tls *tls;
    SSL             *ssl;
    int              fd;
    bool             wants_write, established, failed;
};

static int fail(struct err *err, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    char          text[160];
    ERR_error_string_n(code, text, sizeof text);
    ERR_clear_error();
    return err_set(err, EINVAL, "%s: %s", what, code != 0 ? text : "not usable");
}

/* A key that wants a passphrase is refused instead of asked for on the terminal. */
static int no_passphrase(char *buffer, int size, int writing, void *arg)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)arg;
    return 0;
}

static int use_chain(SSL_CTX *context, BIO *bio, struct err *err)
{
    X509 *leaf = PEM_read_bio_X509_AUX(bio, NULL, no_passphrase, NULL), *next;
    int   good = leaf != NULL && SSL_CTX_use_certificate(context, leaf) == 1;
    X509_free(leaf);
    while (good && (next = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL) {
        good = SSL_CTX_add0_chain_cert(context, next) == 1;
        if (!good)
            X509_free(next);
    }
    if (!good)
        return fail(err, "the certificate");
    ERR_clear_error(); /* the end of the file was one */
    return 0;
}

static int use_key(SSL_CTX *context, BIO *bio, struct err *err)
{
    EVP_PKEY *key  = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    int       good = key != NULL && SSL_CTX_use_PrivateKey(context, key) == 1 && SSL_CTX_check_private_key(context) == 1;
    EVP_PKEY_free(key);
    return good ? 0 : fail(err, "the certificate's key");
}

static SSL_CTX *new_context(const char *cert, size_t cert_length, const char *key, size_t key_length, struct err *err)
{
    SSL_CTX *context  = SSL_CTX_new(TLS_server_method());
    BIO     *cert_bio = BIO_new_mem_buf(cert, (int)cert_length), *key_bio = BIO_new_mem_buf(key, (int)key_length);
    int      result = -1;

    if (context == NULL || cert_bio == NULL || key_bio == NULL) {
        (void)fail(err, "TLS");
    } else {
        (void)SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
        (void)SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20");
        (void)SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                               SSL_OP_PRIORITIZE_CHACHA);
        (void)SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
        (void)SSL_CTX_set_session_id_context(context, (const unsigned char *)"penny", 5);
        result = use_chain(context, cert_bio, err);
        if (result == 0)
            result = use_key(context, key_bio, err);
    }
    BIO_free(cert_bio);
    BIO_free(key_bio);
    if (result == 0)
        return context;
    SSL_CTX_free(context);
    return NULL;
}

struct http_tls *http_tls_new(const char *cert, size_t cert_length, const char *key, size_t key_length, struct err *err)
{
    struct http_tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL) {
        (void)err_set(err, ENOMEM, "no memory for TLS");
        return NULL;
    }
    tls->context = new_context(cert, cert_length, key, key_length, err);
    if (tls->context == NULL) {
        free(tls);
        return NULL;
    }
    return tls;
}

int http_tls_replace(struct http_tls *tls, const char *cert, size_t cert_length, const char *key, size_t key_length, struct err *err)
{
    SSL_CTX *context = new_context(cert, cert_length, key, key_length, err);
    if (context == NULL)
        return -1;
    SSL_CTX_free(tls->context); /* counted: sessions under way keep it */
    tls->context = context;
    return 0;
}

void http_tls_free(struct http_tls *tls)
{
    if (tls == NULL)
        return;
    SSL_CTX_free(tls->context);
    free(tls);
}

struct http_tls_session *http_tls_accept(struct http_tls *tls, int fd)
{
    struct http_tls_session *session = calloc(1, sizeof *session);
    if (session == NULL)
        return NULL;
    session->tls = tls;
    session->fd  = fd;
    session->ssl = SSL_new(tls->context);
    if (session->ssl == NULL || SSL_set_fd(session->ssl, fd) != 1) {
        SSL_free(session->ssl);
        free(session);
        return NULL;
    }
    SSL_set_accept_state(session->ssl);
    return session;
}

void http_tls_end(struct http_tls_session *session, bool quietly)
{
    if (session == NULL)
        return;
    if (!quietly)
        http_tls_shutdown(session);
    SSL_free(session->ssl);
    free(session);
}

void http_tls_shutdown(struct http_tls_session *session)
{
    if (session->established && !session->failed && (SSL_get_shutdown(session->ssl) & SSL_SENT_SHUTDOWN) == 0)
        (void)SSL_shutdown(session->ssl);
    ERR_clear_error();
}

/* What a failed call means: errno for the caller. */
static ssize_t outcome(struct http_tls_session *session, int result)
{
    int why              = SSL_get_error(session->ssl, result);
    session->wants_write = why == SSL_ERROR_WANT_WRITE;
    ERR_clear_error();
    if (why == SSL_ERROR_ZERO_RETURN)
        return 0;
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
        errno = EAGAIN;
        return -1;
    }
    session->failed = true; /* no SSL_shutdown() after a fatal error */
    errno           = ECONNRESET;
    return -1;
}

/* Someone speaks plain HTTP to us: that is worth a sentence. */
static void tell_plain(int fd)
{
    static const char answer[] = "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: 109\r\n"
                                 "Connection: close\r\n\r\n"
                                 "{\"statusCode\":400,\"code\":\"HTTPS_REQUIRED\",\"error\":\"Bad Request\","
                                 "\"message\":\"This port speaks HTTPS, not HTTP\"}";
    (void)send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int http_tls_handshake(struct http_tls_session *session)
{
    int           result;
    unsigned long code;
    ERR_clear_error();
    result = SSL_do_handshake(session->ssl);
    if (result == 1) {
        session->established = true;
        session->wants_write = false;
        metrics_add(METRICS_TLS_HANDSHAKES, 1);
        return 1;
    }
    code = ERR_peek_error();
    if (outcome(session, result) < 0 && errno == EAGAIN)
        return 0;
    if (ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST)
        tell_plain(session->fd);
    session->failed = true;
    metrics_add(METRICS_TLS_FAILURES, 1);
    return -1;
}

ssize_t http_tls_read(struct http_tls_session *session, void *data, size_t room)
{
    int n;
    ERR_clear_error();
    n = SSL_read(session->ssl, data, room < INT32_MAX ? (int)room : INT32_MAX);
    return n > 0 ? n : outcome(session, n);
}

static ssize_t write_record(struct http_tls_session *session, const void *data, size_t length)
{
    int n;
    ERR_clear_error();
    n = SSL_write(session->ssl, data, (int)length);
    if (n > 0)
        return n;
    if (outcome(session, n) == 0 || !session->wants_write) { /* a peer that has said its last word, or wants one of ours first */
        session->failed = true;
        errno           = ECONNRESET;
    }
    return -1;
}

ssize_t http_tls_write(struct http_tls_session *session, const struct iovec *vectors, int count)
{
    char  *gather = session->tls->gather;
    size_t total  = 0;
    for (int i = 0; i < count && total < RECORD_BYTES; i++) {
        size_t n = vectors[i].iov_len < RECORD_BYTES - total ? vectors[i].iov_len : RECORD_BYTES - total;
        if (n > 0)
            memcpy(gather + total, vectors[i].iov_base, n);
        total += n;
    }
    return total > 0 ? write_record(session, gather, total) : 0;
}

ssize_t http_tls_write_buffer(struct http_tls_session *session, struct evbuffer *buffer)
{
    ev_ssize_t length = evbuffer_copyout(buffer, session->tls->gather, RECORD_BYTES);
    ssize_t    n      = length > 0 ? write_record(session, session->tls->gather, (size_t)length) : 0;
    if (n > 0)
        (void)evbuffer_drain(buffer, (size_t)n);
    return n;
}

bool http_tls_wants_write(const struct http_tls_session *session)
{
    return session->wants_write;
}
