/* Decode attention on the device: kernels/attention.h (pt_decode_args). A block takes a sequence, a KV head, GROUP of its query
 * heads and RANGE keys; a second kernel joins the ranges in order. Softmax in f32. Bytes at least: the sequence's keys and
 * values once, 4*K*D*len/2*e; rows whose runs are the same share them in the cache of the chip. */
#include "kernels/cuda/op_args.cuh"
extern "C" {
#include "kernels/check_ops.h"
}

namespace
{
constexpr int WARPS = 4, BLOCK = 32 * WARPS, RANGE = 256, GROUP = 8, MAX_DIM = 256;

template <typename T> struct decode {
    T *o;
    const T *q, *k, *v;
    float *part, *top, *sum; /* [B, H, ranges]([D]) */
    const int32_t *lens, *spans;
    int64_t ld_o, ld_q, ld_k, ld_v;
    int max_len, heads, n_kv, dim, window, ranges, runs; /* runs: 0 without spans */
    int64_t ld_spans;
    float scale, softcap;
    const float *slopes;
    bool wide;
};

template <typename T> PT_DEV int first_key(const decode<T> &a, int len)
{
    return a.window > 0 && len > a.window ? len - a.window : 0;
}

/* Two numbers side by side, in one load where they are aligned to it. */
PT_DEV void load2(const bf16 *p, bool wide, float *o)
{
    if (wide) {
        uint32_t u = vld(reinterpret_cast<const uint32_t *>(p));
        o[0] = unpack_lo(u), o[1] = unpack_hi(u);
    } else {
        o[0] = to_f(p[0]), o[1] = to_f(p[1]);
    }
}
PT_DEV void load2(const float *p, bool wide, float *o)
{
    if (wide) {
        float2 u = vld(reinterpret_cast<const float2 *>(p));
        o[0] = u.x, o[1] = u.y;
    } else {
        o[0] = p[0], o[1] = p[1];
    }
}

/* Softcap and slope (kernels/attention.h) of one head's n scores; last: the new token's position less the first key's. */
template <typename T> PT_DEV void bend(float *ps, const decode<T> &a, int n, int last, int64_t head)
{
    float slope = a.slopes ? a.slopes[head] : 0.0f;
    for (int j = lane_id(); j < n; j += 32) {
        float s = ps[j];
        if (a.softcap > 0) s = a.softcap * tanhf(s / a.softcap);
        ps[j] = s - slope * (float)(last - j);
    }
}

/* Softmax of `groups` heads over a range of n keys, not divided by its sum: a warp per head. */
template <typename T> PT_DEV void softmax(float *ps, const decode<T> &a, int n, int last, int groups, int64_t b, int64_t head0)
{
    int lane = lane_id();
    for (int g = warp_id(); g < groups; g += WARPS) {
        float top = -INFINITY, sum = 0;
        if (a.softcap > 0 || a.slopes) bend(ps + g * RANGE, a, n, last, head0 + g); /* a lane's own scores */
        for (int j = lane; j < n; j += 32) top = fmaxf(top, ps[g * RANGE + j]);
        top = warp_max(top);
        for (int j = lane; j < n; j += 32) {
            float p = expf(ps[g * RANGE + j] - top);
            ps[g * RANGE + j] = p;
            sum += p;
        }
        sum = warp_sum(sum);
        if (lane == 0) {
            int64_t at = (b * a.heads + head0 + g) * a.ranges + blockIdx.x;
            a.top[at] = top;
            a.sum[at] = sum;
        }
    }
}

/* The cache row of position j of row b. */
template <typename T> PT_DEV int64_t cache_row(const decode<T> &a, int64_t b, int j)
{
    if (a.runs == 0) return b * a.max_len + j;
    const int32_t *s = a.spans + b * a.ld_spans;
    for (int i = 0; i + 1 < a.runs && j >= s[1]; i++, s += 2) j -= s[1];
    return (int64_t)s[0] + j;
}

/* grid: ranges, KV heads x sets of GROUP query heads, sequences. Lane l holds features 2l, 2l+1, 2l+64, ... */
template <typename T> __global__ void __launch_bounds__(BLOCK) decode_k(decode<T> a)
{
    PT_SHARED(float, qs, [GROUP * MAX_DIM]);
    PT_SHARED(float, ps, [GROUP * RANGE]);
    PT_SHARED(float, os, [WARPS * GROUP * 64]);
    PT_SHARED(int, row, [RANGE]);
    int per = a.heads / a.n_kv, sets = (per + GROUP - 1) / GROUP, kv = (int)blockIdx.y / sets,
        g0 = (int)blockIdx.y % sets * GROUP;
    int groups = per - g0 < GROUP ? per - g0 : GROUP, lane = lane_id(), warp = warp_id();
    int64_t b = blockIdx.z;
    int len = a.lens[b], from = first_key(a, len) + (int)blockIdx.x * RANGE, n = len - from < RANGE ? len - from : RANGE;
    if (n <= 0) return; /* the whole block */
    int64_t head0 = (int64_t)kv * per + g0;
    for (int j = (int)threadIdx.x; j < n; j += BLOCK) row[j] = (int)cache_row(a, b, from + j);
    for (int i = (int)threadIdx.x; i < GROUP * MAX_DIM; i += BLOCK) {
        int g = i / MAX_DIM, d = i % MAX_DIM;
        qs[i] = g < groups && d < a.dim ? a.scale * to_f(a.q[b * a.ld_q + (head0 + g) * a.dim + d]) : 0.0f;
    }
    __syncthreads();
    for (int j = warp; j < n; j += WARPS) { /* scores: a warp per key */
        const T *k = a.k + row[j] * a.ld_k + kv * a.dim;
        float s[GROUP];
#pragma unroll
        for (int g = 0; g < GROUP; g++) s[g] = 0;
        for (int d = 2 * lane; d < a.dim; d += 64) {
            float x[2];
            load2(k + d, a.wide, x);
#pragma unroll
            for (int g = 0; g < GROUP; g++) s[g] += qs[g * MAX_DIM + d] * x[0] + qs[g * MAX_DIM + d + 1] * x[1];
        }
#pragma unroll
        for (int g = 0; g < GROUP; g++) {
            float r = warp_sum(s[g]);
            if (lane == 0) ps[g * RANGE + j] = r;
        }
    }
    __syncthreads();
    softmax(ps, a, n, len - 1 - from, groups, b, head0);
    /* values, 64 features at a time: warps split the keys, then their sums are added in order */
    for (int d0 = 0; d0 < a.dim; d0 += 64) {
        float o[GROUP][2];
        int d = d0 + 2 * lane;
#pragma unroll
        for (int g = 0; g < GROUP; g++) o[g][0] = o[g][1] = 0;
        __syncthreads();
        for (int j = warp; j < n && d < a.dim; j += WARPS) {
            float x[2];
            load2(a.v + row[j] * a.ld_v + (kv * a.dim + d), a.wide, x);
#pragma unroll
            for (int g = 0; g < GROUP; g++) {
                float p = g < groups ? ps[g * RANGE + j] : 0.0f;
                o[g][0] += p * x[0];
                o[g][1] += p * x[1];
            }
        }
#pragma unroll
        for (int g = 0; g < GROUP; g++) {
            os[(warp * GROUP + g) * 64 + 2 * lane] = o[g][0];
            os[(warp * GROUP + g) * 64 + 2 * lane + 1] = o[g][1];
        }
        __syncthreads();
        for (int i = (int)threadIdx.x; i < groups * 64; i += BLOCK) {
            int g = i / 64, c = d0 + i % 64;
            float s = 0;
            for (int w = 0; w < WARPS; w++) s += os[(w * GROUP + g) * 64 + i % 64];
            if (c < a.dim) a.part[((b * a.heads + head0 + g) * a.ranges + blockIdx.x) * a.dim + c] = s;
        }
    }
}

/* A block per (head, sequence). */
template <typename T> __global__ void __launch_bounds__(BLOCK) decode_join_k(decode<T> a)
{
    int64_t b = blockIdx.y, h = blockIdx.x, at = (b * a.heads + h) * a.ranges;
    int len = a.lens[b], keys = len - first_key(a, len), ranges = (keys + RANGE - 1) / RANGE;
    float top = -INFINITY, sum = 0;
    for (int r = 0; r < ranges; r++) top = fmaxf(top, a.top[at + r]);
    for (int r = 0; r < ranges; r++) sum += expf(a.top[at + r] - top) * a.sum[at + r];
    for (int d = (int)threadIdx.x; d < a.dim; d += BLOCK) {
        float o = 0;
        for (int r = 0; r < ranges; r++) o += expf(a.top[at + r] - top) * a.part[(at + r) * a.dim + d];
        a.o[b * a.ld_o + h * a.dim + d] = from_f<T>(o / sum);
    }
}

template <typename T> pt_status run(pt_ctx *ctx, const pt_decode_args *a, float *part, float *top, float *sum, int ranges)
{
    decode<T> k = {pt_ptr<T>(a->o),
                   pt_ptr<T>(a->q),
                   pt_ptr<T>(a->k),
                   pt_ptr<T>(a->v),
                   part,
                   top,
                   sum,
                   pt_ptr<int32_t>(a->lens),
                   pt_ptr<int32_t>(a->spans),
                   a->o.ld,
                   a->q.ld,
                   a->k.ld,
                   a->v.ld,
                   a->max_len,
                   a->n_heads,
                   a->n_kv,
                   a->dim,
                   a->window,
                   ranges,
                   (int)a->spans.cols / 2,
                   a->spans.ld,
                   a->scale,
                   a->softcap,
                   pt_ptr<float>(a->slopes),
                   pt_steps(a->k, 2) && pt_steps(a->v, 2)};
    int sets = (a->n_heads / a->n_kv + GROUP - 1) / GROUP;
    dim3 grid((unsigned)ranges, (unsigned)(a->n_kv * sets), (unsigned)a->q.rows),
        join((unsigned)a->n_heads, (unsigned)a->q.rows);
    PT_RETURN(pt_launch(decode_k<T>, grid, dim3(BLOCK), 0, pt_stream(ctx), k));
    return pt_launch(decode_join_k<T>, join, dim3(BLOCK), 0, pt_stream(ctx), k);
}
} // namespace

