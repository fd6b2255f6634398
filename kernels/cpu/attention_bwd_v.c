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
    const float *weight; /* dS = weight * (dP - delta); may be ds */
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

/* The dot products of M keys, as they are. */
PT_INLINE void dot_keys(const int M, const int NV, const void *args, int64_t key)
{
    const slope_args *a = args;
    pt_vf acc[MR][NR];
    clear(M, NV, acc);
    product(M, NV, acc, a->k + key * a->ld_k, a->ld_k, 1, a->qt, a->pad, a->dim);
    PT_EACH(m, M, w, NV)
    {
        pt_vstore(a->p + (key + m) * a->pad + w * PT_W, acc[m][w]);
    }
}
PT_TILE_VARIANTS(dot_keys)

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
        pt_vstore(a->ds + at, pt_vload(a->weight + at) * (acc[m][w] - pt_vload(a->delta + w * PT_W)));
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

/* What rows do not see counts nothing: keys [lo, hi) by the rule, the tile's other keys altogether. */
static void hide(const pt_attn_job *j, const pt_attn_tile *t, const block *b, int r0, int nv, int32_t lo, int32_t hi)
{
    for (int w = 0; w < nv; w++) {
        int at = r0 + w * PT_W;
        pt_vi token = load_ints(b->info.token + at), pos = load_ints(b->info.pos + at);
        for (int32_t key = t->k0; key < t->k1; key++) {
            pt_vi mask = {0};
            if (key >= lo && key < hi) mask = sees(j->forest, key, token, pos);
            float *p = b->p + (int64_t)(key - t->k0) * j->row_pad + at, *ds = b->ds + (int64_t)(key - t->k0) * j->row_pad + at;
            pt_vstore(p, pt_vpick(mask, pt_vload(p), pt_vset(0)));
            pt_vstore(ds, pt_vpick(mask, pt_vload(ds), pt_vset(0)));
        }
    }
}

/* Of keys [lo, hi): the dot products in P become probabilities, dS their slopes by scale times the dot product. */
static void bend_probs(const pt_attn_job *j, int kv, const pt_attn_tile *t, const block *b, int r0, int rows, int nv,
                       int32_t lo, int32_t hi)
{
    float slopes[PANEL];
    panel_slopes(slopes, j, kv, r0, rows);
    for (int w = 0; w < nv; w++) {
        int at = r0 + w * PT_W;
        pt_vi pos = load_ints(b->info.pos + at);
        pt_vf slope = pt_vload(slopes + w * PT_W), lse2 = pt_vload(b->lse2 + at), by_dot;
        for (int32_t key = lo; key < hi; key++) {
            int64_t to = (int64_t)(key - t->k0) * j->row_pad + at;
            pt_vf s = bend(j, pt_vload(b->p + to), slope, pos - j->forest->positions[key], &by_dot);
            pt_vf p = exp2_of(pt_vfma(s, pt_vset(log2e), -lse2));
            pt_vstore(b->p + to, p);
            pt_vstore(b->ds + to, p * by_dot);
        }
    }
}

/* P and dS of one panel, and what they add to dq. */
static void tile_panel(const pt_attn_job *j, int kv, const pt_attn_tile *t, const block *b, int r0, int nv, int rows)
{
    int r1 = r0 + nv * PT_W < rows ? r0 + nv * PT_W : rows;
    int32_t lo = t->k0, hi = t->k1;
    bool all = panel_sight(j, t, &b->info, r0, r1) == SEE_ALL;
    if (!all) clip_keys(j, t, b->info.token[r0], b->info.token[r1 - 1] + 1, &lo, &hi);
    int64_t pad = j->row_pad, at = (int64_t)(lo - t->k0) * pad + r0;
    const float *k = j->k + (int64_t)lo * j->ld_k + (int64_t)kv * j->dim,
                *v = j->v + (int64_t)lo * j->ld_v + (int64_t)kv * j->dim;
    bool bent = bends(j);
    slope_args sa = {.k = k,
                     .v = v,
                     .qt = b->qt + r0,
                     .gt = b->gt + r0,
                     .lse2 = b->lse2 + r0,
                     .delta = b->delta + r0,
                     .ld_k = j->ld_k,
                     .ld_v = j->ld_v,
                     .pad = pad,
                     .dim = j->dim,
                     .c = j->scale * log2e,
                     .p = b->p + at,
                     .ds = b->ds + at,
                     .weight = (bent ? b->ds : b->p) + at};
    by_tiles(bent ? dot_keys_table[nv - 1] : prob_keys_table[nv - 1], &sa, hi - lo);
    if (bent) bend_probs(j, kv, t, b, r0, rows, nv, lo, hi);
    by_tiles(slope_keys_table[nv - 1], &sa, hi - lo);
    if (!all) hide(j, t, b, r0, nv, lo, hi);
    sum_args qa = {k, b->ds + at, j->ld_k, pad, hi - lo, pad, b->dqt + r0};
    by_tiles(query_features_table[nv - 1], &qa, j->dim);
}

