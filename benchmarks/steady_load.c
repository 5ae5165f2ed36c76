/* Load that does not wait: requests are due at a steady rate, whether or not those before were answered, over many keep-alive
 * connections. Times count from the moment at which a request was due, so that whoever is slow cannot hide it by slowing us.
 *
 *     steady_load PORT PATH RATE SECONDS CONNECTIONS
 *
 * A rate of 0 is as fast as the connections allow, each of which asks again when it was answered: how much there is room for.
 *
 * Prints one line of JSON: totals, and for each tenth of a second in which requests were due: how many were answered well (2xx),
 * refused (429, 503) and failed (all else, among it no answer at all), and the times of those that were answered well. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { INPUT_BYTES = 8192, CONNECTIONS_MAX = 8192, REQUESTS_PER_SECOND_MAX = 400000, EVENTS_MAX = 512, WINDOW_US = 100000, GRACE_US = 12000000, WAIT_US_MIN = 50 };
enum outcome { GOOD, REFUSED, FAILED };

struct connection {
    int fd, is_asked;
    uint64_t due_us;
    size_t held;
    char input[INPUT_BYTES + 1];
};

struct sample {
    uint32_t due_us, took_us; /* from the start; from when it was due */
    uint8_t outcome;
};

static struct connection *connections, *idle[CONNECTIONS_MAX];
static struct sample *samples;
static size_t idle_count, sample_count, samples_max;
static int poller, port;
static uint64_t start_us;
static char request[4096];
static int request_bytes;

static void give_up(const char *why)
{
    fprintf(stderr, "steady_load: %s\n", why);
    exit(1);
}

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static void open_connection(struct connection *c)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    int on = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address) != 0)
        give_up("cannot connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event) != 0)
        give_up("cannot watch a connection");
    c->held = 0;
    idle[idle_count++] = c;
}

static void note(uint64_t due_us, uint64_t now, enum outcome outcome)
{
    if (sample_count == samples_max)
        give_up("there are more answers than requests");
    samples[sample_count++] = (struct sample){(uint32_t)(due_us - start_us), (uint32_t)(now - due_us), (uint8_t)outcome};
}

/* The connection is gone: what was asked on it has failed; another one takes its place. */
static void replace(struct connection *c)
{
    close(c->fd);
    if (c->is_asked)
        note(c->due_us, now_us(), FAILED);
    else /* it stands among the idle ones, and is put there again */
        for (size_t at = 0; at < idle_count; at++)
            if (idle[at] == c) {
                idle[at] = idle[--idle_count];
                break;
            }
    c->is_asked = 0;
    open_connection(c);
}

/* The bytes of a whole answer whose head is in input[0..held), or 0 when the head is not whole yet. */
static size_t answer_bytes(struct connection *c)
{
    char *end, *length;

    c->input[c->held] = '\0';
    end = strstr(c->input, "\r\n\r\n");
    if (end == NULL)
        return 0;
    length = strcasestr(c->input, "\r\ncontent-length:");
    if (length == NULL || length > end)
        give_up("an answer has no content-length");
    return (size_t)(end + 4 - c->input) + strtoul(length + 17, NULL, 10);
}

static enum outcome outcome_of(const char *head)
{
    int status = atoi(head + 9);
    return status >= 200 && status < 300 ? GOOD : status == 503 || status == 429 ? REFUSED : FAILED;
}

static void take(struct connection *c)
{
    ssize_t got = recv(c->fd, c->input + c->held, INPUT_BYTES - c->held, MSG_DONTWAIT);
    size_t whole;

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        replace(c);
        return;
    }
    c->held += (size_t)got;
    whole = answer_bytes(c);
    if (whole > INPUT_BYTES)
        give_up("an answer is too long");
    if (whole == 0 || c->held < whole)
        return;
    note(c->due_us, now_us(), outcome_of(c->input));
    c->is_asked = 0;
    c->held = 0;
    idle[idle_count++] = c;
}

static void ask(uint64_t due_us)
{
    struct connection *c = idle[--idle_count];

    c->is_asked = 1;
    c->due_us = due_us;
    if (send(c->fd, request, (size_t)request_bytes, MSG_NOSIGNAL | MSG_DONTWAIT) != request_bytes)
        replace(c);
}

/* Asks what is due at a moment, of the start's clock. Returns when the next request is. */
static uint64_t ask_what_is_due(double rate, uint64_t now, uint64_t asked_us)
{
    static size_t count;
    uint64_t due_us = rate > 0 ? (uint64_t)((double)count / rate * 1e6) : now;

    while (due_us <= now && due_us < asked_us && idle_count) {
        if (count == samples_max)
            give_up("there is more than can be counted");
        ask(start_us + due_us);
        count++;
        due_us = rate > 0 ? (uint64_t)((double)count / rate * 1e6) : now;
    }
    return due_us;
}

