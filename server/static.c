/* static.c: files below one directory, read whole, with ETag and the .gz beside them; and GET /. */
#include "static.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "route.h"
#include "version.h"

enum { STATIC_FILE_MAX = 64 << 20, STATIC_PATH_MAX = 512 };

static const char PAGE_POLICY[] = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
                                  "font-src 'self' data:; worker-src 'self'; connect-src 'self'; frame-src 'self'; object-src 'none'; "
                                  "base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

struct static_files {
    const char *path; /* config's */
    int         directory_fd;
};

struct static_files *static_open(const struct config *config, struct err *err)
{
    struct static_files *files = calloc(1, sizeof *files);

    if (files == NULL) {
        err_set(err, ENOMEM, "static files: out of memory");
        return NULL;
    }
    files->path         = config->web_dir;
    files->directory_fd = open(config->web_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return files;
}

void static_close(struct static_files *files)
{
    if (files == NULL)
        return;
    if (files->directory_fd >= 0)
        close(files->directory_fd);
    free(files);
}

/* Hidden names are never served; empty, "." and ".." are no names. */
static bool is_plain(const char *path)
{
    if (*path == '\0')
        return false;
    for (;;) {
        if (*path == '.' || *path == '/' || *path == '\0')
            return false;
        path = strchr(path, '/');
        if (path == NULL)
            return true;
        path++;
    }
}

/* Nothing above the directory and no symbolic link, by the kernel where it knows openat2; the names are plain already. */
static int open_beneath(const struct static_files *files, const char *path)
{
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    int             fd  = (int)syscall(SYS_openat2, files->directory_fd, path, &how, sizeof how);

    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        fd = openat(files->directory_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
    return fd;
}

/* Opens a regular file. Returns its descriptor or -1. */
static int open_file(struct static_files *files, const char *path, struct stat *ret_stat)
{
    int fd;

    if (files == NULL || !is_plain(path) || strlen(path) > STATIC_PATH_MAX)
        return -1;
    if (files->directory_fd < 0)
        files->directory_fd = open(files->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (files->directory_fd < 0)
        return -1;
    fd = open_beneath(files, path);
    if (fd >= 0 && (fstat(fd, ret_stat) != 0 || !S_ISREG(ret_stat->st_mode) || ret_stat->st_size > STATIC_FILE_MAX)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static const char *type_of(const char *path)
{
    static const char *const types[][2] = {{".html", "text/html; charset=utf-8"},
                                           {".js", "text/javascript; charset=utf-8"},
                                           {".mjs", "text/javascript; charset=utf-8"},
                                           {".css", "text/css; charset=utf-8"},
                                           {".json", "application/json; charset=utf-8"},
                                           {".map", "application/json; charset=utf-8"},
                                           {".svg", "image/svg+xml"},
                                           {".png", "image/png"},
                                           {".jpg", "image/jpeg"},
                                           {".webp", "image/webp"},
                                           {".ico", "image/x-icon"},
                                           {".woff", "font/woff"},
                                           {".woff2", "font/woff2"},
                                           {".ttf", "font/ttf"},
                                           {".wasm", "application/wasm"},
                                           {".txt", "text/plain; charset=utf-8"},
                                           {".webmanifest", "application/manifest+json"}};
    const char              *dot        = strrchr(path, '.');

    for (size_t i = 0; dot != NULL && i < sizeof types / sizeof *types; i++) {
        if (strcasecmp(dot, types[i][0]) == 0)
            return types[i][1];
    }
    return "application/octet-stream";
}

/* Whether Accept-Encoding takes gzip (and does not say gzip;q=0). */
static bool takes_gzip(const struct http_request *request)
{
    const char *list = http_request_header(request, "Accept-Encoding");
    const char *gzip = list != NULL ? strcasestr(list, "gzip") : NULL;
    const char *q;

    if (gzip == NULL)
        return false;
    q = gzip + 4 + strspn(gzip + 4, " ;");
    return strncmp(q, "q=0", 3) != 0 || strspn(q + 2, "0.") != strcspn(q + 2, ", ");
}

static bool has_tag(const struct http_request *request, const char *tag)
{
    const char *list = http_request_header(request, "If-None-Match");
    return list != NULL && (strcmp(list, "*") == 0 || strstr(list, tag) != NULL);
}

static void release(const void *data, size_t length, void *owned)
{
    (void)data;
    (void)length;
    free(owned);
}

/* The whole file as a buffer. A file that shrinks meanwhile is an error, not a shorter answer. */
static struct evbuffer *read_whole(int fd, size_t length)
{
    struct evbuffer *buffer = evbuffer_new();
    char            *data   = malloc(length + 1);
    size_t           got    = 0;

    while (data != NULL && got < length) {
        ssize_t n = read(fd, data + got, length - got);
        if (n <= 0 && !(n < 0 && errno == EINTR))
            break;
        got += n > 0 ? (size_t)n : 0;
    }
    if (buffer == NULL || data == NULL || got < length || evbuffer_add_reference(buffer, data, length, release, data) != 0) {
        free(data);
        if (buffer != NULL)
            evbuffer_free(buffer);
        return NULL;
    }
    return buffer;
}

static void add_headers(struct http_request *request, const char *path, const char *tag, bool gzipped)
{
    const char *type = type_of(path);

    http_request_add_header(request, "ETag", tag);
    http_request_add_header(request, "Vary", "Accept, Accept-Encoding");
    http_request_add_header(request, "Cache-Control",
                            strncmp(path, "assets/", 7) == 0 ? "public, max-age=31536000, immutable" : "no-cache");
    if (gzipped)
        http_request_add_header(request, "Content-Encoding", "gzip");
    if (strncmp(type, "text/html", 9) == 0 || strncmp(type, "text/javascript", 15) == 0)
        http_request_add_header(request, "Content-Security-Policy", PAGE_POLICY);
}

static void send_file(struct http_request *request, const char *path, int fd, const struct stat *stat, bool gzipped)
{
    struct evbuffer *buffer;
    char             tag[64];

    snprintf(tag, sizeof tag, "\"%llx-%llx%s\"",
             (unsigned long long)stat->st_mtim.tv_sec * 1000000000 + (unsigned long long)stat->st_mtim.tv_nsec,
             (unsigned long long)stat->st_size, gzipped ? "-gz" : "");
    add_headers(request, path, tag, gzipped);
    if (has_tag(request, tag)) {
        http_reply_bytes(request, 304, type_of(path), "", 0);
        return;
    }
    buffer = read_whole(fd, (size_t)stat->st_size);
    if (buffer == NULL) {
        http_reply_error(request, 500, "INTERNAL_ERROR", "The file could not be read", NULL, 0);
        return;
    }
    http_reply_buffer(request, 200, type_of(path), buffer);
    evbuffer_free(buffer);
}

/* Answers with the file. Returns false, with nothing answered, when there is none. */
static bool serve(struct http_request *request, struct static_files *files, const char *path)
{
    char        gzip_path[STATIC_PATH_MAX + 8];
    struct stat stat, gzip_stat;
    int         fd = open_file(files, path, &stat), gzip_fd = -1;

    if (fd < 0)
        return false;
    snprintf(gzip_path, sizeof gzip_path, "%s.gz", path);
    if (takes_gzip(request))
        gzip_fd = open_file(files, gzip_path, &gzip_stat);
    if (gzip_fd >= 0)
        send_file(request, path, gzip_fd, &gzip_stat, true);
    else
        send_file(request, path, fd, &stat, false);
    close(fd);
    if (gzip_fd >= 0)
        close(gzip_fd);
    return true;
}

static bool wants_html(const struct http_request *request)
{
    const char *accept = http_request_header(request, "Accept");
    return accept != NULL && strstr(accept, "text/html") != NULL;
}

static void plain_page(struct http_request *request)
{
    static const char page[] =
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Penny Sandbox</title></head>\n<body>"
        "<h1>Penny Sandbox</h1>\n<p>The API is running: <code>POST /api/v1/execute</code>, <code>POST /api/v1/execute/stream</code>, "
        "<code>POST /api/v1/sessions</code>, <a href=\"/health\">/health</a>.</p>\n</body></html>\n";
    http_reply_bytes(request, 200, "text/html; charset=utf-8", page, sizeof page - 1);
}

void static_index(struct http_request *request, void *files)
{
    if (!wants_html(request)) {
        http_request_add_header(request, "Vary", "Accept");
        http_reply_json(
            request, 200,
            json_pack("{s:s, s:s, s:s}", "status", "ok", "message", "Python Code Sandbox API is running", "version", PENNY_VERSION));
        return;
    }
    if (!serve(request, files, "index.html"))
        plain_page(request);
}

void static_docs(struct http_request *request, void *files)
{
    static const char page[] =
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Penny Sandbox API</title></head>\n<body>"
        "<h1>Penny Sandbox API</h1>\n<p>The web page has not been built here, and the reader of the contract with it. The contract itself: "
        "<a href=\"/openapi.json\">/openapi.json</a>.</p>\n</body></html>\n";
    if (!serve(request, files, "docs.html"))
        http_reply_bytes(request, 200, "text/html; charset=utf-8", page, sizeof page - 1);
}

void static_file(struct http_request *request, void *files)
{
    const char *path = http_request_parameter(request, 0);

    if (path == NULL || !serve(request, files, path))
        route_not_found(request);
}
