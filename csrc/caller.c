/* Values of a request's head, copied out: who asks, and any field by its name. */
#include <string.h>

#include "http1_write.h"
#include "wire_internal.h"

/* Whether a token is the name, which is in lower case and has as many bytes. Exact for every name, unlike is_name. */
static int is_lower_name(const uint8_t *token, const uint8_t *name, uint32_t byte_count)
{
    if (byte_count < 8) {
        for (uint32_t i = 0; i < byte_count; i++)
            if ((token[i] | ((uint8_t)(token[i] - 'A') < 26 ? 0x20 : 0)) != name[i])
                return 0;
        return 1;
    }
    for (uint32_t i = 0; i + 8 < byte_count; i += 8)
        if (lower_word(load_word(token + i)) != load_word(name + i))
            return 0;
    return lower_word(load_word(token + byte_count - 8)) == load_word(name + byte_count - 8);
}

/* 1 to 64 of A-Z a-z 0-9 . _ - : the unreserved characters of RFC 3986 but '~'. */
static int is_tenant(const uint8_t *bytes, uint32_t byte_count)
{
    if (byte_count == 0 || byte_count > WIRE_ID_BYTES_MAX)
        return 0;
    for (uint32_t i = 0; i < byte_count; i++)
        if (!(byte_class[bytes[i]] & CLASS_UNRESERVED) || bytes[i] == '~')
            return 0;
    return 1;
}

/* The value stays where it is, in the head, which lives as long as what is kept for the batch. What was handed over outlives that. */
static int set_tenant(wire *w, exchange *x, const http1_field *field)
{
    const uint8_t *value = x->bytes + field->value;
    if (x->state != EXCHANGE_UNDECIDED || !is_tenant(value, field->value_bytes))
        return WIRE_OK;
    if (x->is_away)
        return wire_set_context(w, exchange_id(x), FIELD_TENANT, value, field->value_bytes);
    x->tenant = value;
    x->tenant_bytes = (uint8_t)field->value_bytes;
    return WIRE_OK;
}

static void put_value(writer *out, const uint8_t *bytes, const http1_field *field)
{
    uint8_t *at = field ? take_room(out, field->value_bytes) : NULL;
    if (at)
        copy_short(at, bytes + field->value, field->value_bytes);
}

int32_t wire_caller(wire *w, uint64_t id, uint8_t *room, uint32_t room_bytes)
{
    exchange *x = exchange_find_in_batch(w, id);
    const http1_field *tenant = NULL, *authorization = NULL, *api_key = NULL;
    if (!x)
        return WIRE_NO_EXCHANGE;
    if (!(x->head->flags & (HEAD_HAS_TENANT | HEAD_HAS_MORE)))
        return 0;
    for (uint32_t i = 0; i < x->head->field_count; i++) {
        const http1_field *field = &x->head->fields[i];
        if (field->known == NAME_TENANT)
            tenant = field;
        else if (field->known == NAME_AUTHORIZATION)
            authorization = field;
        else if (field->known == NAME_API_KEY)
            api_key = field;
    }
    if (!tenant && !authorization && !api_key)
        return 0;
    writer out = {.at = room, .end = room + room_bytes};
    put_value(&out, x->bytes, tenant);
    put(&out, "\n", 1);
    put_value(&out, x->bytes, authorization);
    put(&out, "\n", 1);
    put_value(&out, x->bytes, api_key);
    if (out.full || (tenant && set_tenant(w, x, tenant) != WIRE_OK))
        return WIRE_NO_ROOM;
    return (int32_t)(out.at - room);
}

int32_t wire_field(wire *w, uint64_t id, const uint8_t *name, uint32_t name_bytes, uint8_t *room, uint32_t room_bytes)
{
    const exchange *x = exchange_find_in_batch(w, id);
    writer out = {.at = room, .end = room + room_bytes};
    int count = 0;
    if (!x)
        return WIRE_NO_EXCHANGE;
    for (uint32_t i = 0; i < x->head->field_count; i++) {
        const http1_field *field = &x->head->fields[i];
        if (field->name_bytes != name_bytes || !is_lower_name(x->bytes + field->name, name, name_bytes))
            continue;
        if (count++)
            put(&out, ", ", 2);
        put_value(&out, x->bytes, field);
    }
    return out.full ? WIRE_NO_ROOM : count ? (int32_t)(out.at - room) : WIRE_NO_FIELD;
}
