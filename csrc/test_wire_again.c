/* Tests of requests that are sent again by the same exchange: what its attempts are answered, and what is late. */
#include "test_wire_again.h"

/* Lost with one connection, answered by another. */
static void test_lost(void)
{
    static uint8_t first[4096];
    open_all(4096, 4096);
    uint64_t id = ask(client, POST_B);
    CHECK_EQUAL(wire_set_context(w, id, FIELD_TENANT, (const uint8_t *)"acme", 4), WIRE_OK);
    CHECK_EQUAL(send_kept(&a, id, KEEPS, 0), WIRE_OK);
    const heard_frame *heard = hear_frame(&a);
    uint32_t first_bytes = heard->payload_bytes;
    memcpy(first, heard->payload, first_bytes);
    CHECK_EQUAL(facts_of(id).kept_bytes, first_bytes);
    CHECK_EQUAL(wire_count(w)->kept_bytes_now, first_bytes);
    settle();
    advance(10000);
    hang_up(a.descriptor);
    const wire_event *event = await_event(EVENT_LOST);
    CHECK(event->exchange == id);
    CHECK_EQUAL(event->flags, 0);
    CHECK_EQUAL(event->a, 5);
    wire_exchange_facts facts = facts_of(id);
    CHECK_EQUAL(facts.connection, 0);
    CHECK_EQUAL(facts.attempt, 1);
    CHECK_EQUAL(facts.method, METHOD_POST);
    CHECK(facts.has_client);
    CHECK(facts.remaining_ms > DEADLINE_MS - 20000 && facts.remaining_ms <= DEADLINE_MS - 10000);
    CHECK_EQUAL(send_again(&b, id, KEEPS, 2), WIRE_OK);
    facts = facts_of(id);
    CHECK_EQUAL(facts.connection, b.connection);
    CHECK_EQUAL(facts.route, 2);
    CHECK_EQUAL(facts.gauge, 6);
    CHECK_EQUAL(facts.attempt, 2);
    check_sent_again(&b, id, 2, BIT_63, first, first_bytes);
    respond(&b, on_wire(id, 2, BIT_63), 200, "at last");
    check_answer(client, 200, "at last");
    CHECK_EQUAL(wire_gauge_answers(w)[5], 0);
    CHECK_EQUAL(wire_gauge_answers(w)[6], 1);
    CHECK_EQUAL(wire_count(w)->again, 1);
    finish_empty();
}

/* What comes late for an attempt is not taken for the answer to the next, though it comes by the same connection. */
static void test_late_answers(void)
{
    open_all(4096, 4096);
    uint64_t id = ask(client, GET_A);
    CHECK_EQUAL(send_kept(&a, id, KEEPS, 100), WIRE_OK);
    CHECK(hear_frame(&a)->exchange == id);
    advance(3000);
    const wire_event *event = await_event(EVENT_EXPIRED);
    CHECK(event->exchange == id);
    CHECK_EQUAL(event->flags, EXPIRED_EARLY);
    CHECK_EQUAL(event->a, 5);
    CHECK_EQUAL(wire_count(w)->expired, 0);
    CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_OK);
    CHECK_EQUAL(send_again(&a, id, KEEPS, 2), WIRE_OK);
    check_cancel(&a, id, 1);
    CHECK(hear_frame(&a)->exchange == on_wire(id, 2, 0));
    respond(&a, id, 200, "late");
    settle();
    CHECK(is_silent(client));
    CHECK_EQUAL(wire_count(w)->late_responses, 1);
    respond(&a, on_wire(id, 3, 0), 200, "never asked");
    respond(&a, on_wire(id, 2, 0), 200, "in time");
    check_answer(client, 200, "in time");
    CHECK_EQUAL(wire_count(w)->late_responses, 2);
    finish_empty();
}

