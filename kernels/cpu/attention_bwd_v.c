/* Attention backward: one block of queries of one KV head against its tiles of keys, transposed. dq is complete in the block;
 * what a tile gives to dk and dv is summed over the block's rows first and added when it is this block's turn at those keys
 * (attention_v.h). */
#include <sched.h>

#include "kernels/cpu/attention_micro.h"

static const float log2e = 1.44269504088896340736f;

typedef struct block {
    float *qt, *gt, *dqt;         /* [dim][row_pad]: Q^T, dO^T, dQ^T */
    float *qr, *gr;               /* [row_pad][wide]: Q and dO by rows; wide = dim rounded up to 16 */
    float *p, *ds;                /* [keys][row_pad] */
    float *ck, *cv;               /* [keys][wide]: what this tile adds to dk and dv */
    float *lse2, *delta, *factor; /* [row_pad] */
    rows_info info;
    int64_t wide;
} block;

static int64_t widen(int dim)
{
    return (dim + 15) / 16 * 16;
}

static void lay_out(block *b, float *at, const pt_attn_job *j)
{
    int64_t pad = j->row_pad, wide = widen(j->dim), matrix = j->dim * pad;
    float **parts[] = {&b->qt, &b->gt, &b->dqt, &b->qr, &b->gr, &b->p, &b->ds, &b->ck, &b->cv, &b->lse2, &b->delta, &b->factor};
    int64_t sizes[] = {matrix,
                       matrix,
                       matrix,
                       pad * wide,
                       pad * wide,
                       PT_ATTN_KEYS * pad,
                       PT_ATTN_KEYS * pad,
                       PT_ATTN_KEYS * wide,
                       PT_ATTN_KEYS * wide,
                       pad,
                       pad,
                       pad};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        *parts[i] = at;
        at += sizes[i];
    }
    b->info = (rows_info){(int32_t *)(void *)at, (int32_t *)(void *)(at + pad)};
    b->wide = wide;
}

typedef struct slope_args {
    const float *k, *v, *qt, *gt, *lse2, *delta;
    int64_t ld_k, ld_v, pad, dim;
    float c, *p, *ds;
} slope_args;

/* P^T of M keys. */
PT_INLINE void prob_keys(const int M, const int NV, const void *args, int64_t key)
{
    const slope_args *a = args;
    pt_vf acc[MR][NR];
    clear(M, NV, acc);
    product(M, NV, acc, a->k + key * a->ld_k, a->ld_k, 1, a->qt, a->pad, a->dim);
    PT_EACH(m, M, w, NV)
    {
        pt_vstore(a->p + (key + m) * a->pad + w * PT_W,
                  exp2_of(pt_vfma(acc[m][w], pt_vset(a->c), -pt_vload(a->lse2 + w * PT_W))));
    }
}
PT_TILE_VARIANTS(prob_keys)

/* dS^T of M keys (without the scale). */
PT_INLINE void slope_keys(const int M, const int NV, const void *args, int64_t key)
{
    const slope_args *a = args;
    pt_vf acc[MR][NR];
    clear(M, NV, acc);
    product(M, NV, acc, a->v + key * a->ld_v, a->ld_v, 1, a->gt, a->pad, a->dim);
    PT_EACH(m, M, w, NV)
    {
        int64_t at = (key + m) * a->pad + w * PT_W;
        pt_vstore(a->ds + at, pt_vload(a->p + at) * (acc[m][w] - pt_vload(a->delta + w * PT_W)));
    }
}
PT_TILE_VARIANTS(slope_keys)

typedef struct sum_args {
    const float *a, *b;
    int64_t ld_a, ld_b, n, ld_to;
    float *to;
} sum_args;

/* dQ^T += K^T . dS^T for M features. */
PT_INLINE void query_features(const int M, const int NV, const void *args, int64_t d)
{
    const sum_args *a = args;
    float *to = a->to + d * a->ld_to;
    pt_vf acc[MR][NR];
    PT_EACH(m, M, w, NV)
    {
        acc[m][w] = pt_vload(to + m * a->ld_to + w * PT_W);
    }
    product(M, NV, acc, a->a + d, 1, a->ld_a, a->b, a->ld_b, a->n);
    PT_EACH(m, M, w, NV)
    {
        pt_vstore(to + m * a->ld_to + w * PT_W, acc[m][w]);
    }
}
PT_TILE_VARIANTS(query_features)

/* to[key][...] = sum over n rows of a[key][row] * b[row][...] for M keys. */
PT_INLINE void key_rows(const int M, const int NV, const void *args, int64_t key)
{
    const sum_args *a = args;
    pt_vf acc[MR][NR];
    clear(M, NV, acc);
    product(M, NV, acc, a->a + key * a->ld_a, a->ld_a, 1, a->b, a->ld_b, a->n);
    PT_EACH(m, M, w, NV)
    {
        pt_vstore(a->to + (key + m) * a->ld_to + w * PT_W, acc[m][w]);
    }
}
PT_TILE_VARIANTS(key_rows)

