/* Tests of accepting: bounds, short of descriptors, a storm of connections, and the end of listening. Over TCP on the
 * loopback interface. */
#include <sys/resource.h>

#include "test_wire_support.h"

static int ask_and_answer(int client)
{
    answer_text(ask(client, GET_A), 200, "hi", 0);
    check_answer(client, 200, "hi");
    return client;
}

static void test_edge_connections_max(void)
{
    wire_settings settings = small_settings();
    settings.edge_connections_max = 3;
    start(&settings);
    uint16_t port = listen_on_loopback(SOCKET_EDGE);
    int clients[6];
    for (int i = 0; i < 6; i++)
        clients[i] = dial(port); /* the last three are in the kernel's queue */
    settle();
    CHECK_EQUAL(wire_count(w)->edge_accepted, 3);
    CHECK_EQUAL(wire_count(w)->edge_open_now, 3);
    CHECK_EQUAL(wire_count(w)->edge_paused, 1);
    CHECK_EQUAL(wire_was_active(w), 0); /* and nothing spins */
    for (int i = 0; i < 6; i++) {
        ask_and_answer(clients[i]);
        hang_up(clients[i]);
        settle();
        CHECK_EQUAL(wire_count(w)->edge_accepted, i < 3 ? i + 4 : 6);
    }
    CHECK_EQUAL(wire_count(w)->edge_open_now, 0);
    CHECK_EQUAL(wire_count(w)->accept_errors, 0);
    finish();
}

/* While accepting is held, clients wait in the kernel's queue, whoever leaves; services are accepted. */
static void test_hold_accepting(void)
{
    start(NULL);
    uint16_t port = listen_on_loopback(SOCKET_EDGE), services = listen_on_loopback(SOCKET_FRAMED);
    int first = dial(port);
    settle();
    wire_hold_accepting(w, 1);
    int second = dial(port);
    dial(services);
    settle();
    CHECK_EQUAL(wire_count(w)->edge_accepted, 1);
    CHECK_EQUAL(wire_count(w)->edge_paused, 1);
    CHECK_EQUAL(wire_count(w)->framed_accepted, 1);
    CHECK_EQUAL(wire_was_active(w), 0); /* and nothing spins */
    ask_and_answer(first);
    hang_up(first);
    settle();
    CHECK_EQUAL(wire_count(w)->edge_accepted, 1);
    wire_hold_accepting(w, 0);
    settle();
    CHECK_EQUAL(wire_count(w)->edge_accepted, 2);
    ask_and_answer(second);
    finish();
}

/* A place that is taken by wire_adopt over the bound: the socket is closed. */
static void test_adopt_over_the_bound(void)
{
    int pair[2];
    wire_settings settings = small_settings();
    settings.edge_connections_max = 1;
    start(&settings);
    join_edge();
    CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    CHECK_EQUAL(wire_adopt(w, pair[0], SOCKET_EDGE, 0), WIRE_NO_ROOM);
    CHECK(is_closed(pair[1]));
    close(pair[1]);
    finish();
}

static void test_out_of_descriptors(int kind)
{
    struct rlimit usual, low;
    start(NULL);
    uint16_t port = listen_on_loopback(kind);
    int first = dial(port), second = dial(port);
    CHECK_EQUAL(getrlimit(RLIMIT_NOFILE, &usual), 0);
    low = usual;
    low.rlim_cur = (rlim_t)second + 1; /* all descriptors below are taken */
    CHECK_EQUAL(setrlimit(RLIMIT_NOFILE, &low), 0);
    settle();
    uint64_t errors = wire_count(w)->accept_errors, steps = wire_count(w)->steps;
    CHECK(errors >= 1 && errors < steps - 1); /* nothing spins */
    advance(120); /* tried again, in vain */
    settle();
    CHECK(wire_count(w)->accept_errors > errors);
    CHECK_EQUAL(wire_count(w)->edge_accepted + wire_count(w)->framed_accepted, 0);
    CHECK_EQUAL(setrlimit(RLIMIT_NOFILE, &usual), 0);
    advance(120);
    settle();
    CHECK_EQUAL(wire_count(w)->edge_accepted + wire_count(w)->framed_accepted, 2);
    if (kind == SOCKET_EDGE) {
        ask_and_answer(first);
        ask_and_answer(second);
    }
    finish();
}

