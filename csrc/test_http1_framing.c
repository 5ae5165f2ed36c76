/* Tests of how answers are framed, of interim heads and 101, and of trailers: exact bytes, and what is refused. */
#include "http1_response.h"
#include "test_support.h"

#define DATE "Sun, 06 Nov 1994 08:49:37 GMT"
#define OURS "date: " DATE "\r\n"
#define IDS "x-request-id: r-1\r\nx-correlation-id: c-22\r\n"

static const http1_answer plain = {
    .request_id = (const uint8_t *)"r-1",
    .correlation_id = (const uint8_t *)"c-22",
    .date = (const uint8_t *)DATE,
    .request_id_bytes = 3,
    .correlation_id_bytes = 4,
};
static uint8_t out[4096];

/* Writes the head of a response without fields, and of an answer of our own, which are the same. */
static int32_t write_head(uint16_t status, uint32_t body_bytes, const http1_answer *answer)
{
    frame_view view = {.status = status, .body_bytes = body_bytes};
    uint8_t again[4096];
    int32_t written = http1_response_write(out, &view, NULL, answer, again, sizeof again);
    int32_t answered = http1_answer_write(status, NULL, 0, body_bytes, answer, out, sizeof out);

    CHECK_EQUAL(answered, written);
    if (written > 0)
        CHECK_BYTES(out, answered, again, written);
    return answered;
}

static void check_head(uint16_t status, uint32_t body_bytes, const http1_answer *answer, const char *expected)
{
    int32_t written = write_head(status, body_bytes, answer);
    check_context = expected;
    CHECK_BYTES(out, written, expected, strlen(expected));
    check_context = "";
}

static void test_framings(void)
{
    http1_answer answer = plain;

    answer.has_length = 1;
    answer.length = UINT64_MAX;
    check_head(200, 3, &answer, "HTTP/1.1 200 OK\r\n" OURS "content-length: 18446744073709551615\r\n" IDS "\r\n");
    answer.length = 0;
    check_head(200, 3, &answer, "HTTP/1.1 200 OK\r\n" OURS "content-length: 0\r\n" IDS "\r\n");
    answer.framing = FRAMING_CHUNKED;
    check_head(200, 3, &answer, "HTTP/1.1 200 OK\r\n" OURS "transfer-encoding: chunked\r\n" IDS "\r\n");
    answer.close = 1;
    check_head(200, 0, &answer, "HTTP/1.1 200 OK\r\n" OURS "transfer-encoding: chunked\r\n" IDS "connection: close\r\n\r\n");
    answer.framing = FRAMING_NONE;
    check_head(200, 3, &answer, "HTTP/1.1 200 OK\r\n" OURS IDS "connection: close\r\n\r\n");
    answer.close = 0;
    CHECK_EQUAL(write_head(200, 3, &answer), RESPONSE_ERROR_FRAMING); /* nobody would know where it ends */
    answer.head_method = 1;
    check_head(200, 0, &answer, "HTTP/1.1 200 OK\r\n" OURS IDS "\r\n");
}

/* What has no body has no framing field either, whatever is asked for (RFC 9112, section 6.1). */
static void test_without_body(void)
{
    for (uint8_t framing = FRAMING_LENGTH; framing <= FRAMING_NONE; framing++) {
        http1_answer answer = plain;
        answer.framing = framing;
        answer.has_length = 1;
        answer.length = 5;
        check_head(204, 0, &answer, "HTTP/1.1 204 No Content\r\n" OURS IDS "\r\n");
        check_head(304, 0, &answer, "HTTP/1.1 304 Not Modified\r\n" OURS IDS "\r\n");
        CHECK_EQUAL(write_head(204, 1, &answer), RESPONSE_ERROR_BODY);
        CHECK_EQUAL(write_head(304, 1, &answer), RESPONSE_ERROR_BODY);
    }
}

