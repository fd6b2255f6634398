/* Norm and rotation of heads in one op: ref by its definition and by finite differences, and against rmsnorm and rope one after the other; cpu against
 * ref, in place, and with the same bits for any number of threads. */
#include "tests/ops/op_test.h"

static const struct {
    int64_t n;
    int heads, dim, rot;
    float plus;
} sizes[] = {{1, 1, 2, 2, 0}, {5, 3, 64, 64, 1}, {70, 9, 128, 128, 0}, {33, 2, 80, 20, 0.5f}, {12, 1, 256, 128, 1}, {150, 3, 34, 34, 0}, {3, 2, 8, 0, 0}, {2, 1, 512, 64, 0}};
enum { SIZES = sizeof sizes / sizeof *sizes };

typedef struct heads_case {
    pt_view x, w, table, rstd, dy, dw;
    pt_norm_rope_args f;
    pt_norm_rope_bwd_args b;
} heads_case;

/* Everything but y and dx; dw starts at 0. */
static heads_case make(int64_t n, int heads, int dim, int rot, pt_rope_kind kind, float plus)
{
    const int64_t c = (int64_t)heads * dim;
    heads_case s = {.x = ot_rand(n, c, 1, 1), .w = ot_rand(1, dim, 2, 1), .table = ot_new(PT_F32, n, rot, rot), .rstd = ot_new(PT_F32, 1, n * heads, n * heads),
                    .dy = ot_rand(n, c, 4, 1), .dw = ot_new(PT_F32, 1, dim, dim)};
    for (int64_t r = 0; r < n; r++)
        for (int i = 0; i < rot / 2; i++) {
            double angle = (double)(r * 37 % 901) * pow(10000, -2.0 * i / rot);
            ot_f32(s.table, r)[2 * i] = (float)cos(angle), ot_f32(s.table, r)[2 * i + 1] = (float)sin(angle);
        }
    memset(ot_f32(s.dw, 0), 0, (size_t)dim * sizeof(float));
    s.f = (pt_norm_rope_args){.rstd = s.rstd, .x = s.x, .w = s.w, .table = s.table, .eps = 1e-2f, .w_add = plus, .heads = heads, .dim = dim, .rot = rot, .kind = kind};
    s.b = (pt_norm_rope_bwd_args){.dw = s.dw, .dy = s.dy, .x = s.x, .rstd = s.rstd, .w = s.w, .table = s.table, .w_add = plus, .heads = heads, .dim = dim, .rot = rot, .kind = kind};
    return s;
}

/* What the two ops of `c` give: y, and of dy dx and dw. */
static void by_two(pt_ctx *c, const heads_case *s, pt_view y, pt_view dx, pt_view dw)
{
    const int64_t rows = s->x.rows * s->f.heads;
    pt_rmsnorm_args n = {.y = pt_view_reshape(y, rows, s->f.dim), .rstd = s->rstd, .x = pt_view_reshape(s->x, rows, s->f.dim), .w = s->w, .eps = s->f.eps, .w_add = s->f.w_add};
    pt_rope_args r = {.x = y, .table = s->table, .heads = s->f.heads, .dim = s->f.dim, .rot = s->f.rot, .kind = s->f.kind};
    OT_RUN(c, rmsnorm, &n);
    OT_RUN(c, rope, &r);
    r.x = dx, r.inverse = true;
    ot_copy(dx, s->dy);
    OT_RUN(c, rope, &r);
    const pt_view d = pt_view_reshape(dx, rows, s->f.dim);
    pt_rmsnorm_bwd_args b = {.dx = d, .dw = dw, .dy = d, .h = n.x, .rstd = s->rstd, .w = s->w, .w_add = s->f.w_add};
    OT_RUN(c, rmsnorm_bwd, &b);
}

