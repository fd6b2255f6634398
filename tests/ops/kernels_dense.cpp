/* Dequantisation, linear layers, LoRA and the head on the backend under test against ref: at most twice the error of the plain
 * program of the same precision (tests/ops/op_modes.h), for every output. */
#include "tests/ops/op_modes.h"

static const pt_dtype weights[] = {PT_F32,  PT_F16,  PT_BF16, PT_Q8_0, PT_Q4_0, PT_Q4_1, PT_Q5_0,
                                   PT_Q5_1, PT_Q2_K, PT_Q3_K, PT_Q4_K, PT_Q5_K, PT_Q6_K, PT_IQ4_NL, PT_IQ4_XS, PT_IQ3_S};

static void embed_rows(pt_dtype t, pt_dtype w, int64_t n, int64_t c, int64_t shift, float scale = 1.0f)
{
    ot_case(t);
    pt_view W = ot_weight(w, 9, c, 1, 1), y = ot_act(t, n, c, shift ? c : c + 3), ids = ot_ids(n, 9, 2);
    int64_t bytes = (int64_t)ot_row_bytes(w, c) * 9;
    pt_view shifted = ot_act(PT_U8, 1, bytes + shift, bytes + shift); /* the same some bytes on */
    memset(ot_at(shifted), 0, (size_t)shift);
    memcpy(ot_row(shifted, 0) + shift, ot_at(W), (size_t)bytes);
    ot_put(shifted);
    pt_view v = D(W);
    if (shift) v.buf = D(shifted).buf, v.off = D(shifted).off + (size_t)shift;
    OT_ON(embed, pt_embed_args, a.y = D(y), a.w = om.host ? W : v, a.tokens = D(ids), a.scale = scale);
    for (int64_t r = 0; r < n; r++)
        for (int64_t i = 0; i < c; i++) assert_true(ot_got(y, r, i) == ot_round(t, ot_f32(y, r)[i]));
    ot_free_all();
}
/* Every type through the embedding, which is dequantisation with chosen rows: exact before it is rounded. Rows of more than a
 * block's worth; odd ones of the plain types; rows of y that no vector fits; weights at odd
 * addresses, at such as suit an element and no vector, and at ones for vectors; a scale. */
static void test_embed(void **)
{
    OT_EACH_ACT(t)
    for (pt_dtype w : weights) {
        embed_rows(t, w, 0, 4352, 0);
        embed_rows(t, w, 5, 4352, 0);
        embed_rows(t, w, 5, 4352, 1);
        embed_rows(t, w, 5, 4352, 4);
        embed_rows(t, w, 5, 4352, 16);
        embed_rows(t, w, 5, 4352, 16, 2.5f);
        if (pt_dtype_quantised(w)) continue;
        embed_rows(t, w, 5, 61, 0);
        embed_rows(t, w, 5, 61, 1);
    }
}

/* Weights as the products see them: rounded to the activations' type. Returns [rows, cols] floats. */
static float *dense(pt_view w, pt_dtype t)
{
    float *f = ot_dequantised(w);
    for (int64_t i = 0; i < w.rows * w.cols; i++) f[i] = ot_round(t, f[i]);
    return f;
}

