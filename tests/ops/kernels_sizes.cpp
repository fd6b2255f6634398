/* Ops on the backend under test against ref at sizes past what one block, one launch or one pass of a loop takes, where a wrong
 * step shows; and with weights, absent views and values that the other programs leave out. */
#include "tests/ops/op_modes.h"

/* ---- norm: teams of several rows, several teams of part sums, every weight type, an add that is rounded before it is used
 * ---- */
static void norm_case(pt_dtype t, int64_t n, int64_t c, int64_t gap, pt_dtype wt)
{
    ot_case(t);
    pt_view x = ot_in(t, n, c, c + gap, 1, 1), r = ot_in(t, n, c, c, 2, 1), w = ot_weight(wt, 1, c, 3, 1),
           h = ot_act(t, n, c, c + gap), y = ot_act(t, n, c, c + gap), rstd = ot_act(PT_F32, 1, n, n);
    float *wf = ot_dequantised(w), *plain_h = ot_floats(x), *plain_y = ot_floats(y), *plain_r = ot_floats(rstd);
    for (int64_t i = 0; i < n; i++) {
        float sum = 0, *row = plain_h + i * c;
        for (int64_t k = 0; k < c; k++) row[k] = ot_round(t, row[k] + ot_f32(r, i)[k]), sum += row[k] * row[k];
        plain_r[i] = 1 / sqrtf(sum / (float)c + 1e-5f);
        for (int64_t k = 0; k < c; k++) plain_y[i * c + k] = ot_round(t, row[k] * plain_r[i] * wf[k]);
    }
    OT_ON(rmsnorm, pt_rmsnorm_args, a.y = D(y), a.rstd = D(rstd), a.x = D(x), a.add = D(r), a.h = D(h), a.w = D(w),
           a.eps = 1e-5f);
    ot_result_within("h", h, plain_h), ot_result_within("y", y, plain_y), ot_result_within("rstd", rstd, plain_r);
    free(wf), free(plain_h), free(plain_y), free(plain_r);
    ot_free_all();
}
static void norm_bwd_case(pt_dtype t, int64_t n, int64_t c, int64_t gap, pt_dtype wt, bool with_dw)
{
    ot_case(t);
    pt_view dy = ot_in(t, n, c, c + gap, 1, 1), h = ot_in(t, n, c, c, 2, 1), res = ot_in(t, n, c, c, 3, 1),
           w = ot_weight(wt, 1, c, 4, 1);
    pt_view rstd = ot_in(PT_F32, 1, n, n, 5, 0.2f), dx = ot_act(t, n, c, c + gap),
           dw = with_dw ? ot_in(PT_F32, 1, c, c, 6, 1) : ot_none();
    float *wf = ot_dequantised(w), *plain_x = ot_floats(res), *plain_w = with_dw ? ot_floats(dw) : NULL;
    for (int64_t i = 0; i < n; i++) ot_f32(rstd, 0)[i] = 1 + ot_f32(rstd, 0)[i];
    ot_put(rstd);
    for (int64_t i = 0; i < n; i++) {
        const float *g = ot_f32(dy, i), *v = ot_f32(h, i);
        float dot = 0, s = ot_f32(rstd, 0)[i];
        for (int64_t k = 0; k < c; k++) dot += g[k] * wf[k] * v[k];
        dot *= s * s / (float)c;
        for (int64_t k = 0; k < c; k++) {
            float *o = plain_x + i * c + k;
            *o = ot_round(t, *o + s * (g[k] * wf[k] - v[k] * dot));
            if (plain_w) plain_w[k] += g[k] * v[k] * s;
        }
    }
    OT_ON(rmsnorm_bwd, pt_rmsnorm_bwd_args, a.dx = D(dx), a.dw = D(dw), a.dy = D(dy), a.dres = D(res), a.h = D(h),
           a.rstd = D(rstd), a.w = D(w));
    ot_result_within("dx", dx, plain_x);
    if (with_dw) ot_result_within("dw", dw, plain_w);
    free(wf), free(plain_x), free(plain_w);
    ot_free_all();
}
static void test_norm_teams(void **)
{
    OT_EACH_ACT(t)
    {
        norm_case(t, 2051, 64, 0, PT_BF16);  /* a warp takes 4 rows */
        norm_case(t, 2049, 1000, 8, PT_F32); /* a block takes 4 rows */
        norm_case(t, 9, 2048, 0, PT_F16);
        norm_case(t, 5, 4097, 3, PT_BF16);
        norm_bwd_case(t, 2050, 64, 8, PT_BF16, false);
        norm_bwd_case(t, 2050, 520, 0, PT_F16, false);
        norm_bwd_case(t, 4203, 40, 0, PT_BF16, true); /* more rows than 256 teams of 16 */
        norm_bwd_case(t, 37, 2560, 0, PT_BF16, true);
        norm_bwd_case(t, 3, 3200, 8, PT_F32, false);  /* a lane's 2 (bf16) and 4 (f32) steps, no dw */
        norm_bwd_case(t, 3, 6400, 0, PT_BF16, false); /* 4; rows too long for registers */
        norm_bwd_case(t, 19, 2000, 0, PT_F32, true);
        norm_bwd_case(t, 37, 39, 1, PT_F16, true);
        norm_bwd_case(t, 37, 39, 1, PT_BF16, false);
    }
}

