/* Tests of frame.c: the golden vectors of tests/vectors, every truncation of each, full arrays, and the header's writer. The
 * input ends, and begins, at a page that may not be touched. Run from the top folder, or with the folder of the vectors:
 *
 *     gcc -fsanitize=address,undefined csrc/test_frame.c csrc/frame.c && ./a.out [tests/vectors] */
#include "frame.h"
#include "test_frame_vectors.h"
#include "test_support.h"

enum { FRAMES_MAX = 8 };

static frame_view frames[FRAMES_MAX];
static frame_field fields[FRAME_FIELDS_MAX];

static frame_scan_result scan(const uint8_t *bytes, size_t byte_count)
{
    frame_scan_result result;
    frame_scan(bytes, (uint32_t)byte_count, frames, FRAMES_MAX, fields, FRAME_FIELDS_MAX, &result);
    return result;
}

static uint32_t error_number(const char *name)
{
    static const char *const names[] = {"", "TOO_LONG", "RESERVED", "TYPE", "FLAGS", "EXCHANGE", "PAYLOAD", "FIELDS", "TARGET"};
    for (uint32_t at = 0; at < sizeof names / sizeof *names; at++)
        if (strcmp(names[at], name) == 0)
            return at;
    return UINT32_MAX;
}

static void check_result(frame_scan_result result, uint32_t frame_count, uint32_t consumed, uint32_t needed, uint32_t error)
{
    CHECK_EQUAL(result.frame_count, frame_count);
    CHECK_EQUAL(result.consumed, consumed);
    CHECK_EQUAL(result.needed, needed);
    CHECK_EQUAL(result.error, error);
}

static void check_view(const frame_vector *vector, const uint8_t *bytes)
{
    const frame_view *view = &frames[0], *expected = &vector->view;
    CHECK(view->exchange == expected->exchange);
    CHECK_EQUAL(view->payload, FRAME_HEADER_BYTES);
    CHECK_EQUAL(view->payload_bytes, expected->payload_bytes);
    CHECK_EQUAL(view->remaining_ms, expected->remaining_ms);
    CHECK_EQUAL(view->endpoint, expected->endpoint);
    CHECK_EQUAL(view->status, expected->status);
    CHECK_EQUAL(view->type, expected->type);
    CHECK_EQUAL(view->flags, expected->flags);
    CHECK_EQUAL(view->method, expected->method);
    CHECK_EQUAL(view->attempt, expected->attempt);
    CHECK_BYTES(bytes + view->target, view->target_bytes, vector->target, strlen(vector->target));
    CHECK_BYTES(bytes + view->body, view->body_bytes, vector->body, strlen(vector->body));
    CHECK_EQUAL(view->field_count, vector->field_count);
    for (uint32_t at = 0; at < view->field_count && at < vector->field_count; at++) {
        CHECK_EQUAL(fields[at].id, vector->fields[at].id);
        CHECK_BYTES(bytes + fields[at].name, fields[at].name_bytes, vector->names[at], vector->fields[at].name_bytes);
        CHECK_BYTES(bytes + fields[at].value, fields[at].value_bytes, vector->values[at], vector->fields[at].value_bytes);
    }
}

static void test_vector(const frame_vector *vector)
{
    uint32_t error = error_number(vector->error), count = vector->byte_count;
    guarded ends = guarded_at_end(vector->bytes, count), starts = guarded_at_start(vector->bytes, count);
    check_context = vector->name;
    check_result(scan(ends.bytes, count), !error, error ? 0 : count, 0, error);
    check_result(scan(starts.bytes, count), !error, error ? 0 : count, 0, error);
    if (!error)
        check_view(vector, starts.bytes);
    guarded_free(&ends);
    guarded_free(&starts);
}

/* Each prefix of a good frame yields nothing and says what is needed, without a look beyond its end. */
static void test_truncations(const frame_vector *vector)
{
    check_context = vector->name;
    for (uint32_t count = 1; count < vector->byte_count && !*vector->error; count++) {
        uint32_t needed = count < FRAME_HEADER_BYTES ? FRAME_HEADER_BYTES : vector->byte_count;
        guarded part = guarded_at_end(vector->bytes, count);
        check_result(scan(part.bytes, count), 0, 0, needed, FRAME_OK);
        guarded_free(&part);
    }
}

/* A bad frame cut short is refused, or waits for the rest; it is never yielded. */
static void test_bad_truncations(const frame_vector *vector)
{
    check_context = vector->name;
    for (uint32_t count = 0; count < vector->byte_count && count < 600 && *vector->error; count++) {
        guarded part = guarded_at_end(vector->bytes, count);
        frame_scan_result result = scan(part.bytes, count);
        CHECK_EQUAL(result.frame_count, 0);
        CHECK(result.error == FRAME_OK || result.error == error_number(vector->error));
        guarded_free(&part);
    }
}

