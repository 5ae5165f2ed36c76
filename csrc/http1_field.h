/* One field line, as heads and trailer sections have it (RFC 9112, section 5). Inline: it is most of a head's scan. */
#ifndef PENSTOCK_HTTP1_FIELD_H
#define PENSTOCK_HTTP1_FIELD_H

#include "http1_list.h"
#include "http1_text.h"

enum { FIELD_VALUE_BYTES_MAX = 65535 }; /* what http1_field.value_bytes and a frame's field table can hold */

/* The verdict on a byte that may not stand where it does: HEAD_BAD_LINE_END for a bare CR or LF, otherwise the given one. */
static inline int judge_stop(const uint8_t *at, int otherwise)
{
    return *at == '\n' || (*at == '\r' && at[1] != '\n') ? HEAD_BAD_LINE_END : otherwise;
}

/* The first byte from p on that may not be in a field value. Eight bytes at a time; HTAB is legal and stops a word, not the
 * scan. */
static inline const uint8_t *find_text_end(const uint8_t *p, const uint8_t *end)
{
    while (end - p >= 8) {
        uint64_t control = find_control(load_word(p));
        if (control == 0) {
            p += 8;
            continue;
        }
        p += __builtin_ctzll(control) >> 3;
        if (*p != '\t')
            return p;
        p++;
    }
    while (byte_class[*p] & CLASS_TEXT)
        p++;
    return p;
}

/* Behind a name in which something other than a letter, a digit or a common mark stands. Kept out of the way: names rarely have
 * it. */
__attribute__((cold, noinline)) static const uint8_t *skip_rest_of_name(const uint8_t *p)
{
    while (byte_class[*p] & CLASS_TOKEN)
        p++;
    return p;
}

/* Reads the line at *at, of a section that begins at start and whose last bytes before end are CR LF. Moves *at behind the line
 * and fills *field, or returns a malformed verdict. */
static inline int read_field_line(const uint8_t *start, const uint8_t **at, const uint8_t *end, http1_field *field)
{
    const uint8_t *name = *at;
    const uint8_t *p = name;

    while (byte_class[*p] & CLASS_NAME)
        p++;
    int is_guarded = 0;
    if (*p != ':') {
        is_guarded = *p == '_';
        p = skip_rest_of_name(p);
    }
    size_t name_bytes = (size_t)(p - name);
    if (*p != ':' || name_bytes == 0)
        return judge_stop(p, HEAD_BAD_FIELD_NAME);
    if (name_bytes > 255)
        return HEAD_FIELD_NAME_TOO_LONG;
    for (p++; *p == ' ' || *p == '\t'; p++)
        ;
    const uint8_t *value = p;
    p = find_text_end(p, end);
    if (p[0] != '\r' || p[1] != '\n')
        return judge_stop(p, HEAD_BAD_FIELD_VALUE);
    *at = p + 2;
    while (p > value && (p[-1] == ' ' || p[-1] == '\t'))
        p--;
    if (p - value > FIELD_VALUE_BYTES_MAX)
        return HEAD_TOO_LARGE;
    uint8_t known = find_known_name(name, name_bytes);
    if (known == NAME_OTHER && (is_guarded || ((name[0] | 0x20) == 'x' && name[1] == '-')))
        known = http1_guarded_name(name, name_bytes);
    *field = (http1_field){(uint32_t)(name - start), (uint32_t)(value - start), (uint16_t)(p - value), (uint8_t)name_bytes,
                           known};
    return HEAD_PLAIN;
}

#endif
