/* What the wire is told and what it tells: its bounds, settings, events, requests and figures. The calls are in wire.h. */
#ifndef PENSTOCK_WIRE_VALUES_H
#define PENSTOCK_WIRE_VALUES_H

#include <stdint.h>

#include "http1_head.h"

/* cdef: begin */
enum {
    WIRE_EVENTS_MAX = 1024,            /* events that one step can yield, and requests */
    WIRE_ARENA_BYTES = 4194304,        /* input that one step can take in; a whole frame always fits */
    WIRE_FRAMED_CONNECTIONS_MAX = 4096,
    WIRE_ROUTES_MAX = 65536,
    WIRE_GAUGES_MAX = 65536,           /* see wire_gauge_answers */
    WIRE_GROUPS_MAX = 4096,            /* see wire_set_group */
    WIRE_ID_BYTES_MAX = 64,            /* request and correlation ids */
    WIRE_TRACE_BYTES = 25,             /* trace id 16, span id 8, flags 1 */
    WIRE_LATENCY_COUNTS = 2688,        /* entries of a route's latency counts, see wire_route_latency */
    WIRE_COARSE_COUNTS = 384,          /* the same by the coarser rule, see wire_route_gateway */
    WIRE_BATCH_COUNTS = 12,            /* see wire_turn_figures */
    WIRE_ROOM_BYTES = 262144,          /* who sends streams waits while more than this is unsent: see wire_want_room */
    WIRE_ADDRESS_BYTES_MAX = 46,       /* a peer's address as text, without its port */
    WIRE_CLIENT_BYTES_MAX = 64,        /* the same as a trusted proxy has it, which may be a name of its own */
    WIRE_UPGRADE_BYTES_MAX = 32,
    WIRE_PRINCIPAL_BYTES_MAX = 256,
    WIRE_CLAIMS_BYTES_MAX = 8192,
    WIRE_TLS_OUTPUTS_MAX = 1024,       /* answers that one wire_tls_pending yields */
    WIRE_TLS_PLAIN_BYTES = 4194304     /* and their plaintext, all together; a whole answer always fits */
};

typedef struct {
    uint32_t edge_connections_max;     /* at the bound, accepting pauses until one closes */
    uint32_t framed_connections_max;   /* at most WIRE_FRAMED_CONNECTIONS_MAX */
    uint32_t exchanges_max;            /* above, the wire itself answers 503: there is no exchange to ask about */
    uint32_t routes_max;               /* at most WIRE_ROUTES_MAX */
    uint32_t framed_output_bytes_max;  /* unsent bytes per framed connection; above: WIRE_FULL */
    uint32_t head_ms;                  /* from a request's first byte to the end of its head */
    uint32_t body_bytes_per_second;    /* the least rate at which a body must come, after a grace of head_ms */
    uint32_t idle_ms;                  /* keep-alive without a request */
    uint32_t idle_jitter_percent;      /* each idle time is drawn from idle_ms plus or minus this part */
    uint32_t write_ms;                 /* an answer must make progress within this time */
    uint32_t failure_us;               /* added to the measured time of a response of status 5xx: fast errors must not attract */
    uint32_t tls_handshake_ms;         /* from connection to the end of the TLS handshake */
    uint32_t linger_ms;                /* after an answer that closes: how long to go on reading, so that it arrives */
    /* Of one client's connection; 0: no bound. The first two are drawn anew for each, as idle_ms is. At a bound the next answer closes. */
    uint32_t connection_requests_max;
    uint32_t connection_age_ms;
    uint64_t connection_bytes_max;     /* received */
    uint32_t connections_per_address_max; /* at once, by IPv4 address or IPv6 /64; one more is answered 429 and closed; 0: no bound */
    uint32_t keeps_malformed;          /* 1: a malformed head stays held after EVENT_BAD_REQUEST, so that wire_hand_over gives it */
    /* Copies of requests, so that they can be sent again (SEND_KEEP, wire_keep): bytes of one, and of all together; 0: none is kept. */
    uint32_t kept_bytes_max;
    uint64_t kept_total_bytes_max;
    /* What is measured for people: records (csrc/record.h), and times by route and instance. 0: none of it. */
    uint32_t measures;
    uint32_t recent_records, notable_records, watched_records; /* room of each ring; 0: none is kept there */
    uint32_t slow_us;                  /* a request that took as long is notable */
    http1_limits http1;
} wire_settings;

