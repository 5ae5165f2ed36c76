/* Records of exchanges that have ended: which rings they go to, what is counted of their times, and how they are found. */
#include <string.h>
#include <time.h>

#include "latency.h"
#include "pages.h"
#include "record_open.h"

static size_t bytes_of(uint32_t records)
{
    return (size_t)records * sizeof(wire_record);
}

int records_start(wire *w)
{
    const wire_settings *s = &w->settings;
    const uint32_t sizes[RECORD_RINGS] = {s->recent_records, s->notable_records, s->watched_records};
    if (!s->measures)
        return 0;
    w->records_open = pages_map(s->exchanges_max * sizeof *w->records_open);
    for (int i = 0; i < RECORD_RINGS; i++) {
        w->rings[i].size = sizes[i];
        w->rings[i].records = sizes[i] ? pages_map(bytes_of(sizes[i])) : NULL;
        if (sizes[i] && !w->rings[i].records)
            return -1;
    }
    return w->records_open ? 0 : -1;
}

void records_end(wire *w)
{
    pages_unmap(w->records_open, w->settings.exchanges_max * sizeof *w->records_open);
    for (int i = 0; i < RECORD_RINGS; i++)
        pages_unmap(w->rings[i].records, bytes_of(w->rings[i].size));
}

static uint64_t now_us(const wire *w)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000 + w->clock_offset_us;
}

/* In whole pieces: each text has room for them where it stands, and in a ring something else comes behind it. */
static uint8_t *append(uint8_t *to, const uint8_t *text, uint32_t bytes)
{
    for (uint32_t at = 0; at < bytes; at += PIECE)
        memcpy(to + at, text + at, PIECE);
    return to + bytes;
}

/* Touches no more memory than there is to say: a ring is larger than the processor's nearest caches. */
static void put(record_ring_memory *ring, wire_record *r, const exchange *x)
{
    if (!ring->size)
        return;
    wire_record *place = &ring->records[ring->sequence % ring->size];
    uint32_t attempts = r->attempt_count < RECORD_ATTEMPTS ? r->attempt_count : RECORD_ATTEMPTS;
    memcpy(place, r, offsetof(wire_record, attempts));
    for (uint32_t i = 0; i < attempts; i++)
        place->attempts[i] = r->attempts[i];
    place->sequence = ++ring->sequence;
    uint8_t *at = append(place->text, x->request_id, r->request_id_bytes);
    at = append(at, x->correlation_id, r->correlation_id_bytes);
    at = append(at, r->text + TENANT_AT, r->tenant_bytes);
    at = append(at, r->text + PRINCIPAL_AT, r->principal_bytes);
    at = append(at, r->text + CLIENT_AT, r->client_bytes);
    uint32_t room = RECORD_TEXT_BYTES - PIECE - (uint32_t)(at - place->text);
    place->target_bytes = r->target_bytes < room ? r->target_bytes : (uint8_t)room;
    append(at, target_of(r), place->target_bytes);
}

static int is_notable(const wire *w, const wire_record *r)
{
    return !r->status || r->status >= 500 || r->attempt_count > 1 || r->flags & RECORD_CUT || r->ended_us >= w->settings.slow_us;
}

static uint32_t why_watched(wire *w, const wire_record *r)
{
    uint32_t why = 0;
    if (w->logged_bound && wire_random(w) <= w->logged_bound)
        why |= RECORD_LOGGED;
    if (w->watches_sampled && r->trace[RECORD_TRACE_BYTES - 1] & 1)
        why |= RECORD_SAMPLED;
    return why;
}

static void count_times(wire *w, const wire_record *r)
{
    if (r->route == NO_ROUTE)
        return;
    uint64_t *totals = figures_room(&w->route_totals[r->route], WIRE_LATENCY_COUNTS);
    if (totals)
        totals[latency_index(r->ended_us)]++;
    if (r->flags & (RECORD_STREAMED | RECORD_CLIENT_GONE))
        return; /* whose time it was cannot be told apart */
    uint64_t *gateway = figures_room(&w->route_gateway[r->route], WIRE_COARSE_COUNTS);
    if (gateway)
        gateway[latency_coarse_index(since(r->upstream_us, r->ended_us))]++;
}

void record_end(wire *w, exchange *x)
{
    if (!x->is_recorded)
        return;
    wire_record *r = &w->records_open[x->item.slot].record;
    r->ended_us = since(r->started_us, now_us(w));
    r->started_unix_us = r->started_us + w->unix_offset_us;
    r->method = x->method;
    r->flags |= x->edge ? 0 : RECORD_CLIENT_GONE;
    memcpy(r->trace, x->trace, RECORD_TRACE_BYTES);
    r->request_id_bytes = x->request_id_bytes;
    r->correlation_id_bytes = x->correlation_id_bytes;
    uint32_t why = why_watched(w, r);
    r->flags |= (uint16_t)why;
    count_times(w, r);
    put(&w->rings[RECORDS_RECENT], r, x);
    if (is_notable(w, r))
        put(&w->rings[RECORDS_NOTABLE], r, x);
    if (why)
        put(&w->rings[RECORDS_WATCHED], r, x);
    x->is_recorded = 0;
}

/* ---- what the caller asks ---- */

void wire_watch_records(wire *w, uint64_t logged_bound, int sampled)
{
    w->logged_bound = logged_bound;
    w->watches_sampled = sampled != 0;
}

void wire_sample_traces(wire *w, uint64_t sampled_bound, int own_spans)
{
    w->sampled_bound = sampled_bound;
    w->own_spans = own_spans != 0;
}

const wire_record *wire_records(const wire *w, int ring)
{
    return ring >= 0 && ring < RECORD_RINGS ? w->rings[ring].records : NULL;
}

uint32_t wire_record_room(const wire *w, int ring)
{
    return ring >= 0 && ring < RECORD_RINGS && w->rings[ring].records ? w->rings[ring].size : 0;
}

uint64_t wire_record_sequence(const wire *w, int ring)
{
    return ring >= 0 && ring < RECORD_RINGS ? w->rings[ring].sequence : 0;
}

static int is_named(const wire_record *r, const uint8_t *text, uint32_t bytes)
{
    const uint8_t *correlation_id = r->text + r->request_id_bytes;
    return (r->request_id_bytes == bytes && memcmp(r->text, text, bytes) == 0) ||
           (r->correlation_id_bytes == bytes && memcmp(correlation_id, text, bytes) == 0);
}

uint32_t wire_find_records(const wire *w, int ring, const uint8_t *text, uint32_t text_bytes, const uint8_t *trace, uint64_t *found,
                           uint32_t found_max)
{
    enum { TRACE_ID_BYTES = 16 };
    uint32_t room = wire_record_room(w, ring), count = 0;
    uint64_t newest = wire_record_sequence(w, ring), oldest = newest > room ? newest - room : 0;
    for (uint64_t sequence = newest; sequence > oldest && count < found_max; sequence--) {
        const wire_record *r = &w->rings[ring].records[(sequence - 1) % room];
        if (is_named(r, text, text_bytes) || (trace && memcmp(r->trace, trace, TRACE_ID_BYTES) == 0))
            found[count++] = sequence;
    }
    return count;
}
