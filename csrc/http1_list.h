/* What heads rarely hold: names that only the gateway may say, and fields that are lists (RFC 9110, section 5.6.1). Pure. */
#ifndef PENSTOCK_HTTP1_LIST_H
#define PENSTOCK_HTTP1_LIST_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "http1_head.h"

/* One element of a list, without the white space around it; never empty. */
typedef struct {
    const uint8_t *bytes;
    size_t byte_count;
} http1_element;

/* Which name a token is that find_known_name does not know: NAME_X_FORWARDED_FOR, NAME_X_FORWARDED_PROTO, NAME_TRUST or
 * NAME_OTHER. '_' stands for '-' here, since many a server takes them for the same. */
uint8_t http1_guarded_name(const uint8_t *token, size_t byte_count);

/* Which name a token is, by both: an enum http1_name. */
uint8_t http1_name_of(const uint8_t *token, size_t byte_count);

/* The next element of a list that goes from *at to end, empty ones skipped; *at moves behind it. Returns 0 when there is none.
 * A comma always separates: for lists whose elements hold no quoted strings. */
static inline int http1_next_element(const uint8_t **at, const uint8_t *end, http1_element *element)
{
    while (*at < end) {
        const uint8_t *p = *at;
        const uint8_t *comma = memchr(p, ',', (size_t)(end - p));
        const uint8_t *last = comma == NULL ? end : comma;
        *at = comma == NULL ? end : comma + 1;
        while (p < last && (*p == ' ' || *p == '\t'))
            p++;
        while (p < last && (last[-1] == ' ' || last[-1] == '\t'))
            last--;
        if (p < last) {
            *element = (http1_element){p, (size_t)(last - p)};
            return 1;
        }
    }
    return 0;
}

/* Whether the list has an element that is the name, in any case. name: 2 to 24 bytes in lower case. */
int http1_has_element(const uint8_t *list, const uint8_t *end, const char *name);

/* Whether an element is a token. */
int http1_is_token(const http1_element *element);

/* Whether bytes are a protocol's name: token ["/" token] (RFC 9110, section 7.8). */
int http1_is_protocol(const uint8_t *bytes, const uint8_t *end);

/* Whether the list names at least one protocol, and nothing else. */
int http1_is_protocol_list(const uint8_t *list, const uint8_t *end);

/* Makes NAME_NOMINATED of the fields that an option of Connection names, unless they are known as something else. Takes as many
 * comparisons as there are options times fields; both are bounded by whoever scanned the head. */
void http1_mark_nominated(const uint8_t *bytes, http1_head *head);

/* The verdict on the value of the one Transfer-Encoding field: HEAD_UNUSUAL_ENCODING for "chunked", HEAD_UNKNOWN_ENCODING for
 * other codings before it, HEAD_BAD_ENCODING for anything else (RFC 9112, sections 6.1, 6.3 and 7). */
int http1_judge_codings(const uint8_t *value, const uint8_t *end);

#endif
