/* Tests of how requests end whose answers stream, before their connections are taken over and after: clients that go, deadlines, services that
 * are lost, drains, and clients that speak TLS. */
#include "test_wire_streaming.h"

static void test_client_gone(void)
{
    open_both();
    uint64_t id = ask_streaming(GET_A); /* before */
    hang_up(client);
    CHECK(await_event(EVENT_CLIENT_GONE)->exchange == id);
    say_head(id, 200, 0, "x");
    settle();
    CHECK_EQUAL(wire_count(w)->late_responses, 1);
    check_not_taken(id);
    CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_OK);
    wire_flush(w);
    check_cancel(&s, id, 1);

    client = join_edge();
    id = ask_streaming(GET_A); /* in the batch in which its answer begins */
    begin_answer(id);
    hang_up(client);
    CHECK(await_event(EVENT_CLIENT_GONE)->exchange == id);
    check_not_taken(id);
    CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_OK);
    CHECK_EQUAL(wire_age_ms(w, id), WIRE_NO_EXCHANGE);
    wire_flush(w);
    check_cancel(&s, id, 1);

    client = join_edge();
    id = ask_streaming(GET_A); /* and ends */
    say_head(id, 426, FRAME_END, "");
    await_event(EVENT_STREAM);
    hang_up(client);
    await_event(EVENT_CLIENT_GONE);
    check_not_taken(id);
    CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_OK);
    CHECK(is_silent(s.descriptor));

    client = join_edge();
    id = ask_streaming(GET_A); /* after: whoever has the connection finds it */
    begin_answer(id);
    take(id);
    hang_up(client);
    settle();
    CHECK_EQUAL(wire_count(w)->clients_gone, 3);
    give_back(id, HAND_BACK_CLOSE, "");
    finish();
}

static void test_expired(void)
{
    open_both();
    uint64_t id = ask_streaming(GET_A);
    begin_answer(id);
    advance(DEADLINE_MS + 1000);
    step();
    CHECK_EQUAL(count_events(EVENT_EXPIRED), 0);
    advance(1000);
    CHECK(await_event(EVENT_EXPIRED)->exchange == id);
    CHECK_EQUAL(wire_cancel(w, id, 2), WIRE_OK);
    answer_text(id, 504, "late", 0);
    check_answer(client, 504, "late");
    check_cancel(&s, id, 2);

    id = ask_streaming(GET_A); /* it is told late, and taken over in that tick */
    say_head(id, 102, 0, "");
    await_event(EVENT_STREAM);
    advance(DEADLINE_MS + 1000);
    step();
    uint32_t remaining_ms = take(id).remaining_ms;
    CHECK(remaining_ms >= 1 && remaining_ms <= 16);
    advance(1000);
    settle();
    CHECK_EQUAL(wire_count(w)->expired, 1);
    give_back(id, HAND_BACK_KEEP, "");

    id = ask_streaming(GET_A); /* it passes before the answer, in one batch: then it is too late for that */
    say_head(id, 200, 0, "x");
    advance(DEADLINE_MS + 1000);
    step();
    CHECK_EQUAL(event_count, 2);
    CHECK_EQUAL(wire_events(w)[0].kind, EVENT_EXPIRED);
    CHECK_EQUAL(wire_events(w)[1].kind, EVENT_STREAM);
    CHECK_EQUAL(wire_cancel(w, id, 2), WIRE_OK);
    answer_text(id, 504, "late", 0);
    check_not_taken(id);
    check_answer(client, 504, "late");
    check_cancel(&s, id, 2);

    id = ask_streaming(GET_A); /* it was told of and nobody has cancelled: nothing is left of it, and who hands it in gives it another */
    say_head(id, 103, 0, "");
    advance(DEADLINE_MS + 1000);
    step();
    CHECK_EQUAL(count_events(EVENT_EXPIRED), 1);
    CHECK_EQUAL(count_events(EVENT_STREAM), 1);
    CHECK_EQUAL(take(id).remaining_ms, 1);
    CHECK_EQUAL(wire_hand_in(w, id, NULL, 0, 0, 1000), WIRE_OK);
    settle();
    CHECK_EQUAL(count_events(EVENT_EXPIRED), 0);
    advance(2000);
    CHECK(await_event(EVENT_EXPIRED)->exchange == id);
    CHECK_EQUAL(wire_cancel(w, id, 2), WIRE_OK);
    answer_text(id, 504, "late", 0);
    check_answer(client, 504, "late");
    check_cancel(&s, id, 2);

    id = ask_streaming(GET_A); /* its head has come: none holds any more, told of or not */
    say_head(id, 200, 0, "x");
    advance(DEADLINE_MS + 1000);
    step();
    CHECK_EQUAL(count_events(EVENT_EXPIRED), 1);
    CHECK_EQUAL(take(id).remaining_ms, 0);
    CHECK_EQUAL(wire_cancel(w, id, 2), WIRE_OK);
    give_back(id, HAND_BACK_RESET, "");
    finish();
}

