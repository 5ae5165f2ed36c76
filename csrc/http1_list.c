/* Names and lists that heads rarely hold; the contract is in http1_list.h. */
#include "http1_list.h"

#include "http1_text.h"

enum { GUARDED_BYTES_MAX = 24 }; /* the longest name that is told by all of its bytes, or more */

/* Whether a folded name is the prefix, alone or with more behind a '-'. */
static int has_prefix(const uint8_t *folded, size_t byte_count, const char *prefix, size_t prefix_bytes)
{
    if (byte_count < prefix_bytes || memcmp(folded, prefix, prefix_bytes) != 0)
        return 0;
    return byte_count == prefix_bytes || folded[prefix_bytes] == '-';
}

static int is_exactly(const uint8_t *folded, size_t byte_count, const char *name)
{
    return byte_count == strlen(name) && memcmp(folded, name, byte_count) == 0;
}

uint8_t http1_guarded_name(const uint8_t *token, size_t byte_count)
{
    uint8_t folded[GUARDED_BYTES_MAX] = {0};
    size_t folded_bytes = byte_count < GUARDED_BYTES_MAX ? byte_count : GUARDED_BYTES_MAX;
    int is_spelt_otherwise = 0;

    for (size_t i = 0; i < folded_bytes; i++) {
        is_spelt_otherwise |= token[i] == '_';
        folded[i] = token[i] == '_' ? '-' : (uint8_t)(token[i] | ((uint8_t)(token[i] - 'A') < 26 ? 0x20 : 0));
    }
    if (is_exactly(folded, byte_count, "x-forwarded-for"))
        return is_spelt_otherwise ? NAME_TRUST : NAME_X_FORWARDED_FOR;
    if (is_exactly(folded, byte_count, "x-forwarded-proto"))
        return is_spelt_otherwise ? NAME_TRUST : NAME_X_FORWARDED_PROTO;
    if (has_prefix(folded, folded_bytes, "x-forwarded", 11) || has_prefix(folded, folded_bytes, "x-penstock", 10))
        return NAME_TRUST;
    if (is_exactly(folded, byte_count, "x-real-ip") || is_exactly(folded, byte_count, "x-client-ip") ||
        is_exactly(folded, byte_count, "x-cluster-client-ip"))
        return NAME_TRUST;
    if (is_spelt_otherwise && byte_count <= folded_bytes && find_known_name(folded, byte_count) != NAME_OTHER)
        return NAME_TRUST;
    return NAME_OTHER;
}

uint8_t http1_name_of(const uint8_t *token, size_t byte_count)
{
    uint8_t known = find_known_name(token, byte_count);
    return known != NAME_OTHER ? known : http1_guarded_name(token, byte_count);
}

int http1_has_element(const uint8_t *list, const uint8_t *end, const char *name)
{
    size_t name_bytes = strlen(name);
    http1_element element;

    while (http1_next_element(&list, end, &element))
        if (element.byte_count == name_bytes && is_name(element.bytes, name, name_bytes))
            return 1;
    return 0;
}

/* The first byte from p on that is in no token, or end. */
static const uint8_t *skip_token(const uint8_t *p, const uint8_t *end)
{
    while (p < end && (byte_class[*p] & CLASS_TOKEN))
        p++;
    return p;
}

int http1_is_token(const http1_element *element)
{
    const uint8_t *end = element->bytes + element->byte_count;
    return skip_token(element->bytes, end) == end;
}

int http1_is_protocol(const uint8_t *bytes, const uint8_t *end)
{
    const uint8_t *p = skip_token(bytes, end);

    if (p == bytes)
        return 0;
    if (p == end)
        return 1;
    const uint8_t *version = p + 1;
    p = skip_token(version, end);
    return version[-1] == '/' && p > version && p == end;
}

int http1_is_protocol_list(const uint8_t *list, const uint8_t *end)
{
    http1_element element;
    int count = 0;

    while (http1_next_element(&list, end, &element)) {
        if (!http1_is_protocol(element.bytes, element.bytes + element.byte_count))
            return 0;
        count++;
    }
    return count > 0;
}

static const uint8_t *skip_white(const uint8_t *p, const uint8_t *end)
{
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    return p;
}

/* Behind a quoted string that begins at p, or NULL where it is malformed. Control bytes are not in field values at all. */
static const uint8_t *skip_quoted(const uint8_t *p, const uint8_t *end)
{
    for (p++; p < end && *p != '"'; p++)
        if (*p == '\\')
            p++;
    return p < end ? p + 1 : NULL;
}

/* Behind *( OWS ";" OWS token BWS "=" BWS ( token / quoted-string ) ), or NULL where a parameter is malformed. */
static const uint8_t *skip_parameters(const uint8_t *p, const uint8_t *end)
{
    for (;;) {
        const uint8_t *next = skip_white(p, end);
        if (next == end || *next != ';')
            return p;
        const uint8_t *name = skip_white(next + 1, end);
        p = skip_token(name, end);
        next = skip_white(p, end);
        if (p == name || next == end || *next != '=')
            return NULL;
        const uint8_t *value = skip_white(next + 1, end);
        p = value < end && *value == '"' ? skip_quoted(value, end) : skip_token(value, end);
        if (p == NULL || p == value)
            return NULL;
    }
}

/* Empty elements, which a list may have, are not taken here: nobody sends them, but for those who hope to be read differently by
 * two parsers. Nor is a parameter of "chunked", which has none. */
int http1_judge_codings(const uint8_t *value, const uint8_t *end)
{
    const uint8_t *p = value;
    int others = 0;

    for (;;) {
        const uint8_t *coding = skip_white(p, end);
        p = skip_token(coding, end);
        int is_chunked = p - coding == 7 && is_name(coding, "chunked", 7);
        if (is_chunked)
            return p != end ? HEAD_BAD_ENCODING : others ? HEAD_UNKNOWN_ENCODING : HEAD_UNUSUAL_ENCODING;
        if (p == coding || (p = skip_parameters(p, end)) == NULL)
            return HEAD_BAD_ENCODING;
        p = skip_white(p, end);
        if (p == end || *p != ',')
            return HEAD_BAD_ENCODING;
        p++;
        others = 1;
    }
}

static int is_same_name(const uint8_t *a, const uint8_t *b, size_t byte_count)
{
    uint8_t lower_a[256], lower_b[256];

    copy_lower(lower_a, a, (uint32_t)byte_count);
    copy_lower(lower_b, b, (uint32_t)byte_count);
    return memcmp(lower_a, lower_b, byte_count) == 0;
}

static void mark_named(const uint8_t *bytes, http1_head *head, const http1_element *option)
{
    for (uint32_t i = 0; i < head->field_count; i++) {
        http1_field *field = &head->fields[i];
        if (field->known == NAME_OTHER && field->name_bytes == option->byte_count &&
            is_same_name(bytes + field->name, option->bytes, option->byte_count))
            field->known = NAME_NOMINATED;
    }
}

void http1_mark_nominated(const uint8_t *bytes, http1_head *head)
{
    for (uint32_t i = 0; i < head->field_count; i++) {
        const uint8_t *value = bytes + head->fields[i].value;
        const uint8_t *end = value + head->fields[i].value_bytes;
        http1_element option;
        while (head->fields[i].known == NAME_CONNECTION && http1_next_element(&value, end, &option))
            mark_named(bytes, head, &option);
    }
}
