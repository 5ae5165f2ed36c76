/* Connections that are handed over: the caller reads and writes their descriptor for one exchange, and gives them back. */
#include <string.h>
#include <sys/socket.h>

#include "wire_internal.h"

static exchange *find_away(const wire *w, uint64_t id)
{
    exchange *x = exchange_find(w, id);
    return x && x->is_away ? x : NULL;
}

int32_t wire_forward(wire *w, uint64_t id, uint8_t *out, uint32_t room, uint32_t *field_count)
{
    const uint8_t *bytes;
    const http1_head *head = wire_head(w, id, &bytes);
    if (!head)
        return WIRE_NO_EXCHANGE;
    uint32_t count = http1_forward_bytes(head, 0, field_count);
    if (count > room)
        return WIRE_NO_ROOM;
    http1_forward_write(bytes, head, 0, out, out + 4 * *field_count);
    return (int32_t)count;
}

/* The connection leaves the wire's hands, with what was read of it and belongs to nothing yet. */
static int take_away(wire *w, exchange *x, wire_handed *handed)
{
    edge_connection *edge = x->edge;
    if (edge->out.bytes || exchange_keep_context(x) < 0) { /* ciphertext that is not out yet, or no memory: it cannot go on */
        edge->is_broken = 1;
        edge_look_again(w, edge);
        return WIRE_NO_EXCHANGE;
    }
    record_head(w, x);
    record_received(w, x, edge->in.count);
    record_flag(w, x, RECORD_STREAMED);
    edge_take_away(w, edge);
    timer_clear(&x->timer); /* whoever has the connection keeps the time */
    x->is_away = 1;
    input_drop(w, &w->handed);
    w->handed = edge->in;
    edge->in = (held_input){0};
    *handed = (wire_handed){
        .descriptor = edge->descriptor,
        .connection = edge_handle(edge),
        .held = w->handed.bytes,
        .held_bytes = w->handed.count,
        .closes = x->closes || edge_is_to_close(w, edge),
        .route = x->route,
        .flags = x->takes_trailers ? HEAD_TAKES_TRAILERS : 0,
        .method = x->method,
    };
    return WIRE_OK;
}

int wire_hand_over(wire *w, uint64_t id, wire_handed *handed)
{
    exchange *x = exchange_find(w, id);
    if (!x || x->batch != w->batch || x->state != EXCHANGE_UNDECIDED || !x->edge || x->is_away)
        return WIRE_NO_EXCHANGE;
    if ((!x->head && !w->settings.keeps_malformed) || x->edge->is_broken)
        return WIRE_NO_EXCHANGE; /* one that is broken closes with the next step; over TLS, it has no session any more */
    return take_away(w, x, handed);
}

/* Of its deadline, at least 1, also once its passing was told; 0 where none holds any more: the final head has come, or nothing is with a
 * service. */
static uint32_t remaining_ms(const wire *w, const exchange *x)
{
    if (x->is_measured || x->state != EXCHANGE_SENT)
        return 0;
    uint32_t left_ms = exchange_remaining_ms(w, x);
    return left_ms ? left_ms : 1;
}

int wire_take_over(wire *w, uint64_t id, wire_handed *handed)
{
    exchange *x = exchange_find(w, id);
    if (!x || !x->may_stream || !x->is_streamed || !x->edge || x->is_away || x->edge->is_broken)
        return WIRE_NO_EXCHANGE;
    uint32_t left_ms = remaining_ms(w, x);
    x->tenant_bytes = x->tracestate_bytes = x->client_bytes = 0; /* they were sent, and their memory was the batch's */
    int result = take_away(w, x, handed);
    if (result != WIRE_OK)
        return result;
    kept_drop(w, x);
    x->may_stream = 0; /* it does */
    handed->remaining_ms = left_ms;
    return WIRE_OK;
}

/* A reset, not an end: who reads must not take what was sent for all there is. */
static void reset(wire *w, edge_connection *edge)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(edge->descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    edge_close(w, edge);
}

int wire_hand_back(wire *w, uint64_t id, int how, const uint8_t *bytes, uint32_t count, uint64_t received)
{
    exchange *x = find_away(w, id);
    if (!x)
        return WIRE_NO_EXCHANGE;
    if (how < HAND_BACK_KEEP || how > HAND_BACK_RESET)
        return WIRE_INVALID;
    edge_connection *edge = x->edge;
    if (how == HAND_BACK_RESET)
        record_flag(w, x, RECORD_CUT);
    record_received(w, x, received);
    if (how == HAND_BACK_KEEP)
        record_returned(w, x, count);
    exchange_close(w, x);
    edge->received += received;
    w->counters.edge_bytes_in += received;
    w->counters.handed_over_now--;
    int is_kept_no_longer = how == HAND_BACK_KEEP && edge_is_to_close(w, edge);
    if (is_kept_no_longer)
        how = HAND_BACK_LINGER;
    if (how == HAND_BACK_RESET)
        reset(w, edge);
    else if (how == HAND_BACK_CLOSE || edge_take_back(w, edge, bytes, how == HAND_BACK_KEEP ? count : 0) < 0)
        edge_close(w, edge);
    else if (is_kept_no_longer && edge->is_tls)
        edge_tls_say_goodbye(w, edge); /* who gave it back did not know that it was the end */
    else if (how == HAND_BACK_LINGER)
        edge_start_lingering(w, edge);
    return WIRE_OK;
}

