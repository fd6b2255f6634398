/* The stack of blocks. */
#include <stdlib.h>
#include <string.h>

#include "train/model/model_impl.h"

pt_status pt_pass_make(pt_model *m, int slot, bool keep, pt_lora_run *one, pt_pass *out)
{
    *out = (pt_pass){.keep = keep};
    if (m->n_modules == 0 || slot == PT_SLOT_NONE) return PT_OK;
    if (slot == PT_SLOT_OWN) {
        if (m->loaded.max_slot >= m->n_slots)
            return pt_fail(PT_EARG, "a segment asks for adapter slot %d of %d", m->loaded.max_slot, m->n_slots);
        out->runs = m->loaded.slot_runs;
        out->n_runs = m->loaded.n_slot_runs;
        return PT_OK;
    }
    if (slot < 0 || slot >= m->n_slots) return pt_fail(PT_EARG, "adapter slot %d of %d", slot, m->n_slots);
    *one = (pt_lora_run){0, m->loaded.n_live, slot};
    out->runs = one;
    out->n_runs = m->loaded.n_live > 0;
    return PT_OK;
}

/* The final norm at head positions only: gathered before it. */
static pt_status head_norm_forward(pt_model *m, pt_view hmid)
{
    const pt_ops *ops = m->ctx->ops;
    pt_tables *t = &m->tab;
    int64_t heads = m->loaded.heads;
    pt_view index = pt_trim_vec(t->head_token, heads), hidden = pt_trim(t->hidden_at_heads, heads), branch = pt_trim(t->branch_at_heads, heads);
    if (heads == 0) return PT_OK;
    PT_RETURN(ops->gather(m->ctx, &(pt_gather_args){.y = hidden, .x = hmid, .index = index}));
    PT_RETURN(ops->gather(m->ctx, &(pt_gather_args){.y = branch, .x = pt_trim(m->scratch.branch, m->loaded.n), .index = index}));
    return ops->rmsnorm(m->ctx, &(pt_rmsnorm_args){.y = pt_trim(t->normed_at_heads, heads),
                                                   .rstd = pt_trim_vec(t->rstd_at_heads, heads),
                                                   .x = hidden,
                                                   .add = branch,
                                                   .h = hidden,
                                                   .w = m->norm.w,
                                                   .eps = m->cfg.norm_eps});
}

pt_status pt_decoder_forward(pt_model *m, const pt_pass *p)
{
    int64_t n = m->loaded.n;
    pt_view x = pt_block_live(m, 0, n, p->keep).h, branch = pt_trim(m->scratch.branch, n);
    PT_RETURN(m->ctx->ops->embed(
        m->ctx, &(pt_embed_args){.y = x, .w = m->embed.w, .tokens = pt_trim_vec(m->tab.tokens, n), .scale = 1}));
    for (int l = 0; l < m->cfg.layers; l++) {
        PT_RETURN(pt_block_forward(m, l, x, l ? branch : PT_NO_VIEW, p, false));
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
    int64_t n = m->loaded.n, heads = m->loaded.heads;
    pt_view dres = pt_trim(m->scratch.dres, n), dnormed = pt_trim(t->dnormed_at_heads, heads);
    if (heads == 0) return stage_done(m, m->cfg.layers + 1);
    PT_RETURN(ops->rmsnorm_bwd(m->ctx, &(pt_rmsnorm_bwd_args){.dx = dnormed,
                                                              .dw = m->norm.dw,
                                                              .dy = dnormed,
                                                              .h = pt_trim(t->hidden_at_heads, heads),
                                                              .rstd = pt_trim_vec(t->rstd_at_heads, heads),
                                                              .w = m->norm.w}));
    PT_RETURN(ops->zero(m->ctx, dres));
    PT_RETURN(ops->scatter_add(m->ctx, &(pt_gather_args){.y = dres, .x = dnormed, .index = pt_trim_vec(t->head_token, heads)}));
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
