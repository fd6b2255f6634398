/* One decoder block, forward. */
#include <math.h>

#include "train/model/model_impl.h"

pt_block_state pt_block_live(const pt_model *m, int layer, int64_t n, bool keep)
{
    bool each = m->opt.train && !m->opt.checkpointing;
    pt_block_state s = m->states[each && keep ? layer : 0];
    if (m->inputs && keep) {
        s.h = m->inputs[layer];
        s.t[PT_MOD_DOWN] = m->tdown[layer];
    }
    s.h = pt_trim(s.h, n);
    s.hmid = m->opt.train ? pt_trim(s.hmid, n) : s.h;
    s.rstd1 = pt_trim_vec(s.rstd1, n);
    s.rstd2 = pt_trim_vec(s.rstd2, n);
    s.qraw = pt_trim(s.qraw, n);
    s.kraw = pt_trim(s.kraw, n);
    s.rq = pt_trim_vec(s.rq, n * m->cfg.heads);
    s.rk = pt_trim_vec(s.rk, n * m->cfg.kv_heads);
    s.q = pt_trim(s.q, n);
    s.k = pt_trim(s.k, n);
    s.v = pt_trim(s.v, n);
    s.o = pt_trim(s.o, n);
    if (pt_view_ok(s.lse)) s.lse = pt_view_reshape(s.lse, m->cfg.heads, n);
    s.g = pt_trim(s.g, n);
    s.u = pt_trim(s.u, n);
    for (int k = 0; k < PT_MOD_COUNT; k++) {
        s.t[k] = pt_trim(s.t[k], n);
        if (pt_view_ok(s.t[k])) s.t[k].cols = m->blocks[layer].rank[k]; /* a shared set is as wide as the widest layer */
    }
    return s;
}

/* The parts of a LoRA call: modules of this group that have an adapter. */
static int lora_parts(const pt_model *m, int layer, int first, int n, const pt_view *y, const pt_view *dy, const pt_view *t,
                      pt_lora_part parts[3])
{
    int count = 0;
    const pt_block_weights *b = &m->blocks[layer];
    for (int i = 0; i < n; i++) {
        int k = first + i;
        if (!b->slots[k]) continue;
        parts[count++] = (pt_lora_part){.y = y ? y[i] : PT_NO_VIEW,
                                        .dy = dy ? dy[i] : PT_NO_VIEW,
                                        .t = t[i],
                                        .slots = b->slots[k],
                                        .module = (uint32_t)(layer * 16 + k)};
    }
    return count;
}

static pt_lora_args lora_args(const pt_model *m, pt_view x, pt_view dx, int n_parts, const pt_lora_part *parts,
                              const pt_pass *p)
{
    bool drop = m->loaded.train && m->opt.lora.dropout > 0;
    return (pt_lora_args){.x = x,
                          .dx = dx,
                          .n_parts = n_parts,
                          .parts = parts,
                          .n_runs = p->n_runs,
                          .runs = p->runs,
                          .n_slots = m->n_slots,
                          .dropout = drop ? m->opt.lora.dropout : 0,
                          .token_key = drop ? pt_trim_vec(m->tab.token_key, x.rows) : PT_NO_VIEW,
                          .seed = m->opt.seed,
                          .step = m->loaded.step};
}

pt_status pt_project(pt_model *m, int layer, int first, int n, pt_view x, const pt_view *y, const pt_view *t, const pt_pass *p)
{
    const pt_ops *ops = m->ctx->ops;
    pt_lora_part parts[3];
    for (int i = 0; i < n; i++) {
        const pt_lin *w = &m->blocks[layer].lin[first + i];
        PT_RETURN(ops->linear(m->ctx, &(pt_linear_args){.y = y[i], .x = x, .w = w->w, .b = w->b}));
    }
    int count = p->n_runs ? lora_parts(m, layer, first, n, y, NULL, t, parts) : 0;
    if (count == 0) return PT_OK;
    pt_lora_args a = lora_args(m, x, PT_NO_VIEW, count, parts, p);
    return ops->lora(m->ctx, &a);
}

pt_status pt_project_bwd(pt_model *m, int layer, int first, int n, pt_view x, const pt_view *dy, const pt_view *t, pt_view dx,
                         const pt_pass *p)
{
    const pt_ops *ops = m->ctx->ops;
    pt_lora_part parts[3];
    for (int i = 0; i < n; i++) {
        const pt_lin *w = &m->blocks[layer].lin[first + i];
        if (pt_view_ok(dx))
            PT_RETURN(ops->linear_bwd_x(m->ctx, &(pt_linear_bwd_x_args){.dx = dx, .dy = dy[i], .w = w->w, .beta = i > 0}));
        if (pt_view_ok(w->dw) || pt_view_ok(w->db))
            PT_RETURN(ops->linear_bwd_w(m->ctx, &(pt_linear_bwd_w_args){.dw = w->dw, .db = w->db, .dy = dy[i], .x = x}));
    }
    int count = p->n_runs ? lora_parts(m, layer, first, n, NULL, dy, t, parts) : 0;
    if (count == 0) return PT_OK;
    pt_lora_args a = lora_args(m, x, dx, count, parts, p);
    return ops->lora_bwd(m->ctx, &a);
}

