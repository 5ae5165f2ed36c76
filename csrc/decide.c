/* The calls by which the caller looks at an exchange and decides about it. */
#include <string.h>

#include "wire_internal.h"

const http1_head *wire_head(wire *w, uint64_t id, const uint8_t **bytes)
{
    exchange *x = exchange_find_in_batch(w, id);
    if (!x)
        return NULL;
    *bytes = x->bytes;
    return x->head;
}

const uint8_t *wire_body(wire *w, uint64_t id, uint32_t *byte_count)
{
    exchange *x = exchange_find_in_batch(w, id);
    if (!x)
        return NULL;
    *byte_count = x->head->body_bytes;
    return x->bytes + x->head->head_bytes;
}

int wire_is_head(wire *w, uint64_t id)
{
    const exchange *x = exchange_find(w, id);
    return x && x->method == METHOD_HEAD;
}

int64_t wire_age_ms(wire *w, uint64_t id)
{
    exchange *x = exchange_find(w, id);
    return x ? (int64_t)((w->now_us - x->started_us) / 1000) : WIRE_NO_EXCHANGE;
}

/* ---- deciding ---- */

int wire_send(wire *w, uint64_t id, uint32_t connection, uint32_t route, uint32_t endpoint, uint32_t gauge, uint32_t how,
              uint32_t deadline_ms, uint32_t attempt_ms, const wire_identity *identity)
{
    exchange *x = exchange_find_in_batch(w, id);
    if (!x || x->state != EXCHANGE_UNDECIDED || !x->edge || x->is_away || x->is_odd)
        return WIRE_NO_EXCHANGE;
    framed_connection *framed = framed_find(w, connection);
    if (!framed)
        return WIRE_NO_CONNECTION;
    if (route >= w->settings.routes_max || endpoint > UINT16_MAX || gauge >= WIRE_GAUGES_MAX || how > SEND_HOW_ALL || !identity_is_valid(identity))
        return WIRE_INVALID;
    uint64_t age_ms = (w->now_us - x->started_us) / 1000;
    uint32_t remaining_ms = age_ms < deadline_ms ? deadline_ms - (uint32_t)age_ms : 0;
    if (!remaining_ms)
        return WIRE_LATE;
    request_parts parts = request_parts_of(x, remaining_ms, identity);
    parts.endpoint = endpoint;
    x->tag = 0;
    int result = request_write(w, x, framed, &parts, how & SEND_KEEP);
    if (result != WIRE_OK)
        return result;
    exchange_go(w, x, framed, &(sending){route, gauge, how, 1});
    x->deadline_ms = wire_now_ms(w) + remaining_ms;
    exchange_set_timer(w, x, attempt_ms);
    return WIRE_OK;
}

/* Written even where nothing else finds room: a target that has not read for long, and reads again, would go on for ever with a stream
 * that nobody wants. */
static void write_cancel(wire *w, const exchange *x, int reason)
{
    uint8_t *out = framed_write_beyond(w, x->framed, FRAME_HEADER_BYTES + 4);
    if (!out)
        return;
    frame_write_header(out, 4, FRAME_CANCEL, 0, exchange_wire_id(x, x->framed));
    memset(out + FRAME_HEADER_BYTES, 0, 4);
    out[FRAME_HEADER_BYTES] = (uint8_t)reason;
    w->counters.frames_out++;
}

int wire_cancel(wire *w, uint64_t id, int reason)
{
    exchange *x = exchange_find(w, id);
    if (!x || (x->state != EXCHANGE_SENT && exchange_is_wanted(x)))
        return WIRE_NO_EXCHANGE;
    if (x->state == EXCHANGE_SENT) {
        if (!x->framed->cause)
            write_cancel(w, x, reason);
        exchange_detach(w, x);
    }
    if (!exchange_is_wanted(x))
        exchange_close(w, x);
    return WIRE_OK;
}

int wire_answer(wire *w, uint64_t id, int status, const uint8_t *lines, uint32_t lines_bytes, const uint8_t *body, uint32_t body_bytes,
                int close_after)
{
    exchange *x = exchange_find(w, id);
    if (!x || x->state != EXCHANGE_UNDECIDED || !x->edge || x->is_away)
        return WIRE_NO_EXCHANGE;
    if (status < 200 || status > 599)
        return WIRE_INVALID;
    x->closes |= close_after || x->has_rest;
    x->lingers |= x->has_rest;
    http1_answer facts = edge_answer_facts(w, x);
    int32_t head_bytes =
        http1_answer_write((uint16_t)status, lines, lines_bytes, body_bytes, &facts, w->scratch, RESPONSE_HEAD_BYTES_MAX);
    if (head_bytes < 0)
        return WIRE_INVALID;
    edge_answer(w, x, (uint32_t)head_bytes, body, body_bytes);
    return WIRE_OK;
}

/* The id as the frame is to carry it: the caller does not know of attempts. */
static uint64_t complete_id(const wire *w, const framed_connection *framed, uint64_t id)
{
    const exchange *x = id && framed_is_ours(framed, id) ? exchange_find(w, id & ~OPENED_BY_DIALLER) : NULL;
    return x && x->framed == framed ? exchange_wire_id(x, framed) : id;
}

int wire_frame(wire *w, uint32_t connection, int type, int flags, uint64_t id, const uint8_t *payload, uint32_t payload_bytes)
{
    framed_connection *framed = framed_find(w, connection);
    if (!framed)
        return WIRE_NO_CONNECTION;
    if (type < 1 || type > 255 || flags < 0 || flags > 255)
        return WIRE_INVALID;
    uint8_t *out = payload_bytes <= FRAME_PAYLOAD_BYTES_MAX ? framed_write(w, framed, FRAME_HEADER_BYTES + payload_bytes) : NULL;
    if (!out)
        return WIRE_FULL;
    frame_write_header(out, payload_bytes, (uint8_t)type, (uint8_t)flags, complete_id(w, framed, id));
    if (payload_bytes)
        memcpy(out + FRAME_HEADER_BYTES, payload, payload_bytes);
    w->counters.frames_out++;
    return WIRE_OK;
}

int wire_close(wire *w, uint32_t connection)
{
    framed_connection *framed = framed_find(w, connection);
    if (!framed)
        return WIRE_NO_CONNECTION;
    framed_close(w, framed, CLOSE_ASKED);
    return WIRE_OK;
}

void wire_drain_edge(wire *w, uint32_t spread_ms)
{
    edge_drain(w, spread_ms);
}

