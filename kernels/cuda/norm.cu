/* RMS norm on the device: kernels/norm.h. A row is held in registers between its two passes, so every element moves once.
 *
 * Bytes at least (act of e bytes): forward N*C*(2e), with the residual add N*C*(4e) (x, add, h, y); backward N*C*(3e) (dy, h,
 * dx), with dres N*C*(4e); C weights. dw adds two passes over its part sums, at most 1/16 of N*C*8. Rows that are odd in
 * length, unaligned or longer than MOST elements take a plain kernel that reads the row twice. dw: each team of threads adds
 * its rows in order, then the teams' sums are added in order. */
#include "kernels/cuda/op_args.cuh"

namespace
{
/* ---- helpers ---- */
constexpr int BLOCK = 256, MAX_TEAMS = 256, TEAM_ROWS = 16, SUM_ROWS = 8,
              MANY = 2048; /* rows from which a team takes several */

template <typename T> struct norm_fwd {
    T *y, *h;
    const T *x, *add;
    float *rstd;
    const void *w;
    int wtype, c;
    int64_t n, ld_y, ld_h, ld_x, ld_add, rows; /* rows of a team */
    float eps;
    bool w_wide; /* w is aligned to 16 bytes */
};

template <typename T> struct norm_bwd {
    T *dx;
    const T *dy, *h, *dres;
    const float *rstd;
    const void *w;
    float *part; /* [teams, c] or NULL */
    int wtype, c;
    int64_t n, ld_dx, ld_dy, ld_h, ld_dres, rows; /* rows of a team */
    bool w_wide;
};

/* A thread's weights of its columns, once for all rows. */
template <int V, int NV, int TEAM> PT_DEV void ld_w(const void *w, int type, bool wide, int c, int lane, float *o)
{
#pragma unroll
    for (int k = 0; k < NV; k++) {
        int i = (k * TEAM + lane) * V;
        if (i >= c) continue;
        if (wide && type == PT_F32) {
#pragma unroll
            for (int e = 0; e < V; e += 4) ld_vec<4>(static_cast<const float *>(w) + i + e, o + k * V + e);
        } else if (wide && type == PT_BF16) {
            ld_vec<V>(static_cast<const bf16 *>(w) + i, o + k * V);
        } else {
#pragma unroll
            for (int e = 0; e < V; e++) o[k * V + e] = ld_plain(w, type, i + e);
        }
    }
}

/* Sum over a team: a warp, or the whole block. */
template <int TEAM> PT_DEV float team_sum(float v, float *red)
{
    return TEAM == 32 ? warp_sum(v) : block_sum(v, red);
}

/* ---- kernels ---- */
/* TEAM threads hold a row of at most TEAM*V*NV elements, and its weights for all their rows. */
template <typename T, int V, int NV, int TEAM> __global__ void __launch_bounds__(BLOCK) norm_fwd_k(norm_fwd<T> a)
{
    PT_SHARED(float, red, [32]);
    int64_t team = (int64_t)blockIdx.x * (BLOCK / TEAM) + threadIdx.x / TEAM, end = (team + 1) * a.rows;
    int lane = (int)threadIdx.x % TEAM;
    float w[NV * V];
    end = end < a.n ? end : a.n;
    if (a.y) ld_w<V, NV, TEAM>(a.w, a.wtype, a.w_wide, a.c, lane, w);
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
                    for (int e = 0; e < V; e++) v[k * V + e] = to_f(from_f<T>(v[k * V + e] + r[e]));
                    st_vec<V>(a.h + row * a.ld_h + i, v + k * V);
                }
            }
