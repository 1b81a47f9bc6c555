#define _GNU_SOURCE
#include "command_output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base64.h"
#include "fdio.h"

enum { PATH_BYTES = 1024 };

/* Relative, and without a part that leads elsewhere. The name comes from the session. */
static bool is_inside(const char *path)
{
    if (*path == '\0' || strlen(path) >= PATH_BYTES)
        return false;
    for (;;) {
        size_t length = strcspn(path, "/");
        if (length == 0 || (length == 1 && path[0] == '.') || (length == 2 && path[0] == '.' && path[1] == '.'))
            return false;
        if (path[length] == '\0')
            return true;
        path += length + 1;
    }
}

/* Opens `path` below the directory for writing and makes the directories on the way. No link is followed. Returns a descriptor or -1. */
static int create(int directory_fd, const char *path)
{
    char part[PATH_BYTES];
    int  at = fcntl(directory_fd, F_DUPFD_CLOEXEC, 0), next;
    for (const char *slash; at >= 0 && (slash = strchr(path, '/')) != NULL; path = slash + 1) {
        (void)snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        if (mkdirat(at, part, 0777) < 0 && errno != EEXIST) {
            fdio_close(&at);
            return -1;
        }
        next = openat(at, part, O_DIRECTORY | O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        fdio_close(&at);
        at = next;
    }
    next = at >= 0 ? openat(at, path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666) : -1;
    fdio_close(&at);
    return next;
}

static int write_file(int directory_fd, const char *path, const struct bytes *data, struct err *err)
{
    int fd = is_inside(path) ? create(directory_fd, path) : -1, result = 0;
    if (!is_inside(path))
        return err_set(err, EINVAL, "the program made a file whose name leads elsewhere: %.150s", path);
    if (fd < 0 || (data->length > 0 && fdio_write_all(fd, data->data, data->length) < 0))
        result = err_errno(err, "cannot write %.150s", path);
    fdio_close(&fd);
    return result;
}

static bool is_artifact(const json_t *artifacts, const char *name)
{
    json_t *each;
    size_t  i;
    json_array_foreach((json_t *)artifacts, i, each)
    {
        const char *path = json_string_value(json_object_get(each, "path"));
        if (path != NULL && strcmp(path, name) == 0)
            return true;
    }
    return false;
}

/* plot-N.png, unless the program has made a file of that name itself. */
static void name_plot(const json_t *artifacts, size_t number, const char *format, char *ret_name, size_t room)
{
    (void)snprintf(ret_name, room, "plot-%zu.%s", number, format);
    for (size_t more = 1; is_artifact(artifacts, ret_name); more++)
        (void)snprintf(ret_name, room, "plot-%zu-%zu.%s", number, more, format);
}

static int write_plot(int directory_fd, const json_t *plot, const json_t *artifacts, size_t number, struct err *err)
{
    const json_t *data   = json_object_get(plot, "data");
    const char   *format = json_string_value(json_object_get(plot, "format"));
    struct bytes  image  = {0};
    char          name[64];
    int           result = -1;
    if (format == NULL || (strcmp(format, "png") != 0 && strcmp(format, "svg") != 0 && strcmp(format, "html") != 0))
        return err_set(err, EPROTO, "plot %zu has an unknown format", number);
    name_plot(artifacts, number, format, name, sizeof name);
    if (json_is_string(data) && base64_decode(json_string_value(data), json_string_length(data), &image))
        result = write_file(directory_fd, name, &image, err);
    else
        (void)err_set(err, EPROTO, "plot %zu can't be read", number);
    bytes_done(&image);
    return result;
}

static int write_artifact(const struct command_service *service, int directory_fd, const json_t *artifact, struct err *err)
{
    const char  *path = json_string_value(json_object_get(artifact, "path"));
    struct bytes data = {0};
    int          result;
    if (path == NULL)
        return err_set(err, EPROTO, "a file without a name");
    result = command_service_get(service, path, &data, err);
    if (result == 0)
        result = write_file(directory_fd, path, &data, err);
    bytes_done(&data);
    return result;
}

int command_output_write(const struct command_service *service, const json_t *result, const char *directory, struct err *err)
{
    json_t *artifacts = json_object_get(result, "artifacts"), *plots = json_object_get(json_object_get(result, "output"), "plots"), *each;
    size_t  i;
    int     fd, done = 0;
    if (mkdir(directory, 0777) < 0 && errno != EEXIST)
        return err_errno(err, "--output %.150s", directory);
    fd = open(directory, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, "--output %.150s", directory);
    json_array_foreach(artifacts, i, each) if (done == 0) done = write_artifact(service, fd, each, err);
    json_array_foreach(plots, i, each) if (done == 0) done     = write_plot(fd, each, artifacts, i + 1, err);
    fdio_close(&fd);
    if (done == 0 && json_integer_value(json_object_get(result, "artifactsOmitted")) > 0)
        (void)fprintf(stderr, "penny-sandbox: %lld more files were made than are listed, and are not in %s\n",
                      (long long)json_integer_value(json_object_get(result, "artifactsOmitted")), directory);
    return done;
}

void command_output_mention(const json_t *result)
{
    size_t plots = json_array_size(json_object_get(json_object_get(result, "output"), "plots")),
           files = json_array_size(json_object_get(result, "artifacts"));
    if (plots + files > 0)
        (void)fprintf(stderr, "penny-sandbox: %zu plots and %zu files were made; --output DIRECTORY keeps them\n", plots, files);
}
