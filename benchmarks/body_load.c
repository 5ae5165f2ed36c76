/* Large bodies over a few keep-alive connections at once, as fast as they go: downloads, or uploads with a Content-Length.
 *
 *     body_load PORT down|up PATH MIB CONNECTIONS SECONDS      prints one line of JSON; on a wrong answer, the reason, and exits with 1
 *
 * Each connection begins its next body while there is time, and ends the last one after it; what is counted is whole bodies. What
 * is downloaded is not copied out of the kernel (MSG_TRUNC, tcp(7)), so that this program, which shares a core with the upstream, costs
 * as little as it can; its length is checked, and the head of the answer. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { CONNECTIONS_MAX = 64, BODIES_MAX = 1 << 20, PIECE_BYTES = 256 * 1024, HEAD_BYTES_MAX = 4096, MEBIBYTE = 1 << 20 };

enum state { SENDS_BODY, WAITS_FOR_HEAD, TAKES_BODY, RESTS };

typedef struct {
    enum state state;
    uint64_t left; /* of the body that is sent or taken in */
    uint64_t started_ns;
} progress;

static progress connections[CONNECTIONS_MAX];
static struct pollfd polled[CONNECTIONS_MAX];
static float milliseconds[BODIES_MAX];
static size_t bodies;
static char request[1024], piece[PIECE_BYTES];
static int request_bytes, is_upload;
static uint64_t body_bytes, end_ns;

static void give_up(const char *why)
{
    fprintf(stderr, "body_load: %s\n", why);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int connect_to(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int connection = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connection < 0 || connect(connection, (struct sockaddr *)&address, sizeof address) != 0)
        give_up("cannot connect");
    setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(connection, F_SETFL, O_NONBLOCK);
    return connection;
}

/* Sends the head of the next request, or lets the connection rest when the time is over. */
static void begin(size_t index)
{
    progress *at = &connections[index];

    at->started_ns = now_ns();
    if (at->started_ns >= end_ns) {
        at->state = RESTS;
        polled[index].fd = -1;
        return;
    }
    if (send(polled[index].fd, request, (size_t)request_bytes, MSG_NOSIGNAL) != request_bytes)
        give_up("a request was not sent whole");
    at->state = is_upload ? SENDS_BODY : WAITS_FOR_HEAD;
    at->left = body_bytes;
    polled[index].events = is_upload ? POLLOUT | POLLIN : POLLIN;
}

static void end(size_t index)
{
    if (bodies == BODIES_MAX)
        give_up("there are too many bodies");
    milliseconds[bodies++] = (float)(now_ns() - connections[index].started_ns) / 1e6f;
    begin(index);
}

static void send_more(size_t index)
{
    progress *at = &connections[index];
    ssize_t sent = send(polled[index].fd, piece, at->left < PIECE_BYTES ? at->left : PIECE_BYTES, MSG_NOSIGNAL);

    if (sent < 0 && errno != EAGAIN)
        give_up("the connection was closed while a body was sent");
    at->left -= sent < 0 ? 0 : (uint64_t)sent;
    if (at->left == 0) {
        at->state = WAITS_FOR_HEAD;
        polled[index].events = POLLIN;
    }
}

static uint64_t length_in(const char *head)
{
    const char *length = strcasestr(head, "\r\ncontent-length:"), *end = strstr(head, "\r\n\r\n");

    if (length == NULL || length > end)
        give_up("an answer has no content-length");
    return strtoull(length + 17, NULL, 10);
}

/* Takes the head out of the socket, and of the body nothing. */
static void take_head(size_t index)
{
    progress *at = &connections[index];
    char head[HEAD_BYTES_MAX + 1], *head_end;
    ssize_t got = recv(polled[index].fd, head, HEAD_BYTES_MAX, MSG_PEEK);

    if (got <= 0)
        give_up("the connection was closed instead of an answer");
    head[got] = '\0';
    if (strncmp(head, "HTTP/1.1 200", got < 12 ? (size_t)got : 12) != 0)
        give_up("an answer is not 200");
    head_end = strstr(head, "\r\n\r\n");
    if (head_end == NULL)
        return; /* the rest is on its way */
    at->left = length_in(head);
    if (!is_upload && at->left != body_bytes)
        give_up("an answer has not the length that was asked for");
    recv(polled[index].fd, head, (size_t)(head_end + 4 - head), 0);
    at->state = TAKES_BODY;
}

static void take_more(size_t index)
{
    progress *at = &connections[index];
    ssize_t got = recv(polled[index].fd, NULL, at->left < 1 << 30 ? at->left : 1 << 30, MSG_TRUNC);

    if (got == 0 || (got < 0 && errno != EAGAIN))
        give_up("the connection was closed in the midst of a body");
    at->left -= got < 0 ? 0 : (uint64_t)got;
    if (at->left == 0)
        end(index);
}

static void serve(size_t index)
{
    switch (connections[index].state) {
    case SENDS_BODY:
        if (polled[index].revents & POLLIN)
            give_up("an answer came before the body was sent");
        send_more(index);
        break;
    case WAITS_FOR_HEAD:
        take_head(index);
        break;
    case TAKES_BODY:
        take_more(index);
        break;
    case RESTS:
        break;
    }
}

static int by_size(const void *left, const void *right)
{
    float a = *(const float *)left, b = *(const float *)right;
    return (a > b) - (a < b);
}

static void report(uint64_t duration_ns)
{
    qsort(milliseconds, bodies, sizeof milliseconds[0], by_size);
    printf("{\"requests\":%zu,\"duration_us\":%.0f,\"failed\":0,\"p50_us\":%.0f,\"p99_us\":%.0f,\"body_mib\":%llu}\n", bodies,
           (double)duration_ns / 1e3, milliseconds[bodies / 2] * 1e3, milliseconds[bodies * 99 / 100] * 1e3,
           (unsigned long long)(body_bytes / MEBIBYTE));
}

int main(int count, char **arguments)
{
    uint64_t start_ns;
    size_t connection_count, resting = 0;

    if (count != 7 || (connection_count = strtoul(arguments[5], NULL, 10)) - 1 >= CONNECTIONS_MAX)
        give_up("usage: body_load PORT down|up PATH MIB CONNECTIONS SECONDS");
    is_upload = strcmp(arguments[2], "up") == 0;
    body_bytes = strtoull(arguments[4], NULL, 10) * MEBIBYTE;
    request_bytes = snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\n", is_upload ? "POST" : "GET",
                             arguments[3], arguments[1]);
    request_bytes += is_upload ? sprintf(request + request_bytes, "Content-Length: %llu\r\n\r\n", (unsigned long long)body_bytes)
                               : sprintf(request + request_bytes, "\r\n");
    start_ns = now_ns();
    end_ns = start_ns + (uint64_t)(atof(arguments[6]) * 1e9);
    for (size_t index = 0; index < connection_count; index++) {
        polled[index].fd = connect_to(atoi(arguments[1]));
        begin(index);
    }
    while (resting < connection_count) {
        if (poll(polled, connection_count, 10000) <= 0)
            give_up("nothing has moved for ten seconds");
        resting = 0;
        for (size_t index = 0; index < connection_count; index++) {
            if (polled[index].fd >= 0 && polled[index].revents != 0)
                serve(index);
            resting += connections[index].state == RESTS;
        }
    }
    report(now_ns() - start_ns);
    return 0;
}
