/* Clients' connections: their life.
 *
 * A connection is reading (no exchange, nothing to write), busy (its request is with the caller or a service), writing (an answer
 * that the socket did not take whole) or lingering (answered and half closed, so that the client can read the answer). Requests
 * are taken one at a time: what is pipelined behind is held, up to a bound, and looked at when the answer is out.
 * edge_request.c: from bytes to a request; edge_answer.c: from an answer to bytes; edge_tls.c: what is between these and the socket when
 * the client speaks TLS. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire_internal.h"

/* Something is due at that time, and nothing before. The timer is moved only when it would come too late: most of what is due is put
 * off by the next request, long before, and edge_expire looks at due_ms again. */
void edge_set_due(wire *w, edge_connection *edge, uint64_t at_ms)
{
    edge->due_ms = at_ms;
    if (!timer_is_set(&edge->timer) || at_ms < edge->timer.tick * TIMER_TICK_MS)
        timer_set(&w->timers, &edge->timer, at_ms);
}

/* Nothing is due while a request is worked on: its own deadline counts. */
void edge_set_nothing_due(edge_connection *edge)
{
    edge->due_ms = UINT64_MAX;
}

/* Jitter, so that connections that were opened together do not close, and come back, together. */
static uint32_t draw(wire *w, uint32_t middle)
{
    uint64_t spread = (uint64_t)middle * w->settings.idle_jitter_percent / 100;
    uint64_t drawn = middle - spread + (spread ? wire_random(w) % (2 * spread + 1) : 0);
    return drawn < UINT32_MAX ? (uint32_t)drawn : UINT32_MAX - 1;
}

/* More than an address may have. Said once, without reading: the client finds it when it looks for its answer. */
static void turn_away(wire *w, int descriptor, int is_tls)
{
    static const char answer[] = "HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    w->counters.edge_refused_by_address++;
    ssize_t ignored = is_tls ? 0 : send(descriptor, answer, sizeof answer - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)ignored;
    close(descriptor);
}

static void set_bounds(wire *w, edge_connection *edge)
{
    const wire_settings *s = &w->settings;
    edge->idle_ms = draw(w, s->idle_ms);
    edge->requests_left = s->connection_requests_max ? draw(w, s->connection_requests_max) : UINT32_MAX;
    edge->requests_left += !edge->requests_left;
    edge->closes_at_ms = w->is_draining ? wire_now_ms(w) : s->connection_age_ms ? wire_in_ms(w, draw(w, s->connection_age_ms)) : UINT64_MAX;
}

/* Idle connections end when their time is up, or when they have become old, or are to go. One that was in use a moment ago may be about to
 * say something: to close it then would lose that, so it is given a little time, and told with its next answer. */
