/* Fuzzes clients that speak TLS, with a caller that may do with them whatever it can: decrypt or not, in records of any size, encrypt or
 * not, say the end, hand over and give back. The input is a program of operations. What is encrypted is turned over by one exclusive or,
 * so that a byte which went around the caller would be seen.
 *
 * Whatever was done: a connection is told of from its first input to its end, once; what a client hears is whole answers, in
 * order, all turned over; and in the end nothing is left. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire.h"

enum { CLIENTS = 5, EXCHANGES = 8, KEY = 0x5a, BODY_MAX = 1 << 20, HANDLES = 64, ROOM = 1 << 17 };

typedef struct {
    const uint8_t *bytes;
    size_t left;
} program;

typedef struct {
    int descriptor; /* -1: none */
    uint32_t head_bytes, body_left;
    uint8_t is_spoiled; /* it said what is no request, or a hand-over wrote nothing: what it hears is not looked at */
    char head[1024];
} client;

static wire *w;
static client clients[CLIENTS];
static uint64_t exchanges[EXCHANGES]; /* undecided or handed over; 0: none */
static uint8_t is_away[EXCHANGES];
static uint32_t handles[HANDLES]; /* of connections that were told of, and not of their end */
static uint32_t largest_left; /* so many answers can be as large as they may be: more takes time, and finds nothing new */
static uint8_t sealed[WIRE_TLS_PLAIN_BYTES], body[BODY_MAX], heard[ROOM];
static uint32_t given[WIRE_TLS_OUTPUTS_MAX], given_count; /* that nobody has encrypted yet */

static void demand(int holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "does not hold: %s\n", what);
    abort();
}

static uint8_t next(program *p)
{
    if (!p->left)
        return 0;
    p->left--;
    return *p->bytes++;
}

static const uint8_t *turn_over(const uint8_t *bytes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        sealed[i] = bytes[i] ^ KEY;
    return sealed;
}

/* ---- clients ---- */

static void open_client(client *c)
{
    int pair[2], small = 4096;
    if (c->descriptor >= 0)
        return;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        abort();
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    if (wire_adopt(w, pair[0], SOCKET_EDGE_TLS, 0) != WIRE_OK) {
        close(pair[1]);
        return;
    }
    memset(c, 0, sizeof *c);
    c->descriptor = pair[1];
}