enum wire_event_kind {
    /* A request that the express lane does not carry. exchange, to be answered (the connection closes after that);
     * detail: enum http1_verdict or enum edge_refusal. */
    EVENT_BAD_REQUEST = 2,
    /* The client closed before its exchange was answered. exchange: to be given up with wire_cancel. */
    EVENT_CLIENT_GONE = 3,
    /* The deadline of a sent exchange has passed, or what wire_wait has set of any. exchange: wire_cancel, then wire_answer.
     * flags: EXPIRED_EARLY where the deadline has not passed, only the attempt's time or wire_wait's; a: gauge. */
    EVENT_EXPIRED = 4,
    /* The connection that carried the exchange is lost. exchange: undecided again. detail: enum wire_close_cause;
     * flags: LOST_UNSENT where the REQUEST had not left whole, so that no service can have begun it; a: gauge. */
    EVENT_LOST = 5,
    /* The service answered REFUSED: not started. exchange: undecided again. detail: reason; a: retry after, ms; b: gauge. */
    EVENT_REFUSED = 6,
    /* The response cannot become an HTTP answer. exchange: wire_cancel, then wire_answer. detail: minus enum http1_response_error,
     * or BAD_RESPONSE_STREAM or BAD_RESPONSE_REFUSED; a: gauge. */
    EVENT_BAD_RESPONSE = 7,
    /* connection: accepted on a framed listener. */
    EVENT_FRAMED_OPENED = 8,
    /* connection: closed; its handle is void now. detail: enum wire_close_cause; flags: enum frame_error, for CLOSE_PROTOCOL.
     * Comes after the EVENT_LOST of every exchange that it carried. */
    EVENT_FRAMED_CLOSED = 9,
    /* A frame that is no answer to an exchange of ours, REQUEST excepted. connection; exchange: as in the frame; detail: type;
     * flags: of the frame; at, bytes: payload. */
    EVENT_FRAME = 10,
    /* A REQUEST frame. connection; exchange: as in the frame; detail: endpoint; flags: method | attempt << 8 | frame flags << 16;
     * at, bytes: payload; a: remaining ms; b: target's offset in the arena; c: target bytes; d: body bytes (the payload's end). */
    EVENT_CALL = 11,
    /* A frame of an exchange that was opened by wire_open: RESPONSE, DATA, TRAILERS, CREDIT or CANCEL; REFUSED only after a RESPONSE.
     * exchange; connection; detail: type; flags: of the frame; at, bytes: payload; a: status, b: body bytes (the payload's end), c: gauge,
     * d: microseconds since it was sent, of a RESPONSE. After END of the final RESPONSE, DATA or TRAILERS, and after CANCEL, the service is done: the exchange is undecided
     * again, and counts as in flight no more. */
    EVENT_STREAM = 12,
    /* connection: what waits to be sent on it has become little enough after wire_want_room. */
    EVENT_FRAMED_ROOM = 13,
    /* Ciphertext from a client. connection: the client's, by a handle that it keeps; flags: 1 for the first of a connection; at, bytes. */
    EVENT_TLS_INPUT = 14,
    /* connection: a client's that spoke TLS; closed, its handle is void now. detail: enum wire_tls_close_cause. */
    EVENT_TLS_CLOSED = 15,
    /* A service answered an exchange that is not streamed, and either failed (429, or 500 and above) or SEND_TELL was asked. exchange;
     * connection; detail: status; at, bytes: the RESPONSE's payload; a: gauge; b: microseconds since it was sent. flags: ANSWERED_HELD where
     * SEND_HOLD was asked and it failed: the client has no answer, and the exchange is undecided; else the exchange is over. */
    EVENT_ANSWERED = 16
};

