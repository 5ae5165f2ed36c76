/* Requests that are sent as plain ones to who may stream, for the tests of the wire. */
#ifndef PENSTOCK_TEST_WIRE_STREAMING_H
#define PENSTOCK_TEST_WIRE_STREAMING_H

#include "test_wire_tls_clients.h"

static service s;
static int client;

static inline void open_both(void)
{
    start(NULL);
    client = join_edge();
    s = join_framed(0);
}

static inline uint64_t send_streaming(uint64_t id)
{
    CHECK_EQUAL(wire_send(w, id, s.connection, 2, 7, 0, SEND_MAY_STREAM, DEADLINE_MS, 0, NULL), WIRE_OK);
    wire_flush(w);
    CHECK(hear_frame(&s)->exchange == id);
    return id;
}

static inline uint64_t ask_streaming(const char *request)
{
    return send_streaming(ask(client, request));
}

static inline void say_head(uint64_t id, int status, int flags, const char *body)
{
    static uint8_t out[4096];
    say(s.descriptor, out, put_response(out, id, flags, status, "a", "b", body, (uint32_t)strlen(body)));
}

static inline void say_number(int type, uint64_t id, uint8_t first, uint8_t last)
{
    const uint8_t payload[] = {first, 0, 0, last};
    say_frame(&s, type, 0, id, payload, sizeof payload);
}

/* The answer begins, and has not ended. */
static inline const wire_event *begin_answer(uint64_t id)
{
    say_head(id, 200, 0, "first");
    const wire_event *event = await_event(EVENT_STREAM);
    CHECK(event->exchange == id);
    CHECK_EQUAL(event->detail, FRAME_RESPONSE);
    CHECK_EQUAL(event->a, 200);
    CHECK_EQUAL(event->b, 5);
    return event;
}

static inline wire_handed take(uint64_t id)
{
    wire_handed handed = {.descriptor = -1};
    CHECK_EQUAL(wire_take_over(w, id, &handed), WIRE_OK);
    return handed;
}

static inline void check_not_taken(uint64_t id)
{
    wire_handed handed;
    CHECK_EQUAL(wire_take_over(w, id, &handed), WIRE_NO_EXCHANGE);
}

static inline uint32_t in_flight_now(void)
{
    return wire_in_flight(w)[s.connection & 4095];
}

/* The id of the one exchange that a drain would have to give up; 0 when there is none. */
static inline uint64_t only_sent(void)
{
    uint64_t ids[4];
    uint32_t count = wire_sent(w, ids, 4);
    CHECK(count <= 1);
    return count ? ids[0] : 0;
}

#endif
