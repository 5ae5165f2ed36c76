/* Tests of clients that speak TLS: how their connections end, by whom, and what is left; hand-over, listening and drain. */
#include "test_wire_tls_clients.h"

/* All go in the same moment, more than one step can tell of. */
static void test_many_ends(void)
{
    enum { CLIENTS = 900 };
    int told = 0;
    begin();
    for (int i = 0; i < CLIENTS; i++)
        say_sealed_text(join_tls(), "G");
    settle_tls();
    for (int i = 0; i < peer_count; i++)
        hang_up(peers[i]);
    for (int i = 0; i < STEPS_MAX && told < CLIENTS; i++) {
        turn();
        told += count_events(EVENT_TLS_CLOSED);
    }
    CHECK_EQUAL(told, CLIENTS);
    end();
}

static void test_handshake_timeout(void)
{
    begin();
    int silent = join_tls(), slow = join_tls(), secured = join_tls();
    say(slow, "\x16\3\1", 3);
    say(secured, "\x16\3\1", 3);
    int inputs = 0;
    for (int i = 0; i < 4; i++) {
        step();
        for (int k = 0; k < event_count; k++)
            if (wire_events(w)[k].kind == EVENT_TLS_INPUT && ++inputs == 2) {
                CHECK_EQUAL(wire_tls_send(w, wire_events(w)[k].connection, (const uint8_t *)"hello", 5, 0), WIRE_OK);
                CHECK_EQUAL(wire_tls_feed(w, wire_events(w)[k].connection, NULL, 0), WIRE_OK);
            }
    }
    CHECK_EQUAL(inputs, 2);
    hear_bytes(secured, 0, 5);
    advance(12000);
    int told = 0;
    for (int i = 0; i < 6; i++) {
        turn();
        for (int k = 0; k < event_count; k++)
            told += wire_events(w)[k].kind == EVENT_TLS_CLOSED && wire_events(w)[k].detail == TLS_CLOSED_HANDSHAKE_TIMEOUT;
    }
    CHECK_EQUAL(told, 2);
    CHECK(is_closed(silent));
    CHECK(is_closed(slow));
    CHECK(is_silent(secured));
    CHECK_EQUAL(wire_count(w)->requests_bad, 0);
    end();
}

/* A secured connection that is idle is closed in good order: close_notify first. */
static void check_goodbye(int by_drain)
{
    begin();
    int client = join_tls();
    say_sealed_text(client, GET_A);
    answer_text(await_tls_request(), 200, "hi", 0);
    check_sealed(client, 200, "hi");
    settle_tls();
    if (by_drain)
        wire_drain_edge(w, 0);
    else
        advance(101000);
    encrypts = 0;
    turn();
    CHECK_EQUAL(wire_tls_pending(w), 1);
    wire_tls_output out = wire_tls_outputs(w)[0];
    CHECK(out.bytes == 0 && out.closes == 1);
    CHECK(is_silent(client));
    CHECK_EQUAL(wire_tls_send(w, out.connection, (const uint8_t *)"bye", 3, 1), WIRE_OK);
    hear_bytes(client, 0, 3);
    CHECK(is_closed(client));
    CHECK_EQUAL(wire_tls_send(w, out.connection, (const uint8_t *)"bye", 3, 1), WIRE_NO_CONNECTION);
    await_tls_event(EVENT_TLS_CLOSED);
    end();
}

/* When nobody says it, the connection closes all the same. */
static void test_goodbye_that_is_not_said(void)
{
    begin();
    int client = join_tls();
    say_sealed_text(client, GET_A);
    answer_text(await_tls_request(), 200, "hi", 0);
    check_sealed(client, 200, "hi");
    encrypts = 0;
    advance(101000);
    turn();
    say_sealed_text(client, GET_A); /* too late */
    turn();
    CHECK(is_silent(client));
    advance(6000);
    await_tls_event(EVENT_TLS_CLOSED);
    CHECK_EQUAL(wire_count(w)->requests, 1);
    end();
}

