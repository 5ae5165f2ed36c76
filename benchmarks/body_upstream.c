/* An HTTP/1.1 server in C for large bodies: what stands behind a rival where frame_upstream stands behind the gateway.
 *
 *     body_upstream PORT         ends by a signal, or with 1 and a reason
 *
 * GET /downloads/N is answered with N MiB, any POST with a few bytes when its body was taken in (Content-Length only). It believes
 * its one client, a proxy that is measured: heads come whole, and nothing is pipelined. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 4096, PIECE_BYTES = 256 * 1024, MEBIBYTE = 1 << 20, EVENTS_MAX = 64 };

/* What each connection is at: the bytes that are still to be sent or taken in. Both zero: waiting for a head. */
typedef struct {
    uint64_t to_send;
    uint64_t to_take;
} progress;

static progress connections[CONNECTIONS_MAX];
static char piece[PIECE_BYTES + 1];
static const char taken[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
static int poller;

static void give_up(const char *why)
{
    fprintf(stderr, "body_upstream: %s\n", why);
    exit(1);
}

static void watch(int connection, int how, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = connection};

    if (epoll_ctl(poller, how, connection, &event) != 0)
        give_up("epoll_ctl failed");
}

static int listen_on(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 1024) != 0)
        give_up("cannot listen");
    return listener;
}

static void take_connection(int listener)
{
    int connection = accept4(listener, NULL, NULL, SOCK_NONBLOCK), on = 1;

    if (connection < 0)
        return;
    if (connection >= CONNECTIONS_MAX)
        give_up("there are too many connections");
    setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connections[connection] = (progress){0};
    watch(connection, EPOLL_CTL_ADD, EPOLLIN);
}

static void send_short(int connection, const char *text, size_t byte_count)
{
    if (send(connection, text, byte_count, MSG_NOSIGNAL) != (ssize_t)byte_count)
        give_up("a head was not sent whole");
}

static void begin_download(int connection, const char *head)
{
    char answer[160];
    const char *number = strstr(head, "/downloads/");
    uint64_t byte_count = number == NULL ? 0 : strtoull(number + 11, NULL, 10) * MEBIBYTE;

    send_short(connection, answer,
               (size_t)snprintf(answer, sizeof answer,
                                "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %llu\r\n\r\n",
                                (unsigned long long)byte_count));
    connections[connection].to_send = byte_count;
    if (byte_count != 0)
        watch(connection, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
}

/* piece[0..got) is the input: a head, and perhaps the beginning of its body. */
static void take_head(int connection, size_t got)
{
    char *end, *length;

    piece[got] = '\0';
    end = strstr(piece, "\r\n\r\n");
    if (end == NULL)
        give_up("a head did not come whole");
    if (strncmp(piece, "GET ", 4) == 0) {
        begin_download(connection, piece);
        return;
    }
    length = strcasestr(piece, "\r\ncontent-length:");
    if (length == NULL || length > end)
        give_up("a request has no content-length");
    connections[connection].to_take = strtoull(length + 17, NULL, 10) - (got - (size_t)(end + 4 - piece));
    if (connections[connection].to_take == 0)
        send_short(connection, taken, sizeof taken - 1);
}

/* Returns 0 when the connection is over. */
static int take_input(int connection)
{
    progress *at = &connections[connection];
    ssize_t got = recv(connection, piece, PIECE_BYTES, 0);

    if (got <= 0)
        return 0;
    if (at->to_take == 0) {
        take_head(connection, (size_t)got);
        return 1;
    }
    if ((uint64_t)got > at->to_take)
        give_up("there is more than a body");
    at->to_take -= (uint64_t)got;
    if (at->to_take == 0)
        send_short(connection, taken, sizeof taken - 1);
    return 1;
}

static int send_more(int connection)
{
    progress *at = &connections[connection];
    ssize_t sent = send(connection, piece, at->to_send < PIECE_BYTES ? at->to_send : PIECE_BYTES, MSG_NOSIGNAL);

    if (sent < 0)
        return 0;
    at->to_send -= (uint64_t)sent;
    if (at->to_send == 0)
        watch(connection, EPOLL_CTL_MOD, EPOLLIN);
    return 1;
}

static void serve(const struct epoll_event *event)
{
    int connection = event->data.fd, lives = 1;

    if (event->events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        lives = take_input(connection);
    if (lives && event->events & EPOLLOUT && connections[connection].to_send != 0)
        lives = send_more(connection);
    if (!lives)
        close(connection);
}

int main(int count, char **arguments)
{
    struct epoll_event events[EVENTS_MAX];
    int listener;

    if (count != 2)
        give_up("usage: body_upstream PORT");
    poller = epoll_create1(0);
    listener = listen_on(atoi(arguments[1]));
    watch(listener, EPOLL_CTL_ADD, EPOLLIN);
    for (;;) {
        int found = epoll_wait(poller, events, EVENTS_MAX, -1);
        for (int index = 0; index < found; index++) {
            if (events[index].data.fd == listener)
                take_connection(listener);
            else
                serve(&events[index]);
        }
    }
}
