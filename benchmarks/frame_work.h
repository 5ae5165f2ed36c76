/* Work that takes time, and of which only so much is done at once: the service has a capacity, and whatever is above it waits.
 *
 * It costs no processor time: a worker is a time at which it is done. So several services of a known capacity fit on one core. */
#ifndef PENSTOCK_BENCHMARKS_FRAME_WORK_H
#define PENSTOCK_BENCHMARKS_FRAME_WORK_H

#include <stdint.h>

/* So many workers, and how long each takes, on average: between half of it and half more, evenly. */
void work_set(int workers, uint64_t mean_us);

/* Puts a request behind those that wait. */
void work_take(uint64_t exchange);

/* Forgets a request that waits; one that is worked on goes on without an answer. */
void work_cancel(uint64_t exchange);

/* Answers what is done, and begins what waits. Sets `link_due_us` to when the next is done. */
void work_do(void (*answer)(uint64_t exchange));

#endif
