/* Copies of requests, so that they can be sent again: bounded for each and in all. */
#include <stdlib.h>

#include "wire_internal.h"

static int is_within_bounds(const wire *w, uint32_t bytes)
{
    return bytes <= w->settings.kept_bytes_max && bytes <= w->settings.kept_total_bytes_max &&
           w->counters.kept_bytes_now <= w->settings.kept_total_bytes_max - bytes;
}

uint8_t *kept_make(wire *w, exchange *x, uint32_t bytes)
{
    kept_drop(w, x);
    kept_request *request = is_within_bounds(w, bytes) ? malloc(sizeof *request + bytes) : NULL;
    if (!request) {
        w->counters.kept_refused++;
        return NULL;
    }
    request->references = 1;
    request->bytes = bytes;
    w->counters.kept_now++;
    w->counters.kept_bytes_now += bytes;
    x->request = request;
    return request->payload;
}

void kept_drop(wire *w, exchange *x)
{
    kept_request *request = x->request;
    x->request = NULL;
    if (!request || --request->references)
        return;
    w->counters.kept_now--;
    w->counters.kept_bytes_now -= request->bytes;
    free(request);
}

void kept_share(exchange *x, const exchange *from)
{
    x->request = from->request;
    x->request->references++;
}
