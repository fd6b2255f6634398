#include "kernels/check_linear.h"

#include "kernels/ops.h"

static bool is_weight(pt_dtype t)
{
    return t == PT_F32 || t == PT_F16 || t == PT_BF16 || pt_dtype_quantised(t);
}

static pt_status check_weight(const char *op, pt_view w)
{
    PT_RETURN(pt_check_view(op, "w", w, w.rows, w.cols));
    if (!is_weight(w.type)) return pt_fail(PT_ENOSUP, "%s: no weights of type %s", op, pt_dtype_get(w.type)->name);
    return PT_OK;
}

static pt_status check_beta(const char *op, float beta)
{
    return beta == 0 || beta == 1 ? PT_OK : pt_fail(PT_EARG, "%s: beta is %g, not 0 or 1", op, (double)beta);
}

pt_status pt_check_linear(const pt_ctx *ctx, const pt_linear_args *a)
{
    PT_RETURN(check_weight("linear", a->w));
    PT_RETURN(pt_check_typed("linear", "x", a->x, ctx->act, a->x.rows, a->w.cols));
    PT_RETURN(pt_check_typed("linear", "y", a->y, ctx->act, a->x.rows, a->w.rows));
    if (pt_view_ok(a->b)) {
        PT_RETURN(pt_check_view("linear", "b", a->b, 1, a->w.rows));
        if (!is_weight(a->b.type) || pt_dtype_quantised(a->b.type))
            return pt_fail(PT_ENOSUP, "linear: no bias of type %s", pt_dtype_get(a->b.type)->name);
    }
    return check_beta("linear", a->beta);
}

pt_status pt_check_linear_bwd_x(const pt_ctx *ctx, const pt_linear_bwd_x_args *a)
{
    PT_RETURN(check_weight("linear_bwd_x", a->w));
    PT_RETURN(pt_check_typed("linear_bwd_x", "dx", a->dx, ctx->act, a->dx.rows, a->w.cols));
    PT_RETURN(pt_check_typed("linear_bwd_x", "dy", a->dy, ctx->act, a->dx.rows, a->w.rows));
    return check_beta("linear_bwd_x", a->beta);
}

pt_status pt_check_linear_bwd_w(const pt_ctx *ctx, const pt_linear_bwd_w_args *a)
{
    PT_RETURN(pt_check_typed("linear_bwd_w", "dy", a->dy, ctx->act, a->dy.rows, a->dy.cols));
    if (pt_view_ok(a->dw)) {
        PT_RETURN(pt_check_typed("linear_bwd_w", "x", a->x, ctx->act, a->dy.rows, a->x.cols));
        PT_RETURN(pt_check_typed("linear_bwd_w", "dw", a->dw, PT_F32, a->dy.cols, a->x.cols));
    }
    if (pt_view_ok(a->db)) PT_RETURN(pt_check_typed("linear_bwd_w", "db", a->db, PT_F32, 1, a->dy.cols));
    return PT_OK;
}

static pt_status check_lora_slot(const pt_lora_args *a, const pt_lora_part *p, const pt_lora_slot *s, bool backward)
{
    int64_t in = a->x.cols, out = backward ? p->dy.cols : p->y.cols;
    if (s->rank == 0) return PT_OK;
    if (s->rank < 0) return pt_fail(PT_ESHAPE, "lora: rank %d", s->rank);
    PT_RETURN(pt_check_typed("lora", "a", s->a, PT_F32, s->rank, in));
    if (a->half != PT_LORA_BOTH && p->dt.cols < s->rank)
        return pt_fail(PT_ESHAPE, "lora_bwd: dt has %lld columns, a slot has rank %d", (long long)p->dt.cols, s->rank);
    PT_RETURN(pt_check_typed("lora", "b", s->b, PT_F32, out, s->rank));
    if (pt_view_ok(p->t) && p->t.cols < s->rank)
        return pt_fail(PT_ESHAPE, "lora: t has %lld columns, a slot has rank %d", (long long)p->t.cols, s->rank);
    if (!backward) return PT_OK;
    if (pt_view_ok(s->da)) PT_RETURN(pt_check_typed("lora_bwd", "da", s->da, PT_F32, s->rank, in));
    if (pt_view_ok(s->db)) PT_RETURN(pt_check_typed("lora_bwd", "db", s->db, PT_F32, out, s->rank));
    if (pt_view_ok(s->db) && !pt_view_ok(p->t)) return pt_fail(PT_ESHAPE, "lora_bwd: t is missing");
    return PT_OK;
}

