/* config_option.h: the table of options and how one value is read. Private to config*.c. */
#ifndef PENNY_CONFIG_OPTION_H
#define PENNY_CONFIG_OPTION_H

#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "err.h"

struct config_option;

/* Reads `text` into the place of the option. Returns 0, or -1 when the text is not accepted (option->accepts says what is). */
typedef int (*config_reader)(struct config *config, const struct config_option *option, const char *text);

struct config_option {
    const char   *flag;     /* without "--"; NULL: only from the environment, since everybody can read a command line */
    const char   *env;      /* may be NULL */
    const char   *standard; /* default as text; NULL: made when everything else is known */
    const char   *help;
    const char   *accepts;
    config_reader read;
    size_t        offset, size; /* of the field in struct config */
    uint64_t      min, max;
    const char   *choices; /* "a|b|c" */
};

extern const struct config_option CONFIG_OPTIONS[];
extern const size_t               CONFIG_OPTION_COUNT;

/* "host:port,[::1]:port,:port,port" into config->listen; used for SANDBOX_LISTEN and for SANDBOX_HOST + SANDBOX_PORT. Returns 0 or -1. */
int config_read_listen(struct config *config, const struct config_option *option, const char *text);

/* Fills the places that were not given, from where our own executable is. Returns 0 or -1. */
int config_find_places(struct config *config, struct err *err);

#endif