extern "C" pt_status pt_cuda_decode_attention(pt_ctx *ctx, const pt_decode_args *a)
{
    int64_t b = a->q.rows, hd = (int64_t)a->n_heads * a->dim;
    if (!(a->scale > 0 && a->scale < 1e30f)) return pt_fail(PT_EARG, "decode_attention: scale %g", (double)a->scale);
    if (a->n_kv < 1 || a->n_heads < a->n_kv || a->n_heads % a->n_kv || a->dim < 2 || a->dim % 2 || a->n_heads > 65535)
        return pt_fail(PT_ESHAPE, "decode_attention: %d heads, %d key heads, %d features", a->n_heads, a->n_kv, a->dim);
    if (a->dim > MAX_DIM)
        return pt_fail(PT_ENOSUP, "decode_attention: heads of %d features, at most %d on this device", a->dim, MAX_DIM);
    if (a->max_len < 1 || a->max_len > INT32_MAX - RANGE || a->window < 0 || b > 65535)
        return pt_fail(PT_ESHAPE, "decode_attention: %lld sequences, max_len %d, window %d", (long long)b, a->max_len,
                       a->window);
    PT_RETURN(pt_check_bend("decode_attention", a->softcap, a->slopes, a->n_heads));
    PT_RETURN(pt_check_typed("decode_attention", "q", a->q, ctx->act, b, hd));
    PT_RETURN(pt_check_typed("decode_attention", "o", a->o, ctx->act, b, hd));
    PT_RETURN(pt_check_decode_cache("decode_attention", ctx->act, a));
    int keys = a->window > 0 && a->window < a->max_len ? a->window : a->max_len, ranges = (keys + RANGE - 1) / RANGE;
    size_t slots = (size_t)b * (size_t)a->n_heads * (size_t)ranges;
    float *part, *top, *sum;
    pt_ws ws = pt_ws_begin(ctx);
    PT_RETURN(pt_take(&ws, &part, slots * (size_t)a->dim * sizeof(float)));
    PT_RETURN(pt_take(&ws, &top, slots * sizeof(float)));
    PT_RETURN(pt_take(&ws, &sum, slots * sizeof(float)));
    pt_ws_done(&ws);
    if (ctx->dry || b == 0) return PT_OK;
    return PT_BY_ACT(ctx, run, ctx, a, part, top, sum, ranges);
}
