#define _GNU_SOURCE
#include "doctor_given.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor_finding.h"
#include "fdio.h"
#include "handover.h"
#include "http_tls.h"
#include "package_dir.h"
#include "state_dir.h"
#include "tenants.h"

enum { FILE_MOST = 1 << 20 };

static char *read_file(const char *path, size_t *ret_length, struct err *err)
{
    int   fd   = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    char *text = NULL;
    if (fd < 0)
        (void)err_errno(err, "cannot open %s", path);
    else
        text = handover_read(fd, FILE_MOST, ret_length, err);
    fdio_close(&fd);
    return text;
}

static void look_at_keys(const struct config *config, json_t *findings)
{
    struct err      err = {0}, why = {0};
    size_t          length  = 0;
    char           *text    = config->keys_file[0] != '\0' ? read_file(config->keys_file, &length, &err) : NULL;
    struct tenants *tenants = err.message[0] == '\0' ? tenants_new(config, &err) : NULL;

    if (tenants != NULL && text != NULL && tenants_load(tenants, text, length, &why) < 0)
        (void)err_set(&err, why.code, "%s: %s", config->keys_file, why.message);
    if (err.message[0] != '\0')
        doctor_find(findings, "keys", DOCTOR_FAILED, "correct it; penny-sandbox key NAME makes a line", "%s", err.message);
    else if (tenants_are_there(tenants))
        doctor_find(findings, "keys", DOCTOR_OK, NULL, "API keys of %zu names", tenants_count(tenants));
    free(text);
    tenants_free(tenants);
}

static void look_at_certificate(const struct config *config, json_t *findings)
{
    struct err       err         = {0};
    struct http_tls *tls         = NULL;
    size_t           cert_length = 0, key_length = 0;
    char            *cert, *key;

    if (config->tls_cert[0] == '\0')
        return;
    cert = read_file(config->tls_cert, &cert_length, &err);
    key  = cert != NULL ? read_file(config->tls_key, &key_length, &err) : NULL;
    if (key != NULL)
        tls = http_tls_new(cert, cert_length, key, key_length, &err);
    if (tls != NULL)
        doctor_find(findings, "certificate", DOCTOR_OK, NULL, "%s", config->tls_cert);
    else
        doctor_find(findings, "certificate", DOCTOR_FAILED, "PEM files that belong together: --tls-cert, --tls-key", "%s", err.message);
    if (key != NULL)
        explicit_bzero(key, key_length);
    http_tls_free(tls);
    free(cert);
    free(key);
}

/* What is not there would be made: whether that can be done; errno says why not. */
static bool may_make(const char *path)
{
    char  parent[PATH_MAX];
    char *slash;
    (void)snprintf(parent, sizeof parent, "%s", path);
    while ((slash = strrchr(parent, '/')) != NULL && slash > parent && slash[1] == '\0')
        *slash = '\0';
    if (slash != NULL)
        slash[slash == parent] = '\0';
    return access(slash != NULL ? parent : ".", W_OK | X_OK) == 0;
}

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0 || errno != ENOENT;
}

static void look_at_audit_log(const struct config *config, json_t *findings)
{
    const char *path = config->audit_log;
    if (*path == '\0')
        return;
    if (is_there(path) ? access(path, W_OK) == 0 : may_make(path))
        doctor_find(findings, "auditLog", DOCTOR_OK, NULL, "%s", path);
    else
        doctor_find(findings, "auditLog", DOCTOR_FAILED, "make its directory, or name another place: --audit-log", "%s: %s", path,
                    strerror(errno));
}

static void look_at_directory(const char *name, const char *option, const char *path, int (*look)(const char *path, struct err *err),
                              json_t *findings)
{
    struct err err = {0};
    char       advice[100];

    if (*path == '\0')
        return;
    (void)snprintf(advice, sizeof advice, "name one that is not there yet, in a place of yours: %s", option);
    if (is_there(path) ? look(path, &err) < 0 : !may_make(path) && err_errno(&err, "cannot make %s", path) < 0)
        doctor_find(findings, name, DOCTOR_FAILED, advice, "%s", err.message);
    else
        doctor_find(findings, name, DOCTOR_OK, NULL, "%s", path);
}

void doctor_given(const struct config *config, bool packages, json_t *findings)
{
    look_at_keys(config, findings);
    look_at_certificate(config, findings);
    look_at_audit_log(config, findings);
    look_at_directory("stateDirectory", "--state-dir", config->state_dir, state_dir_look, findings);
    if (packages)
        look_at_directory("packageDirectory", "--package-dir", config->package_dir, package_dir_look, findings);
}
