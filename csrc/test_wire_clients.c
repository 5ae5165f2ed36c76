/* Tests of how many connections one address may have, and of the edge's drain. */
#include "test_wire_frames.h"

/* ---- of one address ---- */

static wire_settings per_address(uint32_t most)
{
    wire_settings settings = small_settings();
    settings.connections_per_address_max = most;
    return settings;
}

static void check_turned_away(int client)
{
    check_answer(client, 429, "");
    CHECK(is_closed(client));
}

static void test_per_address(void)
{
    uint8_t *body;
    wire_settings settings = per_address(3);
    start(&settings);
    uint16_t port = listen_on_loopback(SOCKET_EDGE);
    int clients[3];
    for (int i = 0; i < 3; i++)
        clients[i] = dial(port);
    settle();
    CHECK_EQUAL(wire_count(w)->edge_open_now, 3);
    CHECK_EQUAL(wire_count(w)->edge_addresses_now, 1);
    int one_more = dial(port);
    settle();
    CHECK_EQUAL(hear_answer(one_more, 429, &body), 0);
    CHECK(memmem(room, (size_t)(body - room), "\r\nretry-after: ", 15) != NULL);
    CHECK(memmem(room, (size_t)(body - room), "\r\nconnection: close\r\n", 21) != NULL);
    CHECK(is_closed(one_more));
    CHECK_EQUAL(wire_count(w)->edge_refused_by_address, 1);
    CHECK_EQUAL(wire_count(w)->edge_open_now, 3);
    for (int i = 0; i < 3; i++) {
        answer_text(ask(clients[i], GET_A), 200, "", 0);
        check_answer(clients[i], 200, "");
    }
    for (int i = 0; i < 8; i++)
        join_edge(); /* what is not IP is not counted */
    hang_up(clients[1]);
    settle();
    int again = dial(port);
    answer_text(ask(again, GET_A), 200, "", 0);
    check_answer(again, 200, "");
    check_turned_away(dial(port));
    CHECK_EQUAL(event_count, 0);
    finish();
}

/* A connection that is handed over counts until it closes, however it does. */
static void test_per_address_while_away(void)
{
    wire_settings settings = per_address(1);
    start(&settings);
    uint16_t port = listen_on_loopback(SOCKET_EDGE);
    for (int how = HAND_BACK_CLOSE; how <= HAND_BACK_RESET; how++) {
        int client = dial(port);
        uint64_t id = ask(client, GET_A);
        take_over(id);
        check_turned_away(dial(port));
        give_back(id, how, "");
        settle();
        CHECK_EQUAL(wire_count(w)->edge_addresses_now, 0);
    }
    finish();
}

/* Turned away at wire_adopt as well; and where there is no place, nothing is counted. */
static void test_per_address_adopted(void)
{
    wire_settings settings = per_address(2);
    settings.edge_connections_max = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    start(&settings);
    int listener = keep_peer(socket(AF_INET, SOCK_STREAM, 0));
    if (bind(listener, (struct sockaddr *)&address, bytes) < 0 || listen(listener, 8) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &bytes) < 0)
        abort();
    for (int i = 0; i < 4; i++) {
        dial(ntohs(address.sin_port));
        CHECK_EQUAL(wire_adopt(w, accept(listener, NULL, NULL), SOCKET_EDGE, 0), i ? WIRE_NO_ROOM : WIRE_OK);
    }
    CHECK_EQUAL(wire_count(w)->edge_refused_by_address, 0);
    CHECK_EQUAL(wire_count(w)->edge_addresses_now, 1);
    finish();
}

/* Over IPv6, where there is any; the mapped form of an IPv4 address is that address. */
static void check_per_address_v6(int maps)
{
    wire_settings settings = per_address(1);
    struct sockaddr_in6 address = {.sin6_family = AF_INET6};
    socklen_t bytes = sizeof address;
    int off = 0, listener = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
    address.sin6_addr = maps ? in6addr_any : in6addr_loopback;
    if (listener >= 0)
        setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, bytes) < 0) {
        close(listener);
        return; /* no IPv6 here */
    }
    listen(listener, 8);
    getsockname(listener, (struct sockaddr *)&address, &bytes);
    uint16_t port = ntohs(address.sin6_port);
    start(&settings);
    descriptors_before--; /* the listener is the wire's to close */
    CHECK_EQUAL(wire_listen(w, listener, SOCKET_EDGE), WIRE_OK);
    char text[WIRE_ADDRESS_BYTES_MAX];
    int client, another;
    address.sin6_addr = in6addr_loopback;
    if (maps) {
        client = dial(port);
        another = dial(port);
    } else {
        client = keep_peer(socket(AF_INET6, SOCK_STREAM, 0));
        another = keep_peer(socket(AF_INET6, SOCK_STREAM, 0));
        CHECK_EQUAL(connect(client, (struct sockaddr *)&address, bytes), 0);
        CHECK_EQUAL(connect(another, (struct sockaddr *)&address, bytes), 0);
    }
    uint64_t id = ask(client, GET_A);
    int count = wire_client_address(w, id, text);
    CHECK_BYTES(text, count, maps ? "127.0.0.1" : "::1", maps ? 9u : 3u);
    check_turned_away(another);
    answer_text(id, 200, "", 0);
    check_answer(client, 200, "");
    finish();
}

