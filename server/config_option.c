/* config_option.c: every setting in one table: flag, environment variable, default, help, and what a value may be. */
#include "config_option.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "policy.h"

static void *field_of(struct config *config, const struct config_option *option)
{
    return (char *)config + option->offset;
}

static int read_text(struct config *config, const struct config_option *option, const char *text)
{
    if (strlen(text) >= option->size)
        return -1;
    memset(field_of(config, option), 0, option->size);
    strcpy(field_of(config, option), text);
    return 0;
}

static int choice_index(const char *choices, const char *text)
{
    size_t length = strlen(text);
    for (int i = 0; length > 0; i++) {
        const char *end = strchrnul(choices, '|');
        if ((size_t)(end - choices) == length && strncasecmp(choices, text, length) == 0)
            return i;
        if (*end == '\0')
            break;
        choices = end + 1;
    }
    return -1;
}

static int read_choice(struct config *config, const struct config_option *option, const char *text)
{
    char *field = field_of(config, option);
    if (choice_index(option->choices, text) < 0 || strlen(text) >= option->size)
        return -1;
    for (; *text != '\0'; text++)
        *field++ = (char)tolower((unsigned char)*text);
    *field = '\0';
    return 0;
}

static int read_isolation(struct config *config, const struct config_option *option, const char *text)
{
    int level = choice_index(option->choices, text);
    if (level < 0)
        return -1;
    config->require_isolation = (uint8_t)level;
    return 0;
}

static int read_bool(struct config *config, const struct config_option *option, const char *text)
{
    int index = choice_index("on|true|yes|1|off|false|no|0", text);
    if (index < 0)
        return -1;
    *(bool *)field_of(config, option) = index < 4;
    return 0;
}

/* A whole number, perhaps with one of `units` ("" first) behind it, each worth its factor. */
static int read_scaled(const char *text, const char *const *units, const uint64_t *factors, uint64_t *ret)
{
    char              *end;
    unsigned long long value;

    if (!isdigit((unsigned char)*text))
        return -1;
    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno != 0)
        return -1;
    while (*end == ' ')
        end++;
    for (size_t i = 0; units[i] != NULL; i++) {
        if (strcasecmp(end, units[i]) == 0)
            return __builtin_mul_overflow(value, factors[i], ret) ? -1 : 0;
    }
    return -1;
}

static int store_number(struct config *config, const struct config_option *option, uint64_t value)
{
    if (value < option->min || value > option->max)
        return -1;
    if (option->size == sizeof(uint32_t)) {
        uint32_t narrow = (uint32_t)value;
        memcpy(field_of(config, option), &narrow, sizeof narrow);
    } else {
        memcpy(field_of(config, option), &value, sizeof value);
    }
    return 0;
}

static int read_number(struct config *config, const struct config_option *option, const char *text)
{
    static const char *const units[]   = {"", NULL};
    static const uint64_t    factors[] = {1};
    uint64_t                 value;
    return read_scaled(text, units, factors, &value) == 0 ? store_number(config, option, value) : -1;
}

static int read_time(struct config *config, const struct config_option *option, const char *text)
{
    static const char *const units[]   = {"", "ms", "s", "m", "min", "h", NULL};
    static const uint64_t    factors[] = {1, 1, 1000, 60000, 60000, 3600000};
    uint64_t                 value;
    return read_scaled(text, units, factors, &value) == 0 ? store_number(config, option, value) : -1;
}

static int read_bytes(struct config *config, const struct config_option *option, const char *text)
{
    static const char *const units[]   = {"", "b", "k", "kb", "ki", "kib", "m", "mb", "mi", "mib", "g", "gb", "gi", "gib", NULL};
    static const uint64_t    factors[] = {1,       1,       1 << 10, 1 << 10, 1 << 10, 1 << 10, 1 << 20,
                                          1 << 20, 1 << 20, 1 << 20, 1 << 30, 1 << 30, 1 << 30, 1 << 30};
    uint64_t                 value;
    return read_scaled(text, units, factors, &value) == 0 ? store_number(config, option, value) : -1;
}

