/* Attention over a segment forest on the backend under test against ref: error at most twice that of plain loops that round where
 * the kernels must (inputs, probabilities, their gradients and results to the type). Every op runs in three thread orders with
 * equal bits (OT_ON). `bent` cases have a softcap or slopes, `fused` ones q, k, v and dq, dk, dv in one buffer each. */
#include "tests/ops/op_modes.h"
#include "tests/ops/op_forest.h"

static of_forest trees;

/* ---- one problem ---- */
typedef struct problem {
    int heads, kv, dim, gap;
    float strength;
    float scale;
    pt_dtype type;
    bool fused;
    float softcap, slope; /* slopes: slope / 2^head, absent when 0 */
    pt_view q, k, v, o, lse, dout, dq, dk, dv, slopes;
    pt_forest *under, *ref;
} problem;
typedef struct plain { /* of the plain loops: [N, H*D], [H, N], ... */
    float *o, *lse, *dq, *dk, *dv;
} plain;

/* q, k, v (filled) or dq, dk, dv as columns of one buffer. */
static void slices(pt_view whole, int64_t hd, int64_t kd, pt_view *q, pt_view *k, pt_view *v)
{
    *q = pt_view_cols(whole, 0, hd), *k = pt_view_cols(whole, hd, kd), *v = pt_view_cols(whole, hd + kd, kd);
}
static void begin(problem *p, uint64_t seed)
{
    int64_t n = trees.d.n_tokens, hd = (int64_t)p->heads * p->dim, kd = (int64_t)p->kv * p->dim, all = hd + 2 * kd;
    ot_case(p->type);
    p->scale = 1 / sqrtf((float)p->dim);
    if (p->slope != 0) {
        p->slopes = ot_act(PT_F32, 1, p->heads, p->heads);
        for (int h = 0; h < p->heads; h++) ot_f32(p->slopes, 0)[h] = ldexpf(p->slope, -h);
        ot_put(p->slopes);
    }
    p->under = of_make(&om.under, &trees), p->ref = of_make(&om.ref, &trees);
    p->dout = ot_in(p->type, n, hd, hd + p->gap, seed + 3, 1), p->o = ot_act(p->type, n, hd, hd + p->gap),
    p->lse = ot_act(PT_F32, p->heads, n, n + p->gap);
    if (p->fused) {
        slices(ot_in(p->type, n, all, all + p->gap, seed, p->strength), hd, kd, &p->q, &p->k, &p->v);
        slices(ot_act(p->type, n, all, all + p->gap), hd, kd, &p->dq, &p->dk, &p->dv);
        return;
    }
    p->q = ot_in(p->type, n, hd, hd + p->gap, seed, p->strength),
    p->k = ot_in(p->type, n, kd, kd + 2 * p->gap, seed + 1, p->strength);
    p->v = ot_in(p->type, n, kd, kd + 3 * p->gap, seed + 2, 1);
    p->dq = ot_act(p->type, n, hd, hd + p->gap);
    p->dk = ot_act(p->type, n, kd, kd + p->gap), p->dv = ot_act(p->type, n, kd, kd + p->gap);
}
static void end(problem *p)
{
    om.under.ops->forest_free(&om.under, p->under);
    om.ref.ops->forest_free(&om.ref, p->ref);
    ot_free_all();
}

/* The dry run sees none. */
static pt_forest *forest(const problem *p)
{
    return om.under.dry ? NULL : om.host ? p->ref : p->under;
}
static void run_forward(problem *p, bool with_lse)
{
    OT_ON(attention, pt_attention_args, a.o = D(p->o); a.q = D(p->q); a.k = D(p->k); a.v = D(p->v);
           if (with_lse) a.lse = D(p->lse); a.forest = forest(p); a.softcap = p->softcap; a.slopes = D(p->slopes);
           a.n_heads = p->heads; a.n_kv = p->kv; a.dim = p->dim; a.scale = p->scale);
}
static void run_backward(problem *p)
{
    OT_ON(attention_bwd, pt_attention_bwd_args, a.o = D(p->o); a.lse = D(p->lse); a.q = D(p->q); a.k = D(p->k); a.v = D(p->v);
           a.dout = D(p->dout); a.dq = D(p->dq); a.dk = D(p->dk); a.dv = D(p->dv); a.forest = forest(p);
           a.softcap = p->softcap; a.slopes = D(p->slopes); a.n_heads = p->heads; a.n_kv = p->kv; a.dim = p->dim; a.scale = p->scale);
}

