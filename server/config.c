/* config.c: defaults, then the environment, then the command line; one table (config_option.c) knows every name. */
#include "config.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_help.h"
#include "config_option.h"
#include "version.h"

enum { VALUE_MAX = 2048 };

/* What was said for host, port and listen; the addresses are made when all sources have been read. */
struct spoken {
    char host[VALUE_MAX], port[VALUE_MAX];
    bool listen_given, address_given; /* at the present level: the command line's host and port win over the environment's listen */
};

static int set_option(struct config *config, struct spoken *spoken, const struct config_option *option, const char *text)
{
    if (option->read == NULL) {
        char *place = strcmp(option->env, "SANDBOX_HOST") == 0 ? spoken->host : spoken->port;
        if (strlen(text) >= VALUE_MAX)
            return -1;
        strcpy(place, text);
        spoken->address_given = true;
        return 0;
    }
    if (option->read == config_read_listen)
        spoken->listen_given = *text != '\0';
    return option->read(config, option, text);
}

/* Removes what .env files leave in a value: spaces around it, a comment behind it, quotes. Returns false when it is too long. */
static bool clean_value(const char *text, char ret_value[VALUE_MAX])
{
    size_t length = 0;
    while (isspace((unsigned char)*text))
        text++;
    if (*text == '"' || *text == '\'') {
        const char *end = strchr(text + 1, *text);
        if (end != NULL && (end[1 + strspn(end + 1, " \t")] == '\0' || end[1 + strspn(end + 1, " \t")] == '#')) {
            length = (size_t)(end - text) - 1;
            if (length < VALUE_MAX)
                memcpy(ret_value, text + 1, length);
            goto done;
        }
    }
    for (; length < VALUE_MAX && text[length] != '\0'; length++) {
        if (text[length] == '#' && (length == 0 || isspace((unsigned char)text[length - 1])))
            break;
        ret_value[length] = text[length];
    }
    while (length > 0 && length < VALUE_MAX && isspace((unsigned char)ret_value[length - 1]))
        length--;
done:
    if (length >= VALUE_MAX)
        return false;
    ret_value[length] = '\0';
    return true;
}

static int load_environment(struct config *config, struct spoken *spoken, struct err *err)
{
    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
        const struct config_option *option = &CONFIG_OPTIONS[i];
        const char                 *text   = option->env != NULL ? getenv(option->env) : NULL;
        char                        value[VALUE_MAX];
        if (text == NULL)
            continue;
        if (!clean_value(text, value))
            return err_set(err, 0, "%s: too long; accepted: %s", option->env, option->accepts);
        if (*value != '\0' && set_option(config, spoken, option, value) != 0)
            return err_set(err, 0, "%s: \"%.60s\" is not accepted; accepted: %s", option->env, value, option->accepts);
    }
    return 0;
}

static const struct config_option *find_flag(const char *name, size_t length)
{
    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
        if (CONFIG_OPTIONS[i].flag != NULL && strlen(CONFIG_OPTIONS[i].flag) == length &&
            strncmp(CONFIG_OPTIONS[i].flag, name, length) == 0)
            return &CONFIG_OPTIONS[i];
    }
    return NULL;
}

/* One argument. Returns how many of argv it took, 0 when it was --help or --version, or -1. */
static int load_argument(struct config *config, struct spoken *spoken, char **argv, int left, struct err *err)
{
    const struct config_option *option;
    const char                 *name = argv[0], *equals, *value;
    size_t                      length;

    if (strcmp(name, "-h") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "--help=json") == 0 || strcmp(name, "--version") == 0)
        return 0;
    if (strncmp(name, "--", 2) != 0)
        return err_set(err, 0, "\"%.80s\" is not an option; see --help", name);
    name += 2;
    equals = strchr(name, '=');
    length = equals != NULL ? (size_t)(equals - name) : strlen(name);
    option = find_flag(name, length);
    if (option == NULL)
        return err_set(err, 0, "there is no option --%.*s; see --help", (int)(length < 80 ? length : 80), name);
    if (equals == NULL && left < 2)
        return err_set(err, 0, "--%s: a value is missing; accepted: %s", option->flag, option->accepts);
    value = equals != NULL ? equals + 1 : argv[1];
    if (set_option(config, spoken, option, value) != 0)
        return err_set(err, 0, "--%s: \"%.60s\" is not accepted; accepted: %s", option->flag, value, option->accepts);
    return equals != NULL ? 1 : 2;
}