enum { EXPIRED_EARLY = 1, LOST_UNSENT = 1, ANSWERED_HELD = 1 };

/* How to send: bits. */
enum wire_send_how {
    SEND_MAY_STREAM = 1, /* the answer need not be whole */
    SEND_KEEP = 2,       /* keep a copy of the request, so that wire_again can send it; where no bound forbids it */
    SEND_HOLD = 4,       /* hold an answer that says that the service failed */
    SEND_TELL = 8,       /* tell of any answer */
    SEND_HOW_ALL = 15
};

enum wire_tls_close_cause {
    TLS_CLOSED_HANDSHAKE_TIMEOUT = 1 /* tls_handshake_ms; else 0 */
};

enum {
    BAD_RESPONSE_STREAM = 32, /* a response that goes on in DATA frames, to a request that wire_send sent */
    BAD_RESPONSE_REFUSED = 33 /* REFUSED, which says that nothing was begun, after an interim response */
};

enum edge_refusal {
    EDGE_HEAD_TIMEOUT = 32, /* 408 */
    EDGE_BODY_TIMEOUT = 33, /* 408 */
    EDGE_NOT_HTTP = 34      /* 400: the first bytes cannot begin a request */
};

enum wire_close_cause {
    CLOSE_EOF = 1,          /* the peer closed */
    CLOSE_ERROR = 2,        /* reset, or another error of the socket */
    CLOSE_PROTOCOL = 3,     /* frame_scan refused what came; the peer was sent FAULT */
    CLOSE_ASKED = 4         /* wire_close */
};

/* 48 bytes; unpacked by Python with one struct format. */
typedef struct {
    uint64_t exchange;
    uint32_t connection;
    uint16_t kind;
    uint16_t detail;
    uint32_t flags;
    uint32_t at;    /* offsets are into the arena */
    uint32_t bytes;
    uint32_t a;
    uint32_t b;
    uint32_t c;
    uint32_t d;
    uint32_t unused;
} wire_event;

/* A request: 16 bytes. Kept apart from the events, since there are many and little need be read of each. A plain one is whole. One
 * whose verdict (http1_head) is not HEAD_PLAIN has come as far as its head: it is for wire_hand_over, or to be answered, which then
 * closes the connection. */
typedef struct {
    uint64_t exchange;
    uint32_t path;       /* offset into the arena */
    uint16_t path_bytes; /* up to the '?' */
    uint8_t method;      /* enum frame_method */
    uint8_t flags;       /* HEAD_ bits below 256 */
} wire_request;

/* Who asks, as the caller verified it: what REQUEST frames say of it. One block of memory, so that nothing in it can be gone before it. */
typedef struct {
    uint16_t principal_bytes;  /* at most WIRE_PRINCIPAL_BYTES_MAX; 0: FIELD_PRINCIPAL is left out */
    uint16_t claims_bytes;     /* at most WIRE_CLAIMS_BYTES_MAX; 0: FIELD_CLAIMS is left out */
    uint8_t drops_credentials; /* 1: the client's Authorization and X-Api-Key do not go on */
    uint8_t text[];            /* the principal, then the claims */
} wire_identity;

/* Plaintext that is to be encrypted for a client: 16 bytes. */
typedef struct {
    uint32_t connection;
    uint32_t at;         /* offset into wire_tls_plain */
    uint32_t bytes;      /* 0: nothing, but close_notify */
    uint32_t closes;     /* 1: close_notify goes behind it */
} wire_tls_output;

/* What wire_hand_over gives. */
typedef struct {
    int descriptor;          /* to be read from and written to until wire_hand_back; it stays the wire's own */
    uint32_t connection;     /* the client's connection, by a handle that it keeps */
    const uint8_t *held;     /* what came behind the head (a plain request: behind its body); valid until the next call of the wire */
    uint32_t held_bytes;
    int closes;              /* the connection is to close after this answer: the client, a bound or a drain wants it so */
    uint32_t route;          /* what wire_send was told, for wire_take_over */
    uint32_t remaining_ms;   /* of the deadline, for wire_take_over, at least 1; 0 where none holds any more, since the final head has come */
    uint16_t flags;          /* HEAD_TAKES_TRAILERS or none, for wire_take_over: then there is no head any more to look at */
    uint8_t method;          /* enum frame_method */
} wire_handed;

