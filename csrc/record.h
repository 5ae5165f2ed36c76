/* Records: what became of each client's request, kept for whoever looks afterwards. The wire writes one when an exchange ends, into rings
 * that are read as memory; a reader that is too slow finds the oldest overwritten, and can tell how many. */
#ifndef PENSTOCK_RECORD_H
#define PENSTOCK_RECORD_H

#include <stdint.h>

/* cdef: begin */
enum {
    RECORD_ID_BYTES = 64,
    RECORD_TRACE_BYTES = 25,
    RECORD_SPAN_BYTES = 8,
    RECORD_NAME_BYTES = 64,   /* of a tenant, a principal or a client; what is longer is cut */
    RECORD_TARGET_BYTES = 160,
    RECORD_TEXT_BYTES = 336,  /* of all texts together, and a piece of room behind them: of the target only what fits is there */
    RECORD_ATTEMPTS = 4       /* the first three, and the last */
};

/* Which records are kept where. */
enum record_ring {
    RECORDS_RECENT = 0,  /* all of them */
    RECORDS_NOTABLE = 1, /* failed, slow, sent more than once, or left by their clients: they are still there when somebody asks */
    RECORDS_WATCHED = 2, /* what wire_watch_records asks for */
    RECORD_RINGS = 3
};

enum record_flags {
    RECORD_LOGGED = 1,       /* drawn by wire_watch_records */
    RECORD_SAMPLED = 2,      /* its trace is */
    RECORD_TLS = 4,
    RECORD_CLIENT_GONE = 8,  /* before its answer */
    RECORD_STREAMED = 16,    /* its connection was handed over: for a body, or an answer, that goes on */
    RECORD_CUT = 32          /* its answer was begun and broken off */
};

/* How an attempt ended that no service has answered; an answered one has the status. */
enum attempt_outcome {
    ATTEMPT_LOST = 1,
    ATTEMPT_REFUSED = 2,
    ATTEMPT_EXPIRED = 3,
    ATTEMPT_BAD = 4,
    ATTEMPT_CANCELLED = 5,
    ATTEMPT_SLOW = 6         /* its own time has passed, and not the request's */
};

/* Times are microseconds since the request's first byte. What lies behind the attempts and the texts that are there means nothing. */
typedef struct {
    uint32_t began_us;       /* UINT32_MAX, which is 71 minutes, also for more; so is the next */
    uint32_t took_us;
    uint32_t connection;
    uint16_t gauge;
    uint16_t outcome;        /* status, or enum attempt_outcome; 0: not over */
    uint8_t number;
    uint8_t is_hedge;        /* beside another one */
    uint16_t unused;
} wire_attempt;

typedef struct {
    uint64_t sequence;       /* in its ring, from 1 */
    uint64_t started_us;     /* CLOCK_MONOTONIC, with what wire_advance_clock has added */
    uint64_t started_unix_us;
    uint64_t ended_us;       /* when the answer was given to the socket */
    uint64_t sent_us;        /* when the first attempt left; UINT64_MAX: none has */
    uint64_t answered_us;    /* when a service's final answer came, at least its head; UINT64_MAX: none has */
    uint64_t upstream_us;    /* what all attempts took, together */
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint32_t route;          /* UINT32_MAX: none was found */
    uint16_t status;         /* 0: the client got none */
    uint16_t reason;         /* what wire_record_reason said; 0: nothing */
    uint16_t flags;          /* enum record_flags */
    uint8_t method;
    uint8_t attempt_count;   /* 255 also for more */
    uint8_t request_id_bytes;
    uint8_t correlation_id_bytes;
    uint8_t tenant_bytes;
    uint8_t principal_bytes;
    uint8_t client_bytes;
    uint8_t client_family;   /* AF_INET, AF_INET6: the address as bytes; 0: text */
    uint8_t target_bytes;
    uint8_t trace[RECORD_TRACE_BYTES]; /* trace id, the gateway's span, flags */
    uint8_t parent_span[RECORD_SPAN_BYTES]; /* zeros: none, or none of its own was wanted here */
    wire_attempt attempts[RECORD_ATTEMPTS];
    uint8_t text[RECORD_TEXT_BYTES]; /* request id, correlation id, tenant, principal, client, target: one behind the other */
} wire_record;
/* cdef: end */

#endif
