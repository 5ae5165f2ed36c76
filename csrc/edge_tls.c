/* Clients that speak TLS. The wire moves ciphertext and plaintext; what turns the one into the other is the caller's business.
 *
 *     socket -> arena -> EVENT_TLS_INPUT -> (decrypted) -> wire_tls_feed -> as if received: a request of the same batch
 *     answer -> plain -> wire_tls_pending -> (encrypted) -> wire_tls_send -> socket
 *
 * Plaintext of answers is collected in memory of the wire's, w->plain, so that the caller finds it in one place; what finds no room
 * there is held by its connection until there is. A connection that is idle holds nothing here. Calls that come between two steps yield
 * no CLIENT_GONE at once: the connection is marked as broken, and the next step closes it. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "wire_internal.h"

/* A connection that the caller may speak about: not one that is handed over, broken, or read only to be thrown away. */
static edge_connection *find_tls(const wire *w, uint32_t handle)
{
    edge_connection *edge = slab_at(&w->edges, handle & ((1u << EDGE_SLOT_BITS) - 1));
    if (!edge || !edge->is_tls || edge_handle(edge) != handle)
        return NULL;
    return edge->is_away || edge->is_broken || edge->is_lingering ? NULL : edge;
}

static void break_off(wire *w, edge_connection *edge)
{
    edge->is_broken = 1;
    edge_look_again(w, edge);
}

/* ---- input ---- */

/* Whether a request is worked on and no more of what follows it is to be read: there is enough, or whoever takes the connection over is to
 * read it, since ciphertext that the caller has not decrypted by then would be nobody's. */
static int leaves_the_rest(const wire *w, const edge_connection *edge)
{
    return edge->exchange && (edge->in.count >= edge_read_ahead_max(w) || edge->exchange->is_streamed);
}

/* One recv; what is left in the socket is looked at again. While a request is worked on, reading stops at the bound for what is read
 * ahead: the rest stays in the socket, and TCP holds the client back. */
void edge_tls_read(wire *w, edge_connection *edge)
{
    if (leaves_the_rest(w, edge))
        return;
    if (!wire_event_room(w) || WIRE_ARENA_BYTES - w->arena_used < EDGE_READ_BYTES) {
        edge_look_again(w, edge);
        return;
    }
    ssize_t count = recv(edge->descriptor, w->arena + w->arena_used, EDGE_READ_BYTES, MSG_DONTWAIT);
    if (count < EDGE_READ_BYTES)
        edge->is_unread = edge->has_ended;
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) {
        edge_close(w, edge);
        return;
    }
    if (edge->is_unread)
        edge_look_again(w, edge);
    if (count < 0)
        return;
    wire_event *event = wire_add_event(w, EVENT_TLS_INPUT);
    event->connection = edge_handle(edge);
    event->flags = !edge->received;
    event->at = w->arena_used;
    event->bytes = (uint32_t)count;
    w->arena_used += (uint32_t)count;
    edge->received += (uint64_t)count;
    w->counters.edge_bytes_in += (uint64_t)count;
}

/* For a request, or for a refusal, which is told by the next step: what that can put off no longer must leave room there. */
static int has_room_for_request(const wire *w, uint32_t bytes)
{
    return w->head_count < WIRE_EVENTS_MAX && w->event_count < WIRE_EVENTS_MAX &&
           w->event_count - w->events_told + EVENTS_RESERVED < WIRE_EVENTS_MAX && WIRE_ARENA_BYTES - w->arena_used >= bytes;
}

/* Joins what is held with what comes, in the arena, as input_receive does. */
static void take(wire *w, edge_connection *edge, const uint8_t *plain, uint32_t count)
{
    uint8_t *start = w->arena + w->arena_used;
    uint32_t held = edge->in.count;
    if (held)
        memcpy(start, edge->in.bytes, held);
    memcpy(start + held, plain, count);
    w->arena_used += held + count;
    input_drop(w, &edge->in);
    edge_take_request(w, edge, start, held + count);
}

/* Holds it behind what is held already. The buffer doubles, so that many small records do not move it again and again. 0, or -1. */
static int hold_behind(wire *w, held_input *in, const uint8_t *plain, uint32_t count)
{
    uint32_t whole = in->count + count, doubled = 2 * in->capacity;
    if (whole > in->capacity && input_reserve(w, in, whole > doubled ? whole : doubled) < 0)
        return -1;
    memcpy(in->bytes + in->count, plain, count);
    in->count = whole;
    return 0;
}

