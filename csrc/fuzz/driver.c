/* A main for fuzz targets where libFuzzer is absent, and for short runs that are the same every time.
 *
 *     target FILE-OR-FOLDER...                      runs each input once
 *     target --runs N --seed S FILE-OR-FOLDER...    then N inputs made from them, the same for the same S
 *
 * Without files, the mutated inputs grow from nothing. Each input lies in an allocation of exactly its size, so that
 * AddressSanitizer sees one byte too far. A target that finds a fault aborts; the number of the run is printed first, and
 * --from N repeats from that run on without the ones before it. */
#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t byte_count);

enum { INPUT_BYTES_MAX = 65536, INPUTS_MAX = 4096, MUTATIONS_MAX = 6 };

typedef struct {
    uint8_t *bytes;
    size_t byte_count;
} input;

static input inputs[INPUTS_MAX];
static size_t input_count;
static unsigned long current_run; /* 0 while the given inputs are replayed */
static char current_name[4096];

/* splitmix64: small, seedable with any value, the same everywhere. */
static uint64_t draw(uint64_t *state)
{
    uint64_t mixed = *state += 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
}

static size_t draw_below(uint64_t *state, size_t bound)
{
    return bound ? (size_t)(draw(state) % bound) : 0;
}

/* Gives the target an allocation of exactly the input's size. */
static void run_one(const uint8_t *bytes, size_t byte_count)
{
    uint8_t *exact = malloc(byte_count ? byte_count : 1);
    if (exact == NULL)
        abort();
    memcpy(exact, bytes, byte_count);
    LLVMFuzzerTestOneInput(byte_count ? exact : exact + 1, byte_count);
    free(exact);
}

static int read_file(const char *path)
{
    static uint8_t bytes[INPUT_BYTES_MAX];
    FILE *file = fopen(path, "rb");
    if (file == NULL || input_count == INPUTS_MAX) {
        fprintf(stderr, "driver: cannot read %s: %s\n", path, file ? "too many inputs" : "no such file");
        if (file)
            fclose(file);
        return -1;
    }
    size_t byte_count = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    input read = {malloc(byte_count ? byte_count : 1), byte_count};
    if (read.bytes == NULL)
        return -1;
    memcpy(read.bytes, bytes, byte_count);
    inputs[input_count++] = read;
    snprintf(current_name, sizeof current_name, "%s", path);
    run_one(read.bytes, byte_count);
    return 0;
}

static int keep_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* Reads a file, or each file of a folder in the order of their names, so that a run does not depend on the file system. */
static int read_path(const char *path)
{
    struct stat found;
    if (stat(path, &found) != 0 || !S_ISDIR(found.st_mode))
        return read_file(path);
    struct dirent **entries;
    int count = scandir(path, &entries, keep_visible, alphasort);
    int failed = count < 0;
    for (int at = 0; at < count; at++) {
        char name[4096];
        snprintf(name, sizeof name, "%s/%s", path, entries[at]->d_name);
        failed |= read_file(name) != 0;
        free(entries[at]);
    }
    if (count >= 0)
        free(entries);
    return failed ? -1 : 0;
}

/* Puts count bytes of room at position at; cuts what no longer fits at the end. */
static size_t make_room(uint8_t *bytes, size_t byte_count, size_t at, size_t count)
{
    if (at + count > INPUT_BYTES_MAX)
        return byte_count;
    size_t kept = byte_count - at;
    if (at + count + kept > INPUT_BYTES_MAX)
        kept = INPUT_BYTES_MAX - at - count;
    memmove(bytes + at + count, bytes + at, kept);
    return at + count + kept;
}

