/* Tests of frame.c: the golden vectors of tests/vectors, every truncation of each, full arrays, and the header's writer. The
 * input ends, and begins, at a page that may not be touched. Run from the top folder, or with the folder of the vectors:
 *
 *     gcc -fsanitize=address,undefined csrc/test_frame.c csrc/frame.c && ./a.out [tests/vectors] */
#include "frame.h"
#include "test_support.h"

enum { VECTOR_BYTES_MAX = 65536, FRAMES_MAX = 8 };

/* One vector as it stands in the file. A view's numbers are compared with the scanned view as they are; text is kept apart. */
typedef struct {
    char name[128];
    char error[16];
    uint8_t bytes[VECTOR_BYTES_MAX];
    uint32_t byte_count;
    frame_view view;
    char target[256];
    char body[256];
    frame_field fields[FRAME_FIELDS_MAX];
    char names[FRAME_FIELDS_MAX][64];
    uint8_t values[FRAME_FIELDS_MAX][64];
    uint32_t field_count;
} frame_vector;

/* ---- reading the vectors: no general JSON reader, only what these files use ---- */

typedef struct {
    const char *at;
    int depth;
} reader;

/* Copies the string at the quote that the reader stands on; knows the escapes \" and \\ only. */
static size_t read_string(reader *from, char *out, size_t room)
{
    size_t count = 0;
    for (from->at++; *from->at && *from->at != '"'; from->at++) {
        if (*from->at == '\\')
            from->at++;
        if (count + 1 < room)
            out[count++] = *from->at;
    }
    from->at += *from->at == '"';
    out[count] = 0;
    return count;
}

/* Cuts what has no room: the comparison that follows then fails, as it should. */
static void copy_text(char *out, size_t room, const char *text, size_t count)
{
    size_t kept = count < room ? count : room - 1;
    memcpy(out, text, kept);
    out[kept] = 0;
}

/* Two hexadecimal digits per byte; spaces are skipped. Returns how many bytes were written. */
static uint32_t read_hex(const char *digits, uint8_t *out, uint32_t room)
{
    uint32_t count = 0;
    for (unsigned value; count < room && sscanf(digits, " %2x", &value) == 1; count++) {
        digits += strspn(digits, " ") + 2;
        out[count] = (uint8_t)value;
    }
    return count;
}

/* Adds one part of "bytes": text behind an apostrophe, x00*N, or hexadecimal digits. */
static void add_part(frame_vector *vector, const char *part)
{
    uint8_t *out = vector->bytes + vector->byte_count;
    uint32_t room = VECTOR_BYTES_MAX - vector->byte_count;
    uint32_t count;
    if (*part == '\'') {
        count = (uint32_t)strnlen(part + 1, room);
        memcpy(out, part + 1, count);
    } else if (strncmp(part, "x00*", 4) == 0) {
        count = (uint32_t)strtoul(part + 4, NULL, 10);
        count = count < room ? count : room;
        memset(out, 0, count);
    } else {
        count = read_hex(part, out, room);
    }
    vector->byte_count += count;
}

static void take_number(frame_vector *vector, const char *key, uint32_t value)
{
    frame_view *view = &vector->view;
    if (strcmp(key, "type") == 0)
        view->type = (uint8_t)value;
    else if (strcmp(key, "flags") == 0)
        view->flags = (uint8_t)value;
    else if (strcmp(key, "payload_bytes") == 0)
        view->payload_bytes = value;
    else if (strcmp(key, "remaining_ms") == 0)
        view->remaining_ms = value;
    else if (strcmp(key, "endpoint") == 0)
        view->endpoint = (uint16_t)value;
    else if (strcmp(key, "status") == 0)
        view->status = (uint16_t)value;
    else if (strcmp(key, "method") == 0)
        view->method = (uint8_t)value;
    else if (strcmp(key, "attempt") == 0)
        view->attempt = (uint8_t)value;
    else if (strcmp(key, "id") == 0)
        vector->fields[vector->field_count++].id = (uint8_t)value; /* the first member of each field */
}

static void take_field_text(frame_vector *vector, const char *key, const char *text, size_t count)
{
    uint32_t at = vector->field_count - 1;
    if (strcmp(key, "name") == 0) {
        copy_text(vector->names[at], sizeof vector->names[at], text, count);
        vector->fields[at].name_bytes = (uint8_t)count;
    } else if (strcmp(key, "value") == 0) {
        memcpy(vector->values[at], text, count < sizeof vector->values[at] ? count : sizeof vector->values[at]);
        vector->fields[at].value_bytes = (uint16_t)count;
    } else {
        vector->fields[at].value_bytes = (uint16_t)read_hex(text, vector->values[at], sizeof vector->values[at]);
    }
}

/* Depth 3 is a vector, 4 its frame, payload or bytes, 6 a field. */
static void take_text(frame_vector *vector, int depth, const char *key, const char *text, size_t count)
{
    if (depth >= 6)
        take_field_text(vector, key, text, count);
    else if (strcmp(key, "name") == 0)
        copy_text(vector->name, sizeof vector->name, text, count);
    else if (strcmp(key, "error") == 0)
        copy_text(vector->error, sizeof vector->error, text, count);
    else if (strcmp(key, "bytes") == 0)
        add_part(vector, text);
    else if (strcmp(key, "exchange") == 0)
        vector->view.exchange = strtoull(text, NULL, 16);
    else if (strcmp(key, "target") == 0)
        copy_text(vector->target, sizeof vector->target, text, count);
    else if (strcmp(key, "body") == 0)
        copy_text(vector->body, sizeof vector->body, text, count);
}

/* Reads the next vector; returns 0 at the end of the list. */
static int read_vector(reader *from, frame_vector *vector)
{
    static char text[8192];
    char key[64] = "", context[64] = "";
    memset(vector, 0, sizeof *vector);
    while (*from->at) {
        char sign = *from->at;
        if (sign == '"') {
            size_t count = read_string(from, text, sizeof text);
            if (*from->at == ':')
                snprintf(key, sizeof key, "%.63s", text);
            else if (from->depth >= 3 && strcmp(context, "payload") != 0)
                take_text(vector, from->depth, key, text, count);
            continue;
        }
        if (sign >= '0' && sign <= '9') {
            char *end;
            unsigned long value = strtoul(from->at, &end, 10);
            if (from->depth >= 4 && strcmp(context, "payload") != 0)
                take_number(vector, key, (uint32_t)value);
            from->at = end;
            continue;
        }
        from->at++;
        if (sign == '{' || sign == '[') {
            from->depth++;
            if (from->depth == 4)
                snprintf(context, sizeof context, "%s", key);
        } else if (sign == '}' || sign == ']') {
            from->depth--;
            if (sign == '}' && from->depth == 2)
                return 1;
        }
    }
    return 0;
}

/* ---- the tests ---- */

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
        guarded part = guarded_at_end(vector->bytes, count);
        check_result(scan(part.bytes, count), 0, 0, count < FRAME_HEADER_BYTES ? FRAME_HEADER_BYTES : vector->byte_count, FRAME_OK);
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
    test_header_writer();
    return test_report();
}
