/* Pieces of the bf16 attention kernels: tiles of rows in shared memory, products with mma.m16n8k16, masks, and the walk over a
 * block's tiles.
 *
 * A tile is rows of D + 8 elements: eight neighbouring rows then lie in different banks for ldmatrix, and every fragment's
 * address is one register plus a constant. A warp owns 16 rows (M of the mma); with g = lane / 4, t = lane % 4 a lane holds
 * columns 8j + 2t, 8j + 2t + 1 of rows g and g + 8 as c[j][0..3]. The same registers, rounded to bf16, are the left operand of
 * the next product, so that probabilities never leave the warp. */
#ifndef PT_KERNELS_ATTENTION_MMA_CUH
#define PT_KERNELS_ATTENTION_MMA_CUH
#include "kernels/cuda/forest_cuda.cuh"

constexpr float PT_LOG2E = 1.4426950408889634f, PT_LN2 = 0.6931471805599453f;

template <int D> struct pt_rows {
    static constexpr int ld = D + 8, chunks = D / 8;
};

/* Lane offsets: of the right operand read along its rows (ldmatrix_x4), and of a left operand or a right one read across
 * (ldmatrix_x4, ldmatrix_x4_trans). */
template <int D> PT_DEV int along(void)
{
    int l = lane_id();
    return ((l & 7) + ((l >> 4) << 3)) * pt_rows<D>::ld + ((l >> 3) & 1) * 8;
}
template <int D> PT_DEV int across(void)
{
    int l = lane_id();
    return (l & 15) * pt_rows<D>::ld + (l >> 4) * 8;
}

/* Rows [row0, row0 + ROWS) of g, each `dim` features long, to a tile, by threads 0..THREADS-1; zeros past n and past dim. With
 * WIDE (16-byte aligned rows, dim % 8 == 0) asynchronous: the caller commits and waits; else done at the next barrier. */
template <int D, int ROWS, int THREADS, bool WIDE>
PT_DEV void load_tile(bf16 *tile, const bf16 *g, int64_t ld, int row0, int n, int dim, int thread = (int)threadIdx.x)
{
    constexpr int CH = pt_rows<D>::chunks, STEPS = ROWS * CH / THREADS, LD = pt_rows<D>::ld;
    static_assert(ROWS * CH % THREADS == 0, "every thread copies as much");
    if constexpr (WIDE) {
#pragma unroll
        for (int i = 0; i < STEPS; i++) {
            int at = thread + i * THREADS, r = at / CH, c = at % CH * 8;
            cp_async16_zfill(tile + r * LD + c, g + (row0 + r) * ld + c, row0 + r < n && c < dim ? 16 : 0);
        }
    } else {
#pragma unroll 1
        for (int at = thread; at < ROWS * D; at += THREADS) {
            int r = at / D, c = at % D;
            bool in = row0 + r < n && c < dim;
            tile[r * LD + c] = in ? g[(row0 + r) * ld + c] : from_f<bf16>(0.0f);
        }
    }
}

/* The same for two matrices, tile after tile into two tiles side by side: what can be is computed before the loop. ld of at
 * most 2^30 elements. */
