/*
 * notify.h: what the service manager that started us wants to hear: systemd's protocol, one datagram a message (sd_notify(3)). It is
 * small and stable, so that no library is needed. Without a manager all of this does nothing.
 */
#ifndef PENNY_NOTIFY_H
#define PENNY_NOTIFY_H

#include <stdint.h>

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID and takes them out of the environment: nobody whom we start is to speak for us. */
void notify_open(void);
void notify_close(void);
/* `status` is a line for people, at most 200 characters. */
void notify_ready(const char *status);
void notify_reloading(const char *status); /* until the next notify_ready */
void notify_stopping(const char *status);
void notify_alive(void);
/* How long the manager waits for notify_alive before it ends the service; 0: for ever. */
int64_t notify_watchdog_ms(void);

#endif
