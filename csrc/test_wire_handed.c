/* Tests of connections that are handed over and given back: what is held, who reads, and how it goes on. */
#include "test_wire_frames.h"

#define CHUNKED "POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
#define OK_EMPTY "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"

static void check_held(const wire_handed *handed, const char *expected)
{
    CHECK_BYTES(handed->held, handed->held_bytes, expected, strlen(expected));
}

/* The answer that whoever has the descriptor gives. */
static void answer_by_hand(const wire_handed *handed, int client)
{
    say_text(handed->descriptor, OK_EMPTY);
    check_answer(client, 200, "");
}

/* The connection is the wire's again: the next request is taken and answered as always. */
static void check_next(int client, const char *path)
{
    uint64_t id = await_request();
    const wire_request *request = wire_requests(w);
    CHECK_BYTES(wire_arena(w) + request->path, request->path_bytes, path, strlen(path));
    answer_text(id, 200, "next", 0);
    check_answer(client, 200, "next");
}

/* ---- handing over ---- */

static void test_odd(void)
{
    static const char *const later = "0\r\n\r\n";
    uint8_t read_here[64];
    start(NULL);
    int client = join_edge();
    uint64_t id = ask(client, CHUNKED "3\r\nabc\r\n");
    CHECK(wire_requests(w)[0].flags & HEAD_ODD);
    wire_handed handed = take_over(id);
    check_held(&handed, "3\r\nabc\r\n");
    CHECK(!handed.closes);
    CHECK_EQUAL(wire_count(w)->handed_over, 1);
    CHECK_EQUAL(wire_count(w)->handed_over_now, 1);
    say_text(client, later);
    settle();
    CHECK_EQUAL(recv(handed.descriptor, read_here, sizeof read_here, MSG_DONTWAIT), strlen(later)); /* nobody else reads it */
    CHECK_EQUAL(wire_count(w)->edge_bytes_in, strlen(CHUNKED) + 8);
    answer_by_hand(&handed, client);
    CHECK_EQUAL(wire_hand_back(w, id, HAND_BACK_KEEP, NULL, 0, strlen(later)), WIRE_OK);
    CHECK_EQUAL(wire_count(w)->edge_bytes_in, strlen(CHUNKED) + 8 + strlen(later));
    CHECK_EQUAL(wire_count(w)->handed_over_now, 0);
    CHECK_EQUAL(wire_count(w)->exchanges_now, 0);
    say_text(client, GET_A);
    check_next(client, "/a");
    finish();
}

/* A plain request is whole: its body is the request's, and what is pipelined behind is held. */
static void test_plain(void)
{
    start(NULL);
    int client = join_edge();
    uint64_t id = ask(client, "POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbodyGET /b HTTP/1.1\r\nhost: a\r\n\r\n");
    uint32_t body_bytes;
    const uint8_t *body = wire_body(w, id, &body_bytes);
    wire_handed handed = take_over(id);
    CHECK_BYTES(body, body_bytes, "body", 4); /* of the batch, still */
    check_held(&handed, "GET /b HTTP/1.1\r\nhost: a\r\n\r\n");
    answer_by_hand(&handed, client);
    CHECK_EQUAL(wire_hand_back(w, id, HAND_BACK_KEEP, handed.held, handed.held_bytes, 0), WIRE_OK);
    check_next(client, "/b");
    finish();
}

/* A client that waits for leave to send its body is not waited for. */
static void test_expecting(void)
{
    start(NULL);
    int client = join_edge();
    uint64_t id = ask(client, "PUT /a HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n");
    const uint8_t *bytes;
    const http1_head *head = wire_head(w, id, &bytes);
    CHECK(head && head->verdict == HEAD_UNUSUAL_EXPECT && head->content_length == 4 && head->body_bytes == 0);
    wire_handed handed = take_over(id);
    CHECK_EQUAL(handed.held_bytes, 0);
    say_text(handed.descriptor, "HTTP/1.1 100 Continue\r\n\r\n");
    CHECK(hear_head(client) > 0);
    say_text(client, "body");
    CHECK_EQUAL(recv(handed.descriptor, room, 64, 0), 4);
    answer_by_hand(&handed, client);
    give_back(id, HAND_BACK_KEEP, "");
    say_text(client, GET_A);
    check_next(client, "/a");
    finish();
}

