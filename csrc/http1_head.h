/* The strict HTTP/1.1 request-head scanner of both lanes (RFC 9110, RFC 9112).
 *
 * It has three verdicts on a complete head: plain (the express lane may carry it), unusual (legal, but to be looked at before it
 * goes on) and malformed (to be refused). It never guesses. Whatever it does not call malformed, h11 accepts with the same
 * method, target, fields and framing of the body; that is fuzzed. Pure: no allocation, no reads outside the given range, linear
 * time. */
#ifndef PENSTOCK_HTTP1_HEAD_H
#define PENSTOCK_HTTP1_HEAD_H

#include <stdint.h>

#include "frame.h"

/* cdef: begin */
enum { HTTP1_FIELDS_MAX = 128 }; /* size of the arrays that a caller must provide; the setting may be lower */

/* Names that the gateway treats specially; every other name is NAME_OTHER. From NAME_CONTENT_LENGTH on they do not go on to the
 * service as they came, but for an Expect that asks for leave to send a body. */
enum http1_name {
    NAME_OTHER = 0,
    NAME_HOST = 1,
    NAME_AUTHORIZATION = 2,
    NAME_API_KEY = 3,           /* x-api-key */
    NAME_SERVICE_VERSION = 4,   /* x-service-version */
    NAME_CONTENT_LENGTH = 5,
    NAME_TRANSFER_ENCODING = 6,
    NAME_CONNECTION = 7,
    NAME_EXPECT = 8,
    NAME_UPGRADE = 9,
    NAME_KEEP_ALIVE = 10,
    NAME_PROXY_CONNECTION = 11,
    NAME_TE = 12,
    NAME_TRAILER = 13,
    NAME_TENANT = 14,           /* x-tenant-id */
    NAME_CORRELATION_ID = 15,   /* x-correlation-id */
    NAME_REQUEST_ID = 16,       /* x-request-id */
    NAME_TRACEPARENT = 17,
    NAME_TRACESTATE = 18,
    NAME_REQUEST_TIMEOUT = 19,  /* x-request-timeout-ms */
    NAME_FORWARDED = 20,
    NAME_X_FORWARDED_FOR = 21,
    NAME_X_FORWARDED_PROTO = 22,
    NAME_TRUST = 23,            /* what else only the gateway may say: any other x-forwarded-*, x-penstock-*, x-real-ip,
                                 * x-client-ip, x-cluster-client-ip, true-client-ip, any name of this list with '_' for '-' */
    NAME_NOMINATED = 24         /* named by Connection, and so of this hop; not otherwise known */
};

/* Bits of http1_head.flags. Those that decide about the express lane fit into eight bits. */
enum {
    HEAD_HAS_MORE = 1,           /* fields that few requests have, to be asked for by name: Authorization, X-Api-Key, X-Service-Version,
                                  * X-Penstock-Attempt */
    HEAD_HAS_TENANT = 2,
    HEAD_HAS_CORRELATION_ID = 4,
    HEAD_HAS_REQUEST_ID = 8,
    HEAD_HAS_TRACEPARENT = 16,
    HEAD_HAS_TRACESTATE = 32,
    HEAD_HAS_REQUEST_TIMEOUT = 64,
    HEAD_ODD = 128,              /* the verdict is not plain, HEAD_HAS_FORWARDED, or X-Penstock-Attempt: to be looked at before it goes on */
    HEAD_CLOSE = 256,            /* Connection: close, or HTTP/1.0 without keep-alive */
    HEAD_HAS_FORWARDED = 512,    /* Forwarded, X-Forwarded-For or X-Forwarded-Proto: who is behind the peer, as it says */
    HEAD_TAKES_TRAILERS = 1024,  /* TE: trailers */
    HEAD_HTTP_1_0 = 2048,
    HEAD_EXPECTS_CONTINUE = 4096, /* Expect: 100-continue, in HTTP/1.1 */
    HEAD_CHUNKED = 8192,         /* the body is chunked */
    HEAD_HAS_LENGTH = 16384,     /* there is a Content-Length */
    HEAD_UPGRADE = 32768         /* one that may be followed: HTTP/1.1, Connection: upgrade, one field, a list of protocols */
};

