/* execution_account.h: what is counted, charged and recorded of an execution that has ended. */
#ifndef PENNY_EXECUTION_ACCOUNT_H
#define PENNY_EXECUTION_ACCOUNT_H

struct execution;

/* Once, when its end is known and its log flushed, while it still has its error. */
void execution_account(const struct execution *execution);

#endif
