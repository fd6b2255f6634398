/* RMS norm on the device: kernels/norm.h. A row is held in registers between its two passes, so every element moves once.
 *
 * Bytes at least (act of e bytes): forward N*C*(2e), with the residual add N*C*(4e) (x, add, h, y); backward N*C*(3e) (dy, h,
 * dx), with dres N*C*(4e); C weights. dw adds two passes over its part sums, at most 1/16 of N*C*8. Rows that are odd in
 * length, unaligned or longer than MOST elements take a plain kernel that reads the row twice. dw: each team of threads adds
 * its rows in order, then the teams' sums are added in order. */
#include "kernels/cuda/norm.cuh"

namespace
{
/* ---- helpers ---- */
constexpr int BLOCK = PT_NORM_BLOCK;

template <typename T> struct norm_fwd {
    T *y, *h;
    const T *x, *add;
    float *rstd;
    pt_norm_row w;
    int c;
    int64_t n, ld_y, ld_h, ld_x, ld_add, rows; /* rows of a team */
    float eps, add_scale;
};

template <typename T> struct norm_bwd {
    T *dx;
    const T *dy, *h, *dres;
    const float *rstd;
    pt_norm_row w;
    float *part; /* [teams, c] or NULL */
    int c;
    int64_t n, ld_dx, ld_dy, ld_h, ld_dres, rows; /* rows of a team */
};

/* ---- kernels ---- */
/* TEAM threads hold a row of at most TEAM*V*NV elements, and its weights for all their rows. */
template <typename T, int V, int NV, int TEAM> __global__ void __launch_bounds__(BLOCK) norm_fwd_k(norm_fwd<T> a)
{
    PT_SHARED(float, red, [32]);
    int64_t team = (int64_t)blockIdx.x * (BLOCK / TEAM) + threadIdx.x / TEAM, end = (team + 1) * a.rows;
    int lane = (int)threadIdx.x % TEAM;
    float w[NV * V];
    end = end < a.n ? end : a.n;
    if (a.y) pt_norm_ld<V, NV, TEAM>(a.w, a.c, lane, w);
    for (int64_t row = team * a.rows; row < end; row++) {
        float v[NV * V], sum = 0;
#pragma unroll
        for (int k = 0; k < NV; k++) {
            int i = (k * TEAM + lane) * V;
#pragma unroll
            for (int e = 0; e < V; e++) v[k * V + e] = 0;
            if (i < a.c) {
                ld_vec<V>(a.x + row * a.ld_x + i, v + k * V);
                if (a.add) {
                    float r[V];
                    ld_vec<V>(a.add + row * a.ld_add + i, r);
#pragma unroll
                    for (int e = 0; e < V; e++) v[k * V + e] = to_f(from_f<T>(v[k * V + e] + a.add_scale * r[e]));
                    st_vec<V>(a.h + row * a.ld_h + i, v + k * V);
                }
            }
#pragma unroll
            for (int e = 0; e < V; e++) sum += v[k * V + e] * v[k * V + e];
        }
        float rstd = 1.0f / sqrtf(pt_norm_sum<TEAM>(sum, red) / (float)a.c + a.eps);
        if (a.rstd && lane == 0) a.rstd[row] = rstd;
        if (!a.y) continue;
#pragma unroll
        for (int k = 0; k < NV; k++) {
            int i = (k * TEAM + lane) * V;
            if (i < a.c) {
#pragma unroll
                for (int e = 0; e < V; e++) v[k * V + e] *= rstd * w[k * V + e];
                st_vec<V>(a.y + row * a.ld_y + i, v + k * V);
            }
        }
    }
}

/* Any length and alignment: a block per row, the row read twice. */
template <typename T> __global__ void __launch_bounds__(BLOCK) norm_fwd_any_k(norm_fwd<T> a)
{
    PT_SHARED(float, red, [32]);
    int64_t row = blockIdx.x;
    const T *x = a.x + row * a.ld_x;
    float sum = 0;
    for (int i = (int)threadIdx.x; i < a.c; i += BLOCK) {
        float v = to_f(x[i]);
        if (a.add) {
            v = to_f(from_f<T>(v + a.add_scale * to_f(a.add[row * a.ld_add + i])));
            a.h[row * a.ld_h + i] = from_f<T>(v);
        }
        sum += v * v;
    }
    if (a.add) x = a.h + row * a.ld_h; /* each thread reads back what it wrote */
    float rstd = 1.0f / sqrtf(block_sum(sum, red) / (float)a.c + a.eps);
    if (a.rstd && threadIdx.x == 0) a.rstd[row] = rstd;
    if (!a.y) return;
    for (int i = (int)threadIdx.x; i < a.c; i += BLOCK)
        a.y[row * a.ld_y + i] = from_f<T>(to_f(x[i]) * rstd * pt_norm_at(a.w, i));
}

/* A team takes rows [team*rows, (team+1)*rows); dw's part sums stay in registers. */
template <typename T, int V, int NV, int TEAM, bool DW> __global__ void __launch_bounds__(BLOCK, 1) norm_bwd_k(norm_bwd<T> a)
{
    PT_SHARED(float, red, [32]);
    int64_t team = (int64_t)blockIdx.x * (BLOCK / TEAM) + threadIdx.x / TEAM, end = (team + 1) * a.rows;
    int lane = (int)threadIdx.x % TEAM;
    float dw[DW ? NV * V : 1], inv = 1.0f / (float)a.c;
#pragma unroll
    for (int k = 0; k < (DW ? NV * V : 1); k++) dw[k] = 0;
    float w[NV * V];
    end = end < a.n ? end : a.n;
    pt_norm_ld<V, NV, TEAM>(a.w, a.c, lane, w);
    for (int64_t row = team * a.rows; row < end; row++) {
        float dy[NV * V], h[NV * V], dot = 0, rstd = a.rstd[row];
#pragma unroll
        for (int k = 0; k < NV; k++) {
            int i = (k * TEAM + lane) * V;
            if (i < a.c) {
                ld_vec<V>(a.dy + row * a.ld_dy + i, dy + k * V);
                ld_vec<V>(a.h + row * a.ld_h + i, h + k * V);
#pragma unroll
                for (int e = 0; e < V; e++) {
                    if constexpr (DW) dw[k * V + e] += dy[k * V + e] * h[k * V + e] * rstd;
                    dy[k * V + e] *= w[k * V + e];
                    dot += dy[k * V + e] * h[k * V + e];
                }
            }
        }
        dot = pt_norm_sum<TEAM>(dot, red) * inv * rstd * rstd;
#pragma unroll
        for (int k = 0; k < NV; k++) {
            int i = (k * TEAM + lane) * V;
            if (i < a.c) {
                float r[V];
#pragma unroll
                for (int e = 0; e < V; e++) r[e] = 0;
                if (a.dres) ld_vec<V>(a.dres + row * a.ld_dres + i, r);
#pragma unroll
                for (int e = 0; e < V; e++) r[e] += rstd * (dy[k * V + e] - h[k * V + e] * dot);
                st_vec<V>(a.dx + row * a.ld_dx + i, r);
            }
        }
    }
    if constexpr (DW) {
        if (team * a.rows >= a.n) return;
#pragma unroll
        for (int k = 0; k < NV; k++) {
            int i = (k * TEAM + lane) * V;
#pragma unroll
            for (int e = 0; e < V; e += 4)
                if (i < a.c) st_vec<4>(a.part + team * a.c + i + e, dw + k * V + e);
        }
    }
}

/* Any length: dx of one row a block. */
template <typename T> __global__ void __launch_bounds__(BLOCK) norm_bwd_any_k(norm_bwd<T> a)
{
    PT_SHARED(float, red, [32]);
    int64_t row = blockIdx.x;
    const T *dy = a.dy + row * a.ld_dy, *h = a.h + row * a.ld_h;
    float dot = 0, rstd = a.rstd[row];
    for (int i = (int)threadIdx.x; i < a.c; i += BLOCK) dot += to_f(dy[i]) * pt_norm_at(a.w, i) * to_f(h[i]);
    dot = block_sum(dot, red) / (float)a.c * rstd * rstd;
    for (int i = (int)threadIdx.x; i < a.c; i += BLOCK) {
        float r = a.dres ? to_f(a.dres[row * a.ld_dres + i]) : 0;
        r += rstd * (to_f(dy[i]) * pt_norm_at(a.w, i) - to_f(h[i]) * dot);
        a.dx[row * a.ld_dx + i] = from_f<T>(r);
    }
}

/* Any length: part sums of dw, a thread per column; before dx, which may lie over dy. */
template <typename T> __global__ void __launch_bounds__(BLOCK) norm_dw_any_k(norm_bwd<T> a)
{
    int64_t i = (int64_t)blockIdx.x * BLOCK + threadIdx.x, team = blockIdx.y, end = (team + 1) * a.rows;
    if (i >= a.c) return;
    float s = 0;
    end = end < a.n ? end : a.n;
    for (int64_t row = team * a.rows; row < end; row++)
        s += to_f(a.dy[row * a.ld_dy + i]) * to_f(a.h[row * a.ld_h + i]) * a.rstd[row];
    a.part[team * a.c + i] = s;
}

/* a[i] += the teams' sums, PT_NORM_SUM_ROWS interleaved sequences of them, in order; blocks of y = 1: b of the sums behind them. */
__global__ void __launch_bounds__(32 * PT_NORM_SUM_ROWS) norm_dw_sum_k(float *a, float *b, const float *part, int64_t teams, int c)
{
    PT_SHARED(float, sums, [PT_NORM_SUM_ROWS][32]);
    int i = (int)blockIdx.x * 32 + (int)(threadIdx.x % 32), y = (int)(threadIdx.x / 32);
    float s = 0, *to = blockIdx.y ? b : a;
    if (blockIdx.y) part += teams * c;
    if (i < c)
        for (int64_t t = y; t < teams; t += PT_NORM_SUM_ROWS) s += part[t * c + i];
    sums[y][threadIdx.x % 32] = s;
    __syncthreads();
    if (y != 0 || i >= c) return;
    for (int k = 1; k < PT_NORM_SUM_ROWS; k++) s += sums[k][threadIdx.x];
    to[i] += s;
}

/* ---- launchers ---- */
template <typename T, int NV, int TEAM> pt_status fwd_launch(pt_ctx *ctx, const norm_fwd<T> &k)
{
    constexpr int V = pt_lanes<T>::n;
    return pt_launch(norm_fwd_k<T, V, NV, TEAM>, dim3((unsigned)pt_ceil_div(pt_ceil_div(k.n, k.rows), BLOCK / TEAM)),
                     dim3(BLOCK), 0, pt_stream(ctx), k);
}

template <typename T> pt_status fwd(pt_ctx *ctx, const pt_rmsnorm_args *a)
{
    constexpr int V = pt_lanes<T>::n;
    norm_fwd<T> k = {};
    k.y = pt_ptr<T>(a->y), k.x = pt_ptr<T>(a->x), k.add = pt_ptr<T>(a->add), k.rstd = pt_ptr<float>(a->rstd);
    k.h = k.add ? pt_ptr<T>(a->h) : (T *)NULL;
    k.w = pt_norm_row_of(a->w, 1, a->w_add), k.add_scale = a->add_scale == 0 ? 1 : a->add_scale;
    k.c = (int)a->x.cols, k.n = a->x.rows, k.eps = a->eps;
    k.rows = k.n >= PT_NORM_MANY ? 4 : 1;
    k.ld_y = a->y.ld, k.ld_h = a->h.ld, k.ld_x = a->x.ld, k.ld_add = a->add.ld;
    bool steps = pt_steps(a->y, V) && pt_steps(a->x, V) && pt_steps(a->add, V) && (!k.add || pt_steps(a->h, V));
    if (steps && k.c <= 32 * V) return fwd_launch<T, 1, 32>(ctx, k);
    if (steps && k.c <= BLOCK * V) return fwd_launch<T, 1, BLOCK>(ctx, k);
    if (steps && k.c <= 2 * BLOCK * V) return fwd_launch<T, 2, BLOCK>(ctx, k);
    if (steps && k.c <= 4 * BLOCK * V) return fwd_launch<T, 4, BLOCK>(ctx, k);
    return pt_launch(norm_fwd_any_k<T>, dim3((unsigned)k.n), dim3(BLOCK), 0, pt_stream(ctx), k);
}

template <typename T, int NV, int TEAM> pt_status bwd_launch(pt_ctx *ctx, const norm_bwd<T> &k, int64_t teams)
{
    constexpr int V = pt_lanes<T>::n;
    dim3 grid((unsigned)pt_ceil_div(teams, BLOCK / TEAM));
    if (k.part) return pt_launch(norm_bwd_k<T, V, NV, TEAM, true>, grid, dim3(BLOCK), 0, pt_stream(ctx), k);
    return pt_launch(norm_bwd_k<T, V, NV, TEAM, false>, grid, dim3(BLOCK), 0, pt_stream(ctx), k);
}

template <typename T> pt_status bwd(pt_ctx *ctx, const pt_rmsnorm_bwd_args *a, float *part)
{
    constexpr int V = pt_lanes<T>::n;
    norm_bwd<T> k = {};
    k.dx = pt_ptr<T>(a->dx), k.dy = pt_ptr<T>(a->dy), k.h = pt_ptr<T>(a->h), k.dres = pt_ptr<T>(a->dres);
    k.rstd = pt_ptr<float>(a->rstd), k.w = pt_norm_row_of(a->w, 1, a->w_add), k.part = part;
    k.c = (int)a->dy.cols, k.n = a->dy.rows;
    k.ld_dx = a->dx.ld, k.ld_dy = a->dy.ld, k.ld_h = a->h.ld, k.ld_dres = a->dres.ld;
    int64_t teams = pt_norm_teams(k.n, part != NULL, &k.rows);
    bool steps = pt_steps(a->dx, V) && pt_steps(a->dy, V) && pt_steps(a->h, V) && pt_steps(a->dres, V);
    if (steps && k.c <= 32 * V)
        PT_RETURN((bwd_launch<T, 1, 32>(ctx, k, teams)));
    else if (steps && k.c <= BLOCK * V)
        PT_RETURN((bwd_launch<T, 1, BLOCK>(ctx, k, teams)));
    else if (steps && k.c <= 2 * BLOCK * V)
        PT_RETURN((bwd_launch<T, 2, BLOCK>(ctx, k, teams)));
    else if (steps && k.c <= 4 * BLOCK * V)
        PT_RETURN((bwd_launch<T, 4, BLOCK>(ctx, k, teams)));
    else {
        dim3 grid((unsigned)pt_ceil_div(k.c, BLOCK), (unsigned)teams);
        if (part) PT_RETURN(pt_launch(norm_dw_any_k<T>, grid, dim3(BLOCK), 0, pt_stream(ctx), k));
        PT_RETURN(pt_launch(norm_bwd_any_k<T>, dim3((unsigned)k.n), dim3(BLOCK), 0, pt_stream(ctx), k));
    }
    return part ? pt_cuda_norm_sums(ctx, pt_ptr<float>(a->dw), NULL, part, teams, k.c) : PT_OK;
}
} // namespace

