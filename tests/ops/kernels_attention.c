/* Attention: ref against finite differences and against the rule of visibility; cpu against ref within twice the error of plain
 * f32 loops. */
#include "tests/ops/op_forest.h"
#include "tests/ops/op_test.h"

typedef struct problem {
    of_forest f;
    int heads, kv, dim;
    float scale;
    pt_view q, k, v, dout;
} problem;
typedef struct result {
    pt_view o, lse, dq, dk, dv;
} result;

static void make_inputs(problem *p, uint64_t seed, float strength, int pad)
{
    int64_t n = p->f.d.n_tokens, hd = (int64_t)p->heads * p->dim, kd = (int64_t)p->kv * p->dim;
    p->scale = 1 / sqrtf((float)p->dim);
    p->q = ot_new(PT_F32, n, hd, hd + pad);
    p->k = ot_new(PT_F32, n, kd, kd + 2 * pad);
    p->v = ot_new(PT_F32, n, kd, kd + 3 * pad);
    p->dout = ot_new(PT_F32, n, hd, hd + pad);
    ot_fill(p->q, seed, strength);
    ot_fill(p->k, seed + 1, strength);
    ot_fill(p->v, seed + 2, 1);
    ot_fill(p->dout, seed + 3, 1);
}

static result make_result(const problem *p, int pad)
{
    result r = {ot_new(PT_F32, p->q.rows, p->q.cols, p->q.cols + pad),
                ot_new(PT_F32, p->heads, p->q.rows, p->q.rows + pad),
                ot_new(PT_F32, p->q.rows, p->q.cols, p->q.cols + pad),
                ot_new(PT_F32, p->q.rows, p->k.cols, p->k.cols + pad),
                ot_new(PT_F32, p->q.rows, p->k.cols, p->k.cols + pad)};
    return r;
}

static pt_attention_args forward_args(const problem *p, const result *r, const pt_forest *f)
{
    return (pt_attention_args){.o = r->o,
                               .lse = r->lse,
                               .q = p->q,
                               .k = p->k,
                               .v = p->v,
                               .forest = f,
                               .n_heads = p->heads,
                               .n_kv = p->kv,
                               .dim = p->dim,
                               .scale = p->scale};
}

/* With o and lse of `from`. */
static pt_attention_bwd_args backward_args(const problem *p, const result *r, const result *from, const pt_forest *f)
{
    return (pt_attention_bwd_args){.dq = r->dq,
                                   .dk = r->dk,
                                   .dv = r->dv,
                                   .dout = p->dout,
                                   .o = from->o,
                                   .lse = from->lse,
                                   .q = p->q,
                                   .k = p->k,
                                   .v = p->v,
                                   .forest = f,
                                   .n_heads = p->heads,
                                   .n_kv = p->kv,
                                   .dim = p->dim,
                                   .scale = p->scale};
}

static void run(pt_ctx *ctx, const problem *p, const result *r, const result *from)
{
    pt_forest *f = of_make(ctx, &p->f);
    pt_attention_args fwd = forward_args(p, r, f);
    OT_RUN(ctx, attention, &fwd);
    pt_attention_bwd_args bwd = backward_args(p, r, from ? from : r, f);
    OT_RUN(ctx, attention_bwd, &bwd);
    ctx->ops->forest_free(ctx, f);
}

