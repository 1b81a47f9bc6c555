/* fake_init.h: the fake session's init: its control socket, its members, its folded pipes; and the loop of the whole process. */
#ifndef PENNY_FAKE_INIT_H
#define PENNY_FAKE_INIT_H

#include "fake_session.h"

/* `how`: 'D': dies before it is ready; 'S': never becomes ready; 0. */
_Noreturn void fake_init_main(struct fake_session *s, char how);

#endif
