/* Tests of records: what is written down of an exchange, and which ring it goes to. */
#include "test_wire_records.h"

enum { NEVER_SENT = -1 };

enum text { OF_TENANT = 2, OF_PRINCIPAL = 3, OF_TARGET = 5 };

static void check_text(const wire_record *r, enum text which, const char *text, uint32_t bytes)
{
    const uint8_t lengths[] = {r->request_id_bytes, r->correlation_id_bytes, r->tenant_bytes, r->principal_bytes, r->client_bytes, r->target_bytes};
    const uint8_t *at = r->text;
    for (int i = 0; i < (int)which; i++)
        at += lengths[i];
    CHECK_BYTES(at, lengths[which], text, bytes);
}

static void test_answered(void)
{
    open_all();
    uint64_t id = ask_for("/a?b");
    static const uint8_t tenant[] = "acme";
    CHECK_EQUAL(wire_set_context(w, id, FIELD_TENANT, tenant, 4), WIRE_OK);
    static uint16_t memory[8];
    wire_identity *identity = (wire_identity *)(void *)memory;
    identity->principal_bytes = 5;
    memcpy(identity->text, "alice", 5);
    CHECK_EQUAL(wire_send(w, id, a.connection, 1, 7, 3, 0, DEADLINE_MS, 0, identity), WIRE_OK);
    uint8_t name[WIRE_ID_BYTES_MAX];
    CHECK_BYTES(name, (size_t)wire_get_context(w, id, FIELD_TENANT, name), "acme", 4);
    CHECK_BYTES(name, (size_t)wire_get_context(w, id, FIELD_PRINCIPAL, name), "alice", 5);
    wire_flush(w);
    hear_frame(&a);
    CHECK_EQUAL(wire_record_sequence(w, RECORDS_RECENT), 0);
    advance(20);
    respond(&a, id, 200, "hello");
    settle();
    check_answer(client, 200, "hello");
    const wire_record *r = check_newest(RECORDS_RECENT, 1, 200);
    CHECK_EQUAL(wire_record_sequence(w, RECORDS_NOTABLE), 0);
    CHECK_EQUAL(wire_record_sequence(w, RECORDS_WATCHED), 0);
    CHECK_EQUAL(r->route, 1);
    CHECK_EQUAL(r->method, METHOD_GET);
    CHECK_EQUAL(r->flags, 0);
    CHECK_EQUAL(r->reason, 0);
    CHECK_EQUAL(r->attempt_count, 1);
    CHECK_EQUAL(r->attempts[0].outcome, 200);
    CHECK_EQUAL(r->attempts[0].connection, a.connection);
    CHECK_EQUAL(r->attempts[0].number, 1);
    CHECK_EQUAL(r->attempts[0].gauge, 3);
    CHECK(r->sent_us <= r->answered_us && r->answered_us >= 20000 && r->ended_us >= r->answered_us);
    CHECK(r->upstream_us >= 20000 && r->upstream_us <= r->ended_us);
    CHECK(r->bytes_in == strlen("GET /a?b HTTP/1.1\r\nhost: a\r\n\r\n"));
    CHECK(r->bytes_out > 100);
    CHECK(r->started_unix_us / 1000000 + 100 > (uint64_t)time(NULL));
    check_text(r, OF_TARGET, "/a?b", 4);
    check_text(r, OF_TENANT, "acme", 4);
    check_text(r, OF_PRINCIPAL, "alice", 5);
    CHECK_EQUAL(r->request_id_bytes, 32);
    CHECK_EQUAL(sum(wire_route_totals(w, 1), WIRE_LATENCY_COUNTS), 1);
    CHECK_EQUAL(sum(wire_route_gateway(w, 1), WIRE_COARSE_COUNTS), 1);
    CHECK(wire_route_totals(w, 2) == NULL && wire_route_totals(w, 99) == NULL && wire_route_gateway(w, 99) == NULL);
    CHECK_EQUAL(wire_instance_statuses(w, a.connection)[2], 1);
    CHECK_EQUAL(sum(wire_instance_latency(w, a.connection), WIRE_COARSE_COUNTS), 1);
    CHECK(wire_instance_latency(w, b.connection) == NULL);
    wire_route_reset(w, 1);
    CHECK(wire_route_totals(w, 1) == NULL && wire_route_gateway(w, 1) == NULL);
    finish();
}

