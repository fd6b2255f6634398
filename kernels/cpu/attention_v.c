/* Attention forward: one block of queries of one KV head against its tiles of keys (Dao 2023, online softmax), transposed. */
#include <math.h>

#include "kernels/cpu/attention_micro.h"

static const float log2e = 1.44269504088896340736f, ln2 = 0.69314718055994530942f;

/* Where things of one block lie; all in the thread's scratch. top, sum, shrink: [row_pad] running maximum (times scale*log2 e), running
 * sum, and what the last maximum's change makes of earlier sums. */
typedef struct block {
    float *qt, *ot, *score, *top, *sum, *shrink;
    rows_info info;
} block;

#define SCRATCH_FWD(pad, dim) (2 * (size_t)(dim) * (size_t)(pad) + (size_t)PT_ATTN_KEYS * 48 + 5 * (size_t)(pad))

/* S^T of M keys: score[key][panel] = K . Q^T, and the maximum over keys. */
PT_INLINE void score_keys(const int M, const int NV, int64_t key, const float *k, int64_t ld_k, const float *qt, int64_t pad, int64_t dim,
                          float *score, pt_vf most[NR])
{
    pt_vf acc[MR][NR];
    clear(M, NV, acc);
    product(M, NV, acc, k + key * ld_k, ld_k, 1, qt, pad, dim);
    PT_UNROLL(8)
    for (int m = 0; m < M; m++)
        PT_UNROLL(3)
        for (int v = 0; v < NV; v++) {
            pt_vstore(score + (key + m) * PANEL + v * PT_W, acc[m][v]);
            most[v] = top(most[v], acc[m][v]);
        }
}

/* O^T += V^T . P^T for M features, earlier sums shrunk first. */
PT_INLINE void value_features(const int M, const int NV, int64_t d, const float *v, int64_t ld_v, const float *p, int64_t keys, float *ot,
                              int64_t pad, const float *shrink)
{
    pt_vf acc[MR][NR];
    PT_UNROLL(8)
    for (int m = 0; m < M; m++)
        PT_UNROLL(3)
        for (int w = 0; w < NV; w++) acc[m][w] = pt_vload(ot + (d + m) * pad + w * PT_W) * pt_vload(shrink + w * PT_W);
    product(M, NV, acc, v + d, 1, ld_v, p, PANEL, keys);
    PT_UNROLL(8)
    for (int m = 0; m < M; m++)
        PT_UNROLL(3)
        for (int w = 0; w < NV; w++) pt_vstore(ot + (d + m) * pad + w * PT_W, acc[m][w]);
}

/* What a row does not see becomes -inf; the maxima are taken again. */
static void hide(const pt_attn_job *j, const pt_attn_tile *t, const block *b, int r0, int nv, pt_vf most[NR])
{
    for (int v = 0; v < nv; v++) {
        pt_vi token = load_ints(b->info.token + r0 + v * PT_W), pos = load_ints(b->info.pos + r0 + v * PT_W);
        most[v] = pt_vset(-INFINITY);
        for (int32_t key = t->k0; key < t->k1; key++) {
            float *s = b->score + (int64_t)(key - t->k0) * PANEL + v * PT_W;
            pt_vf x = pt_vpick(sees(j->forest, key, token, pos), pt_vload(s), pt_vset(-INFINITY));
            pt_vstore(s, x);
            most[v] = top(most[v], x);
        }
    }
}

/* The online softmax: score becomes p = 2^(score*c - top). */
static void soften(const block *b, int r0, int nv, int64_t keys, float c, const pt_vf most[NR])
{
    for (int v = 0; v < nv; v++) {
        int at = r0 + v * PT_W;
        pt_vf before = pt_vload(b->top + at), now = top(before, most[v] * pt_vset(c));
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

static void panel(const pt_attn_job *j, int kv, const pt_attn_tile *t, const block *b, int r0, int nv, bool masked)
{
    const float *k = j->k + (int64_t)t->k0 * j->ld_k + (int64_t)kv * j->dim, *v = j->v + (int64_t)t->k0 * j->ld_v + (int64_t)kv * j->dim;
    int64_t keys = t->k1 - t->k0;
    pt_vf most[NR];
    for (int i = 0; i < NR; i++) most[i] = pt_vset(-INFINITY);
    PT_BY_TILE(score_keys, nv, keys, k, j->ld_k, b->qt + r0, j->row_pad, j->dim, b->score, most);
    if (masked) hide(j, t, b, r0, nv, most);
    soften(b, r0, nv, keys, j->scale * log2e, most);
    PT_BY_TILE(value_features, nv, j->dim, v, j->ld_v, b->score, keys, b->ot + r0, j->row_pad, b->shrink + r0);
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
    for (int64_t i = 0; i < matrix; i++) b.ot[i] = 0;
    for (int r = 0; r < pad; r++) {
        b.top[r] = -INFINITY;
        b.sum[r] = 0;
    }
    pt_attn_tile t;
    for (pt_attn_walk w = pt_attn_walk_begin(j->forest, q0, q1); pt_attn_next(&w, &t);)
        for (int v = 0; v < vectors; v += NR) {
            int nv = vectors - v < NR ? vectors - v : NR, r0 = v * PT_W, r1 = r0 + nv * PT_W < rows ? r0 + nv * PT_W : rows;
            sight see = panel_sight(j, &t, &b.info, r0, r1);
            if (see != SEE_NONE) panel(j, kv, &t, &b, r0, nv, see == SEE_SOME);
        }
    finish(j, kv, &b, q0, rows);
}

#if defined(PT_ISA_base)
size_t pt_attn_scratch_fwd(int row_pad, int dim)
{
    return SCRATCH_FWD(row_pad, dim);
}
#endif
