/* Tests of the answer writer: exact bytes, every room from none to enough with an untouchable page behind it, what is
 * refused. */
#include "http1_response.h"
#include "test_support.h"

#define DATE "Sun, 06 Nov 1994 08:49:37 GMT"
#define OURS "x-request-id: r-1\r\nx-correlation-id: c-22\r\n"

static const uint8_t room_for_all[4096];
static http1_answer answer = {
    .request_id = (const uint8_t *)"r-1",
    .correlation_id = (const uint8_t *)"c-22",
    .date = (const uint8_t *)DATE,
    .request_id_bytes = 3,
    .correlation_id_bytes = 4,
};

typedef struct {
    uint8_t bytes[8192];
    uint32_t byte_count;
    frame_field fields[FRAME_FIELDS_MAX];
    frame_view view;
} response;

static response start_response(uint16_t status, uint32_t body_bytes)
{
    response made = {0};
    made.view.status = status;
    made.view.body_bytes = body_bytes;
    made.view.first_field = 2; /* as when other frames were scanned into the same array */
    return made;
}

static void add_field(response *to, uint8_t id, const char *name, const void *value, size_t value_bytes)
{
    frame_field *field = &to->fields[to->view.first_field + to->view.field_count++];
    field->id = id;
    field->name_bytes = (uint8_t)strlen(name);
    field->value_bytes = (uint16_t)value_bytes;
    field->name = to->byte_count;
    field->value = to->byte_count + field->name_bytes;
    memcpy(to->bytes + field->name, name, field->name_bytes);
    memcpy(to->bytes + field->value, value, value_bytes);
    to->byte_count = field->value + field->value_bytes;
}

/* Writes into every room from none to just enough; in all but the last it must say that there is none. */
static void check_response(const response *of, const char *expected)
{
    uint32_t whole = (uint32_t)strlen(expected);

    check_context = expected;
    guarded input = guarded_at_end(of->bytes, of->byte_count);
    for (uint32_t room = 0; room <= whole; room++) {
        guarded out = guarded_at_end(room_for_all, room);
        int32_t written = http1_response_write(input.bytes, &of->view, of->fields, &answer, out.bytes, room);
        CHECK_EQUAL(written, room < whole ? RESPONSE_ERROR_ROOM : (int32_t)whole);
        if (room == whole)
            CHECK_BYTES(out.bytes, room, expected, whole);
        guarded_free(&out);
    }
    guarded_free(&input);
    check_context = "";
}

/* What one field of a service leads to. */
static int32_t write_field(const char *name, const void *value, size_t value_bytes)
{
    response one = start_response(200, 0);
    uint8_t out[1024];

    add_field(&one, FIELD_NAMED, name, value, value_bytes);
    return http1_response_write(one.bytes, &one.view, one.fields, &answer, out, sizeof out);
}

static void test_exact_bytes(void)
{
    response plain = start_response(200, 4294967295);
    add_field(&plain, FIELD_NAMED, "content-type", "text/plain", 10);
    add_field(&plain, FIELD_TENANT, "", "left out", 8);
    add_field(&plain, FIELD_NAMED, "x-request-id", "forged", 6);
    add_field(&plain, FIELD_NAMED, "x-correlation-id", "forged", 6);
    add_field(&plain, FIELD_NAMED, "x", "", 0);
    check_response(&plain, "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nx: \r\ndate: " DATE
                           "\r\ncontent-length: 4294967295\r\n" OURS "\r\n");

    response dated = start_response(404, 0);
    add_field(&dated, FIELD_NAMED, "date", "yesterday", 9);
    answer.close = 1;
    check_response(&dated, "HTTP/1.1 404 Not Found\r\ndate: yesterday\r\ncontent-length: 0\r\n" OURS "connection: close\r\n\r\n");
    answer.close = 0;

    response empty = start_response(204, 0);
    check_response(&empty, "HTTP/1.1 204 No Content\r\ndate: " DATE "\r\n" OURS "\r\n");
    response unknown = start_response(599, 10);
    check_response(&unknown, "HTTP/1.1 599 \r\ndate: " DATE "\r\ncontent-length: 10\r\n" OURS "\r\n");
    response asked_by_head = start_response(200, 12);
    answer.head_method = 1;
    check_response(&asked_by_head, "HTTP/1.1 200 OK\r\ndate: " DATE "\r\ncontent-length: 12\r\n" OURS "\r\n");
    answer.head_method = 0;
}

static void test_statuses(void)
{
    uint8_t out[1024];

    for (uint32_t status = 0; status <= 65535; status++) {
        response one = {.view = {.status = (uint16_t)status}};
        int32_t written = http1_response_write(one.bytes, &one.view, one.fields, &answer, out, sizeof out);
        int32_t answered = http1_answer_write((uint16_t)status, NULL, 0, 0, &answer, out, sizeof out);
        CHECK_EQUAL(written, status < 200 || status > 599 ? RESPONSE_ERROR_STATUS : answered);
        CHECK(answered == RESPONSE_ERROR_STATUS || (answered > 0 && memcmp(out, "HTTP/1.1 ", 9) == 0 &&
                                                    atoi((char *)out + 9) == (int)status && out[12] == ' '));
    }
}

