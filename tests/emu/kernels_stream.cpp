/* Norm, rope, mlp, moves, reductions, AdamW and group losses on the emulated device against ref. */
#include "kernels_op.h"
extern "C" {
#include "base/loss_dpo.h"
#include "base/loss_reward.h"
#include "base/loss_sft.h"
#include "kernels/cuda/grouploss.h"
}

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

/* The host's formulas, pair by pair. */
static void host_loss(const pt_group_loss_args *a, const int32_t *c, const int32_t *r, const float *sum, int64_t p,
                      double *loss, double d[2])
{
    if (a->kind == PT_LOSS_DPO) {
        pt_dpo_pair x = pt_loss_dpo(sum[c[p]], sum[r[p]], 0.1 * c[p], 0.1 * r[p], a->beta);
        *loss = x.loss, d[0] = x.dchosen, d[1] = x.drejected;
    } else {
        pt_reward_pair x = pt_loss_reward(sum[c[p]], sum[r[p]], 0.25 * (double)p, a->beta);
        *loss = x.loss, d[0] = x.dchosen, d[1] = x.drejected;
    }
}
static void loss_case(pt_loss_kind kind)
{
    static const int32_t start[] = {0, 40, 41, 50, 600, 603}, chosen[] = {0, 3}, rejected[] = {2, 1};
    kt_begin(PT_F32);
    kt_mat v = kt_in(PT_F32, 1, 700, 700, 1, 0.3f), st = kt_list(start, 6), w = kt_in(PT_F32, 1, 603, 603, 3, 1),
           rows = kt_ids(603, 700, 2);
    kt_mat c = kt_list(chosen, 2), r = kt_list(rejected, 2), sum = kt_new(PT_F32, 1, 5, 5), dv = kt_new(PT_F32, 1, 700, 700),
           pl = kt_new(PT_F32, 1, 2, 2);
    kt_mat ref = kt_new(PT_F32, 1, 5, 5), margin = kt_new(PT_F32, 1, 2, 2), loss = kt_new(PT_F64, 1, 1, 1);
    for (int i = 0; i < 5; i++) kt_host(ref, 0)[i] = 0.1f * (float)i;
    for (int i = 0; i < 2; i++) kt_host(margin, 0)[i] = 0.25f * (float)i;
    *(double *)(void *)kt.m[loss].ref_buf.base = 1.0;
    kt_put(ref), kt_put(margin), kt_put(loss);
    kt_run([&]() -> pt_status {
        pt_group_loss_args a = {};
        a.kind = kind, a.beta = 0.7, a.norm = 3;
        a.loss = D(loss), a.dvalue = D(dv), a.sum = D(sum), a.pair_loss = D(pl), a.value = D(v), a.start = D(st),
        a.rows = D(rows), a.weight = D(w);
        a.chosen = D(c), a.rejected = D(r), a.ref = D(ref), a.margin = D(margin);
        if (!kt.host) return pt_cuda_group_loss(&kt.cuda, &a);
        float *s = kt_host(sum, 0), ds[5] = {0};
        double total = 1.0;
        for (int g = 0; g < 5; g++) {
            double x = 0;
            for (int k = start[g]; k < start[g + 1]; k++) x += (double)kt_host(w, 0)[k] * kt_host(v, 0)[kt_i32(rows)[k]];
            s[g] = (float)x;
        }
        for (int p = 0; p < 2; p++) {
            double l, d[2];
            host_loss(&a, chosen, rejected, s, p, &l, d);
            kt_host(pl, 0)[p] = (float)l, total += l / 3;
            ds[chosen[p]] = (float)(d[0] / 3), ds[rejected[p]] = (float)(d[1] / 3);
        }
        for (int m = 0; m < 700; m++) {
            double x = 0;
            for (int g = 0; g < 5; g++)
                for (int k = start[g]; k < start[g + 1]; k++) x += kt_i32(rows)[k] == m ? (double)kt_host(w, 0)[k] * ds[g] : 0;
            kt_host(dv, 0)[m] = (float)x;
        }
        *(double *)(void *)kt.m[loss].ref_buf.base = total;
        return PT_OK;
    });
    kt_same(sum, 2), kt_same(pl, 2), kt_same(dv, 2);
    double got, want = *(double *)(void *)kt.m[loss].ref_buf.base;
    memcpy(&got, kt.m[loss].result + KT_GUARD, 8);
    assert_true(fabs(got - want) <= 1e-6 * want);
    kt_end();
}
/* More pairs than threads, pairs of weight, groups of no pair, empty groups; and no pairs at all. */
static void many_pairs(pt_loss_kind kind, int pairs)
{
    enum { G = 1300, M = 900, MOST = 600 };
    static int32_t start[G + 1], chosen[MOST], rejected[MOST];
    for (int g = 0; g < G; g++) start[g + 1] = start[g] + g % 4;
    for (int p = 0; p < pairs; p++) chosen[p] = 2 * p + 1, rejected[p] = 2 * p;
    kt_begin(PT_F32);
    int64_t nnz = start[G];
    kt_mat v = kt_in(PT_F32, 1, M, M, 1, 1), st = kt_list(start, G + 1), w = kt_in(PT_F32, 1, nnz, nnz, 2, 1),
           rows = kt_ids(nnz, M, 3);
    kt_mat c = kt_list(chosen, pairs), r = kt_list(rejected, pairs), pw = kt_in(PT_F32, 1, pairs, pairs, 4, 1),
           sum = kt_new(PT_F32, 1, G, G);
    kt_mat dv = kt_new(PT_F32, 1, M, M), loss = kt_new(PT_F64, 1, 1, 1);
    double want = 0.25, got;
    *(double *)(void *)kt.m[loss].ref_buf.base = want;
    kt_put(loss);
    kt_run([&]() -> pt_status {
        pt_group_loss_args a = {};
        a.kind = kind, a.beta = 0.3, a.norm = 7, a.loss = D(loss), a.dvalue = D(dv), a.sum = D(sum), a.value = D(v),
        a.start = D(st), a.rows = D(rows);
        a.weight = D(w), a.chosen = D(c), a.rejected = D(r), a.pair_weight = D(pw);
        if (!kt.host) return pt_cuda_group_loss(&kt.cuda, &a);
        static double ds[G];
        memset(ds, 0, sizeof ds);
        for (int g = 0; g < G; g++) {
            double x = 0;
            for (int k = start[g]; k < start[g + 1]; k++) x += (double)kt_host(w, 0)[k] * kt_host(v, 0)[kt_i32(rows)[k]];
            kt_host(sum, 0)[g] = (float)x;
        }
        for (int p = 0; p < pairs; p++) {
            double s0 = kt_host(sum, 0)[chosen[p]], s1 = kt_host(sum, 0)[rejected[p]], f = kt_host(pw, 0)[p] / 7.0;
            pt_dpo_pair d = pt_loss_dpo(s0, s1, 0, 0, 0.3);
            pt_reward_pair e = pt_loss_reward(s0, s1, 0, 0.3);
            want += f * (kind == PT_LOSS_DPO ? d.loss : e.loss);
            ds[chosen[p]] = f * (kind == PT_LOSS_DPO ? d.dchosen : e.dchosen),
            ds[rejected[p]] = f * (kind == PT_LOSS_DPO ? d.drejected : e.drejected);
        }
        for (int m = 0; m < M; m++) kt_host(dv, 0)[m] = 0;
        for (int g = 0; g < G; g++)
            for (int k = start[g]; k < start[g + 1]; k++) kt_host(dv, 0)[kt_i32(rows)[k]] += (float)(kt_host(w, 0)[k] * ds[g]);
        return PT_OK;
    });
    kt_same(sum, 2), kt_same(dv, 2);
    memcpy(&got, kt.m[loss].result + KT_GUARD, 8);
    assert_true(fabs(got - want) <= 1e-6 * fabs(want));
    kt_end();
}
static void test_losses(void **)
{
    loss_case(PT_LOSS_DPO);
    loss_case(PT_LOSS_REWARD);
    many_pairs(PT_LOSS_DPO, 600), many_pairs(PT_LOSS_REWARD, 513), many_pairs(PT_LOSS_DPO, 0);
    kt_begin(PT_F32);
    kt_mat v = kt_in(PT_F32, 1, 700, 700, 1, 0.3f), w = kt_in(PT_F32, 1, 700, 700, 2, 1), dv = kt_new(PT_F32, 1, 700, 700),
           loss = kt_new(PT_F64, 1, 1, 1);
    double want = 0, got;
    *(double *)(void *)kt.m[loss].ref_buf.base = 0;
    kt_put(loss);
    kt_run([&]() -> pt_status {
        pt_group_loss_args a = {};
        a.kind = PT_LOSS_SFT, a.norm = 10, a.loss = D(loss), a.dvalue = D(dv), a.value = D(v), a.weight = D(w);
        if (!kt.host) return pt_cuda_group_loss(&kt.cuda, &a);
        for (int m = 0; m < 700; m++) {
            want += pt_loss_sft(kt_host(v, 0)[m], kt_host(w, 0)[m], 10);
            kt_host(dv, 0)[m] = (float)pt_loss_sft_grad(kt_host(w, 0)[m], 10);
        }
        return PT_OK;
    });
    kt_same(dv, 2);
    memcpy(&got, kt.m[loss].result + KT_GUARD, 8);
    assert_true(fabs(got - want) <= 1e-12 * fabs(want) + 1e-12);
    kt_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_norm), cmocka_unit_test(test_norm_bwd),
                                       cmocka_unit_test(test_rope), cmocka_unit_test(test_gated),
                                       cmocka_unit_test(test_move), cmocka_unit_test(test_reduce),
                                       cmocka_unit_test(test_adam), cmocka_unit_test(test_losses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
