/* Activation of the MLP on the device: kernels/mlp.h, elementwise in f32. Gated SILU and GELU have kernels of their own; the other kinds, and all of
 * them without a gate, share one that is told the kind: bytes bind it, not instructions.
 * Bytes at least, F = N*F elements of e bytes. Gated: forward 3F e (g, u, y); backward 5F e (dy, g, u, dg, du), 6F e with y. Plain: 2F e (g, y);
 * 3F e (dy, g, dg), 4F e with y. */
#include "kernels/cuda/op_args.cuh"

namespace
{
/* ---- helpers ---- */
/* act(x) and its derivative. */
template <int KIND> PT_DEV void activate(float x, float *y, float *d)
{
    const float root_2_pi = 0.79788456080286536f, root_half = 0.70710678118654752f;
    if constexpr (KIND == PT_ACT_SILU) {
        float s = 1.0f / (1.0f + expf(-x));
        *y = x * s;
        *d = s * (1.0f + x * (1.0f - s));
    } else if constexpr (KIND == PT_ACT_GELU_ERF) {
        float phi = 0.5f * erfcf(-x * root_half);
        *y = x * phi;
        *d = phi + x * 0.5f * root_2_pi * expf(-0.5f * x * x);
    } else if constexpr (KIND == PT_ACT_RELU) { /* NaN is not <= 0: it stays */
        *y = x <= 0 ? 0.0f : x;
        *d = x <= 0 ? 0.0f : 1.0f;
    } else if constexpr (KIND == PT_ACT_RELU2) {
        *y = x <= 0 ? 0.0f : x * x;
        *d = x <= 0 ? 0.0f : 2 * x;
    } else if constexpr (KIND == PT_ACT_GELU_QUICK) {
        float s = 1.0f / (1.0f + expf(-1.702f * x));
        *y = x * s;
        *d = s * (1.0f + 1.702f * x * (1.0f - s));
    } else {
        float t = tanhf(root_2_pi * (x + 0.044715f * x * x * x));
        *y = 0.5f * x * (1.0f + t);
        *d = 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * root_2_pi * (1.0f + 3 * 0.044715f * x * x);
    }
}

PT_DEV void activate(int kind, float x, float *y, float *d)
{
    switch (kind) {
    case PT_ACT_SILU: activate<PT_ACT_SILU>(x, y, d); break;
    case PT_ACT_GELU_ERF: activate<PT_ACT_GELU_ERF>(x, y, d); break;
    case PT_ACT_RELU: activate<PT_ACT_RELU>(x, y, d); break;
    case PT_ACT_RELU2: activate<PT_ACT_RELU2>(x, y, d); break;
    case PT_ACT_GELU_QUICK: activate<PT_ACT_GELU_QUICK>(x, y, d); break;
    default: activate<PT_ACT_GELU_TANH>(x, y, d);
    }
}

template <typename T> struct gated {
    T *y, *dg, *du;
    const T *g, *u, *dy;
    int64_t ld_y, ld_dg, ld_du, ld_g, ld_u, ld_dy, n, c;
};

/* ---- kernels ---- */
template <typename T, int V, int KIND> __global__ void __launch_bounds__(PT_ELEM_BLOCK) gated_k(gated<T> a)
{
    int64_t i = ((int64_t)blockIdx.x * PT_ELEM_BLOCK + threadIdx.x) * V;
    if (i >= a.c) return;
    for (int64_t r = blockIdx.y; r < a.n; r += gridDim.y) {
        float g[V], u[V];
        ld_vec<V>(a.g + r * a.ld_g + i, g);
        ld_vec<V>(a.u + r * a.ld_u + i, u);
#pragma unroll
        for (int e = 0; e < V; e++) {
            float y, d;
            activate<KIND>(g[e], &y, &d);
            u[e] *= y;
        }
        st_vec<V>(a.y + r * a.ld_y + i, u);
    }
}

template <typename T, int V, int KIND> __global__ void __launch_bounds__(PT_ELEM_BLOCK) gated_bwd_k(gated<T> a)
{
    int64_t i = ((int64_t)blockIdx.x * PT_ELEM_BLOCK + threadIdx.x) * V;
    if (i >= a.c) return;
    for (int64_t r = blockIdx.y; r < a.n; r += gridDim.y) {
        float g[V], u[V], dy[V];
        ld_vec<V>(a.g + r * a.ld_g + i, g);
        ld_vec<V>(a.u + r * a.ld_u + i, u);
        ld_vec<V>(a.dy + r * a.ld_dy + i, dy);
#pragma unroll
        for (int e = 0; e < V; e++) {
            float y, d, of = u[e];
            activate<KIND>(g[e], &y, &d);
            g[e] = dy[e] * of * d;
            u[e] = dy[e] * y;
            dy[e] = y * of;
        }
        /* The order by which each kind fits into 40 registers. */
        if constexpr (KIND == PT_ACT_SILU) st_vec<V>(a.du + r * a.ld_du + i, u);
        st_vec<V>(a.dg + r * a.ld_dg + i, g);
        if constexpr (KIND != PT_ACT_SILU) st_vec<V>(a.du + r * a.ld_du + i, u);
        if (a.y) st_vec<V>(a.y + r * a.ld_y + i, dy);
    }
}

/* V elements of the gate; ones where there is none. */
template <typename T, int V> PT_DEV void ld_gate(const gated<T> &a, int64_t r, int64_t i, float *u)
{
    if (a.u) {
        ld_vec<V>(a.u + r * a.ld_u + i, u);
        return;
    }
#pragma unroll
    for (int e = 0; e < V; e++) u[e] = 1.0f;
}

template <typename T, int V> __global__ void __launch_bounds__(PT_ELEM_BLOCK) act_k(gated<T> a, int kind)
{
    int64_t i = ((int64_t)blockIdx.x * PT_ELEM_BLOCK + threadIdx.x) * V;
    if (i >= a.c) return;
    for (int64_t r = blockIdx.y; r < a.n; r += gridDim.y) {
        float g[V], u[V];
        ld_vec<V>(a.g + r * a.ld_g + i, g);
        ld_gate<T, V>(a, r, i, u);
#pragma unroll
        for (int e = 0; e < V; e++) {
            float y, d;
            activate(kind, g[e], &y, &d);
            u[e] *= y;
        }
        st_vec<V>(a.y + r * a.ld_y + i, u);
    }
}

template <typename T, int V> __global__ void __launch_bounds__(PT_ELEM_BLOCK) act_bwd_k(gated<T> a, int kind)
{
    int64_t i = ((int64_t)blockIdx.x * PT_ELEM_BLOCK + threadIdx.x) * V;
    if (i >= a.c) return;
    for (int64_t r = blockIdx.y; r < a.n; r += gridDim.y) {
        float g[V], u[V], dy[V];
        ld_vec<V>(a.g + r * a.ld_g + i, g);
        ld_vec<V>(a.dy + r * a.ld_dy + i, dy);
        ld_gate<T, V>(a, r, i, u);
#pragma unroll
        for (int e = 0; e < V; e++) {
            float y, d, of = u[e];
            activate(kind, g[e], &y, &d);
            g[e] = dy[e] * of * d;
            u[e] = dy[e] * y;
            dy[e] = y * of;
        }
        st_vec<V>(a.dg + r * a.ld_dg + i, g);
        if (a.du) st_vec<V>(a.du + r * a.ld_du + i, u);
        if (a.y) st_vec<V>(a.y + r * a.ld_y + i, dy);
    }
}

/* ---- launchers ---- */
template <typename T, int V> pt_status launch(pt_ctx *ctx, pt_act_kind kind, const gated<T> &k)
{
    dim3 grid = pt_elem_grid(k.n, k.c, V), block(PT_ELEM_BLOCK);
    cudaStream_t s = pt_stream(ctx);
    if (!k.u || (kind != PT_ACT_SILU && kind != PT_ACT_GELU_ERF && kind != PT_ACT_GELU_TANH)) {
        if (k.dg) return pt_launch(act_bwd_k<T, V>, grid, block, 0, s, k, (int)kind);
        return pt_launch(act_k<T, V>, grid, block, 0, s, k, (int)kind);
    }
    if (k.dg) {
        if (kind == PT_ACT_SILU) return pt_launch(gated_bwd_k<T, V, PT_ACT_SILU>, grid, block, 0, s, k);
        if (kind == PT_ACT_GELU_ERF) return pt_launch(gated_bwd_k<T, V, PT_ACT_GELU_ERF>, grid, block, 0, s, k);
        return pt_launch(gated_bwd_k<T, V, PT_ACT_GELU_TANH>, grid, block, 0, s, k);
    }
    if (kind == PT_ACT_SILU) return pt_launch(gated_k<T, V, PT_ACT_SILU>, grid, block, 0, s, k);
    if (kind == PT_ACT_GELU_ERF) return pt_launch(gated_k<T, V, PT_ACT_GELU_ERF>, grid, block, 0, s, k);
    return pt_launch(gated_k<T, V, PT_ACT_GELU_TANH>, grid, block, 0, s, k);
}

/* v: y, dg, du, g, u, dy; absent ones stay NULL. */
template <typename T> pt_status run(pt_ctx *ctx, pt_act_kind kind, pt_view *v)
{
    constexpr int V = pt_lanes<T>::n;
    bool dense = true, steps = true;
    for (int i = 0; i < 6; i++) dense = dense && pt_dense(v[i]);
    for (int i = 0; i < 6; i++) {
        if (dense) v[i] = pt_flat(v[i]);
        steps = steps && pt_steps(v[i], V);
    }
    gated<T> k = {pt_ptr<T>(v[0]), pt_ptr<T>(v[1]), pt_ptr<T>(v[2]), pt_ptr<T>(v[3]), pt_ptr<T>(v[4]),
                  pt_ptr<T>(v[5]), v[0].ld,         v[1].ld,         v[2].ld,         v[3].ld,
                  v[4].ld,         v[5].ld,         v[3].rows,       v[3].cols};
    return steps ? launch<T, V>(ctx, kind, k) : launch<T, 1>(ctx, kind, k);
}

pt_status check_kind(const char *op, pt_act_kind kind)
{
    return (unsigned)kind < PT_ACT_KINDS ? PT_OK : pt_fail(PT_EARG, "%s: activation %d", op, (int)kind);
}
} // namespace

