/* Norm, rope, mlp, moves, reductions, AdamW and group losses on the backend under test against ref. */
#include "tests/ops/op_modes.h"
#include "objective_list.h"

/* plus: w_add and a scale of the branch; w of type u8: none. */
static void norm_case(pt_dtype t, int64_t n, int64_t c, int64_t gap, bool add, pt_dtype wt, float plus = 0)
{
    ot_case(t);
    pt_view x = ot_in(t, n, c, c + gap, 1, 1), w = wt == PT_U8 ? ot_none() : ot_weight(wt, 1, c, 2, 1), y = ot_act(t, n, c, c + gap),
           rstd = ot_act(PT_F32, 1, n, n);
    pt_view r = add ? ot_in(t, n, c, c, 3, 1) : ot_none(), h = add ? ot_act(t, n, c, c + gap) : ot_none();
    OT_ON(rmsnorm, pt_rmsnorm_args, a.y = D(y), a.rstd = D(rstd), a.x = D(x), a.add = D(r), a.h = D(h), a.w = D(w),
           a.eps = 1e-5f, a.w_add = a.add_scale = plus);
    if (add) { /* h is rounded before it is normalised, ref's is not */
        ot_close(h, 2);
        ot_near(y, 3, 4e-7);
        ot_near(rstd, 1, t == PT_BF16 ? 2e-3 : 4e-7);
    } else {
        ot_close(y, 2);
        ot_close(rstd, 2);
    }
    ot_free_all();
}
static void test_norm(void **)
{
    OT_EACH_ACT(t)
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
        norm_case(t, 5, 33, 3, true, PT_F16, 1); /* Gemma's weights, Granite's branch; none at all */
        norm_case(t, 3, 576, 8, true, PT_BF16, 0.25f);
        norm_case(t, 5, 33, 3, true, PT_U8);
        norm_case(t, 3, 576, 8, false, PT_U8);
    }
}

static void norm_bwd_case(pt_dtype t, int64_t n, int64_t c, int64_t gap, bool res, bool dw, bool over, float plus = 0, bool with_w = true)
{
    ot_case(t);
    pt_view dy = ot_in(t, n, c, c + gap, 1, 1), h = ot_in(t, n, c, c, 2, 1), w = with_w ? ot_weight(PT_F32, 1, c, 3, 1) : ot_none(),
           rstd = ot_in(PT_F32, 1, n, n, 4, 1);
    for (int64_t i = 0; i < n; i++) ot_f32(rstd, 0)[i] = 0.5f + fabsf(ot_f32(rstd, 0)[i]);
    ot_put(rstd);
    pt_view r = res ? ot_in(t, n, c, c, 5, 1) : ot_none(), g = dw ? ot_in(PT_F32, 1, c, c, 6, 1) : ot_none(),
           dx = over ? dy : ot_act(t, n, c, c + gap);
    OT_ON(rmsnorm_bwd, pt_rmsnorm_bwd_args, a.dx = D(dx), a.dw = D(g), a.dy = D(dy), a.dres = D(r), a.h = D(h),
           a.rstd = D(rstd), a.w = D(w), a.w_add = plus);
    ot_close(dx, 2);
    if (dw) ot_close(g, 2);
    ot_free_all();
}
static void test_norm_bwd(void **)
{
    OT_EACH_ACT(t)
    {
        norm_bwd_case(t, 0, 8, 0, false, true, false);
        norm_bwd_case(t, 7, 31, 1, true, true, true);
        norm_bwd_case(t, 50, 64, 0, false, true, false);
        norm_bwd_case(t, 40, 576, 8, true, true, true);
        norm_bwd_case(t, 3, 2048, 0, true, false, false);
        norm_bwd_case(t, 18, 2560, 0, false, true, false);
        norm_bwd_case(t, 2, 8192, 0, true, true, false);
        norm_bwd_case(t, 2, 8200, 0, true, true, true);
        norm_bwd_case(t, 7, 31, 1, true, true, true, 1);
        norm_bwd_case(t, 18, 576, 8, true, true, false, 1);
        norm_bwd_case(t, 7, 31, 1, true, false, false, 0, false);
        norm_bwd_case(t, 3, 576, 8, true, false, false, 0, false);
    }
}

