#include "command_doctor.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "doctor_capacity.h"
#include "doctor_finding.h"
#include "doctor_given.h"
#include "doctor_host.h"
#include "doctor_probe.h"
#include "log.h"
#include "policies.h"
#include "version.h"

static const char HELP[] =
    "usage: penny-sandbox doctor [--json] [--option=value ...]\n\n"
    "Looks at this machine as a service started here and now, with these options, would find it: what isolation its sessions get, layer "
    "by\n"
    "layer, told by the program that makes the jails; whether its files, policies and addresses are in order; how many sessions fit; and "
    "what\n"
    "to change. What systemd gives a service it sees when systemd starts it: systemd-run --pipe --wait -p Delegate=yes penny-sandbox "
    "doctor\n\n"
    "  --json               everything as one JSON object\n\n"
    "Exit code: 0 when all is well, 1 when it would serve but something could be better, 2 when it would not start.\n";

/* Takes the doctor's own option out of argv. Returns how many arguments are left. */
static int take_own(int argc, char **argv, bool *ret_json)
{
    int left  = 0;
    *ret_json = false;
    for (int i = 0; i < argc; i++) {
        if (i > 0 && strcmp(argv[i], "--json") == 0)
            *ret_json = true;
        else
            argv[left++] = argv[i];
    }
    argv[left] = NULL;
    return left;
}

static void look_at_policies(const struct config *config, json_t *findings, json_t *result)
{
    struct policies policies   = {0};
    struct err      err        = {0};
    json_t         *report     = NULL;
    char            python[64] = "";

    if (policies_load(&policies, config, &err) < 0) {
        doctor_find(findings, "policies", DOCTOR_FAILED, "correct the file", "%s", err.message);
        doctor_python(config, python, findings);
        return;
    }
    doctor_find(findings, "policies", DOCTOR_OK, NULL, "%s", config->policy_dir);
    if (doctor_probe(config, &policies, &report, python, sizeof python, &err) < 0)
        doctor_find(findings, "isolation", DOCTOR_FAILED, "see the message", "%s", err.message);
    doctor_python(config, python, findings);
    if (report != NULL)
        doctor_isolation(config, report, findings);
    (void)json_object_set_new(result, "capacity", doctor_capacity(&policies, report, findings));
    (void)json_object_set_new(result, "isolation", report != NULL ? report : json_null());
    doctor_given(config, policies.packages.enabled, findings);
    policies_done(&policies);
}

static json_t *look(const struct config *config)
{
    json_t *findings = json_array(), *result = json_object();
    doctor_kernel(findings);
    doctor_limits(findings);
    look_at_policies(config, findings, result);
    doctor_files(config, findings);
    doctor_addresses(config, findings);
    doctor_memory(findings);
    (void)json_object_set_new(result, "version", json_string(PENNY_VERSION));
    (void)json_object_set_new(result, "status", json_string(doctor_status_name(doctor_worst(findings))));
    (void)json_object_set_new(result, "findings", findings);
    return result;
}

static void print_finding(const json_t *finding)
{
    const char *advice = json_string_value(json_object_get(finding, "advice")),
               *status = json_string_value(json_object_get(finding, "status"));
    (void)printf("%-6s %-17s %s\n", status, json_string_value(json_object_get(finding, "name")),
                 json_string_value(json_object_get(finding, "found")));
    if (advice != NULL)
        (void)printf("%24s %s\n", "->", advice);
}

int command_doctor(int argc, char **argv)
{
    struct config config;
    struct err    err = {0};
    bool          as_json;
    json_t       *result;
    int           code;

    argc = take_own(argc, argv, &as_json);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            (void)fputs(HELP, stdout);
            return 0;
        }
    }
    if (config_load(&config, argc, argv, &err) != 0) {
        if (err.message[0] != '\0')
            (void)fprintf(stderr, "penny-sandbox: %s\n", err.message);
        return err.message[0] != '\0' ? DOCTOR_FAILED : 0;
    }
    log_open("error", false, "doctor");
    result = look(&config);
    code   = (int)doctor_worst(json_object_get(result, "findings"));
    if (as_json) {
        (void)json_dumpf(result, stdout, JSON_INDENT(2));
        (void)putchar('\n');
    } else {
        size_t  i;
        json_t *finding;
        json_array_foreach(json_object_get(result, "findings"), i, finding) print_finding(finding);
    }
    json_decref(result);
    return code;
}
