/* Tests of clients that speak TLS: what is carried, and what is refused. How they end is in test_wire_tls_ends.c. */
#include "test_wire_tls_clients.h"

enum { LARGE_BYTES = FRAME_PAYLOAD_BYTES_MAX - 64 };
static uint8_t large[LARGE_BYTES];

static void test_there_and_back(void)
{
    begin();
    int client = join_tls();
    say_sealed_text(client, GET_A);
    step();
    const wire_event *event = find_event(EVENT_TLS_INPUT);
    if (!CHECK(event && event->flags == 1 && event->bytes == strlen(GET_A)))
        return;
    uint32_t connection = event->connection;
    decrypt(event);
    CHECK_EQUAL(wire_request_count(w), 1);
    CHECK_BYTES(wire_arena(w) + wire_requests(w)[0].path, wire_requests(w)[0].path_bytes, "/a", 2);
    answer_text(wire_requests(w)[0].exchange, 200, "hi", 0);
    CHECK(is_silent(client));
    CHECK_EQUAL(encrypt(), 1);
    check_sealed(client, 200, "hi");
    say_sealed_text(client, GET_A);
    const wire_event *again = await_tls_event(EVENT_TLS_INPUT);
    CHECK(again->flags == 0 && again->connection == connection);
    settle_tls();
    CHECK_EQUAL(wire_count(w)->buffers_now, 0);
    end();
}

static void test_pipelined(uint32_t bytes_in_a_record)
{
    begin();
    record_bytes = bytes_in_a_record;
    int client = join_tls();
    say_sealed_text(client, "PUT /1 HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello" GET_A "GET /3 HTTP/1.1\r\nhost: a\r\n\r\n");
    for (int i = 0; i < 3; i++) {
        static const char *const paths[] = {"/1", "/a", "/3"};
        uint64_t id = await_tls_request();
        CHECK_BYTES(came_path, strlen(came_path), paths[i], 2);
        answer_text(id, 200, paths[i], 0);
        check_sealed(client, 200, paths[i]);
    }
    settle_tls();
    CHECK_EQUAL(wire_count(w)->buffers_now, 0);
    end();
}

/* Many records for one body: each is moved once, and the request is one. */
static void test_body_in_small_records(void)
{
    static uint8_t request[65536 + 128];
    int head_bytes = snprintf((char *)request, 128, "PUT /b HTTP/1.1\r\nhost: a\r\ncontent-length: 65536\r\n\r\n");
    memset(request + head_bytes, 'x', 65536);
    begin();
    record_bytes = 3;
    int client = join_tls();
    size_t said = 0, whole = (size_t)head_bytes + 65536;
    for (int i = 0; i < STEPS_MAX && !wire_request_count(w); i++) {
        said += say_sealed(client, request + said, whole - said < 30000 ? whole - said : 30000);
        turn();
    }
    CHECK_EQUAL(wire_request_count(w), 1);
    uint32_t body_bytes = 0;
    const uint8_t *body = wire_body(w, wire_requests(w)[0].exchange, &body_bytes);
    CHECK_BYTES(body, body_bytes, request + head_bytes, 65536);
    answer_text(wire_requests(w)[0].exchange, 200, "", 0);
    check_sealed(client, 200, "");
    end();
}

/* What a client sends while its request is worked on stays in its socket, but for a bounded part. */
static void test_read_ahead_is_bounded(void)
{
    begin();
    int client = join_tls();
    say_sealed_text(client, GET_A);
    uint64_t id = await_tls_request();
    for (int i = 0; i < 100; i++) {
        say_sealed(client, large, 65536);
        turn();
    }
    CHECK(wire_count(w)->buffer_bytes_now <= 2 * (16384 + 65536 + 16384));
    answer_text(id, 200, "hi", 0);
    check_sealed(client, 200, "hi");
    end();
}

static void test_large_answer_to_a_slow_reader(void)
{
    begin();
    int client = join_tls();
    say_sealed_text(client, GET_A);
    CHECK_EQUAL(wire_answer(w, await_tls_request(), 200, NULL, 0, large, LARGE_BYTES, 0), WIRE_OK);
    settle_tls();
    CHECK_EQUAL(wire_count(w)->buffers_now, 1);
    say_sealed_text(client, GET_A);
    settle_tls();
    uint8_t *body = room;
    CHECK_EQUAL(hear_sealed(client, 200, &body), LARGE_BYTES);
    CHECK(memcmp(body, large, LARGE_BYTES) == 0);
    answer_text(await_tls_request(), 200, "next", 0);
    check_sealed(client, 200, "next");
    CHECK_EQUAL(wire_count(w)->buffers_now, 0);
    say_sealed_text(client, GET_A); /* and now it reads nothing at all */
    CHECK_EQUAL(wire_answer(w, await_tls_request(), 200, NULL, 0, large, LARGE_BYTES, 0), WIRE_OK);
    settle_tls();
    advance(21000);
    await_tls_event(EVENT_TLS_CLOSED);
    CHECK_EQUAL(wire_count(w)->edge_write_timeouts, 1);
    end();
}

