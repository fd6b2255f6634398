/* One decoder block, backward. On entry scratch.dres holds the gradient of the block's output stream, on exit that of its
 * input. Norm outputs and the activation's are made again here, the latter beside its gradient; dg and du overwrite g and u. */
#include "train/model/model_impl.h"

/* What reads s->hmid or s->h through a norm, made again; *xn is the norm's output, or where there is none the stream. */
static pt_status norm_again(pt_model *m, pt_view h, const pt_lin *w, pt_view *xn)
{
    return pt_norm_run(m, &(pt_norm_call){.y = pt_trim(m->scratch.xn, h.rows), .x = h, .w = w}, xn);
}

/* have_xn: scratch.xn holds what the MLP read. Leaves the gradient of that in scratch.branch where blocks are parallel and share a norm, and in
 * scratch.dside (with the residual stream's) where they do not; else in dres. */
static pt_status mlp_backward(pt_model *m, int layer, const pt_block_state *s, bool have_xn, const pt_pass *p)
{
    const pt_ops *ops = m->ctx->ops;
    const pt_block_weights *b = &m->blocks[layer];
    const bool plain = m->cfg.plain_mlp;
    int64_t n = m->loaded.n;
    const pt_lin *norm = m->cfg.parallel && m->cfg.shared_norm ? &b->norm1 : &b->norm2;
    const pt_lin *down = &b->lin[PT_MOD_DOWN];
    const bool learns = b->slots[PT_MOD_DOWN] || pt_view_ok(down->dw) || pt_view_ok(down->db); /* from the activation's output */
    pt_view act = pt_trim(m->scratch.act, n), dres = pt_trim(m->scratch.dres, n), dy, u = plain ? PT_NO_VIEW : s->u;
    const bool sums = m->cfg.sum_norm; /* the residual stream is what the MLP reads: one gradient */
    pt_view xn = pt_trim(m->scratch.xn, n), dxn = sums ? dres : pt_trim(m->scratch.branch, n), in[2];
    pt_module first;
    int count = pt_block_mlp_in(m, s, &first, in);
    PT_RETURN(pt_branch_back(m, dres, s->raw2, &s->p2, &b->post2, &dy));
    PT_RETURN(pt_down_bwd(m, layer, act, dy, s->t[PT_MOD_DOWN], PT_LORA_TO_X, p));
    PT_RETURN(ops->gated_bwd(m->ctx, &(pt_gated_bwd_args){.dg = s->g, .du = u, .y = learns ? act : PT_NO_VIEW, .dy = act, .g = s->g, .u = u, .kind = m->cfg.act}));
    if (learns) PT_RETURN(pt_down_bwd(m, layer, act, dy, s->t[PT_MOD_DOWN], PT_LORA_OWN, p));
    if (!have_xn || !pt_view_ok(norm->w)) PT_RETURN(norm_again(m, s->hmid, norm, &xn)); /* hmid of a parallel block is h */
    PT_RETURN(pt_project_bwd(m, layer, (int)first, count, xn, in, &s->t[first], dxn, sums, p));
    if (!m->cfg.parallel) return pt_norm_back(m, dres, dxn, sums ? PT_NO_VIEW : dres, s->hmid, &s->n2, &b->norm2);
    return m->cfg.shared_norm ? PT_OK : pt_norm_back(m, pt_trim(m->scratch.dside, n), dxn, dres, s->h, &s->n2, &b->norm2);
}

/* Through the clipping: d in place, from x as it stood before or behind. */
static pt_status unclip(pt_model *m, pt_view d, pt_view x)
{
    if (!(m->cfg.clip_qkv > 0)) return PT_OK;
    return m->ctx->ops->clamp_bwd(m->ctx, &(pt_clamp_bwd_args){.dx = d, .dy = d, .x = x, .limit = m->cfg.clip_qkv});
}

