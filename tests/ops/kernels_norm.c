/* RMS norm: ref against finite differences; cpu against ref within twice the error of plain f32 loops. */
#include "base/quant.h"
#include "tests/ops/op_test.h"

static const struct {
    int64_t n, c;
} sizes[] = {{1, 1}, {3, 5}, {7, 64}, {130, 576}, {33, 1023}, {300, 96}, {2200, 8}};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* With the weights as stored, w + 1 (Gemma), 1. */
static const struct {
    bool w;
    float w_add;
} kinds[] = {{true, 0}, {true, 1}, {false, 0}};
enum { KINDS = sizeof kinds / sizeof *kinds };
static float weight(int kind, pt_view w, int64_t i)
{
    return (kinds[kind].w ? ot_f32(w, 0)[i] : 1) + kinds[kind].w_add;
}

static void plain_forward(pt_view h, pt_view w, int kind, pt_view y, pt_view rstd, float eps)
{
    for (int64_t r = 0; r < h.rows; r++) {
        float sum = 0;
        for (int64_t i = 0; i < h.cols; i++) sum += ot_f32(h, r)[i] * ot_f32(h, r)[i];
        ot_f32(rstd, 0)[r] = 1 / sqrtf(sum / (float)h.cols + eps);
        for (int64_t i = 0; i < h.cols; i++) ot_f32(y, r)[i] = ot_f32(h, r)[i] * ot_f32(rstd, 0)[r] * weight(kind, w, i);
    }
}

static void forward_cpu(void **state)
{
    for (int s = 0; s < SIZES; s++) {
        int64_t n = sizes[s].n, c = sizes[s].c;
        pt_view x = ot_new(PT_F32, n, c, c + 3), add = ot_new(PT_F32, n, c, c), w = ot_new(PT_F32, 1, c, c);
        pt_view y = ot_new(PT_F32, n, c, c), rstd = ot_new(PT_F32, 1, n, n), h = ot_new(PT_F32, n, c, c), yp = ot_like(y),
               rp = ot_like(rstd);
        pt_view yc = ot_new(PT_F32, n, c, c + 1), rc = ot_like(rstd), hc = ot_new(PT_F32, n, c, c + 2);
        ot_fill(x, 1, 1);
        ot_fill(add, 2, 3);
        ot_fill(w, 3, 1);
        for (int k = 0; k < 2 * KINDS; k++) {
            int with = k % 2, kind = k / 2;
            pt_rmsnorm_args a = {.y = y, .rstd = rstd, .x = x, .w = kinds[kind].w ? w : PT_NO_VIEW, .eps = 1e-5f, .w_add = kinds[kind].w_add};
            if (with) a.add = add, a.h = h;
            OT_RUN(&ot.ref, rmsnorm, &a);
            plain_forward(with ? h : x, w, kind, yp, rp, 1e-5f);
            a.y = yc, a.rstd = rc, a.h = with ? hc : PT_NO_VIEW;
            for (int i = 0; ot_isa(i); i++) {
                ot_poison(yc);
                OT_RUN(&ot.cpu, rmsnorm, &a);
                ot_within("y", yc, yp, y);
                ot_within("rstd", rc, rp, rstd);
                if (with) assert_true(ot_worst(hc, h) == 0);
            }
        }
        ot_free_all();
    }
}

