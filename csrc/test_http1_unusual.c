/* Tests of what the head scanner tells of heads that are not plain, and of names that are not forwarded; the input ends at an
 * untouchable page. */
#include "http1_head.h"
#include "http1_list.h"
#include "test_support.h"

#define LINE "POST / HTTP/1.1\r\nHost: a\r\n"
#define OLD "POST / HTTP/1.0\r\n"
#define END "\r\n"

static const http1_limits limits = {16384, 100, 8192, 65536};
static http1_head head;
static char text[20000];

static int scan_text(const char *bytes)
{
    guarded input = guarded_at_end(bytes, strlen(bytes));
    int verdict = http1_head_scan(input.bytes, (uint32_t)input.byte_count, &limits, &head);
    guarded_free(&input);
    CHECK_EQUAL(head.verdict, verdict);
    return verdict;
}

typedef struct {
    const char *head;
    int verdict;
    uint32_t flags;
} flag_case;

/* A head that is malformed has no flags to be looked at. */
static const flag_case flag_cases[] = {
    {LINE END, HEAD_PLAIN, 0},
    {LINE "Content-Length: 0\r\n" END, HEAD_PLAIN, HEAD_HAS_LENGTH},
    {LINE "Connection: close\r\n" END, HEAD_PLAIN, HEAD_CLOSE},
    {LINE "TE: trailers\r\n" END, HEAD_PLAIN, HEAD_TAKES_TRAILERS},
    {LINE "TE: gzip;q=0.5 ,\tTrailers\r\n" END, HEAD_PLAIN, HEAD_TAKES_TRAILERS},
    {LINE "TE: trailers;q=0\r\n" END, HEAD_PLAIN, 0},
    {LINE "TE: deflate\r\n" END, HEAD_PLAIN, 0},
    {LINE "Forwarded: for=a\r\n" END, HEAD_PLAIN, HEAD_ODD | HEAD_HAS_FORWARDED},
    {LINE "X-Forwarded-For: a\r\nX-Forwarded-For: b\r\n" END, HEAD_PLAIN, HEAD_ODD | HEAD_HAS_FORWARDED},
    {LINE "x-forwarded-proto: https\r\n" END, HEAD_PLAIN, HEAD_ODD | HEAD_HAS_FORWARDED},
    {LINE "X-Real-Ip: a\r\nX-Forwarded-Host: b\r\nX_Forwarded_For: c\r\n" END, HEAD_PLAIN, 0},
    {LINE "Transfer-Encoding: chunked\r\n" END, HEAD_UNUSUAL_ENCODING, HEAD_ODD | HEAD_CHUNKED},
    {LINE "Transfer-Encoding: CHunKed\r\n" END, HEAD_UNUSUAL_ENCODING, HEAD_ODD | HEAD_CHUNKED},
    {LINE "Transfer-Encoding:\r\n" END, HEAD_BAD_ENCODING, 0},
    {LINE "Transfer-Encoding: chunked,\r\n" END, HEAD_BAD_ENCODING, 0},
    {LINE "Transfer-Encoding: ,chunked\r\n" END, HEAD_BAD_ENCODING, 0},
    {LINE "Transfer-Encoding: chunked, chunked\r\n" END, HEAD_BAD_ENCODING, 0},
    {LINE "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" END, HEAD_BAD_ENCODING, 0},
    {LINE "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n" END, HEAD_BAD_ENCODING, 0},
    {LINE "Transfer-Encoding: chunked;a=b\r\n" END, HEAD_BAD_ENCODING, 0},
    {LINE "Transfer-Encoding: xchunked\r\n" END, HEAD_BAD_ENCODING, 0},
    {LINE "Transfer-Encoding: x chunked\r\n" END, HEAD_BAD_ENCODING, 0},
    {LINE "Transfer-Encoding: \"chunked\"\r\n" END, HEAD_BAD_ENCODING, 0},
    {LINE "Transfer-Encoding: gzip\r\n" END, HEAD_BAD_ENCODING, 0},
    {LINE "Transfer-Encoding: chunked, gzip\r\n" END, HEAD_BAD_ENCODING, 0},
    {LINE "Transfer-Encoding: gzip;a, chunked\r\n" END, HEAD_BAD_ENCODING, 0},
    {LINE "Transfer-Encoding: gzip;a=\"b, chunked\r\n" END, HEAD_BAD_ENCODING, 0},
    {LINE "Transfer-Encoding: gzip;a=\"b\\\r\n" END, HEAD_BAD_ENCODING, 0},
    {LINE "Transfer-Encoding: gzip, chunked\r\n" END, HEAD_UNKNOWN_ENCODING, 0},
    {LINE "Transfer-Encoding: identity ,chunked\r\n" END, HEAD_UNKNOWN_ENCODING, 0},
    {LINE "Transfer-Encoding: x ; a = b;c=\"d, \\\"chunked\", y\t,\tChunked\r\n" END, HEAD_UNKNOWN_ENCODING, 0},
    {LINE "Content-Length: 1\r\nTransfer-Encoding: gzip, chunked\r\n" END, HEAD_LENGTH_AND_ENCODING, 0},
    {OLD "Transfer-Encoding: chunked\r\n" END, HEAD_BAD_ENCODING, 0},
    {OLD END, HEAD_UNUSUAL_VERSION, HEAD_ODD | HEAD_HTTP_1_0 | HEAD_CLOSE},
    {OLD "Connection: Keep-Alive\r\n" END, HEAD_UNUSUAL_VERSION, HEAD_ODD | HEAD_HTTP_1_0},
    {OLD "Connection: keep-alive, close\r\n" END, HEAD_UNUSUAL_VERSION, HEAD_ODD | HEAD_HTTP_1_0 | HEAD_CLOSE},
    {OLD "Expect: 100-continue\r\n" END, HEAD_UNUSUAL_VERSION, HEAD_ODD | HEAD_HTTP_1_0 | HEAD_CLOSE},
    {OLD "Connection: upgrade\r\nUpgrade: a\r\n" END, HEAD_UNUSUAL_VERSION, HEAD_ODD | HEAD_HTTP_1_0 | HEAD_CLOSE},
    {LINE "Expect: 100-Continue\r\n" END, HEAD_UNUSUAL_EXPECT, HEAD_ODD | HEAD_EXPECTS_CONTINUE},
    {LINE "Expect:\r\n" END, HEAD_UNUSUAL_EXPECT, HEAD_ODD},
    {LINE "Expect: y 100-continue\r\n" END, HEAD_BAD_EXPECT, 0},
    {LINE "Expect: 100-continue, x\r\n" END, HEAD_BAD_EXPECT, 0},
    {LINE "Expect: 100-continue\r\nExpect: 100-continue\r\n" END, HEAD_BAD_EXPECT, 0},
    {LINE "Upgrade: a\r\nConnection: x, Upgrade\r\n" END, HEAD_UNUSUAL_UPGRADE, HEAD_ODD | HEAD_UPGRADE},
    {LINE "Connection: upgrade\r\nUpgrade: a/1, ,b\r\n" END, HEAD_UNUSUAL_UPGRADE, HEAD_ODD | HEAD_UPGRADE},
    {LINE "Upgrade: a\r\n" END, HEAD_UNUSUAL_UPGRADE, HEAD_ODD},
    {LINE "Connection: upgrade\r\nUpgrade: a\r\nUpgrade: b\r\n" END, HEAD_UNUSUAL_UPGRADE, HEAD_ODD},
    {LINE "Connection: upgrade\r\nUpgrade: a b\r\n" END, HEAD_UNUSUAL_UPGRADE, HEAD_ODD},
    {LINE "Connection: upgrade\r\nUpgrade: a/\r\n" END, HEAD_UNUSUAL_UPGRADE, HEAD_ODD},
    {LINE "Connection: upgrade\r\nUpgrade: /a\r\n" END, HEAD_UNUSUAL_UPGRADE, HEAD_ODD},
    {LINE "Connection: upgrade\r\nUpgrade: a/b/c\r\n" END, HEAD_UNUSUAL_UPGRADE, HEAD_ODD},
    {LINE "Connection: upgrade\r\nUpgrade: ,\r\n" END, HEAD_UNUSUAL_UPGRADE, HEAD_ODD},
    {LINE "Connection: upgrade\r\n" END, HEAD_UNUSUAL_CONNECTION, HEAD_ODD},
    {LINE "Connection: close, keep-alive\r\n" END, HEAD_UNUSUAL_CONNECTION, HEAD_ODD | HEAD_CLOSE},
    {LINE "Connection: TE, Trailer, Keep-Alive, Proxy-Connection, connection, x\r\n" END, HEAD_UNUSUAL_CONNECTION, HEAD_ODD},
    {LINE "Connection: a b\r\n" END, HEAD_BAD_CONNECTION, 0},
    {LINE "Connection: close;\r\n" END, HEAD_BAD_CONNECTION, 0},
    {LINE "Connection: \"close\"\r\n" END, HEAD_BAD_CONNECTION, 0},
    {LINE "Content-Length: 65536\r\n" END, HEAD_PLAIN, HEAD_HAS_LENGTH},
    {LINE "Content-Length: 9007199254740992\r\n" END, HEAD_UNUSUAL_BODY, HEAD_ODD | HEAD_HAS_LENGTH},
};

