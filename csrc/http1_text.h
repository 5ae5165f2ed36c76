/* What the head scanner and the response writer share: classes of bytes, words of eight bytes, and the names that the gateway
 * treats specially. Everything is inline: these few lines are most of what runs per byte. */
#ifndef PENSTOCK_HTTP1_TEXT_H
#define PENSTOCK_HTTP1_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "http1_head.h"

/* Classes of bytes. '%' is in no class of a target or a host: whoever meets it checks the two digits after it. CR and LF are
 * in no class at all, so that every loop over a class ends at a line's end. */
enum {
    CLASS_TOKEN = 1,        /* tchar (RFC 9110, section 5.6.2) */
    CLASS_LOWER_TOKEN = 2,  /* the same without A to Z */
    CLASS_SEGMENT = 4,      /* pchar (RFC 3986, section 3.3) */
    CLASS_QUERY = 8,        /* pchar, '/', '?', and what browsers leave as it is in a query: { } | ^ \ [ ] ` */
    CLASS_REG_NAME = 16,    /* unreserved and sub-delims (RFC 3986, section 3.2.2) */
    CLASS_TEXT = 32,        /* field-value: HTAB, SP, VCHAR, obs-text (RFC 9110, section 5.5) */
    CLASS_NAME = 64,        /* tchar without '_', for names with one are looked at more closely */
    CLASS_UNRESERVED = 128, /* what need never be percent-encoded (RFC 3986, section 2.3) */

    CLASS_MARK = CLASS_TOKEN | CLASS_LOWER_TOKEN | CLASS_NAME | CLASS_SEGMENT | CLASS_QUERY | CLASS_REG_NAME | CLASS_TEXT,
    CLASS_LOWER = CLASS_MARK | CLASS_UNRESERVED,
    CLASS_UPPER = CLASS_LOWER & ~CLASS_LOWER_TOKEN,
    CLASS_DELIMITER = CLASS_SEGMENT | CLASS_QUERY | CLASS_REG_NAME | CLASS_TEXT,
    CLASS_TOKEN_ONLY = CLASS_TOKEN | CLASS_LOWER_TOKEN | CLASS_NAME | CLASS_TEXT
};

static const uint8_t byte_class[256] = {
    ['A' ... 'Z'] = CLASS_UPPER,
    ['a' ... 'z'] = CLASS_LOWER,
    ['0' ... '9'] = CLASS_LOWER,
    ['-'] = CLASS_LOWER,     ['.'] = CLASS_LOWER,     ['~'] = CLASS_LOWER,     ['_'] = CLASS_LOWER & ~CLASS_NAME,
    ['!'] = CLASS_MARK,      ['$'] = CLASS_MARK,      ['&'] = CLASS_MARK,      ['\''] = CLASS_MARK,
    ['*'] = CLASS_MARK,      ['+'] = CLASS_MARK,
    ['('] = CLASS_DELIMITER, [')'] = CLASS_DELIMITER, [','] = CLASS_DELIMITER, [';'] = CLASS_DELIMITER,
    ['='] = CLASS_DELIMITER,
    [':'] = CLASS_SEGMENT | CLASS_QUERY | CLASS_TEXT,
    ['@'] = CLASS_SEGMENT | CLASS_QUERY | CLASS_TEXT,
    ['/'] = CLASS_QUERY | CLASS_TEXT,
    ['?'] = CLASS_QUERY | CLASS_TEXT,
    ['#'] = CLASS_TOKEN_ONLY, ['%'] = CLASS_TOKEN_ONLY,
    ['^'] = CLASS_TOKEN_ONLY | CLASS_QUERY,
    ['`'] = CLASS_TOKEN_ONLY | CLASS_QUERY,
    ['|'] = CLASS_TOKEN_ONLY | CLASS_QUERY,
    ['{'] = CLASS_QUERY | CLASS_TEXT, ['}'] = CLASS_QUERY | CLASS_TEXT, ['\\'] = CLASS_QUERY | CLASS_TEXT,
    ['['] = CLASS_QUERY | CLASS_TEXT, [']'] = CLASS_QUERY | CLASS_TEXT,
    ['\t'] = CLASS_TEXT, [' '] = CLASS_TEXT, ['"'] = CLASS_TEXT, ['<'] = CLASS_TEXT, ['>'] = CLASS_TEXT,
    [0x80 ... 0xff] = CLASS_TEXT,
};

