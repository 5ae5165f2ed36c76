/* Tests of the chunked decoder with input that ends at an untouchable page: errors, every split, bounds. */
#include "http1_body.h"
#include "test_support.h"

typedef struct {
    int error;
    const char *input;
    const char *body;     /* up to the error */
    const char *trailers; /* name=value; of each */
    const char *rest;     /* what is behind the end; NULL when it does not end */
} body_case;

#define LAST "0\r\n\r\n"

static const body_case cases[] = {
    {BODY_OK, LAST, "", "", ""},
    {BODY_OK, "5\r\nhello\r\n" LAST "GET / HTTP/1.1\r\n", "hello", "", "GET / HTTP/1.1\r\n"},
    {BODY_OK, "1\r\n\r\r\n0a\r\n\r\n0\r\n\r\n\r\n!\r\n00\r\n\r\n", "\r\r\n0\r\n\r\n\r\n!", "", ""},
    {BODY_OK, "0000000000000003\r\nabc\r\n0000000000000000\r\n\r\n", "abc", "", ""},
    {BODY_OK, "A;a;b=c;d=\"e;\\\"\\\\\t\xff\" \t; \tf \t=\t g\r\n0123456789\r\n0;z\r\n\r\n", "0123456789", "", ""},
    {BODY_OK, "2;a=\"\"\r\nxy\r\n" LAST, "xy", "", ""},
    {BODY_OK, "2\r\nxy\r\n0\r\nX-Sum: 1 2 \t\r\nY:\r\n\r\nrest", "xy", "X-Sum=1 2;Y=;", "rest"},
    {BODY_OK, "3\r\nab", "ab", "", NULL},
    {BODY_OK, "0\r\nX: y\r\n", "", "", NULL},
    {BODY_BAD_SIZE, "\r\n", "", "", NULL},
    {BODY_BAD_SIZE, ";a\r\n", "", "", NULL},
    {BODY_BAD_SIZE, " 5\r\n", "", "", NULL},
    {BODY_BAD_SIZE, "5 \r\n", "", "", NULL},
    {BODY_BAD_SIZE, "5\t5\r\n", "", "", NULL},
    {BODY_BAD_SIZE, "+5\r\n", "", "", NULL},
    {BODY_BAD_SIZE, "-5\r\n", "", "", NULL},
    {BODY_BAD_SIZE, "0x5\r\n", "", "", NULL},
    {BODY_BAD_SIZE, "5_0\r\n", "", "", NULL},
    {BODY_BAD_SIZE, "5,\r\n", "", "", NULL},
    {BODY_BAD_SIZE, "2\r\nab\r\n\r\n", "ab", "", NULL},
    {BODY_SIZE_TOO_LARGE, "00000000000000001\r\n", "", "", NULL},
    {BODY_SIZE_TOO_LARGE, "20000000000001\r\n", "", "", NULL},
    {BODY_SIZE_TOO_LARGE, "ffffffffffffffff\r\n", "", "", NULL},
    {BODY_BAD_EXTENSION, "5;\r\n", "", "", NULL},
    {BODY_BAD_EXTENSION, "5; \r\n", "", "", NULL},
    {BODY_BAD_EXTENSION, "5;;a\r\n", "", "", NULL},
    {BODY_BAD_EXTENSION, "5;=a\r\n", "", "", NULL},
    {BODY_BAD_EXTENSION, "5;a=\r\n", "", "", NULL},
    {BODY_BAD_EXTENSION, "5;a=;b\r\n", "", "", NULL},
    {BODY_BAD_EXTENSION, "5;a \r\n", "", "", NULL},
    {BODY_BAD_EXTENSION, "5;a b\r\n", "", "", NULL},
    {BODY_BAD_EXTENSION, "5;a=b \r\n", "", "", NULL},
    {BODY_BAD_EXTENSION, "5;a=b c\r\n", "", "", NULL},
    {BODY_BAD_EXTENSION, "5;a=b\"c\"\r\n", "", "", NULL},
    {BODY_BAD_EXTENSION, "5;a=\"b\"c\r\n", "", "", NULL},
    {BODY_BAD_EXTENSION, "5;a=\"b\r\n", "", "", NULL},
    {BODY_BAD_EXTENSION, "5;a=\"b\\\r\n", "", "", NULL},
    {BODY_BAD_EXTENSION, "5;a\x01\r\n", "", "", NULL},
    {BODY_BAD_LINE_END, "5\nhello", "", "", NULL},
    {BODY_BAD_LINE_END, "5\rhello", "", "", NULL},
    {BODY_BAD_LINE_END, "5\r\rhello", "", "", NULL},
    {BODY_BAD_LINE_END, "5;a\nhello", "", "", NULL},
    {BODY_BAD_LINE_END, "5;a=\"\n\"\r\n", "", "", NULL},
    {BODY_BAD_LINE_END, "0\n\r\n", "", "", NULL},
    {BODY_BAD_DATA_END, "2\r\nabc\r\n", "ab", "", NULL},
    {BODY_BAD_DATA_END, "2\r\nab\n" LAST, "ab", "", NULL},
    {BODY_BAD_DATA_END, "2\r\nab\r0\r\n", "ab", "", NULL},
    {BODY_BAD_DATA_END, "2\r\nab0\r\n", "ab", "", NULL},
    {BODY_BAD_TRAILER_NAME, "0\r\nX : y\r\n\r\n", "", "", NULL},
    {BODY_BAD_TRAILER_NAME, "0\r\n: y\r\n\r\n", "", "", NULL},
    {BODY_BAD_TRAILER_NAME, "0\r\nX: y\r\n folded\r\n\r\n", "", "", NULL},
    {BODY_BAD_TRAILER_NAME, "0\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "", "", NULL},
    {BODY_BAD_TRAILER_VALUE, "0\r\nX: y\x7f\r\n\r\n", "", "", NULL},
    {BODY_BAD_TRAILER_LINE, "0\r\nX: y\n", "", "", NULL},
    {BODY_BAD_TRAILER_LINE, "0\r\nX: y\rz\r\n\r\n", "", "", NULL},
    {BODY_BAD_TRAILER_LINE, "0\r\n\n", "", "", NULL},
    {BODY_BAD_TRAILER_LINE, "0\r\n\rX", "", "", NULL},
    {BODY_BAD_TRAILER_LINE, "0\r\nX: y\r\n\rz\r\n\r\n", "", "", NULL},
};
enum { CASES = sizeof cases / sizeof *cases };

static const http1_limits limits = {16384, 100, 8192, 65536};

/* What was read of one body, whatever way it came. */
typedef struct {
    http1_chunked state;
    uint8_t input[70000]; /* what was given and not consumed */
    uint32_t held;
    char body[70000];
    uint32_t body_bytes;
    char trailers[70000];
    int error;
    int is_done;
    const http1_limits *limits;
} reading;

static void begin(reading *r)
{
    memset(&r->state, 0, sizeof r->state);
    r->held = r->body_bytes = 0;
    r->trailers[0] = 0;
    r->error = r->is_done = 0;
    r->limits = &limits;
}

static void keep_trailers(reading *r, const uint8_t *bytes, const http1_chunks *found)
{
    char *out = r->trailers;
    for (uint32_t i = 0; i < found->field_count; i++) {
        const http1_field *field = &found->fields[i];
        out += sprintf(out, "%.*s=%.*s;", field->name_bytes, (const char *)bytes + field->name, field->value_bytes,
                       (const char *)bytes + field->value);
    }
}

/* Gives more bytes, behind what is held; calls until no more is consumed. What a call reads ends at an untouchable page. */
static void give(reading *r, const void *bytes, size_t byte_count, uint32_t pieces_max)
{
    static http1_chunks found;
    http1_piece pieces[64];

    memcpy(r->input + r->held, bytes, byte_count);
    r->held += (uint32_t)byte_count;
    for (;;) {
        guarded input = guarded_at_end(r->input, r->held);
        r->error = http1_chunked_scan(&r->state, input.bytes, r->held, r->limits, pieces, pieces_max, &found);
        CHECK_EQUAL(found.error, r->error);
        CHECK(found.consumed <= r->held && found.piece_count <= pieces_max);
        r->body_bytes += http1_chunked_join(input.bytes, pieces, found.piece_count, (uint8_t *)r->body + r->body_bytes);
        CHECK_EQUAL(r->state.data_bytes, r->body_bytes);
        if (found.is_done && !r->is_done)
            keep_trailers(r, input.bytes, &found);
        r->is_done = found.is_done;
        guarded_free(&input);
        r->held -= found.consumed;
        memmove(r->input, r->input + found.consumed, r->held);
        if (found.consumed == 0 || r->held == 0 || r->error || found.piece_count < pieces_max)
            return;
    }
}

static void check_case(const reading *r, const body_case *of)
{
    CHECK_EQUAL(r->error, of->error);
    CHECK_BYTES(r->body, r->body_bytes, of->body, strlen(of->body));
    CHECK_EQUAL(r->is_done, of->rest != NULL);
    CHECK_BYTES(r->trailers, strlen(r->trailers), of->trailers, strlen(of->trailers));
    if (of->rest)
        CHECK_BYTES(r->input, r->held, of->rest, strlen(of->rest));
}

/* Each case whole, cut in two at every place, and byte by byte; with room for many pieces, and for one. */
static void test_cases(void)
{
    static reading r;

    for (size_t i = 0; i < CASES; i++) {
        const char *input = cases[i].input;
        size_t byte_count = strlen(input);
        check_context = input;
        for (size_t cut = 0; cut <= byte_count; cut++) {
            for (uint32_t pieces_max = 1; pieces_max <= 64; pieces_max += 63) {
                begin(&r);
                give(&r, input, cut, pieces_max);
                if (!r.error)
                    give(&r, input + cut, byte_count - cut, pieces_max);
                check_case(&r, &cases[i]);
            }
        }
        begin(&r);
        for (size_t at = 0; at < byte_count && !r.error; at++)
            give(&r, input + at, 1, 64);
        check_case(&r, &cases[i]);
    }
    check_context = "";
}

static int read_bytes(const void *bytes, size_t byte_count)
{
    static reading r;
    begin(&r);
    give(&r, bytes, byte_count, 64);
    return r.error;
}

/* An error stays, and a body that is done reads no more. */
static void test_ends_stay(void)
{
    static reading r;

    begin(&r);
    give(&r, "x", 1, 64);
    give(&r, LAST, 5, 64);
    CHECK_EQUAL(r.error, BODY_BAD_SIZE);
    CHECK(!r.is_done);
    begin(&r);
    give(&r, LAST, 5, 64);
    CHECK(r.is_done && r.held == 0);
    give(&r, "5\r\n", 3, 64);
    CHECK(r.is_done && r.held == 3 && !r.error);
}

static void test_sizes(void)
{
    static reading r;

    begin(&r);
    give(&r, "20000000000000\r\n", 16, 64); /* 2^53 */
    CHECK_EQUAL(r.error, BODY_OK);
    CHECK_EQUAL(r.state.chunk_left, 1LL << 53);
    begin(&r);
    give(&r, "0020000000000000\r\n", 18, 64);
    CHECK_EQUAL(r.error, BODY_OK);
    CHECK_EQUAL(read_bytes("20000000000001", 14), BODY_SIZE_TOO_LARGE); /* told before the line ends */
    CHECK_EQUAL(read_bytes("0000000000000001\r\n", 18), BODY_OK);
    CHECK_EQUAL(read_bytes("00000000000000000", 17), BODY_SIZE_TOO_LARGE);
}

/* Bytes and counts at exactly a limit are fine; one past it is an error. */
static void test_limits(void)
{
    static char text[70000];
    static reading r;

    for (int line_bytes = CHUNK_LINE_BYTES_MAX; line_bytes <= CHUNK_LINE_BYTES_MAX + 1; line_bytes++) {
        int count = sprintf(text, "1;%0*d\r\n", line_bytes - 2, 0);
        CHECK_EQUAL(read_bytes(text, (size_t)count), line_bytes == CHUNK_LINE_BYTES_MAX ? BODY_OK : BODY_LINE_TOO_LONG);
    }
    for (int extra = 0; extra <= 1; extra++) { /* 64 extensions of 255 bytes, one of 64, and one more */
        begin(&r);
        for (int chunk = 0; chunk < 64; chunk++)
            give(&r, text, (size_t)sprintf(text, "1;%0254d\r\na\r\n", 0), 64);
        give(&r, text, (size_t)sprintf(text, "1;%0*d\r\n", 63 + extra, 0), 64);
        CHECK_EQUAL(r.error, extra ? BODY_EXTENSIONS_TOO_LARGE : BODY_OK);
        CHECK_EQUAL(r.state.extension_bytes, CHUNK_EXTENSION_BYTES_MAX + extra);
    }
    http1_limits low = {20, 2, 8192, 65536};
    begin(&r);
    r.limits = &low;
    give(&r, "0\r\nX: 34567\r\nY: 456\r\n\r\n", 23, 64); /* 20 bytes in the section, two fields */
    CHECK(r.error == BODY_OK && r.is_done);
    begin(&r);
    r.limits = &low;
    give(&r, "0\r\nX: 34567\r\nY: 4567\r\n\r\n", 24, 64);
    CHECK_EQUAL(r.error, BODY_TRAILERS_TOO_LARGE);
    begin(&r);
    r.limits = &low;
    give(&r, "0\r\nX: 34567890123456789", 23, 64); /* no end within the limit: told before it comes */
    CHECK_EQUAL(r.error, BODY_TRAILERS_TOO_LARGE);
    begin(&r);
    r.limits = &low;
    give(&r, "0\r\nX:\r\nY:\r\nZ:\r\n\r\n", 17, 64);
    CHECK_EQUAL(r.error, BODY_TOO_MANY_TRAILERS);
    for (int name_bytes = 255; name_bytes <= 256; name_bytes++) {
        int count = sprintf(text, "0\r\n%0*d: x\r\n\r\n", name_bytes, 0);
        CHECK_EQUAL(read_bytes(text, (size_t)count), name_bytes == 255 ? BODY_OK : BODY_TRAILERS_TOO_LARGE);
    }
    http1_limits huge = {UINT32_MAX, UINT32_MAX, 0, 0}; /* more than the array of fields can hold */
    for (int fields = HTTP1_FIELDS_MAX; fields <= HTTP1_FIELDS_MAX + 1; fields++) {
        int count = sprintf(text, "0\r\n");
        for (int i = 0; i < fields; i++)
            count += sprintf(text + count, "X:\r\n");
        count += sprintf(text + count, "\r\n");
        begin(&r);
        r.limits = &huge;
        give(&r, text, (size_t)count, 64);
        CHECK_EQUAL(r.error, fields == HTTP1_FIELDS_MAX ? BODY_OK : BODY_TOO_MANY_TRAILERS);
    }
}

/* A trailer section that comes byte by byte is searched once: what was looked at is not looked at again. */
static void test_trailers_are_searched_once(void)
{
    static http1_chunks found;
    http1_chunked state = {0};
    const uint8_t *text = (const uint8_t *)"0\r\nX: yyyyyyyyyyyyy\r\n\r\n";

    http1_chunked_scan(&state, text, 3, &limits, NULL, 0, &found);
    CHECK_EQUAL(found.consumed, 3);
    for (uint32_t count = 1; count < 20; count++) {
        http1_chunked_scan(&state, text + 3, count, &limits, NULL, 0, &found);
        CHECK_EQUAL(found.consumed, 0);
        CHECK_EQUAL(state.searched, count);
    }
    http1_chunked_scan(&state, text + 3, 20, &limits, NULL, 0, &found);
    CHECK(found.is_done && found.consumed == 20 && found.field_count == 1 && found.fields[0].known == NAME_OTHER);
}

int main(void)
{
    test_cases();
    test_ends_stay();
    test_sizes();
    test_limits();
    test_trailers_are_searched_once();
    return test_report();
}
