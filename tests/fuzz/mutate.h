/* A small deterministic fuzzer: run(seed bytes) is called with many mutated copies; it must come back with a clean status. The
 * mutations depend on the program's seed number and the iteration alone, so that a failure repeats. FUZZ_RUNS in the
 * environment sets how many. */
#ifndef PT_TESTS_FUZZ_MUTATE_H
#define PT_TESTS_FUZZ_MUTATE_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/rng.h"
#include "tests/scratch.h"

typedef struct fuzz_input {
    unsigned char *bytes; /* room for `room` */
    size_t n, room;
    uint64_t iteration, draws;
} fuzz_input;

static inline uint64_t fuzz_draw(fuzz_input *f, uint64_t below)
{
    pt_rng4 w = pt_rng_words(20260717, PT_RNG_TEST, f->iteration, f->draws++);
    return below ? (w.v[0] | (uint64_t)w.v[1] << 32) % below : 0;
}

/* Words that break parsers: written over or put in. */
static const char *const fuzz_words[] = {"9223372036854775807",
                                         "18446744073709551616",
                                         "-1",
                                         "1e999",
                                         "0.5",
                                         "null",
                                         "true",
                                         "{}",
                                         "[]",
                                         "\"\"",
                                         "\\u0000",
                                         "\xff",
                                         "[[[[[[[[",
                                         "}",
                                         "\"",
                                         ":",
                                         ",",
                                         "\n"};

static inline void fuzz_insert(fuzz_input *f, size_t at, const void *bytes, size_t n)
{
    if (f->n + n > f->room) return;
    memmove(f->bytes + at + n, f->bytes + at, f->n - at);
    memcpy(f->bytes + at, bytes, n);
    f->n += n;
}

static inline void fuzz_remove(fuzz_input *f, size_t at, size_t n)
{
    if (n > f->n - at) n = f->n - at;
    memmove(f->bytes + at, f->bytes + at + n, f->n - at - n);
    f->n -= n;
}

/* A size that breaks arithmetic, little endian in 1, 2, 4 or 8 bytes. */
static inline void fuzz_number(fuzz_input *f, size_t at)
{
    const uint64_t values[] = {
        0,          1,          0x7f,          0x80,       0xff,      0xffff,     0x7fffffff, 0x80000000,
        UINT32_MAX, 1ull << 32, 1ull << 61,    1ull << 62, INT64_MAX, 1ull << 63, UINT64_MAX, UINT64_MAX - 7,
        f->n,       f->n - at,  f->n - at + 1, f->n / 8};
    uint64_t v = values[fuzz_draw(f, sizeof values / sizeof *values)];
    size_t n = (size_t)1 << fuzz_draw(f, 4);
    for (size_t i = 0; i < n && at + i < f->n; i++) f->bytes[at + i] = (unsigned char)(v >> (8 * i));
}

static inline void fuzz_mutate_once(fuzz_input *f)
{
    size_t at = (size_t)fuzz_draw(f, f->n ? f->n : 1), n = (size_t)fuzz_draw(f, 16) + 1;
    const char *word = fuzz_words[fuzz_draw(f, sizeof fuzz_words / sizeof *fuzz_words)];
    if (!f->n) return fuzz_insert(f, 0, word, strlen(word));
    switch (fuzz_draw(f, 8)) {
    case 0: f->bytes[at] ^= (unsigned char)(1u << fuzz_draw(f, 8)); break;
    case 1: f->bytes[at] = (unsigned char)fuzz_draw(f, 256); break;
    case 2:
    case 3: fuzz_number(f, at); break;
    case 4: f->n = at; break; /* cut off */
    case 5: fuzz_remove(f, at, n); break;
    case 6: fuzz_insert(f, at, word, strlen(word)); break;
    default: { /* a piece again, elsewhere */
        unsigned char piece[16];
        size_t from = (size_t)fuzz_draw(f, f->n), k = f->n - from < n ? f->n - from : n;
        memcpy(piece, f->bytes + from, k);
        fuzz_insert(f, at, piece, k);
    }
    }
}

/* Makes path a file in memory (a link to it), so that thousands of versions are written quickly. */
static inline void fuzz_memory_file(const char *path)
{
    char target[64];
    int fd = memfd_create("fuzz", 0);
    assert_true(fd >= 0);
    snprintf(target, sizeof target, "/proc/self/fd/%d", fd);
    (void)unlink(path);
    assert_int_equal(symlink(target, path), 0);
}

typedef void (*fuzz_run)(const unsigned char *bytes, size_t n);

/* `runs` copies of the file at path, each with 1 to 4 mutations (the first is the file itself). */
static inline void fuzz_file(const char *path, int runs, fuzz_run run)
{
    char *text;
    size_t n;
    const char *env = getenv("FUZZ_RUNS");
    if (env) runs = (int)strtol(env, NULL, 10);
    assert_int_equal(pt_file_read(&text, &n, path, 1 << 20), PT_OK);
    fuzz_input f = {.room = n + 256};
    f.bytes = malloc(f.room);
    for (int i = 0; i < runs; i++) {
        f.iteration = (uint64_t)i;
        f.draws = 0;
        memcpy(f.bytes, text, n);
        f.n = n;
        for (uint64_t k = i ? fuzz_draw(&f, 4) + 1 : 0; k > 0; k--) fuzz_mutate_once(&f);
        run(f.bytes, f.n);
    }
    free(f.bytes);
    free(text);
}

/* A failed call must say why, with a status that files can cause. */
static inline void fuzz_clean(pt_status rc)
{
    if (rc == PT_OK) return;
    if (rc != PT_EFORMAT && rc != PT_ENOSUP && rc != PT_ESHAPE && rc != PT_EIO && rc != PT_ENONFINITE && rc != PT_EARG)
        fail_msg("status %s: %s", pt_status_name(rc), pt_err_msg());
    assert_true(pt_err_msg()[0] != 0);
    pt_err_clear();
}
#endif