static pt_status check_lora_runs(const pt_lora_args *a)
{
    int64_t at = 0;
    for (int i = 0; i < a->n_runs; i++) {
        const pt_lora_run *r = &a->runs[i];
        if (r->begin < at || r->end < r->begin || r->end > a->x.rows)
            return pt_fail(PT_ESHAPE, "lora: run %d is [%d, %d) after token %lld of %lld", i, r->begin, r->end, (long long)at, (long long)a->x.rows);
        if (r->slot >= a->n_slots) return pt_fail(PT_ESHAPE, "lora: run %d names slot %d of %d", i, r->slot, a->n_slots);
        at = r->end;
    }
    return PT_OK;
}

/* v with the columns behind it that the op may overwrite. */
static pt_status check_spare(const char *name, pt_view v, int spare)
{
    if (spare < 0 || v.ld - v.cols < spare) return pt_fail(PT_ESHAPE, "lora: %d columns to spare behind %s's %lld of rows of %lld", spare, name, (long long)v.cols, (long long)v.ld);
    v.cols += spare;
    return pt_check_view("lora", name, v, v.rows, v.cols);
}

/* The base's product of a part; linear looks at the rest. */
static pt_status check_lora_base(const pt_lora_args *a, const pt_lora_part *p, bool backward)
{
    PT_RETURN(pt_check_view("lora", "w", p->w, backward ? p->dy.cols : p->y.cols, a->x.cols));
    return check_beta("lora", a->beta);
}

pt_status pt_check_lora(const pt_ctx *ctx, const pt_lora_args *a, bool backward)
{
    int64_t n = a->x.rows;
    PT_RETURN(pt_check_typed("lora", "x", a->x, ctx->act, n, a->x.cols));
    if (!backward) PT_RETURN(check_spare("x", a->x, a->x_spare));
    if (backward && pt_view_ok(a->dx)) PT_RETURN(pt_check_typed("lora_bwd", "dx", a->dx, ctx->act, n, a->x.cols));
    if (!(a->dropout >= 0 && a->dropout < 1)) return pt_fail(PT_EARG, "lora: dropout %g is not in [0, 1)", (double)a->dropout);
    if ((unsigned)a->half > PT_LORA_OWN || (a->half != PT_LORA_BOTH && (!backward || pt_view_ok(a->dx) != (a->half == PT_LORA_TO_X))))
        return pt_fail(PT_EARG, "lora: half %d of %s, dx is %s", (int)a->half, backward ? "a backward" : "a forward", pt_view_ok(a->dx) ? "there" : "absent");
    if (a->dropout > 0) PT_RETURN(pt_check_typed("lora", "token_key", a->token_key, PT_U64, 1, n));
    for (int i = 0; i < a->n_parts; i++) {
        const pt_lora_part *p = &a->parts[i];
        if (backward) PT_RETURN(pt_check_typed("lora_bwd", "dy", p->dy, ctx->act, n, p->dy.cols));
        else PT_RETURN(pt_check_typed("lora", "y", p->y, ctx->act, n, p->y.cols));
        if (pt_view_ok(p->t)) PT_RETURN(pt_check_typed("lora", "t", p->t, PT_F32, n, p->t.cols));
        if (backward) PT_RETURN(check_spare("dy", p->dy, p->dy_spare));
        if (pt_view_ok(p->w)) PT_RETURN(check_lora_base(a, p, backward));
        if (a->half != PT_LORA_BOTH) PT_RETURN(pt_check_typed("lora_bwd", "dt", p->dt, PT_F32, n, p->dt.cols));
        for (int s = 0; s < a->n_slots; s++) PT_RETURN(check_lora_slot(a, p, &p->slots[s], backward));
    }
    return check_lora_runs(a);
}

pt_status pt_lora_base(pt_ctx *ctx, const pt_lora_args *a, bool backward)
{
    float beta = a->beta;
    for (int i = 0; i < a->n_parts; i++) {
        const pt_lora_part *p = &a->parts[i];
        if (!pt_view_ok(p->w)) continue;
        if (!backward) {
            PT_RETURN(ctx->ops->linear(ctx, &(pt_linear_args){.y = p->y, .x = a->x, .w = p->w, .b = p->bias, .beta = a->beta}));
            continue;
        }
        if (!pt_view_ok(a->dx)) return PT_OK;
        PT_RETURN(ctx->ops->linear_bwd_x(ctx, &(pt_linear_bwd_x_args){.dx = a->dx, .dy = p->dy, .w = p->w, .beta = beta}));
        beta = 1;
    }
    return PT_OK;
}

