/* See latency_sums.h. */
#include "latency_sums.h"

static double middle_of(uint32_t index, uint32_t half_bits)
{
    uint32_t doubling = index >> half_bits ? (index >> half_bits) - 1 : 0;
    uint64_t lowest = (uint64_t)(index - (doubling << half_bits)) << doubling;
    return (double)lowest + (double)((UINT64_C(1) << doubling) - 1) / 2;
}

double latency_sums(const uint64_t *counts, uint32_t count, uint32_t half_bits, const uint32_t *ends, uint32_t ends_count,
                    uint64_t *totals)
{
    uint64_t total = 0;
    double sum = 0;
    uint32_t at = 0;
    for (uint32_t bound = 0; bound <= ends_count; bound++) {
        uint32_t end = bound < ends_count ? ends[bound] : count;
        for (; at < end; at++) {
            if (!counts[at])
                continue;
            total += counts[at];
            sum += (double)counts[at] * middle_of(at, half_bits);
        }
        totals[bound] = total;
    }
    return sum;
}