/* The gateway's own time is what no attempt took. */
static void test_gateway_time(void)
{
    open_all();
    uint64_t id = ask_for("/a");
    CHECK_EQUAL(wire_keep(w, id, 9000, NULL), WIRE_OK);
    advance(100);
    CHECK_EQUAL(wire_again(w, id, a.connection, 1, 7, 0, 0, 1, 0), WIRE_OK);
    wire_flush(w);
    hear_frame(&a);
    advance(3000);
    respond(&a, id, 200, "late");
    settle();
    check_answer(client, 200, "late");
    const wire_record *r = check_newest(RECORDS_NOTABLE, 1, 200); /* it was slow */
    CHECK(r->sent_us >= 100000 && r->sent_us < 1000000);
    CHECK(r->upstream_us >= 3000000 && r->ended_us >= 3100000);
    const uint64_t *gateway = wire_route_gateway(w, 1);
    uint32_t at = 0;
    while (at < WIRE_COARSE_COUNTS && gateway && !gateway[at])
        at++;
    CHECK(at >= 208 && at < 240); /* 32 + 16 for each doubling: from 98,304 up to 425,984 microseconds */
    finish();
}

static void test_own_answer(void)
{
    open_all();
    uint64_t id = ask_for("/nowhere");
    CHECK_EQUAL(wire_record_reason(w, id, 17, UINT32_MAX), WIRE_OK);
    answer_text(id, 404, "no", 0);
    check_answer(client, 404, "no");
    const wire_record *r = check_newest(RECORDS_RECENT, 1, 404);
    CHECK_EQUAL(r->reason, 17);
    CHECK_EQUAL(r->route, UINT32_MAX);
    CHECK_EQUAL(r->attempt_count, 0);
    CHECK_EQUAL((int64_t)r->sent_us, NEVER_SENT);
    CHECK_EQUAL((int64_t)r->answered_us, NEVER_SENT);
    check_text(r, OF_TARGET, "/nowhere", 8);
    CHECK_EQUAL(wire_record_reason(w, id, 17, 0), WIRE_NO_EXCHANGE);
    id = ask_for("/b");
    CHECK_EQUAL(wire_record_reason(w, id, 18, 2), WIRE_OK);
    answer_text(id, 503, "no", 0);
    check_answer(client, 503, "no");
    r = check_newest(RECORDS_NOTABLE, 1, 503);
    CHECK_EQUAL(r->route, 2);
    CHECK_EQUAL(sum(wire_route_totals(w, 2), WIRE_LATENCY_COUNTS), 1);
    finish();
}

static void test_attempts(void)
{
    open_all();
    uint64_t id = ask_for("/a");
    CHECK_EQUAL(wire_send(w, id, a.connection, 1, 7, 0, SEND_KEEP | SEND_HOLD, DEADLINE_MS, 0, NULL), WIRE_OK);
    wire_flush(w);
    hear_frame(&a);
    respond(&a, id, 503, "busy");
    await_event(EVENT_ANSWERED);
    CHECK_EQUAL(wire_again(w, id, b.connection, 1, 7, 0, 0, 2, 0), WIRE_OK);
    wire_flush(w);
    hang_up(b.descriptor);
    await_event(EVENT_LOST);
    for (uint32_t attempt = 3; attempt < 7; attempt++) {
        CHECK_EQUAL(wire_again(w, id, a.connection, 1, 7, 0, 0, attempt, 0), WIRE_OK);
        CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_OK);
    }
    CHECK_EQUAL(wire_again(w, id, a.connection, 1, 7, 0, 0, 7, 0), WIRE_OK);
    wire_flush(w);
    respond(&a, id | 6ull << 24, 200, "at last");
    settle();
    check_answer(client, 200, "at last");
    const wire_record *r = check_newest(RECORDS_NOTABLE, 1, 200);
    CHECK_EQUAL(r->attempt_count, 7);
    CHECK_EQUAL(r->attempts[0].outcome, 503);
    CHECK_EQUAL(r->attempts[1].outcome, ATTEMPT_LOST);
    CHECK_EQUAL(r->attempts[1].connection, b.connection);
    CHECK_EQUAL(r->attempts[2].number, 3);
    CHECK_EQUAL(r->attempts[2].outcome, ATTEMPT_CANCELLED);
    CHECK_EQUAL(r->attempts[3].number, 7);
    CHECK_EQUAL(r->attempts[3].outcome, 200);
    finish();
}

