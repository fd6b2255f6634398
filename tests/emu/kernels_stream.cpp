/* Norm, rope, mlp, moves, reductions, AdamW and group losses on the emulated device against ref. */
#include "kernels_op.h"
extern "C" {
#include "kernels/cuda/ops_cuda.h"
}
#include "objective_list.h"

static const pt_dtype acts[] = {PT_BF16, PT_F32};
#define EACH_ACT(t) for (pt_dtype t : acts)

static void norm_case(pt_dtype t, int64_t n, int64_t c, int64_t gap, bool add, pt_dtype wt)
{
    kt_begin(t);
    kt_mat x = kt_in(t, n, c, c + gap, 1, 1), w = kt_weight(wt, 1, c, 2, 1), y = kt_new(t, n, c, c + gap),
           rstd = kt_new(PT_F32, 1, n, n);
    kt_mat r = add ? kt_in(t, n, c, c, 3, 1) : -1, h = add ? kt_new(t, n, c, c + gap) : -1;
    KT_RUN(rmsnorm, pt_rmsnorm_args, a.y = D(y), a.rstd = D(rstd), a.x = D(x), a.add = D(r), a.h = D(h), a.w = D(w),
           a.eps = 1e-5f);
    if (add) { /* h is rounded before it is normalised, ref's is not */
        kt_same(h, 2);
        kt_near(y, 3, 4e-7);
        kt_near(rstd, 1, t == PT_BF16 ? 2e-3 : 4e-7);
    } else {
        kt_same(y, 2);
        kt_same(rstd, 2);
    }
    kt_end();
}
static void test_norm(void **)
{
    EACH_ACT(t)
    {
        norm_case(t, 0, 8, 0, false, PT_F32);
        norm_case(t, 1, 1, 0, false, PT_F32);
        norm_case(t, 5, 33, 3, true, PT_F32);
        norm_case(t, 9, 64, 0, false, PT_BF16);
        norm_case(t, 3, 576, 8, true, PT_F16);
        norm_case(t, 3, 2048, 0, true, PT_F32);
        norm_case(t, 2, 2560, 0, false, PT_F32);
        norm_case(t, 2, 8192, 0, true, PT_BF16);
        norm_case(t, 1, 8200, 0, false, PT_F32);
    }
}

static void norm_bwd_case(pt_dtype t, int64_t n, int64_t c, int64_t gap, bool res, bool dw, bool over)
{
    kt_begin(t);
    kt_mat dy = kt_in(t, n, c, c + gap, 1, 1), h = kt_in(t, n, c, c, 2, 1), w = kt_weight(PT_F32, 1, c, 3, 1),
           rstd = kt_in(PT_F32, 1, n, n, 4, 1);
    for (int64_t i = 0; i < n; i++) kt_host(rstd, 0)[i] = 0.5f + fabsf(kt_host(rstd, 0)[i]);
    kt_put(rstd);
    kt_mat r = res ? kt_in(t, n, c, c, 5, 1) : -1, g = dw ? kt_in(PT_F32, 1, c, c, 6, 1) : -1,
           dx = over ? dy : kt_new(t, n, c, c + gap);
    KT_RUN(rmsnorm_bwd, pt_rmsnorm_bwd_args, a.dx = D(dx), a.dw = D(g), a.dy = D(dy), a.dres = D(r), a.h = D(h),
           a.rstd = D(rstd), a.w = D(w));
    kt_same(dx, 2);
    if (dw) kt_same(g, 2);
    kt_end();
}
static void test_norm_bwd(void **)
{
    EACH_ACT(t)
    {
        norm_bwd_case(t, 0, 8, 0, false, true, false);
        norm_bwd_case(t, 7, 31, 1, true, true, true);
        norm_bwd_case(t, 50, 64, 0, false, true, false);
        norm_bwd_case(t, 40, 576, 8, true, true, true);
        norm_bwd_case(t, 3, 2048, 0, true, false, false);
        norm_bwd_case(t, 18, 2560, 0, false, true, false);
        norm_bwd_case(t, 2, 8192, 0, true, true, false);
        norm_bwd_case(t, 2, 8200, 0, true, true, true);
    }
}

