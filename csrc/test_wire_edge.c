/* Tests of the wire's clients: how they may go, at each stage, and how answers leave. How requests come is in
 * test_wire_requests.c, what is too slow in test_wire_time.c. */
#include "test_wire_frames.h"

enum { BEFORE, DURING_HEAD, DURING_BODY, UNDECIDED, IN_FLIGHT, WITH_REQUEST, BEHIND_HALF_HEAD, STAGES };

static void leave(int client, int half)
{
    if (half)
        shutdown(client, SHUT_WR);
    else
        hang_up(client);
}

/* The client, on TCP or not, closes one direction or both at a stage of its request; in the end nothing of it is left. */
static void check_leaving(int stage, int half, uint16_t port)
{
    static const char *const said[STAGES] = {
        "", "GET /a HT", "PUT /b HTTP/1.1\r\nhost: a\r\ncontent-length: 11\r\n\r\nhello", GET_A, GET_A, GET_A, "GET /a HT"};
    uint64_t gone_before = wire_count(w)->clients_gone, closed_before = wire_count(w)->edge_closed;
    int client = port ? dial(port) : join_edge();
    service s = join_framed(0);
    uint64_t id = 0;
    if (stage != WITH_REQUEST && stage != BEHIND_HALF_HEAD)
        settle();
    say_text(client, said[stage]);
    if (stage < UNDECIDED)
        settle();
    else if (stage <= IN_FLIGHT)
        id = await_request();
    if (stage == IN_FLIGHT) {
        send_to(&s, id);
        hear_frame(&s);
    }
    leave(client, half);
    if (stage == UNDECIDED || stage == IN_FLIGHT) {
        CHECK(await_event(EVENT_CLIENT_GONE)->exchange == id);
        CHECK_EQUAL(wire_answer(w, id, 200, NULL, 0, NULL, 0, 0), WIRE_NO_EXCHANGE);
        CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_OK);
        CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_NO_EXCHANGE);
        wire_flush(w);
        if (stage == IN_FLIGHT)
            check_cancel(&s, id, 1);
        CHECK_EQUAL(wire_count(w)->clients_gone, gone_before + 1);
    } else {
        for (int i = 0; i < 6; i++) {
            step();
            give_up_what_is_left();
        }
    }
    CHECK_EQUAL(wire_count(w)->edge_closed, closed_before + 1);
    CHECK_EQUAL(wire_count(w)->edge_open_now, 0);
    CHECK_EQUAL(wire_count(w)->exchanges_now, 0);
    CHECK_EQUAL(wire_count(w)->requests_bad, 0);
    CHECK_EQUAL(wire_in_flight(w)[s.connection & 4095], 0);
    if (half)
        hang_up(client);
    hang_up(s.descriptor);
    settle();
}

static void test_leaving(void)
{
    static char context[60];
    start(NULL);
    uint16_t port = listen_on_loopback(SOCKET_EDGE);
    for (int stage = 0; stage < STAGES; stage++)
        for (int half = 0; half < 2; half++)
            for (int on_tcp = 0; on_tcp < 2; on_tcp++) {
                snprintf(context, sizeof context, "stage %d%s%s", stage, half ? ", half" : "", on_tcp ? ", TCP" : "");
                check_context = context;
                check_leaving(stage, half, on_tcp ? port : 0);
            }
    check_context = "";
    finish();
}

/* The end comes while the wire is about to look at a pipelined request by itself: nobody waits for that answer either. */
static void test_leaving_behind_a_pipeline(void)
{
    start(NULL);
    uint16_t port = listen_on_loopback(SOCKET_EDGE);
    int client = dial(port);
    service s = join_framed(0);
    uint64_t id = ask(client, GET_A "GET /a HT");
    send_to(&s, id);
    settle();
    respond(&s, id, 200, ""); /* is looked at first */
    say_text(client, "TP/1.1\r\nhost: a\r\n\r\n");
    shutdown(client, SHUT_WR);
    CHECK(await_event(EVENT_CLIENT_GONE)->exchange != 0);
    give_up_what_is_left();
    for (int i = 0; i < 6; i++) {
        step();
        give_up_what_is_left();
    }
    CHECK_EQUAL(wire_count(w)->edge_open_now, 0);
    CHECK_EQUAL(wire_count(w)->exchanges_now, 0);
    finish();
}