static void test_flags(void)
{
    for (size_t i = 0; i < sizeof flag_cases / sizeof *flag_cases; i++) {
        check_context = flag_cases[i].head;
        int verdict = scan_text(flag_cases[i].head);
        CHECK_EQUAL(verdict, flag_cases[i].verdict);
        if (verdict == HEAD_PLAIN || verdict >= HEAD_UNUSUAL_METHOD)
            CHECK_EQUAL(head.flags, flag_cases[i].flags);
    }
    check_context = "";
}

/* An unusual head is there whole, and says each thing that is unusual. */
static void test_whole(void)
{
    const char *unusual = "BREW http://b//?c HTTP/1.0\r\nContent-Length: 65537\r\nX: y\r\nConnection: Z\r\nz: 1\r\n" END;

    CHECK_EQUAL(scan_text(unusual), HEAD_UNUSUAL_METHOD);
    CHECK_EQUAL(head.method, METHOD_NONE);
    CHECK_BYTES(unusual + head.target, head.target_bytes, "http://b//?c", 12);
    CHECK_EQUAL(head.path_bytes, 0);
    CHECK_EQUAL(head.body_bytes, 0);
    CHECK_EQUAL(head.content_length, 65537);
    CHECK_EQUAL(head.field_count, 4);
    CHECK_EQUAL(head.fields[1].known, NAME_OTHER);
    CHECK_EQUAL(head.fields[3].known, NAME_NOMINATED);
    CHECK_EQUAL(head.unusual, 1 << 0 | 1 << (HEAD_UNUSUAL_TARGET - 64) | 1 << (HEAD_UNUSUAL_VERSION - 64) |
                                  1 << (HEAD_UNUSUAL_CONNECTION - 64) | 1 << (HEAD_UNUSUAL_BODY - 64));
    CHECK_EQUAL(scan_text("GET /a/../b?c HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n" END), HEAD_UNUSUAL_PATH);
    CHECK(head.path_bytes == 7 && head.target_bytes == 9 && head.body_bytes == 5 && head.method == METHOD_GET);
}

