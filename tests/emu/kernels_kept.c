/* Second forms of weights for products (PT_FORM_PRODUCTS) on the CUDA backend: what pack writes, rooms included; linear, its gradient and the head over
 * them have the bits that they have over the blocks, take no scratch for w and do not look at the blocks; few rows do. And a matrix of the activations'
 * type with room behind its rows, loaded from dense ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/quant.h"
#include "base/rng.h"
#include "emu.h"
#include "kernels/check.h"
#include "kernels/cuda/gemm_cuda.h"
#include "kernels/cuda/ops_cuda.h"
#include "kernels/ops.h"

#define OK(call)                                                                                                               \
    do {                                                                                                                       \
        pt_status ok_ = (call);                                                                                                \
        if (ok_ != PT_OK) fail_msg("%s: %s: %s", #call, pt_status_name(ok_), pt_err_msg());                                    \
    } while (0)

enum { MOST = 64 };
static pt_ctx ctx;
static pt_buf bufs[MOST];
static int n_bufs;
static size_t needed; /* workspace of the last op */

static void open_as(pt_compute compute)
{
    ctx = (pt_ctx){0};
    OK(pt_cuda_ops()->open(&ctx, compute));
    n_bufs = 0;
}
static void close_all(void)
{
    for (int i = 0; i < n_bufs; i++) ctx.ops->free(&ctx, &bufs[i]);
    ctx.ops->close(&ctx);
}

/* [rows, cols] with rows ld apart, filled from `host` (dense) or left. */
static pt_view on_device(pt_dtype type, int64_t rows, int64_t cols, int64_t ld, int64_t rows_there, const void *host)
{
    size_t row;
    assert_true(n_bufs < MOST);
    pt_buf *b = &bufs[n_bufs++];
    OK(pt_dtype_row_bytes(type, (size_t)ld, &row));
    OK(ctx.ops->alloc(&ctx, b, row * (size_t)rows_there));
    pt_view v = {.buf = b, .type = type, .rows = rows, .cols = cols, .ld = ld};
    if (host) OK(ctx.ops->load(&ctx, v, host));
    return v;
}

static void numbers(void *to, pt_dtype type, int64_t rows, int64_t cols, uint64_t seed)
{
    size_t n = (size_t)(rows * cols);
    float *f = malloc(n * sizeof *f);
    assert_non_null(f);
    for (size_t i = 0; i < n; i++) f[i] = (float)pt_rng_words(seed, PT_RNG_TEST, i, 0).v[0] * 0x1p-31f - 1;
    if (pt_dtype_quantised(type)) OK(pt_quant_rows(type, f, rows, cols, to));
    for (size_t i = 0; i < n && !pt_dtype_quantised(type); i++) {
        if (type == PT_F32) ((float *)to)[i] = f[i];
        else ((uint16_t *)to)[i] = type == PT_BF16 ? pt_f32_to_bf16(f[i]) : pt_f32_to_f16(f[i]);
    }
    free(f);
}
static pt_view made(pt_dtype type, int64_t rows, int64_t cols, uint64_t seed)
{
    size_t row;
    OK(pt_dtype_row_bytes(type, (size_t)cols, &row));
    void *host = malloc(row * (size_t)rows);
    assert_non_null(host);
    numbers(host, type, rows, cols, seed);
    pt_view v = on_device(type, rows, cols, cols, rows, host);
    free(host);
    return v;
}

static size_t dense_bytes(pt_view v)
{
    size_t row;
    OK(pt_dtype_row_bytes(v.type, (size_t)v.cols, &row));
    return row * (size_t)v.rows;
}
static void *read_back(pt_view v)
{
    void *host = malloc(dense_bytes(v));
    assert_non_null(host);
    OK(ctx.ops->download(&ctx, host, v));
    return host;
}
static void same_bits(const char *what, pt_view a, pt_view b)
{
    void *x = read_back(a), *y = read_back(b);
    if (memcmp(x, y, dense_bytes(a))) fail_msg("%s: other bits", what);
    free(x), free(y);
}

