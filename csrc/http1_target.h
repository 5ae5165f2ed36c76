/* The bytes of request targets and hosts (RFC 9112, section 3.2; RFC 3986). Inline: every head has both. The loops end by
 * themselves at the line's end, which is in no class of bytes. */
#ifndef PENSTOCK_HTTP1_TARGET_H
#define PENSTOCK_HTTP1_TARGET_H

#include "http1_text.h"

/* The byte that %XX at p stands for, or -1 when what follows '%' is not two hexadecimal digits. */
static inline int decode_percent(const uint8_t *p)
{
    int high = hex_value(p[1]);
    return high < 0 ? -1 : hex_value(p[2]) < 0 ? -1 : high * 16 + hex_value(p[2]);
}

/* Whether the %XX at p, which stands for byte, is not how everybody would write it (RFC 3986, section 6.2.2), or hides what one
 * server takes for a part of the path's structure and the next one does not: a separator, a control byte. */
static inline int is_odd_encoding(const uint8_t *p, int byte)
{
    return byte < 0x20 || byte == '/' || byte == '\\' || byte == 0x7f || (byte_class[byte] & CLASS_UNRESERVED) || p[1] >= 'a' ||
           p[2] >= 'a';
}

/* Whether the path's '/' at p begins an empty segment or a dot segment: "//", "/./", "/../", and the dots at the path's end; or dots with
 * a parameter, "/..;x", however its ';' is spelt: some servers take that for a dot segment. */
static inline int begins_odd_segment(const uint8_t *p)
{
    if (p[1] != '.')
        return p[1] == '/';
    const uint8_t *after = p[2] == '.' ? p + 3 : p + 2;
    if (*after == '%')
        return after[1] == '3' && (after[2] | 0x20) == 'b';
    return *after == '/' || *after == '?' || *after == ' ' || *after == ';';
}

/* Reads path bytes from p on. Returns the first byte after the path, or NULL when a percent-encoding is broken. *is_odd is set
 * when the path has more than one spelling: it must be normalised first. */
static inline const uint8_t *skip_path(const uint8_t *p, int *is_odd)
{
    for (;;) {
        while (byte_class[*p] & CLASS_SEGMENT)
            p++;
        if (*p == '/') {
            if (begins_odd_segment(p))
                *is_odd = 1;
            p++;
        } else if (*p == '%') {
            int byte = decode_percent(p);
            if (byte < 0)
                return NULL;
            if (is_odd_encoding(p, byte))
                *is_odd = 1;
            p += 3;
        } else {
            return p;
        }
    }
}

/* Reads bytes that a query may hold from p on. Returns as skip_path. */
static inline const uint8_t *skip_query(const uint8_t *p)
{
    for (;;) {
        while (byte_class[*p] & CLASS_QUERY)
            p++;
        if (*p != '%')
            return p;
        if (decode_percent(p) < 0)
            return NULL;
        p += 3;
    }
}

/* Whether a target that does not begin with '/' has the look of another legal form: "*", scheme:..., host:port. */
static inline int is_other_form(const uint8_t *target, size_t byte_count)
{
    if (*target == '*')
        return byte_count == 1;
    return (*target == '[' || (byte_class[*target] & CLASS_REG_NAME)) && memchr(target, ':', byte_count) != NULL;
}

/* Behind the reg-name at p (RFC 3986, section 3.2.2). */
static inline const uint8_t *skip_reg_name(const uint8_t *p)
{
    for (;;) {
        while (byte_class[*p] & CLASS_REG_NAME)
            p++;
        if (*p != '%' || decode_percent(p) < 0)
            return p;
        p += 3;
    }
}

/* Whether the value is uri-host [":" port] (RFC 9110, section 7.2): a name, an IPv4 address, or an IPv6 address in brackets, by
 * their characters; not empty, and a port, where there is a colon, of one to five digits. What stands at end is white space or
 * CR. */
static inline int is_host(const uint8_t *p, const uint8_t *end)
{
    const uint8_t *start = p;

    if (p < end && *p == '[') {
        for (p++; p < end && (hex_value(*p) >= 0 || *p == ':' || *p == '.'); p++)
            ;
        if (p >= end || *p != ']' || p - start < 3)
            return 0;
        p++;
    } else {
        p = skip_reg_name(p);
        if (p == start)
            return 0;
    }
    if (p == end)
        return 1;
    const uint8_t *port = *p == ':' ? p + 1 : end;
    for (p = port; p < end && is_digit(*p); p++)
        ;
    return p == end && p - port >= 1 && p - port <= 5;
}

#endif
