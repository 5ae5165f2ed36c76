/* The strict scanner of HTTP/1.1 request heads; the contract is in http1_head.h.
 *
 * Two rules hold everything together. First, a scan begins by making sure that the head ends with an empty line; as CR is in
 * no class of bytes, no loop over a class can pass the end, and none needs to look for it. Second, what is malformed returns
 * at once, in reading order, while what is unusual is only noted: a head is unusual when all of it was read and nothing was
 * malformed. Of several unusual things the one with the smallest number is told, whatever their order in the head. */
#include "http1_field.h"
#include "http1_target.h"

enum { CONNECTION_CLOSE = 1, CONNECTION_KEEP_ALIVE = 2, CONNECTION_UPGRADE = 4, CONNECTION_OTHER = 8 };
enum { CONTENT_LENGTH_DIGITS_MAX = 20 }; /* leading zeros are legal; h11 takes as many */

static const uint64_t CONTENT_LENGTH_MAX = UINT64_C(1) << 53; /* the last integer that JSON and Lua peers count exactly */

typedef struct {
    const uint8_t *bytes;
    const uint8_t *at;  /* what is to be read next */
    const uint8_t *end;
    const http1_limits *limits;
    http1_head *head;
    uint64_t content_length;
    uint32_t fields_max;
    uint32_t seen;      /* a bit for each enum http1_name that the head has */
    uint32_t unusual;   /* a bit for each verdict from HEAD_UNUSUAL_METHOD on */
    uint32_t nominated; /* how many fields Connection names */
    uint32_t flags;     /* HEAD_ bits */
    uint8_t connection; /* CONNECTION_ bits */
    uint8_t encoding;   /* the verdict on Transfer-Encoding */
} scan;

int32_t http1_head_end(const uint8_t *bytes, uint32_t byte_count, uint32_t head_bytes_max, uint32_t *searched)
{
    uint32_t limit = byte_count < head_bytes_max ? byte_count : head_bytes_max;
    uint32_t from = *searched;

    while (from < limit) {
        const uint8_t *line_feed = memchr(bytes + from, '\n', limit - from);
        if (line_feed == NULL)
            break;
        uint32_t at = (uint32_t)(line_feed - bytes);
        if (at == 0 || bytes[at - 1] != '\r')
            return HEAD_END_BAD_LINE;
        from = at + 1;
        *searched = from;
        if (at >= 3 && bytes[at - 2] == '\n')
            return (int32_t)from; /* the LF before this one was preceded by CR, or we would not have come so far */
    }
    *searched = limit;
    return byte_count >= head_bytes_max ? HEAD_END_TOO_LARGE : HEAD_END_NOT_FOUND;
}

int http1_head_may_begin(const uint8_t *bytes, uint32_t byte_count)
{
    uint32_t look = byte_count < 32 ? byte_count : 32;

    for (uint32_t i = 0; i < look; i++) {
        if (bytes[i] == ' ')
            return i > 0;
        if (!(byte_class[bytes[i]] & CLASS_TOKEN))
            return 0;
    }
    return 1;
}

static void note_unusual(scan *s, int verdict)
{
    s->unusual |= UINT32_C(1) << (verdict - HEAD_UNUSUAL_METHOD);
}

static int scan_method(scan *s)
{
    const uint8_t *p = s->at;

    while (byte_class[*p] & CLASS_TOKEN)
        p++;
    if (*p != ' ' || p == s->at) /* a good method with no target at all is the target's fault */
        return judge_stop(p, *p == '\r' && p > s->at ? HEAD_BAD_TARGET : HEAD_BAD_METHOD);
    s->head->method = find_method(s->at, (size_t)(p - s->at));
    if (s->head->method == METHOD_NONE)
        note_unusual(s, HEAD_UNUSUAL_METHOD);
    s->at = p + 1;
    return HEAD_PLAIN;
}

static int scan_target(scan *s)
{
    const uint8_t *target = s->at;
    int is_odd = 0;
    const uint8_t *path_end = *target == '/' ? skip_path(target, &is_odd) : target;
    const uint8_t *p = path_end;

    if (p != NULL && (*target != '/' || *p == '?'))
        p = skip_query(p);
    if (p == NULL)
        return HEAD_BAD_TARGET;
    size_t byte_count = (size_t)(p - target);
    if ((*p != ' ' && *p != '\r') || byte_count == 0)
        return judge_stop(p, HEAD_BAD_TARGET);
    if (*target != '/') {
        if (!is_other_form(target, byte_count))
            return HEAD_BAD_TARGET;
        note_unusual(s, HEAD_UNUSUAL_TARGET);
    }
    if (is_odd)
        note_unusual(s, HEAD_UNUSUAL_PATH);
    if (byte_count > s->limits->target_bytes_max || byte_count > FRAME_TARGET_BYTES_MAX)
        return HEAD_TARGET_TOO_LONG;
    s->head->target = (uint32_t)(target - s->bytes);
    s->head->target_bytes = (uint16_t)byte_count;
    s->head->path_bytes = (uint16_t)(path_end - target);
    s->at = p;
    return HEAD_PLAIN;
}

