/* Tests of wire_open: the REQUEST frame that it writes, and what it does not take. */
#include "test_wire_frames.h"

static frame_view view;
static frame_field fields[FRAME_FIELDS_MAX];

/* The REQUEST that came, scanned: offsets are into room. */
static void hear_request(const service *s)
{
    frame_scan_result found = {0};
    view = (frame_view){0};
    const heard_frame *heard = hear_frame(s);
    CHECK_EQUAL(heard->type, FRAME_REQUEST);
    frame_scan(room, FRAME_HEADER_BYTES + heard->payload_bytes, &view, 1, fields, FRAME_FIELDS_MAX, &found);
    CHECK(found.frame_count == 1 && found.error == FRAME_OK);
}

/* expected: NULL for a field that must not be there. */
static void check_field(int id, const char *expected)
{
    const frame_field *found = NULL;
    int count = 0;
    for (uint32_t i = 0; i < view.field_count; i++)
        if (fields[i].id == id) {
            found = &fields[i];
            count++;
        }
    if (CHECK_EQUAL(count, expected != NULL) && expected)
        CHECK_BYTES(room + found->value, found->value_bytes, expected, strlen(expected));
}

static void check_named(const char *name, const char *expected)
{
    int count = 0;
    for (uint32_t i = 0; i < view.field_count; i++) {
        if (fields[i].id || fields[i].name_bytes != strlen(name) || memcmp(room + fields[i].name, name, strlen(name)) != 0)
            continue;
        CHECK_BYTES(room + fields[i].value, fields[i].value_bytes, expected, strlen(expected));
        count++;
    }
    CHECK_EQUAL(count, 1);
}

static void set(uint64_t id, int field, const char *value)
{
    char gone[64]; /* what the caller had is gone when the request is opened */
    strcpy(gone, value);
    CHECK_EQUAL(wire_set_context(w, id, field, (const uint8_t *)gone, (uint32_t)strlen(gone)), WIRE_OK);
    memset(gone, '!', sizeof gone);
}

/* Opened long after its batch, of which nothing is left: the context was kept. Another batch has the same memory in use. */
static void check_opened(int dialled)
{
    static uint8_t kept[4096];
    uint32_t field_count;
    start(NULL);
    int client = join_edge(), other = join_edge();
    service s = join_framed(dialled);
    uint64_t id = ask(client, "POST /a/../b HTTP/1.1\r\nhost: shop\r\nx-tenant-id: no\r\naccept: a\r\n"
                              "transfer-encoding: chunked\r\n\r\n");
    set(id, FIELD_TENANT, "acme");
    set(id, FIELD_CORRELATION_ID, "corr-1");
    set(id, FIELD_REQUEST_ID, "req-1");
    set(id, FIELD_TRACE, "0123456789abcdef012345678");
    set(id, FIELD_TRACESTATE, "a=b");
    set(id, FIELD_CLIENT_ADDRESS, "192.0.2.7");
    set(id, FIELD_SCHEME, "https");
    CHECK_EQUAL(wire_forward(w, id, kept, 15, &field_count), WIRE_NO_ROOM);
    int32_t fields_bytes = wire_forward(w, id, kept, sizeof kept, &field_count);
    CHECK_EQUAL(field_count, 2);
    CHECK_EQUAL(fields_bytes, 8 + 4 + 4 + 6 + 1);
    take_over(id);
    CHECK_EQUAL(wire_forward(w, id, kept, sizeof kept, &field_count), fields_bytes); /* of this batch, still */
    uint64_t next = ask(other, GET_A);
    CHECK_EQUAL(wire_forward(w, id, kept, sizeof kept, &field_count), WIRE_NO_EXCHANGE);
    set(next, FIELD_TENANT, "xxxx");
    set(next, FIELD_TRACESTATE, "x=x");
    set(next, FIELD_CLIENT_ADDRESS, "198.51.100.1");
    const opening o = {.route = 3, .endpoint = 65535, .attempt = 255, .remaining_ms = 4000000000u, .target = "/b?c",
                       .length = "5", .upgrade = "websocket", .body = "hello", .fields = kept, .field_count = 2,
                       .fields_bytes = (uint32_t)fields_bytes};
    CHECK_EQUAL(open_with(id, s.connection, &o), WIRE_OK);
    CHECK_EQUAL(wire_in_flight(w)[s.connection & 4095], 1);
    wire_flush(w);
    hear_request(&s);
    CHECK(view.exchange == (id | (dialled ? BIT_63 : 0)));
    CHECK_EQUAL(view.flags, 0);
    CHECK_EQUAL(view.remaining_ms, 4000000000u);
    CHECK_EQUAL(view.endpoint, 65535);
    CHECK_EQUAL(view.attempt, 255);
    CHECK_EQUAL(view.method, METHOD_POST);
    CHECK_BYTES(room + view.target, view.target_bytes, "/b?c", 4);
    CHECK_BYTES(room + view.body, view.body_bytes, "hello", 5);
    CHECK_EQUAL(view.field_count, 11);
    check_field(FIELD_TENANT, "acme");
    check_field(FIELD_CORRELATION_ID, "corr-1");
    check_field(FIELD_REQUEST_ID, "req-1");
    check_field(FIELD_TRACE, "0123456789abcdef012345678");
    check_field(FIELD_TRACESTATE, "a=b");
    check_field(FIELD_CLIENT_ADDRESS, "192.0.2.7");
    check_field(FIELD_SCHEME, "https");
    check_field(FIELD_BODY_LENGTH, "5");
    check_field(FIELD_UPGRADE, "websocket");
    check_named("host", "shop");
    check_named("accept", "a");
    answer_text(next, 200, "", 0);
    CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_OK);
    give_back(id, HAND_BACK_CLOSE, "");
    finish();
}