pt_status pt_cuda_norm_sums(pt_ctx *ctx, float *first, float *second, const float *part, int64_t teams, int c)
{
    dim3 grid((unsigned)pt_ceil_div(c, 32), second ? 2 : 1);
    return pt_launch(norm_dw_sum_k, grid, dim3(32 * PT_NORM_SUM_ROWS), 0, pt_stream(ctx), first, second, part, teams, c);
}

extern "C" pt_status pt_cuda_rmsnorm(pt_ctx *ctx, const pt_rmsnorm_args *a)
{
    PT_RETURN(pt_check_rmsnorm(ctx, a));
    PT_RETURN(pt_norm_fits("rmsnorm", "w", a->w, a->x.cols));
    if (ctx->dry || a->x.rows == 0 || a->x.cols == 0) return PT_OK;
    return PT_BY_ACT(ctx, fwd, ctx, a);
}

extern "C" pt_status pt_cuda_rmsnorm_bwd(pt_ctx *ctx, const pt_rmsnorm_bwd_args *a)
{
    int64_t n = a->dy.rows, c = a->dy.cols;
    float *part = NULL;
    PT_RETURN(pt_check_rmsnorm_bwd(ctx, a));
    PT_RETURN(pt_norm_fits("rmsnorm_bwd", "w", a->w, c));
    if (pt_view_ok(a->dw)) {
        pt_ws ws = pt_ws_begin(ctx);
        PT_RETURN(pt_take(&ws, &part, pt_norm_part(n, c) * sizeof(float)));
        pt_ws_done(&ws);
    }
    if (ctx->dry || n == 0 || c == 0) return PT_OK;
    return PT_BY_ACT(ctx, bwd, ctx, a, part);
}
