/* A bounded set of equal structures with stable addresses, found by slot. Memory is taken in chunks as it is needed and kept:
 * what was once needed is likely to be needed again. Each structure begins with a slab_item, whose generation changes at
 * every release, so that a handle to a former owner of the slot is known to be void. */
#ifndef PENSTOCK_SLAB_H
#define PENSTOCK_SLAB_H

#include <stddef.h>
#include <stdint.h>

enum { SLAB_CHUNK = 128, SLAB_NONE = 0xffffffffu };

typedef struct {
    uint32_t generation; /* never 0 */
    uint32_t slot;
    uint32_t next_free;
    uint32_t is_taken;
} slab_item;

typedef struct {
    uint8_t **chunks;
    uint32_t item_bytes;
    uint32_t count_max;
    uint32_t generation_mask;
    uint32_t made;  /* slots that have ever been taken */
    uint32_t taken;
    uint32_t first_free;
} slab;

/* 0, or -1 when there is no memory. generation_mask: the bits that a handle keeps of the generation. */
int slab_start(slab *s, uint32_t item_bytes, uint32_t count_max, uint32_t generation_mask);
void slab_end(slab *s);
/* A structure, zeroed but for its slab_item; NULL at the bound or without memory. */
void *slab_take(slab *s);
void slab_give(slab *s, void *item);

/* The structure in a slot if it is taken, else NULL. Any slot number may be asked. */
static inline void *slab_at(const slab *s, uint32_t slot)
{
    if (slot >= s->made)
        return NULL;
    slab_item *item = (slab_item *)(s->chunks[slot / SLAB_CHUNK] + (size_t)(slot % SLAB_CHUNK) * s->item_bytes);
    return item->is_taken ? item : NULL;
}

/* The same, if the generation is that of the present owner. */
static inline void *slab_find(const slab *s, uint32_t slot, uint32_t generation)
{
    slab_item *item = slab_at(s, slot);
    return item && item->generation == generation ? item : NULL;
}

#endif
