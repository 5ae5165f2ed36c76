/* Exchanges that are streamed: their frames go to the caller, who has their clients' connections. */
#include <string.h>

#include "wire_internal.h"

/* After the service has said its last word it has nothing in flight any more, and nothing more is taken for the exchange. */
static void tell(wire *w, framed_connection *framed, exchange *x, const uint8_t *base, const frame_view *view, int is_last)
{
    wire_event *event = framed_add_event(w, framed, base, view, EVENT_STREAM);
    event->exchange = exchange_id(x);
    event->a = view->type == FRAME_RESPONSE ? view->status : 0;
    event->b = view->type == FRAME_RESPONSE ? view->body_bytes : 0;
    event->c = view->type == FRAME_RESPONSE ? x->gauge : 0;
    event->d = view->type == FRAME_RESPONSE ? (uint32_t)(w->now_us - x->sent_us) : 0;
    if (is_last)
        exchange_detach(w, x);
}

void stream_take_frame(wire *w, framed_connection *framed, const uint8_t *base, const frame_view *view)
{
    exchange *x = framed_find_answered(w, framed, view->exchange);
    if (!x)
        return;
    if (x->may_stream && !x->is_streamed && view->type == FRAME_CREDIT)
        return; /* for more of what was sent whole */
    if (!x->is_streamed)
        framed_report_bad_response(w, x, BAD_RESPONSE_STREAM);
    else
        tell(w, framed, x, base, view, (view->flags & FRAME_END) || view->type == FRAME_CANCEL);
}

void stream_take_response(wire *w, framed_connection *framed, exchange *x, const uint8_t *base, const frame_view *view)
{
    int is_final = view->status >= 200 || view->status == 101;
    x->has_response = 1;
    if (is_final && !x->is_measured) {
        x->is_measured = 1;
        exchange_measure(w, x, view->status);
        w->counters.answers_from_services++;
    }
    tell(w, framed, x, base, view, is_final && (view->flags & FRAME_END));
}

/* The frame whose payload lies at that place of the arena, scanned again: 1, or 0 when there is none of that type. */
static int recall(wire *w, uint32_t at, uint32_t bytes, enum frame_type type, const uint8_t **base)
{
    frame_scan_result found;
    if (at < FRAME_HEADER_BYTES || at > w->arena_used || bytes > w->arena_used - at)
        return 0;
    *base = w->arena + at - FRAME_HEADER_BYTES;
    frame_scan(*base, FRAME_HEADER_BYTES + bytes, w->views, 1, w->fields, VIEW_FIELDS_MAX, &found);
    return found.frame_count == 1 && w->views[0].type == type;
}

static int32_t result_of(int32_t written)
{
    return written < 0 ? written - 100 : written;
}

int32_t wire_response_head(wire *w, uint64_t id, uint32_t at, uint32_t bytes, int framing, uint64_t length, const uint8_t *upgrade,
                           uint32_t upgrade_bytes, int close, uint8_t *out, uint32_t room, uint32_t *body_at)
{
    const uint8_t *base;
    exchange *x = exchange_find(w, id);
    if (!x || !x->is_away)
        return WIRE_NO_EXCHANGE;
    if (framing < FRAMING_LENGTH || framing > FRAMING_UPGRADE || upgrade_bytes > WIRE_UPGRADE_BYTES_MAX ||
        !recall(w, at, bytes, FRAME_RESPONSE, &base))
        return WIRE_INVALID;
    http1_answer facts = edge_answer_facts(w, x);
    facts.close = close != 0;
    facts.framing = (uint8_t)framing;
    facts.has_length = framing == FRAMING_LENGTH;
    facts.length = length;
    facts.upgrade = upgrade;
    facts.upgrade_bytes = (uint8_t)upgrade_bytes;
    *body_at = w->views[0].body - FRAME_HEADER_BYTES;
    if (w->views[0].status >= 200 || w->views[0].status == 101)
        record_answer(w, x, w->views[0].status, 0);
    return result_of(http1_response_write(base, &w->views[0], w->fields, &facts, out, room));
}

int32_t wire_answer_head(wire *w, uint64_t id, int status, const uint8_t *lines, uint32_t lines_bytes, uint32_t body_bytes, int close,
                         uint8_t *out, uint32_t room)
{
    exchange *x = exchange_find(w, id);
    if (!x || !x->is_away)
        return WIRE_NO_EXCHANGE;
    if (status < 200 || status > 599)
        return WIRE_INVALID;
    http1_answer facts = edge_answer_facts(w, x);
    facts.close = close != 0;
    record_answer(w, x, (uint32_t)status, 0);
    return result_of(http1_answer_write((uint16_t)status, lines, lines_bytes, body_bytes, &facts, out, room));
}

int32_t wire_trailers(wire *w, uint32_t at, uint32_t bytes, uint8_t *out, uint32_t room)
{
    const uint8_t *base;
    if (!recall(w, at, bytes, FRAME_TRAILERS, &base))
        return WIRE_INVALID;
    return result_of(http1_trailers_write(base, &w->views[0], w->fields, out, room));
}

int wire_want_room(wire *w, uint32_t connection)
{
    framed_connection *framed = framed_find(w, connection);
    if (!framed)
        return WIRE_NO_CONNECTION;
    if (framed->out.end - framed->out.start <= WIRE_ROOM_BYTES)
        return 1;
    framed->wants_room = 1;
    return 0;
}