/* y on x; h on x and on add; no y; no rstd; and every stored type of w. */
static void aliases_and_options(void **state)
{
    pt_ctx *both[] = {&ot.ref, &ot.cpu};
    int64_t n = 9, c = 256;
    pt_view x = ot_new(PT_F32, n, c, c), add = ot_like(x), w = ot_new(PT_F32, 1, c, c), y = ot_like(x), h = ot_like(x),
           work = ot_like(x);
    pt_view rstd = ot_new(PT_F32, 1, n, n), y2 = ot_like(x), rstd2 = ot_like(rstd);
    ot_fill(x, 1, 1);
    ot_fill(add, 2, 1);
    ot_fill(w, 3, 1);
    for (int b = 0; b < 2; b++) {
        pt_rmsnorm_args a = {.y = y, .rstd = rstd, .x = x, .w = w, .eps = 1e-6f};
        OT_RUN(both[b], rmsnorm, &a);
        ot_copy(work, x);
        a.x = a.y = work;
        a.rstd = PT_NO_VIEW;
        OT_RUN(both[b], rmsnorm, &a);
        assert_true(ot_equal_bits(work, y));
        a = (pt_rmsnorm_args){.y = y, .rstd = rstd, .x = x, .add = add, .h = h, .w = w, .eps = 1e-6f};
        OT_RUN(both[b], rmsnorm, &a);
        for (int on_add = 0; on_add < 2; on_add++) {
            ot_copy(work, on_add ? add : x);
            a = (pt_rmsnorm_args){.rstd = rstd2, .x = x, .add = add, .h = work, .w = w, .eps = 1e-6f};
            *(on_add ? &a.add : &a.x) = work;
            OT_RUN(both[b], rmsnorm, &a); /* no y */
            assert_true(ot_equal_bits(work, h) && ot_equal_bits(rstd2, rstd));
        }
        static const pt_dtype types[] = {PT_F16, PT_BF16, PT_Q8_0};
        for (int t = 0; t < 3; t++) {
            pt_view stored = ot_new(types[t], 1, c, c), back = ot_new(PT_F32, 1, c, c);
            assert_int_equal(pt_quant_rows(types[t], ot_f32(w, 0), 1, c, ot_row(stored, 0)), PT_OK);
            assert_int_equal(pt_dequant_rows(types[t], ot_row(stored, 0), 1, c, ot_f32(back, 0)), PT_OK);
            a = (pt_rmsnorm_args){.y = y, .x = x, .w = stored, .eps = 1e-6f};
            OT_RUN(both[b], rmsnorm, &a);
            a.y = y2;
            a.w = back;
            OT_RUN(both[b], rmsnorm, &a);
            assert_true(ot_equal_bits(y, y2));
        }
    }
    ot_free_all();
}

static void backward_cpu(void **state)
{
    for (int s = 0; s < SIZES; s++) {
        int64_t n = sizes[s].n, c = sizes[s].c;
        pt_view h = ot_new(PT_F32, n, c, c), dy = ot_new(PT_F32, n, c, c + 4), dres = ot_new(PT_F32, n, c, c),
               w = ot_new(PT_F32, 1, c, c);
        pt_view rstd = ot_new(PT_F32, 1, n, n), start = ot_new(PT_F32, 1, c, c), y = ot_like(h);
        pt_view dx = ot_like(h), dw = ot_like(w), dxp = ot_like(h), dwp = ot_like(w), dxc = ot_new(PT_F32, n, c, c + 1),
               dwc = ot_like(w);
        ot_fill(h, 1, 1);
        ot_fill(dy, 2, 1);
        ot_fill(dres, 3, 1);
        ot_fill(w, 4, 1);
        ot_fill(start, 5, 1);
        pt_rmsnorm_args f = {.y = y, .rstd = rstd, .x = h, .w = w, .eps = 1e-5f};
        OT_RUN(&ot.ref, rmsnorm, &f);
        for (int q = 0; q < 2 * KINDS; q++) {
            int with = q % 2, kind = q / 2;
            pt_rmsnorm_bwd_args a = {.dx = dx, .dw = dw, .dy = dy, .dres = with ? dres : PT_NO_VIEW, .h = h, .rstd = rstd,
                                     .w = kinds[kind].w ? w : PT_NO_VIEW, .w_add = kinds[kind].w_add};
            ot_copy(dw, start);
            OT_RUN(&ot.ref, rmsnorm_bwd, &a);
            ot_copy(dwp, start);
            for (int64_t r = 0; r < n; r++) {
                float k = ot_f32(rstd, 0)[r], mean = 0;
                for (int64_t i = 0; i < c; i++) mean += ot_f32(dy, r)[i] * weight(kind, w, i) * ot_f32(h, r)[i];
                mean /= (float)c;
                for (int64_t i = 0; i < c; i++) {
                    float x = ot_f32(h, r)[i], g = ot_f32(dy, r)[i];
                    ot_f32(dwp, 0)[i] += g * x * k;
                    ot_f32(dxp, r)[i] = k * (g * weight(kind, w, i) - x * k * k * mean) + (with ? ot_f32(dres, r)[i] : 0);
                }
            }
            a.dx = dxc, a.dw = dwc;
            for (int i = 0; ot_isa(i); i++) {
                ot_poison(dxc);
                ot_copy(dwc, start);
                OT_RUN(&ot.cpu, rmsnorm_bwd, &a);
                if (c > 1 || with) ot_within("dx", dxc, dxp, dx); /* c = 1: dx is the difference of equal terms, times eps */
                ot_within("dw", dwc, dwp, dw);
            }
        }
        ot_free_all();
    }
}