#pragma unroll
            for (int e = 0; e < V; e++) sum += v[k * V + e] * v[k * V + e];
        }
        float rstd = 1.0f / sqrtf(team_sum<TEAM>(sum, red) / (float)a.c + a.eps);
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
            v = to_f(from_f<T>(v + to_f(a.add[row * a.ld_add + i])));
            a.h[row * a.ld_h + i] = from_f<T>(v);
        }
        sum += v * v;
    }
    if (a.add) x = a.h + row * a.ld_h; /* each thread reads back what it wrote */
    float rstd = 1.0f / sqrtf(block_sum(sum, red) / (float)a.c + a.eps);
    if (a.rstd && threadIdx.x == 0) a.rstd[row] = rstd;
    if (!a.y) return;
    for (int i = (int)threadIdx.x; i < a.c; i += BLOCK)
        a.y[row * a.ld_y + i] = from_f<T>(to_f(x[i]) * rstd * ld_plain(a.w, a.wtype, i));
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
    ld_w<V, NV, TEAM>(a.w, a.wtype, a.w_wide, a.c, lane, w);
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
        dot = team_sum<TEAM>(dot, red) * inv * rstd * rstd;
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
    for (int i = (int)threadIdx.x; i < a.c; i += BLOCK) dot += to_f(dy[i]) * ld_plain(a.w, a.wtype, i) * to_f(h[i]);
    dot = block_sum(dot, red) / (float)a.c * rstd * rstd;
    for (int i = (int)threadIdx.x; i < a.c; i += BLOCK) {
        float r = a.dres ? to_f(a.dres[row * a.ld_dres + i]) : 0;
        r += rstd * (to_f(dy[i]) * ld_plain(a.w, a.wtype, i) - to_f(h[i]) * dot);
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

/* dw[i] += the teams' sums, SUM_ROWS interleaved sequences of them, in order. */
__global__ void __launch_bounds__(32 * SUM_ROWS) norm_dw_sum_k(float *dw, const float *part, int64_t teams, int c)
{
    PT_SHARED(float, sums, [SUM_ROWS][32]);
    int i = (int)blockIdx.x * 32 + (int)(threadIdx.x % 32), y = (int)(threadIdx.x / 32);
    float s = 0;
    if (i < c)
        for (int64_t t = y; t < teams; t += SUM_ROWS) s += part[t * c + i];
    sums[y][threadIdx.x % 32] = s;
    __syncthreads();
    if (y != 0 || i >= c) return;
    for (int k = 1; k < SUM_ROWS; k++) s += sums[k][threadIdx.x];
    dw[i] += s;
}

/* ---- launchers ---- */
pt_status check_w(const char *op, pt_view w, int64_t c)
{
    PT_RETURN(pt_check_view(op, "w", w, 1, c));
    if (c > INT32_MAX / 2) return pt_fail(PT_ESHAPE, "%s: rows of %lld", op, (long long)c);
    return pt_plain(w.type) ? PT_OK : pt_fail(PT_ENOSUP, "%s: a weight of type %s", op, pt_dtype_get(w.type)->name);
}

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
    k.w = pt_ptr<void>(a->w), k.wtype = a->w.type;
    k.c = (int)a->x.cols, k.n = a->x.rows, k.eps = a->eps;
    k.rows = k.n >= MANY ? 4 : 1, k.w_wide = (uintptr_t)k.w % 16 == 0;
    k.ld_y = a->y.ld, k.ld_h = a->h.ld, k.ld_x = a->x.ld, k.ld_add = a->add.ld;
    bool steps = pt_steps(a->y, V) && pt_steps(a->x, V) && pt_steps(a->add, V) && (!k.add || pt_steps(a->h, V));
    if (steps && k.c <= 32 * V) return fwd_launch<T, 1, 32>(ctx, k);
    if (steps && k.c <= BLOCK * V) return fwd_launch<T, 1, BLOCK>(ctx, k);
    if (steps && k.c <= 2 * BLOCK * V) return fwd_launch<T, 2, BLOCK>(ctx, k);
    if (steps && k.c <= 4 * BLOCK * V) return fwd_launch<T, 4, BLOCK>(ctx, k);
    return pt_launch(norm_fwd_any_k<T>, dim3((unsigned)k.n), dim3(BLOCK), 0, pt_stream(ctx), k);
}

