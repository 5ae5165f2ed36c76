/* Fuzz target of the head scanner; the input is what a client sent. The end of the head is looked for at once and as the
 * bytes come, and must be the same; a head that is called plain must keep every promise of http1_head.h, must still be plain
 * under limits that it just meets, and not under tighter ones; its fields must fit exactly in the room that was announced for
 * them. */
#include "../http1_head.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void demand(int holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "fuzz_http1_head: broken: %s\n", what);
    abort();
}

/* An allocation of exactly as many bytes, so that the sanitizer sees one too far. */
static uint8_t *copy_exactly(const uint8_t *bytes, size_t byte_count)
{
    uint8_t *made = malloc(byte_count ? byte_count : 1);
    if (made == NULL)
        abort();
    memcpy(made, bytes, byte_count);
    return made;
}

/* Looks for the end with bytes that come in pieces, each time in an allocation of their own. */
static int32_t find_end_in_pieces(const uint8_t *bytes, uint32_t byte_count, uint32_t head_bytes_max, uint32_t seed)
{
    uint32_t searched = 0, held_bytes = 0;
    for (;;) {
        uint8_t *held = copy_exactly(bytes, held_bytes);
        int32_t found = http1_head_end(held, held_bytes, head_bytes_max, &searched);
        demand(searched <= held_bytes, "no more was searched than there is");
        free(held);
        if (found != HEAD_END_NOT_FOUND || held_bytes == byte_count)
            return found;
        seed = seed * 1103515245u + 12345u;
        uint32_t piece = 1 + (seed >> 16) % (seed & 0x8000 ? 3 : 90);
        held_bytes = piece < byte_count - held_bytes ? held_bytes + piece : byte_count;
    }
}

static int is_name_of(const uint8_t *bytes, const http1_field *field, const char *name)
{
    return field->name_bytes == strlen(name) && strncasecmp((const char *)bytes + field->name, name, field->name_bytes) == 0;
}

static void check_field(const uint8_t *bytes, const http1_field *field, uint32_t head_bytes)
{
    demand(field->name_bytes > 0 && field->name > 0 && bytes[field->name - 1] == '\n', "a name begins a line");
    demand(bytes[field->name + field->name_bytes] == ':', "a name ends at its colon");
    demand(field->value > field->name + field->name_bytes && field->value + field->value_bytes <= head_bytes - 4,
           "a value is inside");
    const uint8_t *value = bytes + field->value;
    for (uint32_t i = 0; i < field->value_bytes; i++)
        demand(value[i] == '\t' || (value[i] >= 0x20 && value[i] != 0x7f), "a value has no control byte");
    if (field->value_bytes > 0)
        demand(strchr(" \t", value[0]) == NULL && strchr(" \t", value[field->value_bytes - 1]) == NULL, "a value is trimmed");
    demand(is_name_of(bytes, field, "host") == (field->known == NAME_HOST), "Host is known");
    demand(is_name_of(bytes, field, "connection") == (field->known == NAME_CONNECTION), "Connection is known");
    demand(is_name_of(bytes, field, "content-length") == (field->known == NAME_CONTENT_LENGTH), "Content-Length is known");
    demand(is_name_of(bytes, field, "x-forwarded-for") == (field->known == NAME_X_FORWARDED_FOR), "X-Forwarded-For is known");
    demand(is_name_of(bytes, field, "authorization") == (field->known == NAME_AUTHORIZATION), "Authorization is known");
    demand(is_name_of(bytes, field, "x-api-key") == (field->known == NAME_API_KEY), "X-Api-Key is known");
    demand(is_name_of(bytes, field, "x-service-version") == (field->known == NAME_SERVICE_VERSION), "X-Service-Version is known");
    int is_guarded = field->name_bytes > 10 && strncasecmp((const char *)bytes + field->name, "x_forwarded", 11) == 0 &&
                     (field->name_bytes == 11 || strchr("-_", bytes[field->name + 11]));
    demand(!is_guarded || field->known == NAME_TRUST, "however it is spelt");
}

