/* adamw, sumsq, clip, group sums: cpu against ref, thread counts, instruction sets, hand-worked values. */
#include "tests/ops/kernel_test.h"

#include "base/threads.h"
#include "kernels/check_linear.h"
#include "kernels/ref/ref.h"

pt_status naive_adamw(pt_ctx *ctx, const pt_adamw_args *a);
#define double float
#define pt_ref_adamw naive_adamw
#include "kernels/ref/adam_ref.c"
#undef double
#undef pt_ref_adamw

static pt_ctx ref, cpu;
static const char *const isas[] = {"base", "avx2", "avx512"};

static int setup(void **state)
{
    ref = kt_open(&pt_ops_ref, PT_COMPUTE_F32);
    cpu = kt_open(&pt_ops_cpu, PT_COMPUTE_F32);
    return 0;
}
static int teardown(void **state)
{
    pt_ops_cpu.close(&cpu);
    kt_ok(pt_cpu_isa_set(NULL));
    return 0;
}

static pt_view scalars(float clip, float finite, float applied)
{
    pt_view s = kt_poison(1, 4);
    float *f = kt_row(s, 0);
    f[PT_SCALAR_NORM] = 1, f[PT_SCALAR_CLIP] = clip, f[PT_SCALAR_FINITE] = finite, f[PT_SCALAR_APPLIED] = applied;
    return s;
}

static pt_adamw_args adam_args(int64_t n, float clip, float finite, float applied)
{
    pt_adamw_args a = {.p = kt_rand(1, n, 1, 1), .m = kt_rand(1, n, 2, 0.1f), .v = kt_rand(1, n, 3, 0.01f), .g = kt_rand(1, n, 4, 1),
                       .scalars = scalars(clip, finite, applied), .lr = 1e-2f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .weight_decay = 0.1f};
    for (int64_t i = 0; i < n; i++) kt_row(a.v, 0)[i] = fabsf(kt_row(a.v, 0)[i]);
    return a;
}

static void test_adamw(void **state)
{
    static const int64_t sizes[] = {1, 7, 33, 129, 4095, 4097, 20001};
    for (int i = 0; i < 3; i++) {
        if (pt_cpu_isa_set(isas[i]) != PT_OK) continue;
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            pt_adamw_args a[3];
            for (int j = 0; j < 3; j++) a[j] = adam_args(sizes[k], 0.37f, 1, (float)(1 + k * 10));
            kt_ok(pt_ref_adamw(&ref, &a[0]));
            kt_ok(naive_adamw(&ref, &a[1]));
            kt_run(&cpu, adamw, &a[2]);
            kt_within("p", a[2].p, a[1].p, a[0].p);
            kt_within("m", a[2].m, a[1].m, a[0].m);
            kt_within("v", a[2].v, a[1].v, a[0].v);
            pt_adamw_args skip = adam_args(sizes[k], 0.37f, 0, 3), same = adam_args(sizes[k], 0.37f, 0, 3);
            kt_run(&cpu, adamw, &skip);
            kt_ok(pt_ref_adamw(&ref, &same));
            kt_same_bits(skip.p, same.p);
            kt_same_bits(skip.m, same.m);
            kt_done();
        }
    }
}

/* The first step from zero moments moves every weight by lr * sign(g) (eps aside) after the decay. */
static void test_adamw_first_step(void **state)
{
    pt_adamw_args a = adam_args(5, 1, 1, 1);
    float want[5];
    for (int i = 0; i < 5; i++) {
        kt_row(a.m, 0)[i] = kt_row(a.v, 0)[i] = 0;
        want[i] = kt_row(a.p, 0)[i] * (1 - 1e-2f * 0.1f) - copysignf(1e-2f, kt_row(a.g, 0)[i]);
    }
    kt_run(&cpu, adamw, &a);
    for (int i = 0; i < 5; i++) assert_true(fabsf(kt_row(a.p, 0)[i] - want[i]) < 2e-7f);
    kt_done();
}

static void test_sumsq(void **state)
{
    static const int64_t sizes[] = {1, 15, 17, 4096, 4097, 100000, 5000000};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        pt_view x = kt_rand(1, sizes[k], k, 1);
        double first = 0;
        for (int i = 0; i < 3; i++) {
            if (pt_cpu_isa_set(isas[i]) != PT_OK) continue;
            for (int threads = 1; threads <= 3; threads++) {
                pt_view acc = kt_new(PT_F64, 1, 1, 1), want = kt_new(PT_F64, 1, 1, 1);
                *(double *)kt_at(acc) = *(double *)kt_at(want) = 2.5;
                int before = pt_threads_get();
                pt_threads_set(threads);
                kt_run(&cpu, sumsq, (&(pt_sumsq_args){acc, x}));
                pt_threads_set(before);
                kt_ok(pt_ref_sumsq(&ref, &(pt_sumsq_args){want, x}));
                double got = *(double *)kt_at(acc), w = *(double *)kt_at(want);
                assert_true(fabs(got - w) <= 1e-13 * w);
                if (i == 0 && threads == 1) first = got;
                assert_true(got == first); /* same bits for every thread count and instruction set */
            }
        }
        kt_done();
    }
}