static void test_drain(void)
{
    begin();
    int fresh = join_tls(), busy = join_tls();
    say_sealed_text(busy, GET_A);
    uint64_t id = await_tls_request();
    wire_drain_edge(w, 0);
    answer_text(id, 200, "last", 0);
    check_sealed(busy, 200, "last");
    CHECK(is_closed(busy));
    say_sealed_text(fresh, GET_A);
    answer_text(await_tls_request(), 200, "only", 0);
    check_sealed(fresh, 200, "only");
    CHECK(is_closed(fresh));
    end();
}

static void test_end_by_the_caller(void)
{
    begin();
    int idle = join_tls(), busy = join_tls();
    say_sealed_text(idle, "G");
    say_sealed_text(busy, "GE");
    turn();
    uint32_t handles[2] = {0};
    for (int i = 0; i < event_count; i++)
        if (wire_events(w)[i].kind == EVENT_TLS_INPUT)
            handles[wire_events(w)[i].bytes - 1] = wire_events(w)[i].connection;
    CHECK_EQUAL(wire_tls_send(w, handles[0], (const uint8_t *)"alert", 5, 0), WIRE_OK);
    CHECK_EQUAL(wire_tls_end(w, handles[0]), WIRE_OK);
    CHECK_EQUAL(wire_tls_end(w, handles[0]), WIRE_NO_CONNECTION);
    hear_bytes(idle, 0, 5);
    CHECK(is_closed(idle));
    say_sealed_text(busy, GET_A + 2);
    uint64_t id = await_tls_request();
    CHECK_EQUAL(wire_tls_end(w, handles[1]), WIRE_OK);
    CHECK_EQUAL(wire_tls_end(w, handles[1]), WIRE_NO_CONNECTION);
    CHECK(await_tls_event(EVENT_CLIENT_GONE)->exchange == id);
    CHECK(is_closed(busy));
    CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_OK);
    CHECK_EQUAL(wire_tls_feed(w, handles[1], (const uint8_t *)"G", 1), WIRE_NO_CONNECTION);
    CHECK_EQUAL(wire_tls_feed(w, 0, (const uint8_t *)"G", 1), WIRE_NO_CONNECTION);
    CHECK_EQUAL(wire_tls_feed(w, UINT32_MAX, (const uint8_t *)"G", 1), WIRE_NO_CONNECTION);
    end();
}

/* The client goes at each stage; half: only its sending direction. */
static void check_leaving(int stage, int half)
{
    begin();
    int client = join_tls();
    encrypts = 0;
    uint64_t id = 0;
    if (stage > 0)
        say_sealed_text(client, stage == 1 ? "GET /a HT" : GET_A);
    if (stage > 1)
        id = await_tls_request();
    if (stage == 3)
        answer_text(id, 200, "hi", 0);
    if (half)
        shutdown(client, SHUT_WR);
    else
        hang_up(client);
    if (stage == 2) {
        CHECK(await_tls_event(EVENT_CLIENT_GONE)->exchange == id);
        CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_OK);
    }
    if (stage == 3)
        turn();
    encrypts = 1;
    encrypt();
    if (stage == 3 && half)
        check_sealed(client, 200, "hi");
    settle_tls();
    CHECK_EQUAL(wire_count(w)->edge_open_now, 0);
    CHECK_EQUAL(wire_count(w)->exchanges_now, 0);
    end();
}

