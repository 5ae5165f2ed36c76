/* Tests of the head scanner with input that ends at an untouchable page: verdicts, every prefix, bounds. */
#include "http1_head.h"
#include "test_support.h"

typedef struct {
    int verdict;
    const char *head;
} head_case;

static const http1_limits limits = {16384, 100, 8192, 65536};
static http1_head head;

#define HOST "Host: a\r\n"
#define END "\r\n"
#define LINE "GET / HTTP/1.1\r\n"

static const head_case cases[] = {
    {HEAD_PLAIN, LINE HOST END},
    {HEAD_PLAIN, "DELETE /a/b%20c?x={|}^\\[]`&y=%00 HTTP/1.1\r\nhOsT:\t[::1]:8080 \t\r\nConnection: ,close,\r\n" END},
    {HEAD_PLAIN, "POST /... HTTP/1.1\r\nContent-Length: 65536\r\nX-Tenant-Id: t\r\nHost: a.b:1\r\nX-Empty:\r\n"
                 "X-Tab: a\tb\r\n" END},
    {HEAD_BAD_METHOD, END LINE HOST END},
    {HEAD_BAD_METHOD, " " LINE HOST END},
    {HEAD_BAD_TARGET, "GET" END HOST END},
    {HEAD_BAD_TARGET, "GET  / HTTP/1.1\r\n" HOST END},
    {HEAD_BAD_TARGET, "GET /%4 HTTP/1.1\r\n" HOST END},
    {HEAD_BAD_TARGET, "GET /?%g0 HTTP/1.1\r\n" HOST END},
    {HEAD_BAD_TARGET, "GET /#a HTTP/1.1\r\n" HOST END},
    {HEAD_BAD_TARGET, "GET *a HTTP/1.1\r\n" HOST END},
    {HEAD_BAD_TARGET, "GET ?a HTTP/1.1\r\n" HOST END},
    {HEAD_BAD_TARGET, "GET example HTTP/1.1\r\n" HOST END},
    {HEAD_UNSUPPORTED_VERSION, "GET /" END HOST END},
    {HEAD_UNSUPPORTED_VERSION, "PRI * HTTP/2.0\r\n" END},
    {HEAD_UNSUPPORTED_VERSION, "GET / HTTP/1.2\r\n" HOST END},
    {HEAD_BAD_VERSION, "GET / \r\n" HOST END},
    {HEAD_BAD_VERSION, "GET /  HTTP/1.1\r\n" HOST END},
    {HEAD_BAD_VERSION, "GET / HTTP/1.1 \r\n" HOST END},
    {HEAD_BAD_VERSION, "GET / HTTP/11\r\n" HOST END},
    {HEAD_BAD_VERSION, "GET / HTTP/1.10\r\n" HOST END},
    {HEAD_BAD_VERSION, "GET / H\r\n\r\n"},
    {HEAD_BAD_LINE_END, "GET / HTTP/1.1\rHost: a\r\n" END},
    {HEAD_BAD_LINE_END, LINE "Host: a\rb\r\n" END},
    {HEAD_BAD_LINE_END, LINE HOST "\rX: b\r\n" END},
    {HEAD_BAD_LINE_END, LINE "Host\r: a\r\n" END},
    {HEAD_BAD_FIELD_NAME, LINE HOST " X: folded\r\n" END},
    {HEAD_BAD_FIELD_NAME, LINE HOST "X : a\r\n" END},
    {HEAD_BAD_FIELD_NAME, LINE HOST ": a\r\n" END},
    {HEAD_BAD_FIELD_NAME, LINE HOST "X\r\n" END},
    {HEAD_BAD_FIELD_VALUE, LINE HOST "X: a\x7f\r\n" END},
    {HEAD_BAD_HOST, LINE END},
    {HEAD_BAD_HOST, LINE HOST HOST END},
    {HEAD_BAD_HOST, LINE "Host:\r\n" END},
    {HEAD_BAD_HOST, LINE "Host: a b\r\n" END},
    {HEAD_BAD_HOST, LINE "Host: a:\r\n" END},
    {HEAD_BAD_HOST, LINE "Host: a:123456\r\n" END},
    {HEAD_BAD_HOST, LINE "Host: :80\r\n" END},
    {HEAD_BAD_HOST, LINE "Host: []\r\n" END},
    {HEAD_BAD_HOST, LINE "Host: [::1\r\n" END},
    {HEAD_BAD_HOST, LINE "Host: [::1]a\r\n" END},
    {HEAD_BAD_HOST, LINE "Host: a%4\r\n" END},
    {HEAD_BAD_HOST, LINE "Host: a@b\r\n" END},
    {HEAD_BAD_CONTENT_LENGTH, LINE HOST "Content-Length:\r\n" END},
    {HEAD_BAD_CONTENT_LENGTH, LINE HOST "Content-Length: +1\r\n" END},
    {HEAD_BAD_CONTENT_LENGTH, LINE HOST "Content-Length: 1, 1\r\n" END},
    {HEAD_BAD_CONTENT_LENGTH, LINE HOST "Content-Length: 1\r\ncontent-length: 1\r\n" END},
    {HEAD_BAD_CONTENT_LENGTH, LINE HOST "Content-Length: 9007199254740993\r\n" END},
    {HEAD_BAD_CONTENT_LENGTH, LINE HOST "Content-Length: 000000000000000000001\r\n" END},
    {HEAD_LENGTH_AND_ENCODING, LINE HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n" END},
    {HEAD_PLAIN, LINE HOST "tracestate: a=1\r\nTraceState: b=2\r\n" END},
    {HEAD_PLAIN, LINE HOST "traceparent: a\r\nTraceParent: b\r\n" END},
    {HEAD_BAD_CONTEXT, LINE HOST "x-request-id: a\r\nX-Request-Id: a\r\n" END},
    {HEAD_BAD_CONTEXT, LINE HOST "X-Tenant-Id: a\r\nx-tenant-id: a\r\n" END},
    {HEAD_BAD_CONTEXT, LINE HOST "Authorization: a\r\nAUTHORIZATION: a\r\n" END},
    {HEAD_BAD_CONTEXT, LINE HOST "x-api-key:\r\nX-Api-Key: a\r\n" END},
    {HEAD_UNUSUAL_METHOD, "get / HTTP/1.1\r\n" HOST END},
    {HEAD_UNUSUAL_TARGET, "OPTIONS * HTTP/1.1\r\n" HOST END},
    {HEAD_UNUSUAL_TARGET, "GET http://a/b HTTP/1.1\r\n" HOST END},
    {HEAD_UNUSUAL_TARGET, "GET a:443 HTTP/1.1\r\n" HOST END},
    {HEAD_UNUSUAL_PATH, "GET // HTTP/1.1\r\n" HOST END},
    {HEAD_UNUSUAL_PATH, "GET /a/./b HTTP/1.1\r\n" HOST END},
    {HEAD_UNUSUAL_PATH, "GET /a/.. HTTP/1.1\r\n" HOST END},
    {HEAD_UNUSUAL_PATH, "GET /.?a HTTP/1.1\r\n" HOST END},
    {HEAD_UNUSUAL_PATH, "GET /a/..;/b HTTP/1.1\r\n" HOST END},
    {HEAD_UNUSUAL_PATH, "GET /a/.; HTTP/1.1\r\n" HOST END},
    {HEAD_UNUSUAL_PATH, "GET /..%3Bb=c/d HTTP/1.1\r\n" HOST END},
    {HEAD_UNUSUAL_PATH, "GET /a/.%3b HTTP/1.1\r\n" HOST END},
    {HEAD_UNUSUAL_PATH, "GET /%2E.;?a HTTP/1.1\r\n" HOST END},
    {HEAD_PLAIN, "GET /...;/a..;b/.c;/;/;..;/a%3B/...%3B HTTP/1.1\r\n" HOST END},
    {HEAD_PLAIN, "GET /a/..%25/..%2A?/..;/ HTTP/1.1\r\n" HOST END},
    {HEAD_UNUSUAL_PATH, "GET /a%2fb HTTP/1.1\r\n" HOST END},
    {HEAD_UNUSUAL_PATH, "GET /%5C%2e%00 HTTP/1.1\r\n" HOST END},
    {HEAD_UNUSUAL_VERSION, "GET / HTTP/1.0\r\n" END},
    {HEAD_UNUSUAL_ENCODING, LINE HOST "Transfer-Encoding: chunked\r\n" END},
    {HEAD_UNUSUAL_EXPECT, LINE HOST "Expect: 100-continue\r\n" END},
    {HEAD_UNUSUAL_UPGRADE, LINE HOST "Connection: upgrade\r\nUpgrade:\r\n" END},
    {HEAD_UNUSUAL_CONNECTION, LINE HOST "Connection: close, x\r\n" END},
    {HEAD_BAD_CONNECTION, LINE HOST "Connection: close keep-alive\r\n" END},
    {HEAD_UNUSUAL_CONNECTION, LINE HOST "Connection: close\r\nConnection: Keep-Alive\r\n" END},
    {HEAD_UNUSUAL_BODY, LINE HOST "Content-Length: 65537\r\n" END},
    {HEAD_UNUSUAL_BODY, LINE HOST "Content-Length: 9007199254740992\r\n" END},
    {HEAD_BAD_FIELD_NAME, "GET // HTTP/1.1\r\n" HOST "X y\r\n" END},
};

/* Scans bytes that end at an untouchable page. */
static int scan_guarded(const void *bytes, size_t byte_count)
{
    guarded input = guarded_at_end(bytes, byte_count);
    int verdict = http1_head_scan(input.bytes, (uint32_t)byte_count, &limits, &head);
    guarded_free(&input);
    return verdict;
}

static int scan_text(const char *text)
{
    return scan_guarded(text, strlen(text));
}

static void test_cases(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_context = cases[i].head;
        CHECK_EQUAL(scan_text(cases[i].head), cases[i].verdict);
        CHECK_EQUAL(head.head_bytes, strlen(cases[i].head));
    }
    check_context = "";
}

