/* Tests of requests that are sent as plain ones to who may stream: whole answers go the usual way, and for any other the connection is taken
 * over when it has come. How they end otherwise is in test_wire_taken_over_ends.c. */
#include "test_wire_streaming.h"

static void test_whole(void)
{
    open_both();
    uint64_t id = ask_streaming(GET_A);
    CHECK(only_sent() == id);
    check_not_taken(id);
    respond(&s, id, 200, "hi");
    check_answer(client, 200, "hi");
    CHECK_EQUAL(count_events(EVENT_STREAM), 0);
    check_not_taken(id);
    id = ask_streaming("HEAD /a HTTP/1.1\r\nhost: a\r\n\r\n");
    respond(&s, id, 200, "four");
    CHECK(hear_head(client) > 0);
    CHECK(memmem(room, ROOM, "content-length: 4\r\n", 19) != NULL);
    CHECK_EQUAL(wire_count(w)->answers_from_services, 2);
    CHECK_EQUAL(wire_count(w)->handed_over, 0);
    finish();
}

static void test_streamed(void)
{
    uint32_t body_at = 0;
    open_both();
    uint64_t id = ask_streaming("PUT /a HTTP/1.1\r\nhost: a\r\nte: trailers\r\ncontent-length: 3\r\n\r\nabc");
    say_text(client, GET_A);
    settle();
    const wire_event event = *begin_answer(id);
    CHECK_EQUAL(wire_response_head(w, id, event.at, event.bytes, FRAMING_CHUNKED, 0, NULL, 0, 0, room, ROOM, &body_at), WIRE_NO_EXCHANGE);
    CHECK(only_sent() == id);
    wire_handed handed = take(id);
    CHECK(handed.descriptor >= 0);
    CHECK_BYTES(handed.held, handed.held_bytes, GET_A, strlen(GET_A));
    CHECK_EQUAL(handed.closes, 0);
    CHECK_EQUAL(handed.route, 2);
    CHECK_EQUAL(handed.method, METHOD_PUT);
    CHECK_EQUAL(handed.flags, HEAD_TAKES_TRAILERS);
    CHECK_EQUAL(handed.remaining_ms, 0);
    CHECK_EQUAL(only_sent(), 0);
    check_not_taken(id);
    CHECK(wire_response_head(w, id, event.at, event.bytes, FRAMING_CHUNKED, 0, NULL, 0, 0, room, ROOM, &body_at) > 0);
    CHECK_EQUAL(wire_answer(w, id, 200, NULL, 0, NULL, 0, 0), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(in_flight_now(), 1);
    advance(2 * DEADLINE_MS);
    settle();
    CHECK_EQUAL(wire_count(w)->expired, 0);
    say_frame(&s, FRAME_DATA, FRAME_END, id, "last", 4);
    CHECK_EQUAL(await_event(EVENT_STREAM)->detail, FRAME_DATA);
    CHECK_EQUAL(in_flight_now(), 0);
    CHECK_EQUAL(wire_route_statuses(w, 2)[2], 1);
    CHECK_EQUAL(wire_count(w)->answers_from_services, 1);
    give_back(id, HAND_BACK_KEEP, GET_A);
    id = await_request();
    answer_text(id, 200, "next", 0);
    check_answer(client, 200, "next");
    finish();
}

static void test_ended_at_once(void)
{
    static uint8_t out[4096];
    open_both();
    uint64_t id = ask_streaming(GET_A);
    uint32_t count = put_response(out, id, 0, 103, NULL, NULL, NULL, 0);
    count += put_response(out + count, id, 0, 200, NULL, NULL, "a", 1);
    count += put_frame(out + count, FRAME_DATA, FRAME_END, id, "b", 1);
    count += put_frame(out + count, FRAME_DATA, 0, id, "c", 1);
    say(s.descriptor, out, count);
    await_event(EVENT_STREAM);
    CHECK_EQUAL(count_events(EVENT_STREAM), 3);
    CHECK_EQUAL(wire_count(w)->late_responses, 1);
    CHECK_EQUAL(in_flight_now(), 0);
    CHECK_EQUAL(take(id).remaining_ms, 0);
    CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_NO_EXCHANGE);
    give_back(id, HAND_BACK_KEEP, "");
    answer_text(ask(client, GET_A), 200, "next", 0);
    check_answer(client, 200, "next");
    finish();
}

