/* One decoder block, forward. */
#include "train/model/model_impl.h"

static pt_norm_state norm_live(pt_norm_state s, int64_t n)
{
    return (pt_norm_state){pt_trim_vec(s.rstd, n), pt_trim_vec(s.mean, n)};
}

pt_block_state pt_block_live(const pt_model *m, int layer, int64_t n, bool keep)
{
    bool each = m->opt.train && !m->opt.checkpointing;
    pt_block_state s = m->states[each && keep ? layer : 0];
    if (m->inputs && keep) {
        s.h = m->inputs[layer];
        s.t[PT_MOD_DOWN] = m->tdown[layer];
    }
    s.h = pt_trim(s.h, n);
    s.hmid = m->opt.train && !m->cfg.parallel ? pt_trim(s.hmid, n) : s.h;
    s.n1 = norm_live(s.n1, n);
    s.n2 = norm_live(s.n2, n);
    s.p1 = norm_live(s.p1, n);
    s.p2 = norm_live(s.p2, n);
    s.nq = norm_live(s.nq, m->cfg.qk_norm == PT_QK_NORM_ROWS ? n : n * m->cfg.heads);
    s.nk = norm_live(s.nk, m->cfg.qk_norm == PT_QK_NORM_ROWS ? n : n * m->cfg.kv_heads);
    pt_view *const rows[] = {&s.raw1, &s.raw2, &s.qkv, &s.qraw, &s.kraw, &s.q, &s.k, &s.v, &s.o, &s.gu, &s.g, &s.u};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) *rows[i] = pt_trim(*rows[i], n);
    if (pt_view_ok(s.lse)) s.lse = pt_view_reshape(s.lse, m->cfg.heads, n);
    for (int k = 0; k < PT_MOD_COUNT; k++) {
        s.t[k] = pt_trim(s.t[k], n);
        if (pt_view_ok(s.t[k])) s.t[k].cols = m->blocks[layer].rank[k]; /* a shared set is as wide as the widest layer */
    }
    return s;
}

/* Columns behind v that an op may overwrite. */
static int spare_behind(const pt_model *m, pt_view v)
{
    return v.ld - v.cols == m->spare ? m->spare : 0;
}

/* Modules [first, first + n) of a layer that read one input. Forward: y; backward: dy. */
typedef struct group {
    int layer, first, n;
    const pt_view *y, *dy, *t;
    pt_view dt; /* of one module, where its backward is two calls */
} group;

/* Has any module of the group an adapter in this pass? */
static bool adapted(const pt_model *m, const group *g, const pt_pass *p)
{
    for (int i = 0; i < g->n; i++)
        if (p->n_runs && pt_block_at(m, g->layer)->slots[g->first + i]) return true;
    return false;
}

/* The parts of a LoRA call: all modules of the group, so that sums are in their order whichever have an adapter; each takes the base's product along. */
static void lora_parts(const pt_model *m, const group *g, pt_lora_part parts[3])
{
    const pt_block_weights *b = pt_block_at(m, g->layer);
    for (int i = 0; i < g->n; i++) {
        int k = g->first + i;
        parts[i] = (pt_lora_part){.y = g->y ? g->y[i] : PT_NO_VIEW,
                                  .dy = g->dy ? g->dy[i] : PT_NO_VIEW,
                                  .t = g->t[i],
                                  .dt = g->dt,
                                  .slots = pt_slots_at(m, g->layer, k),
                                  .module = (uint32_t)((g->layer < 0 ? m->cfg.layers : g->layer) * 16 + k),
                                  .w = b->lin[k].w,
                                  .bias = g->y ? b->lin[k].b : PT_NO_VIEW,
                                  .dy_spare = g->dy ? spare_behind(m, g->dy[i]) : 0};
    }
}

static pt_lora_args lora_args(const pt_model *m, int first, pt_view x, pt_view dx, bool add, int n_parts, const pt_lora_part *parts, const pt_pass *p)
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
                          .token_key = drop ? pt_trim_vec(first == PT_MOD_OUT ? m->tab.key_at_heads : m->tab.token_key, x.rows) : PT_NO_VIEW,
                          .seed = m->opt.seed,
                          .step = m->loaded.step,
                          .beta = add,
                          .x_spare = spare_behind(m, x)};
}

