#include "kernels/check_ops.h"

#include "kernels/forest.h"

pt_status pt_check_rope_table(const pt_ctx *ctx, const pt_rope_table_args *a)
{
    int64_t n = a->table.rows, half = a->table.cols / 2;
    PT_RETURN(pt_check_typed("rope_table", "table", a->table, PT_F32, n, 2 * half));
    PT_RETURN(pt_check_typed("rope_table", "positions", a->positions, PT_I32, 1, n));
    PT_RETURN(pt_check_typed("rope_table", "inv_freq", a->inv_freq, PT_F32, 1, half));
    return PT_OK;
}

pt_status pt_check_rope(const pt_ctx *ctx, const pt_rope_args *a)
{
    int64_t n = a->x.rows;
    if (a->heads < 1 || a->dim < 1 || a->rot < 0 || a->rot % 2 || a->rot > a->dim || a->rot > 1024)
        return pt_fail(PT_ESHAPE, "rope: %d heads of %d features, %d of them rotated", a->heads, a->dim, a->rot);
    if (a->kind != PT_ROPE_HALF && a->kind != PT_ROPE_ADJACENT) return pt_fail(PT_EARG, "rope: kind %d", (int)a->kind);
    PT_RETURN(pt_check_typed("rope", "x", a->x, PT_F32, n, (int64_t)a->heads * a->dim));
    PT_RETURN(pt_check_typed("rope", "table", a->table, PT_F32, n, a->rot));
    return PT_OK;
}

static pt_status check_heads(const char *op, int n_heads, int n_kv, int dim, float scale)
{
    if (!(scale > 0 && scale < 1e30f)) return pt_fail(PT_EARG, "%s: scale %g", op, (double)scale);
    if (n_kv < 1 || n_heads < n_kv || n_heads % n_kv || dim < 2 || dim > 1024 || dim % 2 || n_heads > 65536)
        return pt_fail(PT_ESHAPE, "%s: %d heads, %d key heads, %d features", op, n_heads, n_kv, dim);
    return PT_OK;
}

pt_status pt_check_bend(const char *op, float softcap, pt_view slopes, int n_heads)
{
    if (!(softcap >= 0 && softcap < 1e30f)) return pt_fail(PT_EARG, "%s: softcap %g", op, (double)softcap);
    return pt_view_ok(slopes) ? pt_check_typed(op, "slopes", slopes, PT_F32, 1, n_heads) : PT_OK;
}

static pt_status check_forest(const pt_ctx *ctx, const char *op, const pt_forest *f, int64_t n)
{
    if (n > INT32_MAX) return pt_fail(PT_ESHAPE, "%s: %lld tokens", op, (long long)n);
    if (ctx->dry || n == 0) return PT_OK;
    if (!f || f->n_tokens != n)
        return pt_fail(PT_ESHAPE, "%s: a forest of %d tokens for %lld rows", op, f ? f->n_tokens : 0, (long long)n);
    return PT_OK;
}

pt_status pt_check_attention(const pt_ctx *ctx, const pt_attention_args *a)
{
    int64_t n = a->q.rows, hd = (int64_t)a->n_heads * a->dim, kd = (int64_t)a->n_kv * a->dim;
    PT_RETURN(check_heads("attention", a->n_heads, a->n_kv, a->dim, a->scale));
    PT_RETURN(pt_check_bend("attention", a->softcap, a->slopes, a->n_heads));
    PT_RETURN(pt_check_typed("attention", "q", a->q, PT_F32, n, hd));
    PT_RETURN(pt_check_typed("attention", "k", a->k, PT_F32, n, kd));
    PT_RETURN(pt_check_typed("attention", "v", a->v, PT_F32, n, kd));
    PT_RETURN(pt_check_typed("attention", "o", a->o, PT_F32, n, hd));
    if (pt_view_ok(a->lse)) PT_RETURN(pt_check_typed("attention", "lse", a->lse, PT_F32, a->n_heads, n));
    return check_forest(ctx, "attention", a->forest, n);
}