static void test_handed_over(void)
{
    wire_handed handed;
    begin();
    int client = join_tls();
    say_sealed_text(client, "POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n");
    uint64_t id = await_tls_request();
    CHECK_EQUAL(wire_hand_over(w, id, &handed), WIRE_OK);
    CHECK_BYTES(handed.held, handed.held_bytes, "0\r\n\r\n", 5);
    CHECK_EQUAL(wire_tls_feed(w, handed.connection, (const uint8_t *)"G", 1), WIRE_NO_CONNECTION);
    CHECK_EQUAL(wire_tls_send(w, handed.connection, (const uint8_t *)"G", 1, 0), WIRE_NO_CONNECTION);
    CHECK_EQUAL(wire_tls_end(w, handed.connection), WIRE_NO_CONNECTION);
    say_sealed_text(client, GET_A + 3); /* left in the socket: nobody watches */
    turn();
    CHECK_EQUAL(event_count, 0);
    CHECK_EQUAL(wire_hand_back(w, id, HAND_BACK_KEEP, (const uint8_t *)"GET", 3, 5), WIRE_OK);
    answer_text(await_tls_request(), 200, "again", 0);
    check_sealed(client, 200, "again");
    say_sealed_text(client, "POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    id = await_tls_request();
    CHECK_EQUAL(wire_hand_over(w, id, &handed), WIRE_OK);
    CHECK_EQUAL(wire_hand_back(w, id, HAND_BACK_RESET, NULL, 0, 0), WIRE_OK);
    await_tls_event(EVENT_TLS_CLOSED);
    end();
}

/* Kept, but for a drain that nobody knew of: the end is said. */
static void test_handed_back_to_be_closed(void)
{
    wire_handed handed;
    begin();
    int client = join_tls();
    say_sealed_text(client, "POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    uint64_t id = await_tls_request();
    CHECK_EQUAL(wire_hand_over(w, id, &handed), WIRE_OK);
    wire_drain_edge(w, 0);
    CHECK_EQUAL(wire_hand_back(w, id, HAND_BACK_KEEP, (const uint8_t *)GET_A, sizeof GET_A - 1, 0), WIRE_OK);
    CHECK_EQUAL(wire_tls_pending(w), 1);
    wire_tls_output out = wire_tls_outputs(w)[0];
    CHECK(out.connection == handed.connection && out.bytes == 0 && out.closes == 1);
    CHECK_EQUAL(wire_tls_send(w, out.connection, (const uint8_t *)"bye", 3, 1), WIRE_OK);
    hear_bytes(client, 0, 3);
    CHECK(is_closed(client));
    end();
}

static void test_shut_with_everything_pending(void)
{
    begin();
    int client = join_tls();
    say_sealed_text(client, GET_A);
    uint64_t id = await_tls_request();
    answer_text(id, 200, "hi", 0);
    wire_shut(w);
    CHECK_EQUAL(wire_tls_pending(w), 0);
    CHECK_EQUAL(wire_count(w)->buffers_now, 0);
    hang_up(client);
    wire_free(w);
    CHECK_EQUAL(count_descriptors(), descriptors_before);
}

/* Both kinds of listener share the edge's places, and wait for each other's. */
static void test_listeners_share_places(void)
{
    wire_settings settings = small_settings();
    settings.edge_connections_max = 1;
    start(&settings);
    encrypts = 1;
    came = 0;
    uint16_t plain = listen_on_loopback(SOCKET_EDGE), secure = listen_on_loopback(SOCKET_EDGE_TLS);
    int first = dial(plain);
    settle();
    int second = dial(secure);
    say_sealed_text(second, GET_A);
    settle();
    CHECK_EQUAL(wire_count(w)->edge_open_now, 1);
    hang_up(first);
    answer_text(await_tls_request(), 200, "hi", 0);
    check_sealed(second, 200, "hi");
    end();
}

/* No more clients, of either kind; what is connected stays. */
static void test_stop_listening(void)
{
    begin();
    uint16_t plain = listen_on_loopback(SOCKET_EDGE), secure = listen_on_loopback(SOCKET_EDGE_TLS);
    int client = dial(secure);
    settle();
    wire_stop_listening(w, SOCKET_EDGE);
    for (int i = 0; i < 2; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(i ? secure : plain), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int late = socket(AF_INET, SOCK_STREAM, 0);
        CHECK(connect(late, (struct sockaddr *)&address, sizeof address) < 0);
        close(late);
    }
    say_sealed_text(client, GET_A);
    answer_text(await_tls_request(), 200, "hi", 0);
    check_sealed(client, 200, "hi");
    end();
}

int main(void)
{
    test_many_ends();
    test_handshake_timeout();
    check_goodbye(0);
    check_goodbye(1);
    test_goodbye_that_is_not_said();
    test_drain();
    test_end_by_the_caller();
    for (int stage = 0; stage < 4; stage++)
        for (int half = 0; half < 2; half++)
            check_leaving(stage, half);
    test_handed_over();
    test_handed_back_to_be_closed();
    test_shut_with_everything_pending();
    test_listeners_share_places();
    test_stop_listening();
    return test_report();
}