/* More plaintext than the wire's own memory takes: the rest is held, and all goes out, each to whom it is for. */
static void test_more_answers_than_memory(void)
{
    enum { CLIENTS = 9 };
    int clients[CLIENTS];
    begin();
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = join_tls();
        say_sealed_text(clients[i], GET_A);
    }
    encrypts = 0;
    CHECK_EQUAL(turn(), CLIENTS);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        large[0] = (uint8_t)i;
        CHECK_EQUAL(wire_answer(w, wire_requests(w)[i].exchange, 200, NULL, 0, large, i == 5 ? 10 : LARGE_BYTES, 0), WIRE_OK);
    }
    CHECK_EQUAL(wire_count(w)->buffers_now, CLIENTS - 3);
    hang_up(clients[7]); /* one of those that wait */
    settle_tls();
    encrypts = 1;
    CHECK_EQUAL(encrypt(), CLIENTS - 1);
    for (int i = 0; i < CLIENTS; i++) {
        uint8_t *body = room;
        if (i == 7)
            continue;
        CHECK_EQUAL(hear_sealed(clients[i], 200, &body), i == 5 ? 10 : LARGE_BYTES);
        CHECK_EQUAL(body[0], i);
    }
    CHECK_EQUAL(wire_count(w)->buffers_now, 0);
    CHECK_EQUAL(wire_tls_pending(w), 0);
    end();
}

static void test_bad_request(void)
{
    begin();
    int client = join_tls();
    say_sealed_text(client, "GET /a HTTP/1.1\r\nhost : a\r\n\r\n");
    const wire_event *event = await_tls_event(EVENT_BAD_REQUEST);
    CHECK_EQUAL(event->detail, HEAD_BAD_FIELD_NAME);
    answer_text(event->exchange, 400, "bad", 1);
    check_sealed(client, 400, "bad");
    CHECK(is_closed(client));
    say_sealed_text(client, GET_A); /* read and thrown away */
    settle_tls();
    CHECK_EQUAL(wire_count(w)->edge_open_now, 1);
    hang_up(client);
    await_tls_event(EVENT_TLS_CLOSED);
    end();
}

/* Told by the next step, and there it is still to be had as it came. */
static void test_bad_request_that_is_kept(void)
{
    static const char bad[] = "GET /a HTTP/1.1\r\nhost : a\r\n\r\n";
    wire_settings settings = small_settings();
    wire_handed handed;
    settings.keeps_malformed = 1;
    start(&settings);
    record_bytes = 7;
    encrypts = 1;
    int client = join_tls();
    say_sealed_text(client, bad);
    uint64_t id = await_tls_event(EVENT_BAD_REQUEST)->exchange;
    CHECK_EQUAL(wire_hand_over(w, id, &handed), WIRE_OK);
    CHECK_BYTES(handed.held, handed.held_bytes, bad, strlen(bad));
    CHECK_EQUAL(wire_hand_back(w, id, HAND_BACK_CLOSE, NULL, 0, 0), WIRE_OK);
    end();
}

/* As many as can be at once: each is told of in one of the next steps, and none is lost. */
static void test_many_bad_requests(void)
{
    enum { CLIENTS = 700 };
    static int clients[CLIENTS];
    int told = 0, answered = 0;
    begin();
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = join_tls();
        say_sealed_text(clients[i], i % 2 ? "\1\2\3\4\r\n\r\n" : GET_A);
    }
    for (int i = 0; i < STEPS_MAX && told + answered < CLIENTS; i++) {
        turn();
        for (int k = 0; k < event_count; k++)
            if (wire_events(w)[k].kind == EVENT_BAD_REQUEST) {
                answer_text(wire_events(w)[k].exchange, 400, "bad", 1);
                told++;
            }
        for (uint32_t k = 0; k < wire_request_count(w); k++, answered++)
            answer_text(wire_requests(w)[k].exchange, 200, "good", 0);
    }
    CHECK_EQUAL(told, CLIENTS / 2);
    CHECK_EQUAL(answered, CLIENTS / 2);
    for (int i = 0; i < CLIENTS; i++)
        check_sealed(clients[i], i % 2 ? 400 : 200, i % 2 ? "bad" : "good");
    end();
}

/* A client that does not speak TLS is none of these calls' business. */
static void test_plain_is_not_tls(void)
{
    begin();
    int client = join_edge();
    uint64_t id = ask(client, GET_A);
    uint32_t handle = 1u << 20;
    CHECK_EQUAL(wire_tls_feed(w, handle, (const uint8_t *)"G", 1), WIRE_NO_CONNECTION);
    CHECK_EQUAL(wire_tls_send(w, handle, (const uint8_t *)"G", 1, 1), WIRE_NO_CONNECTION);
    answer_text(id, 200, "hi", 0);
    CHECK_EQUAL(wire_tls_pending(w), 0);
    check_answer(client, 200, "hi");
    end();
}

/* An answer of a service takes the same way. */
static void test_answer_of_a_service(void)
{
    begin();
    service s = join_framed(0);
    int client = join_tls();
    say_sealed_text(client, GET_A);
    uint64_t id = await_tls_request();
    send_to(&s, id);
    hear_frame(&s);
    respond(&s, id, 200, "from afar");
    check_sealed(client, 200, "from afar");
    end();
}

int main(void)
{
    for (uint32_t i = 0; i < LARGE_BYTES; i++)
        large[i] = (uint8_t)(i * 31);
    test_there_and_back();
    test_pipelined(0);
    test_pipelined(7);
    test_pipelined(1);
    test_body_in_small_records();
    test_read_ahead_is_bounded();
    test_large_answer_to_a_slow_reader();
    test_more_answers_than_memory();
    test_bad_request();
    test_bad_request_that_is_kept();
    test_many_bad_requests();
    test_plain_is_not_tls();
    test_answer_of_a_service();
    return test_report();
}
