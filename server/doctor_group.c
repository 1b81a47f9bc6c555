#define _GNU_SOURCE
#include "doctor_group.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "doctor_finding.h"

struct kind {
    const char *controller, *version_1, *version_2; /* and the files of the limit */
};

/* From the group itself upwards. In a container the mount may show less than the path says: then it begins with the container's group. */
static int64_t least_of(const char *mount, char *path, const char *file)
{
    int64_t least = INT64_MAX;
    for (bool more = true; more;) {
        char    name[PATH_MAX];
        int     n     = snprintf(name, sizeof name, "%s%s/%s", mount, path, file);
        int64_t limit = n > 0 && (size_t)n < sizeof name ? doctor_read_number(name) : -1;
        char   *slash = strrchr(path, '/');

        if (limit >= 0 && limit < least)
            least = limit;
        more = slash != NULL;
        if (more)
            *slash = '\0';
    }
    return least;
}

static bool has_controller(const char *names, const char *wanted)
{
    size_t n = strlen(wanted);
    for (const char *at = names; at != NULL; at = strchr(at, ',') != NULL ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, wanted, n) == 0 && (at[n] == ',' || at[n] == '\0'))
            return true;
    return false;
}

static int64_t limit_of(const struct kind *kind, const char *groups, const char *mounts)
{
    FILE   *file  = fopen(groups, "re");
    int64_t least = INT64_MAX;
    char    line[PATH_MAX], mount[PATH_MAX];

    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char   *names = strchr(line, ':'), *path = names != NULL ? strchr(names + 1, ':') : NULL;
        int64_t limit = INT64_MAX;
        if (path == NULL)
            continue;
        *path++ = '\0';
        names++;
        path[strcspn(path, "\n")] = '\0';
        (void)snprintf(mount, sizeof mount, "%s/%s", mounts, kind->controller);
        if (*names == '\0')
            limit = least_of(mounts, path, kind->version_2);
        else if (has_controller(names, kind->controller))
            limit = least_of(mount, path, kind->version_1);
        least = limit < least ? limit : least;
    }
    if (file != NULL)
        (void)fclose(file);
    return least;
}

int64_t doctor_group_memory(const char *groups, const char *mounts)
{
    return limit_of(&(struct kind){"memory", "memory.limit_in_bytes", "memory.max"}, groups, mounts);
}

int64_t doctor_group_processes(const char *groups, const char *mounts)
{
    return limit_of(&(struct kind){"pids", "pids.max", "pids.max"}, groups, mounts);
}