static void rope_case(pt_dtype t, int64_t n, int heads, int dim, int rot, pt_rope_kind kind, bool inverse, int64_t gap)
{
    kt_begin(t);
    kt_mat x = kt_in(t, n, heads * dim, heads * dim + gap, 1, 1), tab = kt_new(PT_F32, n, rot, rot + 3),
           pos = kt_ids(n, 100000, 2);
    kt_mat f = kt_in(PT_F32, 1, rot / 2, rot / 2, 3, 1);
    for (int i = 0; i < rot / 2; i++) kt_host(f, 0)[i] = powf(10000.0f, -2.0f * (float)i / (float)rot);
    kt_put(f);
    KT_RUN(rope_table, pt_rope_table_args, a.table = D(tab), a.positions = D(pos), a.inv_freq = D(f), a.mscale = 1.25f);
    kt_same(tab, 2);
    kt_put(tab); /* ref's table for both */
    KT_RUN(rope, pt_rope_args, a.x = D(x), a.table = D(tab), a.heads = heads, a.dim = dim, a.rot = rot, a.kind = kind,
           a.inverse = inverse);
    kt_same(x, 2);
    kt_end();
}
static void test_rope(void **)
{
    EACH_ACT(t)
    for (int k = 0; k < 2; k++) {
        pt_rope_kind kind = k ? PT_ROPE_ADJACENT : PT_ROPE_HALF;
        rope_case(t, 0, 1, 8, 8, kind, false, 0);
        rope_case(t, 3, 2, 64, 64, kind, true, 0);
        rope_case(t, 2, 5, 96, 48, kind, false, 8);
        rope_case(t, 2, 3, 10, 6, kind, false, 1);
    }
}

static void gated_case(pt_dtype t, int64_t n, int64_t f, int64_t gap, pt_act_kind kind)
{
    kt_begin(t);
    kt_mat g = kt_in(t, n, f, f + gap, 1, 2), u = kt_in(t, n, f, f, 2, 1), y = kt_new(t, n, f, f + gap),
           dy = kt_in(t, n, f, f + gap, 3, 1);
    kt_mat dg = kt_new(t, n, f, f), du = kt_new(t, n, f, f + gap), z = kt_new(t, n, f, f);
    KT_RUN(gated, pt_gated_args, a.y = D(y), a.g = D(g), a.u = D(u), a.kind = kind);
    kt_same(y, 2);
    KT_RUN(gated_bwd, pt_gated_bwd_args, a.dg = D(dg), a.du = D(du), a.y = D(z), a.dy = D(dy), a.g = D(g), a.u = D(u),
           a.kind = kind);
    kt_same(dg, 2), kt_same(du, 2), kt_same(z, 2);
    KT_RUN(gated_bwd, pt_gated_bwd_args, a.dg = D(g), a.du = D(u), a.y = D(dy), a.dy = D(dy), a.g = D(g), a.u = D(u),
           a.kind = kind); /* in place */
    kt_same(g, 2), kt_same(u, 2), kt_same(dy, 2);
    kt_end();
}
static void test_gated(void **)
{
    EACH_ACT(t)
    for (int k = 0; k < 3; k++) {
        gated_case(t, 0, 8, 0, (pt_act_kind)k);
        gated_case(t, 3, 7, 0, (pt_act_kind)k);
        gated_case(t, 3, 520, 8, (pt_act_kind)k);
        gated_case(t, 2, 33, 3, (pt_act_kind)k);
    }
}

