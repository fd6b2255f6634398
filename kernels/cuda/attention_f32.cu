/* Attention in f32 (compute: f32): the same passes over the same tile lists as the bf16 kernels, with plain multiply-adds. A
 * block has 16 rows of one head, 8 lanes a row; a lane computes every eighth score of its row and sums every eighth feature.
 * Without atomics. */
#include "kernels/cuda/attention_cuda.cuh"
#include "kernels/cuda/attention_mma.cuh"

namespace
{
constexpr int ROWS = 16, LANES = 8, THREADS = ROWS * LANES, ROW_LIST = 0; /* the list of 16 tokens */

struct exact {
    const float *q, *k, *v, *dout;
    float *o, *lse, *dq, *dk, *dv; /* o and lse: read by the backward */
    float2 *stats;                 /* {lse, delta} */
    int64_t ld_q, ld_k, ld_v, ld_o, ld_dout, ld_dq, ld_dk, ld_dv, ld_lse;
    pt_tile_list list;
    int heads, n_kv, dim;
    float scale, softcap;
    const float *slopes;
};

template <int D> struct shape {
    static constexpr int step = D <= 128 ? 32 : 16; /* columns at a time */
    static constexpr int ld = D + 1, own = ROWS * ld, tile = step * ld, scores = ROWS * (step + 1);
};

template <int D, int COUNT> PT_DEV void load_rows(float *to, const float *g, int64_t ld, int row0, int n, int dim)
{
    for (int at = (int)threadIdx.x; at < COUNT * D; at += THREADS) {
        int r = at / D, c = at % D;
        to[r * shape<D>::ld + c] = row0 + r < n && c < dim ? g[(int64_t)(row0 + r) * ld + c] : 0.0f;
    }
}

/* s[i] = row . column c + 8i over all D features (zeros past the head's). */
template <int D> PT_DEV void dots(float s[shape<D>::step / LANES], const float *row, const float *columns, int c)
{
    constexpr int N = shape<D>::step / LANES;
#pragma unroll
    for (int i = 0; i < N; i++) s[i] = 0.0f;
#pragma unroll 4
    for (int d = 0; d < D; d++) {
        float x = row[d];
#pragma unroll
        for (int i = 0; i < N; i++) s[i] += x * columns[(c + LANES * i) * shape<D>::ld + d];
    }
}

/* sum[k] += sum_j p[j] columns[j][c + 8k] */
template <int D> PT_DEV void add_columns(float sum[D / LANES], const float *p, const float *columns, int c)
{
#pragma unroll 2
    for (int j = 0; j < shape<D>::step; j++) {
        float x = p[j];
#pragma unroll
        for (int k = 0; k < D / LANES; k++) sum[k] += x * columns[j * shape<D>::ld + c + LANES * k];
    }
}

template <int D> PT_DEV void store_columns(float *to, const float sum[D / LANES], float f, int c, int dim)
{
#pragma unroll
    for (int k = 0; k < D / LANES; k++)
        if (c + LANES * k < dim) to[c + LANES * k] = sum[k] * f;
}

PT_DEV float eight_sum(float v)
{
    for (int o = 1; o < LANES; o *= 2) v += __shfl_xor_sync(PT_FULL, v, o);
    return v;
}

PT_DEV bool sees_key(const pt_tile_list &l, pt_token i, int key)
{
    return key < l.n && sees(i, key, l.end_of[key]) && (!l.window || i.pos - l.pos[key] < l.window);
}

PT_DEV bool key_seen(const pt_tile_list &l, int query, pt_token key, int end)
{
    return sees({query, 0}, key.i, end) && (!l.window || l.pos[query] - key.pos < l.window);
}

/* BENT: with a softcap or slopes. The score of a dot product, and *by = its slope by scale * dot (kernels/attention.h). query, key: tokens;
 * their positions are looked up where there are slopes (the list is padded to whole tiles). */
template <bool BENT> PT_DEV float score_of(const exact &a, float dot, int head, int query, int key, float *by)
{
    float s = dot * a.scale;
    *by = 1.0f;
    if (!BENT) return s;
    if (a.softcap > 0) {
        float t = tanhf(s / a.softcap);
        s = a.softcap * t;
        *by = 1.0f - t * t;
    }
    return a.slopes ? s - a.slopes[head] * (float)(a.list.pos[query] - a.list.pos[key]) : s;
}

template <int D, bool BENT> __global__ void __launch_bounds__(THREADS, 1) attention_f32_k(exact a)
{
    using S = shape<D>;
    constexpr int N = S::step / LANES;
    DYN_SHARED(float, smem);
    float *q = smem, *k = q + S::own, *v = k + S::tile, *ps = v + S::tile;
    int head = (int)blockIdx.x % a.heads, kv = head / (a.heads / a.n_kv), n = a.list.n;
    int4 block = vld(a.list.blocks + (int)blockIdx.x / a.heads);
    int r = (int)threadIdx.x / LANES, c = (int)threadIdx.x % LANES, token = block.x * ROWS + r;
    int full = block.z * pt_tile_walk<S::step>::parts, all = block.w * pt_tile_walk<S::step>::parts;
    pt_token row = token_at(a.list, token);
    float by = 1.0f;
    float o[D / LANES] = {}, max = -INFINITY, sum = 0;
    load_rows<D, ROWS>(q, a.q + (int64_t)head * a.dim, a.ld_q, block.x * ROWS, n, a.dim);
    pt_tile_walk<S::step> walk;
    walk_begin(&walk, a.list.runs + block.y);
    for (int i = 0; i < all; i++) {
        int k0 = walk.at * S::step;
        __syncthreads();
        load_rows<D, S::step>(k, a.k + (int64_t)kv * a.dim, a.ld_k, k0, n, a.dim);
        load_rows<D, S::step>(v, a.v + (int64_t)kv * a.dim, a.ld_v, k0, n, a.dim);
        __syncthreads();
        float s[N], top = max, part = 0;
        dots<D>(s, q + r * S::ld, k, c);
#pragma unroll
        for (int e = 0; e < N; e++) {
            int key = k0 + c + LANES * e;
            s[e] = i < full || sees_key(a.list, row, key) ? score_of<BENT>(a, s[e], head, token, key, &by) : -INFINITY;
            top = fmaxf(top, s[e]);
        }
        for (int x = 1; x < LANES; x *= 2) top = fmaxf(top, __shfl_xor_sync(PT_FULL, top, x));
        float base = top == -INFINITY ? 0.0f : top, shrink = expf(max - base);
        max = top;
#pragma unroll
        for (int e = 0; e < N; e++) {
            float p = expf(s[e] - base);
            ps[r * (S::step + 1) + c + LANES * e] = p;
            part += p;
        }
        sum = sum * shrink + part;
#pragma unroll
        for (int x = 0; x < D / LANES; x++) o[x] *= shrink;
        __syncwarp();
        add_columns<D>(o, ps + r * (S::step + 1), v, c);
        if (i + 1 < all) walk_next(&walk);
    }
    sum = eight_sum(sum);
    if (token >= n) return;
    store_columns<D>(a.o + token * a.ld_o + (int64_t)head * a.dim, o, 1.0f / sum, c, a.dim);
    if (a.lse && c == 0) a.lse[head * a.ld_lse + token] = max + logf(sum);
}

template <int D, bool BENT> __global__ void __launch_bounds__(THREADS, 1) attention_dq_f32_k(exact a)
{
    using S = shape<D>;
    constexpr int N = S::step / LANES;
    DYN_SHARED(float, smem);
    float *q = smem, *g = q + S::own, *k = g + S::own, *v = k + S::tile, *ds = v + S::tile;
    int head = (int)blockIdx.x % a.heads, kv = head / (a.heads / a.n_kv), n = a.list.n;
    int4 block = vld(a.list.blocks + (int)blockIdx.x / a.heads);
    int r = (int)threadIdx.x / LANES, c = (int)threadIdx.x % LANES, token = block.x * ROWS + r;
    int full = block.z * pt_tile_walk<S::step>::parts, all = block.w * pt_tile_walk<S::step>::parts;
    pt_token row = token_at(a.list, token);
    float by = 1.0f;
    float dq[D / LANES] = {}, lse = 0, delta = 0;
    load_rows<D, ROWS>(q, a.q + (int64_t)head * a.dim, a.ld_q, block.x * ROWS, n, a.dim);
    load_rows<D, ROWS>(g, a.dout + (int64_t)head * a.dim, a.ld_dout, block.x * ROWS, n, a.dim);
    __syncthreads();
    if (token < n) {
        lse = a.lse[head * a.ld_lse + token];
        const float *o = a.o + token * a.ld_o + (int64_t)head * a.dim;
        for (int d = c; d < a.dim; d += LANES) delta += o[d] * g[r * S::ld + d];
    }
    delta = eight_sum(delta);
    if (token < n && c == 0) vst(a.stats + (int64_t)head * n + token, make_float2(lse, delta));
    pt_tile_walk<S::step> walk;
    walk_begin(&walk, a.list.runs + block.y);
    for (int i = 0; i < all; i++) {
        int k0 = walk.at * S::step;
        __syncthreads();
        load_rows<D, S::step>(k, a.k + (int64_t)kv * a.dim, a.ld_k, k0, n, a.dim);
        load_rows<D, S::step>(v, a.v + (int64_t)kv * a.dim, a.ld_v, k0, n, a.dim);
        __syncthreads();
        float s[N], dp[N];
        dots<D>(s, q + r * S::ld, k, c);
        dots<D>(dp, g + r * S::ld, v, c);
#pragma unroll
        for (int e = 0; e < N; e++) {
            int key = k0 + c + LANES * e;
            float x = score_of<BENT>(a, s[e], head, token, key, &by) - lse;
            float p = i < full || sees_key(a.list, row, key) ? expf(x) : 0.0f;
            ds[r * (S::step + 1) + c + LANES * e] = p * (dp[e] - delta) * by;
        }
        __syncwarp();
        add_columns<D>(dq, ds + r * (S::step + 1), k, c);
        if (i + 1 < all) walk_next(&walk);
    }
    if (token < n) store_columns<D>(a.dq + token * a.ld_dq + (int64_t)head * a.dim, dq, a.scale, c, a.dim);
}

/* Rows are keys: a block has 16 of one KV head, columns are queries of each head of its group. */
template <int D, bool BENT> __global__ void __launch_bounds__(THREADS, 1) attention_dkv_f32_k(exact a)
{
    using S = shape<D>;
    constexpr int N = S::step / LANES, BLOCKS = PT_TILE / ROWS;
    DYN_SHARED(float, smem);
    float *k = smem, *v = k + S::own, *q = v + S::own, *g = q + S::tile, *ps = g + S::tile, *ds = ps + S::scores;
    int at = (int)blockIdx.x, kv = at % a.n_kv, group = a.heads / a.n_kv, n = a.list.n;
    int4 block = vld(a.list.blocks + at / a.n_kv / BLOCKS);
    int r = (int)threadIdx.x / LANES, c = (int)threadIdx.x % LANES, k0 = block.x * PT_TILE + at / a.n_kv % BLOCKS * ROWS,
        token = k0 + r;
    int full = block.z * pt_tile_walk<S::step>::parts, all = block.w * pt_tile_walk<S::step>::parts;
    pt_token key = token_at(a.list, token);
    int end = token < n ? a.list.end_of[token] : 0;
    float dk[D / LANES] = {}, dv[D / LANES] = {};
    load_rows<D, ROWS>(k, a.k + (int64_t)kv * a.dim, a.ld_k, k0, n, a.dim);
    load_rows<D, ROWS>(v, a.v + (int64_t)kv * a.dim, a.ld_v, k0, n, a.dim);
    for (int head = kv * group; head < (kv + 1) * group; head++) {
        pt_tile_walk<S::step> walk;
        walk_begin(&walk, a.list.runs + block.y);
        for (int i = 0; i < all; i++) {
            int q0 = walk.at * S::step;
            __syncthreads();
            load_rows<D, S::step>(q, a.q + (int64_t)head * a.dim, a.ld_q, q0, n, a.dim);
            load_rows<D, S::step>(g, a.dout + (int64_t)head * a.dim, a.ld_dout, q0, n, a.dim);
            __syncthreads();
            float s[N], dp[N];
            dots<D>(s, k + r * S::ld, q, c);
            dots<D>(dp, v + r * S::ld, g, c);
#pragma unroll
            for (int e = 0; e < N; e++) {
                int col = c + LANES * e, query = q0 + col, to = r * (S::step + 1) + col;
                float p = 0, d = 0;
                if (query < n && (i < full || key_seen(a.list, query, key, end))) {
                    float2 st = vld(a.stats + (int64_t)head * n + query);
                    float by;
                    p = expf(score_of<BENT>(a, s[e], head, query, token, &by) - st.x);
                    d = p * (dp[e] - st.y);
                    if (BENT) d *= by;
                }
                ps[to] = p;
                ds[to] = d;
            }
            __syncwarp();
            add_columns<D>(dv, ps + r * (S::step + 1), g, c);
            add_columns<D>(dk, ds + r * (S::step + 1), q, c);
            if (i + 1 < all) walk_next(&walk);
        }
    }
    if (token >= n) return;
    store_columns<D>(a.dk + token * a.ld_dk + (int64_t)kv * a.dim, dk, a.scale, c, a.dim);
    store_columns<D>(a.dv + token * a.ld_dv + (int64_t)kv * a.dim, dv, 1.0f, c, a.dim);
}

template <int D, bool BENT> pt_status forward(pt_ctx *ctx, const exact &k)
{
    using S = shape<D>;
    size_t bytes = (S::own + 2 * S::tile + S::scores) * sizeof(float);
    dim3 grid((unsigned)k.list.n_blocks * (unsigned)k.heads), block(THREADS);
    return pt_launch(attention_f32_k<D, BENT>, grid, block, bytes, pt_stream(ctx), k);
}

template <int D, bool BENT> pt_status backward(pt_ctx *ctx, exact k, const pt_forest *f)
{
    using S = shape<D>;
    size_t bytes = (2 * S::own + 2 * S::tile + S::scores) * sizeof(float), more = bytes + S::scores * sizeof(float);
    exact by_key = k;
    by_key.list = pt_cuda_forest_list(f, PT_KEY_LIST);
    dim3 rows((unsigned)k.list.n_blocks * (unsigned)k.heads), block(THREADS);
    dim3 keys((unsigned)by_key.list.n_blocks * (unsigned)(k.n_kv * PT_TILE / ROWS));
    PT_RETURN(pt_launch(attention_dq_f32_k<D, BENT>, rows, block, bytes, pt_stream(ctx), k));
    return pt_launch(attention_dkv_f32_k<D, BENT>, keys, block, more, pt_stream(ctx), by_key);
}
} // namespace

