/* The host side of the CUDA backend: memory, copies through the pinned ring, fetches that arrive later, and its counts. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "cuda_runtime_api.h"
#include "emu.h"
#include "kernels/cuda/device_cuda.h"
#include "kernels/cuda/gemm_cuda.h"
#include "kernels/cuda/ops_cuda.h"
#include "kernels/cuda/target.h"

#define MUST(call)                                                                                                             \
    do {                                                                                                                       \
        pt_status must_ = (call);                                                                                              \
        if (must_ != PT_OK) fail_msg("%s: %s: %s", #call, pt_status_name(must_), pt_err_msg());                                \
    } while (0)

static pt_ctx ctx;
static const pt_ops *ops;

static int open_it(void **state)
{
    ops = pt_cuda_ops();
    ctx = (pt_ctx){0};
    MUST(ops->open(&ctx, PT_COMPUTE_BF16));
    return 0;
}
static int close_it(void **state)
{
    ops->close(&ctx);
    assert_null(ctx.device);
    return 0;
}

static unsigned char *noise(size_t n, uint64_t seed)
{
    unsigned char *p = malloc(n);
    assert_non_null(p);
    for (size_t i = 0; i < n; i++) p[i] = (unsigned char)pt_hash_mix(seed, i);
    return p;
}

static pt_view view_of(const pt_buf *b, size_t off, int64_t rows, int64_t cols, int64_t ld)
{
    return (pt_view){.buf = b, .off = off, .type = PT_U8, .rows = rows, .cols = cols, .ld = ld};
}

/* Larger than the ring, in pieces of odd sizes, the source overwritten at once. */
static void test_ring(void **state)
{
    size_t n = (size_t)PT_STAGE_BLOCKS * PT_STAGE_BYTES * 3 / 2 + 12345, at = 0;
    unsigned char *want = noise(n, 1), *got = malloc(n), *piece = malloc(n);
    pt_buf b;
    MUST(ops->alloc(&ctx, &b, n));
    for (size_t k = 1; at < n; k++) {
        size_t step = 1 + k * k * 977 % 700001;
        if (step > n - at) step = n - at;
        memcpy(piece, want + at, step);
        MUST(ops->upload(&ctx, view_of(&b, at, 1, (int64_t)step, (int64_t)step), piece));
        memset(piece, 0xEE, step);
        at += step;
    }
    MUST(ops->download(&ctx, got, view_of(&b, 0, 1, (int64_t)n, (int64_t)n)));
    assert_memory_equal(got, want, n);
    ops->free(&ctx, &b);
    free(want);
    free(got);
    free(piece);
}

/* Fetches are delivered by the next wait, or when the ring needs their block; later writes do not change them. */
static void test_fetch(void **state)
{
    enum { COUNT = 40 };
    size_t each = 300000;
    unsigned char *want = noise(COUNT * each, 2), *got = calloc(COUNT, each);
    pt_cuda_counts before, after;
    pt_buf b;
    MUST(ops->alloc(&ctx, &b, each));
    pt_view v = view_of(&b, 0, 1, (int64_t)each, (int64_t)each);
    for (int i = 0; i < COUNT; i++) {
        MUST(ops->upload(&ctx, v, want + (size_t)i * each));
        MUST(ops->fetch(&ctx, got + (size_t)i * each, v));
    }
    MUST(ops->sync(&ctx));
    assert_memory_equal(got, want, COUNT * each);
    /* small ones wait for nothing */
    pt_cuda_counts_get(&before);
    for (int i = 0; i < COUNT; i++) {
        v.cols = v.ld = 100 + i;
        MUST(ops->upload(&ctx, v, want + i));
        MUST(ops->fetch(&ctx, got + i * 1000, v));
    }
    pt_cuda_counts_get(&after);
    assert_int_equal(after.syncs, before.syncs);
    MUST(ops->download(&ctx, got + COUNT * 1000, v));
    pt_cuda_counts_get(&after);
    assert_int_equal(after.syncs, before.syncs + 1);
    for (int i = 0; i < COUNT; i++) assert_memory_equal(got + i * 1000, want + i, (size_t)(100 + i));
    ops->free(&ctx, &b);
    free(want);
    free(got);
}

