/* A fuzz harness: one parser and what stands behind it, called with bytes that anybody could have written.
 *
 *     #include "tests/fuzz/harness.h"
 *     FUZZ_HARNESS(const uint8_t *bytes, size_t n) { ... fuzz_clean(pt_thing_open(&t, path)); fuzz_accepted += t != NULL; ... }
 *
 * The same source is linked twice. With clang's libFuzzer (`make fuzz-NAME`, tests/fuzz/fuzz.mk) new inputs are made, guided by the branches
 * that they reach. With a main of ours (tests/fuzz/replay.h) the committed corpus is gone through once: that is part of `make test`.
 * Whatever ends the process is a fault: a sanitizer, an allocation of more than FUZZ_MALLOC_MB, a run of more than FUZZ_SECONDS, a leak,
 * a failure without a message or with a status that no file may cause. A run leaves nothing behind that the next one sees. */
#ifndef PT_TESTS_FUZZ_HARNESS_H
#define PT_TESTS_FUZZ_HARNESS_H
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

#define FUZZ_MALLOC_MB "160" /* a frame of zstd may ask for a window of 128 MiB, and a little more */
#define FUZZ_SECONDS 10

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
const char *__asan_default_options(void);

/* Inputs that were taken as right: a harness whose corpus has none tests nothing behind the first check. */
static size_t fuzz_accepted;
static char fuzz_folder[256];

/* The sanitizer's own refusal of large sizes, for gcc's and clang's builds alike. */
const char *__asan_default_options(void)
{
    return "max_allocation_size_mb=" FUZZ_MALLOC_MB ":allocator_may_return_null=0:detect_leaks=1";
}

#define fuzz_fail(...) (fprintf(stderr, "fuzz: " __VA_ARGS__), fputc('\n', stderr), abort())
#define fuzz_assert(cond) ((cond) ? (void)0 : fuzz_fail("%s:%d: not so: %s", __FILE__, __LINE__, #cond))

/* A failed call says why, with a status that a file can cause. */
static inline void fuzz_clean(pt_status rc)
{
    if (rc == PT_OK) return;
    if (rc != PT_EFORMAT && rc != PT_ENOSUP && rc != PT_ESHAPE && rc != PT_EIO && rc != PT_ENONFINITE && rc != PT_EARG)
        fuzz_fail("status %s: %s", pt_status_name(rc), pt_err_msg());
    fuzz_assert(pt_err_msg()[0]);
    pt_err_clear();
}

/* What a program would show: made, and looked at. */
static void fuzz_note(void *user, pt_log_level level, const char *text)
{
    (void)user;
    (void)level;
    fuzz_assert(strlen(text) > 0);
}

static void fuzz_tidy(void)
{
    (void)pt_dir_remove(fuzz_folder);
}

/* A folder in memory where there is one, of this process alone. */
static inline const char *fuzz_dir(void)
{
    const char *in = getenv("TMPDIR");
    if (fuzz_folder[0]) return fuzz_folder;
    if (!in || strlen(in) > 200) in = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "build";
    snprintf(fuzz_folder, sizeof fuzz_folder, "%s/ptrain-fuzz-XXXXXX", in);
    if (pt_dir_make("build") != PT_OK || !mkdtemp(fuzz_folder)) fuzz_fail("no folder %s", fuzz_folder);
    atexit(fuzz_tidy);
    pt_log_set_sink(fuzz_note, NULL);
    return fuzz_folder;
}

/* The path of a file there; eight may be in use at once. */
static inline const char *fuzz_path(const char *name)
{
    static char paths[8][320];
    static int next;
    char *p = paths[next++ % 8];
    snprintf(p, sizeof paths[0], "%s/%s", fuzz_dir(), name);
    return p;
}

/* The file `name` there, with these bytes. */
static inline const char *fuzz_put(const char *name, const void *bytes, size_t n)
{
    const char *path = fuzz_path(name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, bytes, n) != (ssize_t)n || close(fd)) fuzz_fail("cannot write %s", path);
    return path;
}

/* An input of several texts: a byte 0xff, which no text holds, stands between them. part[i].n = 0 for those that are not there.
 * Returns how many are. */
typedef struct fuzz_part {
    const uint8_t *at;
    size_t n;
} fuzz_part;
static inline size_t fuzz_split(const uint8_t *bytes, size_t n, fuzz_part *part, size_t most)
{
    size_t k = 0;
    memset(part, 0, most * sizeof *part);
    for (; k < most; k++) {
        const uint8_t *end = k + 1 < most && n ? memchr(bytes, 0xff, n) : NULL;
        part[k] = (fuzz_part){bytes, end ? (size_t)(end - bytes) : n};
        if (!end) return k + 1;
        n -= (size_t)(end - bytes) + 1;
        bytes = end + 1;
    }
    return k;
}
/* Byte i of a part as a choice below `of`; 0 when it is not there. */
static inline unsigned fuzz_choice(fuzz_part p, size_t i, unsigned of)
{
    return i < p.n ? p.at[i] % of : 0;
}
/* An owned text. */
static inline char *fuzz_text(fuzz_part p)
{
    char *s;
    if (pt_strndup(&s, p.n ? (const char *)p.at : "", p.n) != PT_OK) fuzz_fail("out of memory");
    return s;
}
/* Reads every byte, so that the sanitizer sees what may be read; the empty instruction keeps the sum from being left out. */
static inline void fuzz_touch(const void *data, size_t n)
{
    unsigned s = 0;
    for (size_t i = 0; i < n; i++) s += ((const unsigned char *)data)[i];
    __asm__ volatile("" : : "r"(s));
}

#define FUZZ_HARNESS int LLVMFuzzerTestOneInput

#ifndef PT_LIBFUZZER
#include "tests/fuzz/replay.h"
#endif
#endif
