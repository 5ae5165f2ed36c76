/* A hashed timing wheel (Varghese and Lauck 1987, scheme 6): arming, clearing and expiring a timer each cost a few list operations,
 * however many timers there are. Times are milliseconds on the caller's clock; a timer expires at most one tick late. */
#ifndef PENSTOCK_TIMER_H
#define PENSTOCK_TIMER_H

#include <stddef.h>
#include <stdint.h>

enum { TIMER_SLOTS = 2048, TIMER_TICK_MS = 8 };

/* Embedded in what it belongs to. All zero is a timer that is not armed. */
typedef struct timer {
    struct timer *next;
    struct timer **back; /* what points at this timer; NULL when it is not armed */
    uint64_t tick : 56;
    uint64_t kind : 8;   /* the owner's: tells which structure the timer is in */
} timer;

typedef struct {
    timer *slots[TIMER_SLOTS];
    uint64_t occupied[TIMER_SLOTS / 64]; /* a hint: a set bit may belong to a slot that is empty by now */
    timer *expired;
    uint64_t tick; /* every slot up to this tick was looked at */
} timer_wheel;

void timer_wheel_start(timer_wheel *wheel, uint64_t now_ms);
/* Arms the timer, or moves it. A time that has passed expires at the next look. */
void timer_set(timer_wheel *wheel, timer *t, uint64_t at_ms);
void timer_clear(timer *t);
static inline int timer_is_set(const timer *t)
{
    return t->back != NULL;
}
/* Takes one timer that has expired by now_ms off the wheel, or returns NULL when there is none. */
timer *timer_pop(timer_wheel *wheel, uint64_t now_ms);
/* When to look again: no timer expires before it. UINT64_MAX when no timer is armed. */
uint64_t timer_next_ms(timer_wheel *wheel);

#endif