/* Rows whose mean counts. */
static pt_view shifted(pt_dtype t, int64_t n, int64_t c, int64_t ld, uint64_t seed)
{
    pt_view v = ot_in(t, n, c, ld, seed, 1);
    for (int64_t r = 0; r < n; r++)
        for (int64_t i = 0; i < c; i++) ot_f32(v, r)[i] += 1;
    ot_put(v);
    return v;
}
static void layer_case(pt_dtype t, int64_t n, int64_t c, int64_t gap, bool add, bool with_w, bool with_b, pt_dtype wt)
{
    ot_case(t);
    pt_view x = shifted(t, n, c, c + gap, 1), w = with_w ? ot_weight(wt, 1, c, 2, 1) : ot_none(), b = with_b ? ot_weight(wt, 1, c, 4, 1) : ot_none(),
            y = ot_act(t, n, c, c + gap), mean = ot_act(PT_F32, 1, n, n), rstd = ot_act(PT_F32, 1, n, n);
    pt_view r = add ? ot_in(t, n, c, c, 3, 1) : ot_none(), h = add ? ot_act(t, n, c, c + gap) : ot_none();
    OT_ON(layernorm, pt_layernorm_args, a.y = D(y), a.mean = D(mean), a.rstd = D(rstd), a.x = D(x), a.add = D(r), a.h = D(h), a.w = D(w), a.b = D(b),
           a.eps = 1e-5f, a.add_scale = with_b ? 0 : 0.5f);
    if (add) { /* h is rounded before it is normalised, ref's is not */
        ot_close(h, 2);
        ot_near(y, 3, 1e-6);
        ot_near(mean, 1, t == PT_BF16 ? 2e-3 : 4e-7);
        ot_near(rstd, 1, t == PT_BF16 ? 2e-3 : 4e-7);
    } else {
        ot_close(y, 2);
        ot_close(mean, 2);
        ot_close(rstd, 2);
    }
    ot_free_all();
}
static void test_layer(void **)
{
    OT_EACH_ACT(t)
    {
        layer_case(t, 0, 8, 0, false, true, true, PT_F32);
        layer_case(t, 1, 1, 0, false, true, true, PT_F32);
        layer_case(t, 5, 33, 3, true, true, true, PT_F16);
        layer_case(t, 9, 64, 0, false, true, false, PT_BF16); /* Cohere: no bias */
        layer_case(t, 3, 576, 8, true, true, true, PT_F16);
        layer_case(t, 3, 2000, 8, true, false, false, PT_F32); /* OLMo 1: neither */
        layer_case(t, 2, 2560, 0, false, false, true, PT_F32);
        layer_case(t, 2, 6400, 0, true, true, false, PT_BF16);
        layer_case(t, 1, 8200, 0, false, true, true, PT_F32);
    }
}
static void layer_bwd_case(pt_dtype t, int64_t n, int64_t c, int64_t gap, bool res, bool with_w, bool dw, bool db, bool over)
{
    ot_case(t);
    pt_view dy = ot_in(t, n, c, c + gap, 1, 1), h = shifted(t, n, c, c, 2), w = with_w ? ot_weight(PT_F32, 1, c, 3, 1) : ot_none(),
            mean = ot_in(PT_F32, 1, n, n, 7, 1), rstd = ot_in(PT_F32, 1, n, n, 4, 1);
    for (int64_t i = 0; i < n; i++) ot_f32(rstd, 0)[i] = 0.5f + fabsf(ot_f32(rstd, 0)[i]);
    ot_put(rstd);
    pt_view r = res ? ot_in(t, n, c, c, 5, 1) : ot_none(), gw = dw ? ot_in(PT_F32, 1, c, c, 6, 1) : ot_none(), gb = db ? ot_in(PT_F32, 1, c, c, 8, 1) : ot_none(),
            dx = over ? dy : ot_act(t, n, c, c + gap);
    OT_ON(layernorm_bwd, pt_layernorm_bwd_args, a.dx = D(dx), a.dw = D(gw), a.db = D(gb), a.dy = D(dy), a.dres = D(r), a.h = D(h), a.mean = D(mean),
           a.rstd = D(rstd), a.w = D(w));
    ot_near(dx, 2, 6e-7);
    if (dw) ot_close(gw, 2);
    if (db) ot_close(gb, 2);
    ot_free_all();
}
static void test_layer_bwd(void **)
{
    OT_EACH_ACT(t)
    {
        layer_bwd_case(t, 0, 8, 0, false, true, true, true, false);
        layer_bwd_case(t, 7, 31, 1, true, true, true, true, true);
        layer_bwd_case(t, 50, 64, 0, false, true, true, true, false);
        layer_bwd_case(t, 18, 576, 8, true, true, true, false, true);
        layer_bwd_case(t, 18, 2560, 0, false, false, false, true, false);
        layer_bwd_case(t, 19, 2000, 0, true, true, true, true, false);
        layer_bwd_case(t, 2, 6400, 0, true, true, true, true, true);
        layer_bwd_case(t, 7, 64, 0, true, false, false, false, false); /* frozen weights */
        layer_bwd_case(t, 3, 576, 8, false, true, false, false, true);
        layer_bwd_case(t, 3, 2560, 8, true, true, false, false, false);
        layer_bwd_case(t, 3, 2000, 8, true, true, false, false, false);
        layer_bwd_case(t, 2, 6400, 0, false, true, false, false, false);
    }
}