/* Verdicts. 1 to 63: malformed, answered 400 (or the status named). 64 and up: unusual, to be looked at. */
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
    HEAD_BAD_CONTEXT = 10,         /* tenant, an id, request timeout or a credential more than once */
    HEAD_TOO_LARGE = 11,           /* 431: more bytes than the limit without an end of the head */
    HEAD_TOO_MANY_FIELDS = 12,     /* 431 */
    HEAD_TARGET_TOO_LONG = 13,     /* 414 */
    HEAD_FIELD_NAME_TOO_LONG = 14, /* 431: over 255 bytes */
    HEAD_UNSUPPORTED_VERSION = 15, /* 505: HTTP/2 and above, HTTP/0.9 */
    HEAD_BAD_EXPECT = 16,          /* 417: anything but 100-continue, once */
    HEAD_BAD_ENCODING = 17,        /* Transfer-Encoding that does not end in "chunked", is malformed, repeated, or in HTTP/1.0 */
    HEAD_UNKNOWN_ENCODING = 18,    /* 501: Transfer-Encoding with another coding before "chunked" */
    HEAD_BAD_CONNECTION = 19,      /* an option that is no token, or names a field which is not of one hop; too many options */
    HEAD_UNUSUAL_METHOD = 64,      /* a token, but not one of the seven */
    HEAD_UNUSUAL_TARGET = 65,      /* absolute, authority or asterisk form */
    HEAD_UNUSUAL_PATH = 66,        /* dot segments, also with a parameter; empty segments; encoded '/', '\', control or unreserved bytes; %xx for %XX */
    HEAD_UNUSUAL_VERSION = 67,     /* HTTP/1.0 */
    HEAD_UNUSUAL_ENCODING = 68,    /* Transfer-Encoding: chunked */
    HEAD_UNUSUAL_EXPECT = 69,      /* 100-continue, or nothing */
    HEAD_UNUSUAL_UPGRADE = 70,     /* to be ignored without HEAD_UPGRADE */
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
    uint32_t body_bytes;        /* Content-Length; 0 without one, and where it is over body_bytes_max */
    uint64_t content_length;    /* whatever its size */
    uint32_t target;            /* offset */
    uint16_t target_bytes;      /* the whole target, in whatever form */
    uint16_t path_bytes;        /* up to '?'; 0 of a target in another than the origin form */
    uint16_t field_count;
    uint16_t flags;             /* HEAD_ bits */
    uint16_t unusual;           /* a bit for each unusual thing: 1 << (verdict - HEAD_UNUSUAL_METHOD) */
    uint8_t method;             /* enum frame_method; METHOD_NONE with HEAD_UNUSUAL_METHOD */
    uint8_t verdict;
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
 * When malformed, only head_bytes, verdict, and method (METHOD_NONE where not known) are to be used; otherwise all of *head is.
 * Malformed wins over unusual, so that what is refused is refused in every lane; of several unusual things the one with the
 * smallest number is the verdict. */
int http1_head_scan(const uint8_t *bytes, uint32_t head_bytes, const http1_limits *limits, http1_head *head);

/* Bytes of the REQUEST frame's field table and text that a scanned head needs: all fields but those of one hop, those that
 * become context fields, content-length, x-request-timeout-ms, and those that only the gateway may say; with
 * drops_credentials not Authorization and X-Api-Key either. *field_count gets their number. */
uint32_t http1_forward_bytes(const http1_head *head, int drops_credentials, uint32_t *field_count);
/* cdef: end */

/* Writes those fields: table entries (4 bytes each) at table, text at text, names in lower case. The caller made room by
 * http1_forward_bytes: 4 * field_count at table, the rest at text. Returns the bytes written at text. */
uint32_t http1_forward_write(const uint8_t *bytes, const http1_head *head, int drops_credentials, uint8_t *table, uint8_t *text);

/* The same for fields that were written so, without dropping, some time ago: a table of *field_count entries and then its text, *block_bytes
 * in all. Makes *field_count and *block_bytes those of the fields that stay when the credentials are dropped. Returns 1, or 0 when the block
 * is not in that form: then nothing is changed. */
int http1_drop_measure(const uint8_t *block, uint32_t *field_count, uint32_t *block_bytes);
/* Writes what stays of a block of so many fields, in the room that http1_drop_measure told. Returns the bytes written at text. */
uint32_t http1_drop_write(const uint8_t *block, uint32_t field_count, uint8_t *table, uint8_t *text);

#endif
