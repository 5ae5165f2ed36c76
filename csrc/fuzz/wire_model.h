/* The model of what the caller of the wire knows, for fuzz_wire.c: which exchanges are open and in which state, which
 * connections there are. After every step the wire must agree with it; what comes out must be whole frames and whole
 * answers. */
#ifndef PENSTOCK_FUZZ_WIRE_MODEL_H
#define PENSTOCK_FUZZ_WIRE_MODEL_H

#include "../wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* PLACES: within one step as many exchanges may be answered as there may be, and as many anew be opened. */
enum { CLIENTS = 4, SERVICES = 3, EXCHANGES = 6, PLACES = 2 * EXCHANGES, ASKED = 32, OUTPUT_MAX = 1 << 19, SAID_MAX = 1 << 16, REST_MAX = 40000, KEPT_BYTES_MAX = 3000 };
#define BIT_63 (UINT64_C(1) << 63)

static void demand(int holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "fuzz_wire: broken: %s\n", what);
    abort();
}

/* How far an answer was read: its head, then as many 'b' as content-length says (or none, for HEAD), and nothing else. */
typedef struct {
    int descriptor;  /* ours, -1 when closed */
    int wires;       /* the wire's end: only looked at, to see whether input lies unread in it */
    uint32_t head_bytes;
    uint32_t body_left;
    uint8_t in_body;
    uint8_t has_ended; /* its own direction */
    uint32_t last_answered; /* by the number in the request id */
    char head[4096];
} client;

typedef struct {
    int descriptor;
    int wires;
    uint32_t connection; /* 0: the wire has closed it */
    int is_closing;      /* by wire_close; the event is to come */
    int has_ended;       /* its own direction */
    int dialled;
    int wants_room;      /* how often it may still be told of room */
    int waits_for_room;  /* and that it must be */
    uint32_t held_bytes;
    uint32_t asked_count;
    uint64_t asked[ASKED]; /* the REQUESTs that it received and did not answer */
    uint8_t held[OUTPUT_MAX + FRAME_HEADER_BYTES];
} service;

enum { NONE, UNDECIDED, SENT };

typedef struct {
    uint64_t id;
    uint8_t state;
    uint8_t is_gone;    /* its client */
    uint8_t has_expired;
    uint8_t is_odd;
    uint8_t is_bad;
    uint8_t is_head;
    uint8_t has_method;
    uint8_t is_away;    /* handed over; SENT then means opened as a stream */
    uint8_t is_begun;   /* likewise, and it has no client */
    uint8_t is_answered; /* by hand */
    uint8_t is_cut;     /* but not whole */
    uint8_t may_stream; /* it was sent so, and was not taken over */
    uint8_t is_streaming; /* and its answer has turned out to */
    uint8_t has_head;   /* the final one of what streams */
    uint8_t is_spoiled; /* its answer was a bad one; of what is with a service */
    uint8_t how;        /* it was sent: enum wire_send_how */
    uint32_t streamed_in; /* that batch */
    uint32_t route;
    uint32_t batch;     /* that yielded it */
    uint32_t connection; /* that it was opened on */
    int descriptor;
    uint32_t received;  /* by hand */
    uint32_t rest_bytes;
    uint8_t rest[REST_MAX]; /* what came behind it */
} open_exchange;

static wire *w;
static client clients[CLIENTS];
static service services[SERVICES];
static open_exchange opened[PLACES];
static int is_hostile; /* a service has said what no service may: the wire may close it */
static uint64_t frames_said; /* by services that say what they may and stay */
static int is_countable;
static int keeps_malformed;
static uint32_t exchanges_max;
static uint32_t batch;
static uint32_t requests_seen;
static int has_said_raw; /* then a request may name another client than its own */
static int listener;    /* the wire's, -1 before anybody has knocked */
static int is_held;     /* accepting */
static uint64_t knocks; /* how often a client has come by the listener */
static uint8_t bytes_b[SAID_MAX];

static open_exchange *find_open(uint64_t id)
{
    for (int i = 0; i < PLACES; i++)
        if (opened[i].state != NONE && opened[i].id == id)
            return &opened[i];
    return NULL;
}

static open_exchange *open_one(uint64_t id)
{
    demand(id != 0 && !(id & BIT_63) && find_open(id) == NULL, "a new exchange has a new id");
    demand(wire_age_ms(w, id) >= 0, "a new exchange can be found");
    for (int i = 0; i < PLACES; i++)
        if (opened[i].state == NONE) {
            memset(&opened[i], 0, offsetof(open_exchange, rest));
            opened[i].id = id;
            opened[i].state = UNDECIDED;
            opened[i].batch = batch;
            return &opened[i];
        }
    demand(0, "there are no more exchanges than exchanges_max");
    return NULL;
}