pt_status pt_check_attention_bwd(const pt_ctx *ctx, const pt_attention_bwd_args *a)
{
    int64_t n = a->q.rows, hd = (int64_t)a->n_heads * a->dim, kd = (int64_t)a->n_kv * a->dim;
    PT_RETURN(check_heads("attention_bwd", a->n_heads, a->n_kv, a->dim, a->scale));
    PT_RETURN(pt_check_bend("attention_bwd", a->softcap, a->slopes, a->n_heads));
    PT_RETURN(pt_check_typed("attention_bwd", "q", a->q, PT_F32, n, hd));
    PT_RETURN(pt_check_typed("attention_bwd", "k", a->k, PT_F32, n, kd));
    PT_RETURN(pt_check_typed("attention_bwd", "v", a->v, PT_F32, n, kd));
    PT_RETURN(pt_check_typed("attention_bwd", "o", a->o, PT_F32, n, hd));
    PT_RETURN(pt_check_typed("attention_bwd", "lse", a->lse, PT_F32, a->n_heads, n));
    PT_RETURN(pt_check_typed("attention_bwd", "dout", a->dout, PT_F32, n, hd));
    PT_RETURN(pt_check_typed("attention_bwd", "dq", a->dq, PT_F32, n, hd));
    PT_RETURN(pt_check_typed("attention_bwd", "dk", a->dk, PT_F32, n, kd));
    PT_RETURN(pt_check_typed("attention_bwd", "dv", a->dv, PT_F32, n, kd));
    return check_forest(ctx, "attention_bwd", a->forest, n);
}

/* The runs of row b hold its len rows of the cache. */
static pt_status check_spans(const pt_decode_args *a, int64_t b, int32_t len)
{
    const int32_t *s = (const int32_t *)pt_at(a->spans) + b * a->spans.ld;
    int64_t sum = 0;
    for (int64_t i = 0; i < a->spans.cols; i += 2) {
        if (s[i] < 0 || s[i + 1] < 0 || s[i] > a->k.rows - s[i + 1])
            return pt_fail(PT_ESHAPE, "decode_attention: row %lld reads %d rows from row %d of %lld", (long long)b, s[i + 1], s[i], (long long)a->k.rows);
        sum += s[i + 1];
    }
    return sum == len ? PT_OK : pt_fail(PT_ESHAPE, "decode_attention: row %lld has runs of %lld rows for %d positions", (long long)b, (long long)sum, len);
}

pt_status pt_check_decode_cache(const char *op, pt_dtype act, const pt_decode_args *a)
{
    int64_t b = a->q.rows, kd = (int64_t)a->n_kv * a->dim, rows = pt_view_ok(a->spans) ? a->k.rows : b * a->max_len;
    PT_RETURN(pt_check_typed(op, "k", a->k, act, rows, kd));
    PT_RETURN(pt_check_typed(op, "v", a->v, act, rows, kd));
    PT_RETURN(pt_check_typed(op, "lens", a->lens, PT_I32, 1, b));
    if (!pt_view_ok(a->spans)) return PT_OK;
    if (a->spans.cols < 2 || a->spans.cols > 2 * PT_DECODE_SPANS || a->spans.cols % 2 || rows > INT32_MAX)
        return pt_fail(PT_ESHAPE, "%s: spans of %lld columns over %lld rows", op, (long long)a->spans.cols, (long long)rows);
    return pt_check_typed(op, "spans", a->spans, PT_I32, b, a->spans.cols);
}

pt_status pt_check_decode(const pt_ctx *ctx, const pt_decode_args *a)
{
    int64_t b = a->q.rows, hd = (int64_t)a->n_heads * a->dim;
    PT_RETURN(check_heads("decode_attention", a->n_heads, a->n_kv, a->dim, a->scale));
    PT_RETURN(pt_check_bend("decode_attention", a->softcap, a->slopes, a->n_heads));
    if (a->max_len < 1 || a->window < 0)
        return pt_fail(PT_ESHAPE, "decode_attention: max_len %d, window %d", a->max_len, a->window);
    PT_RETURN(pt_check_typed("decode_attention", "q", a->q, PT_F32, b, hd));
    PT_RETURN(pt_check_typed("decode_attention", "o", a->o, PT_F32, b, hd));
    PT_RETURN(pt_check_decode_cache("decode_attention", PT_F32, a));
    if (ctx->dry) return PT_OK;
    for (int64_t i = 0; i < b; i++) {
        int32_t len = ((const int32_t *)pt_at(a->lens))[i];
        if (len < 1 || len > a->max_len)
            return pt_fail(PT_ESHAPE, "decode_attention: sequence %lld has length %d of %d", (long long)i, len, a->max_len);
        if (pt_view_ok(a->spans)) PT_RETURN(check_spans(a, i, len));
    }
    return PT_OK;
}

