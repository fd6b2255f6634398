/* Layer norm on the device: kernels/norm.h. As in norm.cu a row is held in registers between its passes (mean, deviations, result), so every
 * element moves once.
 *
 * Bytes at least (act of e bytes): forward N*C*(2e), with the residual add N*C*(4e) (x, add, h, y); backward N*C*(3e) (dy, h, dx), with
 * dres N*C*(4e); weights and biases C each. dw and db add two passes over their part sums, each at most 1/16 of N*C*8. Rows that are odd
 * in length, unaligned or longer than a team holds take a plain kernel that reads the row three times (backward: twice). */
#include "kernels/cuda/norm.cuh"

namespace
{
constexpr int BLOCK = PT_NORM_BLOCK;

template <typename T> struct layer_fwd {
    T *y, *h;
    const T *x, *add;
    float *mean, *rstd;
    pt_norm_row w, b;
    int c;
    int64_t n, ld_y, ld_h, ld_x, ld_add, rows; /* rows of a team */
    float eps, add_scale;
};

template <typename T> struct layer_bwd {
    T *dx;
    const T *dy, *h, *dres;
    const float *mean, *rstd;
    pt_norm_row w;
    float *part_w, *part_b; /* [teams, c] or NULL */
    int c;
    int64_t n, ld_dx, ld_dy, ld_h, ld_dres, rows; /* rows of a team */
};

/* ---- kernels ---- */
/* TEAM threads hold a row of at most TEAM*V*NV elements, and its weights and biases for all their rows. */
template <typename T, int V, int NV, int TEAM> __global__ void __launch_bounds__(BLOCK, 1) layer_fwd_k(layer_fwd<T> a)
{
    PT_SHARED(float, red, [32]);
    int64_t team = (int64_t)blockIdx.x * (BLOCK / TEAM) + threadIdx.x / TEAM, end = (team + 1) * a.rows;
    int lane = (int)threadIdx.x % TEAM;
    float w[NV * V], b[NV * V], inv = 1.0f / (float)a.c;
    end = end < a.n ? end : a.n;
    if (a.y) pt_norm_ld<V, NV, TEAM>(a.w, a.c, lane, w), pt_norm_ld<V, NV, TEAM>(a.b, a.c, lane, b);
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
            for (int e = 0; e < V; e++) sum += v[k * V + e];
        }
        float mean = pt_norm_sum<TEAM>(sum, red) * inv;
        sum = 0;
#pragma unroll
        for (int k = 0; k < NV; k++) {
            if ((k * TEAM + lane) * V >= a.c) continue;
#pragma unroll
            for (int e = 0; e < V; e++) {
                v[k * V + e] -= mean;
                sum += v[k * V + e] * v[k * V + e];
            }
        }
        float rstd = 1.0f / sqrtf(pt_norm_sum<TEAM>(sum, red) * inv + a.eps);
        if (a.mean && lane == 0) a.mean[row] = mean;
        if (a.rstd && lane == 0) a.rstd[row] = rstd;
        if (!a.y) continue;
#pragma unroll
        for (int k = 0; k < NV; k++) {
            int i = (k * TEAM + lane) * V;
            if (i < a.c) {
#pragma unroll
                for (int e = 0; e < V; e++) v[k * V + e] = v[k * V + e] * rstd * w[k * V + e] + b[k * V + e];
                st_vec<V>(a.y + row * a.ld_y + i, v + k * V);
            }
        }
    }
}