/* The op, dry and then with exactly what it asked for. */
#define RUN(op, ...)                                                                                                           \
    do {                                                                                                                       \
        pt_buf ws_ = {0};                                                                                                      \
        ctx.workspace_need = 0, ctx.dry = true;                                                                                \
        OK(ctx.ops->op(&ctx, &__VA_ARGS__));                                                                                   \
        ctx.dry = false, needed = ctx.workspace_need;                                                                          \
        OK(ctx.ops->alloc(&ctx, &ws_, needed));                                                                                \
        ctx.workspace = (pt_view){.buf = &ws_, .type = PT_U8, .rows = 1, .cols = (int64_t)needed, .ld = (int64_t)needed};      \
        OK(ctx.ops->op(&ctx, &__VA_ARGS__));                                                                                   \
        OK(ctx.ops->sync(&ctx));                                                                                               \
        ctx.ops->free(&ctx, &ws_);                                                                                             \
    } while (0)

/* w with its second form in memory of its own; *form is all of that. The blocks are spoiled where asked for. */
static pt_view kept(pt_view w, int room_cols, int room_rows, bool spoil, pt_view *form)
{
    pt_buf *b = &bufs[n_bufs++];
    assert_true(n_bufs < MOST);
    *b = (pt_buf){.base = w.buf->base, .bytes = w.buf->bytes, .kept = true, .room_cols = room_cols, .room_rows = room_rows};
    w.buf = b;
    const int64_t ld = w.cols + room_cols, rows = w.rows + room_rows;
    assert_int_equal(ctx.ops->packed_bytes(&ctx, PT_FORM_PRODUCTS, w), (size_t)(rows * ld) * pt_dtype_get(ctx.act)->bytes);
    assert_int_equal(ctx.ops->packed_bytes(&ctx, PT_FORM_DECODE, w), 0);
    *form = on_device(ctx.act, rows, ld, ld, rows, NULL);
    OK(ctx.ops->pack(&ctx, w, form->buf->base));
    b->packed = form->buf->base;
    if (spoil) {
        void *bad = malloc(dense_bytes(w));
        assert_non_null(bad);
        memset(bad, 0x7f, dense_bytes(w)); /* NaN, or far off */
        OK(ctx.ops->upload(&ctx, w, bad));
        free(bad);
    }
    return w;
}

static void all_zero(const char *what, pt_view v)
{
    unsigned char *x = read_back(v);
    for (size_t i = 0; i < dense_bytes(v); i++)
        if (x[i]) fail_msg("%s: not zero at byte %zu", what, i);
    free(x);
}

static const pt_dtype types[] = {PT_Q4_K, PT_Q8_0, PT_Q6_K, PT_F16, PT_F32};

/* What pack writes: the numbers that the embedding makes of the rows, and zeros. */
static void pack_case(pt_dtype type, int room_cols, int room_rows)
{
    enum { ROWS = 19, COLS = 512 };
    int32_t ids[ROWS];
    pt_view w = made(type, ROWS, COLS, 1), want = on_device(ctx.act, ROWS, COLS, COLS, ROWS, NULL), form;
    if (type == ctx.act) {
        assert_int_equal(ctx.ops->packed_bytes(&ctx, PT_FORM_PRODUCTS, w), 0);
        return;
    }
    kept(w, room_cols, room_rows, false, &form);
    for (int i = 0; i < ROWS; i++) ids[i] = i;
    pt_view tokens = on_device(PT_I32, 1, ROWS, ROWS, 1, ids);
    RUN(embed, (pt_embed_args){.y = want, .w = w, .tokens = tokens, .scale = 1});
    same_bits("pack", pt_view_cols(pt_view_rows(form, 0, ROWS), 0, COLS), want);
    if (room_cols) all_zero("columns of room", pt_view_cols(pt_view_rows(form, 0, ROWS), COLS, room_cols));
    if (room_rows) all_zero("rows of room", pt_view_rows(form, ROWS, room_rows));
}
static void test_pack(void **state)
{
    for (int c = 0; c < 2; c++) {
        for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
            open_as(c ? PT_COMPUTE_BF16 : PT_COMPUTE_F32);
            pack_case(types[t], 0, 0);
            pack_case(types[t], 24, 8);
            close_all();
        }
    }
}

