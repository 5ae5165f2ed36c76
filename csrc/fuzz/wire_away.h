/* The part of the model of fuzz_wire.c that is about connections which are handed over: the caller reads and writes them, opens
 * streams for them, and gives them back in every way. Included by wire_model.h. */
#ifndef PENSTOCK_FUZZ_WIRE_AWAY_H
#define PENSTOCK_FUZZ_WIRE_AWAY_H

#include <fcntl.h>

static uint8_t head_room[40000];

/* An exchange of the caller's own. There is room for it where there is room for a client's. */
static void begin(uint8_t how)
{
    uint64_t open_before = wire_count(w)->exchanges_now, id = wire_begin(w, how & 7);
    demand((id != 0) == ((how & 7) && open_before < exchanges_max), "an exchange is begun where there is room");
    if (!id)
        return;
    open_exchange *x = open_one(id);
    x->is_begun = x->has_method = 1;
    x->is_head = (how & 7) == METHOD_HEAD;
    demand(wire_is_head(w, id) == x->is_head, "its method is known");
}

/* Whenever it is not with a service; also of what was handed over. */
static void set_any_context(open_exchange *x, uint8_t which, uint8_t count)
{
    static const int fields[] = {FIELD_TENANT, FIELD_CLIENT_ADDRESS, FIELD_TRACESTATE, FIELD_SCHEME};
    static const uint32_t most[] = {64, 64, 512, 5};
    uint32_t byte_count = count * 2u;
    int is_valid = byte_count && byte_count <= most[which & 3] && ((which & 3) != 3 || byte_count == 4);
    int result = wire_set_context(w, x->id, fields[which & 3], bytes_b, byte_count);
    int expected = x->state != UNDECIDED ? WIRE_NO_EXCHANGE : is_valid ? WIRE_OK : WIRE_INVALID;
    demand(result == expected, "context is set while nobody has it");
    if (result == WIRE_OK && fields[which & 3] == FIELD_CLIENT_ADDRESS)
        demand(wire_client_address(w, x->id, (char *)head_room) == (int)byte_count, "and is there at once");
}

/* With a service or not: nothing of it is left. */
static void end_begun(open_exchange *x)
{
    int result = wire_end(w, x->id);
    demand(result == (x->is_begun ? WIRE_OK : WIRE_NO_EXCHANGE), "what was begun can be ended");
    if (result == WIRE_OK)
        x->state = NONE;
}

/* What a request id says: which request it was, and of which client where that is known. */
static void set_request_id(open_exchange *x, char of)
{
    char text[16];
    int count = snprintf(text, sizeof text, "%08u-%c", ++requests_seen, of);
    demand(wire_set_context(w, x->id, FIELD_REQUEST_ID, (const uint8_t *)text, (uint32_t)count) == WIRE_OK, "an id can be set");
}

static void keep_handed(open_exchange *x, const wire_handed *handed)
{
    demand(fcntl(handed->descriptor, F_GETFD) >= 0, "a descriptor that is handed over is open");
    demand(handed->held_bytes == 0 || handed->held != NULL, "what is held is there");
    x->is_away = 1;
    x->descriptor = handed->descriptor;
    x->rest_bytes = handed->held_bytes < REST_MAX ? handed->held_bytes : REST_MAX;
    if (x->rest_bytes)
        memcpy(x->rest, handed->held, x->rest_bytes);
}

static void hand_over(open_exchange *x)
{
    wire_handed handed = {0};
    int is_there = x->state == UNDECIDED && !x->is_gone && !x->is_away && !x->is_begun && x->batch == batch && (!x->is_bad || keeps_malformed);
    int result = wire_hand_over(w, x->id, &handed);
    demand(result == (is_there ? WIRE_OK : WIRE_NO_EXCHANGE), "what can be handed over is");
    if (result == WIRE_OK)
        keep_handed(x, &handed);
}