/* Every prefix of every case: no prefix is a head before the whole is, and none makes any function read too far, even when
 * scanned without being measured first. Bytes that come one by one are searched to the same end as bytes that come at once. */
static void test_prefixes(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t byte_count = (uint32_t)strlen(cases[i].head), searched_slowly = 0, searched = 0;
        int32_t whole = http1_head_end((const uint8_t *)cases[i].head, byte_count, 16384, &searched);
        int32_t found = HEAD_END_NOT_FOUND;
        check_context = cases[i].head;
        for (uint32_t count = 0; count <= byte_count; count++) {
            guarded input = guarded_at_end(cases[i].head, count);
            uint32_t searched_afresh = 0;
            if (found == HEAD_END_NOT_FOUND) {
                found = http1_head_end(input.bytes, count, 16384, &searched_slowly);
                CHECK(searched_slowly <= count);
            }
            int32_t at_once = http1_head_end(input.bytes, count, 16384, &searched_afresh);
            CHECK_EQUAL(at_once, found);
            CHECK_EQUAL(at_once, count < byte_count && found == HEAD_END_NOT_FOUND ? HEAD_END_NOT_FOUND : whole);
            if (count < byte_count)
                CHECK(http1_head_scan(input.bytes, count, &limits, &head) != HEAD_PLAIN);
            http1_head_may_begin(input.bytes, count);
            guarded_free(&input);
        }
        CHECK_EQUAL(found, whole);
    }
    check_context = "";
}