static void linear_case(pt_dtype type, int room_cols, int room_rows, int64_t n)
{
    const int64_t out = 40, in = 512;
    const size_t elem = pt_dtype_get(ctx.act)->bytes;
    pt_view w = made(type, out, in, 1), x = made(ctx.act, n, in, 2), b = made(PT_F32, 1, out, 3), form;
    pt_view y[2], dx[2], dy = made(ctx.act, n, out, 4);
    size_t need[2];
    for (int k = 0; k < 2; k++) {
        y[k] = on_device(ctx.act, n, out, out, n, NULL);
        dx[k] = on_device(ctx.act, n, in, in, n, NULL);
        if (k) w = kept(w, room_cols, room_rows, true, &form);
        RUN(linear, (pt_linear_args){.y = y[k], .x = x, .w = w, .b = b});
        need[k] = needed;
        RUN(linear_bwd_x, (pt_linear_bwd_x_args){.dx = dx[k], .dy = dy, .w = w});
        assert_int_equal(needed, need[k]);
    }
    same_bits("y", y[0], y[1]);
    same_bits("dx", dx[0], dx[1]);
    assert_int_equal(need[0] - need[1], pt_align_up((size_t)(out * in) * elem, 64)); /* w's scratch */
    pt_cuda_whole_w whole;
    assert_true(pt_cuda_whole(&ctx, w, &whole));
    assert_true(whole.at == (unsigned char *)form.buf->base && whole.ld == in + room_cols);
    assert_true(whole.room_cols == room_cols && whole.room_rows == room_rows);
    assert_false(pt_cuda_whole(&ctx, pt_view_rows(w, 1, 2), &whole)); /* rows from the middle are not there */
}
static void test_linear(void **state)
{
    for (int c = 0; c < 2; c++)
        for (size_t t = 0; t < 4; t++) {
            open_as(c ? PT_COMPUTE_BF16 : PT_COMPUTE_F32);
            linear_case(types[t], 0, 0, 21);
            if (c) linear_case(types[t], 16, 8, 70);
            close_all();
        }
}

/* Few rows read the blocks: fewer bytes. */
static void test_few(void **state)
{
    open_as(PT_COMPUTE_BF16);
    pt_view w = made(PT_Q4_K, 40, 512, 1), x = made(PT_BF16, 8, 512, 2), form, y[2];
    for (int k = 0; k < 2; k++) {
        y[k] = on_device(PT_BF16, 8, 40, 40, 8, NULL);
        if (k) {
            w = kept(w, 8, 8, false, &form);
            OK(ctx.ops->zero(&ctx, form));
        }
        RUN(linear, (pt_linear_args){.y = y[k], .x = x, .w = w});
    }
    same_bits("y of few rows", y[0], y[1]);
    close_all();
}

/* The head, with its backward and without. */
static void test_head(void **state)
{
    enum { ROWS = 11, VOCAB = 130, COLS = 256 };
    int32_t heads[ROWS], targets[ROWS];
    for (int i = 0; i < ROWS; i++) heads[i] = i, targets[i] = 7 * i;
    for (int back = 0; back < 2; back++) {
        open_as(PT_COMPUTE_BF16);
        pt_view w = made(PT_Q6_K, VOCAB, COLS, 1), x = made(PT_BF16, ROWS, COLS, 2), dl = made(PT_F32, 1, ROWS, 3), form, logp[2], dx[2];
        pt_view rh = on_device(PT_I32, 1, ROWS, ROWS, 1, heads), rt = on_device(PT_I32, 1, ROWS, ROWS, 1, targets);
        size_t need[2];
        for (int k = 0; k < 2; k++) {
            logp[k] = on_device(PT_F32, 1, ROWS, ROWS, 1, NULL);
            dx[k] = on_device(PT_BF16, ROWS, COLS, COLS, ROWS, NULL);
            if (k) w = kept(w, 0, 0, true, &form);
            RUN(head, (pt_head_args){.logp = logp[k], .dx = back ? dx[k] : PT_NO_VIEW, .x = x, .w = w, .row_head = rh, .row_target = rt, .dlogp = back ? dl : PT_NO_VIEW, .temperature = 1});
            need[k] = needed;
        }
        same_bits("logp", logp[0], logp[1]);
        if (back) same_bits("dx of the head", dx[0], dx[1]);
        assert_int_equal(need[0] - need[1], pt_align_up(VOCAB * COLS * 2, 64));
        close_all();
    }
}