/* Plain f32 loops: the yardstick of the error budget, and an independent statement of what is visible. */
static void naive(const problem *p, const result *r, const result *from)
{
    int32_t n = p->f.d.n_tokens;
    int group = p->heads / p->kv;
    float *e = calloc((size_t)n, sizeof *e);
    for (int32_t i = 0; i < n; i++) {
        memset(ot_f32(r->dk, i), 0, (size_t)p->k.cols * 4);
        memset(ot_f32(r->dv, i), 0, (size_t)p->k.cols * 4);
    }
    for (int h = 0; h < p->heads; h++)
        for (int32_t i = 0; i < n; i++) {
            const float *q = ot_f32(p->q, i) + h * p->dim, *g = ot_f32(p->dout, i) + h * p->dim;
            float *o = ot_f32(r->o, i) + h * p->dim, *dq = ot_f32(r->dq, i) + h * p->dim, max = -INFINITY, sum = 0, delta = 0;
            int at = h / group * p->dim;
            for (int32_t j = 0; j <= i; j++) {
                e[j] = -INFINITY;
                if (!of_sees(&p->f, i, j)) continue;
                float s = 0;
                for (int d = 0; d < p->dim; d++) s += q[d] * ot_f32(p->k, j)[at + d];
                e[j] = s * p->scale;
                max = e[j] > max ? e[j] : max;
            }
            for (int32_t j = 0; j <= i; j++) sum += expf(e[j] - max);
            ot_f32(r->lse, h)[i] = max + logf(sum);
            float lse = ot_f32(from->lse, h)[i];
            for (int d = 0; d < p->dim; d++) {
                o[d] = dq[d] = 0;
                for (int32_t j = 0; j <= i; j++)
                    if (e[j] > -INFINITY) o[d] += expf(e[j] - max) / sum * ot_f32(p->v, j)[at + d];
                delta += g[d] * (ot_f32(from->o, i) + h * p->dim)[d];
            }
            for (int32_t j = 0; j <= i; j++) {
                if (e[j] == -INFINITY) continue;
                float pj = expf(e[j] - lse), dp = 0;
                for (int d = 0; d < p->dim; d++) dp += g[d] * ot_f32(p->v, j)[at + d];
                float ds = pj * (dp - delta) * p->scale;
                for (int d = 0; d < p->dim; d++) {
                    dq[d] += ds * ot_f32(p->k, j)[at + d];
                    ot_f32(r->dk, j)[at + d] += ds * q[d];
                    ot_f32(r->dv, j)[at + d] += pj * g[d];
                }
            }
        }
    free(e);
}

static bool all_zero(pt_view m)
{
    for (int64_t r = 0; r < m.rows; r++)
        for (int64_t c = 0; c < m.cols; c++)
            if (ot_f32(m, r)[c] != 0) return false;
    return true;
}

/* 6e-8: the result's own rounding, where the plain loops happen to be exact. A gradient that is zero because a softmax over one
 * key does not move is a difference of terms of size 1: there the error is absolute: 4 roundings (2.4e-7) an element, for each
 * head of the group that adds to it. */
static void within(const char *what, const problem *p, pt_view got, pt_view plain, pt_view want)
{
    char named[160];
    snprintf(named, sizeof named, "%s (%d tokens, %d segments, window %d, heads %d/%d, dim %d)", what, p->f.d.n_tokens, p->f.d.n_segs,
             p->f.d.window, p->heads, p->kv, p->dim);
    if (all_zero(want))
        ot_twice(named, ot_error(got, want), 0, 2.4e-7 * sqrt((double)(want.rows * want.cols * p->heads / p->kv)));
    else
        ot_within(named, got, plain, want);
}

static void compare(const problem *p)
{
    result want = make_result(p, 0), plain = make_result(p, 0), got = make_result(p, 5);
    run(&ot.ref, p, &want, NULL);
    naive(p, &plain, &want);
    for (int i = 0; ot_isa(i); i++) {
        run(&ot.cpu, p, &got, &want);
        within("o", p, got.o, plain.o, want.o);
        within("lse", p, got.lse, plain.lse, want.lse);
        within("dq", p, got.dq, plain.dq, want.dq);
        within("dk", p, got.dk, plain.dk, want.dk);
        within("dv", p, got.dv, plain.dv, want.dv);
    }
}

/* sum(o * dout) as a function of one input element, by central differences in double steps of f32 inputs. */
static double objective(const problem *p, const pt_forest *f, const result *r)
{
    pt_attention_args a = forward_args(p, r, f);
    double sum = 0;
    assert_int_equal(ot.ref.ops->attention(&ot.ref, &a), PT_OK);
    for (int64_t i = 0; i < r->o.rows; i++)
        for (int64_t c = 0; c < r->o.cols; c++) sum += (double)ot_f32(r->o, i)[c] * ot_f32(p->dout, i)[c];
    return sum;
}

static void check_gradient(const problem *p, const pt_forest *f, const result *r, pt_view x, pt_view dx,
                           int64_t step)
{
    result work = make_result(p, 0);
    for (int64_t at = 0; at < x.rows * x.cols; at += step) {
        float *e = ot_f32(x, at / x.cols) + at % x.cols, keep = *e, h = 0x1p-6f;
        *e = keep + h;
        double up = objective(p, f, &work), width = *e;
        *e = keep - h;
        double down = objective(p, f, &work);
        width -= *e;
        *e = keep;
        double fd = (up - down) / width, g = ot_f32(dx, at / x.cols)[at % x.cols];
        if (!(fabs(fd - g) <= 2e-3 * (1 + fabs(g))))
            fail_msg("gradient %g, finite difference %g at %lld", g, fd, (long long)at);
    }
}