/* Of several clients whose next requests are about to be looked at without an event, one goes: the others are served. */
static void test_one_of_several_leaves(void)
{
    enum { COUNT = 4 };
    int client[COUNT];
    uint64_t id[COUNT];
    for (int leaving = 0; leaving < COUNT; leaving++) {
        start(NULL);
        service s = join_framed(0);
        for (int i = 0; i < COUNT; i++) {
            client[i] = join_edge();
            id[i] = ask(client[i], GET_A GET_A);
            send_to(&s, id[i]);
        }
        settle();
        for (int i = 0; i < COUNT; i++)
            respond(&s, id[i], 200, "first");
        hang_up(client[leaving]);
        uint32_t answered = 0;
        for (int turn = 0; turn < 4; turn++) {
            step();
            for (uint32_t i = 0; i < wire_request_count(w); i++, answered++)
                answer_text(wire_requests(w)[i].exchange, 200, "second", 0);
        }
        CHECK_EQUAL(answered, COUNT - 1);
        for (int i = 0; i < COUNT; i++)
            if (i != leaving) {
                check_answer(client[i], 200, "first");
                check_answer(client[i], 200, "second");
            }
        finish();
    }
}

/* ---- how answers leave ---- */

static uint8_t large[3 << 20];

static void fill_large(void)
{
    for (uint32_t i = 0; i < sizeof large; i++)
        large[i] = (uint8_t)(i * 2654435761u >> 24);
}

/* Larger than the socket takes: held once, sent on as the client reads, and what the client asks for meanwhile comes after it. */
static void test_slow_reader(void)
{
    uint8_t *body;
    start(NULL);
    int client = join_edge();
    uint64_t id = ask(client, GET_A);
    CHECK_EQUAL(wire_answer(w, id, 200, NULL, 0, large, 1 << 20, 0), WIRE_OK);
    CHECK_EQUAL(wire_count(w)->buffers_now, 1);
    CHECK(wire_count(w)->buffer_bytes_now < (1 << 20) + 1000);
    say_text(client, GET_A);
    settle();
    CHECK_EQUAL(wire_count(w)->requests, 1);
    CHECK_EQUAL(hear_answer(client, 200, &body), 1 << 20);
    CHECK(memcmp(body, large, 1 << 20) == 0);
    if (!wire_request_count(w))
        await_request();
    CHECK_EQUAL(wire_count(w)->requests, 2);
    CHECK_EQUAL(wire_count(w)->buffers_now, 0);
    answer_text(wire_requests(w)->exchange, 200, "2", 0);
    check_answer(client, 200, "2");
    finish();
}

/* A body that fits behind its head in one piece, by the byte, and one that does not. */
static void test_answer_sizes(void)
{
    uint8_t *body;
    start(NULL);
    int client = join_edge();
    for (uint32_t bytes = 65536 - 300; bytes < 65536 + 3; bytes++) {
        CHECK_EQUAL(wire_answer(w, ask(client, GET_A), 200, NULL, 0, large, bytes, 0), WIRE_OK);
        CHECK_EQUAL(hear_answer(client, 200, &body), bytes);
        CHECK(memcmp(body, large, bytes) == 0);
    }
    finish();
}

static void check_leaving_while_written(int half)
{
    uint8_t *body;
    start(NULL);
    int client = join_edge();
    CHECK_EQUAL(wire_answer(w, ask(client, GET_A), 200, NULL, 0, large, 1 << 20, 0), WIRE_OK);
    settle();
    leave(client, half);
    settle();
    CHECK_EQUAL(wire_count(w)->edge_open_now, half);
    CHECK_EQUAL(wire_count(w)->clients_gone, 0);
    if (half) { /* a client that is done asking may still want its answer */
        CHECK_EQUAL(hear_answer(client, 200, &body), 1 << 20);
        CHECK(memcmp(body, large, 1 << 20) == 0);
        settle();
        CHECK(is_closed(client));
    }
    CHECK_EQUAL(wire_count(w)->edge_open_now, 0);
    CHECK_EQUAL(wire_count(w)->buffers_now, 0);
    finish();
}

/* ---- refused ---- */

static void check_refused(const char *request, int detail, enum frame_method method)
{
    start(NULL);
    int client = join_edge();
    say_text(client, request);
    const wire_event *event = await_event(EVENT_BAD_REQUEST);
    uint64_t id = event->exchange;
    CHECK_EQUAL(event->detail, detail);
    CHECK_EQUAL(event->flags, method);
    CHECK_EQUAL(wire_request_count(w), 0);
    const uint8_t *bytes;
    CHECK(wire_head(w, id, &bytes) == NULL);
    service s = join_framed(0);
    CHECK_EQUAL(wire_send(w, id, s.connection, 0, 0, 0, 0, 1, 0, NULL), WIRE_NO_EXCHANGE);
    answer_text(id, 400, method == METHOD_HEAD ? "" : "why", 0);
    check_answer(client, 400, method == METHOD_HEAD ? "" : "why");
    CHECK(strstr((char *)room, "connection: close") != NULL);
    CHECK(is_closed(client));
    CHECK_EQUAL(wire_count(w)->requests_bad, 1);
    finish();
}

