/* Tests of the calls that copy values of a request's head: who asks, and any field by its name. */
#include "test_wire_frames.h"

static service s;
static int client;

#define ASK(lines) ask(client, "GET /a HTTP/1.1\r\nhost: shop\r\n" lines "\r\n")

/* The room ends at an untouchable page, and has one byte less once: then nothing was done. expected: NULL for nothing at all. */
static void check_caller(uint64_t id, const char *expected)
{
    static const uint8_t zeros[1024];
    size_t count = strlen(expected);
    guarded out = guarded_at_end(zeros, count);
    if (count)
        CHECK_EQUAL(wire_caller(w, id, out.bytes, (uint32_t)count - 1), WIRE_NO_ROOM);
    CHECK_EQUAL(wire_caller(w, id, out.bytes, (uint32_t)count), (int)count);
    CHECK_BYTES(out.bytes, count, expected, count);
    guarded_free(&out);
}

/* expected: NULL where there is no such field. */
static void check_named(uint64_t id, const char *name, const char *expected)
{
    static const uint8_t zeros[1024];
    uint32_t name_bytes = (uint32_t)strlen(name);
    guarded sought = guarded_at_end(name, name_bytes), out = guarded_at_end(zeros, expected ? strlen(expected) : 0);
    check_context = name;
    if (expected && *expected)
        CHECK_EQUAL(wire_field(w, id, sought.bytes, name_bytes, out.bytes, (uint32_t)out.byte_count - 1), WIRE_NO_ROOM);
    int32_t count = wire_field(w, id, sought.bytes, name_bytes, out.bytes, (uint32_t)out.byte_count);
    CHECK_EQUAL(count, expected ? (int)strlen(expected) : WIRE_NO_FIELD);
    if (expected)
        CHECK_BYTES(out.bytes, count, expected, strlen(expected));
    check_context = "";
    guarded_free(&sought);
    guarded_free(&out);
}

/* The tenant in the REQUEST frame of the exchange; empty when there is none. Ends the exchange. */
static void check_tenant_sent(uint64_t id, const char *expected)
{
    frame_view view;
    frame_field fields[FRAME_FIELDS_MAX];
    frame_scan_result found;
    send_to(&s, id);
    const heard_frame *heard = hear_frame(&s);
    frame_scan(room, FRAME_HEADER_BYTES + heard->payload_bytes, &view, 1, fields, FRAME_FIELDS_MAX, &found);
    CHECK_EQUAL(found.frame_count, 1);
    int has_tenant = view.field_count && fields[0].id == FIELD_TENANT;
    CHECK_BYTES(room + fields[0].value, has_tenant ? fields[0].value_bytes : 0, expected, strlen(expected));
    respond(&s, id, 204, "");
    check_answer(client, 204, "");
}

static void test_caller(void)
{
    static const struct {
        const char *lines, *caller, *tenant;
    } cases[] = {
        {"", "", ""},
        {"X-Service-Version: 1.0.0\r\n", "", ""},
        {"X-Service-Version: 1.0.0\r\nX-Api-Key: k\r\n", "\n\nk", ""},
        {"X-Tenants-Id: a\r\nX_Api_Key: k\r\n", "", ""},
        {"X-Tenant-Id: acme\r\n", "acme\n\n", "acme"},
        {"Authorization: Bearer a.b.c\r\n", "\nBearer a.b.c\n", ""},
        {"x-api-key: k\r\nX-TENANT-ID: A-z_0.9\r\nauthorization:  Basic\tx \r\n", "A-z_0.9\nBasic\tx\nk", "A-z_0.9"},
        {"Authorization:\r\nX-Tenant-Id:\r\nX-Api-Key:\r\n", "\n\n", ""},
        {"X-Tenant-Id: a/b\r\n", "a/b\n\n", ""},
        {"X-Tenant-Id: a~b\r\n", "a~b\n\n", ""},
        {"X-Tenant-Id: \xc3\xa4\r\n", "\xc3\xa4\n\n", ""},
        {"X-Tenant-Id: a b\r\n", "a b\n\n", ""},
        {"X-Tenant-Id: 0123456789012345678901234567890123456789012345678901234567890123\r\n",
         "0123456789012345678901234567890123456789012345678901234567890123\n\n",
         "0123456789012345678901234567890123456789012345678901234567890123"},
        {"X-Tenant-Id: 01234567890123456789012345678901234567890123456789012345678901234\r\n",
         "01234567890123456789012345678901234567890123456789012345678901234\n\n", ""},
    };
    start(NULL);
    client = join_edge();
    s = join_framed(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char request[400];
        snprintf(request, sizeof request, "GET /a HTTP/1.1\r\nhost: a\r\n%s\r\n", cases[i].lines);
        check_context = cases[i].lines;
        uint64_t id = ask(client, request);
        check_caller(id, cases[i].caller);
        check_tenant_sent(id, cases[i].tenant);
    }
    check_context = "";
    finish();
}

