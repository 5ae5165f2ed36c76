/* Tests of slab.c: bounds, stable addresses, generations, reuse. */
#include "slab.h"
#include "test_support.h"

enum { COUNT_MAX = 391 };

typedef struct {
    slab_item item;
    uint32_t number;
    uint8_t filling[52];
} thing;

static thing *take(slab *s, uint32_t number)
{
    thing *taken = slab_take(s);
    if (taken)
        taken->number = number;
    return taken;
}

static void test_bounds_and_addresses(void)
{
    static thing *things[COUNT_MAX];
    slab s;
    CHECK_EQUAL(slab_start(&s, sizeof(thing), COUNT_MAX, 0xffff), 0);
    CHECK(slab_at(&s, 0) == NULL);
    int all_taken = 1, all_zeroed = 1, all_found = 1, all_kept = 1;
    for (uint32_t i = 0; i < COUNT_MAX; i++) {
        thing *taken = slab_take(&s);
        all_taken &= taken != NULL && taken->item.slot == i && taken->item.generation == 1;
        if (!taken)
            break;
        for (size_t at = 0; at < sizeof taken->filling; at++)
            all_zeroed &= taken->filling[at] == 0 && taken->number == 0;
        taken->number = i;
        memset(taken->filling, 0xa5, sizeof taken->filling);
        things[i] = taken;
    }
    CHECK(all_taken);
    CHECK(all_zeroed);
    CHECK(slab_take(&s) == NULL);
    CHECK_EQUAL(s.taken, COUNT_MAX);
    for (uint32_t i = 0; i < COUNT_MAX; i++) {
        all_found &= slab_at(&s, i) == things[i] && slab_find(&s, i, 1) == things[i] && slab_find(&s, i, 2) == NULL;
        all_kept &= things[i]->number == i;
    }
    CHECK(all_found);
    CHECK(all_kept);
    CHECK(slab_at(&s, COUNT_MAX) == NULL);
    CHECK(slab_at(&s, UINT32_MAX) == NULL);
    slab_end(&s);
    CHECK(slab_at(&s, 0) == NULL);
}

static void test_reuse(void)
{
    slab s;
    CHECK_EQUAL(slab_start(&s, sizeof(thing), 2, 0xffff), 0);
    thing *first = take(&s, 1), *second = take(&s, 2);
    CHECK(take(&s, 3) == NULL);
    uint32_t slot = first->item.slot, generation = first->item.generation;
    memset(first->filling, 0x5a, sizeof first->filling);
    slab_give(&s, first);
    CHECK_EQUAL(s.taken, 1);
    CHECK(slab_at(&s, slot) == NULL);
    CHECK(slab_find(&s, slot, generation) == NULL);
    thing *again = slab_take(&s);
    CHECK(again == first);
    CHECK(again->number == 0 && again->filling[0] == 0 && again->filling[51] == 0);
    CHECK(again->item.slot == slot && again->item.generation == generation + 1);
    CHECK(slab_find(&s, slot, generation) == NULL);
    CHECK(slab_find(&s, slot, generation + 1) == again);
    CHECK(second->number == 2);
    slab_end(&s);
}

/* A generation that wraps passes over 0, so that a handle of zero is never a good one. */
static void test_generations_wrap(void)
{
    slab s;
    int never_zero = 1, always_masked = 1;
    CHECK_EQUAL(slab_start(&s, sizeof(thing), 1, 0x3), 0);
    for (int turn = 0; turn < 20; turn++) {
        thing *taken = take(&s, 0);
        never_zero &= taken->item.generation != 0;
        always_masked &= taken->item.generation <= 3;
        slab_give(&s, taken);
    }
    CHECK(never_zero);
    CHECK(always_masked);
    slab_end(&s);
}

static void test_random_use(void)
{
    static thing *held[COUNT_MAX];
    slab s;
    uint32_t seed = 7, held_count = 0;
    int holds = 1;
    CHECK_EQUAL(slab_start(&s, sizeof(thing), COUNT_MAX, 0xffffff), 0);
    for (int turn = 0; turn < 20000; turn++) {
        seed = seed * 1103515245u + 12345u;
        uint32_t at = (seed >> 8) % COUNT_MAX;
        if (held[at]) {
            holds &= held[at]->number == at && slab_find(&s, held[at]->item.slot, held[at]->item.generation) == held[at];
            slab_give(&s, held[at]);
            held[at] = NULL;
            held_count--;
        } else {
            held[at] = take(&s, at);
            holds &= held[at] != NULL;
            held_count++;
        }
        holds &= s.taken == held_count;
    }
    CHECK(holds);
    slab_end(&s);
}

int main(void)
{
    test_bounds_and_addresses();
    test_reuse();
    test_generations_wrap();
    test_random_use();
    return test_report();
}