/* Reads the version and the end of the request line. HTTP/1.0 need not have a Host (RFC 9112, section 3.2). */
static int scan_version(scan *s)
{
    const uint8_t *version = s->at + 1;
    const uint8_t *p = version;

    if (*s->at == '\r') /* "GET /" alone, as HTTP/0.9 had it */
        return judge_stop(s->at, HEAD_UNSUPPORTED_VERSION);
    while (byte_class[*p] & CLASS_TEXT)
        p++;
    if (p[0] != '\r' || p[1] != '\n')
        return judge_stop(p, HEAD_BAD_VERSION);
    if (p - version != 8 || memcmp(version, "HTTP/", 5) != 0)
        return HEAD_BAD_VERSION;
    if (!is_digit(version[5]) || version[6] != '.' || !is_digit(version[7]))
        return HEAD_BAD_VERSION;
    if (version[5] != '1' || version[7] > '1')
        return HEAD_UNSUPPORTED_VERSION;
    if (version[7] == '0') {
        s->flags |= HEAD_HTTP_1_0;
        note_unusual(s, HEAD_UNUSUAL_VERSION);
    }
    s->at = p + 2;
    return HEAD_PLAIN;
}

/* Reads 1*DIGIT. Returns 0 when it is not that, or is over its bounds. */
static int read_content_length(const uint8_t *p, const uint8_t *end, uint64_t *length)
{
    if (p == end || end - p > CONTENT_LENGTH_DIGITS_MAX)
        return 0;
    for (*length = 0; p < end; p++) {
        if (!is_digit(*p))
            return 0;
        *length = *length * 10 + (uint64_t)(*p - '0');
        if (*length > CONTENT_LENGTH_MAX)
            return 0;
    }
    return 1;
}

/* Looks at an option of Connection that is neither close nor keep-alive. What is not of one hop must not be named there
 * (RFC 9110, section 7.6.1): it would be gone, or not, depending on who reads it. Their number is bounded so that looking for the
 * fields that they name is. */
static int note_option(scan *s, const http1_element *option)
{
    if (!http1_is_token(option))
        return HEAD_BAD_CONNECTION;
    s->connection |= CONNECTION_OTHER;
    switch (http1_name_of(option->bytes, option->byte_count)) {
    case NAME_UPGRADE:
        s->connection |= CONNECTION_UPGRADE;
        return HEAD_PLAIN;
    case NAME_OTHER:
        return ++s->nominated > s->fields_max ? HEAD_BAD_CONNECTION : HEAD_PLAIN;
    case NAME_CONNECTION:
    case NAME_KEEP_ALIVE:
    case NAME_PROXY_CONNECTION:
    case NAME_TE:
    case NAME_TRAILER:
        return HEAD_PLAIN;
    default:
        return HEAD_BAD_CONNECTION;
    }
}

/* Notes the options that a Connection field names. Empty elements are fine (RFC 9110, section 5.6.1.2). */
static int read_connection(scan *s, const uint8_t *value, const uint8_t *end)
{
    http1_element option;
    int verdict = HEAD_PLAIN;

    while (verdict == HEAD_PLAIN && http1_next_element(&value, end, &option)) {
        if (option.byte_count == 5 && is_name(option.bytes, "close", 5))
            s->connection |= CONNECTION_CLOSE;
        else if (option.byte_count == 10 && is_name(option.bytes, "keep-alive", 10))
            s->connection |= CONNECTION_KEEP_ALIVE;
        else
            verdict = note_option(s, &option);
    }
    return verdict;
}

/* Expect is a list, of which only one form has ever been in use; whatever else stands there is an expectation that we do not
 * meet. It is for HTTP/1.1 alone (RFC 9110, section 10.1.1). */
