/* The writer of HTTP/1.1 answers; the contract is in http1_response.h.
 *
 * A service is not trusted with the shape of the message: its names and values are checked byte by byte, here and nowhere
 * else, and what frames the message is written by us alone. */
#include "http1_response.h"

#include "http1_text.h"

enum { DATE_BYTES = 29 };

/* What is to become of a service's field, when it is not an error. */
enum { FIELD_WRITTEN = 0, FIELD_DROPPED = 1 };

/* Where the head is written. When something does not fit it is left out and full is set, once for all, so that only the end
 * of the work need look at it. */
typedef struct {
    uint8_t *at;
    uint8_t *end;
    int full;
} writer;

static inline uint8_t *take_room(writer *w, size_t byte_count)
{
    uint8_t *at = w->at;

    if ((size_t)(w->end - at) < byte_count) {
        w->full = 1;
        return NULL;
    }
    w->at = at + byte_count;
    return at;
}

static inline void put(writer *w, const void *bytes, size_t byte_count)
{
    uint8_t *at = take_room(w, byte_count);

    if (at != NULL)
        memcpy(at, bytes, byte_count);
}

/* The reason phrases that IANA has registered; clients ignore them, people do not. Empty for any other status. */
static const char *reason_phrase(uint16_t status)
{
    static const char *const phrases[400] = {
        [200 - 200] = "OK",
        [201 - 200] = "Created",
        [202 - 200] = "Accepted",
        [203 - 200] = "Non-Authoritative Information",
        [204 - 200] = "No Content",
        [205 - 200] = "Reset Content",
        [206 - 200] = "Partial Content",
        [207 - 200] = "Multi-Status",
        [208 - 200] = "Already Reported",
        [226 - 200] = "IM Used",
        [300 - 200] = "Multiple Choices",
        [301 - 200] = "Moved Permanently",
        [302 - 200] = "Found",
        [303 - 200] = "See Other",
        [304 - 200] = "Not Modified",
        [305 - 200] = "Use Proxy",
        [307 - 200] = "Temporary Redirect",
        [308 - 200] = "Permanent Redirect",
        [400 - 200] = "Bad Request",
        [401 - 200] = "Unauthorized",
        [402 - 200] = "Payment Required",
        [403 - 200] = "Forbidden",
        [404 - 200] = "Not Found",
        [405 - 200] = "Method Not Allowed",
        [406 - 200] = "Not Acceptable",
        [407 - 200] = "Proxy Authentication Required",
        [408 - 200] = "Request Timeout",
        [409 - 200] = "Conflict",
        [410 - 200] = "Gone",
        [411 - 200] = "Length Required",
        [412 - 200] = "Precondition Failed",
        [413 - 200] = "Content Too Large",
        [414 - 200] = "URI Too Long",
        [415 - 200] = "Unsupported Media Type",
        [416 - 200] = "Range Not Satisfiable",
        [417 - 200] = "Expectation Failed",
        [421 - 200] = "Misdirected Request",
        [422 - 200] = "Unprocessable Content",
        [423 - 200] = "Locked",
        [424 - 200] = "Failed Dependency",
        [425 - 200] = "Too Early",
        [426 - 200] = "Upgrade Required",
        [428 - 200] = "Precondition Required",
        [429 - 200] = "Too Many Requests",
        [431 - 200] = "Request Header Fields Too Large",
        [451 - 200] = "Unavailable For Legal Reasons",
        [500 - 200] = "Internal Server Error",
        [501 - 200] = "Not Implemented",
        [502 - 200] = "Bad Gateway",
        [503 - 200] = "Service Unavailable",
        [504 - 200] = "Gateway Timeout",
        [505 - 200] = "HTTP Version Not Supported",
        [506 - 200] = "Variant Also Negotiates",
        [507 - 200] = "Insufficient Storage",
        [508 - 200] = "Loop Detected",
        [510 - 200] = "Not Extended",
        [511 - 200] = "Network Authentication Required",
    };
    return phrases[status - 200] != NULL ? phrases[status - 200] : "";
}

