/* Framed connections: frames in, answers to the clients that wait, frames out. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire_internal.h"

/* NULL for one that is dying, too: its handle is void from the first sign of trouble. */
framed_connection *framed_find(const wire *w, uint32_t handle)
{
    framed_connection *framed = slab_find(&w->framed, handle & ((1u << FRAMED_SLOT_BITS) - 1), handle >> FRAMED_SLOT_BITS);
    return framed && !framed->cause ? framed : NULL;
}

/* Takes the descriptor over in any case. NULL with errno when there is no place for it. */
framed_connection *framed_adopt(wire *w, int descriptor, int dialled)
{
    framed_connection *framed = slab_take(&w->framed);
    if (!framed) {
        close(descriptor);
        errno = ENOSPC;
        return NULL;
    }
    int on = 1;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* fails on a socket that is not TCP: no matter */
    uint32_t slot = framed->item.slot;
    framed->descriptor = descriptor;
    framed->handle = framed->item.generation << FRAMED_SLOT_BITS | slot;
    framed->dialled = dialled != 0;
    w->in_flight[slot] = w->unsent[slot] = 0;
    w->latency_us[slot] = 0;
    w->latency_samples[slot] = 0;
    w->latency_at_us[slot] = w->now_us;
    figures_begin_instance(w, framed->handle);
    if (wire_watch(w, descriptor, EPOLL_CTL_ADD, WATCH_CONNECTION, SOURCE_FRAMED, &framed->item) < 0) {
        int error = errno;
        close(descriptor);
        slab_give(&w->framed, framed);
        errno = error;
        return NULL;
    }
    w->counters.framed_open_now++;
    return framed;
}

/* Closes the socket at once; its exchanges and its slot are given back by framed_bury as the batch has room. */
void framed_fail(wire *w, framed_connection *framed, enum wire_close_cause cause)
{
    if (framed->cause)
        return;
    framed->cause = (uint8_t)cause;
    close(framed->descriptor);
    framed->descriptor = -1;
    input_drop(w, &framed->in);
    output_drop(w, &framed->out);
    w->unsent[framed->item.slot] = 0;
    framed->next_dying = w->dying;
    w->dying = framed;
    wire_wake(w);
    w->counters.framed_open_now--;
    w->counters.framed_closed++;
}

static void unlink_dirty(wire *w, const framed_connection *framed)
{
    framed_connection **at = &w->dirty;
    while (*at != framed)
        at = &(*at)->next_dirty;
    *at = framed->next_dirty;
}

static void unlink_ready(wire *w, const framed_connection *framed)
{
    framed_connection **at = &w->ready;
    while (*at != framed)
        at = &(*at)->next_ready;
    *at = framed->next_ready;
    if (!*at)
        w->ready_end = at;
}

/* Somebody waited for room, and there is some: the next step tells. */
static void list_roomy(wire *w, framed_connection *framed)
{
    framed->wants_room = 0;
    if (framed->is_roomy)
        return; /* asked for again before it was told */
    framed->is_roomy = 1;
    framed->next_roomy = w->roomy;
    w->roomy = framed;
    wire_wake(w);
}

void framed_tell_room(wire *w)
{
    while (w->roomy && wire_event_room(w)) {
        framed_connection *framed = w->roomy;
        w->roomy = framed->next_roomy;
        framed->is_roomy = 0;
        wire_add_event(w, EVENT_FRAMED_ROOM)->connection = framed->handle;
    }
}

static void unlink_roomy(wire *w, const framed_connection *framed)
{
    framed_connection **at = &w->roomy;
    while (*at != framed)
        at = &(*at)->next_roomy;
    *at = framed->next_roomy;
}

void framed_bury(wire *w)
{
    while (w->dying) {
        framed_connection *framed = w->dying;
        while (framed->exchanges) {
            if (!wire_event_room(w))
                return;
            exchange *x = framed->exchanges;
            x->outcome = ATTEMPT_LOST;
            exchange_detach(w, x);
            wire_event *event = wire_add_event(w, EVENT_LOST);
            event->exchange = exchange_id(x);
            event->connection = framed->handle;
            event->detail = framed->cause;
            event->flags = x->frame_end > framed->flushed ? LOST_UNSENT : 0;
            event->a = x->gauge;
        }
        if (!wire_event_room(w))
            return;
        wire_event *event = wire_add_event(w, EVENT_FRAMED_CLOSED);
        event->connection = framed->handle;
        event->detail = framed->cause;
        event->flags = framed->frame_error;
        if (framed->is_dirty)
            unlink_dirty(w, framed);
        if (framed->is_ready)
            unlink_ready(w, framed);
        if (framed->is_roomy)
            unlink_roomy(w, framed);
        w->dying = framed->next_dying;
        slab_give(&w->framed, framed);
        wire_resume_accepting(w, SOCKET_FRAMED);
    }
}

