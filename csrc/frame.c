/* The scan of frames, and the header's writer. The contract is in frame.h, the law in docs/protocol.md.
 *
 * One pass, in the order of the bytes: header, fixed part, field table. The text of fields is never touched: the table alone
 * says where each name and value lies, so the cost of a frame does not depend on how long its values are. The first rule that
 * a frame breaks, in this order, is the error that is reported, so that every implementation names the same one:
 *
 *     type, reserved bytes, length, flags, exchange        as soon as the 16 bytes of the header are there
 *     fixed part, target, field table, what is left        when the whole frame is there
 */
#include "frame.h"

/* What the header alone decides about each type of frame. Where least and most are equal, the length is fixed. */
typedef struct {
    uint32_t least;
    uint32_t most;
    uint8_t flags_allowed;
    uint8_t flags_required;
    uint8_t about_exchange;
} frame_form;

static const frame_form forms[] = {
    [FRAME_HELLO] = {0, FRAME_GREETING_BYTES_MAX, 0, 0, 0},
    [FRAME_WELCOME] = {0, FRAME_GREETING_BYTES_MAX, 0, 0, 0},
    [FRAME_HEARTBEAT] = {8, 8, 0, 0, 0},
    [FRAME_GOAWAY] = {8, 8, 0, 0, 0},
    [FRAME_FAULT] = {4, 4 + FRAME_FAULT_TEXT_BYTES_MAX, 0, 0, 0},
    [FRAME_REQUEST] = {FRAME_REQUEST_FIXED_BYTES, FRAME_PAYLOAD_BYTES_MAX, FRAME_END, 0, 1},
    [FRAME_RESPONSE] = {FRAME_RESPONSE_FIXED_BYTES, FRAME_PAYLOAD_BYTES_MAX, FRAME_END, 0, 1},
    [FRAME_DATA] = {0, FRAME_DATA_BYTES_MAX, FRAME_END, 0, 1},
    [FRAME_TRAILERS] = {4, FRAME_PAYLOAD_BYTES_MAX, FRAME_END, FRAME_END, 1},
    [FRAME_CREDIT] = {4, 4, 0, 0, 1},
    [FRAME_CANCEL] = {4, 4, 0, 0, 1},
    [FRAME_REFUSED] = {8, 8, 0, 0, 1},
};

/* Not an enum frame_error: the arrays of the caller are full, so the frame waits for the next call. */
enum { NO_ROOM = -1 };

/* Returns why a length is wrong for a type: one that is fixed has the wrong form, any other has a limit. */
static int check_length(const frame_form *form, uint32_t payload_bytes)
{
    if (payload_bytes > FRAME_PAYLOAD_BYTES_MAX || (payload_bytes > form->most && form->least != form->most))
        return FRAME_ERROR_TOO_LONG;
    return payload_bytes == form->most || form->least != form->most ? FRAME_OK : FRAME_ERROR_PAYLOAD;
}

/* Decides by the 16 bytes alone, so that a bad frame is refused before its payload has arrived or was given any room. */
static int check_header(const uint8_t *header)
{
    uint8_t type = header[4], flags = header[5];
    uint32_t payload_bytes = frame_read_u32(header);
    uint64_t exchange = frame_read_u64(header + 8);
    if (type < FRAME_HELLO || type > FRAME_REFUSED)
        return FRAME_ERROR_TYPE;
    if (header[6] | header[7])
        return FRAME_ERROR_RESERVED;
    const frame_form *form = &forms[type];
    int error = check_length(form, payload_bytes);
    if (error)
        return error;
    if ((flags & ~form->flags_allowed) | (form->flags_required & ~flags))
        return FRAME_ERROR_FLAGS;
    if ((exchange != 0) != form->about_exchange)
        return FRAME_ERROR_EXCHANGE;
    return payload_bytes < form->least ? FRAME_ERROR_PAYLOAD : FRAME_OK;
}

/* Decodes count entries of a table into fields; their text lies from offset text on. Returns the offset behind the text,
 * or 0 when an entry is wrong: a name without an id of 0 or the reverse, or a context field that this version knows twice.
 * Cannot overflow: 128 entries add less than 2^24 to an offset that is under 2^31. What is wrong is gathered and looked at
 * once at the end: the loop has no branch but its own, which is what makes a table of 8 cost a few nanoseconds. */
