/* Tests of the table of addresses against a plain array, and of addresses as text. Addresses are made up: no socket is needed. */
#include "test_support.h"

#include <sys/socket.h>

#include "wire_internal.h"

enum { ADDRESSES = 400, CONNECTIONS_MAX = 256, TURNS = 60000 };

static edge_address addresses[ADDRESSES];
static uint32_t counts[ADDRESSES]; /* the model */
static uint64_t seed;

static uint32_t draw(uint32_t bound)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % bound;
}

/* IPv4 and IPv6 in turn, alike in their bytes: it is the family that tells them apart. */
static void make_addresses(void)
{
    for (uint32_t i = 0; i < ADDRESSES; i++) {
        addresses[i] = (edge_address){.family = i & 1 ? AF_INET6 : AF_INET};
        addresses[i].bytes[0] = (uint8_t)(i >> 1);
    }
}

static uint32_t addresses_now(void)
{
    uint32_t now = 0;
    for (uint32_t i = 0; i < ADDRESSES; i++)
        now += counts[i] != 0;
    return now;
}

static wire *make(uint32_t connections_max, uint32_t per_address_max, uint64_t table_seed)
{
    wire *w = calloc(1, sizeof *w);
    if (!w)
        abort();
    w->addresses.seed = table_seed;
    w->settings.connections_per_address_max = per_address_max;
    CHECK_EQUAL(address_table_start(&w->addresses, connections_max), 0);
    memset(counts, 0, sizeof counts);
    return w;
}

static void end(wire *w)
{
    free(w->addresses.entries);
    free(w);
}

/* At random, in waves that fill the table to its bound and empty it again. */
static void check_against_model(uint32_t per_address_max, uint64_t table_seed, uint32_t used)
{
    wire *w = make(CONNECTIONS_MAX, per_address_max, table_seed);
    uint32_t connections = 0, refused = 0, most = 0;
    int agrees = 1;
    seed = table_seed;
    for (uint32_t turn = 0; turn < TURNS; turn++) {
        uint32_t i = draw(used), fills = turn / 3000 % 2 == 0 ? 90 : 10;
        if (draw(100) < fills) {
            if (connections == CONNECTIONS_MAX)
                continue;
            int is_taken = address_enter(w, &addresses[i]);
            agrees &= is_taken == (counts[i] < per_address_max);
            counts[i] += (uint32_t)is_taken;
            connections += (uint32_t)is_taken;
            refused += !is_taken;
        } else if (counts[i]) {
            address_leave(w, &addresses[i]);
            counts[i]--;
            connections--;
        }
        most = connections > most ? connections : most;
        if (turn % 64 == 0)
            agrees &= w->counters.edge_addresses_now == addresses_now();
    }
    CHECK(agrees);
    CHECK(most == CONNECTIONS_MAX || refused > 0);
    for (uint32_t i = 0; i < used; i++)
        for (; counts[i]; counts[i]--)
            address_leave(w, &addresses[i]);
    CHECK_EQUAL(w->counters.edge_addresses_now, 0);
    for (uint32_t i = 0; i < used; i++)
        agrees &= address_enter(w, &addresses[i]); /* nothing stays behind, however often it was filled */
    CHECK(agrees);
    end(w);
}

/* As many addresses at once as there may be connections, each alone: the table is half full, and all are found. */
static void test_full_of_addresses(void)
{
    wire *w = make(200, 1, 77);
    for (uint32_t i = 0; i < 200; i++)
        CHECK(address_enter(w, &addresses[i]));
    CHECK_EQUAL(w->counters.edge_addresses_now, 200);
    for (uint32_t i = 0; i < 200; i++)
        CHECK(!address_enter(w, &addresses[i]));
    for (uint32_t i = 0; i < 200; i += 2)
        address_leave(w, &addresses[i]);
    CHECK_EQUAL(w->counters.edge_addresses_now, 100);
    for (uint32_t i = 0; i < 200; i++)
        CHECK_EQUAL(address_enter(w, &addresses[i]), i % 2 == 0);
    end(w);
}

/* One IPv6 subscriber has a /64. */
static void test_networks(void)
{
    wire *w = make(16, 2, 3);
    edge_address one = {.bytes = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 9}, .family = AF_INET6}, near = one, far = one;
    edge_address v4 = {.bytes = {192, 0, 2, 1}, .family = AF_INET}, next = v4, local = {.family = 0};
    near.bytes[15] = 7;
    far.bytes[7] = 2;
    next.bytes[3] = 2;
    CHECK(address_enter(w, &one) && address_enter(w, &near) && !address_enter(w, &one) && !address_enter(w, &near));
    CHECK(address_enter(w, &far));
    CHECK(address_enter(w, &v4) && address_enter(w, &v4) && !address_enter(w, &v4) && address_enter(w, &next));
    CHECK_EQUAL(w->counters.edge_addresses_now, 4);
    for (int i = 0; i < 10; i++)
        CHECK(address_enter(w, &local)); /* what is not IP is not counted */
    address_leave(w, &local);
    address_leave(w, &near);
    CHECK(address_enter(w, &one));
    CHECK_EQUAL(w->counters.edge_addresses_now, 4);
    address_leave(w, &next);
    address_leave(w, &next); /* one too many does no harm */
    CHECK_EQUAL(w->counters.edge_addresses_now, 3);
    end(w);
}

static void test_without_a_bound(void)
{
    wire *w = calloc(1, sizeof *w);
    for (int i = 0; i < 10; i++)
        CHECK(address_enter(w, &addresses[0]));
    address_leave(w, &addresses[0]);
    CHECK_EQUAL(w->counters.edge_addresses_now, 0);
    free(w);
}

static void check_text(const edge_address *address, const char *expected)
{
    uint8_t out[WIRE_ADDRESS_BYTES_MAX];
    CHECK_BYTES(out, address_write(address, out), expected, strlen(expected));
}

static void test_text(void)
{
    check_text(&(edge_address){.bytes = {0, 9, 10, 99}, .family = AF_INET}, "0.9.10.99");
    check_text(&(edge_address){.bytes = {100, 200, 249, 255}, .family = AF_INET}, "100.200.249.255");
    check_text(&(edge_address){.bytes = {[15] = 1}, .family = AF_INET6}, "::1");
    edge_address longest = {.family = AF_INET6};
    memset(longest.bytes, 0xab, 16);
    check_text(&longest, "abab:abab:abab:abab:abab:abab:abab:abab");
    check_text(&(edge_address){.family = 0}, "");
    for (int value = 0; value < 256; value++) {
        char expected[32];
        sprintf(expected, "%d.0.0.%d", value, 255 - value);
        check_text(&(edge_address){.bytes = {(uint8_t)value, 0, 0, (uint8_t)(255 - value)}, .family = AF_INET}, expected);
    }
}

int main(void)
{
    make_addresses();
    check_against_model(1, 1, ADDRESSES);
    check_against_model(3, 2, ADDRESSES);
    check_against_model(100, 3, 5);
    for (uint64_t table_seed = 10; table_seed < 20; table_seed++)
        check_against_model(2, table_seed, 300);
    test_full_of_addresses();
    test_networks();
    test_without_a_bound();
    test_text();
    return test_report();
}