/* y (+)= x w^T + b, and dx (+)= dy w, with w from dense(). */
static float *naive_linear(pt_dtype t, pt_view y, pt_view x, const float *w, pt_view b, float beta)
{
    int64_t out = y.cols, in = x.cols;
    float *o = ot_floats(y);
    for (int64_t r = 0; r < y.rows; r++)
        for (int64_t c = 0; c < out; c++) {
            float s = 0, *to = o + r * out + c;
            for (int64_t i = 0; i < in; i++) s += ot_f32(x, r)[i] * w[c * in + i];
            if (b.buf) s = ot_round(t, s) + ot_f32(b, 0)[c];
            *to = ot_round(t, beta != 0 ? *to + s : s);
        }
    return o;
}
static float *naive_linear_bwd(pt_dtype t, pt_view dx, pt_view dy, const float *w, float beta)
{
    int64_t out = dy.cols, in = dx.cols;
    float *o = ot_floats(dx), *sum = (float *)malloc((size_t)in * sizeof *sum + 4);
    for (int64_t r = 0; r < dx.rows; r++) {
        for (int64_t i = 0; i < in; i++) sum[i] = 0;
        for (int64_t c = 0; c < out; c++)
            for (int64_t i = 0; i < in; i++) sum[i] += ot_f32(dy, r)[c] * w[c * in + i];
        for (int64_t i = 0; i < in; i++) o[r * in + i] = ot_round(t, beta != 0 ? o[r * in + i] + sum[i] : sum[i]);
    }
    free(sum);
    return o;
}
static void linear_case(pt_dtype t, pt_dtype w, int64_t n, int64_t out, int64_t in, bool bias, float beta)
{
    ot_case(t);
    pt_view x = ot_in(t, n, in, in + 8, 1, 1), W = ot_weight(w, out, in, 2, 0.5f), y = ot_in(t, n, out, out + 8, 3, 1),
           b = bias ? ot_weight(PT_F32, 1, out, 4, 1) : ot_none();
    float *f = dense(W, t), *naive = naive_linear(t, y, x, f, b, beta);
    OT_ON(linear, pt_linear_args, a.y = D(y), a.x = D(x), a.w = D(W), a.b = D(b), a.beta = beta);
    ot_result_within("y", y, naive);
    free(f), free(naive);
    ot_free_all();
}
static void test_linear(void **)
{
    OT_EACH_ACT(t)
    {
        for (pt_dtype w : weights) {
            linear_case(t, w, 1, 19, 256, false, 0);
            linear_case(t, w, 8, 5, 1280, true, 1);
            linear_case(t, w, 11, 19, 256, true, 0);
            linear_case(t, w, 11, 19, 256, true, 1);
        }
        for (pt_dtype w : {PT_F32, PT_F16, PT_BF16}) {
            linear_case(t, w, 1, 9, 37, true, 1);
            linear_case(t, w, 3, 7, 37, true, 1);
            linear_case(t, w, 0, 7, 37, false, 0);
            linear_case(t, w, 9, 7, 37, false, 1);
            linear_case(t, w, 9, 7, 37, true, 1);
        }
    }
}

static void linear_bwd_case(pt_dtype t, pt_dtype w, int64_t n, int64_t out, int64_t in, float beta)
{
    ot_case(t);
    pt_view x = ot_in(t, n, in, in + 8, 1, 1), W = ot_weight(w, out, in, 2, 0.5f), dy = ot_in(t, n, out, out + 8, 3, 1),
           dx = ot_in(t, n, in, in + 8, 4, 1);
    pt_view dw = ot_in(PT_F32, out, in, in + 1, 5, 1), db = ot_in(PT_F32, 1, out, out, 6, 1);
    float *f = dense(W, t), *naive = naive_linear_bwd(t, dx, dy, f, beta), *plain_w = ot_floats(dw), *plain_b = ot_floats(db);
    for (int64_t r = 0; r < n; r++)
        for (int64_t o = 0; o < out; o++) {
            plain_b[o] += ot_f32(dy, r)[o];
            for (int64_t i = 0; i < in; i++) plain_w[o * in + i] += ot_f32(dy, r)[o] * ot_f32(x, r)[i];
        }
    OT_ON(linear_bwd_x, pt_linear_bwd_x_args, a.dx = D(dx), a.dy = D(dy), a.w = D(W), a.beta = beta);
    ot_result_within("dx", dx, naive);
    OT_ON(linear_bwd_w, pt_linear_bwd_w_args, a.dw = D(dw), a.db = D(db), a.dy = D(dy), a.x = D(x));
    ot_result_within("dw", dw, plain_w), ot_result_within("db", db, plain_b);
    free(f), free(naive), free(plain_w), free(plain_b);
    ot_free_all();
}
static void test_linear_bwd(void **)
{
    OT_EACH_ACT(t)
    {
        for (pt_dtype w : weights) linear_bwd_case(t, w, 5, 19, 512, w == PT_Q4_K);
        linear_bwd_case(t, PT_BF16, 70, 33, 7, 1);
        linear_bwd_case(t, PT_F32, 0, 5, 8, 0);
    }
}

/* ---- LoRA ---- */
enum { PARTS = 5, SLOTS = 10, MOST_RUNS = 200 };
typedef struct lora_set {
    pt_view x, dx, key, y[PARTS], dy[PARTS], t[PARTS], a[PARTS][SLOTS], b[PARTS][SLOTS], da[PARTS][SLOTS], db[PARTS][SLOTS];
    int rank[SLOTS], slots, parts, n_runs;
    int64_t in, out[PARTS];
    const pt_lora_run *runs;
    float dropout;
} lora_set;