/* What follows from scale * dot: the score, and *by = d score / d that. */
static float plain_score(const problem *p, int h, int32_t i, int32_t j, float s, float *by)
{
    *by = 1;
    if (p->softcap > 0) {
        float t = tanhf(s / p->softcap);
        s = p->softcap * t, *by = 1 - t * t;
    }
    return p->slope != 0 ? s - ldexpf(p->slope, -h) * (float)(trees.pos[i] - trees.pos[j]) : s;
}
/* One row of one head: probabilities p[j], 0 where hidden, of its own log-sum or of *lse; returns the log-sum. by: may be NULL. */
static float plain_row(const problem *p, int h, int32_t i, float *prob, float *by, const float *lse)
{
    int at = h / (p->heads / p->kv) * p->dim;
    const float *q = ot_f32(p->q, i) + h * p->dim;
    float max = -INFINITY, sum = 0;
    for (int32_t j = 0; j <= i; j++) {
        float s = 0;
        for (int d = 0; d < p->dim; d++) s += q[d] * ot_f32(p->k, j)[at + d];
        float slope, score = plain_score(p, h, i, j, s * p->scale, &slope);
        prob[j] = of_sees(&trees, i, j) ? score : -INFINITY;
        if (by) by[j] = slope;
        max = fmaxf(max, prob[j]);
    }
    for (int32_t j = 0; j <= i; j++) sum += prob[j] = expf(prob[j] - (lse ? *lse : max));
    for (int32_t j = 0; j <= i && !lse; j++) prob[j] /= sum;
    return max + logf(sum);
}
static void plain_forward(const problem *p, plain *w)
{
    int32_t n = trees.d.n_tokens;
    int64_t hd = (int64_t)p->heads * p->dim;
    float *prob = (float *)malloc((size_t)n * 4);
    w->o = (float *)calloc((size_t)(n * hd), 4), w->lse = (float *)calloc((size_t)(n * p->heads), 4);
    for (int h = 0; h < p->heads; h++)
        for (int32_t i = 0; i < n; i++) {
            w->lse[(int64_t)h * n + i] = plain_row(p, h, i, prob, NULL, NULL);
            for (int d = 0; d < p->dim; d++) {
                float o = 0;
                for (int32_t j = 0; j <= i; j++)
                    o += ot_round(p->type, prob[j]) * ot_f32(p->v, j)[h / (p->heads / p->kv) * p->dim + d];
                w->o[i * hd + (int64_t)h * p->dim + d] = ot_round(p->type, o);
            }
        }
    free(prob);
}
static void plain_backward(const problem *p, plain *w)
{
    int32_t n = trees.d.n_tokens;
    int64_t hd = (int64_t)p->heads * p->dim, kd = (int64_t)p->kv * p->dim;
    float *prob = (float *)malloc((size_t)n * 8), *by = prob + n;
    w->dq = (float *)calloc((size_t)(n * hd), 4), w->dk = (float *)calloc((size_t)(n * kd), 4),
    w->dv = (float *)calloc((size_t)(n * kd), 4);
    for (int h = 0; h < p->heads; h++)
        for (int32_t i = 0; i < n; i++) {
            int at = h / (p->heads / p->kv) * p->dim;
            const float *g = ot_f32(p->dout, i) + h * p->dim, *o = ot_f32(p->o, i) + h * p->dim,
                        *q = ot_f32(p->q, i) + h * p->dim;
            float delta = 0;
            plain_row(p, h, i, prob, by, ot_f32(p->lse, h) + i);
            for (int d = 0; d < p->dim; d++) delta += g[d] * o[d];
            for (int32_t j = 0; j <= i; j++) {
                if (!of_sees(&trees, i, j)) continue;
                float dp = 0;
                for (int d = 0; d < p->dim; d++) dp += g[d] * ot_f32(p->v, j)[at + d];
                float pj = ot_round(p->type, prob[j]), ds = ot_round(p->type, prob[j] * (dp - delta) * by[j]) * p->scale;
                for (int d = 0; d < p->dim; d++) {
                    w->dq[i * hd + h * p->dim + d] += ds * ot_f32(p->k, j)[at + d];
                    w->dk[j * kd + at + d] += ds * q[d];
                    w->dv[j * kd + at + d] += pj * g[d];
                }
            }
        }
    for (int64_t e = 0; e < n * hd; e++) w->dq[e] = ot_round(p->type, w->dq[e]);
    for (int64_t e = 0; e < n * kd; e++) w->dk[e] = ot_round(p->type, w->dk[e]), w->dv[e] = ot_round(p->type, w->dv[e]);
    free(prob);
}

