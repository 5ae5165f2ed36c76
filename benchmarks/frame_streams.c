#include "frame_streams.h"

#include <stdio.h>

#include "frame_link.h"

enum { STREAMS_MAX = 1024, TURNS = 4 }; /* TURNS: pieces of each body between two looks at the input */

typedef struct {
    uint64_t exchange;
    uint64_t left;    /* of a body that is sent: what is still to be sent */
    uint64_t credit;  /* of that: what may be sent now */
    uint32_t ungranted; /* of a body that is taken in: what came since the last CREDIT */
    int grants;
    void (*done)(uint64_t exchange); /* NULL for a body that is sent */
} stream;

static stream streams[STREAMS_MAX];
static size_t stream_count;
static uint8_t piece[FRAME_DATA_BYTES_MAX];

static stream *add(uint64_t exchange)
{
    if (stream_count == STREAMS_MAX)
        link_give_up("there are too many bodies at once");
    streams[stream_count] = (stream){.exchange = exchange};
    return &streams[stream_count++];
}

static stream *find(uint64_t exchange)
{
    for (size_t index = 0; index < stream_count; index++)
        if (streams[index].exchange == exchange)
            return &streams[index];
    return NULL;
}

static void forget(stream *over)
{
    *over = streams[--stream_count];
}

void streams_send(uint64_t exchange, uint64_t body_bytes)
{
    static const char name[] = "content-type", value[] = "application/octet-stream";
    uint8_t payload[256] = {0};
    char length[24];
    int length_bytes = snprintf(length, sizeof length, "%llu", (unsigned long long)body_bytes);
    uint8_t *text = payload + FRAME_RESPONSE_FIXED_BYTES + 2 * 4;
    stream *one = add(exchange);

    one->left = body_bytes;
    one->credit = link_peer_credit_bytes;
    frame_write_u16(payload, 200);
    frame_write_u16(payload + 2, 2);
    payload[4] = 10; /* body length: docs/protocol.md, section 3 */
    frame_write_u16(payload + 6, (uint16_t)length_bytes);
    payload[9] = sizeof name - 1;
    frame_write_u16(payload + 10, sizeof value - 1);
    text += sprintf((char *)text, "%s%s%s", length, name, value);
    link_put_frame(FRAME_RESPONSE, 0, exchange, payload, (size_t)(text - payload));
}

void streams_sink(uint64_t exchange, int grants, void (*done)(uint64_t exchange))
{
    stream *one = add(exchange);

    one->grants = grants;
    one->done = done;
}

static void take_data(stream *one, size_t byte_count, int is_end)
{
    uint8_t credit[4];

    if (is_end) {
        void (*done)(uint64_t) = one->done;
        uint64_t exchange = one->exchange;
        forget(one);
        done(exchange);
        return;
    }
    one->ungranted += (uint32_t)byte_count;
    if (!one->grants || one->ungranted < LINK_CREDIT_BYTES / 4)
        return;
    frame_write_u32(credit, one->ungranted);
    one->ungranted = 0;
    link_put_frame(FRAME_CREDIT, 0, one->exchange, credit, sizeof credit);
}

void streams_take(const uint8_t *frame, size_t payload_bytes)
{
    stream *one = find(frame_read_u64(frame + 8));

    if (one == NULL)
        return;
    if (frame[4] == FRAME_CANCEL)
        forget(one);
    else if (frame[4] == FRAME_CREDIT)
        one->credit += frame_read_u32(frame + FRAME_HEADER_BYTES);
    else if (one->done != NULL)
        take_data(one, payload_bytes, frame[5] & FRAME_END);
}

/* One piece of one body. Returns 0 where nothing may be sent. The body may be over after it, and another one in its place. */
static int put_piece(stream *one)
{
    uint64_t byte_count = one->left < sizeof piece ? one->left : sizeof piece;

    if (one->done != NULL || one->credit == 0)
        return 0;
    if (byte_count > one->credit)
        byte_count = one->credit;
    one->credit -= byte_count;
    one->left -= byte_count;
    link_put_frame(FRAME_DATA, one->left == 0 ? FRAME_END : 0, one->exchange, piece, byte_count);
    if (one->left == 0)
        forget(one);
    return 1;
}

int streams_fill(void)
{
    int put = 0;

    for (int turn = 0; turn < TURNS; turn++) {
        put = 0;
        for (size_t index = stream_count; index-- > 0;)
            put |= put_piece(&streams[index]);
        if (!put)
            break;
    }
    return put;
}