static service *find_service(uint32_t connection)
{
    for (int i = 0; i < SERVICES; i++)
        if (connection && services[i].connection == connection)
            return &services[i];
    return NULL;
}

static void touch_arena(uint32_t at, uint32_t bytes)
{
    volatile uint8_t sum = 0;
    demand(at <= WIRE_ARENA_BYTES && bytes <= WIRE_ARENA_BYTES - at, "what an event points at is in the arena");
    for (uint32_t i = 0; i < bytes; i++)
        sum = (uint8_t)(sum + wire_arena(w)[at + i]);
}

/* None, or one by the bits of how. What a service is asked is looked at in take_frame. */
static const wire_identity *some_identity(uint8_t how)
{
    static union {
        wire_identity identity;
        uint8_t bytes[sizeof(wire_identity) + 2 * 256];
    } made;
    if (!(how & 8))
        return NULL;
    made.identity.principal_bytes = how & 16;
    made.identity.claims_bytes = how & 224;
    made.identity.drops_credentials = how >> 4 & 1;
    memset(made.bytes + offsetof(wire_identity, text), 'i', made.identity.principal_bytes + made.identity.claims_bytes);
    return &made.identity;
}

#include "wire_away.h"
#include "wire_again.h"

/* ---- decisions ---- */

static void answer(open_exchange *x, uint8_t how)
{
    static const int statuses[] = {200, 404, 503, 204};
    int status = statuses[how & 3];
    uint32_t body_bytes = status == 204 ? 0 : (uint32_t)(how >> 3) * 1500;
    int is_ours = x->state == UNDECIDED && !x->is_gone && !x->is_away && !x->is_begun;
    int result = wire_answer(w, x->id, status, (const uint8_t *)"a: b\r\n", 6, bytes_b, body_bytes, how & 4);
    demand(result == (is_ours ? WIRE_OK : WIRE_NO_EXCHANGE), "what can be answered is");
    if (result == WIRE_OK)
        x->state = NONE;
}

static void cancel(open_exchange *x)
{
    int result = wire_cancel(w, x->id, 2);
    demand(result == (x->state == SENT || x->is_gone ? WIRE_OK : WIRE_NO_EXCHANGE), "what can be cancelled is");
    if (result == WIRE_OK)
        x->state = x->is_gone ? NONE : UNDECIDED;
}

static void send_on(open_exchange *x, uint8_t how)
{
    service *s = &services[how % SERVICES];
    uint32_t bits = how_to_send(how);
    int result = wire_send(w, x->id, s->connection, how & 1, how, how, bits, 40u + how, how >> 3, some_identity(how));
    int is_void = !s->connection || s->is_closing;
    if (x->is_odd) {
        demand(result == WIRE_NO_EXCHANGE, "an odd request is not sent");
        return;
    }
    int is_late = result == WIRE_LATE && wire_age_ms(w, x->id) >= 40 + how;
    demand(result == WIRE_OK || result == WIRE_FULL || (result == WIRE_NO_CONNECTION && is_void) || is_late, "what can be sent is");
    if (result != WIRE_OK)
        return;
    x->state = SENT;
    x->route = how & 1;
    x->connection = s->connection;
    x->may_stream = (how & 4) != 0;
    x->has_head = x->is_spoiled = 0;
    x->how = (uint8_t)bits;
}

static void end_exchange(open_exchange *x, uint8_t how)
{
    if (x->state == SENT || x->is_gone)
        cancel(x);
    if (x->is_begun && x->state == UNDECIDED)
        end_begun(x);
    if (x->state == UNDECIDED && x->is_away) {
        answer_by_hand(x, how * 20u);
        hand_back(x, how % 4);
    }
    if (x->state == UNDECIDED)
        answer(x, how);
}

