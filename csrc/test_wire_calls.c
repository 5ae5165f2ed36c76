/* Tests of what the caller may ask of the wire, and what is refused without a trace. */
#include "test_wire_frames.h"

static void test_context(void)
{
    static uint8_t value[513];
    uint8_t out[64], other[64];
    memset(value, 'v', sizeof value);
    start(NULL);
    int client = join_edge();
    uint64_t id = ask(client, GET_A);
    CHECK_EQUAL(wire_get_context(w, id, FIELD_REQUEST_ID, out), 32);
    CHECK_EQUAL(wire_get_context(w, id, FIELD_CORRELATION_ID, other), 32);
    CHECK_BYTES(out, 32, other, 32);
    CHECK_EQUAL(wire_get_context(w, id, FIELD_TRACESTATE, out), WIRE_INVALID);
    CHECK_EQUAL(wire_get_context(w, id, FIELD_TENANT, out), 0);
    static const struct {
        int field;
        uint32_t least, most;
    } bounds[] = {{FIELD_TENANT, 1, 64},
                  {FIELD_CORRELATION_ID, 1, 64},
                  {FIELD_REQUEST_ID, 1, 64},
                  {FIELD_TRACE, WIRE_TRACE_BYTES, WIRE_TRACE_BYTES},
                  {FIELD_TRACESTATE, 1, 512}};
    for (uint32_t i = 0; i < 5; i++) {
        CHECK_EQUAL(wire_set_context(w, id, bounds[i].field, value, bounds[i].least - 1), WIRE_INVALID);
        CHECK_EQUAL(wire_set_context(w, id, bounds[i].field, value, bounds[i].most + 1), WIRE_INVALID);
        CHECK_EQUAL(wire_set_context(w, id, bounds[i].field, value, bounds[i].least), WIRE_OK);
        CHECK_EQUAL(wire_set_context(w, id, bounds[i].field, value, bounds[i].most), WIRE_OK);
    }
    CHECK_EQUAL(wire_set_context(w, id, FIELD_PRINCIPAL, value, 5), WIRE_INVALID);
    CHECK_EQUAL(wire_set_context(w, id, 0, value, 5), WIRE_INVALID);
    CHECK_EQUAL(wire_get_context(w, id, FIELD_REQUEST_ID, out), 64);
    CHECK_BYTES(out, 64, value, 64);
    CHECK_EQUAL(wire_set_context(w, id + 1, FIELD_TENANT, value, 5), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_get_context(w, id + 1, FIELD_REQUEST_ID, out), WIRE_NO_EXCHANGE);
    finish();
}

/* Setting the same field again and again uses up what a batch has for such values; what was refused leaves no trace in the
 * frame. */
static void test_context_room(void)
{
    static uint8_t value[512];
    memset(value, 'v', sizeof value);
    start(NULL);
    int client = join_edge();
    service s = join_framed(0);
    uint64_t id = ask(client, GET_A);
    int result = WIRE_OK;
    for (int i = 0; i < 100000 && result == WIRE_OK; i++)
        result = wire_set_context(w, id, FIELD_TRACESTATE, value, sizeof value);
    CHECK_EQUAL(result, WIRE_NO_ROOM);
    CHECK_EQUAL(wire_set_context(w, id, FIELD_TENANT, value, 64), WIRE_NO_ROOM);
    send_to(&s, id);
    frame_view view;
    frame_field fields[FRAME_FIELDS_MAX];
    frame_scan_result found;
    const heard_frame *heard = hear_frame(&s);
    frame_scan(room, FRAME_HEADER_BYTES + heard->payload_bytes, &view, 1, fields, FRAME_FIELDS_MAX, &found);
    CHECK_EQUAL(found.frame_count, 1);
    CHECK_EQUAL(view.body_bytes, 0);
    for (uint32_t i = 0; i < view.field_count; i++)
        CHECK(fields[i].id != FIELD_TENANT);
    finish();
}

