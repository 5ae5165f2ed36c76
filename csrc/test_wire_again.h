/* What the tests of sending again share: a client, two services, and requests that are kept. */
#ifndef PENSTOCK_TEST_WIRE_AGAIN_H
#define PENSTOCK_TEST_WIRE_AGAIN_H

#include "test_wire_frames.h"

enum { KEEPS = SEND_KEEP | SEND_HOLD, ALL = 8, ATTEMPT_SHIFT = 24 };
#define POST_B "POST /b?c HTTP/1.1\r\nhost: a\r\nx-d: e\r\ncontent-length: 4\r\n\r\nbody"

static service a, b;
static int client;

static inline void open_all(uint32_t kept_bytes_max, uint64_t kept_total_bytes_max)
{
    wire_settings settings = small_settings();
    settings.kept_bytes_max = kept_bytes_max;
    settings.kept_total_bytes_max = kept_total_bytes_max;
    start(&settings);
    client = join_edge();
    a = join_framed(0);
    b = join_framed(1);
}

static inline void finish_empty(void)
{
    for (int route = 0; route < 4; route++)
        CHECK_EQUAL(wire_route_in_flight(w)[route], 0);
    settle();
    CHECK_EQUAL(wire_count(w)->kept_now, 0);
    CHECK_EQUAL(wire_count(w)->kept_bytes_now, 0);
    finish();
}

static inline int send_kept(const service *s, uint64_t id, uint32_t how, uint32_t attempt_ms)
{
    int result = wire_send(w, id, s->connection, 1, 7, 5, how, DEADLINE_MS, attempt_ms, NULL);
    wire_flush(w);
    return result;
}

static inline int send_again(const service *s, uint64_t id, uint32_t how, uint32_t attempt)
{
    int result = wire_again(w, id, s->connection, 2, 9, 6, how, attempt, 0);
    wire_flush(w);
    return result;
}

static inline wire_exchange_facts facts_of(uint64_t id)
{
    wire_exchange_facts facts = {0};
    CHECK_EQUAL(wire_facts(w, id, &facts), WIRE_OK);
    return facts;
}

static inline uint64_t on_wire(uint64_t id, uint32_t attempt, uint64_t dialled)
{
    return id | (uint64_t)(attempt - 1) << ATTEMPT_SHIFT | dialled;
}

/* The REQUEST of the last attempt, in its own id, with what the first one said but for what attempts differ in. */
static inline void check_sent_again(const service *s, uint64_t id, uint32_t attempt, uint64_t dialled, const uint8_t *first, uint32_t first_bytes)
{
    const heard_frame *heard = hear_frame(s);
    CHECK_EQUAL(heard->type, FRAME_REQUEST);
    CHECK_EQUAL(heard->flags, FRAME_END);
    CHECK(heard->exchange == on_wire(id, attempt, dialled));
    CHECK_EQUAL(heard->payload_bytes, first_bytes);
    if (heard->payload_bytes != first_bytes)
        return;
    uint32_t remaining_ms = frame_read_u32(heard->payload);
    CHECK(remaining_ms <= frame_read_u32(first) && remaining_ms > DEADLINE_MS - 20000);
    CHECK_EQUAL(heard->payload[4] << 8 | heard->payload[5], 9);
    CHECK_EQUAL(heard->payload[7], attempt);
    CHECK_EQUAL(heard->payload[6], first[6]);
    CHECK_BYTES(heard->payload + 8, first_bytes - 8, first + 8, first_bytes - 8);
}

static inline uint64_t hold_one(int status)
{
    uint64_t id = ask(client, GET_A);
    CHECK_EQUAL(send_kept(&a, id, KEEPS, 0), WIRE_OK);
    CHECK(hear_frame(&a)->exchange == id);
    respond(&a, id, status, "failed");
    const wire_event *event = await_event(EVENT_ANSWERED);
    CHECK(event->exchange == id);
    CHECK_EQUAL(event->connection, a.connection);
    CHECK_EQUAL(event->detail, status);
    CHECK_EQUAL(event->a, 5);
    CHECK_EQUAL(event->flags, ANSWERED_HELD);
    CHECK(is_silent(client));
    CHECK_EQUAL(facts_of(id).connection, 0);
    CHECK_EQUAL(wire_route_in_flight(w)[1], 0);
    return id;
}

#endif
