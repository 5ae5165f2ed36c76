/* The wire: a set of sockets that is drained and flushed in batches.
 *
 * One call, wire_step, takes in everything that is ready: it accepts, receives, finds whole requests and frames, turns responses
 * into HTTP answers for the clients that wait for them, and expires timers. It yields an array of the few things that need a
 * decision. The caller decides (wire_send, wire_answer, wire_cancel, wire_frame), and wire_flush sends what was decided, one
 * system call per socket. The wire decides nothing: no routing, no policy, no retry.
 *
 * Ownership: the wire owns a listening descriptor once wire_listen returned without error, and a connected one from the call of
 * wire_adopt on (which closes it when it has no place for it), until it closes it or wire_free does. Whatever an event points at
 * lies in the arena and is there until the next wire_step.
 * Threads: none; one caller at a time. Nothing here blocks but wire_step, and it only as long as it is told to. */
#ifndef PENSTOCK_WIRE_H
#define PENSTOCK_WIRE_H

#include <stdint.h>

#include "frame.h"
#include "http1_head.h"
#include "http1_response.h"
#include "record.h"
#include "wire_values.h"

/* cdef: begin */
typedef struct wire wire;

/* NULL when memory or descriptors are short (errno tells), or a setting is out of range (errno is EINVAL). */
wire *wire_new(const wire_settings *settings);
/* Closes every descriptor: listeners, connections, and the wire's own. Everything else stays valid: calls find no exchange and no
 * connection any more, figures can still be read, and wire_step returns WIRE_SYSTEM. */
void wire_shut(wire *w);
/* Does the same and frees everything. NULL is allowed. */
void wire_free(wire *w);

/* The epoll descriptor: readable when wire_step has something to do. Owned by the wire. */
int wire_descriptor(const wire *w);
/* The events and the requests of the last step, and the arena that their offsets are into. The addresses never change.
 * Events are to be looked at first: a client that has gone, or a connection, may be one that a request is about. */
const wire_event *wire_events(const wire *w);
const wire_request *wire_requests(const wire *w);
uint32_t wire_request_count(const wire *w);
const uint8_t *wire_arena(const wire *w);

/* Takes over a listening socket. kind: enum wire_socket_kind. */
int wire_listen(wire *w, int descriptor, int kind);
/* Closes all listening sockets of the kind; SOCKET_EDGE means those for TLS, too. What is connected stays. */
void wire_stop_listening(wire *w, int kind);
/* 1: accepts no client any more, who then waits in the kernel's queue; 0: goes on. Services are accepted all the same. */
void wire_hold_accepting(wire *w, int holds);
/* Takes over a connected stream socket in any case but WIRE_INVALID. For SOCKET_FRAMED returns its handle (above 0); for
 * SOCKET_EDGE and SOCKET_EDGE_TLS returns 0. dialled: we opened the connection (bit 63 of our exchange ids is set on it). */
int64_t wire_adopt(wire *w, int descriptor, int kind, int dialled);

/* Waits at most wait_us microseconds (0: not at all) for something to be ready, takes in what is, and returns the number of
 * events (0 to WIRE_EVENTS_MAX), or WIRE_SYSTEM. Voids the arena and the heads of the step before. */
int wire_step(wire *w, uint32_t wait_us);
/* 1 when the last step did anything at all (so that another is likely to find more), else 0. */
int wire_was_active(const wire *w);
/* 1 when there is work that no descriptor will announce (input already held, events that did not fit), else 0. */
int wire_has_more(const wire *w);
/* Sends what is waiting on framed connections; what the sockets do not take now is sent when they are writable. To be called after
 * decisions and before waiting on the descriptor, which then also tells of the timers that they started. */
void wire_flush(wire *w);

/* The head of a request of this step's batch: offsets are from *bytes. NULL when the exchange has none now. */
const http1_head *wire_head(wire *w, uint64_t exchange, const uint8_t **bytes);
/* The body of a request of this step's batch. NULL when the exchange has none now. */
const uint8_t *wire_body(wire *w, uint64_t exchange, uint32_t *byte_count);
/* Who asks, as the head of a request of this step's batch says: the values of X-Tenant-Id, Authorization and X-Api-Key as they came, each
 * empty where the field is absent, with a line feed between two of them (which no value can hold), written at out. Returns the bytes, 0 when
 * there is none of the three, WIRE_NO_EXCHANGE, or WIRE_NO_ROOM. A tenant in the form of FIELD_TENANT (docs/protocol.md, section 3) becomes
 * that context field, as wire_set_context would set it. */
