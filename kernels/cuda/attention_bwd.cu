/* Backward attention in bf16 on tensor cores (kernels/attention.h), without atomics: one kernel for dq, which walks the keys of its
 * rows as forward does, and one for dk and dv, which walks the queries of its keys; each computes the probabilities again from lse.
 * 7 products instead of 5, and every sum in one fixed order. dq's kernel also leaves {lse * log2(e), delta} of each row in the
 * workspace for the other. Bytes at least: q, k, v, o, dout read, dq, dk, dv written, lse; stats 8 H N written and read. */
#include "kernels/cuda/attention_cuda.cuh"
#include "kernels/cuda/attention_mma.cuh"

namespace {
struct backward {
    const bf16 *q, *k, *v, *o, *dout;
    bf16 *dq, *dk, *dv;
    const float *lse;
    float2 *stats; /* [heads, n] */
    int64_t ld_q, ld_k, ld_v, ld_o, ld_dout, ld_dq, ld_dk, ld_dv, ld_lse;
    pt_tile_list list;
    int n_kv, group, set_heads, dim;
    float scale;
    bool wide;
};

/* ---- dq ------------------------------------------------------------------------------------------------------------------------------ */
/* q and dout stay in registers up to 128 features, else in shared memory. */
template <int D> struct dq_shape {
    static constexpr bool regs = D <= 128;
    static constexpr int warps = regs ? 8 : 4, threads = 32 * warps, rows = 16 * warps;
    static constexpr int keys = D <= 96 ? 64 : regs ? 32 : 16, tile = keys * pt_rows<D>::ld, stage = 2 * tile;
    static constexpr int own = regs ? 0 : rows * pt_rows<D>::ld; /* of q, and of dout */
    static constexpr size_t bytes = (size_t)(2 * own + 2 * stage) * sizeof(bf16);
};

/* s = p * (dp - delta) from scores s and dp = dout . v. stats: {lse * log2(e), delta} of rows g, g + 8. */
template <int N, bool MASKED>
PT_DEV void dq_scores(float s[N / 8][4], const float dp[N / 8][4], const float2 stats[2], float scale2, const pt_tile_list &l, const pt_token row[2],
                      int k0)
{
#pragma unroll
    for (int j = 0; j < N / 8; j++) {
        int key = k0 + j * 8 + lane_id() % 4 * 2;
        int2 end = make_int2(0, 0), pos = make_int2(0, 0);
        if constexpr (MASKED) {
            end = vld(reinterpret_cast<const int2 *>(l.end_of + key));
            if (l.window) pos = vld(reinterpret_cast<const int2 *>(l.pos + key));
        }
#pragma unroll
        for (int e = 0; e < 4; e++) {
            int r = e / 2;
            float p = ex2_approx(s[j][e] * scale2 - stats[r].x);
            if (MASKED && !sees(row[r], {key + e % 2, e % 2 ? pos.y : pos.x}, e % 2 ? end.y : end.x, l.window)) p = 0.0f;
            s[j][e] = p * (dp[j][e] - stats[r].y);
        }
    }
}

/* Rows of the warp times a tile of keys; left operands in registers or in shared memory. */
template <int D, bool MASKED, typename L>
PT_DEV void dq_tile(float dq[D / 8][4], L q, L dout, const bf16 *keys, const bf16 *values, int k_along, int k_across, const float2 stats[2],
                    float scale2, const pt_tile_list &l, const pt_token row[2], int k0)
{
    constexpr int N = dq_shape<D>::keys;
    float s[N / 8][4], dp[N / 8][4];
    product_t<D, N>(s, q, keys + k_along);
    product_t<D, N>(dp, dout, values + k_along);
    dq_scores<N, MASKED>(s, dp, stats, scale2, l, row, k0);
    add_product<D, D, N>(dq, s, keys + k_across);
}

/* delta of rows g and g + 8, and lse: stored for the other kernel, returned for this one. */
PT_DEV void dq_stats(float2 out[2], const backward &a, int head, const int tok[2], const bool in[2])
{
    int t2 = lane_id() % 4 * 2;
#pragma unroll
    for (int r = 0; r < 2; r++) {
        const bf16 *o = a.o + tok[r] * a.ld_o + (int64_t)head * a.dim, *g = a.dout + tok[r] * a.ld_dout + (int64_t)head * a.dim;
        float delta = 0;
        for (int c = t2; c < a.dim; c += 8) {
            uint32_t x = load_pair(o + c, in[r], a.wide), y = load_pair(g + c, in[r], a.wide);
            delta += unpack_lo(x) * unpack_lo(y) + unpack_hi(x) * unpack_hi(y);
        }
        out[r].y = row_sum(delta);
        out[r].x = in[r] ? a.lse[head * a.ld_lse + tok[r]] * PT_LOG2E : 0.0f;
        if (in[r] && lane_id() % 4 == 0) vst(a.stats + (int64_t)head * a.list.n + tok[r], out[r]);
    }
}

template <int D> __global__ void __launch_bounds__(dq_shape<D>::threads) attention_dq_k(backward a)
{
    using S = dq_shape<D>;
    DYN_SHARED(bf16, smem);
    bf16 *ring = smem + 2 * S::own;
    pt_row_block b = row_block(a.list, a.n_kv, a.group, a.set_heads);
    const bf16 *k = a.k + (int64_t)b.kv * a.dim, *v = a.v + (int64_t)b.kv * a.dim;
    int head = b.head + b.row_head, n = a.list.n, tok[2] = {b.lo, b.hi};
    bool works = b.row_head < b.heads, in[2] = {works && b.lo < n, works && b.hi < n};
    int full = b.block.z * pt_tile_walk<S::keys>::parts, all = b.block.w * pt_tile_walk<S::keys>::parts;
    pt_token row[2] = {token_at(a.list, b.lo), token_at(a.list, b.hi)};
    pt_tile_walk<S::keys> walk;
    walk_begin(&walk, a.list.runs + b.block.y);
    int now = walk.at;
    load_tile<D, S::keys, S::threads>(ring, k, a.ld_k, now * S::keys, n, a.dim, a.wide);
    load_tile<D, S::keys, S::threads>(ring + S::tile, v, a.ld_v, now * S::keys, n, a.dim, a.wide);
    const bf16 *q_at = a.q + (int64_t)head * a.dim, *g_at = a.dout + (int64_t)head * a.dim;
    constexpr int FRAGS = S::regs ? D / 16 : 1;
    uint32_t q[FRAGS][4], g[FRAGS][4];
    if constexpr (S::regs) {
        load_left<D>(q, q_at + tok[0] * a.ld_q, q_at + tok[1] * a.ld_q, in[0], in[1], a.dim, a.wide);
        load_left<D>(g, g_at + tok[0] * a.ld_dout, g_at + tok[1] * a.ld_dout, in[0], in[1], a.dim, a.wide);
    } else if (works) { /* a warp fills and reads its own 16 rows */
        int first = b.lo - lane_id() / 4;
        load_tile<D, 16, 32>(smem + warp_id() * 16 * pt_rows<D>::ld, q_at, a.ld_q, first, n, a.dim, a.wide, lane_id());
        load_tile<D, 16, 32>(smem + S::own + warp_id() * 16 * pt_rows<D>::ld, g_at, a.ld_dout, first, n, a.dim, a.wide, lane_id());
    }
    cp_async_commit();
    float2 stats[2] = {};
    if (works) dq_stats(stats, a, head, tok, in);
    float dq[D / 8][4], scale2 = a.scale * PT_LOG2E;
    clear<D / 8>(dq);
    int k_along = along<D>(), k_across = across<D>();
    const bf16 *q_rows = smem + warp_id() * 16 * pt_rows<D>::ld + k_across, *g_rows = q_rows + S::own;
    auto next = [&](int i) {
        cp_async_wait<0>();
        __syncthreads();
        now = walk.at;
        if (i + 1 < all) {
            walk_next(&walk);
            bf16 *to = ring + (i + 1) % 2 * S::stage;
            load_tile<D, S::keys, S::threads>(to, k, a.ld_k, walk.at * S::keys, n, a.dim, a.wide);
            load_tile<D, S::keys, S::threads>(to + S::tile, v, a.ld_v, walk.at * S::keys, n, a.dim, a.wide);
        }
        cp_async_commit();
    };
    int i = 0;
#pragma unroll 1
    for (; i < full; i++) {
        next(i);
        const bf16 *at = ring + i % 2 * S::stage;
        if (!works) continue;
        if constexpr (S::regs) dq_tile<D, false>(dq, q, g, at, at + S::tile, k_along, k_across, stats, scale2, a.list, row, now * S::keys);
        else dq_tile<D, false>(dq, q_rows, g_rows, at, at + S::tile, k_along, k_across, stats, scale2, a.list, row, now * S::keys);
    }
#pragma unroll 1
    for (; i < all; i++) {
        next(i);
        const bf16 *at = ring + i % 2 * S::stage;
        if (!works) continue;
        if constexpr (S::regs) dq_tile<D, true>(dq, q, g, at, at + S::tile, k_along, k_across, stats, scale2, a.list, row, now * S::keys);
        else dq_tile<D, true>(dq, q_rows, g_rows, at, at + S::tile, k_along, k_across, stats, scale2, a.list, row, now * S::keys);
    }
    if (!works) return;
    bf16 *out = a.dq + (int64_t)head * a.dim;
    store_rows<D>(dq, a.scale, a.scale, out + tok[0] * a.ld_dq, out + tok[1] * a.ld_dq, in[0], in[1], a.dim, a.wide);
}

/* ---- dk and dv ----------------------------------------------------------------------------------------------------------------------- */
/* A block: 16 keys a warp (rows of the products), `queries` of one head at a time (columns). For D = 256 a block sums half of the
 * features of dk and dv: blockIdx.y says which. */
template <int D> struct dkv_shape {
    static constexpr int warps = D <= 128 ? 4 : 2, threads = 32 * warps, keys = 16 * warps, queries = D <= 64 ? 64 : D <= 128 ? 32 : 16;
    static constexpr int part = D <= 128 ? D : 128; /* features of dk and dv */
    static constexpr int own = keys * pt_rows<D>::ld, tile = queries * pt_rows<D>::ld;
    static constexpr int stats = 4 * queries; /* bf16 elements of a stage's stats */
    static constexpr int stage = 2 * tile + stats;
    static constexpr size_t bytes = (size_t)(2 * own + 2 * stage) * sizeof(bf16);
};

/* p and ds of 16 keys (rows) x N queries. stats: of the N queries, in shared memory. */
template <int N, bool MASKED>
PT_DEV void dkv_scores(float s[N / 8][4], float dp[N / 8][4], const float *stats, float scale2, const pt_tile_list &l, const pt_token key[2],
                       const int end[2], int q0)
{
#pragma unroll
    for (int j = 0; j < N / 8; j++) {
        int c = j * 8 + lane_id() % 4 * 2, query = q0 + c;
        float4 st = vld(reinterpret_cast<const float4 *>(stats + 2 * c)); /* lse, delta, lse, delta */
        int2 pos = make_int2(0, 0);
        if (MASKED && l.window) pos = vld(reinterpret_cast<const int2 *>(l.pos + query));
#pragma unroll
        for (int e = 0; e < 4; e++) {
            float p = ex2_approx(s[j][e] * scale2 - (e % 2 ? st.z : st.x));
            if (MASKED && !sees({query + e % 2, e % 2 ? pos.y : pos.x}, key[e / 2], end[e / 2], l.window)) p = 0.0f;
            s[j][e] = p;
            dp[j][e] = p * (dp[j][e] - (e % 2 ? st.w : st.y));
        }
    }
}

/* The walk over (head of the group, tile of queries). */
template <int SIZE> struct query_walk {
    pt_tile_walk<SIZE> tiles;
    int left, head; /* tiles of this head still to come */
};

template <int D> PT_DEV void load_queries(bf16 *stage, const backward &a, int head, int q0)
{
    using S = dkv_shape<D>;
    load_tile<D, S::queries, S::threads>(stage, a.q + (int64_t)head * a.dim, a.ld_q, q0, a.list.n, a.dim, a.wide);
    load_tile<D, S::queries, S::threads>(stage + S::tile, a.dout + (int64_t)head * a.dim, a.ld_dout, q0, a.list.n, a.dim, a.wide);
    int at = (int)threadIdx.x;
    if (at < 2 * S::queries) {
        const float *stats = reinterpret_cast<const float *>(a.stats + (int64_t)head * a.list.n + q0);
        cp_async4_zfill(reinterpret_cast<float *>(stage + 2 * S::tile) + at, stats + at, q0 + at / 2 < a.list.n ? 4 : 0);
    }
}

template <int D, bool MASKED>
PT_DEV void dkv_tile(float dk[][4], float dv[][4], const bf16 *k_rows, const bf16 *v_rows, const bf16 *stage, int c0, float scale2,
                     const pt_tile_list &l, const pt_token key[2], const int end[2], int q0)
{
    using S = dkv_shape<D>;
    constexpr int N = S::queries;
    const bf16 *q = stage, *g = stage + S::tile;
    float s[N / 8][4], dp[N / 8][4];
    product_t<D, N>(s, k_rows, q + along<D>());
    product_t<D, N>(dp, v_rows, g + along<D>());
    dkv_scores<N, MASKED>(s, dp, reinterpret_cast<const float *>(stage + 2 * S::tile), scale2, l, key, end, q0);
    add_product<D, S::part, N>(dv, s, g + c0 + across<D>());
    add_product<D, S::part, N>(dk, dp, q + c0 + across<D>());
}

template <int D> __global__ void __launch_bounds__(dkv_shape<D>::threads) attention_dkv_k(backward a)
{
    using S = dkv_shape<D>;
    constexpr int BLOCKS = PT_TILE / S::keys; /* that share a tile of the list */
    DYN_SHARED(bf16, smem);
    bf16 *ring = smem + 2 * S::own;
    int n = a.list.n, at = (int)blockIdx.x, kv = at % a.n_kv, c0 = (int)blockIdx.y * S::part;
    int4 block = vld(a.list.blocks + at / a.n_kv / BLOCKS);
    int k0 = block.x * PT_TILE + at / a.n_kv % BLOCKS * S::keys;
    int full = block.z * pt_tile_walk<S::queries>::parts, all = block.w * pt_tile_walk<S::queries>::parts, head = kv * a.group;
    load_tile<D, S::keys, S::threads>(smem, a.k + (int64_t)kv * a.dim, a.ld_k, k0, n, a.dim, a.wide);
    load_tile<D, S::keys, S::threads>(smem + S::own, a.v + (int64_t)kv * a.dim, a.ld_v, k0, n, a.dim, a.wide);
    query_walk<S::queries> w;
    walk_begin(&w.tiles, a.list.runs + block.y);
    w.left = all - 1;
    w.head = head;
    int now = w.tiles.at, last = head + a.group - 1;
    load_queries<D>(ring, a, head, now * S::queries);
    cp_async_commit();
    int lo = k0 + warp_id() * 16 + lane_id() / 4, hi = lo + 8; /* tokens of rows g, g + 8 */
    pt_token key[2] = {token_at(a.list, lo), token_at(a.list, hi)};
    int end[2] = {lo < n ? a.list.end_of[lo] : 0, hi < n ? a.list.end_of[hi] : 0};
    float dk[S::part / 8][4], dv[S::part / 8][4], scale2 = a.scale * PT_LOG2E;
    clear<S::part / 8>(dk);
    clear<S::part / 8>(dv);
    const bf16 *k_rows = smem + warp_id() * 16 * pt_rows<D>::ld + across<D>(), *v_rows = k_rows + S::own;
    int turn = 0;
    auto next = [&]() { /* waits for the present tile, starts the copy of the next; turns the ring */
        cp_async_wait<0>();
        __syncthreads();
        now = w.tiles.at;
        turn ^= 1;
        if (w.left > 0) {
            walk_next(&w.tiles);
            w.left--;
        } else if (w.head < last) {
            walk_begin(&w.tiles, a.list.runs + block.y);
            w.left = all - 1;
            w.head++;
        } else {
            return;
        }
        load_queries<D>(ring + turn * S::stage, a, w.head, w.tiles.at * S::queries);
        cp_async_commit();
    };
#pragma unroll 1
    for (; head <= last; head++) {
        int i = 0;
#pragma unroll 1
        for (; i < full; i++) {
            next();
            dkv_tile<D, false>(dk, dv, k_rows, v_rows, ring + (turn ^ 1) * S::stage, c0, scale2, a.list, key, end, now * S::queries);
        }
#pragma unroll 1
        for (; i < all; i++) {
            next();
            dkv_tile<D, true>(dk, dv, k_rows, v_rows, ring + (turn ^ 1) * S::stage, c0, scale2, a.list, key, end, now * S::queries);
        }
    }
    int64_t col = (int64_t)kv * a.dim + c0;
    int dim = a.dim - c0;
    store_rows<S::part>(dk, a.scale, a.scale, a.dk + lo * a.ld_dk + col, a.dk + hi * a.ld_dk + col, lo < n, hi < n, dim, a.wide);
    store_rows<S::part>(dv, 1.0f, 1.0f, a.dv + lo * a.ld_dv + col, a.dv + hi * a.ld_dv + col, lo < n, hi < n, dim, a.wide);
}

/* ---- launching ----------------------------------------------------------------------------------------------------------------------- */
backward arguments(const pt_attention_bwd_args *a, float2 *stats)
{
    backward k = {};
    k.q = pt_ptr<bf16>(a->q), k.k = pt_ptr<bf16>(a->k), k.v = pt_ptr<bf16>(a->v), k.o = pt_ptr<bf16>(a->o), k.dout = pt_ptr<bf16>(a->dout);
    k.dq = pt_ptr<bf16>(a->dq), k.dk = pt_ptr<bf16>(a->dk), k.dv = pt_ptr<bf16>(a->dv), k.lse = pt_ptr<float>(a->lse), k.stats = stats;
    k.ld_q = a->q.ld, k.ld_k = a->k.ld, k.ld_v = a->v.ld, k.ld_o = a->o.ld, k.ld_dout = a->dout.ld;
    k.ld_dq = a->dq.ld, k.ld_dk = a->dk.ld, k.ld_dv = a->dv.ld, k.ld_lse = a->lse.ld;
    k.n_kv = a->n_kv, k.group = a->n_heads / a->n_kv, k.dim = a->dim, k.scale = a->scale;
    k.wide = a->dim % 8 == 0;
    for (pt_view v : {a->q, a->k, a->v, a->o, a->dout, a->dq, a->dk, a->dv}) k.wide = k.wide && pt_steps(v, 8);
    return k;
}

template <int D> pt_status launch_dq(pt_ctx *ctx, const pt_attention_bwd_args *a, float2 *stats)
{
    backward k = arguments(a, stats);
    pt_row_plan p = pt_row_plan_of(k.group, dq_shape<D>::rows);
    k.list = pt_cuda_forest_list(a->forest, p.list);
    k.set_heads = p.set_heads;
    dim3 grid((unsigned)k.list.n_blocks * (unsigned)(k.n_kv * p.sets));
    return pt_launch(attention_dq_k<D>, grid, dim3(dq_shape<D>::threads), dq_shape<D>::bytes, pt_stream(ctx), k);
}
template <int D> pt_status launch_dkv(pt_ctx *ctx, const pt_attention_bwd_args *a, float2 *stats)
{
    using S = dkv_shape<D>;
    backward k = arguments(a, stats);
    k.list = pt_cuda_forest_list(a->forest, PT_KEY_LIST);
    dim3 grid((unsigned)k.list.n_blocks * (unsigned)(k.n_kv * PT_TILE / S::keys), D / S::part);
    return pt_launch(attention_dkv_k<D>, grid, dim3(S::threads), S::bytes, pt_stream(ctx), k);
}
} // namespace

pt_status pt_attention_dq_bf16(pt_ctx *ctx, const pt_attention_bwd_args *a, float2 *stats)
{
    if (a->dim <= 64) return launch_dq<64>(ctx, a, stats);
    if (a->dim <= 96) return launch_dq<96>(ctx, a, stats);
    if (a->dim <= 128) return launch_dq<128>(ctx, a, stats);
    return launch_dq<256>(ctx, a, stats);
}

pt_status pt_attention_dkv_bf16(pt_ctx *ctx, const pt_attention_bwd_args *a, float2 *stats)
{
    if (a->dim <= 64) return launch_dkv<64>(ctx, a, stats);
    if (a->dim <= 96) return launch_dkv<96>(ctx, a, stats);
    if (a->dim <= 128) return launch_dkv<128>(ctx, a, stats);
    return launch_dkv<256>(ctx, a, stats);
}
