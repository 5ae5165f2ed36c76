/* A closed loop over one keep-alive connection: send, wait for the whole answer, send again; every time is kept.
 *
 * Why beside wrk: wrk keeps whole microseconds, and its event loop and its parser run inside the time that it measures. At some
 * forty microseconds a request, both would be in the median. Here there is a blocking socket and the nanosecond clock.
 *
 *     closed_loop PORT PATH SECONDS        prints one line of JSON; on a wrong answer, the reason, and exits with 1
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SAMPLES_MAX = 4000000, ANSWER_BYTES_MAX = 65536 };

static uint32_t samples[SAMPLES_MAX];
static char answer[ANSWER_BYTES_MAX + 1];

static void give_up(const char *why)
{
    fprintf(stderr, "closed_loop: %s\n", why);
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
    int connection = socket(AF_INET, SOCK_STREAM, 0);
    int on = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connection < 0 || connect(connection, (struct sockaddr *)&address, sizeof address) != 0)
        give_up("cannot connect");
    setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return connection;
}

/* The bytes of a whole answer whose head is in answer[0..held), or 0 when the head is not whole yet. */
static size_t answer_bytes(size_t held)
{
    char *end, *length;

    answer[held] = '\0';
    end = strstr(answer, "\r\n\r\n");
    if (end == NULL)
        return 0;
    if (strncmp(answer, "HTTP/1.1 200", 12) != 0)
        give_up("an answer is not 200");
    length = strcasestr(answer, "\r\ncontent-length:");
    if (length == NULL || length > end)
        give_up("an answer has no content-length");
    return (size_t)(end + 4 - answer) + strtoul(length + 17, NULL, 10);
}

static void receive_answer(int connection)
{
    size_t held = 0, whole = 0;

    do {
        ssize_t got = recv(connection, answer + held, ANSWER_BYTES_MAX - held, 0);
        if (got <= 0)
            give_up("the connection was closed");
        held += (size_t)got;
        whole = answer_bytes(held);
    } while (whole == 0 || held < whole);
    if (held > whole)
        give_up("there is more than one answer");
}

static int by_size(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

int main(int count, char **arguments)
{
    char request[4096];
    uint64_t start, end, at;
    size_t requests = 0;
    int connection, request_bytes;

    if (count != 4)
        give_up("usage: closed_loop PORT PATH SECONDS");
    request_bytes = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\n\r\n", arguments[2], arguments[1]);
    connection = connect_to(atoi(arguments[1]));
    start = at = now_ns();
    end = start + (uint64_t)(atof(arguments[3]) * 1e9);
    while (at < end && requests < SAMPLES_MAX) {
        uint64_t sent = at;
        if (send(connection, request, (size_t)request_bytes, 0) != request_bytes)
            give_up("the request was not sent whole");
        receive_answer(connection);
        at = now_ns();
        samples[requests++] = (uint32_t)(at - sent);
    }
    if (requests == 0)
        give_up("there was no time for a request");
    qsort(samples, requests, sizeof samples[0], by_size);
    printf("{\"requests\":%zu,\"duration_us\":%.0f,\"failed\":0,\"p50_us\":%.3f,\"p99_us\":%.3f}\n", requests,
           (double)(at - start) / 1e3, samples[requests / 2] / 1e3, samples[requests * 99 / 100] / 1e3);
    close(connection);
    return 0;
}