/* One random change of the kinds that find faults in parsers: lengths that lie, parts repeated, left out or exchanged. */
static size_t mutate(uint8_t *bytes, size_t byte_count, uint64_t *state)
{
    static const uint8_t edges[] = {0, 1, 2, 0x7f, 0x80, 0xff, '\r', '\n', ' ', ':', '/', '\t'};
    size_t at = draw_below(state, byte_count + 1);
    size_t left = byte_count - at;
    switch (draw(state) % 7) {
    case 0: /* one bit */
        if (left)
            bytes[at] ^= (uint8_t)(1u << draw_below(state, 8));
        return byte_count;
    case 1: /* any byte */
        if (left)
            bytes[at] = (uint8_t)draw(state);
        return byte_count;
    case 2: /* a byte at the edge of its range, or one that delimits */
        if (left)
            bytes[at] = edges[draw_below(state, sizeof edges)];
        return byte_count;
    case 3: { /* left out */
        size_t count = draw_below(state, left < 32 ? left + 1 : 33);
        memmove(bytes + at, bytes + at + count, left - count);
        return byte_count - count;
    }
    case 4: { /* repeated */
        size_t count = draw_below(state, left < 64 ? left + 1 : 65);
        return make_room(bytes, byte_count, at, count); /* what was moved away still stands there too */
    }
    case 5: /* cut off */
        return at;
    default: { /* a part of another input */
        if (input_count == 0)
            return byte_count;
        const input *other = &inputs[draw_below(state, input_count)];
        size_t from = draw_below(state, other->byte_count + 1);
        size_t count = draw_below(state, other->byte_count - from + 1);
        size_t grown = make_room(bytes, byte_count, at, count);
        if (at + count <= grown)
            memcpy(bytes + at, other->bytes + from, count);
        return grown;
    }
    }
}

static void run_mutated(uint64_t seed, unsigned long run)
{
    static uint8_t bytes[INPUT_BYTES_MAX];
    uint64_t state = seed * 0x2545f4914f6cdd1du + run; /* each run stands alone, so --from repeats it exactly */
    size_t byte_count = 0;
    if (input_count) {
        const input *chosen = &inputs[draw_below(&state, input_count)];
        byte_count = chosen->byte_count;
        memcpy(bytes, chosen->bytes, byte_count);
    } else {
        byte_count = draw_below(&state, 256);
        for (size_t at = 0; at < byte_count; at++)
            bytes[at] = (uint8_t)draw(&state);
    }
    size_t mutations = 1 + draw_below(&state, MUTATIONS_MAX);
    while (mutations--)
        byte_count = mutate(bytes, byte_count, &state);
    run_one(bytes, byte_count);
}

/* Says which input did it. Only write(2) and formatting: the process is in an unknown state. */
static void say_where(int signal_number)
{
    char line[4200];
    int count = current_run ? snprintf(line, sizeof line, "driver: in run %lu\n", current_run)
                            : snprintf(line, sizeof line, "driver: in %s\n", current_name);
    if (count > 0 && write(2, line, (size_t)count) < 0)
        _exit(1);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

/* The sanitizers ask for these by name; both end by abort, so that say_where is told. */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);

const char *__asan_default_options(void)
{
    return "abort_on_error=1";
}

const char *__ubsan_default_options(void)
{
    return "abort_on_error=1:halt_on_error=1:print_stacktrace=1";
}

int main(int argc, char **argv)
{
    unsigned long runs = 0, from = 1, seed = 1;
    int failed = 0;
    signal(SIGABRT, say_where);
    for (int at = 1; at < argc; at++) {
        if (at + 1 < argc && strcmp(argv[at], "--runs") == 0)
            runs = strtoul(argv[++at], NULL, 10);
        else if (at + 1 < argc && strcmp(argv[at], "--seed") == 0)
            seed = strtoul(argv[++at], NULL, 10);
        else if (at + 1 < argc && strcmp(argv[at], "--from") == 0)
            from = strtoul(argv[++at], NULL, 10);
        else
            failed |= read_path(argv[at]) != 0;
    }
    if (failed)
        return 2;
    for (current_run = from; current_run < from + runs; current_run++)
        run_mutated(seed, current_run);
    printf("%zu inputs replayed, %lu made from them, seed %lu\n", input_count, runs, seed);
    for (size_t at = 0; at < input_count; at++)
        free(inputs[at].bytes);
    return 0;
}
