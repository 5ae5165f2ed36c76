/* Tests of the rings of records: what they hold, how it is found; and of figures that are counted beside them. */
#include "test_wire_records.h"

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
    test_rings_are_bounded();
    test_finding();
    test_watched();
    test_turns();
    test_figures_of_an_instance_that_left();
    test_nothing_is_measured();
    return test_report();
}