pt_status pt_project(pt_model *m, int layer, int first, int n, pt_view x, const pt_view *y, const pt_view *t, bool add, const pt_pass *p)
{
    const pt_ops *ops = m->ctx->ops;
    const group g = {.layer = layer, .first = first, .n = n, .y = y, .t = t};
    pt_lora_part parts[3];
    if (m->inputs_heard) PT_RETURN(m->inputs_heard(m->inputs_user, layer, first, n, pt_trim(x, m->loaded.n_live)));
    for (int i = 0; i < n && !adapted(m, &g, p); i++) {
        const pt_lin *w = &pt_block_at(m, layer)->lin[first + i];
        PT_RETURN(ops->linear(m->ctx, &(pt_linear_args){.y = y[i], .x = x, .w = w->w, .b = w->b, .beta = add}));
    }
    if (!adapted(m, &g, p)) return PT_OK;
    lora_parts(m, &g, parts);
    pt_lora_args a = lora_args(m, first, x, PT_NO_VIEW, add, n, parts, p);
    return ops->lora(m->ctx, &a);
}

static pt_status back(pt_model *m, const group *g, pt_view x, pt_view dx, bool add, pt_lora_half half, const pt_pass *p)
{
    const pt_ops *ops = m->ctx->ops;
    pt_lora_part parts[3];
    for (int i = 0; i < g->n; i++) {
        const pt_lin *w = &pt_block_at(m, g->layer)->lin[g->first + i];
        if (half != PT_LORA_TO_X && (pt_view_ok(w->dw) || pt_view_ok(w->db)))
            PT_RETURN(ops->linear_bwd_w(m->ctx, &(pt_linear_bwd_w_args){.dw = w->dw, .db = w->db, .dy = g->dy[i], .x = x}));
        if (adapted(m, g, p) || !pt_view_ok(dx)) continue;
        PT_RETURN(ops->linear_bwd_x(m->ctx, &(pt_linear_bwd_x_args){.dx = dx, .dy = g->dy[i], .w = w->w, .beta = add}));
        add = true;
    }
    if (!adapted(m, g, p)) return PT_OK;
    lora_parts(m, g, parts);
    pt_lora_args a = lora_args(m, g->first, x, dx, add, g->n, parts, p);
    a.half = half;
    return ops->lora_bwd(m->ctx, &a);
}

pt_status pt_project_bwd(pt_model *m, int layer, int first, int n, pt_view x, const pt_view *dy, const pt_view *t, pt_view dx, bool add, const pt_pass *p)
{
    const group g = {.layer = layer, .first = first, .n = n, .dy = dy, .t = t};
    return back(m, &g, x, dx, add, PT_LORA_BOTH, p);
}

pt_status pt_down_bwd(pt_model *m, int layer, pt_view x, pt_view dy, pt_view t, pt_lora_half half, const pt_pass *p)
{
    const group g = {.layer = layer, .first = PT_MOD_DOWN, .n = 1, .dy = &dy, .t = &t, .dt = pt_trim(m->scratch.dt, x.rows)};
    return back(m, &g, x, half == PT_LORA_TO_X ? x : PT_NO_VIEW, false, half, p);
}

/* With clip_qkv y = x clipped; without, nothing is done. */
static pt_status clip(pt_model *m, pt_view y, pt_view x)
{
    if (!(m->cfg.clip_qkv > 0)) return PT_OK;
    return m->ctx->ops->clamp(m->ctx, &(pt_clamp_args){.y = y, .x = x, .limit = m->cfg.clip_qkv});
}

