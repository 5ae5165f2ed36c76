/* What the parts of the wire ask of each other; what they share is in wire_state.h. open.c: making and freeing; wire.c: the step; listen.c: accepting;
 * decide.c: the caller's decisions; again.c: sending again what was kept (kept.c); begun.c: exchanges of the caller's own; caller.c: values of a request's head; context.c: context fields; figures.c: what is told; edge.c, edge_request.c, edge_answer.c, edge_tls.c: clients; framed.c: framed connections;
 * exchange.c: the table of exchanges and what is measured; record.c: what is written down of them, record_rings.c: and kept once they have ended; request.c: the
 * REQUEST frame; handed.c: connections that are handed over; stream.c: exchanges that are streamed; address.c: who connects; input.c, output.c: bytes held for a socket. Nothing outside includes this. */
#ifndef PENSTOCK_WIRE_INTERNAL_H
#define PENSTOCK_WIRE_INTERNAL_H

#include <errno.h>
#include <stddef.h>
#include <sys/types.h>

#include "wire_state.h"

/* listen.c */
void wire_accept(wire *w, uint32_t listener_index);
void wire_resume_accepting(wire *w, int kind);

/* wire.c */
static inline uint64_t wire_now_ms(const wire *w)
{
    return w->now_us / 1000;
}
/* How many more events, and requests, the batch can take, beside those that the sockets of one wait may need. */
static inline uint32_t wire_event_room(const wire *w)
{
    uint32_t used = (w->event_count > w->head_count ? w->event_count : w->head_count) + EVENTS_RESERVED;
    return used < WIRE_EVENTS_MAX ? WIRE_EVENTS_MAX - used : 0;
}
wire_event *wire_add_event(wire *w, enum wire_event_kind kind);
uint64_t wire_random(wire *w);
void wire_read_clock(wire *w);
/* Makes the wire's descriptor readable when something is to be looked at that was set off between two steps: the caller may be waiting
 * on it already. */
void wire_wake(wire *w);
/* Connections are watched edge-triggered, for everything, once: no system call changes what is asked, and what was told is not told
 * again with every wait. So whoever leaves input in a socket remembers it (is_unread). */
enum { WATCH_CONNECTION = EPOLLIN | EPOLLOUT | EPOLLRDHUP | (int)EPOLLET };
int wire_watch(wire *w, int descriptor, int operation, uint32_t interest, uint8_t source, const slab_item *item);
static inline uint64_t wire_in_ms(const wire *w, uint32_t milliseconds)
{
    return wire_now_ms(w) + milliseconds;
}

/* input.c: 0, or -1 when there is no memory. */
int input_reserve(wire *w, held_input *in, uint32_t capacity);
int input_hold(wire *w, held_input *in, const uint8_t *bytes, uint32_t count);
void input_drop(wire *w, held_input *in);
/* Receives behind what is held, into the arena. Returns the bytes now at *start (held and received), 0 when the peer has closed,
 * -1 with errno (EAGAIN: nothing there, or not enough yet; ENOBUFS: no room in this batch). After success the held bytes are the
 * arena's. Clears *is_unread when the socket was emptied. */
ssize_t input_receive(wire *w, int descriptor, held_input *in, uint32_t needed, uint32_t read_bytes, uint64_t *received,
                      uint8_t *is_unread, uint8_t **start);
/* Moves what is held into the arena. Its count at *start, or 0 when nothing is held or the batch has no room. */
uint32_t input_recall(wire *w, held_input *in, uint8_t **start);

/* output.c */
uint8_t *output_reserve(wire *w, held_output *out, uint32_t count, uint32_t first_capacity);
void output_drop(wire *w, held_output *out);
/* Sends what is held. 1 when all is gone, 0 when the socket is full, -1 with errno. */
int output_send(int descriptor, held_output *out, uint64_t *sent);

