/* Tests of how requests may come to the wire: byte by byte, split, pipelined, ahead of every bound, more at once than a step
 * can hold. */
#include "test_wire_support.h"

static const char put_body[] = "PUT /b HTTP/1.1\r\nhost: a\r\ncontent-length: 11\r\n\r\nhello world";

static void answer_body(uint64_t id)
{
    uint32_t body_bytes = 0;
    const uint8_t *body = wire_body(w, id, &body_bytes);
    CHECK_EQUAL(wire_answer(w, id, 200, NULL, 0, body, body_bytes, 0), WIRE_OK);
}

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
            const uint8_t *path = wire_arena(w) + request->path;
            CHECK_EQUAL(wire_answer(w, request->exchange, 200, NULL, 0, path, request->path_bytes, 0), WIRE_OK);
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

/* Far more than the wire reads ahead: it is left in the socket, then all of it is answered. Every other body is large,
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
                int head_bytes =
                    snprintf(head, sizeof head, "POST /%u HTTP/1.1\r\nhost: a\r\ncontent-length: %u\r\n\r\n", made, large);
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

/* A request that ends where a read is exactly full, a byte before and a byte after: whether there is more is open, and no
 * event will tell. Then another request right behind it. */
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

int main(void)
{
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
    return test_report();
}
