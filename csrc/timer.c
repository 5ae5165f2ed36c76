#include "timer.h"

#include <stddef.h>

static void link_into(timer **list, timer *t)
{
    t->next = *list;
    t->back = list;
    if (t->next)
        t->next->back = &t->next;
    *list = t;
}

void timer_wheel_start(timer_wheel *wheel, uint64_t now_ms)
{
    *wheel = (timer_wheel){.tick = now_ms / TIMER_TICK_MS};
}

void timer_clear(timer *t)
{
    if (!t->back)
        return;
    *t->back = t->next;
    if (t->next)
        t->next->back = t->back;
    t->back = NULL;
    t->next = NULL;
}

/* Rounds up, so that a timer never expires early, and keeps the tick ahead of the cursor, so that it is never missed. */
void timer_set(timer_wheel *wheel, timer *t, uint64_t at_ms)
{
    timer_clear(t);
    t->tick = (at_ms + TIMER_TICK_MS - 1) / TIMER_TICK_MS;
    if (t->tick <= wheel->tick)
        t->tick = wheel->tick + 1;
    uint32_t slot = t->tick % TIMER_SLOTS;
    link_into(&wheel->slots[slot], t);
    wheel->occupied[slot / 64] |= 1ull << (slot % 64);
}

/* Moves what has expired in one slot to the list of the expired. Timers of a later turn of the wheel stay. */
static void look_at_slot(timer_wheel *wheel, uint32_t slot, uint64_t now_tick)
{
    timer *t = wheel->slots[slot];
    while (t) {
        timer *next = t->next;
        if (t->tick <= now_tick) {
            timer_clear(t);
            link_into(&wheel->expired, t);
        }
        t = next;
    }
    if (!wheel->slots[slot])
        wheel->occupied[slot / 64] &= ~(1ull << (slot % 64));
}

timer *timer_pop(timer_wheel *wheel, uint64_t now_ms)
{
    uint64_t now_tick = now_ms / TIMER_TICK_MS;
    if (now_tick > wheel->tick) {
        uint64_t turn = now_tick - wheel->tick < TIMER_SLOTS ? now_tick - wheel->tick : TIMER_SLOTS;
        for (uint64_t tick = now_tick - turn + 1; tick <= now_tick; tick++) {
            uint32_t slot = tick % TIMER_SLOTS;
            if (wheel->occupied[slot / 64] >> (slot % 64) & 1)
                look_at_slot(wheel, slot, now_tick);
        }
        wheel->tick = now_tick;
    }
    timer *t = wheel->expired;
    if (t)
        timer_clear(t);
    return t;
}

uint64_t timer_next_ms(timer_wheel *wheel)
{
    if (wheel->expired)
        return wheel->tick * TIMER_TICK_MS;
    uint64_t tick = wheel->tick + 1, end = wheel->tick + TIMER_SLOTS;
    while (tick <= end) {
        uint32_t slot = tick % TIMER_SLOTS;
        uint64_t word = wheel->occupied[slot / 64] >> (slot % 64);
        if (word) {
            tick += (uint32_t)__builtin_ctzll(word);
            if (wheel->slots[tick % TIMER_SLOTS])
                return tick * TIMER_TICK_MS;
            wheel->occupied[tick % TIMER_SLOTS / 64] &= ~(1ull << (tick % 64));
            continue;
        }
        tick += 64 - slot % 64;
    }
    return UINT64_MAX;
}