int wire_tls_feed(wire *w, uint32_t connection, const uint8_t *plain, uint32_t count)
{
    edge_connection *edge = find_tls(w, connection);
    if (!edge)
        return WIRE_NO_CONNECTION;
    if (!edge->is_secured) {
        edge->is_secured = 1;
        edge_set_idle(w, edge);
    }
    if (!count)
        return WIRE_OK;
    uint32_t whole = edge->in.count + count;
    int is_wanted = edge_is_reading(edge) && whole >= edge->needed;
    if (is_wanted && has_room_for_request(w, whole)) {
        take(w, edge, plain, count);
        return WIRE_OK;
    }
    if (hold_behind(w, &edge->in, plain, count) < 0) {
        break_off(w, edge);
        return WIRE_NO_ROOM;
    }
    if (is_wanted)
        edge_look_again(w, edge);
    return WIRE_OK;
}

/* ---- output ---- */

static void list(wire *w, edge_connection *edge)
{
    edge->tls_output = TLS_OUTPUT_LISTED;
    edge->next_listed = NULL;
    *w->listed_end = edge;
    w->listed_end = &edge->next_listed;
}

static void forget_answer(wire *w, edge_connection *edge)
{
    if (!edge->answer)
        return;
    input_drop(w, &edge->answer->held);
    free(edge->answer);
    edge->answer = NULL;
}

static void unlist(wire *w, edge_connection *edge)
{
    edge_connection **at = &w->listed;
    if (edge->tls_output != TLS_OUTPUT_LISTED)
        return;
    while (*at != edge)
        at = &(*at)->next_listed;
    *at = edge->next_listed;
    if (!*at)
        w->listed_end = at;
}

/* Room for the plaintext of one answer: in the wire's own memory, or held by the connection. NULL when there is none. */
static uint8_t *reserve_plain(wire *w, edge_connection *edge, uint32_t count)
{
    tls_answer *answer = edge->answer = calloc(1, sizeof *answer);
    if (!answer)
        return NULL;
    answer->bytes = count;
    if (!w->plain_is_full && count <= TLS_PLAIN_BYTES - w->plain_used) {
        answer->at = w->plain_used;
        w->plain_used += count;
        return w->plain + answer->at;
    }
    w->plain_is_full = 1; /* and stays so until all of it is given: what is held is given after it, in order */
    if (count > TLS_PLAIN_BYTES || input_reserve(w, &answer->held, count) < 0)
        return NULL;
    answer->held.count = count;
    return answer->held.bytes;
}

/* The answer's head is in scratch, as for edge_write_answer. */
void edge_tls_write(wire *w, edge_connection *edge, uint32_t head_bytes, const uint8_t *body, uint32_t body_bytes)
{
    uint8_t *out = reserve_plain(w, edge, head_bytes + body_bytes);
    if (!out) {
        edge_close(w, edge);
        return;
    }
    memcpy(out, w->scratch, head_bytes);
    if (body_bytes)
        memcpy(out + head_bytes, body, body_bytes);
    list(w, edge);
    edge_set_due(w, edge, wire_in_ms(w, w->settings.write_ms));
}

/* Closes an idle connection in good order: with close_notify, and then the socket (RFC 8446, section 6.1). */
void edge_tls_say_goodbye(wire *w, edge_connection *edge)
{
    edge->closes = 1;
    list(w, edge);
    edge_set_due(w, edge, wire_in_ms(w, w->settings.linger_ms));
}

/* 1 when the plaintext lies in the wire's memory now. */
static int recall_plain(wire *w, edge_connection *edge)
{
    tls_answer *answer = edge->answer;
    if (!answer || !answer->held.bytes)
        return 1;
    if (answer->bytes > TLS_PLAIN_BYTES - w->plain_used)
        return 0;
    answer->at = w->plain_used;
    memcpy(w->plain + w->plain_used, answer->held.bytes, answer->bytes);
    w->plain_used += answer->bytes;
    input_drop(w, &answer->held);
    return 1;
}

uint32_t wire_tls_pending(wire *w)
{
    uint32_t count = 0;
    if (!w->listed)
        w->plain_is_full = 0;
    if (!w->listed || (w->listed->answer && w->listed->answer->held.bytes)) /* then nothing that is listed lies in the wire's memory */
        w->plain_used = 0;
    while (w->listed && count < WIRE_TLS_OUTPUTS_MAX && recall_plain(w, w->listed)) {
        edge_connection *edge = w->listed;
        w->listed = edge->next_listed;
        edge->tls_output = TLS_OUTPUT_GIVEN;
        const tls_answer *answer = edge->answer;
        w->tls_outputs[count++] = (wire_tls_output){edge_handle(edge), answer ? answer->at : 0, answer ? answer->bytes : 0, edge->closes};
        forget_answer(w, edge);
    }
    if (!w->listed)
        w->listed_end = &w->listed;
    return count;
}

