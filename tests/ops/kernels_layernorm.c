/* Layer norm: by hand; ref against finite differences; cpu against ref within twice the error of plain f32 loops. */
#include "tests/ops/op_test.h"

static const struct {
    int64_t n, c;
} sizes[] = {{1, 1}, {3, 5}, {7, 64}, {130, 576}, {33, 1023}, {300, 96}, {2200, 8}};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* (1, 2, 3, 6) with eps 0.5: mean 3, variance 3.5, rstd 1/2, xhat (-1, -1/2, 0, 3/2). dy = (1, 0, 0, 0), w = 1: dx = 1/2 (dy - 1/4 + xhat/4). */
static void by_hand(void **state)
{
    static const float xs[] = {1, 2, 3, 6}, ws[] = {1, -2, 5, 4}, bs[] = {0.5f, 1, -1, 2}, ys[] = {-0.5f, 2, -1, 8}, dxs[] = {0.25f, -0.1875f, -0.125f, 0.0625f};
    pt_ctx *both[] = {&ot.ref, &ot.cpu};
    pt_view x = ot_out(1, 4), w = ot_out(1, 4), b = ot_out(1, 4), y = ot_out(1, 4), mean = ot_out(1, 1), rstd = ot_out(1, 1), dy = ot_out(1, 4), dw = ot_out(1, 4),
            db = ot_out(1, 4);
    for (int i = 0; i < 4; i++) ot_f32(x, 0)[i] = xs[i], ot_f32(w, 0)[i] = ws[i], ot_f32(b, 0)[i] = bs[i], ot_f32(dy, 0)[i] = i == 0;
    for (int k = 0; k < 2; k++) {
        pt_layernorm_args a = {.y = y, .mean = mean, .rstd = rstd, .x = x, .w = w, .b = b, .eps = 0.5f};
        OT_RUN(both[k], layernorm, &a);
        assert_true(ot_f32(mean, 0)[0] == 3 && fabsf(ot_f32(rstd, 0)[0] - 0.5f) < 6e-8f);
        for (int i = 0; i < 4; i++) assert_true(fabsf(ot_f32(y, 0)[i] - ys[i]) < 1e-6f);
        pt_layernorm_bwd_args g = {.dx = y, .dw = dw, .db = db, .dy = dy, .h = x, .mean = mean, .rstd = rstd};
        for (int i = 0; i < 4; i++) ot_f32(dw, 0)[i] = 10, ot_f32(db, 0)[i] = 20;
        OT_RUN(both[k], layernorm_bwd, &g);
        for (int i = 0; i < 4; i++) {
            assert_true(fabsf(ot_f32(y, 0)[i] - dxs[i]) < 1e-7f);
            assert_true(fabsf(ot_f32(dw, 0)[i] - (i ? 10 : 9)) < 1e-6f && ot_f32(db, 0)[i] == (i ? 20 : 21));
        }
    }
    ot_free_all();
}

static double objective(const pt_layernorm_args *f, pt_view y, pt_view dy)
{
    double sum = 0;
    ot_ok(ot.ref.ops->layernorm(&ot.ref, f));
    for (int64_t r = 0; r < y.rows; r++)
        for (int64_t i = 0; i < y.cols; i++) sum += (double)ot_f32(y, r)[i] * ot_f32(dy, r)[i];
    return sum;
}