static void rope_case(pt_dtype t, int64_t n, int heads, int dim, int rot, pt_rope_kind kind, bool inverse, int64_t gap)
{
    ot_case(t);
    pt_view x = ot_in(t, n, heads * dim, heads * dim + gap, 1, 1), tab = ot_act(PT_F32, n, rot, rot + 3),
           pos = ot_ids(n, 100000, 2);
    pt_view f = ot_in(PT_F32, 1, rot / 2, rot / 2, 3, 1);
    for (int i = 0; i < rot / 2; i++) ot_f32(f, 0)[i] = powf(10000.0f, -2.0f * (float)i / (float)rot);
    ot_put(f);
    OT_ON(rope_table, pt_rope_table_args, a.table = D(tab), a.positions = D(pos), a.inv_freq = D(f), a.mscale = 1.25f);
    ot_close(tab, 2);
    ot_put(tab); /* ref's table for both */
    OT_ON(rope, pt_rope_args, a.x = D(x), a.table = D(tab), a.heads = heads, a.dim = dim, a.rot = rot, a.kind = kind,
           a.inverse = inverse);
    ot_close(x, 2);
    ot_free_all();
}
static void test_rope(void **)
{
    OT_EACH_ACT(t)
    for (int k = 0; k < 2; k++) {
        pt_rope_kind kind = k ? PT_ROPE_ADJACENT : PT_ROPE_HALF;
        rope_case(t, 0, 1, 8, 8, kind, false, 0);
        rope_case(t, 3, 2, 64, 64, kind, true, 0);
        rope_case(t, 2, 5, 96, 48, kind, false, 8);
        rope_case(t, 2, 3, 10, 6, kind, false, 1);
    }
}