/* q or k: y = its norm and rotation of x. */
static pt_status norm_and_turn(pt_model *m, int layer, pt_view y, pt_view x, const pt_norm_state *keep, const pt_lin *w, int heads)
{
    const pt_ops *ops = m->ctx->ops;
    const pt_model_config *c = &m->cfg;
    const int at = pt_layer_rope(m, layer);
    const pt_view table = at < 0 ? PT_NO_VIEW : pt_trim(m->tab.rope[at], x.rows);
    if (at >= 0 && pt_norm_turns(c))
        return ops->norm_rope(m->ctx, &(pt_norm_rope_args){.y = y, .rstd = keep->rstd, .x = x, .w = w->w, .table = table, .eps = c->norm_eps, .w_add = c->norm_add,
                                                           .heads = heads, .dim = c->head_dim, .rot = c->rot, .kind = c->rope_kind});
    if (c->qk_norm) PT_RETURN(pt_qk_norm_run(m, y, x, keep, w, heads));
    if (at < 0) return PT_OK;
    return ops->rope(m->ctx, &(pt_rope_args){.x = y, .table = table, .heads = heads, .dim = c->head_dim, .rot = c->rot, .kind = c->rope_kind});
}

int pt_block_attn_in(const pt_model *m, pt_view q, pt_view k, pt_view v, pt_view qkv, pt_module *first, pt_view y[3])
{
    *first = m->cfg.fused_qkv ? PT_MOD_QKV : PT_MOD_Q;
    y[0] = m->cfg.fused_qkv ? qkv : q;
    y[1] = k;
    y[2] = v;
    return m->cfg.fused_qkv ? 1 : 3;
}

int pt_block_mlp_in(const pt_model *m, const pt_block_state *s, pt_module *first, pt_view y[2])
{
    *first = m->cfg.fused_gate_up ? PT_MOD_GATE_UP : m->cfg.plain_mlp ? PT_MOD_UP : PT_MOD_GATE;
    y[0] = m->cfg.fused_gate_up ? s->gu : s->g;
    y[1] = s->u;
    return m->cfg.fused_gate_up || m->cfg.plain_mlp ? 1 : 2;
}

pt_status pt_block_enter(pt_model *m, int layer, const pt_block_state *s, pt_view x, pt_view add, pt_view *xn)
{
    return pt_norm_run(
        m, &(pt_norm_call){.y = pt_trim(m->scratch.xn, x.rows), .x = x, .add = add, .h = s->h, .keep = &s->n1, .w = &m->blocks[layer].norm1}, xn);
}

pt_status pt_block_qkv(pt_model *m, int layer, pt_view xn, const pt_block_state *s, const pt_pass *p)
{
    const pt_block_weights *b = &m->blocks[layer];
    pt_module first;
    pt_view out[3];
    int n = pt_block_attn_in(m, s->qraw, s->kraw, s->v, s->qkv, &first, out);
    PT_RETURN(pt_project(m, layer, (int)first, n, xn, out, &s->t[first], false, p));
    PT_RETURN(clip(m, s->q, s->qraw));
    PT_RETURN(clip(m, s->k, s->kraw));
    PT_RETURN(clip(m, s->v, s->v));
    PT_RETURN(norm_and_turn(m, layer, s->q, s->qraw, &s->nq, &b->qnorm, m->cfg.heads));
    return norm_and_turn(m, layer, s->k, s->kraw, &s->nk, &b->knorm, m->cfg.kv_heads);
}

pt_status pt_block_activate(pt_model *m, const pt_block_state *s, pt_view y)
{
    return m->ctx->ops->gated(m->ctx, &(pt_gated_args){.y = y, .g = s->g, .u = m->cfg.plain_mlp ? PT_NO_VIEW : s->u, .kind = m->cfg.act});
}

/* What attention or MLP gives goes through the norm behind it, where there is one. raw: what went in, = y where nothing is kept. */
static pt_status leave(pt_model *m, pt_view y, pt_view raw, const pt_norm_state *keep, const pt_lin *w)
{
    return m->cfg.post_norm ? pt_norm_run(m, &(pt_norm_call){.y = y, .x = raw, .keep = keep, .w = w}, NULL) : PT_OK;
}

