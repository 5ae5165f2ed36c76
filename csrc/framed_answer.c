/* From the frames of a service to the answers of the clients that wait: RESPONSE and REFUSED, and whom they are for. */
#include "wire_internal.h"

/* The exchange that an answer is for; NULL, counted, when there is none that waits for it on this connection. */
exchange *framed_find_answered(wire *w, const framed_connection *framed, uint64_t id)
{
    if (!framed_is_ours(framed, id)) {
        w->counters.foreign_responses++;
        return NULL;
    }
    exchange *x = exchange_find_on_wire(w, id);
    if (!x || x->state != EXCHANGE_SENT || !exchange_is_wanted(x) || x->is_spoiled) {
        w->counters.late_responses++;
        return NULL;
    }
    if (x->framed != framed) {
        w->counters.foreign_responses++;
        return NULL;
    }
    return x;
}

void framed_report_bad_response(wire *w, exchange *x, uint16_t detail)
{
    x->is_spoiled = 1;
    x->outcome = ATTEMPT_BAD;
    wire_event *event = wire_add_event(w, EVENT_BAD_RESPONSE);
    event->exchange = exchange_id(x);
    event->connection = x->framed->handle;
    event->detail = detail;
    event->a = x->gauge;
}

/* Whether a RESPONSE is all there is to say, and says it as any answer does: 426 names what may be upgraded to, which the caller knows, and
 * the answer to HEAD of who streams says nothing of how long the body would have been. */
static int is_whole_answer(const exchange *x, const frame_view *view)
{
    enum { UPGRADE_REQUIRED = 426 };
    return view->status >= 200 && (view->flags & FRAME_END) && view->status != UPGRADE_REQUIRED && (x->method != METHOD_HEAD || view->body_bytes);
}

static void tell_answered(wire *w, const exchange *x, const uint8_t *base, const frame_view *view, int is_held)
{
    wire_event *event = framed_add_event(w, x->framed, base, view, EVENT_ANSWERED);
    event->exchange = exchange_id(x);
    event->detail = view->status;
    event->flags = is_held ? ANSWERED_HELD : 0;
    event->a = x->gauge;
    event->b = (uint32_t)(w->now_us - x->sent_us);
}

/* From frame to HTTP answer without a decision. An interim response (1xx) is dropped: RFC 9110, section 15.2, lets a proxy do so. */
void framed_take_response(wire *w, framed_connection *framed, const uint8_t *base, const frame_view *view)
{
    exchange *x = framed_find_answered(w, framed, view->exchange);
    if (!x)
        return;
    if (x->may_stream && !x->is_streamed)
        x->is_streamed = !is_whole_answer(x, view);
    if (x->is_streamed) {
        stream_take_response(w, framed, x, base, view);
        return;
    }
    if (view->status < 200) {
        x->has_response = 1;
        return;
    }
    if (!(view->flags & FRAME_END)) {
        framed_report_bad_response(w, x, BAD_RESPONSE_STREAM);
        return;
    }
    http1_answer facts = edge_answer_facts(w, x);
    int32_t head_bytes = http1_response_write(base, view, w->fields, &facts, w->scratch, RESPONSE_HEAD_BYTES_MAX);
    if (head_bytes < 0) {
        framed_report_bad_response(w, x, (uint16_t)-head_bytes);
        return;
    }
    exchange_measure(w, x, view->status);
    w->counters.answers_from_services++;
    int has_failed = status_is_failure(view->status);
    if (has_failed || x->tells)
        tell_answered(w, x, base, view, has_failed && x->holds);
    if (has_failed && x->holds) {
        exchange_detach(w, x);
        return;
    }
    edge_answer(w, x, (uint32_t)head_bytes, base + view->body, view->body_bytes);
}

void framed_take_refused(wire *w, framed_connection *framed, const uint8_t *base, const frame_view *view)
{
    exchange *x = framed_find_answered(w, framed, view->exchange);
    if (!x)
        return;
    if (x->has_response) {
        if (x->is_streamed)
            stream_take_frame(w, framed, base, view);
        else
            framed_report_bad_response(w, x, BAD_RESPONSE_REFUSED);
        return;
    }
    x->outcome = ATTEMPT_REFUSED;
    exchange_detach(w, x);
    wire_event *event = wire_add_event(w, EVENT_REFUSED);
    event->exchange = exchange_id(x);
    event->connection = framed->handle;
    event->detail = base[view->payload];
    event->a = frame_read_u32(base + view->payload + 4);
    event->b = x->gauge;
}