template <int D, int ROWS, int THREADS, bool WIDE> struct pt_feed {
    static constexpr int chunks = pt_rows<D>::chunks,
                         slots = chunks == 12 ? 16 : chunks; /* a thread keeps its column; 4 of 16 may idle */
    static constexpr int step = THREADS / slots, tile = ROWS * pt_rows<D>::ld;
    static_assert(THREADS % slots == 0 && ROWS % step == 0, "threads take whole rows");
    const bf16 *a, *b; /* WIDE: at the thread's first element of tile 0 */
    int ld_a, ld_b;    /* WIDE: bytes */
    int n, dim;
    int row; /* of the thread in a tile; so large that it is past n when its column is past dim */
    int to;
};
template <int D, int ROWS, int THREADS, bool WIDE>
PT_DEV void feed_begin(pt_feed<D, ROWS, THREADS, WIDE> *f, const bf16 *a, int64_t ld_a, const bf16 *b, int64_t ld_b, int n,
                       int dim)
{
    typedef pt_feed<D, ROWS, THREADS, WIDE> F;
    *f = {a, b, (int)ld_a, (int)ld_b, n, dim, 0, 0};
    if constexpr (WIDE) {
        int r = (int)threadIdx.x / F::slots, c = (int)threadIdx.x % F::slots * 8;
        *f = {a + r * ld_a + c,      b + r * ld_b + c,      (int)ld_a * 2, (int)ld_b * 2, n, dim,
              c < dim ? r : 1 << 30, r * pt_rows<D>::ld + c};
    }
}
template <int D, int ROWS, int THREADS, bool WIDE>
PT_DEV void feed_tiles(const pt_feed<D, ROWS, THREADS, WIDE> *f, bf16 *stage, int row0)
{
    typedef pt_feed<D, ROWS, THREADS, WIDE> F;
    if constexpr (WIDE) {
        if (F::slots != F::chunks && (int)threadIdx.x % F::slots >= F::chunks) return;
        const char *a = reinterpret_cast<const char *>(f->a) + (int64_t)row0 * f->ld_a;
        const char *b = reinterpret_cast<const char *>(f->b) + (int64_t)row0 * f->ld_b;
        int left = f->n - row0 - f->row;
        bf16 *to = stage + f->to;
#pragma unroll
        for (int i = 0; i < ROWS / F::step; i++) {
            int bytes = i * F::step < left ? 16 : 0;
            cp_async16_zfill(to + i * F::step * pt_rows<D>::ld, a + (int64_t)(i * F::step) * f->ld_a, bytes);
            cp_async16_zfill(to + F::tile + i * F::step * pt_rows<D>::ld, b + (int64_t)(i * F::step) * f->ld_b, bytes);
        }
    } else {
        load_tile<D, ROWS, THREADS, WIDE>(stage, f->a, f->ld_a, row0, f->n, f->dim);
        load_tile<D, ROWS, THREADS, WIDE>(stage + F::tile, f->b, f->ld_b, row0, f->n, f->dim);
    }
}

/* Two neighbouring features; WIDE: 4-byte aligned. */
template <bool WIDE> PT_DEV uint32_t load_pair(const bf16 *p, bool in)
{
    if (!in) return 0;
    if constexpr (WIDE)
        return vld(reinterpret_cast<const uint32_t *>(p));
    else
        return (uint32_t)__bfloat16_as_ushort(p[0]) | (uint32_t)__bfloat16_as_ushort(p[1]) << 16;
}
template <bool WIDE> PT_DEV void store_pair(bf16 *p, float lo, float hi)
{
    if constexpr (WIDE) {
        vst(reinterpret_cast<uint32_t *>(p), pack_bf16(lo, hi));
    } else {
        p[0] = from_f<bf16>(lo);
        p[1] = from_f<bf16>(hi);
    }
}

/* A left operand straight from memory: rows g and g + 8 of the warp's 16, at lo and hi. */
template <int D, bool WIDE>
PT_DEV void load_left(uint32_t a[D / 16][4], const bf16 *lo, const bf16 *hi, bool in_lo, bool in_hi, int dim)
{
    int t2 = lane_id() % 4 * 2;
#pragma unroll
    for (int ks = 0; ks < D / 16; ks++) {
        int c = ks * 16 + t2;
        a[ks][0] = load_pair<WIDE>(lo + c, in_lo && c < dim);
        a[ks][1] = load_pair<WIDE>(hi + c, in_hi && c < dim);
        a[ks][2] = load_pair<WIDE>(lo + c + 8, in_lo && c + 8 < dim);
        a[ks][3] = load_pair<WIDE>(hi + c + 8, in_hi && c + 8 < dim);
    }
}

/* The warp's 16 rows of accumulators c[D/8], times f, to rows lo and hi. */
template <int D, bool WIDE>
PT_DEV void store_rows(const float c[D / 8][4], float f_lo, float f_hi, bf16 *lo, bf16 *hi, bool in_lo, bool in_hi, int dim)
{
    int t2 = lane_id() % 4 * 2;
#pragma unroll
    for (int j = 0; j < D / 8; j++) {
        int col = j * 8 + t2;
        if (in_lo && col < dim) store_pair<WIDE>(lo + col, c[j][0] * f_lo, c[j][1] * f_lo);
        if (in_hi && col < dim) store_pair<WIDE>(hi + col, c[j][2] * f_hi, c[j][3] * f_hi);
    }
}

template <int N> PT_DEV void clear(float c[N][4])
{
#pragma unroll
    for (int j = 0; j < N; j++)
#pragma unroll
        for (int e = 0; e < 4; e++) c[j][e] = 0.0f;
}