static void ref_gradients(void **state)
{
    for (int window = 0; window <= 7; window += 7) {
        problem p = {.heads = 4, .kv = 2, .dim = 6};
        of_batch(&p.f, 11, 3, 40, 9, window);
        make_inputs(&p, 5, 1, 1);
        result r = make_result(&p, 0);
        run(&ot.ref, &p, &r, NULL);
        pt_forest *f = of_make(&ot.ref, &p.f);
        check_gradient(&p, f, &r, p.q, r.dq, 13);
        check_gradient(&p, f, &r, p.k, r.dk, 7);
        check_gradient(&p, f, &r, p.v, r.dv, 7);
        ot.ref.ops->forest_free(&ot.ref, f);
        ot_free_all();
    }
}

/* ref's own figures against the plain loops, which state visibility by ancestry and not by subtree ends. */
static void ref_visibility(void **state)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        problem p = {.heads = 2, .kv = 1, .dim = 4};
        of_batch(&p.f, seed, 1 + (int)seed % 4, 90, 17, seed % 2 ? 0 : 10);
        make_inputs(&p, seed, 1, 0);
        result want = make_result(&p, 0), plain = make_result(&p, 0);
        run(&ot.ref, &p, &want, NULL);
        naive(&p, &plain, &want);
        assert_true(ot_error(plain.o, want.o) < 1e-6 && ot_error(plain.lse, want.lse) < 1e-6);
        assert_true(ot_error(plain.dq, want.dq) < 1e-5 && ot_error(plain.dk, want.dk) < 1e-5 &&
                    ot_error(plain.dv, want.dv) < 1e-5);
        ot_free_all();
    }
}

static void cpu_forests(void **state)
{
    static const struct {
        int heads, kv, dim, depth, tokens, len, window;
    } cases[] = {
        {3, 1, 64, 2, 300, 90, 0},   {2, 2, 8, 1, 90, 40, 0},      {4, 2, 16, 3, 150, 30, 20}, {6, 2, 10, 4, 200, 25, 0},
        {8, 2, 80, 2, 130, 60, 0},   {8, 1, 96, 3, 120, 40, 33},   {1, 1, 128, 2, 200, 70, 0}, {2, 1, 256, 2, 90, 33, 0},
        {5, 1, 2, 4, 260, 12, 5},    {9, 3, 64, 2, 500, 120, 0},   {7, 1, 34, 4, 300, 8, 0},   {16, 1, 24, 2, 70, 20, 1},
        {3, 3, 40, 1, 400, 390, 64}, {1, 1, 64, 3, 420, 200, 100},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        problem p = {.heads = cases[c].heads, .kv = cases[c].kv, .dim = cases[c].dim};
        of_batch(&p.f, 100 + c, cases[c].depth, cases[c].tokens, cases[c].len, cases[c].window);
        make_inputs(&p, c, 1, (int)c % 4);
        compare(&p);
        ot_free_all();
    }
}

static void cpu_special_shapes(void **state)
{
    for (int c = 0; c < OF_SHAPES; c++) {
        problem p = {.heads = 3, .kv = 1, .dim = 64};
        of_shape(&p.f, c, c == 1 ? 200 : c == 2 ? 150 : 130, 131, 7, 45);
        make_inputs(&p, (uint64_t)c, 1, 0);
        compare(&p);
        ot_free_all();
    }
}

/* Logits of hundreds: the running maximum must carry them; far keys vanish without NaN. */
static void cpu_large_logits(void **state)
{
    problem p = {.heads = 2, .kv = 1, .dim = 16};
    of_batch(&p.f, 3, 3, 200, 60, 0);
    make_inputs(&p, 9, 12, 0);
    compare(&p);
    ot_free_all();
}

static void cpu_threads(void **state)
{
    int before = pt_threads_get();
    problem p = {.heads = 6, .kv = 3, .dim = 64};
    of_batch(&p.f, 21, 3, 700, 150, 0);
    make_inputs(&p, 4, 1, 0);
    result one = make_result(&p, 0), many = make_result(&p, 0);
    for (int i = 0; ot_isa(i); i++) {
        pt_threads_set(1);
        run(&ot.cpu, &p, &one, NULL);
        for (int threads = 2; threads <= 5; threads++) {
            pt_threads_set(threads);
            run(&ot.cpu, &p, &many, NULL);
            assert_true(ot_equal_bits(many.o, one.o) && ot_equal_bits(many.lse, one.lse));
            assert_true(ot_equal_bits(many.dq, one.dq) && ot_equal_bits(many.dk, one.dk) &&
                        ot_equal_bits(many.dv, one.dv));
        }
    }
    pt_threads_set(before);
    ot_free_all();
}