/* Layer norm: teams of several rows, and more part sums than there are teams. */
static void layer_case(pt_dtype t, int64_t n, int64_t c, int64_t gap, pt_dtype wt)
{
    ot_case(t);
    pt_view x = ot_in(t, n, c, c + gap, 1, 1), w = ot_weight(wt, 1, c, 3, 1), b = ot_weight(wt, 1, c, 4, 1), y = ot_act(t, n, c, c + gap),
            mean = ot_act(PT_F32, 1, n, n), rstd = ot_act(PT_F32, 1, n, n);
    float *wf = ot_dequantised(w), *bf = ot_dequantised(b), *plain_y = ot_floats(y), *plain_m = ot_floats(mean), *plain_r = ot_floats(rstd);
    for (int64_t i = 0; i < n; i++) {
        float sum = 0, m = 0, *row = ot_f32(x, i);
        for (int64_t k = 0; k < c; k++) m += row[k];
        plain_m[i] = m /= (float)c;
        for (int64_t k = 0; k < c; k++) sum += (row[k] - m) * (row[k] - m);
        plain_r[i] = 1 / sqrtf(sum / (float)c + 1e-5f);
        for (int64_t k = 0; k < c; k++) plain_y[i * c + k] = ot_round(t, (row[k] - m) * plain_r[i] * wf[k] + bf[k]);
    }
    OT_ON(layernorm, pt_layernorm_args, a.y = D(y), a.mean = D(mean), a.rstd = D(rstd), a.x = D(x), a.w = D(w), a.b = D(b), a.eps = 1e-5f);
    ot_result_within("y", y, plain_y), ot_result_within("mean", mean, plain_m), ot_result_within("rstd", rstd, plain_r);
    free(wf), free(bf), free(plain_y), free(plain_m), free(plain_r);
    ot_free_all();
}
static void layer_bwd_case(pt_dtype t, int64_t n, int64_t c, int64_t gap, pt_dtype wt, bool sums)
{
    ot_case(t);
    pt_view dy = ot_in(t, n, c, c + gap, 1, 1), h = ot_in(t, n, c, c, 2, 1), w = ot_weight(wt, 1, c, 4, 1), mean = ot_in(PT_F32, 1, n, n, 5, 0.2f),
            rstd = ot_in(PT_F32, 1, n, n, 6, 0.2f), dx = ot_act(t, n, c, c + gap), dw = sums ? ot_in(PT_F32, 1, c, c, 7, 1) : ot_none(),
            db = sums ? ot_in(PT_F32, 1, c, c, 8, 1) : ot_none();
    float *wf = ot_dequantised(w), *plain_x = ot_floats(dx), *plain_w = sums ? ot_floats(dw) : NULL, *plain_b = sums ? ot_floats(db) : NULL;
    for (int64_t i = 0; i < n; i++) ot_f32(rstd, 0)[i] = 1 + ot_f32(rstd, 0)[i];
    ot_put(rstd);
    for (int64_t i = 0; i < n; i++) {
        const float *g = ot_f32(dy, i), *v = ot_f32(h, i);
        float plain = 0, along = 0, m = ot_f32(mean, 0)[i], s = ot_f32(rstd, 0)[i];
        for (int64_t k = 0; k < c; k++) plain += g[k] * wf[k], along += g[k] * wf[k] * ((v[k] - m) * s);
        plain /= (float)c, along /= (float)c;
        for (int64_t k = 0; k < c; k++) {
            float xhat = (v[k] - m) * s;
            plain_x[i * c + k] = ot_round(t, s * (g[k] * wf[k] - plain - xhat * along));
            if (sums) plain_w[k] += g[k] * xhat, plain_b[k] += g[k];
        }
    }
    OT_ON(layernorm_bwd, pt_layernorm_bwd_args, a.dx = D(dx), a.dw = D(dw), a.db = D(db), a.dy = D(dy), a.h = D(h), a.mean = D(mean), a.rstd = D(rstd),
           a.w = D(w));
    ot_result_within("dx", dx, plain_x);
    if (sums) ot_result_within("dw", dw, plain_w), ot_result_within("db", db, plain_b);
    free(wf), free(plain_x), free(plain_w), free(plain_b);
    ot_free_all();
}
static void test_layer_teams(void **)
{
    ot_most_passes = 1; /* kernels_stream runs them in every order */
    OT_EACH_ACT(t)
    {
        layer_case(t, 2051, 64, 0, PT_BF16);
        layer_case(t, 2049, 264, 8, PT_F32);
        layer_case(t, 5, 4097, 3, PT_F16);
        layer_bwd_case(t, 2050, 64, 8, PT_BF16, false);
        layer_bwd_case(t, 4203, 40, 0, PT_BF16, true); /* more rows than 256 teams of 16 */
        layer_bwd_case(t, 37, 39, 1, PT_F16, true);
    }
    ot_most_passes = 3;
}

