/* One decoder block, backward. On entry scratch.dres holds the gradient of the block's output stream, on exit that of its
 * input. Norm outputs and the MLP product are made again here; dg and du overwrite g and u. */
#include <math.h>

#include "train/model/model_impl.h"

static pt_status mlp_backward(pt_model *m, int layer, const pt_block_state *s, bool have_xn, const pt_pass *p)
{
    const pt_ops *ops = m->ctx->ops;
    int64_t n = m->loaded.n;
    pt_lin *norm = &m->blocks[layer].norm2;
    pt_view act = pt_trim(m->scratch.act, n), dact = pt_trim(m->scratch.dact, n), dres = pt_trim(m->scratch.dres, n);
    pt_view xn = pt_trim(m->scratch.xn, n), dxn = pt_trim(m->scratch.branch, n), gu[2] = {s->g, s->u};
    PT_RETURN(ops->gated(m->ctx, &(pt_gated_args){.y = act, .g = s->g, .u = s->u, .kind = m->cfg.act}));
    PT_RETURN(pt_project_bwd(m, layer, PT_MOD_DOWN, 1, act, &dres, &s->t[PT_MOD_DOWN], dact, p));
    PT_RETURN(ops->gated_bwd(
        m->ctx, &(pt_gated_bwd_args){.dg = s->g, .du = s->u, .dy = dact, .g = s->g, .u = s->u, .kind = m->cfg.act}));
    if (!have_xn)
        PT_RETURN(ops->rmsnorm(m->ctx, &(pt_rmsnorm_args){.y = xn, .x = s->hmid, .w = norm->w, .eps = m->cfg.norm_eps}));
    PT_RETURN(pt_project_bwd(m, layer, PT_MOD_GATE, 2, xn, gu, &s->t[PT_MOD_GATE], dxn, p));
    return ops->rmsnorm_bwd(
        m->ctx, &(pt_rmsnorm_bwd_args){
                    .dx = dres, .dw = norm->dw, .dy = dxn, .dres = dres, .h = s->hmid, .rstd = s->rstd2, .w = norm->w});
}

/* Through rotation and q/k norm: d becomes the gradient of the projection's output. */
static pt_status unrotate(pt_model *m, pt_view d, pt_view raw, pt_view rstd, const pt_lin *w, int heads)
{
    int dim = m->cfg.head_dim;
    PT_RETURN(m->ctx->ops->rope(m->ctx, &(pt_rope_args){.x = d,
                                                        .table = pt_trim(m->tab.rope, d.rows),
                                                        .heads = heads,
                                                        .dim = dim,
                                                        .rot = m->cfg.rot,
                                                        .kind = m->cfg.rope_kind,
                                                        .inverse = true}));
    if (!m->cfg.qk_norm) return PT_OK;
    pt_view rows = pt_view_reshape(d, d.rows * heads, dim);
    return m->ctx->ops->rmsnorm_bwd(
        m->ctx,
        &(pt_rmsnorm_bwd_args){
            .dx = rows, .dw = w->dw, .dy = rows, .h = pt_view_reshape(raw, d.rows * heads, dim), .rstd = rstd, .w = w->w});
}

static pt_status attention_backward(pt_model *m, int layer, const pt_block_state *s, const pt_pass *p)
{
    const pt_ops *ops = m->ctx->ops;
    const pt_block_weights *b = &m->blocks[layer];
    int64_t n = m->loaded.n;
    pt_view dq = pt_trim(m->scratch.dq, n), dk = pt_trim(m->scratch.dk, n), dv = pt_trim(m->scratch.dv, n);
    pt_view dout = pt_trim(m->scratch.dout, n), dres = pt_trim(m->scratch.dres, n), dqkv[3] = {dq, dk, dv};
    pt_view xn = pt_trim(m->scratch.xn, n), dxn = pt_trim(m->scratch.branch, n);
    bool below = layer > 0 || m->opt.full; /* does anything below want the gradient? */
    PT_RETURN(pt_project_bwd(m, layer, PT_MOD_O, 1, s->o, &dres, &s->t[PT_MOD_O], dout, p));
    PT_RETURN(ops->attention_bwd(m->ctx, &(pt_attention_bwd_args){.dq = dq,
                                                                  .dk = dk,
                                                                  .dv = dv,
                                                                  .dout = dout,
                                                                  .o = s->o,
                                                                  .lse = s->lse,
                                                                  .q = s->q,
                                                                  .k = s->k,
                                                                  .v = s->v,
                                                                  .forest = m->forest[pt_layer_window(m, layer) != 0],
                                                                  .n_heads = m->cfg.heads,
                                                                  .n_kv = m->cfg.kv_heads,
                                                                  .dim = m->cfg.head_dim,
                                                                  .scale = 1.0f / sqrtf((float)m->cfg.head_dim)}));
    PT_RETURN(unrotate(m, dq, s->qraw, s->rq, &b->qnorm, m->cfg.heads));
    PT_RETURN(unrotate(m, dk, s->kraw, s->rk, &b->knorm, m->cfg.kv_heads));
    PT_RETURN(ops->rmsnorm(m->ctx, &(pt_rmsnorm_args){.y = xn, .x = s->h, .w = b->norm1.w, .eps = m->cfg.norm_eps}));
    PT_RETURN(pt_project_bwd(m, layer, PT_MOD_Q, 3, xn, dqkv, &s->t[PT_MOD_Q], below ? dxn : PT_NO_VIEW, p));
    if (!below) return PT_OK;
    return ops->rmsnorm_bwd(
        m->ctx, &(pt_rmsnorm_bwd_args){
                    .dx = dres, .dw = b->norm1.dw, .dy = dxn, .dres = dres, .h = s->h, .rstd = s->rstd1, .w = b->norm1.w});
}

pt_status pt_block_backward(pt_model *m, int layer, const pt_pass *p)
{
    pt_block_state s = pt_block_live(m, layer, m->loaded.n, true);
    bool again = m->inputs != NULL;
    if (again) PT_RETURN(pt_block_forward(m, layer, s.h, PT_NO_VIEW, p, true));
    PT_RETURN(mlp_backward(m, layer, &s, again, p));
    return attention_backward(m, layer, &s, p);
}
