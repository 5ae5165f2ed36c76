/* The strict HTTP/1.1 request-head scanner of the express lane (RFC 9110, RFC 9112).
 *
 * It has three verdicts on a complete head: plain (the express lane may carry it), unusual (legal, perhaps, but not for this
 * lane) and malformed (to be refused). It never guesses. Whatever it calls plain, h11 accepts with the same method, target,
 * fields and body length; that is fuzzed. Pure: no allocation, no reads outside the given range, linear time. */
#ifndef PENSTOCK_HTTP1_HEAD_H
#define PENSTOCK_HTTP1_HEAD_H

#include <stdint.h>

#include "frame.h"

/* cdef: begin */
enum { HTTP1_FIELDS_MAX = 128 }; /* size of the arrays that a caller must provide; the setting may be lower */

/* Names that the gateway treats specially; every other name is NAME_OTHER. */
enum http1_name {
    NAME_OTHER = 0,
    NAME_HOST = 1,
    NAME_CONTENT_LENGTH = 2,
    NAME_TRANSFER_ENCODING = 3,
    NAME_CONNECTION = 4,
    NAME_EXPECT = 5,
    NAME_UPGRADE = 6,
    NAME_KEEP_ALIVE = 7,
    NAME_PROXY_CONNECTION = 8,
    NAME_TE = 9,
    NAME_TRAILER = 10,
    NAME_TENANT = 11,           /* x-tenant-id */
    NAME_CORRELATION_ID = 12,   /* x-correlation-id */
    NAME_REQUEST_ID = 13,       /* x-request-id */
    NAME_TRACEPARENT = 14,
    NAME_TRACESTATE = 15,
    NAME_REQUEST_TIMEOUT = 16   /* x-request-timeout-ms */
};

/* Bits of http1_head.flags. */
enum {
    HEAD_CLOSE = 1,              /* Connection: close */
    HEAD_HAS_TENANT = 2,
    HEAD_HAS_CORRELATION_ID = 4,
    HEAD_HAS_REQUEST_ID = 8,
    HEAD_HAS_TRACEPARENT = 16,
    HEAD_HAS_TRACESTATE = 32,
    HEAD_HAS_REQUEST_TIMEOUT = 64
};

/* Verdicts. 1 to 63: malformed, answered 400 (or the status named). 64 and up: unusual, not for the express lane. */
enum http1_verdict {
    HEAD_PLAIN = 0,
    HEAD_BAD_METHOD = 1,           /* not a token */
    HEAD_BAD_TARGET = 2,
    HEAD_BAD_VERSION = 3,          /* not HTTP/d.d */
    HEAD_BAD_LINE_END = 4,         /* bare CR or bare LF */
    HEAD_BAD_FIELD_NAME = 5,       /* empty, not a token, space before the colon, no colon, leading space (obs-fold) */
    HEAD_BAD_FIELD_VALUE = 6,      /* a control byte */
    HEAD_BAD_HOST = 7,             /* missing, more than one, or not a host */
    HEAD_BAD_CONTENT_LENGTH = 8,   /* not digits, more than one, over 2^53 */
    HEAD_LENGTH_AND_ENCODING = 9,  /* Content-Length with Transfer-Encoding */
    HEAD_BAD_CONTEXT = 10,         /* a context field (tenant to request timeout) more than once */
    HEAD_TOO_LARGE = 11,           /* 431: more bytes than the limit without an end of the head */
    HEAD_TOO_MANY_FIELDS = 12,     /* 431 */
    HEAD_TARGET_TOO_LONG = 13,     /* 414 */
    HEAD_FIELD_NAME_TOO_LONG = 14, /* 431: over 255 bytes */
    HEAD_UNSUPPORTED_VERSION = 15, /* 505: HTTP/2 and above, HTTP/0.9 */
    HEAD_UNUSUAL_METHOD = 64,      /* a token, but not one of the seven */
    HEAD_UNUSUAL_TARGET = 65,      /* absolute, authority or asterisk form */
    HEAD_UNUSUAL_PATH = 66,        /* dot segments, empty segments, encoded '/', '\', '.' or NUL: must be normalised first */
    HEAD_UNUSUAL_VERSION = 67,     /* HTTP/1.0 */
    HEAD_UNUSUAL_ENCODING = 68,    /* Transfer-Encoding */
    HEAD_UNUSUAL_EXPECT = 69,
    HEAD_UNUSUAL_UPGRADE = 70,
    HEAD_UNUSUAL_CONNECTION = 71,  /* Connection names anything but close and keep-alive, or both of them */
    HEAD_UNUSUAL_BODY = 72         /* Content-Length over the express lane's limit */
};