static void ref_gradients(void **state)
{
    int64_t n = 4, c = 11;
    pt_view h = ot_rand(n, c, 1, 1), w = ot_rand(1, c, 2, 1), b = ot_rand(1, c, 3, 1), dy = ot_rand(n, c, 4, 1), y = ot_like(h), mean = ot_out(1, n),
            rstd = ot_out(1, n), dx = ot_like(h), dw = ot_like(w), db = ot_like(w);
    pt_view x[] = {h, w, b}, g[] = {dx, dw, db};
    for (int64_t i = 0; i < n * c; i++) ot_f32(h, 0)[i] += 2; /* a mean that counts */
    for (int with_w = 0; with_w < 2; with_w++) {
        pt_layernorm_args f = {.y = y, .mean = mean, .rstd = rstd, .x = h, .w = with_w ? w : PT_NO_VIEW, .b = b, .eps = 1e-2f};
        OT_RUN(&ot.ref, layernorm, &f);
        pt_layernorm_bwd_args a = {.dx = dx, .dw = dw, .db = db, .dy = dy, .h = h, .mean = mean, .rstd = rstd, .w = f.w};
        ot.ref.ops->zero(&ot.ref, dw);
        ot.ref.ops->zero(&ot.ref, db);
        OT_RUN(&ot.ref, layernorm_bwd, &a);
        for (int k = 0; k < 3; k++)
            for (int64_t at = 0; at < x[k].rows * c && (k != 1 || with_w); at++) {
                float *e = ot_f32(x[k], at / c) + at % c, keep = *e;
                *e = keep + 0x1p-7f;
                double up = objective(&f, y, dy);
                *e = keep - 0x1p-7f;
                double fd = (up - objective(&f, y, dy)) / 0x1p-6;
                *e = keep;
                assert_true(fabs(fd - ot_f32(g[k], at / c)[at % c]) < 1e-3);
            }
    }
    ot_free_all();
}

/* A mean of 3 and deviations of 1: what one pass over x and x^2 would lose digits of. */
static pt_view shifted(int64_t n, int64_t c, int64_t ld, uint64_t seed)
{
    pt_view v = ot_rand_ld(n, c, ld, seed, 1);
    for (int64_t r = 0; r < n; r++)
        for (int64_t i = 0; i < c; i++) ot_f32(v, r)[i] += 3;
    return v;
}

static void plain_forward(const pt_layernorm_args *a, pt_view h, pt_view y, pt_view mean, pt_view rstd)
{
    float c = (float)h.cols;
    for (int64_t r = 0; r < h.rows; r++) {
        float sum = 0, m = 0;
        for (int64_t i = 0; i < h.cols; i++) m += ot_f32(h, r)[i];
        m /= c;
        for (int64_t i = 0; i < h.cols; i++) sum += (ot_f32(h, r)[i] - m) * (ot_f32(h, r)[i] - m);
        ot_f32(mean, 0)[r] = m;
        ot_f32(rstd, 0)[r] = 1 / sqrtf(sum / c + a->eps);
        for (int64_t i = 0; i < h.cols; i++) {
            float v = (ot_f32(h, r)[i] - m) * ot_f32(rstd, 0)[r];
            ot_f32(y, r)[i] = (pt_view_ok(a->w) ? ot_f32(a->w, 0)[i] : 1) * v + (pt_view_ok(a->b) ? ot_f32(a->b, 0)[i] : 0);
        }
    }
}

static void forward_cpu(void **state)
{
    for (int s = 0; s < SIZES; s++) {
        int64_t n = sizes[s].n, c = sizes[s].c;
        pt_view x = shifted(n, c, c + 3, 1), add = ot_rand(n, c, 2, 3), w = ot_rand(1, c, 3, 1), b = ot_rand(1, c, 4, 1), h = ot_out(n, c), y = ot_out(n, c),
                mean = ot_out(1, n), rstd = ot_out(1, n), yp = ot_like(y), mp = ot_like(mean), rp = ot_like(rstd), yc = ot_new(PT_F32, n, c, c + 1),
                hc = ot_new(PT_F32, n, c, c + 2), mc = ot_like(mean), rc = ot_like(rstd);
        for (int k = 0; k < 8; k++) {
            pt_layernorm_args a = {.y = y, .mean = mean, .rstd = rstd, .x = x, .w = k & 1 ? w : PT_NO_VIEW, .b = k & 2 ? b : PT_NO_VIEW, .eps = 1e-5f};
            if (k & 4) a.add = add, a.h = h, a.add_scale = k == 4 ? 0.5f : 0;
            OT_RUN(&ot.ref, layernorm, &a);
            plain_forward(&a, k & 4 ? h : x, yp, mp, rp);
            a.y = yc, a.mean = mc, a.rstd = rc, a.h = k & 4 ? hc : PT_NO_VIEW;
            for (int i = 0; ot_isa(i); i++) {
                ot_poison(yc);
                OT_RUN(&ot.cpu, layernorm, &a);
                if (c > 1) ot_within("y", yc, yp, y); /* c = 1: b alone, and 0 without it */
                ot_within("mean", mc, mp, mean);
                ot_within("rstd", rc, rp, rstd);
                if (k & 4) assert_true(ot_worst(hc, h) == 0); /* halves are exact */
            }
        }
        ot_free_all();
    }
}