static void test_ends_that_are_not_whole(void)
{
    static const struct {
        const char *request;
        int status;
    } cases[] = {{GET_A, 426}, {"HEAD /a HTTP/1.1\r\nhost: a\r\n\r\n", 200}, {"HEAD /a HTTP/1.1\r\nhost: a\r\n\r\n", 304}};
    open_both();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t id = ask_streaming(cases[i].request);
        say_head(id, cases[i].status, FRAME_END, "");
        CHECK_EQUAL(await_event(EVENT_STREAM)->flags, FRAME_END);
        CHECK_EQUAL(in_flight_now(), 0);
        if (i) {
            take(id);
            give_back(id, HAND_BACK_KEEP, "");
        } else { /* or the caller answers it */
            answer_text(id, 502, "no", 0);
            check_answer(client, 502, "no");
        }
    }
    finish();
}

static void test_interim(void)
{
    open_both();
    uint64_t id = ask_streaming(GET_A);
    say_head(id, 103, 0, "");
    CHECK_EQUAL(await_event(EVENT_STREAM)->a, 103);
    advance(DEADLINE_MS - 20000);
    settle();
    wire_handed handed = take(id);
    CHECK(handed.remaining_ms > 5000 && handed.remaining_ms <= 20008);
    CHECK_EQUAL(handed.flags, 0);
    CHECK_EQUAL(handed.method, METHOD_GET);
    say_head(id, 200, FRAME_END, "whole");
    const wire_event *event = await_event(EVENT_STREAM);
    CHECK(event->a == 200 && event->b == 5 && event->flags == FRAME_END);
    give_back(id, HAND_BACK_CLOSE, "");
    finish();
}

static void test_refused(void)
{
    open_both();
    uint64_t id = ask_streaming(GET_A);
    say_frame(&s, FRAME_REFUSED, 0, id, "\1\0\0\0\0\0\0\0", 8);
    CHECK(await_event(EVENT_REFUSED)->exchange == id);
    check_not_taken(id);
    answer_text(id, 503, "full", 0);
    check_answer(client, 503, "full");

    id = ask_streaming(GET_A);
    say_head(id, 100, 0, "");
    await_event(EVENT_STREAM);
    take(id);
    say_frame(&s, FRAME_REFUSED, 0, id, "\1\0\0\0\0\0\0\0", 8);
    CHECK_EQUAL(await_event(EVENT_STREAM)->detail, FRAME_REFUSED);
    CHECK_EQUAL(in_flight_now(), 1);
    CHECK_EQUAL(wire_cancel(w, id, 6), WIRE_OK);
    wire_flush(w);
    check_cancel(&s, id, 6);
    give_back(id, HAND_BACK_CLOSE, "");
    finish();
}

static void test_handed_in(void)
{
    open_both();
    uint64_t id = ask_streaming(GET_A);
    say_head(id, 100, 0, "");
    await_event(EVENT_STREAM);
    take(id);
    CHECK_EQUAL(wire_hand_in(w, id, (const uint8_t *)GET_A, strlen(GET_A), 0, DEADLINE_MS), WIRE_OK);
    CHECK(only_sent() == id);
    respond(&s, id, 200, "hi");
    answer_text(await_request(), 200, "next", 0);
    check_answer(client, 200, "hi");
    check_answer(client, 200, "next");
    finish();
}

