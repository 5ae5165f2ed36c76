/* Tests of exchanges that no client has asked: begun, opened, answered as a stream, lost, taken back, ended. */
#include "test_wire_frames.h"

static service s;
static frame_view view;
static frame_field fields[FRAME_FIELDS_MAX];
static const opening usual = {.route = 1, .endpoint = 7, .attempt = 1, .remaining_ms = 900, .target = "/stock/7", .body = "b", .end = 1};

static void set(uint64_t id, int field, const char *value)
{
    guarded made = guarded_at_end(value, strlen(value)); /* what the caller had is gone when the request is opened */
    CHECK_EQUAL(wire_set_context(w, id, field, made.bytes, (uint32_t)made.byte_count), WIRE_OK);
    guarded_free(&made);
}

static uint64_t begin(int method)
{
    uint64_t id = wire_begin(w, method);
    CHECK(id != 0 && !(id & BIT_63));
    return id;
}

static uint64_t begin_open(void)
{
    uint64_t id = begin(METHOD_GET);
    CHECK_EQUAL(open_with(id, s.connection, &usual), WIRE_OK);
    wire_flush(w);
    CHECK((hear_frame(&s)->exchange & ~BIT_63) == id);
    return id;
}

/* The REQUEST that came, scanned: offsets are into room. */
static void hear_request(void)
{
    frame_scan_result found = {0};
    wire_flush(w);
    const heard_frame *heard = hear_frame(&s);
    frame_scan(room, FRAME_HEADER_BYTES + heard->payload_bytes, &view, 1, fields, FRAME_FIELDS_MAX, &found);
    CHECK(found.frame_count == 1 && found.error == FRAME_OK && view.type == FRAME_REQUEST);
}

/* The context fields of that REQUEST, by their ids, in their order. expected: the values of all, with '|' behind each; '*' for any. */
static void check_context_fields(const char *ids, const char *expected)
{
    char actual_ids[64] = "";
    int at = 0;
    for (uint32_t i = 0; i < view.field_count; i++) {
        const char *end = strchr(expected, '|');
        at += sprintf(actual_ids + at, "%d ", fields[i].id);
        if (!CHECK(end != NULL))
            return;
        if (*expected != '*')
            CHECK_BYTES(room + fields[i].value, fields[i].value_bytes, expected, (size_t)(end - expected));
        expected = end + 1;
    }
    CHECK_BYTES(actual_ids, strlen(actual_ids), ids, strlen(ids));
}

static void check_begun(int dialled)
{
    start(NULL);
    s = join_framed(dialled);
    uint64_t id = begin(METHOD_PUT), other = begin(METHOD_GET);
    CHECK(id != other);
    CHECK_EQUAL(wire_count(w)->exchanges_now, 2);
    CHECK_EQUAL(wire_count(w)->begun, 2);
    CHECK_EQUAL(open_with(id, s.connection, &usual), WIRE_OK);
    hear_request();
    CHECK(view.exchange == (id | (dialled ? BIT_63 : 0)) && view.method == METHOD_PUT && view.endpoint == 7);
    CHECK(view.flags == FRAME_END && view.remaining_ms == 900 && view.body_bytes == 1);
    CHECK_BYTES(room + view.target, view.target_bytes, "/stock/7", 8);
    check_context_fields("2 3 4 ", "*|*|*|");
    CHECK_EQUAL(wire_in_flight(w)[s.connection & 4095], 1);
    uint64_t sent[2];
    CHECK_EQUAL(wire_sent(w, sent, 2), 0); /* of clients, those are */
    respond(&s, view.exchange, 200, "stock");
    const wire_event *event = await_event(EVENT_STREAM);
    CHECK(event->exchange == id && event->connection == s.connection && event->detail == FRAME_RESPONSE);
    CHECK(event->flags == FRAME_END && event->a == 200 && event->b == 5);
    CHECK_BYTES(wire_arena(w) + event->at + event->bytes - event->b, event->b, "stock", 5);
    CHECK_EQUAL(wire_in_flight(w)[s.connection & 4095], 0);
    CHECK_EQUAL(wire_end(w, id), WIRE_OK);
    CHECK_EQUAL(wire_end(w, id), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_end(w, other), WIRE_OK);
    CHECK_EQUAL(wire_count(w)->exchanges_now, 0);
    CHECK_EQUAL(wire_count(w)->begun, 2);
    finish();
}

