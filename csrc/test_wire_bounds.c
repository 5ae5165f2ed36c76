/* Tests of the bounds of one client's connection: its requests, its age and its bytes. */
#include "test_wire_frames.h"

static void set(wire_settings *settings, uint32_t requests_max, uint32_t age_ms, uint64_t bytes_max)
{
    *settings = small_settings();
    settings->connection_requests_max = requests_max;
    settings->connection_age_ms = age_ms;
    settings->connection_bytes_max = bytes_max;
    settings->edge_connections_max = settings->exchanges_max = 256;
    settings->idle_ms = 3600000;
}

/* Asks until the connection closes, at most most times. Returns how many answers there were. */
static int ask_until_closed(int client, int most)
{
    int answers = 0;
    uint8_t *body;
    while (answers < most && !is_closed(client)) {
        answer_text(ask(client, GET_A), 200, "", 0);
        CHECK_EQUAL(hear_answer(client, 200, &body), 0);
        settle();
        answers++;
        int says = memmem(room, (size_t)(body - room), "\r\nconnection: close\r\n", 21) != NULL;
        CHECK_EQUAL(says, is_closed(client)); /* no client is surprised */
    }
    return answers;
}

/* ---- of one connection ---- */

static void test_requests(void)
{
    wire_settings settings;
    set(&settings, 5, 0, 0);
    start(&settings);
    CHECK_EQUAL(ask_until_closed(join_edge(), 10), 5);
    set(&settings, 1, 0, 0);
    finish();
    start(&settings);
    CHECK_EQUAL(ask_until_closed(join_edge(), 10), 1);
    finish();
    set(&settings, 0, 0, 0);
    start(&settings);
    CHECK_EQUAL(ask_until_closed(join_edge(), 50), 50);
    finish();
}

/* What is pipelined behind the last request is not taken any more, and the answers before are all read. */
static void test_requests_pipelined(void)
{
    wire_settings settings;
    set(&settings, 2, 0, 0);
    start(&settings);
    uint16_t port = listen_on_loopback(SOCKET_EDGE);
    int client = dial(port);
    say_text(client, GET_A GET_A GET_A GET_A);
    for (int i = 0; i < 2; i++) {
        answer_text(await_request(), 200, "one", 0);
        check_answer(client, 200, "one");
    }
    settle();
    CHECK(is_closed(client));
    CHECK_EQUAL(wire_count(w)->requests, 2);
    finish();
}

/* Each connection draws a bound of its own. Nothing is drawn below one, nor outside of the jitter. */
static void check_requests_with_jitter(uint32_t jitter_percent, int least, int most)
{
    enum { CLIENTS = 40 };
    int kinds = 0, seen[64] = {0};
    wire_settings settings;
    set(&settings, 10, 0, 0);
    settings.idle_jitter_percent = jitter_percent;
    start(&settings);
    for (int i = 0; i < CLIENTS; i++) {
        int answers = ask_until_closed(join_edge(), 40);
        CHECK(answers >= least && answers <= most);
        kinds += answers < 64 && seen[answers]++ == 0;
    }
    CHECK(jitter_percent ? kinds > 1 : kinds == 1);
    finish();
}

/* Old, it closes when it is idle. */
static void test_age_while_idle(void)
{
    wire_settings settings;
    set(&settings, 0, 60000, 0);
    start(&settings);
    int client = join_edge();
    answer_text(ask(client, GET_A), 200, "", 0);
    check_answer(client, 200, "");
    advance(55000);
    settle();
    CHECK(is_silent(client));
    advance(5010);
    settle();
    CHECK(is_closed(client));
    finish();
}

/* Old in the midst of a request, it closes with the answer, whoever writes it. */
static void check_age_while_busy(int by_service)
{
    uint8_t *body;
    wire_settings settings;
    set(&settings, 0, 20000, 0);
    start(&settings);
    int client = join_edge();
    service s = join_framed(0);
    uint64_t id = by_service ? in_flight(client, &s) : ask(client, GET_A);
    advance(25000);
    settle();
    CHECK(is_silent(client));
    if (by_service)
        respond(&s, id, 200, "old");
    else
        answer_text(id, 200, "old", 0);
    CHECK_EQUAL(hear_answer(client, 200, &body), 3);
    CHECK(memmem(room, (size_t)(body - room), "connection: close\r\n", 19) != NULL);
    settle();
    CHECK(is_closed(client));
    finish();
}

/* Half a head is no idleness: it is still read, and answered. */
static void test_age_while_reading(void)
{
    wire_settings settings;
    set(&settings, 0, 20000, 0);
    start(&settings);
    int client = join_edge();
    advance(15000);
    say_text(client, "GET /a HTTP/1.1\r\n");
    settle();
    advance(7000);
    settle();
    CHECK(is_silent(client));
    answer_text(ask(client, "host: a\r\n\r\n"), 200, "", 0);
    check_answer(client, 200, "");
    settle();
    CHECK(is_closed(client));
    finish();
}

static void test_age_with_jitter(void)
{
    enum { CLIENTS = 60 };
    int clients[CLIENTS], closed = 0;
    wire_settings settings;
    set(&settings, 0, 100000, 0);
    settings.idle_jitter_percent = 50;
    start(&settings);
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = join_edge();
    advance(49000);
    settle();
    CHECK_EQUAL(wire_count(w)->edge_open_now, CLIENTS);
    advance(51000);
    settle();
    for (int i = 0; i < CLIENTS; i++)
        closed += is_closed(clients[i]);
    CHECK(closed > 5 && closed < CLIENTS - 5);
    advance(50010);
    settle();
    CHECK_EQUAL(wire_count(w)->edge_open_now, 0);
    finish();
}

/* Bytes count as they come; the request that reaches the bound is still answered. */
static void test_bytes(void)
{
    wire_settings settings;
    set(&settings, 0, 0, 3 * strlen(GET_A));
    start(&settings);
    CHECK_EQUAL(ask_until_closed(join_edge(), 10), 3);
    finish();
    set(&settings, 0, 0, 3 * strlen(GET_A) + 1);
    start(&settings);
    CHECK_EQUAL(ask_until_closed(join_edge(), 10), 4);
    int client = join_edge();
    uint64_t id = ask(client, GET_A);
    take_over(id);
    CHECK_EQUAL(wire_hand_back(w, id, HAND_BACK_KEEP, NULL, 0, 1000), WIRE_OK); /* what was read by hand counts as well */
    CHECK_EQUAL(ask_until_closed(client, 10), 1);
    finish();
}

int main(void)
{
    test_requests();
    test_requests_pipelined();
    check_requests_with_jitter(0, 10, 10);
    check_requests_with_jitter(30, 7, 13);
    check_requests_with_jitter(100, 1, 20);
    test_age_while_idle();
    check_age_while_busy(0);
    check_age_while_busy(1);
    test_age_while_reading();
    test_age_with_jitter();
    test_bytes();
    return test_report();
}