static pt_status check_kind(const char *op, pt_act_kind kind)
{
    return (unsigned)kind < PT_ACT_KINDS ? PT_OK : pt_fail(PT_EARG, "%s: activation %d", op, (int)kind);
}

pt_status pt_check_gated(const pt_ctx *ctx, const pt_gated_args *a)
{
    int64_t n = a->g.rows, f = a->g.cols;
    PT_RETURN(check_kind("gated", a->kind));
    PT_RETURN(pt_check_typed("gated", "g", a->g, PT_F32, n, f));
    if (pt_view_ok(a->u)) PT_RETURN(pt_check_typed("gated", "u", a->u, PT_F32, n, f));
    PT_RETURN(pt_check_typed("gated", "y", a->y, PT_F32, n, f));
    return PT_OK;
}

pt_status pt_check_gated_bwd(const pt_ctx *ctx, const pt_gated_bwd_args *a)
{
    int64_t n = a->g.rows, f = a->g.cols;
    PT_RETURN(check_kind("gated_bwd", a->kind));
    PT_RETURN(pt_check_typed("gated_bwd", "g", a->g, PT_F32, n, f));
    PT_RETURN(pt_check_typed("gated_bwd", "dy", a->dy, PT_F32, n, f));
    PT_RETURN(pt_check_typed("gated_bwd", "dg", a->dg, PT_F32, n, f));
    if (pt_view_ok(a->u) || pt_view_ok(a->du)) {
        PT_RETURN(pt_check_typed("gated_bwd", "u", a->u, PT_F32, n, f));
        PT_RETURN(pt_check_typed("gated_bwd", "du", a->du, PT_F32, n, f));
    }
    if (pt_view_ok(a->y)) PT_RETURN(pt_check_typed("gated_bwd", "y", a->y, PT_F32, n, f));
    return PT_OK;
}

static pt_status check_index(const char *op, const char *what, pt_view index, int64_t limit)
{
    const int32_t *p = pt_at(index);
    for (int64_t i = 0; i < index.cols; i++)
        if (p[i] < 0 || p[i] >= limit)
            return pt_fail(PT_ESHAPE, "%s: %s %lld is %d of %lld", op, what, (long long)i, p[i], (long long)limit);
    return PT_OK;
}

pt_status pt_check_embed(const pt_ctx *ctx, const pt_embed_args *a)
{
    int64_t n = a->y.rows, c = a->y.cols;
    PT_RETURN(pt_check_typed("embed", "y", a->y, PT_F32, n, c));
    PT_RETURN(pt_check_view("embed", "w", a->w, a->w.rows, c));
    if (a->w.type != PT_F32 && a->w.type != PT_F16 && a->w.type != PT_BF16 && !pt_dtype_quantised(a->w.type))
        return pt_fail(PT_ENOSUP, "embed: weights of type %s", pt_dtype_get(a->w.type)->name);
    PT_RETURN(pt_check_typed("embed", "tokens", a->tokens, PT_I32, 1, n));
    return ctx->dry ? PT_OK : check_index("embed", "token", a->tokens, a->w.rows);
}

pt_status pt_check_embed_bwd(const pt_ctx *ctx, const pt_embed_bwd_args *a)
{
    int64_t n = a->dy.rows, c = a->dy.cols;
    PT_RETURN(pt_check_typed("embed_bwd", "dy", a->dy, PT_F32, n, c));
    PT_RETURN(pt_check_typed("embed_bwd", "dw", a->dw, PT_F32, a->dw.rows, c));
    PT_RETURN(pt_check_typed("embed_bwd", "tokens", a->tokens, PT_I32, 1, n));
    if (a->first < 0) return pt_fail(PT_ESHAPE, "embed_bwd: the first row of dw is that of token %lld", (long long)a->first);
    return ctx->dry || a->first ? PT_OK : check_index("embed_bwd", "token", a->tokens, a->dw.rows);
}

pt_status pt_check_gather(const pt_ctx *ctx, const pt_gather_args *a)
{
    int64_t n = a->y.rows, c = a->y.cols;
    PT_RETURN(pt_check_typed("gather", "y", a->y, PT_F32, n, c));
    PT_RETURN(pt_check_typed("gather", "x", a->x, PT_F32, a->x.rows, c));
    PT_RETURN(pt_check_typed("gather", "index", a->index, PT_I32, 1, n));
    return ctx->dry ? PT_OK : check_index("gather", "index", a->index, a->x.rows);
}

