#include "frame_work.h"

#include <time.h>

#include "frame_link.h"

enum { WORKERS_MAX = 64, WAITING_MAX = 65536, REFUSED_OVERLOADED = 1 };

static struct {
    uint64_t exchange, done_us; /* 0: free; an exchange of 0: nobody waits for it any more */
} workers[WORKERS_MAX];
static int worker_count;
static uint64_t waiting[WAITING_MAX], mean_us, random_state = 0x9E3779B97F4A7C15u;
static uint32_t first, behind; /* counts that wrap; of those that were cancelled the exchange is 0 */

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

/* xorshift64: a few lines, and the same in every run. */
static uint64_t time_of_work(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return mean_us / 2 + random_state % (mean_us + 1);
}

void work_set(int count, uint64_t time_us)
{
    if (count < 1 || count > WORKERS_MAX || time_us < 1)
        link_give_up("there are 1 to 64 workers, and work takes at least a microsecond");
    worker_count = count;
    mean_us = time_us;
}

void work_take(uint64_t exchange)
{
    if (behind - first == WAITING_MAX) {
        uint8_t payload[8] = {REFUSED_OVERLOADED};
        link_put_frame(FRAME_REFUSED, 0, exchange, payload, sizeof payload);
        return;
    }
    waiting[behind++ % WAITING_MAX] = exchange;
}

void work_cancel(uint64_t exchange)
{
    for (int at = 0; at < worker_count; at++)
        if (workers[at].done_us && workers[at].exchange == exchange)
            workers[at].exchange = 0;
    for (uint32_t at = first; at != behind; at++)
        if (waiting[at % WAITING_MAX] == exchange)
            waiting[at % WAITING_MAX] = 0;
}

/* The next one that somebody waits for; 0 when there is none. */
static uint64_t next_waiting(void)
{
    while (first != behind) {
        uint64_t exchange = waiting[first++ % WAITING_MAX];
        if (exchange)
            return exchange;
    }
    return 0;
}

void work_do(void (*answer)(uint64_t exchange))
{
    uint64_t now = now_us();

    link_due_us = 0;
    for (int at = 0; at < worker_count; at++) {
        uint64_t exchange, from = workers[at].done_us;
        if (from > now)
            continue;
        if (from && workers[at].exchange)
            answer(workers[at].exchange);
        workers[at].done_us = 0;
        exchange = next_waiting();
        if (exchange) { /* a worker that was late to be looked at has not been idle meanwhile: it counts from when it was done */
            workers[at].exchange = exchange;
            workers[at].done_us = (from && now - from < mean_us ? from : now) + time_of_work();
        }
    }
    for (int at = 0; at < worker_count; at++)
        if (workers[at].done_us && (link_due_us == 0 || workers[at].done_us < link_due_us))
            link_due_us = workers[at].done_us;
}
