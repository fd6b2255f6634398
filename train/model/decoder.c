/* The stack of blocks, and the heads. */
#include <stdlib.h>
#include <string.h>

#include "train/model/model_impl.h"

pt_status pt_pass_make(pt_model *m, int slot, bool keep, pt_lora_run *one, pt_pass *out)
{
    *out = (pt_pass){.keep = keep};
    if (m->n_modules == 0 || slot == PT_SLOT_NONE) return PT_OK;
    if (slot == PT_SLOT_OWN) {
        if (m->live.max_slot >= m->n_slots)
            return pt_fail(PT_EARG, "a segment asks for adapter slot %d of %d", m->live.max_slot, m->n_slots);
        out->runs = m->live.own;
        out->n_runs = m->live.n_own;
        return PT_OK;
    }
    if (slot < 0 || slot >= m->n_slots) return pt_fail(PT_EARG, "adapter slot %d of %d", slot, m->n_slots);
    *one = (pt_lora_run){0, m->live.n_live, slot};
    out->runs = one;
    out->n_runs = m->live.n_live > 0;
    return PT_OK;
}

/* The final norm at head positions only: gathered before it. */
static pt_status head_norm_forward(pt_model *m, pt_view hmid)
{
    const pt_ops *ops = m->ctx->ops;
    pt_tables *t = &m->tab;
    int64_t heads = m->live.heads;
    pt_view index = pt_trim_vec(t->head_token, heads), hf = pt_trim(t->hf, heads), mf = pt_trim(t->mf, heads);
    if (heads == 0) return PT_OK;
    PT_RETURN(ops->gather(m->ctx, &(pt_gather_args){.y = hf, .x = hmid, .index = index}));
    PT_RETURN(ops->gather(m->ctx, &(pt_gather_args){.y = mf, .x = pt_trim(m->scratch.br, m->live.n), .index = index}));
    return ops->rmsnorm(m->ctx, &(pt_rmsnorm_args){.y = pt_trim(t->xf, heads),
                                                   .rstd = pt_trim_vec(t->rstdf, heads),
                                                   .x = hf,
                                                   .add = mf,
                                                   .h = hf,
                                                   .w = m->norm.w,
                                                   .eps = m->cfg.norm_eps});
}

pt_status pt_decoder_forward(pt_model *m, const pt_pass *p)
{
    int64_t n = m->live.n;
    pt_view x = pt_block_live(m, 0, n, p->keep).h, br = pt_trim(m->scratch.br, n);
    PT_RETURN(m->ctx->ops->embed(
        m->ctx, &(pt_embed_args){.y = x, .w = m->embed.w, .tokens = pt_trim_vec(m->tab.tokens, n), .scale = 1}));
    for (int l = 0; l < m->cfg.layers; l++) {
        PT_RETURN(pt_block_forward(m, l, x, l ? br : PT_NO_VIEW, p, false));
        x = pt_block_live(m, l, n, p->keep).hmid;
    }
    return head_norm_forward(m, x);
}

void pt_model_on_grads(pt_model *m, pt_status (*done)(void *user, int stage), void *user)
{
    m->grads_done = done;
    m->grads_user = user;
}

int pt_model_grad_stage(const pt_model *m, const pt_param *p)
{
    static const char block[] = "model.layers.";
    if (strncmp(p->name, block, sizeof block - 1) == 0) return m->cfg.layers - (int)strtol(p->name + sizeof block - 1, NULL, 10);
    return strcmp(p->name, "model.embed_tokens.weight") == 0 ? m->cfg.layers + 1 : 0;
}

static pt_status stage_done(const pt_model *m, int stage)
{
    return m->grads_done ? m->grads_done(m->grads_user, stage) : PT_OK;
}

pt_status pt_decoder_backward(pt_model *m, const pt_pass *p)
{
    const pt_ops *ops = m->ctx->ops;
    pt_tables *t = &m->tab;
    int64_t n = m->live.n, heads = m->live.heads;
    pt_view dres = pt_trim(m->scratch.dres, n), dxf = pt_trim(t->dxf, heads);
    if (heads == 0) return stage_done(m, m->cfg.layers + 1);
    PT_RETURN(ops->rmsnorm_bwd(m->ctx, &(pt_rmsnorm_bwd_args){.dx = dxf,
                                                              .dw = m->norm.dw,
                                                              .dy = dxf,
                                                              .h = pt_trim(t->hf, heads),
                                                              .rstd = pt_trim_vec(t->rstdf, heads),
                                                              .w = m->norm.w}));
    PT_RETURN(ops->zero(m->ctx, dres));
    PT_RETURN(ops->scatter_add(m->ctx, &(pt_gather_args){.y = dres, .x = dxf, .index = pt_trim_vec(t->head_token, heads)}));
    PT_RETURN(stage_done(m, 0));
    for (int l = m->cfg.layers - 1; l >= 0; l--) {
        PT_RETURN(pt_block_backward(m, l, p));
        PT_RETURN(stage_done(m, m->cfg.layers - l));
    }
    if (m->opt.full)
        PT_RETURN(ops->embed_bwd(
            m->ctx, &(pt_embed_bwd_args){.dw = m->embed.dw, .dy = dres, .tokens = pt_trim_vec(t->tokens, n), .scale = 1}));
    return stage_done(m, m->cfg.layers + 1);
}

