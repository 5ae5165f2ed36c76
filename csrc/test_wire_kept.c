/* Tests of requests that are kept so that they can be sent again: within their bounds, and whether they have left. */
#include "test_wire_again.h"

/* Over a bound, it is sent all the same, and cannot be sent again. */
static void test_bounds(void)
{
    open_all(140, 200);
    int other = join_edge(), large = join_edge();
    uint64_t id = ask(client, GET_A);
    CHECK_EQUAL(send_kept(&a, id, KEEPS, 0), WIRE_OK);
    hear_frame(&a);
    uint32_t bytes = facts_of(id).kept_bytes;
    CHECK(bytes > 100 && bytes <= 140);
    uint64_t second = ask(other, GET_A); /* all together would be too much */
    CHECK_EQUAL(send_kept(&a, second, KEEPS, 0), WIRE_OK);
    hear_frame(&a);
    CHECK_EQUAL(facts_of(second).kept_bytes, 0);
    CHECK_EQUAL(wire_count(w)->kept_refused, 1);
    CHECK_EQUAL(wire_count(w)->kept_now, 1);
    uint64_t third = ask(large, "GET /a HTTP/1.1\r\nhost: a\r\nx-long: 0123456789012345678901234567890123456789012345678901234567890123456789\r\n\r\n");
    CHECK_EQUAL(wire_keep(w, third, DEADLINE_MS, NULL), WIRE_NO_ROOM); /* and so is this one by itself */
    CHECK_EQUAL(wire_count(w)->kept_refused, 2);
    answer_text(third, 503, "busy", 0);
    check_answer(large, 503, "busy");
    CHECK_EQUAL(wire_cancel(w, second, 1), WIRE_OK);
    CHECK_EQUAL(send_again(&b, second, 0, 2), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_branch(w, second), 0);
    answer_text(second, 502, "lost", 0);
    check_answer(other, 502, "lost");
    respond(&a, id, 200, "kept");
    check_answer(client, 200, "kept");
    CHECK_EQUAL(wire_count(w)->kept_bytes_now, 0);
    finish_empty();
}

/* Kept without being sent, for as long as it takes. */
static void test_parked(void)
{
    open_all(4096, 4096);
    uint64_t id = ask(client, POST_B);
    CHECK_EQUAL(wire_keep(w, id, DEADLINE_MS, NULL), WIRE_OK);
    CHECK_EQUAL(facts_of(id).attempt, 0);
    settle();
    CHECK_EQUAL(wire_send(w, id, a.connection, 1, 7, 0, 0, DEADLINE_MS, 0, NULL), WIRE_NO_EXCHANGE); /* its batch is over */
    CHECK_EQUAL(wire_keep(w, id, DEADLINE_MS, NULL), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_wait(w, id, 1000), WIRE_OK);
    wire_flush(w);
    advance(5000);
    const wire_event *event = await_event(EVENT_EXPIRED);
    CHECK(event->exchange == id);
    CHECK_EQUAL(event->flags, EXPIRED_EARLY);
    CHECK_EQUAL(send_again(&a, id, 0, 1), WIRE_OK);
    const heard_frame *heard = hear_frame(&a);
    CHECK(heard->exchange == id);
    CHECK_EQUAL(heard->payload[7], 1);
    CHECK_BYTES(heard->payload + heard->payload_bytes - 4, 4, "body", 4);
    respond(&a, id, 200, "waited for");
    check_answer(client, 200, "waited for");
    id = ask(client, GET_A);
    CHECK_EQUAL(wire_keep(w, id, DEADLINE_MS, NULL), WIRE_OK);
    CHECK_EQUAL(wire_wait(w, id, 10 * DEADLINE_MS), WIRE_OK);
    wire_flush(w);
    advance(DEADLINE_MS + 5000);
    event = await_event(EVENT_EXPIRED); /* the deadline is not put off */
    CHECK_EQUAL(event->flags, 0);
    CHECK_EQUAL(facts_of(id).remaining_ms, 0);
    CHECK_EQUAL(wire_count(w)->expired, 1);
    answer_text(id, 504, "late", 0);
    check_answer(client, 504, "late");
    id = ask(client, GET_A);
    CHECK_EQUAL(wire_keep(w, id, DEADLINE_MS, NULL), WIRE_OK);
    settle();
    hang_up(client);
    CHECK(await_event(EVENT_CLIENT_GONE)->exchange == id);
    CHECK_EQUAL(send_again(&a, id, 0, 1), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_wait(w, id, 1), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_OK);
    finish_empty();
}

/* A request that has not left whole cannot have been begun. */
static void test_unsent(void)
{
    for (int flushes = 0; flushes < 2; flushes++) {
        open_all(4096, 4096);
        uint64_t id = ask(client, GET_A);
        CHECK_EQUAL(wire_send(w, id, a.connection, 1, 7, 5, KEEPS, DEADLINE_MS, 0, NULL), WIRE_OK);
        if (flushes)
            wire_flush(w);
        hang_up(a.descriptor);
        const wire_event *event = await_event(EVENT_LOST);
        CHECK(event->exchange == id);
        CHECK_EQUAL(event->flags, flushes ? 0 : LOST_UNSENT);
        answer_text(id, 502, "lost", 0);
        check_answer(client, 502, "lost");
        finish_empty();
    }
}

