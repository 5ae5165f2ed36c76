/* Services for the tests of the wire: framed connections, frames as bytes, and requests that are in flight.
 *
 *     service s = join_framed(0);
 *     uint64_t id = in_flight(client, &s);
 *     respond(&s, id, 200, "hi");
 *     check_answer(client, 200, "hi"); */
#ifndef PENSTOCK_TEST_WIRE_FRAMES_H
#define PENSTOCK_TEST_WIRE_FRAMES_H

#include "test_wire_support.h"

enum { DEADLINE_MS = 50000, FRAME_ROOM = FRAME_HEADER_BYTES + FRAME_PAYLOAD_BYTES_MAX };
#define BIT_63 (UINT64_C(1) << 63)

typedef struct {
    int descriptor;
    uint32_t connection;
} service;

static inline service join_framed(int dialled)
{
    int64_t handle;
    int descriptor = join(SOCKET_FRAMED, dialled, &handle);
    CHECK(handle > 0);
    return (service){descriptor, (uint32_t)handle};
}

static inline uint32_t put_frame(uint8_t *out, int type, int flags, uint64_t id, const void *payload, uint32_t payload_bytes)
{
    frame_write_header(out, payload_bytes, (uint8_t)type, (uint8_t)flags, id);
    if (payload_bytes)
        memcpy(out + FRAME_HEADER_BYTES, payload, payload_bytes);
    return FRAME_HEADER_BYTES + payload_bytes;
}

static inline void say_frame(const service *s, int type, int flags, uint64_t id, const void *payload, uint32_t payload_bytes)
{
    static uint8_t out[FRAME_ROOM];
    say(s->descriptor, out, put_frame(out, type, flags, id, payload, payload_bytes));
}

/* A RESPONSE with at most one field. Returns its length at out. */
static inline uint32_t put_response(uint8_t *out, uint64_t id, int flags, int status, const char *name, const char *value,
                                    const void *body, uint32_t body_bytes)
{
    uint8_t *payload = out + FRAME_HEADER_BYTES, *at = payload + FRAME_RESPONSE_FIXED_BYTES;
    uint32_t name_bytes = name ? (uint32_t)strlen(name) : 0, value_bytes = name ? (uint32_t)strlen(value) : 0;
    frame_write_u16(payload, (uint16_t)status);
    frame_write_u16(payload + 2, name != NULL);
    if (name) {
        at[0] = 0;
        at[1] = (uint8_t)name_bytes;
        frame_write_u16(at + 2, (uint16_t)value_bytes);
        memcpy(at + 4, name, name_bytes);
        memcpy(at + 4 + name_bytes, value, value_bytes);
        at += 4 + name_bytes + value_bytes;
    }
    if (body_bytes)
        memcpy(at, body, body_bytes);
    frame_write_header(out, (uint32_t)(at - payload) + body_bytes, FRAME_RESPONSE, (uint8_t)flags, id);
    return (uint32_t)(at - out) + body_bytes;
}

static inline void respond(const service *s, uint64_t id, int status, const char *body)
{
    static uint8_t out[65536];
    say(s->descriptor, out, put_response(out, id, FRAME_END, status, "content-type", "text/plain", body, (uint32_t)strlen(body)));
}

typedef struct {
    uint64_t exchange;
    const uint8_t *payload;
    uint32_t payload_bytes;
    uint8_t type;
    uint8_t flags;
} heard_frame;

/* Reads one frame to room. All zero when none comes. */
static inline const heard_frame *hear_frame(const service *s)
{
    static heard_frame heard;
    heard = (heard_frame){0};
    if (!hear_bytes(s->descriptor, 0, FRAME_HEADER_BYTES))
        return &heard;
    uint32_t payload_bytes = frame_read_u32(room);
    if (!CHECK(payload_bytes <= FRAME_PAYLOAD_BYTES_MAX) || !hear_bytes(s->descriptor, FRAME_HEADER_BYTES, payload_bytes))
        return &heard;
    heard = (heard_frame){frame_read_u64(room + 8), room + FRAME_HEADER_BYTES, payload_bytes, room[4], room[5]};
    return &heard;
}

static inline void check_cancel(const service *s, uint64_t id, int reason)
{
    const heard_frame *heard = hear_frame(s);
    uint8_t payload[4] = {(uint8_t)reason, 0, 0, 0};
    CHECK_EQUAL(heard->type, FRAME_CANCEL);
    CHECK(heard->exchange == id);
    CHECK_BYTES(heard->payload, heard->payload_bytes, payload, 4);
}

/* What wire_open is given, beside the exchange. Whatever is left out of an initializer is left out of the frame. */
typedef struct {
    uint32_t route, endpoint, attempt, remaining_ms;
    const char *target, *length, *upgrade, *body;
    const uint8_t *fields;
    uint32_t field_count, fields_bytes;
    int end;
    const wire_identity *identity;
} opening;

static inline uint32_t length_of(const char *text)
{
    return text ? (uint32_t)strlen(text) : 0;
}

static inline int open_with(uint64_t id, uint32_t connection, const opening *o)
{
    return wire_open(w, id, connection, o->route, o->endpoint, 0, 0, o->attempt, o->remaining_ms, (const uint8_t *)o->target,
                     length_of(o->target), o->fields, o->field_count, o->fields_bytes, (const uint8_t *)o->length,
                     length_of(o->length), (const uint8_t *)o->upgrade, length_of(o->upgrade), (const uint8_t *)o->body,
                     length_of(o->body), o->end, o->identity);
}

/* The decision to send it there, with the same route, endpoint and deadline for all. */
static inline void send_to(const service *s, uint64_t id)
{
    CHECK_EQUAL(wire_send(w, id, s->connection, 1, 7, 0, 0, DEADLINE_MS, 0, NULL), WIRE_OK);
    wire_flush(w);
}

/* Asks, sends, and reads the REQUEST away: an exchange in flight. */
static inline uint64_t in_flight(int client, const service *s)
{
    uint64_t id = ask(client, GET_A);
    send_to(s, id);
    CHECK((hear_frame(s)->exchange & ~BIT_63) == id);
    return id;
}

/* Asks, takes the connection over, opens a stream to the service, and reads the REQUEST away. */
static inline uint64_t in_stream(int client, const service *s, int end)
{
    const opening o = {.route = 1, .endpoint = 7, .attempt = 1, .remaining_ms = DEADLINE_MS, .target = "/a", .end = end};
    uint64_t id = ask(client, GET_A);
    take_over(id);
    CHECK_EQUAL(open_with(id, s->connection, &o), WIRE_OK);
    wire_flush(w);
    CHECK((hear_frame(s)->exchange & ~BIT_63) == id);
    return id;
}

#endif