const wire_tls_output *wire_tls_outputs(const wire *w)
{
    return w->tls_outputs;
}

const uint8_t *wire_tls_plain(const wire *w)
{
    return w->plain;
}

/* All that was to be sent is out. */
void edge_tls_written(wire *w, edge_connection *edge)
{
    if (edge->tls_output == TLS_OUTPUT_SEALED) {
        edge->tls_output = TLS_OUTPUT_NONE;
        edge_answered(w, edge);
    } else if (edge_is_reading(edge) && (edge->in.count || edge->is_unread)) {
        edge_look_again(w, edge);
    }
}

/* 0, or -1 when the socket is broken or there is no memory. */
static int send_or_hold(wire *w, edge_connection *edge, const uint8_t *cipher, uint32_t count)
{
    ssize_t sent = edge->out.bytes || !count ? 0 : send(edge->descriptor, cipher, count, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR)
        return -1;
    sent = sent < 0 ? 0 : sent;
    w->counters.edge_bytes_out += (uint64_t)sent;
    uint32_t rest = count - (uint32_t)sent;
    if (!rest)
        return 0;
    uint8_t *out = output_reserve(w, &edge->out, rest, rest);
    if (!out)
        return -1;
    memcpy(out, cipher + sent, rest);
    return 0;
}

int wire_tls_send(wire *w, uint32_t connection, const uint8_t *cipher, uint32_t count, int ends)
{
    edge_connection *edge = find_tls(w, connection);
    if (!edge)
        return WIRE_NO_CONNECTION;
    if (send_or_hold(w, edge, cipher, count) < 0) {
        break_off(w, edge);
        return WIRE_SYSTEM;
    }
    if (!ends || edge->tls_output != TLS_OUTPUT_GIVEN)
        return WIRE_OK;
    edge->tls_output = TLS_OUTPUT_SEALED;
    if (edge->out.bytes)
        edge_set_due(w, edge, wire_in_ms(w, w->settings.write_ms));
    else
        edge_tls_written(w, edge);
    return WIRE_OK;
}

/* ---- the end ---- */

int wire_tls_end(wire *w, uint32_t connection)
{
    edge_connection *edge = find_tls(w, connection);
    if (!edge)
        return WIRE_NO_CONNECTION;
    if (edge->exchange) {
        break_off(w, edge);
        return WIRE_OK;
    }
    unlist(w, edge);
    forget_answer(w, edge);
    edge->closes = edge->lingers = 1;
    edge->tls_output = TLS_OUTPUT_SEALED;
    if (edge->out.bytes)
        edge_set_due(w, edge, wire_in_ms(w, w->settings.write_ms));
    else
        edge_tls_written(w, edge);
    return WIRE_OK;
}

/* Its time is up. 1 when that is seen to, 0 when it is as with any other connection. */
int edge_tls_give_up(wire *w, edge_connection *edge)
{
    if (!edge->is_secured && !edge->is_lingering && edge->tls_output == TLS_OUTPUT_NONE) {
        edge->has_timed_out = 1;
        edge_close(w, edge);
        return 1;
    }
    if (!edge_is_reading(edge) || edge->started_us)
        return 0;
    w->counters.edge_idle_closed++;
    edge_tls_say_goodbye(w, edge);
    return 1;
}

/* A place for the end to be told from; there is one for each connection. */
int edge_tls_enter(wire *w)
{
    if (w->tls_now + w->closed_count >= w->settings.edge_connections_max)
        return 0;
    w->tls_now++;
    return 1;
}

void edge_tls_leave(wire *w, edge_connection *edge)
{
    unlist(w, edge);
    forget_answer(w, edge);
    w->tls_now--;
    w->closed[w->closed_count++] = (closed_tls){edge_handle(edge), edge->has_timed_out ? TLS_CLOSED_HANDSHAKE_TIMEOUT : 0};
}

void edge_tls_tell_closed(wire *w)
{
    while (w->closed_count && wire_event_room(w)) {
        closed_tls one = w->closed[--w->closed_count];
        wire_event *event = wire_add_event(w, EVENT_TLS_CLOSED);
        event->connection = one.connection;
        event->detail = (uint16_t)one.cause;
    }
}
