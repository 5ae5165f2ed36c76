/* Tests of what comes on the wire's framed connections: frames for the caller, more than there is room for, large ones, and their ends. */
#include "test_wire_frames.h"

static uint8_t out[ROOM];

static void test_frames_and_calls(void)
{
    static const char call[] = "\0\0\3\350\0\5\3\2\0\2\0\0/xbody";
    start(NULL);
    service s = join_framed(0);
    say_frame(&s, FRAME_HELLO, 0, 0, "{}", 2);
    say_frame(&s, FRAME_REQUEST, FRAME_END, 77 | BIT_63, call, sizeof call - 1);
    say_frame(&s, FRAME_DATA, FRAME_END, 5 | BIT_63, "data", 4);
    step();
    if (CHECK_EQUAL(event_count, 3)) {
        const wire_event *hello = &wire_events(w)[0], *called = &wire_events(w)[1], *data = &wire_events(w)[2];
        CHECK_EQUAL(hello->kind, EVENT_FRAME);
        CHECK_EQUAL(hello->detail, FRAME_HELLO);
        CHECK_BYTES(wire_arena(w) + hello->at, hello->bytes, "{}", 2);
        CHECK_EQUAL(called->kind, EVENT_CALL);
        CHECK(called->exchange == (77 | BIT_63));
        CHECK_EQUAL(called->detail, 5);
        CHECK_EQUAL(called->flags, METHOD_POST | 2 << 8 | FRAME_END << 16);
        CHECK_EQUAL(called->a, 1000);
        CHECK_BYTES(wire_arena(w) + called->b, called->c, "/x", 2);
        CHECK_BYTES(wire_arena(w) + called->at + called->bytes - called->d, called->d, "body", 4);
        CHECK_EQUAL(data->detail, FRAME_DATA);
        CHECK_EQUAL(data->flags, FRAME_END);
        CHECK(data->exchange == (5 | BIT_63));
        CHECK_BYTES(wire_arena(w) + data->at, data->bytes, "data", 4);
    }
    char peer[64];
    CHECK_EQUAL(wire_peer(w, s.connection, peer, sizeof peer), 5);
    CHECK(strcmp(peer, "local") == 0);
    finish();
}

/* More frames than a step has events for, in one write: nothing is lost, the order is kept. */
static void test_more_frames_than_events(void)
{
    enum { FRAMES = 5000 };
    uint32_t bytes = 0, most_events = 0;
    uint64_t next = 1;
    start(NULL);
    service s = join_framed(0);
    for (int i = 1; i <= FRAMES; i++)
        bytes += put_frame(out + bytes, FRAME_CANCEL, 0, (uint64_t)i | BIT_63, "\1\0\0\0", 4);
    say(s.descriptor, out, bytes);
    int in_order = 1, steps = 0;
    do {
        step();
        steps++;
        most_events = (uint32_t)event_count > most_events ? (uint32_t)event_count : most_events;
        for (int i = 0; i < event_count; i++)
            in_order &= wire_events(w)[i].exchange == (next++ | BIT_63);
    } while (wire_has_more(w) && steps < 1000); /* which says whether there are more, as no descriptor does */
    CHECK(in_order);
    CHECK_EQUAL(next, FRAMES + 1);
    CHECK(most_events > 100 && most_events <= WIRE_EVENTS_MAX);
    CHECK_EQUAL(wire_count(w)->buffers_now, 0);
    finish();
}

/* Frames have filled all of a batch that they may, and each of more clients than one wait tells of causes two events: none
 * is lost. */
static void test_events_at_the_bound(void)
{
    enum { CLIENTS = 300, FRAMES = 3000 };
    wire_settings settings = small_settings();
    settings.edge_connections_max = settings.exchanges_max = CLIENTS;
    uint32_t bytes = 0, frames = 0, refused = 0, gone = 0;
    start(&settings);
    service s = join_framed(0);
    for (int i = 0; i < FRAMES; i++)
        bytes += put_frame(out + bytes, FRAME_CANCEL, 0, 1 | BIT_63, "\1\0\0\0", 4);
    say(s.descriptor, out, bytes);
    step();
    frames += (uint32_t)event_count;
    for (int i = 0; i < CLIENTS; i++) {
        int client = join_edge();
        say(client, "\0", 1);
        shutdown(client, SHUT_WR);
    }
    for (int i = 0; i < 20; i++) {
        step();
        frames += (uint32_t)count_events(EVENT_FRAME);
        refused += (uint32_t)count_events(EVENT_BAD_REQUEST);
        gone += (uint32_t)count_events(EVENT_CLIENT_GONE);
        give_up_what_is_left();
    }
    CHECK_EQUAL(frames, FRAMES);
    CHECK_EQUAL(refused, CLIENTS);
    CHECK_EQUAL(gone, CLIENTS);
    CHECK_EQUAL(wire_count(w)->exchanges_now, 0);
    finish();
}