static pt_status mlp(pt_model *m, int layer, const pt_block_state *s, pt_view xn, pt_view y, const pt_pass *p, bool stop_at_mlp)
{
    pt_view act = pt_trim(m->scratch.act, xn.rows), in[2];
    pt_module first;
    int n = pt_block_mlp_in(m, s, &first, in);
    PT_RETURN(pt_project(m, layer, (int)first, n, xn, in, &s->t[first], false, p));
    if (stop_at_mlp && !m->cfg.post_norm) return PT_OK;
    PT_RETURN(pt_block_activate(m, s, act));
    return pt_project(m, layer, PT_MOD_DOWN, 1, act, &y, &s->t[PT_MOD_DOWN], m->cfg.parallel, p);
}

pt_view pt_block_stream(const pt_model *m, const pt_block_state *s)
{
    return m->cfg.sum_norm ? pt_trim(m->scratch.xm, s->hmid.rows) : s->hmid;
}

/* From the attention's output to the block's (in branch). */
pt_status pt_block_rest(pt_model *m, int layer, const pt_block_state *s, pt_view xn, const pt_pass *p, bool stop_at_mlp)
{
    const pt_block_weights *b = &m->blocks[layer];
    pt_view branch = pt_trim(m->scratch.branch, xn.rows), normed = pt_trim(m->scratch.xn, xn.rows);
    pt_view raw1 = pt_view_ok(s->raw1) ? s->raw1 : branch, raw2 = pt_view_ok(s->raw2) ? s->raw2 : branch;
    PT_RETURN(pt_project(m, layer, PT_MOD_O, 1, s->o, &raw1, &s->t[PT_MOD_O], false, p));
    PT_RETURN(leave(m, branch, raw1, &s->p1, &b->post1));
    if (m->cfg.parallel) {
        if (!m->cfg.shared_norm) PT_RETURN(pt_norm_run(m, &(pt_norm_call){.y = normed, .x = s->h, .keep = &s->n2, .w = &b->norm2}, &xn));
    } else if (m->cfg.sum_norm)
        PT_RETURN(pt_norm_run(m, &(pt_norm_call){.y = pt_trim(m->scratch.xm, xn.rows), .x = xn, .add = branch, .h = s->hmid, .keep = &s->n2, .w = &b->norm2}, &xn));
    else
        PT_RETURN(pt_norm_run(m, &(pt_norm_call){.y = normed, .x = s->h, .add = branch, .h = s->hmid, .keep = &s->n2, .w = &b->norm2}, &xn));
    PT_RETURN(mlp(m, layer, s, xn, raw2, p, stop_at_mlp));
    return leave(m, branch, raw2, &s->p2, &b->post2);
}

static pt_status copy_to_cache(pt_model *m, int layer, const pt_block_state *s)
{
    const pt_prefill *f = m->prefill;
    for (int i = 0; f && i < f->n; i++) {
        pt_view k = pt_view_rows(m->dec.k[layer], f->at[i], f->count[i]), v = pt_view_rows(m->dec.v[layer], f->at[i], f->count[i]);
        PT_RETURN(m->ctx->ops->gather(m->ctx, &(pt_gather_args){.y = k, .x = s->k, .index = f->index[i]}));
        PT_RETURN(m->ctx->ops->gather(m->ctx, &(pt_gather_args){.y = v, .x = s->v, .index = f->index[i]}));
    }
    return PT_OK;
}

pt_status pt_block_attend(pt_model *m, int layer, const pt_block_state *s)
{
    return m->ctx->ops->attention(m->ctx, &(pt_attention_args){.o = s->o,
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
                                                               .slopes = m->tab.slopes});
}

pt_status pt_block_forward(pt_model *m, int layer, pt_view x, pt_view add, const pt_pass *p, bool stop_at_mlp)
{
    pt_block_state s = pt_block_live(m, layer, m->loaded.n, p->keep);
    pt_view xn;
    PT_RETURN(pt_block_enter(m, layer, &s, x, add, &xn));
    PT_RETURN(pt_block_qkv(m, layer, xn, &s, p));
    PT_RETURN(copy_to_cache(m, layer, &s));
    PT_RETURN(pt_block_attend(m, layer, &s));
    return pt_block_rest(m, layer, &s, xn, p, stop_at_mlp);
}