/* The number with which it ends: a pod's name does. */
static int read_instance(struct config *config, const struct config_option *option, const char *text)
{
    const char *digits = text + strlen(text);
    while (digits > text && isdigit((unsigned char)digits[-1]))
        digits--;
    if (*text == '\0') {
        config->instance = 0;
        return 0;
    }
    if (read_number(config, option, digits) < 0)
        return -1;
    config->instance++;
    return 0;
}

/* Calls `add` for each comma-separated item, spaces around it removed; empty items are skipped. */
static int each_item(struct config *config, const char *text, int (*add)(struct config *config, const char *item))
{
    while (*text != '\0') {
        char        item[160];
        const char *end    = strchrnul(text, ',');
        size_t      length = (size_t)(end - text);
        while (length > 0 && isspace((unsigned char)*text)) {
            text++;
            length--;
        }
        while (length > 0 && isspace((unsigned char)text[length - 1]))
            length--;
        if (length >= sizeof item)
            return -1;
        memcpy(item, text, length);
        item[length] = '\0';
        if (length > 0 && add(config, item) != 0)
            return -1;
        text = *end == ',' ? end + 1 : end;
    }
    return 0;
}

static int add_host(struct config *config, const char *item)
{
    char *place;
    if (config->allowed_host_count == CONFIG_HOSTS_MAX || strlen(item) >= sizeof config->allowed_hosts[0] || strpbrk(item, " /\\@") != NULL)
        return -1;
    place = config->allowed_hosts[config->allowed_host_count++];
    for (; *item != '\0'; item++)
        *place++ = (char)tolower((unsigned char)*item);
    *place = '\0';
    return 0;
}

static int read_hosts(struct config *config, const struct config_option *option, const char *text)
{
    (void)option;
    config->allowed_host_count = 0;
    return each_item(config, text, add_host);
}

static int add_profile(struct config *config, const char *item)
{
    size_t used = strlen(config->profiles);
    if (choice_index("standard|open", item) < 0 || used + strlen(item) + 2 > sizeof config->profiles)
        return -1;
    if (used > 0)
        config->profiles[used++] = ',';
    for (; *item != '\0'; item++)
        config->profiles[used++] = (char)tolower((unsigned char)*item);
    config->profiles[used] = '\0';
    return 0;
}

static int read_profiles(struct config *config, const struct config_option *option, const char *text)
{
    (void)option;
    memset(config->profiles, 0, sizeof config->profiles);
    return each_item(config, text, add_profile) == 0 && config->profiles[0] != '\0' ? 0 : -1;
}

static int add_origin(struct config *config, const char *item)
{
    size_t length = strlen(item);
    char  *place;
    if (strcmp(item, "*") != 0 && strncasecmp(item, "http://", 7) != 0 && strncasecmp(item, "https://", 8) != 0)
        return -1;
    while (length > 0 && item[length - 1] == '/')
        length--;
    if (config->cors_origin_count == CONFIG_HOSTS_MAX || length >= sizeof config->cors_origins[0] || strpbrk(item, " \\@\"") != NULL)
        return -1;
    place = config->cors_origins[config->cors_origin_count++];
    for (size_t i = 0; i < length; i++)
        place[i] = (char)tolower((unsigned char)item[i]);
    place[length] = '\0';
    return 0;
}

/* Two settings add to one list. */
static int read_origins(struct config *config, const struct config_option *option, const char *text)
{
    (void)option;
    return each_item(config, text, add_origin);
}

#define FIELD(name)  offsetof(struct config, name), sizeof(((struct config *)0)->name)
#define ANY          0, UINT32_MAX, NULL
#define PATH_ACCEPTS "a path of at most 255 characters"
#define TIME_ACCEPTS "milliseconds, or a number with s, m or h"

