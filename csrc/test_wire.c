/* Tests of the wire as a whole: from a client to a service and back with every byte looked at, figures, bounds, and the end.
 * Its parts are looked at closely in the other test_wire_*.c. */
#include "test_wire_frames.h"

static void refused_with(size_t offset, uint32_t value)
{
    wire_settings settings = small_settings();
    memcpy((uint8_t *)&settings + offset, &value, sizeof value);
    errno = 0;
    wire *made = wire_new(&settings);
    CHECK(made == NULL);
    CHECK_EQUAL(errno, EINVAL);
    wire_free(made);
}

#define REFUSED_WITH(setting, value) refused_with(offsetof(wire_settings, setting), value)

static void test_settings(void)
{
    REFUSED_WITH(edge_connections_max, 0);
    REFUSED_WITH(edge_connections_max, 1u << 24);
    REFUSED_WITH(framed_connections_max, 0);
    REFUSED_WITH(framed_connections_max, WIRE_FRAMED_CONNECTIONS_MAX + 1);
    REFUSED_WITH(exchanges_max, 0);
    REFUSED_WITH(exchanges_max, 1u << 24);
    REFUSED_WITH(routes_max, 0);
    REFUSED_WITH(routes_max, WIRE_ROUTES_MAX + 1);
    REFUSED_WITH(framed_output_bytes_max, FRAME_HEADER_BYTES - 1);
    REFUSED_WITH(framed_output_bytes_max, 1u << 30);
    REFUSED_WITH(body_bytes_per_second, 0);
    REFUSED_WITH(idle_jitter_percent, 101);
    REFUSED_WITH(http1.head_bytes_max, 0);
    REFUSED_WITH(http1.head_bytes_max, 65537);
    REFUSED_WITH(http1.fields_max, 0);
    REFUSED_WITH(http1.fields_max, 121);
    REFUSED_WITH(http1.target_bytes_max, 0);
    REFUSED_WITH(http1.target_bytes_max, FRAME_TARGET_BYTES_MAX + 1);
    REFUSED_WITH(http1.body_bytes_max, FRAME_PAYLOAD_BYTES_MAX / 2 + 1);
    wire_free(NULL);
    start(NULL);
    finish();
}

/* ---- there and back ---- */

typedef struct {
    uint8_t table[256], text[1024];
    uint32_t table_bytes, text_bytes, count;
} field_block;

static void put_field(field_block *block, uint8_t id, const char *name, const void *value, uint32_t value_bytes)
{
    uint8_t *entry = block->table + block->table_bytes;
    entry[0] = id;
    entry[1] = (uint8_t)strlen(name);
    frame_write_u16(entry + 2, (uint16_t)value_bytes);
    memcpy(block->text + block->text_bytes, name, strlen(name));
    memcpy(block->text + block->text_bytes + strlen(name), value, value_bytes);
    block->table_bytes += 4;
    block->text_bytes += (uint32_t)strlen(name) + value_bytes;
    block->count++;
}

static uint32_t expected_request(uint8_t *out, uint64_t id, const uint8_t *trace)
{
    static field_block block;
    static const char target[] = "/items/1?x=y", body[] = "hello";
    uint8_t *payload = out + FRAME_HEADER_BYTES, *at = payload + FRAME_REQUEST_FIXED_BYTES;
    block = (field_block){0};
    put_field(&block, FIELD_TENANT, "", "acme", 4);
    put_field(&block, FIELD_CORRELATION_ID, "", "corr-1", 6);
    put_field(&block, FIELD_REQUEST_ID, "", "req-1", 5);
    put_field(&block, FIELD_TRACE, "", trace, WIRE_TRACE_BYTES);
    put_field(&block, FIELD_TRACESTATE, "", "a=b", 3);
    put_field(&block, FIELD_SCHEME, "", "http", 4);
    put_field(&block, 0, "host", "shop.example", 12);
    put_field(&block, 0, "accept", "*/*", 3);
    frame_write_u32(payload, DEADLINE_MS);
    frame_write_u16(payload + 4, 513);
    payload[6] = METHOD_POST;
    payload[7] = 1;
    frame_write_u16(payload + 8, sizeof target - 1);
    frame_write_u16(payload + 10, (uint16_t)block.count);
    memcpy(at, block.table, block.table_bytes);
    at += block.table_bytes;
    memcpy(at, target, sizeof target - 1);
    at += sizeof target - 1;
    memcpy(at, block.text, block.text_bytes);
    at += block.text_bytes;
    memcpy(at, body, sizeof body - 1);
    at += sizeof body - 1;
    frame_write_header(out, (uint32_t)(at - payload), FRAME_REQUEST, FRAME_END, id);
    return (uint32_t)(at - out);
}