/* Heads that are whole steps of 16 bytes and that are not, more of them than a warp takes at once, few that turn, in place. */
static void norm_rope_case(pt_dtype t, int64_t n, int heads, int dim, int rot, pt_rope_kind kind, int64_t gap, pt_dtype wt, float plus, bool over, bool learns)
{
    ot_case(t);
    const int64_t c = (int64_t)heads * dim;
    pt_view x = ot_in(t, n, c, c + gap, 1, 1), w = ot_weight(wt, 1, dim, 2, 1), tab = ot_in(PT_F32, n, rot, rot + gap, 3, 0.7f), y = over ? x : ot_act(t, n, c, c),
            rstd = ot_act(PT_F32, 1, n * heads, n * heads);
    OT_ON(norm_rope, pt_norm_rope_args, a.y = D(y), a.rstd = D(rstd), a.x = D(x), a.w = D(w), a.table = D(tab), a.eps = 1e-5f, a.w_add = plus, a.heads = heads, a.dim = dim,
          a.rot = rot, a.kind = kind);
    ot_close(y, 2), ot_close(rstd, 2);
    ot_free_all();
    ot_case(t);
    x = ot_in(t, n, c, c + gap, 1, 1), w = ot_weight(wt, 1, dim, 2, 1), tab = ot_in(PT_F32, n, rot, rot + gap, 3, 0.7f);
    pt_view dy = ot_in(t, n, c, c, 4, 1), dx = over ? dy : ot_act(t, n, c, c + gap), dw = learns ? ot_in(PT_F32, 1, dim, dim, 5, 1) : ot_none();
    rstd = ot_in(PT_F32, 1, n * heads, n * heads, 6, 1);
    for (int64_t i = 0; i < n * heads; i++) ot_f32(rstd, 0)[i] = 0.5f + fabsf(ot_f32(rstd, 0)[i]);
    ot_put(rstd);
    OT_ON(norm_rope_bwd, pt_norm_rope_bwd_args, a.dx = D(dx), a.dw = D(dw), a.dy = D(dy), a.x = D(x), a.rstd = D(rstd), a.w = D(w), a.table = D(tab), a.w_add = plus,
          a.heads = heads, a.dim = dim, a.rot = rot, a.kind = kind);
    ot_near(dx, 2, 6e-7);
    if (learns) ot_close(dw, 2);
    ot_free_all();
}
static void test_norm_rope(void **)
{
    OT_EACH_ACT(t)
    for (int k = 0; k < 2; k++) {
        pt_rope_kind kind = k ? PT_ROPE_ADJACENT : PT_ROPE_HALF;
        norm_rope_case(t, 0, 1, 8, 8, kind, 0, PT_F32, 0, false, true);
        norm_rope_case(t, 3, 2, 64, 64, kind, 0, PT_F32, 0, true, false);
        norm_rope_case(t, 2, 9, 128, 128, kind, 8, PT_BF16, 1, false, true);
        norm_rope_case(t, 2, 5, 96, 48, kind, 8, PT_F16, 0, false, false);
        norm_rope_case(t, 2, 3, 72, 48, kind, 0, PT_F32, 0.5f, true, true);
        norm_rope_case(t, 3, 5, 10, 6, kind, 1, PT_BF16, 1, false, true);
        norm_rope_case(t, 1, 2, 80, 20, kind, 0, PT_F32, 0, true, false);
        norm_rope_case(t, 2, 1, 512, 512, kind, 0, PT_F32, 0, false, true);
        norm_rope_case(t, 1, 2, 511, 64, kind, 0, PT_F16, 0, false, true);
        norm_rope_case(t, 2, 3, 7, 2, kind, 1, PT_F32, 0, true, false);
        norm_rope_case(t, 40, 3, 16, 0, kind, 0, PT_F32, 0, false, true); /* nothing turns; two part sums */
    }
}

static void gated_case(pt_dtype t, int64_t n, int64_t f, int64_t gap, pt_act_kind kind, bool plain)
{
    ot_case(t);
    pt_view none = ot_none(), g = ot_in(t, n, f, f + gap, 1, 2), u = plain ? none : ot_in(t, n, f, f, 2, 1), y = ot_act(t, n, f, f + gap),
           dy = ot_in(t, n, f, f + gap, 3, 1);
    pt_view dg = ot_act(t, n, f, f), du = plain ? none : ot_act(t, n, f, f + gap), z = ot_act(t, n, f, f);
    OT_ON(gated, pt_gated_args, a.y = D(y), a.g = D(g), a.u = D(u), a.kind = kind);
    ot_close(y, 2);
    OT_ON(gated_bwd, pt_gated_bwd_args, a.dg = D(dg), a.du = D(du), a.y = D(z), a.dy = D(dy), a.g = D(g), a.u = D(u),
           a.kind = kind);
    ot_close(dg, 2), ot_close(z, 2);
    if (!plain) ot_close(du, 2);
    OT_ON(gated_bwd, pt_gated_bwd_args, a.dg = D(g), a.du = D(u), a.y = D(dy), a.dy = D(dy), a.g = D(g), a.u = D(u),
           a.kind = kind); /* in place */
    ot_close(g, 2), ot_close(dy, 2);
    if (!plain) ot_close(u, 2);
    ot_free_all();
}
static void test_gated(void **)
{
    OT_EACH_ACT(t)
    for (int k = 0; k < 2 * PT_ACT_KINDS; k++) {
        pt_act_kind kind = (pt_act_kind)(k / 2);
        gated_case(t, 0, 8, 0, kind, k % 2);
        gated_case(t, 3, 7, 0, kind, k % 2);
        gated_case(t, 3, 520, 8, kind, k % 2);
        gated_case(t, 2, 33, 3, kind, k % 2);
    }
}

