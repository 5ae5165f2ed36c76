/* The writer of HTTP/1.1 answers; the contract is in http1_response.h.
 *
 * A service is not trusted with the shape of the message: its names and values are checked byte by byte, here and nowhere
 * else, and what frames the message is written by us alone. */
#include "http1_response.h"

#include "http1_list.h"
#include "http1_write.h"

enum { DATE_BYTES = 29 };

/* What is to become of a service's field, when it is not an error. */
enum { FIELD_WRITTEN = 0, FIELD_DROPPED = 1 };

/* The reason phrases that IANA has registered; clients ignore them, people do not. Empty for any other status. */
static const char *reason_phrase(uint16_t status)
{
    static const char *const phrases[500] = {
        [100 - 100] = "Continue",
        [101 - 100] = "Switching Protocols",
        [102 - 100] = "Processing",
        [103 - 100] = "Early Hints",
        [200 - 100] = "OK",
        [201 - 100] = "Created",
        [202 - 100] = "Accepted",
        [203 - 100] = "Non-Authoritative Information",
        [204 - 100] = "No Content",
        [205 - 100] = "Reset Content",
        [206 - 100] = "Partial Content",
        [207 - 100] = "Multi-Status",
        [208 - 100] = "Already Reported",
        [226 - 100] = "IM Used",
        [300 - 100] = "Multiple Choices",
        [301 - 100] = "Moved Permanently",
        [302 - 100] = "Found",
        [303 - 100] = "See Other",
        [304 - 100] = "Not Modified",
        [305 - 100] = "Use Proxy",
        [307 - 100] = "Temporary Redirect",
        [308 - 100] = "Permanent Redirect",
        [400 - 100] = "Bad Request",
        [401 - 100] = "Unauthorized",
        [402 - 100] = "Payment Required",
        [403 - 100] = "Forbidden",
        [404 - 100] = "Not Found",
        [405 - 100] = "Method Not Allowed",
        [406 - 100] = "Not Acceptable",
        [407 - 100] = "Proxy Authentication Required",
        [408 - 100] = "Request Timeout",
        [409 - 100] = "Conflict",
        [410 - 100] = "Gone",
        [411 - 100] = "Length Required",
        [412 - 100] = "Precondition Failed",
        [413 - 100] = "Content Too Large",
        [414 - 100] = "URI Too Long",
        [415 - 100] = "Unsupported Media Type",
        [416 - 100] = "Range Not Satisfiable",
        [417 - 100] = "Expectation Failed",
        [421 - 100] = "Misdirected Request",
        [422 - 100] = "Unprocessable Content",
        [423 - 100] = "Locked",
        [424 - 100] = "Failed Dependency",
        [425 - 100] = "Too Early",
        [426 - 100] = "Upgrade Required",
        [428 - 100] = "Precondition Required",
        [429 - 100] = "Too Many Requests",
        [431 - 100] = "Request Header Fields Too Large",
        [451 - 100] = "Unavailable For Legal Reasons",
        [500 - 100] = "Internal Server Error",
        [501 - 100] = "Not Implemented",
        [502 - 100] = "Bad Gateway",
        [503 - 100] = "Service Unavailable",
        [504 - 100] = "Gateway Timeout",
        [505 - 100] = "HTTP Version Not Supported",
        [506 - 100] = "Variant Also Negotiates",
        [507 - 100] = "Insufficient Storage",
        [508 - 100] = "Loop Detected",
        [510 - 100] = "Not Extended",
        [511 - 100] = "Network Authentication Required",
    };
    return phrases[status - 100] != NULL ? phrases[status - 100] : "";
}