int32_t wire_caller(wire *w, uint64_t exchange, uint8_t *out, uint32_t room);
/* The value of the field of that name (any name, in lower case) of a request of this step's batch, written at out; of several, all values
 * in their order with ", " between them. Returns the bytes, WIRE_NO_FIELD, WIRE_NO_EXCHANGE, or WIRE_NO_ROOM. */
int32_t wire_field(wire *w, uint64_t exchange, const uint8_t *name, uint32_t name_bytes, uint8_t *out, uint32_t room);
/* Sets a context field of an undecided exchange: FIELD_TENANT (1 to 64 bytes), FIELD_CORRELATION_ID, FIELD_REQUEST_ID (1 to 64),
 * FIELD_TRACE (25), FIELD_TRACESTATE (1 to 512), FIELD_CLIENT_ADDRESS (1 to 64), FIELD_SCHEME (4 or 5). Without it, the ids and the
 * trace are random, there is no tenant, and the address and the scheme are those of the connection. Of one that was neither handed over nor
 * begun, what is set is there in this batch. WIRE_NO_ROOM: there is no memory for it, and the field is as before. */
int wire_set_context(wire *w, uint64_t exchange, int field, const uint8_t *bytes, uint32_t byte_count);
/* Copies a context field out (room: at least 64): FIELD_CORRELATION_ID, FIELD_REQUEST_ID, FIELD_TRACE; where records are kept, and from when it
 * was sent, FIELD_TENANT and FIELD_PRINCIPAL, each cut as in a record. Returns its length or WIRE_NO_EXCHANGE. */
int wire_get_context(wire *w, uint64_t exchange, int field, uint8_t *out);
/* The address of the exchange's client as text, without port (room: at least WIRE_CLIENT_BYTES_MAX): the one that was set as
 * FIELD_CLIENT_ADDRESS, since a trusted proxy said so, while it is kept (wire_set_context); else the connection's. Its length, 0 where there
 * is none (a socket that is not IP), or WIRE_NO_EXCHANGE, also where there is no client and none was set. */
int wire_client_address(wire *w, uint64_t exchange, char *out);
/* 1 when the exchange's request came over TLS, else 0. */
int wire_is_secured(wire *w, uint64_t exchange);
/* 1 when the request is HEAD, so that no answer to it has a body; 0 otherwise, also when there is no such exchange. */
int wire_is_head(wire *w, uint64_t exchange);
/* Milliseconds since the first byte of the exchange's request came, or WIRE_NO_EXCHANGE. */
int64_t wire_age_ms(wire *w, uint64_t exchange);

/* Sends the request to a framed connection as one REQUEST frame (its attempt 1), with deadline_ms (counted from the request's first byte)
 * less its age as what remains, and starts the deadline's timer, or attempt_ms's where that is earlier (0: none). Only in the batch that
 * yielded the request. gauge: below WIRE_GAUGES_MAX, whose answers are counted; 0: nobody's. how: bits of enum wire_send_how; identity: NULL
 * for none. WIRE_LATE: nothing is left of the deadline, and nobody is asked for what nobody waits for. SEND_MAY_STREAM: the answer need not
 * be whole. Where it is not, or is interim, or 426, or one to HEAD without a body, it comes as EVENT_STREAM, and
 * so does all that follows; the client's connection is then to be had by wire_take_over. Until then it is an exchange as any other:
 * EVENT_CLIENT_GONE, EVENT_EXPIRED (not in the batch of the first EVENT_STREAM) and EVENT_LOST tell of it, and once it is undecided it may be
 * answered. CREDIT for what was sent whole is dropped. */
int wire_send(wire *w, uint64_t exchange, uint32_t connection, uint32_t route, uint32_t endpoint, uint32_t gauge, uint32_t how,
              uint32_t deadline_ms, uint32_t attempt_ms, const wire_identity *identity);