/* Bytes and counts at exactly a limit are fine; one past it gives the verdict. */
static void test_limits(void)
{
    static char text[200000];
    http1_limits low = {64, 2, 8, 5};
    const char *two = "GET /1234567 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";

    CHECK_EQUAL(http1_head_scan((const uint8_t *)two, (uint32_t)strlen(two), &low, &head), HEAD_PLAIN);
    CHECK_EQUAL(head.body_bytes, 5);
    low.fields_max = 1;
    CHECK_EQUAL(http1_head_scan((const uint8_t *)two, (uint32_t)strlen(two), &low, &head), HEAD_TOO_MANY_FIELDS);
    low.fields_max = 2;
    low.target_bytes_max = 7;
    CHECK_EQUAL(http1_head_scan((const uint8_t *)two, (uint32_t)strlen(two), &low, &head), HEAD_TARGET_TOO_LONG);
    low.target_bytes_max = 8;
    low.body_bytes_max = 4;
    CHECK_EQUAL(http1_head_scan((const uint8_t *)two, (uint32_t)strlen(two), &low, &head), HEAD_UNUSUAL_BODY);
    CHECK_EQUAL(head.method, METHOD_GET);
    low.body_bytes_max = 5;
    low.head_bytes_max = (uint32_t)strlen(two) - 1;
    CHECK_EQUAL(http1_head_scan((const uint8_t *)two, (uint32_t)strlen(two), &low, &head), HEAD_TOO_LARGE);

    for (int name_bytes = 254; name_bytes <= 256; name_bytes++) {
        int count = sprintf(text, LINE HOST "%0*d: x\r\n" END, name_bytes, 0);
        CHECK_EQUAL(scan_guarded(text, (size_t)count), name_bytes <= 255 ? HEAD_PLAIN : HEAD_FIELD_NAME_TOO_LONG);
    }

    /* limits that say more than the arrays and the fields of frames can hold */
    http1_limits huge = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
    for (int fields = HTTP1_FIELDS_MAX - 1; fields <= HTTP1_FIELDS_MAX; fields++) {
        int count = sprintf(text, LINE HOST);
        for (int i = 0; i < fields; i++)
            count += sprintf(text + count, "X:\r\n");
        count += sprintf(text + count, END);
        int verdict = http1_head_scan((const uint8_t *)text, (uint32_t)count, &huge, &head);
        CHECK_EQUAL(verdict, fields < HTTP1_FIELDS_MAX ? HEAD_PLAIN : HEAD_TOO_MANY_FIELDS);
    }
    for (int value_bytes = 65535; value_bytes <= 65536; value_bytes++) {
        int count = sprintf(text, LINE HOST "X: %0*d  \r\n" END, value_bytes, 0);
        int verdict = http1_head_scan((const uint8_t *)text, (uint32_t)count, &huge, &head);
        CHECK_EQUAL(verdict, value_bytes == 65535 ? HEAD_PLAIN : HEAD_TOO_LARGE);
    }
    for (int target_bytes = FRAME_TARGET_BYTES_MAX; target_bytes <= FRAME_TARGET_BYTES_MAX + 1; target_bytes++) {
        int count = sprintf(text, "GET /%0*d HTTP/1.1\r\n" HOST END, target_bytes - 1, 0);
        int verdict = http1_head_scan((const uint8_t *)text, (uint32_t)count, &huge, &head);
        CHECK_EQUAL(verdict, target_bytes == FRAME_TARGET_BYTES_MAX ? HEAD_PLAIN : HEAD_TARGET_TOO_LONG);
    }
}

