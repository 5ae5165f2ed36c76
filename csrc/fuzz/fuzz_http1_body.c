/* Fuzz target of the chunked decoder; the input is what follows a head. Read whole and in pieces, each in an allocation of its
 * own, it must come to the same: error, body, trailers, and where the next request begins. A model, which looks for nothing but
 * the next line's end, must find the same body in what is accepted; and what is accepted must still be under limits that it just
 * meets, and not under tighter ones. */
#include "../http1_body.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_BYTES_MAX = 16384, PIECES_MAX = 8 };

typedef struct {
    uint8_t body[INPUT_BYTES_MAX];
    uint8_t trailers[INPUT_BYTES_MAX + 2 * HTTP1_FIELDS_MAX];
    uint32_t body_bytes;
    uint32_t trailer_bytes;
    uint32_t field_count;
    uint32_t end; /* of the body */
    int error;
    int is_done;
} outcome;

static void demand(int holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "fuzz_http1_body: broken: %s\n", what);
    abort();
}

static uint8_t *copy_exactly(const uint8_t *bytes, size_t byte_count)
{
    uint8_t *made = malloc(byte_count ? byte_count : 1);
    if (made == NULL)
        abort();
    memcpy(made, bytes, byte_count);
    return made;
}

static void keep_trailers(outcome *out, const uint8_t *bytes, const http1_chunks *found)
{
    for (uint32_t i = 0; i < found->field_count; i++) {
        const http1_field *field = &found->fields[i];
        demand(field->name_bytes > 0 && field->value + field->value_bytes <= found->consumed,
               "a trailer lies in what was consumed");
        memcpy(out->trailers + out->trailer_bytes, bytes + field->name, field->name_bytes);
        out->trailer_bytes += field->name_bytes;
        out->trailers[out->trailer_bytes++] = ':';
        memcpy(out->trailers + out->trailer_bytes, bytes + field->value, field->value_bytes);
        out->trailer_bytes += field->value_bytes;
        out->trailers[out->trailer_bytes++] = '\n';
    }
    out->field_count = found->field_count;
}

/* One call with bytes in an allocation of their own. Returns what it consumed. */
static uint32_t call(outcome *out, http1_chunked *state, const uint8_t *bytes, uint32_t byte_count, const http1_limits *limits,
                     uint32_t pieces_max)
{
    static http1_chunks found;
    http1_piece pieces[PIECES_MAX];
    uint8_t *exact = copy_exactly(bytes, byte_count);

    out->error = http1_chunked_scan(state, exact, byte_count, limits, pieces, pieces_max, &found);
    demand(found.consumed <= byte_count && found.piece_count <= pieces_max, "no more is told than there is");
    uint32_t behind = 0;
    for (uint32_t i = 0; i < found.piece_count; i++) {
        demand(pieces[i].bytes > 0 && pieces[i].at >= behind, "pieces come in order");
        behind = pieces[i].at + pieces[i].bytes;
        demand(behind <= found.consumed, "a piece lies in what was consumed");
    }
    out->body_bytes += http1_chunked_join(exact, pieces, found.piece_count, out->body + out->body_bytes);
    demand(state->data_bytes == out->body_bytes, "the body is counted");
    demand(state->line_bytes <= CHUNK_LINE_BYTES_MAX + 1, "a chunk line is bounded");
    out->is_done = found.is_done;
    if (found.is_done)
        keep_trailers(out, exact, &found);
    else
        demand(found.error != BODY_OK || found.piece_count == pieces_max || byte_count - found.consumed < limits->head_bytes_max,
               "only a trailer section is held back");
    free(exact);
    return found.consumed;
}

/* Reads the input in pieces whose sizes the seed tells; whole with a seed of 0. */
static void read_all(outcome *out, const uint8_t *input, uint32_t input_bytes, const http1_limits *limits, uint32_t seed)
{
    http1_chunked state = {0};
    uint32_t given = seed ? 0 : input_bytes;
    uint32_t pieces_max = seed ? 1 + seed % PIECES_MAX : PIECES_MAX;

    memset(out, 0, sizeof *out);
    for (;;) {
        uint32_t consumed = call(out, &state, input + out->end, given - out->end, limits, pieces_max);
        out->end += consumed;
        if (out->error || out->is_done || (given == input_bytes && consumed == 0))
            break;
        seed = seed * 1103515245u + 12345u;
        uint32_t more = (seed >> 16) % (seed & 0x8000 ? 3 : 60) + (consumed == 0);
        given = more < input_bytes - given ? given + more : input_bytes;
    }
    uint32_t at = out->end;
    http1_chunked before = state;
    outcome after = *out;
    if (out->error) {
        call(&after, &state, input + at, input_bytes - at, limits, pieces_max);
        demand(after.error == out->error && after.body_bytes == out->body_bytes, "an error stays");
    } else if (out->is_done) {
        demand(call(&after, &state, input + at, input_bytes - at, limits, pieces_max) == 0 && after.is_done, "an end stays");
    }
    demand(memcmp(&before, &state, sizeof state) == 0 || !(out->error || out->is_done), "and nothing is changed by a call more");
}