/* ---- elementwise: rows of several blocks ---- */
static void wide_case(pt_dtype t, int64_t c, int64_t gap)
{
    static const int32_t index[] = {6, 0, 3, 9, 1};
    const int64_t n = 5;
    ot_case(t);
    pt_view g = ot_in(t, n, c, c + gap, 1, 2), u = ot_in(t, n, c, c + 2 * gap, 2, 1), y = ot_act(t, n, c, c + gap),
           dy = ot_in(t, n, c, c + gap, 3, 1);
    pt_view dg = ot_act(t, n, c, c + gap), du = ot_act(t, n, c, c + gap), x = ot_in(t, 10, c, c + gap, 4, 1),
           ix = ot_list(index, n);
    OT_ON(gated, pt_gated_args, a.y = D(y), a.g = D(g), a.u = D(u));
    ot_close(y, 2);
    OT_ON(gated_bwd, pt_gated_bwd_args, a.dg = D(dg), a.du = D(du), a.dy = D(dy), a.g = D(g), a.u = D(u));
    ot_close(dg, 2), ot_close(du, 2);
    OT_ON(gated, pt_gated_args, a.y = D(y), a.g = D(g), a.kind = PT_ACT_GELU_QUICK);
    ot_close(y, 2);
    OT_ON(gated_bwd, pt_gated_bwd_args, a.dg = D(dg), a.y = D(du), a.dy = D(dy), a.g = D(g), a.kind = PT_ACT_RELU2);
    ot_close(dg, 2), ot_close(du, 2);
    OT_ON(axpby, pt_axpby_args, a.y = D(g), a.x = D(u), a.alpha = -0.5f, a.beta = 1.5f);
    ot_close(g, 2);
    OT_ON(clamp, pt_clamp_args, a.y = D(y), a.x = D(u), a.limit = 0.5f);
    ot_close(y, 2);
    OT_ON(clamp_bwd, pt_clamp_bwd_args, a.dx = D(dg), a.dy = D(dy), a.x = D(u), a.limit = 0.5f);
    ot_close(dg, 2);
    OT_ON(gather, pt_gather_args, a.y = D(y), a.x = D(x), a.index = D(ix));
    ot_near(y, 0, 0);
    ot_put(y);
    OT_ON(scatter_add, pt_gather_args, a.y = D(x), a.x = D(y), a.index = D(ix));
    ot_close(x, 2);
    ot_free_all();
    ot_case(t); /* one dense row */
    x = ot_in(t, 3, c, c, 1, 1), y = ot_in(t, 3, c, c, 2, 1);
    OT_ON(axpby, pt_axpby_args, a.y = D(y), a.x = D(x), a.alpha = 2, a.beta = 1);
    ot_close(y, 2);
    ot_free_all();
}
static void test_wide(void **)
{
    OT_EACH_ACT(t)
    {
        wide_case(t, 4096, 8); /* whole blocks: nothing to spare */
        wide_case(t, 4104, 8);
        wide_case(t, 1033, 1);
    }
}

