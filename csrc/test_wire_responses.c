/* Tests of what services answer to the wire, good and bad, in time and late, and of connections that end with requests in
 * flight. */
#include "test_wire_frames.h"

static uint8_t out[ROOM];

/* Many requests at once, and all of their responses in one read, in another order. */
static void test_many_responses_in_one_read(void)
{
    enum { CLIENTS = 60 };
    static int clients[CLIENTS];
    static uint64_t ids[CLIENTS];
    char text[40], value[40];
    wire_settings settings = small_settings();
    start(&settings);
    service s = join_framed(0);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = join_edge();
        sprintf(text, "GET /%d HTTP/1.1\r\nhost: a\r\n\r\n", i);
        say_text(clients[i], text);
    }
    step();
    CHECK_EQUAL(wire_request_count(w), CLIENTS);
    for (uint32_t i = 0; i < wire_request_count(w); i++) {
        const wire_request *request = &wire_requests(w)[i];
        int client = atoi((const char *)wire_arena(w) + request->path + 1);
        ids[client] = request->exchange;
        CHECK_EQUAL(wire_send(w, request->exchange, s.connection, 1, 7, 0, 0, DEADLINE_MS, 0, NULL), WIRE_OK);
    }
    CHECK_EQUAL(wire_in_flight(w)[s.connection & 4095], CLIENTS);
    wire_flush(w);
    uint32_t bytes = 0;
    for (int i = CLIENTS - 1; i >= 0; i--) {
        sprintf(text, "body %d", i);
        sprintf(value, "value %d", i);
        bytes += put_response(out + bytes, ids[i], FRAME_END, 400 + i, "x-field", value, text, (uint32_t)strlen(text));
    }
    say(s.descriptor, out, bytes);
    step();
    CHECK_EQUAL(event_count, CLIENTS > 29 ? 1 : 0); /* 429 is told of */
    CHECK_EQUAL(wire_count(w)->answers_from_services, CLIENTS);
    CHECK_EQUAL(wire_in_flight(w)[s.connection & 4095], 0);
    for (int i = 0; i < CLIENTS; i++) {
        uint8_t *body;
        sprintf(text, "body %d", i);
        sprintf(value, "\r\nx-field: value %d\r\n", i);
        uint32_t body_bytes = hear_answer(clients[i], 400 + i, &body);
        CHECK_BYTES(body, body_bytes, text, strlen(text));
        CHECK(memmem(room, (size_t)(body - room), value, strlen(value)) != NULL);
    }
    finish();
}

static void test_two_clients_two_services(void)
{
    start(NULL);
    int one = join_edge(), other = join_edge();
    service a = join_framed(0), b = join_framed(1);
    uint64_t first = in_flight(one, &a), second = in_flight(other, &b);
    respond(&b, second | BIT_63, 200, "of b");
    respond(&a, first, 200, "of a");
    check_answer(one, 200, "of a");
    check_answer(other, 200, "of b");
    finish();
}

/* Each is dropped and counted, whoever it says it is for, and the right one still counts. */
static void test_responses_for_others(void)
{
    start(NULL);
    int client = join_edge();
    service asked = join_framed(0), another = join_framed(0), dialled = join_framed(1);
    uint64_t id = in_flight(client, &asked);
    respond(&another, id, 200, "not asked");
    respond(&dialled, id, 200, "not its side's id");
    respond(&dialled, id | BIT_63, 200, "not asked either");
    respond(&asked, id | BIT_63, 200, "not the right side");
    settle();
    CHECK_EQUAL(wire_count(w)->foreign_responses, 4);
    respond(&asked, id + 1, 200, "nobody");
    respond(&asked, id + (UINT64_C(1) << 32), 200, "a later owner");
    respond(&asked, UINT64_C(0x7fffffffffffffff), 200, "nobody");
    say_frame(&asked, FRAME_REFUSED, 0, id + 1, "\1\0\0\0\0\0\0\0", 8);
    settle();
    CHECK_EQUAL(wire_count(w)->late_responses, 4);
    CHECK_EQUAL(wire_count(w)->answers, 0);
    CHECK(is_silent(client));
    respond(&asked, id, 200, "right");
    respond(&asked, id, 200, "again");
    check_answer(client, 200, "right");
    settle();
    CHECK(is_silent(client));
    CHECK_EQUAL(wire_count(w)->late_responses, 5);
    finish();
}