static void test_limits_of_calls(void)
{
    static uint8_t lines[40000];
    start(NULL);
    int client = join_edge();
    service s = join_framed(0);
    uint64_t id = ask(client, GET_A);
    CHECK_EQUAL(wire_send(w, id, s.connection, 4, 0, 0, 0, 1, 0, NULL), WIRE_INVALID);
    CHECK_EQUAL(wire_send(w, id, s.connection, 0, 65536, 0, 0, 1, 0, NULL), WIRE_INVALID);
    CHECK_EQUAL(wire_send(w, id, s.connection, 0, 0, 65536, 0, 1, 0, NULL), WIRE_INVALID);
    CHECK_EQUAL(wire_send(w, id, s.connection, 0, 0, 0, 16, 1, 0, NULL), WIRE_INVALID);
    CHECK_EQUAL(wire_send(w, id, s.connection + 1, 0, 0, 0, 0, 1, 0, NULL), WIRE_NO_CONNECTION);
    CHECK_EQUAL(wire_send(w, id, s.connection + 4096, 0, 0, 0, 0, 1, 0, NULL), WIRE_NO_CONNECTION);
    CHECK_EQUAL(wire_send(w, id, 0, 0, 0, 0, 0, 1, 0, NULL), WIRE_NO_CONNECTION);
    CHECK_EQUAL(wire_send(w, id + 1, s.connection, 0, 0, 0, 0, 1, 0, NULL), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_answer(w, id, 199, NULL, 0, NULL, 0, 0), WIRE_INVALID);
    CHECK_EQUAL(wire_answer(w, id, 600, NULL, 0, NULL, 0, 0), WIRE_INVALID);
    CHECK_EQUAL(wire_answer(w, id, 204, NULL, 0, lines, 1, 0), WIRE_INVALID);
    CHECK_EQUAL(wire_answer(w, id, 200, lines, sizeof lines, NULL, 0, 0), WIRE_INVALID);
    CHECK_EQUAL(wire_frame(w, s.connection, 0, 0, 1, NULL, 0), WIRE_INVALID);
    CHECK_EQUAL(wire_frame(w, s.connection, 256, 0, 1, NULL, 0), WIRE_INVALID);
    CHECK_EQUAL(wire_frame(w, s.connection, 8, 256, 1, NULL, 0), WIRE_INVALID);
    CHECK_EQUAL(wire_frame(w, s.connection, 8, 0, 1, lines, FRAME_PAYLOAD_BYTES_MAX + 1), WIRE_FULL);
    CHECK_EQUAL(wire_frame(w, s.connection + 4096, 8, 0, 1, NULL, 0), WIRE_NO_CONNECTION);
    CHECK_EQUAL(wire_close(w, s.connection + 4096), WIRE_NO_CONNECTION);
    CHECK_EQUAL(wire_adopt(w, -1, 9, 0), WIRE_INVALID);
    CHECK_EQUAL(wire_listen(w, -1, 9), WIRE_INVALID);
    CHECK_EQUAL(wire_age_ms(w, id + 1), WIRE_NO_EXCHANGE);
    wire_flush(w);
    CHECK(is_silent(s.descriptor));
    CHECK(is_silent(client));
    step(); /* what belongs to the batch is void now; an answer is not */
    const uint8_t *bytes;
    uint32_t count;
    CHECK(wire_head(w, id, &bytes) == NULL);
    CHECK(wire_body(w, id, &count) == NULL);
    CHECK_EQUAL(wire_send(w, id, s.connection, 0, 0, 0, 0, 1, 0, NULL), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_answer(w, id, 200, (const uint8_t *)"a: b\r\n", 6, (const uint8_t *)"x", 1, 0), WIRE_OK);
    CHECK_EQUAL(wire_answer(w, id, 200, NULL, 0, NULL, 0, 0), WIRE_NO_EXCHANGE);
    check_answer(client, 200, "x");
    CHECK(strstr((char *)room, "\r\na: b\r\n") != NULL);
    CHECK(is_silent(client));
    finish();
}

/* The exchanges that are with a service, and the frames that came from one. */
static void test_sent_and_heard(void)
{
    uint64_t ids[4] = {0}, busy[3];
    start(NULL);
    service s = join_framed(0);
    uint32_t slot = s.connection & 4095, heard_before = wire_heard(w)[slot];
    int clients[3];
    CHECK_EQUAL(wire_sent(w, ids, 4), 0);
    for (int i = 0; i < 3; i++)
        busy[i] = in_flight(clients[i] = join_edge(), &s);
    uint64_t undecided = ask(join_edge(), GET_A);
    CHECK_EQUAL(wire_sent(w, ids, 4), 3);
    CHECK(ids[0] + ids[1] + ids[2] == busy[0] + busy[1] + busy[2]);
    CHECK_EQUAL(wire_sent(w, ids, 2), 2);
    CHECK_EQUAL(wire_sent(w, ids, 0), 0);
    respond(&s, busy[1], 200, "");
    check_answer(clients[1], 200, "");
    say_frame(&s, FRAME_CANCEL, 0, 9, "\1\0\0\0", 4);
    settle();
    CHECK_EQUAL(wire_sent(w, ids, 4), 2);
    CHECK(ids[0] + ids[1] == busy[0] + busy[2]);
    CHECK_EQUAL(wire_heard(w)[slot] - heard_before, 2);
    answer_text(undecided, 200, "", 0);
    CHECK_EQUAL(wire_cancel(w, busy[0], 4), WIRE_OK);
    answer_text(busy[0], 503, "", 0);
    CHECK_EQUAL(wire_sent(w, ids, 4), 1);
    CHECK(ids[0] == busy[2]);
    finish();
}

/* What is written while nothing else happens, as a heartbeat is, leaves no buffer behind. */
static void test_rest_holds_no_buffer(void)
{
    static const uint8_t healthy[8];
    start(NULL);
    service s = join_framed(0);
    settle();
    CHECK_EQUAL(wire_was_active(w), 0);
    CHECK_EQUAL(wire_frame(w, s.connection, FRAME_HEARTBEAT, 0, 0, healthy, sizeof healthy), WIRE_OK);
    CHECK_EQUAL(wire_count(w)->buffers_now, 1);
    wire_flush(w);
    CHECK_EQUAL(wire_count(w)->buffers_now, 0);
    CHECK_EQUAL(hear_frame(&s)->type, FRAME_HEARTBEAT);
    finish();
}

int main(void)
{
    test_rest_holds_no_buffer();
    test_context();
    test_context_room();
    test_limits_of_calls();
    test_sent_and_heard();
    return test_report();
}