static void test_end(void)
{
    const uint8_t *text = (const uint8_t *)(LINE HOST END "body\n");
    uint32_t head_bytes = (uint32_t)strlen(LINE HOST END), searched = 0;

    CHECK_EQUAL(http1_head_end(text, head_bytes + 5, 16384, &searched), head_bytes);
    searched = 0;
    CHECK_EQUAL(http1_head_end(text, head_bytes, head_bytes, &searched), head_bytes);
    searched = 0;
    CHECK_EQUAL(http1_head_end(text, head_bytes + 5, head_bytes - 1, &searched), HEAD_END_TOO_LARGE);
    searched = 0;
    CHECK_EQUAL(http1_head_end(text, head_bytes - 1, head_bytes, &searched), HEAD_END_NOT_FOUND);
    CHECK_EQUAL(searched, head_bytes - 1);
    searched = 0;
    CHECK_EQUAL(http1_head_end((const uint8_t *)"\n", 1, 16384, &searched), HEAD_END_BAD_LINE);
    searched = 0;
    CHECK_EQUAL(http1_head_end((const uint8_t *)"GET / HTTP/1.1\r\n\nX", 18, 16384, &searched), HEAD_END_BAD_LINE);
    /* an end that the caller measured too late hides a second message */
    CHECK_EQUAL(scan_text(LINE HOST END LINE HOST END), HEAD_BAD_LINE_END);
}

static void test_may_begin(void)
{
    CHECK_EQUAL(http1_head_may_begin((const uint8_t *)"", 0), 1);
    CHECK_EQUAL(http1_head_may_begin((const uint8_t *)"GE", 2), 1);
    CHECK_EQUAL(http1_head_may_begin((const uint8_t *)"GET \xff", 5), 1);
    CHECK_EQUAL(http1_head_may_begin((const uint8_t *)" GET", 4), 0);
    CHECK_EQUAL(http1_head_may_begin((const uint8_t *)"\r\nGET", 5), 0);
    CHECK_EQUAL(http1_head_may_begin((const uint8_t *)"\x16\x03\x01\x02", 4), 0);
    CHECK_EQUAL(http1_head_may_begin((const uint8_t *)"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\x01", 32), 0);
    CHECK_EQUAL(http1_head_may_begin((const uint8_t *)"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\x01", 33), 1);
}