/* A branch has no record of its own: its attempts are the exchange's. */
static void test_hedge(void)
{
    open_all();
    uint64_t id = ask_for("/a");
    CHECK_EQUAL(wire_send(w, id, a.connection, 1, 7, 0, SEND_KEEP, DEADLINE_MS, 0, NULL), WIRE_OK);
    uint64_t branch = wire_branch(w, id);
    CHECK(branch != 0);
    CHECK_EQUAL(wire_again(w, branch, b.connection, 1, 7, 0, 0, 2, 0), WIRE_OK);
    wire_flush(w);
    hear_frame(&a);
    respond(&a, id, 200, "first");
    settle();
    check_answer(client, 200, "first");
    const wire_record *r = check_newest(RECORDS_NOTABLE, 1, 200);
    CHECK_EQUAL(r->attempt_count, 2);
    CHECK_EQUAL(r->attempts[1].is_hedge, 1);
    CHECK_EQUAL(r->attempts[1].connection, b.connection);
    CHECK_EQUAL(r->attempts[1].outcome, 0); /* it is not over */
    CHECK_EQUAL(wire_cancel(w, branch, 5), WIRE_OK);
    CHECK_EQUAL(wire_end(w, branch), WIRE_OK);
    CHECK_EQUAL(wire_record_sequence(w, RECORDS_RECENT), 1);
    finish();
}

static void test_client_gone(void)
{
    open_all();
    uint64_t id = in_flight(client, &a);
    hang_up(client);
    await_event(EVENT_CLIENT_GONE);
    CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_OK);
    const wire_record *r = check_newest(RECORDS_NOTABLE, 1, 0);
    CHECK_EQUAL(r->flags, RECORD_CLIENT_GONE);
    CHECK_EQUAL(r->attempts[0].outcome, ATTEMPT_CANCELLED);
    CHECK_EQUAL(sum(wire_route_gateway(w, 1), WIRE_COARSE_COUNTS), 0);
    finish();
}

static void test_expired(void)
{
    open_all();
    uint64_t id = in_flight(client, &a);
    advance(DEADLINE_MS + 50);
    await_event(EVENT_EXPIRED);
    CHECK_EQUAL(wire_cancel(w, id, 2), WIRE_OK);
    answer_text(id, 504, "late", 0);
    check_answer(client, 504, "late");
    CHECK_EQUAL(check_newest(RECORDS_NOTABLE, 1, 504)->attempts[0].outcome, ATTEMPT_EXPIRED);
    finish();
}

static void test_handed_over(void)
{
    open_all();
    uint64_t id = ask_for("/a");
    take_over(id);
    uint8_t head[1024];
    CHECK(wire_answer_head(w, id, 413, NULL, 0, 0, 0, head, sizeof head) > 0);
    CHECK_EQUAL(wire_record_bytes(w, id, 70), WIRE_OK);
    CHECK_EQUAL(wire_record_bytes(w, id, 7), WIRE_OK);
    CHECK_EQUAL(wire_hand_back(w, id, HAND_BACK_RESET, NULL, 0, 1000), WIRE_OK);
    const wire_record *r = check_newest(RECORDS_NOTABLE, 1, 413);
    CHECK_EQUAL(r->flags, RECORD_STREAMED | RECORD_CUT);
    CHECK_EQUAL(r->bytes_out, 77);
    CHECK_EQUAL(r->bytes_in, 1000 + strlen("GET /a HTTP/1.1\r\nhost: a\r\n\r\n"));
    finish();
}

/* What had come with the head belongs to the request as far as nothing of it is given back. */
static void test_bytes_of_what_was_handed_over(void)
{
    static const char request[] = "POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n", rest[] = "2\r\nhi\r\n0\r\n\r\nGET";
    uint8_t head[1024];
    open_all();
    say_text(client, request);
    say_text(client, rest);
    uint64_t id = await_request();
    wire_handed handed = take_over(id);
    CHECK_EQUAL(handed.held_bytes, sizeof rest - 1);
    CHECK(wire_answer_head(w, id, 200, NULL, 0, 0, 0, head, sizeof head) > 0);
    CHECK_EQUAL(wire_hand_back(w, id, HAND_BACK_KEEP, (const uint8_t *)"GET", 3, 100), WIRE_OK);
    CHECK_EQUAL(check_newest(RECORDS_RECENT, 1, 200)->bytes_in, sizeof request - 1 + sizeof rest - 1 - 3 + 100);
    finish();
}