/* Keeps a copy of a plain request of this batch without sending it: the exchange, which stays undecided, outlives its batch. Context that is
 * set afterwards is not in it. WIRE_OK, WIRE_NO_EXCHANGE, WIRE_INVALID, or WIRE_NO_ROOM: over a bound of wire_settings. */
int wire_keep(wire *w, uint64_t exchange, uint32_t deadline_ms, const wire_identity *identity);
/* Sends the kept request of an undecided exchange, with what is left of its deadline. attempt: 1 to 255, and more than the last one's where
 * that was sent: answers to earlier ones, which carry another id, are dropped. An exchange that was begun or handed over is streamed; of one
 * that was handed over no timer is started.
 * WIRE_NO_EXCHANGE also where nothing is kept (wire_facts tells). */
int wire_again(wire *w, uint64_t exchange, uint32_t connection, uint32_t route, uint32_t endpoint, uint32_t gauge, uint32_t how,
               uint32_t attempt, uint32_t attempt_ms);
/* Begins an exchange, as wire_begin does, with the kept request of another, its ids, trace and deadline. Returns its id, or 0: nothing is kept,
 * or there is no room. wire_again sends it. The answer to the other is told of, too, from now on, as by SEND_TELL: it may make the branch
 * needless. */
uint64_t wire_branch(wire *w, uint64_t exchange);
/* Sets the timer of an exchange that is not handed over anew, be it sent or undecided: EVENT_EXPIRED comes after that time, or at the deadline if that is earlier. As any
 * timer, it is told by the descriptor from the next flush or step on. */
int wire_wait(wire *w, uint64_t exchange, uint32_t milliseconds);
/* Lets a sent exchange outlive its client, after EVENT_CLIENT_GONE: from then on it is one that was begun and opened. Its answer comes as
 * EVENT_STREAM, its deadline stays, and wire_end ends it. WIRE_OK, or WIRE_NO_EXCHANGE: it is with no service, or has begun to stream. */
int wire_outlive(wire *w, uint64_t exchange);
/* Answers an undecided exchange with a whole RESPONSE, of which payload is the payload, wherever it was kept. WIRE_OK, WIRE_NO_EXCHANGE,
 * WIRE_NO_ROOM: no memory, or WIRE_INVALID: it cannot become an HTTP answer, and none was given. */
int wire_pass_on(wire *w, uint64_t exchange, const uint8_t *payload, uint32_t payload_bytes);
/* Where an exchange stands. WIRE_OK or WIRE_NO_EXCHANGE. */
int wire_facts(wire *w, uint64_t exchange, wire_exchange_facts *facts);
/* Takes the client's connection out of the wire's hands when the answer to what was sent with SEND_MAY_STREAM has come as EVENT_STREAM; from
 * then on the exchange is as one that wire_open has sent, or undecided where the answer has ended, or was lost, by then. The deadline's timer is
 * stopped. The tenant, the tracestate and the believed address of the client are gone: they were sent. WIRE_OK, or WIRE_NO_EXCHANGE: its
 * client is gone, or will be with the next step. */
int wire_take_over(wire *w, uint64_t exchange, wire_handed *handed);
/* The fields of a request of this step's batch that go on to the service: a field table and then its text (http1_forward_write), written
 * at out. Returns the bytes, WIRE_NO_EXCHANGE, or WIRE_NO_ROOM when room is too small; *field_count gets their number. */
int32_t wire_forward(wire *w, uint64_t exchange, uint8_t *out, uint32_t room, uint32_t *field_count);
/* Takes the client's connection of an undecided exchange of this batch (of a request, or with keeps_malformed of a bad request) out of the
 * wire's hands: it is not watched any more, and the exchange is answered by who has the descriptor. Its context is kept for wire_open.
 * WIRE_OK, or WIRE_NO_EXCHANGE: its client is gone, or will be with the next step. */
int wire_hand_over(wire *w, uint64_t exchange, wire_handed *handed);
/* Gives the connection back and ends the exchange, which must not be with a service (wire_cancel it first: here it is dropped). how: enum
 * wire_hand_back_how; bytes[0..count): what came behind the request, for HAND_BACK_KEEP; received: how many bytes were read meanwhile. */
