/* Forward attention in bf16 on tensor cores (kernels/attention.h): Dao 2023 (arXiv:2307.08691), over the tile lists of the
 * forest. A block has warps of 16 rows, 8 of them as a rule: 128 (token, head) pairs of one KV head; keys and values pass
 * through two stages of shared memory, so that one tile is copied while the last one is multiplied. Bytes at least: q, k, v
 * read and o written once, lse. */
#include "kernels/cuda/attention_cuda.cuh"
#include "kernels/cuda/attention_mma.cuh"

namespace
{
struct forward {
    const bf16 *q, *k, *v;
    bf16 *o;
    float *lse;
    int64_t ld_q, ld_k, ld_v, ld_o, ld_lse;
    pt_tile_list list;
    int n_kv, group, set_heads, dim;
    float scale, softcap;
    const float *slopes;
};

/* q stays in registers up to 128 features, else in shared memory. */
template <int D> struct shape {
    static constexpr bool regs = D <= 128;
    static constexpr int warps = regs ? 8 : 4, threads = 32 * warps, rows = 16 * warps;
    static constexpr int keys = regs ? 64 : 32, tile = keys * pt_rows<D>::ld, stage = 2 * tile,
                         own = regs ? 0 : rows * pt_rows<D>::ld;
    static constexpr size_t bytes = (size_t)(own + 2 * stage) * sizeof(bf16);
};

/* One tile of keys for the warp's rows. BENT: with a softcap or slopes. max, sum: of rows g and g + 8; max is that of s * scale2, sum the lane's share. k, v:
 * the lane's addresses. */
template <int D, bool MASKED, bool BENT, typename L>
PT_DEV void add_tile(float o[D / 8][4], float max[2], float sum[2], L q, const bf16 *k, const bf16 *v, const pt_bend &bend,
                     const pt_tile_list &l, const pt_token row[2], int k0)
{
    constexpr int N = shape<D>::keys;
    const float scale2 = BENT ? 1.0f : bend.scale2;
    float s[N / 8][4];
    product_t<D, N>(s, q, k);
    if constexpr (BENT) {
#pragma unroll
        for (int j = 0; j < N / 8; j++) {
            float unused[4];
            bend_scores(s[j], unused, bend, l, row, k0 + j * 8 + lane_id() % 4 * 2, 1.0f);
        }
    }
    if constexpr (MASKED) {
#pragma unroll
        for (int j = 0; j < N / 8; j++) {
            int key = k0 + j * 8 + lane_id() % 4 * 2;
            int2 end = vld(reinterpret_cast<const int2 *>(l.end_of + key));
#pragma unroll
            for (int e = 0; e < 4; e++)
                if (!sees(row[e / 2], key + e % 2, e % 2 ? end.y : end.x)) s[j][e] = -INFINITY;
        }
        if (l.window) {
#pragma unroll
            for (int j = 0; j < N / 8; j++) {
                int2 pos = vld(reinterpret_cast<const int2 *>(l.pos + k0 + j * 8 + lane_id() % 4 * 2));
#pragma unroll
                for (int e = 0; e < 4; e++)
                    if (row[e / 2].pos - (e % 2 ? pos.y : pos.x) >= l.window) s[j][e] = -INFINITY;
            }
        }
    }
    float shift[2], shrink[2];
#pragma unroll
    for (int r = 0; r < 2; r++) {
        float top = fmaxf(s[0][2 * r], s[0][2 * r + 1]);
#pragma unroll
        for (int j = 1; j < N / 8; j++) top = fmaxf(top, fmaxf(s[j][2 * r], s[j][2 * r + 1]));
        top = fmaxf(max[r], row_max(top) * scale2);
        shift[r] = MASKED && top == -INFINITY ? 0.0f : top; /* a row that has seen no key yet */
        shrink[r] = ex2_approx(max[r] - shift[r]); /* no product in it that could be fused: exactly 1 while max stays */
        max[r] = top;
        sum[r] *= shrink[r];
    }
#pragma unroll
    for (int j = 0; j < N / 8; j++)
#pragma unroll
        for (int e = 0; e < 4; e++) {
            s[j][e] = ex2_approx(s[j][e] * scale2 - shift[e / 2]);
            sum[e / 2] += s[j][e];
        }
#pragma unroll
    for (int j = 0; j < D / 8; j++)
#pragma unroll
        for (int e = 0; e < 4; e++) o[j][e] *= shrink[e / 2];
    add_product<D, D, N>(o, s, v);
}

template <int D, bool WIDE, bool BENT> __global__ void __launch_bounds__(shape<D>::threads) attention_fwd_k(forward a)
{
    using S = shape<D>;
    DYN_SHARED(bf16, smem);
    bf16 *ring = smem + S::own;
    pt_row_block b = row_block(a.list, a.n_kv, a.group, a.set_heads);
    const bf16 *k = a.k + (int64_t)b.kv * a.dim, *v = a.v + (int64_t)b.kv * a.dim;
    int head = b.head + b.row_head, n = a.list.n;
    bool works = b.row_head < b.heads, in_lo = works && b.lo < n, in_hi = works && b.hi < n;
    int full = b.block.z * pt_tile_walk<S::keys>::parts, all = b.block.w * pt_tile_walk<S::keys>::parts;
    pt_token row[2] = {token_at(a.list, b.lo, BENT), token_at(a.list, b.hi, BENT)};
    pt_bend bend = {a.scale * PT_LOG2E, 0, 0, 0};
    if constexpr (BENT) bend = bend_of(a.scale, a.softcap, a.slopes && works ? a.slopes + head : NULL);
    float o[D / 8][4], max[2] = {-INFINITY, -INFINITY}, sum[2] = {0, 0};
    uint32_t q[S::regs ? D / 16 : 1][4];
    pt_tile_walk<S::keys> walk;
    walk_begin(&walk, a.list.runs + b.block.y);
    int now = walk.at;
    pt_feed<D, S::keys, S::threads, WIDE> feed;
    feed_begin(&feed, k, a.ld_k, v, a.ld_v, n, a.dim);
    feed_tiles(&feed, ring, now * S::keys);
    const bf16 *at = a.q + (int64_t)head * a.dim, *q_rows = smem + warp_id() * 16 * pt_rows<D>::ld;
    if constexpr (S::regs)
        load_left<D, WIDE>(q, at + b.lo * a.ld_q, at + b.hi * a.ld_q, in_lo, in_hi, a.dim);
    else if (works)
        load_tile<D, 16, 32, WIDE>(smem + warp_id() * 16 * pt_rows<D>::ld, at, a.ld_q, b.lo - lane_id() / 4, n, a.dim,
                                   lane_id());
    q_rows += across<D>();
    cp_async_commit();
    clear<D / 8>(o);
    const bf16 *keys = ring + along<D>(), *values = ring + S::tile + across<D>();
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
        keys += turn;
        values += turn;
        turn = -turn;
    };
#pragma unroll 1
    while (i < full) {
        next();
        if (works) {
            if constexpr (S::regs)
                add_tile<D, false, BENT>(o, max, sum, q, keys, values, bend, a.list, row, now * S::keys);
            else
                add_tile<D, false, BENT>(o, max, sum, q_rows, keys, values, bend, a.list, row, now * S::keys);
        }
        swap();
    }
#pragma unroll 1
    while (i < all) {
        next();
        if (works && now * S::keys <= b.last) { /* else the tile lies behind all of the warp's rows */
            if constexpr (S::regs)
                add_tile<D, true, BENT>(o, max, sum, q, keys, values, bend, a.list, row, now * S::keys);
            else
                add_tile<D, true, BENT>(o, max, sum, q_rows, keys, values, bend, a.list, row, now * S::keys);
        }
        swap();
    }
    if (!works) return;
    float total[2] = {row_sum(sum[0]), row_sum(sum[1])};
    bf16 *out = a.o + (int64_t)head * a.dim;
    store_rows<D, WIDE>(o, 1.0f / total[0], 1.0f / total[1], out + b.lo * a.ld_o, out + b.hi * a.ld_o, in_lo, in_hi, a.dim);
    if (a.lse && lane_id() % 4 == 0) {
        float *lse = a.lse + head * a.ld_lse;
        if (in_lo) lse[b.lo] = max[0] * PT_LN2 + logf(total[0]);
        if (in_hi) lse[b.hi] = max[1] * PT_LN2 + logf(total[1]);
    }
}