static void test_large_frame_in_pieces(void)
{
    static const uint32_t pieces[] = {997, 8192, 70000, 1 << 20};
    for (uint32_t i = 0; i < 4; i++) {
        uint64_t next = 1, sizes = 0, last_size = 0;
        start(NULL);
        service s = join_framed(0);
        memset(out, 'x', ROOM);
        uint32_t bytes = put_frame(out, FRAME_CANCEL, 0, 1 | BIT_63, "\1\0\0\0", 4);
        /* a REQUEST may be as large as a frame can be; its body is all but the target */
        uint8_t *payload = out + bytes + FRAME_HEADER_BYTES;
        memcpy(payload, "\0\0\0\1\0\0\3\1\0\1\0\0/", 13);
        frame_write_header(out + bytes, FRAME_PAYLOAD_BYTES_MAX, FRAME_REQUEST, FRAME_END, 2 | BIT_63);
        uint32_t large_at = bytes;
        bytes += FRAME_HEADER_BYTES + FRAME_PAYLOAD_BYTES_MAX;
        bytes += put_frame(out + bytes, FRAME_CANCEL, 0, 3 | BIT_63, "\1\0\0\0", 4);
        uint32_t said = 0, came = 0;
        for (int idle = 0; idle < 3; idle = wire_was_active(w) ? 0 : idle + 1) {
            uint32_t count = bytes - said < pieces[i] ? bytes - said : pieces[i];
            said += (uint32_t)say_some(s.descriptor, out + said, count);
            step();
            uint64_t size = wire_count(w)->buffer_bytes_now;
            sizes += size != last_size && size > 100000;
            last_size = size;
            for (int at = 0; at < event_count; at++, came++) {
                const wire_event *event = &wire_events(w)[at];
                CHECK(event->exchange == (next++ | BIT_63));
                const uint8_t *large = out + large_at + FRAME_HEADER_BYTES;
                if (event->kind == EVENT_CALL)
                    CHECK_BYTES(wire_arena(w) + event->at, event->bytes, large, FRAME_PAYLOAD_BYTES_MAX);
            }
        }
        CHECK_EQUAL(came, 3);
        CHECK(sizes <= 6); /* linear: what is held is not moved for each piece */
        finish();
    }
}

/* A length that is only claimed costs nothing. */
static void test_claimed_length(void)
{
    start(NULL);
    service s = join_framed(0);
    frame_write_header(out, FRAME_PAYLOAD_BYTES_MAX, FRAME_REQUEST, FRAME_END, 2);
    say(s.descriptor, out, 1000);
    settle();
    CHECK(wire_count(w)->buffer_bytes_now <= 1000);
    finish();
}

/* A stream of small frames without end from every side must not keep anybody waiting: not each other, not clients, not
 * deadlines. */
static void test_floods(void)
{
    enum { FLOODS = 7, STEPS = 60 };
    service flooding[FLOODS];
    uint32_t came[FLOODS] = {0}, bytes = 0;
    size_t said[FLOODS] = {0};
    wire_settings settings = small_settings();
    start(&settings);
    uint16_t port = listen_on_loopback(SOCKET_EDGE);
    service quiet = join_framed(0);
    for (int i = 0; i < FLOODS; i++)
        flooding[i] = join_framed(0);
    for (int i = 0; i < 5000; i++)
        bytes += put_frame(out + bytes, FRAME_CANCEL, 0, 1 | BIT_63, "\1\0\0\0", 4);
    int client = join_edge();
    uint64_t id = in_flight(client, &quiet), requests = 0;
    int expired = 0;
    advance(DEADLINE_MS + 100);
    int late = dial(port);
    say_text(late, GET_A GET_A GET_A);
    for (int turn = 0; turn < STEPS; turn++) {
        for (int i = 0; i < FLOODS; i++) {
            said[i] += say_some(flooding[i].descriptor, out + said[i] % 20, bytes - 20); /* on from where the socket cut it */
        }
        step();
        for (int i = 0; i < event_count; i++) {
            expired += wire_events(w)[i].kind == EVENT_EXPIRED && wire_events(w)[i].exchange == id;
            for (int at = 0; at < FLOODS; at++)
                came[at] += wire_events(w)[i].kind == EVENT_FRAME && wire_events(w)[i].connection == flooding[at].connection;
        }
        for (uint32_t i = 0; i < wire_request_count(w); i++, requests++)
            answer_text(wire_requests(w)[i].exchange, 204, "", 0);
    }
    CHECK_EQUAL(expired, 1);
    CHECK_EQUAL(requests, 3);
    for (int i = 0; i < FLOODS; i++)
        CHECK(came[i] > 0);
    finish();
}

