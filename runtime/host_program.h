/* host_program.h: which file the kernel takes for the program that a fork runs. */
#ifndef PENNY_HOST_PROGRAM_H
#define PENNY_HOST_PROGRAM_H

/*
 * A process can name the file it runs, /proc/self/exe, on the mount from which it was started: the host's, which is writable. So where a session's
 * user owns it, on a host that has one user for all, a session could change its mode or times, past its read-only root.
 *
 * In two steps, around host_image_seal, which replaces what else is mapped of the file. First: `path`, the same file on a read-only mount, is mapped
 * in the place of the code. NULL: nothing is done, then or later.
 */
void host_program_map(const char *path);
/* Second: it becomes the program. Writes to no memory that forks inherit. What is refused is said on standard error. */
void host_program_name(void);

#endif
