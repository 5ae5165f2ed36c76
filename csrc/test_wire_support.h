/* What the tests of the wire share: a wire with small settings, clients at the other ends of its sockets, and a check, at
 * the end of each test, that nothing is left over. Steps are driven by hand and time jumps, so nothing here waits for a
 * clock.
 *
 *     start(NULL);
 *     int client = join_edge();
 *     answer_text(ask(client, GET_A), 200, "hi", 0);
 *     check_answer(client, 200, "hi");
 *     finish(); */
#ifndef PENSTOCK_TEST_WIRE_SUPPORT_H
#define PENSTOCK_TEST_WIRE_SUPPORT_H

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include "test_support.h"
#include "wire.h"

enum { STEPS_MAX = 400, PEERS_MAX = 2048, ROOM = 1 << 21 };
#define GET_A "GET /a HTTP/1.1\r\nhost: a\r\n\r\n"

static wire *w;
static int event_count; /* of the last step */
static int peers[PEERS_MAX], peer_count;
static unsigned descriptors_before;
static uint8_t room[ROOM]; /* what was read last */

static inline unsigned count_descriptors(void)
{
    unsigned count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder && readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static inline wire_settings small_settings(void)
{
    return (wire_settings){.edge_connections_max = 64,
                           .framed_connections_max = 8,
                           .exchanges_max = 64,
                           .routes_max = 4,
                           .framed_output_bytes_max = 1 << 21,
                           .head_ms = 10000,
                           .body_bytes_per_second = 100,
                           .idle_ms = 100000,
                           .write_ms = 20000,
                           .failure_us = 1000000,
                           .linger_ms = 5000,
                           .tls_handshake_ms = 10000,
                           .measures = 1,
                           .recent_records = 8,
                           .notable_records = 4,
                           .watched_records = 4,
                           .slow_us = 1000000,
                           .http1 = {16384, 100, 8192, 65536}};
}

static inline void start(const wire_settings *settings)
{
    wire_settings usual = small_settings();
    descriptors_before = count_descriptors();
    peer_count = 0;
    w = wire_new(settings ? settings : &usual);
    if (!w)
        abort();
}

/* ---- steps ---- */

static inline int step(void)
{
    event_count = wire_step(w, 0);
    return CHECK(event_count >= 0 && event_count <= WIRE_EVENTS_MAX);
}

/* The event of a kind in the last step, or NULL. */
static inline const wire_event *find_event(int kind)
{
    for (int i = 0; i < event_count; i++)
        if (wire_events(w)[i].kind == kind)
            return &wire_events(w)[i];
    return NULL;
}

static inline int count_events(int kind)
{
    int count = 0;
    for (int i = 0; i < event_count; i++)
        count += wire_events(w)[i].kind == kind;
    return count;
}

/* Steps until an event of the kind comes. Never NULL: when none comes, a check fails and the event is all zero. */
static inline const wire_event *await_event(int kind)
{
    static const wire_event none;
    for (int i = 0; i < STEPS_MAX; i++) {
        event_count = wire_step(w, i < 4 ? 0 : 1000);
        const wire_event *found = find_event(kind);
        if (found)
            return found;
    }
    CHECK_EQUAL(0, kind);
    return &none;
}

static inline uint64_t await_request(void)
{
    for (int i = 0; i < STEPS_MAX; i++) {
        event_count = wire_step(w, i < 4 ? 0 : 1000);
        if (wire_request_count(w))
            return wire_requests(w)[0].exchange;
    }
    CHECK(!"a request came");
    return 0;
}

/* Steps until two of them found nothing to do. */
static inline void settle(void)
{
    for (int i = 0, idle = 0; i < STEPS_MAX && idle < 2; i++) {
        step();
        wire_flush(w);
        idle = wire_was_active(w) || wire_has_more(w) ? 0 : idle + 1;
    }
    CHECK(!wire_has_more(w));
}

/* Seconds are left between what is still in time and what is late: the real clock goes on, too, and a machine may be slow. */
static inline void advance(uint32_t milliseconds)
{
    wire_advance_clock(w, milliseconds);
}

/* ---- peers ---- */

static inline int keep_peer(int descriptor)
{
    if (descriptor < 0 || peer_count == PEERS_MAX)
        abort();
    peers[peer_count++] = descriptor;
    return descriptor;
}

static inline void hang_up(int descriptor)
{
    for (int i = 0; i < peer_count; i++)
        if (peers[i] == descriptor)
            peers[i] = -1;
    close(descriptor);
}

static inline int join(int kind, int dialled, int64_t *handle)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        abort();
    *handle = wire_adopt(w, pair[0], kind, dialled);
    return keep_peer(pair[1]);
}

static inline int join_edge(void)
{
    int64_t result;
    int descriptor = join(SOCKET_EDGE, 0, &result);
    CHECK_EQUAL(result, 0);
    return descriptor;
}

/* A listening socket on a free port of the loopback interface; the wire takes it over. */
static inline uint16_t listen_on_loopback(int kind)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (bind(descriptor, (struct sockaddr *)&address, bytes) < 0 || listen(descriptor, 128) < 0 ||
        getsockname(descriptor, (struct sockaddr *)&address, &bytes) < 0)
        abort();
    CHECK_EQUAL(wire_listen(w, descriptor, kind), WIRE_OK);
    return ntohs(address.sin_port);
}

static inline int dial(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    if (descriptor < 0 || connect(descriptor, (struct sockaddr *)&address, sizeof address) < 0)
        abort();
    return keep_peer(descriptor);
}

/* Says as much as the socket takes now. Returns how much. */
static inline size_t say_some(int descriptor, const void *bytes, size_t count)
{
    size_t said = 0;
    while (said < count) {
        ssize_t sent = send(descriptor, (const uint8_t *)bytes + said, count - said, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent <= 0)
            break;
        said += (size_t)sent;
    }
    return said;
}