/* y on x; h on x and on add; no y, no mean, no rstd; 1 said as add_scale; and every stored type of w and b. */
static void aliases_and_options(void **state)
{
    pt_ctx *both[] = {&ot.ref, &ot.cpu};
    int64_t n = 9, c = 256;
    pt_view x = shifted(n, c, c, 1), add = ot_rand(n, c, 2, 1), w = ot_rand(1, c, 3, 1), b = ot_rand(1, c, 4, 1), y = ot_like(x), h = ot_like(x), work = ot_like(x),
            mean = ot_out(1, n), rstd = ot_out(1, n), y2 = ot_like(x), mean2 = ot_out(1, n), rstd2 = ot_out(1, n);
    for (int k = 0; k < 2; k++) {
        pt_layernorm_args a = {.y = y, .x = x, .w = w, .b = b, .eps = 1e-6f};
        OT_RUN(both[k], layernorm, &a);
        ot_copy(work, x);
        a.x = a.y = work;
        OT_RUN(both[k], layernorm, &a);
        assert_true(ot_equal_bits(work, y));
        a = (pt_layernorm_args){.y = y, .mean = mean, .rstd = rstd, .x = x, .add = add, .h = h, .w = w, .b = b, .eps = 1e-6f};
        OT_RUN(both[k], layernorm, &a);
        for (int on_add = 0; on_add < 2; on_add++) {
            ot_copy(work, on_add ? add : x);
            a = (pt_layernorm_args){.mean = mean2, .rstd = rstd2, .x = x, .add = add, .h = work, .w = w, .eps = 1e-6f, .add_scale = 1};
            *(on_add ? &a.add : &a.x) = work;
            OT_RUN(both[k], layernorm, &a); /* no y */
            assert_true(ot_equal_bits(work, h) && ot_equal_bits(mean2, mean) && ot_equal_bits(rstd2, rstd));
        }
        static const pt_dtype types[] = {PT_F16, PT_BF16, PT_Q8_0};
        for (int t = 0; t < 3; t++) {
            pt_view row[2] = {w, b}, stored[2], back[2];
            for (int p = 0; p < 2; p++) {
                stored[p] = ot_new(types[t], 1, c, c), back[p] = ot_out(1, c);
                ot_ok(pt_quant_rows(types[t], ot_f32(row[p], 0), 1, c, ot_row(stored[p], 0)));
                ot_ok(pt_dequant_rows(types[t], ot_row(stored[p], 0), 1, c, ot_f32(back[p], 0)));
            }
            a = (pt_layernorm_args){.y = y, .x = x, .w = stored[0], .b = stored[1], .eps = 1e-6f};
            OT_RUN(both[k], layernorm, &a);
            a.y = y2, a.w = back[0], a.b = back[1];
            OT_RUN(both[k], layernorm, &a);
            assert_true(ot_equal_bits(y, y2));
        }
    }
    ot_free_all();
}

