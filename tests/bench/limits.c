/*
 * limits.c: what the machine itself takes for the two things our service is made of, so that every other figure can be read as a
 * ratio to them: a bare fork (child exits, parent waits) and a bare ping-pong of one byte over two pipes between two processes.
 *
 * usage: limits fork|pipe COUNT      prints the microseconds of each, one a line
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

int main(int argc, char **argv)
{
    int count = argc == 3 ? atoi(argv[2]) : 0;

    if (count > 0 && strcmp(argv[1], "fork") == 0)
        bench_fork(count);
    else if (count > 0 && strcmp(argv[1], "pipe") == 0)
        bench_pipe(count);
    else {
        fprintf(stderr, "usage: limits fork|pipe COUNT\n");
        return 2;
    }
    return 0;
}
