/* Fuzz target of frame_scan. The first byte of the input says how many frames a scan may yield, the second seeds the sizes of
 * the pieces; the rest is the stream. It is scanned whole and piece by piece, each time from an allocation of exactly its size;
 * both must find the same frames, stop at the same place for the same reason, and keep the promises of frame.h. */
#include "../frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STREAM_BYTES_MAX = 8192, FRAMES_MAX = STREAM_BYTES_MAX / FRAME_HEADER_BYTES };

/* What a way of scanning found: a digest of every frame, in order, and how it ended. */
typedef struct {
    uint64_t digests[FRAMES_MAX];
    uint32_t frame_count;
    uint32_t consumed;
    uint32_t needed;
    uint32_t error;
} findings;

static void demand(int holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "fuzz_frame: broken: %s\n", what);
    abort();
}

static uint64_t mix(uint64_t digest, uint64_t value)
{
    return (digest ^ value) * 0x100000001b3u;
}

static uint64_t mix_bytes(uint64_t digest, const uint8_t *bytes, uint32_t byte_count)
{
    digest = mix(digest, byte_count);
    for (uint32_t at = 0; at < byte_count; at++)
        digest = mix(digest, bytes[at]);
    return digest;
}

/* A range that a view names lies inside of the frame's payload. An empty one may stand at its end, or be 0 where it has no
 * meaning. */
static void demand_inside(uint32_t at, uint32_t byte_count, const frame_view *view)
{
    if (byte_count == 0 && at == 0)
        return;
    demand(at >= view->payload && byte_count <= view->payload_bytes, "a range begins inside of its payload");
    demand(at - view->payload <= view->payload_bytes - byte_count, "a range ends inside of its payload");
}

/* Checks one view and returns a digest of all that it says, with the bytes instead of their offsets, so that different scans can
 * be compared. */
static uint64_t digest_view(const uint8_t *bytes, const frame_view *view, const frame_field *fields, uint32_t field_count)
{
    uint64_t digest = 0xcbf29ce484222325u;
    demand(view->type >= FRAME_HELLO && view->type <= FRAME_REFUSED, "the type is known");
    demand((view->flags & ~FRAME_END) == 0, "the flags are known");
    demand(view->payload_bytes <= FRAME_PAYLOAD_BYTES_MAX, "the payload is within its limit");
    demand(view->field_count <= FRAME_FIELDS_MAX, "the field count is within its limit");
    demand(view->first_field <= field_count && view->field_count <= field_count - view->first_field, "the fields are filled");
    demand_inside(view->body, view->body_bytes, view);
    demand_inside(view->target, view->target_bytes, view);
    for (uint32_t at = view->first_field; at < view->first_field + view->field_count; at++) {
        const frame_field *field = &fields[at];
        demand((field->id == 0) == (field->name_bytes != 0), "a field has an id or a name");
        demand_inside(field->name, field->name_bytes, view);
        demand_inside(field->value, field->value_bytes, view);
        digest = mix(digest, field->id);
        digest = mix_bytes(digest, bytes + field->name, field->name_bytes);
        digest = mix_bytes(digest, bytes + field->value, field->value_bytes);
    }
    digest = mix(mix(mix(digest, view->exchange), view->type), view->flags);
    digest = mix(mix(mix(digest, view->remaining_ms), view->endpoint), view->status);
    digest = mix(mix(mix(digest, view->method), view->attempt), view->field_count);
    digest = mix_bytes(digest, bytes + view->target, view->target_bytes);
    digest = mix_bytes(digest, bytes + view->body, view->body_bytes);
    return mix_bytes(digest, bytes + view->payload, view->payload_bytes);
}