static void test_no_descriptors_for_a_wire(void)
{
    struct rlimit usual, low;
    wire_settings settings = small_settings();
    int next = dup(0);
    close(next);
    CHECK_EQUAL(getrlimit(RLIMIT_NOFILE, &usual), 0);
    low = usual;
    for (rlim_t more = 0; more < 2; more++) { /* it needs two */
        low.rlim_cur = (rlim_t)next + more;
        CHECK_EQUAL(setrlimit(RLIMIT_NOFILE, &low), 0);
        errno = 0;
        CHECK(wire_new(&settings) == NULL);
        CHECK_EQUAL(errno, EMFILE);
    }
    CHECK_EQUAL(setrlimit(RLIMIT_NOFILE, &usual), 0);
    int again = dup(0);
    CHECK_EQUAL(again, next);
    close(again);
}

/* More connections at once than one round of a step accepts: all of them come, and each is answered. */
static void test_storm(void)
{
    enum { CLIENTS = 150 };
    static int clients[CLIENTS];
    wire_settings settings = small_settings();
    settings.edge_connections_max = settings.exchanges_max = 2 * CLIENTS;
    start(&settings);
    uint16_t port = listen_on_loopback(SOCKET_EDGE);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = dial(port);
        if (i % 100 == 99)
            step();
    }
    settle();
    CHECK_EQUAL(wire_count(w)->edge_accepted, CLIENTS);
    for (int i = 0; i < CLIENTS; i++)
        say_text(clients[i], GET_A);
    uint32_t answered = 0;
    for (int i = 0; i < 20 && answered < CLIENTS; i++) {
        step();
        for (uint32_t at = 0; at < wire_request_count(w); at++, answered++)
            answer_text(wire_requests(w)[at].exchange, 200, "hi", 0);
    }
    for (int i = 0; i < CLIENTS; i++)
        check_answer(clients[i], 200, "hi");
    finish();
}

static void test_stop_listening(void)
{
    start(NULL);
    uint16_t edge_port = listen_on_loopback(SOCKET_EDGE), framed_port = listen_on_loopback(SOCKET_FRAMED);
    int client = ask_and_answer(dial(edge_port));
    wire_stop_listening(w, SOCKET_EDGE);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(edge_port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int refused = keep_peer(socket(AF_INET, SOCK_STREAM, 0));
    CHECK(connect(refused, (struct sockaddr *)&address, sizeof address) < 0 && errno == ECONNREFUSED);
    ask_and_answer(client); /* what is connected stays */
    dial(framed_port);
    const wire_event *opened = await_event(EVENT_FRAMED_OPENED);
    char peer[64];
    uint32_t connection = opened->connection;
    CHECK(wire_peer(w, connection, peer, sizeof peer) > 10 && strncmp(peer, "127.0.0.1:", 10) == 0);
    ask_and_answer(dial(listen_on_loopback(SOCKET_EDGE)));
    finish();
}

static void test_many_listeners(void)
{
    start(NULL);
    for (int i = 0; i < 16; i++)
        listen_on_loopback(i % 2 ? SOCKET_EDGE : SOCKET_FRAMED);
    int one_more = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQUAL(wire_listen(w, one_more, SOCKET_EDGE), WIRE_NO_ROOM);
    close(one_more);
    wire_stop_listening(w, SOCKET_FRAMED);
    ask_and_answer(dial(listen_on_loopback(SOCKET_EDGE)));
    CHECK_EQUAL(wire_listen(w, -1, SOCKET_EDGE), WIRE_SYSTEM);
    finish();
}

/* A socket that another process has, too, is watched no more: who dials is for the other one. */
static void test_stop_listening_to_a_shared_socket(void)
{
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    CHECK_EQUAL(bind(listener, (struct sockaddr *)&address, bytes), 0);
    CHECK_EQUAL(listen(listener, 16), 0);
    CHECK_EQUAL(getsockname(listener, (struct sockaddr *)&address, &bytes), 0);
    start(NULL);
    CHECK_EQUAL(wire_listen(w, dup(listener), SOCKET_EDGE), WIRE_OK);
    wire_stop_listening(w, SOCKET_EDGE);
    dial(ntohs(address.sin_port));
    settle();
    CHECK_EQUAL(wire_count(w)->edge_accepted, 0);
    int accepted = accept(listener, NULL, NULL);
    CHECK(accepted >= 0);
    close(accepted);
    finish();
    close(listener);
}

int main(void)
{
    test_edge_connections_max();
    test_hold_accepting();
    test_adopt_over_the_bound();
    test_out_of_descriptors(SOCKET_EDGE);
    test_out_of_descriptors(SOCKET_FRAMED);
    test_no_descriptors_for_a_wire();
    test_storm();
    test_stop_listening();
    test_stop_listening_to_a_shared_socket();
    test_many_listeners();
    return test_report();
}
