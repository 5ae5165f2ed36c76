/* The step, the flush, and small things that the parts share. */
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "wire_internal.h"

/* ---- small things that the parts share ---- */

/* There is room: what can be put off is (wire_event_room), and for what cannot there is a reserve. */
wire_event *wire_add_event(wire *w, enum wire_event_kind kind)
{
    if (w->event_count == WIRE_EVENTS_MAX)
        abort();
    wire_event *event = &w->events[w->event_count++];
    *event = (wire_event){.kind = (uint16_t)kind};
    return event;
}

/* xoroshiro128+ (Blackman and Vigna 2018), seeded by the kernel: for ids and jitter, not for secrets. */
uint64_t wire_random(wire *w)
{
    uint64_t a = w->random[0], b = w->random[1], result = a + b;
    b ^= a;
    w->random[0] = (a << 24 | a >> 40) ^ b ^ (b << 16);
    w->random[1] = b << 37 | b >> 27;
    return result;
}

int wire_watch(wire *w, int descriptor, int operation, uint32_t interest, uint8_t source, const slab_item *item)
{
    struct epoll_event event = {.events = interest};
    event.data.u64 = (uint64_t)source << 56 | (uint64_t)(item->generation & 0xffffff) << 32 | item->slot;
    return epoll_ctl(w->epoll, operation, descriptor, &event);
}

void wire_read_clock(wire *w)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    w->now_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000 + w->clock_offset_us;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if ((uint64_t)now.tv_sec != w->date_second) {
        w->date_second = (uint64_t)now.tv_sec;
        http1_date_write(w->date_second, w->date);
        clock_gettime(CLOCK_REALTIME, &now);
        w->unix_offset_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000 - w->now_us;
    }
}

void wire_wake(wire *w)
{
    if (w->is_stepping || w->timer_armed_ms == 0 || w->timer_descriptor < 0)
        return;
    struct itimerspec at_once = {.it_value = {.tv_nsec = 1}};
    timerfd_settime(w->timer_descriptor, 0, &at_once, NULL);
    w->timer_armed_ms = 0;
}

int wire_descriptor(const wire *w)
{
    return w->epoll;
}

const wire_event *wire_events(const wire *w)
{
    return w->events;
}

const wire_request *wire_requests(const wire *w)
{
    return w->requests;
}

uint32_t wire_request_count(const wire *w)
{
    return w->head_count;
}

const uint8_t *wire_arena(const wire *w)
{
    return w->arena;
}

/* ---- the step ---- */

static void take_timer_tick(wire *w)
{
    uint64_t times;
    ssize_t ignored = read(w->timer_descriptor, &times, sizeof times);
    (void)ignored; /* only made unreadable: what is due is found by the clock */
    w->timer_armed_ms = UINT64_MAX;
}

static void dispatch(wire *w, const struct epoll_event *event)
{
    uint32_t slot = (uint32_t)event->data.u64;
    uint32_t generation = (uint32_t)(event->data.u64 >> 32) & 0xffffff;
    switch (event->data.u64 >> 56) {
    case SOURCE_TIMER:
        take_timer_tick(w);
        break;
    case SOURCE_LISTENER:
        wire_accept(w, slot);
        break;
    case SOURCE_EDGE: {
        edge_connection *edge = slab_find(&w->edges, slot, generation);
        if (edge)
            edge_ready(w, edge, event->events);
        break;
    }
    case SOURCE_FRAMED: {
        framed_connection *framed = slab_find(&w->framed, slot, generation);
        if (framed && !framed->cause)
            framed_ready(w, framed, event->events);
        break;
    }
    default:
        break;
    }
}

static void *owner_of(timer *t, size_t offset)
{
    return (uint8_t *)t - offset;
}

static void tell_expired(wire *w, exchange *x)
{
    int is_early = x->deadline_ms > wire_now_ms(w);
    w->counters.expired += !is_early;
    exchange_measure_expired(w, x);
    if (!x->is_measured)
        x->outcome = is_early ? ATTEMPT_SLOW : ATTEMPT_EXPIRED;
    wire_event *event = wire_add_event(w, EVENT_EXPIRED);
    event->exchange = exchange_id(x);
    event->connection = x->framed ? x->framed->handle : 0;
    event->flags = is_early ? EXPIRED_EARLY : 0;
    event->a = x->gauge;
}

static void expire(wire *w, timer *t)
{
    if (t->kind == TIMER_EDGE) {
        edge_expire(w, owner_of(t, offsetof(edge_connection, timer)));
    } else if (t->kind == TIMER_EXCHANGE) {
        exchange *x = owner_of(t, offsetof(exchange, timer));
        if (x->is_streamed && !x->is_put_off) { /* its answer may have come in this very batch */
            x->is_put_off = 1;
            timer_set(&w->timers, t, wire_now_ms(w));
            return;
        }
        tell_expired(w, x);
    } else {
        wire_resume_accepting(w, SOCKET_EDGE);
        wire_resume_accepting(w, SOCKET_FRAMED);
    }
}