/* Says all of it at once, for what fits into the socket's buffer. */
static inline void say(int descriptor, const void *bytes, size_t count)
{
    CHECK_EQUAL(say_some(descriptor, bytes, count), count);
}

static inline void say_text(int descriptor, const char *text)
{
    say(descriptor, text, strlen(text));
}

/* Reads exactly count bytes into room, stepping and flushing while they do not come. Returns 0 when they do not. */
static inline int hear_bytes(int descriptor, uint32_t at, uint32_t count)
{
    uint32_t heard = 0;
    for (int i = 0; i < STEPS_MAX && heard < count;) {
        ssize_t got = recv(descriptor, room + at + heard, count - heard, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN))
            break;
        if (got < 0) {
            wire_flush(w);
            event_count = wire_step(w, i++ < 4 ? 0 : 1000);
        } else {
            heard += (uint32_t)got;
        }
    }
    return CHECK_EQUAL(heard, count);
}

/* Whether there is nothing to read, and the connection is open. */
static inline int is_silent(int descriptor)
{
    uint8_t byte;
    return recv(descriptor, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN;
}

/* Whether the connection was closed, orderly, and nothing is left to read. */
static inline int is_closed(int descriptor)
{
    uint8_t byte;
    return recv(descriptor, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

/* ---- what clients do ---- */

static inline uint64_t ask(int client, const char *request)
{
    say_text(client, request);
    return await_request();
}

/* Reads one head to room. Returns its length, 0 when none comes. */
static inline uint32_t hear_head(int client)
{
    for (int i = 0; i < STEPS_MAX; i++) {
        ssize_t seen = recv(client, room, 65536, MSG_DONTWAIT | MSG_PEEK);
        uint8_t *end = seen > 0 ? memmem(room, (size_t)seen, "\r\n\r\n", 4) : NULL;
        if (end)
            return hear_bytes(client, 0, (uint32_t)(end + 4 - room)) ? (uint32_t)(end + 4 - room) : 0;
        if (seen == 0 || (seen < 0 && errno != EAGAIN))
            break;
        wire_flush(w);
        event_count = wire_step(w, i < 4 ? 0 : 1000);
    }
    CHECK(!"an answer came");
    return 0;
}

/* Reads one answer: head at room, body behind it. Checks its status; returns the body's length and, in *body, where it is. */
static inline uint32_t hear_answer(int client, int status, uint8_t **body)
{
    uint32_t head_bytes = hear_head(client);
    *body = room + head_bytes;
    if (!head_bytes)
        return 0;
    room[head_bytes - 1] = 0;
    CHECK_EQUAL(atoi((char *)room + 9), status);
    const char *length = strstr((char *)room, "\r\ncontent-length: ");
    uint32_t body_bytes = length ? (uint32_t)atoi(length + 18) : 0;
    room[head_bytes - 1] = '\n';
    hear_bytes(client, head_bytes, body_bytes);
    return body_bytes;
}

static inline void check_answer(int client, int status, const char *text)
{
    uint8_t *body;
    uint32_t body_bytes = hear_answer(client, status, &body);
    CHECK_BYTES(body, body_bytes, text, strlen(text));
}

/* ---- what the caller of the wire does ---- */

static inline void answer_text(uint64_t id, int status, const char *text, int close_after)
{
    CHECK_EQUAL(wire_answer(w, id, status, NULL, 0, (const uint8_t *)text, (uint32_t)strlen(text), close_after), WIRE_OK);
}

/* The connection of an undecided exchange is ours from now on. */
static inline wire_handed take_over(uint64_t id)
{
    wire_handed handed = {.descriptor = -1};
    CHECK_EQUAL(wire_hand_over(w, id, &handed), WIRE_OK);
    return handed;
}

static inline void give_back(uint64_t id, int how, const char *rest)
{
    CHECK_EQUAL(wire_hand_back(w, id, how, (const uint8_t *)rest, (uint32_t)strlen(rest), 0), WIRE_OK);
}

/* ---- the end of a test ---- */

static inline void give_up_what_is_left(void)
{
    for (int i = 0; i < event_count; i++) {
        const wire_event *event = &wire_events(w)[i];
        if (event->kind == EVENT_CLIENT_GONE || event->kind == EVENT_BAD_REQUEST || event->kind == EVENT_LOST)
            wire_cancel(w, event->exchange, 1);
    }
}

/* All peers go; what was in progress is given up; then nothing may be left over, and no descriptor stays open. */
static inline void finish(void)
{
    for (int i = 0; i < peer_count; i++)
        if (peers[i] >= 0)
            close(peers[i]);
    for (int i = 0, idle = 0; i < STEPS_MAX && idle < 2; i++) {
        step();
        give_up_what_is_left();
        idle = wire_was_active(w) || wire_has_more(w) ? 0 : idle + 1;
    }
    const wire_counters *now = wire_count(w);
    CHECK_EQUAL(now->edge_open_now, 0);
    CHECK_EQUAL(now->framed_open_now, 0);
    CHECK_EQUAL(now->exchanges_now, 0);
    CHECK_EQUAL(now->handed_over_now, 0);
    CHECK_EQUAL(now->edge_addresses_now, 0);
    CHECK_EQUAL(now->buffers_now, 0);
    CHECK_EQUAL(now->buffer_bytes_now, 0);
    for (uint32_t slot = 0; slot < 8; slot++)
        CHECK(wire_in_flight(w)[slot] == 0 && wire_unsent(w)[slot] == 0);
    wire_free(w);
    w = NULL;
    CHECK_EQUAL(count_descriptors(), descriptors_before);
}

#endif