/* One naive product: c[i][j] += sum_k a[i][k]*b[k][j], operands rounded, f32 sums. */
static float naive_keep(const lora_set *s, int p, int64_t n, int64_t f)
{
    if (s->dropout == 0) return 1;
    const uint64_t *key = (const uint64_t *)ot_at(s->key);
    pt_rng4 w =
        pt_rng_words(11, PT_RNG_DROPOUT, pt_hash_mix(key[n], 5), (uint64_t)(16 + (unsigned)p) << 32 | (uint64_t)(f / 4));
    return pt_rng_unit(w.v[f % 4]) < s->dropout ? 0 : 1 / (1 - s->dropout);
}
static float scale_of(int slot)
{
    return 0.5f + 0.25f * (float)slot;
}

/* Forward of part p: naive y (dense array). */
static float *naive_forward(const lora_set *s, pt_dtype t, int p)
{
    int64_t o = s->out[p];
    float *y = ot_floats(s->y[p]);
    for (int k = 0; k < s->n_runs; k++) {
        int slot = s->runs[k].slot;
        if (slot < 0 || s->rank[slot] == 0) continue;
        for (int64_t r = s->runs[k].begin; r < s->runs[k].end; r++) {
            float tv[64] = {0};
            for (int q = 0; q < s->rank[slot]; q++) {
                for (int64_t f = 0; f < s->in; f++)
                    tv[q] +=
                        ot_round(t, ot_f32(s->x, r)[f] * naive_keep(s, p, r, f)) * ot_round(t, ot_f32(s->a[p][slot], q)[f]);
                tv[q] = ot_round(t, tv[q]);
            }
            for (int64_t i = 0; i < o; i++) {
                float sum = 0;
                for (int q = 0; q < s->rank[slot]; q++) sum += tv[q] * ot_round(t, ot_f32(s->b[p][slot], i)[q]);
                y[r * o + i] = ot_round(t, y[r * o + i] + scale_of(slot) * sum);
            }
        }
    }
    return y;
}

/* Backward of all parts: dx, and dA and dB of every slot that has them. All come filled. */
typedef struct lora_naive {
    float *dx, *da[PARTS][SLOTS], *db[PARTS][SLOTS];
} lora_naive;
static bool frozen(int slot)
{
    return slot == 1;
}
static void naive_backward(const lora_set *s, pt_dtype t, lora_naive *o)
{
    for (int p = 0; p < s->parts; p++)
        for (int k = 0; k < s->n_runs; k++) {
            int slot = s->runs[k].slot, rank = slot < 0 ? 0 : s->rank[slot];
            for (int64_t r = s->runs[k].begin; r < s->runs[k].end; r++)
                for (int q = 0; q < rank; q++) {
                    float dt = 0, *da = o->da[p][slot] + q * s->in, tv = ot_round(t, ot_f32(s->t[p], r)[q]);
                    for (int64_t i = 0; i < s->out[p]; i++)
                        dt += ot_f32(s->dy[p], r)[i] * ot_round(t, ot_f32(s->b[p][slot], i)[q]);
                    dt = ot_round(t, scale_of(slot) * dt);
                    for (int64_t f = 0; f < s->in; f++) {
                        float m = naive_keep(s, p, r, f);
                        o->dx[r * s->in + f] += m * dt * ot_round(t, ot_f32(s->a[p][slot], q)[f]);
                        if (!frozen(slot)) da[f] += dt * ot_round(t, m * ot_f32(s->x, r)[f]);
                    }
                    for (int64_t i = 0; i < s->out[p] && !frozen(slot); i++)
                        o->db[p][slot][i * rank + q] += scale_of(slot) * ot_f32(s->dy[p], r)[i] * tv;
                }
        }
    for (int64_t i = 0; i < s->x.rows * s->in; i++) o->dx[i] = ot_round(t, o->dx[i]);
}