/* Nobody here has an address but by name. */
static void check_address(const open_exchange *x)
{
    int count = wire_client_address(w, x->id, (char *)head_room), is_alone = x->is_gone || x->is_begun;
    demand(count <= WIRE_CLIENT_BYTES_MAX && (count >= 0 || (count == WIRE_NO_EXCHANGE && is_alone)), "a client has an address, or none");
    for (int i = 0; i < count; i++)
        demand(head_room[i] == 'b', "it is the one that was set");
}

static void take_over(open_exchange *x)
{
    wire_handed handed = {0};
    int is_there = x->is_streaming && !x->is_gone && !x->is_away;
    int result = wire_take_over(w, x->id, &handed);
    demand(result == (is_there ? WIRE_OK : WIRE_NO_EXCHANGE), "what turned out to stream can be taken over");
    if (result != WIRE_OK)
        return;
    demand(handed.route == x->route && handed.remaining_ms <= 40 + 255 + 16, "what it was sent with is known");
    demand((handed.remaining_ms != 0) == (x->state == SENT && !x->has_head), "its deadline holds until its final head has come");
    x->may_stream = x->is_streaming = 0;
    keep_handed(x, &handed);
}

static void read_by_hand(open_exchange *x, uint32_t most)
{
    uint32_t left = REST_MAX - x->rest_bytes;
    if (!x->is_away)
        return;
    ssize_t count = recv(x->descriptor, x->rest + x->rest_bytes, most < left ? most : left, MSG_DONTWAIT);
    if (count > 0) {
        x->rest_bytes += (uint32_t)count;
        x->received += (uint32_t)count;
    }
}

/* What the socket does not take is missing for ever: then the connection is not kept. */
static void write_by_hand(open_exchange *x, const void *bytes, uint32_t count)
{
    if (count && !x->is_cut && send(x->descriptor, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)count)
        x->is_cut = 1;
}

static void answer_by_hand(open_exchange *x, uint32_t body_bytes)
{
    if (!x->is_away || x->is_answered)
        return;
    int32_t count = wire_answer_head(w, x->id, 200, (const uint8_t *)"a: b\r\n", 6, body_bytes, 0, head_room, sizeof head_room);
    demand(count > 0, "an exchange that is handed over has a head for its answer");
    write_by_hand(x, head_room, (uint32_t)count);
    write_by_hand(x, bytes_b, x->is_head ? 0 : body_bytes);
    x->is_answered = 1;
}

static void hand_back(open_exchange *x, uint8_t how)
{
    int chosen = how % 5;
    if (chosen == HAND_BACK_KEEP && x->is_cut)
        chosen = HAND_BACK_CLOSE;
    int expected = !x->is_away ? WIRE_NO_EXCHANGE : chosen > HAND_BACK_RESET ? WIRE_INVALID : WIRE_OK;
    int result = wire_hand_back(w, x->id, chosen, x->rest, x->rest_bytes, x->received);
    demand(result == expected, "what is away is given back");
    if (result == WIRE_OK)
        x->state = x->is_away = NONE;
}

static void hand_in(open_exchange *x, uint32_t remaining_ms)
{
    int is_there = x->is_away && x->state == SENT && !x->is_answered;
    if (x->is_away && x->is_answered)
        return; /* whoever has answered does not ask the wire to do so again */
    int result = wire_hand_in(w, x->id, x->rest, x->rest_bytes, x->received, remaining_ms);
    demand(result == (is_there ? WIRE_OK : WIRE_NO_EXCHANGE), "what is with a service is handed in");
    if (result == WIRE_OK)
        x->is_away = x->has_expired = 0; /* its deadline is a new one: that of what was taken over may have passed before */
}

