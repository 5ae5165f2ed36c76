/* The strict decoder of chunked bodies; the contract is in http1_body.h.
 *
 * A chunk line is read byte by byte by a machine of states, so that it may be split anywhere and nothing of it need be kept.
 * Data is skipped, not looked at. The trailer section is left where it is until its end is there, and then read as a head's
 * fields are. */
#include "http1_body.h"

#include "http1_field.h"

/* Where the next byte stands. Those up to CHUNK_LINE_LF are within a chunk line. */
enum chunk_state {
    CHUNK_SIZE_FIRST = 0, /* a digit must come */
    CHUNK_SIZE = 1,
    CHUNK_SIZE_WHITE = 2, /* white space behind the size: ';' must follow */
    CHUNK_NAME_FIRST = 3, /* behind ';' */
    CHUNK_NAME = 4,
    CHUNK_NAME_WHITE = 5, /* '=' or ';' must follow */
    CHUNK_VALUE_FIRST = 6,
    CHUNK_VALUE = 7,
    CHUNK_QUOTED = 8,
    CHUNK_ESCAPED = 9,     /* behind '\' in a quoted string */
    CHUNK_VALUE_END = 10,  /* behind a quoted string */
    CHUNK_VALUE_WHITE = 11, /* ';' must follow */
    CHUNK_LINE_LF = 12,
    CHUNK_DATA = 13,
    CHUNK_DATA_CR = 14,
    CHUNK_DATA_LF = 15,
    CHUNK_TRAILERS = 16,
    CHUNK_DONE = 17
};

static const uint64_t CHUNK_SIZE_MAX = UINT64_C(1) << 53; /* as of Content-Length */

