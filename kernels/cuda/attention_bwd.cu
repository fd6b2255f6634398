/* Backward attention in bf16 on tensor cores (kernels/attention.h), without atomics: one kernel for dq, which walks the keys of
 * its rows as forward does, and one for dk and dv, which walks the queries of its keys; each computes the probabilities again
 * from lse. 7 products instead of 5, and every sum in one fixed order. dq's kernel also leaves {lse * log2(e), delta} of each
 * row in the workspace for the other. Bytes at least: q, k, v, o, dout read, dq, dk, dv written, lse; stats 8 H N written and
 * read. */
#include "kernels/cuda/attention_cuda.cuh"
#include "kernels/cuda/attention_mma.cuh"

namespace
{
struct backward {
    const bf16 *q, *k, *v, *o, *dout;
    bf16 *dq, *dk, *dv;
    const float *lse;
    float2 *stats; /* [heads, n] */
    int64_t ld_q, ld_k, ld_v, ld_o, ld_dout, ld_dq, ld_dk, ld_dv, ld_lse;
    pt_tile_list list;
    int n_kv, group, set_heads, dim;
    float scale, softcap;
    const float *slopes;
};

/* ---- dq ---- */
/* q and dout stay in registers up to 128 features, else in shared memory. */
template <int D> struct dq_shape {
    static constexpr bool regs = D <= 128;
    static constexpr int warps = regs ? 8 : 4, threads = 32 * warps, rows = 16 * warps;
    static constexpr int keys = D <= 96 ? 64 : regs ? 32 : 16, tile = keys * pt_rows<D>::ld, stage = 2 * tile;
    static constexpr int own = regs ? 0 : rows * pt_rows<D>::ld; /* of q, and of dout */
    static constexpr size_t bytes = (size_t)(2 * own + 2 * stage) * sizeof(bf16);
};

/* BENT: with a softcap or slopes. s = p * (dp - delta) from scores s and dp = dout . v. stats: {lse * log2(e), delta} of rows g, g + 8. */
template <int N, bool MASKED, bool BENT>
PT_DEV void dq_scores(float s[N / 8][4], const float dp[N / 8][4], const float2 stats[2], const pt_bend &bend,
                      const pt_tile_list &l, const pt_token row[2], int k0)
{
#pragma unroll
    for (int j = 0; j < N / 8; j++) {
        int key = k0 + j * 8 + lane_id() % 4 * 2;
        float by[4];
        if constexpr (BENT) bend_scores(s[j], by, bend, l, row, key, 1.0f);
#pragma unroll
        for (int e = 0; e < 4; e++) {
            if constexpr (BENT)
                s[j][e] = ex2_approx(s[j][e] - stats[e / 2].x) * (dp[j][e] - stats[e / 2].y) * by[e];
            else
                s[j][e] = ex2_approx(s[j][e] * bend.scale2 - stats[e / 2].x) * (dp[j][e] - stats[e / 2].y);
        }
        if constexpr (MASKED) {
            int2 end = vld(reinterpret_cast<const int2 *>(l.end_of + key));
#pragma unroll
            for (int e = 0; e < 4; e++)
                if (!sees(row[e / 2], key + e % 2, e % 2 ? end.y : end.x)) s[j][e] = 0.0f;
            if (l.window) {
                int2 pos = vld(reinterpret_cast<const int2 *>(l.pos + key));
#pragma unroll
                for (int e = 0; e < 4; e++)
                    if (row[e / 2].pos - (e % 2 ? pos.y : pos.x) >= l.window) s[j][e] = 0.0f;
            }
        }
    }
}

/* Rows of the warp times a tile of keys; left operands in registers or in shared memory. */
template <int D, bool MASKED, bool BENT, typename L>
PT_DEV void dq_tile(float dq[D / 8][4], L q, L dout, const bf16 *along_k, const bf16 *across_k, const float2 stats[2],
                    const pt_bend &bend, const pt_tile_list &l, const pt_token row[2], int k0)
{
    constexpr int N = dq_shape<D>::keys;
    float s[N / 8][4], dp[N / 8][4];
    product_t<D, N>(s, q, along_k);
    product_t<D, N>(dp, dout, along_k + dq_shape<D>::tile); /* values */
    dq_scores<N, MASKED, BENT>(s, dp, stats, bend, l, row, k0);
    add_product<D, D, N>(dq, s, across_k);
}

/* delta of rows g and g + 8, and lse: stored for the other kernel, returned for this one. */
template <bool WIDE> PT_DEV void dq_stats(float2 out[2], const backward &a, int head, const int tok[2], const bool in[2])
{
    int t2 = lane_id() % 4 * 2;
#pragma unroll
    for (int r = 0; r < 2; r++) {
        const bf16 *o = a.o + tok[r] * a.ld_o + (int64_t)head * a.dim, *g = a.dout + tok[r] * a.ld_dout + (int64_t)head * a.dim;
        float delta = 0;
        for (int c = t2; c < a.dim; c += 8) {
            uint32_t x = load_pair<WIDE>(o + c, in[r]), y = load_pair<WIDE>(g + c, in[r]);
            delta += unpack_lo(x) * unpack_lo(y) + unpack_hi(x) * unpack_hi(y);
        }
        out[r].y = row_sum(delta);
        out[r].x = in[r] ? a.lse[head * a.ld_lse + tok[r]] * PT_LOG2E : 0.0f;
        if (in[r] && lane_id() % 4 == 0) vst(a.stats + (int64_t)head * a.list.n + tok[r], out[r]);
    }
}

template <int D, bool WIDE, bool BENT> __global__ void __launch_bounds__(dq_shape<D>::threads) attention_dq_k(backward a)
{
    using S = dq_shape<D>;
    DYN_SHARED(bf16, smem);
    bf16 *ring = smem + 2 * S::own;
    pt_row_block b = row_block(a.list, a.n_kv, a.group, a.set_heads);
    const bf16 *k = a.k + (int64_t)b.kv * a.dim, *v = a.v + (int64_t)b.kv * a.dim;
    int head = b.head + b.row_head, n = a.list.n, tok[2] = {b.lo, b.hi};
    bool works = b.row_head < b.heads, in[2] = {works && b.lo < n, works && b.hi < n};
    int full = b.block.z * pt_tile_walk<S::keys>::parts, all = b.block.w * pt_tile_walk<S::keys>::parts;
    pt_token row[2] = {token_at(a.list, b.lo, BENT), token_at(a.list, b.hi, BENT)};
    pt_bend bend = {a.scale * PT_LOG2E, 0, 0, 0};
    if constexpr (BENT) bend = bend_of(a.scale, a.softcap, a.slopes && works ? a.slopes + head : NULL);
    pt_tile_walk<S::keys> walk;
    walk_begin(&walk, a.list.runs + b.block.y);
    int now = walk.at;
    pt_feed<D, S::keys, S::threads, WIDE> feed;
    feed_begin(&feed, k, a.ld_k, v, a.ld_v, n, a.dim);
    feed_tiles(&feed, ring, now * S::keys);
    const bf16 *q_at = a.q + (int64_t)head * a.dim, *g_at = a.dout + (int64_t)head * a.dim;
    constexpr int FRAGS = S::regs ? D / 16 : 1;
    uint32_t q[FRAGS][4], g[FRAGS][4];
    if constexpr (S::regs) {
        load_left<D, WIDE>(q, q_at + tok[0] * a.ld_q, q_at + tok[1] * a.ld_q, in[0], in[1], a.dim);
        load_left<D, WIDE>(g, g_at + tok[0] * a.ld_dout, g_at + tok[1] * a.ld_dout, in[0], in[1], a.dim);
    } else if (works) { /* a warp fills and reads its own 16 rows */
        int first = b.lo - lane_id() / 4;
        load_tile<D, 16, 32, WIDE>(smem + warp_id() * 16 * pt_rows<D>::ld, q_at, a.ld_q, first, n, a.dim, lane_id());
        load_tile<D, 16, 32, WIDE>(smem + S::own + warp_id() * 16 * pt_rows<D>::ld, g_at, a.ld_dout, first, n, a.dim,
                                   lane_id());
    }
    cp_async_commit();
    float2 stats[2] = {};
    if (works) dq_stats<WIDE>(stats, a, head, tok, in);
    float dq[D / 8][4];
    clear<D / 8>(dq);
    const bf16 *along_k = ring + along<D>(), *across_k = ring + across<D>();
    const bf16 *q_rows = smem + warp_id() * 16 * pt_rows<D>::ld + across<D>(), *g_rows = q_rows + S::own;
    bf16 *to = ring;
    int turn = S::stage, i = 0;
    auto next = [&]() { /* waits for the present tile, starts the copy of the one after it into the other stage */
                        cp_async_wait<0>();
                        __syncthreads();
                        now = walk.at;
                        to += turn;
                        if (++i < all) {
                            walk_next(&walk);
                            feed_tiles(&feed, to, walk.at * S::keys);
                        }
                        cp_async_commit();
    };
    auto swap = [&]() {
        along_k += turn;
        across_k += turn;
        turn = -turn;
    };
#pragma unroll 1
    while (i < full) {
        next();
        if (works) {
            if constexpr (S::regs)
                dq_tile<D, false, BENT>(dq, q, g, along_k, across_k, stats, bend, a.list, row, now * S::keys);
            else
                dq_tile<D, false, BENT>(dq, q_rows, g_rows, along_k, across_k, stats, bend, a.list, row, now * S::keys);
        }
        swap();
    }
#pragma unroll 1
    while (i < all) {
        next();
        if (works && now * S::keys <= b.last) { /* else the tile lies behind all of the warp's rows */
            if constexpr (S::regs)
                dq_tile<D, true, BENT>(dq, q, g, along_k, across_k, stats, bend, a.list, row, now * S::keys);
            else
                dq_tile<D, true, BENT>(dq, q_rows, g_rows, along_k, across_k, stats, bend, a.list, row, now * S::keys);
        }
        swap();
    }
    if (!works) return;
    bf16 *out = a.dq + (int64_t)head * a.dim;
    store_rows<D, WIDE>(dq, a.scale, a.scale, out + tok[0] * a.ld_dq, out + tok[1] * a.ld_dq, in[0], in[1], a.dim);
}

/* ---- dk and dv ---- */
/* A block: sets of warps with 16 keys each (rows of the products), `queries` of one head at a time (columns). For D = 256 two
 * warps share a set of keys, each sums half of the features of dk and dv. SMALL: for 99 KB of shared memory a block (sm_86,
 * sm_89), and for softcaps and slopes, which take registers. */
template <int D, bool SMALL> struct dkv_shape {
    static constexpr int part = D <= 128 ? D : 128; /* features of dk and dv */
    static constexpr int sets = SMALL && D > 128 ? 2 : 4, warps = sets * D / part, threads = 32 * warps, keys = 16 * sets;
    static constexpr int queries = D <= 64 ? 64 : SMALL ? 16 : 32;
    static constexpr int own = keys * pt_rows<D>::ld, tile = queries * pt_rows<D>::ld;
    static constexpr int stats = 4 * queries; /* bf16 elements of a stage's stats */
    static constexpr int stage = 2 * tile + stats;
    static constexpr size_t bytes = (size_t)(2 * own + 2 * stage) * sizeof(bf16);
};

/* p and ds of 16 keys (rows) x N queries. stats: of the lane's first two queries, in shared memory. */
template <int N, bool MASKED, bool BENT>
PT_DEV void dkv_scores(float s[N / 8][4], float dp[N / 8][4], const float *stats, const pt_bend &bend, const pt_tile_list &l,
                       const pt_token key[2], const int end[2], int q0)
{
#pragma unroll
    for (int j = 0; j < N / 8; j++) {
        float4 st = vld(reinterpret_cast<const float4 *>(stats + 16 * j)); /* lse, delta, lse, delta */
        int query = q0 + j * 8 + lane_id() % 4 * 2;
        float by[4];
        if constexpr (BENT) bend_scores(s[j], by, bend, l, key, query, -1.0f);
#pragma unroll
        for (int e = 0; e < 4; e++) s[j][e] = ex2_approx(BENT ? s[j][e] - (e % 2 ? st.z : st.x) : s[j][e] * bend.scale2 - (e % 2 ? st.z : st.x));
        if constexpr (MASKED) {
#pragma unroll
            for (int e = 0; e < 4; e++)
                if (!sees({query + e % 2, 0}, key[e / 2].i, end[e / 2])) s[j][e] = 0.0f;
            if (l.window) {
                int2 pos = vld(reinterpret_cast<const int2 *>(l.pos + query));
#pragma unroll
                for (int e = 0; e < 4; e++)
                    if ((e % 2 ? pos.y : pos.x) - key[e / 2].pos >= l.window) s[j][e] = 0.0f;
            }
        }
#pragma unroll
        for (int e = 0; e < 4; e++) {
            dp[j][e] = s[j][e] * (dp[j][e] - (e % 2 ? st.w : st.y));
            if constexpr (BENT) dp[j][e] *= by[e];
        }
    }
}

/* What a block copies next: tiles of queries of one head after the other. */
template <int D, bool SMALL, bool WIDE> struct query_feed {
    pt_feed<D, dkv_shape<D, SMALL>::queries, dkv_shape<D, SMALL>::threads, WIDE> rows;
    pt_tile_walk<dkv_shape<D, SMALL>::queries> walk;
    const float *stats; /* the thread's number of token 0 */
    int left, heads;    /* tiles and heads still to come after the present one */
};

template <int D, bool SMALL, bool WIDE> PT_DEV void feed_queries(const query_feed<D, SMALL, WIDE> *f, bf16 *stage)
{
    using S = dkv_shape<D, SMALL>;
    int q0 = f->walk.at * S::queries, at = (int)threadIdx.x;
    feed_tiles(&f->rows, stage, q0);
    if (at < 2 * S::queries)
        cp_async4_zfill(reinterpret_cast<float *>(stage + 2 * S::tile) + at, f->stats + 2 * (int64_t)q0,
                        q0 + at / 2 < f->rows.n ? 4 : 0);
}
/* To the next tile, of the next head after a head's last. */
template <int D, bool SMALL, bool WIDE>
PT_DEV void feed_next(query_feed<D, SMALL, WIDE> *f, const backward &a, const int2 *run, int all)
{
    if (f->left > 0) {
        walk_next(&f->walk);
        f->left--;
        return;
    }
    walk_begin(&f->walk, run);
    f->left = all - 1;
    f->heads--;
    f->rows.a += a.dim;
    f->rows.b += a.dim;
    f->stats += 2 * (int64_t)a.list.n;
}

/* One tile of queries. along_q, across_q: the lane's addresses in it, stats: of the lane's first two queries. */
template <int D, bool SMALL, bool MASKED, bool BENT>
PT_DEV void dkv_tile(float dk[][4], float dv[][4], const bf16 *k_rows, const bf16 *v_rows, const bf16 *along_q,
                     const bf16 *across_q, const float *stats, const pt_bend &bend, const pt_tile_list &l, const pt_token key[2],
                     const int end[2], int q0)
{
    using S = dkv_shape<D, SMALL>;
    constexpr int N = S::queries;
    float s[N / 8][4], dp[N / 8][4];
    product_t<D, N>(s, k_rows, along_q);
    product_t<D, N>(dp, v_rows, along_q + S::tile);
    dkv_scores<N, MASKED, BENT>(s, dp, stats, bend, l, key, end, q0);
    add_product<D, S::part, N>(dv, s, across_q + S::tile);
    add_product<D, S::part, N>(dk, dp, across_q);
}

template <int D, bool SMALL, bool WIDE, bool BENT>
__global__ void __launch_bounds__(dkv_shape<D, SMALL>::threads) attention_dkv_k(backward a)
{
    using S = dkv_shape<D, SMALL>;
    constexpr int BLOCKS = PT_TILE / S::keys; /* that share a tile of the list */
    DYN_SHARED(bf16, smem);
    bf16 *ring = smem + 2 * S::own, *to = ring;
    int n = a.list.n, at = (int)blockIdx.x, kv = at % a.n_kv, head = kv * a.group;
    int warp = __shfl_sync(PT_FULL, warp_id(), 0), set = warp % S::sets, c0 = warp / S::sets * S::part;
    int4 block = vld(a.list.blocks + at / a.n_kv / BLOCKS);
    const int2 *run = a.list.runs + block.y;
    int k0 = block.x * PT_TILE + at / a.n_kv % BLOCKS * S::keys;
    int full = block.z * pt_tile_walk<S::queries>::parts, all = block.w * pt_tile_walk<S::queries>::parts;
    load_tile<D, S::keys, S::threads, WIDE>(smem, a.k + (int64_t)kv * a.dim, a.ld_k, k0, n, a.dim);
    load_tile<D, S::keys, S::threads, WIDE>(smem + S::own, a.v + (int64_t)kv * a.dim, a.ld_v, k0, n, a.dim);
    query_feed<D, SMALL, WIDE> feed;
    feed_begin(&feed.rows, a.q + (int64_t)head * a.dim, a.ld_q, a.dout + (int64_t)head * a.dim, a.ld_dout, n, a.dim);
    feed.stats = reinterpret_cast<const float *>(a.stats + (int64_t)head * n) + threadIdx.x;
    walk_begin(&feed.walk, run);
    feed.left = all - 1;
    feed.heads = a.group - 1;
    feed_queries(&feed, to);
    cp_async_commit();
    int lo = k0 + set * 16 + lane_id() / 4, hi = lo + 8; /* tokens of rows g, g + 8 */
    pt_token key[2] = {token_at(a.list, lo, BENT), token_at(a.list, hi, BENT)};
    pt_bend bend = {a.scale * PT_LOG2E, 0, 0, 0};
    int end[2] = {lo < n ? a.list.end_of[lo] : 0, hi < n ? a.list.end_of[hi] : 0};
    float dk[S::part / 8][4], dv[S::part / 8][4];
    clear<S::part / 8>(dk);
    clear<S::part / 8>(dv);
    const bf16 *k_rows = smem + set * 16 * pt_rows<D>::ld + across<D>(), *v_rows = k_rows + S::own;
    const bf16 *along_q = ring + along<D>(), *across_q = ring + c0 + across<D>();
    const float *stats = reinterpret_cast<const float *>(ring + 2 * S::tile) + lane_id() % 4 * 4;
    int turn = S::stage, now = 0;
    auto next = [&]() { /* waits for the present tile, starts the copy of the one after it into the other stage */
                        cp_async_wait<0>();
                        __syncthreads();
                        now = feed.walk.at * S::queries;
                        to += turn;
                        if (feed.left + feed.heads > 0) {
                            feed_next(&feed, a, run, all);
                            feed_queries(&feed, to);
                        }
                        cp_async_commit();
    };
    auto swap = [&]() {
        along_q += turn;
        across_q += turn;
        stats += turn / 2;
        turn = -turn;
    };
#pragma unroll 1
    for (int h = 0; h < a.group; h++) {
        int i = 0;
        if constexpr (BENT) bend = bend_of(a.scale, a.softcap, a.slopes ? a.slopes + head + h : NULL);
#pragma unroll 1
        for (; i < full; i++) {
            next();
            dkv_tile<D, SMALL, false, BENT>(dk, dv, k_rows, v_rows, along_q, across_q, stats, bend, a.list, key, end, now);
            swap();
        }
#pragma unroll 1
        for (; i < all; i++) {
            next();
            if (now + S::queries > k0 + set * 16) /* else before all of the warp's keys */
                dkv_tile<D, SMALL, true, BENT>(dk, dv, k_rows, v_rows, along_q, across_q, stats, bend, a.list, key, end, now);
            swap();
        }
    }
    int64_t col = (int64_t)kv * a.dim + c0;
    int dim = a.dim - c0;
    store_rows<S::part, WIDE>(dk, a.scale, a.scale, a.dk + lo * a.ld_dk + col, a.dk + hi * a.ld_dk + col, lo < n, hi < n, dim);
    store_rows<S::part, WIDE>(dv, 1.0f, 1.0f, a.dv + lo * a.ld_dv + col, a.dv + hi * a.ld_dv + col, lo < n, hi < n, dim);
}

/* ---- launching ---- */
backward arguments(const pt_attention_bwd_args *a, float2 *stats)
{
    backward k = {};
    k.q = pt_ptr<bf16>(a->q), k.k = pt_ptr<bf16>(a->k), k.v = pt_ptr<bf16>(a->v), k.o = pt_ptr<bf16>(a->o),
    k.dout = pt_ptr<bf16>(a->dout);
    k.dq = pt_ptr<bf16>(a->dq), k.dk = pt_ptr<bf16>(a->dk), k.dv = pt_ptr<bf16>(a->dv), k.lse = pt_ptr<float>(a->lse),
    k.stats = stats;
    k.ld_q = a->q.ld, k.ld_k = a->k.ld, k.ld_v = a->v.ld, k.ld_o = a->o.ld, k.ld_dout = a->dout.ld;
    k.ld_dq = a->dq.ld, k.ld_dk = a->dk.ld, k.ld_dv = a->dv.ld, k.ld_lse = a->lse.ld;
    k.n_kv = a->n_kv, k.group = a->n_heads / a->n_kv, k.dim = a->dim, k.scale = a->scale;
    k.softcap = a->softcap, k.slopes = pt_ptr<float>(a->slopes);
    return k;
}
bool wide(const pt_attention_bwd_args *a)
{
    bool w = a->dim % 8 == 0;
    for (pt_view v : {a->q, a->k, a->v, a->o, a->dout, a->dq, a->dk, a->dv}) w = w && pt_steps(v, 8);
    return w;
}

bool bent(const pt_attention_bwd_args *a)
{
    return a->softcap > 0 || pt_view_ok(a->slopes);
}

template <int D, bool WIDE, bool BENT = false> pt_status launch_dq(pt_ctx *ctx, const pt_attention_bwd_args *a, float2 *stats)
{
    using S = dq_shape<D>;
    backward k = arguments(a, stats);
    pt_row_plan p = pt_row_plan_of(k.group, S::rows);
    k.list = pt_cuda_forest_list(a->forest, p.list);
    k.set_heads = p.set_heads;
    dim3 grid((unsigned)k.list.n_blocks * (unsigned)(k.n_kv * p.sets));
    return pt_launch(attention_dq_k<D, WIDE, BENT>, grid, dim3(S::threads), S::bytes, pt_stream(ctx), k);
}
template <int D, bool SMALL, bool WIDE, bool BENT = false>
pt_status launch_dkv(pt_ctx *ctx, const pt_attention_bwd_args *a, float2 *stats)
{
    using S = dkv_shape<D, SMALL>;
    backward k = arguments(a, stats);
    k.list = pt_cuda_forest_list(a->forest, PT_KEY_LIST);
    dim3 grid((unsigned)k.list.n_blocks * (unsigned)(k.n_kv * PT_TILE / S::keys));
    return pt_launch(attention_dkv_k<D, SMALL, WIDE, BENT>, grid, dim3(S::threads), S::bytes, pt_stream(ctx), k);
}
template <int D, bool SMALL> pt_status launch_dkv(pt_ctx *ctx, const pt_attention_bwd_args *a, float2 *stats)
{
    return wide(a) ? launch_dkv<D, SMALL, true>(ctx, a, stats) : launch_dkv<D, SMALL, false>(ctx, a, stats);
}
/* Does a block get `bytes` of shared memory on this chip? */
bool fits(size_t bytes)
{
    int id = 0, most = 0;
    if (cudaGetDevice(&id) != cudaSuccess) return false;
    return cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, id) == cudaSuccess && (size_t)most >= bytes;
}
} // namespace