/* On the device `floor` is the absolute error an element that the terms of the sum leave where the true result is (nearly) zero. The host adds in
 * f32 what the plain loops add: there it is due only where every true result is 0, as a softmax over one key does not move. */
static void within(const char *what, const problem *p, pt_view m, const float *naive, double floor)
{
    double got = 0, plain = 0, norm = 0;
    int64_t rows = m.rows, cols = m.cols;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < cols; c++) {
            double want = ot_f32(m, r)[c], x = ot_got(m, r, c) - want, y = naive[r * cols + c] - want;
            got += x * x, plain += y * y, norm += want * want;
        }
    double budget = 2 * sqrt(plain) + OT_FLOOR * sqrt(norm) + (OT_MODE == OT_HOST && norm > 0 ? 0 : floor) * sqrt((double)(rows * cols));
    if (!(sqrt(got) <= budget))
        fail_msg("%s: error %.3g, budget %.3g, norm %.3g (%d tokens, %d segments, window %d, heads %d/%d, dim %d, gap %d, softcap %g, slope %g, %s)", what, sqrt(got), budget,
                 sqrt(norm), trees.d.n_tokens, trees.d.n_segs, trees.d.window, p->heads, p->kv, p->dim, p->gap, (double)p->softcap, (double)p->slope, pt_cpu_isa());
    /* the plain loops state what is visible by ancestry, ref by the ends of subtrees */
    double apart = *what == 'd' ? 1e-5 * sqrt(norm) + floor * sqrt((double)(rows * cols)) : norm > 0 ? 1e-6 * sqrt(norm) : 0;
    if (p->type == PT_F32 && p->strength == 1 && !(sqrt(plain) <= apart))
        fail_msg("%s of ref differs from plain loops by %.3g, norm %.3g", what, sqrt(plain), sqrt(norm));
}

static void compare(problem *p, uint64_t seed)
{
    plain w = {};
    begin(p, seed);
    run_forward(p, true);
    plain_forward(p, &w);
    within("o", p, p->o, w.o, 0);
    within("lse", p, p->lse, w.lse, 2.4e-7);
    ot_put(p->o), ot_put(p->lse); /* ref's, rounded */
    run_backward(p);
    plain_backward(p, &w);
    double floor = 2.4e-7 * p->strength *
                   sqrt((double)p->heads / p->kv); /* a softmax over one key does not move: terms of size 1 cancel */
    within("dq", p, p->dq, w.dq, floor);
    within("dk", p, p->dk, w.dk, floor);
    within("dv", p, p->dv, w.dv, 0);
    free(w.o), free(w.lse), free(w.dq), free(w.dk), free(w.dv);
    end(p);
}

static problem problem_of(pt_dtype type, int heads, int kv, int dim, int gap)
{
    problem p = {};
    p.type = type, p.heads = heads, p.kv = kv, p.dim = dim, p.gap = gap, p.strength = 1;
    return p;
}

/* Every instance with and without the wide layout (gap 1, 3: rows at odd addresses), several tiles, all group sizes that split
 * differently. */
