/* The state of a wire: what it knows of clients, services and exchanges. Its parts share it, and nothing outside includes this. */
#ifndef PENSTOCK_WIRE_STATE_H
#define PENSTOCK_WIRE_STATE_H

#include <stdint.h>
#include <sys/epoll.h>

#include "slab.h"
#include "timer.h"
#include "wire.h"

enum {
    EDGE_READ_BYTES = 16384,       /* one recv of a client; a plain request nearly always fits */
    FRAMED_READ_BYTES = 262144,    /* one recv of a framed connection: dozens of frames */
    SMALL_INPUT_BYTES = 16384,     /* what was held is joined with what comes by copying, up to here: cheaper than the recv */
    SCRATCH_BYTES = 65536,         /* one answer's head, and its body if that fits behind it */
    RESPONSE_HEAD_BYTES_MAX = 32768,
    FRAMED_OUTPUT_BYTES_FIRST = 16384,
    LISTENERS_MAX = 16,
    EPOLL_EVENTS = 256,
    EVENTS_RESERVED = 2 * EPOLL_EVENTS + 1, /* an edge-triggered event cannot be put off, and a client can cause two: refused, gone */
    EVENTS_BESIDE_FRAMES = 64,     /* what frames leave of a batch: a peer that sends without end keeps nobody else waiting */
    STEP_ROUNDS_MAX = 8,           /* a step goes on while its sockets fill as fast as they are drained: larger batches are cheaper */
    ROUND_EVENTS_MIN = 2,          /* fewer than these, and the next round would find next to nothing */
    ACCEPTS_PER_ROUND = 64,        /* a storm of connections does not keep requests waiting */
    ACCEPT_PAUSE_MS = 100,         /* out of descriptors: try again then */
    EDGE_QUIET_MS = 1000,          /* a client that asks again does so sooner, mostly */
    LINGER_BYTES_MAX = 262144,     /* read and thrown away after an answer that closes */
    FRAMED_SLOT_BITS = 12,
    EDGE_SLOT_BITS = 20,
    TLS_PLAIN_BYTES = WIRE_TLS_PLAIN_BYTES,
    EDGE_GENERATION_MASK = 0xfff,
    CONTEXT_ROOM_BYTES = WIRE_EVENTS_MAX * 1024, /* tenants and tracestates of one batch */
    LATENCY_SAMPLES_FIRST = 16,
    VIEWS_MAX = 256,
    ARRAYS_MAX = 32,
    VIEW_FIELDS_MAX = 2048,
    ATTEMPT_SHIFT = 24, /* an id on the wire: generation (31 bits), attempts before this one (8), slot (24) */
};

/* The top byte of an epoll event's data. */
enum { SOURCE_TIMER = 1, SOURCE_LISTENER = 2, SOURCE_EDGE = 3, SOURCE_FRAMED = 4 };
enum { TIMER_EXCHANGE = 1, TIMER_EDGE = 2, TIMER_ACCEPT = 3 };
enum { EXCHANGE_UNDECIDED = 1, EXCHANGE_SENT = 2 };
enum edge_scheme { SCHEME_HTTP = 0, SCHEME_HTTPS = 1, SCHEME_NONE = 2 };
#define OPENED_BY_DIALLER (1ull << 63)

/* Where the plaintext of an answer is: nowhere; waiting for wire_tls_pending; with the caller; encrypted, and perhaps not all sent. */
enum tls_output { TLS_OUTPUT_NONE = 0, TLS_OUTPUT_LISTED = 1, TLS_OUTPUT_GIVEN = 2, TLS_OUTPUT_SEALED = 3 };

/* A TLS connection of whose end nobody was told yet. */
typedef struct {
    uint32_t connection;
    uint32_t cause;
} closed_tls;

/* Bytes that came and are not yet used. Holds no memory when it holds no bytes. */
typedef struct {
    uint8_t *bytes;
    uint32_t count;
    uint32_t capacity;
} held_input;

/* Bytes that a socket did not take yet: bytes[start..end). */
typedef struct {
    uint8_t *bytes;
    uint32_t start;
    uint32_t end;
    uint32_t capacity;
} held_output;

/* Who is at the other end. family: AF_INET, AF_INET6, or 0 for what is not IP. An IPv4 address is in the first four bytes. */
typedef struct {
    uint8_t bytes[16];
    uint8_t family;
} edge_address;

/* How many connections each address has: an open table, see address.c. NULL: not counted. */
typedef struct {
    struct address_count *entries;
    uint32_t mask;
    uint64_t seed;
} address_table;

/* The plaintext of an answer, in the wire's memory at that place, or held here while that is full. */
typedef struct tls_answer {
    uint32_t at;
    uint32_t bytes;
    held_input held;
} tls_answer;