static void test_expired(void)
{
    start(NULL);
    int client = join_edge();
    service s = join_framed(0);
    uint64_t id = in_flight(client, &s);
    advance(DEADLINE_MS - 5000);
    settle();
    CHECK_EQUAL(wire_count(w)->expired, 0);
    advance(5010);
    CHECK(await_event(EVENT_EXPIRED)->exchange == id);
    CHECK(wire_age_ms(w, id) >= DEADLINE_MS);
    CHECK_EQUAL(wire_answer(w, id, 504, NULL, 0, NULL, 0, 0), WIRE_NO_EXCHANGE); /* not before it is taken back */
    CHECK_EQUAL(wire_cancel(w, id, 2), WIRE_OK);
    answer_text(id, 504, "late", 0);
    wire_flush(w);
    check_answer(client, 504, "late");
    check_cancel(&s, id, 2);
    respond(&s, id, 200, "too late");
    settle();
    CHECK_EQUAL(wire_count(w)->late_responses, 1);
    CHECK(is_silent(client));
    CHECK(wire_latency_us(w)[s.connection & 4095] >= (DEADLINE_MS - 5000) * 1000.0f);
    answer_text(ask(client, GET_A), 200, "next", 0);
    check_answer(client, 200, "next");
    finish();
}

/* The deadline is counted from the request's first byte, and what is left of it goes to the service. */
static void test_remaining(void)
{
    start(NULL);
    int client = join_edge();
    service s = join_framed(0);
    say_text(client, "GET /a HTT");
    step();
    advance(700);
    uint64_t id = ask(client, "P/1.1\r\nhost: a\r\n\r\n");
    int64_t age_ms = wire_age_ms(w, id);
    CHECK(age_ms >= 700 && age_ms < 700 + 5000);
    CHECK_EQUAL(wire_send(w, id, s.connection, 0, 0, 0, 0, 100, 0, NULL), WIRE_LATE);
    CHECK_EQUAL(wire_send(w, id, s.connection, 0, 0, 0, 0, 0, 0, NULL), WIRE_LATE);
    wire_flush(w);
    CHECK(is_silent(s.descriptor));
    CHECK_EQUAL(wire_send(w, id, s.connection, 0, 0, 0, 0, 20000, 0, NULL), WIRE_OK);
    wire_flush(w);
    uint32_t remaining_ms = frame_read_u32(hear_frame(&s)->payload);
    CHECK(remaining_ms >= 20000 - 700 - 5000 && remaining_ms <= 20000 - 700);
    respond(&s, id, 200, "in time");
    check_answer(client, 200, "in time");
    finish();
}

static void check_bad_response(int flags, int status, const char *name, const char *value, const char *body, int detail)
{
    start(NULL);
    int client = join_edge();
    service s = join_framed(0);
    uint64_t id = in_flight(client, &s);
    uint32_t bytes = put_response(out, id, flags, status, name, value, body, (uint32_t)strlen(body));
    bytes += put_response(out + bytes, id, FRAME_END, 200, NULL, NULL, "a second final", 14); /* it does not mend the first */
    say(s.descriptor, out, bytes);
    const wire_event *event = await_event(EVENT_BAD_RESPONSE);
    CHECK(event->exchange == id);
    CHECK_EQUAL(event->connection, s.connection);
    CHECK_EQUAL(event->detail, detail);
    CHECK_EQUAL(wire_count(w)->answers, 0);
    CHECK_EQUAL(wire_count(w)->late_responses, 1);
    CHECK_EQUAL(wire_cancel(w, id, 6), WIRE_OK);
    answer_text(id, 502, "bad", 0);
    wire_flush(w);
    check_answer(client, 502, "bad");
    check_cancel(&s, id, 6);
    CHECK_EQUAL(wire_count(w)->answers_from_services, 0);
    finish();
}

