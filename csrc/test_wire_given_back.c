/* Tests of how a connection that was handed over goes on: with the next request, or to its end. */
#include "test_wire_frames.h"

#define GET_B "GET /b HTTP/1.1\r\nhost: a\r\n\r\n"

static uint64_t take_one(int client, wire_handed *handed)
{
    uint64_t id = ask(client, GET_A);
    *handed = take_over(id);
    say_text(handed->descriptor, "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody");
    return id;
}

static void check_b(int client)
{
    uint64_t id = await_request();
    CHECK_BYTES(wire_arena(w) + wire_requests(w)->path, wire_requests(w)->path_bytes, "/b", 2);
    answer_text(id, 200, "b", 0);
    check_answer(client, 200, "b");
}

/* ---- kept ---- */

/* The next request in three parts: given back with the connection, left unread in its socket, and still to come. */
static void check_kept(uint32_t given, uint32_t unread)
{
    wire_handed handed;
    start(NULL);
    int client = join_edge();
    uint64_t id = take_one(client, &handed);
    say(client, GET_B + given, unread);
    CHECK_EQUAL(wire_hand_back(w, id, HAND_BACK_KEEP, (const uint8_t *)GET_B, given, given), WIRE_OK);
    check_answer(client, 200, "body");
    if (given + unread < strlen(GET_B)) {
        settle();
        CHECK_EQUAL(wire_count(w)->requests, 1);
        say_text(client, GET_B + given + unread);
    }
    check_b(client);
    settle();
    CHECK_EQUAL(wire_count(w)->edge_bytes_in, strlen(GET_A GET_B));
    CHECK(is_silent(client));
    finish();
}

/* More than one request comes back, and more is in the socket: all are taken, in order. */
static void test_kept_with_a_pipeline(void)
{
    static const char rest[] = GET_B GET_B "GET /b HT";
    wire_handed handed;
    start(NULL);
    int client = join_edge();
    uint64_t id = take_one(client, &handed);
    say_text(client, "TP/1.1\r\nhost: a\r\n\r\n" GET_B);
    give_back(id, HAND_BACK_KEEP, rest);
    check_answer(client, 200, "body");
    for (int i = 0; i < 4; i++)
        check_b(client);
    finish();
}

/* Large, so that it does not lie where small input is joined. */
static void test_kept_with_a_large_rest(void)
{
    static char rest[60000];
    int head_bytes = sprintf(rest, "POST /b HTTP/1.1\r\nhost: a\r\ncontent-length: 50000\r\n\r\n");
    memset(rest + head_bytes, 'x', 50000);
    wire_handed handed;
    start(NULL);
    int client = join_edge();
    uint64_t id = take_one(client, &handed);
    say_text(client, "xx" GET_B);
    CHECK_EQUAL(wire_hand_back(w, id, HAND_BACK_KEEP, (const uint8_t *)rest, (uint32_t)head_bytes + 49998, 49998), WIRE_OK);
    check_answer(client, 200, "body");
    uint32_t body_bytes = 0;
    uint64_t large = await_request();
    const uint8_t *body = wire_body(w, large, &body_bytes);
    CHECK_BYTES(body, body_bytes, rest + head_bytes, 50000);
    answer_text(large, 200, "", 0);
    check_answer(client, 200, "");
    check_b(client);
    finish();
}

/* Whoever waits on the descriptor is woken for what came back. */
static void test_kept_wakes(void)
{
    wire_handed handed;
    start(NULL);
    int client = join_edge();
    uint64_t id = take_one(client, &handed);
    settle();
    give_back(id, HAND_BACK_KEEP, GET_B);
    wire_flush(w);
    struct pollfd waited = {.fd = wire_descriptor(w), .events = POLLIN};
    CHECK_EQUAL(poll(&waited, 1, 5000), 1);
    check_answer(client, 200, "body");
    check_b(client);
    finish();
}