pt_status pt_check_head(const pt_ctx *ctx, const pt_head_args *a)
{
    int64_t hd = a->x.rows, c = a->x.cols, v = a->w.rows, m = pt_view_ok(a->row_head) ? a->row_head.cols : 0;
    PT_RETURN(check_weight("head", a->w));
    PT_RETURN(pt_check_typed("head", "x", a->x, ctx->act, hd, a->w.cols));
    if (v <= 0 || v > INT32_MAX) return pt_fail(PT_ESHAPE, "head: a vocabulary of %lld", (long long)v);
    bool backward = pt_view_ok(a->dx) || pt_view_ok(a->dw);
    if (backward || pt_view_ok(a->logp)) {
        PT_RETURN(pt_check_typed("head", "row_head", a->row_head, PT_I32, 1, m));
        PT_RETURN(pt_check_typed("head", "row_target", a->row_target, PT_I32, 1, m));
    }
    if (pt_view_ok(a->logits)) PT_RETURN(pt_check_typed("head", "logits", a->logits, PT_F32, hd, v));
    if (pt_view_ok(a->logp)) PT_RETURN(pt_check_typed("head", "logp", a->logp, PT_F32, 1, m));
    if (pt_view_ok(a->lse)) PT_RETURN(pt_check_typed("head", "lse", a->lse, PT_F32, 1, hd));
    if (pt_view_ok(a->entropy)) PT_RETURN(pt_check_typed("head", "entropy", a->entropy, PT_F32, 1, hd));
    if (pt_view_ok(a->argmax)) PT_RETURN(pt_check_typed("head", "argmax", a->argmax, PT_I32, 1, hd));
    if (backward) PT_RETURN(pt_check_typed("head", "dlogp", a->dlogp, PT_F32, 1, m));
    const struct {
        const char *name;
        pt_view v;
    } sums[] = {{"log_squares", a->log_squares}, {"kl", a->kl}, {"dentropy", a->dentropy}, {"dlog_squares", a->dlog_squares}, {"dkl", a->dkl}};
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
        if (pt_view_ok(sums[i].v)) PT_RETURN(pt_check_typed("head", sums[i].name, sums[i].v, PT_F32, 1, hd));
    if (pt_head_reference(a)) PT_RETURN(pt_check_typed("head", "xr", a->xr, ctx->act, hd, c));
    if (pt_view_ok(a->dx)) PT_RETURN(pt_check_typed("head", "dx", a->dx, ctx->act, hd, c));
    if (pt_view_ok(a->dw)) PT_RETURN(pt_check_typed("head", "dw", a->dw, PT_F32, a->dw_first ? a->dw.rows : v, c));
    if (pt_view_ok(a->dw) && (a->dw_first < 0 || a->dw_first > v - a->dw.rows))
        return pt_fail(PT_ESHAPE, "head: dw is of rows %lld to %lld of %lld", (long long)a->dw_first, (long long)(a->dw_first + a->dw.rows - 1), (long long)v);
    if (!(a->temperature > 0)) return pt_fail(PT_EARG, "head: temperature %g is not positive", (double)a->temperature);
    if (!(a->softcap >= 0)) return pt_fail(PT_EARG, "head: softcap %g is negative", (double)a->softcap);
    return PT_OK;
}

pt_status pt_check_sumsq(const pt_sumsq_args *a)
{
    PT_RETURN(pt_check_typed("sumsq", "acc", a->acc, PT_F64, 1, 1));
    PT_RETURN(pt_check_typed("sumsq", "x", a->x, PT_F32, a->x.rows, a->x.cols));
    return a->x.ld == a->x.cols ? PT_OK : pt_fail(PT_ESHAPE, "sumsq: x is not dense");
}

pt_status pt_check_clip(const pt_clip_args *a)
{
    PT_RETURN(pt_check_typed("clip", "acc", a->acc, PT_F64, 1, 1));
    return pt_check_typed("clip", "scalars", a->scalars, PT_F32, 1, 4);
}

pt_status pt_check_token_sums(const pt_token_sums_args *a)
{
    int64_t m = a->weight.cols, hd = a->entropy.cols;
    PT_RETURN(pt_check_typed("token_sums", "acc", a->acc, PT_F64, 1, PT_TOKEN_SUMS));
    PT_RETURN(pt_check_typed("token_sums", "weight", a->weight, PT_F32, 1, m));
    PT_RETURN(pt_check_typed("token_sums", "entropy", a->entropy, PT_F32, 1, hd));
    PT_RETURN(pt_check_typed("token_sums", "argmax", a->argmax, PT_I32, 1, hd));
    PT_RETURN(pt_check_typed("token_sums", "row_head", a->row_head, PT_I32, 1, m));
    return pt_check_typed("token_sums", "row_target", a->row_target, PT_I32, 1, m);
}

pt_status pt_check_adamw(const pt_adamw_args *a)
{
    PT_RETURN(pt_check_typed("adamw", "p", a->p, PT_F32, 1, a->p.cols));
    PT_RETURN(pt_check_typed("adamw", "m", a->m, PT_F32, 1, a->p.cols));
    PT_RETURN(pt_check_typed("adamw", "v", a->v, PT_F32, 1, a->p.cols));
    PT_RETURN(pt_check_typed("adamw", "g", a->g, PT_F32, 1, a->p.cols));
    return pt_check_typed("adamw", "scalars", a->scalars, PT_F32, 1, 4);
}