int wire_hand_back(wire *w, uint64_t exchange, int how, const uint8_t *bytes, uint32_t count, uint64_t received);
/* Begins an exchange that no client has asked, for copies of requests, calls of services, and questions of the caller's own. It is undecided,
 * with random ids and trace, and outlives the batch: wire_set_context works on it whenever it is not with a service, wire_open sends it,
 * wire_cancel takes it back, and wire_end ends it, once. What needs a client is WIRE_NO_EXCHANGE. Its frames have no client address and no
 * scheme unless they were set. method: enum frame_method. Returns its id; 0 when there is no room (exchanges_max) or no such method. */
uint64_t wire_begin(wire *w, int method);
/* Ends an exchange that wire_begin began. One that is with a service is forgotten: nothing is written (wire_cancel it before), and what still
 * comes for it is dropped. WIRE_OK or WIRE_NO_EXCHANGE. */
int wire_end(wire *w, uint64_t exchange);
/* Sends a handed-over or begun exchange to a framed connection as a REQUEST frame, with END or without. No timer is started. gauge and how: as
 * for wire_send; SEND_KEEP needs END, and what SEND_HOLD and SEND_TELL ask holds after wire_hand_in. fields: as wire_forward
 * wrote them, without those that the identity drops; length_text, upgrade: FIELD_BODY_LENGTH and FIELD_UPGRADE, left out where their count
 * is 0; identity: NULL for none. Its frames come as EVENT_STREAM.
 * A bad request without a method that is known is not in a state for this. */
int wire_open(wire *w, uint64_t exchange, uint32_t connection, uint32_t route, uint32_t endpoint, uint32_t gauge, uint32_t how,
              uint32_t attempt, uint32_t remaining_ms,
              const uint8_t *target, uint32_t target_bytes, const uint8_t *fields, uint32_t field_count, uint32_t fields_bytes,
              const uint8_t *length_text, uint32_t length_text_bytes, const uint8_t *upgrade, uint32_t upgrade_bytes,
              const uint8_t *body, uint32_t body_bytes, int end, const wire_identity *identity);
/* Gives the connection of an exchange back that wire_open has sent whole (with END): the wire waits for the service's answer, and for the
 * client, as if wire_send had sent it. bytes, received: as for wire_hand_back; remaining_ms: the deadline from now on. WIRE_OK,
 * WIRE_NO_EXCHANGE, or WIRE_SYSTEM: it could not be watched again, and was closed; an EVENT_CLIENT_GONE tells in the next step. */
int wire_hand_in(wire *w, uint64_t exchange, const uint8_t *bytes, uint32_t count, uint64_t received, uint32_t remaining_ms);
/* The head of the HTTP answer to a handed-over exchange that a RESPONSE makes, whose payload came in this batch as EVENT_STREAM (at, bytes),
 * written at out. framing: enum http1_framing; length: of the body, for FRAMING_LENGTH; upgrade: for FRAMING_UPGRADE; *body_at: where in the
 * payload the body begins. Returns the head's bytes, minus enum http1_response_error - 100, or an enum wire_result. */
int32_t wire_response_head(wire *w, uint64_t exchange, uint32_t at, uint32_t bytes, int framing, uint64_t length, const uint8_t *upgrade,
                           uint32_t upgrade_bytes, int close, uint8_t *out, uint32_t room, uint32_t *body_at);
/* The same for an answer of the gateway's own, with body_bytes behind it. */
int32_t wire_answer_head(wire *w, uint64_t exchange, int status, const uint8_t *lines, uint32_t lines_bytes, uint32_t body_bytes, int close,
                         uint8_t *out, uint32_t room);
/* The trailer section that a TRAILERS frame makes, whose payload came in this batch (at, bytes), as http1_trailers_write writes it.
 * Returns as wire_response_head. */