/* Any length and alignment: a block per row, the row read three times. */
template <typename T> __global__ void __launch_bounds__(BLOCK) layer_fwd_any_k(layer_fwd<T> a)
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
        sum += v;
    }
    if (a.add) x = a.h + row * a.ld_h; /* each thread reads back what it wrote */
    float mean = block_sum(sum, red) / (float)a.c;
    sum = 0;
    for (int i = (int)threadIdx.x; i < a.c; i += BLOCK) sum += (to_f(x[i]) - mean) * (to_f(x[i]) - mean);
    float rstd = 1.0f / sqrtf(block_sum(sum, red) / (float)a.c + a.eps);
    if (a.mean && threadIdx.x == 0) a.mean[row] = mean;
    if (a.rstd && threadIdx.x == 0) a.rstd[row] = rstd;
    if (!a.y) return;
    for (int i = (int)threadIdx.x; i < a.c; i += BLOCK)
        a.y[row * a.ld_y + i] = from_f<T>((to_f(x[i]) - mean) * rstd * pt_norm_at(a.w, i) + pt_norm_at(a.b, i));
}

/* A team takes rows [team*rows, (team+1)*rows); the part sums of dw and db stay in registers. */
template <typename T, int V, int NV, int TEAM, bool SUMS> __global__ void __launch_bounds__(BLOCK, 1) layer_bwd_k(layer_bwd<T> a)
{
    PT_SHARED(float, red, [32]);
    int64_t team = (int64_t)blockIdx.x * (BLOCK / TEAM) + threadIdx.x / TEAM, end = (team + 1) * a.rows;
    int lane = (int)threadIdx.x % TEAM;
    float dw[SUMS ? NV * V : 1], db[SUMS ? NV * V : 1], w[NV * V], inv = 1.0f / (float)a.c;
#pragma unroll
    for (int k = 0; k < (SUMS ? NV * V : 1); k++) dw[k] = db[k] = 0;
    end = end < a.n ? end : a.n;
    pt_norm_ld<V, NV, TEAM>(a.w, a.c, lane, w);
    for (int64_t row = team * a.rows; row < end; row++) {
        float dy[NV * V], xhat[NV * V], plain = 0, along = 0, mean = a.mean[row], rstd = a.rstd[row];
#pragma unroll
        for (int k = 0; k < NV; k++) {
            int i = (k * TEAM + lane) * V;
            if (i < a.c) {
                ld_vec<V>(a.dy + row * a.ld_dy + i, dy + k * V);
                ld_vec<V>(a.h + row * a.ld_h + i, xhat + k * V);
#pragma unroll
                for (int e = 0; e < V; e++) {
                    xhat[k * V + e] = (xhat[k * V + e] - mean) * rstd;
                    if constexpr (SUMS) {
                        dw[k * V + e] += dy[k * V + e] * xhat[k * V + e];
                        db[k * V + e] += dy[k * V + e];
                    }
                    dy[k * V + e] *= w[k * V + e];
                    plain += dy[k * V + e];
                    along += dy[k * V + e] * xhat[k * V + e];
                }
            }
        }
        plain = pt_norm_sum<TEAM>(plain, red) * inv;
        along = pt_norm_sum<TEAM>(along, red) * inv;
#pragma unroll
        for (int k = 0; k < NV; k++) {
            int i = (k * TEAM + lane) * V;
            if (i < a.c) {
                float r[V];
#pragma unroll
                for (int e = 0; e < V; e++) r[e] = 0;
                if (a.dres) ld_vec<V>(a.dres + row * a.ld_dres + i, r);
#pragma unroll
                for (int e = 0; e < V; e++) r[e] += rstd * (dy[k * V + e] - plain - xhat[k * V + e] * along);
                st_vec<V>(a.dx + row * a.ld_dx + i, r);
            }
        }
    }
    if constexpr (SUMS) {
        if (team * a.rows >= a.n) return;
#pragma unroll
        for (int k = 0; k < NV; k++) {
            int i = (k * TEAM + lane) * V;
#pragma unroll
            for (int e = 0; e < V; e += 4) {
                if (i < a.c && a.part_w) st_vec<4>(a.part_w + team * a.c + i + e, dw + k * V + e);
                if (i < a.c && a.part_b) st_vec<4>(a.part_b + team * a.c + i + e, db + k * V + e);
            }
        }
    }
}

