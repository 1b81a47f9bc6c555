/*
 * fake_zygote.h: a zygote without Python for tests: a process that speaks zygote_wire.h, whose sessions are processes that play init and
 * interpreter at once and do what the "code" of an execution tells them, well-behaved or hostile:
 *
 *     ok                        DONE, status ok                   print TEXT      TEXT and a newline as one STDOUT frame, then DONE
 *     error                     DONE, status error                raw TEXT        TEXT to descriptor 1 beside a frame that names it
 *     wait                      runs until SIGINT: interrupted    input           asks for input, prints the answer
 *     swallow                   runs until SIGINT: then ok        stubborn        ignores SIGINT
 *     exit N | signal N         the interpreter ends              gone            the whole session ends (init too)
 *     half                      half a frame, then it dies        flood N         N frames of 1000 bytes, then DONE
 *     junk | giant | unknown | flags | early | twice | other | badjson            what a hostile worker might send
 *     mute                      swallows everything, even SIGKILL's word of its own death
 *     lose N                    DONE; the next N times that its pipes are asked for one is missing
 *     folded TEXT               DONE; when its pipes have been folded, TEXT to descriptor 1 and as a frame
 *     late TEXT                 DONE, then TEXT as a frame        setup           prints the SETUP it got
 *     value JSON | plot N       VARIABLE; PLOT with N bytes       slowdeath       dies, and the memory limit is to blame
 *     unparkable TEXT           DONE; from now on TEXT is why it has no parked copy
 *
 * A parked copy of it (REQUEST_PARK) is a number and no more. Member 0's pipes may be folded (CONTROL_FOLD), while it watches them as init does.
 *
 * CONTROL_ADOPT makes one more that does the same; not of the parked copy 13, which is none, and that of 14 never becomes ready.
 */
#ifndef PENNY_FAKE_ZYGOTE_H
#define PENNY_FAKE_ZYGOTE_H

#include <stdbool.h>
#include <sys/types.h>

struct fake_zygote {
    int   socket_fd; /* the server's end; taken by workers_attach_zygote */
    int   command_fd;
    pid_t pid;
};

/* Starts one. With `ready` false it says nothing until fake_zygote_command(fake, 'R', 0). */
void fake_zygote_start(struct fake_zygote *fake, bool ready);
/* Ends it and its sessions. */
void fake_zygote_stop(struct fake_zygote *fake);
/* Kills it as a crash would; its sessions live on. */
void fake_zygote_crash(struct fake_zygote *fake);

/*
 * 'R' sends READY; 'F' lets the next n spawns fail; 'D' lets the next n sessions die before they are ready; 'S' lets the next n sessions
 * never become ready; 'B' sends a packet of a wrong size; 'U' sends a message of an unknown type; 'K' lets the next n KILLs be ignored;
 * 'X' kills a session; 'N' sends the next n SPAWNED without descriptors.
 */
void fake_zygote_command(struct fake_zygote *fake, char command, unsigned char n);

#endif