/* A part of it is not enough for the service, either. */
static void test_sent_in_part(void)
{
    static char large[70000];
    wire_settings settings = small_settings();
    settings.kept_bytes_max = settings.kept_total_bytes_max = 1 << 20;
    start(&settings);
    a = join_framed(0);
    int head_bytes = sprintf(large, "POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 60000\r\n\r\n");
    memset(large + head_bytes, 'x', 60000);
    uint64_t ids[12] = {0};
    for (int i = 0; i < 12; i++) { /* more than its socket takes */
        int one = join_edge();
        ids[i] = ask(one, large);
        CHECK_EQUAL(send_kept(&a, ids[i], KEEPS, 0), WIRE_OK);
    }
    CHECK(wire_unsent(w)[a.connection & 4095] > 0);
    hang_up(a.descriptor);
    uint32_t lost = 0, unsent = 0;
    for (int i = 0; i < STEPS_MAX && lost < 12; i++) {
        step();
        for (int k = 0; k < event_count; k++) {
            const wire_event *event = &wire_events(w)[k];
            if (event->kind != EVENT_LOST)
                continue;
            int is_last = event->exchange == ids[11], is_first = event->exchange == ids[0];
            CHECK(!is_last || event->flags == LOST_UNSENT);
            CHECK(!is_first || event->flags == 0);
            lost++;
            unsent += event->flags;
            answer_text(event->exchange, 502, "lost", 0);
        }
    }
    CHECK_EQUAL(lost, 12);
    CHECK(unsent > 0 && unsent < 12);
    finish_empty();
}

static void test_wrong_calls(void)
{
    wire_exchange_facts facts;
    open_all(4096, 4096);
    uint64_t id = ask(client, GET_A);
    CHECK_EQUAL(wire_again(w, id, a.connection, 1, 1, 0, 0, 1, 0), WIRE_NO_EXCHANGE); /* nothing is kept */
    CHECK_EQUAL(wire_keep(w, id, DEADLINE_MS, NULL), WIRE_OK);
    CHECK_EQUAL(wire_again(w, id + 1, a.connection, 1, 1, 0, 0, 1, 0), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_again(w, id, 0, 1, 1, 0, 0, 1, 0), WIRE_NO_CONNECTION);
    CHECK_EQUAL(wire_again(w, id, a.connection, 4, 1, 0, 0, 1, 0), WIRE_INVALID);
    CHECK_EQUAL(wire_again(w, id, a.connection, 1, 65536, 0, 0, 1, 0), WIRE_INVALID);
    CHECK_EQUAL(wire_again(w, id, a.connection, 1, 1, WIRE_GAUGES_MAX, 0, 1, 0), WIRE_INVALID);
    CHECK_EQUAL(wire_again(w, id, a.connection, 1, 1, 0, SEND_HOW_ALL + 1, 1, 0), WIRE_INVALID);
    CHECK_EQUAL(wire_again(w, id, a.connection, 1, 1, 0, 0, 0, 0), WIRE_INVALID);
    CHECK_EQUAL(wire_again(w, id, a.connection, 1, 1, 0, 0, 256, 0), WIRE_INVALID);
    CHECK_EQUAL(wire_facts(w, id + 1, &facts), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_wait(w, id + 1, 1), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_branch(w, id + 1), 0);
    CHECK_EQUAL(send_again(&a, id, 0, 1), WIRE_OK);
    CHECK_EQUAL(send_again(&a, id, 0, 2), WIRE_NO_EXCHANGE); /* it is with a service */
    CHECK_EQUAL(wire_pass_on(w, id, (const uint8_t *)"\0\310\0\0", 4), WIRE_NO_EXCHANGE);
    hear_frame(&a);
    respond(&a, id, 200, "once");
    check_answer(client, 200, "once");
    CHECK_EQUAL(send_again(&a, id, 0, 2), WIRE_NO_EXCHANGE);
    uint64_t odd = ask(client, "POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    CHECK_EQUAL(wire_keep(w, odd, DEADLINE_MS, NULL), WIRE_NO_EXCHANGE);
    answer_text(odd, 400, "odd", 1);
    finish_empty();
}

/* A connection that is full takes nothing, and the exchange is as before. */
static void test_full(void)
{
    wire_settings settings = small_settings();
    settings.kept_bytes_max = settings.kept_total_bytes_max = 4096;
    settings.framed_output_bytes_max = 200;
    start(&settings);
    client = join_edge();
    a = join_framed(0);
    uint64_t id = ask(client, GET_A);
    CHECK_EQUAL(wire_keep(w, id, DEADLINE_MS, NULL), WIRE_OK);
    CHECK_EQUAL(wire_frame(w, a.connection, FRAME_DATA, 0, 1, room, 100), WIRE_OK);
    CHECK_EQUAL(wire_again(w, id, a.connection, 1, 1, 0, 0, 1, 0), WIRE_FULL);
    CHECK_EQUAL(facts_of(id).attempt, 0);
    wire_flush(w);
    CHECK_EQUAL(wire_again(w, id, a.connection, 1, 1, 0, 0, 2, 0), WIRE_OK);
    CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_OK);
    answer_text(id, 503, "full", 0);
    check_answer(client, 503, "full");
    finish_empty();
}

/* What is left at the end is freed with the wire. */
static void test_shut(void)
{
    open_all(4096, 4096);
    uint64_t id = ask(client, GET_A);
    CHECK_EQUAL(wire_keep(w, id, DEADLINE_MS, NULL), WIRE_OK);
    CHECK(wire_branch(w, id));
    wire_shut(w);
    CHECK_EQUAL(wire_count(w)->kept_now, 0);
    CHECK_EQUAL(send_again(&a, id, 0, 1), WIRE_NO_EXCHANGE);
    wire_free(w);
    w = NULL;
    close(client);
    close(a.descriptor);
    close(b.descriptor);
    CHECK_EQUAL(count_descriptors(), descriptors_before);
}

int main(void)
{
    test_bounds();
    test_parked();
    test_unsent();
    test_sent_in_part();
    test_wrong_calls();
    test_full();
    test_shut();
    return test_report();
}
