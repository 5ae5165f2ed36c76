/* Clients that speak TLS, for the tests of the wire. What is between ciphertext and plaintext is the caller's, so here it is one exclusive
 * or; a byte that went around it would be seen. */
#ifndef PENSTOCK_TEST_WIRE_TLS_CLIENTS_H
#define PENSTOCK_TEST_WIRE_TLS_CLIENTS_H

#include "test_wire_frames.h"

enum { KEY = 0x5a };
static uint8_t sealed[WIRE_TLS_PLAIN_BYTES];
static uint32_t record_bytes; /* of what is fed in one go; 0: all at once */
static int encrypts;          /* whether turn does, or leaves the answers where they are */

static inline const uint8_t *turn_over(const uint8_t *bytes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        sealed[i] = bytes[i] ^ KEY;
    return sealed;
}

static inline void decrypt(const wire_event *event)
{
    uint32_t at_once = record_bytes ? record_bytes : event->bytes;
    for (uint32_t at = 0; at < event->bytes; at += at_once) {
        uint32_t count = event->bytes - at < at_once ? event->bytes - at : at_once;
        if (wire_tls_feed(w, event->connection, turn_over(wire_arena(w) + event->at + at, count), count) != WIRE_OK)
            return;
    }
}

/* Returns how many answers there were. */
static inline uint32_t encrypt(void)
{
    uint32_t count, all = 0;
    while ((count = wire_tls_pending(w))) {
        all += count;
        for (uint32_t i = 0; i < count; i++) {
            wire_tls_output out = wire_tls_outputs(w)[i];
            wire_tls_send(w, out.connection, turn_over(wire_tls_plain(w) + out.at, out.bytes), out.bytes, 1);
        }
    }
    return all;
}

static uint64_t came;        /* the request that came last, until somebody awaits it */
static char came_path[64];

/* One step, and what a caller that speaks TLS does then. Returns the step's requests. */
static inline uint32_t turn(void)
{
    step();
    for (int i = 0; i < event_count; i++)
        if (wire_events(w)[i].kind == EVENT_TLS_INPUT)
            decrypt(&wire_events(w)[i]);
    if (wire_request_count(w)) {
        wire_request request = wire_requests(w)[0];
        came = request.exchange;
        snprintf(came_path, sizeof came_path, "%.*s", request.path_bytes, (const char *)wire_arena(w) + request.path);
    }
    if (encrypts)
        encrypt();
    wire_flush(w);
    return wire_request_count(w);
}

static inline void settle_tls(void)
{
    for (int i = 0, idle = 0; i < STEPS_MAX && idle < 3; i++) {
        turn();
        idle = wire_was_active(w) || wire_has_more(w) ? 0 : idle + 1;
    }
}

static inline uint64_t await_tls_request(void)
{
    for (int i = 0; i < STEPS_MAX && !came; i++)
        turn();
    CHECK(came != 0);
    uint64_t id = came;
    came = 0;
    return id;
}

static inline const wire_event *await_tls_event(int kind)
{
    static const wire_event none;
    for (int i = 0; i < STEPS_MAX; i++) {
        turn();
        const wire_event *found = find_event(kind);
        if (found)
            return found;
    }
    CHECK_EQUAL(0, kind);
    return &none;
}

static inline void begin(void)
{
    wire_settings settings = small_settings();
    settings.edge_connections_max = 1024;
    settings.exchanges_max = 2000;
    start(&settings);
    record_bytes = 0;
    came = 0;
    encrypts = 1;
}

static inline int join_tls(void)
{
    int64_t result;
    int descriptor = join(SOCKET_EDGE_TLS, 0, &result);
    CHECK_EQUAL(result, 0);
    return descriptor;
}

static inline size_t say_sealed(int client, const void *plain, size_t count)
{
    return say_some(client, turn_over(plain, (uint32_t)count), count);
}

static inline void say_sealed_text(int client, const char *text)
{
    CHECK_EQUAL(say_sealed(client, text, strlen(text)), strlen(text));
}

/* Reads what there is, turned over, to room. */
static inline uint32_t hear_some(int client, uint32_t at, uint32_t most)
{
    ssize_t got = recv(client, room + at, most, MSG_DONTWAIT);
    for (ssize_t i = 0; i < got; i++)
        room[at + i] ^= KEY;
    return got > 0 ? (uint32_t)got : 0;
}

/* Reads one answer: head at room, body behind it. Returns the body's length. */
static inline uint32_t hear_sealed(int client, int status, uint8_t **body)
{
    uint32_t heard = 0, whole = 0;
    room[0] = 0;
    for (int i = 0; i < STEPS_MAX && (!whole || heard < whole); i++) {
        heard += hear_some(client, heard, whole ? whole - heard : 1);
        uint8_t *end = whole ? NULL : memmem(room, heard, "\r\n\r\n", 4);
        if (end) {
            const char *length = memmem(room, heard, "content-length: ", 16);
            *body = end + 4;
            whole = heard + (uint32_t)(length ? atoi(length + 16) : 0);
        }
        if (whole || is_silent(client))
            turn();
        else
            i--;
    }
    if (!CHECK(whole && heard == whole))
        return 0;
    CHECK_EQUAL(atoi((char *)room + 9), status);
    return heard - (uint32_t)(*body - room);
}

static inline void check_sealed(int client, int status, const char *text)
{
    uint8_t *body = room;
    uint32_t count = hear_sealed(client, status, &body);
    CHECK_BYTES(body, count, text, strlen(text));
}

static inline void end(void)
{
    encrypts = 1;
    for (int i = 0; i < peer_count; i++)
        if (peers[i] >= 0)
            hang_up(peers[i]);
    for (int i = 0, idle = 0; i < STEPS_MAX && idle < 3; i++) {
        turn();
        give_up_what_is_left();
        idle = wire_was_active(w) || wire_has_more(w) ? 0 : idle + 1;
    }
    finish();
}

#endif