static inline int is_digit(uint8_t byte)
{
    return (uint8_t)(byte - '0') < 10;
}

/* The value of a hexadecimal digit, or -1. */
static inline int hex_value(uint8_t byte)
{
    uint8_t letter = (uint8_t)((byte | 0x20) - 'a');
    return is_digit(byte) ? byte - '0' : letter < 6 ? letter + 10 : -1;
}

/* Eight bytes as a number whose lowest byte is the first, whatever the machine's own order. */
static inline uint64_t load_word(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, 8);
    return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap64(word) : word;
}

static inline void store_word(uint8_t *out, uint64_t word)
{
    word = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap64(word) : word;
    memcpy(out, &word, 8);
}

static inline uint64_t repeat_byte(uint8_t byte)
{
    return byte * UINT64_C(0x0101010101010101);
}

/* Not zero when a byte of the word is below 0x20 or is 0x7f. The lowest bit that is set lies in the first such byte; bits above
 * it may be wrong, since a subtraction that borrows disturbs the bytes after it. HTAB counts, though it is legal in text. */
static inline uint64_t find_control(uint64_t word)
{
    uint64_t below = (word - repeat_byte(0x20)) & ~word;
    uint64_t turned = word ^ repeat_byte(0x7f);
    uint64_t delete = (turned - repeat_byte(1)) & ~turned;
    return (below | delete) & repeat_byte(0x80);
}

/* A to Z of an ASCII word in lower case; every other byte stays. */
static inline uint64_t lower_word(uint64_t word)
{
    uint64_t from_a = word + repeat_byte(0x80 - 'A');
    uint64_t past_z = word + repeat_byte(0x80 - 'Z' - 1);
    return word | ((from_a & ~past_z & repeat_byte(0x80)) >> 2);
}

/* memcpy for what is mostly short, as names and values are: its call costs more than the copy. Writes byte_count bytes and no
 * more. */
static inline void copy_short(uint8_t *out, const uint8_t *bytes, uint32_t byte_count)
{
    if (byte_count > 64) {
        memcpy(out, bytes, byte_count);
    } else if (byte_count >= 8) {
        for (uint32_t i = 0; i + 8 < byte_count; i += 8)
            memcpy(out + i, bytes + i, 8);
        memcpy(out + byte_count - 8, bytes + byte_count - 8, 8);
    } else {
        for (uint32_t i = 0; i < byte_count; i++)
            out[i] = bytes[i];
    }
}

/* Writes a token in lower case; writes byte_count bytes and no more. The last word overlaps the one before it. */
static inline void copy_lower(uint8_t *out, const uint8_t *token, uint32_t byte_count)
{
    if (byte_count < 8) {
        for (uint32_t i = 0; i < byte_count; i++)
            out[i] = (uint8_t)(token[i] | ((uint8_t)(token[i] - 'A') < 26 ? 0x20 : 0));
        return;
    }
    for (uint32_t i = 0; i + 8 < byte_count; i += 8)
        store_word(out + i, lower_word(load_word(token + i)));
    store_word(out + byte_count - 8, lower_word(load_word(token + byte_count - 8)));
}

/* Whether a token of byte_count bytes is the name, which is in lower case and has as many. Setting bit 5 is enough to ignore
 * the case: among the bytes of tokens, only a letter becomes a letter by it, and only '-' becomes '-'. Names are 2 to 24
 * bytes. */
