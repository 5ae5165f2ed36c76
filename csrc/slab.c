#include "slab.h"

#include <string.h>

#include "pages.h"

int slab_start(slab *s, uint32_t item_bytes, uint32_t count_max, uint32_t generation_mask)
{
    *s = (slab){.item_bytes = item_bytes, .count_max = count_max, .generation_mask = generation_mask, .first_free = SLAB_NONE};
    s->items = pages_map((size_t)count_max * item_bytes);
    return s->items ? 0 : -1;
}

void slab_end(slab *s)
{
    pages_unmap(s->items, (size_t)s->count_max * s->item_bytes);
    s->items = NULL;
    s->made = 0;
}

/* A slot that was never used. */
static slab_item *take_new(slab *s)
{
    if (s->made == s->count_max)
        return NULL;
    slab_item *item = slab_item_at(s, s->made);
    item->generation = 1;
    item->slot = s->made++;
    return item;
}

void *slab_take(slab *s)
{
    slab_item *item;
    if (s->first_free != SLAB_NONE) {
        item = slab_item_at(s, s->first_free);
        s->first_free = item->next_free;
        memset((uint8_t *)item + sizeof *item, 0, s->item_bytes - sizeof *item);
    } else if (!(item = take_new(s))) {
        return NULL;
    }
    item->next_free = SLAB_TAKEN;
    s->taken++;
    return item;
}

void slab_give(slab *s, void *given)
{
    slab_item *item = given;
    item->generation = (item->generation + 1) & s->generation_mask;
    if (item->generation == 0)
        item->generation = 1;
    item->next_free = s->first_free;
    s->first_free = item->slot;
    s->taken--;
}
