/* Attention forward: one block of queries of one KV head against its tiles of keys (Dao 2023, online softmax), transposed. */
#include <math.h>

#include "kernels/cpu/attention_micro.h"

static const float log2e = 1.44269504088896340736f, ln2 = 0.69314718055994530942f;

/* Where things of one block lie; all in the thread's scratch. top, sum, shrink: [row_pad] running maximum (times scale*log2 e),
 * running sum, and what the last maximum's change makes of earlier sums. */
typedef struct block {
    float *qt, *ot, *score, *top, *sum, *shrink;
    rows_info info;
} block;

#define SCRATCH_FWD(pad, dim) (2 * (size_t)(dim) * (size_t)(pad) + (size_t)PT_ATTN_KEYS * 48 + 5 * (size_t)(pad))

typedef struct score_args {
    const float *k, *qt;
    int64_t ld_k, pad, dim;
    float *score, *most;
} score_args;

/* S^T of M keys: score[key][panel] = K . Q^T, and the maximum over keys. */
PT_INLINE void score_keys(const int M, const int NV, const void *args, int64_t key)
{
    const score_args *a = args;
    pt_vf acc[MR][NR];
    clear(M, NV, acc);
    product(M, NV, acc, a->k + key * a->ld_k, a->ld_k, 1, a->qt, a->pad, a->dim);
    PT_UNROLL(3)
    for (int v = 0; v < NV; v++) {
        pt_vf most = pt_vload(a->most + v * PT_W);
        PT_UNROLL(8)
        for (int m = 0; m < M; m++) {
            pt_vstore(a->score + (key + m) * PANEL + v * PT_W, acc[m][v]);
            most = top(most, acc[m][v]);
        }
        pt_vstore(a->most + v * PT_W, most);
    }
}
PT_TILE_VARIANTS(score_keys)

typedef struct value_args {
    const float *v, *p, *shrink;
    int64_t ld_v, keys, pad;
    float *ot;
} value_args;

/* O^T += V^T . P^T for M features, earlier sums shrunk first. */
PT_INLINE void value_features(const int M, const int NV, const void *args, int64_t d)
{
    const value_args *a = args;
    float *ot = a->ot + d * a->pad;
    pt_vf acc[MR][NR];
    PT_EACH(m, M, w, NV)
    {
        acc[m][w] = pt_vload(ot + m * a->pad + w * PT_W) * pt_vload(a->shrink + w * PT_W);
    }
    product(M, NV, acc, a->v + d, 1, a->ld_v, a->p, PANEL, a->keys);
    PT_EACH(m, M, w, NV)
    {
        pt_vstore(ot + m * a->pad + w * PT_W, acc[m][w]);
    }
}
PT_TILE_VARIANTS(value_features)

/* The dot products become scores (with the scale); the maxima are taken again. */
static void bend_scores(const pt_attn_job *j, int kv, const pt_attn_tile *t, const block *b, int r0, int rows, int nv,
                        float *most)
{
    float slopes[PANEL];
    panel_slopes(slopes, j, kv, r0, rows);
    for (int v = 0; v < nv; v++) {
        pt_vi pos = load_ints(b->info.pos + r0 + v * PT_W);
        pt_vf high = pt_vset(-INFINITY), slope = pt_vload(slopes + v * PT_W), unused;
        for (int32_t key = t->k0; key < t->k1; key++) {
            float *s = b->score + (int64_t)(key - t->k0) * PANEL + v * PT_W;
            pt_vf x = bend(j, pt_vload(s), slope, pos - j->forest->positions[key], &unused);
            pt_vstore(s, x);
            high = top(high, x);
        }
        pt_vstore(most + v * PT_W, high);
    }
}

/* What a row does not see becomes -inf; the maxima are taken again. */
static void hide(const pt_attn_job *j, const pt_attn_tile *t, const block *b, int r0, int nv, float *most)
{
    for (int v = 0; v < nv; v++) {
        pt_vi token = load_ints(b->info.token + r0 + v * PT_W), pos = load_ints(b->info.pos + r0 + v * PT_W);
        pt_vf high = pt_vset(-INFINITY);
        for (int32_t key = t->k0; key < t->k1; key++) {
            float *s = b->score + (int64_t)(key - t->k0) * PANEL + v * PT_W;
            pt_vf x = pt_vpick(sees(j->forest, key, token, pos), pt_vload(s), pt_vset(-INFINITY));
            pt_vstore(s, x);
            high = top(high, x);
        }
        pt_vstore(most + v * PT_W, high);
    }
}