static void test_file(const char *folder, const char *name, unsigned least)
{
    static char text[131072];
    static frame_vector vector;
    char path[4096];
    unsigned count = 0;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    check_context = path;
    if (!CHECK(file != NULL))
        return;
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    for (reader from = {text, 0}; read_vector(&from, &vector); count++) {
        test_vector(&vector);
        test_truncations(&vector);
        test_bad_truncations(&vector);
    }
    check_context = path;
    CHECK(count >= least); /* a file that was read wrongly must not pass */
}

/* A TRAILERS frame of count fields named "n", without values. */
static uint32_t write_trailers(uint8_t *out, uint16_t count)
{
    uint32_t payload_bytes = 4 + 5u * count;
    frame_write_header(out, payload_bytes, FRAME_TRAILERS, FRAME_END, 9);
    frame_write_u16(out + 16, count);
    frame_write_u16(out + 18, 0);
    for (uint32_t at = 0; at < count; at++)
        frame_write_u32(out + 20 + 4 * at, 0x00010000);
    memset(out + 20 + 4 * count, 'n', count);
    return FRAME_HEADER_BYTES + payload_bytes;
}

/* The fields array holds one frame of 100 fields, not two: the second waits for the next call, and nothing is written beyond. */
static void test_full_fields(void)
{
    uint8_t bytes[2048];
    uint32_t one = write_trailers(bytes, 100), both = one + write_trailers(bytes + one, 100);
    guarded room = guarded_at_end(fields, sizeof fields);
    frame_scan_result result;
    check_context = "full fields";
    frame_scan(bytes, both, frames, FRAMES_MAX, (frame_field *)room.bytes, FRAME_FIELDS_MAX, &result);
    check_result(result, 1, one, 0, FRAME_OK);
    CHECK_EQUAL(result.field_count, 100);
    frame_scan(bytes + one, both - one, frames, FRAMES_MAX, (frame_field *)room.bytes, FRAME_FIELDS_MAX, &result);
    check_result(result, 1, both - one, 0, FRAME_OK);
    guarded_free(&room);
}

/* Fields of several frames follow each other, and first_field says where each frame's begin. */
static void test_fields_of_several_frames(void)
{
    uint8_t bytes[2048];
    uint32_t at = write_trailers(bytes, 3);
    at += write_trailers(bytes + at, 0);
    at += write_trailers(bytes + at, FRAME_FIELDS_MAX - 3);
    check_context = "fields of several frames";
    frame_scan_result result = scan(bytes, at);
    check_result(result, 3, at, 0, FRAME_OK);
    CHECK_EQUAL(result.field_count, FRAME_FIELDS_MAX);
    CHECK_EQUAL(frames[0].first_field, 0);
    CHECK_EQUAL(frames[1].first_field, 3);
    CHECK_EQUAL(frames[2].first_field, 3);
    CHECK_EQUAL(frames[2].field_count, FRAME_FIELDS_MAX - 3);
}

static void test_full_frames(void)
{
    uint8_t bytes[24 * 3] = {0};
    guarded room = guarded_at_end(frames, 2 * sizeof *frames);
    frame_scan_result result;
    check_context = "full frames";
    for (int at = 0; at < 3; at++)
        frame_write_header(bytes + 24 * at, 8, FRAME_HEARTBEAT, 0, 0);
    frame_scan(bytes, sizeof bytes, (frame_view *)room.bytes, 2, fields, FRAME_FIELDS_MAX, &result);
    check_result(result, 2, 48, 0, FRAME_OK);
    frame_scan(bytes, sizeof bytes, (frame_view *)room.bytes, 0, fields, FRAME_FIELDS_MAX, &result);
    check_result(result, 0, 0, 0, FRAME_OK);
    frame_scan(NULL, 0, (frame_view *)room.bytes, 2, fields, FRAME_FIELDS_MAX, &result);
    check_result(result, 0, 0, 0, FRAME_OK);
    guarded_free(&room);
}

/* The longest lengths that an entry can lie about, 128 times: sums must not wrap round and fit again. */
static void test_highest_lengths(void)
{
    uint8_t bytes[1024];
    uint32_t count = write_trailers(bytes, FRAME_FIELDS_MAX);
    check_context = "highest lengths";
    for (uint32_t at = 0; at < FRAME_FIELDS_MAX; at++)
        frame_write_u32(bytes + 20 + 4 * at, 0x00ffffff);
    check_result(scan(bytes, count), 0, 0, 0, FRAME_ERROR_FIELDS);
}

