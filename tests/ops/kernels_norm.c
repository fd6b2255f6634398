/* RMS norm: ref against finite differences; cpu against ref within twice the error of plain f32 loops. */
#include "base/quant.h"
#include "tests/ops/op_test.h"

static int begin(void **state)
{
    return ot_begin();
}
static int finish(void **state)
{
    return ot_end();
}

static const struct {
    int64_t n, c;
} sizes[] = {{1, 1}, {3, 5}, {7, 64}, {130, 576}, {33, 1023}, {300, 96}, {2200, 8}};
enum { SIZES = sizeof sizes / sizeof *sizes };

static void budget(const char *what, const ot_mat *got, const ot_mat *plain, const ot_mat *want)
{
    double e = ot_error(got, want), most = 2 * ot_error(plain, want) + 6e-8;
    if (!(e <= most))
        fail_msg("%s of %lld x %lld: error %.3g, budget %.3g (%s)", what, (long long)want->v.rows, (long long)want->v.cols, e,
                 most, pt_cpu_isa());
}

static void plain_forward(const ot_mat *h, const ot_mat *w, const ot_mat *y, const ot_mat *rstd, float eps)
{
    for (int64_t r = 0; r < h->v.rows; r++) {
        float sum = 0;
        for (int64_t i = 0; i < h->v.cols; i++) sum += ot_f32(h, r)[i] * ot_f32(h, r)[i];
        ot_f32(rstd, 0)[r] = 1 / sqrtf(sum / (float)h->v.cols + eps);
        for (int64_t i = 0; i < h->v.cols; i++) ot_f32(y, r)[i] = ot_f32(h, r)[i] * ot_f32(rstd, 0)[r] * ot_f32(w, 0)[i];
    }
}