static const char post[] = "POST /items/1?x=y HTTP/1.1\r\nHost: shop.example\r\nX-Tenant-Id: acme\r\nAccept:  */* \r\n"
                           "Connection: keep-alive\r\nContent-Length: 5\r\nX-Request-Timeout-Ms: 700\r\n\r\nhello";

static void set_known_context(uint64_t id, const uint8_t *trace)
{
    CHECK_EQUAL(wire_set_context(w, id, FIELD_TENANT, (const uint8_t *)"acme", 4), WIRE_OK);
    CHECK_EQUAL(wire_set_context(w, id, FIELD_CORRELATION_ID, (const uint8_t *)"corr-1", 6), WIRE_OK);
    CHECK_EQUAL(wire_set_context(w, id, FIELD_REQUEST_ID, (const uint8_t *)"req-1", 5), WIRE_OK);
    CHECK_EQUAL(wire_set_context(w, id, FIELD_TRACE, trace, WIRE_TRACE_BYTES), WIRE_OK);
    CHECK_EQUAL(wire_set_context(w, id, FIELD_TRACESTATE, (const uint8_t *)"a=b", 3), WIRE_OK);
}

/* The request's bytes in the frame, and the response's bytes in the answer. dialled: ids carry bit 63. */
static void check_there_and_back(int dialled)
{
    static const uint8_t trace[WIRE_TRACE_BYTES] = "0123456789abcdef01234567\001";
    static uint8_t expected[4096], response[4096];
    static const char answer[] = "HTTP/1.1 201 Created\r\ndate: Fri, 13 Nov 2026 00:00:00 GMT\r\ncontent-length: 7\r\n"
                                 "x-request-id: req-1\r\nx-correlation-id: corr-1\r\n\r\ncreated";
    start(NULL);
    int client = join_edge();
    service s = join_framed(dialled);
    say_text(client, post);
    uint64_t id = await_request();
    const wire_request *request = wire_requests(w);
    CHECK_EQUAL(wire_request_count(w), 1);
    CHECK_BYTES(wire_arena(w) + request->path, request->path_bytes, "/items/1", 8);
    CHECK_EQUAL(request->method, METHOD_POST);
    CHECK_EQUAL(request->flags, HEAD_HAS_TENANT | HEAD_HAS_REQUEST_TIMEOUT);
    uint32_t body_bytes = 0;
    const uint8_t *body = wire_body(w, id, &body_bytes);
    CHECK_BYTES(body, body_bytes, "hello", 5);
    const uint8_t *bytes;
    const http1_head *head = wire_head(w, id, &bytes);
    CHECK_EQUAL(head->field_count, 6);
    CHECK_BYTES(bytes, head->head_bytes, post, sizeof post - 6);
    set_known_context(id, trace);
    CHECK_EQUAL(wire_send(w, id, s.connection, 3, 513, 0, 0, DEADLINE_MS, 0, NULL), WIRE_OK);
    CHECK_EQUAL(wire_in_flight(w)[s.connection & 4095], 1);
    wire_flush(w);
    uint64_t on_wire = id | (dialled ? BIT_63 : 0);
    uint32_t expected_bytes = expected_request(expected, on_wire, trace);
    if (hear_bytes(s.descriptor, 0, expected_bytes))
        CHECK_BYTES(room, expected_bytes, expected, expected_bytes);
    CHECK(is_silent(s.descriptor));
    say(s.descriptor, response,
        put_response(response, on_wire, FRAME_END, 201, "date", "Fri, 13 Nov 2026 00:00:00 GMT", "created", 7));
    step();
    CHECK_EQUAL(event_count, 0);
    if (hear_bytes(client, 0, sizeof answer - 1))
        CHECK_BYTES(room, sizeof answer - 1, answer, sizeof answer - 1);
    CHECK(is_silent(client));
    CHECK_EQUAL(wire_in_flight(w)[s.connection & 4095], 0);
    CHECK_EQUAL(wire_count(w)->answers_from_services, 1);
    uint64_t again = ask(client, GET_A); /* and the connection is good for another */
    answer_text(again, 204, "", 0);
    check_answer(client, 204, "");
    finish();
}

