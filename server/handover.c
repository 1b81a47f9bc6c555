#define _GNU_SOURCE
#include "handover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fdio.h"

static const char LETTERS[HANDOVER_COUNT + 1] = "kcpa"; /* in the packet's text: which descriptors follow */

static const char *path_of(const struct config *config, enum handover_file file)
{
    switch (file) {
    case HANDOVER_KEYS: return config->keys_file;
    case HANDOVER_TLS_CERT: return config->tls_cert;
    case HANDOVER_TLS_KEY: return config->tls_key;
    default: return config->audit_log;
    }
}

static int open_one(const char *path, enum handover_file file, struct err *err)
{
    int flags = file == HANDOVER_AUDIT ? O_WRONLY | O_APPEND | O_CREAT : O_RDONLY;
    int fd    = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640);
    if (fd < 0)
        return err_errno(err, "cannot open %s", path);
    return fd;
}

int handover_open(const struct config *config, struct handover *ret, struct err *err)
{
    int result = 0;
    for (int i = 0; i < HANDOVER_COUNT; i++) {
        const char *path = path_of(config, (enum handover_file)i);
        ret->fds[i]      = *path != '\0' ? open_one(path, (enum handover_file)i, err) : -1;
        if (*path != '\0' && ret->fds[i] < 0)
            result = -1;
    }
    return result;
}

void handover_close(struct handover *handover)
{
    for (int i = 0; i < HANDOVER_COUNT; i++)
        fdio_close(&handover->fds[i]);
}

int handover_send(int socket_fd, const struct handover *handover)
{
    struct supervisor_packet packet = {.type = SUPERVISOR_FILES};
    int                      fds[HANDOVER_COUNT];
    size_t                   count = 0;
    for (int i = 0; i < HANDOVER_COUNT; i++) {
        if (handover->fds[i] < 0)
            continue;
        packet.text[count] = LETTERS[i];
        fds[count++]       = handover->fds[i];
    }
    return fdio_send(socket_fd, &packet, sizeof packet, fds, count);
}

int handover_take(const struct supervisor_packet *packet, const int *fds, size_t fd_count, struct handover *ret)
{
    size_t named = strnlen(packet->text, sizeof packet->text);
    for (int i = 0; i < HANDOVER_COUNT; i++)
        ret->fds[i] = -1;
    for (size_t i = 0; i < fd_count; i++) {
        const char *letter = i < named ? strchr(LETTERS, packet->text[i]) : NULL;
        if (letter == NULL || ret->fds[letter - LETTERS] >= 0)
            named = SIZE_MAX;
        else
            ret->fds[letter - LETTERS] = fds[i];
    }
    if (named == fd_count)
        return 0;
    for (size_t i = 0; i < fd_count; i++)
        (void)close(fds[i]);
    return -1;
}

int handover_receive(int socket_fd, struct handover *ret, struct err *err)
{
    struct supervisor_packet packet = {0};
    int                      fds[HANDOVER_COUNT];
    size_t                   count = HANDOVER_COUNT;
    if (fdio_receive(socket_fd, &packet, sizeof packet, fds, &count) <= 0 || packet.type != SUPERVISOR_FILES)
        return err_set(err, EPROTO, "the supervisor is gone");
    return handover_take(&packet, fds, count, ret) == 0 ? 0 : err_set(err, EPROTO, "the supervisor's files are not as they should be");
}

char *handover_read(int fd, size_t most, size_t *ret_length, struct err *err)
{
    char   *text   = malloc(most + 2);
    size_t  length = 0;
    ssize_t n      = 1;
    if (text == NULL) {
        (void)err_set(err, ENOMEM, "no memory for a file");
        return NULL;
    }
    while (length <= most && (n = read(fd, text + length, most + 1 - length)) > 0)
        length += (size_t)n;
    if (n < 0 || length > most) {
        (void)(n < 0 ? err_errno(err, "it cannot be read") : err_set(err, EFBIG, "it is longer than %zu bytes", most));
        free(text);
        return NULL;
    }
    text[length] = '\0';
    *ret_length  = length;
    return text;
}
