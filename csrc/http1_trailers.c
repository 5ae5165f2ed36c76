/* Trailer fields: which there may be, and how they are written; the contract is in http1_response.h. */
#include "http1_list.h"
#include "http1_response.h"
#include "http1_write.h"

static int is_name_text(const uint8_t *name, uint32_t name_bytes, const char *text)
{
    return strlen(text) == name_bytes && memcmp(text, name, name_bytes) == 0;
}

static int begins_with(const uint8_t *name, uint32_t name_bytes, const char *prefix)
{
    size_t prefix_bytes = strlen(prefix);
    return name_bytes >= prefix_bytes && memcmp(name, prefix, prefix_bytes) == 0;
}

/* Whether a field decides, before the content comes, about authentication, caches, the resource or the request. */
static int is_for_heads(const uint8_t *name, uint32_t name_bytes)
{
    static const char *const names[] = {
        "age",          "authentication-info", "authorization", "cache-control", "cookie",     "date",
        "expires",      "location",            "pragma",        "range",         "max-forwards", "retry-after",
        "set-cookie",   "vary",                "warning",       "www-authenticate",
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (is_name_text(name, name_bytes, names[i]))
            return 1;
    return begins_with(name, name_bytes, "if-") || begins_with(name, name_bytes, "proxy-");
}

/* Of the fields about content, a digest is made when the content is through, and is defined as a trailer too (RFC 9530, section
 * 2). */
int http1_may_be_trailer(const uint8_t *name, uint32_t name_bytes)
{
    if (http1_name_of(name, name_bytes) != NAME_OTHER || is_for_heads(name, name_bytes))
        return 0;
    return !begins_with(name, name_bytes, "content-") || is_name_text(name, name_bytes, "content-digest");
}

int32_t http1_trailers_write(const uint8_t *bytes, const frame_view *view, const frame_field *fields, uint8_t *out,
                             uint32_t room)
{
    writer w = {out, out + room, 0};
    const frame_field *field = fields + view->first_field;

    for (uint32_t i = 0; i < view->field_count; i++, field++) {
        const uint8_t *name = bytes + field->name;
        const uint8_t *value = bytes + field->value;
        if (field->id != FIELD_NAMED)
            continue;
        if (!is_lower_token(name, field->name_bytes))
            return RESPONSE_ERROR_FIELD_NAME;
        if (!is_text(value, field->value_bytes))
            return RESPONSE_ERROR_FIELD_VALUE;
        if (http1_may_be_trailer(name, field->name_bytes))
            put_field(&w, name, field->name_bytes, value, field->value_bytes);
    }
    put(&w, "\r\n", 2);
    return w.full ? RESPONSE_ERROR_ROOM : (int32_t)(w.at - out);
}