/* Heads of a row past one pass of its block; the angles of one row are not those of another. */
static void rope_case(pt_dtype t, int heads, int dim, int rot, pt_rope_kind kind, bool inverse, int64_t gap)
{
    const int64_t n = 3;
    ot_case(t);
    pt_view x = ot_in(t, n, heads * dim, heads * dim + gap, 1, 1), tab = ot_in(PT_F32, n, rot, rot + 2, 2, 0.7f);
    OT_ON(rope, pt_rope_args, a.x = D(x), a.table = D(tab), a.heads = heads, a.dim = dim, a.rot = rot, a.kind = kind,
           a.inverse = inverse);
    ot_close(x, 2);
    ot_free_all();
}
static void test_rope(void **)
{
    OT_EACH_ACT(t)
    for (int inverse = 0; inverse < 2; inverse++) {
        rope_case(t, 40, 128, 128, PT_ROPE_HALF, inverse, 0);
        rope_case(t, 40, 128, 128, PT_ROPE_ADJACENT, inverse, 8);
        rope_case(t, 70, 10, 6, PT_ROPE_HALF, inverse, 1);
        rope_case(t, 70, 10, 6, PT_ROPE_ADJACENT, inverse, 1);
        rope_case(t, 3, 512, 512, PT_ROPE_HALF, inverse, 0);
    }
}

/* Several groups of heads a token, of several passes each; more tokens than 256 warps of 16. */
static void norm_rope_case(pt_dtype t, int64_t n, int heads, int dim, int rot, pt_rope_kind kind, bool learns)
{
    const int64_t c = (int64_t)heads * dim;
    ot_most_passes = 1; /* kernels_stream runs them in every order */
    ot_case(t);
    pt_view x = ot_in(t, n, c, c, 1, 1), w = ot_weight(PT_BF16, 1, dim, 2, 1), tab = ot_in(PT_F32, n, rot, rot, 3, 0.7f), y = ot_act(t, n, c, c),
            rstd = ot_act(PT_F32, 1, n * heads, n * heads), dw = learns ? ot_in(PT_F32, 1, dim, dim, 5, 1) : ot_none();
    OT_ON(norm_rope, pt_norm_rope_args, a.y = D(y), a.rstd = D(rstd), a.x = D(x), a.w = D(w), a.table = D(tab), a.eps = 1e-5f, a.heads = heads, a.dim = dim, a.rot = rot,
          a.kind = kind);
    ot_close(y, 2), ot_close(rstd, 2);
    ot_put(y), ot_put(rstd);
    OT_ON(norm_rope_bwd, pt_norm_rope_bwd_args, a.dx = D(y), a.dw = D(dw), a.dy = D(y), a.x = D(x), a.rstd = D(rstd), a.w = D(w), a.table = D(tab), a.heads = heads,
          a.dim = dim, a.rot = rot, a.kind = kind);
    ot_near(y, 2, 6e-7);
    if (learns) ot_close(dw, 2);
    ot_free_all();
    ot_most_passes = 3;
}
static void test_norm_rope(void **)
{
    OT_EACH_ACT(t)
    {
        norm_rope_case(t, 2100, 33, 32, 32, PT_ROPE_HALF, false);
        norm_rope_case(t, 2100, 9, 10, 6, PT_ROPE_ADJACENT, false);
        norm_rope_case(t, 4203, 3, 16, 8, PT_ROPE_ADJACENT, true);
    }
}