/* Rows [from, to) of the block whose panels see something of the tile, all their P and dS filled; false when none does. */
static bool tile_rows(const pt_attn_job *j, int kv, const pt_attn_tile *t, const block *b, int rows, int *from, int *to)
{
    int vectors = (rows + PT_W - 1) / PT_W, first = -1, last = 0;
    for (int i = 0; i < vectors; i += NR) {
        int r1 = (i + NR) * PT_W < rows ? (i + NR) * PT_W : rows;
        if (panel_sight(j, t, &b->info, i * PT_W, r1) == SEE_NONE) continue;
        if (first < 0) first = i;
        last = i + NR < vectors ? i + NR : vectors;
    }
    if (first < 0) return false;
    for (int i = first; i < last; i += NR) tile_panel(j, kv, t, b, i * PT_W, last - i < NR ? last - i : NR, rows);
    *from = first * PT_W;
    *to = last * PT_W;
    return true;
}

/* ck, cv of keys [key, key + keys) of the tile over rows [from, to) of the block. */
static void key_sums(const pt_attn_job *j, const block *b, int64_t key, int64_t keys, int from, int to)
{
    int vectors = (int)(widen(j->dim) / PT_W), parts = (vectors + NR - 1) / NR, at = 0;
    for (int i = 0; i < parts; i++) {
        int nv = (vectors - at + parts - i - 1) / (parts - i);
        int64_t col = (int64_t)at * PT_W, pad = j->row_pad, a = key * pad + from, c = key * b->wide + col;
        sum_args ka = {b->ds + a, b->qr + from * b->wide + col, pad, b->wide, to - from, b->wide, b->ck + c};
        sum_args va = {b->p + a, b->gr + from * b->wide + col, pad, b->wide, to - from, b->wide, b->cv + c};
        by_tiles(key_rows_table[nv - 1], &ka, keys);
        by_tiles(key_rows_table[nv - 1], &va, keys);
        at += nv;
    }
}

/* The same for the whole tile; of the block's own tokens, a step of keys is seen by no panel before its first key's. */
static void tile_sums(const pt_attn_job *j, const pt_attn_tile *t, const block *b, int32_t q0, int from, int to)
{
    if (t->k0 < q0) {
        key_sums(j, b, 0, t->k1 - t->k0, from, to);
        return;
    }
    for (int32_t key = t->k0; key < t->k1; key += PT_ATTN_STEP) {
        int keys = t->k1 - key < PT_ATTN_STEP ? t->k1 - key : PT_ATTN_STEP, start = (key - q0) * j->group / PANEL * PANEL;
        key_sums(j, b, key - t->k0, keys, start > from ? start : from, to);
    }
}

static void add_rows(float *to, int64_t ld, const float *c, int64_t wide, int64_t keys, int dim, float factor)
{
    for (int64_t i = 0; i < keys; i++, to += ld, c += wide) {
        int d = 0;
        for (; d + PT_W <= dim; d += PT_W) pt_vstore(to + d, pt_vfma(pt_vset(factor), pt_vload(c + d), pt_vload(to + d)));
        for (; d < dim; d++) to[d] += factor * c[d];
    }
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

/* The rows as they are, padded to `wide` with zeros, and delta. */
static void prepare_row(const pt_attn_job *j, const block *b, int r, const float *q, const float *g, const float *out)
{
    float *qr = b->qr + r * b->wide, *gr = b->gr + r * b->wide;
    pt_vf sum = pt_vset(0);
    int d = 0;
    for (; d + PT_W <= j->dim; d += PT_W) {
        pt_vf x = pt_vload(g + d);
        pt_vstore(qr + d, pt_vload(q + d));
        pt_vstore(gr + d, x);
        sum = pt_vfma(x, pt_vload(out + d), sum);
    }
    float rest = 0;
    for (; d < b->wide; d++) {
        bool in = d < j->dim;
        qr[d] = in ? q[d] : 0;
        gr[d] = in ? g[d] : 0;
        rest += in ? g[d] * out[d] : 0;
    }
    b->delta[r] = pt_vsum(sum) + rest;
}

static void prepare(const pt_attn_job *j, int kv, const block *b, int32_t q0, int rows)
{
    int64_t pad = j->row_pad, first = (int64_t)kv * j->group * j->dim;
    pack_transposed(b->qt, j->q + first, j->ld_q, j, q0, rows);
    pack_transposed(b->gt, j->dout + first, j->ld_dout, j, q0, rows);
    memset(b->dqt, 0, (size_t)(j->dim * pad) * sizeof *b->dqt);
    for (int r = 0; r < pad; r++) {
        b->factor[r] = j->scale;
        if (r < rows) {
            prepare_row(j, b, r, row_at(j->q + first, j->ld_q, j, q0, r), row_at(j->dout + first, j->ld_dout, j, q0, r),
                        row_at(j->out + first, j->ld_out, j, q0, r));
            b->lse2[r] = j->lse_in[((int64_t)kv * j->group + r % j->group) * j->ld_lse + b->info.token[r]] * log2e;
        } else {
            memset(b->qr + r * b->wide, 0, (size_t)b->wide * sizeof *b->qr);
            memset(b->gr + r * b->wide, 0, (size_t)b->wide * sizeof *b->gr);
            b->lse2[r] = b->delta[r] = 0;
        }
    }
}

/* One tile: P, dS, dq; then the sums for its keys, added in turn. held: the cell whose turn is this block's already. */
static void tile(const pt_attn_job *j, int kv, int32_t index, const pt_attn_tile *t, const block *b, int rows, int32_t held)
{
    int64_t keys = t->k1 - t->k0;
    int from, to;
    bool any = tile_rows(j, kv, t, b, rows, &from, &to);
    if (any) tile_sums(j, t, b, index * j->block_tokens, from, to);
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