static void say(client *c, const void *bytes, uint32_t count)
{
    if (c->descriptor >= 0)
        (void)!send(c->descriptor, turn_over(bytes, count), count, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void say_request(client *c, uint8_t which, uint8_t cut)
{
    static const char *const texts[] = {
        "GET /a HTTP/1.1\r\nhost: a\r\n\r\n",
        "PUT /b HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nsome body",
        "GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        "POST /b HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n",
        "GET /a HTTP/1.1\r\nhost : a\r\n\r\n",
        "PUT /b HTTP/1.1\r\nhost: a\r\ncontent-length: 20000\r\n\r\n",
        "\1\2\3",
    };
    const char *text = texts[which % 8];
    uint32_t count = (uint32_t)strlen(text);
    say(c, text, cut && cut < count ? cut : count);
}

/* What comes is answers with bodies of 'b', one behind the other. */
static void take_byte(client *c, char byte)
{
    if (c->body_left) {
        demand(byte == 'b', "a body is what it was");
        c->body_left--;
        return;
    }
    demand(c->head_bytes < sizeof c->head - 1, "a head ends");
    c->head[c->head_bytes++] = byte;
    if (c->head_bytes < 4 || memcmp(c->head + c->head_bytes - 4, "\r\n\r\n", 4) != 0)
        return;
    c->head[c->head_bytes] = 0;
    demand(strncmp(c->head, "HTTP/1.1 ", 9) == 0, "an answer begins with a status line");
    const char *length = strstr(c->head, "content-length: ");
    c->body_left = length ? (uint32_t)atoi(length + 16) : 0;
    c->head_bytes = 0;
}

static void hear(client *c, uint32_t most)
{
    if (c->descriptor < 0)
        return;
    ssize_t got = recv(c->descriptor, heard, most < ROOM ? most : ROOM, MSG_DONTWAIT);
    for (ssize_t i = 0; i < got && !c->is_spoiled; i++)
        take_byte(c, (char)(heard[i] ^ KEY));
}

static void leave(client *c, int half)
{
    if (c->descriptor < 0)
        return;
    if (half) {
        shutdown(c->descriptor, SHUT_WR);
        return;
    }
    close(c->descriptor);
    c->descriptor = -1;
}

/* ---- the caller ---- */

static int find_handle(uint32_t handle)
{
    for (int i = 0; i < HANDLES; i++)
        if (handles[i] == handle)
            return i;
    return -1;
}

static void take_input(const wire_event *event, uint8_t how)
{
    int place = find_handle(event->connection);
    demand((place < 0) == (event->flags == 1), "the first input of a connection is marked");
    if (place < 0) {
        place = find_handle(0);
        demand(place >= 0, "the end of each connection is told");
        handles[place] = event->connection;
    }
    demand(event->at <= WIRE_ARENA_BYTES && event->bytes && event->bytes <= WIRE_ARENA_BYTES - event->at, "input is in the arena");
    uint32_t at_once = how & 64 ? 1 + (how & 7) : event->bytes;
    for (uint32_t at = 0; at < event->bytes; at += at_once) {
        uint32_t count = event->bytes - at < at_once ? event->bytes - at : at_once;
        wire_tls_feed(w, event->connection, turn_over(wire_arena(w) + event->at + at, count), count);
    }
}

static void open_exchange(uint64_t id)
{
    for (int i = 0; i < EXCHANGES; i++)
        if (!exchanges[i]) {
            exchanges[i] = id;
            is_away[i] = 0;
            return;
        }
    demand(0, "there are no more exchanges than exchanges_max");
}

static void give_up(uint64_t id)
{
    for (int i = 0; i < EXCHANGES; i++)
        if (exchanges[i] == id) {
            wire_cancel(w, id, 1);
            demand(wire_age_ms(w, id) < 0, "an exchange without a client is over when it is cancelled");
            exchanges[i] = 0;
        }
}

static void step(uint8_t how)
{
    int count = wire_step(w, 0);
    demand(count >= 0 && count <= WIRE_EVENTS_MAX, "a step has its bounds");
    uint32_t request_count = wire_request_count(w); /* whose clients may be gone already; what input makes of them comes behind */
    for (uint32_t i = 0; i < request_count; i++)
        open_exchange(wire_requests(w)[i].exchange);
    for (int i = 0; i < count; i++) {
        const wire_event *event = &wire_events(w)[i];
        if (event->kind == EVENT_TLS_INPUT) {
            take_input(event, how);
        } else if (event->kind == EVENT_TLS_CLOSED) {
            int place = find_handle(event->connection);
            if (place >= 0)
                handles[place] = 0;
            demand(wire_tls_feed(w, event->connection, body, 1) == WIRE_NO_CONNECTION, "a handle is void once its connection is closed");
        } else if (event->kind == EVENT_CLIENT_GONE) {
            give_up(event->exchange);
        } else {
            demand(event->kind == EVENT_BAD_REQUEST, "nothing else happens");
            open_exchange(event->exchange);
        }
    }
    for (uint32_t i = request_count; i < wire_request_count(w); i++)
        open_exchange(wire_requests(w)[i].exchange);
    wire_flush(w);
}

static void seal(uint8_t how)
{
    uint32_t count;
    while ((count = wire_tls_pending(w))) {
        for (uint32_t i = 0; i < count; i++) {
            wire_tls_output out = wire_tls_outputs(w)[i];
            demand(out.at <= WIRE_TLS_PLAIN_BYTES && out.bytes <= WIRE_TLS_PLAIN_BYTES - out.at, "plaintext is in its memory");
            uint32_t first = how & 1 ? out.bytes / 3 : 0;
            if (first)
                wire_tls_send(w, out.connection, turn_over(wire_tls_plain(w) + out.at, first), first, 0);
            wire_tls_send(w, out.connection, turn_over(wire_tls_plain(w) + out.at + first, out.bytes - first), out.bytes - first, 1);
        }
        if (how & 2)
            return;
    }
}

/* Answers are given, and never come back: their connections time out. */
static void forget_answers(void)
{
    given_count = wire_tls_pending(w);
    for (uint32_t i = 0; i < given_count; i++)
        given[i] = wire_tls_outputs(w)[i].connection;
}

static void answer(int i, uint8_t how)
{
    uint32_t count = how < 128 ? how : (uint32_t)(how - 127) * 200;
    if (!exchanges[i] || is_away[i])
        return;
    if (how == 254 && largest_left && largest_left--)
        count = BODY_MAX;
    if (wire_answer(w, exchanges[i], 200, NULL, 0, body, count, how & 1) == WIRE_OK)
        exchanges[i] = 0;
}

static void hand_over(int i)
{
    wire_handed handed;
    if (exchanges[i] && !is_away[i] && wire_hand_over(w, exchanges[i], &handed) == WIRE_OK) {
        is_away[i] = 1;
        demand(wire_tls_send(w, handed.connection, body, 1, 0) == WIRE_NO_CONNECTION, "a connection that is away is the caller's");
    }
}

static void hand_back(int i, uint8_t how)
{
    static const char text[] = "GET /rest HTTP/1.1\r\nhost: a\r\n\r\n";
    if (!is_away[i] || !exchanges[i])
        return;
    uint32_t count = how & 4 ? how % (uint32_t)sizeof text : 0;
    demand(wire_hand_back(w, exchanges[i], how & 3, (const uint8_t *)text, count, count) == WIRE_OK, "what is away can be given back");
    exchanges[i] = is_away[i] = 0;
}

static void operate(program *p)
{
    uint8_t operation = next(p), a = next(p);
    client *c = &clients[a % CLIENTS];
    uint32_t handle = handles[(a >> 3) % HANDLES];
    switch (operation % 18) {
    case 0:
        open_client(c);
        break;
    case 1:
    case 2:
        say_request(c, next(p), next(p));
        break;
    case 3:
        say(c, body, 1 + 70u * a);
        break;
    case 4:
        leave(c, a & 128);
        break;
    case 5:
        hear(c, 1 + 400u * next(p));
        break;
    case 6:
    case 7:
        answer(a % EXCHANGES, next(p));
        break;
    case 8:
        seal(a);
        break;
    case 9:
        if (a > 200)
            forget_answers();
        break;
    case 10:
        if (handle)
            wire_tls_end(w, handle);
        break;
    case 11:
        hand_over(a % EXCHANGES);
        break;
    case 12:
        hand_back(a % EXCHANGES, next(p));
        break;
    case 13:
        wire_advance_clock(w, a);
        break;
    case 14:
        if (a == 255)
            wire_drain_edge(w, next(p));
        break;
    case 15:
        if (handle)
            wire_tls_feed(w, handle, NULL, 0);
        break;
    default:
        step(a);
        break;
    }
}

static void end(void)
{
    for (int i = 0; i < CLIENTS; i++)
        leave(&clients[i], 0);
    for (int i = 0; i < EXCHANGES; i++)
        hand_back(i, 0);
    for (int i = 0; i < 20; i++) {
        wire_advance_clock(w, 200);
        step(0);
        seal(0);
    }
    const wire_counters *now = wire_count(w);
    demand(now->edge_open_now == 0 && now->exchanges_now == 0 && now->buffers_now == 0, "in the end nothing is left");
    for (int i = 0; i < HANDLES; i++)
        demand(handles[i] == 0, "the end of each connection was told");
    wire_free(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    program p = {bytes, count};
    uint8_t how = next(&p);
    wire_settings settings = {.edge_connections_max = CLIENTS,
                              .framed_connections_max = 1,
                              .exchanges_max = how & 1 ? EXCHANGES : 2,
                              .routes_max = 1,
                              .framed_output_bytes_max = 600,
                              .head_ms = 100,
                              .body_bytes_per_second = 10000,
                              .idle_ms = 400,
                              .write_ms = 300,
                              .linger_ms = 50,
                              .tls_handshake_ms = 200,
                              .http1 = {how & 2 ? 40000 : 1000, 20, 200, how & 4 ? 40000 : 1000}};
    w = wire_new(&settings);
    if (!w)
        abort();
    if (!body[0])
        memset(body, 'b', sizeof body);
    memset(exchanges, 0, sizeof exchanges);
    memset(is_away, 0, sizeof is_away);
    memset(handles, 0, sizeof handles);
    for (int i = 0; i < CLIENTS; i++)
        clients[i].descriptor = -1;
    largest_left = 5;
    while (p.left)
        operate(&p);
    end();
    return 0;
}
