/* fake_script.h: what the interpreter of a fake session does with the code it is given; the words are in fake_zygote.h. */
#ifndef PENNY_FAKE_SCRIPT_H
#define PENNY_FAKE_SCRIPT_H

#include "fake_session.h"

/* Reads one request and does what it says. */
void fake_script_on_request(struct fake_session *s);

#endif