/* In a path, what need not or should not be encoded makes the path unusual, and so does lower case; in a query nothing does. */
static void test_encoded_bytes(void)
{
    for (int byte = 0; byte < 256; byte++) {
        int is_letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z' && byte < 0x80;
        int is_odd = is_letter || (byte >= '0' && byte <= '9') || byte < 0x20 || byte == 0x7f || strchr("-._~/\\", byte);
        int has_letter = byte >= 0xa0 || byte % 16 >= 10; /* which should be in upper case */
        sprintf(text, "GET /a%%%02XB HTTP/1.1\r\nHost: a\r\n" END, (unsigned)byte);
        CHECK_EQUAL(scan_text(text), is_odd ? HEAD_UNUSUAL_PATH : HEAD_PLAIN);
        sprintf(text, "GET /a%%%02xB HTTP/1.1\r\nHost: a\r\n" END, (unsigned)byte);
        CHECK_EQUAL(scan_text(text), is_odd || has_letter ? HEAD_UNUSUAL_PATH : HEAD_PLAIN);
        sprintf(text, "GET /a?%%%02x HTTP/1.1\r\nHost: a\r\n" END, (unsigned)byte);
        CHECK_EQUAL(scan_text(text), HEAD_PLAIN);
    }
}

typedef struct {
    const char *name;
    uint8_t known;
} name_case;