/* One client's connection. Requests are taken one at a time, so answers are in order; what comes behind is held. */
typedef struct edge_connection {
    slab_item item;
    int descriptor;
    uint64_t received;
    uint64_t closes_at_ms;           /* from then on it closes when it is idle, or else with its next answer */
    edge_address address;            /* what is small stands behind it: ten thousand of these are idle at a time */
    uint8_t is_unread;               /* the socket may hold input: an edge-triggered event is told once */
    uint8_t tls_output : 2;          /* enum tls_output */
    uint8_t has_ended : 1;           /* the peer has sent its last byte; behind what is unread comes the end */
    uint8_t is_lingering : 1;
    uint8_t closes : 1;              /* after the answer being written */
    uint8_t lingers : 1;             /* and that close lingers */
    uint8_t is_resumed : 1;          /* in the list of those to look at without an event */
    uint8_t is_broken : 1;           /* to be closed in the next step */
    uint8_t is_away : 1;             /* handed over: neither watched nor read nor written here */
    uint8_t is_tls : 1;
    uint8_t is_secured : 1;          /* its handshake is over */
    uint8_t has_timed_out : 1;       /* before that */
    uint32_t requests_left;          /* before the connection closes; UINT32_MAX: no bound */
    uint32_t searched;               /* see http1_head_end */
    uint32_t needed;                 /* bytes of the whole request once its head was understood, else 0 */
    uint32_t lingered_bytes;
    uint32_t idle_ms;
    held_input in;
    held_output out;
    timer timer;
    uint64_t due_ms;                 /* when something is due; the timer may come before it */
    uint64_t started_us;             /* when the first byte of the request at hand came */
    struct exchange *exchange;       /* the one in progress, or NULL */
    struct edge_connection *next_resumed;
    struct tls_answer *answer;       /* the plaintext that waits to be encrypted, or NULL */
    struct edge_connection *next_listed;
} edge_connection;

/* A REQUEST's payload, of a whole request, so that it can be sent again. Several exchanges may share it. */
typedef struct kept_request {
    uint32_t references;
    uint32_t bytes;
    uint32_t span_at;                /* of the last byte of its trace's span */
    uint8_t payload[];
} kept_request;

typedef struct exchange {
    slab_item item;
    uint64_t started_us;
    uint64_t sent_us;
    uint64_t deadline_ms;            /* on the wire's clock; 0: none */
    uint64_t frame_end;              /* of its REQUEST, among all bytes ever written to its connection */
    kept_request *request;           /* or NULL */
    struct edge_connection *edge;    /* NULL when the client is gone, or there never was one */
    struct framed_connection *framed; /* while it is sent */
    struct exchange *next;           /* in the list of the framed connection */
    struct exchange **back;
    timer timer;
    const http1_head *head;          /* of this batch only */
    const uint8_t *bytes;
    const uint8_t *tenant;
    const uint8_t *tracestate;
    const uint8_t *client;           /* in place of the connection's address */
    uint8_t *kept;                   /* memory of the three, once the exchange has outlived its batch */
    uint64_t batch;
    uint64_t branch_of;              /* the exchange that it is a branch of; 0: none */
    uint32_t route;
    uint16_t gauge;
    uint16_t outcome;                /* of the attempt that it is at: status, or enum attempt_outcome; 0: not known yet */
    uint16_t group;
    uint16_t tracestate_bytes;
    uint8_t tenant_bytes;
    uint8_t client_bytes;
    uint8_t scheme;                  /* enum edge_scheme */
    uint8_t state;
    uint8_t is_odd : 1;              /* its head was not plain: it is not for wire_send */
    uint8_t is_http_1_0 : 1;         /* its client expects a close unless it is told otherwise */
    uint8_t has_rest : 1;            /* of an odd one: something follows its head, so an answer of ours closes */
    uint8_t is_away : 1;             /* its connection was handed over */
    uint8_t is_begun : 1;            /* by wire_begin: the caller asks, and no client */
    uint8_t is_streamed : 1;         /* its frames go to the caller: sent by wire_open, or its answer turned out to stream */
    uint8_t may_stream : 1;          /* wire_send was told that its answer may, and nobody has taken it over */
    uint8_t is_put_off : 1;          /* its deadline, once, so that who was told of its answer can take it over */
    uint8_t takes_trailers : 1;      /* its client does */
    uint8_t is_measured : 1;         /* its final RESPONSE has come */
    uint8_t has_response : 1;        /* any RESPONSE has: it is too late for REFUSED */
    uint8_t holds : 1;               /* SEND_HOLD */
    uint8_t tells : 1;               /* SEND_TELL */
    uint8_t is_recorded : 1;         /* it has a record of its own */
    uint8_t has_own_span : 1;        /* so has each attempt */
    uint8_t attempt;                 /* of the last sending */
    uint8_t tag;                     /* of its id on the wire: see ATTEMPT_SHIFT */
    uint8_t method;
    uint8_t is_spoiled;              /* its response was bad: nothing more is taken for it */
    uint8_t closes;                  /* the client, or a refusal, wants the connection closed */
    uint8_t lingers;                 /* the client may still be sending: close so that it can read the answer */
    uint8_t request_id_bytes;
    uint8_t correlation_id_bytes;
    uint8_t request_id[WIRE_ID_BYTES_MAX];
    uint8_t correlation_id[WIRE_ID_BYTES_MAX];
    uint8_t trace[WIRE_TRACE_BYTES];
} exchange;

