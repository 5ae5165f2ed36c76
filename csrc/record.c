/* Records of exchanges, while they go on: written down in a place that belongs to the slot. What ends is put into rings: record_rings.c. */
#include <string.h>
#include <sys/socket.h>

#include "record_open.h"

/* The record of the exchange, or for a branch of the exchange that it is a branch of; NULL where there is none. */
static wire_record *record_of(const wire *w, const exchange *x)
{
    const exchange *owner = x->branch_of ? exchange_find(w, x->branch_of) : x;
    return owner && owner->is_recorded ? &w->records_open[owner->item.slot].record : NULL;
}

static uint32_t as_u32(uint64_t microseconds)
{
    return microseconds < UINT32_MAX ? (uint32_t)microseconds : UINT32_MAX;
}

/* Most texts are short, and a memcpy of unknown size becomes a string instruction, whose start costs more than their copy. */
static uint8_t copy(uint8_t *to, uint32_t room, const uint8_t *from, uint32_t bytes)
{
    uint32_t count = bytes < room ? bytes : room, at = 0;
    for (; at + PIECE <= count; at += PIECE)
        memcpy(to + at, from + at, PIECE);
    for (; at < count; at++)
        to[at] = from[at];
    return (uint8_t)count;
}

/* Texts are left as they are: their lengths are zero. */
void record_begin(wire *w, exchange *x)
{
    if (!w->records_open)
        return;
    wire_record *r = &w->records_open[x->item.slot].record;
    memset(r, 0, offsetof(wire_record, attempts));
    r->started_us = x->started_us;
    r->sent_us = r->answered_us = NEVER;
    r->route = NO_ROUTE;
    r->flags = x->scheme == SCHEME_HTTPS ? RECORD_TLS : 0;
    r->client_family = x->edge->address.family;
    uint32_t address_bytes = r->client_family == AF_INET ? 4 : r->client_family == AF_INET6 ? 16 : 0;
    r->client_bytes = copy(r->text + CLIENT_AT, RECORD_NAME_BYTES, x->edge->address.bytes, address_bytes);
    x->is_recorded = 1;
}

/* What the gateway says of the request, as far as it is known by now. */
static void take_context(const wire *w, wire_record *r, const exchange *x)
{
    if (!r->tenant_bytes && (x->kept || x->batch == w->batch))
        r->tenant_bytes = copy(r->text + TENANT_AT, RECORD_NAME_BYTES, x->tenant, x->tenant_bytes);
    if (exchange_has_client(w, x)) {
        r->client_family = 0;
        r->client_bytes = copy(r->text + CLIENT_AT, RECORD_NAME_BYTES, x->client, x->client_bytes);
    }
}

void record_head(wire *w, const exchange *x)
{
    wire_record *r = x->is_recorded ? record_of(w, x) : NULL;
    if (!r)
        return;
    take_context(w, r, x);
    if (r->bytes_in || !x->head || x->batch != w->batch)
        return;
    r->bytes_in = x->head->head_bytes + (x->is_odd ? 0 : x->head->body_bytes);
    r->target_bytes = copy(target_of(r), RECORD_TARGET_BYTES, x->bytes + x->head->target, x->head->target_bytes);
}

void record_request(wire *w, const exchange *x, const request_parts *parts)
{
    wire_record *r = x->is_recorded ? record_of(w, x) : NULL;
    if (!r)
        return;
    record_head(w, x);
    if (!r->target_bytes)
        r->target_bytes = copy(target_of(r), RECORD_TARGET_BYTES, parts->target, parts->target_bytes);
    if (!r->principal_bytes && parts->identity)
        r->principal_bytes = copy(r->text + PRINCIPAL_AT, RECORD_NAME_BYTES, parts->identity->text, parts->identity->principal_bytes);
}

/* The last place is that of the last attempt, whichever it is. */
void record_attempt(wire *w, exchange *x)
{
    wire_record *r = record_of(w, x);
    x->outcome = 0;
    if (!r)
        return;
    uint32_t place = r->attempt_count < RECORD_ATTEMPTS ? r->attempt_count : RECORD_ATTEMPTS - 1;
    r->attempt_count += r->attempt_count < UINT8_MAX;
    r->route = x->route;
    r->attempts[place] = (wire_attempt){
        .began_us = as_u32(since(r->started_us, x->sent_us)),
        .connection = x->framed->handle,
        .gauge = x->gauge,
        .number = x->attempt,
        .is_hedge = x->branch_of != 0,
    };
}

static wire_attempt *open_attempt(wire_record *r, const exchange *x)
{
    uint32_t count = r->attempt_count < RECORD_ATTEMPTS ? r->attempt_count : RECORD_ATTEMPTS;
    while (count--) {
        wire_attempt *attempt = &r->attempts[count];
        if (!attempt->outcome && attempt->number == x->attempt && attempt->connection == x->framed->handle)
            return attempt;
    }
    return NULL;
}

