/* A service in C that costs next to nothing, so that the gateway is what is measured: it dials, says HELLO, and gives every
 * REQUEST the same RESPONSE. One recv takes in whatever has come, one send gives all of its answers.
 *
 *     frame_upstream PORT BODY METHOD PATH [METHOD PATH ...]       ends when the gateway closes, or with 1 and a reason
 *
 * The socket blocks: there is one, and the gateway never blocks on us. docs/protocol.md is the law; of the checks that it asks
 * of a receiver only those are made without which this program itself would go wrong. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "frame.h"

enum { HEARTBEAT_MS = 5000, INPUT_BYTES = FRAME_HEADER_BYTES + FRAME_PAYLOAD_BYTES_MAX, OUTPUT_BYTES = 1 << 20 };

static uint8_t input[INPUT_BYTES], output[OUTPUT_BYTES], response[4096];
static size_t held, pending, response_bytes;
static int connection, welcomed;

static void give_up(const char *why)
{
    fprintf(stderr, "frame_upstream: %s\n", why);
    exit(1);
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

static void write_header(uint8_t *out, size_t payload_bytes, uint8_t type, uint8_t flags, uint64_t exchange)
{
    frame_write_u32(out, (uint32_t)payload_bytes);
    out[4] = type;
    out[5] = flags;
    frame_write_u16(out + 6, 0);
    frame_write_u64(out + 8, exchange);
}

static void flush(void)
{
    size_t sent = 0;

    while (sent < pending) {
        ssize_t took = send(connection, output + sent, pending - sent, MSG_NOSIGNAL);
        if (took <= 0)
            give_up("the gateway does not take what is sent");
        sent += (size_t)took;
    }
    pending = 0;
}

static void put(const void *bytes, size_t byte_count)
{
    if (pending + byte_count > OUTPUT_BYTES)
        flush();
    memcpy(output + pending, bytes, byte_count);
    pending += byte_count;
}

/* The constant answer: 200, one field, the body. Its exchange is filled in for every request. */
static void make_response(const char *body)
{
    static const char field[] = "content-typeapplication/json";
    size_t body_bytes = strlen(body), payload_bytes = 8 + sizeof field - 1 + body_bytes;
    uint8_t *at = response + FRAME_HEADER_BYTES;

    if (FRAME_HEADER_BYTES + payload_bytes > sizeof response)
        give_up("the body is too long");
    frame_write_u16(at, 200);
    frame_write_u16(at + 2, 1);
    at[4] = FIELD_NAMED;
    at[5] = 12;
    frame_write_u16(at + 6, 16);
    memcpy(at + 8, field, sizeof field - 1);
    memcpy(at + 8 + sizeof field - 1, body, body_bytes);
    write_header(response, payload_bytes, FRAME_RESPONSE, FRAME_END, 0);
    response_bytes = FRAME_HEADER_BYTES + payload_bytes;
}

static void say_hello(int count, char **endpoints)
{
    uint8_t header[FRAME_HEADER_BYTES];
    char hello[8192];
    int at = snprintf(hello, sizeof hello,
                      "{\"protocol\":1,\"features\":[],\"service\":\"billing\",\"version\":\"1.4.0\",\"instance\":\"upstream-1\","
                      "\"region\":\"local\",\"heartbeat_ms\":%d,\"credit_bytes\":65536,\"endpoints\":[",
                      HEARTBEAT_MS);

    for (int index = 0; index + 1 < count && at < (int)sizeof hello - 512; index += 2)
        at += snprintf(hello + at, 512, "%s{\"id\":%d,\"method\":\"%s\",\"path\":\"%s\"}", index ? "," : "", index / 2,
                       endpoints[index], endpoints[index + 1]);
    at += snprintf(hello + at, 3, "]}");
    write_header(header, (size_t)at, FRAME_HELLO, 0, 0);
    put(header, sizeof header);
    put(hello, (size_t)at);
}

static void say_heartbeat(void)
{
    uint8_t frame[FRAME_HEADER_BYTES + 8] = {0};

    write_header(frame, 8, FRAME_HEARTBEAT, 0, 0);
    frame_write_u16(frame + FRAME_HEADER_BYTES + 2, 65535); /* load: not known */
    put(frame, sizeof frame);
}

static void take_frame(const uint8_t *frame, size_t payload_bytes)
{
    switch (frame[4]) {
    case FRAME_REQUEST:
        memcpy(response + 8, frame + 8, 8);
        put(response, response_bytes);
        break;
    case FRAME_WELCOME:
        welcomed = 1;
        break;
    case FRAME_FAULT:
        fprintf(stderr, "frame_upstream: FAULT %u: %.*s\n", frame_read_u16(frame + FRAME_HEADER_BYTES),
                (int)payload_bytes - 4, (const char *)frame + FRAME_HEADER_BYTES + 4);
        exit(1);
    default:
        break; /* HEARTBEAT, GOAWAY, CANCEL: nothing is ever in flight here when they are read */
    }
}

static void take_input(void)
{
    size_t at = 0;

    while (held - at >= FRAME_HEADER_BYTES) {
        size_t payload_bytes = frame_read_u32(input + at);
        if (payload_bytes > FRAME_PAYLOAD_BYTES_MAX)
            give_up("a frame is over the limit");
        if (held - at < FRAME_HEADER_BYTES + payload_bytes)
            break;
        take_frame(input + at, payload_bytes);
        at += FRAME_HEADER_BYTES + payload_bytes;
    }
    memmove(input, input + at, held - at);
    held -= at;
}

static void dial(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int on = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connection = socket(AF_INET, SOCK_STREAM, 0);
    if (connection < 0 || connect(connection, (struct sockaddr *)&address, sizeof address) != 0)
        give_up("cannot connect to the services listener");
    setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

int main(int count, char **arguments)
{
    uint64_t beat_at;

    if (count < 5)
        give_up("usage: frame_upstream PORT BODY METHOD PATH [METHOD PATH ...]");
    make_response(arguments[2]);
    dial(atoi(arguments[1]));
    say_hello(count - 3, arguments + 3);
    flush();
    beat_at = now_ms() + HEARTBEAT_MS;
    for (;;) {
        uint64_t now = now_ms();
        struct pollfd readable = {.fd = connection, .events = POLLIN};
        ssize_t got;

        if (now >= beat_at) {
            if (welcomed)
                say_heartbeat();
            beat_at = now + HEARTBEAT_MS;
        }
        flush();
        if (poll(&readable, 1, (int)(beat_at - now)) == 0)
            continue;
        got = recv(connection, input + held, sizeof input - held, 0);
        if (got <= 0)
            return 0;
        held += (size_t)got;
        take_input();
    }
}
