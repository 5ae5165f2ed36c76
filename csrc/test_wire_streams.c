/* Tests of streamed exchanges: the frames of a service, in order, until its last word; and how they end otherwise. */
#include "test_wire_frames.h"

static uint8_t out[1 << 16];

static uint32_t slot_of(const service *s)
{
    return s->connection & 4095;
}

/* The service's next word as an event; its payload is at. */
static const wire_event *check_stream(const service *s, uint64_t id, int type, int flags, const void *payload, uint32_t bytes)
{
    const wire_event *event = await_event(EVENT_STREAM);
    CHECK_EQUAL(event_count, 1);
    CHECK(event->exchange == id);
    CHECK_EQUAL(event->connection, s->connection);
    CHECK_EQUAL(event->detail, type);
    CHECK_EQUAL(event->flags, flags);
    CHECK_BYTES(wire_arena(w) + event->at, event->bytes, payload, bytes);
    return event;
}

static void say_response(const service *s, uint64_t id, int flags, int status, const char *body)
{
    say(s->descriptor, out, put_response(out, id, flags, status, NULL, NULL, body, (uint32_t)strlen(body)));
}

/* The service is done with the exchange: nothing is in flight, and all that it still says is late. */
static void check_done(const service *s, uint64_t id)
{
    CHECK_EQUAL(wire_in_flight(w)[slot_of(s)], 0);
    uint64_t late = wire_count(w)->late_responses;
    say_response(s, id, FRAME_END, 200, "again");
    say_frame(s, FRAME_DATA, 0, id, "more", 4);
    say_frame(s, FRAME_TRAILERS, FRAME_END, id, "\0\0\0\0", 4);
    say_frame(s, FRAME_CREDIT, 0, id, "\0\0\0\1", 4);
    say_frame(s, FRAME_CANCEL, 0, id, "\7\0\0\0", 4);
    say_frame(s, FRAME_REFUSED, 0, id, "\1\0\0\0\0\0\0\0", 8);
    for (int i = 0; i < 20 && wire_count(w)->late_responses < late + 6; i++) {
        step();
        CHECK_EQUAL(event_count, 0);
    }
    CHECK_EQUAL(wire_count(w)->late_responses, late + 6);
}

static void give_up(uint64_t id)
{
    CHECK(wire_age_ms(w, id) >= 0);
    give_back(id, HAND_BACK_CLOSE, "");
}

/* ---- frames in order ---- */

static void check_every_type(int dialled)
{
    start(NULL);
    int client = join_edge();
    service s = join_framed(dialled);
    uint64_t id = in_stream(client, &s, 0), on_wire = id | (dialled ? BIT_63 : 0);
    CHECK_EQUAL(wire_in_flight(w)[slot_of(&s)], 1);
    say_frame(&s, FRAME_CREDIT, 0, on_wire, "\0\1\0\0", 4);
    check_stream(&s, id, FRAME_CREDIT, 0, "\0\1\0\0", 4);
    say_response(&s, on_wire, 0, 103, "");
    check_stream(&s, id, FRAME_RESPONSE, 0, "\0\147\0\0", 4);
    CHECK_EQUAL(wire_count(w)->answers_from_services, 0);
    say_response(&s, on_wire, 0, 200, "first ");
    check_stream(&s, id, FRAME_RESPONSE, 0, "\0\310\0\0first ", 10);
    CHECK_EQUAL(wire_count(w)->answers_from_services, 1);
    say_frame(&s, FRAME_DATA, 0, on_wire, "second", 6);
    check_stream(&s, id, FRAME_DATA, 0, "second", 6);
    CHECK_EQUAL(wire_in_flight(w)[slot_of(&s)], 1);
    say_frame(&s, FRAME_TRAILERS, FRAME_END, on_wire, "\0\1\0\0\0\1\0\1ab", 10);
    check_stream(&s, id, FRAME_TRAILERS, FRAME_END, "\0\1\0\0\0\1\0\1ab", 10);
    if (!dialled)
        check_done(&s, id);
    CHECK_EQUAL(wire_in_flight(w)[slot_of(&s)], 0);
    CHECK_EQUAL(wire_count(w)->answers, 0); /* that is written by who has the connection */
    CHECK(is_silent(client));
    give_up(id);
    finish();
}

/* Many at once in one read: all are told, in their order. */
static void test_order_within_a_read(void)
{
    enum { FRAMES = 3000 };
    static uint8_t many[FRAMES * (FRAME_HEADER_BYTES + 4)];
    uint32_t bytes = 0, next = 1;
    start(NULL);
    int client = join_edge();
    service s = join_framed(0);
    uint64_t id = in_stream(client, &s, 1);
    bytes += put_response(many, id, 0, 200, NULL, NULL, NULL, 0);
    for (uint32_t i = 1; i < FRAMES; i++) {
        uint8_t number[4];
        frame_write_u32(number, i);
        bytes += put_frame(many + bytes, FRAME_DATA, i == FRAMES - 1 ? FRAME_END : 0, id, number, 4);
    }
    say(s.descriptor, many, bytes);
    int in_order = 1, steps = 0;
    for (int is_first = 1; (next < FRAMES || wire_has_more(w)) && steps < 1000; steps++) {
        step();
        for (int i = 0; i < event_count; i++, is_first = 0) {
            const wire_event *event = &wire_events(w)[i];
            in_order &= event->kind == EVENT_STREAM && event->exchange == id;
            if (is_first)
                in_order &= event->detail == FRAME_RESPONSE;
            else
                in_order &= event->detail == FRAME_DATA && frame_read_u32(wire_arena(w) + event->at) == next++;
        }
    }
    CHECK(in_order);
    CHECK_EQUAL(next, FRAMES);
    check_done(&s, id);
    give_up(id);
    finish();
}