/* s[16 x COLS] = a . b^T, b: COLS rows of a tile (the lane's address by along()); a in registers, or rows of a tile (across()).
 */
template <int D, int COLS> PT_DEV void product_t(float s[COLS / 8][4], const uint32_t a[D / 16][4], const bf16 *b)
{
    clear<COLS / 8>(s);
#pragma unroll
    for (int ks = 0; ks < D / 16; ks++)
#pragma unroll
        for (int np = 0; np < COLS / 16; np++) {
            uint32_t r[4];
            ldmatrix_x4(r, b + np * 16 * pt_rows<D>::ld + ks * 16);
            mma_bf16_16816(s[2 * np], a[ks], r[0], r[1]);
            mma_bf16_16816(s[2 * np + 1], a[ks], r[2], r[3]);
        }
}
template <int D, int COLS> PT_DEV void product_t(float s[COLS / 8][4], const bf16 *a, const bf16 *b)
{
    clear<COLS / 8>(s);
#pragma unroll
    for (int ks = 0; ks < D / 16; ks++) {
        uint32_t left[4];
        ldmatrix_x4(left, a + ks * 16);
#pragma unroll
        for (int np = 0; np < COLS / 16; np++) {
            uint32_t r[4];
            ldmatrix_x4(r, b + np * 16 * pt_rows<D>::ld + ks * 16);
            mma_bf16_16816(s[2 * np], left, r[0], r[1]);
            mma_bf16_16816(s[2 * np + 1], left, r[2], r[3]);
        }
    }
}
/* o[16 x DC] += p[16 x ROWS] . b; p rounded to bf16; b: ROWS rows of a tile of width D (the lane's address by across()). */
template <int D, int DC, int ROWS> PT_DEV void add_product(float o[DC / 8][4], const float p[ROWS / 8][4], const bf16 *b)
{
#pragma unroll
    for (int kk = 0; kk < ROWS / 16; kk++) {
        const float *x = p[2 * kk], *y = p[2 * kk + 1];
        uint32_t a[4] = {pack_bf16(x[0], x[1]), pack_bf16(x[2], x[3]), pack_bf16(y[0], y[1]), pack_bf16(y[2], y[3])};
#pragma unroll
        for (int dp = 0; dp < DC / 16; dp++) {
            uint32_t r[4];
            ldmatrix_x4_trans(r, b + kk * 16 * pt_rows<D>::ld + dp * 16);
            mma_bf16_16816(o[2 * dp], a, r[0], r[1]);
            mma_bf16_16816(o[2 * dp + 1], a, r[2], r[3]);
        }
    }
}

/* Sum and maximum over the four lanes that share a row. */
PT_DEV float row_sum(float v)
{
    v += __shfl_xor_sync(PT_FULL, v, 1);
    return v + __shfl_xor_sync(PT_FULL, v, 2);
}
PT_DEV float row_max(float v)
{
    v = fmaxf(v, __shfl_xor_sync(PT_FULL, v, 1));
    return fmaxf(v, __shfl_xor_sync(PT_FULL, v, 2));
}

/* The tiles of one block, in parts of SIZE tokens. */
template <int SIZE> struct pt_tile_walk {
    static constexpr int parts = PT_TILE / SIZE;
    const int2 *run;
    int at, end; /* parts */
};
template <int SIZE> PT_DEV void walk_run(pt_tile_walk<SIZE> *w)
{
    int2 r = vld(w->run);
    w->at = r.x * pt_tile_walk<SIZE>::parts;
    w->end = w->at + r.y * pt_tile_walk<SIZE>::parts;
}
template <int SIZE> PT_DEV void walk_begin(pt_tile_walk<SIZE> *w, const int2 *run)
{
    w->run = run;
    walk_run(w);
}
/* To the next tile; there must be one. */
template <int SIZE> PT_DEV void walk_next(pt_tile_walk<SIZE> *w)
{
    if (++w->at == w->end) {
        w->run++;
        walk_run(w);
    }
}

/* One token's side of the rule of visibility. */
struct pt_token {
    int i, pos;
};
PT_DEV pt_token token_at(const pt_tile_list &l, int i, bool placed = false) /* placed: with its position in any case */
{
    pt_token t = {i, 0};
    if ((l.window || placed) && i < l.n) t.pos = l.pos[i];
    return t;
}
/* Does query i see key j, whose subtree ends at `end`, but for the window? */
PT_DEV bool sees(pt_token i, int j, int end)
{
    return j <= i.i && i.i < end;
}