/* exchange.c */
static inline uint64_t exchange_id(const exchange *x)
{
    return (uint64_t)x->item.generation << 32 | x->item.slot;
}
/* The id that frames about it carry: of each attempt that wire_again sends another, so that late answers to earlier ones are known. */
static inline uint64_t exchange_wire_id(const exchange *x, const struct framed_connection *framed)
{
    return exchange_id(x) | (uint64_t)x->tag << ATTEMPT_SHIFT | (framed->dialled ? OPENED_BY_DIALLER : 0);
}
exchange *exchange_find(const wire *w, uint64_t id);
/* The same by the id on the wire of the attempt that it is at. */
exchange *exchange_find_on_wire(const wire *w, uint64_t wire_id);
/* One of a request of this batch; NULL when there is none (any more). */
exchange *exchange_find_in_batch(const wire *w, uint64_t id);
/* Whether anybody waits for its answer: its client, or the caller who began it. */
static inline int exchange_is_wanted(const exchange *x)
{
    return x->edge || x->is_begun;
}
/* Whether an address was set for its client, and is there: in this batch, or for good. */
static inline int exchange_has_client(const wire *w, const exchange *x)
{
    return x->client_bytes && (x->kept || x->batch == w->batch);
}
/* Both undecided, with random ids and trace. NULL when there is no place. */
exchange *exchange_make(wire *w);
exchange *exchange_open(wire *w, edge_connection *edge);
/* What the caller says of a sending, checked. */
typedef struct {
    uint32_t route, gauge, how, attempt;
} sending;
/* Its REQUEST is written: it is with a service from now on. */
void exchange_go(wire *w, exchange *x, framed_connection *framed, const sending *sent);
/* Takes a sent exchange off its target; it is undecided again. */
void exchange_detach(wire *w, exchange *x);
void exchange_close(wire *w, exchange *x);
/* Starts its timer: for its deadline, or for after_ms (0: none) where that is earlier. */
void exchange_set_timer(wire *w, exchange *x, uint32_t after_ms);
/* Of its deadline; 0 where it has passed, or there is none. */
uint32_t exchange_remaining_ms(const wire *w, const exchange *x);
static inline int status_is_failure(uint16_t status)
{
    enum { TOO_MANY_REQUESTS = 429 };
    return status >= 500 || status == TOO_MANY_REQUESTS;
}
void exchange_measure_expired(wire *w, const exchange *x);
void exchange_measure(wire *w, exchange *x, uint16_t status);

/* request.c: the REQUEST frame of an exchange. */
typedef struct request_parts {
    uint32_t endpoint, attempt, remaining_ms;
    const uint8_t *target;
    const uint8_t *fields;           /* table and text of those that go on, or NULL: to be written from the head */
    const uint8_t *length_text;
    const uint8_t *upgrade;
    const uint8_t *body;
    const wire_identity *identity;   /* or NULL */
    uint32_t target_bytes, field_count, fields_bytes, length_text_bytes, upgrade_bytes, body_bytes;
    uint32_t given_count;            /* of fields; those that the identity drops are in it, and not in field_count and fields_bytes */
    int end;
} request_parts;
/* Writes it to the connection, and with keeps a copy of it to memory where there is room. WIRE_OK, WIRE_FULL, WIRE_NO_ROOM. */
int request_write(wire *w, exchange *x, framed_connection *framed, const request_parts *parts, int keeps);
/* Of a plain request of this batch. */
request_parts request_parts_of(const exchange *x, uint32_t remaining_ms, const wire_identity *identity);
/* Only keeps it: WIRE_OK or WIRE_NO_ROOM. */
int request_keep(wire *w, exchange *x, const request_parts *parts);
/* Writes what is kept. WIRE_OK or WIRE_FULL. */
int request_write_kept(wire *w, exchange *x, framed_connection *framed, uint32_t endpoint, uint32_t attempt, uint32_t remaining_ms);