/* Without anything that may be left out; the address is that of the connection. Fields that are NULL are none, not the head's. */
static void test_opened_with_little(void)
{
    start(NULL);
    uint16_t port = listen_on_loopback(SOCKET_EDGE);
    service s = join_framed(0);
    int client = dial(port);
    uint64_t id = ask(client, "DELETE /a HTTP/1.1\r\nhost: a\r\nb: c\r\n\r\n");
    char address[WIRE_ADDRESS_BYTES_MAX];
    CHECK_EQUAL(wire_client_address(w, id, address), 9);
    take_over(id);
    settle();
    CHECK_EQUAL(wire_client_address(w, id, address), 9);
    CHECK_BYTES(address, 9, "127.0.0.1", 9);
    const opening o = {.attempt = 1, .target = "/", .end = 1};
    CHECK_EQUAL(open_with(id, s.connection, &o), WIRE_OK);
    wire_flush(w);
    hear_request(&s);
    CHECK_EQUAL(view.flags, FRAME_END);
    CHECK_EQUAL(view.remaining_ms, 0);
    CHECK_EQUAL(view.method, METHOD_DELETE);
    CHECK_EQUAL(view.body_bytes, 0);
    CHECK_EQUAL(view.field_count, 5);
    check_field(FIELD_TENANT, NULL);
    check_field(FIELD_TRACESTATE, NULL);
    check_field(FIELD_BODY_LENGTH, NULL);
    check_field(FIELD_UPGRADE, NULL);
    check_field(FIELD_CLIENT_ADDRESS, "127.0.0.1");
    check_field(FIELD_SCHEME, "http");
    CHECK_EQUAL(open_with(id, s.connection, &o), WIRE_NO_EXCHANGE); /* it is with a service already */
    CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_OK);
    CHECK_EQUAL(open_with(id, s.connection, &o), WIRE_OK);
    give_back(id, HAND_BACK_CLOSE, ""); /* which takes it from the service, too */
    CHECK_EQUAL(wire_in_flight(w)[s.connection & 4095], 0);
    finish();
}

/* ---- what is not taken ---- */

static service asked;
static uint64_t away;

static void refused(int result, const opening *o)
{
    uint64_t written = wire_count(w)->frames_out;
    CHECK_EQUAL(open_with(away, asked.connection, o), result);
    CHECK_EQUAL(wire_in_flight(w)[asked.connection & 4095], 0);
    CHECK(wire_count(w)->frames_out == written && wire_unsent(w)[asked.connection & 4095] == 0);
}

#define REFUSED(result, ...)                                                                                                    \
    do {                                                                                                                        \
        opening o = {.attempt = 1, .target = "/a"};                                                                             \
        __VA_ARGS__;                                                                                                            \
        refused(result, &o);                                                                                                    \
    } while (0)