static void wait_for_answers(uint64_t wait_us)
{
    struct epoll_event events[EVENTS_MAX];
    struct timespec wait = {.tv_sec = (time_t)(wait_us / 1000000u), .tv_nsec = (long)(wait_us % 1000000u) * 1000};
    int count = epoll_pwait2(poller, events, EVENTS_MAX, &wait, NULL);

    for (int at = 0; at < count; at++)
        take(events[at].data.ptr);
}

static int by_window_then_time(const void *left, const void *right)
{
    const struct sample *a = left, *b = right;
    uint32_t one = a->due_us / WINDOW_US, other = b->due_us / WINDOW_US;

    if (one != other)
        return one < other ? -1 : 1;
    if (a->outcome != b->outcome)
        return a->outcome < b->outcome ? -1 : 1;
    return (a->took_us > b->took_us) - (a->took_us < b->took_us);
}

static int by_outcome_then_time(const void *left, const void *right)
{
    const struct sample *a = left, *b = right;

    if (a->outcome != b->outcome)
        return a->outcome < b->outcome ? -1 : 1;
    return (a->took_us > b->took_us) - (a->took_us < b->took_us);
}

/* Prints counts and times of samples that stand in order, the good ones first. */
static void print_part(const struct sample *from, size_t count)
{
    size_t outcomes[3] = {0}, good;

    for (size_t at = 0; at < count; at++)
        outcomes[from[at].outcome]++;
    good = outcomes[GOOD];
    printf("\"good\":%zu,\"refused\":%zu,\"failed\":%zu,\"p50_us\":%u,\"p99_us\":%u,\"longest_us\":%u", good, outcomes[REFUSED],
           outcomes[FAILED], good ? from[good / 2].took_us : 0, good ? from[good * 99 / 100].took_us : 0,
           good ? from[good - 1].took_us : 0);
}

static void print_all(uint64_t asked_us)
{
    qsort(samples, sample_count, sizeof samples[0], by_outcome_then_time);
    printf("{\"requests\":%zu,\"start_us\":%llu,\"duration_us\":%llu,", sample_count, (unsigned long long)start_us,
           (unsigned long long)asked_us);
    print_part(samples, sample_count);
    printf(",\"windows\":[");
    qsort(samples, sample_count, sizeof samples[0], by_window_then_time);
    for (size_t from = 0, to; from < sample_count; from = to) {
        uint32_t window = samples[from].due_us / WINDOW_US;
        for (to = from; to < sample_count && samples[to].due_us / WINDOW_US == window;)
            to++;
        printf("%s{\"at_us\":%u,", from ? "," : "", window * WINDOW_US);
        print_part(samples + from, to - from);
        printf("}");
    }
    printf("]}\n");
}

int main(int count, char **arguments)
{
    double rate, seconds;
    size_t connection_count;
    uint64_t asked_us;

    if (count != 6)
        give_up("usage: steady_load PORT PATH RATE SECONDS CONNECTIONS");
    port = atoi(arguments[1]);
    rate = atof(arguments[3]);
    seconds = atof(arguments[4]);
    connection_count = strtoul(arguments[5], NULL, 10);
    if (rate < 0 || seconds <= 0 || connection_count < 1 || connection_count > CONNECTIONS_MAX)
        give_up("seconds and connections are above 0, and there are not too many of the last");
    samples_max = (size_t)((rate > 0 ? rate : REQUESTS_PER_SECOND_MAX) * seconds) + 1;
    samples = calloc(samples_max, sizeof samples[0]);
    connections = calloc(connection_count, sizeof connections[0]);
    poller = epoll_create1(0);
    if (samples == NULL || connections == NULL || poller < 0)
        give_up("memory or descriptors are short");
    prctl(PR_SET_TIMERSLACK, 1ul, 0, 0, 0);
    request_bytes = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\n\r\n", arguments[2], arguments[1]);
    for (size_t at = 0; at < connection_count; at++)
        open_connection(&connections[at]);
    start_us = now_us();
    asked_us = (uint64_t)(seconds * 1e6);
    for (;;) {
        uint64_t now = now_us() - start_us, due_us = ask_what_is_due(rate, now, asked_us);
        if (now > asked_us + GRACE_US || (due_us >= asked_us && idle_count == connection_count))
            break;
        wait_for_answers(due_us > now + WAIT_US_MIN ? due_us - now : WAIT_US_MIN);
    }
    for (size_t at = 0; at < connection_count; at++)
        if (connections[at].is_asked)
            note(connections[at].due_us, now_us(), FAILED);
    print_all(asked_us);
    return 0;
}
