/* policies.h: the JSON files of the policy directory, or a user's minimal ones, read, checked and turned into plain numbers. */
#ifndef PENNY_POLICIES_H
#define PENNY_POLICIES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "checkpoint.h"
#include "config.h"
#include "err.h"
#include "file_rules.h"
#include "policy.h"
#include "policy_network.h"
#include "policy_packages.h"

/* Of the server process. A session has six, an execution with files and watchers more for a while; an idle one needs three (fold.h). */
enum { DESCRIPTORS_OF_SERVICE = 4096, DESCRIPTORS_PER_SESSION = 8, DESCRIPTORS_PER_IDLE_SESSION = 3 };
/* A room: so many of them, or an eighth of what may be open. Two of them no new session gets: who is connected can still end sessions, and run. */
enum { DESCRIPTORS_FOR_CONNECTIONS = 1024 };

struct policies {
    /* resources.json */
    uint64_t memory_per_session_bytes, memory_per_execution_bytes;
    uint32_t cpu_percent;             /* cpu.maxCpuPercentage, of one core */
    uint32_t execution_time_ms;       /* cpu.maxExecutionTime: default timeout */
    uint32_t execution_time_limit_ms; /* + cpu.maxExecutionTimeLimit: the longest a caller may ask for (default 300000) */
    uint32_t interrupt_grace_ms;      /* + cpu.interruptGrace: from SIGINT to SIGKILL (default 1000) */
    uint32_t concurrent_executions;
    uint64_t file_bytes, storage_bytes;
    uint64_t temporary_bytes; /* filesystem.json permissions./tmp.maxSize: size of /tmp */
    uint32_t files;
    uint64_t output_bytes; /* execution.maxOutputSize */
    uint32_t variables;
    uint64_t variable_bytes;
    uint32_t plots;
    uint64_t plot_bytes;
    uint32_t code_chars;            /* + execution.maxCodeLength (default 1000000) */
    uint32_t processes, open_files; /* + process.maxProcesses, process.maxOpenFiles */
    uint32_t forks;                 /* + process.maxForks: copies of a session that one request may ask for, or candidates of a race */
    uint32_t family;                /* + process.maxFamily: a session and its forks that live in one jail */
    uint32_t uid_base, uid_count;   /* + process.uidBase, process.uidCount: host uids of sessions, when started as root */
    uint64_t archive_bytes;         /* + transfer.maxArchiveSize: of a session that is exported or imported */
    /* cleanup */
    uint32_t session_timeout_ms, cleanup_interval_ms, hibernate_after_ms;
    /* + checkpoints */
    enum checkpoint_mode checkpoint_mode; /* checkpoints.default, of sessions that choose none */
    uint32_t             checkpoints;     /* checkpoints.maxPerSession, named ones */
    /* filesystem.json quotas */
    uint32_t               concurrent_sessions;
    uint32_t               directories;
    struct file_rules      file_rules; /* names of files */
    json_t                *imports;    /* imports.json as read, owned */
    json_t                *syscalls;   /* syscalls.json as read, owned */
    struct policy_network  network;    /* of resources.json */
    struct policy_packages packages;   /* packages.json */
};

/* Loads the five files (config says where), refusing a wrong one with "file:line: reason"; config's overrides are applied. Returns 0 or -1. */
int  policies_load(struct policies *policies, const struct config *config, struct err *err);
void policies_done(struct policies *policies);
/* Fills the struct the zygote gets. Returns 0 or -1. */
int policies_to_policy(const struct policies *policies, const struct config *config, struct policy *ret_policy, struct err *err);

#endif