static void lora_args(lora_set *s, pt_lora_args *a, pt_lora_part part[PARTS], pt_lora_slot slot[PARTS][SLOTS], bool backward)
{
    *a = {};
    a->x = D(s->x), a->n_parts = s->parts, a->parts = part, a->n_runs = s->n_runs, a->runs = s->runs, a->n_slots = s->slots;
    a->dropout = s->dropout, a->token_key = D(s->key), a->seed = 11, a->step = 5;
    if (backward) a->dx = D(s->dx);
    for (int p = 0; p < s->parts; p++) {
        part[p] = {};
        part[p].t = D(s->t[p]), part[p].slots = slot[p], part[p].module = 16 + (unsigned)p;
        if (backward)
            part[p].dy = D(s->dy[p]);
        else
            part[p].y = D(s->y[p]);
        for (int q = 0; q < s->slots; q++) {
            pt_lora_slot *l = &slot[p][q];
            *l = {};
            l->rank = s->rank[q], l->scale = scale_of(q);
            if (l->rank == 0) continue;
            l->a = D(s->a[p][q]), l->b = D(s->b[p][q]);
            if (backward && !frozen(q)) l->da = D(s->da[p][q]), l->db = D(s->db[p][q]);
        }
    }
}

static void lora_fill(lora_set *s, pt_dtype t, int64_t n, bool keep_t)
{
    int most = 0;
    for (int q = 0; q < s->slots; q++) most = s->rank[q] > most ? s->rank[q] : most;
    s->x = ot_in(t, n, s->in, s->in + 8, 1, 1), s->dx = ot_in(t, n, s->in, s->in + 8, 2, 1), s->key = ot_act(PT_U64, 1, n, n);
    for (int64_t i = 0; i < n; i++) ((uint64_t *)ot_at(s->key))[i] = pt_hash_mix(3, (uint64_t)i);
    ot_put(s->key);
    for (int p = 0; p < s->parts; p++) {
        s->y[p] = ot_in(t, n, s->out[p], s->out[p] + 8, 10 + (uint64_t)p, 1),
        s->dy[p] = ot_in(t, n, s->out[p], s->out[p] + 8, 20 + (uint64_t)p, 1);
        s->t[p] = keep_t ? ot_in(PT_F32, n, most, most + 4, 30, 1) : ot_none();
        for (int q = 0; q < s->slots; q++) {
            uint64_t seed = 100 * (uint64_t)p + 10 * (uint64_t)q;
            if (s->rank[q] == 0) continue;
            s->a[p][q] = ot_in(PT_F32, s->rank[q], s->in, s->in, seed + 1, 0.3f),
            s->b[p][q] = ot_in(PT_F32, s->out[p], s->rank[q], s->rank[q], seed + 2, 0.3f);
            s->da[p][q] = ot_in(PT_F32, s->rank[q], s->in, s->in, seed + 3, 1),
            s->db[p][q] = ot_in(PT_F32, s->out[p], s->rank[q], s->rank[q], seed + 4, 1);
        }
    }
}
static void lora_backward(lora_set *s, pt_dtype t, pt_lora_part part[PARTS], pt_lora_slot slot[PARTS][SLOTS])
{
    lora_naive o = {};
    for (int p = 0; p < s->parts; p++) ot_put(s->t[p]); /* ref's t for both */
    o.dx = ot_floats(s->dx);
    for (int p = 0; p < s->parts; p++)
        for (int q = 0; q < s->slots; q++)
            if (s->rank[q] > 0) o.da[p][q] = ot_floats(s->da[p][q]), o.db[p][q] = ot_floats(s->db[p][q]);
    naive_backward(s, t, &o);
    OT_ON(lora_bwd, pt_lora_args, lora_args(s, &a, part, slot, true));
    ot_result_within("dx", s->dx, o.dx);
    for (int p = 0; p < s->parts; p++)
        for (int q = 0; q < s->slots; q++) {
            if (s->rank[q] > 0) ot_result_within("da", s->da[p][q], o.da[p][q]), ot_result_within("db", s->db[p][q], o.db[p][q]);
            free(o.da[p][q]), free(o.db[p][q]);
        }
    free(o.dx);
}
static void lora_case(pt_dtype t, lora_set s, int64_t n, bool keep_t)
{
    pt_lora_part part[PARTS];
    pt_lora_slot slot[PARTS][SLOTS];
    float *naive[PARTS];
    ot_case(t);
    lora_fill(&s, t, n, keep_t);
    for (int p = 0; p < s.parts; p++) naive[p] = naive_forward(&s, t, p);
    OT_ON(lora, pt_lora_args, lora_args(&s, &a, part, slot, false));
    for (int p = 0; p < s.parts; p++) {
        ot_result_within("y", s.y[p], naive[p]);
        free(naive[p]);
    }
    if (keep_t) lora_backward(&s, t, part, slot);
    ot_free_all();
}
static void test_lora(void **)
{
    static const pt_lora_run whole[] = {{0, 90, 0}},
                             mixed[] = {{0, 3, 1}, {3, 70, 0}, {70, 70, 2}, {70, 75, -1}, {75, 80, 0}, {80, 150, 2}},
                             none[] = {{0, 0, 0}};
    OT_EACH_ACT(t)
    for (int d = 0; d < 2; d++) {
        lora_set s = {};
        s.slots = 3;
        s.dropout = d ? 0.25f : 0.0f, s.parts = 1, s.in = 72, s.out[0] = 136, s.rank[0] = 8, s.runs = whole, s.n_runs = 1;
        lora_case(t, s, 90, true);
        s.parts = 3, s.in = 71, s.out[0] = 33, s.out[1] = 64, s.out[2] = 300, s.rank[0] = 5, s.rank[1] = 16, s.rank[2] = 24,
        s.runs = mixed, s.n_runs = 6;
        lora_case(t, s, 152, true);
        lora_case(t, s, 152, false);
        s.parts = 2, s.rank[1] = 0, s.rank[2] = 40;
        lora_case(t, s, 152, true);
        s.runs = none, s.n_runs = 1, s.parts = 1;
        lora_case(t, s, 0, true);
    }
    /* more runs, slots and parts than one launch takes */
    pt_lora_run many[MOST_RUNS];
    for (int32_t i = 0; i < 150; i++) many[i] = {i, i + 1, i * 7 % 10};
    lora_set s = {};
    s.slots = SLOTS, s.parts = PARTS, s.in = 24, s.runs = many, s.n_runs = 150, s.dropout = 0.1f;
    for (int p = 0; p < PARTS; p++) s.out[p] = 9 + p;
    for (int q = 0; q < SLOTS; q++) s.rank[q] = 1 + q % 3;
    lora_case(OT_SMALL, s, 150, true);
}

