/* Tests of the head scanner with every byte in every place: method, target, version, names and values. The input ends at an
 * untouchable page. */
#include "http1_head.h"
#include "test_support.h"

static const http1_limits limits = {16384, 100, 8192, 65536};

#define HOST "Host: a\r\n"
#define END "\r\n"
#define LINE "GET / HTTP/1.1\r\n"

/* Scans bytes that end at an untouchable page. */
static int scan_guarded(const void *bytes, size_t byte_count)
{
    static http1_head head;
    guarded input = guarded_at_end(bytes, byte_count);
    int verdict = http1_head_scan(input.bytes, (uint32_t)byte_count, &limits, &head);
    guarded_free(&input);
    return verdict;
}

/* The sets below are written from the RFCs' text, not from the scanner's table. */
static int is_one_of(int byte, const char *set)
{
    return byte != 0 && strchr(set, byte) != NULL;
}

static int is_letter_or_digit(int byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
}

static int is_token_byte(int byte)
{
    return is_letter_or_digit(byte) || is_one_of(byte, "!#$%&'*+-.^_`|~");
}

static int is_unreserved_or_delimiter(int byte)
{
    return is_letter_or_digit(byte) || is_one_of(byte, "-._~!$&'()*+,;=");
}

static int expect_in_method(int byte)
{
    return byte == '\n' || byte == '\r' ? HEAD_BAD_LINE_END
           : is_token_byte(byte)        ? HEAD_UNUSUAL_METHOD
           : byte == ' '                ? HEAD_BAD_TARGET
                                        : HEAD_BAD_METHOD;
}

static int expect_in_path(int byte)
{
    return byte == '\n' || byte == '\r' ? HEAD_BAD_LINE_END
           : byte == ' '                ? HEAD_BAD_VERSION
           : is_unreserved_or_delimiter(byte) || is_one_of(byte, ":@/?") ? HEAD_PLAIN
                                                                        : HEAD_BAD_TARGET;
}

static int expect_in_query(int byte)
{
    return is_one_of(byte, "{}|^\\[]`") ? HEAD_PLAIN : expect_in_path(byte);
}

static int expect_in_name(int byte)
{
    return byte == '\n' || byte == '\r'            ? HEAD_BAD_LINE_END
           : is_token_byte(byte) || byte == ':' ? HEAD_PLAIN
                                                   : HEAD_BAD_FIELD_NAME;
}

static int expect_in_value(int byte)
{
    return byte == '\n' || byte == '\r'                         ? HEAD_BAD_LINE_END
           : byte == '\t' || (byte >= 0x20 && byte != 0x7f) ? HEAD_PLAIN
                                                                : HEAD_BAD_FIELD_VALUE;
}

static int expect_in_host(int byte)
{
    int in_value = expect_in_value(byte);
    return in_value != HEAD_PLAIN ? in_value : is_unreserved_or_delimiter(byte) ? HEAD_PLAIN : HEAD_BAD_HOST;
}

static int expect_in_version(int byte) /* the digit after the dot */
{
    return byte == '\n' || byte == '\r'   ? HEAD_BAD_LINE_END
           : byte == '1'                  ? HEAD_PLAIN
           : byte == '0'                  ? HEAD_UNUSUAL_VERSION
           : byte >= '2' && byte <= '9' ? HEAD_UNSUPPORTED_VERSION
                                          : HEAD_BAD_VERSION;
}

/* Puts every byte where the '@' of the template stands. */
static void test_bytes_at(const char *name, const char *template, int (*expect)(int))
{
    char text[256];
    size_t byte_count = strlen(template);
    size_t at = (size_t)(strchr(template, '@') - template);

    check_context = name;
    memcpy(text, template, byte_count);
    for (int byte = 0; byte < 256; byte++) {
        text[at] = (char)byte;
        if (!CHECK_EQUAL(scan_guarded(text, byte_count), expect(byte)))
            fprintf(stderr, "    with byte 0x%02x\n", (unsigned)byte);
    }
    check_context = "";
}

static void test_every_byte(void)
{
    test_bytes_at("method", "GE@T / HTTP/1.1\r\n" HOST END, expect_in_method);
    test_bytes_at("path", "GET /a@b HTTP/1.1\r\n" HOST END, expect_in_path);
    test_bytes_at("query", "GET /a?b@c HTTP/1.1\r\n" HOST END, expect_in_query);
    test_bytes_at("version", "GET / HTTP/1.@\r\n" HOST END, expect_in_version);
    test_bytes_at("name", LINE HOST "X@Y: z\r\n" END, expect_in_name);
    test_bytes_at("host", LINE "Host: a@b\r\n" END, expect_in_host);
    /* in the first word of eight bytes, in a later one, and in the bytes after the last whole word */
    test_bytes_at("value", LINE HOST "X: a@bcdefghijklmnopqrstuvwxyz\r\n" END, expect_in_value);
    test_bytes_at("value, second word", LINE HOST "X: 12345678abc@bcdefghijkl\r\n" END, expect_in_value);
    test_bytes_at("value, tail", LINE HOST "X: 12345678a@\r\n" END, expect_in_value);
    test_bytes_at("value, after HTAB", LINE HOST "X: 1\t2\t@5678\xff\x80\r\n" END, expect_in_value);
}

int main(void)
{
    test_every_byte();
    return test_report();
}
