/* Tests of a connection to a service that we dialled: it says HELLO as one that dialled us does, and our ids carry bit 63, whatever
 * is asked, taken back, refused or lost, while its own ids do not. */
#include "test_wire_frames.h"

static service s;

/* A service that listens, dialled over TCP as a gateway does. */
static service dial_service(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), ours = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, bytes) < 0 || listen(listener, 1) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &bytes) < 0 || connect(ours, (struct sockaddr *)&address, bytes) < 0)
        abort();
    int far = keep_peer(accept(listener, NULL, NULL));
    close(listener);
    int64_t handle = wire_adopt(w, ours, SOCKET_FRAMED, 1);
    CHECK(handle > 0);
    return (service){far, (uint32_t)handle};
}

static void test_greeting(void)
{
    char peer[64];
    start(NULL);
    s = dial_service();
    CHECK(wire_peer(w, s.connection, peer, sizeof peer) > 10);
    CHECK(strncmp(peer, "127.0.0.1:", 10) == 0);
    say_frame(&s, FRAME_HELLO, 0, 0, "{}", 2);
    const wire_event *hello = await_event(EVENT_FRAME);
    CHECK(hello->connection == s.connection && hello->detail == FRAME_HELLO && hello->exchange == 0);
    CHECK_EQUAL(wire_frame(w, s.connection, FRAME_WELCOME, 0, 0, (const uint8_t *)"{}", 2), WIRE_OK);
    wire_flush(w);
    CHECK_EQUAL(hear_frame(&s)->type, FRAME_WELCOME);
    finish();
}

/* Several clients at once, answered in another order. */
static void test_answers(void)
{
    int clients[3];
    uint64_t ids[3];
    start(NULL);
    s = dial_service();
    for (int i = 0; i < 3; i++) {
        ids[i] = ask(clients[i] = join_edge(), GET_A);
        send_to(&s, ids[i]);
        CHECK(hear_frame(&s)->exchange == (ids[i] | BIT_63));
    }
    respond(&s, ids[0], 200, "not the dialler's id");
    settle();
    CHECK_EQUAL(wire_count(w)->foreign_responses, 1);
    for (int i = 2; i >= 0; i--) {
        char body[2] = {(char)('0' + i), 0};
        respond(&s, ids[i] | BIT_63, 200, body);
        check_answer(clients[i], 200, body);
    }
    CHECK_EQUAL(wire_count(w)->answers_from_services, 3);
    finish();
}

static void test_refused_taken_back_and_lost(void)
{
    start(NULL);
    s = dial_service();
    int client = join_edge(), left = join_edge();
    uint64_t id = in_flight(client, &s);
    say_frame(&s, FRAME_REFUSED, 0, id | BIT_63, "\1\0\0\0\0\0\0\144", 8);
    const wire_event *event = await_event(EVENT_REFUSED);
    CHECK(event->exchange == id && event->connection == s.connection && event->a == 100);
    answer_text(id, 503, "", 0);
    check_answer(client, 503, "");
    id = in_flight(client, &s);
    advance(DEADLINE_MS + 10000);
    CHECK(await_event(EVENT_EXPIRED)->exchange == id);
    CHECK_EQUAL(wire_cancel(w, id, 2), WIRE_OK);
    wire_flush(w);
    check_cancel(&s, id | BIT_63, 2);
    answer_text(id, 504, "", 0);
    check_answer(client, 504, "");
    respond(&s, id | BIT_63, 200, "late");
    settle();
    CHECK_EQUAL(wire_count(w)->late_responses, 1);
    id = in_flight(client, &s);
    uint64_t other = in_flight(left, &s);
    hang_up(left);
    CHECK(await_event(EVENT_CLIENT_GONE)->exchange == other);
    hang_up(s.descriptor);
    CHECK_EQUAL(await_event(EVENT_FRAMED_CLOSED)->connection, s.connection);
    CHECK_EQUAL(count_events(EVENT_LOST), 2);
    answer_text(id, 502, "", 0);
    check_answer(client, 502, "");
    CHECK_EQUAL(wire_cancel(w, other, 1), WIRE_OK);
    finish();
}

/* The service asks with an id that is one of ours but for the bit: each side's frames stay with its own exchange. */
static void test_both_sides_ask(void)
{
    static const char call[] = "\0\0\3\350\0\0\1\1\0\2\0\0/x";
    start(NULL);
    s = dial_service();
    uint64_t id = in_stream(join_edge(), &s, 0);
    say_frame(&s, FRAME_REQUEST, FRAME_END, id, call, sizeof call - 1);
    const wire_event *called = await_event(EVENT_CALL);
    CHECK(called->exchange == id && called->connection == s.connection);
    say_frame(&s, FRAME_CREDIT, 0, id | BIT_63, "\0\0\1\0", 4);
    CHECK(await_event(EVENT_STREAM)->exchange == id);
    say_frame(&s, FRAME_CANCEL, 0, id, "\2\0\0\0", 4);
    const wire_event *taken_back = await_event(EVENT_FRAME);
    CHECK(taken_back->exchange == id && taken_back->detail == FRAME_CANCEL);
    CHECK_EQUAL(wire_in_flight(w)[s.connection & 4095], 1); /* ours is not meant */
    CHECK_EQUAL(wire_frame(w, s.connection, FRAME_RESPONSE, FRAME_END, id, (const uint8_t *)"\1\224\0\0", 4), WIRE_OK);
    wire_flush(w);
    const heard_frame *answer = hear_frame(&s);
    CHECK(answer->type == FRAME_RESPONSE && answer->exchange == id);
    say_frame(&s, FRAME_RESPONSE, FRAME_END, id | BIT_63, "\0\310\0\0", 4);
    const wire_event *answered = await_event(EVENT_STREAM);
    CHECK(answered->exchange == id && answered->detail == FRAME_RESPONSE);
    CHECK_EQUAL(wire_in_flight(w)[s.connection & 4095], 0);
    give_back(id, HAND_BACK_CLOSE, "");
    finish();
}

int main(void)
{
    test_greeting();
    test_answers();
    test_refused_taken_back_and_lost();
    test_both_sides_ask();
    return test_report();
}
