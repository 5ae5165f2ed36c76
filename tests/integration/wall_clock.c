/* A wall clock that a test moves while a process runs: loaded before all else (LD_PRELOAD), this adds to what the kernel says of the time
 * since 1970. The clock that only rises stays as it is. How many seconds are added stands in a file, which both have in their memory. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int64_t moved_s(void)
{
    static const volatile int64_t *seconds;
    if (seconds == NULL) {
        const char *path = getenv("WALL_CLOCK_FILE");
        int descriptor = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        if (descriptor < 0)
            return 0;
        void *memory = mmap(NULL, sizeof *seconds, PROT_READ, MAP_SHARED, descriptor, 0);
        close(descriptor);
        if (memory == MAP_FAILED)
            return 0;
        seconds = memory;
    }
    return *seconds;
}

int clock_gettime(clockid_t id, struct timespec *at)
{
    int result = (int)syscall(SYS_clock_gettime, id, at);
    if (result == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        at->tv_sec += moved_s();
    return result;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at != NULL)
        *at = now.tv_sec;
    return now.tv_sec;
}