/* The model: what an accepted body must be, read with strtoull and memmem. Returns the bytes of its trailer section. */
static uint32_t check_accepted(const uint8_t *input, const outcome *found)
{
    const uint8_t *p = input, *end = input + found->end;
    uint32_t at = 0;

    for (;;) {
        const uint8_t *line_end = memmem(p, (size_t)(end - p), "\r\n", 2);
        demand(line_end != NULL && line_end - p <= CHUNK_LINE_BYTES_MAX, "a chunk line has its end");
        demand(strspn((const char *)p, "0123456789abcdefABCDEF") <= CHUNK_SIZE_DIGITS_MAX, "and its size few digits");
        char *after;
        uint64_t size = strtoull((const char *)p, &after, 16);
        demand((const uint8_t *)after > p && strchr("; \t\r", *after) != NULL, "and a size");
        p = line_end + 2;
        if (size == 0)
            break;
        demand(size <= (uint64_t)(end - p) && memcmp(found->body + at, p, size) == 0, "the data is the body's");
        at += (uint32_t)size;
        p += size;
        demand(memcmp(p, "\r\n", 2) == 0, "data is followed by CR LF");
        p += 2;
    }
    demand(at == found->body_bytes, "and nothing else is");
    const uint8_t *section = p;
    uint32_t lines = 0;
    for (;; lines++) {
        const uint8_t *line_end = memmem(p, (size_t)(end - p), "\r\n", 2);
        demand(line_end != NULL, "a trailer line has its end");
        int is_last = line_end == p;
        p = line_end + 2;
        if (is_last)
            break;
    }
    demand(lines == found->field_count && p == end, "each line is a trailer, and the body ends behind the empty one");
    return (uint32_t)(end - section);
}

static int read_under(uint32_t section_bytes_max, uint32_t fields_max, const uint8_t *input, const outcome *found)
{
    static outcome again;
    const http1_limits limits = {section_bytes_max, fields_max, 0, 0};

    read_all(&again, input, found->end, &limits, 0);
    return again.error;
}

/* Limits that accepted trailers just meet, and each of them one lower. */
static void check_limits(const uint8_t *input, const outcome *found, uint32_t section_bytes)
{
    if (found->field_count == 0)
        return;
    demand(read_under(section_bytes, found->field_count, input, found) == BODY_OK, "limits that are met are kept");
    demand(read_under(section_bytes - 1, found->field_count, input, found) == BODY_TRAILERS_TOO_LARGE,
           "a section over its limit");
    demand(read_under(section_bytes, found->field_count - 1, input, found) == BODY_TOO_MANY_TRAILERS, "fields over theirs");
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t byte_count);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t byte_count)
{
    static const http1_limits limits = {INPUT_BYTES_MAX + 1, 100, 0, 0};
    static outcome whole, in_pieces;
    uint8_t *text;

    if (byte_count > INPUT_BYTES_MAX)
        return 0;
    uint32_t input_bytes = (uint32_t)byte_count, seed = 1;
    for (uint32_t i = 0; i < input_bytes; i++)
        seed = seed * 31 + input[i];
    read_all(&whole, input, input_bytes, &limits, 0);
    read_all(&in_pieces, input, input_bytes, &limits, seed ? seed : 1);
    demand(whole.error == in_pieces.error && whole.is_done == in_pieces.is_done, "it comes to the same, however the bytes come");
    demand(whole.body_bytes == in_pieces.body_bytes && memcmp(whole.body, in_pieces.body, whole.body_bytes) == 0,
           "the same body");
    if (!whole.is_done)
        return 0;
    demand(whole.end == in_pieces.end && whole.trailer_bytes == in_pieces.trailer_bytes, "the same end");
    demand(memcmp(whole.trailers, in_pieces.trailers, whole.trailer_bytes) == 0, "the same trailers");
    text = malloc(byte_count + 1); /* ends with NUL, for the model */
    if (text == NULL)
        abort();
    memcpy(text, input, byte_count);
    text[byte_count] = 0;
    check_limits(text, &whole, check_accepted(text, &whole));
    free(text);
    return 0;
}