uint8_t *framed_write(wire *w, framed_connection *framed, uint32_t bytes)
{
    uint32_t held = framed->out.end - framed->out.start;
    if (bytes > w->settings.framed_output_bytes_max || held > w->settings.framed_output_bytes_max - bytes)
        return NULL;
    return framed_write_beyond(w, framed, bytes);
}

uint8_t *framed_write_beyond(wire *w, framed_connection *framed, uint32_t bytes)
{
    uint32_t held = framed->out.end - framed->out.start;
    uint8_t *room = output_reserve(w, &framed->out, bytes, FRAMED_OUTPUT_BYTES_FIRST);
    if (!room)
        return NULL;
    w->unsent[framed->item.slot] = held + bytes;
    framed->written += bytes;
    if (!framed->is_dirty) {
        framed->is_dirty = 1;
        framed->next_dirty = w->dirty;
        w->dirty = framed;
    }
    return room;
}

/* An error of sending is left for the receiving side to find: what the peer said before it went is still worth reading. */
void framed_flush(wire *w, framed_connection *framed)
{
    uint64_t sent = 0;
    int result = output_send(framed->descriptor, &framed->out, &sent);
    framed->flushed += sent;
    w->counters.framed_bytes_out += sent;
    if (result < 0)
        output_drop(w, &framed->out);
    uint32_t unsent = framed->out.end - framed->out.start;
    w->unsent[framed->item.slot] = unsent;
    if (framed->wants_room && unsent <= WIRE_ROOM_BYTES / 2)
        list_roomy(w, framed);
}

/* The last word to a peer whose frames cannot be read: FAULT protocol_error, as docs/protocol.md asks. */
static void say_fault(wire *w, framed_connection *framed)
{
    static const char text[] = "malformed frame, error 0 of enum frame_error";
    enum { CODE_PROTOCOL_ERROR = 1, DIGIT_AT = 23, TEXT_BYTES = sizeof text - 1 };
    uint8_t *out = framed_write(w, framed, FRAME_HEADER_BYTES + 4 + TEXT_BYTES);
    if (!out)
        return;
    frame_write_header(out, 4 + TEXT_BYTES, FRAME_FAULT, 0, 0);
    frame_write_u16(out + FRAME_HEADER_BYTES, CODE_PROTOCOL_ERROR);
    frame_write_u16(out + FRAME_HEADER_BYTES + 2, 0);
    memcpy(out + FRAME_HEADER_BYTES + 4, text, TEXT_BYTES);
    out[FRAME_HEADER_BYTES + 4 + DIGIT_AT] = (uint8_t)('0' + framed->frame_error);
    w->counters.frames_out++;
}

/* Closes after a last try to send what waits. What came and was not read would turn the close into a reset, and a reset takes what
 * we said last from the peer: so it is read away first. */
void framed_close(wire *w, framed_connection *framed, enum wire_close_cause cause)
{
    int turns = 16;
    framed_flush(w, framed);
    shutdown(framed->descriptor, SHUT_WR);
    while (turns-- && recv(framed->descriptor, w->scratch, SCRATCH_BYTES, MSG_DONTWAIT) > 0)
        ;
    framed_fail(w, framed, cause);
}

wire_event *framed_add_event(wire *w, const framed_connection *framed, const uint8_t *base, const frame_view *view, int kind)
{
    wire_event *event = wire_add_event(w, kind);
    event->connection = framed->handle;
    event->exchange = view->exchange;
    event->detail = view->type;
    event->flags = view->flags;
    event->at = (uint32_t)(base - w->arena) + view->payload;
    event->bytes = view->payload_bytes;
    return event;
}

static void take_frame(wire *w, framed_connection *framed, const uint8_t *base, const frame_view *view)
{
    if (view->type == FRAME_RESPONSE) {
        framed_take_response(w, framed, base, view);
    } else if (view->type == FRAME_REFUSED) {
        framed_take_refused(w, framed, base, view);
    } else if (view->type == FRAME_REQUEST) {
        wire_event *event = framed_add_event(w, framed, base, view, EVENT_CALL);
        event->detail = view->endpoint;
        event->flags = (uint32_t)view->method | (uint32_t)view->attempt << 8 | (uint32_t)view->flags << 16;
        event->a = view->remaining_ms;
        event->b = (uint32_t)(base - w->arena) + view->target;
        event->c = view->target_bytes;
        event->d = view->body_bytes;
    } else if (view->exchange && framed_is_ours(framed, view->exchange)) {
        stream_take_frame(w, framed, base, view);
    } else {
        framed_add_event(w, framed, base, view, EVENT_FRAME);
    }
}

