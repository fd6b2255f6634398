/* Rotary embedding: ref by its definition (complex rotation in double), cpu against ref, and inverse(forward) = identity. */
#include "tests/ops/op_test.h"

static const struct {
    int64_t n;
    int heads, dim, rot;
} sizes[] = {{1, 1, 2, 2},    {5, 3, 64, 64},    {70, 9, 64, 64},  {33, 2, 80, 20},
             {40, 4, 96, 96}, {12, 1, 256, 128}, {600, 3, 34, 34}, {3, 2, 8, 0}};
enum { SIZES = sizeof sizes / sizeof *sizes };

static void make_table(pt_ctx *ctx, pt_view table, float mscale)
{
    int64_t n = table.rows, half = table.cols / 2;
    pt_view pos = ot_new(PT_I32, 1, n, n), freq = ot_new(PT_F32, 1, half, half);
    for (int64_t i = 0; i < n; i++) ot_i32(pos)[i] = (int32_t)(i * 37 % 9001);
    for (int64_t i = 0; i < half; i++) ot_f32(freq, 0)[i] = powf(10000.0f, -(float)i / (float)half);
    pt_rope_table_args a = {.table = table, .positions = pos, .inv_freq = freq, .mscale = mscale};
    OT_RUN(ctx, rope_table, &a);
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < half; k++) {
            double angle = (double)ot_i32(pos)[i] * (double)ot_f32(freq, 0)[k];
            assert_true(fabs(ot_f32(table, i)[2 * k] - mscale * cos(angle)) < 1.2e-7 * mscale);
            assert_true(fabs(ot_f32(table, i)[2 * k + 1] - mscale * sin(angle)) < 1.2e-7 * mscale);
        }
}

static void tables(void **state)
{
    pt_ctx *both[] = {&ot.ref, &ot.cpu};
    for (int b = 0; b < 2; b++) {
        pt_view t = ot_new(PT_F32, 300, 64, 70), small = ot_new(PT_F32, 1, 2, 2);
        make_table(both[b], t, 1);
        make_table(both[b], small, 1.25f);
        ot_free_all();
    }
}

static void rotations(void **state)
{
    for (int s = 0; s < SIZES; s++)
        for (int kind = 0; kind < 2; kind++) {
            int heads = sizes[s].heads, dim = sizes[s].dim, rot = sizes[s].rot, half = rot / 2;
            int64_t n = sizes[s].n, c = (int64_t)heads * dim;
            pt_view x = ot_new(PT_F32, n, c, c), t = ot_new(PT_F32, n, rot, rot), y = ot_like(x), back = ot_like(x),
                   z = ot_new(PT_F32, n, c, c + 7);
            ot_fill(x, 1, 1);
            if (rot) make_table(&ot.ref, t, 1);
            ot_copy(y, x);
            pt_rope_args a = {.x = y, .table = t, .heads = heads, .dim = dim, .rot = rot, .kind = (pt_rope_kind)kind};
            OT_RUN(&ot.ref, rope, &a);
            for (int64_t r = 0; r < n; r++)
                for (int h = 0; h < heads; h++)
                    for (int i = 0; i < dim; i++) {
                        int pair = kind == PT_ROPE_HALF ? i % (half ? half : 1) : i / 2;
                        int lo = kind == PT_ROPE_HALF ? pair : 2 * pair, hi = kind == PT_ROPE_HALF ? pair + half : 2 * pair + 1;
                        const float *in = ot_f32(x, r) + h * dim;
                        double want = in[i];
                        if (i < rot) {
                            double u = in[lo], v = in[hi], cs = ot_f32(t, r)[2 * pair], sn = ot_f32(t, r)[2 * pair + 1];
                            want = i == lo ? u * cs - v * sn : u * sn + v * cs;
                        }
                        assert_true(fabs(ot_f32(y, r)[h * dim + i] - want) < 1e-6);
                    }
            for (int i = 0; ot_isa(i); i++) {
                ot_copy(z, x);
                a.x = z, a.inverse = false;
                OT_RUN(&ot.cpu, rope, &a);
                assert_true(ot_error(z, y) <= 1.2e-7); /* two products and a sum of f32: 1.5 roundings */
                a.inverse = true;
                OT_RUN(&ot.cpu, rope, &a);
                assert_true(ot_error(z, x) < 3e-7);
            }
            ot_copy(back, y);
            a.x = back, a.inverse = true;
            OT_RUN(&ot.ref, rope, &a);
            assert_true(ot_error(back, x) < 2e-7);
            ot_free_all();
        }
}

static void refusals(void **state)
{
    pt_view x = ot_new(PT_F32, 4, 16, 16), t = ot_new(PT_F32, 4, 8, 8);
    pt_ctx *both[] = {&ot.ref, &ot.cpu};
    for (int b = 0; b < 2; b++) {
        pt_rope_args a = {.x = x, .table = t, .heads = 2, .dim = 8, .rot = 7};
        OT_REFUSE(both[b], rope, &a, PT_ESHAPE);
        a.rot = 10;
        OT_REFUSE(both[b], rope, &a, PT_ESHAPE);
        a.rot = 8, a.heads = 3;
        OT_REFUSE(both[b], rope, &a, PT_ESHAPE);
        a.heads = 2, a.kind = (pt_rope_kind)2;
        OT_REFUSE(both[b], rope, &a, PT_EARG);
    }
    ot_free_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tables), cmocka_unit_test(rotations), cmocka_unit_test(refusals)};
    return cmocka_run_group_tests_name("kernels_rope", tests, ot_begin, ot_end);
}