/* What holds for a head that has nothing unusual. */
static void check_plain(const uint8_t *bytes, const http1_head *head)
{
    demand(head->method != METHOD_NONE && head->unusual == 0, "the method is one of the seven");
    demand(bytes[head->target] == '/', "the target begins with a slash");
    demand(bytes[head->target + head->target_bytes + 8] == '1', "the version is HTTP/1.1");
    demand(head->path_bytes == head->target_bytes || bytes[head->target + head->path_bytes] == '?', "the path ends at the query");
    demand(head->body_bytes == head->content_length, "the body is within its limit");
    demand(!(head->flags & (HEAD_HTTP_1_0 | HEAD_CHUNKED | HEAD_UPGRADE | HEAD_EXPECTS_CONTINUE)),
           "nothing is to be done about it");
    demand(!(head->flags & HEAD_ODD) == !(head->flags & HEAD_HAS_FORWARDED),
           "it is odd for who is behind the peer, or not at all");
    for (uint32_t i = 0; i < head->field_count; i++) {
        uint8_t known = head->fields[i].known;
        demand(known != NAME_TRANSFER_ENCODING && known != NAME_EXPECT && known != NAME_UPGRADE && known != NAME_NOMINATED,
               "a plain head has only plain fields");
    }
}

/* What holds for an unusual head: the smallest of its bits is the verdict, and its framing is told. */
static void check_unusual(const http1_head *head)
{
    demand(head->unusual != 0 && HEAD_UNUSUAL_METHOD + __builtin_ctz(head->unusual) == head->verdict,
           "the first thing is the verdict");
    demand((head->flags & HEAD_ODD) != 0, "it is odd");
    demand((head->method == METHOD_NONE) == (head->unusual & 1), "the method is none of the seven, or known");
    demand(!(head->flags & HEAD_CHUNKED) || !(head->flags & HEAD_HAS_LENGTH), "there is one framing");
    demand(!(head->flags & HEAD_HTTP_1_0) || !(head->flags & (HEAD_CHUNKED | HEAD_UPGRADE | HEAD_EXPECTS_CONTINUE)),
           "HTTP/1.0 has none of these");
}

static void check_head(const uint8_t *bytes, const http1_head *head, const http1_limits *limits)
{
    uint32_t hosts = 0, lengths = 0, credentials[2] = {0}, versions = 0;
    demand(head->target_bytes > 0 && bytes[head->target - 1] == ' ', "the target follows the method");
    demand(memcmp(bytes + head->target + head->target_bytes, " HTTP/1.", 8) == 0, "the version follows the target");
    demand(head->path_bytes <= head->target_bytes, "the path is in the target");
    demand(head->target_bytes <= limits->target_bytes_max, "the target is within its limit");
    demand(head->field_count <= limits->fields_max && head->field_count <= HTTP1_FIELDS_MAX, "so are the fields");
    demand(head->body_bytes <= limits->body_bytes_max, "so is the body");
    for (uint32_t i = 0; i < head->field_count; i++) {
        check_field(bytes, &head->fields[i], head->head_bytes);
        hosts += head->fields[i].known == NAME_HOST;
        lengths += head->fields[i].known == NAME_CONTENT_LENGTH;
        credentials[0] += head->fields[i].known == NAME_AUTHORIZATION;
        credentials[1] += head->fields[i].known == NAME_API_KEY;
        versions += head->fields[i].known == NAME_SERVICE_VERSION;
    }
    demand(hosts == 1 || (hosts == 0 && (head->flags & HEAD_HTTP_1_0)), "one Host");
    demand(lengths == ((head->flags & HEAD_HAS_LENGTH) != 0) && (lengths == 1 || head->content_length == 0),
           "one Content-Length at most");
    demand(credentials[0] <= 1 && credentials[1] <= 1, "one credential of a kind");
    demand((credentials[0] || credentials[1] || versions) == ((head->flags & HEAD_HAS_MORE) != 0), "and it is told");
}

static void check_forward(const uint8_t *bytes, const http1_head *head)
{
    uint32_t field_count, at = 0;
    uint32_t total = http1_forward_bytes(head, 0, &field_count);
    demand(field_count <= head->field_count && total >= 4 * field_count, "fields go on, or do not");
    uint8_t *table = malloc(4 * (size_t)field_count + 1);
    uint8_t *text = malloc(total - 4 * (size_t)field_count + 1);
    if (table == NULL || text == NULL)
        abort();
    text[total - 4 * field_count] = 0xa5;
    demand(http1_forward_write(bytes, head, 0, table, text) == total - 4 * field_count, "as much is written as was announced");
    demand(text[total - 4 * field_count] == 0xa5, "and nothing after it");
    for (uint32_t i = 0; i < field_count; i++) {
        demand(table[4 * i] == 0 && table[4 * i + 1] > 0, "a forwarded field has a name");
        for (uint32_t end = at + table[4 * i + 1]; at < end; at++)
            demand(text[at] < 'A' || text[at] > 'Z', "a forwarded name is in lower case");
        at += frame_read_u16(table + 4 * i + 2);
    }
    demand(at == total - 4 * field_count, "the table measures the text");
    free(table);
    free(text);
}

