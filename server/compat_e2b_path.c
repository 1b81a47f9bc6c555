#define _GNU_SOURCE
#include "compat_e2b_path.h"

#include <stdio.h>
#include <string.h>

static const char HOME[] = "/home/user", WORKSPACE[] = "/workspace", TILDE[] = "~";

/* What follows the place, or NULL when it is not below it. */
static const char *below(const char *given, const char *place)
{
    size_t length = strlen(place);
    if (strncmp(given, place, length) != 0 || (given[length] != '/' && given[length] != '\0'))
        return NULL;
    return given + length + strspn(given + length, "/");
}

const char *compat_e2b_path_inside(const char *given)
{
    const char *const places[] = {HOME, WORKSPACE, TILDE, "."};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const char *inside = below(given, places[i]);
        if (inside != NULL)
            return inside;
    }
    return given;
}

void compat_e2b_path_copy(const char *given, char ret_path[FILE_PATH_BYTES + 1])
{
    size_t length;
    (void)snprintf(ret_path, FILE_PATH_BYTES + 1, "%s", compat_e2b_path_inside(given));
    for (length = strlen(ret_path); length > 1 && ret_path[length - 1] == '/'; length--)
        ret_path[length - 1] = '\0';
}

void compat_e2b_path_whole(const char *like, const char *path, char ret_whole[COMPAT_E2B_PATH_BYTES])
{
    const char *place = below(like, WORKSPACE) != NULL ? WORKSPACE : HOME;
    (void)snprintf(ret_whole, COMPAT_E2B_PATH_BYTES, *path != '\0' ? "%s/%s" : "%s", place, path);
}
