/*
 * config_places.c: listening addresses as text, and where things are: beside our own executable in the source tree
 * (<repo>/build/penny-sandbox), or installed. `make install` compiles this file with the places it installs to (PENNY_BINDIR, ...); below
 * a DESTDIR they all begin with that. An executable that has been put elsewhere looks around itself.
 */
#include "config_option.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int read_port(const char *text, uint16_t *ret)
{
    char *end;
    long  value;
    if (!isdigit((unsigned char)*text))
        return -1;
    value = strtol(text, &end, 10);
    if (*end != '\0' || value > 65535)
        return -1;
    *ret = (uint16_t)value;
    return 0;
}

static bool is_host(const char *text)
{
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (!isalnum((unsigned char)*text) && strchr(".-_:%", *text) == NULL)
            return false;
    }
    return true;
}

/* Splits "host:port", "[v6]:port", ":port" or "port" in place. */
static int read_address(char *text, struct config_address *ret)
{
    const char *host = "127.0.0.1";
    char       *port = strrchr(text, ':');

    if (*text == '[') {
        port = strchr(text, ']');
        if (port == NULL || port[1] != ':')
            return -1;
        *port++ = '\0';
        host    = text + 1;
    } else if (port != NULL && port != text) {
        host = text;
        if (memchr(text, ':', (size_t)(port - text)) != NULL)
            return -1;
    }
    if (port != NULL)
        *port++ = '\0';
    if (read_port(port != NULL ? port : text, &ret->port) != 0 || !is_host(host) || strlen(host) >= sizeof ret->host)
        return -1;
    strcpy(ret->host, host);
    return 0;
}

int config_read_listen(struct config *config, const struct config_option *option, const char *text)
{
    struct config_address list[CONFIG_LISTEN_MAX] = {0};
    size_t                count                   = 0;

    (void)option;
    while (*text != '\0') {
        char        item[128];
        const char *end;
        size_t      length;
        text += strspn(text, " \t,");
        length = strcspn(text, ",");
        end    = text + length;
        while (length > 0 && isspace((unsigned char)text[length - 1]))
            length--;
        if (length == 0)
            break;
        if (length >= sizeof item || count == CONFIG_LISTEN_MAX)
            return -1;
        memcpy(item, text, length);
        item[length] = '\0';
        if (read_address(item, &list[count++]) != 0)
            return -1;
        text = end;
    }
    memcpy(config->listen, list, sizeof list);
    config->listen_count = count;
    return 0;
}

static bool exists(const char *directory, const char *name)
{
    char path[PATH_MAX];
    return snprintf(path, sizeof path, "%s/%s", directory, name) < (int)sizeof path && access(path, F_OK) == 0;
}

static void cut_last(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash != NULL)
        *slash = '\0';
}

/* The source tree that `directory` lies in, at most three levels up. Returns false when it is not one. */
static bool find_repository(const char *directory, char ret_path[PATH_MAX])
{
    strcpy(ret_path, directory);
    for (int i = 0; i < 4 && *ret_path != '\0'; i++, cut_last(ret_path)) {
        if (exists(ret_path, "runtime/python") && exists(ret_path, "policies") && exists(ret_path, "server"))
            return true;
    }
    return false;
}

static int join(char *field, size_t size, const char *directory, const char *name, struct err *err)
{
    if (*field != '\0')
        return 0;
    if (snprintf(field, size, "%s/%s", directory, name) >= (int)size)
        return err_set(err, ENAMETOOLONG, "%.150s/%s: the path is too long (at most %zu characters)", directory, name, size - 1);
    return 0;
}

/* Relative paths that were given are made absolute, since the processes change their directory. */
static int make_absolute(char *field, size_t size, struct err *err)
{
    char path[PATH_MAX], cwd[PATH_MAX];
    if (*field == '\0' || *field == '/')
        return 0;
    if (getcwd(cwd, sizeof cwd) == NULL)
        return err_errno(err, "the current directory");
    if (snprintf(path, sizeof path, "%s/%s", cwd, field) >= (int)size)
        return err_set(err, ENAMETOOLONG, "%.150s: the absolute path is too long (at most %zu characters)", field, size - 1);
    strcpy(field, path);
    return 0;
}

static int fill_source_tree(struct config *config, const char *repository, const char *directory, struct err *err)
{
    return join(config->zygote_path, sizeof config->zygote_path, directory, "penny-zygote", err) != 0 ||
                   join(config->policy_dir, sizeof config->policy_dir, repository, "policies", err) != 0 ||
                   join(config->python_library, sizeof config->python_library, repository, "runtime/python", err) != 0 ||
                   join(config->python, sizeof config->python, repository, "build/venv/bin/python", err) != 0 ||
                   join(config->web_dir, sizeof config->web_dir, repository, "web/dist", err) != 0
               ? -1
               : 0;
}

/* Where the parts of an installation are. */
struct installation {
    char lib[PATH_MAX];       /* zygote, venv */
    char share[PATH_MAX];     /* Python modules, web page, the policies as they were shipped */
    char sysconfig[PATH_MAX]; /* policies, the operator's */
};

