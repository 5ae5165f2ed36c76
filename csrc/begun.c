/* Exchanges that no client has asked: the caller begins them, opens them as streams, and ends them. */
#include "wire_internal.h"

uint64_t wire_begin(wire *w, int method)
{
    exchange *x = method >= METHOD_GET && method <= METHOD_OPTIONS ? exchange_make(w) : NULL;
    if (!x)
        return 0;
    wire_read_clock(w); /* no step may have been taken for long */
    x->is_begun = 1;
    x->method = (uint8_t)method;
    x->scheme = SCHEME_NONE;
    x->started_us = w->now_us;
    w->counters.begun++;
    return exchange_id(x);
}

int wire_end(wire *w, uint64_t id)
{
    exchange *x = exchange_find(w, id);
    if (!x || !x->is_begun)
        return WIRE_NO_EXCHANGE;
    exchange_close(w, x);
    return WIRE_OK;
}
