/* Tests of the identity that goes on to the service: by wire_send and by wire_open, and what of the client's it takes the place of. */
#include "test_wire_frames.h"

#define WITH_CREDENTIALS                                                                                                        \
    "POST /a HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer t\r\nAccept: a\r\nX-API-Key: k\r\nX-Tenant-Id: acme\r\n"               \
    "Content-Length: 2\r\n\r\nhi"
#define NAMED_WITH_CREDENTIALS "host=shop authorization=Bearer t accept=a x-api-key=k "
#define NAMED "host=shop accept=a "

static service s;
static int client;

/* An identity whose text ends at an untouchable page. To be freed. */
static guarded make_identity(const char *principal, const char *claims, int drops_credentials)
{
    size_t principal_bytes = strlen(principal), claims_bytes = strlen(claims), total = principal_bytes + claims_bytes;
    wire_identity head = {(uint16_t)principal_bytes, (uint16_t)claims_bytes, (uint8_t)drops_credentials};
    size_t head_bytes = offsetof(wire_identity, text), room_bytes = head_bytes + total + (head_bytes + total) % 2;
    uint8_t *bytes = calloc(1, room_bytes);
    memcpy(bytes, &head, head_bytes);
    memcpy(bytes + head_bytes, principal, principal_bytes);
    memcpy(bytes + head_bytes + principal_bytes, claims, claims_bytes);
    guarded made = guarded_at_end(bytes, room_bytes);
    free(bytes);
    return made;
}

static const wire_identity *identity_of(const guarded *made)
{
    return (const wire_identity *)(const void *)made->bytes;
}

/* The REQUEST that came: its principal, claims and named fields as text, its body, and that context fields come first, by their ids. */
static void check_request(const char *principal, const char *claims, const char *named, const char *body)
{
    frame_view view = {0};
    frame_field fields[FRAME_FIELDS_MAX];
    frame_scan_result found;
    static char text[65536];
    const char *expected[2] = {principal, claims};
    int count[2] = {0}, last = 0, at = 0;
    wire_flush(w);
    const heard_frame *heard = hear_frame(&s);
    frame_scan(room, FRAME_HEADER_BYTES + heard->payload_bytes, &view, 1, fields, FRAME_FIELDS_MAX, &found);
    CHECK(found.frame_count == 1 && found.error == FRAME_OK && view.type == FRAME_REQUEST);
    text[0] = 0;
    for (uint32_t i = 0; i < view.field_count; i++) {
        const frame_field *field = &fields[i];
        if (field->id == FIELD_NAMED) {
            at += sprintf(text + at, "%.*s=%.*s ", field->name_bytes, room + field->name, field->value_bytes, room + field->value);
            continue;
        }
        CHECK(field->id > last && at == 0);
        last = field->id;
        if (field->id == FIELD_PRINCIPAL || field->id == FIELD_CLAIMS) {
            const char *value = expected[field->id - FIELD_PRINCIPAL];
            CHECK_BYTES(room + field->value, field->value_bytes, value, strlen(value));
            count[field->id - FIELD_PRINCIPAL]++;
        }
    }
    CHECK_EQUAL(count[0], *principal != 0);
    CHECK_EQUAL(count[1], *claims != 0);
    CHECK_BYTES(text, strlen(text), named, strlen(named));
    CHECK_BYTES(room + view.body, view.body_bytes, body, strlen(body));
}

static void check_sent(const wire_identity *identity, const char *principal, const char *claims, const char *named)
{
    uint64_t id = ask(client, WITH_CREDENTIALS);
    CHECK_EQUAL(wire_send(w, id, s.connection, 1, 7, 0, 0, DEADLINE_MS, 0, identity), WIRE_OK);
    check_request(principal, claims, named, "hi");
    respond(&s, id, 204, "");
    check_answer(client, 204, "");
}

static void check_opened(const wire_identity *identity, const char *principal, const char *claims, const char *named)
{
    static uint8_t kept[4096];
    opening o = {.route = 1, .attempt = 1, .target = "/a", .body = "hi", .end = 1, .identity = identity, .fields = kept};
    uint64_t id = ask(client, WITH_CREDENTIALS);
    o.fields_bytes = (uint32_t)wire_forward(w, id, kept, sizeof kept, &o.field_count);
    CHECK_EQUAL(o.field_count, 4); /* as they came: it is the identity that drops */
    take_over(id);
    CHECK_EQUAL(open_with(id, s.connection, &o), WIRE_OK);
    check_request(principal, claims, named, "hi");
    CHECK_EQUAL(wire_hand_in(w, id, NULL, 0, 0, DEADLINE_MS), WIRE_OK);
    respond(&s, id, 204, "");
    check_answer(client, 204, "");
}

