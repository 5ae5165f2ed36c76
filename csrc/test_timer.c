/* Tests of timer.c: never early, at most one tick late, whatever is set, moved and cleared on the way; against a plain list
 * of times. */
#include "timer.h"
#include "test_support.h"

enum { TIMERS = 300, LATE_MS_MAX = TIMER_TICK_MS };

static timer_wheel wheel;

static uint64_t draw(uint64_t *state)
{
    uint64_t mixed = *state += 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
}

/* The first look, in steps of a millisecond, at which the only timer expires. */
static uint64_t expires_at(uint64_t now_ms, uint64_t until_ms)
{
    for (; now_ms <= until_ms; now_ms++)
        if (timer_pop(&wheel, now_ms))
            return now_ms;
    return UINT64_MAX;
}

static void test_when(void)
{
    static const uint64_t delays[] = {0, 1, 7, 8, 9, 100, TIMER_SLOTS * TIMER_TICK_MS - 1, TIMER_SLOTS * TIMER_TICK_MS,
                                      TIMER_SLOTS * TIMER_TICK_MS + 1, 3 * TIMER_SLOTS * TIMER_TICK_MS + 5};
    for (uint64_t start = 1000; start < 1000 + 2 * TIMER_TICK_MS; start++)
        for (uint32_t i = 0; i < sizeof delays / sizeof *delays; i++) {
            timer t = {0};
            timer_wheel_start(&wheel, start);
            timer_set(&wheel, &t, start + delays[i]);
            CHECK(timer_is_set(&t));
            uint64_t at = expires_at(start, start + delays[i] + 2 * LATE_MS_MAX);
            CHECK(at >= start + delays[i] && at <= start + delays[i] + LATE_MS_MAX);
            CHECK(!timer_is_set(&t));
            CHECK(timer_next_ms(&wheel) == UINT64_MAX);
        }
}

static void test_past_and_cleared(void)
{
    timer past = {0}, cleared = {0}, moved = {0};
    timer_wheel_start(&wheel, 5000);
    CHECK(timer_next_ms(&wheel) == UINT64_MAX);
    CHECK(timer_pop(&wheel, 1000000) == NULL);
    timer_set(&wheel, &past, 3);
    timer_set(&wheel, &cleared, 1000100);
    timer_set(&wheel, &moved, 1000100);
    timer_clear(&cleared);
    timer_clear(&cleared);
    timer_set(&wheel, &moved, 1002000);
    CHECK(timer_pop(&wheel, 1000000 + TIMER_TICK_MS) == &past);
    CHECK(timer_pop(&wheel, 1001000) == NULL);
    CHECK(timer_pop(&wheel, 1002000 + TIMER_TICK_MS) == &moved);
    CHECK(timer_pop(&wheel, 2000000) == NULL);
}

/* What has expired but was not popped yet can still be cleared, and moved. */
static void test_changes_inside_expiry(void)
{
    timer t[4] = {0};
    timer_wheel_start(&wheel, 0);
    for (int i = 0; i < 4; i++)
        timer_set(&wheel, &t[i], 100);
    timer *first = timer_pop(&wheel, 200);
    CHECK(first != NULL);
    CHECK(timer_next_ms(&wheel) <= 200);
    timer *second = first == &t[0] ? &t[1] : &t[0];
    timer *third = first == &t[2] || second == &t[2] ? &t[3] : &t[2];
    timer_clear(second);
    timer_set(&wheel, third, 300);
    timer_set(&wheel, first, 400);
    uint32_t more = 0;
    while (timer_pop(&wheel, 200))
        more++;
    CHECK_EQUAL(more, 1);
    CHECK(timer_pop(&wheel, 299) == NULL);
    CHECK(timer_pop(&wheel, 300 + LATE_MS_MAX) == third);
    CHECK(timer_pop(&wheel, 400 + LATE_MS_MAX) == first);
    CHECK(timer_pop(&wheel, 10000) == NULL);
}

/* A loop that arms again at once, for a time that has come, must end: the timer waits for the next tick. */
static void test_armed_again_at_once(void)
{
    timer t = {0};
    timer_wheel_start(&wheel, 0);
    timer_set(&wheel, &t, 10);
    int popped = 0;
    while (popped < 5 && timer_pop(&wheel, 1000)) {
        timer_set(&wheel, &t, 1000);
        popped++;
    }
    CHECK_EQUAL(popped, 1);
    CHECK(timer_pop(&wheel, 1000 + LATE_MS_MAX) == &t);
}

