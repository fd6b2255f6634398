/* adamw, sumsq, clip, group sums: cpu against ref, thread counts, instruction sets, hand-worked values. */
#include "tests/ops/op_test.h"

#include "kernels/check_linear.h"
#include "kernels/ref/ref.h"

pt_status naive_adamw(pt_ctx *ctx, const pt_adamw_args *a);
#define double float
#define pt_ref_adamw naive_adamw
#include "kernels/ref/adam_ref.c"
#undef double
#undef pt_ref_adamw


static pt_view scalars(float clip, float finite, float applied)
{
    pt_view s = ot_out(1, 4);
    float *f = ot_f32(s, 0);
    f[PT_SCALAR_NORM] = 1, f[PT_SCALAR_CLIP] = clip, f[PT_SCALAR_FINITE] = finite, f[PT_SCALAR_APPLIED] = applied;
    return s;
}

static pt_adamw_args adam_args(int64_t n, float clip, float finite, float applied)
{
    pt_adamw_args a = {.p = ot_rand(1, n, 1, 1), .m = ot_rand(1, n, 2, 0.1f), .v = ot_rand(1, n, 3, 0.01f), .g = ot_rand(1, n, 4, 1),
                       .scalars = scalars(clip, finite, applied), .lr = 1e-2f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .weight_decay = 0.1f};
    for (int64_t i = 0; i < n; i++) ot_f32(a.v, 0)[i] = fabsf(ot_f32(a.v, 0)[i]);
    return a;
}

static void test_adamw(void **state)
{
    static const int64_t sizes[] = {1, 7, 33, 129, 4095, 4097, 20001};
    for (int i = 0; ot_isa(i); i++) {
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            pt_adamw_args a[3];
            for (int j = 0; j < 3; j++) a[j] = adam_args(sizes[k], 0.37f, 1, (float)(1 + k * 10));
            ot_ok(pt_ref_adamw(&ot.ref, &a[0]));
            ot_ok(naive_adamw(&ot.ref, &a[1]));
            OT_RUN(&ot.cpu, adamw, &a[2]);
            ot_within("p", a[2].p, a[1].p, a[0].p);
            ot_within("m", a[2].m, a[1].m, a[0].m);
            ot_within("v", a[2].v, a[1].v, a[0].v);
            pt_adamw_args skip = adam_args(sizes[k], 0.37f, 0, 3), same = adam_args(sizes[k], 0.37f, 0, 3);
            OT_RUN(&ot.cpu, adamw, &skip);
            ot_ok(pt_ref_adamw(&ot.ref, &same));
            assert_true(ot_equal_bits(skip.p, same.p));
            assert_true(ot_equal_bits(skip.m, same.m));
            ot_free_all();
        }
    }
}

/* The first step from zero moments moves every weight by lr * sign(g) (eps aside) after the decay. */
static void test_adamw_first_step(void **state)
{
    pt_adamw_args a = adam_args(5, 1, 1, 1);
    float want[5];
    for (int i = 0; i < 5; i++) {
        ot_f32(a.m, 0)[i] = ot_f32(a.v, 0)[i] = 0;
        want[i] = ot_f32(a.p, 0)[i] * (1 - 1e-2f * 0.1f) - copysignf(1e-2f, ot_f32(a.g, 0)[i]);
    }
    OT_RUN(&ot.cpu, adamw, &a);
    for (int i = 0; i < 5; i++) assert_true(fabsf(ot_f32(a.p, 0)[i] - want[i]) < 2e-7f);
    ot_free_all();
}

static void test_sumsq(void **state)
{
    static const int64_t sizes[] = {1, 15, 17, 4096, 4097, 100000, 5000000};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        pt_view x = ot_rand(1, sizes[k], k, 1);
        double first = 0;
        for (int i = 0; ot_isa(i); i++) {
            for (int threads = 1; threads <= 3; threads++) {
                pt_view acc = ot_new(PT_F64, 1, 1, 1), want = ot_new(PT_F64, 1, 1, 1);
                *(double *)ot_at(acc) = *(double *)ot_at(want) = 2.5;
                int before = pt_threads_get();
                pt_threads_set(threads);
                OT_RUN(&ot.cpu, sumsq, (&(pt_sumsq_args){acc, x}));
                pt_threads_set(before);
                ot_ok(pt_ref_sumsq(&ot.ref, &(pt_sumsq_args){want, x}));
                double got = *(double *)ot_at(acc), w = *(double *)ot_at(want);
                assert_true(fabs(got - w) <= 1e-13 * w);
                if (i == 0 && threads == 1) first = got;
                assert_true(got == first); /* same bits for every thread count and instruction set */
            }
        }
        ot_free_all();
    }
}

