/* Tests of the wire's clock: what is too slow, too late or idle for too long, and that whoever waits on the descriptor is
 * woken for it. */
#include "test_wire_frames.h"

static uint8_t large[1 << 20];

static void check_timeout(const char *said, uint32_t within_ms, int detail)
{
    start(NULL);
    int client = join_edge();
    say_text(client, said);
    settle();
    advance(within_ms - 3000);
    settle();
    CHECK_EQUAL(wire_count(w)->requests_bad, 0);
    advance(3010);
    const wire_event *event = await_event(EVENT_BAD_REQUEST);
    CHECK_EQUAL(event->detail, detail);
    answer_text(event->exchange, 408, "slow", 0);
    check_answer(client, 408, "slow");
    CHECK(is_closed(client));
    advance(5010); /* the end of the linger, whatever the client does */
    settle();
    CHECK_EQUAL(wire_count(w)->edge_open_now, 0);
    finish();
}

/* The time runs from the first byte: more bytes do not buy more of it. */
static void test_drip(void)
{
    start(NULL);
    int client = join_edge();
    int refused = 0, dripped = 0;
    for (; dripped < 40 && !refused; dripped++) {
        say(client, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" + dripped, 1);
        advance(1000);
        step();
        refused = find_event(EVENT_BAD_REQUEST) != NULL;
    }
    CHECK(refused);
    CHECK(dripped >= 5 && dripped <= 12);
    finish();
}

/* Each answer begins the idle time anew. */
static void test_idle(void)
{
    start(NULL);
    int client = join_edge();
    answer_text(ask(client, GET_A), 200, "", 0);
    check_answer(client, 200, "");
    advance(95000);
    settle();
    CHECK_EQUAL(wire_count(w)->edge_open_now, 1);
    answer_text(ask(client, GET_A), 200, "", 0);
    check_answer(client, 200, "");
    advance(95000);
    settle();
    CHECK_EQUAL(wire_count(w)->edge_open_now, 1);
    advance(5010);
    settle();
    CHECK(is_closed(client));
    CHECK_EQUAL(wire_count(w)->edge_idle_closed, 1);
    CHECK_EQUAL(wire_count(w)->events, 0);
    finish();
}

/* While a request is worked on, however long, its connection is not idle. */
static void test_busy_is_not_idle(void)
{
    start(NULL);
    int client = join_edge();
    uint64_t id = ask(client, GET_A);
    say_text(client, "GET /a H");
    settle();
    advance(10000000);
    settle();
    answer_text(id, 200, "at last", 0);
    check_answer(client, 200, "at last");
    CHECK_EQUAL(wire_count(w)->edge_open_now, 1);
    answer_text(ask(client, "TTP/1.1\r\nhost: a\r\n\r\n"), 200, "", 0);
    check_answer(client, 200, "");
    finish();
}

static void test_idle_jitter(void)
{
    enum { CLIENTS = 50 };
    wire_settings settings = small_settings();
    settings.idle_jitter_percent = 50;
    start(&settings);
    for (int i = 0; i < CLIENTS; i++)
        join_edge();
    advance(45000);
    settle();
    CHECK_EQUAL(wire_count(w)->edge_open_now, CLIENTS);
    advance(55000);
    settle();
    uint64_t half = wire_count(w)->edge_open_now;
    CHECK(half > 5 && half < CLIENTS - 5);
    advance(50010);
    settle();
    CHECK_EQUAL(wire_count(w)->edge_open_now, 0);
    CHECK_EQUAL(wire_count(w)->edge_idle_closed, CLIENTS);
    finish();
}

/* A client that reads a little within each write time goes on; one that reads nothing is closed, and its answer forgotten. */
static void test_write_timeout(void)
{
    start(NULL);
    int client = join_edge();
    CHECK_EQUAL(wire_answer(w, ask(client, GET_A), 200, NULL, 0, large, sizeof large, 0), WIRE_OK);
    settle();
    for (int i = 0; i < 4; i++) {
        uint64_t sent = wire_count(w)->edge_bytes_out;
        for (int reads = 0; reads < 20 && wire_count(w)->edge_bytes_out == sent; reads++) {
            hear_bytes(client, 0, 10000);
            settle();
        }
        CHECK(wire_count(w)->edge_bytes_out > sent);
        advance(15000);
        settle();
        CHECK_EQUAL(wire_count(w)->edge_open_now, 1);
    }
    advance(20010);
    settle();
    CHECK_EQUAL(wire_count(w)->edge_write_timeouts, 1);
    CHECK_EQUAL(wire_count(w)->edge_open_now, 0);
    CHECK_EQUAL(wire_count(w)->buffers_now, 0);
    finish();
}

/* ---- who waits on the descriptor ---- */

static int is_readable_within(int milliseconds)
{
    struct pollfd waits = {.fd = wire_descriptor(w), .events = POLLIN};
    return poll(&waits, 1, milliseconds) == 1;
}

/* A deadline that a decision starts is told by the descriptor, though no step comes between. */
static void test_descriptor_tells_deadlines(void)
{
    start(NULL);
    int client = join_edge();
    service s = join_framed(0);
    settle();
    while (is_readable_within(0))
        step();
    uint64_t id = ask(client, GET_A);
    CHECK_EQUAL(wire_send(w, id, s.connection, 0, 0, 0, 0, 20, 0, NULL), WIRE_OK);
    wire_flush(w);
    CHECK(is_readable_within(3000));
    CHECK(await_event(EVENT_EXPIRED)->exchange == id);
    finish();
}

static void test_descriptor_tells_more(void)
{
    start(NULL);
    int client = join_edge();
    service s = join_framed(0);
    uint64_t id = ask(client, GET_A GET_A);
    settle();
    CHECK(!is_readable_within(0));
    answer_text(id, 200, "", 0); /* the next request is held, and no socket will tell of it */
    wire_flush(w);
    CHECK(is_readable_within(1000));
    answer_text(await_request(), 200, "", 0);
    settle();
    CHECK(!is_readable_within(0));
    CHECK_EQUAL(wire_close(w, s.connection), WIRE_OK);
    CHECK(is_readable_within(1000));
    CHECK_EQUAL(await_event(EVENT_FRAMED_CLOSED)->connection, s.connection);
    settle();
    CHECK(!is_readable_within(0));
    advance(200000);
    CHECK(is_readable_within(1000));
    settle();
    CHECK_EQUAL(wire_count(w)->edge_idle_closed, 1);
    CHECK(!is_readable_within(0));
    finish();
}

/* A step that may wait does so no longer than it was told, and not past a timer. */
static void test_waiting(void)
{
    start(NULL);
    CHECK_EQUAL(wire_step(w, 2000), 0);
    CHECK_EQUAL(wire_was_active(w), 0);
    int client = join_edge();
    settle();
    CHECK_EQUAL(wire_step(w, 2000), 0);
    say_text(client, GET_A);
    CHECK_EQUAL(wire_step(w, 5000000), 0);
    CHECK_EQUAL(wire_request_count(w), 1);
    CHECK_EQUAL(wire_was_active(w), 1);
    finish();
}

int main(void)
{
    check_timeout("GET /a HTTP/1.1\r\nhost", 10000, EDGE_HEAD_TIMEOUT);
    check_timeout("G", 10000, EDGE_HEAD_TIMEOUT);
    check_timeout("PUT /a HTTP/1.1\r\nhost: a\r\ncontent-length: 3000\r\n\r\nabc", 10000 + 30000, EDGE_BODY_TIMEOUT);
    test_drip();
    test_idle();
    test_busy_is_not_idle();
    test_idle_jitter();
    test_write_timeout();
    test_descriptor_tells_deadlines();
    test_descriptor_tells_more();
    test_waiting();
    return test_report();
}
