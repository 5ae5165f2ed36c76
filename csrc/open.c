/* Making a wire, closing all it owns, and freeing it. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "pages.h"
#include "wire_internal.h"

static int is_within(uint32_t value, uint32_t least, uint32_t most)
{
    return value >= least && value <= most;
}

/* The upper bounds keep slots within what handles and epoll's data have bits for, and a request within one frame. */
static int settings_are_valid(const wire_settings *s)
{
    const uint32_t slots_max = (1u << 24) - 1;
    return is_within(s->edge_connections_max, 1, 1u << EDGE_SLOT_BITS) && is_within(s->exchanges_max, 1, slots_max) &&
           is_within(s->framed_connections_max, 1, WIRE_FRAMED_CONNECTIONS_MAX) && is_within(s->routes_max, 1, WIRE_ROUTES_MAX) &&
           is_within(s->framed_output_bytes_max, FRAME_HEADER_BYTES, (1u << 30) - 1) && s->body_bytes_per_second &&
           is_within(s->idle_jitter_percent, 0, 100) && is_within(s->http1.head_bytes_max, 1, 65536) &&
           is_within(s->http1.fields_max, 1, 120) && is_within(s->http1.target_bytes_max, 1, FRAME_TARGET_BYTES_MAX) &&
           is_within(s->http1.body_bytes_max, 0, FRAME_PAYLOAD_BYTES_MAX / 2);
}

enum { HEADS_BYTES = (WIRE_EVENTS_MAX + 1) * sizeof(http1_head) };

/* From this size on, arrays are mapped: most of them are touched at their beginning only. Sanitizers look at the ends of what is not. */
#ifdef __SANITIZE_ADDRESS__
#define MAPPED_BYTES_MIN SIZE_MAX
#else
#define MAPPED_BYTES_MIN 8192
#endif

/* Zeroed, and freed with the wire. Remembers in *is_short when there is no memory, so that it is asked once, at the end. */
static void *make_array(wire *w, int *is_short, size_t count, size_t item_bytes)
{
    size_t bytes = count * item_bytes;
    void *memory = bytes < MAPPED_BYTES_MIN ? calloc(count, item_bytes) : pages_map(bytes);
    if (memory)
        w->arrays[w->array_count++] = (wire_array){.memory = memory, .bytes = bytes};
    *is_short |= memory == NULL;
    return memory;
}

static void free_arrays(wire *w)
{
    while (w->array_count) {
        wire_array array = w->arrays[--w->array_count];
        if (array.bytes < MAPPED_BYTES_MIN)
            free(array.memory);
        else
            pages_unmap(array.memory, array.bytes);
    }
}