static void forward_cpu(void **state)
{
    for (int s = 0; s < SIZES; s++) {
        int64_t n = sizes[s].n, c = sizes[s].c;
        ot_mat x = ot_new(PT_F32, n, c, c + 3), add = ot_new(PT_F32, n, c, c), w = ot_new(PT_F32, 1, c, c);
        ot_mat y = ot_new(PT_F32, n, c, c), rstd = ot_new(PT_F32, 1, n, n), h = ot_new(PT_F32, n, c, c), yp = ot_same(&y),
               rp = ot_same(&rstd);
        ot_mat yc = ot_new(PT_F32, n, c, c + 1), rc = ot_same(&rstd), hc = ot_new(PT_F32, n, c, c + 2);
        ot_fill(&x, 1, 1);
        ot_fill(&add, 2, 3);
        ot_fill(&w, 3, 1);
        for (int with = 0; with < 2; with++) {
            pt_rmsnorm_args a = {.y = y.v, .rstd = rstd.v, .x = x.v, .w = w.v, .eps = 1e-5f};
            if (with) a.add = add.v, a.h = h.v;
            OT_RUN(&ot.ref, rmsnorm, &a);
            plain_forward(with ? &h : &x, &w, &yp, &rp, 1e-5f);
            a.y = yc.v, a.rstd = rc.v, a.h = with ? hc.v : PT_NO_VIEW;
            for (int i = 0; ot_isa(i); i++) {
                ot_poison(&yc);
                OT_RUN(&ot.cpu, rmsnorm, &a);
                budget("y", &yc, &yp, &y);
                budget("rstd", &rc, &rp, &rstd);
                if (with) assert_true(ot_worst(&hc, &h) == 0);
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
    ot_mat x = ot_new(PT_F32, n, c, c), add = ot_same(&x), w = ot_new(PT_F32, 1, c, c), y = ot_same(&x), h = ot_same(&x),
           work = ot_same(&x);
    ot_mat rstd = ot_new(PT_F32, 1, n, n), y2 = ot_same(&x), rstd2 = ot_same(&rstd);
    ot_fill(&x, 1, 1);
    ot_fill(&add, 2, 1);
    ot_fill(&w, 3, 1);
    for (int b = 0; b < 2; b++) {
        pt_rmsnorm_args a = {.y = y.v, .rstd = rstd.v, .x = x.v, .w = w.v, .eps = 1e-6f};
        OT_RUN(both[b], rmsnorm, &a);
        ot_copy(&work, &x);
        a.x = a.y = work.v;
        a.rstd = PT_NO_VIEW;
        OT_RUN(both[b], rmsnorm, &a);
        assert_true(ot_equal_bits(&work, &y));
        a = (pt_rmsnorm_args){.y = y.v, .rstd = rstd.v, .x = x.v, .add = add.v, .h = h.v, .w = w.v, .eps = 1e-6f};
        OT_RUN(both[b], rmsnorm, &a);
        for (int on_add = 0; on_add < 2; on_add++) {
            ot_copy(&work, on_add ? &add : &x);
            a = (pt_rmsnorm_args){.rstd = rstd2.v, .x = x.v, .add = add.v, .h = work.v, .w = w.v, .eps = 1e-6f};
            *(on_add ? &a.add : &a.x) = work.v;
            OT_RUN(both[b], rmsnorm, &a); /* no y */
            assert_true(ot_equal_bits(&work, &h) && ot_equal_bits(&rstd2, &rstd));
        }
        static const pt_dtype types[] = {PT_F16, PT_BF16, PT_Q8_0};
        for (int t = 0; t < 3; t++) {
            ot_mat stored = ot_new(types[t], 1, c, c), back = ot_new(PT_F32, 1, c, c);
            assert_int_equal(pt_quant_rows(types[t], ot_f32(&w, 0), 1, c, ot_row(&stored, 0)), PT_OK);
            assert_int_equal(pt_dequant_rows(types[t], ot_row(&stored, 0), 1, c, ot_f32(&back, 0)), PT_OK);
            a = (pt_rmsnorm_args){.y = y.v, .x = x.v, .w = stored.v, .eps = 1e-6f};
            OT_RUN(both[b], rmsnorm, &a);
            a.y = y2.v;
            a.w = back.v;
            OT_RUN(both[b], rmsnorm, &a);
            assert_true(ot_equal_bits(&y, &y2));
        }
    }
    ot_free_all();
}

static void backward_cpu(void **state)
{
    for (int s = 0; s < SIZES; s++) {
        int64_t n = sizes[s].n, c = sizes[s].c;
        ot_mat h = ot_new(PT_F32, n, c, c), dy = ot_new(PT_F32, n, c, c + 4), dres = ot_new(PT_F32, n, c, c),
               w = ot_new(PT_F32, 1, c, c);
        ot_mat rstd = ot_new(PT_F32, 1, n, n), start = ot_new(PT_F32, 1, c, c), y = ot_same(&h);
        ot_mat dx = ot_same(&h), dw = ot_same(&w), dxp = ot_same(&h), dwp = ot_same(&w), dxc = ot_new(PT_F32, n, c, c + 1),
               dwc = ot_same(&w);
        ot_fill(&h, 1, 1);
        ot_fill(&dy, 2, 1);
        ot_fill(&dres, 3, 1);
        ot_fill(&w, 4, 1);
        ot_fill(&start, 5, 1);
        pt_rmsnorm_args f = {.y = y.v, .rstd = rstd.v, .x = h.v, .w = w.v, .eps = 1e-5f};
        OT_RUN(&ot.ref, rmsnorm, &f);
        for (int with = 0; with < 2; with++) {
            pt_rmsnorm_bwd_args a = {
                .dx = dx.v, .dw = dw.v, .dy = dy.v, .dres = with ? dres.v : PT_NO_VIEW, .h = h.v, .rstd = rstd.v, .w = w.v};
            ot_copy(&dw, &start);
            OT_RUN(&ot.ref, rmsnorm_bwd, &a);
            ot_copy(&dwp, &start);
            for (int64_t r = 0; r < n; r++) {
                float k = ot_f32(&rstd, 0)[r], mean = 0;
                for (int64_t i = 0; i < c; i++) mean += ot_f32(&dy, r)[i] * ot_f32(&w, 0)[i] * ot_f32(&h, r)[i];
                mean /= (float)c;
                for (int64_t i = 0; i < c; i++) {
                    float x = ot_f32(&h, r)[i], g = ot_f32(&dy, r)[i];
                    ot_f32(&dwp, 0)[i] += g * x * k;
                    ot_f32(&dxp, r)[i] = k * (g * ot_f32(&w, 0)[i] - x * k * k * mean) + (with ? ot_f32(&dres, r)[i] : 0);
                }
            }
            a.dx = dxc.v, a.dw = dwc.v;
            for (int i = 0; ot_isa(i); i++) {
                ot_poison(&dxc);
                ot_copy(&dwc, &start);
                OT_RUN(&ot.cpu, rmsnorm_bwd, &a);
                if (c > 1 || with) budget("dx", &dxc, &dxp, &dx); /* c = 1: dx is the difference of equal terms, times eps */
                budget("dw", &dwc, &dwp, &dw);
            }
        }
        ot_free_all();
    }
}

static void backward_aliases_and_threads(void **state)
{
    int64_t n = 300, c = 96;
    int before = pt_threads_get();
    ot_mat h = ot_new(PT_F32, n, c, c), dy = ot_same(&h), dres = ot_same(&h), w = ot_new(PT_F32, 1, c, c),
           rstd = ot_new(PT_F32, 1, n, n);
    ot_mat dx = ot_same(&h), dw = ot_same(&w), work = ot_same(&h), dw2 = ot_same(&w);
    ot_fill(&h, 1, 1);
    ot_fill(&dy, 2, 1);
    ot_fill(&dres, 3, 1);
    ot_fill(&w, 4, 1);
    ot_fill(&rstd, 5, 1);
    pt_ctx *both[] = {&ot.ref, &ot.cpu};
    for (int b = 0; b < 2; b++) {
        pt_rmsnorm_bwd_args a = {.dx = dx.v, .dw = dw.v, .dy = dy.v, .dres = dres.v, .h = h.v, .rstd = rstd.v, .w = w.v};
        pt_threads_set(1);
        ot.cpu.ops->zero(&ot.cpu, dw.v);
        OT_RUN(both[b], rmsnorm_bwd, &a);
        for (int k = 0; k < 3; k++) {
            pt_threads_set(2 + k);
            ot.cpu.ops->zero(&ot.cpu, dw2.v);
            ot_copy(&work, k == 1 ? &dres : &dy);
            a.dx = work.v, a.dw = dw2.v;
            a.dy = k == 1 ? dy.v : work.v;
            a.dres = k == 1 ? work.v : dres.v;
            OT_RUN(both[b], rmsnorm_bwd, &a);
            assert_true(ot_equal_bits(&work, &dx) && ot_equal_bits(&dw2, &dw));
        }
        a.dw = PT_NO_VIEW;
        ot_copy(&work, &dy);
        OT_RUN(both[b], rmsnorm_bwd, &a);
        assert_true(ot_equal_bits(&work, &dx));
    }
    pt_threads_set(before);
    ot_free_all();
}

static double objective(const pt_rmsnorm_args *f, const ot_mat *y, const ot_mat *dy)
{
    double sum = 0;
    assert_int_equal(ot.ref.ops->rmsnorm(&ot.ref, f), PT_OK);
    for (int64_t r = 0; r < y->v.rows; r++)
        for (int64_t i = 0; i < y->v.cols; i++) sum += (double)ot_f32(y, r)[i] * ot_f32(dy, r)[i];
    return sum;
}

static void ref_gradients(void **state)
{
    int64_t n = 4, c = 11;
    ot_mat h = ot_new(PT_F32, n, c, c), w = ot_new(PT_F32, 1, c, c), y = ot_same(&h), rstd = ot_new(PT_F32, 1, n, n),
           dy = ot_same(&h);
    ot_mat dx = ot_same(&h), dw = ot_same(&w);
    ot_fill(&h, 1, 1);
    ot_fill(&w, 2, 1);
    ot_fill(&dy, 3, 1);
    pt_rmsnorm_args f = {.y = y.v, .rstd = rstd.v, .x = h.v, .w = w.v, .eps = 1e-2f};
    OT_RUN(&ot.ref, rmsnorm, &f);
    pt_rmsnorm_bwd_args a = {.dx = dx.v, .dw = dw.v, .dy = dy.v, .h = h.v, .rstd = rstd.v, .w = w.v};
    ot.ref.ops->zero(&ot.ref, dw.v);
    OT_RUN(&ot.ref, rmsnorm_bwd, &a);
    const ot_mat *x[] = {&h, &w}, *g[] = {&dx, &dw};
    for (int k = 0; k < 2; k++)
        for (int64_t at = 0; at < x[k]->v.rows * c; at++) {
            float *e = ot_f32(x[k], at / c) + at % c, keep = *e;
            *e = keep + 0x1p-7f;
            double up = objective(&f, &y, &dy);
            *e = keep - 0x1p-7f;
            double fd = (up - objective(&f, &y, &dy)) / 0x1p-6;
            *e = keep;
            assert_true(fabs(fd - ot_f32(g[k], at / c)[at % c]) < 1e-3);
        }
    ot_free_all();
}

/* (3, 4) with eps 0.5: mean square 12.5, rstd = 1/sqrt(13). */
static void by_hand(void **state)
{
    pt_ctx *both[] = {&ot.ref, &ot.cpu};
    ot_mat x = ot_new(PT_F32, 1, 2, 2), w = ot_same(&x), y = ot_same(&x), rstd = ot_new(PT_F32, 1, 1, 1);
    ot_f32(&x, 0)[0] = 3, ot_f32(&x, 0)[1] = 4;
    ot_f32(&w, 0)[0] = 1, ot_f32(&w, 0)[1] = -2;
    for (int b = 0; b < 2; b++) {
        pt_rmsnorm_args a = {.y = y.v, .rstd = rstd.v, .x = x.v, .w = w.v, .eps = 0.5f};
        OT_RUN(both[b], rmsnorm, &a);
        assert_true(fabs(ot_f32(&rstd, 0)[0] - 0.2773500981) < 5e-8);
        assert_true(fabs(ot_f32(&y, 0)[0] - 0.8320502943) < 1e-7 && fabs(ot_f32(&y, 0)[1] + 2.2188007849) < 3e-7);
    }
    ot_free_all();
}

static void refusals(void **state)
{
    ot_mat x = ot_new(PT_F32, 4, 8, 8), w = ot_new(PT_F32, 1, 8, 8), y = ot_same(&x), half = ot_new(PT_F16, 4, 8, 8);
    pt_ctx *both[] = {&ot.ref, &ot.cpu};
    ot_fill(&x, 1, 1);
    for (int b = 0; b < 2; b++) {
        pt_rmsnorm_args a = {.y = y.v, .x = x.v, .w = pt_view_cols(w.v, 0, 7)};
        OT_REFUSE(both[b], rmsnorm, &a, PT_ESHAPE);
        a = (pt_rmsnorm_args){.y = half.v, .x = x.v, .w = w.v};
        OT_REFUSE(both[b], rmsnorm, &a, PT_ENOSUP);
        a = (pt_rmsnorm_args){.y = y.v, .x = x.v, .add = x.v, .w = w.v}; /* add without h */
        OT_REFUSE(both[b], rmsnorm, &a, PT_ESHAPE);
        a = (pt_rmsnorm_args){.y = pt_view_rows(y.v, 0, 0), .x = pt_view_rows(x.v, 0, 0), .w = w.v};
        OT_RUN(both[b], rmsnorm, &a);
        pt_rmsnorm_bwd_args g = {.dx = y.v, .dy = x.v, .h = x.v, .w = w.v};
        OT_REFUSE(both[b], rmsnorm_bwd, &g, PT_ESHAPE);
    }
    ot_free_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_hand),      cmocka_unit_test(ref_gradients),
                                       cmocka_unit_test(forward_cpu),  cmocka_unit_test(aliases_and_options),
                                       cmocka_unit_test(backward_cpu), cmocka_unit_test(backward_aliases_and_threads),
                                       cmocka_unit_test(refusals)};
    return cmocka_run_group_tests_name("kernels_norm", tests, begin, finish);
}