/* A connection that is lost when a batch has no room left for all of its exchanges: the rest, and then its end, come later. */
static void test_lost_beyond_a_batch(void)
{
    enum { CLIENTS = 100, FRAMES = 3000 };
    wire_settings settings = small_settings();
    settings.edge_connections_max = settings.exchanges_max = CLIENTS;
    uint32_t bytes = 0, lost = 0, steps_with_lost = 0, closed = 0;
    start(&settings);
    service flooding = join_framed(0), ends = join_framed(0);
    for (int i = 0; i < CLIENTS; i++)
        in_flight(join_edge(), &ends);
    for (int i = 0; i < FRAMES; i++)
        bytes += put_frame(out + bytes, FRAME_CANCEL, 0, 1 | BIT_63, "\1\0\0\0", 4);
    say(flooding.descriptor, out, bytes);
    step();
    hang_up(ends.descriptor);
    for (int i = 0; i < 20 && !closed; i++) {
        step();
        uint32_t now = (uint32_t)count_events(EVENT_LOST);
        lost += now;
        steps_with_lost += now > 0;
        closed += (uint32_t)count_events(EVENT_FRAMED_CLOSED);
        CHECK(closed || wire_has_more(w));
        CHECK(!closed || lost == CLIENTS);
        CHECK_EQUAL(wire_in_flight(w)[ends.connection & 4095], CLIENTS - lost);
    }
    CHECK_EQUAL(closed, 1);
    CHECK(steps_with_lost > 1);
    CHECK_EQUAL(wire_close(w, flooding.connection), WIRE_OK); /* with frames left that nobody will look at */
    CHECK_EQUAL(await_event(EVENT_FRAMED_CLOSED)->connection, flooding.connection);
    give_up_what_is_left();
    finish();
}

/* In the midst of a large frame, and with output that nobody flushed: the others' output still leaves. */
static void test_ends_in_the_midst(void)
{
    start(NULL);
    service s[3] = {join_framed(0), join_framed(0), join_framed(0)};
    frame_write_header(out, FRAME_PAYLOAD_BYTES_MAX, FRAME_REQUEST, FRAME_END, 2);
    say(s[1].descriptor, out, 100000);
    settle();
    for (int i = 0; i < 3; i++)
        CHECK_EQUAL(wire_frame(w, s[i].connection, FRAME_CREDIT, 0, 1, (const uint8_t *)"\0\0\0\1", 4), WIRE_OK);
    hang_up(s[1].descriptor);
    const wire_event *event = await_event(EVENT_FRAMED_CLOSED);
    CHECK_EQUAL(event->connection, s[1].connection);
    CHECK(event->detail == CLOSE_EOF || event->detail == CLOSE_ERROR);
    CHECK_EQUAL(wire_close(w, s[0].connection), WIRE_OK);
    CHECK_EQUAL(await_event(EVENT_FRAMED_CLOSED)->detail, CLOSE_ASKED);
    wire_flush(w);
    CHECK_EQUAL(hear_frame(&s[0])->type, FRAME_CREDIT);
    CHECK_EQUAL(hear_frame(&s[2])->type, FRAME_CREDIT);
    finish();
}

static void test_framed_connections_max(void)
{
    start(NULL);
    service s[8];
    int pair[2];
    uint16_t port = listen_on_loopback(SOCKET_FRAMED);
    for (int i = 0; i < 8; i++)
        s[i] = join_framed(i % 2);
    CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    CHECK_EQUAL(wire_adopt(w, pair[0], SOCKET_FRAMED, 0), WIRE_NO_ROOM);
    CHECK(is_closed(pair[1]));
    close(pair[1]);
    dial(port); /* waits for a place */
    settle();
    CHECK_EQUAL(wire_count(w)->framed_accepted, 0);
    hang_up(s[3].descriptor);
    CHECK(await_event(EVENT_FRAMED_OPENED)->connection != s[3].connection);
    CHECK_EQUAL(wire_count(w)->framed_accepted, 1);
    finish();
}

int main(void)
{
    test_frames_and_calls();
    test_more_frames_than_events();
    test_events_at_the_bound();
    test_large_frame_in_pieces();
    test_claimed_length();
    test_floods();
    test_lost_beyond_a_batch();
    test_ends_in_the_midst();
    test_framed_connections_max();
    return test_report();
}