static void plain_backward(const pt_layernorm_bwd_args *a, pt_view dx, pt_view dw, pt_view db)
{
    int64_t c = dx.cols;
    for (int64_t r = 0; r < dx.rows; r++) {
        float m = ot_f32(a->mean, 0)[r], k = ot_f32(a->rstd, 0)[r], plain = 0, along = 0;
        const float *g = ot_f32(a->dy, r), *h = ot_f32(a->h, r);
        for (int64_t i = 0; i < c; i++) {
            float d = pt_view_ok(a->w) ? g[i] * ot_f32(a->w, 0)[i] : g[i];
            plain += d, along += d * ((h[i] - m) * k);
        }
        plain /= (float)c, along /= (float)c;
        for (int64_t i = 0; i < c; i++) {
            float d = pt_view_ok(a->w) ? g[i] * ot_f32(a->w, 0)[i] : g[i], xhat = (h[i] - m) * k;
            ot_f32(dw, 0)[i] += g[i] * xhat;
            ot_f32(db, 0)[i] += g[i];
            ot_f32(dx, r)[i] = k * (d - plain - xhat * along) + (pt_view_ok(a->dres) ? ot_f32(a->dres, r)[i] : 0);
        }
    }
}

static void backward_cpu(void **state)
{
    for (int s = 0; s < SIZES; s++) {
        int64_t n = sizes[s].n, c = sizes[s].c;
        pt_view h = shifted(n, c, c, 1), dy = ot_rand_ld(n, c, c + 4, 2, 1), dres = ot_rand(n, c, 3, 1), w = ot_rand(1, c, 4, 1), start = ot_rand(1, c, 5, 1),
                mean = ot_out(1, n), rstd = ot_out(1, n), dx = ot_like(h), dw = ot_like(w), db = ot_like(w), dxp = ot_like(h), dwp = ot_like(w), dbp = ot_like(w),
                dxc = ot_new(PT_F32, n, c, c + 1), dwc = ot_like(w), dbc = ot_like(w);
        OT_RUN(&ot.ref, layernorm, (&(pt_layernorm_args){.mean = mean, .rstd = rstd, .x = h, .eps = 1e-5f}));
        for (int k = 0; k < 4; k++) {
            pt_layernorm_bwd_args a = {.dx = dx, .dw = dw, .db = db, .dy = dy, .dres = k & 1 ? dres : PT_NO_VIEW, .h = h, .mean = mean, .rstd = rstd,
                                       .w = k & 2 ? w : PT_NO_VIEW};
            ot_copy(dw, start), ot_copy(db, start);
            OT_RUN(&ot.ref, layernorm_bwd, &a);
            ot_copy(dwp, start), ot_copy(dbp, start);
            plain_backward(&a, dxp, dwp, dbp);
            a.dx = dxc, a.dw = dwc, a.db = dbc;
            for (int i = 0; ot_isa(i); i++) {
                ot_poison(dxc);
                ot_copy(dwc, start), ot_copy(dbc, start);
                OT_RUN(&ot.cpu, layernorm_bwd, &a);
                if (c > 1 || k & 1) ot_within("dx", dxc, dxp, dx); /* c = 1: 0 */
                ot_within("dw", dwc, dwp, dw);
                ot_within("db", dbc, dbp, db);
            }
        }
        ot_free_all();
    }
}

