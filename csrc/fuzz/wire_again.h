/* The part of the model of fuzz_wire.c that is about requests which are kept, sent again, and answered with what was held. Included by
 * wire_model.h. */
#ifndef PENSTOCK_FUZZ_WIRE_AGAIN_H
#define PENSTOCK_FUZZ_WIRE_AGAIN_H

static uint32_t how_to_send(uint8_t how)
{
    return (how & 4 ? SEND_MAY_STREAM : 0) | (how & 16 ? SEND_KEEP : 0) | (how & 32 ? SEND_HOLD : 0) | (how & 64 ? SEND_TELL : 0);
}

static wire_exchange_facts facts_of(const open_exchange *x)
{
    wire_exchange_facts facts = {0};
    demand(wire_facts(w, x->id, &facts) == WIRE_OK, "an open exchange has facts");
    demand((facts.connection != 0) <= (x->state == SENT), "what is with nobody is with no connection");
    demand(facts.has_client == (!x->is_gone && !x->is_begun), "a client is there, or gone");
    return facts;
}

static void keep(open_exchange *x)
{
    int is_there = x->state == UNDECIDED && !x->is_gone && !x->is_away && !x->is_begun && !x->is_odd && !x->is_bad && x->batch == batch;
    int result = wire_keep(w, x->id, 300, NULL);
    demand(is_there ? result == WIRE_OK || result == WIRE_NO_ROOM : result == WIRE_NO_EXCHANGE, "a request of this batch can be kept");
    demand((facts_of(x).kept_bytes != 0) >= (result == WIRE_OK), "what was kept is there");
}

static void send_again(open_exchange *x, service *s, uint8_t how, uint8_t attempt)
{
    wire_exchange_facts before = facts_of(x);
    int is_there = x->state == UNDECIDED && !x->is_gone && before.kept_bytes, is_void = !s->connection || s->is_closing;
    int result = wire_again(w, x->id, s->connection, how & 1, how, how, how_to_send(how), attempt, how >> 3);
    if (!is_there)
        demand(result == WIRE_NO_EXCHANGE, "nothing is sent again but what is kept and undecided");
    else if (is_void)
        demand(result == WIRE_NO_CONNECTION, "nothing is sent again without a connection");
    else if (attempt <= before.attempt)
        demand(result == WIRE_INVALID, "attempts are counted upwards");
    else
        demand(result == WIRE_OK || result == WIRE_FULL, "what is kept can be sent again");
    if (result != WIRE_OK)
        return;
    x->state = SENT;
    x->route = how & 1;
    x->connection = s->connection;
    x->how = (uint8_t)how_to_send(how);
    x->may_stream = !x->is_begun && !x->is_away && (how & 4);
    x->is_streaming = x->has_head = x->is_spoiled = x->has_expired = 0; /* of one that has expired it is told again */
}

static void branch(const open_exchange *from)
{
    uint64_t open_before = wire_count(w)->exchanges_now, id = wire_branch(w, from->id);
    int has_room = open_before < exchanges_max;
    demand((id != 0) == (facts_of(from).kept_bytes && has_room), "what is kept can be branched where there is room");
    if (!id)
        return;
    open_exchange *x = open_one(id);
    x->is_begun = x->has_method = 1;
    x->is_head = from->is_head;
    find_open(from->id)->how |= SEND_TELL;
    demand(facts_of(x).kept_bytes == facts_of(from).kept_bytes, "a branch has what it was made of");
}

static void wait_for(open_exchange *x, uint8_t milliseconds)
{
    int result = wire_wait(w, x->id, milliseconds);
    demand(result == (x->is_gone || x->is_away ? WIRE_NO_EXCHANGE : WIRE_OK), "what has a client, or was begun, can wait");
    if (result == WIRE_OK)
        x->has_expired = 0;
}

/* It goes on as one that was begun and opened; where its answer was a bad one, there is nothing more to wait for. */
static void outlive(open_exchange *x)
{
    int is_there = x->state == SENT && x->is_gone && !x->is_away && !x->is_begun && !x->is_streaming && !x->is_spoiled;
    int result = wire_outlive(w, x->id);
    demand(result == (is_there ? WIRE_OK : WIRE_NO_EXCHANGE), "what is with a service can outlive its client");
    if (result != WIRE_OK)
        return;
    x->is_begun = 1;
    x->is_gone = x->may_stream = 0;
    demand(wire_outlive(w, x->id) == WIRE_NO_EXCHANGE, "once");
}

static void pass_on_kept(open_exchange *x, uint8_t size)
{
    static uint8_t payload[4 + 256 * 90] = {0, 200};
    uint32_t body_bytes = size * 90u;
    memset(payload + 4, 'b', body_bytes);
    int is_ours = x->state == UNDECIDED && !x->is_gone && !x->is_away && !x->is_begun;
    int result = wire_pass_on(w, x->id, payload, 4 + body_bytes);
    demand(result == (is_ours ? WIRE_OK : WIRE_NO_EXCHANGE), "what can be answered is, with what was kept too");
    if (result == WIRE_OK)
        x->state = NONE;
}

/* What fails is told of, and held where that was asked; what does not fail, where that was asked. */
static void take_answered_event(const wire_event *event)
{
    open_exchange *x = find_open(event->exchange);
    int has_failed = event->detail >= 500 || event->detail == 429, is_held = (event->flags & ANSWERED_HELD) != 0;
    demand(x != NULL && x->state == SENT && !x->is_away && !x->is_begun && !x->is_gone, "only what was sent for a client is answered");
    demand(event->connection == x->connection, "by the service that was asked");
    demand(has_failed || (x->how & SEND_TELL), "what does not fail is told of where that was asked");
    demand(is_held == (has_failed && (x->how & SEND_HOLD)), "what fails is held where that was asked");
    touch_arena(event->at, event->bytes);
    x->state = is_held ? UNDECIDED : NONE;
    demand((wire_age_ms(w, x->id) >= 0) == is_held, "what is not held is over");
}

#endif