static int load_arguments(struct config *config, struct spoken *spoken, int argc, char **argv, struct err *err)
{
    for (int i = 1; i < argc;) {
        int taken = load_argument(config, spoken, argv + i, argc - i, err);
        if (taken < 0)
            return -1;
        if (taken == 0) {
            if (strcmp(argv[i], "--version") == 0)
                printf("penny-sandbox %s\n", PENNY_VERSION);
            else if (strcmp(argv[i], "--help=json") == 0)
                config_help_json();
            else
                config_help();
            return 1;
        }
        i += taken;
    }
    return 0;
}

static int load_defaults(struct config *config, struct spoken *spoken, struct err *err)
{
    long     cores = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t pool  = (uint32_t)(cores < 1 ? 1 : cores) * 8;

    config->pool_size = pool < 4 ? 4 : pool > 64 ? 64 : pool;
    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
        const struct config_option *option = &CONFIG_OPTIONS[i];
        if (option->standard != NULL && set_option(config, spoken, option, option->standard) != 0)
            return err_set(err, 0, "%s: the default \"%s\" is not accepted", option->env, option->standard);
    }
    spoken->listen_given = spoken->address_given = false;
    return 0;
}

/* The addresses out of what was said last: a later source's host or port wins over an earlier source's list. */
static int settle_listen(struct config *config, const struct spoken *spoken, bool list_wins, struct err *err)
{
    char text[2 * VALUE_MAX + 8];
    bool wide = strchr(spoken->host, ':') != NULL && spoken->host[0] != '[';

    if (list_wins)
        return 0;
    snprintf(text, sizeof text, wide ? "[%s]:%s" : "%s:%s", spoken->host, spoken->port);
    if (strchr(spoken->host, ',') != NULL || strchr(spoken->port, ',') != NULL || config_read_listen(config, NULL, text) != 0)
        return err_set(err, 0,
                       "SANDBOX_HOST \"%.60s\" with SANDBOX_PORT \"%.20s\" is not accepted; accepted: a host name or IP address, and a "
                       "port from 0 to 65535",
                       spoken->host, spoken->port);
    return 0;
}

static int check_together(const struct config *config, struct err *err)
{
    if (config->max_memory_per_session != 0 && config->max_memory_per_session < (16u << 20))
        return err_set(err, 0, "MAX_MEMORY_PER_SESSION: %llu bytes are too few for Python; accepted: 0 or at least 16M",
                       (unsigned long long)config->max_memory_per_session);
    if ((config->tls_cert[0] != '\0') != (config->tls_key[0] != '\0'))
        return err_set(err, 0, "SANDBOX_TLS_CERT and SANDBOX_TLS_KEY: one is of no use without the other");
    if (strstr(config->profiles, config->profile) == NULL)
        return err_set(err, 0, "SANDBOX_PROFILE: %s is not one of SANDBOX_PROFILES (%s)", config->profile, config->profiles);
    return 0;
}

int config_load(struct config *config, int argc, char **argv, struct err *err)
{
    struct spoken spoken = {0};
    bool          list_wins;
    int           result;

    memset(config, 0, sizeof *config);
    if (load_defaults(config, &spoken, err) != 0 || load_environment(config, &spoken, err) != 0)
        return -1;
    list_wins           = spoken.listen_given;
    spoken.listen_given = spoken.address_given = false;
    result                                     = load_arguments(config, &spoken, argc, argv, err);
    if (result != 0)
        return result;
    if (spoken.listen_given || spoken.address_given)
        list_wins = spoken.listen_given;
    if (settle_listen(config, &spoken, list_wins, err) != 0 || check_together(config, err) != 0)
        return -1;
    return config_find_places(config, err);
}
