/* The frame codec alone: frame_scan over a batch of REQUEST frames, against memcpy of the same bytes.
 *
 *     codec FILE BATCH ROUNDS        FILE holds one frame; prints one line of JSON with the nanoseconds per frame of each round
 *
 * The rounds of the two alternate. The batch is larger than the first-level cache and fits the second: with what is written
 * (views and fields, or the copy) some four times FILE's size times BATCH is touched. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "frame.h"

enum { ROUND_NS = 40000000, FIELDS_PER_FRAME_MAX = 16 };

typedef struct {
    uint8_t *bytes, *copy;
    uint32_t byte_count, batch;
    frame_view *frames;
    frame_field *fields;
} workbench;

static void give_up(const char *why)
{
    fprintf(stderr, "codec: %s\n", why);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void decode(workbench *bench)
{
    frame_scan_result result;

    frame_scan(bench->bytes, bench->byte_count, bench->frames, bench->batch, bench->fields, bench->batch * FIELDS_PER_FRAME_MAX,
               &result);
    if (result.error != FRAME_OK || result.frame_count != bench->batch || result.consumed != bench->byte_count)
        give_up("frame_scan did not yield the batch");
}

static void copy(workbench *bench)
{
    memcpy(bench->copy, bench->bytes, bench->byte_count);
    __asm__ volatile("" : : "r"(bench->copy) : "memory"); /* the copy counts as used, so it is made */
}

/* Nanoseconds per frame, over at least ROUND_NS. The clock is read once in 16 calls: it costs more than a copy of a frame. */
static double time_round(workbench *bench, void (*work)(workbench *))
{
    uint64_t start = now_ns(), end, calls = 0;

    do {
        for (int again = 0; again < 16; again++)
            work(bench);
        calls += 16;
        end = now_ns();
    } while (end - start < ROUND_NS);
    return (double)(end - start) / (double)(calls * bench->batch);
}

static void *room(size_t byte_count)
{
    void *memory = aligned_alloc(64, (byte_count + 63) / 64 * 64);

    if (memory == NULL)
        give_up("out of memory");
    memset(memory, 0, byte_count);
    return memory;
}

static void set_up(workbench *bench, const char *path, uint32_t batch)
{
    uint8_t frame[4096];
    FILE *file = fopen(path, "rb");
    size_t frame_bytes = file ? fread(frame, 1, sizeof frame, file) : 0;

    if (frame_bytes == 0 || frame_bytes == sizeof frame || batch == 0 || batch > 4096)
        give_up("usage: codec FILE BATCH ROUNDS");
    fclose(file);
    bench->batch = batch;
    bench->byte_count = (uint32_t)(frame_bytes * batch);
    bench->bytes = room(bench->byte_count);
    bench->copy = room(bench->byte_count);
    bench->frames = room(batch * sizeof bench->frames[0]);
    bench->fields = room((size_t)batch * FIELDS_PER_FRAME_MAX * sizeof bench->fields[0] + FRAME_FIELDS_MAX * sizeof bench->fields[0]);
    for (uint32_t index = 0; index < batch; index++)
        memcpy(bench->bytes + index * frame_bytes, frame, frame_bytes);
}

int main(int count, char **arguments)
{
    workbench bench;

    if (count != 4)
        give_up("usage: codec FILE BATCH ROUNDS");
    set_up(&bench, arguments[1], (uint32_t)atoi(arguments[2]));
    time_round(&bench, decode);
    time_round(&bench, copy);
    printf("[");
    for (int round = 0; round < atoi(arguments[3]); round++) {
        double decode_ns = time_round(&bench, decode), copy_ns = time_round(&bench, copy);
        printf("%s{\"decode_ns\":%.3f,\"memcpy_ns\":%.3f}", round ? "," : "", decode_ns, copy_ns);
    }
    printf("]\n");
    return 0;
}