/* A tenant that was read only is not set, and one that does not come by this call is not overwritten. */
static void test_tenant_only_when_asked(void)
{
    start(NULL);
    client = join_edge();
    s = join_framed(0);
    check_tenant_sent(ASK("X-Tenant-Id: acme\r\n"), "");
    uint64_t id = ASK("X-Tenant-Id: ac me\r\n");
    CHECK_EQUAL(wire_set_context(w, id, FIELD_TENANT, (const uint8_t *)"other", 5), WIRE_OK);
    check_caller(id, "ac me\n\n");
    check_tenant_sent(id, "other");
    finish();
}

/* The tenant lies in the batch's memory; an exchange that is handed over keeps it. */
static void check_tenant_is_kept(int asks_before)
{
    start(NULL);
    client = join_edge();
    s = join_framed(0);
    int other = join_edge();
    uint64_t id = ASK("X-Tenant-Id: acme\r\n");
    if (asks_before)
        check_caller(id, "acme\n\n");
    take_over(id);
    check_caller(id, "acme\n\n"); /* of this batch, still */
    answer_text(ask(other, "GET /xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx HTTP/1.1\r\nhost: a\r\n\r\n"), 204, "", 0);
    const opening o = {.route = 1, .attempt = 1, .target = "/a", .end = 1};
    CHECK_EQUAL(open_with(id, s.connection, &o), WIRE_OK);
    wire_flush(w);
    const heard_frame *heard = hear_frame(&s);
    CHECK(memmem(heard->payload, heard->payload_bytes, "acme", 4) != NULL);
    CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_OK);
    give_back(id, HAND_BACK_CLOSE, "");
    finish();
}

static void test_fields(void)
{
    start(NULL);
    client = join_edge();
    uint64_t id = ASK("X-User: u1\r\nAccept: a\r\nX-USER: u2 \r\nx-user:\r\nX_User: u4\r\nEmpty:\r\na^b: caret\r\nConnection: hop\r\n"
                      "Hop: nominated\r\nX-Forwarded-For: 192.0.2.1\r\nx-service-version: ^1.2\r\nAuthorization: t\r\n");
    check_named(id, "host", "shop");
    check_named(id, "x-user", "u1, u2, ");
    check_named(id, "x_user", "u4");
    check_named(id, "accept", "a");
    check_named(id, "empty", "");
    check_named(id, "a^b", "caret");
    check_named(id, "hop", "nominated");
    check_named(id, "x-forwarded-for", "192.0.2.1");
    check_named(id, "x-service-version", "^1.2");
    check_named(id, "authorization", "t");
    check_named(id, "connection", "hop");
    check_named(id, "a~b", NULL); /* differs from '^' in the bit that tells cases of letters */
    check_named(id, "x-use", NULL);
    check_named(id, "x-users", NULL);
    check_named(id, "X-User", NULL); /* to be asked for in lower case */
    check_named(id, "", NULL);
    answer_text(id, 204, "", 0);
    finish();
}

