/* The attention ops: checks, and the choice of kernels by type (kernels/attention.h). Heads of at most 256 features. */
#include "kernels/cuda/attention_cuda.cuh"

extern "C" {
#include "kernels/check_ops.h"
#include "kernels/forest.h"
}

namespace
{
pt_status check_heads(const pt_ctx *ctx, const char *op, int64_t n, int heads, int kv, int dim, float scale, const pt_forest *f)
{
    if (!(scale > 0 && scale < 1e30f)) return pt_fail(PT_EARG, "%s: scale %g", op, (double)scale);
    if (kv < 1 || heads < kv || heads % kv || dim < 2 || dim % 2 || heads > 65536)
        return pt_fail(PT_ESHAPE, "%s: %d heads, %d key heads, %d features", op, heads, kv, dim);
    if (dim > 256) return pt_fail(PT_ENOSUP, "%s: heads of %d features, CUDA takes at most 256", op, dim);
    if (n > INT32_MAX / 2) return pt_fail(PT_ESHAPE, "%s: %lld tokens", op, (long long)n);
    if (pt_ceil_div(n, 16) * heads > INT32_MAX)
        return pt_fail(PT_ENOSUP, "%s: %lld tokens of %d heads", op, (long long)n, heads);
    if (ctx->dry || n == 0) return PT_OK;
    if (!f || f->n_tokens != n)
        return pt_fail(PT_ESHAPE, "%s: a forest of %d tokens for %lld rows", op, f ? f->n_tokens : 0, (long long)n);
    return PT_OK;
}
pt_status check_rows(const pt_ctx *ctx, const char *op, const char *name, pt_view v, int64_t n, int64_t cols)
{
    PT_RETURN(pt_check_typed(op, name, v, ctx->act, n, cols));
    if (v.ld > INT32_MAX / 4) return pt_fail(PT_ENOSUP, "%s: %s has %lld elements from row to row", op, name, (long long)v.ld);
    return PT_OK;
}
} // namespace

extern "C" pt_status pt_cuda_attention(pt_ctx *ctx, const pt_attention_args *a)
{
    int64_t n = a->q.rows, hd = (int64_t)a->n_heads * a->dim, kd = (int64_t)a->n_kv * a->dim;
    PT_RETURN(check_heads(ctx, "attention", n, a->n_heads, a->n_kv, a->dim, a->scale, a->forest));
    PT_RETURN(pt_check_bend("attention", a->softcap, a->slopes, a->n_heads));
    PT_RETURN(check_rows(ctx, "attention", "q", a->q, n, hd));
    PT_RETURN(check_rows(ctx, "attention", "k", a->k, n, kd));
    PT_RETURN(check_rows(ctx, "attention", "v", a->v, n, kd));
    PT_RETURN(check_rows(ctx, "attention", "o", a->o, n, hd));
    if (pt_view_ok(a->lse)) PT_RETURN(pt_check_typed("attention", "lse", a->lse, PT_F32, a->n_heads, n));
    if (ctx->dry || n == 0) return PT_OK;
    return ctx->act == PT_BF16 ? pt_attention_fwd_bf16(ctx, a) : pt_attention_fwd_f32(ctx, a);
}

size_t pt_attention_stats_bytes(const pt_attention_bwd_args *a)
{
    return (size_t)a->n_heads * (size_t)a->q.rows * sizeof(float2);
}

extern "C" pt_status pt_cuda_attention_bwd(pt_ctx *ctx, const pt_attention_bwd_args *a)
{
    int64_t n = a->q.rows, hd = (int64_t)a->n_heads * a->dim, kd = (int64_t)a->n_kv * a->dim;
    float2 *stats = NULL;
    PT_RETURN(check_heads(ctx, "attention_bwd", n, a->n_heads, a->n_kv, a->dim, a->scale, a->forest));
    PT_RETURN(pt_check_bend("attention_bwd", a->softcap, a->slopes, a->n_heads));
    PT_RETURN(check_rows(ctx, "attention_bwd", "q", a->q, n, hd));
    PT_RETURN(check_rows(ctx, "attention_bwd", "k", a->k, n, kd));
    PT_RETURN(check_rows(ctx, "attention_bwd", "v", a->v, n, kd));
    PT_RETURN(check_rows(ctx, "attention_bwd", "o", a->o, n, hd));
    PT_RETURN(pt_check_typed("attention_bwd", "lse", a->lse, PT_F32, a->n_heads, n));
    PT_RETURN(check_rows(ctx, "attention_bwd", "dout", a->dout, n, hd));
    PT_RETURN(check_rows(ctx, "attention_bwd", "dq", a->dq, n, hd));
    PT_RETURN(check_rows(ctx, "attention_bwd", "dk", a->dk, n, kd));
    PT_RETURN(check_rows(ctx, "attention_bwd", "dv", a->dv, n, kd));
    pt_ws ws = pt_ws_begin(ctx);
    PT_RETURN(pt_take(&ws, &stats, pt_attention_stats_bytes(a)));
    pt_ws_done(&ws);
    if (ctx->dry || n == 0) return PT_OK;
    if (ctx->act != PT_BF16) return pt_attention_bwd_f32(ctx, a, stats);
    PT_RETURN(pt_attention_dq_bf16(ctx, a, stats));
    return pt_attention_dkv_bf16(ctx, a, stats);
}
