/* Tests of requests that are kept and sent again: by the same exchange, by a branch of it, and within their bounds. */
#include "test_wire_frames.h"

enum { KEEPS = SEND_KEEP | SEND_HOLD, ALL = 8, ATTEMPT_SHIFT = 24 };
#define POST_B "POST /b?c HTTP/1.1\r\nhost: a\r\nx-d: e\r\ncontent-length: 4\r\n\r\nbody"

static service a, b;
static int client;

static void open_all(uint32_t kept_bytes_max, uint64_t kept_total_bytes_max)
{
    wire_settings settings = small_settings();
    settings.kept_bytes_max = kept_bytes_max;
    settings.kept_total_bytes_max = kept_total_bytes_max;
    start(&settings);
    client = join_edge();
    a = join_framed(0);
    b = join_framed(1);
}

static void finish_empty(void)
{
    for (int route = 0; route < 4; route++)
        CHECK_EQUAL(wire_route_in_flight(w)[route], 0);
    settle();
    CHECK_EQUAL(wire_count(w)->kept_now, 0);
    CHECK_EQUAL(wire_count(w)->kept_bytes_now, 0);
    finish();
}

static int send_kept(const service *s, uint64_t id, uint32_t how, uint32_t attempt_ms)
{
    int result = wire_send(w, id, s->connection, 1, 7, 5, how, DEADLINE_MS, attempt_ms, NULL);
    wire_flush(w);
    return result;
}

static int send_again(const service *s, uint64_t id, uint32_t how, uint32_t attempt)
{
    int result = wire_again(w, id, s->connection, 2, 9, 6, how, attempt, 0);
    wire_flush(w);
    return result;
}

static wire_exchange_facts facts_of(uint64_t id)
{
    wire_exchange_facts facts = {0};
    CHECK_EQUAL(wire_facts(w, id, &facts), WIRE_OK);
    return facts;
}

static uint64_t on_wire(uint64_t id, uint32_t attempt, uint64_t dialled)
{
    return id | (uint64_t)(attempt - 1) << ATTEMPT_SHIFT | dialled;
}

/* The REQUEST of the last attempt, in its own id, with what the first one said but for what attempts differ in. */
static void check_sent_again(const service *s, uint64_t id, uint32_t attempt, uint64_t dialled, const uint8_t *first, uint32_t first_bytes)
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

static uint64_t hold_one(int status)
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

/* Two services are asked at once, each by an exchange of its own; who is not needed is ended. */
static void test_branches(void)
{
    uint8_t first[512], trace[512];
    open_all(4096, 4096);
    uint64_t id = ask(client, GET_A);
    CHECK_EQUAL(send_kept(&a, id, KEEPS, 0), WIRE_OK);
    const heard_frame *heard = hear_frame(&a);
    uint32_t bytes = heard->payload_bytes;
    memcpy(first, heard->payload, bytes);
    uint64_t branch = wire_branch(w, id);
    CHECK(branch && branch != id);
    CHECK_EQUAL(wire_count(w)->kept_now, 1); /* one copy for both */
    CHECK(!facts_of(branch).has_client);
    CHECK_EQUAL(wire_get_context(w, branch, FIELD_REQUEST_ID, trace), wire_get_context(w, id, FIELD_REQUEST_ID, first + 400));
    CHECK_EQUAL(wire_again(w, branch, b.connection, 1, 9, 6, 0, 2, 100), WIRE_OK);
    wire_flush(w);
    check_sent_again(&b, branch, 2, BIT_63, first, bytes);
    respond(&b, on_wire(branch, 2, BIT_63), 200, "from b");
    const wire_event *event = await_event(EVENT_STREAM);
    CHECK(event->exchange == branch);
    CHECK_EQUAL(event->a, 200);
    CHECK_EQUAL(event->c, 6);
    CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_OK); /* it has won */
    CHECK_EQUAL(wire_pass_on(w, id, wire_arena(w) + event->at, event->bytes), WIRE_OK);
    check_answer(client, 200, "from b");
    check_cancel(&a, id, 1);
    CHECK_EQUAL(wire_count(w)->kept_now, 1);
    CHECK_EQUAL(wire_end(w, branch), WIRE_OK);
    CHECK_EQUAL(wire_count(w)->kept_now, 0);
    CHECK_EQUAL(wire_branch(w, id), 0);
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

/* A request may go on without its client, as if it had been begun here; and only then. */
static void test_outlived(void)
{
    open_all(4096, 4096);
    uint64_t id = ask(client, GET_A);
    CHECK_EQUAL(wire_outlive(w, id), WIRE_NO_EXCHANGE); /* with nobody yet */
    CHECK_EQUAL(send_kept(&a, id, SEND_TELL, 0), WIRE_OK);
    CHECK_EQUAL(wire_outlive(w, id), WIRE_NO_EXCHANGE); /* its client is there */
    hear_frame(&a);
    close(client);
    CHECK(await_event(EVENT_CLIENT_GONE)->exchange == id);
    CHECK_EQUAL(wire_outlive(w, id), WIRE_OK);
    CHECK_EQUAL(wire_outlive(w, id), WIRE_NO_EXCHANGE); /* once */
    CHECK_EQUAL(wire_pass_on(w, id, (const uint8_t *)"", 0), WIRE_NO_EXCHANGE);
    respond(&a, on_wire(id, 1, 0), 201, "made");
    const wire_event *event = await_event(EVENT_STREAM);
    CHECK(event->exchange == id);
    CHECK_EQUAL(event->a, 201);
    CHECK_EQUAL(event->b, 4);
    CHECK_EQUAL(wire_end(w, id), WIRE_OK);
    CHECK_EQUAL(wire_outlive(w, id), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_count(w)->exchanges_now, 0);
    client = -1;
    finish_empty();
}

/* Who made a branch learns that the other is answered, which is told of no other exchange. */
static void test_answered_beside_a_branch(void)
{
    open_all(4096, 4096);
    for (int branches = 0; branches < 2; branches++) {
        uint64_t id = ask(client, GET_A), branch = 0;
        CHECK_EQUAL(send_kept(&a, id, KEEPS, 0), WIRE_OK);
        hear_frame(&a);
        if (branches)
            CHECK(branch = wire_branch(w, id));
        respond(&a, id, 200, "first");
        check_answer(client, 200, "first");
        CHECK_EQUAL(count_events(EVENT_ANSWERED), branches);
        CHECK_EQUAL(wire_end(w, branch), branches ? WIRE_OK : WIRE_NO_EXCHANGE);
    }
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
    test_lost();
    test_late_answers();
    test_cancel_of_a_later_attempt();
    test_held();
    test_told();
    test_what_cannot_be_passed_on();
    test_bounds();
    test_parked();
    test_attempt_times();
    test_branches();
    test_outlived();
    test_passed_on_before_the_body();
    test_answered_beside_a_branch();
    test_unsent();
    test_sent_in_part();
    test_refused_and_figures();
    test_wrong_calls();
    test_full();
    test_streamed_later();
    test_handed_in();
    test_shut();
    return test_report();
}