static void test_identities(void)
{
    static const struct {
        const char *principal, *claims;
    } cases[] = {{"", ""}, {"user:7", ""}, {"", "{}"}, {"service:billing", "{\"role\":[\"admin\"]}"}};
    start(NULL);
    client = join_edge();
    s = join_framed(0);
    check_sent(NULL, "", "", NAMED_WITH_CREDENTIALS);
    check_opened(NULL, "", "", NAMED_WITH_CREDENTIALS);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int drops = 0; drops < 2; drops++) {
            const char *named = drops ? NAMED : NAMED_WITH_CREDENTIALS;
            guarded made = make_identity(cases[i].principal, cases[i].claims, drops);
            check_sent(identity_of(&made), cases[i].principal, cases[i].claims, named);
            check_opened(identity_of(&made), cases[i].principal, cases[i].claims, named);
            guarded_free(&made);
        }
    }
    finish();
}

/* At its bounds it goes on; one more byte, and nothing is written. */
static void test_bounds(void)
{
    static char principal[WIRE_PRINCIPAL_BYTES_MAX + 2], claims[WIRE_CLAIMS_BYTES_MAX + 2];
    memset(principal, 'p', WIRE_PRINCIPAL_BYTES_MAX + 1);
    memset(claims, 'c', WIRE_CLAIMS_BYTES_MAX + 1);
    start(NULL);
    client = join_edge();
    s = join_framed(0);
    for (int over = 0; over < 2; over++) {
        guarded made = over ? make_identity("p", claims, 0) : make_identity(principal, "c", 0);
        uint64_t id = ask(client, GET_A);
        CHECK_EQUAL(wire_send(w, id, s.connection, 1, 7, 0, 0, DEADLINE_MS, 0, identity_of(&made)), WIRE_INVALID);
        take_over(id);
        const opening o = {.attempt = 1, .target = "/a", .identity = identity_of(&made)};
        CHECK_EQUAL(open_with(id, s.connection, &o), WIRE_INVALID);
        CHECK_EQUAL(wire_unsent(w)[s.connection & 4095], 0);
        give_back(id, HAND_BACK_KEEP, "");
        guarded_free(&made);
    }
    principal[WIRE_PRINCIPAL_BYTES_MAX] = claims[WIRE_CLAIMS_BYTES_MAX] = 0;
    guarded made = make_identity(principal, claims, 1);
    check_sent(identity_of(&made), principal, claims, NAMED);
    check_opened(identity_of(&made), principal, claims, NAMED);
    guarded_free(&made);
    finish();
}

/* Fields from which something is to be dropped are looked at: their table must measure their text. */
static void check_block(uint64_t id, const char *block, uint32_t field_count, uint32_t fields_bytes, int result)
{
    guarded made = make_identity("p", "", 1), copy = guarded_at_end(block, fields_bytes);
    const opening o = {.attempt = 1, .target = "/a", .end = 1, .identity = identity_of(&made), .fields = copy.bytes,
                       .field_count = field_count, .fields_bytes = fields_bytes};
    CHECK_EQUAL(open_with(id, s.connection, &o), result);
    guarded_free(&made);
    guarded_free(&copy);
}

static void test_blocks(void)
{
    start(NULL);
    client = join_edge();
    s = join_framed(0);
    uint64_t id = ask(client, GET_A);
    take_over(id);
    check_block(id, "\0\1\0\2av", 1, 6, WIRE_INVALID);         /* text too short */
    check_block(id, "\0\1\0\1avx", 1, 7, WIRE_INVALID);        /* and too long */
    check_block(id, "\0\1\0\1\0\1\377\377avbw", 2, 12, WIRE_INVALID);
    check_block(id, "\0\1\0\1", 1, 4, WIRE_INVALID);
    check_block(id, "\0\15\0\1\0\11\0\0\0\1\0\1authorizationtx-api-keybw", 3, 37, WIRE_OK);
    check_request("p", "", "b=w ", "");
    CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_OK);
    check_cancel(&s, id, 1);
    check_block(id, "\0\11\0\0x-api-key", 1, 13, WIRE_OK);
    check_request("p", "", "", "");
    CHECK_EQUAL(wire_cancel(w, id, 1), WIRE_OK);
    give_back(id, HAND_BACK_CLOSE, "");
    finish();
}

int main(void)
{
    test_identities();
    test_bounds();
    test_blocks();
    return test_report();
}
