/* Frames: one length-prefixed message on a framed connection (docs/protocol.md, sections 2 to 4).
 *
 * Everything here is pure: bytes in, values out. Nothing allocates, nothing keeps a pointer after it returns, nothing reads
 * or writes outside the ranges that it was given. All offsets are bytes from the start of the scanned buffer. */
#ifndef PENSTOCK_FRAME_H
#define PENSTOCK_FRAME_H

#include <stddef.h>
#include <stdint.h>

/* cdef: begin */
enum {
    FRAME_HEADER_BYTES = 16,
    FRAME_PAYLOAD_BYTES_MAX = 1048576, /* bounds head-of-line blocking on a shared connection */
    FRAME_GREETING_BYTES_MAX = 262144, /* HELLO, WELCOME: 1,024 endpoints fit with room */
    FRAME_DATA_BYTES_MAX = 65536,
    FRAME_FIELDS_MAX = 128,
    FRAME_TARGET_BYTES_MAX = 8192,
    FRAME_FAULT_TEXT_BYTES_MAX = 1024,
    FRAME_REQUEST_FIXED_BYTES = 12,
    FRAME_RESPONSE_FIXED_BYTES = 4
};

enum frame_type {
    FRAME_HELLO = 1,
    FRAME_WELCOME = 2,
    FRAME_HEARTBEAT = 3,
    FRAME_GOAWAY = 4,
    FRAME_FAULT = 5,
    FRAME_REQUEST = 6,
    FRAME_RESPONSE = 7,
    FRAME_DATA = 8,
    FRAME_TRAILERS = 9,
    FRAME_CREDIT = 10,
    FRAME_CANCEL = 11,
    FRAME_REFUSED = 12
};

enum { FRAME_END = 1 }; /* flags */

enum frame_method {
    METHOD_NONE = 0,
    METHOD_GET = 1,
    METHOD_HEAD = 2,
    METHOD_POST = 3,
    METHOD_PUT = 4,
    METHOD_PATCH = 5,
    METHOD_DELETE = 6,
    METHOD_OPTIONS = 7
};

enum frame_field_id {
    FIELD_NAMED = 0,
    FIELD_TENANT = 1,
    FIELD_CORRELATION_ID = 2,
    FIELD_REQUEST_ID = 3,
    FIELD_TRACE = 4,
    FIELD_TRACESTATE = 5,
    FIELD_PRINCIPAL = 6,
    FIELD_CLAIMS = 7,
    FIELD_CLIENT_ADDRESS = 8,
    FIELD_SCHEME = 9,
    FIELD_BODY_LENGTH = 10,
    FIELD_UPGRADE = 11,
    FIELD_SERVICE = 12
};

/* Why a scan stopped. FRAME_OK also when the input ends inside a frame, or when an output array is full. */
enum frame_error {
    FRAME_OK = 0,
    FRAME_ERROR_TOO_LONG = 1,        /* payload length over the limit of its type */
    FRAME_ERROR_RESERVED = 2,        /* reserved bytes are not zero */
    FRAME_ERROR_TYPE = 3,            /* unknown type */
    FRAME_ERROR_FLAGS = 4,           /* unknown flag, END where it may not be, or no END where it must be */
    FRAME_ERROR_EXCHANGE = 5,        /* zero where an exchange is needed, or the reverse */
    FRAME_ERROR_PAYLOAD = 6,         /* fixed part too short, too long, or out of range */
    FRAME_ERROR_FIELDS = 7,          /* field count or lengths do not fit in the payload, or a wrong entry */
    FRAME_ERROR_TARGET = 8           /* target length out of range, or not beginning with '/' */
};

/* One decoded field. id is an enum frame_field_id or one that this version does not know; name_bytes is 0 unless id is 0. */
typedef struct {
    uint32_t name;
    uint32_t value;
    uint16_t value_bytes;
    uint8_t name_bytes;
    uint8_t id;
} frame_field;

/* One scanned frame. What does not belong to its type is zero.
 * REQUEST: remaining_ms, endpoint, method, attempt, target, target_bytes, fields, body.   RESPONSE: status, fields, body.
 * TRAILERS: fields.   DATA: body.   All others: payload only; their fixed parts were checked and are read by the caller. */
typedef struct {
    uint64_t exchange;
    uint32_t payload;
    uint32_t payload_bytes;
    uint32_t body;
    uint32_t body_bytes;
    uint32_t first_field; /* index into the array of fields given to frame_scan */
    uint32_t remaining_ms;
    uint32_t target;
    uint16_t target_bytes;
    uint16_t field_count;
    uint16_t endpoint;
    uint16_t status;
    uint8_t type;
    uint8_t flags;
    uint8_t method;
    uint8_t attempt;
} frame_view;

/* What frame_scan found. consumed: bytes of whole frames that were yielded. needed: total bytes from the start of the
 * unfinished frame that must be there before another call can yield it (16 while its header is incomplete; 0 when the input
 * ended on a boundary, after an error, and when an output array is full: then call again from consumed). field_count: how
 * many entries of fields were filled. error: an enum frame_error; the frame at consumed is the bad one, and the connection
 * must not be read further. A bad header is an error as soon as it is whole, before its payload is there. */
typedef struct {
    uint32_t frame_count;
    uint32_t field_count;
    uint32_t consumed;
    uint32_t needed;
    uint32_t error;
} frame_scan_result;

/* Yields the whole frames at the start of bytes[0..byte_count), in order, at most frames_max of them.
 * Stops before a frame whose fields do not fit in what is left of fields[0..fields_max); fields_max must be at least
 * FRAME_FIELDS_MAX, so a call on a whole frame always makes progress. byte_count must be under 2^31.
 * Checks the form of each frame by docs/protocol.md; does not look at the characters of names, values or JSON. */
void frame_scan(const uint8_t *bytes, uint32_t byte_count, frame_view *frames, uint32_t frames_max, frame_field *fields,
                uint32_t fields_max, frame_scan_result *result);

/* Writes the 16 bytes of a header at out. */
void frame_write_header(uint8_t *out, uint32_t payload_bytes, uint8_t type, uint8_t flags, uint64_t exchange);
/* cdef: end */

static inline void frame_write_u16(uint8_t *out, uint16_t value)
{
    out[0] = (uint8_t)(value >> 8);
    out[1] = (uint8_t)value;
}

static inline void frame_write_u32(uint8_t *out, uint32_t value)
{
    uint32_t swapped = __builtin_bswap32(value);
    __builtin_memcpy(out, &swapped, 4);
}

static inline void frame_write_u64(uint8_t *out, uint64_t value)
{
    uint64_t swapped = __builtin_bswap64(value);
    __builtin_memcpy(out, &swapped, 8);
}

static inline uint16_t frame_read_u16(const uint8_t *bytes)
{
    return (uint16_t)((bytes[0] << 8) | bytes[1]);
}

static inline uint32_t frame_read_u32(const uint8_t *bytes)
{
    uint32_t value;
    __builtin_memcpy(&value, bytes, 4);
    return __builtin_bswap32(value);
}

static inline uint64_t frame_read_u64(const uint8_t *bytes)
{
    uint64_t value;
    __builtin_memcpy(&value, bytes, 8);
    return __builtin_bswap64(value);
}

#endif
