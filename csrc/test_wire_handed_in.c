/* Tests of connections that are handed in: whoever read a request whole leaves the answer, and the client, to the wire. */
#include "test_wire_frames.h"

#define POST_CHUNKED "POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
#define GET_B "GET /b HTTP/1.1\r\nhost: a\r\n\r\n"

/* A request that was read by hand and is with the service. */
static uint64_t open_whole(int client, const service *s, const char *request)
{
    const opening o = {.route = 1, .endpoint = 7, .attempt = 1, .remaining_ms = DEADLINE_MS, .target = "/a", .end = 1};
    uint64_t id = ask(client, request);
    take_over(id);
    settle();
    CHECK_EQUAL(open_with(id, s->connection, &o), WIRE_OK);
    wire_flush(w);
    CHECK((hear_frame(s)->exchange & ~BIT_63) == id);
    return id;
}

static uint64_t hand_in(int client, const service *s, const char *rest)
{
    uint64_t id = open_whole(client, s, POST_CHUNKED), ids[2] = {0};
    CHECK_EQUAL(wire_hand_in(w, id, (const uint8_t *)rest, (uint32_t)strlen(rest), 9, DEADLINE_MS), WIRE_OK);
    CHECK_EQUAL(wire_count(w)->handed_over_now, 0);
    CHECK_EQUAL(wire_count(w)->edge_bytes_in, strlen(POST_CHUNKED) + 9);
    CHECK_EQUAL(wire_in_flight(w)[s->connection & 4095], 1);
    CHECK_EQUAL(wire_sent(w, ids, 2), 1);
    CHECK(ids[0] == id);
    return id;
}

static void check_answered(int dialled)
{
    start(NULL);
    int client = join_edge();
    service s = join_framed(dialled);
    uint64_t id = hand_in(client, &s, "");
    settle();
    respond(&s, id | (dialled ? BIT_63 : 0), 201, "made");
    check_answer(client, 201, "made");
    CHECK_EQUAL(wire_count(w)->answers_from_services, 1);
    CHECK_EQUAL(wire_route_statuses(w, 1)[2], 1);
    answer_text(ask(client, GET_A), 200, "next", 0); /* and it is not closed, odd as the request was */
    check_answer(client, 200, "next");
    finish();
}

/* The answer has come before the connection does. */
static void test_answered_at_once(void)
{
    start(NULL);
    int client = join_edge();
    service s = join_framed(0);
    uint64_t id = open_whole(client, &s, POST_CHUNKED);
    respond(&s, id, 200, "fast");
    CHECK_EQUAL(wire_hand_in(w, id, NULL, 0, 0, 1000), WIRE_OK);
    check_answer(client, 200, "fast");
    finish();
}

static void test_head_and_close(void)
{
    start(NULL);
    int client = join_edge();
    service s = join_framed(0);
    uint64_t id = open_whole(client, &s, "HEAD /a HTTP/1.0\r\n\r\n");
    CHECK_EQUAL(wire_hand_in(w, id, NULL, 0, 0, 1000), WIRE_OK);
    respond(&s, id, 200, "0123456789");
    uint32_t head_bytes = hear_head(client);
    CHECK(memmem(room, head_bytes, "content-length: 10\r\n", 20) && memmem(room, head_bytes, "connection: close\r\n", 19));
    settle();
    CHECK(is_closed(client));
    finish();
}

/* What came behind the request, in part given back and in part in the socket, is taken after the answer and not before. */
static void check_rest(uint32_t given, uint32_t unread)
{
    start(NULL);
    int client = join_edge();
    service s = join_framed(0);
    uint64_t id = open_whole(client, &s, POST_CHUNKED);
    say(client, GET_B + given, unread);
    CHECK_EQUAL(wire_hand_in(w, id, (const uint8_t *)GET_B, given, given, DEADLINE_MS), WIRE_OK);
    settle();
    CHECK_EQUAL(wire_count(w)->requests, 1);
    respond(&s, id, 200, "first");
    check_answer(client, 200, "first");
    say_text(client, GET_B + given + unread);
    uint64_t next = await_request();
    CHECK_BYTES(wire_arena(w) + wire_requests(w)->path, wire_requests(w)->path_bytes, "/b", 2);
    answer_text(next, 200, "second", 0);
    check_answer(client, 200, "second");
    CHECK_EQUAL(wire_count(w)->edge_bytes_in, strlen(POST_CHUNKED GET_B));
    finish();
}

/* Before it is handed in, or after. */
static void check_client_goes(int before, int half)
{
    start(NULL);
    int client = join_edge();
    service s = join_framed(0);
    uint64_t id = open_whole(client, &s, POST_CHUNKED);
    for (int now = 1; now >= 0; now--) {
        if (now == before && half)
            shutdown(client, SHUT_WR);
        else if (now == before)
            hang_up(client);
        if (now)
            CHECK_EQUAL(wire_hand_in(w, id, NULL, 0, 0, DEADLINE_MS), WIRE_OK);
    }
    CHECK(await_event(EVENT_CLIENT_GONE)->exchange == id);
    CHECK_EQUAL(wire_count(w)->edge_open_now, 0);
    CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_OK);
    wire_flush(w);
    check_cancel(&s, id, 1);
    finish();
}

static void test_deadline(void)
{
    start(NULL);
    int client = join_edge();
    service s = join_framed(0);
    uint64_t id = hand_in(client, &s, "");
    settle();
    advance(DEADLINE_MS - 5000);
    settle();
    CHECK_EQUAL(wire_count(w)->expired, 0);
    advance(5010);
    CHECK(await_event(EVENT_EXPIRED)->exchange == id);
    CHECK_EQUAL(wire_cancel(w, id, 2), WIRE_OK);
    answer_text(id, 504, "late", 0);
    wire_flush(w);
    check_answer(client, 504, "late");
    check_cancel(&s, id, 2);
    answer_text(ask(client, GET_A), 200, "", 0);
    check_answer(client, 200, "");
    finish();
}