/* ---- head ---- */
typedef struct head_naive {
    float *logp, *lse, *ent, *dx, *dw, *logits, *log_squares, *kl;
} head_naive;
/* Sums over the vocabulary: the reference's hidden states and the gradients; which way. */
typedef struct head_sums {
    pt_view xr, dentropy, dlog_squares, dkl;
    bool on, reverse;
} head_sums;
static head_naive head_new(int64_t m, int64_t hd, int64_t c, int64_t vocab)
{
    return {(float *)calloc((size_t)m + 1, 4), (float *)calloc((size_t)hd + 1, 4), (float *)calloc((size_t)hd + 1, 4),
            (float *)calloc((size_t)(hd * c) + 1, 4), (float *)calloc((size_t)(vocab * c), 4), (float *)calloc((size_t)(hd * vocab) + 1, 4),
            (float *)calloc((size_t)hd + 1, 4), (float *)calloc((size_t)hd + 1, 4)};
}
static void head_free(head_naive *o)
{
    free(o->logp), free(o->lse), free(o->ent), free(o->dx), free(o->dw), free(o->logits), free(o->log_squares), free(o->kl);
}
/* lq: log q of the reference; then the sums of row h. */
static void naive_sums(const float *w, const head_sums *sums, int64_t h, int64_t c, int64_t vocab, float cap, float temp, const float *z, float *lq, head_naive *o)
{
    float top = -INFINITY, sum = 0, squares = 0;
    for (int64_t v = 0; v < vocab; v++) {
        float raw = 0;
        for (int64_t i = 0; i < c; i++) raw += ot_f32(sums->xr, h)[i] * w[v * c + i];
        lq[v] = (cap > 0 ? cap * tanhf(raw / cap) : raw) / temp;
        top = fmaxf(top, lq[v]);
    }
    for (int64_t v = 0; v < vocab; v++) sum += expf(lq[v] - top);
    for (int64_t v = 0; v < vocab; v++) {
        float lp = z[v] - o->lse[h];
        lq[v] -= top + logf(sum);
        squares += expf(lp) * expf(lp);
        o->kl[h] += sums->reverse ? expf(lq[v]) * (lq[v] - lp) : expf(lp) * (lp - lq[v]);
    }
    o->log_squares[h] = logf(squares);
}
/* The plain program of the same precision: w rounded, f32 sums, dz rounded. dw comes filled. */
static void naive_head(pt_dtype t, const float *w, pt_view x, pt_view dl, const int32_t *heads, const int32_t *targets, int m,
                       int64_t hd, int64_t c, int64_t vocab, float cap, float temp, const head_sums *sums, head_naive *o)
{
    float *z = (float *)malloc((size_t)vocab * 4), *raw = (float *)malloc((size_t)vocab * 4), *lq = (float *)malloc((size_t)vocab * 4);
    for (int64_t h = 0; h < hd; h++) {
        float top = -INFINITY, sum = 0, mean = 0, total = 0;
        for (int64_t v = 0; v < vocab; v++) {
            raw[v] = 0;
            for (int64_t i = 0; i < c; i++) raw[v] += ot_f32(x, h)[i] * w[v * c + i];
            z[v] = (cap > 0 ? cap * tanhf(raw[v] / cap) : raw[v]) / temp;
            top = fmaxf(top, z[v]);
            float product = ot_round(t, raw[v]);
            o->logits[h * vocab + v] = (cap > 0 ? cap * tanhf(product / cap) : product) / temp;
        }
        for (int64_t v = 0; v < vocab; v++) sum += expf(z[v] - top);
        o->lse[h] = top + logf(sum);
        for (int64_t v = 0; v < vocab; v++) mean += expf(z[v] - o->lse[h]) * z[v];
        o->ent[h] = o->lse[h] - mean;
        if (sums->on) naive_sums(w, sums, h, c, vocab, cap, temp, z, lq, o);
        for (int k = 0; k < m; k++)
            if (heads[k] == h) o->logp[k] = z[targets[k]] - o->lse[h], total += ot_f32(dl, 0)[k];
        for (int64_t v = 0; v < vocab; v++) {
            float lp = z[v] - o->lse[h], p = expf(lp), d = -total * p, u = cap > 0 ? tanhf(raw[v] / cap) : 0;
            if (sums->on)
                d += ot_f32(sums->dentropy, 0)[h] * -p * (lp + o->ent[h]) + ot_f32(sums->dlog_squares, 0)[h] * 2 * p * (p / expf(o->log_squares[h]) - 1) +
                     ot_f32(sums->dkl, 0)[h] * (sums->reverse ? p - expf(lq[v]) : p * (lp - lq[v] - o->kl[h]));
            for (int k = 0; k < m; k++)
                if (heads[k] == h && targets[k] == v) d += ot_f32(dl, 0)[k];
            d = ot_round(t, d / temp * (1 - u * u));
            for (int64_t i = 0; i < c; i++) o->dx[h * c + i] += d * w[v * c + i], o->dw[v * c + i] += d * ot_f32(x, h)[i];
        }
    }
    for (int64_t i = 0; i < hd * c; i++) o->dx[i] = ot_round(t, o->dx[i]);
    free(z), free(raw), free(lq);
}
static void head_case(pt_dtype t, pt_dtype w, int64_t hd, int64_t c, int64_t vocab, float softcap, float temperature, int back, int sums = 0)
{
    ot_case(t);
    static int32_t heads[4096], targets[4096];
    int32_t m = 0;
    for (int32_t h = 0; h < hd; h++)
        for (int k = 0; k < h % 4; k++)
            heads[m] = h, targets[m] = k == 2 ? targets[m - 1] : (int32_t)((h * 37 + k * 11) % vocab), m++;
    pt_view x = ot_in(t, hd, c, c + 8, 1, 1), W = ot_weight(w, vocab, c, 2, 0.3f), rh = ot_list(heads, m),
           rt = ot_list(targets, m);
    pt_view logp = ot_act(PT_F32, 1, m, m), lse = ot_act(PT_F32, 1, hd, hd), ent = ot_act(PT_F32, 1, hd, hd),
           top = ot_act(PT_I32, 1, hd, hd), lg = ot_act(PT_F32, hd, vocab, vocab + 3);
    pt_view dl = ot_in(PT_F32, 1, m, m, 3, 1), dx = back ? ot_act(t, hd, c, c + 8) : ot_none(),
           dw = back > 1 ? ot_in(PT_F32, vocab, c, c, 4, 1) : ot_none();
    head_sums s = {ot_none(), ot_none(), ot_none(), ot_none(), sums > 0, sums == 2};
    pt_view log_squares = sums ? ot_act(PT_F32, 1, hd, hd) : ot_none(), kl = sums ? ot_act(PT_F32, 1, hd, hd) : ot_none();
    if (sums) {
        s.xr = ot_in(t, hd, c, c + 8, 5, 0.2f);
        for (int64_t h = 0; h < hd; h++)
            for (int64_t i = 0; i < c; i++) ot_f32(s.xr, h)[i] += ot_f32(x, h)[i];
        ot_put(s.xr);
        s.dentropy = ot_in(PT_F32, 1, hd, hd, 6, 1), s.dlog_squares = ot_in(PT_F32, 1, hd, hd, 7, 1), s.dkl = ot_in(PT_F32, 1, hd, hd, 8, 1);
    }
    float *f = dense(W, t);
    head_naive o = head_new(m, hd, c, vocab);
    for (int64_t i = 0; back > 1 && i < vocab * c; i++) o.dw[i] = ot_f32(dw, i / c)[i % c];
    naive_head(t, f, x, dl, heads, targets, m, hd, c, vocab, softcap, temperature, &s, &o);
    OT_ON(head, pt_head_args, a.logits = D(lg), a.logp = D(logp), a.lse = D(lse), a.entropy = D(ent), a.argmax = D(top), a.dx = D(dx),
           a.dw = D(dw), a.x = D(x), a.w = D(W), a.row_head = D(rh), a.row_target = D(rt), a.dlogp = D(dl),
           a.temperature = temperature, a.softcap = softcap, a.log_squares = D(log_squares), a.kl = D(kl), a.dentropy = D(s.dentropy), a.dlog_squares = D(s.dlog_squares),
           a.dkl = D(s.dkl), a.xr = D(s.xr), a.kl_reverse = s.reverse);
    if (sums) ot_result_within("log_squares", log_squares, o.log_squares), ot_result_within("kl", kl, o.kl);
    ot_result_within("logits", lg, o.logits), ot_result_within("logp", logp, o.logp), ot_result_within("lse", lse, o.lse), ot_result_within("entropy", ent, o.ent);
    for (int64_t h = 0; (t == PT_F32 || w == PT_BF16) && h < hd; h++) {
        int32_t got = ot_got_i32(top, h);
        assert_int_equal(got, ot_i32(top)[h]);
    }
    if (back) ot_result_within("dx", dx, o.dx);
    if (back > 1) ot_result_within("dw", dw, o.dw);
    free(f), head_free(&o);
    ot_free_all();
}
/* Where the reference is the policy there is no divergence and none of its gradient, to the bit. */
static void head_same(pt_dtype t, bool reverse)
{
    const int64_t hd = 7, vocab = 2500;
    ot_case(t);
    pt_view x = ot_in(t, hd, 64, 64, 1, 1), W = ot_weight(PT_Q8_0, vocab, 64, 2, 0.3f), none = ot_list(nullptr, 0), xr = ot_in(t, hd, 64, 64, 1, 1),
            kl = ot_act(PT_F32, 1, hd, hd), dx = ot_act(t, hd, 64, 64), dkl = ot_in(PT_F32, 1, hd, hd, 3, 1), dl = ot_act(PT_F32, 1, 0, 0);
    OT_ON(head, pt_head_args, a.kl = D(kl), a.dx = D(dx), a.x = D(x), a.xr = D(xr), a.w = D(W), a.row_head = D(none), a.row_target = D(none), a.dlogp = D(dl),
          a.dkl = D(dkl), a.kl_reverse = reverse, a.temperature = 1.5f);
    for (int64_t h = 0; h < hd; h++) {
        assert_true(ot_got(kl, 0, h) == 0);
        for (int64_t i = 0; i < 64; i++) assert_true(ot_got(dx, h, i) == 0);
    }
    ot_free_all();
}
static void test_head(void **)
{
    OT_EACH_ACT(t)
    {
        head_same(t, false);
        head_same(t, true);
    }
    OT_EACH_ACT(t)
    {
        head_case(t, PT_BF16, 13, 40, 3000, 0, 1, 2);
        head_case(t, PT_F32, 9, 33, 257, 30, 0.7f, 2);
        head_case(t, PT_Q6_K, 6, 256, 100, 0, 1, 1);
        head_case(t, PT_Q4_K, 5, 256, 37, 5, 1, 0);
        head_case(t, PT_F16, 1, 8, 1, 0, 1, 1);
        head_case(t, PT_BF16, 0, 8, 10, 0, 1, 1);
        head_case(t, PT_BF16, 13, 40, 3000, 0, 1, 2, 1);
        head_case(t, PT_F32, 9, 33, 257, 30, 0.7f, 2, 2);
        head_case(t, PT_Q4_K, 8, 256, 37, 5, 1, 1, 1);
        head_case(t, PT_F32, 8, 16, 2500, 0, 1, 0, 2);
    }
    ot_most_passes = 1;
    if (ot_plain()) head_case(OT_SMALL, PT_BF16, 2100, 8, 37, 0, 1, 2);   /* more rows than a chunk */
    if (ot_plain()) head_case(OT_SMALL, PT_Q8_0, 2100, 32, 37, 0, 1, 1); /* and w dequantised once for both */
    ot_most_passes = 3;
}