static uint32_t decode_table(const uint8_t *table, uint32_t count, uint32_t text, frame_field *fields)
{
    uint32_t seen = 0, wrong = 0;
    for (uint32_t at = 0; at < count; at++) {
        uint32_t entry = frame_read_u32(table + 4 * at);
        uint32_t id = entry >> 24, name_bytes = (entry >> 16) & 0xff, value_bytes = entry & 0xffff;
        uint32_t known = (uint32_t)(id <= FIELD_SERVICE) << (id & 31) & ~1u; /* one bit for ids 1 to 12, none for others */
        wrong |= ((id == 0) ^ (name_bytes != 0)) | (seen & known);
        seen |= known;
        fields[at] = (frame_field){text, text + name_bytes, (uint16_t)value_bytes, (uint8_t)name_bytes, (uint8_t)id};
        text += name_bytes + value_bytes;
    }
    return wrong ? 0 : text;
}

/* What is left of the caller's fields, and how many of them are filled. */
typedef struct {
    frame_field *fields;
    uint32_t filled;
    uint32_t most;
} field_room;

/* Decodes a table that begins at offset table and whose text begins at offset text; both were read from the frame and are
 * checked here against its end. Returns the offset behind the text, with FRAME_OK, FRAME_ERROR_FIELDS or NO_ROOM in error. */
static uint32_t scan_fields(const uint8_t *bytes, uint32_t table, uint32_t text, uint32_t end, frame_view *view, field_room *room,
                            int *error)
{
    uint32_t count = view->field_count;
    if (count > room->most - room->filled) {
        *error = NO_ROOM;
        return 0;
    }
    view->first_field = room->filled;
    uint32_t behind = decode_table(bytes + table, count, text, room->fields + room->filled);
    if (behind == 0 || behind > end) {
        *error = FRAME_ERROR_FIELDS;
        return 0;
    }
    room->filled += count;
    *error = FRAME_OK;
    return behind;
}

static int scan_request(const uint8_t *bytes, frame_view *view, field_room *room)
{
    uint32_t start = view->payload, end = start + view->payload_bytes;
    const uint8_t *fixed = bytes + start;
    uint32_t target_bytes = frame_read_u16(fixed + 8), count = frame_read_u16(fixed + 10);
    uint32_t target = start + FRAME_REQUEST_FIXED_BYTES + 4 * count;
    int error;

    view->remaining_ms = frame_read_u32(fixed);
    view->endpoint = frame_read_u16(fixed + 4);
    view->method = fixed[6];
    view->attempt = fixed[7];
    view->target = target;
    view->target_bytes = (uint16_t)target_bytes;
    view->field_count = (uint16_t)count;
    if (view->method < METHOD_GET || view->method > METHOD_OPTIONS || view->attempt == 0)
        return FRAME_ERROR_PAYLOAD;
    if (count > FRAME_FIELDS_MAX || target > end)
        return FRAME_ERROR_FIELDS;
    if (target_bytes == 0 || target_bytes > FRAME_TARGET_BYTES_MAX || target_bytes > end - target || bytes[target] != '/')
        return FRAME_ERROR_TARGET;
    view->body = scan_fields(bytes, start + FRAME_REQUEST_FIXED_BYTES, target + target_bytes, end, view, room, &error);
    view->body_bytes = end - view->body;
    return error;
}

static int scan_response(const uint8_t *bytes, frame_view *view, field_room *room)
{
    uint32_t start = view->payload, end = start + view->payload_bytes;
    uint32_t status = frame_read_u16(bytes + start), count = frame_read_u16(bytes + start + 2);
    uint32_t table = start + FRAME_RESPONSE_FIXED_BYTES, text = table + 4 * count;
    int interim = status < 200, error;

    view->status = (uint16_t)status;
    view->field_count = (uint16_t)count;
    if (status < 100 || status > 599)
        return FRAME_ERROR_PAYLOAD;
    if (interim && view->flags & FRAME_END)
        return FRAME_ERROR_FLAGS;
    if (count > FRAME_FIELDS_MAX || text > end)
        return FRAME_ERROR_FIELDS;
    view->body = scan_fields(bytes, table, text, end, view, room, &error);
    view->body_bytes = end - view->body;
    return error == FRAME_OK && interim && view->body_bytes ? FRAME_ERROR_PAYLOAD : error;
}

