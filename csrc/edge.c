/* Clients' connections.
 *
 * A connection is reading (no exchange, nothing to write), busy (its request is with the caller or a service), writing (an answer
 * that the socket did not take whole) or lingering (answered and half closed, so that the client can read the answer). Requests
 * are taken one at a time: what is pipelined behind is held, up to a bound, and looked at when the answer is out. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire_internal.h"

/* Something is due at that time, and nothing before. The timer is moved only when it would come too late: most of what is due is put
 * off by the next request, long before, and edge_expire looks at due_ms again. */
static void set_due(wire *w, edge_connection *edge, uint64_t at_ms)
{
    edge->due_ms = at_ms;
    if (!timer_is_set(&edge->timer) || at_ms < edge->timer.tick * TIMER_TICK_MS)
        timer_set(&w->timers, &edge->timer, at_ms);
}

/* Nothing is due while a request is worked on: its own deadline counts. */
static void set_nothing_due(edge_connection *edge)
{
    edge->due_ms = UINT64_MAX;
}

/* Jitter, so that connections that were opened together do not close, and come back, together. */
static uint32_t draw_idle_ms(wire *w)
{
    uint64_t spread = (uint64_t)w->settings.idle_ms * w->settings.idle_jitter_percent / 100;
    return (uint32_t)(w->settings.idle_ms - spread + (spread ? wire_random(w) % (2 * spread + 1) : 0));
}

/* Takes the descriptor over in any case: without a place for it, it is closed. */
int edge_adopt(wire *w, int descriptor)
{
    edge_connection *edge = slab_take(&w->edges);
    if (!edge) {
        close(descriptor);
        return WIRE_NO_ROOM;
    }
    int on = 1;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* fails on a socket that is not TCP: no matter */
    edge->descriptor = descriptor;
    edge->timer.kind = TIMER_EDGE;
    edge->idle_ms = draw_idle_ms(w);
    w->counters.edge_open_now++;
    if (wire_watch(w, descriptor, EPOLL_CTL_ADD, WATCH_CONNECTION, SOURCE_EDGE, &edge->item) < 0) {
        edge_close(w, edge);
        return WIRE_SYSTEM;
    }
    set_due(w, edge, wire_in_ms(w, edge->idle_ms));
    return WIRE_OK;
}

static void unlink_resumed(wire *w, edge_connection *edge)
{
    edge_connection **at = &w->resumed;
    while (*at && *at != edge)
        at = &(*at)->next_resumed;
    if (!*at)
        return;
    *at = edge->next_resumed;
    if (!edge->next_resumed)
        w->resumed_end = at;
    edge->is_resumed = 0;
}

/* Its exchange, if there is one, has lost its client; the caller is told. */
void edge_close(wire *w, edge_connection *edge)
{
    if (edge->exchange) {
        edge->exchange->edge = NULL;
        w->counters.clients_gone++;
        wire_add_event(w, EVENT_CLIENT_GONE)->exchange = exchange_id(edge->exchange);
    }
    if (edge->is_resumed)
        unlink_resumed(w, edge);
    timer_clear(&edge->timer);
    input_drop(w, &edge->in);
    output_drop(w, &edge->out);
    close(edge->descriptor);
    w->counters.edge_open_now--;
    w->counters.edge_closed++;
    slab_give(&w->edges, edge);
    wire_resume_accepting(w, SOCKET_EDGE);
}

/* Reads and throws away until the client closes, the socket is empty, or it has been enough. */
static void go_on_lingering(wire *w, edge_connection *edge)
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

static void start_linger(wire *w, edge_connection *edge)
{
    shutdown(edge->descriptor, SHUT_WR);
    input_drop(w, &edge->in);
    edge->is_lingering = 1;
    set_due(w, edge, wire_in_ms(w, w->settings.linger_ms));
    go_on_lingering(w, edge);
}

