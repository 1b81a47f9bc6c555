#include "config_help.h"

#include <jansson.h>
#include <stdio.h>

#include "config_option.h"
#include "version.h"

static const struct {
    const char *name, *arguments, *help;
} COMMANDS[] = {
    {"key", "NAME", "makes an API key and prints it with its line for --keys-file."},
    {"run", "FILE", "runs one program or notebook in a jail and shows what it prints; see penny-sandbox run --help."},
    {"mcp", "[--option=value ...]", "gives an agent a jailed Python over MCP on standard input and output; see penny-sandbox mcp --help."},
    {"drain", "[--option=value ...]",
     "empties a running service before it is stopped and moves its sessions to another one;\nsee penny-sandbox drain --help."},
    {"private", "[--option=value ...]", "serves one program: prints its address and key as JSON, ends with its\nstandard input."},
    {"doctor", "[--option=value ...]",
     "looks at this machine: which isolation sessions get, what to change, how many fit;\nsee penny-sandbox doctor --help."},
};

void config_help(void)
{
    printf("usage: penny-sandbox [--option=value ...]\n\n"
           "Serves Python in jailed, persistent sessions over HTTP. Each option can also be given in the environment;\n"
           "the command line wins.\n\n");
    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
        const struct config_option *option = &CONFIG_OPTIONS[i];
        printf(option->flag != NULL ? "  --%-19s %s\n" : "  %-21s %s\n", option->flag != NULL ? option->flag : "", option->help);
        printf("    %-19s %s: %s", "", option->env, option->accepts);
        if (option->standard != NULL && *option->standard != '\0')
            printf(" [%s]", option->standard);
        printf("\n");
    }
    printf("  --%-19s %s\n  --%-19s %s\n\n", "help", "print this; --help=json is for programs", "version", "print the version");
    for (size_t i = 0; i < sizeof COMMANDS / sizeof *COMMANDS; i++)
        printf("penny-sandbox %s %s %s\n", COMMANDS[i].name, COMMANDS[i].arguments, COMMANDS[i].help);
}

static json_t *option_json(const struct config_option *option)
{
    return json_pack("{s:s?, s:s?, s:s?, s:s, s:s, s:s?}", "flag", option->flag, "environment", option->env, "default", option->standard,
                     "help", option->help, "accepts", option->accepts, "choices", option->choices);
}

void config_help_json(void)
{
    json_t *options = json_array(), *commands = json_array(), *all;
    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++)
        (void)json_array_append_new(options, option_json(&CONFIG_OPTIONS[i]));
    for (size_t i = 0; i < sizeof COMMANDS / sizeof *COMMANDS; i++)
        (void)json_array_append_new(
            commands, json_pack("{s:s, s:s, s:s}", "name", COMMANDS[i].name, "arguments", COMMANDS[i].arguments, "help", COMMANDS[i].help));
    all = json_pack("{s:s, s:o, s:o}", "version", PENNY_VERSION, "options", options, "commands", commands);
    if (all != NULL)
        (void)json_dumpf(all, stdout, JSON_INDENT(1));
    (void)putchar('\n');
    json_decref(all);
}
