#include "client_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "client_http.h"

enum { ID_CHARACTERS = 36, WAIT_MS = 60000, CODE_REFUSED = 3 };

struct request {
    char  *text;
    size_t length;
};

struct load {
    struct request *requests;
    size_t          request_count;
    long            count, sent, done;
    int             connections;
    bool            is_refused;
};

/* "METHOD PATH [BODY]" in place. */
static struct request request_of_line(char *line)
{
    struct request request;
    char          *path = strchr(line, ' ');
    char          *body;

    if (!path)
        die("a line without a path");
    *path++ = 0;
    body    = strchr(path, ' ');
    if (body)
        *body++ = 0;
    request.text = request_text(line, path, body ? body : "", &request.length);
    return request;
}

static void load_read(struct load *load, const char *file)
{
    FILE   *f    = fopen(file, "r");
    char   *line = NULL;
    size_t  size = 0, room = 0;
    ssize_t length;

    if (!f)
        die(file);
    while ((length = getline(&line, &size, f)) > 0) {
        if (line[length - 1] == '\n')
            line[length - 1] = 0;
        if (load->request_count == room) {
            room           = room ? room * 2 : 64;
            load->requests = realloc(load->requests, room * sizeof *load->requests);
            if (!load->requests)
                die("realloc");
        }
        load->requests[load->request_count++] = request_of_line(line);
    }
    free(line);
    fclose(f);
    if (!load->request_count)
        die("no request");
}

static void load_send(struct load *load, struct connection *all, int index)
{
    bool                  is_own  = load->request_count <= (size_t)load->connections;
    const struct request *request = &load->requests[(is_own ? (size_t)index : (size_t)load->sent) % load->request_count];

    connection_send(&all[index], request->text, request->length);
    load->sent++;
}

/* The first id of an answer that made something, for the caller to use. */
static void print_time(const struct connection *c, int status)
{
    const char *id = status == 201 ? strstr(c->answer, "\"id\":\"") : NULL;

    printf("%.3f", now_us() - c->sent_us);
    if (id)
        printf(" %.*s", ID_CHARACTERS, id + strlen("\"id\":\""));
    putchar('\n');
}

static void load_on_answer(struct load *load, struct connection *all, int index, int status)
{
    load->done++;
    if (status / 100 == 2)
        print_time(&all[index], status);
    else if (!load->is_refused) {
        fprintf(stderr, "refused: %s\n", all[index].answer);
        load->is_refused = true;
    }
    if (load->sent < load->count && !load->is_refused)
        load_send(load, all, index);
}

static void load_one(struct load *load, struct connection *one)
{
    load_send(load, one, 0);
    while (load->done < load->sent) {
        int status;

        do
            status = connection_receive(one);
        while (!status);
        load_on_answer(load, one, 0, status);
    }
}

static void load_many(struct load *load, struct connection *all)
{
    struct epoll_event ready[CONNECTIONS_MAX];
    int                poll_fd = connections_poll(all, load->connections);

    for (int i = 0; i < load->connections && load->sent < load->count; i++)
        load_send(load, all, i);
    while (load->done < load->sent) {
        int n = epoll_wait(poll_fd, ready, CONNECTIONS_MAX, WAIT_MS);

        if (n <= 0)
            die("no answer for a minute");
        for (int i = 0; i < n; i++) {
            int index  = (int)ready[i].data.u32;
            int status = connection_receive(&all[index]);

            if (status)
                load_on_answer(load, all, index, status);
        }
    }
}

int client_load(int port, long count, int connections, const char *file)
{
    struct load        load = {.count = count, .connections = connections};
    struct connection *all  = connections_new(port, connections);
    double             start;

    load_read(&load, file);
    start = now_us();
    if (connections == 1)
        load_one(&load, all);
    else
        load_many(&load, all);
    printf("total %.6f\n", (now_us() - start) / 1e6);
    return load.is_refused ? CODE_REFUSED : 0;
}

/* ---- session after session ---- */

enum step { STEP_CREATE, STEP_RUN, STEP_DELETE, STEP_COUNT };

struct cycle {
    struct connection *connection;
    enum step          step;
    char               id[ID_CHARACTERS + 1];
    double             took_us[STEP_COUNT];
};

static void cycle_send(struct cycle *cycle, const char *code)
{
    char   path[64], body[512];
    size_t length;
    char  *text;

    snprintf(path, sizeof path, "/api/v1/sessions/%s", cycle->id);
    snprintf(body, sizeof body, "{\"sessionId\":\"%s\",\"code\":\"%s\"}", cycle->id, code);
    if (cycle->step == STEP_CREATE)
        text = request_text("POST", "/api/v1/sessions", "{}", &length);
    else if (cycle->step == STEP_RUN)
        text = request_text("POST", "/api/v1/execute", body, &length);
    else
        text = request_text("DELETE", path, "", &length);
    connection_send(cycle->connection, text, length);
    free(text);
}

/* Takes the answer to a step. Returns true when it was the last one; ends the program when it was refused. */
static bool cycle_on_answer(struct cycle *cycle, int status)
{
    const char *answer = cycle->connection->answer;
    const char *id     = strstr(answer, "\"id\":\"");

    if (status / 100 != 2 || (cycle->step == STEP_CREATE && !id) || (cycle->step == STEP_RUN && !strstr(answer, "\"success\":true"))) {
        fprintf(stderr, "refused: %s\n", answer);
        exit(CODE_REFUSED);
    }
    if (cycle->step == STEP_CREATE)
        snprintf(cycle->id, sizeof cycle->id, "%.*s", ID_CHARACTERS, id + strlen("\"id\":\""));
    cycle->took_us[cycle->step] = now_us() - cycle->connection->sent_us;
    cycle->step                 = (cycle->step + 1) % STEP_COUNT;
    return cycle->step == STEP_CREATE;
}

int client_cycle(int port, long count, int connections, double seconds, const char *code)
{
    struct connection *all                     = connections_new(port, connections);
    struct cycle       cycles[CONNECTIONS_MAX] = {0};
    struct epoll_event ready[CONNECTIONS_MAX];
    int                poll_fd = connections_poll(all, connections), running = 0;
    double             start = now_us();
    long               begun = 0;

    for (; running < connections && begun < count; running++, begun++) {
        cycles[running].connection = &all[running];
        cycle_send(&cycles[running], code);
    }
    while (running > 0) {
        int n = epoll_wait(poll_fd, ready, CONNECTIONS_MAX, WAIT_MS);

        if (n <= 0)
            die("no answer for a minute");
        for (int i = 0; i < n; i++) {
            struct cycle *cycle  = &cycles[ready[i].data.u32];
            int           status = connection_receive(cycle->connection);

            if (!status)
                continue;
            if (cycle_on_answer(cycle, status)) {
                printf("%.1f %.1f %.1f\n", cycle->took_us[STEP_CREATE], cycle->took_us[STEP_RUN], cycle->took_us[STEP_DELETE]);
                if (begun >= count || now_us() - start > seconds * 1e6) {
                    running--;
                    continue;
                }
                begun++;
            }
            cycle_send(cycle, code);
        }
    }
    printf("total %.6f\n", (now_us() - start) / 1e6);
    return 0;
}