static void move_case(pt_dtype t, int64_t n, int64_t c, int64_t gap)
{
    static const int32_t index[] = {6, 0, 3, 9, 1};
    ot_case(t);
    pt_view x = ot_in(t, 10, c, c + gap, 1, 1), y = ot_act(t, n, c, c), ix = ot_list(index, n),
           z = ot_in(t, 10, c, c + gap, 2, 1);
    OT_ON(gather, pt_gather_args, a.y = D(y), a.x = D(x), a.index = D(ix));
    ot_near(y, 0, 0);
    ot_put(y);
    OT_ON(scatter_add, pt_gather_args, a.y = D(z), a.x = D(y), a.index = D(ix));
    ot_close(z, 2);
    ot_put(z);
    OT_ON(axpby, pt_axpby_args, a.y = D(z), a.x = D(x), a.alpha = 0.5f, a.beta = -2.0f);
    ot_close(z, 2);
    ot_free_all();
    ot_case(t); /* beta 0 reads nothing: y is NaN */
    x = ot_in(t, 3, c, c + gap, 1, 1), y = ot_act(t, 3, c, c);
    OT_ON(axpby, pt_axpby_args, a.y = D(y), a.x = D(x), a.alpha = 3.0f, a.beta = 0);
    ot_close(y, 2);
    ot_free_all();
}
/* In place and backward from what is left; the limit is no number of bf16, so it counts as rounded. */
static void clamp_case(pt_dtype t, int64_t n, int64_t c, int64_t gap)
{
    const float limit = 0.7f, near = ot_round(t, limit);
    ot_case(t);
    pt_view x = ot_in(t, n, c, c + gap, 1, 1), y = ot_act(t, n, c, c), dy = ot_in(t, n, c, c + 2 * gap, 2, 1);
    OT_ON(clamp, pt_clamp_args, a.y = D(y), a.x = D(x), a.limit = om.host ? near : limit);
    ot_near(y, 0, 0);
    OT_ON(clamp, pt_clamp_args, a.y = a.x = D(x), a.limit = om.host ? near : limit);
    ot_near(x, 0, 0);
    ot_put(x);
    OT_ON(clamp_bwd, pt_clamp_bwd_args, a.dx = D(y), a.dy = D(dy), a.x = D(x), a.limit = om.host ? near : limit);
    ot_near(y, 0, 0);
    OT_ON(clamp_bwd, pt_clamp_bwd_args, a.dx = a.dy = D(dy), a.x = D(x), a.limit = om.host ? near : limit);
    ot_near(dy, 0, 0);
    ot_free_all();
}
static void test_clamp(void **)
{
    OT_EACH_ACT(t)
    {
        clamp_case(t, 7, 520, 8);
        clamp_case(t, 7, 520, 0);
        clamp_case(t, 3, 33, 3);
        clamp_case(t, 1, 1, 0);
    }
}
/* ref embeds and adds in f32, so both hold for any activation type. */
static void test_move(void **)
{
    OT_EACH_ACT(t)
    {
        move_case(t, 0, 8, 0);
        move_case(t, 5, 520, 8);
        move_case(t, 5, 33, 1);
        for (int64_t n : {(int64_t)0, (int64_t)7, (int64_t)300}) {
            ot_case(t);
            pt_view dw = ot_in(PT_F32, 11, 40, 41, 1, 1), dy = ot_in(t, n, 40, 40, 2, 1), ids = ot_ids(n, 11, 3);
            OT_ON(embed_bwd, pt_embed_bwd_args, a.dw = D(dw), a.dy = D(dy), a.tokens = D(ids), a.scale = 1.5f);
            ot_close(dw, 2);
            ot_free_all();
        }
    }
    static const pt_dtype plain[] = {PT_F32, PT_F16, PT_BF16};
    for (pt_dtype from : plain)
        for (pt_dtype to : plain) {
            ot_case(PT_F32);
            pt_view x = ot_in(from, 3, 1100, 1103, 1, 1e-3f), y = ot_act(to, 3, 1100, 1100);
            ot_f32(x, 0)[0] = 6e-8f, ot_f32(x, 0)[1] = 70000.0f, ot_f32(x, 0)[2] = -0.0f;
            if (from == PT_F16) ot_f32(x, 0)[1] = 60000.0f;
            ot_put(x);
            OT_ON(cast, pt_cast_args, a.x = D(x), a.y = D(y)); /* on the host both are f32: what is compared is the rounding */
            for (int64_t r = 0; r < 3; r++)
                for (int64_t c = 0; c < 1100; c++) assert_true(ot_got(y, r, c) == ot_round(to, ot_f32(x, r)[c]));
            ot_free_all();
        }
}