/* The same connection is taken over again and again. */
static void test_again_and_again(void)
{
    wire_handed handed;
    start(NULL);
    int client = join_edge();
    uint32_t connection = 0;
    for (int i = 0; i < 50; i++) {
        uint64_t id = take_one(client, &handed);
        CHECK(i == 0 || handed.connection == connection);
        connection = handed.connection;
        give_back(id, HAND_BACK_KEEP, "");
        check_answer(client, 200, "body");
    }
    CHECK_EQUAL(wire_count(w)->handed_over, 50);
    CHECK_EQUAL(wire_count(w)->edge_open_now, 1);
    finish();
}

/* ---- bounds and drain: kept no longer ---- */

static wire_settings bounded(uint32_t requests_max, uint32_t age_ms)
{
    wire_settings settings = small_settings();
    settings.connection_requests_max = requests_max;
    settings.connection_age_ms = age_ms;
    return settings;
}

static void check_kept_under_bounds(uint32_t requests_max, uint32_t age_ms, int drains, int closes)
{
    wire_settings settings = bounded(requests_max, age_ms);
    wire_handed handed;
    start(&settings);
    int client = join_edge();
    uint64_t id = take_one(client, &handed);
    CHECK_EQUAL(handed.closes, requests_max == 1);
    advance(10000);
    settle();
    if (drains)
        wire_drain_edge(w, 0);
    give_back(id, HAND_BACK_KEEP, GET_B);
    check_answer(client, 200, "body");
    if (!closes) {
        check_b(client);
        CHECK(is_silent(client));
    } else {
        settle();
        CHECK(is_closed(client));
        CHECK_EQUAL(wire_count(w)->requests, 1);
    }
    finish();
}

