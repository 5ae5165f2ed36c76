/* Tests of the heads and trailers that are written for streamed exchanges, from frames of the batch and from nowhere else. */
#include "test_wire_frames.h"

static uint8_t out[1 << 16];
static uint8_t head[32768];
static uint32_t body_at;

typedef struct {
    service s;
    int client;
    uint64_t id;
} stream;

static stream begin(const char *request)
{
    const opening o = {.attempt = 1, .target = "/a"};
    start(NULL);
    stream made = {.client = join_edge(), .s = join_framed(0)};
    made.id = ask(made.client, request);
    CHECK_EQUAL(wire_set_context(w, made.id, FIELD_REQUEST_ID, (const uint8_t *)"req-1", 5), WIRE_OK);
    CHECK_EQUAL(wire_set_context(w, made.id, FIELD_CORRELATION_ID, (const uint8_t *)"corr-1", 6), WIRE_OK);
    take_over(made.id);
    CHECK_EQUAL(open_with(made.id, made.s.connection, &o), WIRE_OK);
    return made;
}

static void end(const stream *st)
{
    give_back(st->id, HAND_BACK_CLOSE, "");
    finish();
}

static const wire_event *hear_response(const stream *st, int flags, int status, const char *name, const char *value,
                                       const char *body)
{
    say(st->s.descriptor, out, put_response(out, st->id, flags, status, name, value, body, (uint32_t)strlen(body)));
    return await_event(EVENT_STREAM);
}

static int32_t write_head(const stream *st, const wire_event *event, int framing, uint64_t length, const char *upgrade, int close)
{
    return wire_response_head(w, st->id, event->at, event->bytes, framing, length, (const uint8_t *)upgrade, length_of(upgrade),
                              close, head, sizeof head, &body_at);
}

#define WITH_IDS "x-request-id: req-1\r\nx-correlation-id: corr-1\r\n"
#define DATE "Fri, 13 Nov 2026 00:00:00 GMT"

static void check_head(const char *request, int status, int framing, uint64_t length, const char *upgrade, int close,
                       const char *expected)
{
    stream st = begin(request);
    const wire_event *event = hear_response(&st, 0, status, "date", DATE, status < 200 || status == 304 ? "" : "begun");
    int32_t count = write_head(&st, event, framing, length, upgrade, close);
    if (CHECK(count > 0))
        CHECK_BYTES(head, count, expected, strlen(expected));
    CHECK_BYTES(wire_arena(w) + event->at + body_at, event->bytes - body_at, "begun", status < 200 || status == 304 ? 0 : 5);
    end(&st);
}

static void test_heads(void)
{
    check_head(GET_A, 200, FRAMING_LENGTH, 5000000000u, NULL, 0,
               "HTTP/1.1 200 OK\r\ndate: " DATE "\r\ncontent-length: 5000000000\r\n" WITH_IDS "\r\n");
    check_head(GET_A, 200, FRAMING_LENGTH, 0, NULL, 1,
               "HTTP/1.1 200 OK\r\ndate: " DATE "\r\ncontent-length: 0\r\n" WITH_IDS "connection: close\r\n\r\n");
    check_head(GET_A, 404, FRAMING_CHUNKED, 0, NULL, 0,
               "HTTP/1.1 404 Not Found\r\ndate: " DATE "\r\ntransfer-encoding: chunked\r\n" WITH_IDS "\r\n");
    check_head(GET_A, 200, FRAMING_NONE, 0, NULL, 1,
               "HTTP/1.1 200 OK\r\ndate: " DATE "\r\n" WITH_IDS "connection: close\r\n\r\n");
    check_head(GET_A, 100, FRAMING_NONE, 0, NULL, 0, "HTTP/1.1 100 Continue\r\ndate: " DATE "\r\n\r\n");
    check_head(GET_A, 101, FRAMING_UPGRADE, 0, "websocket", 0,
               "HTTP/1.1 101 Switching Protocols\r\ndate: " DATE "\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
               WITH_IDS "\r\n");
    check_head("HEAD /a HTTP/1.1\r\nhost: a\r\n\r\n", 200, FRAMING_LENGTH, 7, NULL, 0,
               "HTTP/1.1 200 OK\r\ndate: " DATE "\r\ncontent-length: 7\r\n" WITH_IDS "\r\n");
}