/* Scores that are more than scale times a dot product, times log2(e): softcap and the slope of one head (kernels/attention.h).
 * tanh(x) = 1 - 2 / (1 + e^2x) by the special function unit: 2e-7 of the cap off, where bf16 keeps 4e-3 of a probability. */
struct pt_bend {
    float scale2; /* scale * log2(e) */
    float cap2;   /* softcap * log2(e); 0 = none */
    float rate;   /* 2^(rate * dot) = e^2x */
    float slope2; /* slope * log2(e); 0 = none */
};
PT_DEV pt_bend bend_of(float scale, float softcap, const float *slope)
{
    return {scale * PT_LOG2E, softcap * PT_LOG2E, softcap > 0 ? 2 * scale * PT_LOG2E / softcap : 0.0f,
            slope ? *slope * PT_LOG2E : 0.0f};
}
/* Of the four dot products that a lane holds of columns c, c + 1: the scores, and their slopes by scale * dot. row: tokens of rows
 * g and g + 8, with their positions; sign: 1 where rows are queries, -1 where columns are. A column past the last token keeps its
 * dot product's score: 0, as in the kernels without a bend. */
PT_DEV void bend_scores(float s[4], float by[4], const pt_bend &b, const pt_tile_list &l, const pt_token row[2], int c, float sign)
{
    if (b.cap2 > 0) {
#pragma unroll
        for (int e = 0; e < 4; e++) {
            float t = 1.0f - __fdividef(2.0f, 1.0f + ex2_approx(s[e] * b.rate));
            s[e] = b.cap2 * t;
            by[e] = 1.0f - t * t;
        }
    } else {
#pragma unroll
        for (int e = 0; e < 4; e++) s[e] *= b.scale2, by[e] = 1.0f;
    }
    if (b.slope2 != 0) {
        int2 pos = vld(reinterpret_cast<const int2 *>(l.pos + c));
        float slope = sign * b.slope2;
#pragma unroll
        for (int e = 0; e < 4; e++)
            if (c + e % 2 < l.n) s[e] -= slope * (float)(row[e / 2].pos - (e % 2 ? pos.y : pos.x));
    }
}

/* Which queries a block holds: blockIdx.x counts blocks of the list slowly, (KV head, set of its query heads) fast. Rows are
 * head-major, `list.tokens` rows a head, so that a warp's rows belong to one head. */
struct pt_row_block {
    int4 block;
    int kv, head, heads; /* first query head and how many */
    int row_head;        /* this warp's; >= heads: the warp has no rows */
    int lo, hi;          /* tokens of rows g and g + 8 */
    int last;            /* of the warp's tokens */
};
PT_DEV pt_row_block row_block(const pt_tile_list &l, int n_kv, int group, int set_heads)
{
    pt_row_block b;
    int sets = (group + set_heads - 1) / set_heads, share = n_kv * sets, rest = (int)blockIdx.x % share;
    b.block = vld(l.blocks + (int)blockIdx.x / share);
    b.kv = rest / sets;
    int first = rest % sets * set_heads,
        row = __shfl_sync(PT_FULL, warp_id(), 0) * 16; /* so the compiler sees one value a warp */
    b.head = b.kv * group + first;
    b.heads = group - first < set_heads ? group - first : set_heads;
    b.row_head = row / l.tokens;
    b.last = b.block.x * l.tokens + row % l.tokens + 15;
    b.lo = b.last - 15 + lane_id() / 4;
    b.hi = b.lo + 8;
    return b;
}

/* The list and the heads of a block for blocks of `rows` rows. */
typedef struct pt_row_plan {
    int list, set_heads, sets;
} pt_row_plan;
static inline pt_row_plan pt_row_plan_of(int group, int rows)
{
    pt_row_plan p = {0, 0, 0};
    int most = rows / 16;
    p.sets = (group + most - 1) / most;
    p.set_heads = (group + p.sets - 1) / p.sets;
    p.sets = (group + p.set_heads - 1) / p.set_heads;
    while (p.list + 1 < PT_QUERY_LISTS && (16 << (p.list + 1)) * p.set_heads <= rows) p.list++;
    return p;
}
#endif