static void backward_aliases_and_threads(void **state)
{
    int64_t n = 300, c = 96;
    int before = pt_threads_get();
    pt_view h = ot_new(PT_F32, n, c, c), dy = ot_like(h), dres = ot_like(h), w = ot_new(PT_F32, 1, c, c),
           rstd = ot_new(PT_F32, 1, n, n);
    pt_view dx = ot_like(h), dw = ot_like(w), work = ot_like(h), dw2 = ot_like(w);
    ot_fill(h, 1, 1);
    ot_fill(dy, 2, 1);
    ot_fill(dres, 3, 1);
    ot_fill(w, 4, 1);
    ot_fill(rstd, 5, 1);
    pt_ctx *both[] = {&ot.ref, &ot.cpu};
    for (int b = 0; b < 2; b++) {
        pt_rmsnorm_bwd_args a = {.dx = dx, .dw = dw, .dy = dy, .dres = dres, .h = h, .rstd = rstd, .w = w};
        pt_threads_set(1);
        ot.cpu.ops->zero(&ot.cpu, dw);
        OT_RUN(both[b], rmsnorm_bwd, &a);
        for (int k = 0; k < 3; k++) {
            pt_threads_set(2 + k);
            ot.cpu.ops->zero(&ot.cpu, dw2);
            ot_copy(work, k == 1 ? dres : dy);
            a.dx = work, a.dw = dw2;
            a.dy = k == 1 ? dy : work;
            a.dres = k == 1 ? work : dres;
            OT_RUN(both[b], rmsnorm_bwd, &a);
            assert_true(ot_equal_bits(work, dx) && ot_equal_bits(dw2, dw));
        }
        a.dw = PT_NO_VIEW;
        ot_copy(work, dy);
        OT_RUN(both[b], rmsnorm_bwd, &a);
        assert_true(ot_equal_bits(work, dx));
    }
    pt_threads_set(before);
    ot_free_all();
}

static double objective(const pt_rmsnorm_args *f, pt_view y, pt_view dy)
{
    double sum = 0;
    assert_int_equal(ot.ref.ops->rmsnorm(&ot.ref, f), PT_OK);
    for (int64_t r = 0; r < y.rows; r++)
        for (int64_t i = 0; i < y.cols; i++) sum += (double)ot_f32(y, r)[i] * ot_f32(dy, r)[i];
    return sum;
}

