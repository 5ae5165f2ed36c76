/* Tests of what goes out on the wire's framed connections: in order, within its bound, and to peers that do not read. */
#include "test_wire_frames.h"

static uint8_t out[ROOM];

static uint32_t write_until_full(const service *s, uint32_t payload_bytes)
{
    uint32_t written = 0;
    while (written < 100000 && wire_frame(w, s->connection, FRAME_DATA, 0, written + 1, out, payload_bytes) == WIRE_OK)
        written++;
    return written;
}

/* A peer that does not read: output is bounded, and all of it arrives when the peer reads again, without another call. */
static void check_peer_that_does_not_read(const service *s, uint32_t payload_bytes)
{
    uint32_t slot = s->connection & 4095, frame_bytes = FRAME_HEADER_BYTES + payload_bytes;
    memset(out, 'd', payload_bytes);
    uint32_t written = write_until_full(s, payload_bytes);
    CHECK(written > 0 && written < 100000);
    CHECK_EQUAL(wire_unsent(w)[slot], written * frame_bytes);
    CHECK(wire_unsent(w)[slot] > (1 << 21) - frame_bytes);
    wire_flush(w);
    CHECK(wire_unsent(w)[slot] < written * frame_bytes);
    uint32_t more = write_until_full(s, payload_bytes);
    CHECK(more > 0);
    wire_flush(w);
    CHECK(wire_count(w)->buffer_bytes_now <= 4 << 21);
    uint32_t heard = 0;
    int in_order = 1;
    for (; heard < written + more; heard++) {
        const heard_frame *frame = hear_frame(s);
        uint64_t number = heard < written ? heard + 1 : heard - written + 1;
        in_order &= frame->exchange == number && frame->payload_bytes == payload_bytes;
        if (!frame->type)
            break;
    }
    CHECK(in_order);
    CHECK_EQUAL(heard, written + more);
    CHECK_EQUAL(wire_unsent(w)[slot], 0);
    settle();
    CHECK_EQUAL(wire_count(w)->buffers_now, 0);
}

/* Byte number at of an endless stream of DATA frames of 5,000 bytes, each of which has its number as exchange. */
static uint8_t stream_byte(uint64_t at)
{
    enum { PAYLOAD = 5000 };
    uint8_t header[FRAME_HEADER_BYTES];
    uint64_t number = at / (PAYLOAD + FRAME_HEADER_BYTES) + 1, in_frame = at % (PAYLOAD + FRAME_HEADER_BYTES);
    frame_write_header(header, PAYLOAD, FRAME_DATA, 0, number);
    return in_frame < FRAME_HEADER_BYTES ? header[in_frame] : (uint8_t)(at * 2654435761u >> 13);
}

/* Written, flushed and read at different paces, so that the output's buffer is compacted, and grows, at many places. */
static void test_output_keeps_order(void)
{
    start(NULL);
    service s = join_framed(0);
    uint32_t seed = 3;
    uint64_t written = 0, heard = 0, number = 0;
    int is_same = 1;
    for (int turn = 0; turn < 400; turn++) {
        seed = seed * 1103515245u + 12345u;
        for (uint32_t i = 0; i < (seed >> 16) % 40; i++) {
            for (uint32_t at = 0; at < 5000; at++)
                out[at] = stream_byte(written + FRAME_HEADER_BYTES + at);
            if (wire_frame(w, s.connection, FRAME_DATA, 0, number + 1, out, 5000) != WIRE_OK)
                break;
            number++;
            written += FRAME_HEADER_BYTES + 5000;
        }
        wire_flush(w);
        ssize_t count = recv(s.descriptor, room, (seed >> 8) % 300000, MSG_DONTWAIT);
        for (ssize_t i = 0; i < count; i++)
            is_same &= room[i] == stream_byte(heard++);
        step();
    }
    CHECK(heard > 5000000);
    uint32_t rest = (uint32_t)(written - heard);
    if (rest && hear_bytes(s.descriptor, 0, rest))
        for (uint32_t i = 0; i < rest; i++)
            is_same &= room[i] == stream_byte(heard++);
    CHECK(is_same);
    finish();
}

static void test_peer_that_does_not_read(void)
{
    start(NULL);
    uint16_t port = listen_on_loopback(SOCKET_FRAMED);
    service s = join_framed(0), on_tcp = {dial(port), 0};
    on_tcp.connection = await_event(EVENT_FRAMED_OPENED)->connection;
    check_peer_that_does_not_read(&s, 1000);
    check_peer_that_does_not_read(&s, 65536);
    check_peer_that_does_not_read(&on_tcp, 65536);
    finish();
}

/* A request that finds no room stays undecided, and can go elsewhere. */
static void test_full(void)
{
    wire_settings settings = small_settings();
    settings.framed_output_bytes_max = 1000;
    start(&settings);
    int client = join_edge();
    service full = join_framed(0), other = join_framed(0);
    settle();
    CHECK_EQUAL(wire_frame(w, full.connection, FRAME_DATA, 0, 1, out, 1000 - FRAME_HEADER_BYTES + 1), WIRE_FULL);
    CHECK_EQUAL(wire_frame(w, full.connection, FRAME_DATA, 0, 1, out, 1000 - FRAME_HEADER_BYTES), WIRE_OK);
    uint64_t id = ask(client, GET_A);
    CHECK_EQUAL(wire_send(w, id, full.connection, 0, 0, 0, 0, 1000, 0, NULL), WIRE_FULL);
    CHECK_EQUAL(wire_in_flight(w)[full.connection & 4095], 0);
    send_to(&other, id);
    CHECK_EQUAL(wire_count(w)->frames_out, 2);
    hear_frame(&other);
    respond(&other, id, 200, "elsewhere");
    check_answer(client, 200, "elsewhere");
    hear_frame(&full);
    CHECK_EQUAL(wire_close(w, full.connection), WIRE_OK);
    finish();
}

int main(void)
{
    test_output_keeps_order();
    test_peer_that_does_not_read();
    test_full();
    return test_report();
}