/* tight: less workspace, the same bits; w by pieces of rows and of columns, the last ones smaller; logits in two chunks. Kept: only the chunks. */
static void tight_case(int64_t n, int64_t vocab, int64_t cols, pt_dtype type, size_t logits, size_t pieces)
{
    int32_t heads[3], targets[3];
    for (int i = 0; i < 3; i++) heads[i] = i ? (int32_t)n - 3 + i : 0, targets[i] = (int32_t)vocab - 1 - 7 * i;
    open_as(PT_COMPUTE_BF16);
    pt_view w = made(type, vocab, cols, 1), x = made(PT_BF16, n, cols, 2), dl = made(PT_F32, 1, 3, 3), form, logp[3], dx[3];
    pt_view rh = on_device(PT_I32, 1, 3, 3, 1, heads), rt = on_device(PT_I32, 1, 3, 3, 1, targets);
    size_t need[3];
    for (int k = 0; k < 3; k++) {
        logp[k] = on_device(PT_F32, 1, 3, 3, 1, NULL);
        dx[k] = on_device(PT_BF16, n, cols, cols, n, NULL);
        if (k == 2) w = kept(w, 0, 0, true, &form);
        RUN(head, (pt_head_args){.logp = logp[k], .dx = dx[k], .x = x, .w = w, .row_head = rh, .row_target = rt, .dlogp = dl, .temperature = 1, .tight = k > 0});
        need[k] = needed;
        if (!k) continue;
        same_bits("logp of a tight head", logp[0], logp[k]);
        same_bits("dx of a tight head", dx[0], dx[k]);
    }
    assert_int_equal(need[0] - need[1], logits + pieces);
    assert_int_equal(need[0] - need[2], logits + (size_t)(vocab * cols) * 2);
    close_all();
}
static void test_tight(void **state)
{
    if (strcmp(emu_build(), "plain") != 0) skip(); /* large, and of kernels that smaller ones run */
    /* 35.8 M elements of w: 256 columns of 70,000 rows are the most at a time */
    tight_case(3, 70000, 512, PT_Q8_0, 0, 70000 * 256 * 2);
    /* chunks of 128 rows of 300,032 logits; w in one piece: 9.6 M elements. zt, stats and their alignment: 64 bytes a 16 rows */
    tight_case(132, 300032, 32, PT_Q8_0, 4 * 300032 * 4 + 64, 0);
}

/* A matrix of the activations' type with room: rows of many sizes into rows that lie further apart; products as without. */
static void test_own(void **state)
{
    static const int64_t cols[] = {8, 512, 520, 5000, 1100000};
    open_as(PT_COMPUTE_BF16);
    for (size_t i = 0; i < sizeof cols / sizeof *cols; i++) {
        const int64_t in = cols[i], out = i == 3 ? 700 : i == 4 ? 3 : 37, n = 9; /* the last ones: all, and each row, of more than a staging block */
        uint16_t *host = malloc((size_t)(out * in) * 2);
        assert_non_null(host);
        numbers(host, PT_BF16, out, in, 9);
        pt_view dense = on_device(PT_BF16, out, in, in, out, host), apart = on_device(PT_BF16, out, in, in + 24, out + 8, host);
        pt_view x = made(PT_BF16, n, in, 2), y[2];
        pt_buf *b = &bufs[n_bufs - 2];
        assert_ptr_equal(b, apart.buf);
        b->packed = b->base, b->kept = true, b->room_cols = 24, b->room_rows = 8;
        same_bits("rows apart", dense, apart);
        for (int k = 0; k < 2; k++) {
            y[k] = on_device(PT_BF16, n, out, out, n, NULL);
            RUN(linear, (pt_linear_args){.y = y[k], .x = x, .w = k ? apart : dense});
        }
        same_bits("y of rows apart", y[0], y[1]);
        pt_cuda_whole_w whole;
        assert_true(pt_cuda_whole(&ctx, apart, &whole));
        assert_true(whole.at == b->base && whole.ld == in + 24 && whole.room_cols == 24 && whole.room_rows == 8);
        assert_true(pt_cuda_whole(&ctx, dense, &whole) && whole.ld == in && !whole.room_cols && !whole.room_rows);
        free(host);
    }
    close_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pack), cmocka_unit_test(test_linear), cmocka_unit_test(test_few), cmocka_unit_test(test_head), cmocka_unit_test(test_tight), cmocka_unit_test(test_own)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
