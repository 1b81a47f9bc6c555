/* config_help.h: the options and commands for a reader: as text, and as JSON for what is made of them (deploy/manual.py). */
#ifndef PENNY_CONFIG_HELP_H
#define PENNY_CONFIG_HELP_H

/* On standard output. */
void config_help(void);
/* {"version", "options": [{flag, environment, default, help, accepts, choices}], "commands": [{name, arguments, help}]} */
void config_help_json(void);

#endif
