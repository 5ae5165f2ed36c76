/* Counts by bucket (latency.h), put together for people: how many values are within each of a few bounds, and their sum. */
#ifndef PENSTOCK_LATENCY_SUMS_H
#define PENSTOCK_LATENCY_SUMS_H

#include <stdint.h>

/* cdef: begin */
/* counts: of `count` buckets, with 2^half_bits of them for each doubling. ends[0..ends_count): the first bucket beyond each bound, rising,
 * at most count. totals[i] gets how many values are in the buckets before ends[i], and totals[ends_count] how many there are. Returns the sum of
 * all values, each taken as the middle of its bucket. */
double latency_sums(const uint64_t *counts, uint32_t count, uint32_t half_bits, const uint32_t *ends, uint32_t ends_count,
                    uint64_t *totals);
/* cdef: end */

#endif