static void no_lse_and_no_rows(void **state)
{
    problem p = {.heads = 2, .kv = 1, .dim = 8};
    of_batch(&p.f, 3, 2, 64, 20, 0);
    make_inputs(&p, 1, 1, 0);
    result r = make_result(&p, 0), with = make_result(&p, 0);
    pt_forest *f = of_make(&ot.cpu, &p.f);
    pt_attention_args a = forward_args(&p, &with, f);
    OT_RUN(&ot.cpu, attention, &a);
    a = forward_args(&p, &r, f);
    a.lse = PT_NO_VIEW;
    OT_RUN(&ot.cpu, attention, &a);
    assert_true(ot_equal_bits(r.o, with.o));
    a.q = pt_view_rows(a.q, 0, 0);
    a.k = pt_view_rows(a.k, 0, 0);
    a.v = pt_view_rows(a.v, 0, 0);
    a.o = pt_view_rows(a.o, 0, 0);
    OT_RUN(&ot.cpu, attention, &a);
    ot.cpu.ops->forest_free(&ot.cpu, f);
    ot_free_all();
}

static void refusals(void **state)
{
    problem p = {.heads = 2, .kv = 1, .dim = 8};
    of_batch(&p.f, 3, 2, 64, 20, 0);
    make_inputs(&p, 1, 1, 0);
    result r = make_result(&p, 0);
    pt_ctx *both[] = {&ot.ref, &ot.cpu};
    for (int i = 0; i < 2; i++) {
        pt_forest *f = of_make(both[i], &p.f);
        pt_attention_args a = forward_args(&p, &r, f);
        a.n_kv = 3;
        OT_REFUSE(both[i], attention, &a, PT_ESHAPE);
        a = forward_args(&p, &r, f);
        a.scale = -1;
        OT_REFUSE(both[i], attention, &a, PT_EARG);
        a = forward_args(&p, &r, f);
        a.q = pt_view_rows(a.q, 0, a.q.rows - 8); /* the forest has more tokens */
        a.k = pt_view_rows(a.k, 0, a.q.rows);
        a.v = pt_view_rows(a.v, 0, a.q.rows);
        a.o = pt_view_rows(a.o, 0, a.q.rows);
        a.lse = pt_view_cols(a.lse, 0, a.q.rows);
        OT_REFUSE(both[i], attention, &a, PT_ESHAPE);
        pt_attention_bwd_args b = backward_args(&p, &r, &r, f);
        b.dk = PT_NO_VIEW;
        OT_REFUSE(both[i], attention_bwd, &b, PT_ESHAPE);
        both[i]->ops->forest_free(both[i], f);
    }
    ot_free_all();
}

/* The dry run's need grows with every size, so that the need at the maxima bounds every step. */
static void workspace_monotone(void **state)
{
    size_t last_fwd = 0, last_bwd = 0;
    for (int n = 1; n < 700; n += 23) {
        problem p = {.heads = 6, .kv = 2, .dim = 64};
        of_begin(&p.f, 0);
        of_add(&p.f, -1, n);
        make_inputs(&p, 1, 1, 0);
        result r = make_result(&p, 0);
        pt_attention_args a = forward_args(&p, &r, NULL);
        pt_attention_bwd_args b = backward_args(&p, &r, &r, NULL);
        ot_dry_begin(&ot.cpu);
        assert_int_equal(ot.cpu.ops->attention(&ot.cpu, &a), PT_OK);
        assert_true(ot.cpu.workspace_need >= last_fwd);
        last_fwd = ot.cpu.workspace_need;
        ot_dry_begin(&ot.cpu);
        assert_int_equal(ot.cpu.ops->attention_bwd(&ot.cpu, &b), PT_OK);
        assert_true(ot.cpu.workspace_need >= last_bwd);
        last_bwd = ot.cpu.workspace_need;
        ot.cpu.dry = false;
        ot_free_all();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ref_gradients),      cmocka_unit_test(ref_visibility),   cmocka_unit_test(cpu_forests),
        cmocka_unit_test(cpu_special_shapes), cmocka_unit_test(cpu_large_logits), cmocka_unit_test(cpu_threads),
        cmocka_unit_test(no_lse_and_no_rows), cmocka_unit_test(refusals),         cmocka_unit_test(workspace_monotone),
    };
    return cmocka_run_group_tests_name("kernels_attention", tests, ot_begin, ot_end);
}