int wire_hand_in(wire *w, uint64_t id, const uint8_t *bytes, uint32_t count, uint64_t received, uint32_t remaining_ms)
{
    exchange *x = find_away(w, id);
    if (!x || x->state != EXCHANGE_SENT)
        return WIRE_NO_EXCHANGE;
    wire_read_clock(w);
    edge_connection *edge = x->edge;
    record_received(w, x, received);
    record_returned(w, x, count);
    edge->received += received;
    w->counters.edge_bytes_in += received;
    w->counters.handed_over_now--;
    x->is_away = x->is_streamed = x->is_odd = x->has_rest = 0;
    x->lingers = 1; /* should it close: the client may have sent more that nobody has seen, which would make the close a reset */
    x->deadline_ms = wire_in_ms(w, remaining_ms);
    exchange_set_timer(w, x, 0);
    if (edge_watch_again(w, edge, bytes, count) == 0)
        return WIRE_OK;
    edge->is_broken = 1;
    edge_look_again(w, edge);
    return WIRE_SYSTEM;
}

/* Without fields the pointer may be anything; NULL would mean those of the head, which is the batch's. */
static const uint8_t *fields_or_none(const uint8_t *fields, uint32_t field_count)
{
    return field_count ? fields : (const uint8_t *)"";
}

static int is_within_frame(uint32_t field_count, uint32_t fields_bytes, uint32_t target_bytes)
{
    return field_count <= FRAME_FIELDS_MAX && fields_bytes >= 4 * field_count && (field_count || !fields_bytes) && target_bytes && target_bytes <= FRAME_TARGET_BYTES_MAX;
}

int wire_open(wire *w, uint64_t id, uint32_t connection, uint32_t route, uint32_t endpoint, uint32_t gauge, uint32_t how,
              uint32_t attempt, uint32_t remaining_ms,
              const uint8_t *target, uint32_t target_bytes, const uint8_t *fields, uint32_t field_count, uint32_t fields_bytes,
              const uint8_t *length_text, uint32_t length_text_bytes, const uint8_t *upgrade, uint32_t upgrade_bytes,
              const uint8_t *body, uint32_t body_bytes, int end, const wire_identity *identity)
{
    exchange *x = exchange_find(w, id);
    if (!x || !(x->is_away || x->is_begun) || x->state != EXCHANGE_UNDECIDED || x->method == METHOD_NONE)
        return WIRE_NO_EXCHANGE; /* a malformed request may have no method, and no service is asked for that */
    framed_connection *framed = framed_find(w, connection);
    if (!framed)
        return WIRE_NO_CONNECTION;
    if (route >= w->settings.routes_max || endpoint > UINT16_MAX || gauge >= WIRE_GAUGES_MAX || how > SEND_HOW_ALL || !attempt || attempt > UINT8_MAX || length_text_bytes > 16 ||
        upgrade_bytes > WIRE_UPGRADE_BYTES_MAX || !is_within_frame(field_count, fields_bytes, target_bytes) || target[0] != '/' || !identity_is_valid(identity))
        return WIRE_INVALID;
    wire_read_clock(w); /* a task calls, and time has passed since the step */
    request_parts parts = {
        .endpoint = endpoint, .attempt = attempt, .remaining_ms = remaining_ms, .target = target, .target_bytes = target_bytes,
        .fields = fields_or_none(fields, field_count), .field_count = field_count, .fields_bytes = fields_bytes, .length_text = length_text,
        .length_text_bytes = length_text_bytes, .upgrade = upgrade, .upgrade_bytes = upgrade_bytes, .body = body,
        .body_bytes = body_bytes, .end = end, .identity = identity, .given_count = field_count,
    };
    if (identity_drops_credentials(identity) && !http1_drop_measure(parts.fields, &parts.field_count, &parts.fields_bytes))
        return WIRE_INVALID;
    x->tag = 0;
    int result = request_write(w, x, framed, &parts, end && (how & SEND_KEEP));
    if (result != WIRE_OK)
        return result;
    exchange_go(w, x, framed, &(sending){route, gauge, how & ~(uint32_t)SEND_MAY_STREAM, attempt});
    x->is_streamed = 1;
    x->deadline_ms = wire_in_ms(w, remaining_ms);
    return WIRE_OK;
}
