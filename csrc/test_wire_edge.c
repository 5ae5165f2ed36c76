/* Tests of the wire's clients: how requests may come, how clients may go, and how answers leave. Time is in test_wire_time.c. */
#include "test_wire_support.h"

static const char put_body[] = "PUT /b HTTP/1.1\r\nhost: a\r\ncontent-length: 11\r\n\r\nhello world";

static void answer_body(uint64_t id)
{
    uint32_t body_bytes = 0;
    const uint8_t *body = wire_body(w, id, &body_bytes);
    CHECK_EQUAL(wire_answer(w, id, 200, NULL, 0, body, body_bytes, 0), WIRE_OK);
}

/* ---- how requests come ---- */

static void test_byte_by_byte(void)
{
    start(NULL);
    int client = join_edge();
    for (int turn = 0; turn < 2; turn++) {
        uint32_t early = 0;
        for (size_t i = 0; i < sizeof put_body - 1; i++) {
            early += wire_request_count(w);
            say(client, put_body + i, 1);
            step();
        }
        CHECK_EQUAL(early, 0);
        if (CHECK_EQUAL(wire_request_count(w), 1))
            answer_body(wire_requests(w)->exchange);
        check_answer(client, 200, "hello world");
        step();
    }
    finish();
}

static void test_split_everywhere(void)
{
    start(NULL);
    int client = join_edge();
    for (size_t at = 1; at < sizeof put_body - 1; at++) {
        say(client, put_body, at);
        step();
        CHECK_EQUAL(wire_request_count(w), 0);
        say(client, put_body + at, sizeof put_body - 1 - at);
        answer_body(await_request());
        check_answer(client, 200, "hello world");
    }
    CHECK_EQUAL(wire_count(w)->requests, sizeof put_body - 2);
    finish();
}

/* Steps and answers what comes with its own target, until nothing more does. Returns how many were answered. */
static uint32_t answer_all(void)
{
    uint32_t answered = 0;
    for (int idle = 0; idle < 3; idle = wire_was_active(w) ? 0 : idle + 1) {
        step();
        for (uint32_t i = 0; i < wire_request_count(w); i++) {
            const wire_request *request = &wire_requests(w)[i];
            CHECK_EQUAL(wire_answer(w, request->exchange, 200, NULL, 0, wire_arena(w) + request->path, request->path_bytes, 0), WIRE_OK);
            answered++;
        }
    }
    return answered;
}

static void test_pipelined(void)
{
    static char requests[8192], expected[16];
    enum { COUNT = 100 };
    char *at = requests;
    start(NULL);
    int client = join_edge();
    for (int i = 0; i < COUNT; i++)
        at += sprintf(at, "GET /%d HTTP/1.1\r\nhost: a\r\n\r\n", i);
    say_text(client, requests);
    CHECK_EQUAL(answer_all(), COUNT);
    for (int i = 0; i < COUNT; i++) {
        sprintf(expected, "/%d", i);
        check_answer(client, 200, expected);
    }
    CHECK_EQUAL(wire_count(w)->batch_requests_max, 1);
    finish();
}

/* Far more than the wire reads ahead: it is left in the socket, then all of it is answered. with_body: half of the bodies are large,
 * so that the bound cuts requests everywhere. */
static void check_read_ahead(uint32_t count, uint32_t body_bytes)
{
    static char request[1 << 16];
    char head[200];
    wire_settings settings = small_settings();
    settings.http1.head_bytes_max = 2048;
    settings.http1.body_bytes_max = 40000;
    start(&settings);
    int client = join_edge();
    uint32_t made = 0, answered = 0;
    size_t request_bytes = 0, said = 0, most = 0;
    for (int idle = 0; idle < 3; idle = wire_was_active(w) ? 0 : idle + 1) {
        while (made < count || said < request_bytes) {
            if (said == request_bytes) {
                uint32_t large = made % 2 ? body_bytes : 0;
                int head_bytes = snprintf(head, sizeof head, "POST /%u HTTP/1.1\r\nhost: a\r\ncontent-length: %u\r\n\r\n", made, large);
                memcpy(request, head, (size_t)head_bytes);
                memset(request + head_bytes, 'b', large);
                request_bytes = (size_t)head_bytes + large;
                said = 0;
                made++;
            }
            size_t took = say_some(client, request + said, request_bytes - said);
            said += took;
            if (took == 0)
                break;
            idle = 0;
        }
        step();
        most = wire_count(w)->buffer_bytes_now > most ? wire_count(w)->buffer_bytes_now : most;
        for (uint32_t i = 0; i < wire_request_count(w); i++) {
            uint64_t id = wire_requests(w)[i].exchange;
            uint32_t came;
            char number[16];
            CHECK(wire_body(w, id, &came) != NULL);
            CHECK_EQUAL(came, answered % 2 ? body_bytes : 0);
            snprintf(number, sizeof number, "/%u", answered++);
            CHECK_BYTES(wire_arena(w) + wire_requests(w)[i].path, wire_requests(w)[i].path_bytes, number, strlen(number));
            answer_text(id, 204, "", 0);
            while (recv(client, room, sizeof room, MSG_DONTWAIT) > 0)
                ;
        }
    }
    CHECK_EQUAL(answered, count);
    CHECK(most <= 2048 + 40000 + 16384);
    finish();
}