/* What wire_facts gives. What is about the last sending is 0 before the first. */
typedef struct {
    uint32_t connection;   /* that carries it now; 0: none does */
    uint32_t route;
    uint32_t gauge;
    uint32_t remaining_ms; /* of its deadline; 0: it has passed, or there is none */
    uint32_t kept_bytes;   /* of the REQUEST's payload; 0: nothing is kept */
    uint8_t attempt;
    uint8_t method;        /* enum frame_method */
    uint8_t has_client;
} wire_exchange_facts;

enum wire_hand_back_how {
    HAND_BACK_KEEP = 0,   /* a request boundary: the wire goes on with the next request (or closes, where a bound or a drain wants it) */
    HAND_BACK_LINGER = 1, /* the last answer is out: close so that the client can read it */
    HAND_BACK_CLOSE = 2,
    HAND_BACK_RESET = 3   /* what was sent must not look whole */
};

/* What the calls of wire.h return. */
enum wire_result {
    WIRE_OK = 0,
    WIRE_NO_EXCHANGE = -1,   /* no such exchange (any more), or not in a state for this call */
    WIRE_NO_CONNECTION = -2, /* no such framed connection (any more) */
    WIRE_FULL = -3,          /* framed_output_bytes_max, or the frame would be over its limit; nothing was done */
    WIRE_NO_ROOM = -4,       /* a bound of wire_settings */
    WIRE_SYSTEM = -5,        /* errno tells */
    WIRE_INVALID = -6,       /* an argument is out of its range */
    WIRE_NO_FIELD = -7,      /* the request has no such field */
    WIRE_LATE = -8           /* its deadline has passed; nothing was sent */
};

enum wire_socket_kind { SOCKET_EDGE = 1, SOCKET_FRAMED = 2, SOCKET_EDGE_TLS = 3 };

/* Only ever rise. */
typedef struct {
    uint64_t requests, answers, latency_sum_us;
} wire_group_figures;

/* How batches went since the start: a turn is all that one batch takes, from the moment at which the wire is told that something is ready to
 * the end of its flush. */
typedef struct {
    uint64_t turn_us[WIRE_COARSE_COUNTS];
    uint64_t away_us[WIRE_COARSE_COUNTS]; /* what other tasks took while the wire had something to do: wire_away */
    uint64_t requests[WIRE_BATCH_COUNTS]; /* of batches with that many: none, 1, 2 to 3, 4 to 7, ... */
    uint64_t turn_sum_us, away_sum_us, turn_max_us, away_max_us;
} wire_turn_figures;

/* Counters since the start; only ever rise, but for those marked now. */
typedef struct {
    uint64_t steps, events, batch_requests_max;
    uint64_t edge_accepted, edge_closed, edge_open_now, edge_paused, edge_idle_closed, edge_write_timeouts;
    uint64_t requests, requests_bad, answers, answers_from_services, clients_gone;
    uint64_t exchanges_now, exchanges_full, expired;
    uint64_t framed_accepted, framed_closed, framed_open_now;
    uint64_t frames_in, frames_out, late_responses, foreign_responses;
    uint64_t edge_bytes_in, edge_bytes_out, framed_bytes_in, framed_bytes_out;
    uint64_t accept_errors, buffers_now, buffer_bytes_now;
    uint64_t handed_over, handed_over_now, edge_refused_by_address, edge_addresses_now;
    uint64_t edge_requests_reached, edge_age_reached, edge_bytes_reached; /* connections that closed at a bound of their own */
    uint64_t begun; /* by wire_begin and wire_branch */
    uint64_t again; /* sent by wire_again */
    uint64_t kept_now, kept_bytes_now, kept_refused; /* refused: over a bound of its own or of all, or no memory */
} wire_counters;
/* cdef: end */

#endif