pt_status pt_check_scatter_add(const pt_ctx *ctx, const pt_gather_args *a)
{
    int64_t n = a->x.rows, c = a->x.cols;
    PT_RETURN(pt_check_typed("scatter_add", "x", a->x, PT_F32, n, c));
    PT_RETURN(pt_check_typed("scatter_add", "y", a->y, PT_F32, a->y.rows, c));
    PT_RETURN(pt_check_typed("scatter_add", "index", a->index, PT_I32, 1, n));
    return ctx->dry ? PT_OK : check_index("scatter_add", "index", a->index, a->y.rows);
}

static bool castable(pt_dtype t)
{
    return t == PT_F32 || t == PT_F16 || t == PT_BF16;
}

pt_status pt_check_cast(const pt_ctx *ctx, const pt_cast_args *a)
{
    PT_RETURN(pt_check_view("cast", "x", a->x, a->x.rows, a->x.cols));
    PT_RETURN(pt_check_view("cast", "y", a->y, a->x.rows, a->x.cols));
    if (!castable(a->x.type) || !castable(a->y.type))
        return pt_fail(PT_ENOSUP, "cast: %s to %s", pt_dtype_get(a->x.type)->name, pt_dtype_get(a->y.type)->name);
    return PT_OK;
}

pt_status pt_check_axpby(const pt_ctx *ctx, const pt_axpby_args *a)
{
    PT_RETURN(pt_check_typed("axpby", "x", a->x, PT_F32, a->x.rows, a->x.cols));
    return pt_check_typed("axpby", "y", a->y, PT_F32, a->x.rows, a->x.cols);
}

static pt_status check_limit(const char *op, float limit)
{
    return limit > 0 && limit < 1e30f ? PT_OK : pt_fail(PT_EARG, "%s: limit %g", op, (double)limit);
}

pt_status pt_check_clamp(const pt_ctx *ctx, const pt_clamp_args *a)
{
    PT_RETURN(check_limit("clamp", a->limit));
    PT_RETURN(pt_check_typed("clamp", "x", a->x, ctx->act, a->x.rows, a->x.cols));
    return pt_check_typed("clamp", "y", a->y, ctx->act, a->x.rows, a->x.cols);
}

pt_status pt_check_clamp_bwd(const pt_ctx *ctx, const pt_clamp_bwd_args *a)
{
    PT_RETURN(check_limit("clamp_bwd", a->limit));
    PT_RETURN(pt_check_typed("clamp_bwd", "x", a->x, ctx->act, a->x.rows, a->x.cols));
    PT_RETURN(pt_check_typed("clamp_bwd", "dy", a->dy, ctx->act, a->x.rows, a->x.cols));
    return pt_check_typed("clamp_bwd", "dx", a->dx, ctx->act, a->x.rows, a->x.cols);
}

pt_status pt_check_sample(const pt_ctx *ctx, const pt_sample_args *a)
{
    int64_t b = a->logits.rows, v = a->logits.cols;
    PT_RETURN(pt_check_typed("sample", "logits", a->logits, PT_F32, b, v));
    PT_RETURN(pt_check_typed("sample", "token", a->token, PT_I32, 1, b));
    if (pt_view_ok(a->seen)) PT_RETURN(pt_check_typed("sample", "seen", a->seen, PT_I32, b, a->seen.cols));
    if (v < 1 || v > INT32_MAX) return pt_fail(PT_ESHAPE, "sample: a vocabulary of %lld", (long long)v);
    if (!(a->temperature >= 0 && a->temperature < 1e30f))
        return pt_fail(PT_EARG, "sample: temperature %g", (double)a->temperature);
    if (a->top_k < 0 || !(a->top_p > 0 && a->top_p <= 1) || !(a->min_p >= 0 && a->min_p <= 1) || !(a->repetition_penalty > 0))
        return pt_fail(PT_EARG, "sample: top_k %d, top_p %g, min_p %g, repetition_penalty %g", a->top_k, (double)a->top_p,
                       (double)a->min_p, (double)a->repetition_penalty);
    if (!ctx->dry && a->temperature > 0 && b > 0 && (!a->stream || !a->position))
        return pt_fail(PT_EARG, "sample: drawing needs stream and position");
    return PT_OK;
}