/* Tokens that come first, and again, behind the first 256; more columns than one pass takes. */
static void test_embed_bwd(void **)
{
    OT_EACH_ACT(t)
    {
        const int64_t n = 600, c = 2100;
        ot_most_passes = 1;
        ot_case(t);
        pt_view dw = ot_in(PT_F32, 290, c, c, 1, 1), dy = ot_in(t, n, c, c, 2, 1), ids = ot_act(PT_I32, 1, n, n);
        for (int64_t i = 0; i < n; i++) ot_i32(ids)[i] = i < 280 ? (int32_t)(i % 7) : (int32_t)(7 + (i * 13) % 283);
        ot_put(ids);
        OT_ON(embed_bwd, pt_embed_bwd_args, a.dw = D(dw), a.dy = D(dy), a.tokens = D(ids), a.scale = 0.5f);
        ot_close(dw, 2);
        ot_free_all();
        ot_most_passes = 3;
    }
}

/* ---- sums and the optimiser ---- */
static void test_sums(void **)
{
    const int64_t n = 4096 * 1024 + 4096 * 3 + 5; /* more steps than blocks, and a ragged end */
    double got, want;
    ot_most_passes = 1;
    ot_case(PT_F32);
    pt_view acc = ot_act(PT_F64, 1, 1, 1), x = ot_act(PT_F32, 1, n, n);
    for (int64_t i = 0; i < n; i++) ot_f32(x, 0)[i] = (float)(i % 1013) * 1e-3f - 0.4f;
    *(double *)ot_at(acc) = 0;
    ot_put(x), ot_put(acc);
    OT_ON(sumsq, pt_sumsq_args, a.acc = D(acc), a.x = D(x));
    want = *(double *)ot_at(acc);
    memcpy(&got, ot_result(acc), 8);
    assert_true(fabs(got - want) <= 1e-12 * want);
    ot_free_all();
    ot_most_passes = 3;
}
/* The scalars of every kind of sum, and acc = 0 afterwards. */
static void test_clip(void **)
{
    static const struct {
        double acc;
        float most;
    } cases[] = {{0, 1}, {9, 0}, {9, 4}, {9, 3}, {9, 1.5f}, {INFINITY, 1}, {NAN, 1}, {NAN, 0}};
    for (auto k : cases) {
        ot_case(PT_F32);
        pt_view acc = ot_act(PT_F64, 1, 1, 1), s = ot_in(PT_F32, 1, 4, 4, 5, 1);
        ot_f32(s, 0)[PT_SCALAR_APPLIED] = 41;
        *(double *)ot_at(acc) = k.acc;
        ot_put(acc), ot_put(s);
        OT_ON(clip, pt_clip_args, a.scalars = D(s), a.acc = D(acc), a.max_norm = k.most);
        for (int i = 0; i < 4; i++) {
            float got = ot_got(s, 0, i), want = ot_f32(s, 0)[i];
            assert_true(got == want || (got != got && want != want) || fabsf(got - want) <= 1.2e-7f * fabsf(want));
        }
        assert_true(ot_f32(s, 0)[PT_SCALAR_FINITE] == (isfinite(k.acc) ? 1.0f : 0.0f));
        assert_memory_equal(ot_result(acc), "\0\0\0\0\0\0\0\0", 8);
        ot_free_all();
    }
}
/* A large eps, moments of zero, many steps, lengths off the wide steps. */
static void test_adam(void **)
{
    for (int64_t n : {(int64_t)4097, (int64_t)8200}) {
        ot_case(PT_F32);
        pt_view p = ot_in(PT_F32, 1, n, n, 1, 1), m = ot_in(PT_F32, 1, n, n, 2, 0.1f), v = ot_in(PT_F32, 1, n, n, 3, 1e-4f),
               g = ot_in(PT_F32, 1, n, n, 4, 1), s = ot_act(PT_F32, 1, 4, 4);
        const float scalars[] = {1.0f, 0.25f, 1.0f, n > 5000 ? 100000.0f : 1.0f};
        memcpy(ot_f32(s, 0), scalars, sizeof scalars);
        for (int64_t i = 0; i < n; i++) {
            float *e = ot_f32(v, 0) + i;
            *e = i % 3 ? fabsf(*e) : 0;
            if (i % 5 == 0) ot_f32(m, 0)[i] = ot_f32(g, 0)[i] = 0;
        }
        ot_put(s), ot_put(v), ot_put(m), ot_put(g);
        OT_ON(adamw, pt_adamw_args, a.p = D(p), a.m = D(m), a.v = D(v), a.g = D(g), a.scalars = D(s), a.lr = 0.3f,
               a.beta1 = 0.9f, a.beta2 = 0.999f, a.eps = 0.05f, a.weight_decay = 0.01f);
        ot_close(p, 2), ot_close(m, 2), ot_close(v, 2);
        ot_free_all();
    }
}