/* q/k norm over heads. */
static pt_status head_norm(pt_model *m, pt_view y, pt_view x, pt_view rstd, const pt_lin *w, int heads)
{
    int64_t rows = x.rows * heads;
    int dim = m->cfg.head_dim;
    return m->ctx->ops->rmsnorm(m->ctx, &(pt_rmsnorm_args){.y = pt_view_reshape(y, rows, dim),
                                                           .rstd = rstd,
                                                           .x = pt_view_reshape(x, rows, dim),
                                                           .w = w->w,
                                                           .eps = m->cfg.norm_eps});
}

static pt_status rotate(pt_model *m, pt_view x, int heads)
{
    return m->ctx->ops->rope(m->ctx, &(pt_rope_args){.x = x,
                                                     .table = pt_trim(m->tab.rope, x.rows),
                                                     .heads = heads,
                                                     .dim = m->cfg.head_dim,
                                                     .rot = m->cfg.rot,
                                                     .kind = m->cfg.rope_kind});
}

pt_status pt_block_qkv(pt_model *m, int layer, pt_view xn, const pt_block_state *s, const pt_pass *p)
{
    const pt_block_weights *b = &m->blocks[layer];
    pt_view out[3] = {s->qraw, s->kraw, s->v};
    PT_RETURN(pt_project(m, layer, PT_MOD_Q, 3, xn, out, &s->t[PT_MOD_Q], p));
    if (m->cfg.qk_norm) {
        PT_RETURN(head_norm(m, s->q, s->qraw, s->rq, &b->qnorm, m->cfg.heads));
        PT_RETURN(head_norm(m, s->k, s->kraw, s->rk, &b->knorm, m->cfg.kv_heads));
    }
    PT_RETURN(rotate(m, s->q, m->cfg.heads));
    return rotate(m, s->k, m->cfg.kv_heads);
}

/* From the attention's output to the MLP's (in branch). */
pt_status pt_block_rest(pt_model *m, int layer, const pt_block_state *s, pt_view xn, pt_view branch, const pt_pass *p,
                        bool stop_at_mlp)
{
    const pt_ops *ops = m->ctx->ops;
    pt_view act = pt_trim(m->scratch.act, branch.rows), gu[2] = {s->g, s->u};
    PT_RETURN(pt_project(m, layer, PT_MOD_O, 1, s->o, &branch, &s->t[PT_MOD_O], p));
    PT_RETURN(ops->rmsnorm(m->ctx, &(pt_rmsnorm_args){.y = xn,
                                                      .rstd = s->rstd2,
                                                      .x = s->h,
                                                      .add = branch,
                                                      .h = s->hmid,
                                                      .w = m->blocks[layer].norm2.w,
                                                      .eps = m->cfg.norm_eps}));
    PT_RETURN(pt_project(m, layer, PT_MOD_GATE, 2, xn, gu, &s->t[PT_MOD_GATE], p));
    if (stop_at_mlp) return PT_OK;
    PT_RETURN(ops->gated(m->ctx, &(pt_gated_args){.y = act, .g = s->g, .u = s->u, .kind = m->cfg.act}));
    return pt_project(m, layer, PT_MOD_DOWN, 1, act, &branch, &s->t[PT_MOD_DOWN], p);
}

static pt_status copy_to_cache(pt_model *m, int layer, const pt_block_state *s)
{
    const pt_prefill *f = m->prefill;
    for (int i = 0; f && i < f->n; i++) {
        int64_t at = (int64_t)f->slot[i] * m->caps.decode_len;
        pt_view k = pt_view_rows(m->dec.k[layer], at, f->count[i]), v = pt_view_rows(m->dec.v[layer], at, f->count[i]);
        PT_RETURN(m->ctx->ops->gather(m->ctx, &(pt_gather_args){.y = k, .x = s->k, .index = f->index[i]}));
        PT_RETURN(m->ctx->ops->gather(m->ctx, &(pt_gather_args){.y = v, .x = s->v, .index = f->index[i]}));
    }
    return PT_OK;
}

pt_status pt_block_attend(pt_model *m, int layer, const pt_block_state *s)
{
    float scale = 1.0f / sqrtf((float)m->cfg.head_dim);
    return m->ctx->ops->attention(m->ctx, &(pt_attention_args){.o = s->o,
                                                               .lse = s->lse,
                                                               .q = s->q,
                                                               .k = s->k,
                                                               .v = s->v,
                                                               .forest = m->forest[pt_layer_window(m, layer) != 0],
                                                               .n_heads = m->cfg.heads,
                                                               .n_kv = m->cfg.kv_heads,
                                                               .dim = m->cfg.head_dim,
                                                               .scale = scale});
}

pt_status pt_block_forward(pt_model *m, int layer, pt_view x, pt_view add, const pt_pass *p, bool stop_at_mlp)
{
    pt_block_state s = pt_block_live(m, layer, m->loaded.n, p->keep);
    pt_view xn = pt_trim(m->scratch.xn, m->loaded.n), branch = pt_trim(m->scratch.branch, m->loaded.n);
    pt_rmsnorm_args norm = {.y = xn, .rstd = s.rstd1, .x = x, .w = m->blocks[layer].norm1.w, .eps = m->cfg.norm_eps};
    if (pt_view_ok(add)) {
        norm.add = add;
        norm.h = s.h;
    }
    PT_RETURN(m->ctx->ops->rmsnorm(m->ctx, &norm));
    PT_RETURN(pt_block_qkv(m, layer, xn, &s, p));
    PT_RETURN(copy_to_cache(m, layer, &s));
    PT_RETURN(pt_block_attend(m, layer, &s));
    return pt_block_rest(m, layer, &s, xn, branch, p, stop_at_mlp);
}