/* There is input, held or in the socket, of which no event will tell. */
static void look_again(wire *w, edge_connection *edge)
{
    if (edge->is_resumed)
        return;
    edge->is_resumed = 1;
    edge->next_resumed = NULL;
    *w->resumed_end = edge;
    w->resumed_end = &edge->next_resumed;
    wire_wake(w);
}

/* The answer is out: closes, lingers, or goes on to the next request. */
static void answered(wire *w, edge_connection *edge)
{
    if (edge->closes || w->is_draining) {
        if (edge->lingers || edge->in.count || edge->is_unread)
            start_linger(w, edge);
        else
            edge_close(w, edge);
        return;
    }
    set_due(w, edge, wire_in_ms(w, edge->idle_ms));
    if (edge->in.count || edge->is_unread)
        look_again(w, edge);
}

static void go_on_writing(wire *w, edge_connection *edge)
{
    int result = output_send(edge->descriptor, &edge->out, &w->counters.edge_bytes_out);
    if (result < 0) {
        edge_close(w, edge);
    } else if (result == 0) {
        set_due(w, edge, wire_in_ms(w, w->settings.write_ms));
    } else {
        output_drop(w, &edge->out);
        answered(w, edge);
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

static void write_answer(wire *w, edge_connection *edge, uint32_t head_bytes, const uint8_t *body, uint32_t body_bytes)
{
    ssize_t sent = send_answer(w, edge, head_bytes, body, body_bytes);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        edge_close(w, edge);
        return;
    }
    sent = sent < 0 ? 0 : sent;
    w->counters.edge_bytes_out += (uint64_t)sent;
    if ((uint32_t)sent == head_bytes + body_bytes) {
        answered(w, edge);
    } else if (hold_rest(w, edge, head_bytes, body, body_bytes, (uint32_t)sent) < 0) {
        edge_close(w, edge);
    } else {
        set_due(w, edge, wire_in_ms(w, w->settings.write_ms));
    }
}

void edge_answer(wire *w, exchange *x, uint32_t head_bytes, const uint8_t *body, uint32_t body_bytes)
{
    edge_connection *edge = x->edge;
    edge->closes = x->closes;
    edge->lingers = x->lingers;
    if (x->method == METHOD_HEAD)
        body_bytes = 0;
    exchange_close(w, x);
    edge->started_us = 0;
    w->counters.answers++;
    write_answer(w, edge, head_bytes, body, body_bytes);
}

http1_answer edge_answer_facts(wire *w, const exchange *x)
{
    return (http1_answer){
        .request_id = x->request_id,
        .correlation_id = x->correlation_id,
        .date = w->date,
        .request_id_bytes = x->request_id_bytes,
        .correlation_id_bytes = x->correlation_id_bytes,
        .close = x->closes || w->is_draining,
        .head_method = x->method == METHOD_HEAD,
    };
}

/* No place in the table of exchanges, so there is nothing to ask the caller about: the one answer that the wire gives itself. */
static void refuse_unasked(wire *w, edge_connection *edge)
{
    static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    w->counters.exchanges_full++;
    memcpy(w->scratch, answer, sizeof answer - 1);
    edge->closes = edge->lingers = 1;
    write_answer(w, edge, sizeof answer - 1, NULL, 0);
}

/* A request that goes no further: the caller answers it, and the connection closes so that the client can read the answer. */
static void refuse(wire *w, edge_connection *edge, uint16_t detail, uint8_t method)
{
    input_drop(w, &edge->in);
    set_nothing_due(edge);
    w->counters.requests_bad++;
    exchange *x = exchange_open(w, edge);
    if (!x) {
        refuse_unasked(w, edge);
        return;
    }
    x->method = method;
    x->closes = x->lingers = 1;
    wire_event *event = wire_add_event(w, EVENT_BAD_REQUEST);
    event->exchange = exchange_id(x);
    event->detail = detail;
    event->flags = method;
}

static void begin(wire *w, edge_connection *edge, const uint8_t *bytes, http1_head *head)
{
    set_nothing_due(edge);
    edge->needed = edge->searched = 0;
    exchange *x = exchange_open(w, edge);
    if (!x) {
        refuse_unasked(w, edge);
        return;
    }
    w->counters.requests++;
    x->method = head->method;
    x->closes = head->flags & HEAD_CLOSE;
    x->head = head;
    x->bytes = bytes;
    w->requests[w->head_count++] = (wire_request){
        .exchange = exchange_id(x),
        .path = (uint32_t)(bytes - w->arena) + head->target,
        .path_bytes = head->path_bytes,
        .method = head->method,
        .flags = head->flags,
    };
}

/* Not whole yet: holds what there is until more comes or the time is up. */
static void wait_for_more(wire *w, edge_connection *edge, const uint8_t *bytes, uint32_t count, uint32_t body_bytes)
{
    uint64_t grace_ms = w->settings.head_ms;
    if (body_bytes)
        grace_ms += (uint64_t)body_bytes * 1000 / w->settings.body_bytes_per_second;
    set_due(w, edge, edge->started_us / 1000 + grace_ms);
    if (input_hold(w, &edge->in, bytes, count) < 0)
        edge_close(w, edge);
}

/* Looks at the input of a connection that reads: bytes[0..count) begins with a request, and lies in the arena. */
static void take_request(wire *w, edge_connection *edge, const uint8_t *bytes, uint32_t count)
{
    if (!edge->started_us)
        edge->started_us = w->now_us;
    if (!edge->searched && !http1_head_may_begin(bytes, count)) {
        refuse(w, edge, EDGE_NOT_HTTP, METHOD_NONE);
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
        refuse(w, edge, head_bytes == HEAD_END_TOO_LARGE ? HEAD_TOO_LARGE : HEAD_BAD_LINE_END, METHOD_NONE);
        return;
    }
    http1_head *head = &w->heads[w->head_count];
    int verdict = http1_head_scan(bytes, (uint32_t)head_bytes, &w->settings.http1, head);
    if (verdict != HEAD_PLAIN) {
        refuse(w, edge, (uint16_t)verdict, head->method);
        return;
    }
    uint32_t whole = head->head_bytes + head->body_bytes;
    if (count < whole) {
        edge->needed = whole;
        wait_for_more(w, edge, bytes, count, head->body_bytes);
    } else if (input_hold(w, &edge->in, bytes + whole, count - whole) < 0) {
        edge_close(w, edge);
    } else {
        begin(w, edge, bytes, head);
    }
}

static void read_requests(wire *w, edge_connection *edge)
{
    uint8_t *start;
    ssize_t count = input_receive(w, edge->descriptor, &edge->in, edge->needed, EDGE_READ_BYTES, &w->counters.edge_bytes_in,
                                  &edge->is_unread, &start);
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != ENOBUFS && errno != EINTR)) {
        edge_close(w, edge);
        return;
    }
    edge->is_unread |= edge->has_ended;
    if (edge->is_unread)
        look_again(w, edge);
    if (count > 0)
        take_request(w, edge, start, (uint32_t)count);
}