static void test_bad_responses(void)
{
    check_bad_response(0, 200, "a", "b", "first part", BAD_RESPONSE_STREAM);
    check_bad_response(FRAME_END, 200, "Upper", "b", "", -RESPONSE_ERROR_FIELD_NAME);
    check_bad_response(FRAME_END, 200, "a", "b\r\nc: d", "", -RESPONSE_ERROR_FIELD_VALUE);
    check_bad_response(FRAME_END, 200, "content-length", "3", "abc", -RESPONSE_ERROR_FRAMING);
    check_bad_response(FRAME_END, 204, NULL, NULL, "x", -RESPONSE_ERROR_BODY);
    static char value[40000];
    memset(value, 'v', sizeof value - 1);
    check_bad_response(FRAME_END, 200, "a", value, "", -RESPONSE_ERROR_ROOM);
}

static void test_interim(void)
{
    start(NULL);
    int client = join_edge();
    service s = join_framed(0);
    uint64_t id = in_flight(client, &s);
    say(s.descriptor, out, put_response(out, id, 0, 103, "link", "</a>", NULL, 0));
    settle();
    CHECK_EQUAL(wire_count(w)->events, 0);
    CHECK(is_silent(client));
    respond(&s, id, 200, "final");
    check_answer(client, 200, "final");
    finish();
}

/* Not started: undecided again, to be sent elsewhere in a batch that still has the request, or answered. */
static void test_refused(void)
{
    start(NULL);
    int client = join_edge();
    service s = join_framed(1);
    uint64_t id = in_flight(client, &s);
    say_frame(&s, FRAME_REFUSED, 0, id | BIT_63, "\2\0\0\0\0\0\1\0", 8);
    const wire_event *event = await_event(EVENT_REFUSED);
    CHECK(event->exchange == id);
    CHECK_EQUAL(event->connection, s.connection);
    CHECK_EQUAL(event->detail, 2);
    CHECK_EQUAL(event->a, 256);
    CHECK_EQUAL(wire_in_flight(w)[s.connection & 4095], 0);
    CHECK_EQUAL(wire_send(w, id, s.connection, 0, 0, 0, 0, 1000, 0, NULL), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_NO_EXCHANGE);
    answer_text(id, 503, "later", 0);
    wire_flush(w);
    check_answer(client, 503, "later");
    settle();
    CHECK(is_silent(s.descriptor));
    id = ask(client, GET_A); /* in the same batch, it can be sent anew after a cancel */
    CHECK_EQUAL(wire_send(w, id, s.connection, 0, 0, 0, 0, 1000, 0, NULL), WIRE_OK);
    CHECK_EQUAL(wire_send(w, id, s.connection, 0, 0, 0, 0, 1000, 0, NULL), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_cancel(w, id, 5), WIRE_OK);
    CHECK_EQUAL(wire_send(w, id, s.connection, 0, 0, 0, 0, 1000, 0, NULL), WIRE_OK);
    wire_flush(w);
    CHECK_EQUAL(hear_frame(&s)->type, FRAME_REQUEST);
    check_cancel(&s, id | BIT_63, 5);
    const heard_frame *heard = hear_frame(&s);
    CHECK_EQUAL(heard->payload[7], 1);
    respond(&s, heard->exchange, 200, "second");
    check_answer(client, 200, "second");
    finish();
}

/* ---- connections that end ---- */

