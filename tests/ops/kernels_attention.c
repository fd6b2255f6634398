/* Attention: ref against finite differences; cpu with any number of threads; what is refused. Its figures beside ref's and those of plain loops, on every
 * backend: tests/ops/kernels_trees.cpp. */
#include "tests/ops/op_forest.h"
#include "tests/ops/op_test.h"

typedef struct problem {
    of_forest f;
    int heads, kv, dim;
    float scale, softcap;
    pt_view slopes; /* absent as a rule */
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

/* 2^-1, 2^-2, ... */
static pt_view make_slopes(int heads)
{
    pt_view v = ot_out(1, heads);
    for (int h = 0; h < heads; h++) ot_f32(v, 0)[h] = ldexpf(0.5f, -h);
    return v;
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
                               .scale = p->scale,
                               .softcap = p->softcap,
                               .slopes = p->slopes};
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
                                   .scale = p->scale,
                                   .softcap = p->softcap,
                                   .slopes = p->slopes};
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
    for (int i = 0; i < 4; i++) { /* a window, a softcap near the scores, slopes */
        problem p = {.heads = 4, .kv = 2, .dim = 6, .softcap = i >= 2 ? 1.5f : 0};
        of_batch(&p.f, 11, 3, 40, 9, i % 2 ? 7 : 0);
        make_inputs(&p, 5, 1, 1);
        if (i == 1 || i == 2) p.slopes = make_slopes(4);
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
        static const float caps[] = {-1, NAN, INFINITY};
        for (int c = 0; c < 3; c++) {
            a = forward_args(&p, &r, f);
            a.softcap = caps[c];
            OT_REFUSE(both[i], attention, &a, PT_EARG);
        }
        a = forward_args(&p, &r, f);
        a.slopes = pt_view_cols(p.q, 0, 1); /* a head's slope is missing, and many rows */
        OT_REFUSE(both[i], attention, &a, PT_ESHAPE);
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
        b = backward_args(&p, &r, &r, f);
        b.softcap = -1;
        OT_REFUSE(both[i], attention_bwd, &b, PT_EARG);
        b.softcap = 0, b.slopes = make_slopes(3);
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
        cmocka_unit_test(ref_gradients),      cmocka_unit_test(cpu_threads),
        cmocka_unit_test(no_lse_and_no_rows), cmocka_unit_test(refusals),         cmocka_unit_test(workspace_monotone),
    };
    return cmocka_run_group_tests_name("kernels_attention", tests, ot_begin, ot_end);
}