static void check_no_head(int status, const char *name, const char *value, int framing, const char *upgrade, int result)
{
    stream st = begin(GET_A);
    const wire_event *event = hear_response(&st, 0, status, name, value, "");
    CHECK_EQUAL(write_head(&st, event, framing, 0, upgrade, 0), result);
    end(&st);
}

static void test_no_heads(void)
{
    static char long_value[40000];
    memset(long_value, 'v', sizeof long_value - 1);
    check_no_head(200, "A", "b", FRAMING_LENGTH, NULL, RESPONSE_ERROR_FIELD_NAME - 100);
    check_no_head(200, "a", "b\r\nc: d", FRAMING_LENGTH, NULL, RESPONSE_ERROR_FIELD_VALUE - 100);
    check_no_head(200, "content-length", "5", FRAMING_LENGTH, NULL, RESPONSE_ERROR_FRAMING - 100);
    check_no_head(200, "a", long_value, FRAMING_LENGTH, NULL, RESPONSE_ERROR_ROOM - 100);
    check_no_head(200, NULL, NULL, FRAMING_NONE, NULL, RESPONSE_ERROR_FRAMING - 100); /* endless, and not to close */
    check_no_head(200, NULL, NULL, FRAMING_UPGRADE, "a", RESPONSE_ERROR_STATUS - 100);
    check_no_head(101, NULL, NULL, FRAMING_LENGTH, NULL, RESPONSE_ERROR_STATUS - 100);
    check_no_head(103, NULL, NULL, FRAMING_CHUNKED, NULL, RESPONSE_ERROR_STATUS - 100);
    check_no_head(101, NULL, NULL, FRAMING_UPGRADE, NULL, RESPONSE_ERROR_FIELD_VALUE - 100);
    check_no_head(101, NULL, NULL, FRAMING_UPGRADE, "a\r\nb: c", RESPONSE_ERROR_FIELD_VALUE - 100);
    check_no_head(200, NULL, NULL, -1, NULL, WIRE_INVALID);
    check_no_head(200, NULL, NULL, FRAMING_UPGRADE + 1, NULL, WIRE_INVALID);
    check_no_head(200, NULL, NULL, 256, NULL, WIRE_INVALID);
    check_no_head(101, NULL, NULL, FRAMING_UPGRADE, "a23456789012345678901234567890123", WIRE_INVALID);
}

/* Only a RESPONSE of this batch is read, wherever the numbers point. */
static void test_places(void)
{
    stream st = begin(GET_A);
    say_frame(&st.s, FRAME_CREDIT, 0, st.id, "\0\0\0\1", 4);
    const wire_event *credit = await_event(EVENT_STREAM);
    CHECK_EQUAL(write_head(&st, credit, FRAMING_LENGTH, 0, NULL, 0), WIRE_INVALID);
    CHECK_EQUAL(wire_trailers(w, credit->at, credit->bytes, head, sizeof head), WIRE_INVALID);
    const wire_event *event = hear_response(&st, 0, 200, "a", "b", "body"), at = *event;
    const int32_t shifts[] = {-17, -16, -15, -1, 1, 4, 16, (int32_t)at.bytes, 1 << 20, 1 << 22, INT32_MAX};
    for (uint32_t i = 0; i < sizeof shifts / sizeof *shifts; i++) {
        wire_event moved = at;
        moved.at += (uint32_t)shifts[i];
        CHECK_EQUAL(write_head(&st, &moved, FRAMING_LENGTH, 0, NULL, 0), WIRE_INVALID);
        CHECK_EQUAL(wire_trailers(w, moved.at, moved.bytes, head, sizeof head), WIRE_INVALID);
        moved = at;
        moved.bytes += (uint32_t)shifts[i];
        if (shifts[i] < 0 || shifts[i] > 1000)
            CHECK_EQUAL(write_head(&st, &moved, FRAMING_LENGTH, 0, NULL, 0), WIRE_INVALID);
    }
    CHECK_EQUAL(wire_trailers(w, at.at, at.bytes, head, sizeof head), WIRE_INVALID); /* a RESPONSE has none */
    CHECK_EQUAL(wire_response_head(w, st.id, 0, 0, 0, 0, NULL, 0, 0, head, sizeof head, &body_at), WIRE_INVALID);
    wire_event beyond = {.at = UINT32_MAX, .bytes = UINT32_MAX};
    CHECK_EQUAL(write_head(&st, &beyond, FRAMING_LENGTH, 0, NULL, 0), WIRE_INVALID);
    CHECK_EQUAL(wire_response_head(w, st.id + 1, at.at, at.bytes, 0, 0, NULL, 0, 0, head, 9999, &body_at), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_response_head(w, st.id, at.at, at.bytes, 0, 0, NULL, 0, 0, head, 20, &body_at), RESPONSE_ERROR_ROOM - 100);
    CHECK(write_head(&st, &at, FRAMING_LENGTH, 0, NULL, 0) > 0);
    step();
    CHECK_EQUAL(write_head(&st, &at, FRAMING_LENGTH, 0, NULL, 0), WIRE_INVALID); /* that batch is over */
    end(&st);
}

