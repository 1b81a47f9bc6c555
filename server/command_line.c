#include "command_line.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *command_line_value(char **argv, int argc, int *at, const char *name)
{
    size_t length = strlen(name);
    if (strncmp(argv[*at], name, length) != 0)
        return NULL;
    if (argv[*at][length] == '=')
        return argv[*at] + length + 1;
    return argv[*at][length] == '\0' && *at + 1 < argc ? argv[++*at] : NULL;
}

bool command_line_is_help(const char *argument)
{
    return strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
}

int command_line_profile(const char *text, const char **ret, struct err *err)
{
    if (strcmp(text, "open") != 0 && strcmp(text, "standard") != 0)
        return err_set(err, EINVAL, "--profile: \"%.60s\" is not open or standard", text);
    *ret = text;
    return 0;
}

const char *command_line_server(const char *otherwise)
{
    const char *url = getenv("SANDBOX_URL");
    return url != NULL && *url != '\0' ? url : otherwise;
}

const char *command_line_key(const char *variable)
{
    const char *key = getenv(variable);
    return key != NULL ? key : "";
}

int command_line_complain(const struct err *err, int code)
{
    (void)fprintf(stderr, "penny-sandbox: %s\n", err->message);
    return code;
}

int command_line_write(int fd, const char *data, size_t length)
{
    while (length > 0) {
        struct pollfd polled = {.fd = fd, .events = POLLOUT};
        ssize_t       n      = write(fd, data, length);
        if (n < 0 && errno == EAGAIN)
            (void)poll(&polled, 1, -1);
        else if (n < 0 && errno != EINTR)
            return -1;
        data += n > 0 ? n : 0;
        length -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}
