/* What the norms share (norm.cu, layernorm.cu, norm_rope.cu): teams of threads that hold a row, their weights, and the sums of their gradients. */
#ifndef PT_KERNELS_CUDA_NORM_CUH
#define PT_KERNELS_CUDA_NORM_CUH
#include "kernels/cuda/op_args.cuh"
extern "C" {
#include "kernels/check_norm.h"
}

constexpr int PT_NORM_BLOCK = 256, PT_NORM_TEAMS = 256, PT_NORM_TEAM_ROWS = 16, PT_NORM_SUM_ROWS = 8,
              PT_NORM_MANY = 2048; /* rows from which a team takes several */

/* A row of weights or biases; p NULL: `absent` everywhere. */
struct pt_norm_row {
    const void *p;
    int type;
    bool wide; /* aligned to 16 bytes */
    float absent, plus; /* plus: added to each */
};
static inline pt_norm_row pt_norm_row_of(pt_view w, float absent, float plus)
{
    const void *p = pt_ptr<void>(w);
    pt_norm_row r = {p, (int)w.type, (uintptr_t)p % 16 == 0, absent, plus};
    return r;
}
PT_DEV float pt_norm_at(const pt_norm_row &w, int64_t i)
{
    float v = w.p ? ld_plain(w.p, w.type, i) : w.absent;
    return w.plus != 0 ? v + w.plus : v;
}

/* A thread's weights of its columns, once for all rows. */
template <int V, int NV, int TEAM> PT_DEV void pt_norm_ld(const pt_norm_row &w, int c, int lane, float *o)
{
#pragma unroll
    for (int k = 0; k < NV; k++) {
        int i = (k * TEAM + lane) * V;
        if (i >= c) continue;
        if (!w.p) {
#pragma unroll
            for (int e = 0; e < V; e++) o[k * V + e] = w.absent;
        } else if (w.wide && w.type == PT_F32) {
#pragma unroll
            for (int e = 0; e < V; e += 4) ld_vec<4>(static_cast<const float *>(w.p) + i + e, o + k * V + e);
        } else if (w.wide && w.type == PT_BF16) {
            ld_vec<V>(static_cast<const bf16 *>(w.p) + i, o + k * V);
        } else {
#pragma unroll
            for (int e = 0; e < V; e++) o[k * V + e] = ld_plain(w.p, w.type, i + e);
        }
        if (w.plus != 0) {
#pragma unroll
            for (int e = 0; e < V; e++) o[k * V + e] += w.plus;
        }
    }
}

/* Sum over a team: a warp, or the whole block. */
template <int TEAM> PT_DEV float pt_norm_sum(float v, float *red)
{
    return TEAM == 32 ? warp_sum(v) : block_sum(v, red);
}

/* A row of at most 2^30 elements; its weights of a plain type. */
static inline pt_status pt_norm_fits(const char *op, const char *name, pt_view w, int64_t c)
{
    if (c > INT32_MAX / 2) return pt_fail(PT_ESHAPE, "%s: rows of %lld", op, (long long)c);
    if (!pt_view_ok(w) || pt_plain(w.type)) return PT_OK;
    return pt_fail(PT_ENOSUP, "%s: %s of type %s", op, name, pt_dtype_get(w.type)->name);
}

/* Teams and rows of a team: with gradients of weights at least PT_NORM_TEAM_ROWS rows share one part sum. */
static inline int64_t pt_norm_teams(int64_t n, bool sums, int64_t *rows)
{
    *rows = sums ? pt_ceil_div(n, PT_NORM_TEAMS) : n >= PT_NORM_MANY ? 4 : 1;
    if (sums && *rows < PT_NORM_TEAM_ROWS) *rows = PT_NORM_TEAM_ROWS;
    return pt_ceil_div(n, *rows);
}
/* Floats of the part sums of one gradient of n rows at most. */
static inline size_t pt_norm_part(int64_t n, int64_t c)
{
    int64_t teams = pt_ceil_div(n, PT_NORM_TEAM_ROWS);
    return (size_t)(teams < PT_NORM_TEAMS ? teams : PT_NORM_TEAMS) * (size_t)c;
}
/* first[i] += the teams' sums at part[teams, c], in order; second (may be NULL) the same of what follows them. One launch (norm.cu). */
pt_status pt_cuda_norm_sums(pt_ctx *ctx, float *first, float *second, const float *part, int64_t teams, int c);
#endif