/* By the bits of how: whether it ends, and what is wrong with it. */
static void open_stream(open_exchange *x, service *s, uint8_t how, uint8_t size)
{
    static const uint8_t field[] = {0, 1, 0, 1, 'a', 'v'};
    int is_void = !s->connection || s->is_closing, is_wrong = (how & 0xe0) == 0xe0;
    uint32_t bits = how & 2 ? SEND_KEEP | SEND_HOLD : SEND_TELL;
    int result = wire_open(w, x->id, s->connection, is_wrong ? 2 : how & 1, how, how, bits, is_wrong && (how & 2) ? 0 : 1, 40u + size,
                           (const uint8_t *)"/opened", how & 4 ? 7 : 1, how & 8 ? field : NULL, how & 8 ? 1 : 0, how & 8 ? 6 : 0,
                           (const uint8_t *)"12345", how & 16 ? 5 : 0, (const uint8_t *)"websocket", how & 32 ? 9 : 0, bytes_b,
                           (uint32_t)size * 90, how & 1, some_identity(size));
    if (!(x->is_away || x->is_begun) || x->state != UNDECIDED || !x->has_method)
        demand(result == WIRE_NO_EXCHANGE, "what is not away, or is with a service, is not opened");
    else if (is_void)
        demand(result == WIRE_NO_CONNECTION, "nothing is opened without a connection");
    else if (is_wrong)
        demand(result == WIRE_INVALID, "nothing is opened with a wrong argument");
    else
        demand(result == WIRE_OK || result == WIRE_FULL, "what can be opened is");
    if (result != WIRE_OK)
        return;
    x->state = SENT;
    x->is_spoiled = 0;
    x->connection = s->connection;
    x->how = (uint8_t)bits;
}

/* The whole answer of a service, where it is one that the client can be given. */
static void pass_on(open_exchange *x, const wire_event *event)
{
    uint32_t body_at = 0;
    int32_t count = wire_response_head(w, x->id, event->at, event->bytes, FRAMING_LENGTH, event->bytes, NULL, 0, 0, head_room,
                                       sizeof head_room, &body_at);
    demand(count > 0 || (count <= -101 && count >= -106), "a RESPONSE becomes a head, or there is something wrong with it");
    if (count < 0)
        return;
    demand(body_at + event->b == event->bytes && event->a >= 100, "a body is its payload's end");
    int32_t whole = wire_response_head(w, x->id, event->at, event->bytes, FRAMING_LENGTH, event->bytes - body_at, NULL, 0, 0,
                                       head_room, sizeof head_room, &body_at);
    demand(whole > 0, "a head that could be written can be written again");
    if (!(event->flags & FRAME_END) || x->is_answered)
        return;
    write_by_hand(x, head_room, (uint32_t)whole);
    write_by_hand(x, wire_arena(w) + event->at + body_at, x->is_head ? 0 : event->bytes - body_at);
    x->is_answered = 1;
}

static void take_stream_event(const wire_event *event)
{
    open_exchange *x = find_open(event->exchange);
    demand(x != NULL && x->state == SENT && (x->is_away || x->is_begun || x->may_stream), "only what may be is streamed");
    demand(event->connection == x->connection, "by the service that was asked");
    if (x->may_stream && !x->is_streaming) {
        demand(event->detail == FRAME_RESPONSE && !x->is_gone, "it begins with a head, for somebody");
        x->is_streaming = 1;
        x->streamed_in = batch;
    }
    x->has_head |= event->detail == FRAME_RESPONSE && (event->a >= 200 || event->a == 101);
    touch_arena(event->at, event->bytes);
    if (event->detail == FRAME_RESPONSE && x->is_away)
        pass_on(x, event);
    int trailers = wire_trailers(w, event->at, event->bytes, head_room, sizeof head_room);
    int is_trailers = event->detail == FRAME_TRAILERS;
    demand(is_trailers ? trailers > 0 || trailers < -100 : trailers == WIRE_INVALID, "only TRAILERS have trailers");
    if ((event->flags & FRAME_END) || event->detail == FRAME_CANCEL)
        x->state = UNDECIDED;
}

/* ---- room ---- */

static void want_room(service *s)
{
    int result = wire_want_room(w, s->connection), is_void = !s->connection || s->is_closing;
    demand(is_void ? result == WIRE_NO_CONNECTION : result == 0 || result == 1, "there is room, or there will be");
    if (result == 0) {
        s->wants_room = s->wants_room < 2 ? s->wants_room + 1 : 2; /* asked again before it is told: told again, perhaps */
        s->waits_for_room = 1;
    }
}

static void take_room_event(service *s)
{
    demand(s->wants_room > 0, "room is told of to those who asked");
    s->wants_room--;
    s->waits_for_room = 0;
}

#endif
