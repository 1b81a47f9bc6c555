/* config.h: the options of the server: one table of names, environment variables, defaults and help (config.c). */
#ifndef PENNY_CONFIG_H
#define PENNY_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

enum { CONFIG_LISTEN_MAX = 8, CONFIG_HOSTS_MAX = 16 };

struct config_address {
    char     host[64];
    uint16_t port;
};

struct config {
    struct config_address listen[CONFIG_LISTEN_MAX]; /* SANDBOX_HOST + SANDBOX_PORT, or SANDBOX_LISTEN "host:port,host:port" */
    size_t                listen_count;
    char                  allowed_hosts[CONFIG_HOSTS_MAX]
                      [128]; /* Host header names accepted beside loopback and the bound addresses (SANDBOX_ALLOWED_HOSTS) */
    size_t   allowed_host_count;
    char     cors_origins[CONFIG_HOSTS_MAX][128]; /* SANDBOX_CORS_ORIGINS and FRONTEND_URL; empty: same origin only */
    size_t   cors_origin_count;
    char     policy_dir[256]; /* SANDBOX_POLICY_DIR; each file can be named alone by IMPORTS_POLICY_FILE etc. */
    char     imports_policy[256], resources_policy[256], filesystem_policy[256], syscalls_policy[256], packages_policy[256];
    char     state_dir[256];         /* SANDBOX_STATE_DIR; "" picks one and removes it at the end */
    char     package_dir[256];       /* SANDBOX_PACKAGE_DIR: what was installed; "" picks one and removes it at the end */
    bool     package_install;        /* ENABLE_PACKAGE_INSTALL: off over the policy */
    char     zygote_path[256];       /* beside our own executable */
    char     python[256];            /* SANDBOX_PYTHON: the virtual environment's interpreter */
    char     python_library[256];    /* runtime/python */
    char     web_dir[256];           /* built web page, may not exist */
    char     user[64];               /* SANDBOX_USER: whom the server process becomes when started as root; default "nobody" */
    char     log_level[16];          /* LOG_LEVEL: debug info warn error */
    char     log_format[8];          /* LOG_FORMAT: text json */
    uint32_t pool_size;              /* SANDBOX_POOL_SIZE: warm sessions kept ready; 0: every session is cold */
    uint32_t max_sessions;           /* MAX_CONCURRENT_SESSIONS over the policy's */
    uint32_t max_queue;              /* waiting executions per session */
    uint32_t max_executions;         /* MAX_CONCURRENT_EXECUTIONS; 0: the policy's */
    uint64_t max_memory_per_session; /* MAX_MEMORY_PER_SESSION; 0: the policy's */
    uint32_t max_cpu_percent;        /* MAX_CPU_PERCENTAGE of one core; 0: the policy's */
    uint32_t max_execution_time_ms;  /* MAX_EXECUTION_TIME; 0: the policy's */
    uint32_t session_timeout_ms;     /* SESSION_TIMEOUT; 0: the policy's */
    uint32_t cleanup_interval_ms;    /* CLEANUP_INTERVAL; 0: the policy's */
    uint32_t drain_ms;               /* how long SIGTERM waits for running executions */
    uint32_t head_timeout_ms;        /* SANDBOX_HEAD_TIMEOUT: a request's head, and each 64 KiB of its body, must come within this */
    uint32_t idle_timeout_ms;        /* SANDBOX_IDLE_TIMEOUT: how long a connection is kept between requests */
    uint32_t write_timeout_ms;       /* SANDBOX_WRITE_TIMEOUT: a reader that takes nothing for this long is dropped */
    uint32_t max_connections;        /* SANDBOX_MAX_CONNECTIONS: open at once */
    uint32_t rate_limit;             /* RATE_LIMIT_MAX requests per RATE_LIMIT_WINDOW per peer; 0: none (default) */
    uint32_t rate_window_ms;
    uint8_t  require_isolation;     /* enum isolation_level: --require-isolation none|process|namespace|full */
    bool     allow_user_namespaces; /* SANDBOX_USER_NAMESPACES=off for hosts and tests without */
    char     profile[16];           /* SANDBOX_PROFILE: default import profile, "standard" | "open" */
    char     profiles[24];          /* SANDBOX_PROFILES: what a caller may choose, "standard,open" */
    char     keys_file[256];        /* SANDBOX_KEYS_FILE: API keys, hashed (tenants.h) */
    char     api_keys[2048];        /* SANDBOX_API_KEYS: "name:key,name:key", only from the environment */
    bool     allow_anonymous;       /* SANDBOX_ALLOW_ANONYMOUS: other addresses than loopback are served without keys */
    uint32_t key_sessions, key_executions, key_cpu_s, key_requests; /* quotas of a key that has none of its own; 0: no limit */
    char     audit_log[256];                                        /* SANDBOX_AUDIT_LOG; "": none */
    bool     audit_code;                                            /* SANDBOX_AUDIT_CODE: with the code */
    char     tls_cert[256], tls_key[256];                           /* PEM; "": plain HTTP */
    /* what the adapters of other systems read from their own variables: seconds and MB there; 0: as for everyone */
    uint32_t flask_timeout_s, secure_timeout_s, secure_memory_mb;
    uint32_t instance; /* SANDBOX_INSTANCE: its number + 1; 0: there is only this one */
    bool     noauth;   /* SANDBOX_NOAUTH: /api/noauth and /api/test answer, to everyone who reaches the service */
};

/* Fills *config from defaults, then the environment, then argv. Returns 0; 1 when --help or --version was printed; -1 with err. */
int config_load(struct config *config, int argc, char **argv, struct err *err);

#endif