/* ---- linear: bias over many rows, one gradient without the other ---- */
static void test_linear(void **)
{
    OT_EACH_ACT(t)
    for (pt_dtype wt : {PT_BF16, PT_Q5_K}) {
        const int64_t n = 70, out = 300, in = 256;
        ot_case(t);
        pt_view x = ot_in(t, n, in, in + 8, 1, 1), w = ot_weight(wt, out, in, 2, 0.5f), b = ot_weight(PT_BF16, 1, out, 3, 1),
               y = ot_in(t, n, out, out + 8, 4, 1), dy = ot_in(t, n, out, out, 5, 1);
        pt_view dw = ot_in(PT_F32, out, in, in, 6, 1), db = ot_in(PT_F32, 1, out, out, 7, 1);
        float *f = ot_dequantised(w), *bf = ot_dequantised(b), *plain = ot_floats(y), *plain_w = ot_floats(dw), *plain_b = ot_floats(db);
        for (int64_t i = 0; i < out * in; i++) f[i] = ot_round(t, f[i]);
        for (int64_t r = 0; r < n; r++)
            for (int64_t o = 0; o < out; o++) {
                float sum = 0, g = ot_f32(dy, r)[o], *to = plain + r * out + o;
                for (int64_t i = 0; i < in; i++)
                    sum += ot_f32(x, r)[i] * f[o * in + i], plain_w[o * in + i] += g * ot_f32(x, r)[i];
                *to = ot_round(t, ot_round(t, *to + sum) + bf[o]);
                plain_b[o] += g;
            }
        OT_ON(linear, pt_linear_args, a.y = D(y), a.x = D(x), a.w = D(w), a.b = D(b), a.beta = 1);
        ot_result_within("y", y, plain);
        OT_ON(linear_bwd_w, pt_linear_bwd_w_args, a.dw = D(dw), a.dy = D(dy), a.x = D(x));
        ot_result_within("dw", dw, plain_w);
        OT_ON(linear_bwd_w, pt_linear_bwd_w_args, a.db = D(db), a.dy = D(dy), a.x = D(x));
        ot_result_within("db", db, plain_b);
        free(f), free(bf), free(plain), free(plain_w), free(plain_b);
        ot_free_all();
    }
}