void edge_set_idle(wire *w, edge_connection *edge)
{
    uint64_t idle_until_ms = wire_in_ms(w, edge->idle_ms), quiet_at_ms = wire_in_ms(w, w->quiet_ms);
    uint64_t closes_at_ms = edge->closes_at_ms < quiet_at_ms ? quiet_at_ms : edge->closes_at_ms;
    edge_set_due(w, edge, idle_until_ms < closes_at_ms ? idle_until_ms : closes_at_ms);
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

/* There is input, held or in the socket, of which no event will tell. */
void edge_look_again(wire *w, edge_connection *edge)
{
    if (edge->is_resumed)
        return;
    edge->is_resumed = 1;
    edge->next_resumed = NULL;
    *w->resumed_end = edge;
    w->resumed_end = &edge->next_resumed;
    wire_wake(w);
}

/* Takes the descriptor over in any case: without a place for it, it is closed. */
int edge_adopt(wire *w, int descriptor, int is_tls)
{
    edge_address address = address_of(descriptor);
    if (!address_enter(w, &address)) {
        turn_away(w, descriptor, is_tls);
        return WIRE_NO_ROOM;
    }
    edge_connection *edge = is_tls && !edge_tls_enter(w) ? NULL : slab_take(&w->edges);
    if (!edge) {
        address_leave(w, &address);
        close(descriptor);
        return WIRE_NO_ROOM;
    }
    int on = 1;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* fails on a socket that is not TCP: no matter */
    edge->descriptor = descriptor;
    edge->timer.kind = TIMER_EDGE;
    edge->address = address;
    edge->is_tls = (uint8_t)is_tls;
    set_bounds(w, edge);
    w->counters.edge_open_now++;
    if (wire_watch(w, descriptor, EPOLL_CTL_ADD, WATCH_CONNECTION, SOURCE_EDGE, &edge->item) < 0) {
        edge_close(w, edge);
        return WIRE_SYSTEM;
    }
    if (is_tls)
        edge_set_due(w, edge, wire_in_ms(w, w->settings.tls_handshake_ms));
    else
        edge_set_idle(w, edge);
    return WIRE_OK;
}

/* It is handed over: nothing is watched, nothing is due. What was read of it stays held for the caller. */
void edge_take_away(wire *w, edge_connection *edge)
{
    wire_watch(w, edge->descriptor, EPOLL_CTL_DEL, 0, SOURCE_EDGE, &edge->item);
    if (edge->is_resumed)
        unlink_resumed(w, edge);
    timer_clear(&edge->timer);
    edge_set_nothing_due(edge);
    edge->needed = edge->searched = 0;
    edge->is_away = 1;
    w->counters.handed_over++;
    w->counters.handed_over_now++;
}

/* It is given back, with what came behind the request. 0, or -1 when it cannot be watched or there is no memory. */
int edge_watch_again(wire *w, edge_connection *edge, const uint8_t *bytes, uint32_t count)
{
    edge->is_away = 0;
    edge->is_unread = 0; /* what the socket holds is told when it is watched again */
    if (wire_watch(w, edge->descriptor, EPOLL_CTL_ADD, WATCH_CONNECTION, SOURCE_EDGE, &edge->item) < 0)
        return -1;
    return count ? input_hold(w, &edge->in, bytes, count) : 0;
}

/* The same between two requests. */
int edge_take_back(wire *w, edge_connection *edge, const uint8_t *bytes, uint32_t count)
{
    edge->started_us = 0;
    if (edge_watch_again(w, edge, bytes, count) < 0)
        return -1;
    edge_set_idle(w, edge);
    if (count)
        edge_look_again(w, edge);
    return 0;
}

static void count_bound(wire *w, const edge_connection *edge)
{
    if (!edge->requests_left)
        w->counters.edge_requests_reached++;
    else if (edge_is_over_bytes(w, edge))
        w->counters.edge_bytes_reached++;
    else if (!w->is_draining && wire_now_ms(w) >= edge->closes_at_ms)
        w->counters.edge_age_reached++;
}

/* Its exchange, if there is one, has lost its client; the caller is told. */
void edge_close(wire *w, edge_connection *edge)
{
    count_bound(w, edge);
    if (edge->exchange) {
        edge->exchange->edge = NULL;
        w->counters.clients_gone++;
        wire_add_event(w, EVENT_CLIENT_GONE)->exchange = exchange_id(edge->exchange);
    }
    if (edge->is_resumed)
        unlink_resumed(w, edge);
    if (edge->is_tls)
        edge_tls_leave(w, edge);
    timer_clear(&edge->timer);
    input_drop(w, &edge->in);
    output_drop(w, &edge->out);
    close(edge->descriptor);
    address_leave(w, &edge->address);
    w->counters.edge_open_now--;
    w->counters.edge_closed++;
    slab_give(&w->edges, edge);
    wire_resume_accepting(w, SOCKET_EDGE);
}

/* A client that has closed, even if only its own direction, is taken to be gone: so do nginx and HAProxy, and nothing else tells
 * a service early that nobody waits. */
static void close_if_waiting(wire *w, edge_connection *edge, uint32_t generation)
{
    if (slab_is_taken(&edge->item) && edge->item.generation == generation && edge->exchange)
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
        edge_go_on_lingering(w, edge);
    } else if (epoll_events & (EPOLLERR | EPOLLHUP)) {
        edge_close(w, edge);
    } else if (edge_is_writing(edge)) {
        if (epoll_events & EPOLLOUT && edge->out.bytes)
            edge_go_on_writing(w, edge);
    } else if (edge->exchange) {
        if (epoll_events & EPOLLRDHUP)
            edge_close(w, edge);
        else if (edge->is_unread)
            edge_read_ahead(w, edge);
    } else if (edge->is_unread && !edge->is_resumed) {
        edge_read_requests(w, edge);
        if (epoll_events & EPOLLRDHUP)
            close_if_waiting(w, edge, generation);
    }
}