/* dx on dy and on dres; dw without db and the other way round; the same bits on 1, 2, 3 and 4 threads. */
static void backward_aliases_and_threads(void **state)
{
    int64_t n = 300, c = 96;
    int before = pt_threads_get();
    pt_view h = shifted(n, c, c, 1), dy = ot_rand(n, c, 2, 1), dres = ot_rand(n, c, 3, 1), w = ot_rand(1, c, 4, 1), mean = ot_rand(1, n, 5, 1), rstd = ot_rand(1, n, 6, 1),
            dx = ot_like(h), dw = ot_like(w), db = ot_like(w), work = ot_like(h), dw2 = ot_like(w), db2 = ot_like(w);
    pt_ctx *both[] = {&ot.ref, &ot.cpu};
    for (int b = 0; b < 2; b++) {
        pt_layernorm_bwd_args a = {.dx = dx, .dw = dw, .db = db, .dy = dy, .dres = dres, .h = h, .mean = mean, .rstd = rstd, .w = w};
        pt_threads_set(1);
        both[b]->ops->zero(both[b], dw), both[b]->ops->zero(both[b], db);
        OT_RUN(both[b], layernorm_bwd, &a);
        for (int k = 0; k < 3; k++) {
            pt_threads_set(2 + k);
            both[b]->ops->zero(both[b], dw2), both[b]->ops->zero(both[b], db2);
            ot_copy(work, k == 1 ? dres : dy);
            a.dx = work, a.dw = k == 2 ? PT_NO_VIEW : dw2, a.db = k == 1 ? PT_NO_VIEW : db2;
            a.dy = k == 1 ? dy : work;
            a.dres = k == 1 ? work : dres;
            OT_RUN(both[b], layernorm_bwd, &a);
            assert_true(ot_equal_bits(work, dx) && (k == 2 || ot_equal_bits(dw2, dw)) && (k == 1 || ot_equal_bits(db2, db)));
        }
    }
    pt_threads_set(before);
    ot_free_all();
}

static void refusals(void **state)
{
    pt_view x = ot_rand(4, 8, 1, 1), w = ot_out(1, 8), y = ot_like(x), half = ot_new(PT_F16, 4, 8, 8), four = ot_out(1, 4);
    pt_ctx *both[] = {&ot.ref, &ot.cpu};
    ot_fill(w, 2, 1);
    for (int b = 0; b < 2; b++) {
        pt_layernorm_args a = {.y = y, .x = x, .w = pt_view_cols(w, 0, 7)};
        OT_REFUSE(both[b], layernorm, &a, PT_ESHAPE);
        a = (pt_layernorm_args){.y = y, .x = x, .b = pt_view_cols(w, 0, 7)};
        OT_REFUSE(both[b], layernorm, &a, PT_ESHAPE);
        a = (pt_layernorm_args){.y = y, .x = x, .mean = w};
        OT_REFUSE(both[b], layernorm, &a, PT_ESHAPE);
        a = (pt_layernorm_args){.y = half, .x = x, .w = w};
        OT_REFUSE(both[b], layernorm, &a, PT_ENOSUP);
        a = (pt_layernorm_args){.y = y, .x = x, .add = x, .w = w}; /* add without h */
        OT_REFUSE(both[b], layernorm, &a, PT_ESHAPE);
        a = (pt_layernorm_args){.y = y, .x = x, .w = w, .add_scale = NAN};
        OT_REFUSE(both[b], layernorm, &a, PT_EARG);
        a = (pt_layernorm_args){.y = pt_view_rows(y, 0, 0), .x = pt_view_rows(x, 0, 0), .w = w};
        OT_RUN(both[b], layernorm, &a);
        pt_layernorm_bwd_args g = {.dx = y, .dy = x, .h = x, .rstd = four, .w = w}; /* no mean */
        OT_REFUSE(both[b], layernorm_bwd, &g, PT_ESHAPE);
        g = (pt_layernorm_bwd_args){.dx = y, .dy = x, .h = x, .mean = four, .rstd = four, .db = four};
        OT_REFUSE(both[b], layernorm_bwd, &g, PT_ESHAPE);
    }
    ot_free_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_hand),      cmocka_unit_test(ref_gradients),
                                       cmocka_unit_test(forward_cpu),  cmocka_unit_test(aliases_and_options),
                                       cmocka_unit_test(backward_cpu), cmocka_unit_test(backward_aliases_and_threads),
                                       cmocka_unit_test(refusals)};
    return cmocka_run_group_tests_name("kernels_layernorm", tests, ot_begin, ot_end);
}
