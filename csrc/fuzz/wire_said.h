/* What the clients and the services of fuzz_wire.c do at the other ends of the wire's sockets: come, speak and leave. */
#ifndef PENSTOCK_FUZZ_WIRE_SAID_H
#define PENSTOCK_FUZZ_WIRE_SAID_H

#include <sys/un.h>

#include "wire_heard.h"

/* A descriptor's number is given to another socket: whoever had it was closed by the wire. */
static void forget_number(int number)
{
    for (int i = 0; i < CLIENTS; i++)
        clients[i].wires = clients[i].wires == number ? -1 : clients[i].wires;
    for (int i = 0; i < SERVICES; i++)
        services[i].wires = services[i].wires == number ? -1 : services[i].wires;
}

static void say(int descriptor, const void *bytes, uint32_t count)
{
    if (descriptor >= 0 && count && send(descriptor, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        return; /* a full or closed socket: as may be */
}

static void open_client(client *c)
{
    int pair[2];
    close_client(c);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        abort();
    forget_number(pair[0]);
    forget_number(pair[1]);
    memset(c, 0, offsetof(client, head));
    c->descriptor = pair[1];
    c->wires = pair[0];
    uint64_t open_before = wire_count(w)->edge_open_now;
    int64_t result = wire_adopt(w, pair[0], SOCKET_EDGE, 0);
    demand(result == (open_before < CLIENTS ? WIRE_OK : WIRE_NO_ROOM), "a client is taken where there is a place");
    if (result != WIRE_OK)
        c->wires = -1;
}

static void listen_for_clients(void)
{
    const struct sockaddr_un unnamed = {.sun_family = AF_UNIX}; /* the kernel gives it a name of no file */
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (listener < 0 || bind(listener, (const struct sockaddr *)&unnamed, sizeof(sa_family_t)) < 0 || listen(listener, CLIENTS) < 0)
        abort();
    forget_number(listener);
    demand(wire_listen(w, listener, SOCKET_EDGE) == WIRE_OK, "the wire can listen");
}

/* Comes by the listener, and is accepted when the wire will. Where the queue is full, it stays away. */
static void knock(client *c)
{
    struct sockaddr_un at;
    socklen_t at_bytes = sizeof at;
    close_client(c);
    if (listener < 0)
        listen_for_clients();
    if (getsockname(listener, (struct sockaddr *)&at, &at_bytes) < 0)
        abort();
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (descriptor < 0)
        abort();
    forget_number(descriptor);
    if (connect(descriptor, (const struct sockaddr *)&at, at_bytes) < 0) {
        close(descriptor);
        return;
    }
    memset(c, 0, offsetof(client, head));
    c->descriptor = descriptor;
    c->wires = -1;
    knocks++;
}

static void hold_accepting(int holds)
{
    is_held = holds;
    wire_hold_accepting(w, holds);
}

static void open_service(service *s, int dialled)
{
    int pair[2];
    if (s->connection || s->descriptor >= 0)
        return;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        abort();
    forget_number(pair[0]);
    forget_number(pair[1]);
    int64_t handle = wire_adopt(w, pair[0], SOCKET_FRAMED, dialled);
    demand(handle > 0 || handle == WIRE_NO_ROOM, "a service is taken where there is a place");
    memset(s, 0, offsetof(service, held));
    s->descriptor = pair[1];
    s->wires = handle > 0 ? pair[0] : -1;
    s->connection = handle > 0 ? (uint32_t)handle : 0;
    s->dialled = dialled;
}

/* Each names its client, so that an answer which is another's shows. */
static void say_request(client *c, uint8_t which, uint8_t cut)
{
    static const char *const texts[] = {
        "GET /client-%c HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST /client-%c?c HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nsome body",
        "HEAD /client-%c HTTP/1.1\r\nhost: a\r\nx-tenant-id: t\r\n\r\n",
        "GET /client-%c HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        "GET /client-%c HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\nGET /3 HTTP/1.1\r\nhost: a\r\n\r\n",
        "PUT /client-%c HTTP/1.1\r\nhost: a\r\ncontent-length: 20000\r\n\r\n",
        "GET /client-%c HTTP/1.0\r\n\r\n",
        "POST /client-%c HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "PUT /client-%c HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n",
        "GET /client-%c HTTP/1.1\r\nhost: a\r\nforwarded: for=b\r\n\r\n",
        "GET /client-%c HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        "GET /client-%c HTTP/1.1\r\nhost : a\r\n\r\n",
        "GET /client-%c HTTP/1.1\r\nhost: a\r\nx-tenant-id: t\r\nauthorization: u\r\nx-api-key: v\r\n\r\n",
    };
    char text[256];
    uint32_t count = (uint32_t)snprintf(text, sizeof text, texts[which % 13], '0' + (int)(c - clients));
    say(c->descriptor, text, cut < count && cut ? cut : count);
}

/* Frames that the socket cuts short are hostile: whatever follows is no frame. */
static void say_whole(const service *s, const uint8_t *bytes, uint32_t count)
{
    if (s->descriptor < 0 || send(s->descriptor, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)count)
        is_hostile = 1;
}

/* Answers the oldest REQUEST that the service received, in one of the ways that are allowed, or nearly. */
static void say_response(service *s, uint8_t which, uint8_t size)
{
    static uint8_t out[SAID_MAX];
    uint8_t *payload = out + FRAME_HEADER_BYTES;
    uint64_t id = s->asked_count ? s->asked[0] : 1;
    uint32_t body_bytes = (uint32_t)size * 90, payload_bytes;
    int type = FRAME_RESPONSE, flags = FRAME_END, status = 200, keeps = 0;
    uint8_t fields = 1;
    switch (which % 10) {
    case 8:
        status = 503;
        break;
    case 9:
        status = 429;
        break;
    case 0:
        flags = 0; /* goes on in DATA, which is not carried */
        break;
    case 1:
        status = 103;
        flags = 0;
        body_bytes = 0;
        keeps = 1;
        break;
    case 2:
        id ^= BIT_63;
        break;
    case 3:
        id += 1;
        break;
    case 4:
        type = FRAME_REFUSED;
        flags = 0;
        break;
    case 5:
        fields = 2; /* a name that may not be */
        break;
    default:
        break;
    }
    frame_write_u16(payload, (uint16_t)status);
    frame_write_u16(payload + 2, fields);
    memcpy(payload + 4, "\0\1\0\1\0\1\0\1", 4u * fields);
    memcpy(payload + 4 + 4 * fields, "avB!", 2u * fields);
    payload_bytes = 4 + 6u * fields + body_bytes;
    memset(payload + 4 + 6 * fields, 'b', body_bytes);
    if (type == FRAME_REFUSED) {
        payload_bytes = 8;
        memset(payload, 0, 8);
        payload[0] = 1;
    }
    frame_write_header(out, payload_bytes, (uint8_t)type, (uint8_t)flags, id);
    say_whole(s, out, FRAME_HEADER_BYTES + payload_bytes);
    frames_said++;
    if (s->asked_count && !keeps)
        memmove(s->asked, s->asked + 1, --s->asked_count * sizeof *s->asked);
}

/* A frame of a stream about the oldest REQUEST that the service received, or about any exchange: also where none is due. */
static void say_stream(service *s, uint8_t which, uint8_t size)
{
    static const struct {
        uint8_t type, flags, is_last, payload_bytes;
        const char *payload;
    } kinds[] = {
        {FRAME_DATA, 0, 0, 0, NULL},
        {FRAME_DATA, FRAME_END, 1, 0, NULL},
        {FRAME_TRAILERS, FRAME_END, 1, 10, "\0\1\0\0\0\1\0\1ab"},
        {FRAME_CREDIT, 0, 0, 4, "\0\0\0\1"},
        {FRAME_CANCEL, 0, 1, 4, "\7\0\0\0"},
        {FRAME_RESPONSE, 0, 0, 4, "\0\310\0\0"},
        {FRAME_RESPONSE, 0, 0, 4, "\0\147\0\0"},
        {FRAME_RESPONSE, 0, 0, 4, "\0\145\0\0"},
    };
    static uint8_t out[FRAME_HEADER_BYTES + 65536];
    uint64_t id = which & 128 ? opened[which % EXCHANGES].id | (which & 64 ? BIT_63 : 0) : s->asked_count ? s->asked[0] : 1;
    uint32_t payload_bytes = 1 + size * 200u;
    int kind = which % 8;
    memset(out + FRAME_HEADER_BYTES, 'b', payload_bytes);
    if (kinds[kind].payload) {
        payload_bytes = kinds[kind].payload_bytes;
        memcpy(out + FRAME_HEADER_BYTES, kinds[kind].payload, payload_bytes);
    }
    frame_write_header(out, payload_bytes, kinds[kind].type, kinds[kind].flags, id ? id : 1);
    say_whole(s, out, FRAME_HEADER_BYTES + payload_bytes);
    frames_said++;
    if (!(which & 128) && s->asked_count && kinds[kind].is_last)
        memmove(s->asked, s->asked + 1, --s->asked_count * sizeof *s->asked);
}

/* Frames for the caller, as many as the argument says. */
static void say_frames(service *s, uint8_t count, uint8_t which)
{
    static uint8_t out[256 * (FRAME_HEADER_BYTES + 64)];
    uint32_t at = 0;
    for (uint32_t i = 0; i <= count; i++) {
        static const uint8_t call[] = {0, 0, 3, 232, 0, 5, 3, 1, 0, 2, 0, 0, '/', 'x', 'b'};
        uint8_t *payload = out + at + FRAME_HEADER_BYTES;
        if (which & 1)
            memcpy(payload, call, sizeof call);
        else
            memset(payload, 1, 4);
        uint32_t payload_bytes = which & 1 ? sizeof call : 4;
        frame_write_header(out + at, payload_bytes, which & 1 ? FRAME_REQUEST : FRAME_CREDIT, which & 1 ? FRAME_END : 0,
                           (i + 1) | (which & 2 ? BIT_63 : 0));
        at += FRAME_HEADER_BYTES + payload_bytes;
    }
    say_whole(s, out, at);
    frames_said += count + 1u;
}

static void close_service(service *s, uint8_t how)
{
    is_countable = 0;
    if (how % 3 == 0) {
        int result = wire_close(w, s->connection), is_open = s->connection && !s->is_closing;
        demand(result == (is_open ? WIRE_OK : WIRE_NO_CONNECTION), "an open connection can be closed, once");
        s->is_closing = s->connection != 0;
    } else if (how % 3 == 1) {
        if (s->descriptor >= 0)
            s->has_ended = shutdown(s->descriptor, SHUT_WR) == 0;
    } else if (s->descriptor >= 0) {
        close(s->descriptor);
        s->descriptor = -1;
    }
}

#endif