/* ---- head: equal logits, statistics without rows, the largest logit in every place ---- */
static void test_head(void **)
{
    OT_EACH_ACT(t)
    {
        const int64_t hd = 4, c = 24, vocab = 2600;
        ot_case(t);
        pt_view x = ot_in(t, hd, c, c, 1, 1), w = ot_in(t, vocab, c, c, 2, 0.3f), lse = ot_act(PT_F32, 1, hd, hd),
               ent = ot_act(PT_F32, 1, hd, hd), top = ot_act(PT_I32, 1, hd, hd);
        for (int64_t v = 7; v < vocab; v++)
            memcpy(ot_f32(w, v), ot_f32(w, v % 7), (size_t)c * sizeof(float)); /* each logit ~370 times */
        ot_put(w);
        OT_ON(head, pt_head_args, a.lse = D(lse), a.entropy = D(ent), a.argmax = D(top), a.x = D(x), a.w = D(w),
               a.temperature = 0.5f);
        ot_near(lse, 0, 1e-6), ot_near(ent, 0, 4e-6);
        for (int64_t h = 0; h < hd; h++) {
            int32_t got = ot_got_i32(top, h);
            assert_int_equal(got % 7, ot_i32(top)[h]);
            if (OT_MODE == OT_HOST) continue; /* equal rows may be rounded apart by their place in a product of the host's */
            assert_in_range(got, 0, 6);       /* of equal ones the first */
        }
        ot_free_all();
        for (int64_t at : {(int64_t)0, (int64_t)3, (int64_t)255, (int64_t)2047, (int64_t)2048, (int64_t)2598, (int64_t)2599}) {
            ot_case(t); /* a single large logit: nothing else counts */
            x = ot_in(t, 1, 1, 1, 1, 0), w = ot_act(t, vocab, 1, 1), lse = ot_act(PT_F32, 1, 1, 1),
            ent = ot_act(PT_F32, 1, 1, 1), top = ot_act(PT_I32, 1, 1, 1);
            ot_f32(x, 0)[0] = 1;
            for (int64_t v = 0; v < vocab; v++) ot_f32(w, v)[0] = v == at ? 60 : -60;
            ot_put(x), ot_put(w);
            OT_ON(head, pt_head_args, a.lse = D(lse), a.entropy = D(ent), a.argmax = D(top), a.x = D(x), a.w = D(w),
                   a.temperature = 1);
            int32_t got;
            memcpy(&got, ot_result(top), 4);
            assert_int_equal(got, at);
            assert_true(fabsf(ot_got(lse, 0, 0) - 60) < 1e-4f && fabsf(ot_got(ent, 0, 0)) < 1e-4f);
            ot_free_all();
        }
    }
}

/* ---- decoding: windows over several ranges, heads in several sets of several KV heads ---- */
static void decode_case(pt_dtype t, int64_t b, int max_len, int heads, int kv, int dim, int window)
{
    ot_case(t);
    pt_view q = ot_in(t, b, heads * dim, heads * dim + 8, 1, 1), o = ot_act(t, b, heads * dim, heads * dim),
           lens = ot_act(PT_I32, 1, b, b);
    pt_view k = ot_in(t, b * max_len, kv * dim, kv * dim, 2, 1), v = ot_in(t, b * max_len, kv * dim, kv * dim, 3, 1);
    const int some[] = {max_len, 1, 256, 257, window ? window : 2, window ? window + 1 : 3, max_len - 1};
    for (int64_t i = 0; i < b; i++) ot_i32(lens)[i] = some[i % 7];
    ot_put(lens);
    OT_ON(decode_attention, pt_decode_args, a.o = D(o), a.q = D(q), a.k = D(k), a.v = D(v), a.lens = D(lens),
           a.max_len = max_len, a.n_heads = heads, a.n_kv = kv, a.dim = dim, a.window = window, a.scale = 0.4f);
    ot_near(o, 2, 1e-6);
    ot_free_all();
}
static void test_decode(void **)
{
    ot_most_passes = 1;
    OT_EACH_ACT(t)
    {
        decode_case(t, 7, 600, 20, 2, 16, 300);
        decode_case(t, 7, 600, 27, 3, 8, 0);
        decode_case(t, 7, 300, 4, 4, 130, 256);
    }
    ot_most_passes = 3;
}