static void test_reduce(void **)
{
    for (int64_t n : {(int64_t)0, (int64_t)5, (int64_t)9000}) {
        ot_case(PT_F32);
        pt_view acc = ot_act(PT_F64, 1, 1, 1), x = ot_in(PT_F32, 1, n, n, 4, 1), s = ot_in(PT_F32, 1, 4, 4, 5, 1);
        *(double *)ot_at(acc) = 2.5;
        ot_f32(s, 0)[PT_SCALAR_APPLIED] = 3;
        ot_put(acc), ot_put(s);
        OT_ON(sumsq, pt_sumsq_args, a.acc = D(acc), a.x = D(x));
        double got, want = *(double *)ot_at(acc);
        memcpy(&got, ot_result(acc), 8);
        assert_true(fabs(got - want) <= 1e-13 * want);
        ot_put(acc);
        OT_ON(clip, pt_clip_args, a.scalars = D(s), a.acc = D(acc), a.max_norm = 1.0f);
        ot_close(s, 2);
        ot_free_all();
    }
}

/* Rows that share heads, rows without weight, none at all. */
static void test_token_sums(void **)
{
    for (int64_t n : {(int64_t)0, (int64_t)5, (int64_t)3000}) {
        const int64_t heads = n / 2 + 1;
        ot_case(PT_F32);
        pt_view acc = ot_act(PT_F64, 1, PT_TOKEN_SUMS, PT_TOKEN_SUMS), w = ot_in(PT_F32, 1, n, n, 4, 1), e = ot_in(PT_F32, 1, heads, heads, 5, 1);
        pt_view best = ot_new(PT_I32, 1, heads, heads), head = ot_new(PT_I32, 1, n, n), target = ot_new(PT_I32, 1, n, n);
        for (int64_t i = 0; i < PT_TOKEN_SUMS; i++) ((double *)ot_at(acc))[i] = 2.5;
        for (int64_t i = 0; i < heads; i++) ((int32_t *)ot_at(best))[i] = (int32_t)(i % 7);
        for (int64_t i = 0; i < n; i++) {
            ((int32_t *)ot_at(head))[i] = (int32_t)(i / 2);
            ((int32_t *)ot_at(target))[i] = (int32_t)(i % 5);
            if (i % 3 == 0) ot_f32(w, 0)[i] = 0;
        }
        ot_put(acc), ot_put(w), ot_put(best), ot_put(head), ot_put(target);
        OT_ON(token_sums, pt_token_sums_args, a.acc = D(acc), a.weight = D(w), a.entropy = D(e), a.argmax = D(best), a.row_head = D(head), a.row_target = D(target));
        double got[PT_TOKEN_SUMS];
        memcpy(got, ot_result(acc), sizeof got);
        for (int i = 0; i < PT_TOKEN_SUMS; i++) {
            double want = ((double *)ot_at(acc))[i];
            assert_true(fabs(got[i] - want) <= 1e-12 * (fabs(want) + (double)n));
        }
        ot_free_all();
    }
}

static void test_adam(void **)
{
    for (int64_t n : {(int64_t)0, (int64_t)7, (int64_t)5000})
        for (int finite = 0; finite < 2; finite++) {
            ot_case(PT_F32);
            pt_view p = ot_in(PT_F32, 1, n, n, 1, 1), m = ot_in(PT_F32, 1, n, n, 2, 0.1f), v = ot_in(PT_F32, 1, n, n, 3, 0.01f),
                   g = ot_in(PT_F32, 1, n, n, 4, 1);
            pt_view s = ot_act(PT_F32, 1, 4, 4);
            const float scalars[] = {1.0f, 0.5f, (float)finite, 7.0f};
            memcpy(ot_f32(s, 0), scalars, sizeof scalars);
            for (int64_t i = 0; i < n; i++) ot_f32(v, 0)[i] = fabsf(ot_f32(v, 0)[i]);
            ot_put(s), ot_put(v);
            OT_ON(adamw, pt_adamw_args, a.p = D(p), a.m = D(m), a.v = D(v), a.g = D(g), a.scalars = D(s), a.lr = 1e-2f,
                   a.beta1 = 0.9f, a.beta2 = 0.999f, a.eps = 1e-8f, a.weight_decay = 0.1f);
            ot_close(p, 2), ot_close(m, 2), ot_close(v, 2);
            ot_free_all();
        }
}