static void move_case(pt_dtype t, int64_t n, int64_t c, int64_t gap)
{
    static const int32_t index[] = {6, 0, 3, 9, 1};
    kt_begin(t);
    kt_mat x = kt_in(t, 10, c, c + gap, 1, 1), y = kt_new(t, n, c, c), ix = kt_list(index, n),
           z = kt_in(t, 10, c, c + gap, 2, 1);
    KT_RUN(gather, pt_gather_args, a.y = D(y), a.x = D(x), a.index = D(ix));
    kt_near(y, 0, 0);
    kt_put(y);
    KT_RUN(scatter_add, pt_gather_args, a.y = D(z), a.x = D(y), a.index = D(ix));
    kt_same(z, 2);
    kt_put(z);
    KT_RUN(axpby, pt_axpby_args, a.y = D(z), a.x = D(x), a.alpha = 0.5f, a.beta = -2.0f);
    kt_same(z, 2);
    kt_end();
    kt_begin(t); /* beta 0 reads nothing: y is NaN */
    x = kt_in(t, 3, c, c + gap, 1, 1), y = kt_new(t, 3, c, c);
    KT_RUN(axpby, pt_axpby_args, a.y = D(y), a.x = D(x), a.alpha = 3.0f, a.beta = 0);
    kt_same(y, 2);
    kt_end();
}
/* ref embeds and adds in f32, so both hold for any activation type. */
static void test_move(void **)
{
    EACH_ACT(t)
    {
        move_case(t, 0, 8, 0);
        move_case(t, 5, 520, 8);
        move_case(t, 5, 33, 1);
        for (int64_t n : {(int64_t)0, (int64_t)7, (int64_t)300}) {
            kt_begin(t);
            kt_mat dw = kt_in(PT_F32, 11, 40, 41, 1, 1), dy = kt_in(t, n, 40, 40, 2, 1), ids = kt_ids(n, 11, 3);
            KT_RUN(embed_bwd, pt_embed_bwd_args, a.dw = D(dw), a.dy = D(dy), a.tokens = D(ids), a.scale = 1.5f);
            kt_same(dw, 2);
            kt_end();
        }
    }
    static const pt_dtype plain[] = {PT_F32, PT_F16, PT_BF16};
    for (pt_dtype from : plain)
        for (pt_dtype to : plain) {
            kt_begin(PT_F32);
            kt_mat x = kt_in(from, 3, 1100, 1103, 1, 1e-3f), y = kt_new(to, 3, 1100, 1100);
            kt_host(x, 0)[0] = 6e-8f, kt_host(x, 0)[1] = 70000.0f, kt_host(x, 0)[2] = -0.0f;
            if (from == PT_F16) kt_host(x, 0)[1] = 60000.0f;
            kt_put(x);
            kt_data *dx = &kt.m[x], *dy = &kt.m[y]; /* on the host both are f32: what is compared is the rounding */
            kt_run([&]() -> pt_status {
                pt_cast_args a = {};
                a.x = kt.host ? dx->ref : dx->dev, a.y = kt.host ? dy->ref : dy->dev;
                return kt.host ? pt_ops_ref.cast(&kt.ref, &a) : pt_cuda_cast(&kt.cuda, &a);
            });
            for (int64_t r = 0; r < 3; r++)
                for (int64_t c = 0; c < 1100; c++) assert_true(kt_got(y, r, c) == kt_round(to, kt_host(x, r)[c]));
            kt_end();
        }
}

static void test_reduce(void **)
{
    static const int32_t start[] = {0, 3, 3, 40, 41}, one[] = {0, 0};
    kt_begin(PT_F32);
    kt_mat v = kt_in(PT_F32, 1, 30, 30, 1, 1), st = kt_list(start, 5), rows = kt_ids(41, 30, 2),
           w = kt_in(PT_F32, 1, 41, 41, 3, 1);
    kt_mat sum = kt_new(PT_F32, 1, 4, 4), dv = kt_new(PT_F32, 1, 30, 30);
    KT_RUN(group_sum, pt_group_sum_args, a.sum = D(sum), a.value = D(v), a.start = D(st), a.rows = D(rows), a.weight = D(w));
    kt_same(sum, 2);
    kt_put(sum);
    KT_RUN(group_bcast, pt_group_bcast_args, a.dvalue = D(dv), a.dsum = D(sum), a.start = D(st), a.rows = D(rows),
           a.weight = D(w));
    kt_same(dv, 2);
    kt_mat none = kt_new(PT_I32, 1, 0, 0), w0 = kt_new(PT_F32, 1, 0, 0), s1 = kt_new(PT_F32, 1, 1, 1), st1 = kt_list(one, 2);
    KT_RUN(group_sum, pt_group_sum_args, a.sum = D(s1), a.value = D(v), a.start = D(st1), a.rows = D(none), a.weight = D(w0));
    assert_true(kt_got(s1, 0, 0) == 0);
    kt_end();
    for (int64_t n : {(int64_t)0, (int64_t)5, (int64_t)9000}) {
        kt_begin(PT_F32);
        kt_mat acc = kt_new(PT_F64, 1, 1, 1), x = kt_in(PT_F32, 1, n, n, 4, 1), s = kt_in(PT_F32, 1, 4, 4, 5, 1);
        *(double *)(void *)kt.m[acc].ref_buf.base = 2.5;
        kt_host(s, 0)[PT_SCALAR_APPLIED] = 3;
        kt_put(acc), kt_put(s);
        KT_RUN(sumsq, pt_sumsq_args, a.acc = D(acc), a.x = D(x));
        double got, want = *(double *)(void *)kt.m[acc].ref_buf.base;
        memcpy(&got, kt.m[acc].result + KT_GUARD, 8);
        assert_true(fabs(got - want) <= 1e-13 * want);
        kt_put(acc);
        KT_RUN(clip, pt_clip_args, a.scalars = D(s), a.acc = D(acc), a.max_norm = 1.0f);
        kt_same(s, 2);
        kt_end();
    }
}