static const struct shape {
    int heads, kv, dim, gap, depth, tokens, len, window;
    bool f32;
} shapes[] = {
    {2, 1, 64, 0, 2, 180, 150, 0, true},   {3, 1, 64, 8, 3, 110, 60, 40, false}, {4, 4, 8, 0, 1, 80, 40, 0, true},
    {7, 1, 16, 8, 4, 70, 12, 0, false},    {4, 2, 96, 0, 2, 100, 50, 0, false},  {5, 1, 80, 0, 3, 60, 20, 9, true},
    {1, 1, 128, 0, 2, 170, 150, 0, false}, {2, 1, 128, 8, 4, 80, 30, 25, true},  {1, 1, 256, 0, 2, 90, 80, 0, true},
    {2, 1, 192, 8, 3, 70, 30, 20, false},  {9, 1, 64, 0, 2, 30, 15, 0, false},   {2, 2, 10, 1, 4, 70, 8, 0, true},
    {2, 1, 74, 3, 2, 70, 50, 1, true},     {1, 1, 130, 1, 2, 70, 65, 0, false},  {1, 1, 2, 0, 3, 140, 130, 64, true},
};
#if OT_MODE == OT_HOST /* what would take the emulated device long */
static const struct shape long_shapes[] = {
    {3, 1, 64, 0, 2, 300, 90, 0, true},   {2, 2, 8, 1, 1, 90, 40, 0, true},      {4, 2, 16, 2, 3, 150, 30, 20, true}, {6, 2, 10, 3, 4, 200, 25, 0, true},
    {8, 2, 80, 0, 2, 130, 60, 0, true},   {8, 1, 96, 1, 3, 120, 40, 33, true},   {1, 1, 128, 2, 2, 200, 70, 0, true}, {2, 1, 256, 3, 2, 90, 33, 0, true},
    {5, 1, 2, 0, 4, 260, 12, 5, true},    {9, 3, 64, 1, 2, 500, 120, 0, true},   {7, 1, 34, 2, 4, 300, 8, 0, true},   {16, 1, 24, 3, 2, 70, 20, 1, true},
    {3, 3, 40, 0, 1, 400, 390, 64, true}, {1, 1, 64, 1, 3, 420, 200, 100, true},
};
static void test_long(void **)
{
    for (size_t i = 0; i < sizeof long_shapes / sizeof *long_shapes; i++) {
        const struct shape *s = &long_shapes[i];
        problem p = problem_of(PT_F32, s->heads, s->kv, s->dim, s->gap);
        of_batch(&trees, 100 + i, s->depth, s->tokens, s->len, s->window);
        compare(&p, i);
    }
}
#endif
static void run_shapes(pt_dtype type)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const struct shape *s = &shapes[i];
        if (OT_MODE == OT_CUDA && type == PT_F32 && !s->f32) continue;
        problem p = problem_of(type, s->heads, s->kv, s->dim, s->gap);
        of_random(&trees, 100 + i, s->depth, s->tokens, s->len, s->window);
        compare(&p, i);
    }
}
static void test_small_type(void **)
{
    run_shapes(OT_SMALL);
}
static void test_f32(void **)
{
    run_shapes(PT_F32);
}

/* Softcaps near the scores, slopes (the steep one would overflow rows that are only padding), both; q, k, v in one buffer, as dq, dk, dv. Head
 * sizes of every instance, wide and not. */
static void test_bent(void **)
{
    static const struct {
        int heads, kv, dim, gap, depth, tokens, len, window;
        float softcap, slope;
        bool fused, f32;
    } cases[] = {
        {4, 2, 64, 0, 3, 90, 50, 0, 2, 0, true, true},      {3, 1, 16, 8, 2, 80, 40, 30, 0, 0.5f, false, false},
        {4, 4, 96, 0, 2, 70, 40, 0, 0, 0.25f, true, false}, {2, 1, 128, 0, 3, 80, 30, 20, 3, 0.5f, true, false},
        {2, 1, 256, 0, 2, 70, 60, 0, 2, 0.25f, true, true}, {2, 1, 160, 8, 2, 70, 66, 0, 1, 0, false, false},
        {6, 2, 10, 1, 4, 100, 20, 0, 1.5f, 0.5f, true, false}, {1, 1, 130, 1, 2, 70, 40, 0, 2, 0.125f, false, false},
        {2, 1, 112, 0, 3, 70, 50, 0, 0, 0, true, false},    {3, 1, 8, 0, 1, 205, 200, 0, 0, 2, true, false},
    };
    OT_EACH_ACT(t)
    {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            problem p = problem_of(t, cases[i].heads, cases[i].kv, cases[i].dim, cases[i].gap);
            if (OT_MODE == OT_CUDA && t == PT_F32 && !cases[i].f32) continue;
            p.softcap = cases[i].softcap, p.slope = cases[i].slope, p.fused = cases[i].fused;
            of_random(&trees, 300 + i, cases[i].depth, cases[i].tokens, cases[i].len, cases[i].window);
            compare(&p, 70 + i);
        }
    }
}

static void test_special(void **)
{
    for (int c = 0; c < OF_SHAPES; c++) {
        problem p = problem_of(OT_SMALL, 2, 1, 32, 0);
        of_shape(&trees, c, c == 2 ? 70 : 90, 128, 3, 13);
        compare(&p, 50 + (uint64_t)c);
#if OT_MODE == OT_HOST
        p = problem_of(PT_F32, 3, 1, 64, 0);
        of_shape(&trees, c, c == 1 ? 200 : c == 2 ? 150 : 130, 131, 7, 45);
        compare(&p, (uint64_t)c);
#endif
    }
}