static void hide(const pt_attn_job *j, const pt_attn_tile *t, const block *b, int r0, int nv)
{
    for (int w = 0; w < nv; w++) {
        int at = r0 + w * PT_W;
        pt_vi token = load_ints(b->info.token + at), pos = load_ints(b->info.pos + at);
        for (int32_t key = t->k0; key < t->k1; key++) {
            pt_vi mask = sees(j->forest, key, token, pos);
            float *p = b->p + (int64_t)(key - t->k0) * j->row_pad + at, *ds = b->ds + (int64_t)(key - t->k0) * j->row_pad + at;
            pt_vstore(p, pt_vpick(mask, pt_vload(p), pt_vset(0)));
            pt_vstore(ds, pt_vpick(mask, pt_vload(ds), pt_vset(0)));
        }
    }
}

/* Rows [from, to) of the block whose panels see something of the tile, all their P and dS filled; false when none does. */
static bool tile_rows(const pt_attn_job *j, const pt_attn_tile *t, const block *b, const float *k, const float *v, int rows,
                      int *from, int *to)
{
    int vectors = (rows + PT_W - 1) / PT_W, first = -1, last = 0;
    int64_t keys = t->k1 - t->k0, pad = j->row_pad;
    for (int i = 0; i < vectors; i += NR) {
        int r1 = (i + NR) * PT_W < rows ? (i + NR) * PT_W : rows;
        if (panel_sight(j, t, &b->info, i * PT_W, r1) == SEE_NONE) continue;
        if (first < 0) first = i;
        last = i + NR < vectors ? i + NR : vectors;
    }
    if (first < 0) return false;
    for (int i = first; i < last; i += NR) {
        int nv = last - i < NR ? last - i : NR, r0 = i * PT_W, r1 = r0 + nv * PT_W < rows ? r0 + nv * PT_W : rows;
        slope_args sa = {k,       v,   b->qt + r0, b->gt + r0,       b->lse2 + r0, b->delta + r0, j->ld_k,
                         j->ld_v, pad, j->dim,     j->scale * log2e, b->p + r0,    b->ds + r0};
        by_tiles(prob_keys_table[nv - 1], &sa, keys);
        by_tiles(slope_keys_table[nv - 1], &sa, keys);
        if (panel_sight(j, t, &b->info, r0, r1) != SEE_ALL) hide(j, t, b, r0, nv);
        sum_args qa = {k, b->ds + r0, j->ld_k, pad, keys, pad, b->dqt + r0};
        by_tiles(query_features_table[nv - 1], &qa, j->dim);
    }
    *from = first * PT_W;
    *to = last * PT_W;
    return true;
}

/* ck, cv over rows [from, to) of the block. */
static void key_sums(const pt_attn_job *j, const block *b, int64_t keys, int from, int to)
{
    int vectors = (int)(widen(j->dim) / PT_W), parts = (vectors + NR - 1) / NR, at = 0;
    for (int i = 0; i < parts; i++) {
        int nv = (vectors - at + parts - i - 1) / (parts - i);
        int64_t col = (int64_t)at * PT_W, pad = j->row_pad;
        sum_args ka = {b->ds + from, b->qr + from * b->wide + col, pad, b->wide, to - from, b->wide, b->ck + col};
        sum_args va = {b->p + from, b->gr + from * b->wide + col, pad, b->wide, to - from, b->wide, b->cv + col};
        by_tiles(key_rows_table[nv - 1], &ka, keys);
        by_tiles(key_rows_table[nv - 1], &va, keys);
        at += nv;
    }
}

static void add_rows(float *to, int64_t ld, const float *c, int64_t wide, int64_t keys, int dim, float factor)
{
    for (int64_t i = 0; i < keys; i++)
        for (int d = 0; d < dim; d++) to[i * ld + d] += factor * c[i * wide + d];
}

static void wait_turn(const pt_attn_job *j, int kv, int32_t index, int32_t cell)
{
    _Atomic int32_t *turn = j->turn + (int64_t)kv * j->n_cells + cell;
    int32_t mine = j->turn_of[(int64_t)index * j->n_cells + cell];
    for (int tries = 0; atomic_load_explicit(turn, memory_order_acquire) != mine; tries++)
        if (tries > 64) sched_yield();
}

static void pass_turn(const pt_attn_job *j, int kv, int32_t cell)
{
    atomic_fetch_add_explicit(j->turn + (int64_t)kv * j->n_cells + cell, 1, memory_order_release);
}