/* Those that a service answered are over without a word; nothing else may vanish, and nothing may stay. */
static void compare_exchanges(void)
{
    uint64_t open_now = 0, sent_now = 0, in_flight = 0, streamed_now = 0, away_now = 0;
    for (int i = 0; i < PLACES; i++) {
        open_exchange *x = &opened[i];
        if (x->state == NONE)
            continue;
        if (wire_age_ms(w, x->id) < 0) {
            demand(x->state == SENT && !x->is_gone && !x->is_away && !x->is_begun && !x->is_streaming, "only what was sent can be answered by a service");
            x->state = NONE;
            continue;
        }
        open_now++;
        sent_now += x->state == SENT;
        streamed_now += x->state == SENT && (x->is_away || x->is_begun);
        away_now += x->is_away;
        check_address(x);
    }
    for (uint32_t slot = 0; slot < SERVICES; slot++)
        in_flight += wire_in_flight(w)[slot];
    uint64_t ids[PLACES];
    uint32_t told = wire_sent(w, ids, PLACES);
    for (uint32_t i = 0; i < told; i++) {
        const open_exchange *sent = find_open(ids[i]);
        demand(sent != NULL && sent->state == SENT && !sent->is_away && !sent->is_begun, "what the wire says is sent was sent");
    }
    demand(told + streamed_now == sent_now, "and all of that");
    demand(wire_count(w)->handed_over_now == away_now, "as many connections are away as were handed over");
    demand(wire_count(w)->exchanges_now == open_now, "the wire has as many exchanges as the caller");
    demand(in_flight == sent_now, "and as many in flight");
}

static void check_figures(void)
{
    const wire_counters *c = wire_count(w);
    demand(c->edge_open_now <= CLIENTS && c->framed_open_now <= SERVICES, "connections are bounded");
    demand(c->kept_bytes_now <= KEPT_BYTES_MAX && (c->kept_now != 0) == (c->kept_bytes_now != 0), "copies are bounded");
    demand(c->buffers_now <= 2 * (CLIENTS + SERVICES) + 1, "buffers are bounded");
    demand(c->edge_closed + c->edge_open_now >= c->edge_accepted, "connections are counted");
    demand(c->edge_accepted <= knocks, "nobody is accepted who has not come");
    for (uint32_t slot = 0; slot < SERVICES; slot++)
        demand(wire_unsent(w)[slot] <= OUTPUT_MAX, "output is bounded");
}

static void take_exchange_event(const wire_event *event)
{
    if (event->kind == EVENT_BAD_REQUEST) {
        open_exchange *bad = open_one(event->exchange);
        bad->is_bad = 1;
        bad->is_head = event->flags == METHOD_HEAD;
        bad->has_method = event->flags != METHOD_NONE;
        set_request_id(bad, '?');
    }
    open_exchange *x = find_open(event->exchange);
    demand(x != NULL, "an event is about an exchange that the caller knows");
    if (event->kind == EVENT_CLIENT_GONE) {
        demand(!x->is_gone && !x->is_away && !x->is_begun, "a client goes once, and not while its connection is handed over");
        x->is_gone = 1;
    } else if (event->kind == EVENT_LOST || event->kind == EVENT_REFUSED) {
        demand(x->state == SENT, "only what was sent is lost or refused");
        x->state = UNDECIDED;
    } else if (event->kind == EVENT_BAD_RESPONSE) {
        demand(x->state == SENT && !x->is_spoiled && !x->is_gone, "only what somebody waits for has a bad answer, and one");
        x->is_spoiled = 1;
    } else if (event->kind == EVENT_EXPIRED) {
        demand(!x->is_streaming || x->streamed_in != batch, "a deadline leaves time to take over");
        demand(!x->has_expired && !x->is_away, "a deadline passes once, and is the caller's while a connection is handed over");
        x->has_expired = !(event->flags & EXPIRED_EARLY);
    }
}

static void take_connection_event(const wire_event *event)
{
    service *s = find_service(event->connection);
    demand(s != NULL, "an event is about a connection that the caller knows");
    if (event->kind == EVENT_FRAMED_CLOSED) {
        demand(event->detail >= CLOSE_EOF && event->detail <= CLOSE_ASKED, "a connection closes for a cause");
        demand(event->detail != CLOSE_PROTOCOL || is_hostile, "a service that says what it may is not closed for it");
        int result = wire_frame(w, s->connection, FRAME_DATA, 0, 1, bytes_b, 1);
        demand(result == WIRE_NO_CONNECTION, "a handle is void once its connection is closed");
        s->connection = 0;
        s->wants_room = s->waits_for_room = 0;
        return;
    }
    if (event->kind == EVENT_FRAMED_ROOM) {
        take_room_event(s);
        return;
    }
    touch_arena(event->at, event->bytes);
    if (event->kind == EVENT_CALL) {
        demand(event->b >= event->at && event->b + event->c <= event->at + event->bytes, "a call's target is in its payload");
        demand(event->d <= event->bytes, "and so is its body");
    }
}