/* how: 0 the peer closes, 1 it says something and closes, 2 wire_close, 3 a broken frame. */
static void check_lost(int how, uint16_t port)
{
    static const int causes[] = {CLOSE_EOF, CLOSE_EOF, CLOSE_ASKED, CLOSE_PROTOCOL};
    enum { CLIENTS = 5 };
    int clients[CLIENTS];
    uint64_t ids[CLIENTS], lost = 0;
    service s = {0, 0};
    uint32_t closed_before = (uint32_t)wire_count(w)->framed_closed;
    if (port) {
        s.descriptor = dial(port);
        s.connection = await_event(EVENT_FRAMED_OPENED)->connection;
    } else {
        s = join_framed(0);
    }
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = join_edge();
        ids[i] = in_flight(clients[i], &s);
    }
    CHECK_EQUAL(wire_in_flight(w)[s.connection & 4095], CLIENTS);
    if (how == 1)
        respond(&s, ids[0], 200, "last words");
    if (how <= 1)
        hang_up(s.descriptor);
    else if (how == 2)
        CHECK_EQUAL(wire_close(w, s.connection), WIRE_OK);
    else
        say(s.descriptor, "GET / HTTP/1.1\r\n\r\n", 18);
    int count = 0;
    const wire_event *closed = NULL;
    for (int i = 0; i < 6 && !closed; i++) {
        step();
        for (int at = 0; at < event_count; at++) {
            const wire_event *event = &wire_events(w)[at];
            CHECK_EQUAL(event->connection, s.connection);
            CHECK_EQUAL(event->detail, causes[how]);
            CHECK(!closed);
            if (event->kind == EVENT_FRAMED_CLOSED)
                closed = event;
            else if (CHECK_EQUAL(event->kind, EVENT_LOST))
                lost += event->exchange, count++;
        }
    }
    CHECK(closed != NULL);
    CHECK_EQUAL(count, CLIENTS - (how == 1));
    CHECK(lost == ids[0] * (how != 1) + ids[1] + ids[2] + ids[3] + ids[4]);
    if (closed)
        CHECK_EQUAL(closed->flags, how == 3 ? FRAME_ERROR_TYPE : 0);
    CHECK_EQUAL(wire_in_flight(w)[s.connection & 4095], 0);
    CHECK_EQUAL(wire_count(w)->framed_closed, closed_before + 1);
    CHECK_EQUAL(wire_frame(w, s.connection, FRAME_CANCEL, 0, 1, out, 4), WIRE_NO_CONNECTION);
    CHECK_EQUAL(wire_close(w, s.connection), WIRE_NO_CONNECTION);
    for (int i = how == 1; i < CLIENTS; i++) {
        answer_text(ids[i], 502, "lost", 0);
        check_answer(clients[i], 502, "lost");
    }
    if (how == 1)
        check_answer(clients[0], 200, "last words");
    if (how == 3) {
        const heard_frame *fault = hear_frame(&s);
        CHECK_EQUAL(fault->type, FRAME_FAULT);
        CHECK_EQUAL(frame_read_u16(fault->payload), 1);
    }
    if (how > 1)
        CHECK(is_closed(s.descriptor));
    for (int i = 0; i < CLIENTS; i++)
        hang_up(clients[i]);
    settle();
}

static void test_lost(void)
{
    static char context[40];
    start(NULL);
    uint16_t port = listen_on_loopback(SOCKET_FRAMED);
    for (int how = 0; how < 4; how++)
        for (int on_tcp = 0; on_tcp < 2; on_tcp++) {
            snprintf(context, sizeof context, "how %d, TCP %d", how, on_tcp);
            check_context = context;
            check_lost(how, on_tcp ? port : 0);
        }
    check_context = "";
    CHECK_EQUAL(wire_count(w)->framed_accepted, 4);
    finish();
}

/* A handle and an exchange id of a former owner of the slot are void. */
static void test_stale(void)
{
    start(NULL);
    int client = join_edge();
    service first = join_framed(0);
    uint64_t old = in_flight(client, &first);
    CHECK_EQUAL(wire_close(w, first.connection), WIRE_OK);
    CHECK(await_event(EVENT_LOST)->exchange == old);
    answer_text(old, 502, "", 0);
    check_answer(client, 502, "");
    service second = join_framed(0);
    CHECK_EQUAL(second.connection & 4095, first.connection & 4095);
    CHECK(second.connection != first.connection);
    uint64_t id = ask(client, GET_A);
    CHECK_EQUAL((uint32_t)id, (uint32_t)old);
    CHECK(id != old);
    CHECK_EQUAL(wire_send(w, id, first.connection, 0, 0, 0, 0, 1000, 0, NULL), WIRE_NO_CONNECTION);
    CHECK_EQUAL(wire_send(w, old, second.connection, 0, 0, 0, 0, 1000, 0, NULL), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_answer(w, old, 200, NULL, 0, NULL, 0, 0), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_cancel(w, old, 1), WIRE_NO_EXCHANGE);
    send_to(&second, id);
    hear_frame(&second);
    respond(&second, old, 200, "for the former");
    settle();
    CHECK_EQUAL(wire_count(w)->late_responses, 1);
    respond(&second, id, 200, "for this one");
    check_answer(client, 200, "for this one");
    finish();
}

int main(void)
{
    test_many_responses_in_one_read();
    test_two_clients_two_services();
    test_responses_for_others();
    test_expired();
    test_remaining();
    test_bad_responses();
    test_interim();
    test_refused();
    test_lost();
    test_stale();
    return test_report();
}