extern "C" pt_status pt_cuda_gated(pt_ctx *ctx, const pt_gated_args *a)
{
    int64_t n = a->g.rows, f = a->g.cols;
    PT_RETURN(check_kind("gated", a->kind));
    PT_RETURN(pt_check_typed("gated", "g", a->g, ctx->act, n, f));
    if (pt_view_ok(a->u)) PT_RETURN(pt_check_typed("gated", "u", a->u, ctx->act, n, f));
    PT_RETURN(pt_check_typed("gated", "y", a->y, ctx->act, n, f));
    if (ctx->dry || n == 0 || f == 0) return PT_OK;
    pt_view v[6] = {a->y, {}, {}, a->g, a->u, {}};
    return PT_BY_ACT(ctx, run, ctx, a->kind, v);
}

extern "C" pt_status pt_cuda_gated_bwd(pt_ctx *ctx, const pt_gated_bwd_args *a)
{
    int64_t n = a->g.rows, f = a->g.cols;
    PT_RETURN(check_kind("gated_bwd", a->kind));
    PT_RETURN(pt_check_typed("gated_bwd", "g", a->g, ctx->act, n, f));
    PT_RETURN(pt_check_typed("gated_bwd", "dy", a->dy, ctx->act, n, f));
    PT_RETURN(pt_check_typed("gated_bwd", "dg", a->dg, ctx->act, n, f));
    if (pt_view_ok(a->u) || pt_view_ok(a->du)) {
        PT_RETURN(pt_check_typed("gated_bwd", "u", a->u, ctx->act, n, f));
        PT_RETURN(pt_check_typed("gated_bwd", "du", a->du, ctx->act, n, f));
    }
    if (pt_view_ok(a->y)) PT_RETURN(pt_check_typed("gated_bwd", "y", a->y, ctx->act, n, f));
    if (ctx->dry || n == 0 || f == 0) return PT_OK;
    pt_view v[6] = {a->y, a->dg, a->du, a->g, a->u, a->dy};
    return PT_BY_ACT(ctx, run, ctx, a->kind, v);
}
