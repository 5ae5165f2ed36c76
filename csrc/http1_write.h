/* What the writers of heads and of trailers share. Inline. */
#ifndef PENSTOCK_HTTP1_WRITE_H
#define PENSTOCK_HTTP1_WRITE_H

#include "http1_text.h"

/* Where text is written. When something does not fit it is left out and full is set, once for all, so that only the end
 * of the work need look at it. */
typedef struct {
    uint8_t *at;
    uint8_t *end;
    int full;
} writer;

/* Room for so many bytes, or NULL. */
static inline uint8_t *take_room(writer *w, size_t byte_count)
{
    uint8_t *at = w->at;

    if ((size_t)(w->end - at) < byte_count) {
        w->full = 1;
        return NULL;
    }
    w->at = at + byte_count;
    return at;
}

/* Writes bytes, where they fit. */
static inline void put(writer *w, const void *bytes, size_t byte_count)
{
    uint8_t *at = take_room(w, byte_count);

    if (at != NULL)
        memcpy(at, bytes, byte_count);
}

/* Whether all bytes may be in a field value: no control byte but HTAB. Words first; a control byte among them is looked at
 * again, since it may be a HTAB. The last word overlaps the one before it. */
static inline int is_text(const uint8_t *bytes, uint32_t byte_count)
{
    uint64_t control = 0;
    uint32_t i = 0;

    if (byte_count >= 8) {
        for (; i + 8 < byte_count; i += 8)
            control |= find_control(load_word(bytes + i));
        control |= find_control(load_word(bytes + byte_count - 8));
        if (control == 0)
            return 1;
    }
    for (i = 0; i < byte_count; i++)
        if (!(byte_class[bytes[i]] & CLASS_TEXT))
            return 0;
    return 1;
}

/* Whether bytes are a token in lower case. */
static inline int is_lower_token(const uint8_t *bytes, uint32_t byte_count)
{
    uint8_t classes = CLASS_LOWER_TOKEN;

    for (uint32_t i = 0; i < byte_count; i++)
        classes &= byte_class[bytes[i]];
    return byte_count > 0 && classes != 0;
}

/* Writes a field line, where it fits. */
static inline void put_field(writer *w, const uint8_t *name, uint32_t name_bytes, const uint8_t *value, uint32_t value_bytes)
{
    uint8_t *at = take_room(w, (size_t)name_bytes + value_bytes + 4);

    if (at == NULL)
        return;
    copy_short(at, name, name_bytes);
    memcpy(at + name_bytes, ": ", 2);
    copy_short(at + name_bytes + 2, value, value_bytes);
    memcpy(at + name_bytes + 2 + value_bytes, "\r\n", 2);
}

#endif