/* Any length: dx of one row a block. */
template <typename T> __global__ void __launch_bounds__(BLOCK) layer_bwd_any_k(layer_bwd<T> a)
{
    PT_SHARED(float, red, [32]);
    int64_t row = blockIdx.x;
    const T *dy = a.dy + row * a.ld_dy, *h = a.h + row * a.ld_h;
    float plain = 0, along = 0, mean = a.mean[row], rstd = a.rstd[row];
    for (int i = (int)threadIdx.x; i < a.c; i += BLOCK) {
        float d = to_f(dy[i]) * pt_norm_at(a.w, i);
        plain += d;
        along += d * ((to_f(h[i]) - mean) * rstd);
    }
    plain = block_sum(plain, red) / (float)a.c;
    along = block_sum(along, red) / (float)a.c;
    for (int i = (int)threadIdx.x; i < a.c; i += BLOCK) {
        float r = a.dres ? to_f(a.dres[row * a.ld_dres + i]) : 0;
        r += rstd * (to_f(dy[i]) * pt_norm_at(a.w, i) - plain - (to_f(h[i]) - mean) * rstd * along);
        a.dx[row * a.ld_dx + i] = from_f<T>(r);
    }
}

/* Any length: part sums of dw and db, a thread per column; before dx, which may lie over dy. */
template <typename T> __global__ void __launch_bounds__(BLOCK) layer_sums_any_k(layer_bwd<T> a)
{
    int64_t i = (int64_t)blockIdx.x * BLOCK + threadIdx.x, team = blockIdx.y, end = (team + 1) * a.rows;
    if (i >= a.c) return;
    float dw = 0, db = 0;
    end = end < a.n ? end : a.n;
    for (int64_t row = team * a.rows; row < end; row++) {
        float d = to_f(a.dy[row * a.ld_dy + i]);
        dw += d * ((to_f(a.h[row * a.ld_h + i]) - a.mean[row]) * a.rstd[row]);
        db += d;
    }
    if (a.part_w) a.part_w[team * a.c + i] = dw;
    if (a.part_b) a.part_b[team * a.c + i] = db;
}

/* ---- launchers ---- */
template <typename T, int NV, int TEAM> pt_status fwd_launch(pt_ctx *ctx, const layer_fwd<T> &k)
{
    constexpr int V = pt_lanes<T>::n;
    return pt_launch(layer_fwd_k<T, V, NV, TEAM>, dim3((unsigned)pt_ceil_div(pt_ceil_div(k.n, k.rows), BLOCK / TEAM)),
                     dim3(BLOCK), 0, pt_stream(ctx), k);
}

template <typename T> pt_status fwd(pt_ctx *ctx, const pt_layernorm_args *a)
{
    constexpr int V = pt_lanes<T>::n;
    layer_fwd<T> k = {};
    k.y = pt_ptr<T>(a->y), k.x = pt_ptr<T>(a->x), k.add = pt_ptr<T>(a->add), k.mean = pt_ptr<float>(a->mean), k.rstd = pt_ptr<float>(a->rstd);
    k.h = k.add ? pt_ptr<T>(a->h) : (T *)NULL;
    k.w = pt_norm_row_of(a->w, 1, 0), k.b = pt_norm_row_of(a->b, 0, 0), k.add_scale = a->add_scale == 0 ? 1 : a->add_scale;
    k.c = (int)a->x.cols, k.n = a->x.rows, k.eps = a->eps, k.rows = k.n >= PT_NORM_MANY ? 4 : 1;
    k.ld_y = a->y.ld, k.ld_h = a->h.ld, k.ld_x = a->x.ld, k.ld_add = a->add.ld;
    bool steps = pt_steps(a->y, V) && pt_steps(a->x, V) && pt_steps(a->add, V) && (!k.add || pt_steps(a->h, V));
    if (steps && k.c <= 32 * V) return fwd_launch<T, 1, 32>(ctx, k);
    if (steps && k.c <= BLOCK * V) return fwd_launch<T, 1, BLOCK>(ctx, k);
    if (steps && k.c <= 2 * BLOCK * V) return fwd_launch<T, 2, BLOCK>(ctx, k);
    if (steps && k.c <= 4 * BLOCK * V) return fwd_launch<T, 4, BLOCK>(ctx, k);
    return pt_launch(layer_fwd_any_k<T>, dim3((unsigned)k.n), dim3(BLOCK), 0, pt_stream(ctx), k);
}