static void test_clip(void **state)
{
    const pt_ops *all[] = {&pt_ops_ref, &pt_ops_cpu};
    for (int i = 0; i < 2; i++) {
        pt_ctx *ctx = i ? &ot.cpu : &ot.ref;
        pt_view s = scalars(9, 9, 4), acc = ot_new(PT_F64, 1, 1, 1);
        float *f = ot_f32(s, 0);
        *(double *)ot_at(acc) = 16;
        ot_ok(all[i]->clip(ctx, &(pt_clip_args){s, acc, 1}));
        assert_true(f[PT_SCALAR_NORM] == 4 && f[PT_SCALAR_FINITE] == 1 && f[PT_SCALAR_APPLIED] == 5 && *(double *)ot_at(acc) == 0);
        assert_true(f[PT_SCALAR_CLIP] == (float)(1 / (4 + 1e-6)));
        *(double *)ot_at(acc) = 16;
        ot_ok(all[i]->clip(ctx, &(pt_clip_args){s, acc, 0}));
        assert_true(f[PT_SCALAR_CLIP] == 1 && f[PT_SCALAR_APPLIED] == 6);
        *(double *)ot_at(acc) = 0.25;
        ot_ok(all[i]->clip(ctx, &(pt_clip_args){s, acc, 1}));
        assert_true(f[PT_SCALAR_CLIP] == 1 && f[PT_SCALAR_NORM] == 0.5f);
        double bad[2] = {INFINITY, NAN};
        for (int k = 0; k < 2; k++) {
            *(double *)ot_at(acc) = bad[k];
            ot_ok(all[i]->clip(ctx, &(pt_clip_args){s, acc, 1}));
            assert_true(f[PT_SCALAR_FINITE] == 0 && f[PT_SCALAR_APPLIED] == 7 && *(double *)ot_at(acc) == 0);
        }
        ot_free_all();
    }
}

/* Worked by hand: heads 0, 0, 1, 2; the second row aims beside the likeliest token, the last has no weight and a head without numbers. */
static void test_token_sums(void **state)
{
    const pt_ops *all[] = {&pt_ops_ref, &pt_ops_cpu};
    static const float weight[] = {1, 0.5f, 2, 0}, entropy[] = {0.25f, 3, NAN};
    static const int32_t head[] = {0, 0, 1, 2}, target[] = {7, 8, 5, 1}, argmax[] = {7, 5, 1};
    for (int i = 0; i < 2; i++) {
        pt_token_sums_args a = {.acc = ot_new(PT_F64, 1, PT_TOKEN_SUMS, PT_TOKEN_SUMS), .weight = ot_new(PT_F32, 1, 4, 4), .entropy = ot_new(PT_F32, 1, 3, 3),
                                .argmax = ot_new(PT_I32, 1, 3, 3), .row_head = ot_new(PT_I32, 1, 4, 4), .row_target = ot_new(PT_I32, 1, 4, 4)};
        double *acc = ot_at(a.acc);
        memcpy(ot_at(a.weight), weight, sizeof weight), memcpy(ot_at(a.entropy), entropy, sizeof entropy);
        memcpy(ot_at(a.argmax), argmax, sizeof argmax), memcpy(ot_at(a.row_head), head, sizeof head), memcpy(ot_at(a.row_target), target, sizeof target);
        acc[PT_TOKEN_WEIGHT] = acc[PT_TOKEN_ENTROPY] = acc[PT_TOKEN_HITS] = 10;
        ot_ok(all[i]->token_sums(i ? &ot.cpu : &ot.ref, &a));
        assert_true(acc[PT_TOKEN_WEIGHT] == 13.5 && acc[PT_TOKEN_ENTROPY] == 10 + 1.5 * 0.25 + 6 && acc[PT_TOKEN_HITS] == 13);
        a.row_target.cols = 3;
        assert_int_equal(all[i]->token_sums(i ? &ot.cpu : &ot.ref, &a), PT_ESHAPE);
        ot_free_all();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adamw), cmocka_unit_test(test_adamw_first_step), cmocka_unit_test(test_sumsq),
        cmocka_unit_test(test_clip), cmocka_unit_test(test_token_sums),
    };
    return cmocka_run_group_tests(tests, ot_begin, ot_end);
}