static void test_interim(void)
{
    http1_answer answer = plain;
    uint8_t field[] = "link</a>dateyesterdayx-request-idforged";
    frame_field fields[] = {{.name = 0, .name_bytes = 4, .value = 4, .value_bytes = 4},
                            {.name = 8, .name_bytes = 4, .value = 12, .value_bytes = 9},
                            {.name = 21, .name_bytes = 12, .value = 33, .value_bytes = 6}};
    frame_view view = {.status = 103, .field_count = 3};

    answer.framing = FRAMING_NONE;
    answer.close = 1;
    check_head(100, 0, &answer, "HTTP/1.1 100 Continue\r\n\r\n");
    check_head(102, 0, &answer, "HTTP/1.1 102 Processing\r\n\r\n");
    check_head(199, 0, &answer, "HTTP/1.1 199 \r\n\r\n");
    const char *expected = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\ndate: yesterday\r\n\r\n";
    int32_t written = http1_response_write(field, &view, fields, &answer, out, sizeof out);
    CHECK_BYTES(out, written, expected, strlen(expected));
    CHECK_EQUAL(write_head(100, 1, &answer), RESPONSE_ERROR_BODY);
    CHECK_EQUAL(write_head(101, 0, &answer), RESPONSE_ERROR_STATUS);
    CHECK_EQUAL(write_head(99, 0, &answer), RESPONSE_ERROR_STATUS);
}

static void test_upgrade(void)
{
    static const char *const bad[] = {"", "a b", "a/", "/a", "a/b/c", "a\r\nx: y", "a,b"};
    http1_answer answer = plain;

    answer.framing = FRAMING_UPGRADE;
    CHECK_EQUAL(write_head(101, 0, &answer), RESPONSE_ERROR_FIELD_VALUE); /* no protocol */
    answer.upgrade = (const uint8_t *)"websocket/13";
    answer.upgrade_bytes = 12;
    answer.close = 1; /* not said: the connection is another protocol's now */
    check_head(101, 0, &answer,
               "HTTP/1.1 101 Switching Protocols\r\n" OURS "connection: upgrade\r\nupgrade: websocket/13\r\n" IDS "\r\n");
    CHECK_EQUAL(write_head(101, 1, &answer), RESPONSE_ERROR_BODY);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        guarded protocol = guarded_at_end(bad[i], strlen(bad[i]));
        answer.upgrade = protocol.bytes;
        answer.upgrade_bytes = (uint8_t)protocol.byte_count;
        CHECK_EQUAL(write_head(101, 0, &answer), RESPONSE_ERROR_FIELD_VALUE);
        guarded_free(&protocol);
    }
}

/* Every status with every framing: what may be written is the table of http1_framing. */
static void test_statuses(void)
{
    http1_answer answer = plain;
    answer.upgrade = (const uint8_t *)"a";
    answer.upgrade_bytes = 1;
    answer.close = 1;

    for (uint8_t framing = 0; framing <= FRAMING_UPGRADE + 1; framing++) {
        answer.framing = framing;
        for (uint16_t status = 0; status < 700; status++) {
            int may = status == 101                       ? framing == FRAMING_UPGRADE
                      : status >= 100 && status <= 199 ? framing == FRAMING_NONE
                                                          : status >= 200 && status <= 599 && framing < FRAMING_UPGRADE;
            int32_t written = write_head(status, 0, &answer);
            CHECK(may ? written > 0 : written == RESPONSE_ERROR_STATUS);
        }
    }
}

typedef struct {
    uint8_t bytes[1024];
    frame_field fields[16];
    frame_view view;
    uint32_t byte_count;
} trailers;

static void add_field(trailers *to, uint8_t id, const char *name, const char *value)
{
    frame_field *field = &to->fields[to->view.first_field + to->view.field_count++];
    *field = (frame_field){.id = id, .name_bytes = (uint8_t)strlen(name), .value_bytes = (uint16_t)strlen(value)};
    field->name = to->byte_count;
    field->value = to->byte_count + field->name_bytes;
    to->byte_count += (uint32_t)sprintf((char *)to->bytes + to->byte_count, "%s%s", name, value);
}