static void test_refused(void)
{
    static char too_large[20000];
    check_refused("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", EDGE_NOT_HTTP, METHOD_NONE);
    check_refused("GET /a HTTP/1.1\r\nhost: a\n\r\n", HEAD_BAD_LINE_END, METHOD_NONE);
    check_refused("GET /a HTTP/1.1\r\n\r\n", HEAD_BAD_HOST, METHOD_GET);
    check_refused("PURGE /a HTTP/1.1\r\nhost: a\r\n\r\n", HEAD_UNUSUAL_METHOD, METHOD_NONE);
    memset(too_large, 'a', sizeof too_large - 1);
    check_refused(too_large, HEAD_TOO_LARGE, METHOD_NONE);
}

/* Legal, but not plain. Where something follows its head, nothing is known of it, so the answer is the connection's last. */
static void check_odd(const char *request, int verdict, enum frame_method method)
{
    start(NULL);
    int client = join_edge();
    uint64_t id = ask(client, request);
    CHECK_EQUAL(event_count, 0);
    CHECK_EQUAL(wire_requests(w)[0].method, method);
    CHECK(wire_requests(w)[0].flags & HEAD_ODD);
    const uint8_t *bytes;
    uint32_t body_bytes = 1;
    const http1_head *head = wire_head(w, id, &bytes);
    CHECK(head && head->verdict == verdict && bytes == wire_arena(w));
    CHECK(wire_body(w, id, &body_bytes) && body_bytes == 0);
    answer_text(id, 501, method == METHOD_HEAD ? "" : "why", 0);
    check_answer(client, 501, method == METHOD_HEAD ? "" : "why");
    int has_rest = strstr(request, "chunked") || strstr(request, "content-length");
    int closes = has_rest || strstr(request, "HTTP/1.0");
    CHECK_EQUAL(strstr((char *)room, "connection: close") != NULL, closes);
    CHECK_EQUAL(is_closed(client), closes);
    CHECK_EQUAL(wire_count(w)->requests, 1);
    CHECK_EQUAL(wire_count(w)->requests_bad, 0);
    CHECK_EQUAL(wire_count(w)->edge_open_now, has_rest || !closes); /* it lingers, so that the client reads the answer */
    finish();
}

static void test_odd(void)
{
    check_odd("HEAD /../a HTTP/1.1\r\nhost: a\r\n\r\n", HEAD_UNUSUAL_PATH, METHOD_HEAD);
    check_odd("PUT /a HTTP/1.1\r\nhost: a\r\ncontent-length: 65537\r\n\r\nabc", HEAD_UNUSUAL_BODY, METHOD_PUT);
    check_odd("POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", HEAD_UNUSUAL_ENCODING, METHOD_POST);
    check_odd("GET /a HTTP/1.0\r\n\r\n", HEAD_UNUSUAL_VERSION, METHOD_GET);
    check_odd("OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n", HEAD_UNUSUAL_TARGET, METHOD_OPTIONS);
}

/* The client has sent far more than is read; it must be able to read the answer all the same. On TCP, where a close with
 * input unread is a reset. */
static void check_lingering(uint32_t more_bytes)
{
    start(NULL);
    uint16_t port = listen_on_loopback(SOCKET_EDGE);
    int client = dial(port);
    say_text(client, "POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    say_some(client, large, more_bytes);
    uint64_t id = await_request();
    settle();
    answer_text(id, 501, "not here", 0);
    say_some(client, large, 1000);
    settle();
    check_answer(client, 501, "not here");
    CHECK(is_closed(client));
    CHECK_EQUAL(wire_count(w)->edge_open_now, 1);
    hang_up(client);
    settle();
    CHECK_EQUAL(wire_count(w)->edge_open_now, 0);
    finish();
}

/* Asked to close while more is in the socket than was read: after a request that fills the read exactly, and while it is in
 * flight. */
static void check_close_with_input_unread(int total, int at_once)
{
    static char request[16384];
    start(NULL);
    uint16_t port = listen_on_loopback(SOCKET_EDGE);
    int client = dial(port);
    int head_bytes = sprintf(request, "POST /b HTTP/1.1\r\nhost: abcd\r\ncontent-length: %d\r\n\r\n", total - 55);
    settle();
    say(client, request, (size_t)head_bytes);
    say_some(client, large, (size_t)(total - head_bytes));
    say_some(client, large, 200 * 1024);
    uint64_t id = await_request();
    if (!at_once)
        settle();
    answer_text(id, 401, "who?", 1);
    settle();
    check_answer(client, 401, "who?");
    CHECK(is_closed(client));
    finish();
}

int main(void)
{
    fill_large();
    test_leaving();
    test_leaving_behind_a_pipeline();
    test_one_of_several_leaves();
    test_slow_reader();
    test_answer_sizes();
    check_leaving_while_written(0);
    check_leaving_while_written(1);
    test_refused();
    test_odd();
    check_lingering(200 * 1024);
    check_lingering(0);
    check_close_with_input_unread(16384, 1);
    check_close_with_input_unread(16384, 0);
    check_close_with_input_unread(3000, 0);
    return test_report();
}