#define ID(name) OBJ_##name,
enum { PT_OBJECTIVE_LIST(ID) OBJECTIVES };

static void check_report(pt_view report, int n)
{
    double got[PT_REPORT_SIZE], want[PT_REPORT_SIZE];
    memcpy(got, ot_result(report), sizeof got);
    memcpy(want, ot_at(report), sizeof want);
    for (int i = 0; i < n; i++)
        if (!(fabs(got[i] - want[i]) <= 1e-12 * (1 + fabs(want[i])))) fail_msg("report %d: %.17g, ref %.17g", i, got[i], want[i]);
}
static pt_view new_report(void)
{
    pt_view r = ot_act(PT_F64, 1, PT_REPORT_SIZE, PT_REPORT_SIZE);
    double *v = (double *)ot_at(r);
    for (int i = 0; i < PT_REPORT_SIZE; i++) v[i] = 0.25 * (i + 1);
    ot_put(r);
    return r;
}
/* Sums over the vocabulary beside log-probabilities: no core of the list looks at them (tests/cli/plant_vocab.sh has two), but all are carried. */
typedef struct vocab_views {
    pt_view value, dvalue, rows;
} vocab_views;
static vocab_views vocab_in(int64_t heads, int64_t rows, bool ascending)
{
    int32_t *at = (int32_t *)calloc((size_t)rows + 1, sizeof *at);
    for (int64_t m = 0; m < rows; m++) at[m] = (int32_t)(ascending ? m * heads / (rows + 1) : m * 37 % heads);
    vocab_views v = {ot_in(PT_F32, 1, heads, heads, 8, 0.3f), ot_act(PT_F32, 1, heads, heads), ot_list(at, rows)};
    free(at);
    return v;
}
static void give_vocab(pt_group_loss_args *a, const vocab_views *v)
{
    for (int k = 0; k < PT_VOCAB_SUMS; k++) {
        a->vocab[k] = a->logp;
        a->vocab[k].value = D(v[k].value), a->vocab[k].dvalue = D(v[k].dvalue), a->vocab[k].rows = D(v[k].rows);
    }
}
static void vocab_unread(const vocab_views *v)
{
    for (int k = 0; k < PT_VOCAB_SUMS; k++)
        for (int64_t h = 0; h < v[k].dvalue.cols; h++) assert_true(ot_got(v[k].dvalue, 0, h) == 0);
}
/* Records of two answers: of no rows and of many, weights of 0, references by rows, by sums and none, more of them than threads, and none. Of
 * log-probabilities, or of values of a width; beyond 1 none of these cores looks at them (tests/cli/plant_values.sh has one), but all are carried. */