/* Who asks, in a room that is just large enough: what is found by name is what is told together. */
static void check_caller(uint64_t id, int flags)
{
    static const char *const names[] = {"x-tenant-id", "authorization", "x-api-key"};
    static uint8_t all[SAID_MAX], one[SAID_MAX];
    int32_t total = wire_caller(w, id, all, sizeof all), at = 0;
    demand(total <= 0 || (flags & (HEAD_HAS_TENANT | HEAD_HAS_MORE)), "who asks is told by the flags");
    for (int i = 0; i < 3 && total > 0; i++) {
        int32_t count = wire_field(w, id, (const uint8_t *)names[i], (uint32_t)strlen(names[i]), one, sizeof one);
        demand(count >= 0 || count == WIRE_NO_FIELD, "a field is there or not");
        count = count < 0 ? 0 : count;
        demand(at + count <= total && memcmp(all + at, one, (size_t)count) == 0, "who asks is what the fields say");
        at += count;
        demand(i == 2 ? at == total : all[at++] == '\n', "and nothing else");
    }
    demand(total <= 0 || wire_caller(w, id, all, (uint32_t)total - 1) == WIRE_NO_ROOM, "nothing is written beyond the room");
}

static void take_request(const wire_request *request)
{
    const uint8_t *bytes;
    uint32_t body_bytes = 0;
    open_exchange *x = open_one(request->exchange);
    const http1_head *head = wire_head(w, request->exchange, &bytes);
    const uint8_t *body = wire_body(w, request->exchange, &body_bytes);
    demand(head != NULL && body != NULL, "a request has its head and its body in its batch");
    touch_arena(request->path, request->path_bytes);
    touch_arena((uint32_t)(bytes - wire_arena(w)), head->head_bytes + body_bytes);
    demand(body == bytes + head->head_bytes && body_bytes == head->body_bytes, "the body is behind the head");
    x->is_head = request->method == METHOD_HEAD;
    x->has_method = 1;
    x->is_odd = head->verdict != HEAD_PLAIN;
    check_caller(request->exchange, head->flags);
    int is_flagged = (request->flags & HEAD_ODD) && body_bytes == 0;
    demand(!x->is_odd || is_flagged, "an odd request is known by its flag, and ends with its head");
    if (request->path_bytes)
        demand(wire_arena(w)[request->path] == '/', "a path begins with a slash");
    int names = request->path_bytes > 8 && memcmp(wire_arena(w) + request->path, "/client-", 8) == 0;
    set_request_id(x, names ? (char)wire_arena(w)[request->path + 8] : '?');
}

/* One step: all that it tells is taken into the model first, then decided by the bits of how, then compared. */
static void step(uint8_t how)
{
    uint64_t accepted_before = wire_count(w)->edge_accepted;
    int event_count = wire_step(w, 0);
    demand(!is_held || wire_count(w)->edge_accepted == accepted_before, "nobody is accepted while that is held");
    batch++;
    uint32_t request_count = wire_request_count(w);
    demand(event_count >= 0 && event_count <= WIRE_EVENTS_MAX && request_count <= WIRE_EVENTS_MAX, "a step has its bounds");
    for (uint32_t i = 0; i < request_count; i++)
        take_request(&wire_requests(w)[i]);
    for (int i = 0; i < event_count; i++) {
        const wire_event *event = &wire_events(w)[i];
        int is_known = (event->kind >= EVENT_BAD_REQUEST && event->kind <= EVENT_FRAMED_ROOM) || event->kind == EVENT_ANSWERED;
        demand(is_known, "an event is known");
        demand(event->kind != EVENT_FRAMED_OPENED, "nothing was accepted where nobody listens");
        if (event->kind == EVENT_STREAM)
            take_stream_event(event);
        else if (event->kind == EVENT_ANSWERED)
            take_answered_event(event);
        else if (event->kind >= EVENT_FRAMED_OPENED)
            take_connection_event(event);
        else
            take_exchange_event(event);
    }
    compare_exchanges();
    for (int i = 0; i < PLACES; i++, how = (uint8_t)(how << 3 | how >> 5)) {
        open_exchange *x = &opened[i];
        if (x->state == UNDECIDED && !x->is_gone && !x->is_away && wire_head(w, x->id, &(const uint8_t *){NULL}) && (how & 1))
            send_on(x, how >> 1);
        else if (x->state != NONE && !x->is_away && !x->is_begun && (x->is_gone || x->has_expired || x->state == UNDECIDED) && !(how & 2))
            end_exchange(x, how);
    }
    compare_exchanges();
    check_figures();
}

#endif