static void test_closes_is_told(void)
{
    wire_handed handed;
    start(NULL);
    int client = join_edge(), drained = join_edge();
    uint64_t id = ask(client, "GET /a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    handed = take_over(id);
    CHECK(handed.closes);
    give_back(id, HAND_BACK_LINGER, "");
    say_text(drained, "GET /a HTTP/1.1\r\n");
    settle();
    wire_drain_edge(w, 0);
    id = ask(drained, "host: a\r\n\r\n");
    handed = take_over(id);
    CHECK(handed.closes);
    give_back(id, HAND_BACK_LINGER, "");
    finish();
}

/* ---- ended ---- */

/* The client reads the whole answer although it is still sending, and its end is orderly. On TCP, where it might not be. */
static void check_ended(int how)
{
    static char more[100000];
    wire_handed handed;
    start(NULL);
    uint16_t port = listen_on_loopback(SOCKET_EDGE);
    int client = dial(port);
    uint64_t id = take_one(client, &handed);
    if (how == HAND_BACK_LINGER)
        say_some(client, more, sizeof more);
    give_back(id, how, "");
    CHECK_EQUAL(wire_count(w)->edge_open_now, how == HAND_BACK_LINGER);
    settle();
    if (how == HAND_BACK_RESET) {
        ssize_t count = 1;
        while (count > 0)
            count = recv(client, room, ROOM, 0);
        CHECK(count < 0 && errno == ECONNRESET);
    } else {
        check_answer(client, 200, "body");
        CHECK(is_closed(client));
    }
    if (how == HAND_BACK_LINGER) {
        advance(5010);
        settle();
    }
    CHECK_EQUAL(wire_count(w)->edge_open_now, 0);
    finish();
}

/* Bytes that came behind are no matter once it ends. */
static void test_ended_with_rest(void)
{
    for (int how = HAND_BACK_LINGER; how <= HAND_BACK_RESET; how++) {
        wire_handed handed;
        start(NULL);
        int client = join_edge();
        uint64_t id = take_one(client, &handed);
        give_back(id, how, GET_B);
        settle();
        CHECK_EQUAL(wire_count(w)->buffers_now, 0);
        CHECK_EQUAL(wire_count(w)->requests, 1);
        finish();
    }
}

/* ---- the client goes, or the wire ---- */

static void check_client_goes_while_away(int how, int half)
{
    wire_handed handed;
    start(NULL);
    int client = join_edge();
    uint64_t id = take_one(client, &handed);
    if (half)
        shutdown(client, SHUT_WR);
    else
        hang_up(client);
    settle();
    CHECK_EQUAL(event_count, 0); /* that is for who reads it to find */
    CHECK_EQUAL(wire_count(w)->edge_open_now, 1);
    give_back(id, how, "");
    settle();
    CHECK_EQUAL(event_count, 0);
    CHECK_EQUAL(wire_count(w)->edge_open_now, 0);
    CHECK_EQUAL(wire_count(w)->clients_gone, 0);
    finish();
}

/* Half closed with the next request behind: as without a hand-over, a client that ends is gone. */
static void test_client_ends_behind_a_request(void)
{
    wire_handed handed;
    start(NULL);
    int client = join_edge();
    uint64_t id = take_one(client, &handed);
    say_text(client, GET_B);
    shutdown(client, SHUT_WR);
    give_back(id, HAND_BACK_KEEP, "");
    CHECK(await_event(EVENT_CLIENT_GONE)->exchange != id);
    give_up_what_is_left();
    finish();
}

static void test_shut_while_away(void)
{
    wire_handed handed, other;
    start(NULL);
    int client = join_edge(), streaming = join_edge();
    service s = join_framed(0);
    uint64_t id = take_one(client, &handed);
    CHECK_EQUAL(wire_set_context(w, ask(streaming, GET_A GET_B), FIELD_TENANT, (const uint8_t *)"kept", 4), WIRE_OK);
    uint64_t opened = wire_requests(w)[0].exchange;
    other = take_over(opened);
    CHECK(other.held_bytes > 0);
    const opening o = {.attempt = 1, .target = "/a"};
    CHECK_EQUAL(open_with(opened, s.connection, &o), WIRE_OK);
    wire_shut(w);
    CHECK_EQUAL(wire_hand_back(w, id, HAND_BACK_KEEP, NULL, 0, 0), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_hand_in(w, opened, NULL, 0, 0, 1), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_want_room(w, s.connection), WIRE_NO_CONNECTION);
    CHECK_EQUAL(wire_count(w)->handed_over_now, 0);
    CHECK_EQUAL(wire_count(w)->buffers_now, 0);
    check_answer(client, 200, "body");
    CHECK(is_closed(client) && is_closed(streaming));
    wire_free(w);
    for (int i = 0; i < peer_count; i++)
        close(peers[i]);
    CHECK_EQUAL(count_descriptors(), descriptors_before);
}

int main(void)
{
    for (uint32_t given = 0; given <= sizeof GET_B - 1; given += 9)
        for (uint32_t unread = 0; given + unread <= sizeof GET_B - 1; unread += 9)
            check_kept(given, unread);
    test_kept_with_a_pipeline();
    test_kept_with_a_large_rest();
    test_kept_wakes();
    test_again_and_again();
    check_kept_under_bounds(0, 0, 0, 0);
    check_kept_under_bounds(3, 100000, 0, 0);
    check_kept_under_bounds(1, 0, 0, 1);
    check_kept_under_bounds(0, 9000, 0, 1);
    check_kept_under_bounds(0, 0, 1, 1);
    test_closes_is_told();
    check_ended(HAND_BACK_LINGER);
    check_ended(HAND_BACK_CLOSE);
    check_ended(HAND_BACK_RESET);
    test_ended_with_rest();
    for (int how = HAND_BACK_KEEP; how <= HAND_BACK_RESET; how++)
        check_client_goes_while_away(how, 0);
    check_client_goes_while_away(HAND_BACK_KEEP, 1);
    test_client_ends_behind_a_request();
    test_shut_while_away();
    return test_report();
}
