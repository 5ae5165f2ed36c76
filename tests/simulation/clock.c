/* A clock that stands still, and chance that is drawn from a seed, for a whole process: loaded before all else (LD_PRELOAD), this
 * takes the place of what the C library says of the time. Nothing moves but by simulated_pass_us. */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_us = 1000000000000; /* some eleven days after the beginning of time */
static uint64_t chance = 1;

void simulated_begin(uint64_t seed)
{
    now_us = 1000000000000;
    chance = seed * 2 + 1;
}

void simulated_pass_us(uint64_t microseconds)
{
    now_us += microseconds;
}

uint64_t simulated_now_us(void)
{
    return now_us;
}

int clock_gettime(clockid_t id, struct timespec *at)
{
    if (id == CLOCK_PROCESS_CPUTIME_ID || id == CLOCK_THREAD_CPUTIME_ID)
        return (int)syscall(SYS_clock_gettime, id, at);
    at->tv_sec = (time_t)(now_us / 1000000);
    at->tv_nsec = (long)(now_us % 1000000) * 1000;
    return 0;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone)
{
    (void)zone;
    at->tv_sec = (time_t)(now_us / 1000000);
    at->tv_usec = (suseconds_t)(now_us % 1000000);
    return 0;
}

time_t time(time_t *at)
{
    time_t seconds = (time_t)(now_us / 1000000);
    if (at != NULL)
        *at = seconds;
    return seconds;
}

/* No timer of the kernel's goes off: its clock is another one. What is due is found by the clock above, whenever it is looked at. */
int timerfd_settime(int descriptor, int flags, const struct itimerspec *at, struct itimerspec *before)
{
    (void)descriptor, (void)flags, (void)at, (void)before;
    return 0;
}

/* SplitMix64 (Steele, Lea, Flood 2014): enough for ids that must differ. */
ssize_t getrandom(void *out, size_t count, unsigned flags)
{
    uint8_t *bytes = out;
    (void)flags;
    for (size_t i = 0; i < count; i++) {
        uint64_t z = chance += 0x9E3779B97F4A7C15;
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
        z = (z ^ z >> 27) * 0x94D049BB133111EB;
        bytes[i] = (uint8_t)(z ^ z >> 31);
    }
    return (ssize_t)count;
}