/* Of this batch only. */
static void test_gone(void)
{
    start(NULL);
    client = join_edge();
    uint64_t id = ASK("X-Tenant-Id: acme\r\n");
    CHECK_EQUAL(wire_caller(w, id + 1, room, ROOM), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_field(w, id + 1, (const uint8_t *)"host", 4, room, ROOM), WIRE_NO_EXCHANGE);
    step();
    CHECK_EQUAL(wire_caller(w, id, room, ROOM), WIRE_NO_EXCHANGE);
    CHECK_EQUAL(wire_field(w, id, (const uint8_t *)"host", 4, room, ROOM), WIRE_NO_EXCHANGE);
    answer_text(id, 204, "", 0);
    say_text(client, "GET /a HTTP/1.1\r\nhost : a\r\n\r\n");
    uint64_t bad = await_event(EVENT_BAD_REQUEST)->exchange;
    CHECK_EQUAL(wire_caller(w, bad, room, ROOM), WIRE_NO_EXCHANGE);
    answer_text(bad, 400, "", 0);
    finish();
}

static void check_address(uint64_t id, const char *expected)
{
    static const uint8_t zeros[WIRE_CLIENT_BYTES_MAX];
    guarded out = guarded_at_end(zeros, sizeof zeros);
    CHECK_EQUAL(wire_client_address(w, id, (char *)out.bytes), (int)strlen(expected));
    CHECK_BYTES(out.bytes, strlen(expected), expected, strlen(expected));
    guarded_free(&out);
}

static void set_address(uint64_t id, const char *address)
{
    CHECK_EQUAL(wire_set_context(w, id, FIELD_CLIENT_ADDRESS, (const uint8_t *)address, (uint32_t)strlen(address)), WIRE_OK);
}

/* The one that was believed, as long as it is kept; else the connection's. */
static void test_client_address(void)
{
    static const char longest[] = "_012345678901234567890123456789012345678901234567890123456789012";
    start(NULL);
    uint16_t port = listen_on_loopback(SOCKET_EDGE);
    s = join_framed(0);
    client = dial(port);
    uint64_t id = ask(client, GET_A);
    check_address(id, "127.0.0.1");
    set_address(id, "192.0.2.1");
    check_address(id, "192.0.2.1");
    set_address(id, longest);
    check_address(id, longest);
    send_to(&s, id); /* with its batch, it goes */
    check_address(id, longest);
    CHECK(hear_frame(&s)->exchange == id);
    settle();
    check_address(id, "127.0.0.1");
    hang_up(s.descriptor);
    await_event(EVENT_LOST);
    set_address(id, "192.0.2.2"); /* in another batch than its own, for good */
    settle();
    check_address(id, "192.0.2.2");
    answer_text(id, 502, "", 0);
    check_answer(client, 502, "");

    id = ask(client, GET_A);
    set_address(id, "192.0.2.3");
    take_over(id);
    settle();
    check_address(id, "192.0.2.3");
    s = join_framed(0);
    CHECK_EQUAL(open_with(id, s.connection, &(opening){.attempt = 1, .target = "/a", .end = 1}), WIRE_OK);
    CHECK_EQUAL(wire_hand_in(w, id, NULL, 0, 0, DEADLINE_MS), WIRE_OK);
    CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_OK);
    set_address(id, "192.0.2.4"); /* back in the wire's hands, and beyond its batch */
    settle();
    check_address(id, "192.0.2.4");
    answer_text(id, 502, "", 0);
    check_answer(client, 502, "");
    CHECK_EQUAL(wire_client_address(w, id, (char *)room), WIRE_NO_EXCHANGE);

    id = wire_begin(w, METHOD_GET);
    CHECK_EQUAL(wire_client_address(w, id, (char *)room), WIRE_NO_EXCHANGE);
    set_address(id, "192.0.2.5");
    settle();
    check_address(id, "192.0.2.5");
    CHECK_EQUAL(wire_end(w, id), WIRE_OK);
    finish();
}

int main(void)
{
    test_client_address();
    test_caller();
    test_tenant_only_when_asked();
    check_tenant_is_kept(0);
    check_tenant_is_kept(1);
    test_fields();
    test_gone();
    return test_report();
}