static void expire_timers(wire *w)
{
    timer *t;
    while (wire_event_room(w) && (t = timer_pop(&w->timers, wire_now_ms(w)))) {
        w->was_active = 1;
        expire(w, t);
    }
}

/* One system call at most, and none in the steady state: deadlines that come later than what is armed need none. */
static void arm_timer(wire *w)
{
    uint64_t next_ms = timer_next_ms(&w->timers);
    if (next_ms >= w->timer_armed_ms)
        return;
    uint64_t now_ms = wire_now_ms(w);
    uint64_t wait_ms = next_ms > now_ms ? next_ms - now_ms : 1;
    struct itimerspec at = {.it_value = {.tv_sec = (time_t)(wait_ms / 1000), .tv_nsec = (long)(wait_ms % 1000) * 1000000}};
    timerfd_settime(w->timer_descriptor, 0, &at, NULL);
    w->timer_armed_ms = next_ms;
}

/* epoll_pwait2 knows microseconds; before Linux 5.11 the wait is rounded up to milliseconds. */
static int wait_for_events(int epoll, struct epoll_event *events, uint32_t wait_us)
{
#ifdef SYS_epoll_pwait2
    static int is_missing;
    if (wait_us && !is_missing) {
        struct timespec timeout = {.tv_sec = wait_us / 1000000, .tv_nsec = (long)(wait_us % 1000000) * 1000};
        int count = (int)syscall(SYS_epoll_pwait2, epoll, events, EPOLL_EVENTS, &timeout, NULL, 0);
        if (count >= 0 || errno != ENOSYS)
            return count;
        is_missing = 1;
    }
#endif
    return epoll_wait(epoll, events, EPOLL_EVENTS, (int)((wait_us + 999) / 1000));
}

/* Events that came since the last step go on with this one. */
static void keep_late_events(wire *w)
{
    w->event_count -= w->events_told;
    memmove(w->events, w->events + w->events_told, w->event_count * sizeof *w->events);
    w->events_told = 0;
}

int wire_step(wire *w, uint32_t wait_us)
{
    struct epoll_event ready[EPOLL_EVENTS];
    w->batch++;
    w->counters.steps++;
    w->arena_used = w->context_used = w->head_count = 0;
    keep_late_events(w);
    w->was_active = 0;
    w->is_stepping = 1;
    wire_read_clock(w);
    input_drop(w, &w->handed);
    framed_bury(w);
    framed_tell_room(w);
    edge_tls_tell_closed(w);
    expire_timers(w);
    edge_resume(w);
    framed_take_ready(w); /* last, as only this has no end: a timer expires once, and a client asks again when it was answered */
    w->turn_began_us = w->was_active ? w->now_us : 0;
    int count = wait_for_events(w->epoll, ready, w->event_count || w->head_count || wire_has_more(w) ? 0 : wait_us);
    if (count < 0 && errno != EINTR) {
        w->is_stepping = 0;
        return WIRE_SYSTEM;
    }
    for (int round = 1; count > 0; round++) {
        w->was_active = 1;
        wire_read_clock(w);
        if (!w->turn_began_us)
            w->turn_began_us = w->now_us;
        for (int i = 0; i < count; i++)
            dispatch(w, &ready[i]);
        if (count < ROUND_EVENTS_MIN || round == STEP_ROUNDS_MAX || !wire_event_room(w))
            break;
        count = wait_for_events(w->epoll, ready, 0);
    }
    expire_timers(w);
    framed_bury(w);
    edge_resume(w);
    edge_tls_tell_closed(w);
    arm_timer(w);
    w->is_stepping = 0;
    w->events_told = w->event_count;
    if (!w->was_active)
        framed_release_buffers(w);
    w->counters.events += w->event_count;
    if (w->head_count > w->counters.batch_requests_max)
        w->counters.batch_requests_max = w->head_count;
    return (int)w->event_count;
}

int wire_was_active(const wire *w)
{
    return w->was_active;
}

int wire_has_more(const wire *w)
{
    return w->resumed || w->ready || w->dying || w->roomy || w->timers.expired || w->closed_count || w->event_count > w->events_told;
}

static void measure_flush(wire *w)
{
    wire_read_clock(w);
    if (w->leaving_count)
        record_left(w, w->now_us);
    if (w->turn_began_us)
        figures_turn(w, w->now_us);
}

/* Decisions start timers (deadlines, write times) of which the descriptor must tell, although no step may come before the caller
 * waits. */
void wire_flush(wire *w)
{
    int is_at_rest = w->dirty && !w->was_active; /* written between steps that had nothing to do, as heartbeats are */
    while (w->dirty) {
        framed_connection *framed = w->dirty;
        w->dirty = framed->next_dirty;
        framed->is_dirty = 0;
        if (!framed->cause)
            framed_flush(w, framed);
    }
    if (is_at_rest)
        framed_release_buffers(w);
    if (w->settings.measures && (w->turn_began_us || w->leaving_count))
        measure_flush(w);
    arm_timer(w);
}