uint16_t http1_answer_status(const uint8_t *head)
{
    enum { STATUS_AT = 9 }; /* behind "HTTP/1.1 " */
    return (uint16_t)((head[STATUS_AT] - '0') * 100 + (head[STATUS_AT + 1] - '0') * 10 + head[STATUS_AT + 2] - '0');
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

static int has_no_body(uint16_t status)
{
    return status < 200 || status == 204 || status == 304;
}

static int is_interim(uint16_t status)
{
    return status < 200 && status != 101;
}

static int is_protocol(const http1_answer *answer)
{
    return answer->upgrade != NULL && http1_is_protocol(answer->upgrade, answer->upgrade + answer->upgrade_bytes);
}

/* Whether an answer of this status may be framed as it is to be. A head without framing is that of an endless message: only what
 * has no body anyhow, or ends with its connection, may go without. */
static int judge_shape(uint16_t status, uint32_t body_bytes, const http1_answer *answer)
{
    if (status < 100 || status > 599 || answer->framing > FRAMING_UPGRADE)
        return RESPONSE_ERROR_STATUS;
    if ((status == 101) != (answer->framing == FRAMING_UPGRADE) || (is_interim(status) && answer->framing != FRAMING_NONE))
        return RESPONSE_ERROR_STATUS;
    if (status == 101 && !is_protocol(answer))
        return RESPONSE_ERROR_FIELD_VALUE;
    if (!has_no_body(status))
        return answer->framing == FRAMING_NONE && !answer->head_method && !answer->close ? RESPONSE_ERROR_FRAMING : RESPONSE_OK;
    return body_bytes != 0 ? RESPONSE_ERROR_BODY : RESPONSE_OK;
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

static void put_content_length(writer *w, uint64_t length)
{
    uint8_t line[38] = "content-length: ";
    uint8_t digits[20];
    uint32_t first = sizeof digits;

    do {
        digits[--first] = (uint8_t)('0' + length % 10);
        length /= 10;
    } while (length != 0);
    memcpy(line + 16, digits + first, sizeof digits - first);
    memcpy(line + 36 - first, "\r\n", 2);
    put(w, line, 38 - first);
}

static void put_framing(writer *w, uint16_t status, uint32_t body_bytes, const http1_answer *answer)
{
    if (answer->framing == FRAMING_UPGRADE || (status == 426 && is_protocol(answer))) {
        put(w, "connection: upgrade\r\n", 21);
        put_field(w, (const uint8_t *)"upgrade", 7, answer->upgrade, answer->upgrade_bytes);
    }
    if (answer->framing == FRAMING_UPGRADE) {
        return;
    } else if (has_no_body(status) || answer->framing == FRAMING_NONE) {
        return;
    } else if (answer->framing == FRAMING_CHUNKED) {
        put(w, "transfer-encoding: chunked\r\n", 28);
    } else {
        put_content_length(w, answer->has_length ? answer->length : body_bytes);
    }
}

/* Writes what every head ends with, and returns what the whole call returns. */
static int32_t put_end(writer *w, const uint8_t *out, uint16_t status, uint32_t body_bytes, int has_date,
                       const http1_answer *answer)
{
    if (!has_date && !is_interim(status))
        put_field(w, (const uint8_t *)"date", 4, answer->date, DATE_BYTES);
    put_framing(w, status, body_bytes, answer);
    if (!is_interim(status)) {
        put_field(w, (const uint8_t *)"x-request-id", 12, answer->request_id, answer->request_id_bytes);
        put_field(w, (const uint8_t *)"x-correlation-id", 16, answer->correlation_id, answer->correlation_id_bytes);
    }
    if (answer->close && status >= 200)
        put(w, "connection: close\r\n", 19);
    else if (answer->keeps && status >= 200)
        put(w, "connection: keep-alive\r\n", 24);
    put(w, "\r\n", 2);
    return w->full ? RESPONSE_ERROR_ROOM : (int32_t)(w->at - out);
}

/* The length that a service has declared (docs/protocol.md, section 7.1) must be that of the body, but for the answer to HEAD and for
 * 304, whose body would have had it. Returns 0 when it is not, or is no number. */
static int take_declared_length(const uint8_t *digits, uint32_t count, const frame_view *view, http1_answer *stated)
{
    uint64_t length = 0;

    if (count == 0 || count > 16)
        return 0;
    for (uint32_t i = 0; i < count; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return 0;
        length = length * 10 + (uint64_t)(digits[i] - '0');
    }
    if (view->body_bytes == 0 && (stated->head_method || view->status == 304)) {
        stated->has_length = 1;
        stated->length = length;
        return 1;
    }
    return length == view->body_bytes;
}

int32_t http1_response_write(const uint8_t *bytes, const frame_view *view, const frame_field *fields, const http1_answer *answer,
                             uint8_t *out, uint32_t room)
{
    writer w = {out, out + room, 0};
    const frame_field *field = fields + view->first_field;
    int has_date = 0;
    http1_answer stated = *answer;

    int shape = judge_shape(view->status, view->body_bytes, answer);
    if (shape != RESPONSE_OK)
        return shape;
    put_status_line(&w, view->status);
    for (uint32_t i = 0; i < view->field_count; i++, field++) {
        const uint8_t *name = bytes + field->name;
        const uint8_t *value = bytes + field->value;
        if (field->id == FIELD_BODY_LENGTH && !answer->has_length && answer->framing == FRAMING_LENGTH) {
            if (!take_declared_length(value, field->value_bytes, view, &stated))
                return RESPONSE_ERROR_LENGTH;
            continue;
        }
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
    return put_end(&w, out, view->status, view->body_bytes, has_date, &stated);
}

int32_t http1_answer_write(uint16_t status, const uint8_t *lines, uint32_t lines_bytes, uint32_t body_bytes,
                           const http1_answer *answer, uint8_t *out, uint32_t room)
{
    writer w = {out, out + room, 0};

    int shape = judge_shape(status, body_bytes, answer);
    if (shape != RESPONSE_OK)
        return shape;
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