static inline int is_name(const uint8_t *token, const char *name, size_t byte_count)
{
    const uint8_t *lower = (const uint8_t *)name;
    uint64_t differ = 0;
    if (byte_count < 8) {
        for (size_t i = 0; i < byte_count; i++)
            differ |= (uint64_t)((token[i] | 0x20) ^ lower[i]);
        return differ == 0;
    }
    for (size_t i = 0; i + 8 < byte_count; i += 8)
        differ |= (load_word(token + i) | repeat_byte(0x20)) ^ load_word(lower + i);
    differ |= (load_word(token + byte_count - 8) | repeat_byte(0x20)) ^ load_word(lower + byte_count - 8);
    return differ == 0;
}

/* Which of the names that the gateway treats specially a token is: an enum http1_name. Those that begin with x-forwarded, say, or
 * are spelt with '_', are left to http1_guarded_name. */
static inline uint8_t find_known_name(const uint8_t *token, size_t byte_count)
{
    switch (byte_count) {
    case 2:
        return is_name(token, "te", 2) ? NAME_TE : NAME_OTHER;
    case 4:
        return is_name(token, "host", 4) ? NAME_HOST : NAME_OTHER;
    case 6:
        return is_name(token, "expect", 6) ? NAME_EXPECT : NAME_OTHER;
    case 7:
        return is_name(token, "upgrade", 7) ? NAME_UPGRADE : is_name(token, "trailer", 7) ? NAME_TRAILER : NAME_OTHER;
    case 9:
        return is_name(token, "forwarded", 9)   ? NAME_FORWARDED
               : is_name(token, "x-api-key", 9) ? NAME_API_KEY
                                                : NAME_OTHER;
    case 10:
        return is_name(token, "connection", 10)   ? NAME_CONNECTION
               : is_name(token, "keep-alive", 10) ? NAME_KEEP_ALIVE
               : is_name(token, "tracestate", 10) ? NAME_TRACESTATE
                                                  : NAME_OTHER;
    case 11:
        return is_name(token, "x-tenant-id", 11)   ? NAME_TENANT
               : is_name(token, "traceparent", 11) ? NAME_TRACEPARENT
                                                   : NAME_OTHER;
    case 12:
        return is_name(token, "x-request-id", 12) ? NAME_REQUEST_ID : NAME_OTHER;
    case 13:
        return is_name(token, "authorization", 13) ? NAME_AUTHORIZATION : NAME_OTHER;
    case 14:
        return is_name(token, "content-length", 14)   ? NAME_CONTENT_LENGTH
               : is_name(token, "true-client-ip", 14) ? NAME_TRUST
                                                      : NAME_OTHER;
    case 16:
        return is_name(token, "x-correlation-id", 16)   ? NAME_CORRELATION_ID
               : is_name(token, "proxy-connection", 16) ? NAME_PROXY_CONNECTION
                                                        : NAME_OTHER;
    case 17:
        return is_name(token, "x-service-version", 17)   ? NAME_SERVICE_VERSION
               : is_name(token, "transfer-encoding", 17) ? NAME_TRANSFER_ENCODING
                                                         : NAME_OTHER;
    case 20:
        return is_name(token, "x-request-timeout-ms", 20) ? NAME_REQUEST_TIMEOUT : NAME_OTHER;
    default:
        return NAME_OTHER;
    }
}

/* Which of the seven methods a token is: an enum frame_method. Methods are case-sensitive (RFC 9110, section 9.1). */
static inline uint8_t find_method(const uint8_t *token, size_t byte_count)
{
    switch (byte_count) {
    case 3:
        return memcmp(token, "GET", 3) == 0 ? METHOD_GET : memcmp(token, "PUT", 3) == 0 ? METHOD_PUT : METHOD_NONE;
    case 4:
        return memcmp(token, "POST", 4) == 0 ? METHOD_POST : memcmp(token, "HEAD", 4) == 0 ? METHOD_HEAD : METHOD_NONE;
    case 5:
        return memcmp(token, "PATCH", 5) == 0 ? METHOD_PATCH : METHOD_NONE;
    case 6:
        return memcmp(token, "DELETE", 6) == 0 ? METHOD_DELETE : METHOD_NONE;
    case 7:
        return memcmp(token, "OPTIONS", 7) == 0 ? METHOD_OPTIONS : METHOD_NONE;
    default:
        return METHOD_NONE;
    }
}

#endif