/* ---- drain ---- */

static void test_drain_spread(void)
{
    enum { CLIENTS = 100, SPREAD_MS = 100000 };
    int closed_by[11] = {0}, clients[CLIENTS];
    wire_settings settings = small_settings();
    settings.edge_connections_max = CLIENTS;
    settings.idle_ms = 3600000;
    start(&settings);
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = join_edge();
    settle();
    wire_drain_edge(w, SPREAD_MS);
    CHECK(wire_count(w)->edge_open_now == CLIENTS);
    for (int part = 1; part <= 10; part++) {
        advance(SPREAD_MS / 10 + (part == 10 ? 20 : 0));
        settle();
        for (int i = 0; i < CLIENTS; i++)
            closed_by[part] += is_closed(clients[i]);
        CHECK(closed_by[part] >= closed_by[part - 1]);
    }
    CHECK(closed_by[1] < CLIENTS / 2);
    CHECK(closed_by[5] > 10 && closed_by[5] < CLIENTS - 10);
    CHECK_EQUAL(closed_by[10], CLIENTS);
    finish();
}

/* Until its moment comes a connection goes on as before; then its next answer is the last. */
static void test_drain_of_the_busy(void)
{
    uint8_t *body;
    start(NULL);
    int busy = join_edge(), away = join_edge();
    service s = join_framed(0);
    uint64_t id = in_flight(busy, &s), taken = ask(away, GET_A);
    take_over(taken);
    wire_drain_edge(w, 20000);
    wire_drain_edge(w, 10000); /* a drain that is asked for again only comes sooner */
    wire_drain_edge(w, 1000000);
    advance(10020);
    settle();
    CHECK(is_silent(busy) && is_silent(away));
    respond(&s, id, 200, "last");
    CHECK_EQUAL(hear_answer(busy, 200, &body), 4);
    CHECK(memmem(room, (size_t)(body - room), "connection: close\r\n", 19) != NULL);
    give_back(taken, HAND_BACK_KEEP, "");
    settle();
    CHECK(is_closed(busy) && is_closed(away));
    finish();
}

/* Who has just been answered is about to ask again: it is told with its next answer, and not cut off. */
static void test_drain_of_the_lively(void)
{
    uint8_t *body;
    start(NULL);
    int lively = join_edge(), idle = join_edge();
    service s = join_framed(0);
    settle();
    wire_drain_edge(w, 4000);
    for (int i = 0; i < 9; i++) {
        uint64_t id = in_flight(lively, &s);
        respond(&s, id, 200, "more");
        CHECK_EQUAL(hear_answer(lively, 200, &body), 4);
        if (memmem(room, (size_t)(body - room), "connection: close\r\n", 19) != NULL)
            break;
        advance(500);
        settle();
        CHECK(!is_closed(lively));
    }
    settle();
    CHECK(is_closed(lively));
    advance(4010);
    settle();
    CHECK(is_closed(idle));
    finish();
}

/* Who was answered a moment before its connection is old enough may be about to ask again. */
static void test_age_of_the_lively(void)
{
    wire_settings settings = small_settings();
    settings.connection_age_ms = 5000;
    start(&settings);
    int lively = join_edge(), idle = join_edge();
    advance(4900);
    answer_text(ask(lively, GET_A), 200, "hi", 0);
    check_answer(lively, 200, "hi");
    advance(500);
    settle();
    CHECK(is_closed(idle));
    CHECK(!is_closed(lively));
    advance(600);
    settle();
    CHECK(is_closed(lively));
    CHECK_EQUAL(wire_count(w)->edge_age_reached, 2);
    finish();
}

/* A drain does not make a connection older than it may become. */
static void test_drain_and_age(void)
{
    wire_settings settings = small_settings();
    settings.connection_age_ms = 10000;
    start(&settings);
    int client = join_edge();
    settle();
    wire_drain_edge(w, UINT32_MAX);
    advance(10010);
    settle();
    CHECK(is_closed(client));
    finish();
}

int main(void)
{
    test_per_address();
    test_per_address_while_away();
    test_per_address_adopted();
    check_per_address_v6(0);
    check_per_address_v6(1);
    test_drain_spread();
    test_drain_of_the_busy();
    test_drain_of_the_lively();
    test_age_of_the_lively();
    test_drain_and_age();
    return test_report();
}
