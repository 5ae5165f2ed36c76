/* What tests of records and figures share: a wire that keeps some of each, and how to look at the newest. */
#ifndef PENSTOCK_TEST_WIRE_RECORDS_H
#define PENSTOCK_TEST_WIRE_RECORDS_H

#include "test_wire_frames.h"

static service a, b;
static int client;

static inline void open_all(void)
{
    wire_settings settings = small_settings();
    settings.kept_bytes_max = 4096;
    settings.kept_total_bytes_max = 65536;
    start(&settings);
    client = join_edge();
    a = join_framed(0);
    b = join_framed(1);
}

static inline const wire_record *newest(int ring)
{
    uint64_t sequence = wire_record_sequence(w, ring);
    static const wire_record none;
    return sequence ? &wire_records(w, ring)[(sequence - 1) % wire_record_room(w, ring)] : &none;
}

static inline const wire_record *check_newest(int ring, uint64_t sequence, int status)
{
    const wire_record *r = newest(ring);
    CHECK_EQUAL(wire_record_sequence(w, ring), sequence);
    CHECK_EQUAL(r->sequence, sequence);
    CHECK_EQUAL(r->status, status);
    return r;
}

static inline uint64_t sum(const uint64_t *counts, uint32_t count)
{
    uint64_t total = 0;
    for (uint32_t i = 0; counts && i < count; i++)
        total += counts[i];
    return total;
}

static inline uint64_t ask_for(const char *target)
{
    char request[512];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nhost: a\r\n\r\n", target);
    return ask(client, request);
}

#endif