static void gradients_of(int kind)
{
    int64_t n = 4, c = 11;
    pt_view h = ot_new(PT_F32, n, c, c), w = ot_new(PT_F32, 1, c, c), y = ot_like(h), rstd = ot_new(PT_F32, 1, n, n),
           dy = ot_like(h);
    pt_view dx = ot_like(h), dw = ot_like(w);
    ot_fill(h, 1, 1);
    ot_fill(w, 2, 1);
    ot_fill(dy, 3, 1);
    pt_rmsnorm_args f = {.y = y, .rstd = rstd, .x = h, .w = kinds[kind].w ? w : PT_NO_VIEW, .eps = 1e-2f, .w_add = kinds[kind].w_add};
    OT_RUN(&ot.ref, rmsnorm, &f);
    pt_rmsnorm_bwd_args a = {.dx = dx, .dw = dw, .dy = dy, .h = h, .rstd = rstd, .w = f.w, .w_add = f.w_add};
    ot.ref.ops->zero(&ot.ref, dw);
    OT_RUN(&ot.ref, rmsnorm_bwd, &a);
    pt_view x[] = {h, w}, g[] = {dx, dw};
    for (int k = 0; k < (kinds[kind].w ? 2 : 1); k++)
        for (int64_t at = 0; at < x[k].rows * c; at++) {
            float *e = ot_f32(x[k], at / c) + at % c, keep = *e;
            *e = keep + 0x1p-7f;
            double up = objective(&f, y, dy);
            *e = keep - 0x1p-7f;
            double fd = (up - objective(&f, y, dy)) / 0x1p-6;
            *e = keep;
            assert_true(fabs(fd - ot_f32(g[k], at / c)[at % c]) < 1e-3);
        }
    ot_free_all();
}

static void ref_gradients(void **state)
{
    for (int kind = 0; kind < KINDS; kind++) gradients_of(kind);
}

/* What the arguments say in other words, bit for bit: w absent is a row of ones, w_add the row with it added, add_scale the branch with it
 * multiplied (by a power of two, so that nothing is rounded), 1 and 0 the same. */
static void other_words(void **state)
{
    pt_ctx *both[] = {&ot.ref, &ot.cpu};
    int64_t n = 37, c = 72;
    pt_view x = ot_rand(n, c, 1, 1), add = ot_rand(n, c, 2, 1), w = ot_rand(1, c, 3, 1);
    for (int64_t i = 0; i < c; i++) ot_f32(w, 0)[i] = roundf(64 * ot_f32(w, 0)[i]) / 64; /* so that w + 1 is exact, in ref's double too */
    pt_view row = ot_like(w), scaled = ot_like(add), rstd = ot_rand(1, n, 4, 1);
    pt_view y = ot_like(x), h = ot_like(x), y2 = ot_like(x), h2 = ot_like(x);
    for (int64_t i = 0; i < n * c; i++) ot_f32(scaled, 0)[i] = 0.25f * ot_f32(add, 0)[i];
    for (int b = 0; b < 2; b++) {
        for (int k = 0; k < 2; k++) { /* w_add 1; w absent */
            for (int64_t i = 0; i < c; i++) ot_f32(row, 0)[i] = k ? 1 : ot_f32(w, 0)[i] + 1;
            pt_rmsnorm_args a = {.y = y, .x = x, .w = row, .eps = 1e-5f};
            OT_RUN(both[b], rmsnorm, &a);
            a.y = y2, a.w = k ? PT_NO_VIEW : w, a.w_add = k ? 0 : 1;
            OT_RUN(both[b], rmsnorm, &a);
            assert_true(ot_equal_bits(y, y2));
            pt_rmsnorm_bwd_args g = {.dx = y, .dy = add, .h = x, .rstd = rstd, .w = row};
            OT_RUN(both[b], rmsnorm_bwd, &g);
            g.dx = y2, g.w = a.w, g.w_add = a.w_add;
            OT_RUN(both[b], rmsnorm_bwd, &g);
            assert_true(ot_equal_bits(y, y2));
        }
        for (int k = 0; k < 2; k++) { /* add_scale 0.25; 1 */
            pt_rmsnorm_args a = {.y = y, .x = x, .add = k ? add : scaled, .h = h, .w = w, .eps = 1e-5f};
            OT_RUN(both[b], rmsnorm, &a);
            a.y = y2, a.h = h2, a.add = add, a.add_scale = k ? 1 : 0.25f;
            OT_RUN(both[b], rmsnorm, &a);
            assert_true(ot_equal_bits(y, y2) && ot_equal_bits(h, h2));
        }
    }
    ot_free_all();
}