/* Teams and rows of a team: with dw at least TEAM_ROWS rows share one part sum. */
int64_t teams_of(int64_t n, bool dw, int64_t *rows)
{
    *rows = dw ? pt_ceil_div(n, MAX_TEAMS) : n >= MANY ? 4 : 1;
    if (dw && *rows < TEAM_ROWS) *rows = TEAM_ROWS;
    return pt_ceil_div(n, *rows);
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
    k.rstd = pt_ptr<float>(a->rstd), k.w = pt_ptr<void>(a->w), k.wtype = a->w.type, k.part = part,
    k.w_wide = (uintptr_t)k.w % 16 == 0;
    k.c = (int)a->dy.cols, k.n = a->dy.rows;
    k.ld_dx = a->dx.ld, k.ld_dy = a->dy.ld, k.ld_h = a->h.ld, k.ld_dres = a->dres.ld;
    int64_t teams = teams_of(k.n, part != NULL, &k.rows);
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
    if (!part) return PT_OK;
    return pt_launch(norm_dw_sum_k, dim3((unsigned)pt_ceil_div(k.c, 32)), dim3(32 * SUM_ROWS), 0, pt_stream(ctx),
                     pt_ptr<float>(a->dw), part, teams, k.c);
}
} // namespace

extern "C" pt_status pt_cuda_rmsnorm(pt_ctx *ctx, const pt_rmsnorm_args *a)
{
    int64_t n = a->x.rows, c = a->x.cols;
    PT_RETURN(pt_check_typed("rmsnorm", "x", a->x, ctx->act, n, c));
    PT_RETURN(check_w("rmsnorm", a->w, c));
    if (pt_view_ok(a->y)) PT_RETURN(pt_check_typed("rmsnorm", "y", a->y, ctx->act, n, c));
    if (pt_view_ok(a->rstd)) PT_RETURN(pt_check_typed("rmsnorm", "rstd", a->rstd, PT_F32, 1, n));
    if (pt_view_ok(a->add)) {
        PT_RETURN(pt_check_typed("rmsnorm", "add", a->add, ctx->act, n, c));
        PT_RETURN(pt_check_typed("rmsnorm", "h", a->h, ctx->act, n, c));
    }
    if (ctx->dry || n == 0 || c == 0) return PT_OK;
    return PT_BY_ACT(ctx, fwd, ctx, a);
}

extern "C" pt_status pt_cuda_rmsnorm_bwd(pt_ctx *ctx, const pt_rmsnorm_bwd_args *a)
{
    int64_t n = a->dy.rows, c = a->dy.cols;
    PT_RETURN(pt_check_typed("rmsnorm_bwd", "dy", a->dy, ctx->act, n, c));
    PT_RETURN(pt_check_typed("rmsnorm_bwd", "dx", a->dx, ctx->act, n, c));
    PT_RETURN(pt_check_typed("rmsnorm_bwd", "h", a->h, ctx->act, n, c));
    PT_RETURN(pt_check_typed("rmsnorm_bwd", "rstd", a->rstd, PT_F32, 1, n));
    PT_RETURN(check_w("rmsnorm_bwd", a->w, c));
    if (pt_view_ok(a->dres)) PT_RETURN(pt_check_typed("rmsnorm_bwd", "dres", a->dres, ctx->act, n, c));
    if (pt_view_ok(a->dw)) PT_RETURN(pt_check_typed("rmsnorm_bwd", "dw", a->dw, PT_F32, 1, c));
    float *part = NULL;
    if (pt_view_ok(a->dw)) {
        int64_t teams = pt_ceil_div(n, TEAM_ROWS);
        pt_ws ws = pt_ws_begin(ctx);
        PT_RETURN(pt_take(&ws, &part, (size_t)(teams < MAX_TEAMS ? teams : MAX_TEAMS) * (size_t)c * sizeof(float)));
        pt_ws_done(&ws);
    }
    if (ctx->dry || n == 0 || c == 0) return PT_OK;
    return PT_BY_ACT(ctx, bwd, ctx, a, part);
}