static void put_status_line(writer *w, uint16_t status)
{
    const char *phrase = reason_phrase(status);
    uint8_t line[] = "HTTP/1.1 000 ";

    line[9] = (uint8_t)('0' + status / 100);
    line[10] = (uint8_t)('0' + status / 10 % 10);
    line[11] = (uint8_t)('0' + status % 10);
    put(w, line, 13);
    put(w, phrase, strlen(phrase));
    put(w, "\r\n", 2);
}

static int is_status(uint16_t status)
{
    return status >= 200 && status <= 599;
}

static int has_no_body(uint16_t status)
{
    return status == 204 || status == 304;
}

/* Whether all bytes may be in a field value: no control byte but HTAB. Words first; a control byte among them is looked at
 * again, since it may be a HTAB. The last word overlaps the one before it. */
static inline int is_text(const uint8_t *bytes, uint32_t byte_count)
{
    uint64_t control = 0;
    uint32_t i = 0;

    if (byte_count >= 8) {
        for (; i + 8 < byte_count; i += 8)
            control |= find_control(load_word(bytes + i));
        control |= find_control(load_word(bytes + byte_count - 8));
        if (control == 0)
            return 1;
    }
    for (i = 0; i < byte_count; i++)
        if (!(byte_class[bytes[i]] & CLASS_TEXT))
            return 0;
    return 1;
}

static inline int is_lower_token(const uint8_t *bytes, uint32_t byte_count)
{
    uint8_t classes = CLASS_LOWER_TOKEN;

    for (uint32_t i = 0; i < byte_count; i++)
        classes &= byte_class[bytes[i]];
    return byte_count > 0 && classes != 0;
}

/* What is to become of a service's field: FIELD_WRITTEN, FIELD_DROPPED, or a negative enum http1_response_error. What is
 * dropped is checked like the rest, so that a service with a fault in it is found out. */
static inline int judge_field(const uint8_t *name, uint32_t name_bytes, const uint8_t *value, uint32_t value_bytes)
{
    if (!is_lower_token(name, name_bytes))
        return RESPONSE_ERROR_FIELD_NAME;
    uint8_t known = find_known_name(name, name_bytes);
    switch (known) {
    case NAME_CONTENT_LENGTH:
    case NAME_TRANSFER_ENCODING:
    case NAME_CONNECTION:
    case NAME_UPGRADE:
    case NAME_KEEP_ALIVE:
    case NAME_PROXY_CONNECTION:
    case NAME_TE:
    case NAME_TRAILER:
        return RESPONSE_ERROR_FRAMING;
    default:
        break;
    }
    if (!is_text(value, value_bytes))
        return RESPONSE_ERROR_FIELD_VALUE;
    return known == NAME_REQUEST_ID || known == NAME_CORRELATION_ID ? FIELD_DROPPED : FIELD_WRITTEN;
}

static void put_field(writer *w, const uint8_t *name, uint32_t name_bytes, const uint8_t *value, uint32_t value_bytes)
{
    uint8_t *at = take_room(w, (size_t)name_bytes + value_bytes + 4);

    if (at == NULL)
        return;
    copy_short(at, name, name_bytes);
    memcpy(at + name_bytes, ": ", 2);
    copy_short(at + name_bytes + 2, value, value_bytes);
    memcpy(at + name_bytes + 2 + value_bytes, "\r\n", 2);
}

static void put_content_length(writer *w, uint32_t length)
{
    uint8_t line[28] = "content-length: ";
    uint8_t digits[10];
    uint32_t first = sizeof digits;

    do {
        digits[--first] = (uint8_t)('0' + length % 10);
        length /= 10;
    } while (length != 0);
    memcpy(line + 16, digits + first, sizeof digits - first);
    memcpy(line + 26 - first, "\r\n", 2);
    put(w, line, 28 - first);
}

/* Writes what every head ends with, and returns what the whole call returns. */
static int32_t put_end(writer *w, const uint8_t *out, uint16_t status, uint32_t body_bytes, int has_date,
                       const http1_answer *answer)
{
    if (!has_date)
        put_field(w, (const uint8_t *)"date", 4, answer->date, DATE_BYTES);
    if (!has_no_body(status))
        put_content_length(w, body_bytes);
    put_field(w, (const uint8_t *)"x-request-id", 12, answer->request_id, answer->request_id_bytes);
    put_field(w, (const uint8_t *)"x-correlation-id", 16, answer->correlation_id, answer->correlation_id_bytes);
    if (answer->close)
        put(w, "connection: close\r\n", 19);
    put(w, "\r\n", 2);
    return w->full ? RESPONSE_ERROR_ROOM : (int32_t)(w->at - out);
}