static void record_case(int objective, int records, int refs, int width)
{
    enum { M = 900, MOST = 1300 };
    static int32_t start[MOST + 1], at[MOST + 1];
    int groups = 2 * records;
    for (int g = 0; g < groups; g++) start[g + 1] = start[g] + (g == 2 ? 559 : g % 4);
    for (int r = 0; r <= records; r++) at[r] = 2 * r;
    ot_case(PT_F32);
    int64_t nnz = start[groups];
    const int64_t r = width ? M : 1, c = width ? width : M;
    pt_view v = ot_in(PT_F32, r, c, c, 1, 0.3f), st = ot_list(start, groups + 1), w = ot_in(PT_F32, 1, nnz, nnz, 2, 1), rows = ot_ids(nnz, M, 3),
           rs = ot_list(at, records + 1), col = ot_in(PT_F32, 2, groups, groups, 4, 1), ref = ot_in(PT_F32, 1, refs == 1 ? M : groups, refs == 1 ? M : groups, 5, 0.3f),
           dv = ot_act(PT_F32, r, c, c), report = new_report(), mark = ot_in(PT_F32, 1, 1, 1, 6, 1);
    if (records > 1) ot_f32(col, 0)[2] = 0, ot_put(col);
    bool with = !width && refs == 1;
    vocab_views vocab[PT_VOCAB_SUMS] = {};
    for (int k = 0; with && k < PT_VOCAB_SUMS; k++) vocab[k] = vocab_in(77 + k, nnz, false);
    OT_PASSES
    {
        pt_group_loss_args a = {};
        pt_loss_channel given = {D(v), D(dv), D(st), D(rows), D(w)};
        a.objective = objective, a.record_start = D(rs), a.column = D(col), a.report = D(report), a.mark = D(mark);
        (width ? a.values : a.logp) = given;
        if (with) give_vocab(&a, vocab);
        if (refs == 1) a.reference = D(ref);
        if (refs == 2) a.reference_sum = D(ref);
        a.step.norm = 7, a.step.option[0] = 0.3;
        for (int k = 0; k < PT_CORE_METRICS; k++) a.reduce[k] = (unsigned char)(k % 4);
        OT_CALL(group_loss, &a);
    }
    if (with) vocab_unread(vocab);
    ot_close(dv, 2), ot_close(mark, 0);
    check_report(report, PT_REPORT_SIZE);
    ot_free_all();
}
/* Rows of weight and of none; no rows; a gradient that nobody asks for; and values that are not finite. */
static void row_case(int objective, int n, int bad, bool gradient)
{
    ot_case(PT_F32);
    pt_view v = ot_in(PT_F32, 1, n, n, 1, 0.3f), w = ot_in(PT_F32, 1, n, n, 2, 1), dv = ot_act(PT_F32, 1, n, n), report = new_report(),
           mark = ot_in(PT_F32, 1, 1, 1, 6, 1);
    for (int i = 0; i < n; i++) ot_f32(w, 0)[i] = i % 7 ? fabsf(ot_f32(w, 0)[i]) : 0;
    if (n) ot_f32(v, 0)[0] = NAN; /* of weight 0 */
    if (bad) ot_f32(v, 0)[n - 1] = bad == 1 ? NAN : -INFINITY, ot_f32(w, 0)[n - 1] = 1e-30f;
    ot_put(v), ot_put(w);
    vocab_views vocab[PT_VOCAB_SUMS] = {};
    for (int k = 0; gradient && n > 1 && k < PT_VOCAB_SUMS; k++) vocab[k] = vocab_in(n / 2 + k, n, true);
    OT_PASSES
    {
        pt_group_loss_args a = {};
        if (gradient && n > 1) give_vocab(&a, vocab);
        a.objective = objective, a.logp.value = D(v), a.row_weight = D(w), a.report = D(report), a.step.norm = 10, a.mark = D(mark);
        if (gradient) a.logp.dvalue = D(dv);
        OT_CALL(group_loss, &a);
    }
    float m;
    memcpy(&m, ot_result(mark), 4);
    assert_true(bad ? isnan(m) : !isnan(m));
    if (gradient && n > 1) vocab_unread(vocab);
    if (gradient && !bad) ot_close(dv, 2);
    if (!bad) check_report(report, PT_REPORT_SIZE);
    ot_free_all();
}
static void test_losses(void **)
{
    for (int refs = 0; refs < 3; refs++) record_case(OBJ_dpo, 5, refs, 0), record_case(OBJ_dpo, 600, refs, 0);
    record_case(OBJ_dpo, 0, 0, 0), record_case(OBJ_reward, 5, 0, 1), record_case(OBJ_reward, 513, 0, 1);
    record_case(OBJ_reward, 5, 0, 3), record_case(OBJ_reward, 20, 0, 40);
    for (int o : {(int)OBJ_sft, (int)OBJ_dft, (int)OBJ_pretrain})
        row_case(o, 700, 0, true), row_case(o, 700, 1, true), row_case(o, 513, 2, false), row_case(o, 1, 0, false), row_case(o, 0, 0, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_norm), cmocka_unit_test(test_norm_bwd),
                                       cmocka_unit_test(test_layer), cmocka_unit_test(test_layer_bwd),
                                       cmocka_unit_test(test_rope), cmocka_unit_test(test_norm_rope), cmocka_unit_test(test_gated),
                                       cmocka_unit_test(test_move), cmocka_unit_test(test_clamp), cmocka_unit_test(test_reduce), cmocka_unit_test(test_token_sums),
                                       cmocka_unit_test(test_adam), cmocka_unit_test(test_losses)};
    return ot_main("kernels_stream", tests);
}