int32_t wire_trailers(wire *w, uint32_t at, uint32_t bytes, uint8_t *out, uint32_t room);
/* 1: less than WIRE_ROOM_BYTES wait to be sent on the connection. 0: EVENT_FRAMED_ROOM or EVENT_FRAMED_CLOSED will tell. */
int wire_want_room(wire *w, uint32_t connection);
/* Clients that speak TLS, on SOCKET_EDGE_TLS: the caller decrypts and encrypts (csrc/edge_tls.c). A connection that is handed over is the
 * caller's alone: then these return WIRE_NO_CONNECTION, as for one that is gone.
 *
 * Takes plaintext as if it had been received: a request that it makes whole is one of this batch's, so that the events are to be looked
 * at first; a refusal comes with the next step. The first call, be it with nothing, says that the handshake is over. */
int wire_tls_feed(wire *w, uint32_t connection, const uint8_t *plain, uint32_t byte_count);
/* The answers that wait to be encrypted since the last call: returns how many, at wire_tls_outputs, with their plaintext in wire_tls_plain.
 * Both are there until the next call, and have the same addresses always. To be called after the decisions until it returns 0. */
uint32_t wire_tls_pending(wire *w);
const wire_tls_output *wire_tls_outputs(const wire *w);
const uint8_t *wire_tls_plain(const wire *w);
/* Sends ciphertext; what the socket does not take is held. ends: with it, what wire_tls_pending gave is out as a whole. */
int wire_tls_send(wire *w, uint32_t connection, const uint8_t *cipher, uint32_t byte_count, int ends);
/* Ends a connection with which nothing more is to be said, once what was sent before is out. A request in progress loses its client. */
int wire_tls_end(wire *w, uint32_t connection);

/* Takes a sent exchange back from its target: writes CANCEL with the reason, and a late response will be dropped. The exchange is
 * undecided again; if its client is gone it is over, and one that was begun is not. Also ends an undecided exchange whose client is gone. */
int wire_cancel(wire *w, uint64_t exchange, int reason);
/* Answers an undecided exchange. lines: whole field lines, as in http1_answer_write. close: close after the answer. */
int wire_answer(wire *w, uint64_t exchange, int status, const uint8_t *lines, uint32_t lines_bytes, const uint8_t *body,
                uint32_t body_bytes, int close);
/* Writes any frame to a framed connection. The payload's form is the caller's business; its length is checked. The id of an exchange that we
 * have sent is completed with the attempt that it is at. */
int wire_frame(wire *w, uint32_t connection, int type, int flags, uint64_t exchange, const uint8_t *payload, uint32_t payload_bytes);
/* Closes a framed connection after a last try to send what waits. Its exchanges yield EVENT_LOST, then it EVENT_FRAMED_CLOSED. */
int wire_close(wire *w, uint32_t connection);
/* Says that the edge drains: each connection closes at a random moment within spread_ms if it is idle then, or else with its next answer. */
void wire_drain_edge(wire *w, uint32_t spread_ms);

/* The peer's address as text ("127.0.0.1:5555"), for logs. Returns its length, or WIRE_NO_CONNECTION. room: at least 64. */
int wire_peer(wire *w, uint32_t connection, char *out, uint32_t room);

/* Flat arrays, one entry per framed connection, by WIRE_SLOT(handle) = handle & 4095: requests in flight, and the moving average
 * of the time to respond in microseconds (time constant 10 s; 0: nothing measured yet). An expired deadline counts as a time, too. */
uint32_t *wire_in_flight(wire *w);
float *wire_latency_us(wire *w);
/* Bytes that wait to be sent on each framed connection, by slot. */
uint32_t *wire_unsent(wire *w);
/* Frames that came on each framed connection, by slot, answers included; wraps. */
uint32_t *wire_heard(wire *w);
/* The ids of exchanges that wire_send sent and that are with a service, unless their connections were taken over: at most ids_max of them, at ids. Returns how many. */
uint32_t wire_sent(const wire *w, uint64_t *ids, uint32_t ids_max);
/* Good answers (neither 429 nor 500 and above) by gauge, WIRE_GAUGES_MAX entries, which wrap. A gauge is whatever the caller takes one for: an
 * endpoint of an instance. */