pt_status pt_attention_fwd_f32(pt_ctx *ctx, const pt_attention_args *a)
{
    exact k = {};
    k.q = pt_ptr<float>(a->q), k.k = pt_ptr<float>(a->k), k.v = pt_ptr<float>(a->v), k.o = pt_ptr<float>(a->o),
    k.lse = pt_ptr<float>(a->lse);
    k.ld_q = a->q.ld, k.ld_k = a->k.ld, k.ld_v = a->v.ld, k.ld_o = a->o.ld, k.ld_lse = a->lse.ld;
    k.list = pt_cuda_forest_list(a->forest, ROW_LIST);
    k.heads = a->n_heads, k.n_kv = a->n_kv, k.dim = a->dim, k.scale = a->scale;
    k.softcap = a->softcap, k.slopes = pt_ptr<float>(a->slopes);
    if (k.softcap > 0 || k.slopes) return a->dim <= 128 ? forward<128, true>(ctx, k) : forward<256, true>(ctx, k);
    if (a->dim <= 64) return forward<64, false>(ctx, k);
    return a->dim <= 128 ? forward<128, false>(ctx, k) : forward<256, false>(ctx, k);
}

pt_status pt_attention_bwd_f32(pt_ctx *ctx, const pt_attention_bwd_args *a, float2 *stats)
{
    exact k = {};
    k.q = pt_ptr<float>(a->q), k.k = pt_ptr<float>(a->k), k.v = pt_ptr<float>(a->v), k.o = pt_ptr<float>(a->o),
    k.lse = pt_ptr<float>(a->lse);
    k.dout = pt_ptr<float>(a->dout), k.dq = pt_ptr<float>(a->dq), k.dk = pt_ptr<float>(a->dk), k.dv = pt_ptr<float>(a->dv),
    k.stats = stats;
    k.ld_q = a->q.ld, k.ld_k = a->k.ld, k.ld_v = a->v.ld, k.ld_o = a->o.ld, k.ld_lse = a->lse.ld, k.ld_dout = a->dout.ld;
    k.ld_dq = a->dq.ld, k.ld_dk = a->dk.ld, k.ld_dv = a->dv.ld;
    k.list = pt_cuda_forest_list(a->forest, ROW_LIST);
    k.heads = a->n_heads, k.n_kv = a->n_kv, k.dim = a->dim, k.scale = a->scale;
    k.softcap = a->softcap, k.slopes = pt_ptr<float>(a->slopes);
    if (k.softcap > 0 || k.slopes)
        return a->dim <= 128 ? backward<128, true>(ctx, k, a->forest) : backward<256, true>(ctx, k, a->forest);
    if (a->dim <= 64) return backward<64, false>(ctx, k, a->forest);
    return a->dim <= 128 ? backward<128, false>(ctx, k, a->forest) : backward<256, false>(ctx, k, a->forest);
}