static void test_fields(void)
{
    const char *whole = "POST /p%20?q HTTP/1.1\r\nHost: a\r\nX-Trace:  b c\t\r\nConnection: CLOSE\r\nX-Request-Timeout-Ms: 5\r\n"
                        "Traceparent: t\r\nTracestate: s\r\nX-Request-Id: r\r\nX-Correlation-Id: c\r\nX-Tenant-Id: n\r\n\r\n";

    CHECK_EQUAL(scan_text(whole), HEAD_PLAIN);
    CHECK_EQUAL(head.method, METHOD_POST);
    CHECK_BYTES(whole + head.target, head.target_bytes, "/p%20?q", 7);
    CHECK_EQUAL(head.path_bytes, 5);
    CHECK_EQUAL(head.field_count, 9);
    CHECK_EQUAL(head.fields[1].known, NAME_OTHER);
    CHECK_BYTES(whole + head.fields[1].name, head.fields[1].name_bytes, "X-Trace", 7);
    CHECK_BYTES(whole + head.fields[1].value, head.fields[1].value_bytes, "b c", 3);
    CHECK_EQUAL(scan_text(LINE HOST "X-Api-Key: k\r\n" END), HEAD_PLAIN);
    CHECK_EQUAL(head.flags, HEAD_HAS_MORE);
    CHECK_EQUAL(scan_text(LINE HOST "X-Api-Key: k\r\nauthorization:\r\n" END), HEAD_PLAIN);
    CHECK_EQUAL(head.flags, HEAD_HAS_MORE);
    CHECK_EQUAL(head.fields[1].known, NAME_API_KEY);
    CHECK_EQUAL(head.fields[2].known, NAME_AUTHORIZATION);
    CHECK_EQUAL(scan_text(LINE HOST "X-Service-Version: 1\r\nx-SERVICE-version:\r\n" END), HEAD_PLAIN);
    CHECK_EQUAL(head.flags, HEAD_HAS_MORE);
    CHECK_EQUAL(head.fields[2].known, NAME_SERVICE_VERSION);
    CHECK_EQUAL(scan_text(LINE HOST "X-PENSTOCK-Attempt: 1\r\n" END), HEAD_PLAIN);
    CHECK_EQUAL(head.flags, HEAD_HAS_MORE | HEAD_ODD);
    CHECK_EQUAL(head.fields[1].known, NAME_TRUST);
    CHECK_EQUAL(scan_text(LINE HOST "X-Penstock-Attempts: 1\r\nX_Penstock_Attempt: 1\r\nX-Penstock-Mirror: 1\r\n" END), HEAD_PLAIN);
    CHECK_EQUAL(head.flags, 0);
    CHECK_EQUAL(scan_text(LINE HOST "X-Api-Keys: k\r\nX.Api.Key: k\r\nX-Service-Versions: 1\r\nX_Service_Version: 1\r\nauthorisation: k\r\n" END), HEAD_PLAIN);
    CHECK_EQUAL(head.flags, 0);
    CHECK_EQUAL(scan_text(whole), HEAD_PLAIN);
    CHECK_EQUAL(head.flags, HEAD_CLOSE | HEAD_HAS_TENANT | HEAD_HAS_CORRELATION_ID | HEAD_HAS_REQUEST_ID | HEAD_HAS_TRACEPARENT |
                                HEAD_HAS_TRACESTATE | HEAD_HAS_REQUEST_TIMEOUT);
}

/* What goes on: everything but what belongs to one hop and what becomes a typed field, in exactly the room that was announced.
 * '[', '^', '_' and '@' neighbour the letters in ASCII. */
static void test_forward(void)
{
    const char *text = "GET / HTTP/1.1\r\nHOST: a\r\nTE: trailers\r\nTrailer: x\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\n"
                       "Connection: close\r\nContent-Length: 0\r\nX-Request-Timeout-Ms: 5\r\nTraceparent: t\r\nTracestate: s\r\n"
                       "X-Request-Id: r\r\nX-Correlation-Id: c\r\nX-Tenant-Id: n\r\nX: [\r\nAuthorization: Basic x\r\n"
                       "X_Api_Key: u\r\nX-API-Key: k\r\nX-Service-Version: 1\r\nX-Service-Version: 2\r\nAZ-az_^Long-NAME: b\r\n\r\n";
    CHECK_EQUAL(scan_text(text), HEAD_PLAIN);
    uint32_t count;
    uint32_t total = http1_forward_bytes(&head, 0, &count);
    CHECK_EQUAL(count, 7);
    static const uint8_t zeros[1024];
    guarded table = guarded_at_end(zeros, 4 * (size_t)count);
    guarded out = guarded_at_end(zeros, total - 4 * (size_t)count);
    uint32_t written = http1_forward_write((const uint8_t *)text, &head, 0, table.bytes, out.bytes);
    CHECK_EQUAL(written, total - 4 * count);
    CHECK_BYTES(out.bytes, written, "hostax[authorizationBasic xx-api-keykx-service-version1x-service-version2az-az_^long-nameb", 90);
    CHECK_BYTES(table.bytes, 28, "\0\4\0\1\0\1\0\1\0\15\0\7\0\11\0\1\0\21\0\1\0\21\0\1\0\20\0\1", 28);
    guarded_free(&table);
    guarded_free(&out);
}

int main(void)
{
    test_cases();
    test_prefixes();
    test_limits();
    test_end();
    test_may_begin();
    test_fields();
    test_forward();
    return test_report();
}