static void test_out_of_order(void)
{
    static const int types[] = {FRAME_DATA, FRAME_CANCEL};
    open_both();
    for (int i = 0; i < 2; i++) {
        uint64_t id = ask_streaming(GET_A);
        say_number(FRAME_CREDIT, id, 0, 9);
        settle();
        say_number(types[i], id, 7, 0);
        const wire_event *event = await_event(EVENT_BAD_RESPONSE);
        CHECK(event->exchange == id && event->detail == BAD_RESPONSE_STREAM);
        say_head(id, 200, 0, "x");
        settle();
        CHECK_EQUAL(wire_count(w)->late_responses, (uint64_t)i + 1);
        check_not_taken(id);
        CHECK_EQUAL(wire_cancel(w, id, 6), WIRE_OK);
        answer_text(id, 502, "bad", 0);
        check_answer(client, 502, "bad");
        check_cancel(&s, id, 6);
    }
    uint64_t id = ask_streaming(GET_A);
    begin_answer(id);
    say_number(FRAME_CREDIT, id, 0, 9);
    CHECK_EQUAL(await_event(EVENT_STREAM)->detail, FRAME_CREDIT);
    CHECK_EQUAL(wire_cancel(w, id, 6), WIRE_OK);
    answer_text(id, 502, "bad", 0);
    finish();
}

static void test_bad_heads(void)
{
    static uint8_t out[4096];
    uint32_t body_at;
    open_both();
    uint64_t id = ask_streaming(GET_A); /* of a whole answer */
    say(s.descriptor, out, put_response(out, id, FRAME_END, 200, "connection", "close", "x", 1));
    CHECK_EQUAL(await_event(EVENT_BAD_RESPONSE)->detail, -RESPONSE_ERROR_FRAMING);
    CHECK_EQUAL(wire_cancel(w, id, 6), WIRE_OK);
    answer_text(id, 502, "bad", 0);
    check_answer(client, 502, "bad");
    check_cancel(&s, id, 6);
    id = ask_streaming(GET_A); /* of a stream */
    say(s.descriptor, out, put_response(out, id, 0, 200, "connection", "close", "x", 1));
    const wire_event event = *await_event(EVENT_STREAM);
    take(id);
    CHECK_EQUAL(wire_response_head(w, id, event.at, event.bytes, FRAMING_CHUNKED, 0, NULL, 0, 0, room, ROOM, &body_at),
                RESPONSE_ERROR_FRAMING - 100);
    CHECK_EQUAL(wire_cancel(w, id, 6), WIRE_OK);
    wire_flush(w);
    check_cancel(&s, id, 6);
    give_back(id, HAND_BACK_RESET, "");
    finish();
}

static void test_not_for_it(void)
{
    open_both();
    uint64_t id = ask(client, GET_A);
    check_not_taken(id);
    send_to(&s, id);
    hear_frame(&s);
    say_head(id, 200, 0, "x");
    CHECK_EQUAL(await_event(EVENT_BAD_RESPONSE)->detail, BAD_RESPONSE_STREAM);
    check_not_taken(id);
    CHECK_EQUAL(wire_cancel(w, id, 6), WIRE_OK);
    answer_text(id, 502, "bad", 0);
    check_answer(client, 502, "bad");
    check_cancel(&s, id, 6);
    check_not_taken(id);
    id = in_stream(client, &s, 1);
    check_not_taken(id);
    CHECK_EQUAL(wire_cancel(w, id, 6), WIRE_OK);
    give_back(id, HAND_BACK_KEEP, "");

    id = ask(client, GET_A); /* decided twice in its batch: the last word counts */
    CHECK_EQUAL(wire_send(w, id, s.connection, 2, 7, 0, SEND_MAY_STREAM, DEADLINE_MS, 0, NULL), WIRE_OK);
    CHECK_EQUAL(wire_cancel(w, id, 5), WIRE_OK);
    CHECK_EQUAL(wire_send(w, id, s.connection, 2, 7, 0, 0, DEADLINE_MS, 0, NULL), WIRE_OK);
    wire_flush(w);
    settle();
    say_head(id, 200, 0, "x");
    CHECK_EQUAL(await_event(EVENT_BAD_RESPONSE)->detail, BAD_RESPONSE_STREAM);
    CHECK_EQUAL(wire_cancel(w, id, 6), WIRE_OK);
    answer_text(id, 502, "bad", 0);
    finish();
}

int main(void)
{
    test_whole();
    test_streamed();
    test_ended_at_once();
    test_ends_that_are_not_whole();
    test_interim();
    test_refused();
    test_handed_in();
    test_out_of_order();
    test_bad_heads();
    test_not_for_it();
    return test_report();
}