const struct config_option CONFIG_OPTIONS[] = {
    {"host", "SANDBOX_HOST", "127.0.0.1", "address to listen on", "an IP address or a host name", NULL, 0, 0, ANY},
    {"port", "SANDBOX_PORT", "3003", "port to listen on; 0 picks a free one", "a number from 0 to 65535", NULL, 0, 0, ANY},
    {"listen", "SANDBOX_LISTEN", "", "several addresses, instead of host and port: 127.0.0.1:3003,[::1]:3003",
     "up to 8 of host:port, [ipv6]:port or port, separated by commas", config_read_listen, 0, 0, ANY},
    {"allowed-hosts", "SANDBOX_ALLOWED_HOSTS", "",
     "names accepted in the Host header beside loopback and the bound addresses; .example.org "
     "takes all names below it, * takes any",
     "up to 16 host names, separated by commas", read_hosts, 0, 0, ANY},
    {"cors-origins", "SANDBOX_CORS_ORIGINS", "", "origins whose pages may call the API; the server's own origin always may",
     "up to 16 of http(s)://host[:port] or *, separated by commas", read_origins, 0, 0, ANY},
    {"frontend-url", "FRONTEND_URL", "", "one more such origin", "http(s)://host[:port]", read_origins, 0, 0, ANY},
    {"rate-limit", "RATE_LIMIT_MAX", "0", "requests per window and client address; 0: no limit", "a number from 0 to 1000000000",
     read_number, FIELD(rate_limit), 0, 1000000000, NULL},
    {"rate-window", "RATE_LIMIT_WINDOW", "60000", "the window of the rate limit", TIME_ACCEPTS ", 1 s to 24 h", read_time,
     FIELD(rate_window_ms), 1000, 86400000, NULL},
    {"policy-dir", "SANDBOX_POLICY_DIR", NULL,
     "where the policy files (imports.json, ...) are; one that is missing there is taken from the default place", PATH_ACCEPTS, read_text,
     FIELD(policy_dir), ANY},
    {"imports-policy", "IMPORTS_POLICY_FILE", NULL, "this file instead of imports.json", PATH_ACCEPTS, read_text, FIELD(imports_policy),
     ANY},
    {"resources-policy", "RESOURCES_POLICY_FILE", NULL, "this file instead of resources.json", PATH_ACCEPTS, read_text,
     FIELD(resources_policy), ANY},
    {"filesystem-policy", "FILESYSTEM_POLICY_FILE", NULL, "this file instead of filesystem.json", PATH_ACCEPTS, read_text,
     FIELD(filesystem_policy), ANY},
    {"syscalls-policy", "SYSCALLS_POLICY_FILE", NULL, "this file instead of syscalls.json", PATH_ACCEPTS, read_text, FIELD(syscalls_policy),
     ANY},
    {"packages-policy", "PACKAGES_POLICY_FILE", NULL, "this file instead of packages.json", PATH_ACCEPTS, read_text, FIELD(packages_policy),
     ANY},
    {"package-install", "ENABLE_PACKAGE_INSTALL", "on", "off: nothing is installed, whatever packages.json says", "on or off", read_bool,
     FIELD(package_install), 0, 0, NULL},
    {"package-dir", "SANDBOX_PACKAGE_DIR", "",
     "directory for installed packages, shared by all sessions and used by this service alone; empty: a temporary one, removed at the end",
     PATH_ACCEPTS, read_text, FIELD(package_dir), ANY},
    {"profile", "SANDBOX_PROFILE", "standard",
     "import profile of sessions that name none: standard (imports.json holds) or open (no filter)", "standard or open", read_choice,
     FIELD(profile), 0, 0, "standard|open"},
    {"profiles", "SANDBOX_PROFILES", "standard,open", "import profiles that callers may choose for their sessions",
     "standard, open, or both with a comma between", read_profiles, FIELD(profiles), ANY},
    {"keys-file", "SANDBOX_KEYS_FILE", "",
     "API keys, hashed, one to a line; penny-sandbox key NAME makes one and says what its line can have; read again on SIGHUP",
     PATH_ACCEPTS, read_text, FIELD(keys_file), ANY},
    {NULL, "SANDBOX_API_KEYS", "", "API keys in plain text, for few of them",
     "NAME:KEY with commas between, each key of 16 or more characters", read_text, FIELD(api_keys), ANY},
    {"allow-anonymous", "SANDBOX_ALLOW_ANONYMOUS", "off", "on: without API keys, too, listen on addresses that others can reach",
     "on or off", read_bool, FIELD(allow_anonymous), 0, 0, NULL},
    {"key-sessions", "SANDBOX_KEY_SESSIONS", "0",
     "sessions alive at once per key; 0: no limit (a key's line in the file can say otherwise)", "a number from 0 to 1000000", read_number,
     FIELD(key_sessions), 0, 1000000, NULL},
    {"key-executions", "SANDBOX_KEY_EXECUTIONS", "0", "executions running at once per key; 0: no limit", "a number from 0 to 1000000",
     read_number, FIELD(key_executions), 0, 1000000, NULL},
    {"key-cpu", "SANDBOX_KEY_CPU", "0", "processor seconds a minute per key; 0: no limit", "a number from 0 to 1000000", read_number,
     FIELD(key_cpu_s), 0, 1000000, NULL},
    {"key-requests", "SANDBOX_KEY_REQUESTS", "0", "requests a minute per key; 0: no limit", "a number from 0 to 1000000000", read_number,
     FIELD(key_requests), 0, 1000000000, NULL},
    {"audit-log", "SANDBOX_AUDIT_LOG", "",
     "file for one JSON line per execution and per operation on sessions, files and packages; opened anew on SIGHUP", PATH_ACCEPTS,
     read_text, FIELD(audit_log), ANY},
    {"audit-code", "SANDBOX_AUDIT_CODE", "off", "on: the audit log has the code itself, not only its SHA-256", "on or off", read_bool,
     FIELD(audit_code), 0, 0, NULL},
    {"tls-cert", "SANDBOX_TLS_CERT", "", "serve HTTPS with this certificate (PEM, the chain behind it); read again on SIGHUP", PATH_ACCEPTS,
     read_text, FIELD(tls_cert), ANY},
    {"tls-key", "SANDBOX_TLS_KEY", "", "the certificate's private key (PEM)", PATH_ACCEPTS, read_text, FIELD(tls_key), ANY},
    {"require-isolation", "SANDBOX_REQUIRE_ISOLATION", "none", "refuse to start where sessions would be jailed less than this",
     "none, process, namespace or full", read_isolation, FIELD(require_isolation), 0, 0, "none|process|namespace|full"},
    {"user-namespaces", "SANDBOX_USER_NAMESPACES", "on", "off: do as on a host that forbids them", "on or off", read_bool,
     FIELD(allow_user_namespaces), 0, 0, NULL},
    {"user", "SANDBOX_USER", "nobody", "whom the server process becomes when started as root", "a user name of at most 63 characters",
     read_text, FIELD(user), ANY},
    {"pool-size", "SANDBOX_POOL_SIZE", NULL, "warm sessions kept ready; 0: every session starts cold (default: 8 per core, 4 to 64)",
     "a number from 0 to 4096", read_number, FIELD(pool_size), 0, 4096, NULL},
    {"instance", "SANDBOX_INSTANCE", "",
     "which of several instances this is: ids carry the number, by which a proxy routes (deploy/CLUSTER.md); empty: there is one",
     "a number from 0 to 9999, or a name that ends in one, such as a pod's", read_instance, FIELD(instance), 0, 9999, NULL},
    {"max-sessions", "MAX_CONCURRENT_SESSIONS", "0", "sessions alive at once; 0: as filesystem.json says", "a number from 0 to 1000000",
     read_number, FIELD(max_sessions), 0, 1000000, NULL},
    {"max-executions", "MAX_CONCURRENT_EXECUTIONS", "0", "executions running at once; 0: as resources.json says",
     "a number from 0 to 1000000", read_number, FIELD(max_executions), 0, 1000000, NULL},
    {"max-queue", "SANDBOX_MAX_QUEUE", "64", "executions waiting in one session", "a number from 0 to 100000", read_number,
     FIELD(max_queue), 0, 100000, NULL},
    {"max-memory", "MAX_MEMORY_PER_SESSION", "0", "memory of one session; 0: as resources.json says",
     "bytes, or a number with K, M or G; 0 or at least 16M", read_bytes, FIELD(max_memory_per_session), 0, (uint64_t)1 << 46, NULL},
    {"max-cpu", "MAX_CPU_PERCENTAGE", "0", "per cent of one core for one session; 0: as resources.json says", "a number from 0 to 100000",
     read_number, FIELD(max_cpu_percent), 0, 100000, NULL},
    {"max-execution-time", "MAX_EXECUTION_TIME", "0", "timeout of an execution that names none; 0: as resources.json says",
     TIME_ACCEPTS ", at most 24 h", read_time, FIELD(max_execution_time_ms), 0, 86400000, NULL},
    {"flask-timeout", "EXECUTION_TIMEOUT", "0", "timeout of POST /api/execute, in seconds; 0: as max-execution-time",
     "a number from 0 to 86400", read_number, FIELD(flask_timeout_s), 0, 86400, NULL},
    {"secure-timeout", "SANDBOX_TIMEOUT", "0", "timeout of POST /execute when it names none, in seconds; 0: as max-execution-time",
     "a number from 0 to 86400", read_number, FIELD(secure_timeout_s), 0, 86400, NULL},
    {"secure-memory", "SANDBOX_MAX_MEMORY_MB", "0", "memory of POST /execute, in MB; 0: as max-memory", "a number, 0 or 16 to 1048576",
     read_number, FIELD(secure_memory_mb), 0, 1048576, NULL},
    {"noauth", "SANDBOX_NOAUTH", "off", "answer on /api/noauth and /api/test, which need no API key", "on or off", read_bool, FIELD(noauth),
     0, 0, NULL},
    {"session-timeout", "SESSION_TIMEOUT", "0", "how long a session may be idle; 0: as resources.json says",
     TIME_ACCEPTS ", at most 40 days", read_time, FIELD(session_timeout_ms), 0, 3456000000, NULL},
    {"cleanup-interval", "CLEANUP_INTERVAL", "0", "how often idle sessions are looked for; 0: as resources.json says",
     TIME_ACCEPTS ", at most 24 h", read_time, FIELD(cleanup_interval_ms), 0, 86400000, NULL},
    {"drain", "SANDBOX_DRAIN", "10000", "how long a stop waits for running executions", TIME_ACCEPTS ", at most 1 h", read_time,
     FIELD(drain_ms), 0, 3600000, NULL},
    {"head-timeout", "SANDBOX_HEAD_TIMEOUT", "10000", "within this a request's head, and each 64 KiB of its body, must have come",
     TIME_ACCEPTS ", 100 ms to 1 h", read_time, FIELD(head_timeout_ms), 100, 3600000, NULL},
    {"idle-timeout", "SANDBOX_IDLE_TIMEOUT", "72000", "how long a connection is kept between requests", TIME_ACCEPTS ", 100 ms to 24 h",
     read_time, FIELD(idle_timeout_ms), 100, 86400000, NULL},
    {"write-timeout", "SANDBOX_WRITE_TIMEOUT", "30000", "a reader that takes nothing for this long is dropped",
     TIME_ACCEPTS ", 100 ms to 1 h", read_time, FIELD(write_timeout_ms), 100, 3600000, NULL},
    {"max-connections", "SANDBOX_MAX_CONNECTIONS", "10000", "connections open at once; more are answered 503", "a number from 1 to 1000000",
     read_number, FIELD(max_connections), 1, 1000000, NULL},
    {"state-dir", "SANDBOX_STATE_DIR", "", "directory for the sessions' files; empty: a temporary one, removed at the end", PATH_ACCEPTS,
     read_text, FIELD(state_dir), ANY},
    {"python", "SANDBOX_PYTHON", NULL, "interpreter of the virtual environment whose packages sessions get", PATH_ACCEPTS, read_text,
     FIELD(python), ANY},
    {"python-library", "SANDBOX_PYTHON_LIBRARY", NULL, "directory of the runtime's own Python modules", PATH_ACCEPTS, read_text,
     FIELD(python_library), ANY},
    {"zygote", "SANDBOX_ZYGOTE", NULL, "the penny-zygote program", PATH_ACCEPTS, read_text, FIELD(zygote_path), ANY},
    {"web-dir", "SANDBOX_WEB_DIR", NULL, "the built web page", PATH_ACCEPTS, read_text, FIELD(web_dir), ANY},
    {"log-level", "LOG_LEVEL", "info", "what is worth a line on standard error", "debug, info, warn or error", read_choice,
     FIELD(log_level), 0, 0, "debug|info|warn|error"},
    {"log-format", "LOG_FORMAT", "text", "how such a line looks", "text or json", read_choice, FIELD(log_format), 0, 0, "text|json"},
};

const size_t CONFIG_OPTION_COUNT = sizeof CONFIG_OPTIONS / sizeof CONFIG_OPTIONS[0];
