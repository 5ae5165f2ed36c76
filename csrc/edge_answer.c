/* From an answer to a client's socket, and what comes after it. */
#include <string.h>
#include <sys/socket.h>

#include "wire_internal.h"

/* Reads and throws away until the client closes, the socket is empty, or it has been enough. */
void edge_go_on_lingering(wire *w, edge_connection *edge)
{
    while (edge->lingered_bytes <= LINGER_BYTES_MAX) {
        ssize_t count = recv(edge->descriptor, w->scratch, SCRATCH_BYTES, MSG_DONTWAIT);
        if (count < 0 && errno == EAGAIN)
            return;
        if (count <= 0)
            break;
        edge->lingered_bytes += (uint32_t)count;
    }
    edge_close(w, edge);
}

void edge_start_lingering(wire *w, edge_connection *edge)
{
    shutdown(edge->descriptor, SHUT_WR);
    input_drop(w, &edge->in);
    edge->is_lingering = 1;
    edge_set_due(w, edge, wire_in_ms(w, w->settings.linger_ms));
    edge_go_on_lingering(w, edge);
}

void edge_answered(wire *w, edge_connection *edge)
{
    if (edge->closes) {
        if (edge->lingers || edge->in.count || edge->is_unread)
            edge_start_lingering(w, edge);
        else
            edge_close(w, edge);
        return;
    }
    edge_set_idle(w, edge);
    if (edge->in.count || edge->is_unread)
        edge_look_again(w, edge);
}

void edge_go_on_writing(wire *w, edge_connection *edge)
{
    int result = output_send(edge->descriptor, &edge->out, &w->counters.edge_bytes_out);
    if (result < 0) {
        edge_close(w, edge);
    } else if (result == 0) {
        if (!edge->is_tls || edge->tls_output == TLS_OUTPUT_SEALED) /* a handshake has its own time */
            edge_set_due(w, edge, wire_in_ms(w, w->settings.write_ms));
    } else {
        output_drop(w, &edge->out);
        if (edge->is_tls)
            edge_tls_written(w, edge);
        else
            edge_answered(w, edge);
    }
}

/* One send for head and body. Returns what was sent, or -1. A small body is copied behind its head: cheaper than a second piece. */
static ssize_t send_answer(wire *w, edge_connection *edge, uint32_t head_bytes, const uint8_t *body, uint32_t body_bytes)
{
    if (body_bytes <= SCRATCH_BYTES - head_bytes) {
        if (body_bytes)
            memcpy(w->scratch + head_bytes, body, body_bytes);
        return send(edge->descriptor, w->scratch, head_bytes + body_bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    struct iovec pieces[2] = {{w->scratch, head_bytes}, {(void *)(uintptr_t)body, body_bytes}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    return sendmsg(edge->descriptor, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Holds what the socket did not take. 0, or -1 when there is no memory. */
static int hold_rest(wire *w, edge_connection *edge, uint32_t head_bytes, const uint8_t *body, uint32_t body_bytes, uint32_t sent)
{
    uint32_t rest = head_bytes + body_bytes - sent;
    uint8_t *out = output_reserve(w, &edge->out, rest, rest);
    if (!out)
        return -1;
    if (sent < head_bytes) {
        memcpy(out, w->scratch + sent, head_bytes - sent);
        out += head_bytes - sent;
        sent = head_bytes;
    }
    if (body_bytes)
        memcpy(out, body + (sent - head_bytes), body_bytes - (sent - head_bytes));
    return 0;
}

void edge_write_answer(wire *w, edge_connection *edge, uint32_t head_bytes, const uint8_t *body, uint32_t body_bytes)
{
    if (edge->is_tls) {
        edge_tls_write(w, edge, head_bytes, body, body_bytes);
        return;
    }
    ssize_t sent = send_answer(w, edge, head_bytes, body, body_bytes);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        edge_close(w, edge);
        return;
    }
    sent = sent < 0 ? 0 : sent;
    w->counters.edge_bytes_out += (uint64_t)sent;
    if ((uint32_t)sent == head_bytes + body_bytes) {
        edge_answered(w, edge);
    } else if (hold_rest(w, edge, head_bytes, body, body_bytes, (uint32_t)sent) < 0) {
        edge_close(w, edge);
    } else {
        edge_set_due(w, edge, wire_in_ms(w, w->settings.write_ms));
    }
}

void edge_answer(wire *w, exchange *x, uint32_t head_bytes, const uint8_t *body, uint32_t body_bytes)
{
    edge_connection *edge = x->edge;
    edge->closes = x->closes;
    edge->lingers = x->lingers;
    if (x->method == METHOD_HEAD)
        body_bytes = 0;
    record_head(w, x);
    record_answer(w, x, http1_answer_status(w->scratch), (uint64_t)head_bytes + body_bytes);
    exchange_close(w, x);
    edge->started_us = 0;
    w->counters.answers++;
    edge_write_answer(w, edge, head_bytes, body, body_bytes);
}

http1_answer edge_answer_facts(wire *w, exchange *x)
{
    x->closes |= edge_is_to_close(w, x->edge);
    return (http1_answer){
        .request_id = x->request_id,
        .correlation_id = x->correlation_id,
        .date = w->date,
        .request_id_bytes = x->request_id_bytes,
        .correlation_id_bytes = x->correlation_id_bytes,
        .close = x->closes,
        .keeps = x->is_http_1_0,
        .head_method = x->method == METHOD_HEAD,
    };
}