/* Two on one connection, told apart. */
static void test_two_streams(void)
{
    start(NULL);
    service s = join_framed(0);
    uint64_t one = in_stream(join_edge(), &s, 0), other = in_stream(join_edge(), &s, 0);
    CHECK_EQUAL(wire_in_flight(w)[slot_of(&s)], 2);
    say_response(&s, other, FRAME_END, 200, "other");
    check_stream(&s, other, FRAME_RESPONSE, FRAME_END, "\0\310\0\0other", 9);
    CHECK_EQUAL(wire_in_flight(w)[slot_of(&s)], 1);
    say_response(&s, one, FRAME_END, 200, "one");
    check_stream(&s, one, FRAME_RESPONSE, FRAME_END, "\0\310\0\0one", 7);
    CHECK_EQUAL(wire_in_flight(w)[slot_of(&s)], 0);
    give_up(one);
    give_up(other);
    finish();
}

/* ---- the last word ---- */

/* 0: RESPONSE with END; 1: DATA; 2: TRAILERS; 3: CANCEL; 4: 101 and then DATA with END. */
static void check_last_word(int which)
{
    start(NULL);
    int client = join_edge();
    service s = join_framed(0);
    uint64_t id = in_stream(client, &s, which != 4);
    if (which)
        say_response(&s, id, 0, which == 4 ? 101 : 200, "");
    settle();
    CHECK_EQUAL(wire_in_flight(w)[slot_of(&s)], 1);
    CHECK_EQUAL(wire_count(w)->answers_from_services, which != 0);
    if (which == 0)
        say_response(&s, id, FRAME_END, 404, "");
    else if (which == 2)
        say_frame(&s, FRAME_TRAILERS, FRAME_END, id, "\0\0\0\0", 4);
    else if (which == 3)
        say_frame(&s, FRAME_CANCEL, 0, id, "\7\0\0\0", 4);
    else
        say_frame(&s, FRAME_DATA, FRAME_END, id, "", 0);
    CHECK(await_event(EVENT_STREAM)->exchange == id);
    check_done(&s, id);
    const opening o = {.attempt = 2, .target = "/a"};
    CHECK_EQUAL(open_with(id, s.connection, &o), WIRE_OK); /* it is undecided again */
    wire_flush(w);
    CHECK_EQUAL(hear_frame(&s)->type, FRAME_REQUEST);
    CHECK_EQUAL(wire_cancel(w, id, 6), WIRE_OK);
    wire_flush(w);
    check_cancel(&s, id, 6);
    give_up(id);
    finish();
}

/* ---- other ends ---- */

static void test_refused(void)
{
    start(NULL);
    int client = join_edge();
    service s = join_framed(1);
    uint64_t id = in_stream(client, &s, 0);
    say_frame(&s, FRAME_REFUSED, 0, id | BIT_63, "\4\0\0\0\0\0\1\0", 8);
    const wire_event *event = await_event(EVENT_REFUSED);
    CHECK(event->exchange == id);
    CHECK_EQUAL(event->detail, 4);
    CHECK_EQUAL(event->a, 256);
    CHECK_EQUAL(wire_in_flight(w)[slot_of(&s)], 0);
    CHECK_EQUAL(open_with(id, s.connection, &(opening){.attempt = 2, .target = "/a"}), WIRE_OK);
    CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_OK);
    give_up(id);
    finish();
}

static void check_lost(int in_body)
{
    start(NULL);
    int client = join_edge();
    service s = join_framed(0), another = join_framed(0);
    uint64_t id = in_stream(client, &s, 0);
    if (in_body) {
        say_response(&s, id, 0, 200, "begun");
        await_event(EVENT_STREAM);
    }
    hang_up(s.descriptor);
    const wire_event *event = await_event(EVENT_LOST);
    CHECK(event->exchange == id);
    CHECK_EQUAL(event->connection, s.connection);
    CHECK_EQUAL(open_with(id, s.connection, &(opening){.attempt = 2, .target = "/a"}), WIRE_NO_CONNECTION);
    CHECK_EQUAL(open_with(id, another.connection, &(opening){.attempt = 2, .target = "/a"}), WIRE_OK);
    say_response(&another, id, FRAME_END, 200, "there");
    check_stream(&another, id, FRAME_RESPONSE, FRAME_END, "\0\310\0\0there", 9);
    give_up(id);
    finish();
}

