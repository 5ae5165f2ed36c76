/* The fields of a scanned head as a REQUEST frame carries them; the contract is in http1_head.h. */
#include "http1_text.h"

/* Whether a field goes on to the service as it came. The others belong to one hop, become typed fields of the frame, or are not
 * for a client to say. An expectation goes on where there is a body to wait for (RFC 9110, section 10.1.1). */
static inline int is_forwarded(const http1_head *head, const http1_field *field)
{
    if (field->known <= NAME_API_KEY)
        return 1;
    return field->known == NAME_EXPECT && (head->flags & HEAD_EXPECTS_CONTINUE) &&
           ((head->flags & HEAD_CHUNKED) || head->content_length != 0);
}

uint32_t http1_forward_bytes(const http1_head *head, uint32_t *field_count)
{
    uint32_t total = 0;

    *field_count = 0;
    for (uint32_t i = 0; i < head->field_count; i++) {
        if (!is_forwarded(head, &head->fields[i]))
            continue;
        *field_count += 1;
        total += 4 + (uint32_t)head->fields[i].name_bytes + head->fields[i].value_bytes;
    }
    return total;
}

uint32_t http1_forward_write(const uint8_t *bytes, const http1_head *head, uint8_t *table, uint8_t *text)
{
    uint8_t *out = text;

    for (uint32_t i = 0; i < head->field_count; i++) {
        const http1_field *field = &head->fields[i];
        if (!is_forwarded(head, field))
            continue;
        table[0] = FIELD_NAMED;
        table[1] = field->name_bytes;
        frame_write_u16(table + 2, field->value_bytes);
        table += 4;
        copy_lower(out, bytes + field->name, field->name_bytes);
        out += field->name_bytes;
        memcpy(out, bytes + field->value, field->value_bytes);
        out += field->value_bytes;
    }
    return (uint32_t)(out - text);
}
