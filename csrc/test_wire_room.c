/* Tests of wire_want_room and EVENT_FRAMED_ROOM: who sends streams waits, and is told once when that is over. */
#include "test_wire_frames.h"

enum { BLOCK = 50000 };
static uint8_t block[BLOCK];

static uint32_t unsent(const service *s)
{
    return wire_unsent(w)[s->connection & 4095];
}

static void write_blocks(const service *s, int count)
{
    while (count--)
        CHECK_EQUAL(wire_frame(w, s->connection, FRAME_DATA, 0, 1, block, BLOCK), WIRE_OK);
}

/* Fills the socket, too, so that more than the bound stays unsent. */
static void congest(const service *s)
{
    do {
        write_blocks(s, 6);
        wire_flush(w);
    } while (unsent(s) <= WIRE_ROOM_BYTES + BLOCK);
}

static void read_all(const service *s)
{
    while (recv(s->descriptor, room, ROOM, MSG_DONTWAIT) > 0)
        ;
}

/* Reads on until the event comes, at most a few times. */
static int drain_until_told(const service *s)
{
    for (int i = 0; i < STEPS_MAX; i++) {
        read_all(s);
        step();
        if (find_event(EVENT_FRAMED_ROOM))
            return 1;
    }
    return 0;
}

static void drain_quietly(const service *s)
{
    for (int i = 0; i < STEPS_MAX && (unsent(s) || i < 3); i++) {
        read_all(s);
        step();
        CHECK_EQUAL(event_count, 0);
    }
    CHECK_EQUAL(unsent(s), 0);
}

static void test_bound(void)
{
    start(NULL);
    service s = join_framed(0);
    CHECK_EQUAL(wire_want_room(w, s.connection), 1);
    write_blocks(&s, 5); /* 250,080 bytes */
    CHECK_EQUAL(wire_want_room(w, s.connection), 1);
    write_blocks(&s, 1);
    CHECK_EQUAL(wire_want_room(w, s.connection), 0);
    CHECK_EQUAL(wire_want_room(w, s.connection + 1), WIRE_NO_CONNECTION);
    CHECK_EQUAL(wire_want_room(w, 0), WIRE_NO_CONNECTION);
    finish();
}

static void test_told_once(void)
{
    start(NULL);
    service s = join_framed(0);
    congest(&s);
    CHECK_EQUAL(wire_want_room(w, s.connection), 0);
    CHECK_EQUAL(wire_want_room(w, s.connection), 0);
    settle();
    CHECK_EQUAL(event_count, 0);
    CHECK(drain_until_told(&s));
    CHECK_EQUAL(event_count, 1);
    CHECK_EQUAL(wire_events(w)[0].connection, s.connection);
    CHECK(unsent(&s) <= WIRE_ROOM_BYTES / 2);
    CHECK_EQUAL(wire_want_room(w, s.connection), 1);
    drain_quietly(&s);
    congest(&s); /* and nobody is told who did not ask */
    drain_quietly(&s);
    congest(&s);
    CHECK_EQUAL(wire_want_room(w, s.connection), 0);
    CHECK(drain_until_told(&s));
    finish();
}

/* The fall comes with a flush that is in no step: whoever waits on the descriptor is woken. */
static void test_outside_a_step(void)
{
    start(NULL);
    service s = join_framed(0);
    settle();
    write_blocks(&s, 6);
    CHECK_EQUAL(wire_want_room(w, s.connection), 0);
    while (unsent(&s)) {
        wire_flush(w);
        read_all(&s);
        if (unsent(&s))
            write_blocks(&s, 1); /* dirty again, so that the next flush sends */
    }
    CHECK(wire_has_more(w));
    struct pollfd waited = {.fd = wire_descriptor(w), .events = POLLIN};
    CHECK_EQUAL(poll(&waited, 1, 5000), 1);
    step();
    CHECK_EQUAL(event_count, 1);
    CHECK_EQUAL(wire_events(w)[0].kind, EVENT_FRAMED_ROOM);
    CHECK(!wire_has_more(w));
    finish();
}

/* Asked for again before the first is told: the list of whom to tell stays whole. */
static void test_asked_again_before_it_is_told(void)
{
    start(NULL);
    service s = join_framed(0), other = join_framed(0);
    settle();
    for (int i = 0; i < 3; i++) {
        write_blocks(&s, 6);
        CHECK_EQUAL(wire_want_room(w, s.connection), 0);
        write_blocks(&other, 6);
        CHECK_EQUAL(wire_want_room(w, other.connection), 0);
        while (unsent(&s) || unsent(&other)) {
            wire_flush(w);
            read_all(&s);
            read_all(&other);
            for (int at = 0; at < 2; at++)
                if (unsent(at ? &s : &other))
                    CHECK_EQUAL(wire_frame(w, at ? s.connection : other.connection, FRAME_DATA, 0, 1, block, 1), WIRE_OK);
        }
    }
    step();
    CHECK_EQUAL(count_events(EVENT_FRAMED_ROOM), 2);
    CHECK_EQUAL(event_count, 2);
    settle();
    finish();
}

static void test_several_wait(void)
{
    enum { SERVICES = 5 };
    service s[SERVICES];
    int told[SERVICES] = {0};
    start(NULL);
    for (int i = 0; i < SERVICES; i++) {
        s[i] = join_framed(i & 1);
        congest(&s[i]);
        if (i != 2)
            CHECK_EQUAL(wire_want_room(w, s[i].connection), 0);
    }
    for (int turn = 0; turn < STEPS_MAX && told[0] + told[1] + told[3] + told[4] < 4; turn++) {
        for (int i = 0; i < SERVICES; i++)
            read_all(&s[i]);
        step();
        for (int at = 0; at < event_count; at++) {
            CHECK_EQUAL(wire_events(w)[at].kind, EVENT_FRAMED_ROOM);
            for (int i = 0; i < SERVICES; i++)
                told[i] += wire_events(w)[at].connection == s[i].connection;
        }
    }
    for (int i = 0; i < SERVICES; i++)
        CHECK_EQUAL(told[i], i != 2);
    finish();
}

/* A connection that closes is told of as closed, and not of its room, be it asked for or about to be told. */
static void check_closed(int falls, int how)
{
    start(NULL);
    service s = join_framed(0), other = join_framed(0);
    settle();
    write_blocks(&s, 6);
    CHECK_EQUAL(wire_want_room(w, s.connection), 0);
    while (falls && unsent(&s)) {
        wire_flush(w);
        read_all(&s);
        if (unsent(&s))
            write_blocks(&s, 1);
    }
    CHECK_EQUAL(wire_has_more(w), falls);
    if (how == 0)
        CHECK_EQUAL(wire_close(w, s.connection), WIRE_OK);
    else
        hang_up(s.descriptor);
    int closed = 0, told = 0;
    for (int i = 0; i < 10; i++) {
        step();
        CHECK(!closed || event_count == 0);
        told += count_events(EVENT_FRAMED_ROOM);
        closed += count_events(EVENT_FRAMED_CLOSED);
    }
    CHECK_EQUAL(closed, 1);
    CHECK(told == 0 || how);
    CHECK_EQUAL(wire_want_room(w, s.connection), WIRE_NO_CONNECTION);
    CHECK_EQUAL(wire_want_room(w, other.connection), 1);
    finish();
}

int main(void)
{
    memset(block, 'd', sizeof block);
    test_bound();
    test_told_once();
    test_outside_a_step();
    test_asked_again_before_it_is_told();
    test_several_wait();
    check_closed(0, 0);
    check_closed(0, 1);
    check_closed(1, 0);
    check_closed(1, 1);
    return test_report();
}
