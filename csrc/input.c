/* Bytes that came and are not yet used.
 *
 * Most input is used in the batch in which it came, straight from the arena. Only what is left over (half a head, half a frame, a
 * pipelined request) is held by its connection. A little of it is joined with what comes next by copying both into the arena;
 * a lot of it grows where it is until it is whole, and is copied once. So the cost stays linear in what is received. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "wire_internal.h"

int input_reserve(wire *w, held_input *in, uint32_t capacity)
{
    if (capacity <= in->capacity)
        return 0;
    uint8_t *bytes = realloc(in->bytes, capacity);
    if (!bytes)
        return -1;
    w->counters.buffers_now += in->bytes == NULL;
    w->counters.buffer_bytes_now += capacity - in->capacity;
    in->bytes = bytes;
    in->capacity = capacity;
    return 0;
}

int input_hold(wire *w, held_input *in, const uint8_t *bytes, uint32_t count)
{
    if (count == 0) {
        input_drop(w, in);
        return 0;
    }
    if (input_reserve(w, in, count) < 0)
        return -1;
    memmove(in->bytes, bytes, count);
    in->count = count;
    return 0;
}

void input_drop(wire *w, held_input *in)
{
    if (!in->bytes)
        return;
    w->counters.buffers_now--;
    w->counters.buffer_bytes_now -= in->capacity;
    free(in->bytes);
    *in = (held_input){0};
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* Receives into the held bytes themselves, at most to the end of the unit that is needed. The buffer grows when it is full, and then
 * doubles: a length that was only claimed costs nothing, and small pieces do not move it again and again. Returns as recv does. */
static ssize_t receive_behind(wire *w, int descriptor, held_input *in, uint32_t needed, uint32_t read_bytes, uint8_t *is_unread)
{
    uint32_t missing = needed > in->count ? needed - in->count : read_bytes;
    uint32_t free_bytes = in->capacity > in->count ? in->capacity - in->count : larger(in->count, read_bytes);
    uint32_t wanted = missing < free_bytes ? missing : free_bytes;
    if (input_reserve(w, in, in->count + wanted) < 0)
        return -1;
    ssize_t count = recv(descriptor, in->bytes + in->count, wanted, MSG_DONTWAIT);
    if (count < (ssize_t)wanted)
        *is_unread = 0;
    if (count > 0)
        in->count += (uint32_t)count;
    return count;
}

ssize_t input_receive(wire *w, int descriptor, held_input *in, uint32_t needed, uint32_t read_bytes, uint64_t *received,
                      uint8_t *is_unread, uint8_t **start)
{
    uint32_t most = larger(in->count, needed) + read_bytes;
    if (WIRE_ARENA_BYTES - w->arena_used < most) {
        errno = ENOBUFS;
        return -1;
    }
    *start = w->arena + w->arena_used;
    ssize_t count;
    if (in->count > SMALL_INPUT_BYTES) {
        count = receive_behind(w, descriptor, in, needed, read_bytes, is_unread);
        if (count <= 0)
            return count;
        *received += (uint64_t)count;
        if (in->count < needed) {
            errno = EAGAIN;
            return -1;
        }
        return input_recall(w, in, start);
    }
    count = recv(descriptor, *start + in->count, read_bytes, MSG_DONTWAIT);
    if (count < (ssize_t)read_bytes)
        *is_unread = 0;
    if (count <= 0)
        return count;
    *received += (uint64_t)count;
    if (in->count) {
        memcpy(*start, in->bytes, in->count);
        count += in->count;
        input_drop(w, in);
    }
    w->arena_used += (uint32_t)count;
    return count;
}

uint32_t input_recall(wire *w, held_input *in, uint8_t **start)
{
    uint32_t count = in->count;
    if (!count || WIRE_ARENA_BYTES - w->arena_used < count)
        return 0;
    *start = w->arena + w->arena_used;
    memcpy(*start, in->bytes, count);
    w->arena_used += count;
    input_drop(w, in);
    return count;
}
