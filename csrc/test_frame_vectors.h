/* Reads the golden vectors of tests/vectors for test_frame.c. This is no general JSON reader: it knows what these files use. */
#ifndef PENSTOCK_TEST_FRAME_VECTORS_H
#define PENSTOCK_TEST_FRAME_VECTORS_H

#include "frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VECTOR_BYTES_MAX = 65536 };

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

typedef struct {
    const char *at;
    int depth;
} reader;

/* Copies the string at the quote that the reader stands on; knows the escapes \" and \\ only. */
static inline size_t read_string(reader *from, char *out, size_t room)
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
static inline void copy_text(char *out, size_t room, const char *text, size_t count)
{
    size_t kept = count < room ? count : room - 1;
    memcpy(out, text, kept);
    out[kept] = 0;
}

/* Two hexadecimal digits per byte; spaces are skipped. Returns how many bytes were written. */
static inline uint32_t read_hex(const char *digits, uint8_t *out, uint32_t room)
{
    uint32_t count = 0;
    for (unsigned value; count < room && sscanf(digits, " %2x", &value) == 1; count++) {
        digits += strspn(digits, " ") + 2;
        out[count] = (uint8_t)value;
    }
    return count;
}

/* Adds one part of "bytes": text behind an apostrophe, x00*N, or hexadecimal digits. */
static inline void add_part(frame_vector *vector, const char *part)
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

static inline void take_number(frame_vector *vector, const char *key, uint32_t value)
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

static inline void take_field_text(frame_vector *vector, const char *key, const char *text, size_t count)
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
static inline void take_text(frame_vector *vector, int depth, const char *key, const char *text, size_t count)
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
static inline int read_vector(reader *from, frame_vector *vector)
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

#endif