/* A client that sends more while its request is worked on. At the bound the rest is left in its socket, and TCP holds it back. */
static void read_ahead(wire *w, edge_connection *edge)
{
    uint32_t most = w->settings.http1.head_bytes_max + w->settings.http1.body_bytes_max;
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
            w->counters.edge_bytes_in += (uint64_t)count;
        }
    }
}

/* A client that has closed, even if only its own direction, is taken to be gone: so do nginx and HAProxy, and nothing else tells
 * a service early that nobody waits. */
static void close_if_waiting(wire *w, edge_connection *edge, uint32_t generation)
{
    if (edge->item.is_taken && edge->item.generation == generation && edge->exchange)
        edge_close(w, edge);
}

void edge_ready(wire *w, edge_connection *edge, uint32_t epoll_events)
{
    uint32_t generation = edge->item.generation;
    if (epoll_events & ~(uint32_t)EPOLLOUT)
        edge->is_unread = 1;
    if (epoll_events & EPOLLRDHUP)
        edge->has_ended = 1;
    if (edge->is_lingering) {
        go_on_lingering(w, edge);
    } else if (epoll_events & (EPOLLERR | EPOLLHUP)) {
        edge_close(w, edge);
    } else if (edge->out.bytes) {
        if (epoll_events & EPOLLOUT)
            go_on_writing(w, edge);
    } else if (edge->exchange) {
        if (epoll_events & EPOLLRDHUP)
            edge_close(w, edge);
        else if (edge->is_unread)
            read_ahead(w, edge);
    } else if (edge->is_unread && !edge->is_resumed) {
        read_requests(w, edge);
        if (epoll_events & EPOLLRDHUP)
            close_if_waiting(w, edge, generation);
    }
}

