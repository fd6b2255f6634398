/* Rows moved about: embedding of every stored type and its gradient, gather, scatter, casts, sums; numbers held between bounds. */
#include "base/quant.h"
#include "tests/ops/op_test.h"

static pt_view indices(int64_t n, int32_t below, uint64_t seed)
{
    pt_view m = ot_new(PT_I32, 1, n, n);
    for (int64_t i = 0; i < n; i++)
        ot_i32(m)[i] = (int32_t)(pt_rng_words(seed, PT_RNG_TEST, (uint64_t)i, 1).v[0] % (uint32_t)below);
    return m;
}

static void embed_types(void **state)
{
    for (int t = 0; t < PT_DTYPE_COUNT; t++) {
        bool plain = t == PT_F32 || t == PT_F16 || t == PT_BF16;
        if (!plain && !pt_dtype_quantised((pt_dtype)t)) continue;
        int64_t v = 37, c = 512, n = 70;
        size_t row = 0;
        assert_int_equal(pt_dtype_row_bytes((pt_dtype)t, (size_t)c, &row), PT_OK);
        pt_view w = ot_new((pt_dtype)t, v, c, c), f = ot_new(PT_F32, v, c, c), y = ot_new(PT_F32, n, c, c),
               z = ot_new(PT_F32, n, c, c + 3), tok = indices(n, 37, 1);
        for (int64_t i = 0; i < v * (int64_t)row; i++)
            ot_row(w, 0)[i] = (unsigned char)(pt_rng_words(3, PT_RNG_TEST, (uint64_t)i, 2).v[0] & 0x3f);
        assert_int_equal(pt_dequant_rows((pt_dtype)t, ot_row(w, 0), v, c, ot_f32(f, 0)), PT_OK);
        for (int s = 0; s < 2; s++) {
            pt_embed_args a = {.y = y, .w = w, .tokens = tok, .scale = s ? 2.5f : 1};
            OT_RUN(&ot.ref, embed, &a);
            a.y = z;
            OT_RUN(&ot.cpu, embed, &a);
            assert_true(ot_equal_bits(y, z));
            for (int64_t r = 0; r < n; r++)
                for (int64_t i = 0; i < c; i++) assert_true(ot_f32(y, r)[i] == a.scale * ot_f32(f, ot_i32(tok)[r])[i]);
        }
        ot_free_all();
    }
}

static void embed_gradient(void **state)
{
    int before = pt_threads_get();
    int64_t v = 11, c = 700, n = 90;
    pt_view dw = ot_new(PT_F32, v, c, c), start = ot_like(dw), plain = ot_like(dw), got = ot_like(dw),
           dy = ot_new(PT_F32, n, c, c + 1), tok = indices(n, 11, 5);
    ot_fill(start, 1, 1);
    ot_fill(dy, 2, 1);
    ot_copy(dw, start);
    ot_copy(plain, start);
    pt_embed_bwd_args a = {.dw = dw, .dy = dy, .tokens = tok, .scale = 1.5f};
    OT_RUN(&ot.ref, embed_bwd, &a);
    for (int64_t r = 0; r < n; r++)
        for (int64_t i = 0; i < c; i++) ot_f32(plain, ot_i32(tok)[r])[i] += 1.5f * ot_f32(dy, r)[i];
    for (int i = 0; ot_isa(i); i++)
        for (int threads = 1; threads < 4; threads++) {
            pt_threads_set(threads);
            ot_copy(got, start);
            a.dw = got;
            OT_RUN(&ot.cpu, embed_bwd, &a);
            assert_true(ot_equal_bits(got, plain)); /* in token order, whatever the thread count */
            assert_true(ot_error(got, dw) < 1e-6);
        }
    pt_threads_set(before);
    pt_ctx *both[] = {&ot.ref, &ot.cpu};
    for (int b = 0; b < 2; b++) { /* tokens 4, 5, 6 alone */
        pt_view some = ot_new(PT_F32, 3, c, c + 2);
        ot_copy(some, pt_view_rows(start, 4, 3));
        a.dw = some;
        a.first = 4;
        OT_RUN(both[b], embed_bwd, &a);
        assert_true(ot_error(some, pt_view_rows(dw, 4, 3)) < 1e-6);
    }
    ot_free_all();
}

