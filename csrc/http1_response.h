/* Writes HTTP/1.1 answers (RFC 9112, section 4). Pure: no allocation; every write is within the room that was given. */
#ifndef PENSTOCK_HTTP1_RESPONSE_H
#define PENSTOCK_HTTP1_RESPONSE_H

#include <stdint.h>

#include "frame.h"

/* cdef: begin */
/* Why a service's response cannot become an HTTP answer. */
enum http1_response_error {
    RESPONSE_OK = 0,
    RESPONSE_ERROR_STATUS = -1,      /* not 100 to 599, or 1xx with a framing that is not for it */
    RESPONSE_ERROR_FIELD_NAME = -2,  /* empty, or not a token in lower case */
    RESPONSE_ERROR_FIELD_VALUE = -3, /* a control byte: header injection */
    RESPONSE_ERROR_FRAMING = -4,     /* a field that frames the message or belongs to one hop; a message without an end */
    RESPONSE_ERROR_ROOM = -5,        /* the head would not fit in the room */
    RESPONSE_ERROR_BODY = -6,        /* a body where none may be: 1xx, 204, 304 */
    RESPONSE_ERROR_LENGTH = -7       /* the declared length is no number, or not that of the body that is there */
};

/* How an answer says where it ends (RFC 9112, section 6.3). 204 and 304 have no framing field, whatever is said here. */
enum http1_framing {
    FRAMING_LENGTH = 0,  /* content-length: length where there is one, else the body's bytes */
    FRAMING_CHUNKED = 1, /* transfer-encoding: chunked */
    FRAMING_NONE = 2,    /* no field: 1xx but 101, the answer to HEAD, and what ends with the connection (close must be set) */
    FRAMING_UPGRADE = 3  /* connection: upgrade, with upgrade; 101 only */
};

/* What every answer says beside the service's fields. Ids are 1 to 64 bytes, checked by whoever set them. */
typedef struct {
    const uint8_t *request_id;
    const uint8_t *correlation_id;
    const uint8_t *date; /* 29 bytes, IMF-fixdate (RFC 9110, section 5.6.7) */
    uint8_t request_id_bytes;
    uint8_t correlation_id_bytes;
    uint8_t close;       /* adds connection: close */
    uint8_t keeps;       /* adds connection: keep-alive, which a client of HTTP/1.0 must be told (RFC 9112, section 9.3) */
    uint8_t head_method; /* the request was HEAD: content-length is stated, the body is not sent */
    uint8_t framing;     /* enum http1_framing */
    uint8_t has_length;  /* length counts, and not the body's bytes: the body comes later, or never */
    uint8_t upgrade_bytes;
    const uint8_t *upgrade; /* a protocol: token ["/" token]; with 426, what is asked for (RFC 9110, section 15.5.22) */
    uint64_t length;
} http1_answer;

/* Writes the head of the answer to a RESPONSE frame (view and fields as frame_scan gave them, offsets into bytes) at
 * out[0..room). content-length is the body's length, also for HEAD; absent for 204 and 304. x-request-id, x-correlation-id and
 * date are ours: the service's own x-request-id and x-correlation-id are left out, its date is kept. An interim head (1xx, but
 * not 101, which is the only head that its client will see) has none of the three, and says nothing of closing.
 * Context fields (id not 0) are left out; FIELD_BODY_LENGTH is held against the body where the caller states no length of its own, and is
 * the content-length of an answer to HEAD without a body. Returns the bytes written, or a negative enum http1_response_error, and then what
 * was written at out means nothing. */
int32_t http1_response_write(const uint8_t *bytes, const frame_view *view, const frame_field *fields, const http1_answer *answer,
                             uint8_t *out, uint32_t room);

/* Writes the head of an answer that the gateway itself gives. lines is text that was made by us: whole field lines, each with
 * its CRLF. Returns as above, but finds no fault with the fields. */
int32_t http1_answer_write(uint16_t status, const uint8_t *lines, uint32_t lines_bytes, uint32_t body_bytes,
                           const http1_answer *answer, uint8_t *out, uint32_t room);

/* The status that a head says which one of these has written. */
uint16_t http1_answer_status(const uint8_t *head);

/* Writes the fields of a TRAILERS frame as a trailer section, its last CRLF included, at out[0..room). What must not be a trailer
 * is left out. Returns as http1_response_write; fields of framing are among what is left out. */
int32_t http1_trailers_write(const uint8_t *bytes, const frame_view *view, const frame_field *fields, uint8_t *out,
                             uint32_t room);

/* Whether a name, in lower case, may be that of a trailer field (RFC 9110, section 6.5.1): nothing that frames, routes,
 * authenticates, controls caches, modifies the request or says how content is to be read, and none of ours. Returns 1 or 0. */
int http1_may_be_trailer(const uint8_t *name, uint32_t name_bytes);

/* Writes the 29 bytes of an IMF-fixdate for seconds since 1970 (UTC). */
void http1_date_write(uint64_t unix_seconds, uint8_t *out);
/* cdef: end */

#endif
