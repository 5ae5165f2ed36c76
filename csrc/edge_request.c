/* From a client's bytes to a request, or to a refusal. */
#include <string.h>
#include <sys/socket.h>

#include "wire_internal.h"

/* No place in the table of exchanges, so there is nothing to ask the caller about: the one answer that the wire gives itself. */
static void refuse_unasked(wire *w, edge_connection *edge)
{
    static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    w->counters.exchanges_full++;
    memcpy(w->scratch, answer, sizeof answer - 1);
    edge->closes = edge->lingers = 1;
    edge_write_answer(w, edge, sizeof answer - 1, NULL, 0);
}

/* A request that goes no further: the caller answers it, and the connection closes so that the client can read the answer. */
void edge_refuse(wire *w, edge_connection *edge, uint16_t detail, uint8_t method)
{
    edge_set_nothing_due(edge);
    w->counters.requests_bad++;
    exchange *x = exchange_open(w, edge);
    if (!x) {
        refuse_unasked(w, edge);
        return;
    }
    x->batch += !w->is_stepping; /* then it is told by the next step */
    x->method = method;
    x->closes = x->lingers = 1;
    wire_event *event = wire_add_event(w, EVENT_BAD_REQUEST);
    event->exchange = exchange_id(x);
    event->detail = detail;
    event->flags = method;
}

/* The same for a head that was read, which may be wanted yet. */
static void refuse_held(wire *w, edge_connection *edge, uint16_t detail, uint8_t method, const uint8_t *bytes, uint32_t count)
{
    edge->searched = 0;
    if (w->settings.keeps_malformed && input_hold(w, &edge->in, bytes, count) < 0)
        edge_close(w, edge);
    else
        edge_refuse(w, edge, detail, method);
}

static void begin(wire *w, edge_connection *edge, const uint8_t *bytes, http1_head *head, int verdict)
{
    edge_set_nothing_due(edge);
    edge->needed = edge->searched = 0;
    exchange *x = exchange_open(w, edge);
    if (!x) {
        refuse_unasked(w, edge);
        return;
    }
    w->counters.requests++;
    x->method = head->method;
    if (edge->requests_left != UINT32_MAX)
        edge->requests_left--;
    x->closes = (head->flags & HEAD_CLOSE) != 0 || edge_is_over_bytes(w, edge);
    x->is_odd = verdict != HEAD_PLAIN;
    x->is_http_1_0 = (head->flags & HEAD_HTTP_1_0) != 0;
    x->takes_trailers = (head->flags & HEAD_TAKES_TRAILERS) != 0;
    x->has_rest = x->is_odd && ((head->flags & (HEAD_CHUNKED | HEAD_UPGRADE)) || head->content_length);
    x->head = head;
    x->bytes = bytes;
    w->requests[w->head_count++] = (wire_request){
        .exchange = exchange_id(x),
        .path = (uint32_t)(bytes - w->arena) + head->target,
        .path_bytes = head->path_bytes,
        .method = head->method,
        .flags = (uint8_t)head->flags,
    };
}

/* Not whole yet: holds what there is until more comes or the time is up. */
static void wait_for_more(wire *w, edge_connection *edge, const uint8_t *bytes, uint32_t count, uint32_t body_bytes)
{
    uint64_t grace_ms = w->settings.head_ms;
    if (body_bytes)
        grace_ms += (uint64_t)body_bytes * 1000 / w->settings.body_bytes_per_second;
    edge_set_due(w, edge, edge->started_us / 1000 + grace_ms);
    if (input_hold(w, &edge->in, bytes, count) < 0)
        edge_close(w, edge);
}

/* Looks at the input of a connection that reads: bytes[0..count) begins with a request, and lies in the arena. */
void edge_take_request(wire *w, edge_connection *edge, const uint8_t *bytes, uint32_t count)
{
    if (!edge->started_us)
        edge->started_us = w->now_us;
    if (!edge->searched && !http1_head_may_begin(bytes, count)) {
        refuse_held(w, edge, EDGE_NOT_HTTP, METHOD_NONE, bytes, count);
        return;
    }
    if (edge->needed)
        edge->searched = 0; /* the head was found before; it is found again at the same place */
    int32_t head_bytes = http1_head_end(bytes, count, w->settings.http1.head_bytes_max, &edge->searched);
    if (head_bytes == HEAD_END_NOT_FOUND) {
        wait_for_more(w, edge, bytes, count, 0);
        return;
    }
    if (head_bytes < 0) {
        refuse_held(w, edge, head_bytes == HEAD_END_TOO_LARGE ? HEAD_TOO_LARGE : HEAD_BAD_LINE_END, METHOD_NONE, bytes, count);
        return;
    }
    http1_head *head = &w->heads[w->head_count];
    int verdict = http1_head_scan(bytes, (uint32_t)head_bytes, &w->settings.http1, head);
    if (verdict != HEAD_PLAIN && verdict <= HEAD_UNUSUAL_METHOD) {
        refuse_held(w, edge, (uint16_t)verdict, head->method, bytes, count);
        return;
    }
    if (verdict != HEAD_PLAIN)
        head->body_bytes = 0; /* it may be waited for: what comes behind an unusual head is for who takes the connection */
    uint32_t whole = head->head_bytes + head->body_bytes;
    if (count < whole) {
        edge->needed = whole;
        wait_for_more(w, edge, bytes, count, head->body_bytes);
    } else if (input_hold(w, &edge->in, bytes + whole, count - whole) < 0) {
        edge_close(w, edge);
    } else {
        begin(w, edge, bytes, head, verdict);
    }
}

void edge_read_requests(wire *w, edge_connection *edge)
{
    if (edge->is_tls) {
        edge_tls_read(w, edge);
        return;
    }
    uint8_t *start;
    uint64_t before = edge->received;
    ssize_t count = input_receive(w, edge->descriptor, &edge->in, edge->needed, EDGE_READ_BYTES, &edge->received,
                                  &edge->is_unread, &start);
    w->counters.edge_bytes_in += edge->received - before;
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != ENOBUFS && errno != EINTR)) {
        edge_close(w, edge);
        return;
    }
    edge->is_unread |= edge->has_ended;
    if (edge->is_unread)
        edge_look_again(w, edge);
    if (count > 0)
        edge_take_request(w, edge, start, (uint32_t)count);
}

/* A client that sends more while its request is worked on. At the bound the rest is left in its socket, and TCP holds it back. */
void edge_read_ahead(wire *w, edge_connection *edge)
{
    if (edge->is_tls) {
        edge_tls_read(w, edge);
        return;
    }
    uint32_t most = edge_read_ahead_max(w);
    while (edge->is_unread && edge->in.count < most) {
        uint32_t wanted = most - edge->in.count < EDGE_READ_BYTES ? most - edge->in.count : EDGE_READ_BYTES;
        ssize_t count = -1;
        if (input_reserve(w, &edge->in, edge->in.count + wanted) == 0)
            count = recv(edge->descriptor, edge->in.bytes + edge->in.count, wanted, MSG_DONTWAIT);
        if (count == 0 || (count < 0 && errno != EAGAIN)) {
            edge_close(w, edge);
            return;
        }
        if (count < (ssize_t)wanted)
            edge->is_unread = 0;
        if (count > 0) {
            edge->in.count += (uint32_t)count;
            edge->received += (uint64_t)count;
            w->counters.edge_bytes_in += (uint64_t)count;
        }
    }
}