/* Rows with gaps: what lies between stays. */
static void test_strides(void **state)
{
    enum { ROWS = 37, COLS = 61, LD = 80 };
    unsigned char *all = noise(ROWS * LD, 3), *rows = noise(ROWS * COLS, 4), got[ROWS * LD], back[ROWS * COLS];
    pt_buf b;
    MUST(ops->alloc(&ctx, &b, ROWS * LD));
    MUST(ops->upload(&ctx, view_of(&b, 0, 1, ROWS * LD, ROWS * LD), all));
    MUST(ops->upload(&ctx, view_of(&b, 7, ROWS, COLS, LD), rows));
    MUST(ops->download(&ctx, got, view_of(&b, 0, 1, ROWS * LD, ROWS * LD)));
    for (int r = 0; r < ROWS; r++) memcpy(all + 7 + r * LD, rows + r * COLS, COLS);
    assert_memory_equal(got, all, ROWS * LD);
    MUST(ops->download(&ctx, back, view_of(&b, 7, ROWS, COLS, LD)));
    assert_memory_equal(back, rows, ROWS * COLS);
    MUST(ops->zero(&ctx, view_of(&b, 7, ROWS, COLS, LD)));
    MUST(ops->download(&ctx, got, view_of(&b, 0, 1, ROWS * LD, ROWS * LD)));
    for (int r = 0; r < ROWS; r++) memset(all + 7 + r * LD, 0, COLS);
    assert_memory_equal(got, all, ROWS * LD);
    assert_int_equal(ops->upload(&ctx, view_of(&b, 8, ROWS, COLS + 20, LD + 1), rows), PT_ESHAPE);
    ops->free(&ctx, &b);
    free(all);
    free(rows);
}

/* Weights come in on the copy stream; compute waits for them. */
static void test_adopt(void **state)
{
    size_t n = 5 << 20;
    unsigned char *want = noise(n, 5), *copy = malloc(n), *got = malloc(n);
    pt_cuda_counts before, after;
    pt_buf a, b;
    memcpy(copy, want, n);
    pt_cuda_counts_get(&before);
    MUST(ops->adopt(&ctx, &a, copy, n));
    memset(copy, 0, n); /* on a device nothing of the host is kept */
    MUST(ops->alloc(&ctx, &b, n));
    pt_view va = view_of(&a, 0, 1, (int64_t)n, (int64_t)n), vb = view_of(&b, 0, 1, (int64_t)n, (int64_t)n);
    va.type = vb.type = PT_F32;
    va.cols = va.ld = vb.cols = vb.ld = (int64_t)n / 4;
    MUST(ops->cast(&ctx, &(pt_cast_args){.y = vb, .x = va})); /* a kernel of the compute stream */
    MUST(ops->download(&ctx, got, view_of(&b, 0, 1, (int64_t)n, (int64_t)n)));
    assert_memory_equal(got, want, n);
    pt_cuda_counts_get(&after);
    assert_int_equal(after.allocs - before.allocs, 2);
    assert_int_equal(after.bytes - before.bytes, 2 * n);
    ops->free(&ctx, &a);
    ops->free(&ctx, &b);
    pt_cuda_counts_get(&after);
    assert_int_equal(after.bytes, before.bytes);
    free(want);
    free(copy);
    free(got);
}

static void test_memory(void **state)
{
    size_t left, total, again;
    pt_buf b;
    MUST(ops->memory(&ctx, &left, &total));
    assert_true(left <= total);
    MUST(ops->alloc(&ctx, &b, 1 << 20));
    MUST(ops->memory(&ctx, &again, &total));
    assert_int_equal(left - again, 1 << 20);
    ops->free(&ctx, &b);
    assert_int_equal(ops->alloc(&ctx, &b, total + 1), PT_ENOMEM);
    assert_non_null(strstr(pt_err_msg(), "MiB of device memory asked for"));
    assert_null(b.base);
    assert_int_equal(pt_cuda_failed("cudaMemcpyAsync(a, b)", 700), PT_EINTERNAL);
    assert_non_null(strstr(pt_err_msg(), "cudaMemcpyAsync: "));
    assert_non_null(strstr(pt_err_msg(), "was the last before it: kernel ")); /* test_adopt launched one */
}

/* Waves of tiles of 128 x 128, or of 128 x 256 twice, that pieces of p columns of c[m, n] take on 132 SMs. */
static int64_t waves_of(int64_t m, int64_t n, int64_t p)
{
    int64_t sum = 0;
    for (int64_t c = 0; c < n; c += p) {
        int64_t rows = (m + 127) / 128, cols = n - c < p ? n - c : p;
        int64_t square = (rows * ((cols + 127) / 128) + 131) / 132, wide = (rows * ((cols + 255) / 256) + 131) / 132;
        sum += square < 2 * wide ? square : 2 * wide;
    }
    return sum;
}

