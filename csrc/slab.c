#include "slab.h"

#include <stdlib.h>
#include <string.h>

int slab_start(slab *s, uint32_t item_bytes, uint32_t count_max, uint32_t generation_mask)
{
    *s = (slab){.item_bytes = item_bytes, .count_max = count_max, .generation_mask = generation_mask, .first_free = SLAB_NONE};
    s->chunks = calloc(count_max / SLAB_CHUNK + 1, sizeof *s->chunks);
    return s->chunks ? 0 : -1;
}

void slab_end(slab *s)
{
    for (uint32_t chunk = 0; s->chunks && chunk * SLAB_CHUNK < s->made; chunk++)
        free(s->chunks[chunk]);
    free(s->chunks);
    s->chunks = NULL;
    s->made = 0;
}

/* A slot that was never used: its chunk is made when it is the chunk's first. */
static slab_item *take_new(slab *s)
{
    if (s->made == s->count_max)
        return NULL;
    uint8_t **chunk = &s->chunks[s->made / SLAB_CHUNK];
    if (s->made % SLAB_CHUNK == 0 && !(*chunk = calloc(SLAB_CHUNK, s->item_bytes)))
        return NULL;
    slab_item *item = (slab_item *)(*chunk + (size_t)(s->made % SLAB_CHUNK) * s->item_bytes);
    item->generation = 1;
    item->slot = s->made++;
    return item;
}

void *slab_take(slab *s)
{
    slab_item *item;
    if (s->first_free != SLAB_NONE) {
        item = (slab_item *)(s->chunks[s->first_free / SLAB_CHUNK] + (size_t)(s->first_free % SLAB_CHUNK) * s->item_bytes);
        s->first_free = item->next_free;
        memset(item + 1, 0, s->item_bytes - sizeof *item);
    } else if (!(item = take_new(s))) {
        return NULL;
    }
    item->is_taken = 1;
    s->taken++;
    return item;
}

void slab_give(slab *s, void *given)
{
    slab_item *item = given;
    item->is_taken = 0;
    item->generation = (item->generation + 1) & s->generation_mask;
    if (item->generation == 0)
        item->generation = 1;
    item->next_free = s->first_free;
    s->first_free = item->slot;
    s->taken--;
}