/* There is more to look at than this batch could take, and no event will tell of it. Whoever is listed first is looked at first. */
static void look_again(wire *w, framed_connection *framed)
{
    if (framed->is_ready)
        return;
    framed->is_ready = 1;
    framed->next_ready = NULL;
    *w->ready_end = framed;
    w->ready_end = &framed->next_ready;
}

/* How many frames may be looked at: each can become an event, and however many come, some room is left for all that is no frame. */
static uint32_t room_for_frames(const wire *w)
{
    uint32_t room = wire_event_room(w);
    return room > EVENTS_BESIDE_FRAMES ? room - EVENTS_BESIDE_FRAMES : 0;
}

static void hold(wire *w, framed_connection *framed, const uint8_t *bytes, uint32_t count)
{
    if (input_hold(w, &framed->in, bytes, count) < 0)
        framed_fail(w, framed, CLOSE_ERROR);
}

/* Looks at bytes[0..count), which begins with a frame and lies in the arena. Whole frames that find no room among the batch's events
 * are held, and looked at first in the next step. */
static void take_frames(wire *w, framed_connection *framed, const uint8_t *bytes, uint32_t count)
{
    frame_scan_result found = {0};
    framed->needed = 0;
    while (count) {
        uint32_t room = room_for_frames(w);
        if (room == 0) {
            look_again(w, framed);
            break;
        }
        frame_scan(bytes, count, w->views, room < VIEWS_MAX ? room : VIEWS_MAX, w->fields, VIEW_FIELDS_MAX, &found);
        for (uint32_t i = 0; i < found.frame_count; i++)
            take_frame(w, framed, bytes, &w->views[i]);
        w->counters.frames_in += found.frame_count;
        w->heard[framed->item.slot] += found.frame_count;
        bytes += found.consumed;
        count -= found.consumed;
        if (found.error) {
            framed->frame_error = (uint8_t)found.error;
            say_fault(w, framed);
            framed_close(w, framed, CLOSE_PROTOCOL);
            return;
        }
        if (found.frame_count == 0) {
            framed->needed = found.needed;
            break;
        }
    }
    hold(w, framed, bytes, count);
}

static void receive(wire *w, framed_connection *framed)
{
    uint8_t *start;
    ssize_t count = input_receive(w, framed->descriptor, &framed->in, framed->needed, FRAMED_READ_BYTES, &w->counters.framed_bytes_in,
                                  &framed->is_unread, &start);
    if (count > 0)
        take_frames(w, framed, start, (uint32_t)count);
    else if (count == 0)
        framed_fail(w, framed, CLOSE_EOF);
    else if (errno != EAGAIN && errno != ENOBUFS && errno != EINTR)
        framed_fail(w, framed, CLOSE_ERROR);
    framed->is_unread |= framed->has_ended;
    if (framed->is_unread && !framed->cause)
        look_again(w, framed);
}

void framed_ready(wire *w, framed_connection *framed, uint32_t epoll_events)
{
    if ((epoll_events & EPOLLOUT) && framed->out.start != framed->out.end)
        framed_flush(w, framed);
    if (!(epoll_events & ~(uint32_t)EPOLLOUT))
        return;
    framed->is_unread = 1;
    if (epoll_events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        framed->has_ended = 1;
    if (!framed->is_ready)
        receive(w, framed);
}

/* What is held comes first, so that frames stay in order; then what the socket holds. A part of a frame is left where it is. */
static void take_held(wire *w, framed_connection *framed)
{
    if (framed->in.count && !framed->needed) {
        uint8_t *start;
        uint32_t count = input_recall(w, &framed->in, &start);
        if (count)
            take_frames(w, framed, start, count);
        else
            look_again(w, framed);
    }
    if (framed->is_unread && !framed->cause && !framed->is_ready)
        receive(w, framed);
}

static framed_connection *take_first_ready(wire *w)
{
    framed_connection *framed = w->ready;
    w->ready = framed->next_ready;
    if (!w->ready)
        w->ready_end = &w->ready;
    framed->is_ready = 0;
    return framed;
}

/* Each connection once: one that still has more is listed again, behind the others. */
void framed_take_ready(wire *w)
{
    framed_connection *last = NULL, *framed = NULL;
    for (framed_connection *listed = w->ready; listed; listed = listed->next_ready)
        last = listed;
    while (framed != last && room_for_frames(w)) {
        framed = take_first_ready(w);
        w->was_active = 1;
        if (!framed->cause)
            take_held(w, framed);
    }
}

/* When nothing happens, nothing is kept for it. */
void framed_release_buffers(wire *w)
{
    for (uint32_t slot = 0; slot < w->framed.made; slot++) {
        framed_connection *framed = slab_at(&w->framed, slot);
        if (framed && framed->out.bytes && framed->out.start == framed->out.end)
            output_drop(w, &framed->out);
    }
}