pt_status pt_attention_dq_bf16(pt_ctx *ctx, const pt_attention_bwd_args *a, float2 *stats)
{
    if (bent(a)) { /* few instances, as in the forward */
        if (!wide(a)) return launch_dq<256, false, true>(ctx, a, stats);
        return a->dim <= 128 ? launch_dq<128, true, true>(ctx, a, stats) : launch_dq<256, true, true>(ctx, a, stats);
    }
    if (!wide(a)) {
        if (a->dim <= 64) return launch_dq<64, false>(ctx, a, stats);
        return a->dim <= 128 ? launch_dq<128, false>(ctx, a, stats) : launch_dq<256, false>(ctx, a, stats);
    }
    if (a->dim <= 64) return launch_dq<64, true>(ctx, a, stats);
    if (a->dim <= 96) return launch_dq<96, true>(ctx, a, stats);
    if (a->dim <= 128) return launch_dq<128, true>(ctx, a, stats);
    return launch_dq<256, true>(ctx, a, stats);
}

pt_status pt_attention_dkv_bf16(pt_ctx *ctx, const pt_attention_bwd_args *a, float2 *stats)
{
    if (bent(a)) {
        if (!wide(a)) return launch_dkv<256, true, false, true>(ctx, a, stats);
        return a->dim <= 128 ? launch_dkv<128, true, true, true>(ctx, a, stats) : launch_dkv<256, true, true, true>(ctx, a, stats);
    }
    if (a->dim <= 64) return launch_dkv<64, false>(ctx, a, stats);
    if (a->dim <= 96 && wide(a)) return launch_dkv<96, false, true>(ctx, a, stats);
    if (a->dim <= 128) return launch_dkv<128, false>(ctx, a, stats);
    if (fits(dkv_shape<256, false>::bytes)) return launch_dkv<256, false>(ctx, a, stats);
    return launch_dkv<256, true>(ctx, a, stats);
}