template <int D, bool WIDE, bool BENT = false> pt_status launch(pt_ctx *ctx, const pt_attention_args *a)
{
    using S = shape<D>;
    int group = a->n_heads / a->n_kv;
    pt_row_plan p = pt_row_plan_of(group, S::rows);
    forward k = {pt_ptr<bf16>(a->q),
                 pt_ptr<bf16>(a->k),
                 pt_ptr<bf16>(a->v),
                 pt_ptr<bf16>(a->o),
                 pt_ptr<float>(a->lse),
                 a->q.ld,
                 a->k.ld,
                 a->v.ld,
                 a->o.ld,
                 a->lse.ld,
                 pt_cuda_forest_list(a->forest, p.list),
                 a->n_kv,
                 group,
                 p.set_heads,
                 a->dim,
                 a->scale,
                 a->softcap,
                 pt_ptr<float>(a->slopes)};
    dim3 grid((unsigned)k.list.n_blocks * (unsigned)(a->n_kv * p.sets));
    return pt_launch(attention_fwd_k<D, WIDE, BENT>, grid, dim3(S::threads), S::bytes, pt_stream(ctx), k);
}
} // namespace

pt_status pt_attention_fwd_bf16(pt_ctx *ctx, const pt_attention_args *a)
{
    bool bent = a->softcap > 0 || pt_view_ok(a->slopes);
    bool wide = a->dim % 8 == 0 && pt_steps(a->q, 8) && pt_steps(a->k, 8) && pt_steps(a->v, 8) && pt_steps(a->o, 8);
    if (bent) { /* few instances: compiling them is slow, the models few */
        if (!wide) return launch<256, false, true>(ctx, a);
        return a->dim <= 128 ? launch<128, true, true>(ctx, a) : launch<256, true, true>(ctx, a);
    }
    if (!wide)
        return a->dim <= 64    ? launch<64, false>(ctx, a)
               : a->dim <= 128 ? launch<128, false>(ctx, a)
                               : launch<256, false>(ctx, a);
    if (a->dim <= 64) return launch<64, true>(ctx, a);
    if (a->dim <= 96) return launch<96, true>(ctx, a);
    if (a->dim <= 128) return launch<128, true>(ctx, a);
    return launch<256, true>(ctx, a);
}