static void test_head_and_close(void)
{
    static uint8_t response[4096], *body;
    start(NULL);
    int client = join_edge();
    service s = join_framed(0);
    uint64_t id = ask(client, "HEAD /a HTTP/1.1\r\nhost: a\r\n\r\n");
    send_to(&s, id);
    hear_frame(&s);
    say(s.descriptor, response, put_response(response, id, FRAME_END, 200, NULL, NULL, "0123456789", 10));
    uint32_t head_bytes = hear_head(client);
    CHECK(head_bytes && memmem(room, head_bytes, "content-length: 10\r\n", 20));
    CHECK(is_silent(client));
    answer_text(ask(client, "HEAD /a HTTP/1.1\r\nhost: a\r\n\r\n"), 404, "nothing", 0);
    head_bytes = hear_head(client);
    CHECK(head_bytes && memmem(room, head_bytes, "content-length: 7\r\n", 19) && !memmem(room, head_bytes, "connection:", 11));
    CHECK(is_silent(client));
    id = ask(client, "GET /a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    CHECK_EQUAL(wire_requests(w)[0].flags, 0);
    answer_text(id, 200, "bye", 0);
    CHECK_EQUAL(hear_answer(client, 200, &body), 3);
    CHECK(memmem(room, (size_t)(body - room), "connection: close\r\n", 19) != NULL);
    CHECK(is_closed(client));
    int another = join_edge();
    answer_text(ask(another, GET_A), 401, "no", 1);
    check_answer(another, 401, "no");
    CHECK(is_closed(another));
    settle();
    CHECK_EQUAL(wire_count(w)->edge_open_now, 0);
    finish();
}

/* ---- figures ---- */

static void test_figures(void)
{
    start(NULL);
    int client = join_edge();
    service s = join_framed(0);
    uint32_t slot = s.connection & 4095;
    CHECK(wire_latency_us(w)[slot] == 0);
    CHECK(wire_route_latency(w, 1) == NULL && wire_route_latency(w, 4) == NULL && wire_route_statuses(w, 4) == NULL);
    static const int statuses[] = {200, 200, 301, 404, 503};
    for (int i = 0; i < 5; i++) {
        in_flight(client, &s);
        advance(20);
        respond(&s, frame_read_u64(room + 8), statuses[i], "");
        check_answer(client, statuses[i], "");
    }
    const uint64_t *classes = wire_route_statuses(w, 1), *latencies = wire_route_latency(w, 1);
    CHECK(classes[1] == 0 && classes[2] == 2 && classes[3] == 1 && classes[4] == 1 && classes[5] == 1);
    uint64_t counted = 0, from_20_ms = 0;
    for (uint32_t i = 0; i < WIRE_LATENCY_COUNTS; i++) {
        counted += latencies[i];
        from_20_ms += i >= 128 * 6 ? latencies[i] : 0; /* 2^14 us and more */
    }
    CHECK_EQUAL(counted, 5);
    CHECK_EQUAL(from_20_ms, 5);
    CHECK(wire_latency_us(w)[slot] > 100000.0f); /* the 503 counted as a second slower */
    wire_route_reset(w, 1);
    wire_route_reset(w, 4);
    CHECK(wire_route_latency(w, 1) == NULL && classes[2] == 0 && classes[5] == 0);
    const wire_counters *c = wire_count(w);
    CHECK_EQUAL(c->requests, 5);
    CHECK_EQUAL(c->answers, 5);
    CHECK_EQUAL(c->answers_from_services, 5);
    CHECK_EQUAL(c->frames_in, 5);
    CHECK_EQUAL(c->frames_out, 5);
    CHECK_EQUAL(c->batch_requests_max, 1);
    CHECK_EQUAL(c->edge_bytes_in, 5 * strlen(GET_A));
    finish();
}

/* ---- bounds and the end ---- */

static void test_exchanges_max(void)
{
    wire_settings settings = small_settings();
    settings.exchanges_max = 1;
    start(&settings);
    int first = join_edge(), second = join_edge(), third = join_edge();
    uint64_t id = ask(first, GET_A);
    say_text(second, GET_A);
    step();
    CHECK_EQUAL(event_count, 0);
    CHECK_EQUAL(wire_request_count(w), 0);
    check_answer(second, 503, "");
    CHECK(is_closed(second));
    say_text(third, "nonsense\r\n\r\n"); /* what would be refused finds no exchange either */
    step();
    CHECK_EQUAL(event_count, 0);
    check_answer(third, 503, "");
    CHECK_EQUAL(wire_count(w)->exchanges_full, 2);
    answer_text(id, 200, "", 0);
    check_answer(first, 200, "");
    answer_text(ask(first, GET_A), 200, "", 0);
    check_answer(first, 200, "");
    finish();
}

static void test_drain(void)
{
    uint8_t *body;
    start(NULL);
    int idle = join_edge(), busy = join_edge(), half = join_edge();
    service s = join_framed(0);
    uint64_t id = in_flight(busy, &s);
    say_text(half, "GET /a HT");
    settle();
    wire_drain_edge(w, 0);
    CHECK(is_closed(idle));
    respond(&s, id, 200, "last");
    CHECK_EQUAL(hear_answer(busy, 200, &body), 4);
    CHECK(memmem(room, (size_t)(body - room), "connection: close\r\n", 19) != NULL);
    CHECK(is_closed(busy));
    answer_text(ask(half, "TP/1.1\r\nhost: a\r\n\r\n"), 200, "too", 0);
    check_answer(half, 200, "too");
    CHECK(is_closed(half));
    settle();
    CHECK_EQUAL(wire_count(w)->edge_open_now, 0);
    finish();
}

static void check_calls_after_shut(uint64_t id, uint32_t connection)
{
    uint8_t out[64];
    const uint8_t *bytes;
    CHECK_EQUAL(wire_step(w, 1000), WIRE_SYSTEM);
    CHECK(wire_head(w, id, &bytes) == NULL);
    CHECK_EQUAL(wire_send(w, id, connection, 0, 0, 0, 0, 1, 0, NULL), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_answer(w, id, 200, NULL, 0, NULL, 0, 0), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_set_context(w, id, FIELD_TENANT, out, 1), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_get_context(w, id, FIELD_REQUEST_ID, out), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_age_ms(w, id), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_frame(w, connection, FRAME_CANCEL, 0, 1, out, 4), WIRE_NO_CONNECTION);
    CHECK_EQUAL(wire_close(w, connection), WIRE_NO_CONNECTION);
    CHECK_EQUAL(wire_peer(w, connection, (char *)out, sizeof out), WIRE_NO_CONNECTION);
    wire_flush(w);
    wire_drain_edge(w, 0);
    wire_stop_listening(w, SOCKET_EDGE);
    wire_advance_clock(w, 100000);
    wire_route_reset(w, 1);
    CHECK(wire_route_latency(w, 1) == NULL);
    CHECK_EQUAL(wire_has_more(w), 0);
    CHECK_EQUAL(wire_count(w)->requests, 3);
    CHECK_EQUAL(wire_count(w)->buffers_now, 0);
}

/* Shut in the midst of everything: in flight, half read, half written, listening, dying. */
static void test_shut(void)
{
    static uint8_t body[1 << 20];
    int pair[2];
    start(NULL);
    listen_on_loopback(SOCKET_EDGE);
    listen_on_loopback(SOCKET_FRAMED);
    int busy = join_edge(), half = join_edge(), slow = join_edge(), fresh = join_edge();
    service s = join_framed(0), dying = join_framed(1), half_said = join_framed(0);
    uint64_t id = in_flight(busy, &s);
    say_text(half, "GET /a HT");
    CHECK_EQUAL(wire_answer(w, ask(slow, GET_A), 200, NULL, 0, body, sizeof body, 0), WIRE_OK);
    say(half_said.descriptor, "\0\0", 2);
    wire_frame(w, s.connection, FRAME_DATA, 0, 9, body, 1 << 20);
    uint64_t undecided = ask(fresh, GET_A);
    CHECK_EQUAL(wire_close(w, dying.connection), WIRE_OK);
    wire_shut(w);
    check_calls_after_shut(id, s.connection);
    CHECK_EQUAL(wire_answer(w, undecided, 200, NULL, 0, NULL, 0, 0), WIRE_NO_EXCHANGE);
    CHECK(is_closed(half));
    CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    CHECK_EQUAL(wire_adopt(w, pair[0], SOCKET_EDGE, 0), WIRE_SYSTEM);
    close(pair[1]);
    CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    CHECK_EQUAL(wire_adopt(w, pair[0], SOCKET_FRAMED, 0), WIRE_SYSTEM);
    CHECK_EQUAL(wire_listen(w, pair[1], SOCKET_FRAMED), WIRE_SYSTEM);
    close(pair[1]); /* which a listener that was refused still is */
    wire_shut(w);
    wire_free(w);
    for (int i = 0; i < peer_count; i++)
        close(peers[i]);
    CHECK_EQUAL(count_descriptors(), descriptors_before);
}

int main(void)
{
    test_settings();
    check_there_and_back(0);
    check_there_and_back(1);
    test_head_and_close();
    test_figures();
    test_exchanges_max();
    test_drain();
    test_shut();
    return test_report();
}