/* Dropped by giving the connection back: no CANCEL is written, but nothing is taken from then on either. */
static void test_given_back_in_the_midst(void)
{
    start(NULL);
    int client = join_edge();
    service s = join_framed(0);
    uint64_t id = in_stream(client, &s, 0);
    give_up(id);
    check_done(&s, id);
    finish();
}

/* Nobody but the service that was asked speaks for an exchange, and none speaks for one that was sent plain. */
static void test_frames_of_others(void)
{
    start(NULL);
    int client = join_edge();
    service s = join_framed(0), liar = join_framed(0);
    uint64_t id = in_stream(client, &s, 0);
    say_frame(&liar, FRAME_DATA, 0, id, "lie", 3);
    say_frame(&liar, FRAME_CANCEL, 0, id, "\7\0\0\0", 4);
    say_response(&liar, id, FRAME_END, 200, "lie");
    settle();
    CHECK_EQUAL(wire_count(w)->foreign_responses, 3);
    CHECK_EQUAL(wire_in_flight(w)[slot_of(&s)], 1);
    say_frame(&s, FRAME_DATA, 0, id | BIT_63, "its own", 7); /* about a request of the service's: for who knows of those */
    const wire_event *event = await_event(EVENT_FRAME);
    CHECK_EQUAL(event->detail, FRAME_DATA);
    CHECK(event->exchange == (id | BIT_63));
    CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_OK);
    give_up(id);
    finish();
}

static void check_plain(int type, int flags, const char *payload, uint32_t payload_bytes)
{
    start(NULL);
    int client = join_edge();
    service s = join_framed(0);
    uint64_t id = in_flight(client, &s);
    say_frame(&s, type, flags, id, payload, payload_bytes);
    const wire_event *event = await_event(EVENT_BAD_RESPONSE);
    CHECK(event->exchange == id);
    CHECK_EQUAL(event->detail, BAD_RESPONSE_STREAM);
    respond(&s, id, 200, "after all");
    settle();
    CHECK_EQUAL(wire_count(w)->late_responses, 1);
    CHECK_EQUAL(wire_cancel(w, id, 6), WIRE_OK);
    answer_text(id, 502, "", 0);
    check_answer(client, 502, "");
    finish();
}

/* ---- measuring ---- */

/* The head of the final RESPONSE counts, once; neither what is interim, nor the body, nor a second final one. */
static void test_measured_once(void)
{
    start(NULL);
    int client = join_edge();
    service s = join_framed(0);
    uint64_t id = in_stream(client, &s, 0);
    say_response(&s, id, 0, 100, "");
    await_event(EVENT_STREAM);
    CHECK(wire_latency_us(w)[slot_of(&s)] == 0);
    advance(100);
    say_response(&s, id, 0, 503, "");
    await_event(EVENT_STREAM);
    float measured = wire_latency_us(w)[slot_of(&s)];
    CHECK(measured >= 1100000.0f); /* with failure_us */
    const uint64_t *statuses = wire_route_statuses(w, 1);
    CHECK(statuses[1] == 0 && statuses[5] == 1);
    advance(60000);
    say_response(&s, id, 0, 200, "");
    await_event(EVENT_STREAM);
    say_frame(&s, FRAME_DATA, FRAME_END, id, "end", 3);
    await_event(EVENT_STREAM);
    CHECK(statuses[2] == 0 && statuses[5] == 1);
    CHECK(wire_latency_us(w)[slot_of(&s)] == measured);
    CHECK_EQUAL(wire_count(w)->answers_from_services, 1);
    CHECK_EQUAL(open_with(id, s.connection, &(opening){.route = 1, .attempt = 2, .target = "/a"}), WIRE_OK);
    say_response(&s, id, FRAME_END, 200, "");
    await_event(EVENT_STREAM);
    CHECK(statuses[2] == 1); /* another attempt, another measurement */
    give_up(id);
    finish();
}

/* What is streamed has a deadline of the caller's own: none passes here, and it is not listed among what was sent. */
static void test_no_deadline(void)
{
    uint64_t ids[4];
    start(NULL);
    int client = join_edge();
    service s = join_framed(0);
    uint64_t id = in_stream(client, &s, 0);
    CHECK_EQUAL(wire_sent(w, ids, 4), 0);
    advance(10 * DEADLINE_MS);
    settle();
    CHECK_EQUAL(wire_count(w)->expired, 0);
    CHECK(wire_age_ms(w, id) >= 10 * DEADLINE_MS);
    give_up(id);
    finish();
}

int main(void)
{
    check_every_type(0);
    check_every_type(1);
    test_order_within_a_read();
    test_two_streams();
    for (int which = 0; which <= 4; which++)
        check_last_word(which);
    test_refused();
    check_lost(0);
    check_lost(1);
    test_given_back_in_the_midst();
    test_frames_of_others();
    check_plain(FRAME_DATA, 0, "data", 4);
    check_plain(FRAME_TRAILERS, FRAME_END, "\0\0\0\0", 4);
    check_plain(FRAME_CREDIT, 0, "\0\0\0\1", 4);
    check_plain(FRAME_CANCEL, 0, "\7\0\0\0", 4);
    test_measured_once();
    test_no_deadline();
    return test_report();
}