/* ---- sampling: more rows than a launch takes; filters at their ends ---- */
static void sample_case(int64_t b, int64_t v, float temp, int top_k, float top_p, float min_p, float penalty)
{
    uint64_t stream[200], position[200];
    ot_case(PT_F32);
    pt_view z = ot_in(PT_F32, b, v, v + 1, 1, 3), tok = ot_act(PT_I32, 1, b, b), seen = ot_act(PT_I32, b, 5, 5);
    for (int64_t r = 0; r < b; r++) {
        stream[r] = 1000 + 3 * (uint64_t)r, position[r] = 7 * (uint64_t)(r % 11);
        for (int i = 0; i < 5; i++) ot_i32(seen)[r * 5 + i] = (int32_t)((r * 31 + i * 7) % v);
    }
    ot_put(seen);
    OT_ON(sample, pt_sample_args, a.token = D(tok), a.logits = D(z), a.seen = D(seen), a.temperature = temp, a.top_k = top_k,
           a.top_p = top_p, a.min_p = min_p, a.repetition_penalty = penalty, a.seed = 5, a.stream = stream,
           a.position = position);
    int64_t distinct = 0;
    for (int64_t r = 0; r < b; r++) {
        int32_t got = ot_got_i32(tok, r);
        assert_int_equal(got, ot_i32(tok)[r]);
        distinct += r > 0 && got != ot_i32(tok)[0];
    }
    assert_true(distinct > b / 2); /* rows have logits of their own */
    ot_free_all();
}
/* One logit for all, but at `spike`: ties go by id, and top-p stops where the sum reaches it exactly. */
static void tie_case(int64_t v, int64_t spike, float top_p, int32_t from, int32_t to)
{
    uint64_t stream[40], position[40] = {0};
    const int64_t b = 40;
    ot_case(PT_F32);
    pt_view z = ot_act(PT_F32, b, v, v), tok = ot_act(PT_I32, 1, b, b);
    for (int64_t r = 0; r < b; r++) {
        stream[r] = (uint64_t)r;
        for (int64_t i = 0; i < v; i++) ot_f32(z, r)[i] = i == spike ? 40.0f : 0.0f;
    }
    ot_put(z);
    OT_ON(sample, pt_sample_args, a.token = D(tok), a.logits = D(z), a.temperature = 1, a.top_p = top_p,
           a.repetition_penalty = 1, a.stream = stream, a.position = position);
    for (int64_t r = 0; r < b; r++) {
        int32_t got = ot_got_i32(tok, r);
        assert_int_equal(got, ot_i32(tok)[r]);
        assert_in_range(got, from, to);
    }
    ot_free_all();
}
static void test_sample(void **)
{
    ot_most_passes = 1;
    sample_case(150, 61, 0.8f, 0, 1, 0, 1.2f);
    sample_case(70, 61, 0, 0, 1, 0, 2);
    sample_case(70, 300, 1, 300, 1, 0, 1);
    sample_case(70, 300, 1, 1, 1, 0, 1);
    sample_case(70, 300, 1, 0, 1e-6f, 0, 1);
    sample_case(70, 300, 1, 0, 1, 1, 1);
    sample_case(70, 300, 5, 299, 0.999f, 1e-4f, 1.1f);
    sample_case(3, 70001, 1.5f, 0, 0.95f, 0, 1);
    tie_case(4, -1, 0.5f, 0, 1);
    tie_case(70001, 69000, 1, 69000, 69000); /* an id of more than 16 bits */
    ot_most_passes = 3;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_norm_teams), cmocka_unit_test(test_layer_teams), cmocka_unit_test(test_wide),   cmocka_unit_test(test_rope), cmocka_unit_test(test_norm_rope),
        cmocka_unit_test(test_embed_bwd),  cmocka_unit_test(test_sums),
        cmocka_unit_test(test_clip),       cmocka_unit_test(test_adam),   cmocka_unit_test(test_linear),
        cmocka_unit_test(test_head),       cmocka_unit_test(test_decode), cmocka_unit_test(test_sample),
    };
    return ot_main("kernels_sizes", tests);
}