/* record.c. Each does nothing for an exchange that has no record. */
void record_begin(wire *w, exchange *x);
/* What is known of its request: when it is sent or kept; from its head, in its batch. */
void record_request(wire *w, const exchange *x, const request_parts *parts);
void record_head(wire *w, const exchange *x);
/* Copies out tenant or principal, as far as they are known by now. Returns the length. */
int record_name(const wire *w, const exchange *x, int field, uint8_t *out);
/* An attempt begins, and ends. */
void record_attempt(wire *w, exchange *x);
void record_attempt_end(wire *w, const exchange *x);
void record_answered(wire *w, const exchange *x);
void record_left(wire *w, uint64_t left_us);
/* What its client was sent. */
void record_answer(wire *w, const exchange *x, uint32_t status, uint64_t bytes);
void record_received(wire *w, const exchange *x, uint64_t bytes);
/* Its connection goes back at a request boundary, with what came behind it. */
void record_returned(wire *w, exchange *x, uint64_t bytes);
void record_flag(wire *w, const exchange *x, enum record_flags flag);
/* The trace that its client, or the caller, says it belongs to. */
void record_take_trace(wire *w, exchange *x, const uint8_t *trace);

/* record_rings.c */
int records_start(wire *w); /* 0, or -1 when there is no memory */
void records_end(wire *w);
/* The exchange is over: its record, if it has one, goes where it belongs. */
void record_end(wire *w, exchange *x);

/* figures.c: zeroed counts in place of NULL; NULL without memory. */
uint64_t *figures_room(uint64_t **counts, uint32_t count);
/* A framed connection has taken its slot. */
void figures_begin_instance(wire *w, uint32_t connection);
/* A turn is over. */
void figures_turn(wire *w, uint64_t now_us);

/* kept.c: memory for the payload of the exchange's request, in place of what it has; NULL, counted, where a bound or memory forbids it. */
uint8_t *kept_make(wire *w, exchange *x, uint32_t bytes);
void kept_drop(wire *w, exchange *x);
void kept_share(exchange *x, const exchange *from);

static inline int identity_is_valid(const wire_identity *identity)
{
    return !identity || (identity->principal_bytes <= WIRE_PRINCIPAL_BYTES_MAX && identity->claims_bytes <= WIRE_CLAIMS_BYTES_MAX);
}
static inline int identity_drops_credentials(const wire_identity *identity)
{
    return identity && identity->drops_credentials;
}

/* address.c */
int address_table_start(address_table *table, uint32_t count_max);
/* Counts one more connection. 0 when the address has its most already, and then nothing is counted. */
int address_enter(wire *w, const edge_address *address);
void address_leave(wire *w, const edge_address *address);
edge_address address_of(int descriptor);
/* Text of at most WIRE_ADDRESS_BYTES_MAX bytes; its length. */
uint32_t address_write(const edge_address *address, uint8_t *out);

/* edge.c */
int edge_adopt(wire *w, int descriptor, int is_tls);
void edge_set_idle(wire *w, edge_connection *edge);
void edge_take_away(wire *w, edge_connection *edge);
int edge_watch_again(wire *w, edge_connection *edge, const uint8_t *bytes, uint32_t count);
int edge_take_back(wire *w, edge_connection *edge, const uint8_t *bytes, uint32_t count);
static inline int edge_is_to_close(const wire *w, const edge_connection *edge)
{
    return !edge->requests_left || wire_now_ms(w) >= edge->closes_at_ms;
}
static inline int edge_is_over_bytes(const wire *w, const edge_connection *edge)
{
    return w->settings.connection_bytes_max && edge->received >= w->settings.connection_bytes_max;
}
static inline uint32_t edge_handle(const edge_connection *edge)
{
    return (edge->item.generation & EDGE_GENERATION_MASK) << EDGE_SLOT_BITS | edge->item.slot;
}
static inline int edge_is_writing(const edge_connection *edge)
{
    return edge->out.bytes || edge->tls_output;
}
static inline int edge_is_reading(const edge_connection *edge)
{
    return !edge->exchange && !edge_is_writing(edge) && !edge->is_lingering;
}
/* What a client may send behind a request that is worked on; more is left in its socket. */
static inline uint32_t edge_read_ahead_max(const wire *w)
{
    return w->settings.http1.head_bytes_max + w->settings.http1.body_bytes_max;
}
void edge_ready(wire *w, edge_connection *edge, uint32_t epoll_events);
void edge_resume(wire *w);
void edge_expire(wire *w, edge_connection *edge);
void edge_close(wire *w, edge_connection *edge);
void edge_drain(wire *w, uint32_t spread_ms);
void edge_set_due(wire *w, edge_connection *edge, uint64_t at_ms);
void edge_set_nothing_due(edge_connection *edge);
void edge_look_again(wire *w, edge_connection *edge);