/* Through rotation and q/k norm: d becomes the gradient of the projection's output. */
static pt_status unrotate(pt_model *m, int layer, pt_view d, pt_view raw, const pt_norm_state *kept, const pt_lin *w, int heads)
{
    const pt_ops *ops = m->ctx->ops;
    const pt_model_config *c = &m->cfg;
    const int at = pt_layer_rope(m, layer);
    const pt_view table = at < 0 ? PT_NO_VIEW : pt_trim(m->tab.rope[at], d.rows);
    if (at >= 0 && pt_norm_turns(c))
        return ops->norm_rope_bwd(m->ctx, &(pt_norm_rope_bwd_args){.dx = d, .dw = w->dw, .dy = d, .x = raw, .rstd = kept->rstd, .w = w->w, .table = table, .w_add = c->norm_add,
                                                                   .heads = heads, .dim = c->head_dim, .rot = c->rot, .kind = c->rope_kind});
    if (at >= 0)
        PT_RETURN(ops->rope(m->ctx, &(pt_rope_args){.x = d, .table = table, .heads = heads, .dim = c->head_dim, .rot = c->rot, .kind = c->rope_kind, .inverse = true}));
    return c->qk_norm ? pt_qk_norm_back(m, d, raw, kept, w, heads) : PT_OK;
}

/* have_xn: scratch.xn holds what attention read. */
static pt_status attention_backward(pt_model *m, int layer, const pt_block_state *s, bool have_xn, const pt_pass *p)
{
    const pt_ops *ops = m->ctx->ops;
    const pt_block_weights *b = &m->blocks[layer];
    const bool shared = m->cfg.parallel && m->cfg.shared_norm, sums = m->cfg.sum_norm;
    int64_t n = m->loaded.n;
    pt_view dq = pt_trim(m->scratch.dq, n), dk = pt_trim(m->scratch.dk, n), dv = pt_trim(m->scratch.dv, n), dy;
    pt_view dout = pt_trim(m->scratch.dout, n), dres = pt_trim(m->scratch.dres, n), din[3];
    pt_view xn = pt_trim(m->scratch.xn, n), dxn = sums ? dres : pt_trim(m->scratch.branch, n);
    pt_view stream = sums ? PT_NO_VIEW : m->cfg.parallel && !m->cfg.shared_norm ? pt_trim(m->scratch.dside, n) : dres;
    pt_module first;
    int count = pt_block_attn_in(m, dq, dk, dv, pt_trim(m->scratch.dqkv, n), &first, din);
    bool below = layer > 0 || pt_embed_learns(m); /* does anything below want the gradient? */
    PT_RETURN(pt_branch_back(m, dres, s->raw1, &s->p1, &b->post1, &dy));
    PT_RETURN(pt_project_bwd(m, layer, PT_MOD_O, 1, s->o, &dy, &s->t[PT_MOD_O], dout, false, p));
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
                                                                  .scale = pt_config_layer_scale(&m->cfg, layer),
                                                                  .softcap = m->cfg.attn_softcap,
                                                                  .slopes = m->tab.slopes}));
    PT_RETURN(unrotate(m, layer, dq, s->qraw, &s->nq, &b->qnorm, m->cfg.heads));
    PT_RETURN(unrotate(m, layer, dk, s->kraw, &s->nk, &b->knorm, m->cfg.kv_heads));
    PT_RETURN(unclip(m, dq, s->qraw));
    PT_RETURN(unclip(m, dk, s->kraw));
    PT_RETURN(unclip(m, dv, s->v));
    if (!have_xn || !pt_view_ok(b->norm1.w)) PT_RETURN(norm_again(m, s->h, &b->norm1, &xn));
    PT_RETURN(pt_project_bwd(m, layer, (int)first, count, xn, din, &s->t[first], below ? dxn : PT_NO_VIEW, shared || sums, p));
    if (sums && !pt_view_ok(b->norm1.w)) return PT_OK;
    return below ? pt_norm_back(m, dres, dxn, stream, s->h, &s->n1, &b->norm1) : PT_OK;
}

pt_status pt_block_backward(pt_model *m, int layer, const pt_pass *p)
{
    pt_block_state s = pt_block_live(m, layer, m->loaded.n, true);
    bool again = m->inputs != NULL;
    if (again) PT_RETURN(pt_block_forward(m, layer, s.h, PT_NO_VIEW, p, true));
    PT_RETURN(mlp_backward(m, layer, &s, again && !m->cfg.sum_norm, p));
    return attention_backward(m, layer, &s, m->cfg.parallel && m->cfg.shared_norm, p);
}