/* It is still with its connection. */
void record_attempt_end(wire *w, const exchange *x)
{
    wire_record *r = record_of(w, x);
    if (!r)
        return;
    uint64_t took_us = since(x->sent_us, w->now_us);
    r->upstream_us += took_us;
    wire_attempt *attempt = open_attempt(r, x);
    if (!attempt)
        return;
    attempt->took_us = as_u32(took_us);
    attempt->outcome = x->outcome ? x->outcome : ATTEMPT_CANCELLED;
}

void record_answered(wire *w, const exchange *x)
{
    wire_record *r = record_of(w, x);
    if (r)
        r->answered_us = since(r->started_us, w->now_us);
}

/* What was sent in this batch has left now, and not when it was decided. */
void record_left(wire *w, uint64_t left_us)
{
    for (uint32_t i = 0; i < w->leaving_count; i++) {
        exchange *x = exchange_find(w, w->leaving[i]);
        if (!x || x->state != EXCHANGE_SENT || x->sent_us > left_us)
            continue;
        x->sent_us = left_us;
        wire_record *r = record_of(w, x);
        if (r && r->sent_us == NEVER)
            r->sent_us = since(r->started_us, left_us);
    }
    w->leaving_count = 0;
}

void record_answer(wire *w, const exchange *x, uint32_t status, uint64_t bytes)
{
    wire_record *r = x->is_recorded ? record_of(w, x) : NULL;
    if (!r)
        return;
    r->status = (uint16_t)status;
    r->bytes_out += bytes;
}

int record_name(const wire *w, const exchange *x, int field, uint8_t *out)
{
    const wire_record *r = x->is_recorded ? record_of(w, x) : NULL;
    if (!r)
        return 0;
    int is_tenant = field == FIELD_TENANT;
    uint8_t count = is_tenant ? r->tenant_bytes : r->principal_bytes;
    memcpy(out, r->text + (is_tenant ? TENANT_AT : PRINCIPAL_AT), count);
    return count;
}

void record_received(wire *w, const exchange *x, uint64_t bytes)
{
    wire_record *r = x->is_recorded ? record_of(w, x) : NULL;
    if (r)
        r->bytes_in += bytes;
}

/* What came behind the request belongs to the next one. A head that was read, and comes again in another form, was no request. */
void record_returned(wire *w, exchange *x, uint64_t bytes)
{
    wire_record *r = x->is_recorded ? record_of(w, x) : NULL;
    if (!r)
        return;
    r->bytes_in = since(bytes, r->bytes_in);
    if (!r->status && !r->attempt_count)
        x->is_recorded = 0;
}

void record_flag(wire *w, const exchange *x, enum record_flags flag)
{
    wire_record *r = x->is_recorded ? record_of(w, x) : NULL;
    if (r)
        r->flags |= (uint16_t)flag;
}

/* With spans of our own, what the client says is the parent of ours. */
void record_take_trace(wire *w, exchange *x, const uint8_t *trace)
{
    enum { SPAN_AT = 16 };
    wire_record *r = x->is_recorded ? record_of(w, x) : NULL;
    uint64_t span = wire_random(w) | 1;
    memcpy(x->trace, trace, RECORD_TRACE_BYTES);
    if (!x->has_own_span || x->is_begun)
        return;
    if (r)
        memcpy(r->parent_span, trace + SPAN_AT, RECORD_SPAN_BYTES);
    memcpy(x->trace + SPAN_AT, &span, RECORD_SPAN_BYTES);
}

/* ---- what the caller says ---- */

int wire_record_reason(wire *w, uint64_t id, uint32_t reason, uint32_t route)
{
    exchange *x = exchange_find(w, id);
    wire_record *r = x && x->is_recorded ? record_of(w, x) : NULL;
    if (!r)
        return WIRE_NO_EXCHANGE;
    r->reason = (uint16_t)reason;
    if (r->route == NO_ROUTE && route < w->settings.routes_max)
        r->route = route;
    record_head(w, x);
    return WIRE_OK;
}

int64_t wire_record_route(wire *w, uint64_t id)
{
    const exchange *x = exchange_find(w, id);
    const wire_record *r = x && x->is_recorded ? record_of(w, x) : NULL;
    return r && r->route != NO_ROUTE ? (int64_t)r->route : -1;
}

int wire_record_bytes(wire *w, uint64_t id, uint64_t bytes_out)
{
    const exchange *x = exchange_find(w, id);
    wire_record *r = x && x->is_recorded ? record_of(w, x) : NULL;
    if (!r)
        return WIRE_NO_EXCHANGE;
    r->bytes_out += bytes_out;
    return WIRE_OK;
}