static const name_case names[] = {
    {"Forwarded", NAME_FORWARDED},
    {"X-Forwarded-For", NAME_X_FORWARDED_FOR},
    {"x-forwarded-proto", NAME_X_FORWARDED_PROTO},
    {"X-FORWARDED-HOST", NAME_TRUST},
    {"X-Forwarded", NAME_TRUST},
    {"X-Forwarded-", NAME_TRUST},
    {"X-Forwarded-Forx", NAME_TRUST},
    {"X-Forwarded-A-Name-That-Is-Longer-Than-All-Others", NAME_TRUST},
    {"X_Forwarded_For", NAME_TRUST},
    {"X-Forwarded_For", NAME_TRUST},
    {"x_forwarded-proto", NAME_TRUST},
    {"X-Penstock-Reason", NAME_TRUST},
    {"X_penstock_Anything-That-Is-Longer-Than-All-Others", NAME_TRUST},
    {"X-Penstock", NAME_TRUST},
    {"X-Real-IP", NAME_TRUST},
    {"x_real_ip", NAME_TRUST},
    {"X-Client-Ip", NAME_TRUST},
    {"X-Cluster-Client-Ip", NAME_TRUST},
    {"x-cluster-client_ip", NAME_TRUST},
    {"True-Client-Ip", NAME_TRUST},
    {"true_client-ip", NAME_TRUST},
    {"X_Tenant_Id", NAME_TRUST},
    {"x-tenant_id", NAME_TRUST},
    {"X_Request_Timeout_Ms", NAME_TRUST},
    {"X_CORRELATION_ID", NAME_TRUST},
    {"Content_Length", NAME_TRUST},
    {"transfer_encoding", NAME_TRUST},
    {"Keep_Alive", NAME_TRUST},
    {"x_api_key", NAME_TRUST},
    {"X-Api_Key", NAME_TRUST},
    {"x_service_version", NAME_TRUST},
    {"X-Forwardedx", NAME_OTHER},
    {"X-Forwarde", NAME_OTHER},
    {"Xx-Forwarded-For", NAME_OTHER},
    {"X-Penstocks", NAME_OTHER},
    {"X-Real-Ipx", NAME_OTHER},
    {"X-Cluster-Client-Ip-And-More-Than-That", NAME_OTHER},
    {"X.Forwarded.For", NAME_OTHER},
    {"Forwarded_", NAME_OTHER},
    {"_", NAME_OTHER},
    {"x_", NAME_OTHER},
    {"X-", NAME_OTHER},
    {"x", NAME_OTHER},
    {"user_agent", NAME_OTHER},
    {"a_name_that_is_longer_than_all_of_the_others", NAME_OTHER},
};