uint32_t *wire_gauge_answers(wire *w);
/* Requests that are with a service, by route (routes_max entries) and by group (WIRE_GROUPS_MAX entries). */
uint32_t *wire_route_in_flight(wire *w);
uint32_t *wire_group_in_flight(wire *w);
/* The group that a route's requests count for from now on, below WIRE_GROUPS_MAX; 0: nobody's. WIRE_OK or WIRE_INVALID. */
int wire_set_group(wire *w, uint32_t route, uint32_t group);
/* Of a group: requests that were sent for the first time, good answers, and the microseconds that these took together. NULL past the last. */
const wire_group_figures *wire_group_figures_of(const wire *w, uint32_t group);
/* Counts of services' responses of a route by status class (index 1 to 5). NULL when routes_max is passed. */
const uint64_t *wire_route_statuses(wire *w, uint32_t route);
/* Counts of times to respond of a route, WIRE_LATENCY_COUNTS entries by the bucket rule of HdrHistogram with unit 1 microsecond,
 * two significant digits, and 2^27 - 1 microseconds at most; what is longer counts there. NULL when nothing was counted. */
const uint64_t *wire_route_latency(wire *w, uint32_t route);
/* The same of the whole time at the edge, from a request's first byte to its answer, whoever gave it; and of the part of it that no attempt at
 * a service took, by the coarser rule (one significant digit, WIRE_COARSE_COUNTS entries). NULL when nothing was counted, or not measured. */
const uint64_t *wire_route_totals(wire *w, uint32_t route);
const uint64_t *wire_route_gateway(wire *w, uint32_t route);
/* Counts of responses by status class, and of times to respond by the coarser rule, of a framed connection: until its slot has another one,
 * so also in the batch of its EVENT_FRAMED_CLOSED. NULL when nothing was counted, or not measured. */
const uint64_t *wire_instance_statuses(wire *w, uint32_t connection);
const uint64_t *wire_instance_latency(wire *w, uint32_t connection);
/* How batches went. The address never changes. */
const wire_turn_figures *wire_turns(const wire *w);
/* Says that other tasks have kept the wire waiting that long while it had something to do. */
void wire_away(wire *w, uint64_t microseconds);

/* Why the gateway answers an undecided exchange itself, for its record; and whose route it was, where it has not been sent (UINT32_MAX:
 * nobody's). reason: any number below 65,536 that the caller understands. WIRE_OK, or WIRE_NO_EXCHANGE: it has no record. */
int wire_record_reason(wire *w, uint64_t exchange, uint32_t reason, uint32_t route);
/* Whose route an exchange is, as its record has it; -1: nobody's, or it has no record. */
int64_t wire_record_route(wire *w, uint64_t exchange);
/* Bytes that were written to the client of an exchange that is handed over, for its record. */
int wire_record_bytes(wire *w, uint64_t exchange, uint64_t bytes_out);
/* Which records go to RECORDS_WATCHED from now on: those for which 64 random bits are at most logged_bound (0: none), and with sampled those
 * whose trace is. */
void wire_watch_records(wire *w, uint64_t logged_bound, int sampled);
/* Which traces that begin here are sampled from now on: those whose last eight bytes, as a number, are below sampled_bound. own_spans: a trace
 * that a client brings goes on with a span of the gateway's own, and each attempt at a service of a sampled trace has one, too: its last byte is
 * that of the gateway's, XOR the attempt's number. */
void wire_sample_traces(wire *w, uint64_t sampled_bound, int own_spans);
/* A ring: its memory, with room for that many (0: there is none), and the sequence of its newest record. A record with sequence n lies at
 * (n - 1) % room until n + room is written. */
const wire_record *wire_records(const wire *w, int ring);
uint32_t wire_record_room(const wire *w, int ring);
uint64_t wire_record_sequence(const wire *w, int ring);
/* Records of a ring, newest first, whose request id or correlation id is text, or whose trace id is trace (16 bytes; NULL: none is wanted).
 * Their sequences go to found[0..found_max). Returns how many. Looks at each record there is. */
uint32_t wire_find_records(const wire *w, int ring, const uint8_t *text, uint32_t text_bytes, const uint8_t *trace, uint64_t *found,
                           uint32_t found_max);
/* Zeroes a route's counts, for an index that is given to another route. */
void wire_route_reset(wire *w, uint32_t route);
const wire_counters *wire_count(const wire *w);

/* Moves the wire's clock ahead, so that a test need not wait. */
void wire_advance_clock(wire *w, uint32_t milliseconds);
/* cdef: end */

#endif