static void against_two_ops(void **state)
{
    for (int q = 0; q < 2 * SIZES; q++) {
        const int i = q / 2;
        heads_case s = make(sizes[i].n, sizes[i].heads, sizes[i].dim, sizes[i].rot, (pt_rope_kind)(q % 2), sizes[i].plus);
        pt_view y = ot_like(s.x), dx = ot_like(s.x), y2 = ot_like(s.x), dx2 = ot_like(s.x), dw2 = ot_like(s.dw), got = ot_new(PT_F32, s.x.rows, s.x.cols, s.x.cols + 5),
                dwc = ot_like(s.dw), rstd = ot_like(s.rstd);
        s.f.y = y, s.b.dx = dx;
        OT_RUN(&ot.ref, norm_rope, &s.f);
        OT_RUN(&ot.ref, norm_rope_bwd, &s.b);
        ot.ref.ops->zero(&ot.ref, dw2);
        ot_copy(rstd, s.rstd);
        by_two(&ot.ref, &s, y2, dx2, dw2);
        assert_true(ot_equal_bits(rstd, s.rstd));
        assert_true(ot_error(y2, y) < 1.5e-7 && ot_error(dx2, dx) < 2e-7 && ot_error(dw2, s.dw) < 2e-7); /* a rounding between the two */
        for (int k = 0; ot_isa(k); k++) {
            ot.ref.ops->zero(&ot.ref, dw2);
            by_two(&ot.cpu, &s, y2, dx2, dw2);
            ot_copy(rstd, s.rstd);
            ot_poison(s.rstd);
            s.f.y = got;
            OT_RUN(&ot.cpu, norm_rope, &s.f);
            assert_true(ot_equal_bits(got, y2) && ot_equal_bits(rstd, s.rstd)); /* the same work, token by token */
            ot.ref.ops->zero(&ot.ref, dwc);
            s.b.dx = got, s.b.dw = dwc;
            OT_RUN(&ot.cpu, norm_rope_bwd, &s.b);
            assert_true(ot_equal_bits(got, dx2));
            ot_within("dw", dwc, dw2, s.dw);
            s.b.dw = s.dw;
        }
        ot_free_all();
    }
}

static double objective(const heads_case *s, pt_view y)
{
    double sum = 0;
    assert_int_equal(ot.ref.ops->norm_rope(&ot.ref, &s->f), PT_OK);
    for (int64_t r = 0; r < y.rows; r++)
        for (int64_t i = 0; i < y.cols; i++) sum += (double)ot_f32(y, r)[i] * ot_f32(s->dy, r)[i];
    return sum;
}

static void ref_gradients(void **state)
{
    for (int kind = 0; kind < 2; kind++) {
        heads_case s = make(3, 2, 10, 6, (pt_rope_kind)kind, 0.5f);
        pt_view y = ot_like(s.x), dx = ot_like(s.x);
        s.f.y = y, s.b.dx = dx;
        OT_RUN(&ot.ref, norm_rope, &s.f);
        OT_RUN(&ot.ref, norm_rope_bwd, &s.b);
        const pt_view x[] = {s.x, s.w}, g[] = {dx, s.dw};
        for (int k = 0; k < 2; k++)
            for (int64_t at = 0; at < x[k].rows * x[k].cols; at++) {
                float *e = ot_f32(x[k], at / x[k].cols) + at % x[k].cols, keep = *e;
                *e = keep + 0x1p-7f;
                double up = objective(&s, y);
                *e = keep - 0x1p-7f;
                double fd = (up - objective(&s, y)) / 0x1p-6;
                *e = keep;
                assert_true(fabs(fd - ot_f32(g[k], at / x[k].cols)[at % x[k].cols]) < 1e-3);
            }
        ot_free_all();
    }
}

/* (3, 4) with eps 0.5: rstd = 1/sqrt(13); a quarter turn. */
static void by_hand(void **state)
{
    pt_ctx *both[] = {&ot.ref, &ot.cpu};
    pt_view x = ot_new(PT_F32, 1, 2, 2), w = ot_like(x), y = ot_like(x), t = ot_like(x);
    ot_f32(x, 0)[0] = 3, ot_f32(x, 0)[1] = 4;
    ot_f32(w, 0)[0] = 0, ot_f32(w, 0)[1] = 1;
    ot_f32(t, 0)[0] = 0, ot_f32(t, 0)[1] = 1;
    for (int b = 0; b < 2; b++) {
        pt_norm_rope_args a = {.y = y, .x = x, .w = w, .table = t, .eps = 0.5f, .w_add = 1, .heads = 1, .dim = 2, .rot = 2};
        OT_RUN(both[b], norm_rope, &a);
        assert_true(fabs(ot_f32(y, 0)[0] + 2.2188007849) < 3e-7 && fabs(ot_f32(y, 0)[1] - 0.8320502943) < 1e-7);
    }
    ot_free_all();
}

