/* Context fields of an exchange: what the gateway says of a request, as opposed to what its client sent along. */
#include <stdlib.h>
#include <string.h>

#include "wire_internal.h"

static const uint8_t *keep(uint8_t **at, const uint8_t *value, uint32_t count)
{
    uint8_t *kept = *at;
    if (!count)
        return NULL;
    memcpy(kept, value, count);
    *at += count;
    return kept;
}

int exchange_keep_context(exchange *x)
{
    uint32_t count = (uint32_t)x->tenant_bytes + x->tracestate_bytes + x->client_bytes;
    if (!count)
        return 0;
    uint8_t *at = malloc(count), *former = x->kept;
    if (!at)
        return -1;
    x->kept = at;
    x->tenant = keep(&at, x->tenant, x->tenant_bytes);
    x->tracestate = keep(&at, x->tracestate, x->tracestate_bytes);
    x->client = keep(&at, x->client, x->client_bytes);
    free(former);
    return 0;
}

static int is_valid(int field, uint32_t byte_count)
{
    switch (field) {
    case FIELD_TRACE:
        return byte_count == WIRE_TRACE_BYTES;
    case FIELD_TRACESTATE:
        return byte_count && byte_count <= 512;
    case FIELD_SCHEME:
        return byte_count == 4 || byte_count == 5;
    case FIELD_TENANT:
    case FIELD_CORRELATION_ID:
    case FIELD_REQUEST_ID:
    case FIELD_CLIENT_ADDRESS:
        return byte_count && byte_count <= WIRE_ID_BYTES_MAX;
    default:
        return 0;
    }
}

static void point_at(exchange *x, int field, const uint8_t *text, uint32_t byte_count)
{
    if (field == FIELD_TENANT) {
        x->tenant = text;
        x->tenant_bytes = (uint8_t)byte_count;
    } else if (field == FIELD_TRACESTATE) {
        x->tracestate = text;
        x->tracestate_bytes = (uint16_t)byte_count;
    } else {
        x->client = text;
        x->client_bytes = (uint8_t)byte_count;
    }
}

/* Keeps a text that must outlive the caller's buffer until the request is sent. The field stays as it was when the batch's room is
 * used up. */
static int set_for_batch(wire *w, exchange *x, int field, const uint8_t *bytes, uint32_t byte_count)
{
    if (CONTEXT_ROOM_BYTES - w->context_used < byte_count)
        return WIRE_NO_ROOM;
    uint8_t *room = w->context + w->context_used;
    memcpy(room, bytes, byte_count);
    w->context_used += byte_count;
    point_at(x, field, room, byte_count);
    return WIRE_OK;
}

/* The same of an exchange that outlives its batch: its texts are in memory of its own, which is made anew. */
static int set_for_good(exchange *x, int field, const uint8_t *bytes, uint32_t byte_count)
{
    const exchange before = *x;
    point_at(x, field, bytes, byte_count);
    if (exchange_keep_context(x) == 0)
        return WIRE_OK;
    *x = before;
    return WIRE_NO_ROOM;
}

static int outlives_batch(const wire *w, const exchange *x)
{
    return x->is_away || x->is_begun || x->kept || x->batch != w->batch;
}

int wire_set_context(wire *w, uint64_t id, int field, const uint8_t *bytes, uint32_t byte_count)
{
    exchange *x = exchange_find(w, id);
    if (!x || x->state != EXCHANGE_UNDECIDED)
        return WIRE_NO_EXCHANGE;
    if (!is_valid(field, byte_count))
        return WIRE_INVALID;
    switch (field) {
    case FIELD_TRACE:
        record_take_trace(w, x, bytes);
        return WIRE_OK;
    case FIELD_SCHEME:
        x->scheme = byte_count == 5 ? SCHEME_HTTPS : SCHEME_HTTP;
        return WIRE_OK;
    case FIELD_REQUEST_ID:
        memcpy(x->request_id, bytes, byte_count);
        x->request_id_bytes = (uint8_t)byte_count;
        return WIRE_OK;
    case FIELD_CORRELATION_ID:
        memcpy(x->correlation_id, bytes, byte_count);
        x->correlation_id_bytes = (uint8_t)byte_count;
        return WIRE_OK;
    default:
        return outlives_batch(w, x) ? set_for_good(x, field, bytes, byte_count) : set_for_batch(w, x, field, bytes, byte_count);
    }
}

int wire_get_context(wire *w, uint64_t id, int field, uint8_t *out)
{
    exchange *x = exchange_find(w, id);
    if (!x)
        return WIRE_NO_EXCHANGE;
    if (field == FIELD_REQUEST_ID) {
        memcpy(out, x->request_id, x->request_id_bytes);
        return x->request_id_bytes;
    }
    if (field == FIELD_CORRELATION_ID) {
        memcpy(out, x->correlation_id, x->correlation_id_bytes);
        return x->correlation_id_bytes;
    }
    if (field == FIELD_TRACE) {
        memcpy(out, x->trace, WIRE_TRACE_BYTES);
        return WIRE_TRACE_BYTES;
    }
    if (field == FIELD_TENANT || field == FIELD_PRINCIPAL)
        return record_name(w, x, field, out);
    return WIRE_INVALID;
}
