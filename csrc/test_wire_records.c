/* Tests of records and figures: what is written down of exchanges that have ended, into which ring, and what is counted of their times. */
#include "test_wire_frames.h"

enum { NEVER_SENT = -1 };

static service a, b;
static int client;

static void open_all(void)
{
    wire_settings settings = small_settings();
    settings.kept_bytes_max = 4096;
    settings.kept_total_bytes_max = 65536;
    start(&settings);
    client = join_edge();
    a = join_framed(0);
    b = join_framed(1);
}

static const wire_record *newest(int ring)
{
    uint64_t sequence = wire_record_sequence(w, ring);
    static const wire_record none;
    return sequence ? &wire_records(w, ring)[(sequence - 1) % wire_record_room(w, ring)] : &none;
}

static const wire_record *check_newest(int ring, uint64_t sequence, int status)
{
    const wire_record *r = newest(ring);
    CHECK_EQUAL(wire_record_sequence(w, ring), sequence);
    CHECK_EQUAL(r->sequence, sequence);
    CHECK_EQUAL(r->status, status);
    return r;
}

enum text { OF_TENANT = 2, OF_PRINCIPAL = 3, OF_TARGET = 5 };

static void check_text(const wire_record *r, enum text which, const char *text, uint32_t bytes)
{
    const uint8_t lengths[] = {r->request_id_bytes, r->correlation_id_bytes, r->tenant_bytes, r->principal_bytes, r->client_bytes, r->target_bytes};
    const uint8_t *at = r->text;
    for (int i = 0; i < (int)which; i++)
        at += lengths[i];
    CHECK_BYTES(at, lengths[which], text, bytes);
}

static uint64_t sum(const uint64_t *counts, uint32_t count)
{
    uint64_t total = 0;
    for (uint32_t i = 0; counts && i < count; i++)
        total += counts[i];
    return total;
}