static void aliases_and_threads(void **state)
{
    const int before = pt_threads_get();
    pt_ctx *both[] = {&ot.ref, &ot.cpu};
    heads_case s = make(300, 5, 96, 64, PT_ROPE_HALF, 1);
    pt_view y = ot_like(s.x), dx = ot_like(s.x), work = ot_like(s.x), keep = ot_like(s.x), dw = ot_like(s.dw), x = s.x, dy = s.dy;
    for (int b = 0; b < 2; b++) {
        pt_threads_set(1);
        ot.ref.ops->zero(&ot.ref, s.dw);
        s.f.y = y, s.f.x = x, s.b.dx = dx, s.b.dy = dy, s.b.dw = s.dw, s.f.rstd = s.rstd;
        OT_RUN(both[b], norm_rope, &s.f);
        OT_RUN(both[b], norm_rope_bwd, &s.b);
        for (int k = 2; k < 5; k++) {
            pt_threads_set(k);
            ot_copy(work, x), ot_copy(keep, dy);
            ot.ref.ops->zero(&ot.ref, dw);
            s.f.y = s.f.x = work, s.f.rstd = PT_NO_VIEW, s.b.dx = s.b.dy = keep, s.b.dw = k == 4 ? PT_NO_VIEW : dw;
            OT_RUN(both[b], norm_rope, &s.f);
            OT_RUN(both[b], norm_rope_bwd, &s.b);
            assert_true(ot_equal_bits(work, y) && ot_equal_bits(keep, dx) && (k == 4 || ot_equal_bits(dw, s.dw)));
        }
    }
    pt_threads_set(before);
    ot_free_all();
}

static void refusals(void **state)
{
    pt_ctx *both[] = {&ot.ref, &ot.cpu};
    heads_case s = make(4, 2, 8, 8, PT_ROPE_HALF, 0);
    s.f.y = s.b.dx = ot_like(s.x);
    for (int b = 0; b < 2; b++) {
        pt_norm_rope_args f = s.f;
        f.rot = 7;
        OT_REFUSE(both[b], norm_rope, &f, PT_ESHAPE);
        f = s.f, f.heads = 1, f.dim = PT_NORM_ROPE_MOST + 2;
        OT_REFUSE(both[b], norm_rope, &f, PT_ESHAPE);
        f = s.f, f.heads = 3;
        OT_REFUSE(both[b], norm_rope, &f, PT_ESHAPE);
        f = s.f, f.w = pt_view_cols(s.w, 0, 7);
        OT_REFUSE(both[b], norm_rope, &f, PT_ESHAPE);
        f = s.f, f.rstd = pt_view_cols(s.rstd, 0, 4);
        OT_REFUSE(both[b], norm_rope, &f, PT_ESHAPE);
        f = s.f, f.kind = (pt_rope_kind)2;
        OT_REFUSE(both[b], norm_rope, &f, PT_EARG);
        f = s.f, f.w_add = NAN;
        OT_REFUSE(both[b], norm_rope, &f, PT_EARG);
        pt_norm_rope_bwd_args g = s.b;
        g.rstd = PT_NO_VIEW;
        OT_REFUSE(both[b], norm_rope_bwd, &g, PT_ESHAPE);
        g = s.b, g.dw = pt_view_cols(s.dw, 0, 4);
        OT_REFUSE(both[b], norm_rope_bwd, &g, PT_ESHAPE);
        g = s.b, g.table = pt_view_cols(s.table, 0, 6);
        OT_REFUSE(both[b], norm_rope_bwd, &g, PT_ESHAPE);
    }
    ot_free_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_hand), cmocka_unit_test(ref_gradients), cmocka_unit_test(against_two_ops), cmocka_unit_test(aliases_and_threads),
                                       cmocka_unit_test(refusals)};
    return cmocka_run_group_tests_name("kernels_norm_rope", tests, ot_begin, ot_end);
}