int32_t http1_response_write(const uint8_t *bytes, const frame_view *view, const frame_field *fields, const http1_answer *answer,
                             uint8_t *out, uint32_t room)
{
    writer w = {out, out + room, 0};
    const frame_field *field = fields + view->first_field;
    int has_date = 0;

    if (!is_status(view->status))
        return RESPONSE_ERROR_STATUS;
    if (has_no_body(view->status) && view->body_bytes != 0)
        return RESPONSE_ERROR_BODY;
    put_status_line(&w, view->status);
    for (uint32_t i = 0; i < view->field_count; i++, field++) {
        const uint8_t *name = bytes + field->name;
        const uint8_t *value = bytes + field->value;
        if (field->id != FIELD_NAMED)
            continue;
        int judgement = judge_field(name, field->name_bytes, value, field->value_bytes);
        if (judgement < 0)
            return judgement;
        if (judgement == FIELD_DROPPED)
            continue;
        has_date |= field->name_bytes == 4 && memcmp(name, "date", 4) == 0;
        put_field(&w, name, field->name_bytes, value, field->value_bytes);
    }
    return put_end(&w, out, view->status, view->body_bytes, has_date, answer);
}

int32_t http1_answer_write(uint16_t status, const uint8_t *lines, uint32_t lines_bytes, uint32_t body_bytes,
                           const http1_answer *answer, uint8_t *out, uint32_t room)
{
    writer w = {out, out + room, 0};

    if (!is_status(status) || (has_no_body(status) && body_bytes != 0))
        return RESPONSE_ERROR_STATUS;
    put_status_line(&w, status);
    if (lines_bytes != 0)
        put(&w, lines, lines_bytes);
    return put_end(&w, out, status, body_bytes, 0, answer);
}

static void write_two_digits(uint8_t *out, uint32_t value)
{
    out[0] = (uint8_t)('0' + value / 10 % 10);
    out[1] = (uint8_t)('0' + value % 10);
}

/* Days since 1970 as a date of the Gregorian calendar. Years are counted from March, so that the leap day is a year's last
 * day, and in eras of 400 years, which all have 146,097 days. */
static void split_days(uint32_t days, uint32_t *year, uint32_t *month, uint32_t *day)
{
    uint32_t since_march_0000 = days + 719468;
    uint32_t era = since_march_0000 / 146097;
    uint32_t day_of_era = since_march_0000 % 146097;
    uint32_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint32_t month_from_march = (5 * day_of_year + 2) / 153;

    *day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    *month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    *year = era * 400 + year_of_era + (*month <= 2);
}

/* After the year 9999, which has no fifth digit to give, the clock stands still. */
void http1_date_write(uint64_t unix_seconds, uint8_t *out)
{
    static const uint64_t end_of_9999 = UINT64_C(253402300799);
    uint64_t seconds = unix_seconds < end_of_9999 ? unix_seconds : end_of_9999;
    uint32_t days = (uint32_t)(seconds / 86400);
    uint32_t of_day = (uint32_t)(seconds % 86400);
    uint32_t year, month, day;

    split_days(days, &year, &month, &day);
    memcpy(out, "Thu, 00 Jan 0000 00:00:00 GMT", DATE_BYTES);
    memcpy(out, &"ThuFriSatSunMonTueWed"[days % 7 * 3], 3);
    write_two_digits(out + 5, day);
    memcpy(out + 8, &"JanFebMarAprMayJunJulAugSepOctNovDec"[(month - 1) * 3], 3);
    write_two_digits(out + 12, year / 100);
    write_two_digits(out + 14, year % 100);
    write_two_digits(out + 17, of_day / 3600);
    write_two_digits(out + 20, of_day / 60 % 60);
    write_two_digits(out + 23, of_day % 60);
}