/* A CANCEL names the attempt that it is about. */
static void test_cancel_of_a_later_attempt(void)
{
    open_all(4096, 4096);
    uint64_t id = ask(client, GET_A);
    CHECK_EQUAL(send_kept(&a, id, KEEPS, 0), WIRE_OK);
    hear_frame(&a);
    CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_OK);
    check_cancel(&a, id, 1);
    CHECK_EQUAL(send_again(&b, id, 0, 255), WIRE_OK);
    hear_frame(&b);
    CHECK_EQUAL(wire_cancel(w, id, 2), WIRE_OK);
    check_cancel(&b, on_wire(id, 255, BIT_63), 2);
    CHECK_EQUAL(send_again(&b, id, 0, 255), WIRE_INVALID);
    answer_text(id, 504, "late", 0);
    check_answer(client, 504, "late");
    finish_empty();
}

static void test_held(void)
{
    static uint8_t copy[4096];
    static const int statuses[] = {429, 500, 503, 599};
    open_all(4096, 4096);
    for (int i = 0; i < 4; i++) {
        uint64_t id = hold_one(statuses[i]);
        const wire_event *event = find_event(EVENT_ANSWERED);
        CHECK_EQUAL(wire_pass_on(w, id, wire_arena(w) + event->at, event->bytes), WIRE_OK);
        check_answer(client, statuses[i], "failed");
        CHECK_EQUAL(wire_pass_on(w, id, wire_arena(w) + event->at, event->bytes), WIRE_NO_EXCHANGE);
    }
    uint64_t id = hold_one(503); /* or another attempt is made */
    CHECK_EQUAL(send_again(&b, id, KEEPS, 2), WIRE_OK);
    hear_frame(&b);
    respond(&b, on_wire(id, 2, BIT_63), 503, "again");
    const wire_event *event = await_event(EVENT_ANSWERED);
    CHECK(event->exchange == id);
    CHECK_EQUAL(event->a, 6);
    memcpy(copy, wire_arena(w) + event->at, event->bytes);
    uint32_t bytes = event->bytes;
    settle();
    CHECK_EQUAL(wire_pass_on(w, id, copy, bytes), WIRE_OK); /* and what was kept is passed on in another batch */
    check_answer(client, 503, "again");
    id = hold_one(500); /* or it is answered otherwise */
    answer_text(id, 504, "ours", 0);
    check_answer(client, 504, "ours");
    CHECK_EQUAL(wire_gauge_answers(w)[5] + wire_gauge_answers(w)[6], 0);
    CHECK_EQUAL(wire_route_statuses(w, 1)[5], 5);
    finish_empty();
}

/* What is not asked to be held is only told of; what succeeds is told of where that was asked. */
static void test_told(void)
{
    open_all(4096, 4096);
    for (int tells = 0; tells < 2; tells++) {
        uint64_t id = ask(client, GET_A);
        CHECK_EQUAL(send_kept(&a, id, tells ? KEEPS | SEND_TELL : SEND_KEEP, 0), WIRE_OK);
        hear_frame(&a);
        respond(&a, id, tells ? 404 : 500, "said");
        const wire_event *event = await_event(EVENT_ANSWERED);
        CHECK(event->exchange == id);
        CHECK_EQUAL(event->flags, 0);
        CHECK_EQUAL(event->detail, tells ? 404 : 500);
        CHECK_EQUAL(wire_pass_on(w, id, wire_arena(w) + event->at, event->bytes), WIRE_NO_EXCHANGE);
        check_answer(client, tells ? 404 : 500, "said");
        CHECK_EQUAL(wire_gauge_answers(w)[5], tells);
    }
    uint64_t id = ask(client, GET_A);
    CHECK_EQUAL(send_kept(&a, id, KEEPS, 0), WIRE_OK);
    hear_frame(&a);
    respond(&a, id, 200, "good");
    check_answer(client, 200, "good");
    CHECK_EQUAL(count_events(EVENT_ANSWERED), 0);
    CHECK_EQUAL(wire_gauge_answers(w)[5], 2);
    finish_empty();
}

