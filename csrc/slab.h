/* A bounded set of equal structures with stable addresses, found by slot. Memory is taken page by page as it is needed and kept:
 * what was once needed is likely to be needed again. Each structure begins with a slab_item, whose generation changes at
 * every release, so that a handle to a former owner of the slot is known to be void. */
#ifndef PENSTOCK_SLAB_H
#define PENSTOCK_SLAB_H

#include <stddef.h>
#include <stdint.h>

enum { SLAB_NONE = 0xffffffffu, SLAB_TAKEN = 0xfffffffeu };

typedef struct {
    uint32_t generation; /* never 0 */
    uint32_t slot;
    uint32_t next_free;  /* a slot, SLAB_NONE, or SLAB_TAKEN while it is taken */
} slab_item;

typedef struct {
    uint8_t *items;
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
/* A structure, zeroed but for its slab_item; NULL at the bound. */
void *slab_take(slab *s);
void slab_give(slab *s, void *item);

static inline slab_item *slab_item_at(const slab *s, uint32_t slot)
{
    return (slab_item *)(s->items + (size_t)slot * s->item_bytes);
}

static inline int slab_is_taken(const slab_item *item)
{
    return item->next_free == SLAB_TAKEN;
}

/* The structure in a slot if it is taken, else NULL. Any slot number may be asked. */
static inline void *slab_at(const slab *s, uint32_t slot)
{
    if (slot >= s->made)
        return NULL;
    slab_item *item = slab_item_at(s, slot);
    return slab_is_taken(item) ? item : NULL;
}

/* The same, if the generation is that of the present owner. */
static inline void *slab_find(const slab *s, uint32_t slot, uint32_t generation)
{
    slab_item *item = slab_at(s, slot);
    return item && item->generation == generation ? item : NULL;
}

#endif