/* Checks what frame.h promises about a result and its frames, one behind the other. */
static void check_scan(const uint8_t *bytes, uint32_t byte_count, const frame_view *frames, uint32_t frames_max,
                       const frame_field *fields, const frame_scan_result *result, findings *found)
{
    uint32_t at = 0;
    demand(result->frame_count <= frames_max && result->field_count <= FRAME_FIELDS_MAX, "the arrays were large enough");
    demand(result->consumed <= byte_count, "no more was consumed than there is");
    demand(result->error <= FRAME_ERROR_TARGET, "the error is known");
    for (uint32_t index = 0; index < result->frame_count; index++) {
        const frame_view *view = &frames[index];
        demand(view->payload == at + FRAME_HEADER_BYTES, "a frame begins where the one before it ends");
        at = view->payload + view->payload_bytes;
        demand(found->frame_count < FRAMES_MAX, "a frame has at least the bytes of its header");
        found->digests[found->frame_count++] = digest_view(bytes, view, fields, result->field_count);
    }
    demand(at == result->consumed, "what was consumed is the frames");
    demand(result->needed == 0 || result->error == 0, "nothing is needed after an error");
    demand(result->needed == 0 || result->needed > byte_count - at, "what is needed is not there yet");
    demand(result->needed == 0 || result->needed >= FRAME_HEADER_BYTES, "what is needed is a header at least");
    demand(result->needed <= FRAME_HEADER_BYTES + FRAME_PAYLOAD_BYTES_MAX, "what is needed is bounded");
    demand(result->frame_count || result->needed || result->error || byte_count == 0, "a scan of something gets on");
}

/* Scans until nothing more is to be had from these bytes. Returns how many were consumed. */
static uint32_t scan_all(const uint8_t *bytes, uint32_t byte_count, uint32_t frames_max, findings *found)
{
    frame_view *frames = malloc(frames_max * sizeof *frames);
    frame_field *fields = malloc(FRAME_FIELDS_MAX * sizeof *fields);
    frame_scan_result result = {0, 0, 0, 0, 0};
    uint32_t consumed = 0;
    if (frames == NULL || fields == NULL)
        abort();
    do {
        frame_scan(bytes + consumed, byte_count - consumed, frames, frames_max, fields, FRAME_FIELDS_MAX, &result);
        check_scan(bytes + consumed, byte_count - consumed, frames, frames_max, fields, &result, found);
        consumed += result.consumed;
    } while (result.error == 0 && result.needed == 0 && consumed < byte_count);
    found->consumed += consumed;
    found->needed = result.needed;
    found->error = result.error;
    free(frames);
    free(fields);
    return consumed;
}

/* Feeds the stream as a connection would: what was not consumed is kept in front of the next piece. */
static void scan_pieces(const uint8_t *stream, uint32_t stream_bytes, uint32_t seed, findings *found)
{
    uint32_t start = 0, end = 0;
    while (end < stream_bytes && found->error == 0) {
        seed = seed * 1103515245u + 12345u;
        uint32_t piece = 1 + (seed >> 16) % (seed & 0x8000 ? 8 : 600);
        end = piece < stream_bytes - end ? end + piece : stream_bytes;
        uint8_t *held = malloc(end - start);
        if (held == NULL)
            abort();
        memcpy(held, stream + start, end - start);
        start += scan_all(held, end - start, 1 + (seed >> 24) % 3, found);
        free(held);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t byte_count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t byte_count)
{
    static findings whole, pieces;
    if (byte_count < 2 || byte_count > 2 + STREAM_BYTES_MAX)
        return 0;
    memset(&whole, 0, sizeof whole);
    memset(&pieces, 0, sizeof pieces);
    scan_all(bytes + 2, (uint32_t)(byte_count - 2), 1 + bytes[0], &whole);
    scan_pieces(bytes + 2, (uint32_t)(byte_count - 2), bytes[1], &pieces);
    demand(whole.frame_count == pieces.frame_count, "pieces yield as many frames as the whole");
    demand(memcmp(whole.digests, pieces.digests, whole.frame_count * sizeof *whole.digests) == 0, "and the same ones");
    demand(whole.consumed == pieces.consumed && whole.error == pieces.error, "and stop at the same place for the same reason");
    demand(whole.needed == pieces.needed, "and need as much");
    return 0;
}
