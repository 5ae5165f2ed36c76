/* The strict decoder of chunked bodies (RFC 9112, section 7.1). Pure: no allocation, no reads outside the given range, linear
 * time, and no memory of its own but the small state; body data is not copied, but told by where it lies in the given bytes.
 *
 * It never guesses: only CR LF ends a line, white space stands only where the grammar has it, and what it takes h11 takes, with
 * the same body and the same trailers (but for white space before ';', which h11 refuses); that is fuzzed. */
#ifndef PENSTOCK_HTTP1_BODY_H
#define PENSTOCK_HTTP1_BODY_H

#include <stdint.h>

#include "http1_head.h"

/* cdef: begin */
enum {
    CHUNK_LINE_BYTES_MAX = 256,      /* size and extensions of one chunk, without the CR LF */
    CHUNK_EXTENSION_BYTES_MAX = 16384, /* extensions of all chunks of a body */
    CHUNK_SIZE_DIGITS_MAX = 16
};

/* What is wrong with a chunked body. All are answered 400, but for trailers that are too large or too many: 431. */
enum http1_body_error {
    BODY_OK = 0,
    BODY_BAD_SIZE = 1,              /* no hexadecimal digit where one must be */
    BODY_SIZE_TOO_LARGE = 2,        /* more digits than 16, or over 2^53 */
    BODY_BAD_EXTENSION = 3,
    BODY_BAD_LINE_END = 4,          /* of a chunk line: a bare CR or a bare LF */
    BODY_BAD_DATA_END = 5,          /* no CR LF after a chunk's data: its size was a lie */
    BODY_LINE_TOO_LONG = 6,
    BODY_EXTENSIONS_TOO_LARGE = 7,
    BODY_BAD_TRAILER_NAME = 8,      /* empty, not a token, space before the colon, no colon, leading space (obs-fold) */
    BODY_BAD_TRAILER_VALUE = 9,     /* a control byte */
    BODY_BAD_TRAILER_LINE = 10,     /* a bare CR or a bare LF */
    BODY_TRAILERS_TOO_LARGE = 11,   /* over head_bytes_max, a name over 255 bytes, or a value over 65535 */
    BODY_TOO_MANY_TRAILERS = 12     /* over fields_max */
};

/* How far a body was read. All zero at first; nobody else writes to it. */
typedef struct {
    uint64_t data_bytes;      /* of the body so far */
    uint64_t chunk_left;      /* of the chunk that is being read; with data_bytes, what is known to come at least */
    uint32_t extension_bytes; /* of all chunks so far */
    uint32_t searched;        /* of the trailer section, see http1_head_end */
    uint16_t line_bytes;      /* of the chunk line so far */
    uint8_t digits;           /* of the size so far */
    uint8_t state;
    uint8_t error;            /* enum http1_body_error; once there it stays */
} http1_chunked;

/* Body data: offset from the start of the bytes given to the call, and never empty. */
typedef struct {
    uint32_t at;
    uint32_t bytes;
} http1_piece;

/* What one call came to. error: enum http1_body_error; the pieces before it are told, but the body is worth nothing.
 * is_done: the body ended at consumed; what is behind it begins the next request. fields: the trailers, offsets from the start of
 * the bytes given to the call; known is told as for a head. */
typedef struct {
    uint32_t consumed;
    uint32_t piece_count;
    uint32_t field_count;
    uint8_t is_done;
    uint8_t error;
    http1_field fields[HTTP1_FIELDS_MAX];
} http1_chunks;

/* Reads on in a chunked body. Stops where the bytes or the pieces end, at the end of the body, or at an error. Bytes that were
 * not consumed must be given again, with more behind them: that is so of trailers, which are only consumed when they are whole
 * (so never more than limits->head_bytes_max), and of what is behind the body, and when pieces_max were told.
 * Returns the error. */
int http1_chunked_scan(http1_chunked *state, const uint8_t *bytes, uint32_t byte_count, const http1_limits *limits,
                       http1_piece *pieces, uint32_t pieces_max, http1_chunks *result);

/* Copies pieces one behind the other to out, which has room for all of them and lies elsewhere. Returns their bytes. For bodies
 * in many small chunks. */
uint32_t http1_chunked_join(const uint8_t *bytes, const http1_piece *pieces, uint32_t piece_count, uint8_t *out);
/* cdef: end */

#endif
