/* command_notebook.h: `penny-sandbox run x.ipynb`: the code cells one after the other in one session, their outputs written back. */
#ifndef PENNY_COMMAND_NOTEBOOK_H
#define PENNY_COMMAND_NOTEBOOK_H

#include "bytes.h"
#include "command_options.h"
#include "command_service.h"

/* `text` is the notebook. The first cell that fails is the last one that runs. Returns the exit code, that cell's. */
int command_notebook_run(const struct command_options *options, const struct command_service *service, const struct bytes *text);

#endif