/* At any time, again and again, and kept over batches that use the same memory. */
static void test_context(void)
{
    char former[64], id_text[65];
    start(NULL);
    int client = join_edge();
    s = join_framed(0);
    uint64_t id = begin(METHOD_POST);
    CHECK_EQUAL(wire_get_context(w, id, FIELD_REQUEST_ID, (uint8_t *)id_text), 32);
    set(id, FIELD_TENANT, "first");
    step();
    set(id, FIELD_TRACESTATE, "a=b");
    set(id, FIELD_TENANT, "acme");
    uint64_t asked = ask(client, GET_A);
    set(asked, FIELD_TENANT, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    answer_text(asked, 204, "", 0);
    set(id, FIELD_CORRELATION_ID, "corr-1");
    set(id, FIELD_TRACE, "0123456789abcdef012345678");
    for (int i = 0; i < 3; i++) {
        snprintf(former, sizeof former, "192.0.2.%d", i);
        set(id, FIELD_CLIENT_ADDRESS, former);
    }
    set(id, FIELD_SCHEME, "https");
    CHECK_EQUAL(wire_set_context(w, id, FIELD_TENANT, (const uint8_t *)"", 0), WIRE_INVALID);
    CHECK_EQUAL(wire_set_context(w, id, FIELD_SERVICE, (const uint8_t *)"stock", 5), WIRE_INVALID);
    CHECK_EQUAL(open_with(id, s.connection, &usual), WIRE_OK);
    CHECK_EQUAL(wire_set_context(w, id, FIELD_TENANT, (const uint8_t *)"late", 4), WIRE_NO_EXCHANGE);
    hear_request();
    char expected[200];
    snprintf(expected, sizeof expected, "acme|corr-1|%.32s|0123456789abcdef012345678|a=b|192.0.2.2|https|", id_text);
    check_context_fields("1 2 3 4 5 8 9 ", expected);
    CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_OK);
    check_cancel(&s, id, 1);
    set(id, FIELD_TENANT, "again"); /* and asked again, it says so */
    CHECK_EQUAL(open_with(id, s.connection, &usual), WIRE_OK);
    hear_request();
    snprintf(expected, sizeof expected, "again|corr-1|%.32s|0123456789abcdef012345678|a=b|192.0.2.2|https|", id_text);
    check_context_fields("1 2 3 4 5 8 9 ", expected);
    CHECK_EQUAL(wire_end(w, id), WIRE_OK);
    finish();
}

/* The same for one whose connection was handed over: who waited for something sets it later. */
static void test_context_of_what_is_away(void)
{
    start(NULL);
    int client = join_edge();
    s = join_framed(0);
    uint64_t id = ask(client, GET_A);
    set(id, FIELD_TENANT, "first");
    take_over(id);
    step();
    set(id, FIELD_TENANT, "acme");
    set(id, FIELD_TRACESTATE, "a=b");
    CHECK_EQUAL(open_with(id, s.connection, &usual), WIRE_OK);
    hear_request();
    check_context_fields("1 2 3 4 5 9 ", "acme|*|*|*|a=b|http|");
    CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_OK);
    give_back(id, HAND_BACK_CLOSE, "");
    finish();
}