/* What was held is valid until the next step, and is then let go. */
static void test_what_is_held_is_let_go(void)
{
    start(NULL);
    int one = join_edge(), other = join_edge();
    say_text(one, CHUNKED "first");
    say_text(other, CHUNKED "second");
    step();
    if (!CHECK_EQUAL(wire_request_count(w), 2))
        return;
    uint64_t ids[2] = {wire_requests(w)[0].exchange, wire_requests(w)[1].exchange};
    wire_handed handed = take_over(ids[0]);
    CHECK(handed.held_bytes > 0);
    wire_handed next = take_over(ids[1]);
    CHECK(next.held_bytes > 0 && next.descriptor != handed.descriptor && next.connection != handed.connection);
    CHECK_EQUAL(wire_count(w)->buffers_now, 1);
    settle();
    CHECK_EQUAL(wire_count(w)->buffers_now, 0);
    give_back(ids[0], HAND_BACK_CLOSE, "");
    give_back(ids[1], HAND_BACK_CLOSE, "");
    finish();
}

/* Away, a connection is neither idle nor slow: its time is whose who has it. */
static void test_no_time_runs_while_away(void)
{
    start(NULL);
    int client = join_edge();
    uint64_t id = ask(client, CHUNKED);
    wire_handed handed = take_over(id);
    for (int i = 0; i < 5; i++) {
        advance(100000);
        settle();
    }
    CHECK(is_silent(client));
    answer_by_hand(&handed, client);
    give_back(id, HAND_BACK_KEEP, "");
    advance(95000);
    settle();
    CHECK(is_silent(client));
    advance(5010); /* and then its idle time begins anew */
    settle();
    CHECK(is_closed(client));
    finish();
}

/* ---- malformed ---- */

static void check_malformed(int keeps)
{
    static const char bad[] = "GET /a HTTP/1.1\r\nhost : a\r\n\r\nand more";
    wire_settings settings = small_settings();
    wire_handed handed;
    settings.keeps_malformed = (uint32_t)keeps;
    start(&settings);
    int client = join_edge();
    say_text(client, bad);
    const wire_event *event = await_event(EVENT_BAD_REQUEST);
    uint64_t id = event->exchange;
    uint32_t count;
    CHECK_EQUAL(event->detail, HEAD_BAD_FIELD_NAME);
    CHECK_EQUAL(wire_hand_over(w, id, &handed), keeps ? WIRE_OK : WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_forward(w, id, room, ROOM, &count), WIRE_NO_EXCHANGE);
    if (keeps) {
        check_held(&handed, bad); /* from its first byte on */
        service s = join_framed(0);
        CHECK_EQUAL(open_with(id, s.connection, &(opening){.attempt = 1, .target = "/a"}), WIRE_OK);
        CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_OK);
        answer_by_hand(&handed, client);
        give_back(id, HAND_BACK_KEEP, "GET /b HTTP/1.1\r\nhost: a\r\n\r\n");
        check_next(client, "/b");
    } else {
        answer_text(id, 400, "bad", 0);
        check_answer(client, 400, "bad");
        CHECK(is_closed(client));
    }
    finish();
}

/* Nothing that a service could be asked for is known of it. */
static void check_no_method(const char *bad)
{
    wire_settings settings = small_settings();
    settings.keeps_malformed = 1;
    start(&settings);
    int client = join_edge();
    service s = join_framed(0);
    say_text(client, bad);
    const wire_event *event = await_event(EVENT_BAD_REQUEST);
    uint64_t id = event->exchange;
    CHECK_EQUAL(event->flags, METHOD_NONE);
    take_over(id);
    CHECK_EQUAL(open_with(id, s.connection, &(opening){.attempt = 1, .target = "/a"}), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_unsent(w)[s.connection & 4095], 0);
    give_back(id, HAND_BACK_LINGER, "");
    finish();
}

/* Not taken over after all: the answer is as it would be without keeps_malformed, and nothing stays held. */
static void check_malformed_and_left(const char *bad, uint32_t wait_ms)
{
    wire_settings settings = small_settings();
    settings.keeps_malformed = 1;
    start(&settings);
    int client = join_edge();
    say_text(client, bad);
    if (wait_ms)
        settle();
    advance(wait_ms);
    answer_text(await_event(EVENT_BAD_REQUEST)->exchange, 400, "bad", 0);
    check_answer(client, 400, "bad");
    CHECK(is_closed(client));
    finish();
}

/* A request that did not come whole in time, taken over with what came of it. */
static void test_timed_out(void)
{
    wire_settings settings = small_settings();
    settings.keeps_malformed = 1;
    start(&settings);
    int client = join_edge();
    say_text(client, "POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 400\r\n\r\nfew");
    settle();
    advance(15000);
    const wire_event *event = await_event(EVENT_BAD_REQUEST);
    CHECK_EQUAL(event->detail, EDGE_BODY_TIMEOUT);
    uint64_t id = event->exchange;
    wire_handed handed = take_over(id);
    CHECK(handed.held_bytes > 50);
    answer_by_hand(&handed, client);
    give_back(id, HAND_BACK_KEEP, GET_A); /* and nothing is left of how much was waited for */
    check_next(client, "/a");
    finish();
}