static void test_what_cannot_be_passed_on(void)
{
    static const uint8_t interim[] = {0, 100, 0, 0}, injected[] = {0, 200, 0, 1, 0, 1, 0, 1, 'a', '\n'}, with_body[] = {0, 204, 0, 0, 'x'};
    open_all(4096, 4096);
    uint64_t id = ask(client, GET_A);
    CHECK_EQUAL(wire_pass_on(w, id, interim, sizeof interim), WIRE_INVALID);
    CHECK_EQUAL(wire_pass_on(w, id, injected, sizeof injected), WIRE_INVALID);
    CHECK_EQUAL(wire_pass_on(w, id, with_body, sizeof with_body), WIRE_INVALID);
    CHECK_EQUAL(wire_pass_on(w, id, interim, 3), WIRE_INVALID);
    CHECK_EQUAL(wire_pass_on(w, id, interim, 0), WIRE_INVALID);
    CHECK_EQUAL(wire_pass_on(w, id, room, FRAME_PAYLOAD_BYTES_MAX + 1), WIRE_INVALID);
    CHECK_EQUAL(wire_pass_on(w, id + 1, interim, sizeof interim), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_pass_on(w, id, with_body, 4), WIRE_OK);
    check_answer(client, 204, "");
    finish_empty();
}

/* What is passed on before the body has come ends the connection: the body would be taken for the next request. */
static void test_passed_on_before_the_body(void)
{
    static const uint8_t payload[] = {0, 200, 0, 0, 'h', 'i'};
    open_all(4096, 4096);
    uint64_t id = ask(client, "POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    CHECK_EQUAL(wire_pass_on(w, id, payload, sizeof payload), WIRE_OK);
    wire_flush(w);
    char head[1024] = "";
    ssize_t count = recv(client, head, sizeof head - 1, 0);
    CHECK(count > 0 && strstr(head, "connection: close\r\n") && !memcmp(head + count - 2, "hi", 2));
    finish_empty();
}

/* The time of an attempt, then more of it, then the deadline. */
static void test_attempt_times(void)
{
    open_all(4096, 4096);
    uint64_t id = ask(client, GET_A);
    CHECK_EQUAL(send_kept(&a, id, KEEPS, 2000), WIRE_OK);
    hear_frame(&a);
    settle();
    CHECK(!find_event(EVENT_EXPIRED));
    advance(4000);
    CHECK_EQUAL(await_event(EVENT_EXPIRED)->flags, EXPIRED_EARLY);
    CHECK_EQUAL(wire_in_flight(w)[a.connection & 4095], 1);
    CHECK_EQUAL(wire_wait(w, id, 3000), WIRE_OK);
    wire_flush(w);
    advance(6000);
    CHECK_EQUAL(await_event(EVENT_EXPIRED)->flags, EXPIRED_EARLY);
    CHECK_EQUAL(wire_wait(w, id, UINT32_MAX), WIRE_OK);
    wire_flush(w);
    advance(DEADLINE_MS);
    CHECK_EQUAL(await_event(EVENT_EXPIRED)->flags, 0);
    CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_OK);
    answer_text(id, 504, "late", 0);
    check_answer(client, 504, "late");
    finish_empty();
}

static void test_refused_and_figures(void)
{
    open_all(4096, 4096);
    CHECK_EQUAL(wire_set_group(w, 1, 3), WIRE_OK);
    CHECK_EQUAL(wire_set_group(w, 2, 4), WIRE_OK);
    CHECK_EQUAL(wire_set_group(w, 4, 3), WIRE_INVALID);
    CHECK_EQUAL(wire_set_group(w, 1, WIRE_GROUPS_MAX), WIRE_INVALID);
    CHECK(wire_group_figures_of(w, WIRE_GROUPS_MAX) == NULL);
    uint64_t id = ask(client, GET_A);
    CHECK_EQUAL(send_kept(&a, id, KEEPS, 0), WIRE_OK);
    hear_frame(&a);
    CHECK_EQUAL(wire_route_in_flight(w)[1], 1);
    CHECK_EQUAL(wire_group_in_flight(w)[3], 1);
    CHECK_EQUAL(wire_set_group(w, 1, 2), WIRE_OK); /* what is in flight counts where it began */
    say_frame(&a, FRAME_REFUSED, 0, id, "\2\0\0\0\0\0\1\0", 8);
    const wire_event *event = await_event(EVENT_REFUSED);
    CHECK_EQUAL(event->b, 5);
    CHECK_EQUAL(wire_group_in_flight(w)[3], 0);
    CHECK_EQUAL(send_again(&b, id, KEEPS, 2), WIRE_OK);
    CHECK_EQUAL(wire_group_in_flight(w)[4], 1);
    hear_frame(&b);
    respond(&b, on_wire(id, 2, BIT_63), 200, "done");
    check_answer(client, 200, "done");
    CHECK_EQUAL(wire_group_in_flight(w)[4], 0);
    CHECK_EQUAL(wire_group_figures_of(w, 3)->requests, 1);
    CHECK_EQUAL(wire_group_figures_of(w, 3)->answers, 0);
    CHECK_EQUAL(wire_group_figures_of(w, 4)->requests, 0); /* a further attempt is no further request */
    CHECK_EQUAL(wire_group_figures_of(w, 4)->answers, 1);
    finish_empty();
}

