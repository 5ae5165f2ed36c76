/* A service in C that costs next to nothing, so that the gateway is what is measured.
 *
 *     frame_upstream PORT BODY METHOD PATH KIND [METHOD PATH KIND ...]     ends when the gateway closes, or with 1 and a reason
 *
 * KIND is what an endpoint does:
 *     answer   gives every REQUEST the same RESPONSE, with BODY; does not stream
 *     sink     streams: takes the body in, then answers like that
 *     stall    streams: takes of a body no more than what may be sent without being granted, for ever
 *     source   streams: answers with a body of so many MiB as the number in the last segment of the path says
 *     work     answers like the first, but after some time, and only so many at once (`frame_work.h`)
 *
 * The environment says UPSTREAM_VERSION, UPSTREAM_INSTANCE, and of work UPSTREAM_WORKERS and UPSTREAM_WORK_US. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frame_link.h"
#include "frame_streams.h"
#include "frame_work.h"

enum { HEARTBEAT_MS = 5000, ENDPOINTS_MAX = 1024, MEBIBYTE = 1 << 20 };

enum kind { ANSWER, SINK, STALL, SOURCE, WORK };

static enum kind kinds[ENDPOINTS_MAX];
static uint8_t response[4096];
static size_t response_bytes;

static enum kind kind_named(const char *name)
{
    static const char *const names[] = {"answer", "sink", "stall", "source", "work"};

    for (size_t index = 0; index < sizeof names / sizeof names[0]; index++)
        if (strcmp(name, names[index]) == 0)
            return (enum kind)index;
    link_give_up("an endpoint is one of answer, sink, stall, source, work");
}

/* The constant answer: 200, one field, the body. Its exchange is filled in for every request. */
static void make_response(const char *body)
{
    static const char field[] = "content-typeapplication/json";
    size_t body_bytes = strlen(body), payload_bytes = 8 + sizeof field - 1 + body_bytes;
    uint8_t *at = response + FRAME_HEADER_BYTES;

    if (FRAME_HEADER_BYTES + payload_bytes > sizeof response)
        link_give_up("the body is too long");
    frame_write_u16(at, 200);
    frame_write_u16(at + 2, 1);
    at[4] = FIELD_NAMED;
    at[5] = 12;
    frame_write_u16(at + 6, 16);
    memcpy(at + 8, field, sizeof field - 1);
    memcpy(at + 8 + sizeof field - 1, body, body_bytes);
    frame_write_header(response, (uint32_t)payload_bytes, FRAME_RESPONSE, FRAME_END, 0);
    response_bytes = FRAME_HEADER_BYTES + payload_bytes;
}

/* The version and the instance's name are of the environment: two of them stand for a service in two versions, or twice. */
static void say_hello(int count, char **endpoints)
{
    static char hello[256 * 1024];
    const char *said = getenv("UPSTREAM_VERSION"), *version = said ? said : "1.4.0", *named = getenv("UPSTREAM_INSTANCE");
    int at = snprintf(hello, sizeof hello,
                      "{\"protocol\":1,\"features\":[\"streams\"],\"service\":\"billing\",\"version\":\"%.32s\","
                      "\"instance\":\"upstream-%.32s\",\"region\":\"local\",\"heartbeat_ms\":%d,\"credit_bytes\":%d,\"endpoints\":[",
                      version, named ? named : version, HEARTBEAT_MS, LINK_CREDIT_BYTES);

    for (int id = 0; id < count && at < (int)sizeof hello - 512; id++, endpoints += 3)
        at += snprintf(hello + at, 512, "%s{\"id\":%d,\"method\":\"%s\",\"path\":\"%s\",\"access\":\"public\",\"streams\":%s}", id ? "," : "", id,
                       endpoints[0], endpoints[1], kinds[id] == ANSWER || kinds[id] == WORK ? "false" : "true");
    at += snprintf(hello + at, 3, "]}");
    link_put_frame(FRAME_HELLO, 0, 0, hello, (size_t)at);
}

static void answer(uint64_t exchange)
{
    frame_write_u64(response + 8, exchange);
    link_put(response, response_bytes);
}

/* The number of MiB that the last segment of a REQUEST's path asks for. */
static uint64_t mebibytes_of(const uint8_t *request)
{
    uint16_t target_bytes = frame_read_u16(request + 8), count = frame_read_u16(request + 10);
    const char *target = (const char *)request + FRAME_REQUEST_FIXED_BYTES + 4 * count;
    const char *slash = memrchr(target, '/', target_bytes);
    char digits[16] = {0};

    memcpy(digits, slash + 1, (size_t)(target + target_bytes - slash - 1) % sizeof digits);
    return strtoull(digits, NULL, 10);
}

static void take_request(const uint8_t *frame)
{
    const uint8_t *request = frame + FRAME_HEADER_BYTES;
    enum kind kind = kinds[frame_read_u16(request + 4) % ENDPOINTS_MAX];
    uint64_t exchange = frame_read_u64(frame + 8);

    if (kind == WORK)
        work_take(exchange);
    else if (kind == SOURCE)
        streams_send(exchange, mebibytes_of(request) * MEBIBYTE);
    else if (kind == ANSWER || frame[5] & FRAME_END)
        answer(exchange);
    else
        streams_sink(exchange, kind == SINK, answer);
}

static void take_frame(const uint8_t *frame, size_t payload_bytes)
{
    if (frame[4] == FRAME_REQUEST) {
        take_request(frame);
        return;
    }
    if (frame[4] == FRAME_CANCEL)
        work_cancel(frame_read_u64(frame + 8));
    streams_take(frame, payload_bytes);
}

static int fill(void)
{
    work_do(answer);
    return streams_fill();
}

static int number_of(const char *name, int otherwise)
{
    const char *said = getenv(name);
    return said ? atoi(said) : otherwise;
}

int main(int count, char **arguments)
{
    int endpoint_count = (count - 3) / 3;

    if (endpoint_count < 1 || endpoint_count > ENDPOINTS_MAX || count != 3 + 3 * endpoint_count)
        link_give_up("usage: frame_upstream PORT BODY METHOD PATH KIND [METHOD PATH KIND ...]");
    for (int id = 0; id < endpoint_count; id++)
        kinds[id] = kind_named(arguments[3 + 3 * id + 2]);
    make_response(arguments[2]);
    work_set(number_of("UPSTREAM_WORKERS", 1), (uint64_t)number_of("UPSTREAM_WORK_US", 1000));
    link_dial(atoi(arguments[1]));
    say_hello(endpoint_count, arguments + 3);
    link_run(take_frame, fill);
    return 0;
}