/* Each name as a field of a head, as http1_name_of tells it, and whether it goes on. Connection may name what is not known. */
static void test_names(void)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *name = names[i].name;
        uint32_t count;
        check_context = name;
        guarded token = guarded_at_end(name, strlen(name));
        CHECK_EQUAL(http1_name_of(token.bytes, token.byte_count), names[i].known);
        guarded_free(&token);
        sprintf(text, LINE "%s: z\r\n" END, name);
        CHECK_EQUAL(scan_text(text), HEAD_PLAIN);
        CHECK_EQUAL(head.fields[1].known, names[i].known);
        http1_forward_bytes(&head, 0, &count);
        CHECK_EQUAL(count, names[i].known == NAME_OTHER ? 2 : 1);
        sprintf(text, LINE "Connection: %s\r\n" END, name);
        CHECK_EQUAL(scan_text(text), names[i].known == NAME_OTHER ? HEAD_UNUSUAL_CONNECTION : HEAD_BAD_CONNECTION);
    }
    check_context = "";
}

/* What Connection must not name: what frames the message, routes it, or says who asks. */
static void test_bad_nominations(void)
{
    static const char *const bad[] = {
        "host", "Content-Length", "transfer-encoding", "x-tenant-id", "X-Correlation-Id",
        "x-request-id", "traceparent", "tracestate", "x-request-timeout-ms", "expect",
        "authorization", "X-Api-Key", "X-Service-Version",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        check_context = bad[i];
        sprintf(text, LINE "Connection: keep-alive, %s\r\n" END, bad[i]);
        CHECK_EQUAL(scan_text(text), HEAD_BAD_CONNECTION);
    }
    check_context = "";
}

static void test_nominated(void)
{
    CHECK_EQUAL(scan_text(LINE "^a: 1\r\nX-Hop: 2\r\nx-hop: 3\r\nX-Hop2: 4\r\nConnection: x-HOP, ~A,,\r\nConnection: x-hop3\r\n"
                               "X-HOP3: 5\r\n" END),
                HEAD_UNUSUAL_CONNECTION);
    static const uint8_t expected[] = {NAME_HOST,  NAME_OTHER,      NAME_NOMINATED,  NAME_NOMINATED,
                                       NAME_OTHER, NAME_CONNECTION, NAME_CONNECTION, NAME_NOMINATED};
    CHECK_EQUAL(head.field_count, sizeof expected);
    for (size_t i = 0; i < sizeof expected; i++)
        CHECK_EQUAL(head.fields[i].known, expected[i]); /* '^' and '~' differ in bit 5 alone, and are no letters */
    uint32_t count;
    http1_forward_bytes(&head, 0, &count);
    CHECK_EQUAL(count, 3);

    for (int options = 100; options <= 101; options++) { /* as many as there may be fields */
        int at = sprintf(text, LINE "Connection: ");
        for (int i = 0; i < options; i++)
            at += sprintf(text + at, "x,");
        sprintf(text + at, "\r\n" END);
        CHECK_EQUAL(scan_text(text), options == 100 ? HEAD_UNUSUAL_CONNECTION : HEAD_BAD_CONNECTION);
    }
}

/* Expect goes on where the body waits for an answer to it. */
static void test_forwarded_expect(void)
{
    uint32_t count;

    CHECK_EQUAL(scan_text(LINE "Expect: 100-continue\r\nContent-Length: 1\r\n" END), HEAD_UNUSUAL_EXPECT);
    http1_forward_bytes(&head, 0, &count);
    CHECK_EQUAL(count, 2);
    CHECK_EQUAL(scan_text(LINE "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n" END), HEAD_UNUSUAL_ENCODING);
    http1_forward_bytes(&head, 0, &count);
    CHECK_EQUAL(count, 2);
    CHECK_EQUAL(scan_text(LINE "Expect: 100-continue\r\nContent-Length: 0\r\n" END), HEAD_UNUSUAL_EXPECT);
    http1_forward_bytes(&head, 0, &count);
    CHECK_EQUAL(count, 1);
    CHECK_EQUAL(scan_text(LINE "Expect:\r\nContent-Length: 1\r\n" END), HEAD_UNUSUAL_EXPECT);
    http1_forward_bytes(&head, 0, &count);
    CHECK_EQUAL(count, 1);
}

int main(void)
{
    test_flags();
    test_whole();
    test_encoded_bytes();
    test_names();
    test_bad_nominations();
    test_nominated();
    test_forwarded_expect();
    return test_report();
}