static int is_reading(const edge_connection *edge)
{
    return !edge->exchange && !edge->out.bytes && !edge->is_lingering;
}

/* Looks at what is held first, so that requests stay in order; a socket with more is read with it. What turns out not to be whole is
 * read on at once, since no event will tell of what the socket holds already. */
static void look_at_rest(wire *w, edge_connection *edge)
{
    uint8_t *start;
    uint32_t held = edge->in.count, generation = edge->item.generation;
    if (!is_reading(edge))
        return; /* it is looked at again when that is over */
    if (edge->is_unread && (held <= SMALL_INPUT_BYTES || held < edge->needed)) {
        read_requests(w, edge);
        if (!edge->item.is_taken || edge->item.generation != generation || edge->in.count != held || !is_reading(edge) || !held)
            return;
    }
    uint32_t count = input_recall(w, &edge->in, &start);
    if (!count) {
        if (edge->in.count)
            look_again(w, edge);
        return;
    }
    take_request(w, edge, start, count);
    if (edge->item.is_taken && edge->item.generation == generation && edge->in.count == count && edge->is_unread)
        read_requests(w, edge);
}

/* The end may have been told of while an answer was on its way out: then nobody waits for the next one. */
static void resume(wire *w, edge_connection *edge)
{
    uint32_t generation = edge->item.generation;
    look_at_rest(w, edge);
    if (edge->has_ended)
        close_if_waiting(w, edge, generation);
}

/* Each connection once: one that still has more is listed again, for the next time. */
void edge_resume(wire *w)
{
    edge_connection *last = NULL;
    for (edge_connection *edge = w->resumed; edge; edge = edge->next_resumed)
        last = edge;
    while (w->resumed && wire_event_room(w)) {
        edge_connection *edge = w->resumed;
        int is_last = edge == last;
        unlink_resumed(w, edge);
        w->was_active = 1;
        resume(w, edge);
        if (is_last)
            return;
    }
}

static void give_up_waiting(wire *w, edge_connection *edge)
{
    if (edge->started_us && !edge->out.bytes && !edge->is_lingering) {
        refuse(w, edge, edge->needed ? EDGE_BODY_TIMEOUT : EDGE_HEAD_TIMEOUT, METHOD_NONE);
        return;
    }
    w->counters.edge_write_timeouts += edge->out.bytes != NULL;
    w->counters.edge_idle_closed += !edge->out.bytes && !edge->is_lingering;
    edge_close(w, edge);
}

void edge_expire(wire *w, edge_connection *edge)
{
    if (edge->due_ms == UINT64_MAX)
        return; /* set_due arms the timer again */
    if (wire_now_ms(w) < edge->due_ms)
        timer_set(&w->timers, &edge->timer, edge->due_ms);
    else
        give_up_waiting(w, edge);
}

void edge_drain(wire *w)
{
    w->is_draining = 1;
    for (uint32_t slot = 0; slot < w->edges.made; slot++) {
        edge_connection *edge = slab_at(&w->edges, slot);
        if (edge && !edge->exchange && !edge->started_us && !edge->in.count && !edge->out.bytes && !edge->is_lingering)
            edge_close(w, edge);
    }
}
