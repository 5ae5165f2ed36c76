/* Who connects, and how many connections each address has.
 *
 * The table is open, at most half full, probed linearly; an entry that falls to zero is taken out by moving back what was displaced
 * by it, so that the table never fills with what is gone. The hash is seeded, so that a client cannot choose addresses that collide. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "wire_internal.h"

typedef struct address_count {
    uint64_t network;
    uint32_t count; /* 0: free */
    uint8_t family;
} address_count;

/* 0, or -1 when there is no memory. count_max: how many addresses there can be at once. */
int address_table_start(address_table *table, uint32_t count_max)
{
    uint32_t size = 16;
    while (size < 2 * count_max)
        size *= 2;
    table->entries = calloc(size, sizeof *table->entries);
    table->mask = size - 1;
    return table->entries ? 0 : -1;
}

/* What is counted together: an IPv4 address, or the /64 that one IPv6 subscriber has to himself. */
static uint64_t network_of(const edge_address *address)
{
    uint64_t network = 0;
    memcpy(&network, address->bytes, address->family == AF_INET ? 4 : 8);
    return network;
}

/* The finalizer of splitmix64 (Steele, Lea and Flood 2014). */
static uint32_t hash(const address_table *table, uint64_t network)
{
    uint64_t z = network ^ table->seed;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(z ^ (z >> 31));
}

/* The entry of the network, or the free one where it would be. */
static address_count *find(const address_table *table, uint64_t network, uint8_t family)
{
    uint32_t at = hash(table, network) & table->mask;
    while (table->entries[at].count && (table->entries[at].network != network || table->entries[at].family != family))
        at = (at + 1) & table->mask;
    return &table->entries[at];
}

int address_enter(wire *w, const edge_address *address)
{
    if (!w->addresses.entries || !address->family)
        return 1;
    address_count *entry = find(&w->addresses, network_of(address), address->family);
    if (entry->count == w->settings.connections_per_address_max)
        return 0;
    if (!entry->count++) {
        entry->network = network_of(address);
        entry->family = address->family;
        w->counters.edge_addresses_now++;
    }
    return 1;
}

/* Moves back whatever stands behind a freed entry and would not be found any more. */
static void close_gap(address_table *table, uint32_t gap)
{
    for (uint32_t at = (gap + 1) & table->mask; table->entries[at].count; at = (at + 1) & table->mask) {
        uint32_t home = hash(table, table->entries[at].network) & table->mask;
        if (((at - home) & table->mask) >= ((at - gap) & table->mask)) {
            table->entries[gap] = table->entries[at];
            table->entries[at].count = 0;
            gap = at;
        }
    }
}

void address_leave(wire *w, const edge_address *address)
{
    if (!w->addresses.entries || !address->family)
        return;
    address_count *entry = find(&w->addresses, network_of(address), address->family);
    if (!entry->count || --entry->count)
        return;
    w->counters.edge_addresses_now--;
    close_gap(&w->addresses, (uint32_t)(entry - w->addresses.entries));
}

/* An IPv4 client of a socket that takes both families is the same client. */
edge_address address_of(int descriptor)
{
    edge_address address = {0};
    struct sockaddr_storage peer;
    socklen_t bytes = sizeof peer;
    if (getpeername(descriptor, (struct sockaddr *)&peer, &bytes) < 0)
        return address;
    if (peer.ss_family == AF_INET) {
        address.family = AF_INET;
        memcpy(address.bytes, &((struct sockaddr_in *)&peer)->sin_addr, 4);
    } else if (peer.ss_family == AF_INET6) {
        const struct in6_addr *v6 = &((struct sockaddr_in6 *)&peer)->sin6_addr;
        int is_mapped = IN6_IS_ADDR_V4MAPPED(v6);
        address.family = is_mapped ? AF_INET : AF_INET6;
        memcpy(address.bytes, v6->s6_addr + (is_mapped ? 12 : 0), is_mapped ? 4 : 16);
    }
    return address;
}

static uint8_t *write_decimal(uint8_t *out, uint8_t value)
{
    if (value >= 100)
        *out++ = (uint8_t)('0' + value / 100);
    if (value >= 10)
        *out++ = (uint8_t)('0' + value / 10 % 10);
    *out++ = (uint8_t)('0' + value % 10);
    return out;
}

/* IPv4 is written by hand, since every request carries it. */
uint32_t address_write(const edge_address *address, uint8_t *out)
{
    if (address->family == AF_INET) {
        uint8_t *at = out;
        for (int i = 0; i < 4; i++) {
            at = write_decimal(at, address->bytes[i]);
            *at++ = '.';
        }
        return (uint32_t)(at - out) - 1;
    }
    char text[INET6_ADDRSTRLEN];
    if (address->family != AF_INET6 || !inet_ntop(AF_INET6, address->bytes, text, sizeof text))
        return 0;
    size_t count = strlen(text);
    memcpy(out, text, count);
    return (uint32_t)count;
}

int wire_is_secured(wire *w, uint64_t id)
{
    const exchange *x = exchange_find(w, id);
    return x && x->scheme == SCHEME_HTTPS;
}

int wire_client_address(wire *w, uint64_t id, char *out)
{
    const exchange *x = exchange_find(w, id);
    if (!x)
        return WIRE_NO_EXCHANGE;
    if (exchange_has_client(w, x)) {
        memcpy(out, x->client, x->client_bytes);
        return x->client_bytes;
    }
    if (!x->edge)
        return WIRE_NO_EXCHANGE;
    return (int)address_write(&x->edge->address, (uint8_t *)out);
}