/* ---- calls that come at the wrong time ---- */

static void check_is_void(uint64_t id)
{
    wire_handed handed;
    const opening o = {.attempt = 1, .target = "/a"};
    uint32_t at;
    CHECK_EQUAL(wire_hand_over(w, id, &handed), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_hand_back(w, id, HAND_BACK_CLOSE, NULL, 0, 0), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_hand_in(w, id, NULL, 0, 0, 1), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(open_with(id, 1, &o), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_response_head(w, id, 16, 4, FRAMING_LENGTH, 0, NULL, 0, 0, room, ROOM, &at), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_answer_head(w, id, 200, NULL, 0, 0, 0, room, ROOM), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_forward(w, id, room, ROOM, &at), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_client_address(w, id, (char *)room), WIRE_NO_EXCHANGE);
}

static void test_ids_of_former_owners(void)
{
    start(NULL);
    int client = join_edge();
    uint64_t id = ask(client, GET_A);
    check_is_void(id + 1);
    check_is_void(id | BIT_63);
    check_is_void(0);
    check_is_void(UINT64_MAX);
    wire_handed handed = take_over(id);
    answer_by_hand(&handed, client);
    give_back(id, HAND_BACK_KEEP, "");
    check_is_void(id);
    uint64_t next = ask(client, GET_A); /* in the same place of the table */
    CHECK((uint32_t)next == (uint32_t)id && next != id);
    check_is_void(id);
    take_over(next);
    check_is_void(id);
    give_back(next, HAND_BACK_CLOSE, "");
    finish();
}

static void test_states(void)
{
    wire_handed handed;
    start(NULL);
    int client = join_edge(), leaving = join_edge(), old = join_edge();
    service s = join_framed(0);
    uint64_t id = ask(client, GET_A);
    CHECK_EQUAL(wire_hand_back(w, id, HAND_BACK_KEEP, NULL, 0, 0), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_hand_in(w, id, NULL, 0, 0, 1), WIRE_NO_EXCHANGE);
    take_over(id);
    CHECK_EQUAL(wire_hand_over(w, id, &handed), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_send(w, id, s.connection, 1, 7, 0, 0, 100, 0, NULL), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_answer(w, id, 200, NULL, 0, NULL, 0, 0), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_hand_back(w, id, -1, NULL, 0, 0), WIRE_INVALID);
    CHECK_EQUAL(wire_hand_back(w, id, HAND_BACK_RESET + 1, NULL, 0, 0), WIRE_INVALID);
    give_back(id, HAND_BACK_CLOSE, "");
    id = ask(leaving, GET_A);
    send_to(&s, id);
    CHECK_EQUAL(wire_hand_over(w, id, &handed), WIRE_NO_EXCHANGE);
    hang_up(leaving);
    CHECK(await_event(EVENT_CLIENT_GONE)->exchange == id);
    CHECK_EQUAL(wire_hand_over(w, id, &handed), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_OK);
    id = ask(old, GET_A);
    step();
    CHECK_EQUAL(wire_hand_over(w, id, &handed), WIRE_NO_EXCHANGE); /* of another batch */
    answer_text(id, 200, "", 0);
    finish();
}

/* What is not known to be whole may only be handed over or answered. */
static void test_an_odd_request_is_not_sent(void)
{
    start(NULL);
    int client = join_edge();
    service s = join_framed(0);
    uint64_t id = ask(client, CHUNKED);
    CHECK_EQUAL(wire_send(w, id, s.connection, 1, 7, 0, 0, 100, 0, NULL), WIRE_NO_EXCHANGE);
    answer_text(id, 501, "", 0);
    check_answer(client, 501, "");
    finish();
}

int main(void)
{
    test_odd();
    test_plain();
    test_expecting();
    test_what_is_held_is_let_go();
    test_no_time_runs_while_away();
    check_malformed(0);
    check_malformed(1);
    check_no_method("PURGE /a HTTP/1.1\r\nhost: a\r\n\r\n");
    check_no_method("\x16\x03\x01 no HTTP");
    check_malformed_and_left("GET /a HTTP/1.1\r\nhost : a\r\n\r\nand more", 0);
    check_malformed_and_left("\x16\x03\x01 no HTTP", 0);
    check_malformed_and_left("GET /a HT", 11000);
    test_timed_out();
    test_ids_of_former_owners();
    test_states();
    test_an_odd_request_is_not_sent();
    return test_report();
}