static int reserve_memory(wire *w)
{
    const wire_settings *s = &w->settings;
    uint32_t connections = s->framed_connections_max;
    int is_short = 0;
    w->events = make_array(w, &is_short, WIRE_EVENTS_MAX, sizeof *w->events);
    w->requests = make_array(w, &is_short, WIRE_EVENTS_MAX, sizeof *w->requests);
    w->scratch = make_array(w, &is_short, 1, SCRATCH_BYTES);
    w->views = make_array(w, &is_short, VIEWS_MAX, sizeof *w->views);
    w->fields = make_array(w, &is_short, VIEW_FIELDS_MAX, sizeof *w->fields);
    w->in_flight = make_array(w, &is_short, connections, sizeof *w->in_flight);
    w->unsent = make_array(w, &is_short, connections, sizeof *w->unsent);
    w->heard = make_array(w, &is_short, connections, sizeof *w->heard);
    w->latency_us = make_array(w, &is_short, connections, sizeof *w->latency_us);
    w->latency_at_us = make_array(w, &is_short, connections, sizeof *w->latency_at_us);
    w->latency_samples = make_array(w, &is_short, connections, sizeof *w->latency_samples);
    w->route_latency = make_array(w, &is_short, s->routes_max, sizeof *w->route_latency);
    w->route_statuses = make_array(w, &is_short, s->routes_max, sizeof *w->route_statuses);
    w->gauge_answers = make_array(w, &is_short, WIRE_GAUGES_MAX, sizeof *w->gauge_answers);
    w->route_in_flight = make_array(w, &is_short, s->routes_max, sizeof *w->route_in_flight);
    w->route_group = make_array(w, &is_short, s->routes_max, sizeof *w->route_group);
    w->group_in_flight = make_array(w, &is_short, WIRE_GROUPS_MAX, sizeof *w->group_in_flight);
    w->groups = make_array(w, &is_short, WIRE_GROUPS_MAX, sizeof *w->groups);
    w->leaving = make_array(w, &is_short, WIRE_EVENTS_MAX, sizeof *w->leaving);
    w->route_totals = make_array(w, &is_short, s->routes_max, sizeof *w->route_totals);
    w->route_gateway = make_array(w, &is_short, s->routes_max, sizeof *w->route_gateway);
    w->instance_latency = make_array(w, &is_short, connections, sizeof *w->instance_latency);
    w->instance_statuses = make_array(w, &is_short, connections, sizeof *w->instance_statuses);
    w->instance_of = make_array(w, &is_short, connections, sizeof *w->instance_of);
    w->arena = pages_map(WIRE_ARENA_BYTES);
    w->heads = pages_map(HEADS_BYTES);
    w->context = pages_map(CONTEXT_ROOM_BYTES);
    w->plain = pages_map(TLS_PLAIN_BYTES);
    w->closed = pages_map(s->edge_connections_max * sizeof *w->closed);
    w->tls_outputs = pages_map(WIRE_TLS_OUTPUTS_MAX * sizeof *w->tls_outputs);
    is_short |= records_start(w) < 0;
    if (is_short || !w->arena || !w->heads || !w->context || !w->plain || !w->closed || !w->tls_outputs)
        return -1;
    if (slab_start(&w->edges, sizeof(edge_connection), s->edge_connections_max, 0xffffff) < 0 ||
        slab_start(&w->exchanges, sizeof(exchange), s->exchanges_max, 0x7fffffff) < 0)
        return -1;
    w->addresses.seed = w->random[1];
    if (s->connections_per_address_max && address_table_start(&w->addresses, s->edge_connections_max) < 0)
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
    w->listed_end = &w->listed;
    w->accept_timer.kind = TIMER_ACCEPT;
    w->quiet_ms = EDGE_QUIET_MS;
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
    wire_read_clock(w);
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
        if (edge->answer)
            input_drop(w, &edge->answer->held);
        free(edge->answer);
        address_leave(w, &edge->address);
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
        if (!x)
            continue;
        free(x->kept);
        kept_drop(w, x);
        slab_give(&w->exchanges, x);
    }
    memset(w->route_in_flight, 0, w->settings.routes_max * sizeof *w->route_in_flight);
    memset(w->group_in_flight, 0, WIRE_GROUPS_MAX * sizeof *w->group_in_flight);
    w->resumed = NULL;
    w->resumed_end = &w->resumed;
    w->listed = NULL;
    w->listed_end = &w->listed;
    w->closed_count = w->tls_now = 0;
    input_drop(w, &w->handed);
    w->leaving_count = 0;
    w->dirty = w->dying = w->ready = w->roomy = NULL;
    w->ready_end = &w->ready;
    w->counters.edge_open_now = w->counters.framed_open_now = w->counters.exchanges_now = w->counters.handed_over_now = 0;
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

static void free_each(uint64_t **arrays, uint32_t count)
{
    for (uint32_t i = 0; arrays && i < count; i++)
        free(arrays[i]);
}

static void free_memory(wire *w)
{
    slab_end(&w->edges);
    slab_end(&w->exchanges);
    slab_end(&w->framed);
    free_each(w->route_latency, w->settings.routes_max);
    free_each(w->route_totals, w->settings.routes_max);
    free_each(w->route_gateway, w->settings.routes_max);
    free_each(w->instance_latency, w->settings.framed_connections_max);
    records_end(w);
    free(w->addresses.entries);
    pages_unmap(w->arena, WIRE_ARENA_BYTES);
    pages_unmap(w->heads, HEADS_BYTES);
    pages_unmap(w->context, CONTEXT_ROOM_BYTES);
    pages_unmap(w->plain, TLS_PLAIN_BYTES);
    pages_unmap(w->closed, w->settings.edge_connections_max * sizeof *w->closed);
    pages_unmap(w->tls_outputs, WIRE_TLS_OUTPUTS_MAX * sizeof *w->tls_outputs);
    free_arrays(w);
    free(w);
}

void wire_free(wire *w)
{
    if (!w)
        return;
    wire_shut(w);
    free_memory(w);
}
