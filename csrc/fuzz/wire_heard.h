/* The part of the model of fuzz_wire.c that is about what comes out: clients must hear whole answers, each its own and in order, and
 * services whole frames. */
#ifndef PENSTOCK_FUZZ_WIRE_HEARD_H
#define PENSTOCK_FUZZ_WIRE_HEARD_H

#include "wire_model.h"

static void end_head(client *c)
{
    c->head[c->head_bytes] = 0;
    demand(strncmp(c->head, "HTTP/1.1 ", 9) == 0, "an answer begins with a status line");
    const char *length = strstr(c->head, "\r\ncontent-length: "), *id = strstr(c->head, "\r\nx-request-id: ");
    if (id) {
        uint32_t number = (uint32_t)atoi(id + 16);
        demand(number > c->last_answered && number <= requests_seen, "answers come once, and in the order of the requests");
        int is_its_own = id[25] == '?' || id[25] == '0' + (int)(c - clients);
        demand(has_said_raw || is_its_own, "an answer is that of the client's own request");
        c->last_answered = number;
    }
    c->body_left = length ? (uint32_t)atoi(length + 18) : 0;
    c->in_body = 1;
    c->head_bytes = 0;
}

/* A body is all 'b': so an answer that is not where it should be shows at once. In the place of a body may be none (HEAD). */
static void take_answers(client *c, const uint8_t *bytes, uint32_t count)
{
    static uint32_t length;
    for (uint32_t i = 0; i < count; i++) {
        if (c->in_body && bytes[i] == 'b' && c->body_left) {
            length = c->in_body == 1 ? c->body_left : length;
            c->in_body = 2;
            c->body_left--;
            continue;
        }
        demand(!c->in_body || c->in_body == 1 || c->body_left == 0, "an answer has the body that it announced");
        c->in_body = 0;
        demand(c->head_bytes < sizeof c->head - 1, "a head is small");
        c->head[c->head_bytes++] = (char)bytes[i];
        if (c->head_bytes >= 4 && memcmp(c->head + c->head_bytes - 4, "\r\n\r\n", 4) == 0)
            end_head(c);
    }
}

static void close_client(client *c)
{
    if (c->descriptor >= 0)
        close(c->descriptor);
    c->descriptor = -1;
}

/* Returns whether something came. */
static int read_client(client *c, uint32_t most)
{
    static uint8_t bytes[SAID_MAX];
    if (c->descriptor < 0)
        return 0;
    ssize_t count = recv(c->descriptor, bytes, most, MSG_DONTWAIT);
    if (count > 0)
        take_answers(c, bytes, (uint32_t)count);
    else if (count == 0 || errno != EAGAIN)
        close_client(c);
    return count > 0;
}

static int is_credential(const uint8_t *bytes, const frame_field *field)
{
    return (field->name_bytes == 13 && memcmp(bytes + field->name, "authorization", 13) == 0) ||
           (field->name_bytes == 9 && memcmp(bytes + field->name, "x-api-key", 9) == 0);
}

/* Every identity of ours that has a principal drops the credentials. */
static void check_identity(const service *s, const frame_view *view, const frame_field *fields)
{
    int principals = 0, credentials = 0;
    for (uint32_t i = 0; i < view->field_count; i++) {
        const frame_field *field = &fields[view->first_field + i];
        principals += field->id == FIELD_PRINCIPAL;
        credentials += field->id == FIELD_NAMED && is_credential(s->held, field);
        for (uint32_t at = 0; field->id == FIELD_PRINCIPAL && at < field->value_bytes; at++)
            demand(s->held[field->value + at] == 'i', "a principal is ours");
    }
    demand(principals <= 1 && (!principals || !credentials), "credentials do not go on with a principal");
}

static void take_frame(service *s, const frame_view *view, const frame_field *fields)
{
    uint64_t own_bit = s->dialled ? BIT_63 : 0;
    if (view->type == FRAME_REQUEST) {
        demand((view->exchange & BIT_63) == own_bit, "an id has the bit of the side that dialled");
        check_identity(s, view, fields);
        if (s->asked_count < ASKED)
            s->asked[s->asked_count++] = view->exchange;
        return;
    }
    int is_fault = view->type == FRAME_FAULT && is_hostile;
    demand(view->type == FRAME_CANCEL || view->type == FRAME_DATA || is_fault, "only what was written comes");
}

static int read_service(service *s, uint32_t most)
{
    frame_view views[8];
    frame_field fields[FRAME_FIELDS_MAX];
    frame_scan_result found;
    if (s->descriptor < 0)
        return 0;
    uint32_t room = (uint32_t)sizeof s->held - s->held_bytes;
    ssize_t count = recv(s->descriptor, s->held + s->held_bytes, most < room ? most : room, MSG_DONTWAIT);
    if (count == 0 || (count < 0 && errno != EAGAIN)) {
        close(s->descriptor);
        s->descriptor = -1;
    }
    if (count <= 0)
        return 0;
    s->held_bytes += (uint32_t)count;
    do {
        frame_scan(s->held, s->held_bytes, views, 8, fields, FRAME_FIELDS_MAX, &found);
        demand(found.error == FRAME_OK, "what the wire writes are frames");
        for (uint32_t i = 0; i < found.frame_count; i++)
            take_frame(s, &views[i], fields);
        memmove(s->held, s->held + found.consumed, s->held_bytes - found.consumed);
        s->held_bytes -= found.consumed;
    } while (found.frame_count && s->held_bytes);
    return 1;
}

#endif