/* The online softmax: score becomes p = 2^(score*c - top). */
static void soften(const block *b, int r0, int nv, int64_t keys, float c, const float *most)
{
    for (int v = 0; v < nv; v++) {
        int at = r0 + v * PT_W;
        pt_vf before = pt_vload(b->top + at), now = top(before, pt_vload(most + v * PT_W) * pt_vset(c));
        pt_vf base = pt_vpick(now == pt_vset(-INFINITY), pt_vset(0), now); /* nothing seen so far: keep inf - inf away */
        pt_vf shrink = exp2_of(before - base), sum = pt_vset(0);
        for (int64_t key = 0; key < keys; key++) {
            float *s = b->score + key * PANEL + v * PT_W;
            pt_vf p = exp2_of(pt_vfma(pt_vload(s), pt_vset(c), -base));
            pt_vstore(s, p);
            sum += p;
        }
        pt_vstore(b->top + at, now);
        pt_vstore(b->shrink + at, shrink);
        pt_vstore(b->sum + at, pt_vfma(pt_vload(b->sum + at), shrink, sum));
    }
}

static void panel(const pt_attn_job *j, int kv, const pt_attn_tile *t, const block *b, int r0, int rows, int nv,
                  bool masked)
{
    const float *k = j->k + (int64_t)t->k0 * j->ld_k + (int64_t)kv * j->dim,
                *v = j->v + (int64_t)t->k0 * j->ld_v + (int64_t)kv * j->dim;
    int64_t keys = t->k1 - t->k0, pad = j->row_pad;
    float most[PANEL];
    for (int i = 0; i < PANEL; i++) most[i] = -INFINITY;
    score_args sa = {k, b->qt + r0, j->ld_k, pad, j->dim, b->score, most};
    by_tiles(score_keys_table[nv - 1], &sa, keys);
    if (bends(j)) bend_scores(j, kv, t, b, r0, rows, nv, most);
    if (masked) hide(j, t, b, r0, nv, most);
    soften(b, r0, nv, keys, bends(j) ? log2e : j->scale * log2e, most);
    value_args va = {v, b->score, b->shrink + r0, j->ld_v, keys, pad, b->ot + r0};
    by_tiles(value_features_table[nv - 1], &va, j->dim);
}

static void finish(const pt_attn_job *j, int kv, const block *b, int32_t q0, int rows)
{
    int64_t head = (int64_t)kv * j->group;
    if (j->lse)
        for (int r = 0; r < rows; r++)
            j->lse[(head + r % j->group) * j->ld_lse + b->info.token[r]] = b->top[r] * ln2 + logf(b->sum[r]);
    for (int r = 0; r < j->row_pad; r++) b->shrink[r] = 1 / b->sum[r];
    unpack_transposed(j->o + head * j->dim, j->ld_o, b->ot, b->shrink, j, q0, rows);
}

void PT_V(pt_attn_forward)(const pt_attn_job *j, int kv, int32_t index, float *scratch)
{
    int pad = j->row_pad;
    int64_t matrix = (int64_t)j->dim * pad;
    block b = {.qt = scratch, .ot = scratch + matrix, .score = scratch + 2 * matrix};
    b.top = b.score + (int64_t)PT_ATTN_KEYS * 48;
    b.sum = b.top + pad;
    b.shrink = b.sum + pad;
    b.info = (rows_info){(int32_t *)(void *)(b.shrink + pad), (int32_t *)(void *)(b.shrink + 2 * pad)};
    int32_t n = j->forest->n_tokens, q0 = index * j->block_tokens, q1 = n - q0 < j->block_tokens ? n : q0 + j->block_tokens;
    int rows = (q1 - q0) * j->group, vectors = (rows + PT_W - 1) / PT_W;
    fill_rows(&b.info, j, q0, rows);
    pack_transposed(b.qt, j->q + (int64_t)kv * j->group * j->dim, j->ld_q, j, q0, rows);
    memset(b.ot, 0, (size_t)matrix * sizeof *b.ot);
    for (int r = 0; r < pad; r++) {
        b.top[r] = -INFINITY;
        b.sum[r] = 0;
    }
    pt_attn_tile t;
    for (pt_attn_walk w = pt_attn_walk_begin(j->forest, q0, q1); pt_attn_next(&w, &t);)
        for (int v = 0; v < vectors; v += NR) {
            int nv = vectors - v < NR ? vectors - v : NR, r0 = v * PT_W, r1 = r0 + nv * PT_W < rows ? r0 + nv * PT_W : rows;
            sight see = panel_sight(j, &t, &b.info, r0, r1);
            if (see == SEE_NONE) continue;
            pt_attn_tile part = t;
            if (see == SEE_SOME) clip_keys(j, &t, b.info.token[r0], b.info.token[r1 - 1] + 1, &part.k0, &part.k1);
            panel(j, kv, &part, &b, r0, rows, nv, see == SEE_SOME);
        }
    finish(j, kv, &b, q0, rows);
}

#if defined(PT_ISA_base)
size_t pt_attn_scratch_fwd(int row_pad, int dim)
{
    return SCRATCH_FWD(row_pad, dim);
}
#endif
