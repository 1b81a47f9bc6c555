/*
 * limits.c: what the machine itself takes for the things our service is made of, so that every other figure can be read as a
 * ratio to them: a bare fork (child exits, parent waits), a bare ping-pong of one byte over two pipes between two processes, and lines
 * of numbers that one process writes into a pipe in blocks of 64 KB and another reads and counts.
 *
 * usage: limits fork|pipe COUNT      prints the microseconds of each, one a line
 *        limits stream COUNT         prints "microseconds bytes lines"
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void bench_fork(int count)
{
    for (int i = 0; i < count; i++) {
        double start = now_us();
        pid_t  pid   = fork();

        if (pid == 0)
            _exit(0);
        if (pid < 0 || waitpid(pid, NULL, 0) != pid) {
            perror("fork");
            exit(1);
        }
        printf("%.3f\n", now_us() - start);
    }
}

static void echo(int from, int to)
{
    char byte;

    while (read(from, &byte, 1) == 1)
        if (write(to, &byte, 1) != 1)
            _exit(1);
    _exit(0);
}

static void bench_pipe(int count)
{
    int  there[2], back[2];
    char byte = 'x';

    if (pipe(there) < 0 || pipe(back) < 0) {
        perror("pipe");
        exit(1);
    }
    if (fork() == 0) {
        close(there[1]);
        close(back[0]);
        echo(there[0], back[1]);
    }
    close(there[0]);
    close(back[1]);
    for (int i = 0; i < count; i++) {
        double start = now_us();

        if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1) {
            perror("ping-pong");
            exit(1);
        }
        printf("%.3f\n", now_us() - start);
    }
    close(there[1]);
    wait(NULL);
}

enum { BLOCK_BYTES = 65536, NUMBER_ROOM = 16 };

static void write_all(int fd, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t n = write(fd, data, length);

        if (n <= 0)
            _exit(1);
        data += n;
        length -= (size_t)n;
    }
}

static void write_numbers(int fd, int count)
{
    static char block[BLOCK_BYTES];
    size_t      used = 0;

    for (int i = 0; i < count; i++) {
        if (used > sizeof block - NUMBER_ROOM) {
            write_all(fd, block, used);
            used = 0;
        }
        used += (size_t)snprintf(block + used, NUMBER_ROOM, "%d\n", i);
    }
    write_all(fd, block, used);
    _exit(0);
}

static void bench_stream(int count)
{
    static char block[BLOCK_BYTES];
    int         ends[2];
    size_t      bytes = 0, lines = 0;
    double      start = now_us();
    ssize_t     n;

    if (pipe(ends) < 0) {
        perror("pipe");
        exit(1);
    }
    if (fork() == 0)
        write_numbers(ends[1], count);
    close(ends[1]);
    while ((n = read(ends[0], block, sizeof block)) > 0) {
        bytes += (size_t)n;
        for (const char *at = block; (at = memchr(at, '\n', (size_t)(block + n - at))); at++)
            lines++;
    }
    wait(NULL);
    printf("%.3f %zu %zu\n", now_us() - start, bytes, lines);
}

int main(int argc, char **argv)
{
    int count = argc == 3 ? atoi(argv[2]) : 0;

    if (count > 0 && strcmp(argv[1], "fork") == 0)
        bench_fork(count);
    else if (count > 0 && strcmp(argv[1], "pipe") == 0)
        bench_pipe(count);
    else if (count > 0 && strcmp(argv[1], "stream") == 0)
        bench_stream(count);
    else {
        fprintf(stderr, "usage: limits fork|pipe|stream COUNT\n");
        return 2;
    }
    return 0;
}
