/* What the wire tells about itself. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "latency.h"
#include "wire_internal.h"

int wire_peer(wire *w, uint32_t connection, char *out, uint32_t room)
{
    framed_connection *framed = framed_find(w, connection);
    struct sockaddr_storage address;
    socklen_t bytes = sizeof address;
    if (!framed || getpeername(framed->descriptor, (struct sockaddr *)&address, &bytes) < 0)
        return WIRE_NO_CONNECTION;
    char host[INET6_ADDRSTRLEN] = "";
    if (address.ss_family == AF_INET) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
        return snprintf(out, room, "%s:%u", host, ntohs(v4->sin_port));
    }
    if (address.ss_family == AF_INET6) {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address;
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
        return snprintf(out, room, "[%s]:%u", host, ntohs(v6->sin6_port));
    }
    return snprintf(out, room, "local");
}

uint32_t *wire_in_flight(wire *w)
{
    return w->in_flight;
}

float *wire_latency_us(wire *w)
{
    return w->latency_us;
}

uint32_t *wire_unsent(wire *w)
{
    return w->unsent;
}

uint32_t *wire_heard(wire *w)
{
    return w->heard;
}

uint32_t wire_sent(const wire *w, uint64_t *ids, uint32_t ids_max)
{
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < w->exchanges.made && count < ids_max; slot++) {
        const exchange *x = slab_at(&w->exchanges, slot);
        if (x && x->state == EXCHANGE_SENT && !x->is_away && !x->is_begun)
            ids[count++] = exchange_id(x);
    }
    return count;
}

uint32_t *wire_gauge_answers(wire *w)
{
    return w->gauge_answers;
}

uint32_t *wire_route_in_flight(wire *w)
{
    return w->route_in_flight;
}

uint32_t *wire_group_in_flight(wire *w)
{
    return w->group_in_flight;
}

int wire_set_group(wire *w, uint32_t route, uint32_t group)
{
    if (route >= w->settings.routes_max || group >= WIRE_GROUPS_MAX)
        return WIRE_INVALID;
    w->route_group[route] = (uint16_t)group;
    return WIRE_OK;
}

const wire_group_figures *wire_group_figures_of(const wire *w, uint32_t group)
{
    return group < WIRE_GROUPS_MAX ? &w->groups[group] : NULL;
}

const uint64_t *wire_route_statuses(wire *w, uint32_t route)
{
    return route < w->settings.routes_max ? w->route_statuses[route] : NULL;
}

const uint64_t *wire_route_latency(wire *w, uint32_t route)
{
    return route < w->settings.routes_max ? w->route_latency[route] : NULL;
}

const uint64_t *wire_route_totals(wire *w, uint32_t route)
{
    return route < w->settings.routes_max ? w->route_totals[route] : NULL;
}

const uint64_t *wire_route_gateway(wire *w, uint32_t route)
{
    return route < w->settings.routes_max ? w->route_gateway[route] : NULL;
}

static uint32_t slot_of(uint32_t connection)
{
    return connection & (WIRE_FRAMED_CONNECTIONS_MAX - 1);
}

/* A handle's slot keeps its counts until somebody else takes it, so also after its own end. */
static int is_slot_of(const wire *w, uint32_t connection)
{
    return w->settings.measures && slot_of(connection) < w->settings.framed_connections_max &&
           w->instance_of[slot_of(connection)] == connection;
}

const uint64_t *wire_instance_statuses(wire *w, uint32_t connection)
{
    return is_slot_of(w, connection) ? w->instance_statuses[slot_of(connection)] : NULL;
}

const uint64_t *wire_instance_latency(wire *w, uint32_t connection)
{
    return is_slot_of(w, connection) ? w->instance_latency[slot_of(connection)] : NULL;
}

void figures_begin_instance(wire *w, uint32_t connection)
{
    uint32_t slot = slot_of(connection);
    w->instance_of[slot] = connection;
    memset(w->instance_statuses[slot], 0, sizeof w->instance_statuses[slot]);
    if (w->instance_latency[slot])
        memset(w->instance_latency[slot], 0, WIRE_COARSE_COUNTS * sizeof(uint64_t));
}

uint64_t *figures_room(uint64_t **counts, uint32_t count)
{
    if (!*counts)
        *counts = calloc(count, sizeof(uint64_t));
    return *counts;
}

const wire_turn_figures *wire_turns(const wire *w)
{
    return &w->turns;
}

static uint32_t batch_index(uint32_t requests)
{
    uint32_t index = requests ? 32 - (uint32_t)__builtin_clz(requests) : 0;
    return index < WIRE_BATCH_COUNTS ? index : WIRE_BATCH_COUNTS - 1;
}

void figures_turn(wire *w, uint64_t now_us)
{
    uint64_t turn_us = now_us > w->turn_began_us ? now_us - w->turn_began_us : 0;
    w->turns.turn_us[latency_coarse_index(turn_us)]++;
    w->turns.turn_sum_us += turn_us;
    if (turn_us > w->turns.turn_max_us)
        w->turns.turn_max_us = turn_us;
    w->turns.requests[batch_index(w->head_count)]++;
    w->turn_began_us = 0;
}

void wire_away(wire *w, uint64_t microseconds)
{
    w->turns.away_us[latency_coarse_index(microseconds)]++;
    w->turns.away_sum_us += microseconds;
    if (microseconds > w->turns.away_max_us)
        w->turns.away_max_us = microseconds;
}

static void forget(uint64_t **counts)
{
    free(*counts);
    *counts = NULL;
}

void wire_route_reset(wire *w, uint32_t route)
{
    if (route >= w->settings.routes_max)
        return;
    forget(&w->route_latency[route]);
    forget(&w->route_totals[route]);
    forget(&w->route_gateway[route]);
    memset(w->route_statuses[route], 0, sizeof w->route_statuses[route]);
}

const wire_counters *wire_count(const wire *w)
{
    return &w->counters;
}

/* The timer was armed by the clock of before, so it is due anew. */
void wire_advance_clock(wire *w, uint32_t milliseconds)
{
    w->clock_offset_us += (uint64_t)milliseconds * 1000;
    wire_wake(w);
}