static int read_expect(scan *s, int again, const uint8_t *value, const uint8_t *end)
{
    note_unusual(s, HEAD_UNUSUAL_EXPECT);
    if (again || (end != value && (end - value != 12 || !is_name(value, "100-continue", 12))))
        return HEAD_BAD_EXPECT;
    if (end != value && !(s->flags & HEAD_HTTP_1_0))
        s->flags |= HEAD_EXPECTS_CONTINUE;
    return HEAD_PLAIN;
}

/* Notes an Upgrade. Only one that is well formed, and the only one, may be followed; any other is ignored. */
static int read_upgrade(scan *s, int again, const uint8_t *value, const uint8_t *end)
{
    note_unusual(s, HEAD_UNUSUAL_UPGRADE);
    if (!again && !(s->flags & HEAD_HTTP_1_0) && http1_is_protocol_list(value, end))
        s->flags |= HEAD_UPGRADE;
    else
        s->flags &= ~(uint32_t)HEAD_UPGRADE;
    return HEAD_PLAIN;
}

/* Looks at a field whose name means something to us. */
static int note_known(scan *s, uint8_t known, const uint8_t *value, const uint8_t *end)
{
    int again = s->seen >> known & 1;

    s->seen |= UINT32_C(1) << known;
    switch (known) {
    case NAME_HOST:
        return again || !is_host(value, end) ? HEAD_BAD_HOST : HEAD_PLAIN;
    case NAME_CONTENT_LENGTH:
        s->flags |= HEAD_HAS_LENGTH;
        return again || !read_content_length(value, end, &s->content_length) ? HEAD_BAD_CONTENT_LENGTH : HEAD_PLAIN;
    case NAME_TRANSFER_ENCODING:
        s->encoding = again ? HEAD_BAD_ENCODING : (uint8_t)http1_judge_codings(value, end);
        return HEAD_PLAIN;
    case NAME_EXPECT:
        return read_expect(s, again, value, end);
    case NAME_UPGRADE:
        return read_upgrade(s, again, value, end);
    case NAME_CONNECTION:
        return read_connection(s, value, end);
    case NAME_TE:
        s->flags |= http1_has_element(value, end, "trailers") ? HEAD_TAKES_TRAILERS : 0;
        return HEAD_PLAIN;
    case NAME_TENANT:
    case NAME_CORRELATION_ID:
    case NAME_REQUEST_ID:
    case NAME_REQUEST_TIMEOUT:
        s->flags |= (uint32_t)HEAD_HAS_TENANT << (known - NAME_TENANT);
        return again ? HEAD_BAD_CONTEXT : HEAD_PLAIN;
    case NAME_TRACEPARENT: /* several are no trace, as whoever asks for it will find */
    case NAME_TRACESTATE:  /* several are one list (W3C Trace Context, section 3.3) */
        s->flags |= (uint32_t)HEAD_HAS_TENANT << (known - NAME_TENANT);
        return HEAD_PLAIN;
    case NAME_AUTHORIZATION:
    case NAME_API_KEY:
        s->flags |= HEAD_HAS_MORE;
        return again ? HEAD_BAD_CONTEXT : HEAD_PLAIN;
    case NAME_SERVICE_VERSION: /* several are no version, as whoever asks for it will find */
        s->flags |= HEAD_HAS_MORE;
        return HEAD_PLAIN;
    case NAME_FORWARDED:
    case NAME_X_FORWARDED_FOR:
    case NAME_X_FORWARDED_PROTO:
        s->flags |= HEAD_HAS_FORWARDED;
        return HEAD_PLAIN;
    default: /* Keep-Alive, Proxy-Connection, Trailer, what only we may say: dropped before the request goes on, that is all */
        return HEAD_PLAIN;
    }
}

/* Whether a field says that a gateway before this one sends the request again: it goes no further, but is looked at. Its head
 * is odd, so that no other head is looked at for it. */
static int is_attempt(const uint8_t *name, size_t name_bytes)
{
    return name_bytes == 18 && is_name(name, "x-penstock-attempt", 18);
}

/* Reads all field lines. What changes with each line is kept out of *s meanwhile, so that it stays in registers. */
static int scan_fields(scan *s)
{
    const uint8_t *start = s->bytes;
    const uint8_t *at = s->at;
    http1_field *fields = s->head->fields;
    uint32_t count = 0;
    int verdict = HEAD_PLAIN;

    while (verdict == HEAD_PLAIN && *at != '\r') {
        http1_field field;
        if (count == s->fields_max)
            return HEAD_TOO_MANY_FIELDS;
        verdict = read_field_line(start, &at, s->end, &field);
        if (verdict != HEAD_PLAIN)
            return verdict;
        fields[count++] = field;
        if (field.known != NAME_OTHER)
            verdict = note_known(s, field.known, start + field.value, start + field.value + field.value_bytes);
        if (field.known == NAME_TRUST && is_attempt(start + field.name, field.name_bytes))
            s->flags |= HEAD_ODD | HEAD_HAS_MORE;
    }
    s->at = at;
    s->head->field_count = (uint16_t)count;
    return verdict;
}