static void test_lost(void)
{
    const opening o = {.attempt = 2, .target = "/again", .end = 1};
    frame_view view;
    frame_field fields[FRAME_FIELDS_MAX];
    frame_scan_result found;
    open_both();
    uint64_t id = ask_streaming(GET_A); /* between */
    begin_answer(id);
    hang_up(s.descriptor);
    CHECK(await_event(EVENT_LOST)->exchange == id);
    answer_text(id, 502, "lost", 0);
    check_answer(client, 502, "lost");

    s = join_framed(0);
    id = ask(client, GET_A); /* after, and then it is sent elsewhere: of what was said of it nothing is left */
    CHECK_EQUAL(wire_set_context(w, id, FIELD_TENANT, (const uint8_t *)"acme", 4), WIRE_OK);
    CHECK_EQUAL(wire_set_context(w, id, FIELD_CLIENT_ADDRESS, (const uint8_t *)"192.0.2.1", 9), WIRE_OK);
    send_streaming(id);
    say_head(id, 103, 0, "");
    await_event(EVENT_STREAM);
    CHECK_EQUAL(wire_client_address(w, id, (char *)room), 0);
    take(id);
    hang_up(s.descriptor);
    CHECK(await_event(EVENT_LOST)->exchange == id);
    s = join_framed(0);
    CHECK_EQUAL(open_with(id, s.connection, &o), WIRE_OK);
    wire_flush(w);
    const heard_frame *heard = hear_frame(&s);
    frame_scan(room, FRAME_HEADER_BYTES + heard->payload_bytes, &view, 1, fields, FRAME_FIELDS_MAX, &found);
    CHECK_EQUAL(found.frame_count, 1);
    CHECK_EQUAL(view.field_count, 4); /* ids, trace and scheme */
    CHECK_EQUAL(fields[0].id, FIELD_CORRELATION_ID);
    CHECK_EQUAL(wire_hand_in(w, id, NULL, 0, 0, DEADLINE_MS), WIRE_OK);
    say_head(id, 200, 0, "x"); /* and nobody said that this may stream */
    CHECK_EQUAL(await_event(EVENT_BAD_RESPONSE)->detail, BAD_RESPONSE_STREAM);
    check_not_taken(id);
    CHECK_EQUAL(wire_cancel(w, id, 6), WIRE_OK);
    answer_text(id, 502, "bad", 0);
    finish();
}

static void test_cancelled(void)
{
    open_both();
    uint64_t id = ask_streaming(GET_A);
    begin_answer(id);
    CHECK_EQUAL(wire_cancel(w, id, 4), WIRE_OK);
    wire_flush(w);
    check_cancel(&s, id, 4);
    CHECK_EQUAL(in_flight_now(), 0);
    say_frame(&s, FRAME_DATA, 0, id, "late", 4);
    settle();
    CHECK_EQUAL(wire_count(w)->late_responses, 1);
    answer_text(id, 503, "drained", 1);
    check_answer(client, 503, "drained");
    check_not_taken(id);
    finish();
}

static void test_drained(void)
{
    open_both();
    uint64_t id = ask_streaming(GET_A);
    begin_answer(id);
    wire_drain_edge(w, 0);
    CHECK(only_sent() == id);
    CHECK_EQUAL(take(id).closes, 1);
    CHECK_EQUAL(only_sent(), 0);
    give_back(id, HAND_BACK_KEEP, GET_A);
    settle();
    CHECK(is_closed(client));
    hang_up(client);
    settle();
    CHECK_EQUAL(wire_count(w)->requests, 1);
    finish();
}

static void test_tls(int is_taken)
{
    uint8_t rest[64];
    begin();
    s = join_framed(0);
    client = join_tls();
    say_sealed_text(client, GET_A);
    uint64_t id = await_tls_request();
    send_streaming(id);
    say_sealed_text(client, "GET /2");
    settle_tls();
    say_head(id, 200, 0, "x");
    await_tls_event(EVENT_STREAM);
    say_sealed_text(client, " HTTP/1.1\r\nhost: a\r\n\r\n");
    settle_tls();
    CHECK_EQUAL(wire_count(w)->edge_bytes_in, strlen(GET_A) + 6);
    if (is_taken) {
        wire_handed handed = take(id);
        CHECK_BYTES(handed.held, handed.held_bytes, "GET /2", 6);
        CHECK_EQUAL(wire_tls_feed(w, handed.connection, (const uint8_t *)"x", 1), WIRE_NO_CONNECTION);
        CHECK_EQUAL(recv(handed.descriptor, rest, sizeof rest, MSG_DONTWAIT), 22);
        CHECK_EQUAL(wire_cancel(w, id, 5), WIRE_OK);
        give_back(id, HAND_BACK_KEEP, "GET /2 HTTP/1.1\r\nhost: a\r\n\r\n");
    } else {
        CHECK_EQUAL(wire_cancel(w, id, 5), WIRE_OK);
        answer_text(id, 503, "no", 0);
        settle_tls();
        check_sealed(client, 503, "no");
    }
    id = await_tls_request();
    CHECK_BYTES(came_path, strlen(came_path), "/2", 2);
    answer_text(id, 200, "two", 0);
    check_sealed(client, 200, "two");
    end();
}

static void test_tls_ended(void)
{
    begin();
    s = join_framed(0);
    client = join_tls();
    say_sealed_text(client, GET_A);
    uint64_t id = await_tls_request();
    uint32_t connection = wire_events(w)[0].connection;
    send_streaming(id);
    say_head(id, 200, 0, "x");
    await_tls_event(EVENT_STREAM);
    CHECK_EQUAL(wire_tls_end(w, connection), WIRE_OK);
    check_not_taken(id);
    CHECK(await_tls_event(EVENT_CLIENT_GONE)->exchange == id);
    CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_OK);
    end();
}

int main(void)
{
    test_client_gone();
    test_expired();
    test_lost();
    test_cancelled();
    test_drained();
    test_tls(1);
    test_tls(0);
    test_tls_ended();
    return test_report();
}
