/* Decode attention and sampling on the emulated device against ref. */
#include "kernels_op.h"

static const pt_dtype acts[] = {PT_BF16, PT_F32};
#define EACH_ACT(t) for (pt_dtype t : acts)

static void decode_case(pt_dtype t, int64_t b, int max_len, int heads, int kv, int dim, int window, int64_t gap)
{
    kt_begin(t);
    kt_mat q = kt_in(t, b, heads * dim, heads * dim + gap, 1, 1), o = kt_new(t, b, heads * dim, heads * dim),
           lens = kt_new(PT_I32, 1, b, b);
    kt_mat k = kt_in(t, b * max_len, kv * dim, kv * dim + gap, 2, 1), v = kt_in(t, b * max_len, kv * dim, kv * dim + gap, 3, 1);
    for (int64_t i = 0; i < b; i++) kt_i32(lens)[i] = i == 0 ? 1 : i == 1 ? max_len : 1 + (int)(i * 7919 % max_len);
    kt_put(lens);
    KT_RUN(decode_attention, pt_decode_args, a.o = D(o), a.q = D(q), a.k = D(k), a.v = D(v), a.lens = D(lens),
           a.max_len = max_len, a.n_heads = heads, a.n_kv = kv, a.dim = dim, a.window = window, a.scale = 0.3f);
    kt_near(o, 2, 1e-6);
    kt_end();
}
static void test_decode(void **)
{
    EACH_ACT(t)
    {
        decode_case(t, 0, 4, 1, 1, 8, 0, 0);
        decode_case(t, 3, 600, 4, 2, 64, 0, 8);
        decode_case(t, 2, 300, 9, 3, 96, 100, 0);
        decode_case(t, 2, 40, 10, 1, 10, 7, 1);
        decode_case(t, 2, 20, 2, 1, 256, 0, 0);
    }
    kt_begin(PT_F32);
    pt_decode_args a = {};
    a.n_heads = a.n_kv = 1, a.dim = 258, a.max_len = 4, a.scale = 1;
    assert_int_equal(pt_cuda_decode_attention(&kt.cuda, &a), PT_ENOSUP);
    kt_end();
}

static void sample_case(int64_t b, int64_t v, float temp, int top_k, float top_p, float min_p, float penalty, int flat)
{
    uint64_t stream[8], position[8];
    kt_begin(PT_F32);
    kt_mat z = kt_in(PT_F32, b, v, v + 3, 1, 3), tok = kt_new(PT_I32, 1, b, b), seen = kt_new(PT_I32, b, 9, 10);
    for (int64_t r = 0; r < b; r++) {
        stream[r] = 100 + (uint64_t)r, position[r] = 7 * (uint64_t)r;
        for (int64_t i = 0; flat == 1 && i < v; i++) kt_host(z, r)[i] = floorf(kt_host(z, r)[i]); /* many ties; 0 and -0 */
        for (int64_t i = 0; flat == 2 && i < v; i++) kt_host(z, r)[i] -= 20; /* a penalty makes negative logits smaller */
        for (int i = 0; i < 9; i++) kt_i32(seen)[r * 10 + i] = i == 4 ? -1 : (int32_t)((r + i % 4 * 3) % v);
    }
    kt_put(z), kt_put(seen);
    KT_RUN(sample, pt_sample_args, a.token = D(tok), a.logits = D(z), a.seen = D(seen), a.temperature = temp, a.top_k = top_k,
           a.top_p = top_p, a.min_p = min_p, a.repetition_penalty = penalty, a.seed = 42, a.stream = stream,
           a.position = position);
    for (int64_t r = 0; r < b; r++) {
        int32_t got;
        memcpy(&got, kt.m[tok].result + KT_GUARD + 4 * r, 4);
        if (got != kt_i32(tok)[r])
            print_error("row %d: token %d, ref %d (V %d, t %g, k %d, p %g, m %g)\n", (int)r, got, kt_i32(tok)[r], (int)v,
                        (double)temp, top_k, (double)top_p, (double)min_p);
        assert_int_equal(got, kt_i32(tok)[r]);
    }
    kt_end();
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
        kt_begin(PT_F32);
        kt_mat z = kt_in(PT_F32, 2, 50, 50, 1, 1), tok = kt_new(PT_I32, 1, 2, 2);
        for (int i = 0; k % 3 == 2 && i < 50; i++) kt_host(z, 1)[i] = -INFINITY;
        if (k % 3 < 2) kt_host(z, 1)[13] = bad[k % 3];
        kt_put(z);
        KT_RUN(sample, pt_sample_args, a.token = D(tok), a.logits = D(z), a.temperature = k < 3 ? 1 : 0, a.top_p = 1,
               a.repetition_penalty = 1, a.stream = zero, a.position = zero);
        int32_t got[2];
        memcpy(got, kt.m[tok].result + KT_GUARD, 8);
        assert_true(got[0] >= 0 && got[0] < 50);
        assert_int_equal(got[0], kt_i32(tok)[0]);
        assert_int_equal(got[1], -1);
        assert_int_equal(kt_i32(tok)[1], -1);
        kt_end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_decode), cmocka_unit_test(test_sample),
                                       cmocka_unit_test(test_sample_bad)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
