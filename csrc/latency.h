/* The bucket rule of HdrHistogram for a unit of 1 microsecond and two significant digits: 256 buckets of 1 microsecond, then
 * for each doubling 128 buckets of twice the width. */
#ifndef PENSTOCK_LATENCY_H
#define PENSTOCK_LATENCY_H

#include <stdint.h>

enum { LATENCY_US_MAX = (1 << 27) - 1 };

static inline uint32_t latency_index(uint64_t latency_us)
{
    uint64_t value = latency_us < LATENCY_US_MAX ? latency_us : LATENCY_US_MAX;
    uint32_t doubling = 56 - (uint32_t)__builtin_clzll(value | 255);
    return (doubling << 7) + (uint32_t)(value >> doubling);
}

/* The same with one significant digit: 32 buckets of 1 microsecond, then 16 for each doubling; below 384. */
static inline uint32_t latency_coarse_index(uint64_t latency_us)
{
    uint64_t value = latency_us < LATENCY_US_MAX ? latency_us : LATENCY_US_MAX;
    uint32_t doubling = 59 - (uint32_t)__builtin_clzll(value | 31);
    return (doubling << 4) + (uint32_t)(value >> doubling);
}

#endif