/* Body and answer in pieces, both ways. */
static void test_stream(void)
{
    opening o = usual;
    static uint8_t out[1000];
    start(NULL);
    s = join_framed(0);
    uint64_t id = begin(METHOD_POST);
    o.end = 0;
    CHECK_EQUAL(open_with(id, s.connection, &o), WIRE_OK);
    hear_request();
    CHECK_EQUAL(view.flags, 0);
    CHECK_EQUAL(wire_frame(w, s.connection, FRAME_DATA, FRAME_END, id, (const uint8_t *)"more", 4), WIRE_OK);
    wire_flush(w);
    CHECK_EQUAL(hear_frame(&s)->type, FRAME_DATA);
    say(s.descriptor, out, put_response(out, id, 0, 103, NULL, NULL, NULL, 0));
    say(s.descriptor, out, put_response(out, id, 0, 200, NULL, NULL, "b", 1));
    say_frame(&s, FRAME_DATA, FRAME_END, id, "c", 1);
    CHECK_EQUAL(await_event(EVENT_STREAM)->a, 103);
    CHECK_EQUAL(count_events(EVENT_STREAM), 3);
    CHECK(wire_events(w)[2].detail == FRAME_DATA && wire_events(w)[2].flags == FRAME_END);
    say_frame(&s, FRAME_DATA, FRAME_END, id, "c", 1); /* after the end */
    settle();
    CHECK_EQUAL(wire_count(w)->late_responses, 1);
    CHECK_EQUAL(wire_end(w, id), WIRE_OK);
    finish();
}

/* Lost and refused, it is undecided again: sent elsewhere, or ended. */
static void test_lost_and_refused(void)
{
    start(NULL);
    s = join_framed(0);
    uint64_t id = begin_open(), refused = begin_open();
    say_frame(&s, FRAME_REFUSED, 0, refused, "\1\0\0\0\0\0\0\144", 8);
    const wire_event *event = await_event(EVENT_REFUSED);
    CHECK(event->exchange == refused && event->detail == 1 && event->a == 100);
    CHECK_EQUAL(open_with(refused, s.connection, &usual), WIRE_OK);
    hang_up(s.descriptor);
    CHECK_EQUAL(await_event(EVENT_LOST)->connection, s.connection);
    CHECK_EQUAL(count_events(EVENT_LOST), 2);
    CHECK_EQUAL(open_with(id, s.connection, &usual), WIRE_NO_CONNECTION);
    s = join_framed(0);
    CHECK_EQUAL(open_with(id, s.connection, &usual), WIRE_OK);
    hear_request();
    respond(&s, id, 200, "");
    CHECK_EQUAL(await_event(EVENT_STREAM)->exchange, id);
    CHECK_EQUAL(wire_end(w, id), WIRE_OK);
    CHECK_EQUAL(wire_end(w, refused), WIRE_OK);
    finish();
}

/* Taken back, it is undecided, and an answer that was on its way is dropped; ended without that, nothing is written. */
static void test_taken_back_and_forgotten(void)
{
    start(NULL);
    s = join_framed(0);
    uint64_t id = begin_open();
    CHECK_EQUAL(wire_cancel(w, id, 2), WIRE_OK);
    wire_flush(w);
    check_cancel(&s, id, 2);
    CHECK_EQUAL(wire_cancel(w, id, 2), WIRE_NO_EXCHANGE); /* not with a service, and here to stay */
    CHECK(wire_age_ms(w, id) >= 0);
    respond(&s, id, 200, "late");
    settle();
    CHECK_EQUAL(wire_count(w)->late_responses, 1);
    CHECK_EQUAL(wire_end(w, id), WIRE_OK);
    CHECK_EQUAL(wire_cancel(w, id, 2), WIRE_NO_EXCHANGE);
    id = begin_open();
    CHECK_EQUAL(wire_end(w, id), WIRE_OK);
    CHECK_EQUAL(wire_in_flight(w)[s.connection & 4095], 0);
    wire_flush(w);
    CHECK(is_silent(s.descriptor));
    uint64_t next = begin(METHOD_GET); /* in the same place of the table */
    CHECK((uint32_t)next == (uint32_t)id && next != id);
    respond(&s, id, 200, "late");
    settle();
    CHECK_EQUAL(wire_count(w)->late_responses, 2);
    CHECK_EQUAL(wire_end(w, next), WIRE_OK);
    finish();
}

