/* Fuzz target of the wire. The input is a program: operations on a few clients and services at the other ends of the wire's
 * sockets, steps, and decisions. After every step the wire must agree with the model of wire_model.h. At the end everything
 * is decided and drained: then no input may lie unread, nothing may be half sent, and nothing may be left over.
 *
 * The same input does the same each time: the clock stands still but for wire_advance_clock, and random numbers are none. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>

#include "wire_heard.h"
#include "wire_said.h"

enum { OPERATIONS_MAX = 300, STEPS_MAX = 2000 };

/* ---- time and chance, which are the same in each run ---- */

static int clock_stands;

/* Of the clocks that the wire reads; the fuzzer's own is another. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (!clock_stands || (clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME_COARSE))
        return (int)syscall(SYS_clock_gettime, clock, now);
    *now = (struct timespec){.tv_sec = 1000000, .tv_nsec = 0};
    return 0;
}

ssize_t getrandom(void *out, size_t count, unsigned flags)
{
    (void)flags;
    memset(out, 7, count);
    return (ssize_t)count;
}

/* ---- the program ---- */

typedef struct {
    const uint8_t *at, *end;
} program;

static uint8_t next(program *p)
{
    return p->at < p->end ? *p->at++ : 0;
}

static const uint8_t *next_bytes(program *p, uint32_t *count)
{
    uint32_t left = (uint32_t)(p->end - p->at), wanted = next(p);
    left -= left > 0;
    *count = wanted < left ? wanted : left;
    p->at += *count;
    return p->at - *count;
}

static void say_raw(program *p, int descriptor)
{
    uint32_t count;
    const uint8_t *bytes = next_bytes(p, &count);
    say(descriptor, bytes, count);
}

static void operate(program *p)
{
    uint8_t operation = next(p), a = next(p);
    client *c = &clients[a % CLIENTS];
    service *s = &services[a % SERVICES];
    open_exchange *x = &opened[a % EXCHANGES];
    int is_open = x->state != NONE && wire_age_ms(w, x->id) >= 0;
    switch (operation % 37) {
    case 0:
        open_client(c);
        break;
    case 1:
        say_request(c, next(p), 0);
        break;
    case 2:
        say_request(c, next(p), next(p));
        break;
    case 3:
        has_said_raw = 1;
        say_raw(p, c->descriptor);
        break;
    case 4:
        say(c->descriptor, bytes_b, 64u * next(p));
        break;
    case 5:
        c->has_ended = shutdown(c->descriptor, SHUT_WR) == 0;
        break;
    case 6:
        close_client(c);
        break;
    case 7:
        read_client(c, 1 + 64u * next(p));
        break;
    case 8:
        open_service(s, a & 64);
        break;
    case 9:
        is_hostile = 1;
        say_raw(p, s->descriptor);
        break;
    case 10:
        say_response(s, next(p), next(p));
        break;
    case 11:
        say_frames(s, next(p), a >> 6);
        break;
    case 12:
        close_service(s, next(p));
        break;
    case 13:
        read_service(s, 1 + 64u * next(p));
        break;
    case 14:
        wire_advance_clock(w, a * (uint32_t)next(p));
        break;
    case 15:
        wire_frame(w, s->connection, FRAME_DATA, 0, 1, bytes_b, 1 + 64u * next(p));
        break;
    case 16:
        if (a == 255)
            wire_drain_edge(w, next(p) * 4u);
        else if (is_open)
            end_exchange(x, next(p));
        break;
    case 18:
        if (is_open)
            hand_over(x);
        break;
    case 19:
        read_by_hand(x, 1 + 64u * next(p));
        break;
    case 20:
        answer_by_hand(x, 90u * next(p));
        break;
    case 21:
        if (is_open)
            hand_back(x, next(p));
        break;
    case 22:
        if (is_open)
            hand_in(x, 4u * next(p));
        break;
    case 23:
        if (is_open)
            open_stream(x, &services[(a >> 4) % SERVICES], next(p), next(p));
        break;
    case 24:
        say_stream(s, next(p), next(p));
        break;
    case 25:
        if (a & 128)
            wire_frame(w, s->connection, FRAME_DATA, 0, 1, bytes_b, 1 + 256u * next(p));
        else
            want_room(s);
        break;
    case 26:
        begin(a);
        break;
    case 27:
        if (is_open)
            set_any_context(x, next(p), next(p));
        break;
    case 29:
        if (is_open)
            take_over(x);
        break;
    case 28:
        if (is_open)
            end_begun(x);
        break;
    case 30:
        if (is_open)
            keep(x);
        break;
    case 31:
        if (is_open)
            send_again(x, &services[(a >> 4) % SERVICES], next(p), next(p));
        break;
    case 32:
        if (is_open)
            branch(x);
        break;
    case 33:
        if (is_open)
            wait_for(x, next(p));
        break;
    case 34:
        if (is_open)
            pass_on_kept(x, next(p));
        break;
    case 35:
        if (is_open)
            outlive(x);
        break;
    case 36:
        if (a & 64)
            knock(c);
        else
            hold_accepting(a & 128);
        break;
    default:
        step(a);
        wire_flush(w);
        break;
    }
}

/* ---- the end ---- */

/* Decides everything against waiting, and reads all that comes, until nothing happens any more. */
static void come_to_rest(void)
{
    int idle = 0, steps = 0;
    hold_accepting(0);
    while (idle < 2) {
        int moved = 0;
        step(0);
        wire_flush(w);
        for (int i = 0; i < PLACES; i++)
            if (opened[i].state != NONE) {
                end_exchange(&opened[i], 0);
                moved = 1;
            }
        wire_flush(w);
        for (int i = 0; i < CLIENTS; i++)
            moved |= read_client(&clients[i], SAID_MAX);
        for (int i = 0; i < SERVICES; i++)
            moved |= read_service(&services[i], SAID_MAX);
        idle = moved || wire_was_active(w) || wire_has_more(w) ? 0 : idle + 1;
        demand(++steps < STEPS_MAX, "the wire comes to rest");
    }
}