static void gather_and_scatter(void **state)
{
    pt_ctx *both[] = {&ot.ref, &ot.cpu};
    for (int b = 0; b < 2; b++) {
        pt_view x = ot_new(PT_F32, 50, 33, 40), y = ot_new(PT_F32, 20, 33, 33), z = ot_new(PT_F32, 50, 33, 33),
               index = ot_new(PT_I32, 1, 20, 20);
        ot_fill(x, 1, 1);
        ot_fill(z, 2, 1);
        for (int i = 0; i < 20; i++) ot_i32(index)[i] = (i * 7 + 3) % 50; /* distinct */
        pt_gather_args g = {.y = y, .x = x, .index = index};
        OT_RUN(both[b], gather, &g);
        for (int i = 0; i < 20; i++) assert_memory_equal(ot_f32(y, i), ot_f32(x, ot_i32(index)[i]), 33 * 4);
        pt_view before = ot_like(z);
        ot_copy(before, z);
        pt_gather_args s = {.y = z, .x = y, .index = index};
        OT_RUN(both[b], scatter_add, &s);
        for (int r = 0; r < 50; r++)
            for (int i = 0; i < 33; i++) {
                float want = ot_f32(before, r)[i];
                for (int k = 0; k < 20; k++)
                    if (ot_i32(index)[k] == r) want += ot_f32(y, k)[i];
                assert_true(ot_f32(z, r)[i] == want);
            }
        ot_i32(index)[4] = 50;
        OT_REFUSE(both[b], gather, &g, PT_ESHAPE);
        OT_REFUSE(both[b], scatter_add, &s, PT_ESHAPE);
        ot_i32(index)[4] = -1;
        OT_REFUSE(both[b], gather, &g, PT_ESHAPE);
        pt_embed_args e = {.y = y, .w = x, .tokens = index, .scale = 1};
        OT_REFUSE(both[b], embed, &e, PT_ESHAPE);
        pt_embed_bwd_args eb = {.dw = z, .dy = y, .tokens = index, .scale = 1};
        OT_REFUSE(both[b], embed_bwd, &eb, PT_ESHAPE);
        ot_free_all();
    }
}

static void casts(void **state)
{
    static const pt_dtype types[] = {PT_F32, PT_F16, PT_BF16};
    pt_view x = ot_new(PT_F32, 7, 91, 95);
    ot_fill(x, 1, 100);
    for (int from = 0; from < 3; from++)
        for (int to = 0; to < 3; to++) {
            pt_view a = ot_new(types[from], 7, 91, 92), y = ot_new(types[to], 7, 91, 97), z = ot_new(types[to], 7, 91, 91);
            pt_cast_args make = {.y = a, .x = x}, c = {.y = y, .x = a};
            OT_RUN(&ot.ref, cast, &make);
            OT_RUN(&ot.ref, cast, &c);
            c.y = z;
            OT_RUN(&ot.cpu, cast, &c);
            assert_true(ot_equal_bits(y, z));
            for (int r = 0; r < 7; r++)
                for (int i = 0; i < 91; i++) { /* no further from x than the two roundings allow */
                    float got = types[to] == PT_F32   ? ot_f32(y, r)[i]
                                : types[to] == PT_F16 ? pt_f16_to_f32(((uint16_t *)(void *)ot_row(y, r))[i])
                                                      : pt_bf16_to_f32(((uint16_t *)(void *)ot_row(y, r))[i]);
                    float slack = from == 2 || to == 2 ? 1 / 200.0f : from == 1 || to == 1 ? 1 / 1800.0f : 0;
                    assert_true(fabsf(got - ot_f32(x, r)[i]) <= slack * fabsf(ot_f32(x, r)[i]));
                }
        }
    pt_view ints = ot_new(PT_I32, 7, 91, 91);
    pt_cast_args bad = {.y = ints, .x = x};
    OT_REFUSE(&ot.cpu, cast, &bad, PT_ENOSUP);
    OT_REFUSE(&ot.ref, cast, &bad, PT_ENOSUP);
    ot_free_all();
}

static void sums(void **state)
{
    pt_view x = ot_new(PT_F32, 3, 9001, 9004), y = ot_new(PT_F32, 3, 9001, 9001), start = ot_like(y), z = ot_like(y);
    ot_fill(x, 1, 1);
    ot_fill(start, 2, 1);
    static const float ab[][2] = {{1, 1}, {0.5f, -2}, {3, 0}};
    for (int k = 0; k < 3; k++) {
        pt_axpby_args a = {.y = y, .x = x, .alpha = ab[k][0], .beta = ab[k][1]};
        if (ab[k][1] != 0)
            ot_copy(y, start);
        else
            ot_poison(y); /* beta 0 never reads */
        OT_RUN(&ot.ref, axpby, &a);
        for (int i = 0; ot_isa(i); i++) {
            if (ab[k][1] != 0)
                ot_copy(z, start);
            else
                ot_poison(z);
            a.y = z;
            OT_RUN(&ot.cpu, axpby, &a);
            assert_true(ot_error(z, y) < 1.2e-7);
        }
    }
    ot_free_all();
}