/* A head that comes again, since the caller has written it anew, was no request of its own. */
static void test_given_back_unanswered(void)
{
    open_all();
    uint64_t id = ask_for("/a");
    take_over(id);
    CHECK_EQUAL(wire_hand_back(w, id, HAND_BACK_KEEP, (const uint8_t *)"G", 1, 0), WIRE_OK);
    CHECK_EQUAL(wire_record_sequence(w, RECORDS_RECENT), 0);
    finish();
}

/* With spans of our own, the client's is the parent of ours, and each attempt is the parent of what the service does. */
static const uint8_t *trace_in(const heard_frame *heard)
{
    uint32_t count = frame_read_u16(heard->payload + 10);
    const uint8_t *table = heard->payload + FRAME_REQUEST_FIXED_BYTES, *at = table + 4 * count + frame_read_u16(heard->payload + 8);
    for (uint32_t i = 0; i < count; i++, table += 4) {
        if (table[0] == FIELD_TRACE)
            return at;
        at += table[1] + frame_read_u16(table + 2);
    }
    return NULL;
}

static void test_own_spans(int wants_own)
{
    open_all();
    wire_sample_traces(w, 0, wants_own);
    uint8_t given[WIRE_TRACE_BYTES], trace[WIRE_ID_BYTES_MAX];
    memset(given, 7, sizeof given);
    given[24] = 1;
    uint64_t id = ask_for("/a");
    CHECK_EQUAL(wire_set_context(w, id, FIELD_TRACE, given, sizeof given), WIRE_OK);
    CHECK_EQUAL(wire_get_context(w, id, FIELD_TRACE, trace), WIRE_TRACE_BYTES);
    CHECK_EQUAL(memcmp(trace, given, 16), 0);
    CHECK_EQUAL(memcmp(trace + 16, given + 16, 8) != 0, wants_own);
    CHECK_EQUAL(wire_send(w, id, a.connection, 1, 7, 0, SEND_KEEP | SEND_HOLD, DEADLINE_MS, 0, NULL), WIRE_OK);
    wire_flush(w);
    for (uint32_t attempt = 1; attempt < 3; attempt++) {
        const uint8_t *sent = trace_in(hear_frame(attempt == 1 ? &a : &b));
        if (!CHECK(sent != NULL))
            break;
        CHECK_EQUAL(memcmp(sent, trace, 23), 0);
        CHECK_EQUAL(sent[23], wants_own ? trace[23] ^ attempt : trace[23]);
        CHECK_EQUAL(sent[24], 1);
        if (attempt == 1) {
            respond(&a, id, 503, "busy");
            await_event(EVENT_ANSWERED);
            CHECK_EQUAL(wire_again(w, id, b.connection, 1, 7, 0, 0, 2, 0), WIRE_OK);
            wire_flush(w);
        }
    }
    respond(&b, id | 1ull << 24 | BIT_63, 200, "ok");
    settle();
    check_answer(client, 200, "ok");
    static const uint8_t none[RECORD_SPAN_BYTES];
    CHECK_EQUAL(memcmp(newest(RECORDS_RECENT)->parent_span, wants_own ? given + 16 : none, RECORD_SPAN_BYTES), 0);
    finish();
}

static void test_long_texts_are_cut(void)
{
    open_all();
    char target[400] = "/";
    memset(target + 1, 'x', sizeof target - 2);
    answer_text(ask_for(target), 200, "ok", 0);
    const wire_record *r = check_newest(RECORDS_RECENT, 1, 200);
    check_text(r, OF_TARGET, target, RECORD_TARGET_BYTES);
    finish();
}

int main(void)
{
    test_answered();
    test_gateway_time();
    test_own_answer();
    test_attempts();
    test_hedge();
    test_client_gone();
    test_expired();
    test_handed_over();
    test_bytes_of_what_was_handed_over();
    test_given_back_unanswered();
    test_own_spans(0);
    test_own_spans(1);
    test_long_texts_are_cut();
    return test_report();
}