/* It cannot be sent again, since its batch is over; it can be answered. */
static void check_service_fails(int refuses)
{
    start(NULL);
    int client = join_edge();
    service s = join_framed(0), another = join_framed(0);
    uint64_t id = hand_in(client, &s, GET_B);
    if (refuses)
        say_frame(&s, FRAME_REFUSED, 0, id, "\1\0\0\0\0\0\0\0", 8);
    else
        hang_up(s.descriptor);
    CHECK(await_event(refuses ? EVENT_REFUSED : EVENT_LOST)->exchange == id);
    CHECK_EQUAL(wire_send(w, id, another.connection, 1, 7, 0, 0, 1000, 0, NULL), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_in_flight(w)[s.connection & 4095], 0);
    answer_text(id, 502, "", 0);
    check_answer(client, 502, "");
    answer_text(await_request(), 200, "", 0);
    check_answer(client, 200, "");
    finish();
}

/* A service that streams after all has answered badly. */
static void check_streams(int type, const char *payload, uint32_t payload_bytes)
{
    start(NULL);
    int client = join_edge();
    service s = join_framed(0);
    uint64_t id = hand_in(client, &s, "");
    say_frame(&s, type, 0, id, payload, payload_bytes);
    const wire_event *event = await_event(EVENT_BAD_RESPONSE);
    CHECK(event->exchange == id);
    CHECK_EQUAL(event->detail, BAD_RESPONSE_STREAM);
    CHECK_EQUAL(wire_cancel(w, id, 6), WIRE_OK);
    answer_text(id, 502, "", 0);
    check_answer(client, 502, "");
    finish();
}

static void test_under_drain(void)
{
    start(NULL);
    int client = join_edge();
    service s = join_framed(0);
    uint64_t id = hand_in(client, &s, "");
    wire_drain_edge(w, 0);
    settle();
    CHECK(is_silent(client));
    respond(&s, id, 200, "last");
    check_answer(client, 200, "last");
    settle();
    CHECK(is_closed(client));
    finish();
}

/* The answer closes, and comes before anybody has looked at what the client sent behind its request. On TCP, where a close with
 * input unread is a reset. */
static void test_closes_with_input_unread(void)
{
    start(NULL);
    uint16_t port = listen_on_loopback(SOCKET_EDGE);
    int client = dial(port);
    service s = join_framed(0);
    uint64_t id = open_whole(client, &s, "POST /a HTTP/1.0\r\ncontent-length: 0\r\n\r\n");
    respond(&s, id, 200, "last");
    say_text(client, GET_B GET_B);
    CHECK_EQUAL(wire_hand_in(w, id, NULL, 0, 0, DEADLINE_MS), WIRE_OK);
    settle();
    check_answer(client, 200, "last");
    CHECK(is_closed(client));
    finish();
}

static void test_states(void)
{
    wire_handed handed;
    start(NULL);
    int client = join_edge();
    service s = join_framed(0);
    uint64_t id = ask(client, POST_CHUNKED);
    take_over(id);
    CHECK_EQUAL(wire_hand_in(w, id, NULL, 0, 0, 1), WIRE_NO_EXCHANGE); /* it is with nobody */
    CHECK_EQUAL(open_with(id, s.connection, &(opening){.attempt = 1, .target = "/a", .end = 1}), WIRE_OK);
    CHECK_EQUAL(wire_hand_in(w, id, NULL, 0, 0, DEADLINE_MS), WIRE_OK);
    CHECK_EQUAL(wire_hand_in(w, id, NULL, 0, 0, 1), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_hand_back(w, id, HAND_BACK_CLOSE, NULL, 0, 0), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_hand_over(w, id, &handed), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_answer_head(w, id, 200, NULL, 0, 0, 0, room, ROOM), WIRE_NO_EXCHANGE);
    respond(&s, id, 204, "");
    check_answer(client, 204, "");
    finish();
}

/* A descriptor that epoll does not take again: its client is given up, and that is told. */
static void test_not_watchable(void)
{
    start(NULL);
    int client = join_edge();
    service s = join_framed(0);
    uint64_t id = ask(client, POST_CHUNKED);
    wire_handed handed = take_over(id);
    CHECK_EQUAL(open_with(id, s.connection, &(opening){.attempt = 1, .target = "/a", .end = 1}), WIRE_OK);
    int plain = open("/dev/null", O_RDONLY);
    dup2(plain, handed.descriptor); /* closes the client's connection, too */
    close(plain);
    CHECK_EQUAL(wire_hand_in(w, id, NULL, 0, 0, DEADLINE_MS), WIRE_SYSTEM);
    CHECK(await_event(EVENT_CLIENT_GONE)->exchange == id);
    CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_OK);
    finish();
}

int main(void)
{
    check_answered(0);
    check_answered(1);
    test_answered_at_once();
    test_head_and_close();
    for (uint32_t given = 0; given <= sizeof GET_B - 1; given += 9)
        for (uint32_t unread = 0; given + unread <= sizeof GET_B - 1; unread += 9)
            check_rest(given, unread);
    check_client_goes(0, 0);
    check_client_goes(0, 1);
    check_client_goes(1, 0);
    check_client_goes(1, 1);
    test_deadline();
    check_service_fails(0);
    check_service_fails(1);
    check_streams(FRAME_DATA, "data", 4);
    check_streams(FRAME_CANCEL, "\7\0\0\0", 4);
    test_under_drain();
    test_closes_with_input_unread();
    test_states();
    test_not_watchable();
    return test_report();
}