/* edge_request.c */
void edge_refuse(wire *w, edge_connection *edge, uint16_t detail, uint8_t method);
void edge_take_request(wire *w, edge_connection *edge, const uint8_t *bytes, uint32_t count);
void edge_read_requests(wire *w, edge_connection *edge);
void edge_read_ahead(wire *w, edge_connection *edge);

/* edge_answer.c */
/* Sends one answer: head (in scratch) and body. The exchange is over. */
void edge_answer(wire *w, exchange *x, uint32_t head_bytes, const uint8_t *body, uint32_t body_bytes);
http1_answer edge_answer_facts(wire *w, exchange *x);
void edge_start_lingering(wire *w, edge_connection *edge);
/* The answer is out: closes, lingers, or goes on to the next request. */
void edge_answered(wire *w, edge_connection *edge);
void edge_write_answer(wire *w, edge_connection *edge, uint32_t head_bytes, const uint8_t *body, uint32_t body_bytes);
void edge_go_on_writing(wire *w, edge_connection *edge);
void edge_go_on_lingering(wire *w, edge_connection *edge);

/* edge_tls.c */
void edge_tls_read(wire *w, edge_connection *edge);
void edge_tls_write(wire *w, edge_connection *edge, uint32_t head_bytes, const uint8_t *body, uint32_t body_bytes);
void edge_tls_written(wire *w, edge_connection *edge);
void edge_tls_say_goodbye(wire *w, edge_connection *edge);
int edge_tls_give_up(wire *w, edge_connection *edge);
int edge_tls_enter(wire *w);
void edge_tls_leave(wire *w, edge_connection *edge);
void edge_tls_tell_closed(wire *w);

/* framed.c */
framed_connection *framed_find(const wire *w, uint32_t handle);
framed_connection *framed_adopt(wire *w, int descriptor, int dialled);
void framed_ready(wire *w, framed_connection *framed, uint32_t epoll_events);
void framed_take_ready(wire *w);
void framed_bury(wire *w);
void framed_fail(wire *w, framed_connection *framed, enum wire_close_cause cause);
void framed_close(wire *w, framed_connection *framed, enum wire_close_cause cause);
void framed_flush(wire *w, framed_connection *framed);
void framed_release_buffers(wire *w);
/* framed_answer.c */
/* Whether this side chose the id. */
static inline int framed_is_ours(const framed_connection *framed, uint64_t id)
{
    return (id & OPENED_BY_DIALLER) == (framed->dialled ? OPENED_BY_DIALLER : 0);
}
void framed_take_response(wire *w, framed_connection *framed, const uint8_t *base, const frame_view *view);
void framed_take_refused(wire *w, framed_connection *framed, const uint8_t *base, const frame_view *view);
exchange *framed_find_answered(wire *w, const framed_connection *framed, uint64_t id);
wire_event *framed_add_event(wire *w, const framed_connection *framed, const uint8_t *base, const frame_view *view, int kind);
void framed_report_bad_response(wire *w, exchange *x, uint16_t detail);
void framed_tell_room(wire *w);
/* Room for one frame of that many bytes at the end of the output, which then counts as written; NULL when it is over the bound. */
uint8_t *framed_write(wire *w, framed_connection *framed, uint32_t bytes);
/* The same beyond the bound, for what must not be lost and comes once for each exchange at most. NULL when there is no memory. */
uint8_t *framed_write_beyond(wire *w, framed_connection *framed, uint32_t bytes);


/* stream.c: a frame about an exchange that this side opened, other than RESPONSE and REFUSED to a plain one. */
void stream_take_frame(wire *w, framed_connection *framed, const uint8_t *base, const frame_view *view);
/* The final RESPONSE, or an interim one, to a streamed exchange. */
void stream_take_response(wire *w, framed_connection *framed, exchange *x, const uint8_t *base, const frame_view *view);

/* context.c: the texts of its context, which lay in the batch's memory, are the exchange's own from now on. 0, or -1 when there is no memory,
 * and then nothing has changed. */
int exchange_keep_context(exchange *x);

#endif
