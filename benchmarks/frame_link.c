#include "frame_link.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { HEARTBEAT_MS = 5000, INPUT_BYTES = FRAME_HEADER_BYTES + FRAME_PAYLOAD_BYTES_MAX, OUTPUT_BYTES = 1 << 20 };

static uint8_t input[INPUT_BYTES], output[OUTPUT_BYTES];
static size_t held, pending;
static int connection, welcomed;
uint32_t link_peer_credit_bytes;
uint64_t link_due_us;

void link_give_up(const char *why)
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

void link_dial(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int on = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connection = socket(AF_INET, SOCK_STREAM, 0);
    if (connection < 0 || connect(connection, (struct sockaddr *)&address, sizeof address) != 0)
        link_give_up("cannot connect to the services listener");
    setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static void flush(void)
{
    size_t sent = 0;

    while (sent < pending) {
        ssize_t took = send(connection, output + sent, pending - sent, MSG_NOSIGNAL);
        if (took <= 0)
            link_give_up("the gateway does not take what is sent");
        sent += (size_t)took;
    }
    pending = 0;
}

void link_put(const void *bytes, size_t byte_count)
{
    if (pending + byte_count > OUTPUT_BYTES)
        flush();
    memcpy(output + pending, bytes, byte_count);
    pending += byte_count;
}

void link_put_frame(uint8_t type, uint8_t flags, uint64_t exchange, const void *payload, size_t payload_bytes)
{
    uint8_t header[FRAME_HEADER_BYTES];

    frame_write_header(header, (uint32_t)payload_bytes, type, flags, exchange);
    link_put(header, sizeof header);
    link_put(payload, payload_bytes);
}

static void say_heartbeat(void)
{
    uint8_t payload[8] = {0};

    frame_write_u16(payload + 2, 65535); /* load: not known */
    link_put_frame(FRAME_HEARTBEAT, 0, 0, payload, sizeof payload);
}

/* WELCOME is JSON; of it only the one number is wanted. Returns 0 where it is not said. */
static uint32_t credit_of(const uint8_t *json, size_t byte_count)
{
    static const char name[] = "\"credit_bytes\":";
    const char *at = memmem(json, byte_count, name, sizeof name - 1);

    return at == NULL ? 0 : (uint32_t)strtoul(at + sizeof name - 1, NULL, 10); /* the JSON ends in '}': so does the number */
}

static void take_frame(const uint8_t *frame, size_t payload_bytes, void (*take)(const uint8_t *, size_t))
{
    switch (frame[4]) {
    case FRAME_WELCOME:
        link_peer_credit_bytes = credit_of(frame + FRAME_HEADER_BYTES, payload_bytes);
        welcomed = 1;
        break;
    case FRAME_FAULT:
        fprintf(stderr, "frame_upstream: FAULT %u: %.*s\n", frame_read_u16(frame + FRAME_HEADER_BYTES),
                (int)payload_bytes - 4, (const char *)frame + FRAME_HEADER_BYTES + 4);
        exit(1);
    case FRAME_HEARTBEAT:
    case FRAME_GOAWAY:
        break;
    default:
        take(frame, payload_bytes);
    }
}

static void take_input(void (*take)(const uint8_t *, size_t))
{
    size_t at = 0;

    while (held - at >= FRAME_HEADER_BYTES) {
        size_t payload_bytes = frame_read_u32(input + at);
        if (payload_bytes > FRAME_PAYLOAD_BYTES_MAX)
            link_give_up("a frame is over the limit");
        if (held - at < FRAME_HEADER_BYTES + payload_bytes)
            break;
        take_frame(input + at, payload_bytes, take);
        at += FRAME_HEADER_BYTES + payload_bytes;
    }
    memmove(input, input + at, held - at);
    held -= at;
}

/* How long may be waited for input: until the next heartbeat, or until fill is due. */
static struct timespec wait_time(uint64_t now, uint64_t beat_at)
{
    uint64_t wait_us = (beat_at - now) * 1000u;

    if (link_due_us) {
        struct timespec fine;
        uint64_t fine_us;
        clock_gettime(CLOCK_MONOTONIC, &fine);
        fine_us = (uint64_t)fine.tv_sec * 1000000u + (uint64_t)fine.tv_nsec / 1000u;
        if (link_due_us < fine_us + wait_us)
            wait_us = link_due_us > fine_us ? link_due_us - fine_us : 0;
    }
    return (struct timespec){.tv_sec = (time_t)(wait_us / 1000000u), .tv_nsec = (long)(wait_us % 1000000u) * 1000};
}

static void beat(uint64_t now, uint64_t *at)
{
    if (now < *at)
        return;
    if (welcomed)
        say_heartbeat();
    *at = now + HEARTBEAT_MS;
}

void link_run(void (*take)(const uint8_t *frame, size_t payload_bytes), int (*fill)(void))
{
    uint64_t beat_at = now_ms() + HEARTBEAT_MS;

    for (;;) {
        uint64_t now = now_ms();
        struct pollfd readable = {.fd = connection, .events = POLLIN};
        int may_go_on = fill();
        struct timespec wait = {0};
        ssize_t got;

        beat(now, &beat_at);
        flush();
        if (!may_go_on)
            wait = wait_time(now, beat_at);
        if (ppoll(&readable, 1, &wait, NULL) == 0)
            continue;
        got = recv(connection, input + held, sizeof input - held, 0);
        if (got <= 0)
            return;
        held += (size_t)got;
        take_input(take);
    }
}