static uint64_t ask_for(const char *target)
{
    char request[512];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nhost: a\r\n\r\n", target);
    return ask(client, request);
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

static void answer_one(int status)
{
    answer_text(ask_for("/a"), status, "ok", 0);
    check_answer(client, status, "ok");
}

/* The oldest make room, and the sequence goes on. */
static void test_rings_are_bounded(void)
{
    open_all();
    for (int i = 0; i < 11; i++)
        answer_one(200);
    const wire_record *recent = wire_records(w, RECORDS_RECENT);
    CHECK_EQUAL(wire_record_room(w, RECORDS_RECENT), 8);
    for (uint32_t at = 0; at < 8; at++)
        CHECK_EQUAL(recent[at].sequence, at < 3 ? at + 9 : at + 1);
    CHECK_EQUAL(wire_record_room(w, 3), 0);
    CHECK_EQUAL(wire_record_room(w, -1), 0);
    CHECK(wire_records(w, 3) == NULL);
    CHECK_EQUAL(wire_record_sequence(w, 7), 0);
    finish();
}

static uint32_t find(const char *text, const uint8_t *trace, uint64_t *found)
{
    return wire_find_records(w, RECORDS_RECENT, (const uint8_t *)text, (uint32_t)strlen(text), trace, found, 2);
}

static void answer_as(const char *request_id, const char *correlation_id)
{
    uint64_t id = ask_for("/a");
    CHECK_EQUAL(wire_set_context(w, id, FIELD_REQUEST_ID, (const uint8_t *)request_id, (uint32_t)strlen(request_id)), WIRE_OK);
    CHECK_EQUAL(wire_set_context(w, id, FIELD_CORRELATION_ID, (const uint8_t *)correlation_id, (uint32_t)strlen(correlation_id)), WIRE_OK);
    answer_text(id, 200, "ok", 0);
    check_answer(client, 200, "ok");
}

static void test_finding(void)
{
    uint64_t found[2];
    open_all();
    CHECK_EQUAL(find("one", NULL, found), 0);
    answer_as("one", "both");
    answer_as("two", "both");
    answer_as("oneb", "oth"); /* the same bytes, cut otherwise */
    CHECK_EQUAL(find("one", NULL, found), 1);
    CHECK_EQUAL(found[0], 1);
    CHECK_EQUAL(find("both", NULL, found), 2);
    CHECK(found[0] == 2 && found[1] == 1);
    CHECK_EQUAL(find("bot", NULL, found), 0);
    CHECK_EQUAL(find("none", newest(RECORDS_RECENT)->trace, found), 1);
    CHECK_EQUAL(found[0], 3);
    for (int i = 0; i < 8; i++)
        answer_as("new", "newer");
    CHECK_EQUAL(find("one", NULL, found), 0); /* others have its place */
    CHECK_EQUAL(find("new", NULL, found), 2); /* no more than there is room for */
    CHECK(found[0] == 11 && found[1] == 10);
    CHECK_EQUAL(wire_find_records(w, 9, (const uint8_t *)"new", 3, NULL, found, 2), 0);
    finish();
}

static void test_watched(void)
{
    open_all();
    wire_watch_records(w, UINT64_MAX, 0);
    answer_one(200);
    CHECK_EQUAL(check_newest(RECORDS_WATCHED, 1, 200)->flags, RECORD_LOGGED);
    wire_watch_records(w, 0, 1);
    answer_one(200);
    CHECK_EQUAL(wire_record_sequence(w, RECORDS_WATCHED), 1);
    wire_sample_traces(w, UINT64_MAX, 0);
    answer_one(200);
    const wire_record *r = check_newest(RECORDS_WATCHED, 2, 200);
    CHECK_EQUAL(r->flags, RECORD_SAMPLED);
    CHECK_EQUAL(r->trace[24], 1);
    wire_watch_records(w, 1, 0); /* next to none */
    answer_one(200);
    CHECK_EQUAL(wire_record_sequence(w, RECORDS_WATCHED), 2);
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

static void test_turns(void)
{
    open_all();
    const wire_turn_figures *turns = wire_turns(w);
    uint64_t before = sum(turns->turn_us, WIRE_COARSE_COUNTS), requests = turns->requests[1];
    uint64_t id = ask_for("/a");
    wire_flush(w);
    CHECK_EQUAL(sum(turns->turn_us, WIRE_COARSE_COUNTS), before + 1);
    CHECK_EQUAL(turns->requests[1], requests + 1);
    wire_flush(w); /* belongs to no batch */
    CHECK_EQUAL(sum(turns->turn_us, WIRE_COARSE_COUNTS), before + 1);
    wire_away(w, 5);
    wire_away(w, UINT32_MAX);
    CHECK_EQUAL(turns->away_us[5], 1);
    CHECK_EQUAL(turns->away_us[WIRE_COARSE_COUNTS - 1], 1);
    CHECK_EQUAL(turns->away_max_us, UINT32_MAX);
    CHECK_EQUAL(turns->away_sum_us, 5ull + UINT32_MAX);
    answer_text(id, 200, "ok", 0);
    finish();
}

/* Of who is gone, until somebody else has the place. */
static void test_figures_of_an_instance_that_left(void)
{
    open_all();
    uint64_t id = in_flight(client, &a);
    respond(&a, id, 200, "ok");
    settle();
    hang_up(a.descriptor);
    await_event(EVENT_FRAMED_CLOSED);
    CHECK_EQUAL(wire_instance_statuses(w, a.connection)[2], 1);
    settle();
    service c = join_framed(0);
    CHECK_EQUAL(c.connection & 4095, a.connection & 4095);
    CHECK(wire_instance_statuses(w, a.connection) == NULL);
    CHECK_EQUAL(wire_instance_statuses(w, c.connection)[2], 0);
    finish();
}

static void test_nothing_is_measured(void)
{
    wire_settings settings = small_settings();
    settings.measures = 0;
    start(&settings);
    client = join_edge();
    a = join_framed(0);
    uint64_t id = in_flight(client, &a);
    CHECK_EQUAL(wire_record_reason(w, id, 1, 1), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_record_bytes(w, id, 1), WIRE_NO_EXCHANGE);
    respond(&a, id, 200, "ok");
    settle();
    check_answer(client, 200, "ok");
    CHECK_EQUAL(wire_record_room(w, RECORDS_RECENT), 0);
    CHECK_EQUAL(wire_record_sequence(w, RECORDS_RECENT), 0);
    CHECK(wire_route_totals(w, 1) == NULL && wire_instance_statuses(w, a.connection) == NULL);
    CHECK(wire_route_latency(w, 1) != NULL); /* hedges go by it */
    CHECK_EQUAL(sum(wire_turns(w)->turn_us, WIRE_COARSE_COUNTS), 0);
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
    test_rings_are_bounded();
    test_finding();
    test_watched();
    test_own_spans(0);
    test_own_spans(1);
    test_long_texts_are_cut();
    test_turns();
    test_figures_of_an_instance_that_left();
    test_nothing_is_measured();
    return test_report();
}
