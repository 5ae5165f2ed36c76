/* The fields of a scanned head as a REQUEST frame carries them; the contract is in http1_head.h. */
#include "http1_text.h"

/* Whose field goes on to the service as it came: a bit for each enum http1_name. The others belong to one hop, become typed fields of
 * the frame, or are not for a client to say. An expectation goes on where there is a body to wait for (RFC 9110, section 10.1.1). */
static uint32_t forwarded_names(const http1_head *head, int drops_credentials)
{
    uint32_t names = 1u << NAME_OTHER | 1u << NAME_HOST | 1u << NAME_SERVICE_VERSION;

    if (!drops_credentials)
        names |= 1u << NAME_AUTHORIZATION | 1u << NAME_API_KEY;
    if ((head->flags & HEAD_EXPECTS_CONTINUE) && ((head->flags & HEAD_CHUNKED) || head->content_length != 0))
        names |= 1u << NAME_EXPECT;
    return names;
}

uint32_t http1_forward_bytes(const http1_head *head, int drops_credentials, uint32_t *field_count)
{
    uint32_t names = forwarded_names(head, drops_credentials), count = 0, total = 0;

    for (uint32_t i = 0; i < head->field_count; i++) {
        if (!(names >> head->fields[i].known & 1))
            continue;
        count += 1;
        total += 4 + (uint32_t)head->fields[i].name_bytes + head->fields[i].value_bytes;
    }
    *field_count = count;
    return total;
}

uint32_t http1_forward_write(const uint8_t *bytes, const http1_head *head, int drops_credentials, uint8_t *table, uint8_t *text)
{
    uint32_t names = forwarded_names(head, drops_credentials);
    uint8_t *out = text;

    for (uint32_t i = 0; i < head->field_count; i++) {
        const http1_field *field = &head->fields[i];
        if (!(names >> field->known & 1))
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

static int is_credential(const uint8_t *name, uint32_t name_bytes)
{
    uint8_t known = find_known_name(name, name_bytes);
    return known == NAME_AUTHORIZATION || known == NAME_API_KEY;
}

int http1_drop_measure(const uint8_t *block, uint32_t *field_count, uint32_t *block_bytes)
{
    uint32_t count = *field_count, at = 4 * count, kept_count = 0, kept_bytes = 0;

    if (count > FRAME_FIELDS_MAX || at > *block_bytes)
        return 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *entry = block + 4 * i;
        uint32_t name_bytes = entry[1], text_bytes = name_bytes + frame_read_u16(entry + 2);
        if (text_bytes > *block_bytes - at)
            return 0;
        if (!is_credential(block + at, name_bytes)) {
            kept_count++;
            kept_bytes += 4 + text_bytes;
        }
        at += text_bytes;
    }
    if (at != *block_bytes)
        return 0;
    *field_count = kept_count;
    *block_bytes = kept_bytes;
    return 1;
}

uint32_t http1_drop_write(const uint8_t *block, uint32_t field_count, uint8_t *table, uint8_t *text)
{
    const uint8_t *from = block + 4 * field_count;
    uint8_t *out = text;

    for (uint32_t i = 0; i < field_count; i++) {
        const uint8_t *entry = block + 4 * i;
        uint32_t name_bytes = entry[1], text_bytes = name_bytes + frame_read_u16(entry + 2);
        if (!is_credential(from, name_bytes)) {
            memcpy(table, entry, 4);
            memcpy(out, from, text_bytes);
            table += 4;
            out += text_bytes;
        }
        from += text_bytes;
    }
    return (uint32_t)(out - text);
}
