/* Bytes that a socket did not take yet, or that wait for the flush. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "wire_internal.h"

/* Makes room by moving what is left to the front first, and by doubling the buffer if that is not enough. */
static int make_room(wire *w, held_output *out, uint32_t count, uint32_t first_capacity)
{
    uint32_t held = out->end - out->start;
    if (out->start && held <= out->start) {
        memcpy(out->bytes, out->bytes + out->start, held);
        out->start = 0;
        out->end = held;
        if (out->capacity - held >= count)
            return 0;
    }
    uint32_t capacity = out->capacity ? out->capacity : first_capacity;
    while (capacity - out->end < count)
        capacity *= 2;
    uint8_t *bytes = realloc(out->bytes, capacity);
    if (!bytes)
        return -1;
    w->counters.buffers_now += out->bytes == NULL;
    w->counters.buffer_bytes_now += capacity - out->capacity;
    out->bytes = bytes;
    out->capacity = capacity;
    return 0;
}

/* Room for count bytes at the end, which then count as held. NULL when there is no memory. */
uint8_t *output_reserve(wire *w, held_output *out, uint32_t count, uint32_t first_capacity)
{
    if (out->capacity - out->end < count && make_room(w, out, count, first_capacity) < 0)
        return NULL;
    uint8_t *room = out->bytes + out->end;
    out->end += count;
    return room;
}

void output_drop(wire *w, held_output *out)
{
    if (!out->bytes)
        return;
    w->counters.buffers_now--;
    w->counters.buffer_bytes_now -= out->capacity;
    free(out->bytes);
    *out = (held_output){0};
}

int output_send(int descriptor, held_output *out, uint64_t *sent)
{
    while (out->start < out->end) {
        ssize_t count = send(descriptor, out->bytes + out->start, out->end - out->start, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count < 0) {
            if (errno == EINTR)
                continue;
            return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
        }
        out->start += (uint32_t)count;
        *sent += (uint64_t)count;
    }
    out->start = out->end = 0;
    return 1;
}
