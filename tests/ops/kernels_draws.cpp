/* Decode attention and sampling on the backend under test against ref. */
#include "tests/ops/op_modes.h"

static void decode_case(pt_dtype t, int64_t b, int max_len, int heads, int kv, int dim, int window, int64_t gap,
                        float softcap = 0, float slope = 0)
{
    ot_case(t);
    pt_view q = ot_in(t, b, heads * dim, heads * dim + gap, 1, 1), o = ot_act(t, b, heads * dim, heads * dim),
           lens = ot_act(PT_I32, 1, b, b);
    pt_view k = ot_in(t, b * max_len, kv * dim, kv * dim + gap, 2, 1), v = ot_in(t, b * max_len, kv * dim, kv * dim + gap, 3, 1);
    for (int64_t i = 0; i < b; i++) ot_i32(lens)[i] = i == 0 ? 1 : i == 1 ? max_len : 1 + (int)(i * 7919 % max_len);
    ot_put(lens);
    pt_view slopes = {};
    if (slope != 0) {
        slopes = ot_act(PT_F32, 1, heads, heads);
        for (int h = 0; h < heads; h++) ot_f32(slopes, 0)[h] = ldexpf(slope, -h);
        ot_put(slopes);
    }
    OT_ON(decode_attention, pt_decode_args, a.o = D(o), a.q = D(q), a.k = D(k), a.v = D(v), a.lens = D(lens),
           a.max_len = max_len, a.n_heads = heads, a.n_kv = kv, a.dim = dim, a.window = window, a.scale = 0.3f, a.softcap = softcap,
           a.slopes = D(slopes));
    ot_near(o, 2, 1e-6);
    ot_free_all();
}
/* Rows that share their first run; each has a second of its own, the last row's first in the cache. */
static void runs_case(pt_dtype t, int64_t b, int shared, int own, int heads, int kv, int dim, int window)
{
    ot_case(t);
    const int64_t cells = shared + b * own + 5;
    pt_view q = ot_in(t, b, heads * dim, heads * dim, 1, 1), o = ot_act(t, b, heads * dim, heads * dim), lens = ot_act(PT_I32, 1, b, b),
            spans = ot_act(PT_I32, b, 4, 6), k = ot_in(t, cells, kv * dim, kv * dim + 8, 2, 1), v = ot_in(t, cells, kv * dim, kv * dim, 3, 1);
    for (int64_t i = 0; i < b; i++) {
        const int n = 1 + (int)(i * 7919 % own);
        const int32_t runs[4] = {5, shared, (int32_t)(5 + shared + (b - 1 - i) * own), n};
        memcpy(ot_i32(spans) + i * spans.ld, runs, sizeof runs);
        ot_i32(lens)[i] = shared + n;
    }
    ot_put(lens), ot_put(spans);
    OT_ON(decode_attention, pt_decode_args, a.o = D(o), a.q = D(q), a.k = D(k), a.v = D(v), a.lens = D(lens), a.spans = D(spans),
           a.max_len = shared + own, a.n_heads = heads, a.n_kv = kv, a.dim = dim, a.window = window, a.scale = 0.3f);
    ot_near(o, 2, 1e-6);
    ot_free_all();
}
static void test_decode(void **)
{
    OT_EACH_ACT(t)
    {
        decode_case(t, 0, 4, 1, 1, 8, 0, 0);
        decode_case(t, 3, 600, 4, 2, 64, 0, 8);
        decode_case(t, 2, 300, 9, 3, 96, 100, 0);
        decode_case(t, 2, 40, 10, 1, 10, 7, 1);
        decode_case(t, 2, 20, 2, 1, 256, 0, 0);
        decode_case(t, 3, 600, 4, 2, 64, 0, 8, 2, 0);
        decode_case(t, 2, 300, 9, 3, 96, 270, 0, 0, 0.05f);
        decode_case(t, 2, 40, 10, 1, 10, 7, 1, 1, 0.5f);
        runs_case(t, 5, 300, 41, 4, 2, 64, 0);
        runs_case(t, 3, 40, 300, 6, 2, 34, 260);
    }
#if OT_MODE == OT_CUDA
    ot_case(PT_F32);
    pt_decode_args a = {};
    a.n_heads = a.n_kv = 1, a.dim = 258, a.max_len = 4, a.scale = 1;
    assert_int_equal(pt_cuda_decode_attention(&om.under, &a), PT_ENOSUP);
    ot_free_all();
#endif
}