/* Many small forests: of every depth, with windows and without. */
static void test_visibility(void **)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        problem p = problem_of(PT_F32, 2, 1, 4, 0);
        of_batch(&trees, seed, 1 + (int)seed % 4, 90, 17, seed % 2 ? 0 : 10);
        compare(&p, seed);
    }
}

/* Logits of hundreds: the running maximum must carry them; far keys vanish without NaN. */
static void test_large_logits(void **)
{
    OT_EACH_ACT(t)
    {
        problem p = problem_of(t, 2, 1, 16, 0);
        p.strength = 12;
        of_random(&trees, 3, 3, OT_MODE == OT_HOST ? 200 : 100, 60, 0);
        compare(&p, 9);
    }
}

static void test_without_lse(void **)
{
    OT_EACH_ACT(t)
    {
        problem p = problem_of(t, 2, 1, 64, 0);
        of_random(&trees, 3, 2, 64, 20, 0);
        begin(&p, 1);
        run_forward(&p, false);
        ot_near(p.o, 3, 4e-7);
        end(&p);
    }
}

static void test_no_rows(void **)
{
    problem p = problem_of(OT_SMALL, 2, 1, 64, 0);
    of_begin(&trees, 0);
    begin(&p, 1);
    uint64_t before = ot_launches();
    run_forward(&p, true);
    run_backward(&p);
    assert_int_equal(ot_launches(), before);
    end(&p);
}

#if OT_MODE == OT_CUDA
/* Columns of one buffer, 64 features each: q, k, v, dout, then o, dq, dk, dv. */
enum { FAR_TOKENS = 2200, FAR_DIM = 64, FAR_PARTS = 8 };
static pt_view far_part(const pt_buf *b, pt_dtype type, int64_t ld, int part)
{
    pt_view v = {};
    v.buf = b, v.type = type, v.rows = FAR_TOKENS, v.cols = FAR_DIM, v.ld = ld;
    v.off = (size_t)(part * FAR_DIM) * pt_dtype_get(type)->bytes;
    return v;
}
/* Results o, dq, dk, dv as they lie in memory. */
static unsigned char *far_results(pt_dtype type, int64_t ld, const unsigned char *in, const pt_forest *f)
{
    size_t each = pt_dtype_get(type)->bytes, part = each * FAR_DIM * FAR_TOKENS, need;
    unsigned char *out = (unsigned char *)malloc(4 * part);
    pt_buf b = {}, lse = {}, ws = {};
    b.bytes = (size_t)ld * FAR_TOKENS * each;
    b.base = (unsigned char *)emu_malloc_sparse(b.bytes);
    if (!b.base) skip(); /* a GPU with less than 10 GB */
    assert_int_equal(pt_cuda_alloc(&om.under, &lse, FAR_TOKENS * 4), PT_OK);
    pt_view v[FAR_PARTS];
    for (int i = 0; i < FAR_PARTS; i++) v[i] = far_part(&b, type, ld, i);
    for (int i = 0; i < 4; i++) assert_int_equal(pt_cuda_upload(&om.under, v[i], in + (size_t)i * part), PT_OK);
    pt_view l = {&lse, 0, PT_F32, 1, FAR_TOKENS, FAR_TOKENS};
    pt_attention_args a = {v[4], l, v[0], v[1], v[2], f, 1, 1, FAR_DIM, 0.125f, 0, ot_none()};
    pt_attention_bwd_args g = {v[5], v[6], v[7], v[3], v[4], l, v[0], v[1], v[2], f, 1, 1, FAR_DIM, 0.125f, 0, ot_none()};
    om.under.dry = true, om.under.workspace_need = 0;
    assert_int_equal(pt_cuda_attention_bwd(&om.under, &g), PT_OK);
    om.under.dry = false, need = om.under.workspace_need;
    assert_int_equal(pt_cuda_alloc(&om.under, &ws, need), PT_OK);
    om.under.workspace = (pt_view){&ws, 0, PT_U8, 1, (int64_t)need, (int64_t)need};
    if (pt_cuda_attention(&om.under, &a) != PT_OK || pt_cuda_attention_bwd(&om.under, &g) != PT_OK) fail_msg("%s", pt_err_msg());
    for (int i = 0; i < 4; i++) assert_int_equal(pt_cuda_download(&om.under, out + (size_t)i * part, v[4 + i]), PT_OK);
    pt_cuda_free(&om.under, &ws), pt_cuda_free(&om.under, &lse);
    cudaFree(b.base);
    return out;
}
/* More than 2^31 elements between the first row and the last: the same bits as side by side (plain build: the others take long
 * over it). */