/* ---- weights that are dequantised in several blocks: rows forward, columns backward ---- */
/* q8_0 with random bytes and scales of about 1e-3: quick to make. */
static pt_view large_weight(int64_t rows, int64_t cols)
{
    pt_view m = ot_new(PT_Q8_0, rows, cols, cols);
    unsigned char *b = ot_row(m, 0);
    uint32_t x = 1;
    for (int64_t i = 0; i < rows * cols / 32 * 34; i++)
        x = x * 1664525u + 1013904223u, b[i] = i % 34 == 1 ? 0x14 : (unsigned char)(x >> 24);
    ot_put(m);
    return m;
}
static void test_blocks(void **)
{
    const int64_t n = 9, out = 136, in = 131072, wide = 32768, few = 544;
    if (!ot_plain()) skip();
    ot_most_passes = 1;
    ot_case(OT_SMALL);
    pt_view w = large_weight(out, in), x = ot_in(OT_SMALL, n, in, in, 1, 1), y = ot_act(OT_SMALL, n, out, out);
    float *f = dense(w, OT_SMALL), *naive = naive_linear(OT_SMALL, y, x, f, ot_none(), 0);
    OT_ON(linear, pt_linear_args, a.y = D(y), a.x = D(x), a.w = D(w));
    ot_result_within("y", y, naive);
    int32_t heads[] = {0, 1, 3, 3, 8}, targets[] = {7, 135, 130, 0, 127};
    pt_view rh = ot_list(heads, 5), rt = ot_list(targets, 5), logp = ot_act(PT_F32, 1, 5, 5), dl = ot_in(PT_F32, 1, 5, 5, 3, 1),
           dx = ot_act(OT_SMALL, n, in, in);
    head_naive o = head_new(5, n, in, out);
    head_sums none = {ot_none(), ot_none(), ot_none(), ot_none(), false, false};
    naive_head(OT_SMALL, f, x, dl, heads, targets, 5, n, in, out, 0, 30, &none, &o);
    OT_ON(head, pt_head_args, a.logp = D(logp), a.dx = D(dx), a.x = D(x), a.w = D(w), a.row_head = D(rh), a.row_target = D(rt),
           a.dlogp = D(dl), a.temperature = 30);
    ot_result_within("logp", logp, o.logp), ot_result_within("dx", dx, o.dx);
    free(f), free(naive), head_free(&o);
    ot_free_all();
    ot_case(OT_SMALL);
    w = large_weight(wide, few);
    pt_view dy = ot_in(OT_SMALL, n, wide, wide, 1, 1), d = ot_act(OT_SMALL, n, few, few);
    f = dense(w, OT_SMALL), naive = naive_linear_bwd(OT_SMALL, d, dy, f, 0);
    OT_ON(linear_bwd_x, pt_linear_bwd_x_args, a.dx = D(d), a.dy = D(dy), a.w = D(w));
    ot_result_within("dx", d, naive);
    free(f), free(naive);
    ot_free_all();
    ot_most_passes = 3;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_embed),      cmocka_unit_test(test_linear),
                                       cmocka_unit_test(test_linear_bwd), cmocka_unit_test(test_lora),
                                       cmocka_unit_test(test_head),       cmocka_unit_test(test_blocks)};
    return ot_main("kernels_dense", tests);
}
