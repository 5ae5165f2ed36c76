/* Tests of clients that speak TLS. What is between ciphertext and plaintext is the caller's, so here it is one exclusive or; a byte
 * that went around it would be seen. */
#include "test_wire_frames.h"

enum { KEY = 0x5a, LARGE_BYTES = FRAME_PAYLOAD_BYTES_MAX - 64 };
static uint8_t large[LARGE_BYTES], sealed[WIRE_TLS_PLAIN_BYTES];
static uint32_t record_bytes; /* of what is fed in one go; 0: all at once */
static int encrypts;          /* whether turn does, or leaves the answers where they are */

static const uint8_t *turn_over(const uint8_t *bytes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        sealed[i] = bytes[i] ^ KEY;
    return sealed;
}

static void decrypt(const wire_event *event)
{
    uint32_t at_once = record_bytes ? record_bytes : event->bytes;
    for (uint32_t at = 0; at < event->bytes; at += at_once) {
        uint32_t count = event->bytes - at < at_once ? event->bytes - at : at_once;
        if (wire_tls_feed(w, event->connection, turn_over(wire_arena(w) + event->at + at, count), count) != WIRE_OK)
            return;
    }
}

/* Returns how many answers there were. */
static uint32_t encrypt(void)
{
    uint32_t count, all = 0;
    while ((count = wire_tls_pending(w))) {
        all += count;
        for (uint32_t i = 0; i < count; i++) {
            wire_tls_output out = wire_tls_outputs(w)[i];
            wire_tls_send(w, out.connection, turn_over(wire_tls_plain(w) + out.at, out.bytes), out.bytes, 1);
        }
    }
    return all;
}

static uint64_t came;        /* the request that came last, until somebody awaits it */
static char came_path[64];

/* One step, and what a caller that speaks TLS does then. Returns the step's requests. */
static uint32_t turn(void)
{
    step();
    for (int i = 0; i < event_count; i++)
        if (wire_events(w)[i].kind == EVENT_TLS_INPUT)
            decrypt(&wire_events(w)[i]);
    if (wire_request_count(w)) {
        wire_request request = wire_requests(w)[0];
        came = request.exchange;
        snprintf(came_path, sizeof came_path, "%.*s", request.path_bytes, (const char *)wire_arena(w) + request.path);
    }
    if (encrypts)
        encrypt();
    wire_flush(w);
    return wire_request_count(w);
}

static void settle_tls(void)
{
    for (int i = 0, idle = 0; i < STEPS_MAX && idle < 3; i++) {
        turn();
        idle = wire_was_active(w) || wire_has_more(w) ? 0 : idle + 1;
    }
}

static uint64_t await_tls_request(void)
{
    for (int i = 0; i < STEPS_MAX && !came; i++)
        turn();
    CHECK(came != 0);
    uint64_t id = came;
    came = 0;
    return id;
}

static const wire_event *await_tls_event(int kind)
{
    static const wire_event none;
    for (int i = 0; i < STEPS_MAX; i++) {
        turn();
        const wire_event *found = find_event(kind);
        if (found)
            return found;
    }
    CHECK_EQUAL(0, kind);
    return &none;
}

static void begin(void)
{
    wire_settings settings = small_settings();
    settings.edge_connections_max = 1024;
    settings.exchanges_max = 2000;
    start(&settings);
    record_bytes = 0;
    came = 0;
    encrypts = 1;
}

static int join_tls(void)
{
    int64_t result;
    int descriptor = join(SOCKET_EDGE_TLS, 0, &result);
    CHECK_EQUAL(result, 0);
    return descriptor;
}

static size_t say_sealed(int client, const void *plain, size_t count)
{
    return say_some(client, turn_over(plain, (uint32_t)count), count);
}

static void say_sealed_text(int client, const char *text)
{
    CHECK_EQUAL(say_sealed(client, text, strlen(text)), strlen(text));
}

/* Reads what there is, turned over, to room. */
static uint32_t hear_some(int client, uint32_t at, uint32_t most)
{
    ssize_t got = recv(client, room + at, most, MSG_DONTWAIT);
    for (ssize_t i = 0; i < got; i++)
        room[at + i] ^= KEY;
    return got > 0 ? (uint32_t)got : 0;
}

/* Reads one answer: head at room, body behind it. Returns the body's length. */
static uint32_t hear_sealed(int client, int status, uint8_t **body)
{
    uint32_t heard = 0, whole = 0;
    room[0] = 0;
    for (int i = 0; i < STEPS_MAX && (!whole || heard < whole); i++) {
        heard += hear_some(client, heard, whole ? whole - heard : 1);
        uint8_t *end = whole ? NULL : memmem(room, heard, "\r\n\r\n", 4);
        if (end) {
            const char *length = memmem(room, heard, "content-length: ", 16);
            *body = end + 4;
            whole = heard + (uint32_t)(length ? atoi(length + 16) : 0);
        }
        if (whole || is_silent(client))
            turn();
        else
            i--;
    }
    if (!CHECK(whole && heard == whole))
        return 0;
    CHECK_EQUAL(atoi((char *)room + 9), status);
    return heard - (uint32_t)(*body - room);
}

static void check_sealed(int client, int status, const char *text)
{
    uint8_t *body = room;
    uint32_t count = hear_sealed(client, status, &body);
    CHECK_BYTES(body, count, text, strlen(text));
}

static void end(void)
{
    encrypts = 1;
    for (int i = 0; i < peer_count; i++)
        if (peers[i] >= 0)
            hang_up(peers[i]);
    for (int i = 0, idle = 0; i < STEPS_MAX && idle < 3; i++) {
        turn();
        give_up_what_is_left();
        idle = wire_was_active(w) || wire_has_more(w) ? 0 : idle + 1;
    }
    finish();
}

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
    test_many_ends();
    test_handshake_timeout();
    check_goodbye(0);
    check_goodbye(1);
    test_goodbye_that_is_not_said();
    test_drain();
    test_end_by_the_caller();
    test_plain_is_not_tls();
    for (int stage = 0; stage < 4; stage++)
        for (int half = 0; half < 2; half++)
            check_leaving(stage, half);
    test_handed_over();
    test_handed_back_to_be_closed();
    test_answer_of_a_service();
    test_shut_with_everything_pending();
    test_listeners_share_places();
    test_stop_listening();
    return test_report();
}