/* The pieces of a product: 8B's down takes 8 waves, where the widest pieces take 11; no width within reach is better; the widest of equals is taken. */
static void test_pieces(void **state)
{
    assert_int_equal(pt_cuda_piece(132, 4096, 4096, 1152), 1024);
    assert_int_equal(waves_of(4096, 4096, 1152), 11);
    assert_int_equal(waves_of(4096, 4096, 1024), 8);
    assert_int_equal(pt_cuda_piece(132, 4096, 14336, 4096), 4096);
    assert_int_equal(pt_cuda_piece(132, 4096, 4096, 4096), 4096);
    assert_int_equal(pt_cuda_piece(132, 1, 4096, 128), 128); /* narrower than a tile: as it is */
    for (int64_t m = 1; m < 5000; m += 333)
        for (int64_t n = 1; n < 20000; n += 1111)
            for (int64_t most = 128; most < 6000; most += 640) {
                int64_t p = pt_cuda_piece(132, m, n, most), w = waves_of(m, n, p);
                assert_true(p > 0 && p <= (n < most ? n : most));
                if (n <= most) continue;
                assert_true(w <= waves_of(m, n, most));
                for (int64_t q = 256; q < most; q += 256) assert_true(q <= p ? w <= waves_of(m, n, q) : w < waves_of(m, n, q));
            }
}

/* k = 0 clears or keeps; wrong sizes are refused. */
static void test_gemm_edges(void **state)
{
    float host[6] = {1, 2, 3, 4, 5, 6}, got[6];
    pt_buf b, scratch;
    MUST(ops->alloc(&ctx, &b, sizeof host));
    MUST(ops->alloc(&ctx, &scratch, PT_GEMM_SCRATCH));
    pt_view v = {.buf = &b, .type = PT_F32, .rows = 1, .cols = 6, .ld = 6};
    MUST(ops->upload(&ctx, v, host));
    pt_cuda_gemm_args a = {.type = PT_F32,
                           .ctype = PT_F32,
                           .m = 2,
                           .n = 2,
                           .k = 0,
                           .alpha = 1,
                           .a = b.base,
                           .lda = 1,
                           .b = b.base,
                           .ldb = 2,
                           .beta = 1,
                           .c = b.base,
                           .ldc = 3,
                           .scratch = scratch.base};
    MUST(pt_cuda_gemm(&ctx, &a));
    MUST(ops->download(&ctx, got, v));
    assert_memory_equal(got, host, sizeof host);
    a.beta = 0;
    MUST(pt_cuda_gemm(&ctx, &a));
    MUST(ops->download(&ctx, got, v));
    assert_true(got[0] == 0 && got[1] == 0 && got[2] == 3 && got[3] == 0 && got[4] == 0 && got[5] == 6);
    a.ldc = 1;
    assert_int_equal(pt_cuda_gemm(&ctx, &a), PT_ESHAPE);
    a.ldc = 3;
    a.beta = 0.5f;
    assert_int_equal(pt_cuda_gemm(&ctx, &a), PT_ESHAPE);
    a.ctype = PT_BF16;
    assert_int_equal(pt_cuda_gemm(&ctx, &a), PT_ENOSUP);
    ops->free(&ctx, &b);
    ops->free(&ctx, &scratch);
}

static void expect_code(const char *archs, int chip, const char *want)
{
    char text[24] = "none";
    assert_int_equal(pt_cuda_target(archs, chip / 10, chip % 10, text, sizeof text), strcmp(want, "none") != 0);
    assert_string_equal(text, want);
}

/* The rules of target.h, and the choice on each emulated chip among what the makefile compiles. */
static void test_targets(void **state)
{
    static const struct {
        const char *arch, *code;
    } chips[] = {{"80", "emulated sm_80, code for sm_80"}, {"86", "emulated sm_86, code for sm_86"}, {"89", "emulated sm_89, code for sm_89"}, {"90", "emulated sm_90, code for sm_90a"}};
    static const char all[] = "80 86 89 90 90a";
    expect_code(all, 90, "sm_90a");
    expect_code(all, 80, "sm_80");
    expect_code(all, 87, "sm_86"); /* an Orin runs the code of an older chip of its family */
    expect_code(all, 100, "PTX of sm_90"); /* never that of 90a */
    expect_code(all, 75, "none");
    expect_code("90", 90, "sm_90");
    expect_code("90a", 90, "sm_90a");
    expect_code("90a", 100, "none");
    expect_code("90a", 89, "none");
    expect_code("90 90a", 80, "none");
    expect_code("86 90a", 90, "sm_90a");
    expect_code("86 90a", 89, "sm_86");
    expect_code("86", 90, "PTX of sm_86");
    expect_code("", 80, "none");
    const char *was = getenv("EMU_ARCH");
    for (size_t i = 0; i < sizeof chips / sizeof *chips; i++) {
        assert_true(emu_setting("ARCH", chips[i].arch));
        assert_string_equal(pt_cuda_code(), chips[i].code);
    }
    assert_true(emu_setting("ARCH", was ? was : "80"));
}