/* (3, 4) with eps 0.5: mean square 12.5, rstd = 1/sqrt(13). */
static void by_hand(void **state)
{
    pt_ctx *both[] = {&ot.ref, &ot.cpu};
    pt_view x = ot_new(PT_F32, 1, 2, 2), w = ot_like(x), y = ot_like(x), rstd = ot_new(PT_F32, 1, 1, 1);
    ot_f32(x, 0)[0] = 3, ot_f32(x, 0)[1] = 4;
    ot_f32(w, 0)[0] = 1, ot_f32(w, 0)[1] = -2;
    for (int b = 0; b < 2; b++) {
        pt_rmsnorm_args a = {.y = y, .rstd = rstd, .x = x, .w = w, .eps = 0.5f};
        OT_RUN(both[b], rmsnorm, &a);
        assert_true(fabs(ot_f32(rstd, 0)[0] - 0.2773500981) < 5e-8);
        assert_true(fabs(ot_f32(y, 0)[0] - 0.8320502943) < 1e-7 && fabs(ot_f32(y, 0)[1] + 2.2188007849) < 3e-7);
    }
    ot_free_all();
}

static void refusals(void **state)
{
    pt_view x = ot_new(PT_F32, 4, 8, 8), w = ot_new(PT_F32, 1, 8, 8), y = ot_like(x), half = ot_new(PT_F16, 4, 8, 8);
    pt_ctx *both[] = {&ot.ref, &ot.cpu};
    ot_fill(x, 1, 1);
    for (int b = 0; b < 2; b++) {
        pt_rmsnorm_args a = {.y = y, .x = x, .w = pt_view_cols(w, 0, 7)};
        OT_REFUSE(both[b], rmsnorm, &a, PT_ESHAPE);
        a = (pt_rmsnorm_args){.y = half, .x = x, .w = w};
        OT_REFUSE(both[b], rmsnorm, &a, PT_ENOSUP);
        a = (pt_rmsnorm_args){.y = y, .x = x, .add = x, .w = w}; /* add without h */
        OT_REFUSE(both[b], rmsnorm, &a, PT_ESHAPE);
        a = (pt_rmsnorm_args){.y = y, .x = x, .w_add = 1}; /* added to what is not there */
        OT_REFUSE(both[b], rmsnorm, &a, PT_EARG);
        a = (pt_rmsnorm_args){.y = y, .x = x, .w = w, .w_add = NAN};
        OT_REFUSE(both[b], rmsnorm, &a, PT_EARG);
        a = (pt_rmsnorm_args){.y = y, .x = x, .w = w, .add_scale = INFINITY};
        OT_REFUSE(both[b], rmsnorm, &a, PT_EARG);
        a = (pt_rmsnorm_args){.y = pt_view_rows(y, 0, 0), .x = pt_view_rows(x, 0, 0), .w = w};
        OT_RUN(both[b], rmsnorm, &a);
        pt_rmsnorm_bwd_args g = {.dx = y, .dy = x, .h = x, .w = w};
        OT_REFUSE(both[b], rmsnorm_bwd, &g, PT_ESHAPE);
        g = (pt_rmsnorm_bwd_args){.dx = y, .dy = x, .h = x, .rstd = pt_view_cols(pt_view_reshape(x, 1, 32), 0, 4), .w_add = 1};
        OT_REFUSE(both[b], rmsnorm_bwd, &g, PT_EARG);
    }
    ot_free_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_hand),      cmocka_unit_test(ref_gradients), cmocka_unit_test(other_words),
                                       cmocka_unit_test(forward_cpu),  cmocka_unit_test(aliases_and_options),
                                       cmocka_unit_test(backward_cpu), cmocka_unit_test(backward_aliases_and_threads),
                                       cmocka_unit_test(refusals)};
    return cmocka_run_group_tests_name("kernels_norm", tests, ot_begin, ot_end);
}