static void test_bodies(void)
{
    uint8_t out[1024];
    response with_body = start_response(204, 1);

    CHECK_EQUAL(http1_response_write(with_body.bytes, &with_body.view, with_body.fields, &answer, out, sizeof out),
                RESPONSE_ERROR_BODY);
    with_body.view.status = 304;
    CHECK_EQUAL(http1_response_write(with_body.bytes, &with_body.view, with_body.fields, &answer, out, sizeof out),
                RESPONSE_ERROR_BODY);
    CHECK_EQUAL(http1_answer_write(204, NULL, 0, 1, &answer, out, sizeof out), RESPONSE_ERROR_BODY);
    with_body.view.status = 205;
    CHECK(http1_response_write(with_body.bytes, &with_body.view, with_body.fields, &answer, out, sizeof out) > 0);
}

static void test_refused_names(void)
{
    static const char *const framing[] = {"connection", "content-length", "keep-alive", "proxy-connection",
                                          "te",         "trailer",        "transfer-encoding", "upgrade"};

    for (size_t i = 0; i < sizeof framing / sizeof *framing; i++) {
        check_context = framing[i];
        CHECK_EQUAL(write_field(framing[i], "x", 1), RESPONSE_ERROR_FRAMING);
    }
    check_context = "";
    CHECK_EQUAL(write_field("", "x", 1), RESPONSE_ERROR_FIELD_NAME);
    CHECK_EQUAL(write_field("Content-Length", "x", 1), RESPONSE_ERROR_FIELD_NAME);
    CHECK_EQUAL(write_field("x-request-id", "a\nb", 3), RESPONSE_ERROR_FIELD_VALUE); /* dropped, yet found out */
}

/* Every byte in a name, and in a value at the start, in a later word and in the last. */
static void test_every_byte(void)
{
    for (int byte = 1; byte < 256; byte++) {
        char name[] = {'x', (char)byte, 'y', 0};
        int is_token = strchr("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz", byte) != NULL;
        if (!CHECK_EQUAL(write_field(name, "", 0) > 0, is_token))
            fprintf(stderr, "    with byte 0x%02x\n", (unsigned)byte);
    }
    for (int byte = 0; byte < 256; byte++) {
        for (size_t at = 0; at < 21; at++) {
            char value[] = "0 2\xff\x80""56789abcdefghijk";
            int is_text = byte == '\t' || (byte >= 0x20 && byte != 0x7f);
            value[at] = (char)byte;
            if (!CHECK(write_field("x", value, 21) == RESPONSE_ERROR_FIELD_VALUE ? !is_text : is_text))
                fprintf(stderr, "    with byte 0x%02x at %zu\n", (unsigned)byte, at);
            value[(at + 7) % 21] = '\t'; /* legal, but it stops the look at whole words */
            CHECK_EQUAL(write_field("x", value, 21) == RESPONSE_ERROR_FIELD_VALUE, !is_text);
            CHECK_EQUAL(write_field("x", value + at, 1) == RESPONSE_ERROR_FIELD_VALUE, !is_text);
        }
    }
}

/* Names and values of every length around the words they are copied by: 7, 8, 9, 64, 65 and so on. */
static void test_lengths(void)
{
    char text[256];
    char expected[1024];

    for (int byte_count = 1; byte_count < 100; byte_count++) {
        response one = start_response(200, 0);
        for (int i = 0; i < byte_count; i++)
            text[i] = (char)('a' + i % 26);
        text[byte_count] = 0;
        add_field(&one, FIELD_NAMED, text, text, (size_t)byte_count);
        sprintf(expected, "HTTP/1.1 200 OK\r\n%s: %s\r\ndate: " DATE "\r\ncontent-length: 0\r\n" OURS "\r\n", text, text);
        check_response(&one, expected);
    }
}

static void test_own_answer(void)
{
    const char *lines = "content-type: application/problem+json\r\nretry-after: 1\r\n";
    const char *expected = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 1\r\n"
                           "date: " DATE "\r\ncontent-length: 7\r\n" OURS "\r\n";
    uint32_t whole = (uint32_t)strlen(expected);

    for (uint32_t room = 0; room <= whole; room++) {
        guarded out = guarded_at_end(room_for_all, room);
        int32_t written = http1_answer_write(503, (const uint8_t *)lines, (uint32_t)strlen(lines), 7, &answer, out.bytes, room);
        CHECK_EQUAL(written, room < whole ? RESPONSE_ERROR_ROOM : (int32_t)whole);
        if (room == whole)
            CHECK_BYTES(out.bytes, room, expected, whole);
        guarded_free(&out);
    }
}

static void check_date(uint64_t seconds, const char *expected)
{
    guarded out = guarded_at_end(room_for_all, 29);
    http1_date_write(seconds, out.bytes);
    check_context = expected;
    CHECK_BYTES(out.bytes, 29, expected, 29);
    check_context = "";
    guarded_free(&out);
}

static void test_dates(void)
{
    check_date(0, "Thu, 01 Jan 1970 00:00:00 GMT");
    check_date(784111777, DATE);
    check_date(951782399, "Mon, 28 Feb 2000 23:59:59 GMT");
    check_date(951782400, "Tue, 29 Feb 2000 00:00:00 GMT");
    check_date(4107542399, "Sun, 28 Feb 2100 23:59:59 GMT");
    check_date(4107542400, "Mon, 01 Mar 2100 00:00:00 GMT");
    check_date(253402300799, "Fri, 31 Dec 9999 23:59:59 GMT");
    check_date(UINT64_MAX, "Fri, 31 Dec 9999 23:59:59 GMT");
}

int main(void)
{
    test_exact_bytes();
    test_statuses();
    test_bodies();
    test_refused_names();
    test_every_byte();
    test_lengths();
    test_own_answer();
    test_dates();
    return test_report();
}
