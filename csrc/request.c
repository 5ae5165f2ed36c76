/* The REQUEST frame of an exchange: its context, and what its client sent. */
#include <string.h>

#include "wire_internal.h"

typedef struct {
    uint8_t id;
    uint16_t count;
    const uint8_t *value;
} context_value;

typedef struct {
    context_value values[11];
    uint32_t count;
    uint32_t text_bytes;
    uint32_t trace_at;   /* among the texts */
    uint8_t trace[WIRE_TRACE_BYTES];
    uint8_t address[WIRE_ADDRESS_BYTES_MAX];
} context;

static void add(context *c, enum frame_field_id id, const uint8_t *value, uint32_t count)
{
    if (!count)
        return;
    c->values[c->count++] = (context_value){(uint8_t)id, (uint16_t)count, value};
    c->text_bytes += count;
}

static void add_identity(context *c, const wire_identity *identity)
{
    add(c, FIELD_PRINCIPAL, identity->text, identity->principal_bytes);
    add(c, FIELD_CLAIMS, identity->text + identity->principal_bytes, identity->claims_bytes);
}

enum { SPAN_LAST = 23 }; /* of a trace: the last byte of its span id */

/* The service's parent is the attempt, where attempts have spans; else the one that the client, or nobody, named. */
static uint8_t span_last_byte(const exchange *x, uint32_t attempt)
{
    int has_span = x->has_own_span && x->trace[WIRE_TRACE_BYTES - 1] & 1 && (!x->is_begun || x->branch_of);
    return has_span ? x->trace[SPAN_LAST] ^ (uint8_t)attempt : x->trace[SPAN_LAST];
}

/* What the gateway says of the request, as opposed to what the client sent along. */
static void gather(const exchange *x, context *c, const request_parts *parts)
{
    static const char *const schemes[] = {"http", "https"};
    c->count = c->text_bytes = 0;
    add(c, FIELD_TENANT, x->tenant, x->tenant_bytes);
    add(c, FIELD_CORRELATION_ID, x->correlation_id, x->correlation_id_bytes);
    add(c, FIELD_REQUEST_ID, x->request_id, x->request_id_bytes);
    c->trace_at = c->text_bytes;
    memcpy(c->trace, x->trace, WIRE_TRACE_BYTES);
    c->trace[SPAN_LAST] = span_last_byte(x, parts->attempt);
    add(c, FIELD_TRACE, c->trace, WIRE_TRACE_BYTES);
    add(c, FIELD_TRACESTATE, x->tracestate, x->tracestate_bytes);
    if (parts->identity)
        add_identity(c, parts->identity);
    if (x->client_bytes)
        add(c, FIELD_CLIENT_ADDRESS, x->client, x->client_bytes);
    else if (x->edge)
        add(c, FIELD_CLIENT_ADDRESS, c->address, address_write(&x->edge->address, c->address));
    if (x->scheme != SCHEME_NONE)
        add(c, FIELD_SCHEME, (const uint8_t *)schemes[x->scheme], x->scheme == SCHEME_HTTPS ? 5 : 4);
    add(c, FIELD_BODY_LENGTH, parts->length_text, parts->length_text_bytes);
    add(c, FIELD_UPGRADE, parts->upgrade, parts->upgrade_bytes);
}

/* Writes the table entries at table and the values at text; returns where the text ends. */
static uint8_t *put_context(const context *c, uint8_t *table, uint8_t *text)
{
    for (uint32_t i = 0; i < c->count; i++) {
        const context_value *value = &c->values[i];
        table[0] = value->id;
        table[1] = 0;
        frame_write_u16(table + 2, value->count);
        table += 4;
        memcpy(text, value->value, value->count);
        text += value->count;
    }
    return text;
}

/* Writes what goes on of the client's fields; returns where the text ends. */
static uint8_t *put_fields(const exchange *x, const request_parts *parts, uint8_t *table, uint8_t *text)
{
    int drops_credentials = identity_drops_credentials(parts->identity);
    if (!parts->fields)
        return text + http1_forward_write(x->bytes, x->head, drops_credentials, table, text);
    if (drops_credentials)
        return text + http1_drop_write(parts->fields, parts->given_count, table, text);
    uint32_t table_bytes = 4 * parts->field_count, text_bytes = parts->fields_bytes - table_bytes;
    memcpy(table, parts->fields, table_bytes);
    memcpy(text, parts->fields + table_bytes, text_bytes);
    return text + text_bytes;
}