/* Against torch's rule and, away from +-limit, finite differences; every instruction set; in place; backward from what came out as from what went in. */
static void clamps(void **state)
{
    const float limit = 0.75f, step = 1.0f / 1024;
    pt_view x = ot_new(PT_F32, 5, 333, 337), y = ot_new(PT_F32, 5, 333, 333), z = ot_like(y), dy = ot_like(y), dx = ot_like(y);
    pt_ctx *both[] = {&ot.ref, &ot.cpu};
    ot_fill(x, 1, 1);
    ot_fill(dy, 2, 1);
    ot_f32(x, 2)[1] = NAN, ot_f32(x, 2)[2] = INFINITY, ot_f32(x, 2)[3] = -INFINITY, ot_f32(x, 2)[4] = limit, ot_f32(x, 2)[5] = -limit;
    for (int v = 0; ot_isa(v); v++)
        for (int b = 0; b < 2; b++) {
            int held = 0;
            ot_poison(y);
            OT_RUN(both[b], clamp, &((pt_clamp_args){.y = y, .x = x, .limit = limit}));
            OT_RUN(both[b], clamp_bwd, &((pt_clamp_bwd_args){.dx = dx, .dy = dy, .x = x, .limit = limit}));
            for (int r = 0; r < 5; r++)
                for (int i = 0; i < 333; i++) {
                    float at = ot_f32(x, r)[i], want = at > limit ? limit : at < -limit ? -limit : at, d = ot_f32(dy, r)[i];
                    assert_true(isnan(at) ? isnan(ot_f32(y, r)[i]) : ot_f32(y, r)[i] == want);
                    assert_true(isnan(at) || ot_f32(dx, r)[i] == (want == at && fabsf(at) != limit ? d : 0));
                    held += want != at;
                }
            assert_in_range(held, 50, 5 * 333 - 50);
            for (int side = -1; side < 2; side += 2) { /* the slope: dx is dy times (y(x + step) - y(x - step)) / (2 step) */
                ot_copy(z, x);
                for (int r = 0; r < 5; r++)
                    for (int i = 0; i < 333; i++) ot_f32(z, r)[i] += (float)side * step;
                OT_RUN(both[b], clamp, &((pt_clamp_args){.y = z, .x = z, .limit = limit}));
                for (int r = 0; r < 5; r++)
                    for (int i = 0; i < 333; i++) {
                        float at = ot_f32(x, r)[i], slope = (ot_f32(z, r)[i] - ot_f32(y, r)[i]) / ((float)side * step);
                        if (isnan(at) || fabsf(fabsf(at) - limit) <= step) continue;
                        assert_true(fabsf(ot_f32(dx, r)[i] - slope * ot_f32(dy, r)[i]) <= 1e-3f);
                    }
            }
            ot_f32(y, 2)[1] = ot_f32(x, 2)[1] = 0;
            ot_copy(z, dy);
            OT_RUN(both[b], clamp_bwd, &((pt_clamp_bwd_args){.dx = z, .dy = z, .x = y, .limit = limit}));
            OT_RUN(both[b], clamp_bwd, &((pt_clamp_bwd_args){.dx = dx, .dy = dy, .x = x, .limit = limit}));
            assert_true(ot_equal_bits(z, dx));
            ot_f32(x, 2)[1] = NAN;
            OT_REFUSE(both[b], clamp, &((pt_clamp_args){.y = y, .x = x}), PT_EARG);
            OT_REFUSE(both[b], clamp_bwd, &((pt_clamp_bwd_args){.dx = dx, .dy = dy, .x = x, .limit = INFINITY}), PT_EARG);
        }
    ot_free_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(embed_types), cmocka_unit_test(embed_gradient),
                                       cmocka_unit_test(gather_and_scatter), cmocka_unit_test(casts), cmocka_unit_test(sums), cmocka_unit_test(clamps)};
    return cmocka_run_group_tests_name("kernels_move", tests, ot_begin, ot_end);
}
