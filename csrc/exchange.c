/* The table of exchanges: each is one request and its one answer. */
#include <stdlib.h>
#include <string.h>

#include "latency.h"
#include "wire_internal.h"

exchange *exchange_find(const wire *w, uint64_t id)
{
    return slab_find(&w->exchanges, (uint32_t)id, (uint32_t)(id >> 32));
}

exchange *exchange_find_on_wire(const wire *w, uint64_t wire_id)
{
    const uint64_t tag_mask = 0xffull << ATTEMPT_SHIFT;
    exchange *x = exchange_find(w, wire_id & ~(tag_mask | OPENED_BY_DIALLER));
    return x && x->tag == (wire_id & tag_mask) >> ATTEMPT_SHIFT ? x : NULL;
}

exchange *exchange_find_in_batch(const wire *w, uint64_t id)
{
    exchange *x = exchange_find(w, id);
    return x && x->head && x->batch == w->batch ? x : NULL;
}

/* Request id, correlation id and trace id start as the same 128 random bits, so that one can be found by the other. */
static void choose_context(wire *w, exchange *x)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t random[3] = {wire_random(w), wire_random(w), wire_random(w) | 1};
    memcpy(x->trace, random, 24);
    x->trace[24] = __builtin_bswap64(random[1]) < w->sampled_bound; /* as OpenTelemetry's TraceIdRatioBased draws */
    x->has_own_span = w->own_spans;
    for (int i = 0; i < 16; i++) {
        x->request_id[2 * i] = (uint8_t)digits[x->trace[i] >> 4];
        x->request_id[2 * i + 1] = (uint8_t)digits[x->trace[i] & 15];
    }
    memcpy(x->correlation_id, x->request_id, 32);
    x->request_id_bytes = x->correlation_id_bytes = 32;
}

exchange *exchange_make(wire *w)
{
    exchange *x = slab_take(&w->exchanges);
    if (!x)
        return NULL;
    x->state = EXCHANGE_UNDECIDED;
    x->timer.kind = TIMER_EXCHANGE;
    choose_context(w, x);
    w->counters.exchanges_now++;
    return x;
}

exchange *exchange_open(wire *w, edge_connection *edge)
{
    exchange *x = exchange_make(w);
    if (!x)
        return NULL;
    x->edge = edge;
    x->scheme = edge->is_tls ? SCHEME_HTTPS : SCHEME_HTTP;
    x->started_us = edge->started_us;
    x->batch = w->batch;
    edge->exchange = x;
    record_begin(w, x);
    return x;
}

static void attach(wire *w, exchange *x, framed_connection *framed)
{
    x->state = EXCHANGE_SENT;
    x->sent_us = w->now_us;
    x->framed = framed;
    x->next = framed->exchanges;
    x->back = &framed->exchanges;
    if (x->next)
        x->next->back = &x->next;
    framed->exchanges = x;
    x->group = w->route_group[x->route];
    w->in_flight[framed->item.slot]++;
    w->route_in_flight[x->route]++;
    w->group_in_flight[x->group]++;
    w->groups[x->group].requests += x->attempt == 1;
    if (w->settings.measures && w->leaving_count < WIRE_EVENTS_MAX)
        w->leaving[w->leaving_count++] = exchange_id(x);
}

void exchange_go(wire *w, exchange *x, framed_connection *framed, const sending *sent)
{
    x->route = sent->route;
    x->gauge = (uint16_t)sent->gauge;
    x->attempt = (uint8_t)sent->attempt;
    x->may_stream = (sent->how & SEND_MAY_STREAM) != 0;
    x->holds = (sent->how & SEND_HOLD) != 0;
    x->tells = (sent->how & SEND_TELL) != 0;
    x->is_streamed = x->is_put_off = x->is_measured = 0;
    attach(w, x, framed);
    record_attempt(w, x);
}

void exchange_set_timer(wire *w, exchange *x, uint32_t after_ms)
{
    uint64_t at_ms = x->deadline_ms;
    if (after_ms && (!at_ms || wire_in_ms(w, after_ms) < at_ms))
        at_ms = wire_in_ms(w, after_ms);
    if (at_ms)
        timer_set(&w->timers, &x->timer, at_ms);
}

uint32_t exchange_remaining_ms(const wire *w, const exchange *x)
{
    uint64_t now_ms = wire_now_ms(w);
    return x->deadline_ms > now_ms ? (uint32_t)(x->deadline_ms - now_ms) : 0;
}

void exchange_detach(wire *w, exchange *x)
{
    if (x->state != EXCHANGE_SENT)
        return;
    record_attempt_end(w, x);
    *x->back = x->next;
    if (x->next)
        x->next->back = x->back;
    w->in_flight[x->framed->item.slot]--;
    w->route_in_flight[x->route]--;
    w->group_in_flight[x->group]--;
    x->framed = NULL;
    x->back = NULL;
    x->state = EXCHANGE_UNDECIDED;
    x->is_spoiled = x->has_response = 0;
    timer_clear(&x->timer);
}

void exchange_close(wire *w, exchange *x)
{
    exchange_detach(w, x);
    record_end(w, x);
    timer_clear(&x->timer);
    if (x->edge)
        x->edge->exchange = NULL;
    free(x->kept);
    kept_drop(w, x);
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

static void measure_instance(wire *w, uint32_t slot, uint16_t status, uint64_t latency_us)
{
    w->instance_statuses[slot][status / 100]++;
    uint64_t *counts = figures_room(&w->instance_latency[slot], WIRE_COARSE_COUNTS);
    if (counts)
        counts[latency_coarse_index(latency_us)]++;
}

void exchange_measure_expired(wire *w, const exchange *x)
{
    if (x->framed)
        measure_target(w, x->framed->item.slot, (float)(w->now_us - x->sent_us));
}

void exchange_measure(wire *w, exchange *x, uint16_t status)
{
    x->outcome = status;
    uint64_t latency_us = w->now_us - x->sent_us;
    uint64_t counted_us = latency_us + (status >= 500 ? w->settings.failure_us : 0);
    measure_target(w, x->framed->item.slot, counted_us ? (float)counted_us : 1.0f);
    w->route_statuses[x->route][status / 100]++;
    if (w->settings.measures)
        measure_instance(w, x->framed->item.slot, status, latency_us);
    if (!status_is_failure(status)) {
        w->gauge_answers[x->gauge]++;
        w->groups[x->group].answers++;
        w->groups[x->group].latency_sum_us += latency_us;
    }
    uint64_t *counts = figures_room(&w->route_latency[x->route], WIRE_LATENCY_COUNTS);
    if (counts)
        counts[latency_index(latency_us)]++;
    record_answered(w, x);
}