static void test_adam(void **)
{
    for (int64_t n : {(int64_t)0, (int64_t)7, (int64_t)5000})
        for (int finite = 0; finite < 2; finite++) {
            kt_begin(PT_F32);
            kt_mat p = kt_in(PT_F32, 1, n, n, 1, 1), m = kt_in(PT_F32, 1, n, n, 2, 0.1f), v = kt_in(PT_F32, 1, n, n, 3, 0.01f),
                   g = kt_in(PT_F32, 1, n, n, 4, 1);
            kt_mat s = kt_new(PT_F32, 1, 4, 4);
            const float scalars[] = {1.0f, 0.5f, (float)finite, 7.0f};
            memcpy(kt_host(s, 0), scalars, sizeof scalars);
            for (int64_t i = 0; i < n; i++) kt_host(v, 0)[i] = fabsf(kt_host(v, 0)[i]);
            kt_put(s), kt_put(v);
            KT_RUN(adamw, pt_adamw_args, a.p = D(p), a.m = D(m), a.v = D(v), a.g = D(g), a.scalars = D(s), a.lr = 1e-2f,
                   a.beta1 = 0.9f, a.beta2 = 0.999f, a.eps = 1e-8f, a.weight_decay = 0.1f);
            kt_same(p, 2), kt_same(m, 2), kt_same(v, 2);
            kt_end();
        }
}

#define ID(name) OBJ_##name,
enum { PT_OBJECTIVE_LIST(ID) OBJECTIVES };