template <typename T, int NV, int TEAM> pt_status bwd_launch(pt_ctx *ctx, const layer_bwd<T> &k, int64_t teams)
{
    constexpr int V = pt_lanes<T>::n;
    dim3 grid((unsigned)pt_ceil_div(teams, BLOCK / TEAM));
    if (k.part_w || k.part_b) return pt_launch(layer_bwd_k<T, V, NV, TEAM, true>, grid, dim3(BLOCK), 0, pt_stream(ctx), k);
    return pt_launch(layer_bwd_k<T, V, NV, TEAM, false>, grid, dim3(BLOCK), 0, pt_stream(ctx), k);
}

template <typename T> pt_status bwd(pt_ctx *ctx, const pt_layernorm_bwd_args *a, float *part)
{
    constexpr int V = pt_lanes<T>::n;
    layer_bwd<T> k = {};
    float *dw = pt_ptr<float>(a->dw), *db = pt_ptr<float>(a->db);
    k.dx = pt_ptr<T>(a->dx), k.dy = pt_ptr<T>(a->dy), k.h = pt_ptr<T>(a->h), k.dres = pt_ptr<T>(a->dres);
    k.mean = pt_ptr<float>(a->mean), k.rstd = pt_ptr<float>(a->rstd), k.w = pt_norm_row_of(a->w, 1, 0);
    k.c = (int)a->dy.cols, k.n = a->dy.rows;
    k.ld_dx = a->dx.ld, k.ld_dy = a->dy.ld, k.ld_h = a->h.ld, k.ld_dres = a->dres.ld;
    int64_t teams = pt_norm_teams(k.n, part != NULL, &k.rows);
    k.part_w = dw ? part : NULL, k.part_b = !db ? NULL : dw ? part + teams * k.c : part;
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
        if (part) PT_RETURN(pt_launch(layer_sums_any_k<T>, grid, dim3(BLOCK), 0, pt_stream(ctx), k));
        PT_RETURN(pt_launch(layer_bwd_any_k<T>, dim3((unsigned)k.n), dim3(BLOCK), 0, pt_stream(ctx), k));
    }
    return part ? pt_cuda_norm_sums(ctx, dw ? dw : db, dw ? db : NULL, part, teams, k.c) : PT_OK;
}
} // namespace

extern "C" pt_status pt_cuda_layernorm(pt_ctx *ctx, const pt_layernorm_args *a)
{
    PT_RETURN(pt_check_layernorm(ctx, a));
    PT_RETURN(pt_norm_fits("layernorm", "w", a->w, a->x.cols));
    PT_RETURN(pt_norm_fits("layernorm", "b", a->b, a->x.cols));
    if (ctx->dry || a->x.rows == 0 || a->x.cols == 0) return PT_OK;
    return PT_BY_ACT(ctx, fwd, ctx, a);
}

extern "C" pt_status pt_cuda_layernorm_bwd(pt_ctx *ctx, const pt_layernorm_bwd_args *a)
{
    int64_t n = a->dy.rows, c = a->dy.cols;
    size_t sums = (size_t)pt_view_ok(a->dw) + (size_t)pt_view_ok(a->db);
    float *part;
    PT_RETURN(pt_check_layernorm_bwd(ctx, a));
    PT_RETURN(pt_norm_fits("layernorm_bwd", "w", a->w, c));
    pt_ws ws = pt_ws_begin(ctx);
    PT_RETURN(pt_take(&ws, &part, sums * pt_norm_part(n, c) * sizeof(float)));
    pt_ws_done(&ws);
    if (ctx->dry || n == 0 || c == 0) return PT_OK;
    return PT_BY_ACT(ctx, bwd, ctx, a, part);
}