/* A streamed answer to a later attempt: what the caller says of the exchange carries the attempt's id, too. */
static void test_streamed_later(void)
{
    static uint8_t out[256];
    open_all(4096, 4096);
    uint64_t id = ask(client, GET_A);
    CHECK_EQUAL(send_kept(&a, id, KEEPS, 0), WIRE_OK);
    hear_frame(&a);
    CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_OK);
    check_cancel(&a, id, 1);
    CHECK_EQUAL(send_again(&b, id, SEND_MAY_STREAM, 2), WIRE_OK);
    hear_frame(&b);
    say(b.descriptor, out, put_response(out, on_wire(id, 2, BIT_63), 0, 200, NULL, NULL, "begun", 5));
    CHECK(await_event(EVENT_STREAM)->exchange == id);
    wire_handed handed;
    CHECK_EQUAL(wire_take_over(w, id, &handed), WIRE_OK);
    CHECK_EQUAL(wire_count(w)->kept_now, 0); /* it is too late to send it again */
    CHECK_EQUAL(wire_frame(w, b.connection, FRAME_CREDIT, 0, id | BIT_63, (const uint8_t *)"\1\0\0\0", 4), WIRE_OK);
    wire_flush(w);
    CHECK(hear_frame(&b)->exchange == on_wire(id, 2, BIT_63));
    say_frame(&b, FRAME_DATA, FRAME_END, on_wire(id, 2, BIT_63), "x", 1);
    CHECK(await_event(EVENT_STREAM)->exchange == id);
    give_back(id, HAND_BACK_CLOSE, "");
    finish_empty();
}

/* What was gathered by hand is kept as well, once it is sent whole. */
static void test_handed_in(void)
{
    open_all(4096, 4096);
    uint64_t id = ask(client, "POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    take_over(id);
    CHECK_EQUAL(wire_open(w, id, a.connection, 1, 7, 5, KEEPS, 1, DEADLINE_MS, (const uint8_t *)"/a", 2, NULL, 0, 0, NULL, 0, NULL, 0,
                          (const uint8_t *)"body", 4, 1, NULL), WIRE_OK);
    wire_flush(w);
    hear_frame(&a);
    CHECK_EQUAL(wire_hand_in(w, id, NULL, 0, 0, DEADLINE_MS), WIRE_OK);
    respond(&a, id, 503, "busy");
    CHECK_EQUAL(await_event(EVENT_ANSWERED)->flags, ANSWERED_HELD);
    CHECK_EQUAL(send_again(&b, id, 0, 2), WIRE_OK);
    const heard_frame *heard = hear_frame(&b);
    CHECK_BYTES(heard->payload + heard->payload_bytes - 4, 4, "body", 4);
    respond(&b, on_wire(id, 2, BIT_63), 200, "better");
    check_answer(client, 200, "better");
    finish_empty();
}

int main(void)
{
    test_lost();
    test_late_answers();
    test_cancel_of_a_later_attempt();
    test_held();
    test_told();
    test_what_cannot_be_passed_on();
    test_attempt_times();
    test_passed_on_before_the_body();
    test_refused_and_figures();
    test_streamed_later();
    test_handed_in();
    return test_report();
}