pt_status pt_head_run(pt_model *m, bool backward)
{
    pt_tables *t = &m->tab;
    int64_t heads = m->live.heads, rows = m->live.rows;
    pt_head_args a = {.logp = pt_trim_vec(t->logp, rows),
                      .lse = pt_trim_vec(t->lse, heads),
                      .x = pt_trim(t->xf, heads),
                      .w = m->head.w,
                      .row_head = pt_trim_vec(t->row_head, rows),
                      .row_target = pt_trim_vec(t->row_target, rows),
                      .temperature = 1};
    if (backward) {
        a.dx = pt_trim(t->dxf, heads);
        a.dw = m->head.dw;
        a.dlogp = pt_trim_vec(t->dlogp, rows);
    }
    return m->ctx->ops->head(m->ctx, &a);
}

pt_status pt_head_ready(const pt_model *m, bool scalar, bool backward)
{
    if (!m->live.forwarded) return pt_fail(PT_ESTATE, "the head was asked for before a forward pass");
    if (scalar != m->opt.scalar_head)
        return pt_fail(PT_ESTATE, scalar ? "this model has no scalar head" : "this model has a scalar head, no vocabulary");
    if (backward && !(m->opt.train && m->live.kept))
        return pt_fail(PT_ESTATE, "backward without a forward pass that kept what it needs");
    return PT_OK;
}

pt_status pt_model_logp(pt_model *m, const float *dlogp, float *logp)
{
    pt_view rows = pt_trim_vec(m->tab.logp, m->live.rows);
    PT_RETURN(pt_head_ready(m, false, dlogp != NULL));
    m->ctx->workspace = m->workspace;
    if (m->live.heads == 0) {
        m->live.head_done |= dlogp != NULL;
        return PT_OK;
    }
    if (dlogp) PT_RETURN(m->ctx->ops->upload(m->ctx, pt_trim_vec(m->tab.dlogp, m->live.rows), dlogp));
    PT_RETURN(pt_head_run(m, dlogp != NULL));
    if (dlogp) m->live.head_done = true;
    return logp && m->live.rows ? m->ctx->ops->download(m->ctx, logp, rows) : PT_OK;
}

pt_status pt_score_run(pt_model *m)
{
    int64_t heads = m->live.heads;
    return m->ctx->ops->linear(
        m->ctx, &(pt_linear_args){.y = pt_trim(m->tab.score, heads), .x = pt_trim(m->tab.xf, heads), .w = m->head.w});
}

pt_status pt_score_run_backward(pt_model *m)
{
    const pt_ops *ops = m->ctx->ops;
    int64_t heads = m->live.heads;
    pt_view dy = pt_trim(m->tab.dscore, heads), x = pt_trim(m->tab.xf, heads);
    PT_RETURN(ops->linear_bwd_x(m->ctx, &(pt_linear_bwd_x_args){.dx = pt_trim(m->tab.dxf, heads), .dy = dy, .w = m->head.w}));
    return pt_view_ok(m->head.dw) ? ops->linear_bwd_w(m->ctx, &(pt_linear_bwd_w_args){.dw = m->head.dw, .dy = dy, .x = x})
                                  : PT_OK;
}

static float from_act(pt_dtype act, const void *host, int64_t i)
{
    return act == PT_F32 ? ((const float *)host)[i] : pt_bf16_to_f32(((const uint16_t *)host)[i]);
}

pt_status pt_model_score(pt_model *m, float *score)
{
    pt_status rc = PT_OK;
    float *all = NULL;
    PT_TRY(pt_head_ready(m, true, false));
    m->ctx->workspace = m->workspace;
    if (m->live.heads == 0) goto done;
    PT_TRY(pt_score_run(m));
    PT_TRY(pt_calloc(&all, (size_t)m->live.heads, sizeof *all));
    PT_TRY(m->ctx->ops->download(m->ctx, all, pt_trim(m->tab.score, m->live.heads)));
    for (int32_t g = 0; g < m->live.groups; g++) {
        PT_CHECK(m->live.group_head[g] >= 0, PT_EARG, "group %d has no end token to score", g);
        score[g] = from_act(m->ctx->act, all, m->live.group_head[g]);
    }
done:
    free(all);
    return rc;
}

pt_status pt_model_score_backward(pt_model *m, const float *dscore)
{
    pt_status rc = PT_OK;
    float *all = NULL;
    PT_TRY(pt_head_ready(m, true, true));
    m->ctx->workspace = m->workspace;
    m->live.head_done = true;
    if (m->live.heads == 0) goto done;
    PT_TRY(pt_calloc(&all, (size_t)m->live.heads, sizeof *all));
    for (int32_t g = 0; g < m->live.groups; g++) {
        PT_CHECK(m->live.group_head[g] >= 0, PT_EARG, "group %d has no end token to score", g);
        all[m->live.group_head[g]] += dscore[g]; /* equal answers share their end token */
    }
    for (int32_t i = 0; m->ctx->act == PT_BF16 && i < m->live.heads; i++) {
        uint16_t b = pt_f32_to_bf16(all[i]);
        memcpy((char *)all + 2 * (size_t)i, &b, 2);
    }
    PT_TRY(m->ctx->ops->upload(m->ctx, pt_trim(m->tab.dscore, m->live.heads), all));
    PT_TRY(pt_score_run_backward(m));
done:
    free(all);
    return rc;
}
