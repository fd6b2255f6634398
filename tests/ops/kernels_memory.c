/* Memory functions of the host backends, instruction set choice, bit-equal conversions in every variant, the compute measurement. */
#include "tests/ops/op_test.h"

#include "kernels/cpu/dequant_v.h"
#include "kernels/cpu/vec.h"
#include "kernels/profile.h"

static void test_transfers(void **state)
{
    const pt_ops *all[] = {&pt_ops_ref, &pt_ops_cpu};
    for (int i = 0; i < 2; i++) {
        const pt_ops *ops = all[i];
        pt_ctx ctx = ot_open(ops, PT_COMPUTE_F32);
        pt_buf buf;
        ot_ok(ops->alloc(&ctx, &buf, 1000));
        assert_true((uintptr_t)buf.base % 64 == 0 && buf.bytes == 1000);
        memset(buf.base, 0x55, 1000);
        pt_view v = {&buf, 64, PT_F32, 5, 3, 7};
        float src[15], back[15];
        for (int k = 0; k < 15; k++) src[k] = (float)k;
        ot_ok(ops->upload(&ctx, v, src));
        ot_ok(ops->sync(&ctx));
        for (int r = 0; r < 5; r++)
            for (int c = 0; c < 7; c++) {
                float f = ((float *)(void *)(buf.base + 64))[r * 7 + c];
                if (c < 3) assert_true(f == (float)(3 * r + c));
                else if (r < 4) assert_int_equal(buf.base[64 + 4 * (r * 7 + c)], 0x55);
            }
        ot_ok(ops->download(&ctx, back, v));
        assert_memory_equal(src, back, sizeof src);
        ot_ok(ops->zero(&ctx, v));
        ot_ok(ops->download(&ctx, back, v));
        for (int k = 0; k < 15; k++) assert_true(back[k] == 0);
        assert_int_equal(buf.base[64 + 12], 0x55); /* the gap */
        v.rows = 50;
        assert_int_equal(ops->zero(&ctx, v), PT_ESHAPE);
        assert_int_equal(ops->upload(&ctx, PT_NO_VIEW, src), PT_ESHAPE);
        ops->free(&ctx, &buf);
        assert_null(buf.base);
        ot_ok(ops->adopt(&ctx, &buf, src, sizeof src));
        assert_ptr_equal(buf.base, src);
        ops->free(&ctx, &buf);
        assert_int_equal(ops->alloc(&ctx, &buf, SIZE_MAX - 8), PT_ENOMEM);
        assert_null(buf.base);
        ot_ok(ops->alloc(&ctx, &buf, 0));
        ops->free(&ctx, &buf);
        ops->close(&ctx);
    }
    pt_ctx none = {0};
    assert_int_equal(pt_ops_ref.open(&none, PT_COMPUTE_BF16), PT_ENOSUP);
}

static void test_isa(void **state)
{
    const char *best = pt_cpu_isa();
    assert_int_equal(pt_cpu_isa_set("sse9"), PT_EARG);
    assert_string_equal(pt_cpu_isa(), best);
    ot_ok(pt_cpu_isa_set("base"));
    assert_string_equal(pt_cpu_isa(), "base");
    ot_ok(pt_cpu_isa_set(NULL));
    assert_string_equal(pt_cpu_isa(), best);
    for (int i = 0; i < PT_PROF_COUNT; i++) assert_true(strlen(pt_prof_name((pt_prof_op)i)) > 2);
}

/* Every variant's dequantisation equals base/quant.h bit for bit; to bf16 equals rounding that. */
static void test_dequant(void **state)
{
        for (int i = 0; ot_isa(i); i++) {
        for (int t = 0; t < PT_DTYPE_COUNT; t++) {
            pt_dtype type = (pt_dtype)t;
            if (!pt_dtype_quantised(type) && type > PT_BF16) continue;
            int64_t cols = pt_dtype_get(type)->block == 1 ? 1031 : 5 * pt_dtype_get(type)->block;
            pt_view w = ot_weight(type, 3, cols, 7, 1), want = ot_out(3, cols), got = ot_out(3, cols), low = ot_new(PT_BF16, 3, cols, cols);
            ot_ok(pt_dequant_rows(type, ot_at(w), 3, cols, ot_at(want)));
            PT_PICK(pt_vdequant)(type, ot_at(w), 3 * cols, ot_at(got));
            assert_true(ot_equal_bits(got, want));
            PT_PICK(pt_vdequant_bf16)(type, ot_at(w), 3 * cols, ot_at(low));
            for (int64_t k = 0; k < 3 * cols; k++) assert_int_equal(((uint16_t *)ot_at(low))[k], pt_f32_to_bf16(ot_f32(want, 0)[k]));
            ot_free_all();
        }
        static const uint32_t odd[] = {0x7f800001, 0xffffffff, 0x7f800000, 0xff7fffff, 0x7f7fffff, 1, 0x80000000, 0x3f808000, 0x3f818000};
        float x[9];
        uint16_t y[9];
        memcpy(x, odd, sizeof x);
        PT_PICK(pt_vto_bf16)(x, 9, y);
        for (int k = 0; k < 9; k++) assert_int_equal(y[k], pt_f32_to_bf16(x[k]));
        for (uint32_t h = 0; h < 65536; h += 32) { /* every f16 */
            uint16_t half[32];
            float f[32];
            for (uint32_t k = 0; k < 32; k++) half[k] = (uint16_t)(h + k);
            PT_PICK(pt_vdequant)(PT_F16, (uint8_t *)half, 32, f);
            for (int k = 0; k < 32; k++) {
                float g = pt_f16_to_f32(half[k]);
                assert_memory_equal(&f[k], &g, 4);
            }
        }
    }
    ot_ok(pt_cpu_isa_set(NULL));
}

/* vec.h of this build (no PT_ISA: four lanes): 2 ulp over the whole range. The wider variants are tested through the head. */
static void test_exp(void **state)
{
    double worst = 0;
    for (int i = -873000; i <= 887000; i += 37) {
        float x = (float)i * 1e-4f;
        pt_vf y = pt_vexp(pt_vset(x));
        double want = exp((double)x), ulp = ldexp(1, (int)floor(log2(want)) - 23), e = fabs((double)y[1] - want) / ulp;
        if (e > worst) worst = e;
    }
    print_message("# figure exp: %.2f ulp at most\n", worst);
    assert_true(worst <= 2);
    pt_vf y = pt_vexp((pt_vf){INFINITY, -INFINITY, NAN, 0});
    assert_true(y[0] == INFINITY && y[1] == 0 && isnan(y[2]) && y[3] == 1);
    y = pt_vexp((pt_vf){89, -88, 1e30f, -1e30f});
    assert_true(y[0] == INFINITY && y[1] == 0 && y[2] == INFINITY && y[3] == 0);
}

static void test_measure(void **state)
{
    double f32 = -1, bf16 = -1;
    ot_ok(pt_cpu_measure(&f32, &bf16));
    assert_true(f32 > 0.1 && bf16 >= 0);
    print_message("# figure GEMM: f32 %.0f GF/s, bf16 %.0f GF/s\n", f32, bf16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transfers), cmocka_unit_test(test_isa),     cmocka_unit_test(test_dequant),
        cmocka_unit_test(test_exp),       cmocka_unit_test(test_measure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
