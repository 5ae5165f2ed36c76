/* Tests of the chunked decoder with every byte in every place of a chunk line, of what ends data, and of trailers. */
#include "http1_body.h"
#include "test_support.h"

#define LAST "0\r\n\r\n"

/* What bytes that end at an untouchable page lead to. */
static int read_bytes(const void *bytes, size_t byte_count)
{
    static const http1_limits limits = {16384, 100, 8192, 65536};
    static http1_chunks found;
    http1_chunked state = {0};
    http1_piece pieces[8];
    guarded input = guarded_at_end(bytes, byte_count);
    int error = http1_chunked_scan(&state, input.bytes, (uint32_t)byte_count, &limits, pieces, 8, &found);
    guarded_free(&input);
    return error;
}

static int is_one_of(int byte, const char *set)
{
    return byte != 0 && strchr(set, byte) != NULL;
}

static int is_hex(int byte)
{
    return is_one_of(byte, "0123456789abcdefABCDEF");
}

static int is_token_byte(int byte)
{
    return is_one_of(byte, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
}

static int is_text_byte(int byte)
{
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
}

/* The sets below are written from the RFC's text, not from the decoder's table. The byte stands where '@' is. */
static int expect_in_size(int byte)
{
    return byte == '\n' || byte == '\r' ? BODY_BAD_LINE_END
           : is_hex(byte)               ? BODY_OK
           : byte == ';'                ? BODY_BAD_EXTENSION /* with nothing behind it */
                                        : BODY_BAD_SIZE;
}

static int expect_first_of_size(int byte)
{
    return byte == '\n' ? BODY_BAD_LINE_END : is_hex(byte) ? BODY_OK : BODY_BAD_SIZE;
}

static int expect_in_name(int byte) /* of an extension: ";a@b=c" */
{
    return byte == '\n' || byte == '\r'         ? BODY_BAD_LINE_END
           : is_token_byte(byte) || byte == ';' ? BODY_OK
                                                : BODY_BAD_EXTENSION; /* '=' as well: the next one is in no token */
}

static int expect_in_value(int byte) /* ";a=b@c" */
{
    return byte == '\n' || byte == '\r'         ? BODY_BAD_LINE_END
           : is_token_byte(byte) || byte == ';' ? BODY_OK
                                                : BODY_BAD_EXTENSION;
}

static int expect_in_quoted(int byte) /* ";a=\"b@c\"" */
{
    return byte == '\n' ? BODY_BAD_LINE_END : is_text_byte(byte) && byte != '"' ? BODY_OK : BODY_BAD_EXTENSION;
}

static int expect_escaped(int byte) /* ";a=\"\\@\"" */
{
    return byte == '\n' ? BODY_BAD_LINE_END : is_text_byte(byte) ? BODY_OK : BODY_BAD_EXTENSION;
}

static int expect_line_feed(int byte)
{
    return byte == '\n' ? BODY_OK : BODY_BAD_LINE_END;
}

static int expect_data_return(int byte)
{
    return byte == '\r' ? BODY_OK : BODY_BAD_DATA_END;
}

static int expect_data_feed(int byte)
{
    return byte == '\n' ? BODY_OK : BODY_BAD_DATA_END;
}

static int expect_in_data(int byte)
{
    (void)byte;
    return BODY_OK;
}

static int expect_in_trailer_name(int byte)
{
    return byte == '\n' || byte == '\r'         ? BODY_BAD_TRAILER_LINE
           : is_token_byte(byte) || byte == ':' ? BODY_OK
                                                : BODY_BAD_TRAILER_NAME;
}

static int expect_in_trailer_value(int byte)
{
    return byte == '\n' || byte == '\r' ? BODY_BAD_TRAILER_LINE : is_text_byte(byte) ? BODY_OK : BODY_BAD_TRAILER_VALUE;
}

static void test_bytes_at(const char *name, const char *template, int (*expect)(int))
{
    char text[128];
    size_t byte_count = strlen(template);
    size_t at = (size_t)(strchr(template, '@') - template);

    check_context = name;
    memcpy(text, template, byte_count);
    for (int byte = 0; byte < 256; byte++) {
        text[at] = (char)byte;
        if (!CHECK_EQUAL(read_bytes(text, byte_count), expect(byte)))
            fprintf(stderr, "    with byte 0x%02x\n", (unsigned)byte);
    }
    check_context = "";
}

static void test_every_byte(void)
{
    test_bytes_at("first of size", "@1\r\n", expect_first_of_size);
    test_bytes_at("size", "1@\r\n", expect_in_size);
    test_bytes_at("line feed", "1\r@a", expect_line_feed);
    test_bytes_at("extension name", "1;a@b=c\r\n", expect_in_name);
    test_bytes_at("extension value", "1;a=b@c\r\n", expect_in_value);
    test_bytes_at("quoted", "1;a=\"b@c\"\r\n", expect_in_quoted);
    test_bytes_at("escaped", "1;a=\"\\@\"\r\n", expect_escaped);
    test_bytes_at("data", "3\r\na@b\r\n" LAST, expect_in_data);
    test_bytes_at("CR after data", "1\r\na@\n" LAST, expect_data_return);
    test_bytes_at("LF after data", "1\r\na\r@" LAST, expect_data_feed);
    test_bytes_at("trailer name", "0\r\nX@Y: z\r\n\r\n", expect_in_trailer_name);
    test_bytes_at("trailer value", "0\r\nX: a@bcdefghijklm\r\n\r\n", expect_in_trailer_value);
}

int main(void)
{
    test_every_byte();
    return test_report();
}
