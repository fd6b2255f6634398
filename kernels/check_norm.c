#include "kernels/check_norm.h"

#include <math.h>

/* A view that may be absent. */
static pt_status maybe(const char *op, const char *name, pt_view v, pt_dtype type, int64_t rows, int64_t cols)
{
    return pt_view_ok(v) ? pt_check_typed(op, name, v, type, rows, cols) : PT_OK;
}

static pt_status weight(const char *op, const char *name, pt_view w, int64_t c)
{
    return pt_view_ok(w) ? pt_check_view(op, name, w, 1, c) : PT_OK;
}

static pt_status weight_plus(const char *op, pt_view w, float w_add, int64_t c)
{
    if (!isfinite(w_add)) return pt_fail(PT_EARG, "%s: w_add %g", op, (double)w_add);
    if (!pt_view_ok(w) && w_add != 0) return pt_fail(PT_EARG, "%s: w_add %g without w", op, (double)w_add);
    return weight(op, "w", w, c);
}

/* x, y, and the residual branch: add, its scale, and where the sum goes. */
static pt_status rows(const pt_ctx *ctx, const char *op, pt_view x, pt_view y, pt_view add, pt_view h, float add_scale)
{
    int64_t n = x.rows, c = x.cols;
    PT_RETURN(pt_check_typed(op, "x", x, ctx->act, n, c));
    PT_RETURN(maybe(op, "y", y, ctx->act, n, c));
    if (!isfinite(add_scale)) return pt_fail(PT_EARG, "%s: add_scale %g", op, (double)add_scale);
    if (!pt_view_ok(add)) return PT_OK;
    PT_RETURN(pt_check_typed(op, "add", add, ctx->act, n, c));
    return pt_check_typed(op, "h", h, ctx->act, n, c);
}

static pt_status bwd_rows(const pt_ctx *ctx, const char *op, pt_view dy, pt_view dx, pt_view dres, pt_view h, pt_view rstd)
{
    int64_t n = dy.rows, c = dy.cols;
    PT_RETURN(pt_check_typed(op, "dy", dy, ctx->act, n, c));
    PT_RETURN(pt_check_typed(op, "dx", dx, ctx->act, n, c));
    PT_RETURN(pt_check_typed(op, "h", h, ctx->act, n, c));
    PT_RETURN(pt_check_typed(op, "rstd", rstd, PT_F32, 1, n));
    return maybe(op, "dres", dres, ctx->act, n, c);
}

pt_status pt_check_rmsnorm(const pt_ctx *ctx, const pt_rmsnorm_args *a)
{
    PT_RETURN(rows(ctx, "rmsnorm", a->x, a->y, a->add, a->h, a->add_scale));
    PT_RETURN(weight_plus("rmsnorm", a->w, a->w_add, a->x.cols));
    return maybe("rmsnorm", "rstd", a->rstd, PT_F32, 1, a->x.rows);
}

pt_status pt_check_rmsnorm_bwd(const pt_ctx *ctx, const pt_rmsnorm_bwd_args *a)
{
    PT_RETURN(bwd_rows(ctx, "rmsnorm_bwd", a->dy, a->dx, a->dres, a->h, a->rstd));
    PT_RETURN(weight_plus("rmsnorm_bwd", a->w, a->w_add, a->dy.cols));
    return maybe("rmsnorm_bwd", "dw", a->dw, PT_F32, 1, a->dy.cols);
}

pt_status pt_check_layernorm(const pt_ctx *ctx, const pt_layernorm_args *a)
{
    PT_RETURN(rows(ctx, "layernorm", a->x, a->y, a->add, a->h, a->add_scale));
    PT_RETURN(weight("layernorm", "w", a->w, a->x.cols));
    PT_RETURN(weight("layernorm", "b", a->b, a->x.cols));
    PT_RETURN(maybe("layernorm", "mean", a->mean, PT_F32, 1, a->x.rows));
    return maybe("layernorm", "rstd", a->rstd, PT_F32, 1, a->x.rows);
}

pt_status pt_check_layernorm_bwd(const pt_ctx *ctx, const pt_layernorm_bwd_args *a)
{
    PT_RETURN(bwd_rows(ctx, "layernorm_bwd", a->dy, a->dx, a->dres, a->h, a->rstd));
    PT_RETURN(pt_check_typed("layernorm_bwd", "mean", a->mean, PT_F32, 1, a->dy.rows));
    PT_RETURN(weight("layernorm_bwd", "w", a->w, a->dy.cols));
    PT_RETURN(maybe("layernorm_bwd", "dw", a->dw, PT_F32, 1, a->dy.cols));
    return maybe("layernorm_bwd", "db", a->db, PT_F32, 1, a->dy.cols);
}

/* Rows of heads, their weight and the table of their angles. */
static pt_status heads_of(const pt_ctx *ctx, const char *op, pt_view x, pt_view w, float w_add, pt_view table, int heads, int dim, int rot, pt_rope_kind kind)
{
    if (heads < 1 || dim < 1 || dim > PT_NORM_ROPE_MOST || rot < 0 || rot % 2 || rot > dim || (int64_t)heads * dim > INT32_MAX)
        return pt_fail(PT_ESHAPE, "%s: %d heads of %d features, %d of them rotated", op, heads, dim, rot);
    if (kind != PT_ROPE_HALF && kind != PT_ROPE_ADJACENT) return pt_fail(PT_EARG, "%s: kind %d", op, (int)kind);
    PT_RETURN(pt_check_typed(op, "x", x, ctx->act, x.rows, (int64_t)heads * dim));
    if (!isfinite(w_add)) return pt_fail(PT_EARG, "%s: w_add %g", op, (double)w_add);
    PT_RETURN(pt_check_view(op, "w", w, 1, dim));
    return pt_check_typed(op, "table", table, PT_F32, x.rows, rot);
}

pt_status pt_check_norm_rope(const pt_ctx *ctx, const pt_norm_rope_args *a)
{
    PT_RETURN(heads_of(ctx, "norm_rope", a->x, a->w, a->w_add, a->table, a->heads, a->dim, a->rot, a->kind));
    PT_RETURN(pt_check_typed("norm_rope", "y", a->y, ctx->act, a->x.rows, a->x.cols));
    return maybe("norm_rope", "rstd", a->rstd, PT_F32, 1, a->x.rows * a->heads);
}

pt_status pt_check_norm_rope_bwd(const pt_ctx *ctx, const pt_norm_rope_bwd_args *a)
{
    PT_RETURN(heads_of(ctx, "norm_rope_bwd", a->x, a->w, a->w_add, a->table, a->heads, a->dim, a->rot, a->kind));
    PT_RETURN(pt_check_typed("norm_rope_bwd", "dy", a->dy, ctx->act, a->x.rows, a->x.cols));
    PT_RETURN(pt_check_typed("norm_rope_bwd", "dx", a->dx, ctx->act, a->x.rows, a->x.cols));
    PT_RETURN(pt_check_typed("norm_rope_bwd", "rstd", a->rstd, PT_F32, 1, a->x.rows * a->heads));
    return maybe("norm_rope_bwd", "dw", a->dw, PT_F32, 1, a->dim);
}