/* What a query leaves behind is no error: the runtime remembers that an event was not over, and whoever asks for the last error
 * next would take it for his own. */
static void test_no_error_left(void **state)
{
    size_t n = (size_t)PT_STAGE_BLOCKS * PT_STAGE_BYTES * 2;
    unsigned char *some = noise(n, 9);
    pt_cuda_counts before, after;
    pt_buf b;
    assert_true(emu_setting("LAZY", "1"));
    MUST(ops->alloc(&ctx, &b, n));
    pt_cuda_counts_get(&before);
    MUST(ops->upload(&ctx, view_of(&b, 0, 1, (int64_t)n, (int64_t)n), some));
    pt_cuda_counts_get(&after);
    assert_int_not_equal(after.syncs, before.syncs); /* a block was still under way */
    assert_int_equal(cudaPeekAtLastError(), cudaSuccess);
    MUST(ops->sync(&ctx));
    assert_true(emu_setting("LAZY", "0"));
    ops->free(&ctx, &b);
    free(some);
}

/* Marks of the vocabulary for a repetition penalty: shared memory beside the kernel's own, at the 48 KB that need no asking and at
 * the most that each chip has. What is too much is refused before the launch. */
static void marked(int64_t vocab, pt_status want)
{
    float *z = calloc((size_t)vocab, sizeof *z);
    int32_t seen = (int32_t)vocab - 1, got = -7;
    pt_buf b, one, two;
    assert_non_null(z);
    z[vocab - 1] = 2.0f;
    z[vocab - 2] = 1.5f; /* the penalty takes the last one below it */
    MUST(ops->alloc(&ctx, &b, (size_t)vocab * sizeof *z));
    MUST(ops->alloc(&ctx, &one, 4));
    MUST(ops->alloc(&ctx, &two, 4));
    pt_view logits = {.buf = &b, .type = PT_F32, .rows = 1, .cols = vocab, .ld = vocab};
    pt_view token = {.buf = &one, .type = PT_I32, .rows = 1, .cols = 1, .ld = 1}, past = token;
    past.buf = &two;
    MUST(ops->upload(&ctx, logits, z));
    MUST(ops->upload(&ctx, past, &seen));
    pt_sample_args a = {.token = token, .logits = logits, .seen = past, .top_p = 1, .repetition_penalty = 2};
    pt_status rc = pt_cuda_sample(&ctx, &a);
    if (rc != want) fail_msg("vocabulary of %lld: %s: %s", (long long)vocab, pt_status_name(rc), pt_err_msg());
    if (want == PT_OK) {
        MUST(ops->download(&ctx, &got, token));
        assert_int_equal(got, vocab - 2);
    } else
        assert_non_null(strstr(pt_err_msg(), "at most 791552 on this device"));
    ops->free(&ctx, &b);
    ops->free(&ctx, &one);
    ops->free(&ctx, &two);
    free(z);
}
static void test_marks(void **state)
{
    const char *const chips[] = {"80", "86", "89", "90"};
    const int64_t asking = (48 * 1024 - 2432) / 4 * 32, small = (99 * 1024 - 2432) / 4 * 32;
    const char *was = getenv("EMU_ARCH");
    for (int i = 0; i < 4; i++) {
        assert_true(emu_setting("ARCH", chips[i]));
        marked(asking, PT_OK);
        marked(asking + 1, PT_OK);
        if (i == 0 || i == 3) {
            if (i == 3) marked(1 << 20, PT_OK);
            continue;
        }
        if (i == 1) marked(small, PT_OK);
        marked(small + 1, PT_ESHAPE);
    }
    assert_true(emu_setting("ARCH", was ? was : "80"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ring),      cmocka_unit_test(test_fetch),
                                       cmocka_unit_test(test_strides),   cmocka_unit_test(test_adopt),
                                       cmocka_unit_test(test_memory),    cmocka_unit_test(test_gemm_edges),
                                       cmocka_unit_test(test_targets),   cmocka_unit_test(test_pieces),
                                       cmocka_unit_test(test_no_error_left), cmocka_unit_test(test_marks)};
    return cmocka_run_group_tests(tests, open_it, close_it);
}