/* Limits that a plain head just meets, and each of them one lower. */
static void check_limits(const uint8_t *bytes, const http1_head *plain)
{
    static http1_head again;
    const http1_limits exact = {plain->head_bytes, plain->field_count, plain->target_bytes, plain->body_bytes};
    http1_limits low;
    uint32_t searched = 0;

    demand(http1_head_scan(bytes, plain->head_bytes, &exact, &again) == HEAD_PLAIN, "a limit that is met is kept");
    low = exact;
    low.head_bytes_max--;
    demand(http1_head_scan(bytes, plain->head_bytes, &low, &again) == HEAD_TOO_LARGE, "a head over its limit is too large");
    demand(http1_head_end(bytes, plain->head_bytes, low.head_bytes_max, &searched) == HEAD_END_TOO_LARGE,
           "and its end is not found");
    low = exact;
    low.fields_max--;
    demand(http1_head_scan(bytes, plain->head_bytes, &low, &again) == HEAD_TOO_MANY_FIELDS,
           "fields over their limit are too many");
    low = exact;
    low.target_bytes_max--;
    demand(http1_head_scan(bytes, plain->head_bytes, &low, &again) == HEAD_TARGET_TOO_LONG,
           "a target over its limit is too long");
    if (exact.body_bytes_max == 0)
        return;
    low = exact;
    low.body_bytes_max--;
    demand(http1_head_scan(bytes, plain->head_bytes, &low, &again) == HEAD_UNUSUAL_BODY, "a body over its limit is unusual");
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t byte_count);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t byte_count)
{
    static const http1_limits limits = {16384, 100, 8192, 65536};
    static http1_head head;
    if (byte_count > 65536)
        return 0;
    uint32_t input_bytes = (uint32_t)byte_count, searched = 0, seed = 0;

    for (uint32_t i = 0; i < input_bytes; i++)
        seed = seed * 31 + input[i];
    int32_t end = http1_head_end(input, input_bytes, limits.head_bytes_max, &searched);
    int32_t end_in_pieces = find_end_in_pieces(input, input_bytes, limits.head_bytes_max, seed);
    demand(end == end_in_pieces, "the end is the same, however the bytes come");
    demand(end <= (int32_t)input_bytes && end <= (int32_t)limits.head_bytes_max, "the end is inside");

    int may_begin = http1_head_may_begin(input, input_bytes);
    uint32_t head_bytes = end > 0 ? (uint32_t)end : input_bytes; /* what nobody measured must do no harm either */
    uint8_t *exact = copy_exactly(input, head_bytes);
    int verdict = http1_head_scan(exact, head_bytes, &limits, &head);
    demand(verdict >= HEAD_PLAIN && verdict <= HEAD_UNUSUAL_BODY, "the verdict is known");
    demand(verdict <= HEAD_BAD_CONNECTION || verdict >= HEAD_UNUSUAL_METHOD, "the verdict is known");
    demand(head.head_bytes == head_bytes && head.method <= METHOD_OPTIONS, "the head's length and method are always told");
    demand(may_begin || (verdict != HEAD_PLAIN && verdict < HEAD_UNUSUAL_METHOD), "what cannot begin a request is none");
    demand(head.verdict == verdict, "the verdict is kept");
    if (verdict == HEAD_PLAIN || verdict >= HEAD_UNUSUAL_METHOD) {
        demand(end > 0, "a head has an end");
        check_head(exact, &head, &limits);
        check_forward(exact, &head);
    }
    if (verdict == HEAD_PLAIN) {
        check_plain(exact, &head);
        check_limits(exact, &head);
    } else if (verdict >= HEAD_UNUSUAL_METHOD) {
        check_unusual(&head);
    }
    free(exact);
    return 0;
}