static void test_far(void **)
{
    if (strcmp(emu_build(), "plain") != 0) skip();
    for (pt_dtype type : {PT_BF16, PT_F32}) {
        size_t each = pt_dtype_get(type)->bytes, n = (size_t)4 * FAR_TOKENS * FAR_DIM;
        unsigned char *in = (unsigned char *)malloc(n * each);
        for (size_t i = 0; i < n; i++) {
            float f = ot_random(3, i);
            uint16_t h = pt_f32_to_bf16(f);
            memcpy(in + i * each, type == PT_BF16 ? (void *)&h : (void *)&f, each);
        }
        ot_case(type);
        of_begin(&trees, 20);
        of_add(&trees, -1, FAR_TOKENS);
        pt_forest_caps caps = {FAR_TOKENS, 1};
        pt_forest *f;
        assert_int_equal(pt_cuda_forest_new(&om.under, &f, &caps), PT_OK);
        assert_int_equal(pt_cuda_forest_set(&om.under, f, &trees.d), PT_OK);
        unsigned char *near = far_results(type, FAR_PARTS * FAR_DIM, in, f), *far = far_results(type, 1 << 20, in, f);
        assert_memory_equal(near, far, n * each);
        free(near), free(far), free(in);
        pt_cuda_forest_free(&om.under, f);
        ot_free_all();
    }
}

/* A chip with 99 KB of shared memory a block: everything fits, and heads of 256 features take their smaller shapes. */
static void test_small_chip(void **)
{
    assert_true(emu_setting("ARCH", "86"));
    for (int dim : {64, 128, 130, 256}) {
        problem p = problem_of(PT_BF16, 2, 1, dim, 0);
        of_random(&trees, (uint64_t)dim, 2, 70, 60, 0);
        compare(&p, 5);
        p.type = PT_F32;
        if (dim >= 128) compare(&p, 6);
    }
    assert_true(emu_setting("ARCH", "80"));
}

/* Check build: no access of a warp to shared memory meets a bank conflict (but with 96 features: a copy's eight lanes may pass
 * from a row's end to the next row). */
static void test_counters(void **)
{
    if (strcmp(emu_build(), "check") != 0) skip();
    assert_true(emu_setting("COUNT", "1"));
    for (int dim : {64, 96, 128, 256}) {
        problem p = problem_of(PT_BF16, 2, 1, dim, 0);
        of_begin(&trees, 0);
        of_add(&trees, -1, 128);
        begin(&p, 1);
        emu_counts_reset();
        run_forward(&p, true);
        ot_put(p.o), ot_put(p.lse);
        run_backward(&p);
        for (const char *name : {"attention_fwd_k", "attention_dq_k", "attention_dkv_k"}) {
            const emu_kernel_counts *c = emu_counts_of(name);
            assert_non_null(c);
            double cycles = (double)c->shared_cycles / (double)c->shared_accesses;
            print_message("# figure %s %d: %.3f cycles a shared access, worst %d\n", name, dim, cycles, (int)c->shared_worst);
            if (dim == 96)
                assert_true(cycles < 1.02 && c->shared_worst <= 2);
            else
                assert_true(c->shared_worst == 1);
        }
        end(&p);
    }
    assert_true(emu_setting("COUNT", "0"));
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_type),         cmocka_unit_test(test_f32),         cmocka_unit_test(test_special),
        cmocka_unit_test(test_large_logits), cmocka_unit_test(test_without_lse), cmocka_unit_test(test_no_rows),
        cmocka_unit_test(test_visibility),
        cmocka_unit_test(test_bent),
#if OT_MODE == OT_HOST
        cmocka_unit_test(test_long),
#else
        cmocka_unit_test(test_small_chip),   cmocka_unit_test(test_far),         cmocka_unit_test(test_counters),
#endif
    };
    return ot_main("kernels_trees", tests);
}