static void sample_case(int64_t b, int64_t v, float temp, int top_k, float top_p, float min_p, float penalty, int flat)
{
    uint64_t stream[8], position[8];
    ot_case(PT_F32);
    pt_view z = ot_in(PT_F32, b, v, v + 3, 1, 3), tok = ot_act(PT_I32, 1, b, b), seen = ot_act(PT_I32, b, 9, 10);
    for (int64_t r = 0; r < b; r++) {
        stream[r] = 100 + (uint64_t)r, position[r] = 7 * (uint64_t)r;
        for (int64_t i = 0; flat == 1 && i < v; i++) ot_f32(z, r)[i] = floorf(ot_f32(z, r)[i]); /* many ties; 0 and -0 */
        for (int64_t i = 0; flat == 2 && i < v; i++) ot_f32(z, r)[i] -= 20; /* a penalty makes negative logits smaller */
        for (int i = 0; i < 9; i++) ot_i32(seen)[r * 10 + i] = i == 4 ? -1 : (int32_t)((r + i % 4 * 3) % v);
    }
    ot_put(z), ot_put(seen);
    OT_ON(sample, pt_sample_args, a.token = D(tok), a.logits = D(z), a.seen = D(seen), a.temperature = temp, a.top_k = top_k,
           a.top_p = top_p, a.min_p = min_p, a.repetition_penalty = penalty, a.seed = 42, a.stream = stream,
           a.position = position);
    for (int64_t r = 0; r < b; r++) {
        int32_t got = ot_got_i32(tok, r);
        if (got != ot_i32(tok)[r])
            print_error("row %d: token %d, ref %d (V %d, t %g, k %d, p %g, m %g)\n", (int)r, got, ot_i32(tok)[r], (int)v,
                        (double)temp, top_k, (double)top_p, (double)min_p);
        assert_int_equal(got, ot_i32(tok)[r]);
    }
    ot_free_all();
}
static void test_sample(void **)
{
    for (int k = 1; k < 20; k++) sample_case(4, k, 0, 0, 1, 0, 1.5f, 2);
    for (int flat = 0; flat < 2; flat++) {
        sample_case(0, 5, 1, 0, 1, 0, 1, flat);
        sample_case(4, 1, 1, 0, 1, 0, 1, flat);
        for (int64_t v = 37; v <= 1500; v += 1463) {
            sample_case(4, v, 0, 0, 1, 0, 1.3f, flat);
            sample_case(4, v, 1, 0, 1, 0, 1, flat);
            sample_case(4, v, 0.7f, 5, 1, 0, 1.2f, flat);
            sample_case(4, v, 1.3f, 0, 0.8f, 0, 1, flat);
            sample_case(4, v, 1, 0, 1, 0.2f, 1, flat);
            sample_case(4, v, 0.9f, 20, 0.9f, 0.05f, 1.1f, flat);
        }
    }
}
/* As the reference: -1 for the row without a choice, and the row beside it as ever. */
static void test_sample_bad(void **)
{
    const float bad[] = {NAN, INFINITY};
    for (int k = 0; k < 6; k++) {
        uint64_t zero[2] = {0, 0};
        ot_case(PT_F32);
        pt_view z = ot_in(PT_F32, 2, 50, 50, 1, 1), tok = ot_act(PT_I32, 1, 2, 2);
        for (int i = 0; k % 3 == 2 && i < 50; i++) ot_f32(z, 1)[i] = -INFINITY;
        if (k % 3 < 2) ot_f32(z, 1)[13] = bad[k % 3];
        ot_put(z);
        OT_ON(sample, pt_sample_args, a.token = D(tok), a.logits = D(z), a.temperature = k < 3 ? 1 : 0, a.top_p = 1,
               a.repetition_penalty = 1, a.stream = zero, a.position = zero);
        int32_t got[2];
        memcpy(got, ot_result(tok), 8);
        assert_true(got[0] >= 0 && got[0] < 50);
        assert_int_equal(got[0], ot_i32(tok)[0]);
        assert_int_equal(got[1], -1);
        assert_int_equal(ot_i32(tok)[1], -1);
        ot_free_all();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_decode), cmocka_unit_test(test_sample),
                                       cmocka_unit_test(test_sample_bad)};
    return ot_main("kernels_draws", tests);
}