/* The verdict on a head that has a Transfer-Encoding. */
static int judge_encoding(scan *s)
{
    if (s->flags & HEAD_HAS_LENGTH)
        return HEAD_LENGTH_AND_ENCODING;
    if (s->flags & HEAD_HTTP_1_0) /* its framing is to be called faulty (RFC 9112, section 6.1) */
        return HEAD_BAD_ENCODING;
    if (s->encoding != HEAD_UNUSUAL_ENCODING)
        return s->encoding;
    s->flags |= HEAD_CHUNKED;
    note_unusual(s, HEAD_UNUSUAL_ENCODING);
    return HEAD_PLAIN;
}

/* What Connection comes to: whether the connection goes on after this request, and whether there may be an upgrade. */
static void judge_connection(scan *s)
{
    if (s->connection > CONNECTION_KEEP_ALIVE) /* both, or anything else */
        note_unusual(s, HEAD_UNUSUAL_CONNECTION);
    if ((s->connection & CONNECTION_CLOSE) || ((s->flags & HEAD_HTTP_1_0) && !(s->connection & CONNECTION_KEEP_ALIVE)))
        s->flags |= HEAD_CLOSE;
    if (!(s->connection & CONNECTION_UPGRADE))
        s->flags &= ~(uint32_t)HEAD_UPGRADE;
    if (s->nominated != 0)
        http1_mark_nominated(s->bytes, s->head);
}

/* The verdict once every line was read: what only shows in the whole, and then what is unusual. */
static int judge_whole(scan *s)
{
    if (s->at + 2 != s->end) /* a bare CR, or an empty line before the end that the caller measured */
        return HEAD_BAD_LINE_END;
    if (!(s->seen >> NAME_HOST & 1) && !(s->flags & HEAD_HTTP_1_0))
        return HEAD_BAD_HOST;
    if (s->encoding != HEAD_PLAIN) {
        int verdict = judge_encoding(s);
        if (verdict != HEAD_PLAIN)
            return verdict;
    }
    if (s->connection != 0 || (s->flags & (HEAD_HTTP_1_0 | HEAD_UPGRADE)))
        judge_connection(s);
    int is_long = s->content_length > s->limits->body_bytes_max;
    if (is_long)
        note_unusual(s, HEAD_UNUSUAL_BODY);
    s->head->body_bytes = is_long ? 0 : (uint32_t)s->content_length;
    s->head->content_length = s->content_length;
    s->head->unusual = (uint16_t)s->unusual;
    if (s->unusual != 0 || (s->flags & HEAD_HAS_FORWARDED))
        s->flags |= HEAD_ODD;
    s->head->flags = (uint16_t)s->flags;
    return s->unusual == 0 ? HEAD_PLAIN : HEAD_UNUSUAL_METHOD + __builtin_ctz(s->unusual);
}

int http1_head_scan(const uint8_t *bytes, uint32_t head_bytes, const http1_limits *limits, http1_head *head)
{
    scan s = {.bytes = bytes, .at = bytes, .end = bytes + head_bytes, .limits = limits, .head = head};
    int verdict = HEAD_PLAIN;

    s.fields_max = limits->fields_max < HTTP1_FIELDS_MAX ? limits->fields_max : HTTP1_FIELDS_MAX;
    head->head_bytes = head_bytes;
    head->method = METHOD_NONE;
    head->flags = 0;
    head->field_count = 0;
    if (head_bytes > limits->head_bytes_max)
        verdict = HEAD_TOO_LARGE;
    else if (head_bytes < 4 || memcmp(s.end - 4, "\r\n\r\n", 4) != 0)
        verdict = HEAD_BAD_LINE_END;
    if (verdict == HEAD_PLAIN)
        verdict = scan_method(&s);
    if (verdict == HEAD_PLAIN)
        verdict = scan_target(&s);
    if (verdict == HEAD_PLAIN)
        verdict = scan_version(&s);
    if (verdict == HEAD_PLAIN)
        verdict = scan_fields(&s);
    if (verdict == HEAD_PLAIN)
        verdict = judge_whole(&s);
    head->verdict = (uint8_t)verdict;
    return verdict;
}
