/* command_doctor.h: `penny-sandbox doctor`: looks at this machine, says what a service started here would have, and what to change. */
#ifndef PENNY_COMMAND_DOCTOR_H
#define PENNY_COMMAND_DOCTOR_H

/* argv[0] is "doctor". Returns the exit code: 0 all is well, 1 it would serve but something could be better, 2 it would not. */
int command_doctor(int argc, char **argv);

#endif
