/* What the C tests share: input that touches a page which may not be touched, checks that count, and a last line that says
 * how it went. Everything is static, so a test is one file plus the sources that it tests.
 *
 *     guarded input = guarded_at_end("GET / HTTP/1.1\r\n", 16);   reading input.bytes[16] ends the test
 *     CHECK(parse(input.bytes, input.byte_count) == 0);
 *     guarded_free(&input);
 *     return test_report();                                       "12 passed, 0 failed"; 0, or 1 when one failed */
#ifndef PENSTOCK_TEST_SUPPORT_H
#define PENSTOCK_TEST_SUPPORT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static unsigned checks_passed;
static unsigned checks_failed;
static const char *check_context = ""; /* printed with a failed check: which vector or case is being tested */

/* Counts one check; a failed one is printed with its place and the test goes on. Returns whether it held. */
static inline int check_that(int holds, const char *file, int line, const char *text)
{
    if (holds) {
        checks_passed++;
        return 1;
    }
    checks_failed++;
    fprintf(stderr, "%s:%d: failed: %s%s%s\n", file, line, text, *check_context ? " in " : "", check_context);
    return 0;
}

/* As check_that, for two integers that should be equal; prints both when they are not. */
static inline int check_equal(long long actual, long long expected, const char *file, int line, const char *text)
{
    if (!check_that(actual == expected, file, line, text)) {
        fprintf(stderr, "    is %lld, should be %lld\n", actual, expected);
        return 0;
    }
    return 1;
}

#define CHECK(condition) check_that((condition) ? 1 : 0, __FILE__, __LINE__, #condition)
#define CHECK_EQUAL(actual, expected)                                                                                         \
    check_equal((long long)(actual), (long long)(expected), __FILE__, __LINE__, #actual " == " #expected)
#define CHECK_BYTES(actual, actual_count, expected, expected_count)                                                           \
    check_that((size_t)(actual_count) == (size_t)(expected_count) &&                                                          \
                   memcmp((actual), (expected), (size_t)(expected_count)) == 0,                                               \
               __FILE__, __LINE__, #actual " holds " #expected)

/* Prints "N passed, N failed" and returns the exit status for main. A test that checked nothing has failed. */
static inline int test_report(void)
{
    printf("%u passed, %u failed\n", checks_passed, checks_failed);
    return checks_failed != 0 || checks_passed == 0;
}

/* A copy of some input with an untouchable page at one end. */
typedef struct {
    uint8_t *bytes;
    size_t byte_count;
    uint8_t *mapping;
    size_t mapping_bytes;
} guarded;

/* Maps room for byte_count bytes between two untouchable pages. Ends the test when there is no memory. */
static inline guarded guarded_map(size_t byte_count)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t room = (byte_count + page - 1) / page * page;
    guarded made = {NULL, byte_count, NULL, room + 2 * page};
    void *mapping = mmap(NULL, made.mapping_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED || (room && mprotect((uint8_t *)mapping + page, room, PROT_READ | PROT_WRITE) != 0)) {
        perror("test_support.h: mmap");
        exit(2);
    }
    made.mapping = mapping;
    return made;
}

/* The bytes end at an untouchable page: one byte too far is a crash. */
static inline guarded guarded_at_end(const void *bytes, size_t byte_count)
{
    guarded made = guarded_map(byte_count);
    made.bytes = made.mapping + made.mapping_bytes - (size_t)sysconf(_SC_PAGESIZE) - byte_count;
    if (byte_count)
        memcpy(made.bytes, bytes, byte_count);
    return made;
}

/* The bytes begin after an untouchable page: one byte too early is a crash. */
static inline guarded guarded_at_start(const void *bytes, size_t byte_count)
{
    guarded made = guarded_map(byte_count);
    made.bytes = made.mapping + (size_t)sysconf(_SC_PAGESIZE);
    if (byte_count)
        memcpy(made.bytes, bytes, byte_count);
    return made;
}

static inline void guarded_free(guarded *input)
{
    munmap(input->mapping, input->mapping_bytes);
    *input = (guarded){NULL, 0, NULL, 0};
}

#endif
