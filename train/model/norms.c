/* The norms of a decoder, of whichever kind, and what stands in their place where a model has none. */
#include "train/model/model_impl.h"

pt_status pt_norm_run(pt_model *m, const pt_norm_call *a, pt_view *out)
{
    static const pt_norm_state nothing = {0};
    const pt_ops *ops = m->ctx->ops;
    const pt_norm_state *keep = a->keep ? a->keep : &nothing;
    const bool there = pt_view_ok(a->w->w);
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
    if (!pt_view_ok(w->w)) {
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