typedef struct {
    uint32_t head_bytes_max;    /* whole head, final CRLF CRLF included */
    uint32_t fields_max;        /* at most HTTP1_FIELDS_MAX */
    uint32_t target_bytes_max;  /* at most FRAME_TARGET_BYTES_MAX */
    uint32_t body_bytes_max;    /* of the express lane */
} http1_limits;

typedef struct {
    uint32_t name;              /* offset from the start of the head */
    uint32_t value;             /* after leading and before trailing white space */
    uint16_t value_bytes;
    uint8_t name_bytes;
    uint8_t known;              /* enum http1_name */
} http1_field;

typedef struct {
    uint32_t head_bytes;        /* the head's length; the body follows */
    uint32_t body_bytes;        /* Content-Length, 0 without one */
    uint32_t target;            /* offset */
    uint16_t target_bytes;      /* path and query */
    uint16_t path_bytes;        /* up to '?' */
    uint16_t field_count;
    uint8_t method;             /* enum frame_method */
    uint8_t flags;
    http1_field fields[HTTP1_FIELDS_MAX];
} http1_head;

enum { HEAD_END_NOT_FOUND = 0, HEAD_END_BAD_LINE = -1, HEAD_END_TOO_LARGE = -2 };

/* Looks for the end of the head in bytes[0..byte_count). Returns the head's length (its CRLF CRLF included), HEAD_END_NOT_FOUND
 * when more bytes are needed, HEAD_END_BAD_LINE as soon as a LF without CR before it is seen, or HEAD_END_TOO_LARGE when
 * head_bytes_max bytes hold no end. *searched must be 0 at first; it keeps how far earlier calls on the same,
 * growing bytes have looked, so that a head that comes byte by byte is searched once. */
int32_t http1_head_end(const uint8_t *bytes, uint32_t byte_count, uint32_t head_bytes_max, uint32_t *searched);

/* Whether bytes can be the beginning of a request: the bytes so far of its method are letters of a token, followed by a space.
 * Lets a caller refuse at once what speaks another protocol (a TLS hello, say). Looks at 32 bytes at most. Returns 1 or 0. */
int http1_head_may_begin(const uint8_t *bytes, uint32_t byte_count);

/* Scans the whole head bytes[0..head_bytes), as measured by http1_head_end, into *head. Returns an enum http1_verdict.
 * With a verdict other than HEAD_PLAIN only head_bytes, and method (METHOD_NONE where not known) are to be used.
 * Malformed wins over unusual, so that what is refused is refused in every lane. */
int http1_head_scan(const uint8_t *bytes, uint32_t head_bytes, const http1_limits *limits, http1_head *head);

/* Bytes of the REQUEST frame's field table and text that a scanned head needs: all fields but those of one hop, those that
 * become context fields, content-length and x-request-timeout-ms. *field_count gets their number. */
uint32_t http1_forward_bytes(const http1_head *head, uint32_t *field_count);
/* cdef: end */

/* Writes those fields: table entries (4 bytes each) at table, text at text, names in lower case. The caller made room by
 * http1_forward_bytes: 4 * field_count at table, the rest at text. Returns the bytes written at text. */
uint32_t http1_forward_write(const uint8_t *bytes, const http1_head *head, uint8_t *table, uint8_t *text);

#endif
