/* The norms of a decoder, of whichever kind, and what stands in their place where a model has none. */
#include "train/model/model_impl.h"

/* Whether there is a norm at a place: where norms have weights, one that has none is none. */
static bool is_norm(const pt_model *m, const pt_lin *w)
{
    return m->cfg.norm_plain || pt_view_ok(w->w);
}

pt_status pt_norm_run(pt_model *m, const pt_norm_call *a, pt_view *out)
{
    static const pt_norm_state nothing = {0};
    const pt_ops *ops = m->ctx->ops;
    const pt_norm_state *keep = a->keep ? a->keep : &nothing;
    const bool there = is_norm(m, a->w);
    pt_view y = there ? a->y : PT_NO_VIEW;
    if (out) *out = there ? a->y : pt_view_ok(a->add) ? a->h : a->x;
    if (!there && !pt_view_ok(a->add)) return PT_OK;
    if (m->cfg.norm == PT_NORM_LAYER)
        return ops->layernorm(m->ctx, &(pt_layernorm_args){.y = y, .mean = keep->mean, .rstd = keep->rstd, .x = a->x, .add = a->add, .h = a->h, .w = a->w->w,
                                                           .b = a->w->b, .eps = m->cfg.norm_eps, .add_scale = m->cfg.residual_scale});
    return ops->rmsnorm(m->ctx, &(pt_rmsnorm_args){.y = y, .rstd = keep->rstd, .x = a->x, .add = a->add, .h = a->h, .w = a->w->w, .eps = m->cfg.norm_eps,
                                                   .w_add = m->cfg.norm_add, .add_scale = m->cfg.residual_scale});
}

pt_status pt_norm_back(pt_model *m, pt_view dx, pt_view dy, pt_view dres, pt_view h, const pt_norm_state *kept, const pt_lin *w)
{
    const pt_ops *ops = m->ctx->ops;
    if (!is_norm(m, w)) {
        if (dx.buf != dres.buf || dx.off != dres.off) return pt_fail(PT_EINTERNAL, "a gradient past no norm goes into the residual stream's");
        return ops->axpby(m->ctx, &(pt_axpby_args){.y = dres, .x = dy, .alpha = 1, .beta = 1});
    }
    if (m->cfg.norm == PT_NORM_LAYER)
        return ops->layernorm_bwd(m->ctx, &(pt_layernorm_bwd_args){.dx = dx, .dw = w->dw, .db = w->db, .dy = dy, .dres = dres, .h = h, .mean = kept->mean,
                                                                   .rstd = kept->rstd, .w = w->w});
    return ops->rmsnorm_bwd(
        m->ctx, &(pt_rmsnorm_bwd_args){.dx = dx, .dw = w->dw, .dy = dy, .dres = dres, .h = h, .rstd = kept->rstd, .w = w->w, .w_add = m->cfg.norm_add});
}

pt_status pt_branch_back(pt_model *m, pt_view dres, pt_view raw, const pt_norm_state *kept, const pt_lin *w, pt_view *out)
{
    *out = dres;
    if (!m->cfg.post_norm && !(m->cfg.residual_scale > 0)) return PT_OK;
    *out = pt_trim(m->scratch.dside, dres.rows);
    if (m->cfg.post_norm) return pt_norm_back(m, *out, dres, PT_NO_VIEW, raw, kept, w);
    return m->ctx->ops->axpby(m->ctx, &(pt_axpby_args){.y = *out, .x = dres, .alpha = m->cfg.residual_scale, .beta = 0});
}

/* Of head h of a state that keeps them one after the other. */
static pt_norm_state head_state(const pt_norm_state *s, int h, int64_t n)
{
    return (pt_norm_state){pt_view_ok(s->rstd) ? pt_view_cols(s->rstd, h * n, n) : s->rstd, pt_view_ok(s->mean) ? pt_view_cols(s->mean, h * n, n) : s->mean};
}

static pt_lin head_weight(const pt_lin *w, int h)
{
    return (pt_lin){.w = pt_view_rows(w->w, h, 1), .dw = pt_view_ok(w->dw) ? pt_view_rows(w->dw, h, 1) : w->dw};
}

pt_status pt_qk_norm_run(pt_model *m, pt_view y, pt_view x, const pt_norm_state *keep, const pt_lin *w, int heads)
{
    const int64_t dim = m->cfg.head_dim;
    if (m->cfg.qk_norm == PT_QK_NORM_ROWS) return pt_norm_run(m, &(pt_norm_call){.y = y, .x = x, .keep = keep, .w = w}, NULL);
    if (m->cfg.qk_norm == PT_QK_NORM_HEADS)
        return pt_norm_run(m, &(pt_norm_call){.y = pt_view_reshape(y, x.rows * heads, dim), .x = pt_view_reshape(x, x.rows * heads, dim), .keep = keep, .w = w}, NULL);
    for (int h = 0; h < heads; h++) { /* a weight for each: a column slice of its own */
        const pt_norm_state state = head_state(keep, h, x.rows);
        const pt_lin weight = head_weight(w, h);
        PT_RETURN(pt_norm_run(m, &(pt_norm_call){.y = pt_view_cols(y, h * dim, dim), .x = pt_view_cols(x, h * dim, dim), .keep = &state, .w = &weight}, NULL));
    }
    return PT_OK;
}

pt_status pt_qk_norm_back(pt_model *m, pt_view d, pt_view x, const pt_norm_state *kept, const pt_lin *w, int heads)
{
    const int64_t dim = m->cfg.head_dim;
    if (m->cfg.qk_norm == PT_QK_NORM_ROWS) return pt_norm_back(m, d, d, PT_NO_VIEW, x, kept, w);
    if (m->cfg.qk_norm == PT_QK_NORM_HEADS) {
        pt_view by_head = pt_view_reshape(d, d.rows * heads, dim);
        return pt_norm_back(m, by_head, by_head, PT_NO_VIEW, pt_view_reshape(x, d.rows * heads, dim), kept, w);
    }
    for (int h = 0; h < heads; h++) {
        const pt_norm_state state = head_state(kept, h, d.rows);
        const pt_lin weight = head_weight(w, h);
        pt_view one = pt_view_cols(d, h * dim, dim);
        PT_RETURN(pt_norm_back(m, one, one, PT_NO_VIEW, pt_view_cols(x, h * dim, dim), &state, &weight));
    }
    return PT_OK;
}