#ifdef PENNY_BINDIR
static bool find_compiled_in(const char *directory, struct installation *ret)
{
    size_t length = strlen(directory), tail = strlen(PENNY_BINDIR);
    int    root = (int)(length - tail), room = PATH_MAX;
    if (length < tail || strcmp(directory + root, PENNY_BINDIR) != 0)
        return false;
    return snprintf(ret->lib, PATH_MAX, "%.*s" PENNY_LIBDIR, root, directory) < room &&
           snprintf(ret->share, PATH_MAX, "%.*s" PENNY_DATADIR, root, directory) < room &&
           snprintf(ret->sysconfig, PATH_MAX, "%.*s" PENNY_CONFDIR, root, directory) < room;
}
#else
static bool find_compiled_in(const char *directory, struct installation *ret)
{
    (void)directory;
    (void)ret;
    return false;
}
#endif

static void find_around(const char *directory, struct installation *ret)
{
    char prefix[PATH_MAX];
    strcpy(prefix, directory);
    cut_last(prefix);
    if (strcmp(strrchr(directory, '/') + 1, "penny-sandbox") == 0)
        cut_last(prefix);
    (void)snprintf(ret->lib, PATH_MAX, "%.4000s/lib/penny-sandbox", prefix);
    (void)snprintf(ret->share, PATH_MAX, "%.4000s/share/penny-sandbox", prefix);
    (void)snprintf(ret->sysconfig, PATH_MAX, "%.4000s/etc/penny-sandbox", prefix);
}

/* `given`: the policy directory, where the operator has named one; else it becomes that of the installation, if there is one. */
static int fill_installed(struct config *config, const char *directory, char *given, size_t given_size, struct err *err)
{
    struct installation place;
    if (!find_compiled_in(directory, &place))
        find_around(directory, &place);
    if (exists(directory, "penny-zygote") && join(config->zygote_path, sizeof config->zygote_path, directory, "penny-zygote", err) != 0)
        return -1;
    if (*given == '\0' && exists(place.sysconfig, "policies") && join(given, given_size, place.sysconfig, "policies", err) != 0)
        return -1;
    return join(config->zygote_path, sizeof config->zygote_path, place.lib, "penny-zygote", err) != 0 ||
                   join(config->policy_dir, sizeof config->policy_dir, place.share, "policies", err) != 0 ||
                   join(config->python_library, sizeof config->python_library, place.share, "python", err) != 0 ||
                   join(config->python, sizeof config->python, place.lib, "venv/bin/python", err) != 0 ||
                   join(config->web_dir, sizeof config->web_dir, place.share, "web", err) != 0
               ? -1
               : 0;
}

/* A file that the given directory lacks is taken from the standard one, so that a directory may hold one changed file only. */
static int fill_policies(struct config *config, const char *given, struct err *err)
{
    struct {
        char       *field;
        const char *name;
    } files[] = {{config->imports_policy, "imports.json"},
                 {config->resources_policy, "resources.json"},
                 {config->filesystem_policy, "filesystem.json"},
                 {config->syscalls_policy, "syscalls.json"},
                 {config->packages_policy, "packages.json"}};
    if (*given != '\0' && !exists(given, "."))
        return err_errno(err, "policy directory %.150s", given);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const char *directory = *given != '\0' && exists(given, files[i].name) ? given : config->policy_dir;
        if (join(files[i].field, sizeof config->imports_policy, directory, files[i].name, err) != 0 ||
            make_absolute(files[i].field, sizeof config->imports_policy, err) != 0)
            return -1;
    }
    if (*given != '\0')
        strcpy(config->policy_dir, given);
    return 0;
}

int config_find_places(struct config *config, struct err *err)
{
    char    directory[PATH_MAX], repository[PATH_MAX], given[sizeof config->policy_dir];
    ssize_t n = readlink("/proc/self/exe", directory, sizeof directory - 1);

    if (n <= 0)
        return err_errno(err, "/proc/self/exe");
    directory[n] = '\0';
    cut_last(directory);
    if (make_absolute(config->policy_dir, sizeof config->policy_dir, err) != 0)
        return -1;
    strcpy(given, config->policy_dir);
    config->policy_dir[0] = '\0';
    if (find_repository(directory, repository) ? fill_source_tree(config, repository, directory, err) != 0
                                               : fill_installed(config, directory, given, sizeof given, err) != 0)
        return -1;
    if (make_absolute(config->state_dir, sizeof config->state_dir, err) != 0 ||
        make_absolute(config->package_dir, sizeof config->package_dir, err) != 0 ||
        make_absolute(config->python, sizeof config->python, err) != 0 ||
        make_absolute(config->python_library, sizeof config->python_library, err) != 0 ||
        make_absolute(config->zygote_path, sizeof config->zygote_path, err) != 0 ||
        make_absolute(config->web_dir, sizeof config->web_dir, err) != 0 ||
        make_absolute(config->keys_file, sizeof config->keys_file, err) != 0 ||
        make_absolute(config->audit_log, sizeof config->audit_log, err) != 0 ||
        make_absolute(config->tls_cert, sizeof config->tls_cert, err) != 0 ||
        make_absolute(config->tls_key, sizeof config->tls_key, err) != 0)
        return -1;
    return fill_policies(config, given, err);
}