static void prepare(const pt_attn_job *j, int kv, const block *b, int32_t q0, int rows)
{
    int64_t pad = j->row_pad, first = (int64_t)kv * j->group * j->dim;
    pack_transposed(b->qt, j->q + first, j->ld_q, j, q0, rows);
    pack_transposed(b->gt, j->dout + first, j->ld_dout, j, q0, rows);
    for (int64_t i = 0; i < j->dim * pad; i++) b->dqt[i] = 0;
    for (int r = 0; r < pad; r++) {
        float *qr = b->qr + r * b->wide, *gr = b->gr + r * b->wide;
        b->factor[r] = j->scale;
        b->lse2[r] = b->delta[r] = 0;
        memset(qr, 0, (size_t)b->wide * sizeof *qr);
        memset(gr, 0, (size_t)b->wide * sizeof *gr);
        if (r >= rows) continue;
        memcpy(qr, row_at(j->q + first, j->ld_q, j, q0, r), (size_t)j->dim * sizeof *qr);
        memcpy(gr, row_at(j->dout + first, j->ld_dout, j, q0, r), (size_t)j->dim * sizeof *gr);
        const float *out = row_at(j->out + first, j->ld_out, j, q0, r);
        pt_vf sum = pt_vset(0);
        for (int d = 0; d < j->dim; d += PT_W) {
            int n = j->dim - d < PT_W ? j->dim - d : PT_W;
            sum = pt_vfma(pt_vload(gr + d), n == PT_W ? pt_vload(out + d) : pt_vload_part(out + d, n, 0), sum);
        }
        b->delta[r] = pt_vsum(sum);
        b->lse2[r] = j->lse_in[((int64_t)kv * j->group + r % j->group) * j->ld_lse + b->info.token[r]] * log2e;
    }
}

/* One tile: P, dS, dq; then the sums for its keys, added in turn. Both counts of cells may be the same for several tiles. */
static void tile(const pt_attn_job *j, int kv, int32_t index, const pt_attn_tile *t, const block *b, int rows, int32_t held)
{
    const float *k = j->k + (int64_t)t->k0 * j->ld_k + (int64_t)kv * j->dim,
                *v = j->v + (int64_t)t->k0 * j->ld_v + (int64_t)kv * j->dim;
    int64_t keys = t->k1 - t->k0;
    int from, to;
    bool any = tile_rows(j, t, b, k, v, rows, &from, &to);
    if (any) key_sums(j, b, keys, from, to);
    for (int32_t cell = (t->k1 - 1) / PT_ATTN_CELL; cell >= t->k0 / PT_ATTN_CELL; cell--)
        if (cell != held) wait_turn(j, kv, index, cell);
    if (!any) return;
    add_rows(j->dk + (int64_t)t->k0 * j->ld_dk + (int64_t)kv * j->dim, j->ld_dk, b->ck, b->wide, keys, j->dim, j->scale);
    add_rows(j->dv + (int64_t)t->k0 * j->ld_dv + (int64_t)kv * j->dim, j->ld_dv, b->cv, b->wide, keys, j->dim, 1);
}

void PT_V(pt_attn_backward)(const pt_attn_job *j, int kv, int32_t index, float *scratch)
{
    block b;
    lay_out(&b, scratch, j);
    int32_t n = j->forest->n_tokens, q0 = index * j->block_tokens, q1 = n - q0 < j->block_tokens ? n : q0 + j->block_tokens;
    int rows = (q1 - q0) * j->group;
    fill_rows(&b.info, j, q0, rows);
    prepare(j, kv, &b, q0, rows);
    pt_attn_walk w = pt_attn_walk_begin(j->forest, q0, q1);
    pt_attn_tile t, next;
    int32_t held = -1; /* the cell that this tile shares with the one before: still ours */
    for (bool have = pt_attn_next(&w, &t); have; t = next) {
        tile(j, kv, index, &t, &b, rows, held);
        have = pt_attn_next(&w, &next);
        int32_t low = t.k0 / PT_ATTN_CELL;
        held = have && (next.k1 - 1) / PT_ATTN_CELL == low ? low : -1;
        for (int32_t cell = (t.k1 - 1) / PT_ATTN_CELL; cell >= low; cell--)
            if (cell != held) pass_turn(j, kv, cell);
    }
    unpack_transposed(j->dq + (int64_t)kv * j->group * j->dim, j->ld_dq, b.dqt, b.factor, j, q0, rows);
}

#if defined(PT_ISA_base)
size_t pt_attn_scratch_bwd(int row_pad, int dim)
{
    size_t pad = (size_t)row_pad, wide = (size_t)widen(dim);
    return 3 * (size_t)dim * pad + 2 * pad * wide + 2 * PT_ATTN_KEYS * pad + 2 * PT_ATTN_KEYS * wide + 5 * pad;
}
#endif