static void test_trailers(void)
{
    static const uint8_t fields[] = "\0\3\0\0\0\1\0\1\0\6\0\1\0\1\0\2abcookiexcde", bad[] = "\0\1\0\0\0\1\0\1a\n";
    stream st = begin(GET_A);
    hear_response(&st, 0, 200, NULL, NULL, "");
    say_frame(&st.s, FRAME_TRAILERS, FRAME_END, st.id, fields, sizeof fields - 1);
    const wire_event *event = await_event(EVENT_STREAM);
    int32_t count = wire_trailers(w, event->at, event->bytes, head, sizeof head);
    if (CHECK(count > 0))
        CHECK_BYTES(head, count, "a: b\r\nc: de\r\n\r\n", 15); /* a cookie may not come that late */
    CHECK_EQUAL(wire_trailers(w, event->at, event->bytes, head, 10), RESPONSE_ERROR_ROOM - 100);
    end(&st);
    st = begin(GET_A);
    hear_response(&st, 0, 200, NULL, NULL, "");
    say_frame(&st.s, FRAME_TRAILERS, FRAME_END, st.id, bad, sizeof bad - 1);
    event = await_event(EVENT_STREAM);
    CHECK_EQUAL(wire_trailers(w, event->at, event->bytes, head, sizeof head), RESPONSE_ERROR_FIELD_VALUE - 100);
    end(&st);
}

static void test_answer_heads(void)
{
    stream st = begin(GET_A);
    static const char lines[] = "retry-after: 1\r\n";
    const uint8_t *text = (const uint8_t *)lines;
    int32_t count = wire_answer_head(w, st.id, 503, text, sizeof lines - 1, 12, 1, head, sizeof head - 1);
    if (CHECK(count > 0)) {
        static const char first[] = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ndate: ";
        static const char last[] = "content-length: 12\r\n" WITH_IDS "connection: close\r\n\r\n";
        head[count] = 0;
        CHECK(strncmp((char *)head, first, sizeof first - 1) == 0);
        CHECK(strcmp((char *)head + (size_t)count - (sizeof last - 1), last) == 0);
    }
    count = wire_answer_head(w, st.id, 204, NULL, 0, 0, 0, head, sizeof head);
    CHECK(count > 0 && !memmem(head, (size_t)count, "content-length", 14) && !memmem(head, (size_t)count, "connection", 10));
    CHECK_EQUAL(wire_answer_head(w, st.id, 204, NULL, 0, 1, 0, head, sizeof head), RESPONSE_ERROR_BODY - 100);
    CHECK_EQUAL(wire_answer_head(w, st.id, 199, NULL, 0, 0, 0, head, sizeof head), WIRE_INVALID);
    CHECK_EQUAL(wire_answer_head(w, st.id, 600, NULL, 0, 0, 0, head, sizeof head), WIRE_INVALID);
    CHECK_EQUAL(wire_answer_head(w, st.id, 200, text, sizeof lines - 1, 0, 0, head, 60), RESPONSE_ERROR_ROOM - 100);
    CHECK_EQUAL(wire_answer_head(w, st.id + 1, 200, NULL, 0, 0, 0, head, sizeof head), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_count(w)->answers, 0); /* only bytes: nothing is sent, and nothing over */
    CHECK(is_silent(st.client) && wire_age_ms(w, st.id) >= 0);
    end(&st);
}

int main(void)
{
    test_heads();
    test_no_heads();
    test_places();
    test_trailers();
    test_answer_heads();
    return test_report();
}
