/* Stored weights to numbers on the device, bit for bit as base/quant.h makes them on the host: every type, blocks of random bytes (so also scales that are
 * negative, tiny or no numbers, and zeros of either sign), at addresses that suit vectors, words or nothing, parts of rows and of columns, and rows of the
 * result further apart than they are long. */
#include "tests/ops/op_modes.h"

#include "kernels/cuda/dequant.cuh"
extern "C" {
#include "kernels/cuda/device_cuda.h"
}

/* Rows [r0, r0 + n) x columns [c0, c0 + cols) of [rows, of] blocks of a type; columns in blocks. */
struct part {
    int64_t rows, of, r0, n, c0, cols;
};

static pt_view stored(pt_dtype type, int64_t rows, int64_t cols, int64_t shift, uint64_t seed)
{
    int64_t bytes = (int64_t)ot_row_bytes(type, cols) * rows;
    pt_view v = ot_act(PT_U8, 1, bytes + shift, bytes + shift);
    for (int64_t i = 0; i < bytes + shift; i++) /* every third stretch of 64 bytes is zero */
        ot_row(v, 0)[i] = i / 64 % 3 ? (unsigned char)pt_rng_words(seed, PT_RNG_TEST, (uint64_t)i, 3).v[0] : 0;
    ot_put(v);
    return v;
}

static void same_bits(pt_dtype act, pt_dtype type, part p, int64_t shift, int64_t pad)
{
    ot_case(act);
    int64_t e = pt_dtype_get(type)->block, of = p.of * e, c0 = p.c0 * e, cols = p.cols * e;
    pt_view raw = stored(type, p.rows, of, shift, (uint64_t)(type * 8 + shift)), y = ot_act(act, p.n, cols, cols + pad);
    float *want = (float *)malloc((size_t)(p.rows * of) * sizeof *want);
    assert_non_null(want);
    ot_ok(pt_dequant_rows(type, ot_row(raw, 0) + shift, p.rows, of, want));
    ot_put(y);
    OT_PASSES
    {
        if (om.host || om.under.dry) continue;
        pt_view w = D(raw), out = D(y);
        w.off += (size_t)shift, w.type = type, w.rows = p.rows, w.cols = w.ld = of;
        static_cast<pt_cuda_device *>(om.under.device)->sms = 1; /* full with few blocks, so that they go on to further rows */
        ot_did("dequant", pt_cuda_dequant(&om.under, w, p.r0, p.n, c0, cols, act, pt_ptr<void>(out), y.ld));
    }
    for (int64_t r = 0; r < p.n; r++)
        for (int64_t c = 0; c < cols; c++) {
            float a = ot_got(y, r, c), b = ot_round(act, want[(p.r0 + r) * of + c0 + c]);
            if (memcmp(&a, &b, sizeof a) != 0 && !(isnan(a) && isnan(b)))
                fail_msg("%s to %s, shift %d, row %d, column %d: %a, not %a", pt_dtype_get(type)->name, pt_dtype_get(act)->name, (int)shift, (int)r, (int)c, a, b);
        }
    free(want);
    ot_free_all();
}

static void each_type(part blocks32, part blocks256, int64_t shift, int64_t pad)
{
    for (int t = 0; t < PT_DTYPE_COUNT; t++)
        if (pt_dtype_quantised((pt_dtype)t))
            OT_EACH_ACT(act) same_bits(act, (pt_dtype)t, pt_dtype_get((pt_dtype)t)->block == 32 ? blocks32 : blocks256, shift, pad);
}

/* One block, odd numbers of them, and rows of many. */
static void test_rows(void **)
{
    for (int64_t cols : {1, 3, 17}) each_type({5, cols, 0, 5, 0, cols}, {5, cols, 0, 5, 0, cols}, 0, 0);
    each_type({3, 136, 0, 3, 0, 136}, {3, 32, 0, 3, 0, 32}, 0, 0);
}
static void test_addresses(void **)
{
    for (int64_t shift : {1, 2, 4, 6, 8, 16}) each_type({4, 9, 0, 4, 0, 9}, {4, 3, 0, 4, 0, 3}, shift, 0);
}
/* Rows and columns of a larger matrix; a leading dimension above the columns that vectors fit, or do not. */
static void test_parts(void **)
{
    for (int64_t pad : {0, 8, 24, 3}) each_type({6, 21, 2, 3, 5, 11}, {6, 7, 2, 3, 2, 3}, 0, pad);
    each_type({6, 22, 1, 5, 5, 4}, {6, 7, 1, 5, 1, 1}, 2, 8);
}
/* Enough rows that a block goes on to further ones. */
static void test_passes(void **)
{
    each_type({200, 16, 3, 197, 0, 16}, {200, 2, 3, 197, 0, 2}, 0, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_addresses), cmocka_unit_test(test_parts), cmocka_unit_test(test_passes)};
    return ot_main("kernels_dequant", tests);
}