static void check_report(kt_mat report, int n)
{
    double got[PT_REPORT_SIZE], want[PT_REPORT_SIZE];
    memcpy(got, kt.m[report].result + KT_GUARD, sizeof got);
    memcpy(want, kt.m[report].ref_buf.base, sizeof want);
    for (int i = 0; i < n; i++)
        if (!(fabs(got[i] - want[i]) <= 1e-12 * (1 + fabs(want[i])))) fail_msg("report %d: %.17g, ref %.17g", i, got[i], want[i]);
}
static kt_mat new_report(void)
{
    kt_mat r = kt_new(PT_F64, 1, PT_REPORT_SIZE, PT_REPORT_SIZE);
    double *v = (double *)(void *)kt.m[r].ref_buf.base;
    for (int i = 0; i < PT_REPORT_SIZE; i++) v[i] = 0.25 * (i + 1);
    kt_put(r);
    return r;
}
/* Records of two answers: of no rows and of many, weights of 0, references by rows, by sums and none, more of them than threads, and none. */
static void record_case(int objective, int records, int refs, bool score)
{
    enum { M = 900, MOST = 1300 };
    static int32_t start[MOST + 1], at[MOST + 1];
    int groups = 2 * records;
    for (int g = 0; g < groups; g++) start[g + 1] = start[g] + (g == 2 ? 559 : g % 4);
    for (int r = 0; r <= records; r++) at[r] = 2 * r;
    kt_begin(PT_F32);
    int64_t nnz = start[groups];
    kt_mat v = kt_in(PT_F32, 1, M, M, 1, 0.3f), st = kt_list(start, groups + 1), w = kt_in(PT_F32, 1, nnz, nnz, 2, 1), rows = kt_ids(nnz, M, 3),
           rs = kt_list(at, records + 1), col = kt_in(PT_F32, 2, groups, groups, 4, 1), ref = kt_in(PT_F32, 1, refs == 1 ? M : groups, refs == 1 ? M : groups, 5, 0.3f),
           dv = kt_new(PT_F32, 1, M, M), report = new_report(), mark = kt_in(PT_F32, 1, 1, 1, 6, 1);
    if (records > 1) kt_host(col, 0)[2] = 0, kt_put(col);
    kt_run([&]() -> pt_status {
        pt_group_loss_args a = {};
        pt_loss_channel c = {D(v), D(dv), D(st), D(rows), D(w)};
        a.objective = objective, a.answers = 2, a.record_start = D(rs), a.column = D(col), a.report = D(report), a.mark = D(mark);
        (score ? a.score : a.logp) = c;
        if (refs == 1) a.reference = D(ref);
        if (refs == 2) a.reference_sum = D(ref);
        a.step.norm = 7, a.step.option[0] = 0.3;
        for (int k = 0; k < PT_CORE_METRICS; k++) a.reduce[k] = (unsigned char)(k % 4);
        return kt.host ? pt_ops_ref.group_loss(&kt.ref, &a) : pt_cuda_group_loss(&kt.cuda, &a);
    });
    kt_same(dv, 2), kt_same(mark, 0);
    check_report(report, PT_REPORT_SIZE);
    kt_end();
}
/* Rows of weight and of none; no rows; a gradient that nobody asks for; and values that are not finite. */
static void row_case(int objective, int n, int bad, bool gradient)
{
    kt_begin(PT_F32);
    kt_mat v = kt_in(PT_F32, 1, n, n, 1, 0.3f), w = kt_in(PT_F32, 1, n, n, 2, 1), dv = kt_new(PT_F32, 1, n, n), report = new_report(),
           mark = kt_in(PT_F32, 1, 1, 1, 6, 1);
    for (int i = 0; i < n; i++) kt_host(w, 0)[i] = i % 7 ? fabsf(kt_host(w, 0)[i]) : 0;
    if (n) kt_host(v, 0)[0] = NAN; /* of weight 0 */
    if (bad) kt_host(v, 0)[n - 1] = bad == 1 ? NAN : -INFINITY, kt_host(w, 0)[n - 1] = 1e-30f;
    kt_put(v), kt_put(w);
    kt_run([&]() -> pt_status {
        pt_group_loss_args a = {};
        a.objective = objective, a.logp.value = D(v), a.row_weight = D(w), a.report = D(report), a.step.norm = 10, a.mark = D(mark);
        if (gradient) a.logp.dvalue = D(dv);
        return kt.host ? pt_ops_ref.group_loss(&kt.ref, &a) : pt_cuda_group_loss(&kt.cuda, &a);
    });
    float m;
    memcpy(&m, kt.m[mark].result + KT_GUARD, 4);
    assert_true(bad ? isnan(m) : !isnan(m));
    if (gradient && !bad) kt_same(dv, 2);
    if (!bad) check_report(report, PT_REPORT_SIZE);
    kt_end();
}
static void test_losses(void **)
{
    for (int refs = 0; refs < 3; refs++) record_case(OBJ_dpo, 5, refs, false), record_case(OBJ_dpo, 600, refs, false);
    record_case(OBJ_dpo, 0, 0, false), record_case(OBJ_reward, 5, 0, true), record_case(OBJ_reward, 513, 0, true);
    for (int o : {(int)OBJ_sft, (int)OBJ_dft, (int)OBJ_pretrain})
        row_case(o, 700, 0, true), row_case(o, 700, 1, true), row_case(o, 513, 2, false), row_case(o, 1, 0, false), row_case(o, 0, 0, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_norm), cmocka_unit_test(test_norm_bwd),
                                       cmocka_unit_test(test_rope), cmocka_unit_test(test_gated),
                                       cmocka_unit_test(test_move), cmocka_unit_test(test_reduce),
                                       cmocka_unit_test(test_adam), cmocka_unit_test(test_losses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
