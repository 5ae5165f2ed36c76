/* The wire as a whole: making and freeing it, the step, and the calls by which the caller decides. */
#include "wire_internal.h"

#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

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

static void read_clock(wire *w)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    w->now_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000 + w->clock_offset_us;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if ((uint64_t)now.tv_sec != w->date_second) {
        w->date_second = (uint64_t)now.tv_sec;
        http1_date_write(w->date_second, w->date);
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

/* ---- making and freeing ---- */

static int settings_are_valid(const wire_settings *s)
{
    return s->edge_connections_max && s->edge_connections_max < (1u << 24) && s->framed_connections_max &&
           s->framed_connections_max <= WIRE_FRAMED_CONNECTIONS_MAX && s->exchanges_max && s->exchanges_max < (1u << 24) && s->routes_max &&
           s->routes_max <= WIRE_ROUTES_MAX && s->framed_output_bytes_max >= FRAME_HEADER_BYTES && s->framed_output_bytes_max < (1u << 30) &&
           s->body_bytes_per_second && s->idle_jitter_percent <= 100 && s->http1.head_bytes_max && s->http1.head_bytes_max <= 65536 &&
           s->http1.fields_max && s->http1.fields_max <= 120 && s->http1.target_bytes_max &&
           s->http1.target_bytes_max <= FRAME_TARGET_BYTES_MAX && s->http1.body_bytes_max <= FRAME_PAYLOAD_BYTES_MAX / 2;
}

/* Zeroed memory that costs nothing until it is touched. */
static void *map_memory(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static void unmap_memory(void *memory, size_t bytes)
{
    if (memory)
        munmap(memory, bytes);
}

enum { HEADS_BYTES = (WIRE_EVENTS_MAX + 1) * sizeof(http1_head) };

static int reserve_memory(wire *w)
{
    uint32_t connections = w->settings.framed_connections_max, routes = w->settings.routes_max;
    w->arena = map_memory(WIRE_ARENA_BYTES);
    w->heads = map_memory(HEADS_BYTES);
    w->context = map_memory(CONTEXT_ROOM_BYTES);
    w->events = calloc(WIRE_EVENTS_MAX, sizeof *w->events);
    w->requests = calloc(WIRE_EVENTS_MAX, sizeof *w->requests);
    w->scratch = calloc(1, SCRATCH_BYTES);
    w->views = calloc(VIEWS_MAX, sizeof *w->views);
    w->fields = calloc(VIEW_FIELDS_MAX, sizeof *w->fields);
    w->in_flight = calloc(connections, sizeof *w->in_flight);
    w->unsent = calloc(connections, sizeof *w->unsent);
    w->heard = calloc(connections, sizeof *w->heard);
    w->latency_us = calloc(connections, sizeof *w->latency_us);
    w->latency_at_us = calloc(connections, sizeof *w->latency_at_us);
    w->latency_samples = calloc(connections, sizeof *w->latency_samples);
    w->route_latency = calloc(routes, sizeof *w->route_latency);
    w->route_statuses = calloc(routes, sizeof *w->route_statuses);
    if (!w->arena || !w->heads || !w->context || !w->events || !w->requests || !w->scratch || !w->views || !w->fields || !w->in_flight || !w->unsent || !w->heard ||
        !w->latency_us || !w->latency_at_us || !w->latency_samples || !w->route_latency || !w->route_statuses)
        return -1;
    if (slab_start(&w->edges, sizeof(edge_connection), w->settings.edge_connections_max, 0xffffff) < 0)
        return -1;
    if (slab_start(&w->exchanges, sizeof(exchange), w->settings.exchanges_max, 0x7fffffff) < 0)
        return -1;
    return slab_start(&w->framed, sizeof(framed_connection), connections, 0xfffff);
}

static int open_descriptors(wire *w)
{
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    w->timer_descriptor = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (w->epoll < 0 || w->timer_descriptor < 0)
        return -1;
    slab_item none = {0};
    return wire_watch(w, w->timer_descriptor, EPOLL_CTL_ADD, EPOLLIN, SOURCE_TIMER, &none);
}

wire *wire_new(const wire_settings *settings)
{
    if (!settings_are_valid(settings)) {
        errno = EINVAL;
        return NULL;
    }
    wire *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->settings = *settings;
    w->epoll = w->timer_descriptor = -1;
    w->timer_armed_ms = UINT64_MAX;
    w->resumed_end = &w->resumed;
    w->ready_end = &w->ready;
    w->accept_timer.kind = TIMER_ACCEPT;
    for (int i = 0; i < LISTENERS_MAX; i++)
        w->listeners[i].descriptor = -1;
    int is_seeded = getrandom(w->random, sizeof w->random, 0) == (ssize_t)sizeof w->random;
    w->random[0] |= 1; /* all zero would stay zero */
    if (!is_seeded || reserve_memory(w) < 0 || open_descriptors(w) < 0) {
        int error = errno;
        wire_free(w);
        errno = error;
        return NULL;
    }
    read_clock(w);
    timer_wheel_start(&w->timers, wire_now_ms(w));
    return w;
}

static void shut_connections(wire *w)
{
    for (uint32_t slot = 0; slot < w->edges.made; slot++) {
        edge_connection *edge = slab_at(&w->edges, slot);
        if (!edge)
            continue;
        close(edge->descriptor);
        input_drop(w, &edge->in);
        output_drop(w, &edge->out);
        slab_give(&w->edges, edge);
    }
    for (uint32_t slot = 0; slot < w->framed.made; slot++) {
        framed_connection *framed = slab_at(&w->framed, slot);
        if (!framed)
            continue;
        if (framed->descriptor >= 0)
            close(framed->descriptor);
        input_drop(w, &framed->in);
        output_drop(w, &framed->out);
        w->in_flight[slot] = w->unsent[slot] = 0;
        slab_give(&w->framed, framed);
    }
    for (uint32_t slot = 0; slot < w->exchanges.made; slot++) {
        exchange *x = slab_at(&w->exchanges, slot);
        if (x)
            slab_give(&w->exchanges, x);
    }
    w->resumed = NULL;
    w->resumed_end = &w->resumed;
    w->dirty = w->dying = w->ready = NULL;
    w->ready_end = &w->ready;
    w->counters.edge_open_now = w->counters.framed_open_now = w->counters.exchanges_now = 0;
    timer_wheel_start(&w->timers, wire_now_ms(w));
}

static void close_descriptor(int *descriptor)
{
    if (*descriptor >= 0)
        close(*descriptor);
    *descriptor = -1;
}

void wire_shut(wire *w)
{
    shut_connections(w);
    for (int i = 0; i < LISTENERS_MAX; i++)
        close_descriptor(&w->listeners[i].descriptor);
    close_descriptor(&w->timer_descriptor);
    close_descriptor(&w->epoll);
}

static void free_memory(wire *w)
{
    slab_end(&w->edges);
    slab_end(&w->exchanges);
    slab_end(&w->framed);
    for (uint32_t route = 0; w->route_latency && route < w->settings.routes_max; route++)
        free(w->route_latency[route]);
    unmap_memory(w->arena, WIRE_ARENA_BYTES);
    unmap_memory(w->heads, HEADS_BYTES);
    unmap_memory(w->context, CONTEXT_ROOM_BYTES);
    void *owned[] = {w->events,    w->requests,   w->scratch,       w->views,         w->fields,        w->in_flight,
                     w->unsent, w->heard,    w->latency_us, w->latency_at_us, w->latency_samples, w->route_latency, w->route_statuses};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        free(owned[i]);
    free(w);
}

void wire_free(wire *w)
{
    if (!w)
        return;
    wire_shut(w);
    free_memory(w);
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

static void expire(wire *w, timer *t)
{
    if (t->kind == TIMER_EDGE) {
        edge_expire(w, owner_of(t, offsetof(edge_connection, timer)));
    } else if (t->kind == TIMER_EXCHANGE) {
        exchange *x = owner_of(t, offsetof(exchange, timer));
        w->counters.expired++;
        exchange_measure_expired(w, x);
        wire_add_event(w, EVENT_EXPIRED)->exchange = exchange_id(x);
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

int wire_step(wire *w, uint32_t wait_us)
{
    struct epoll_event ready[EPOLL_EVENTS];
    w->batch++;
    w->counters.steps++;
    w->arena_used = w->context_used = w->event_count = w->head_count = 0;
    w->was_active = 0;
    w->is_stepping = 1;
    read_clock(w);
    framed_bury(w);
    expire_timers(w);
    edge_resume(w);
    framed_take_ready(w); /* last, as only this has no end: a timer expires once, and a client asks again when it was answered */
    int count = wait_for_events(w->epoll, ready, w->event_count || w->head_count || wire_has_more(w) ? 0 : wait_us);
    if (count < 0 && errno != EINTR) {
        w->is_stepping = 0;
        return WIRE_SYSTEM;
    }
    for (int round = 1; count > 0; round++) {
        w->was_active = 1;
        read_clock(w);
        for (int i = 0; i < count; i++)
            dispatch(w, &ready[i]);
        if (count < ROUND_EVENTS_MIN || round == STEP_ROUNDS_MAX || !wire_event_room(w))
            break;
        count = wait_for_events(w->epoll, ready, 0);
    }
    expire_timers(w);
    framed_bury(w);
    edge_resume(w);
    arm_timer(w);
    w->is_stepping = 0;
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
    return w->resumed || w->ready || w->dying || w->timers.expired;
}

/* Decisions start timers (deadlines, write times) of which the descriptor must tell although no step may come before the caller waits. */
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
    arm_timer(w);
}