/* What needs a client. */
static void test_what_is_not_for_it(void)
{
    wire_handed handed;
    uint32_t count;
    const uint8_t *bytes;
    start(NULL);
    int client = join_edge();
    s = join_framed(0);
    uint64_t id = begin(METHOD_HEAD);
    CHECK_EQUAL(wire_send(w, id, s.connection, 0, 0, 0, 0, 100, 0, NULL), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_answer(w, id, 200, NULL, 0, NULL, 0, 0), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_hand_over(w, id, &handed), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_hand_back(w, id, HAND_BACK_KEEP, NULL, 0, 0), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_NO_EXCHANGE);
    CHECK(wire_head(w, id, &bytes) == NULL && wire_body(w, id, &count) == NULL);
    CHECK_EQUAL(wire_caller(w, id, room, ROOM), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_forward(w, id, room, ROOM, &count), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_client_address(w, id, (char *)room), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_answer_head(w, id, 200, NULL, 0, 0, 0, room, ROOM), WIRE_NO_EXCHANGE);
    CHECK(!wire_is_secured(w, id) && wire_is_head(w, id));
    CHECK_EQUAL(open_with(id, s.connection, &usual), WIRE_OK);
    CHECK_EQUAL(open_with(id, s.connection, &usual), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_hand_in(w, id, NULL, 0, 0, 100), WIRE_NO_EXCHANGE);
    hear_request();
    respond(&s, id, 200, "");
    const wire_event *event = await_event(EVENT_STREAM);
    CHECK_EQUAL(wire_response_head(w, id, event->at, event->bytes, FRAMING_LENGTH, 0, NULL, 0, 0, room, ROOM, &count),
                WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_end(w, id), WIRE_OK);
    id = ask(client, GET_A); /* and what is a client's is not for wire_end */
    CHECK_EQUAL(wire_end(w, id), WIRE_NO_EXCHANGE);
    take_over(id);
    CHECK_EQUAL(wire_end(w, id), WIRE_NO_EXCHANGE);
    give_back(id, HAND_BACK_CLOSE, "");
    finish();
}

/* An idle wire has not looked at the clock for long: that is nobody's time to respond. */
static void test_time_that_has_passed_before(void)
{
    start(NULL);
    s = join_framed(0);
    wire_advance_clock(w, 5000);
    uint64_t id = begin_open();
    CHECK(wire_age_ms(w, id) < 1000);
    respond(&s, id, 200, "stock");
    await_event(EVENT_STREAM);
    float latency_us = wire_latency_us(w)[s.connection & 4095];
    CHECK(latency_us > 0 && latency_us < 1e6f);
    CHECK_EQUAL(wire_end(w, id), WIRE_OK);
    finish();
}

static void test_bounds(void)
{
    wire_settings settings = small_settings();
    settings.exchanges_max = 2;
    start(&settings);
    CHECK_EQUAL(wire_begin(w, METHOD_NONE), 0);
    CHECK_EQUAL(wire_begin(w, METHOD_OPTIONS + 1), 0);
    CHECK_EQUAL(wire_begin(w, -1), 0);
    uint64_t first = begin(METHOD_GET), second = begin(METHOD_OPTIONS);
    CHECK_EQUAL(wire_begin(w, METHOD_GET), 0);
    CHECK_EQUAL(wire_count(w)->begun, 2);
    CHECK_EQUAL(wire_end(w, first), WIRE_OK);
    first = begin(METHOD_GET);
    set(first, FIELD_TENANT, "acme");
    CHECK_EQUAL(wire_end(w, second), WIRE_OK);
    CHECK_EQUAL(wire_end(w, second + 1), WIRE_NO_EXCHANGE);
    wire_shut(w); /* with one that is left, and what it keeps */
    CHECK_EQUAL(wire_end(w, first), WIRE_NO_EXCHANGE);
    wire_free(w);
}

int main(void)
{
    check_begun(0);
    check_begun(1);
    test_context();
    test_context_of_what_is_away();
    test_stream();
    test_lost_and_refused();
    test_taken_back_and_forgotten();
    test_what_is_not_for_it();
    test_time_that_has_passed_before();
    test_bounds();
    return test_report();
}