/* The same, but everything is said, and read ahead, while the first request is still worked on: no later event tells of it. */
static void test_read_ahead_behind_one(void)
{
    static char request[1 << 16];
    uint32_t count = 1, answered = 0;
    start(NULL);
    int client = join_edge();
    uint64_t first = ask(client, GET_A);
    for (;; count++) {
        int head_bytes = sprintf(request, "POST /b HTTP/1.1\r\nhost: a\r\ncontent-length: 50000\r\n\r\n");
        memset(request + head_bytes, 'b', 50000);
        size_t said = say_some(client, request, (size_t)head_bytes + 50000);
        settle();
        if (said < (size_t)head_bytes + 50000) {
            for (int i = 0; i < 3 && said < (size_t)head_bytes + 50000; i++) {
                if (i == 0)
                    answer_text(first, 204, "", 0);
                answered += i == 0;
                step();
                for (uint32_t at = 0; at < wire_request_count(w); at++, answered++)
                    answer_text(wire_requests(w)[at].exchange, 204, "", 0);
                said += say_some(client, request + said, (size_t)head_bytes + 50000 - said);
            }
            CHECK_EQUAL(said, head_bytes + 50000);
            count++;
            break;
        }
    }
    CHECK(count > 3);
    answered += answer_all();
    CHECK_EQUAL(answered, count);
    finish();
}

/* A request that ends where a read is exactly full, a byte before and a byte after: whether there is more is open, and no event will
 * tell. Then another request right behind it. */
static void test_read_exactly_full(void)
{
    static char request[70000];
    start(NULL);
    int client = join_edge();
    for (int total = 16384 - 1; total <= 4 * 16384 + 1; total += total % 16384 == 1 ? 16384 - 2 : 1) {
        int body_bytes = total - 55;
        int head_bytes = sprintf(request, "POST /b HTTP/1.1\r\nhost: abcd\r\ncontent-length: %d\r\n\r\n", body_bytes);
        memset(request + head_bytes, 'b', (size_t)body_bytes);
        CHECK_EQUAL(head_bytes, 55);
        sprintf(request + head_bytes + body_bytes, GET_A);
        say_text(client, request);
        uint64_t id = await_request();
        uint32_t came;
        wire_body(w, id, &came);
        CHECK_EQUAL(came, body_bytes);
        answer_text(id, 200, "1", 0);
        answer_text(await_request(), 200, "2", 0);
        check_answer(client, 200, "1");
        check_answer(client, 200, "2");
    }
    finish();
}

/* More large requests in one step than the arena holds: what finds no room is read in the next step, without another event. */
static void test_arena_full(void)
{
    enum { CLIENTS = 64, BODY = 140000 };
    static uint8_t body[BODY];
    static int clients[CLIENTS];
    char head[100];
    wire_settings settings = small_settings();
    settings.http1.body_bytes_max = 500000;
    start(&settings);
    snprintf(head, sizeof head, "POST /b HTTP/1.1\r\nhost: abcd\r\ncontent-length: %d\r\n\r\n", BODY);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = join_edge();
        say_text(clients[i], head);
        say(clients[i], body, BODY);
    }
    uint32_t answered = 0, most = 0;
    for (int i = 0; i < STEPS_MAX && answered < CLIENTS; i++) {
        step();
        most = wire_request_count(w) > most ? wire_request_count(w) : most;
        for (uint32_t at = 0; at < wire_request_count(w); at++, answered++)
            answer_text(wire_requests(w)[at].exchange, 200, "", 0);
    }
    CHECK_EQUAL(answered, CLIENTS);
    CHECK(most > 1);
    for (int i = 0; i < CLIENTS; i++)
        check_answer(clients[i], 200, "");
    finish();
}

/* ---- how clients go ---- */

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
    static const char *const said[] = {"", "GET /a HT", "PUT /b HTTP/1.1\r\nhost: a\r\ncontent-length: 11\r\n\r\nhello", GET_A, GET_A, GET_A, "GET /a HT"};
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
    CHECK_EQUAL(wire_send(w, id, s.connection, 0, 0, 1, 1), WIRE_NO_EXCHANGE);
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
    check_refused("HEAD /../a HTTP/1.1\r\nhost: a\r\n\r\n", HEAD_UNUSUAL_PATH, METHOD_HEAD);
    check_refused("PUT /a HTTP/1.1\r\nhost: a\r\ncontent-length: 65537\r\n\r\n", HEAD_UNUSUAL_BODY, METHOD_PUT);
    memset(too_large, 'a', sizeof too_large - 1);
    check_refused(too_large, HEAD_TOO_LARGE, METHOD_NONE);
}

/* The client has sent far more than is read; it must be able to read the answer all the same. On TCP, where a close with input unread
 * is a reset. */
static void check_lingering(uint32_t more_bytes)
{
    start(NULL);
    uint16_t port = listen_on_loopback(SOCKET_EDGE);
    int client = dial(port);
    say_text(client, "POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    say_some(client, large, more_bytes);
    uint64_t id = await_event(EVENT_BAD_REQUEST)->exchange;
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

/* Asked to close while more is in the socket than was read: after a request that fills the read exactly, and while it is in flight. */
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
    test_byte_by_byte();
    test_split_everywhere();
    test_pipelined();
    check_read_ahead(400, 0);
    check_read_ahead(60, 39000);
    check_read_ahead(60, 9000);
    check_read_ahead(60, 17000);
    test_read_ahead_behind_one();
    test_read_exactly_full();
    test_arena_full();
    test_leaving();
    test_leaving_behind_a_pipeline();
    test_slow_reader();
    test_answer_sizes();
    check_leaving_while_written(0);
    check_leaving_while_written(1);
    test_refused();
    check_lingering(200 * 1024);
    check_lingering(0);
    check_close_with_input_unread(16384, 1);
    check_close_with_input_unread(16384, 0);
    check_close_with_input_unread(3000, 0);
    return test_report();
}