/* A payload of exactly the limit of its type is awaited; test_file has one byte more of each. */
static void test_longest_payloads(void)
{
    static const struct {
        uint8_t type, flags;
        uint32_t payload_bytes;
    } longest[] = {
        {FRAME_HELLO, 0, FRAME_GREETING_BYTES_MAX},
        {FRAME_WELCOME, 0, FRAME_GREETING_BYTES_MAX},
        {FRAME_FAULT, 0, 4 + FRAME_FAULT_TEXT_BYTES_MAX},
        {FRAME_REQUEST, 0, FRAME_PAYLOAD_BYTES_MAX},
        {FRAME_RESPONSE, 0, FRAME_PAYLOAD_BYTES_MAX},
        {FRAME_DATA, 0, FRAME_DATA_BYTES_MAX},
        {FRAME_TRAILERS, FRAME_END, FRAME_PAYLOAD_BYTES_MAX},
    };
    uint8_t header[FRAME_HEADER_BYTES];
    check_context = "longest payloads";
    for (size_t at = 0; at < sizeof longest / sizeof *longest; at++) {
        uint32_t payload_bytes = longest[at].payload_bytes;
        frame_write_header(header, payload_bytes, longest[at].type, longest[at].flags, longest[at].type >= FRAME_REQUEST);
        check_result(scan(header, sizeof header), 0, 0, FRAME_HEADER_BYTES + payload_bytes, FRAME_OK);
    }
}

/* One field too many is an error also where the table and the text fit, not a wait for room that never comes. */
static void test_one_field_too_many(void)
{
    uint8_t bytes[1024];
    uint32_t count = write_trailers(bytes, FRAME_FIELDS_MAX);
    check_context = "one field too many";
    check_result(scan(bytes, count), 1, count, 0, FRAME_OK);
    count = write_trailers(bytes, FRAME_FIELDS_MAX + 1);
    check_result(scan(bytes, count), 0, 0, 0, FRAME_ERROR_FIELDS);
    bytes[4] = FRAME_RESPONSE; /* the same form, but for a status instead of the count, and the count instead of the zeros */
    frame_write_u16(bytes + 16, 200);
    frame_write_u16(bytes + 18, FRAME_FIELDS_MAX + 1);
    check_result(scan(bytes, count), 0, 0, 0, FRAME_ERROR_FIELDS);
}

static void test_longest_target(void)
{
    static uint8_t bytes[FRAME_HEADER_BYTES + FRAME_REQUEST_FIXED_BYTES + FRAME_TARGET_BYTES_MAX];
    uint8_t *fixed = bytes + FRAME_HEADER_BYTES;
    check_context = "longest target";
    frame_write_header(bytes, sizeof bytes - FRAME_HEADER_BYTES, FRAME_REQUEST, FRAME_END, 1);
    fixed[6] = METHOD_GET;
    fixed[7] = 1;
    frame_write_u16(fixed + 8, FRAME_TARGET_BYTES_MAX);
    fixed[FRAME_REQUEST_FIXED_BYTES] = '/';
    guarded ends = guarded_at_end(bytes, sizeof bytes);
    check_result(scan(ends.bytes, sizeof bytes), 1, sizeof bytes, 0, FRAME_OK);
    CHECK_EQUAL(frames[0].target_bytes, FRAME_TARGET_BYTES_MAX);
    CHECK_EQUAL(frames[0].body_bytes, 0);
    guarded_free(&ends);
}

static void test_header_writer(void)
{
    static const uint8_t expected[] = {0, 1, 2, 3, 8, 1, 0, 0, 0x80, 1, 2, 3, 4, 5, 6, 7};
    guarded out = guarded_at_end(expected, FRAME_HEADER_BYTES);
    check_context = "header writer";
    memset(out.bytes, 0xff, FRAME_HEADER_BYTES);
    frame_write_header(out.bytes, 0x00010203, FRAME_DATA, FRAME_END, 0x8001020304050607u);
    CHECK_BYTES(out.bytes, FRAME_HEADER_BYTES, expected, sizeof expected);
    guarded_free(&out);
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : "tests/vectors";
    test_file(folder, "frames_good.json", 24);
    test_file(folder, "frames_bad.json", 70);
    test_full_frames();
    test_full_fields();
    test_fields_of_several_frames();
    test_highest_lengths();
    test_longest_payloads();
    test_one_field_too_many();
    test_longest_target();
    test_header_writer();
    return test_report();
}
