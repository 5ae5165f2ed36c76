/* Sending again: what was kept of a request goes out once more, in the same exchange or in a branch of it; and answers that were held. */
#include <stdlib.h>
#include <string.h>

#include "wire_internal.h"

int wire_keep(wire *w, uint64_t id, uint32_t deadline_ms, const wire_identity *identity)
{
    exchange *x = exchange_find_in_batch(w, id);
    if (!x || x->state != EXCHANGE_UNDECIDED || !x->edge || x->is_away || x->is_odd)
        return WIRE_NO_EXCHANGE;
    if (!identity_is_valid(identity))
        return WIRE_INVALID;
    request_parts parts = request_parts_of(x, 0, identity);
    if (request_keep(w, x, &parts) != WIRE_OK)
        return WIRE_NO_ROOM;
    x->deadline_ms = x->started_us / 1000 + deadline_ms;
    return WIRE_OK;
}

int wire_again(wire *w, uint64_t id, uint32_t connection, uint32_t route, uint32_t endpoint, uint32_t gauge, uint32_t how, uint32_t attempt,
               uint32_t attempt_ms)
{
    exchange *x = exchange_find(w, id);
    if (!x || x->state != EXCHANGE_UNDECIDED || !x->request || !exchange_is_wanted(x))
        return WIRE_NO_EXCHANGE;
    framed_connection *framed = framed_find(w, connection);
    if (!framed)
        return WIRE_NO_CONNECTION;
    if (route >= w->settings.routes_max || endpoint > UINT16_MAX || gauge >= WIRE_GAUGES_MAX || how > SEND_HOW_ALL || !attempt ||
        attempt > UINT8_MAX || attempt <= x->attempt)
        return WIRE_INVALID;
    wire_read_clock(w); /* a task may call, and time has passed since the step */
    uint8_t tag = x->tag;
    x->tag = (uint8_t)(attempt - 1);
    int result = request_write_kept(w, x, framed, endpoint, attempt, exchange_remaining_ms(w, x));
    if (result != WIRE_OK) {
        x->tag = tag;
        return result;
    }
    exchange_go(w, x, framed, &(sending){route, gauge, how, attempt});
    x->is_streamed = x->is_begun || x->is_away;
    if (!x->is_away) /* whoever has the connection keeps the time */
        exchange_set_timer(w, x, attempt_ms);
    w->counters.again++;
    return WIRE_OK;
}

uint64_t wire_branch(wire *w, uint64_t id)
{
    exchange *from = exchange_find(w, id);
    exchange *x = from && from->request ? exchange_make(w) : NULL;
    if (!x)
        return 0;
    x->is_begun = 1;
    x->method = from->method;
    x->scheme = SCHEME_NONE;
    x->started_us = from->started_us;
    x->deadline_ms = from->deadline_ms;
    x->request_id_bytes = from->request_id_bytes;
    x->correlation_id_bytes = from->correlation_id_bytes;
    memcpy(x->request_id, from->request_id, from->request_id_bytes);
    memcpy(x->correlation_id, from->correlation_id, from->correlation_id_bytes);
    memcpy(x->trace, from->trace, WIRE_TRACE_BYTES);
    x->branch_of = exchange_id(from);
    kept_share(x, from);
    from->tells = 1;
    w->counters.begun++;
    return exchange_id(x);
}

int wire_outlive(wire *w, uint64_t id)
{
    exchange *x = exchange_find(w, id);
    if (!x || x->state != EXCHANGE_SENT || exchange_is_wanted(x) || x->is_away || x->is_streamed || x->is_spoiled)
        return WIRE_NO_EXCHANGE;
    x->is_begun = x->is_streamed = 1;
    return WIRE_OK;
}

int wire_wait(wire *w, uint64_t id, uint32_t milliseconds)
{
    exchange *x = exchange_find(w, id);
    if (!x || x->is_away || !exchange_is_wanted(x))
        return WIRE_NO_EXCHANGE;
    wire_read_clock(w);
    exchange_set_timer(w, x, milliseconds ? milliseconds : 1);
    return WIRE_OK;
}

/* Writes the answer that a RESPONSE makes, whose frame stands at base; as wire_pass_on. */
static int answer_with(wire *w, exchange *x, const uint8_t *base, uint32_t frame_bytes)
{
    frame_scan_result found;
    frame_scan(base, frame_bytes, w->views, 1, w->fields, VIEW_FIELDS_MAX, &found);
    if (found.frame_count != 1 || w->views[0].status < 200)
        return WIRE_INVALID;
    x->closes |= x->has_rest; /* what follows its head is never read */
    x->lingers |= x->has_rest;
    http1_answer facts = edge_answer_facts(w, x);
    int32_t head_bytes = http1_response_write(base, &w->views[0], w->fields, &facts, w->scratch, RESPONSE_HEAD_BYTES_MAX);
    if (head_bytes < 0)
        return WIRE_INVALID;
    edge_answer(w, x, (uint32_t)head_bytes, base + w->views[0].body, w->views[0].body_bytes);
    return WIRE_OK;
}

int wire_pass_on(wire *w, uint64_t id, const uint8_t *payload, uint32_t payload_bytes)
{
    exchange *x = exchange_find(w, id);
    if (!x || x->state != EXCHANGE_UNDECIDED || !x->edge || x->is_away)
        return WIRE_NO_EXCHANGE;
    if (payload_bytes > FRAME_PAYLOAD_BYTES_MAX)
        return WIRE_INVALID;
    uint8_t *base = malloc(FRAME_HEADER_BYTES + (size_t)payload_bytes);
    if (!base)
        return WIRE_NO_ROOM;
    frame_write_header(base, payload_bytes, FRAME_RESPONSE, FRAME_END, 1);
    if (payload_bytes)
        memcpy(base + FRAME_HEADER_BYTES, payload, payload_bytes);
    int result = answer_with(w, x, base, FRAME_HEADER_BYTES + payload_bytes);
    free(base);
    return result;
}

int wire_facts(wire *w, uint64_t id, wire_exchange_facts *facts)
{
    const exchange *x = exchange_find(w, id);
    if (!x)
        return WIRE_NO_EXCHANGE;
    wire_read_clock(w);
    *facts = (wire_exchange_facts){
        .connection = x->framed ? x->framed->handle : 0,
        .route = x->route,
        .gauge = x->gauge,
        .remaining_ms = exchange_remaining_ms(w, x),
        .kept_bytes = x->request ? x->request->bytes : 0,
        .attempt = x->attempt,
        .method = x->method,
        .has_client = x->edge != NULL,
    };
    return WIRE_OK;
}