typedef struct framed_connection {
    slab_item item;
    int descriptor;
    uint32_t handle;
    uint32_t needed;                 /* bytes that must be held before another scan can yield something */
    held_input in;
    held_output out;
    uint64_t written, flushed;       /* bytes ever: given to be sent, and taken by the socket */
    exchange *exchanges;             /* sent over this connection, not answered */
    struct framed_connection *next_dirty;
    struct framed_connection *next_dying;
    struct framed_connection *next_ready;
    struct framed_connection *next_roomy;
    uint8_t wants_room;              /* somebody waits until less is unsent */
    uint8_t is_roomy;                /* in the list of those of which that is to be told */
    uint8_t dialled;
    uint8_t is_unread;               /* as for an edge connection */
    uint8_t has_ended;               /* likewise */
    uint8_t is_dirty;                /* has output to flush */
    uint8_t is_ready;                /* in the list of those to look at without an event */
    uint8_t cause;                   /* enum wire_close_cause once it is dying */
    uint8_t frame_error;
} framed_connection;

/* Of an exchange that goes on. Only its ids and the end of its texts are elsewhere. */
typedef struct {
    wire_record record;
    uint8_t target[RECORD_TARGET_BYTES];
} open_record;

/* The newest record is at (sequence - 1) % size. */
typedef struct {
    wire_record *records;
    uint64_t sequence;
    uint32_t size;
} record_ring_memory;

typedef struct {
    int descriptor; /* -1: none */
    uint8_t kind;
    uint8_t is_paused;
} listener;

/* One of the arrays that a wire has from its beginning to its end. */
typedef struct {
    void *memory;
    size_t bytes;
} wire_array;

struct wire {
    wire_settings settings;
    int epoll;
    int timer_descriptor;
    uint64_t timer_armed_ms;
    uint64_t now_us;
    uint64_t clock_offset_us;
    uint64_t batch;
    uint64_t random[2];

    wire_array arrays[ARRAYS_MAX];
    uint32_t array_count;
    uint8_t *arena;
    uint32_t arena_used;
    wire_event *events;
    uint32_t event_count;
    uint32_t events_told;            /* of them by the last step; what came since then is for the next */
    wire_request *requests;
    uint32_t head_count;             /* requests of the batch, each with its head */
    http1_head *heads;
    uint8_t *context;
    uint32_t context_used;
    uint8_t *scratch;
    frame_view *views;
    frame_field *fields;
    uint8_t was_active;
    uint8_t is_stepping;
    uint8_t is_draining;
    uint8_t holds_accepting;         /* of clients */
    uint32_t quiet_ms;               /* how long an idle client must have been quiet to be closed for its age, or by a drain */

    slab edges;
    slab exchanges;
    slab framed;
    timer_wheel timers;
    timer accept_timer;
    listener listeners[LISTENERS_MAX];
    edge_connection *resumed, **resumed_end;
    uint8_t *plain;                  /* of answers that are to be encrypted */
    uint32_t plain_used;
    uint8_t plain_is_full;
    edge_connection *listed, **listed_end;
    wire_tls_output *tls_outputs;
    closed_tls *closed;
    uint32_t closed_count, tls_now;
    framed_connection *dirty;
    framed_connection *dying;
    framed_connection *ready, **ready_end;
    framed_connection *roomy;
    address_table addresses;
    held_input handed;               /* the bytes that the last hand-over gave */

    uint32_t *in_flight;
    uint32_t *unsent;
    uint32_t *heard;
    float *latency_us;
    uint64_t *latency_at_us;
    uint8_t *latency_samples;        /* counted up to LATENCY_SAMPLES_FIRST */
    uint64_t **route_latency;
    uint64_t (*route_statuses)[6];
    uint32_t *gauge_answers;
    uint32_t *route_in_flight;
    uint16_t *route_group;
    uint32_t *group_in_flight;
    wire_group_figures *groups;
    wire_counters counters;

    open_record *records_open;       /* of each exchange, by slot; NULL: nothing is recorded */
    record_ring_memory rings[RECORD_RINGS];
    uint64_t logged_bound, sampled_bound;
    uint8_t watches_sampled, own_spans;
    uint64_t *leaving;               /* exchanges that were sent since the last flush, WIRE_EVENTS_MAX at most */
    uint32_t leaving_count;
    uint64_t **route_totals;
    uint64_t **route_gateway;
    uint64_t **instance_latency;
    uint64_t (*instance_statuses)[6];
    uint32_t *instance_of;           /* whose they are, by slot */
    uint64_t turn_began_us;          /* 0: none goes on */
    wire_turn_figures turns;
    uint64_t unix_offset_us;         /* what the wire's clock has to be added to be that of the calendar */

    uint64_t date_second;
    uint8_t date[29];
};

#endif
