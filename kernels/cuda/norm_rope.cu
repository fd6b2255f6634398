/* The RMS norm of every head and its rotation in one pass: kernels/rope.h.
 *
 * Bytes at least (act of e bytes): forward N*heads*dim*(2e) + N*heads*4, backward N*heads*dim*(3e) + N*heads*4, both N*rot*4 of the table. Every
 * warp reads its token's angles (rot*4, in steps of 16 bytes that share sectors) and the weights. dw adds the part sums of at most 256 warps.
 *
 * A warp takes heads of a token. Teams of its threads, a power of two of them, hold a head each, with the angles and the weights of all heads in
 * registers. A thread holds pairs of steps of V features such that a feature and the one that it turns with are in one thread: of HALF the steps
 * at i and at i + rot/2; of ADJACENT, and of what does not turn, any two. So the sums alone cross threads. Heads that are no whole steps of 16
 * bytes take steps of one feature. */
#include "kernels/cuda/norm.cuh"

namespace
{
/* ---- helpers ---- */
constexpr int BLOCK = 128, WARPS = BLOCK / 32, ANY = 8, ENOUGH = 4096; /* ANY: pairs of a thread in steps of one: PT_NORM_ROPE_MOST features; ENOUGH: warps that fill a chip */

template <typename T> struct head_norm {
    T *out;      /* y or dx */
    const T *x, *dy;
    float *rstd; /* forward: written, or NULL; backward: read */
    float *part; /* [warps, dim] or NULL */
    const float *table;
    pt_norm_row w;
    int64_t n, rows, ld_out, ld_x, ld_dy, ld_table; /* rows: tokens of a warp */
    int heads, dim, half, groups, per; /* groups of a token's heads, a warp each, `per` heads in it */
    int split, tail, team;             /* steps between the two of a pair that turns, of one that does not; threads a head */
    bool halves;                       /* PT_ROPE_HALF */
    float eps;
};

/* Where step s (0, 1) of a pair begins; dim or more: it is none. */
template <int V, typename T> PT_DEV int feature(const head_norm<T> &a, int pair, int s)
{
    if (V == 1 && !a.halves) return 2 * pair + s;
    if (pair < a.split) return (pair + s * a.split) * V;
    return pair - a.split < a.tail ? (pair + a.split + s * a.tail) * V : a.dim;
}

/* 2V numbers a pair, cos and sin in turn: of the features of its first step (HALF, or V = 1), or of the neighbours in both. What does not turn: 1, 0. */
template <int V, int NV, typename T> PT_DEV void angles(const head_norm<T> &a, int64_t row, int lane, float *cs)
{
    const float *t = a.table + row * a.ld_table;
    const bool across = V == 1 || a.halves;
#pragma unroll
    for (int k = 0; k < NV; k++)
#pragma unroll
        for (int s = 0; s < 2; s++) {
            const int pair = k * a.team + lane, at = across ? (2 * pair + s) * V : feature<V>(a, pair, s);
            float *to = cs + (2 * k + s) * V;
#pragma unroll
            for (int e = 0; e < V; e++) to[e] = (s * V + e) % 2 ? 0.0f : 1.0f;
            if (at >= 2 * a.half) continue;
#pragma unroll
            for (int e = 0; e < V; e += 4) ld_vec<V == 1 ? 1 : 4>(t + at + e, to + e);
        }
}

/* By the angle, or with sign -1 back. */
template <int V, int NV> PT_DEV void turn(float *v, const float *cs, bool halves, float sign)
{
    if (V == 1 || halves) {
#pragma unroll
        for (int k = 0; k < NV; k++)
#pragma unroll
            for (int e = 0; e < V; e++) {
                const int lo = 2 * k * V + e, hi = lo + V, at = 2 * k * V + 2 * e;
                const float x = v[lo], y = v[hi], s = sign * cs[at + 1];
                v[lo] = x * cs[at] - y * s;
                v[hi] = y * cs[at] + x * s;
            }
    } else {
#pragma unroll
        for (int i = 0; i < 2 * NV * V; i += 2) {
            const float x = v[i], y = v[i + 1], s = sign * cs[i + 1];
            v[i] = x * cs[i] - y * s;
            v[i + 1] = y * cs[i] + x * s;
        }
    }
}

/* A thread's features of the head at p; 0 where there are none. */
template <int V, int NV, typename T> PT_DEV void load(const head_norm<T> &a, const T *p, bool live, int lane, float *v)
{
#pragma unroll
    for (int i = 0; i < 2 * NV; i++) {
        const int at = feature<V>(a, i / 2 * a.team + lane, i % 2);
#pragma unroll
        for (int e = 0; e < V; e++) v[i * V + e] = 0;
        if (live && at < a.dim) ld_vec<V>(p + at, v + i * V);
    }
}
template <int V, int NV, typename T> PT_DEV void store(const head_norm<T> &a, T *p, bool live, int lane, const float *v)
{
#pragma unroll
    for (int i = 0; i < 2 * NV; i++) {
        const int at = feature<V>(a, i / 2 * a.team + lane, i % 2);
        if (live && at < a.dim) st_vec<V>(p + at, v + i * V);
    }
}
template <int V, int NV, typename T> PT_DEV void weights(const head_norm<T> &a, int lane, float *w)
{
#pragma unroll
    for (int i = 0; i < 2 * NV; i++) {
        const int at = feature<V>(a, i / 2 * a.team + lane, i % 2);
#pragma unroll
        for (int e = 0; e < V; e++) w[i * V + e] = 0;
        if (at >= a.dim) continue;
        if constexpr (V == 1) w[i] = pt_norm_at(a.w, at);
        else pt_norm_ld<V, 1, 1>(a.w, a.dim, at / V, w + i * V);
    }
}

PT_DEV float team_sum(float v, int team)
{
    for (int o = team / 2; o > 0; o /= 2) v += __shfl_xor_sync(PT_FULL, v, o);
    return v;
}

/* ---- kernels ---- */
template <typename T, int V, int NV> __global__ void __launch_bounds__(BLOCK, 1) norm_rope_k(head_norm<T> a)
{
    constexpr int M = 2 * NV * V;
    const int lane = lane_id() % a.team, sub = lane_id() / a.team;
    const int64_t warp = (int64_t)blockIdx.x * WARPS + warp_id();
    const int first = (int)(warp % a.groups) * a.per, last = first + a.per < a.heads ? first + a.per : a.heads;
    const int64_t row = warp / a.groups;
    float w[M], cs[M];
    if (row >= a.n) return;
    weights<V, NV>(a, lane, w);
    angles<V, NV>(a, row, lane, cs);
    for (int h = first; h < last; h += 32 / a.team) {
        const int head = h + sub;
        const bool live = head < last;
        float v[M], sum = 0;
        load<V, NV>(a, a.x + row * a.ld_x + (int64_t)head * a.dim, live, lane, v);
#pragma unroll
        for (int i = 0; i < M; i++) sum += v[i] * v[i];
        const float rstd = 1.0f / sqrtf(team_sum(sum, a.team) / (float)a.dim + a.eps);
        if (a.rstd && live && lane == 0) a.rstd[row * a.heads + head] = rstd;
#pragma unroll
        for (int i = 0; i < M; i++) v[i] *= rstd * w[i];
        turn<V, NV>(v, cs, a.halves, 1.0f);
        store<V, NV>(a, a.out + row * a.ld_out + (int64_t)head * a.dim, live, lane, v);
    }
}

/* With DW a warp takes `rows` tokens with all their heads; its teams' sums are added in order of their lanes. */
template <typename T, int V, int NV, bool DW> __global__ void __launch_bounds__(BLOCK, 1) norm_rope_bwd_k(head_norm<T> a)
{
    constexpr int M = 2 * NV * V;
    const int lane = lane_id() % a.team, sub = lane_id() / a.team;
    const int64_t warp = (int64_t)blockIdx.x * WARPS + warp_id();
    const int first = (int)(warp % a.groups) * a.per, last = first + a.per < a.heads ? first + a.per : a.heads;
    int64_t row = warp / a.groups * a.rows, end = row + a.rows < a.n ? row + a.rows : a.n;
    float w[M], cs[M], dw[DW ? M : 1];
    if (row >= a.n) return;
    weights<V, NV>(a, lane, w);
#pragma unroll
    for (int i = 0; i < (DW ? M : 1); i++) dw[i] = 0;
    for (; row < end; row++) {
        angles<V, NV>(a, row, lane, cs);
        for (int h = first; h < last; h += 32 / a.team) {
            const int head = h + sub;
            const bool live = head < last;
            float d[M], x[M], dot = 0;
            load<V, NV>(a, a.dy + row * a.ld_dy + (int64_t)head * a.dim, live, lane, d);
            load<V, NV>(a, a.x + row * a.ld_x + (int64_t)head * a.dim, live, lane, x);
            const float rstd = live ? a.rstd[row * a.heads + head] : 0;
            turn<V, NV>(d, cs, a.halves, -1.0f);
#pragma unroll
            for (int i = 0; i < M; i++) {
                if constexpr (DW) dw[i] += d[i] * x[i] * rstd;
                d[i] *= w[i];
                dot += d[i] * x[i];
            }
            dot = team_sum(dot, a.team) / (float)a.dim * rstd * rstd;
#pragma unroll
            for (int i = 0; i < M; i++) d[i] = rstd * (d[i] - x[i] * dot);
            store<V, NV>(a, a.out + row * a.ld_out + (int64_t)head * a.dim, live, lane, d);
        }
    }
    if constexpr (DW) {
        for (int o = a.team; o < 32; o *= 2)
#pragma unroll
            for (int i = 0; i < M; i++) dw[i] += __shfl_xor_sync(PT_FULL, dw[i], o);
#pragma unroll
        for (int i = 0; i < 2 * NV; i++) {
            const int at = feature<V>(a, i / 2 * a.team + lane, i % 2);
            if (sub > 0 || at >= a.dim) continue;
#pragma unroll
            for (int e = 0; e < V; e += 4) st_vec<V == 1 ? 1 : 4>(a.part + warp * a.dim + at + e, dw + i * V + e);
        }
    }
}

/* ---- launchers ---- */
/* What forward and backward share; steps of V features. */
template <typename T, typename A> head_norm<T> plan(const A *a, int V, bool learns)
{
    head_norm<T> k = {};
    k.x = pt_ptr<T>(a->x), k.rstd = pt_ptr<float>(a->rstd), k.table = pt_ptr<float>(a->table), k.w = pt_norm_row_of(a->w, 1, a->w_add);
    k.n = a->x.rows, k.ld_x = a->x.ld, k.ld_table = a->table.ld;
    k.heads = a->heads, k.dim = a->dim, k.half = a->rot / 2, k.halves = a->kind == PT_ROPE_HALF;
    const int steps = a->dim / V;
    k.split = k.halves ? k.half / V : 0, k.tail = (steps - 2 * k.split + 1) / 2;
    for (k.team = 1; k.team < k.split + k.tail && k.team < 32;) k.team *= 2;
    /* few tokens: their heads over several warps */
    const int at_once = 32 / k.team, passes = (k.heads + at_once - 1) / at_once;
    const int64_t wanted = learns ? 1 : pt_ceil_div(ENOUGH, k.n);
    const int groups = wanted < passes ? (int)wanted : passes;
    k.per = (passes + groups - 1) / groups * at_once;
    k.groups = (k.heads + k.per - 1) / k.per;
    k.rows = 1;
    if (learns) pt_norm_teams(k.n, true, &k.rows);
    return k;
}

template <typename T> dim3 blocks(const head_norm<T> &k)
{
    return dim3((unsigned)pt_ceil_div(pt_ceil_div(k.n, k.rows) * k.groups, WARPS));
}

/* Whole steps of 16 bytes, and a head in a warp's pairs of them. */
template <typename T, typename A> bool wide(const A *a, pt_view out, pt_view dy)
{
    constexpr int V = pt_lanes<T>::n;
    return pt_steps(a->x, V) && pt_steps(out, V) && pt_steps(dy, V) && pt_steps(a->table, 4) && a->dim % V == 0 && a->dim <= 64 * V &&
           a->rot % (a->kind == PT_ROPE_HALF ? 2 * V : V) == 0;
}

template <typename T> pt_status fwd(pt_ctx *ctx, const pt_norm_rope_args *a)
{
    constexpr int V = pt_lanes<T>::n;
    const bool steps = wide<T>(a, a->y, pt_view{});
    head_norm<T> k = plan<T>(a, steps ? V : 1, false);
    k.out = pt_ptr<T>(a->y), k.ld_out = a->y.ld, k.eps = a->eps;
    if (steps) return pt_launch(norm_rope_k<T, V, 1>, blocks(k), dim3(BLOCK), 0, pt_stream(ctx), k);
    return pt_launch(norm_rope_k<T, 1, ANY>, blocks(k), dim3(BLOCK), 0, pt_stream(ctx), k);
}

template <typename T> pt_status bwd(pt_ctx *ctx, const pt_norm_rope_bwd_args *a, float *part)
{
    constexpr int V = pt_lanes<T>::n;
    const bool steps = wide<T>(a, a->dx, a->dy);
    head_norm<T> k = plan<T>(a, steps ? V : 1, part != NULL);
    cudaStream_t s = pt_stream(ctx);
    k.out = pt_ptr<T>(a->dx), k.ld_out = a->dx.ld, k.dy = pt_ptr<T>(a->dy), k.ld_dy = a->dy.ld, k.part = part;
    if (!part && steps) return pt_launch(norm_rope_bwd_k<T, V, 1, false>, blocks(k), dim3(BLOCK), 0, s, k);
    if (!part) return pt_launch(norm_rope_bwd_k<T, 1, ANY, false>, blocks(k), dim3(BLOCK), 0, s, k);
    if (steps)
        PT_RETURN(pt_launch(norm_rope_bwd_k<T, V, 1, true>, blocks(k), dim3(BLOCK), 0, s, k));
    else
        PT_RETURN(pt_launch(norm_rope_bwd_k<T, 1, ANY, true>, blocks(k), dim3(BLOCK), 0, s, k));
    return pt_cuda_norm_sums(ctx, pt_ptr<float>(a->dw), NULL, part, pt_ceil_div(k.n, k.rows), k.dim);
}
} // namespace

extern "C" pt_status pt_cuda_norm_rope(pt_ctx *ctx, const pt_norm_rope_args *a)
{
    PT_RETURN(pt_check_norm_rope(ctx, a));
    PT_RETURN(pt_norm_fits("norm_rope", "w", a->w, a->dim));
    if (ctx->dry || a->x.rows == 0) return PT_OK;
    return PT_BY_ACT(ctx, fwd, ctx, a);
}

extern "C" pt_status pt_cuda_norm_rope_bwd(pt_ctx *ctx, const pt_norm_rope_bwd_args *a)
{
    float *part = NULL;
    PT_RETURN(pt_check_norm_rope_bwd(ctx, a));
    PT_RETURN(pt_norm_fits("norm_rope_bwd", "w", a->w, a->dim));
    if (pt_view_ok(a->dw)) {
        pt_ws ws = pt_ws_begin(ctx);
        PT_RETURN(pt_take(&ws, &part, pt_norm_part(a->x.rows, a->dim) * sizeof(float)));
        pt_ws_done(&ws);
    }
    if (ctx->dry || a->x.rows == 0) return PT_OK;
    return PT_BY_ACT(ctx, bwd, ctx, a, part);
}