static void demand_nothing_unread(int descriptor)
{
    int unread = 0;
    if (descriptor >= 0 && ioctl(descriptor, FIONREAD, &unread) == 0)
        demand(unread == 0, "at rest, no input lies unread");
}

/* Nothing is in progress and everything was read: so nothing may wait for an event that does not come. */
static void check_rest(void)
{
    demand(wire_count(w)->exchanges_now == 0, "at rest, no exchange is open");
    demand(wire_count(w)->kept_now == 0, "at rest, nothing is kept");
    int is_full = wire_count(w)->edge_open_now == CLIENTS;
    demand(is_full || wire_count(w)->edge_accepted == knocks, "at rest, nobody waits to be accepted where there is a place");
    demand(!is_countable || is_hostile || wire_count(w)->frames_in == frames_said, "at rest, every frame was taken");
    for (int i = 0; i < CLIENTS; i++) {
        client *c = &clients[i];
        if (c->descriptor < 0)
            continue;
        demand(!c->has_ended, "at rest, a client that ended is closed");
        demand_nothing_unread(c->wires);
        demand(c->head_bytes == 0 && (c->in_body != 2 || c->body_left == 0), "at rest, no answer is half sent");
    }
    for (int i = 0; i < SERVICES; i++) {
        if (services[i].descriptor < 0 || !services[i].connection)
            continue;
        demand(!services[i].has_ended, "at rest, a service that ended is closed");
        demand_nothing_unread(services[i].wires);
        demand(services[i].held_bytes == 0, "at rest, no frame is half sent");
        demand(wire_unsent(w)[services[i].connection & 4095] == 0, "at rest, nothing is unsent");
        demand(!services[i].waits_for_room, "at rest, who waited for room was told of it");
    }
}

static void close_all(void)
{
    for (int i = 0; i < CLIENTS; i++)
        close_client(&clients[i]);
    for (int i = 0; i < SERVICES; i++)
        if (services[i].descriptor >= 0) {
            close(services[i].descriptor);
            services[i].descriptor = -1;
        }
}

static void check_nothing_left(void)
{
    const wire_counters *c = wire_count(w);
    demand(c->edge_open_now == 0 && c->framed_open_now == 0, "no connection is left");
    demand(c->edge_accepted == knocks, "nobody is left who was not accepted");
    demand(c->exchanges_now == 0, "no exchange is left");
    demand(c->buffers_now == 0 && c->buffer_bytes_now == 0, "no buffer is left");
}

static void start(uint8_t how)
{
    const wire_settings settings = {.edge_connections_max = CLIENTS,
                                    .framed_connections_max = SERVICES,
                                    .exchanges_max = how & 1 ? EXCHANGES : 2,
                                    .routes_max = 2,
                                    .framed_output_bytes_max = !(how & 2) ? 600 : how & 16 ? OUTPUT_MAX : 1 << 15,
                                    .head_ms = 100,
                                    .body_bytes_per_second = 10000,
                                    .idle_ms = 1000,
                                    .write_ms = 300,
                                    .linger_ms = 50,
                                    .idle_jitter_percent = how & 32 ? 30 : 0,
                                    .connection_requests_max = how & 32 ? 3 : 0,
                                    .connection_age_ms = how & 32 ? 700 : 0,
                                    .connection_bytes_max = how & 32 ? 3000 : 0,
                                    .keeps_malformed = how & 64 ? 1 : 0,
                                    .measures = 1,
                                    .recent_records = 5,
                                    .notable_records = 3,
                                    .watched_records = 2,
                                    .slow_us = 1000,
                                    .kept_bytes_max = 1000,
                                    .kept_total_bytes_max = KEPT_BYTES_MAX,
                                    .http1 = {how & 4 ? 40000 : 1000, 20, 200, how & 8 ? 40000 : 1000}};
    w = wire_new(&settings);
    if (w == NULL)
        abort();
    memset(bytes_b, 'b', sizeof bytes_b);
    memset(opened, 0, sizeof opened);
    is_hostile = has_said_raw = is_held = 0;
    listener = -1;
    knocks = 0;
    keeps_malformed = how & 64;
    exchanges_max = settings.exchanges_max;
    frames_said = 0;
    batch = requests_seen = 0;
    is_countable = 1;
    for (int i = 0; i < CLIENTS; i++)
        clients[i].descriptor = clients[i].wires = -1;
    for (int i = 0; i < SERVICES; i++) {
        services[i].descriptor = services[i].wires = -1;
        services[i].connection = services[i].held_bytes = services[i].asked_count = 0;
        services[i].is_closing = services[i].has_ended = services[i].wants_room = services[i].waits_for_room = 0;
    }
}

static int lowest_free_descriptor(void)
{
    int lowest = dup(0);
    if (lowest < 0)
        lowest = open("/dev/null", O_RDONLY);
    close(lowest);
    return lowest;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t byte_count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t byte_count)
{
    program p = {bytes, bytes + byte_count};
    int lowest = lowest_free_descriptor();
    clock_stands = 1;
    start(next(&p));
    open_client(&clients[0]);
    open_service(&services[0], 0);
    for (int i = 0; i < OPERATIONS_MAX && p.at < p.end; i++)
        operate(&p);
    come_to_rest();
    check_rest();
    close_all();
    come_to_rest();
    check_nothing_left();
    wire_free(w);
    clock_stands = 0;
    demand(lowest_free_descriptor() == lowest, "every descriptor is closed");
    return 0;
}