static int is_white(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

/* The state after a byte of a chunk line that ends a name, a value or a size, as white space, ';' and CR may. */
static int end_of_word(uint8_t byte, int white)
{
    return byte == ';' ? CHUNK_NAME_FIRST : byte == '\r' ? CHUNK_LINE_LF : is_white(byte) ? white : -BODY_BAD_EXTENSION;
}

/* Takes a digit into the size of the chunk. So many digits fit into 64 bits. */
static int take_digit(http1_chunked *state, int digit)
{
    if (state->digits == CHUNK_SIZE_DIGITS_MAX)
        return -BODY_SIZE_TOO_LARGE;
    state->digits++;
    state->chunk_left = state->chunk_left << 4 | (uint64_t)digit;
    return state->chunk_left > CHUNK_SIZE_MAX ? -BODY_SIZE_TOO_LARGE : CHUNK_SIZE;
}

/* The state after one byte of a chunk line, or minus an error. CR is only let through where a line may end, and LF never. */
static int step_line(http1_chunked *state, uint8_t byte)
{
    int digit = hex_value(byte);
    int is_token = byte_class[byte] & CLASS_TOKEN;

    switch (state->state) {
    case CHUNK_SIZE_FIRST:
        return digit < 0 ? -BODY_BAD_SIZE : take_digit(state, digit);
    case CHUNK_SIZE:
        if (digit >= 0)
            return take_digit(state, digit);
        return byte == ';' || byte == '\r' || is_white(byte) ? end_of_word(byte, CHUNK_SIZE_WHITE) : -BODY_BAD_SIZE;
    case CHUNK_SIZE_WHITE:
        return is_white(byte) ? CHUNK_SIZE_WHITE : byte == ';' ? CHUNK_NAME_FIRST : -BODY_BAD_SIZE;
    case CHUNK_NAME_FIRST:
        return is_token ? CHUNK_NAME : is_white(byte) ? CHUNK_NAME_FIRST : -BODY_BAD_EXTENSION;
    case CHUNK_NAME:
        return is_token ? CHUNK_NAME : byte == '=' ? CHUNK_VALUE_FIRST : end_of_word(byte, CHUNK_NAME_WHITE);
    case CHUNK_NAME_WHITE:
        if (byte == '=')
            return CHUNK_VALUE_FIRST;
        return is_white(byte) ? CHUNK_NAME_WHITE : byte == ';' ? CHUNK_NAME_FIRST : -BODY_BAD_EXTENSION;
    case CHUNK_VALUE_FIRST:
        return is_token ? CHUNK_VALUE : byte == '"' ? CHUNK_QUOTED : is_white(byte) ? CHUNK_VALUE_FIRST : -BODY_BAD_EXTENSION;
    case CHUNK_VALUE:
        return is_token ? CHUNK_VALUE : end_of_word(byte, CHUNK_VALUE_WHITE);
    case CHUNK_QUOTED:
        if (byte == '"' || byte == '\\')
            return byte == '"' ? CHUNK_VALUE_END : CHUNK_ESCAPED;
        return byte_class[byte] & CLASS_TEXT ? CHUNK_QUOTED : -BODY_BAD_EXTENSION;
    case CHUNK_ESCAPED:
        return byte_class[byte] & CLASS_TEXT ? CHUNK_QUOTED : -BODY_BAD_EXTENSION;
    case CHUNK_VALUE_END:
        return end_of_word(byte, CHUNK_VALUE_WHITE);
    case CHUNK_VALUE_WHITE:
        return is_white(byte) ? CHUNK_VALUE_WHITE : byte == ';' ? CHUNK_NAME_FIRST : -BODY_BAD_EXTENSION;
    default: /* CHUNK_LINE_LF */
        return byte == '\n' ? CHUNK_DATA : -BODY_BAD_LINE_END;
    }
}

/* Begins what follows a chunk line that was read whole: data, or the trailers after the last chunk. */
static void end_line(http1_chunked *state)
{
    state->extension_bytes += (uint32_t)(state->line_bytes - state->digits);
    if (state->extension_bytes > CHUNK_EXTENSION_BYTES_MAX) {
        state->error = BODY_EXTENSIONS_TOO_LARGE;
        return;
    }
    state->line_bytes = 0;
    state->digits = 0;
    state->state = state->chunk_left != 0 ? CHUNK_DATA : CHUNK_TRAILERS;
}

/* Reads a chunk line from p on. Returns the first byte behind what was read; state->error tells of an error. */
static const uint8_t *read_line(http1_chunked *state, const uint8_t *p, const uint8_t *end)
{
    while (p < end && state->state <= CHUNK_LINE_LF && state->error == BODY_OK) {
        int next = step_line(state, *p);
        if (next < 0) {
            state->error = (uint8_t)(*p == '\n' ? BODY_BAD_LINE_END : -next); /* a bare LF is one, wherever it stands */
            return p;
        }
        if (next != CHUNK_LINE_LF && next != CHUNK_DATA && ++state->line_bytes > CHUNK_LINE_BYTES_MAX) {
            state->error = BODY_LINE_TOO_LONG;
            return p;
        }
        state->state = (uint8_t)next;
        p++;
        if (next == CHUNK_DATA)
            end_line(state);
    }
    return p;
}

/* Reads what ends a chunk's data, as read_line does a line. */
static const uint8_t *read_data_end(http1_chunked *state, const uint8_t *p, const uint8_t *end)
{
    if (p < end && state->state == CHUNK_DATA_CR && *p == '\r') {
        state->state = CHUNK_DATA_LF;
        p++;
    }
    if (p == end)
        return p;
    if (state->state != CHUNK_DATA_LF || *p != '\n') {
        state->error = BODY_BAD_DATA_END;
        return p;
    }
    state->state = CHUNK_SIZE_FIRST;
    return p + 1;
}

/* Tells a piece of data at p, and returns what is behind it. */
static const uint8_t *take_data(http1_chunked *state, const uint8_t *start, const uint8_t *p, const uint8_t *end,
                                http1_piece *piece)
{
    uint64_t given = (uint64_t)(end - p);
    uint32_t taken = (uint32_t)(given < state->chunk_left ? given : state->chunk_left);

    *piece = (http1_piece){(uint32_t)(p - start), taken};
    state->data_bytes += taken;
    state->chunk_left -= taken;
    if (state->chunk_left == 0)
        state->state = CHUNK_DATA_CR;
    return p + taken;
}

static int error_of_field(int verdict)
{
    switch (verdict) {
    case HEAD_BAD_FIELD_NAME:
        return BODY_BAD_TRAILER_NAME;
    case HEAD_BAD_FIELD_VALUE:
        return BODY_BAD_TRAILER_VALUE;
    case HEAD_BAD_LINE_END:
        return BODY_BAD_TRAILER_LINE;
    default:
        return BODY_TRAILERS_TOO_LARGE;
    }
}

/* Reads the fields of a whole trailer section, from p to end. Returns an error. */
static int read_fields(const uint8_t *start, const uint8_t *p, const uint8_t *end, uint32_t fields_max, http1_chunks *result)
{
    while (*p != '\r') {
        if (result->field_count == fields_max || result->field_count == HTTP1_FIELDS_MAX)
            return BODY_TOO_MANY_TRAILERS;
        int verdict = read_field_line(start, &p, end, &result->fields[result->field_count]);
        if (verdict != HEAD_PLAIN)
            return error_of_field(verdict);
        result->field_count++;
    }
    return p + 2 == end ? BODY_OK : BODY_BAD_TRAILER_LINE;
}

/* Reads the trailer section at p once it is there whole; until then, nothing of it. */
static const uint8_t *read_trailers(http1_chunked *state, const uint8_t *start, const uint8_t *p, const uint8_t *end,
                                    const http1_limits *limits, http1_chunks *result)
{
    int32_t bytes = 2; /* mostly there are none */

    if (p == end || (*p == '\r' && p + 1 == end))
        return p;
    if (*p != '\r')
        bytes = http1_head_end(p, (uint32_t)(end - p), limits->head_bytes_max, &state->searched);
    else if (p[1] != '\n')
        bytes = HEAD_END_BAD_LINE;
    if (bytes == HEAD_END_NOT_FOUND)
        return p;
    if (bytes < 0) {
        state->error = bytes == HEAD_END_TOO_LARGE ? BODY_TRAILERS_TOO_LARGE : BODY_BAD_TRAILER_LINE;
        return p;
    }
    state->error = (uint8_t)read_fields(start, p, p + bytes, limits->fields_max, result);
    if (state->error != BODY_OK)
        return p;
    state->state = CHUNK_DONE;
    return p + bytes;
}

int http1_chunked_scan(http1_chunked *state, const uint8_t *bytes, uint32_t byte_count, const http1_limits *limits,
                       http1_piece *pieces, uint32_t pieces_max, http1_chunks *result)
{
    const uint8_t *p = bytes;
    const uint8_t *end = bytes + byte_count;

    result->piece_count = result->field_count = 0;
    while (p < end && state->error == BODY_OK && state->state < CHUNK_TRAILERS) {
        if (state->state == CHUNK_DATA) {
            if (result->piece_count == pieces_max)
                break;
            p = take_data(state, bytes, p, end, &pieces[result->piece_count++]);
        } else if (state->state > CHUNK_DATA) {
            p = read_data_end(state, p, end);
        } else {
            p = read_line(state, p, end);
        }
    }
    if (state->error == BODY_OK && state->state == CHUNK_TRAILERS)
        p = read_trailers(state, bytes, p, end, limits, result);
    if (state->error != BODY_OK)
        result->field_count = 0;
    result->consumed = (uint32_t)(p - bytes);
    result->is_done = state->state == CHUNK_DONE;
    result->error = state->error;
    return state->error;
}

uint32_t http1_chunked_join(const uint8_t *bytes, const http1_piece *pieces, uint32_t piece_count, uint8_t *out)
{
    uint32_t joined = 0;

    for (uint32_t i = 0; i < piece_count; i++) {
        copy_short(out + joined, bytes + pieces[i].at, pieces[i].bytes);
        joined += pieces[i].bytes;
    }
    return joined;
}
