/* The table of exchanges: each is one request and its one answer. */
#include <stdlib.h>
#include <string.h>

#include "latency.h"
#include "wire_internal.h"

exchange *exchange_find(const wire *w, uint64_t id)
{
    return slab_find(&w->exchanges, (uint32_t)id, (uint32_t)(id >> 32));
}

/* Request id, correlation id and trace id start as the same 128 random bits, so that one can be found by the other. */
static void choose_context(wire *w, exchange *x)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t random[3] = {wire_random(w), wire_random(w), wire_random(w) | 1};
    memcpy(x->trace, random, 24);
    x->trace[24] = 0;
    for (int i = 0; i < 16; i++) {
        x->request_id[2 * i] = (uint8_t)digits[x->trace[i] >> 4];
        x->request_id[2 * i + 1] = (uint8_t)digits[x->trace[i] & 15];
    }
    memcpy(x->correlation_id, x->request_id, 32);
    x->request_id_bytes = x->correlation_id_bytes = 32;
}

exchange *exchange_open(wire *w, edge_connection *edge)
{
    exchange *x = slab_take(&w->exchanges);
    if (!x)
        return NULL;
    x->state = EXCHANGE_UNDECIDED;
    x->edge = edge;
    x->started_us = edge->started_us;
    x->batch = w->batch;
    x->timer.kind = TIMER_EXCHANGE;
    choose_context(w, x);
    edge->exchange = x;
    w->counters.exchanges_now++;
    return x;
}

void exchange_attach(wire *w, exchange *x, framed_connection *framed)
{
    x->state = EXCHANGE_SENT;
    x->sent_us = w->now_us;
    x->framed = framed;
    x->next = framed->exchanges;
    x->back = &framed->exchanges;
    if (x->next)
        x->next->back = &x->next;
    framed->exchanges = x;
    w->in_flight[framed->item.slot]++;
}

void exchange_detach(wire *w, exchange *x)
{
    if (x->state != EXCHANGE_SENT)
        return;
    *x->back = x->next;
    if (x->next)
        x->next->back = x->back;
    w->in_flight[x->framed->item.slot]--;
    x->framed = NULL;
    x->back = NULL;
    x->state = EXCHANGE_UNDECIDED;
    x->is_spoiled = 0;
    timer_clear(&x->timer);
}

void exchange_close(wire *w, exchange *x)
{
    exchange_detach(w, x);
    timer_clear(&x->timer);
    if (x->edge)
        x->edge->exchange = NULL;
    w->counters.exchanges_now--;
    slab_give(&w->exchanges, x);
}

/* The moving average weighs a sample by the time since the last one, so that it does not depend on the rate of requests. The first
 * samples count alike, so that one unlucky answer does not stand for the instance. */
static void measure_target(wire *w, uint32_t slot, float latency_us)
{
    const float time_constant_us = 10e6f;
    float elapsed_us = (float)(w->now_us - w->latency_at_us[slot]);
    float weight = elapsed_us / (elapsed_us + time_constant_us);
    if (w->latency_samples[slot] < LATENCY_SAMPLES_FIRST) {
        float alike = 1.0f / (float)++w->latency_samples[slot];
        weight = weight > alike ? weight : alike;
    }
    float average = w->latency_us[slot];
    w->latency_us[slot] = average > 0 ? average + (latency_us - average) * weight : latency_us;
    w->latency_at_us[slot] = w->now_us;
}

static uint64_t *latency_counts(wire *w, uint32_t route)
{
    if (!w->route_latency[route])
        w->route_latency[route] = calloc(WIRE_LATENCY_COUNTS, sizeof(uint64_t));
    return w->route_latency[route];
}

void exchange_measure_expired(wire *w, const exchange *x)
{
    if (x->framed)
        measure_target(w, x->framed->item.slot, (float)(w->now_us - x->sent_us));
}

void exchange_measure(wire *w, const exchange *x, uint16_t status)
{
    uint64_t latency_us = w->now_us - x->sent_us;
    uint64_t counted_us = latency_us + (status >= 500 ? w->settings.failure_us : 0);
    measure_target(w, x->framed->item.slot, counted_us ? (float)counted_us : 1.0f);
    w->route_statuses[x->route][status / 100]++;
    uint64_t *counts = latency_counts(w, x->route);
    if (counts)
        counts[latency_index(latency_us)]++;
}

typedef struct {
    uint8_t *table;
    uint8_t *text;
} field_writer;

static void put_context(field_writer *out, enum frame_field_id id, const uint8_t *value, uint32_t value_bytes)
{
    if (!value)
        return;
    out->table[0] = (uint8_t)id;
    out->table[1] = 0;
    frame_write_u16(out->table + 2, (uint16_t)value_bytes);
    out->table += 4;
    memcpy(out->text, value, value_bytes);
    out->text += value_bytes;
}

int exchange_write_request(wire *w, exchange *x, framed_connection *framed, uint32_t endpoint, uint32_t attempt, uint32_t remaining_ms)
{
    const http1_head *head = x->head;
    uint32_t forwarded;
    uint32_t forward_bytes = http1_forward_bytes(head, &forwarded);
    uint32_t contexts = 3 + (x->tenant != NULL) + (x->tracestate != NULL);
    uint32_t id_text = (uint32_t)x->correlation_id_bytes + x->request_id_bytes;
    uint32_t context_text = id_text + WIRE_TRACE_BYTES + x->tenant_bytes + x->tracestate_bytes;
    uint32_t payload_bytes =
        FRAME_REQUEST_FIXED_BYTES + 4 * contexts + forward_bytes + head->target_bytes + context_text + head->body_bytes;
    if (forwarded + contexts > FRAME_FIELDS_MAX || payload_bytes > FRAME_PAYLOAD_BYTES_MAX)
        return WIRE_NO_ROOM;
    uint8_t *out = framed_write(w, framed, FRAME_HEADER_BYTES + payload_bytes);
    if (!out)
        return WIRE_FULL;
    frame_write_header(out, payload_bytes, FRAME_REQUEST, FRAME_END, exchange_id(x) | (framed->dialled ? OPENED_BY_DIALLER : 0));
    uint8_t *fixed = out + FRAME_HEADER_BYTES;
    frame_write_u32(fixed, remaining_ms);
    frame_write_u16(fixed + 4, (uint16_t)endpoint);
    fixed[6] = head->method;
    fixed[7] = (uint8_t)attempt;
    frame_write_u16(fixed + 8, head->target_bytes);
    frame_write_u16(fixed + 10, (uint16_t)(forwarded + contexts));
    uint8_t *table = fixed + FRAME_REQUEST_FIXED_BYTES;
    uint8_t *target = table + 4 * (forwarded + contexts);
    memcpy(target, x->bytes + head->target, head->target_bytes);
    field_writer context = {table, target + head->target_bytes};
    put_context(&context, FIELD_TENANT, x->tenant, x->tenant_bytes);
    put_context(&context, FIELD_CORRELATION_ID, x->correlation_id, x->correlation_id_bytes);
    put_context(&context, FIELD_REQUEST_ID, x->request_id, x->request_id_bytes);
    put_context(&context, FIELD_TRACE, x->trace, WIRE_TRACE_BYTES);
    put_context(&context, FIELD_TRACESTATE, x->tracestate, x->tracestate_bytes);
    uint8_t *body = context.text + http1_forward_write(x->bytes, head, context.table, context.text);
    memcpy(body, x->bytes + head->head_bytes, head->body_bytes);
    w->counters.frames_out++;
    return WIRE_OK;
}