static void test_clip(void **state)
{
    const pt_ops *all[] = {&pt_ops_ref, &pt_ops_cpu};
    for (int i = 0; i < 2; i++) {
        pt_ctx *ctx = i ? &cpu : &ref;
        pt_view s = scalars(9, 9, 4), acc = kt_new(PT_F64, 1, 1, 1);
        float *f = kt_row(s, 0);
        *(double *)kt_at(acc) = 16;
        kt_ok(all[i]->clip(ctx, &(pt_clip_args){s, acc, 1}));
        assert_true(f[PT_SCALAR_NORM] == 4 && f[PT_SCALAR_FINITE] == 1 && f[PT_SCALAR_APPLIED] == 5 && *(double *)kt_at(acc) == 0);
        assert_true(f[PT_SCALAR_CLIP] == (float)(1 / (4 + 1e-6)));
        *(double *)kt_at(acc) = 16;
        kt_ok(all[i]->clip(ctx, &(pt_clip_args){s, acc, 0}));
        assert_true(f[PT_SCALAR_CLIP] == 1 && f[PT_SCALAR_APPLIED] == 6);
        *(double *)kt_at(acc) = 0.25;
        kt_ok(all[i]->clip(ctx, &(pt_clip_args){s, acc, 1}));
        assert_true(f[PT_SCALAR_CLIP] == 1 && f[PT_SCALAR_NORM] == 0.5f);
        double bad[2] = {INFINITY, NAN};
        for (int k = 0; k < 2; k++) {
            *(double *)kt_at(acc) = bad[k];
            kt_ok(all[i]->clip(ctx, &(pt_clip_args){s, acc, 1}));
            assert_true(f[PT_SCALAR_FINITE] == 0 && f[PT_SCALAR_APPLIED] == 7 && *(double *)kt_at(acc) == 0);
        }
        kt_done();
    }
}

static void test_groups(void **state)
{
    int32_t start[] = {0, 3, 3, 5}, rows[] = {4, 0, 4, 1, 0};
    pt_view value = kt_rand(1, 6, 1, 1), weight = kt_rand(1, 5, 2, 1), dsum = kt_rand(1, 3, 3, 1), st = kt_i32(start, 4), rw = kt_i32(rows, 5);
    pt_view sum[2] = {kt_poison(1, 3), kt_poison(1, 3)}, dv[2] = {kt_poison(1, 6), kt_poison(1, 6)};
    kt_ok(pt_ref_group_sum(&ref, &(pt_group_sum_args){sum[0], value, st, rw, weight}));
    kt_run(&cpu, group_sum, (&(pt_group_sum_args){sum[1], value, st, rw, weight}));
    kt_ok(pt_ref_group_bcast(&ref, &(pt_group_bcast_args){dv[0], dsum, st, rw, weight}));
    kt_run(&cpu, group_bcast, (&(pt_group_bcast_args){dv[1], dsum, st, rw, weight}));
    assert_true(kt_error(sum[1], sum[0]) < 1e-7 && kt_error(dv[1], dv[0]) < 1e-7);
    const float *v = kt_row(value, 0), *w = kt_row(weight, 0), *d = kt_row(dsum, 0);
    assert_true(fabsf(kt_row(sum[1], 0)[0] - (w[0] * v[4] + w[1] * v[0] + w[2] * v[4])) < 1e-6f);
    assert_true(kt_row(sum[1], 0)[1] == 0 && kt_row(dv[1], 0)[5] == 0);
    assert_true(fabsf(kt_row(dv[1], 0)[0] - (w[1] * d[0] + w[4] * d[2])) < 1e-6f);
    assert_int_equal(pt_ops_cpu.group_sum(&cpu, &(pt_group_sum_args){sum[0], value, rw, rw, weight}), PT_ESHAPE);
    kt_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adamw), cmocka_unit_test(test_adamw_first_step), cmocka_unit_test(test_sumsq),
        cmocka_unit_test(test_clip),  cmocka_unit_test(test_groups),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