static void test_jump_far_ahead(void)
{
    static timer many[TIMER_SLOTS + 5];
    timer_wheel_start(&wheel, 12345);
    for (uint32_t i = 0; i < TIMER_SLOTS + 5; i++)
        timer_set(&wheel, &many[i], 12345 + (uint64_t)i * 3 * TIMER_TICK_MS);
    uint32_t popped = 0;
    while (timer_pop(&wheel, UINT64_C(1) << 40))
        popped++;
    CHECK_EQUAL(popped, TIMER_SLOTS + 5);
    CHECK(timer_next_ms(&wheel) == UINT64_MAX);
}

typedef struct {
    timer timers[TIMERS];
    uint64_t due_ms[TIMERS]; /* UINT64_MAX: not armed */
} model;

static uint64_t earliest(const model *m)
{
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < TIMERS; i++)
        least = m->due_ms[i] < least ? m->due_ms[i] : least;
    return least;
}

static void change_some(model *m, uint64_t now_ms, uint64_t *state)
{
    static const uint64_t reaches[] = {1, 20, 3000, TIMER_SLOTS * TIMER_TICK_MS, 5 * TIMER_SLOTS * TIMER_TICK_MS};
    for (int turns = (int)(draw(state) % 8); turns > 0; turns--) {
        uint32_t i = (uint32_t)(draw(state) % TIMERS);
        if (draw(state) % 4 == 0) {
            timer_clear(&m->timers[i]);
            m->due_ms[i] = UINT64_MAX;
        } else {
            m->due_ms[i] = now_ms + draw(state) % reaches[draw(state) % 5];
            timer_set(&wheel, &m->timers[i], m->due_ms[i]);
        }
    }
}

/* Looks at a time; due_before_ms: the time of the look before, by which nothing could be seen to be due. */
static int pop_due(model *m, uint64_t now_ms, uint64_t last_look_ms)
{
    int holds = 1;
    timer *t;
    while ((t = timer_pop(&wheel, now_ms))) {
        uint64_t *due_ms = &m->due_ms[t - m->timers];
        holds &= *due_ms <= now_ms;
        *due_ms = UINT64_MAX;
    }
    /* a time that had passed when it was set waits for a tick after the look before it was set, at most */
    uint64_t least = earliest(m);
    uint64_t seen_by_ms = (least > last_look_ms ? least : last_look_ms) + LATE_MS_MAX;
    return holds & (least == UINT64_MAX || seen_by_ms > now_ms);
}

static void test_against_a_list(void)
{
    static model m;
    uint64_t state = 1;
    for (int round = 0; round < 20; round++) {
        uint64_t now_ms = draw(&state) % 100000, last_look_ms;
        int holds = 1, is_bound = 1;
        timer_wheel_start(&wheel, now_ms);
        memset(m.timers, 0, sizeof m.timers);
        memset(m.due_ms, 0xff, sizeof m.due_ms);
        for (int turn = 0; turn < 3000; turn++) {
            change_some(&m, now_ms, &state);
            uint64_t next_ms = timer_next_ms(&wheel), least = earliest(&m);
            uint64_t least_seen_ms = (least > now_ms ? least : now_ms) + 2 * LATE_MS_MAX;
            is_bound &= least == UINT64_MAX ? next_ms == UINT64_MAX : next_ms <= least_seen_ms;
            last_look_ms = now_ms;
            if (draw(&state) % 4 == 0 && next_ms != UINT64_MAX && next_ms > now_ms)
                now_ms = next_ms; /* as the caller that sleeps until then */
            else
                now_ms += draw(&state) % (draw(&state) % 64 == 0 ? 40000 : 30);
            holds &= pop_due(&m, now_ms, last_look_ms);
        }
        CHECK(holds);
        CHECK(is_bound);
    }
}

int main(void)
{
    test_when();
    test_past_and_cleared();
    test_changes_inside_expiry();
    test_armed_again_at_once();
    test_jump_far_ahead();
    test_against_a_list();
    return test_report();
}