static void test_out_of_range(void)
{
    static char long_target[FRAME_TARGET_BYTES_MAX + 2], long_body[FRAME_PAYLOAD_BYTES_MAX];
    static uint8_t table[4 * 200];
    memset(long_target, '/', sizeof long_target - 1);
    memset(long_body, 'b', sizeof long_body - 1);
    for (uint32_t i = 0; i < 200; i++)
        table[4 * i] = 200; /* a field that nobody knows, empty */
    start(NULL);
    int client = join_edge();
    asked = join_framed(0);
    away = ask(client, GET_A);
    take_over(away);
    REFUSED(WIRE_INVALID, o.route = 4);
    REFUSED(WIRE_INVALID, o.route = UINT32_MAX);
    REFUSED(WIRE_INVALID, o.endpoint = 65536);
    REFUSED(WIRE_INVALID, o.attempt = 0);
    REFUSED(WIRE_INVALID, o.attempt = 256);
    REFUSED(WIRE_INVALID, o.target = NULL);
    REFUSED(WIRE_INVALID, o.target = long_target);
    REFUSED(WIRE_INVALID, o.target = "*");
    REFUSED(WIRE_INVALID, o.target = "http://a/");
    REFUSED(WIRE_INVALID, o.length = "12345678901234567");
    REFUSED(WIRE_INVALID, o.upgrade = "a23456789012345678901234567890123");
    REFUSED(WIRE_INVALID, o.fields = table; o.field_count = 1; o.fields_bytes = 3);
    REFUSED(WIRE_INVALID, o.fields = table; o.field_count = 129; o.fields_bytes = 4 * 129);
    REFUSED(WIRE_INVALID, o.fields = table; o.fields_bytes = 4);
    REFUSED(WIRE_INVALID, o.fields_bytes = UINT32_MAX);
    REFUSED(WIRE_NO_ROOM, o.fields = table; o.field_count = 128; o.fields_bytes = 4 * 128); /* with the context, too many */
    REFUSED(WIRE_NO_ROOM, o.body = long_body);
    CHECK_EQUAL(open_with(away, asked.connection + 1, &(opening){.attempt = 1, .target = "/a"}), WIRE_NO_CONNECTION);
    CHECK_EQUAL(open_with(away, 0, &(opening){.attempt = 1, .target = "/a"}), WIRE_NO_CONNECTION);
    const opening most = {.route = 3, .endpoint = 65535, .attempt = 255, .target = long_target + 1,
                          .length = "9007199254740992", .upgrade = "a2345678901234567890123456789012", .fields = table,
                          .field_count = 100, .fields_bytes = 400};
    CHECK_EQUAL(open_with(away, asked.connection, &most), WIRE_OK);
    wire_flush(w);
    hear_request(&asked);
    CHECK_EQUAL(view.field_count, 106);
    check_field(FIELD_BODY_LENGTH, "9007199254740992");
    CHECK_EQUAL(view.target_bytes, FRAME_TARGET_BYTES_MAX);
    CHECK_EQUAL(wire_cancel(w, away, 1), WIRE_OK);
    give_back(away, HAND_BACK_CLOSE, "");
    finish();
}

static void test_full(void)
{
    static char body[5000];
    memset(body, 'b', sizeof body - 1);
    wire_settings settings = small_settings();
    settings.framed_output_bytes_max = 4000;
    start(&settings);
    int client = join_edge();
    asked = join_framed(0);
    away = ask(client, GET_A);
    take_over(away);
    REFUSED(WIRE_FULL, o.body = body);
    CHECK_EQUAL(wire_close(w, asked.connection), WIRE_OK);
    CHECK_EQUAL(open_with(away, asked.connection, &(opening){.attempt = 1, .target = "/a"}), WIRE_NO_CONNECTION);
    await_event(EVENT_FRAMED_CLOSED);
    give_back(away, HAND_BACK_CLOSE, "");
    finish();
}

/* Only what was handed over is opened. */
static void test_not_away(void)
{
    const opening o = {.attempt = 1, .target = "/a"};
    start(NULL);
    int client = join_edge();
    service s = join_framed(0);
    uint64_t id = ask(client, GET_A);
    CHECK_EQUAL(open_with(id, s.connection, &o), WIRE_NO_EXCHANGE);
    take_over(id);
    CHECK_EQUAL(open_with(id, s.connection, &o), WIRE_OK);
    CHECK_EQUAL(wire_hand_in(w, id, NULL, 0, 0, 1000), WIRE_OK);
    CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_OK);
    CHECK_EQUAL(open_with(id, s.connection, &o), WIRE_NO_EXCHANGE);
    answer_text(id, 200, "", 0);
    finish();
}

int main(void)
{
    check_opened(0);
    check_opened(1);
    test_opened_with_little();
    test_out_of_range();
    test_full();
    test_not_away();
    return test_report();
}