/* As the table of a RESPONSE, but nothing may follow the text. */
static int scan_trailers(const uint8_t *bytes, frame_view *view, field_room *room)
{
    uint32_t start = view->payload, end = start + view->payload_bytes;
    uint32_t count = frame_read_u16(bytes + start), table = start + 4, text = table + 4 * count;
    int error;

    view->field_count = (uint16_t)count;
    if (frame_read_u16(bytes + start + 2) != 0)
        return FRAME_ERROR_RESERVED;
    if (count > FRAME_FIELDS_MAX || text > end)
        return FRAME_ERROR_FIELDS;
    uint32_t behind = scan_fields(bytes, table, text, end, view, room, &error);
    return error == FRAME_OK && behind != end ? FRAME_ERROR_FIELDS : error;
}

/* GOAWAY, CANCEL, REFUSED: a reason, which may be any, and three reserved bytes. */
static int check_reason(const uint8_t *payload)
{
    return payload[1] | payload[2] | payload[3] ? FRAME_ERROR_RESERVED : FRAME_OK;
}

/* Fills what belongs to the type, for a frame whose header was accepted and whose payload is all there. */
static int scan_payload(const uint8_t *bytes, frame_view *view, field_room *room)
{
    const uint8_t *payload = bytes + view->payload;
    switch (view->type) {
    case FRAME_REQUEST:
        return scan_request(bytes, view, room);
    case FRAME_RESPONSE:
        return scan_response(bytes, view, room);
    case FRAME_DATA:
        view->body = view->payload;
        view->body_bytes = view->payload_bytes;
        return view->body_bytes == 0 && !(view->flags & FRAME_END) ? FRAME_ERROR_PAYLOAD : FRAME_OK;
    case FRAME_TRAILERS:
        return scan_trailers(bytes, view, room);
    case FRAME_HEARTBEAT:
        if (payload[1])
            return FRAME_ERROR_RESERVED;
        return payload[0] > 2 ? FRAME_ERROR_PAYLOAD : FRAME_OK;
    case FRAME_FAULT:
        return payload[2] | payload[3] ? FRAME_ERROR_RESERVED : FRAME_OK;
    case FRAME_CREDIT:
        return frame_read_u32(payload) == 0 ? FRAME_ERROR_PAYLOAD : FRAME_OK;
    case FRAME_GOAWAY:
    case FRAME_CANCEL:
    case FRAME_REFUSED:
        return check_reason(payload);
    default:
        return FRAME_OK;
    }
}

/* Contract in frame.h. The offsets are 32 bits wide: byte_count is under 2^31, and a header is only added to when its payload
 * was found to be at most FRAME_PAYLOAD_BYTES_MAX, so no sum here wraps. */
void frame_scan(const uint8_t *bytes, uint32_t byte_count, frame_view *frames, uint32_t frames_max, frame_field *fields,
                uint32_t fields_max, frame_scan_result *result)
{
    field_room room = {fields, 0, fields_max};
    uint32_t at = 0, frame_count = 0, needed = 0;
    int error = FRAME_OK;

    while (at < byte_count && frame_count < frames_max) {
        if (byte_count - at < FRAME_HEADER_BYTES) {
            needed = FRAME_HEADER_BYTES;
            break;
        }
        error = check_header(bytes + at);
        if (error)
            break;
        uint32_t payload_bytes = frame_read_u32(bytes + at);
        if (byte_count - at - FRAME_HEADER_BYTES < payload_bytes) {
            needed = FRAME_HEADER_BYTES + payload_bytes;
            break;
        }
        frame_view *view = &frames[frame_count];
        *view = (frame_view){.exchange = frame_read_u64(bytes + at + 8),
                             .payload = at + FRAME_HEADER_BYTES,
                             .payload_bytes = payload_bytes,
                             .type = bytes[at + 4],
                             .flags = bytes[at + 5]};
        error = scan_payload(bytes, view, &room);
        if (error)
            break;
        at += FRAME_HEADER_BYTES + payload_bytes;
        frame_count++;
    }
    *result = (frame_scan_result){frame_count, room.filled, at, needed, error == NO_ROOM ? FRAME_OK : (uint32_t)error};
}

void frame_write_header(uint8_t *out, uint32_t payload_bytes, uint8_t type, uint8_t flags, uint64_t exchange)
{
    frame_write_u32(out, payload_bytes);
    out[4] = type;
    out[5] = flags;
    frame_write_u16(out + 6, 0);
    frame_write_u64(out + 8, exchange);
}