static int32_t write_one(const char *name, const char *value)
{
    trailers one = {0};
    add_field(&one, FIELD_NAMED, name, value);
    return http1_trailers_write(one.bytes, &one.view, one.fields, out, sizeof out);
}

static void test_trailers(void)
{
    trailers all = {.view.first_field = 3};
    const char *expected = "x-sum: 1 2\r\nserver-timing: \r\ncontent-digest: sha-256=:a:\r\netag: \"a\"\r\n\r\n";
    uint32_t whole = (uint32_t)strlen(expected);

    add_field(&all, FIELD_NAMED, "x-sum", "1 2");
    add_field(&all, FIELD_NAMED, "content-length", "5");
    add_field(&all, FIELD_NAMED, "server-timing", "");
    add_field(&all, FIELD_TENANT, "", "a");
    add_field(&all, FIELD_NAMED, "content-digest", "sha-256=:a:");
    add_field(&all, FIELD_NAMED, "set-cookie", "a=b");
    add_field(&all, FIELD_NAMED, "etag", "\"a\"");
    for (uint32_t room = 0; room <= whole; room++) {
        guarded exact = guarded_at_end(out, room);
        int32_t written = http1_trailers_write(all.bytes, &all.view, all.fields, exact.bytes, room);
        CHECK_EQUAL(written, room < whole ? RESPONSE_ERROR_ROOM : (int32_t)whole);
        if (room == whole)
            CHECK_BYTES(exact.bytes, room, expected, whole);
        guarded_free(&exact);
    }
    CHECK_EQUAL(write_one("X", "y"), RESPONSE_ERROR_FIELD_NAME);
    CHECK_EQUAL(write_one("", "y"), RESPONSE_ERROR_FIELD_NAME);
    CHECK_EQUAL(write_one("x", "a\r\nb: c"), RESPONSE_ERROR_FIELD_VALUE);
    CHECK_EQUAL(write_one("content-length", "a\nb"), RESPONSE_ERROR_FIELD_VALUE); /* left out, yet found out */
}

static void test_names_of_trailers(void)
{
    static const char *const never[] = {
        "host", "content-length", "transfer-encoding", "connection", "te", "trailer", "upgrade",
        "keep-alive", "expect", "proxy-connection", "content-type", "content-encoding",
        "content-range", "cache-control", "age", "expires", "date", "location", "retry-after",
        "vary", "warning", "pragma", "range", "if-match", "if-range", "max-forwards",
        "authorization", "cookie", "set-cookie", "www-authenticate", "proxy-authorization",
        "proxy-authenticate", "authentication-info", "x-request-id", "x-tenant-id", "traceparent",
        "forwarded", "x-forwarded-for", "x_real_ip", "x-penstock-reason",
    };
    static const char *const ever[] = {"x", "etag", "server-timing", "content-digest", "grpc-status", "x-checksum", "ages", "i"};

    for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
        check_context = never[i];
        CHECK_EQUAL(http1_may_be_trailer((const uint8_t *)never[i], (uint32_t)strlen(never[i])), 0);
        CHECK_EQUAL(write_one(never[i], "y"), 2);
    }
    for (size_t i = 0; i < sizeof ever / sizeof *ever; i++) {
        check_context = ever[i];
        guarded name = guarded_at_end(ever[i], strlen(ever[i]));
        CHECK_EQUAL(http1_may_be_trailer(name.bytes, (uint32_t)name.byte_count), 1);
        guarded_free(&name);
    }
    check_context = "";
}

int main(void)
{
    test_framings();
    test_without_body();
    test_interim();
    test_upgrade();
    test_statuses();
    test_trailers();
    test_names_of_trailers();
    return test_report();
}