/* Looks at what is held first, so that requests stay in order; a socket with more is read with it. What turns out not to be whole is
 * read on at once, since no event will tell of what the socket holds already. */
static void look_at_rest(wire *w, edge_connection *edge)
{
    uint8_t *start;
    uint32_t held = edge->in.count, generation = edge->item.generation;
    if (!edge_is_reading(edge))
        return; /* it is looked at again when that is over */
    if (edge->is_unread && (held <= SMALL_INPUT_BYTES || held < edge->needed)) {
        edge_read_requests(w, edge);
        if (!slab_is_taken(&edge->item) || edge->item.generation != generation || edge->in.count != held || !edge_is_reading(edge) || !held)
            return;
    }
    uint32_t count = input_recall(w, &edge->in, &start);
    if (!count) {
        if (edge->in.count)
            edge_look_again(w, edge);
        return;
    }
    edge_take_request(w, edge, start, count);
    if (slab_is_taken(&edge->item) && edge->item.generation == generation && edge_is_reading(edge) && edge->in.count == count && edge->is_unread)
        edge_read_requests(w, edge);
}

/* The end may have been told of while an answer was on its way out: then nobody waits for the next one. */
static void resume(wire *w, edge_connection *edge)
{
    if (edge->is_broken) {
        edge_close(w, edge);
        return;
    }
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
    if (edge->is_tls && edge_tls_give_up(w, edge))
        return;
    if (edge->started_us && !edge_is_writing(edge) && !edge->is_lingering) {
        edge_refuse(w, edge, edge->needed ? EDGE_BODY_TIMEOUT : EDGE_HEAD_TIMEOUT, METHOD_NONE);
        return;
    }
    w->counters.edge_write_timeouts += edge_is_writing(edge);
    w->counters.edge_idle_closed += !edge_is_writing(edge) && !edge->is_lingering;
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

/* Each connection gets a moment of its own, so that clients do not all come back, elsewhere, in the same one. An idle one closes when
 * it has been quiet for EDGE_QUIET_MS, or for half of a spread that is shorter than twice that. */
void edge_drain(wire *w, uint32_t spread_ms)
{
    w->is_draining = 1;
    w->quiet_ms = spread_ms / 2 < EDGE_QUIET_MS ? spread_ms / 2 : EDGE_QUIET_MS;
    for (uint32_t slot = 0; slot < w->edges.made; slot++) {
        edge_connection *edge = slab_at(&w->edges, slot);
        if (!edge)
            continue;
        uint64_t closes_at_ms = wire_in_ms(w, spread_ms ? (uint32_t)(wire_random(w) % spread_ms) : 0);
        if (closes_at_ms < edge->closes_at_ms)
            edge->closes_at_ms = closes_at_ms;
        if (edge->is_away || !edge_is_reading(edge) || edge->started_us || edge->in.count || (edge->is_tls && !edge->is_secured))
            continue;
        int is_now = !w->quiet_ms && edge_is_to_close(w, edge);
        if (is_now && edge->is_tls)
            edge_tls_say_goodbye(w, edge);
        else if (is_now)
            edge_close(w, edge);
        else
            edge_set_idle(w, edge);
    }
    if (w->listed)
        wire_wake(w); /* for what is to be encrypted */
}