/* Gathers the context, and returns the payload's bytes; 0 when it would be over a limit of the frame. */
static uint32_t measure(const exchange *x, context *c, const request_parts *parts)
{
    gather(x, c, parts);
    uint64_t bytes = FRAME_REQUEST_FIXED_BYTES + 4ull * c->count + c->text_bytes + parts->fields_bytes + parts->target_bytes +
                     parts->body_bytes;
    return c->count + parts->field_count > FRAME_FIELDS_MAX || bytes > FRAME_PAYLOAD_BYTES_MAX ? 0 : (uint32_t)bytes;
}

/* What differs from one attempt to the next. */
static void put_attempt(uint8_t *fixed, uint32_t remaining_ms, uint32_t endpoint, uint32_t attempt)
{
    frame_write_u32(fixed, remaining_ms);
    frame_write_u16(fixed + 4, (uint16_t)endpoint);
    fixed[7] = (uint8_t)attempt;
}

static void put_payload(const exchange *x, const context *c, const request_parts *parts, uint8_t *fixed)
{
    uint32_t count = c->count + parts->field_count;
    put_attempt(fixed, parts->remaining_ms, parts->endpoint, parts->attempt);
    fixed[6] = x->method;
    frame_write_u16(fixed + 8, (uint16_t)parts->target_bytes);
    frame_write_u16(fixed + 10, (uint16_t)count);
    uint8_t *table = fixed + FRAME_REQUEST_FIXED_BYTES;
    uint8_t *target = table + 4 * count;
    memcpy(target, parts->target, parts->target_bytes);
    uint8_t *text = put_context(c, table, target + parts->target_bytes);
    text = put_fields(x, parts, table + 4 * c->count, text);
    if (parts->body_bytes)
        memcpy(text, parts->body, parts->body_bytes);
}

/* Where in the payload the byte is that differs between the spans of attempts. */
static uint32_t span_at(const context *c, const request_parts *parts)
{
    return FRAME_REQUEST_FIXED_BYTES + 4 * (c->count + parts->field_count) + parts->target_bytes + c->trace_at + SPAN_LAST;
}

/* Writes the header, and returns the payload's place; NULL when the connection is full. */
static uint8_t *begin_frame(wire *w, exchange *x, framed_connection *framed, uint32_t payload_bytes, int end)
{
    uint8_t *out = framed_write(w, framed, FRAME_HEADER_BYTES + payload_bytes);
    if (!out)
        return NULL;
    frame_write_header(out, payload_bytes, FRAME_REQUEST, end ? FRAME_END : 0, exchange_wire_id(x, framed));
    x->frame_end = framed->written;
    w->counters.frames_out++;
    return out + FRAME_HEADER_BYTES;
}

int request_write(wire *w, exchange *x, framed_connection *framed, const request_parts *parts, int keeps)
{
    context c;
    uint32_t bytes = measure(x, &c, parts);
    if (!bytes)
        return WIRE_NO_ROOM;
    record_request(w, x, parts);
    uint8_t *payload = begin_frame(w, x, framed, bytes, parts->end), *kept;
    if (!payload)
        return WIRE_FULL;
    put_payload(x, &c, parts, payload);
    if (keeps && (kept = kept_make(w, x, bytes))) {
        memcpy(kept, payload, bytes);
        x->request->span_at = span_at(&c, parts);
    }
    return WIRE_OK;
}

int request_keep(wire *w, exchange *x, const request_parts *parts)
{
    context c;
    uint32_t bytes = measure(x, &c, parts);
    uint8_t *kept = bytes ? kept_make(w, x, bytes) : NULL;
    if (!kept)
        return WIRE_NO_ROOM;
    record_request(w, x, parts);
    put_payload(x, &c, parts, kept);
    x->request->span_at = span_at(&c, parts);
    return WIRE_OK;
}

int request_write_kept(wire *w, exchange *x, framed_connection *framed, uint32_t endpoint, uint32_t attempt, uint32_t remaining_ms)
{
    uint8_t *payload = begin_frame(w, x, framed, x->request->bytes, 1);
    if (!payload)
        return WIRE_FULL;
    memcpy(payload, x->request->payload, x->request->bytes);
    put_attempt(payload, remaining_ms, endpoint, attempt);
    payload[x->request->span_at] = span_last_byte(x, attempt);
    return WIRE_OK;
}

request_parts request_parts_of(const exchange *x, uint32_t remaining_ms, const wire_identity *identity)
{
    const http1_head *head = x->head;
    request_parts parts = {
        .attempt = 1,
        .remaining_ms = remaining_ms,
        .target = x->bytes + head->target,
        .target_bytes = head->target_bytes,
        .body = x->bytes + head->head_bytes,
        .body_bytes = head->body_bytes,
        .identity = identity,
        .end = 1,
    };
    parts.fields_bytes = http1_forward_bytes(head, identity_drops_credentials(identity), &parts.field_count);
    return parts;
}
