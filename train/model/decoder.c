/* The stack of blocks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/model/model_impl.h"

pt_status pt_pass_make(pt_model *m, int slot, bool keep, pt_lora_run *one, pt_pass *out)
{
    *out = (pt_pass){.keep = keep, .rows = slot == PT_SLOT_OWN ? 0 : slot};
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
    const pt_norm_state keep = {pt_trim_vec(t->rstd_at_heads, heads), pt_trim_vec(t->mean_at_heads, heads)};
    return pt_norm_run(m, &(pt_norm_call){.y = pt_trim(t->normed_at_heads, heads), .x = hidden, .add = branch, .h = hidden, .keep = &keep, .w = &m->norm}, NULL);
}

/* The rows of the learned positions from that of position 0 on. */
static pt_view positions_of(const pt_model *m, pt_view table)
{
    return pt_view_ok(table) ? pt_view_rows(table, m->cfg.position_offset, m->cfg.learned_positions) : table;
}

pt_status pt_embed_tokens(pt_model *m, pt_view x, int64_t n)
{
    const pt_ops *ops = m->ctx->ops;
    pt_view more = pt_trim(m->scratch.branch, n);
    PT_RETURN(ops->embed(
        m->ctx, &(pt_embed_args){.y = x, .w = m->embed.w, .tokens = pt_trim_vec(m->tab.tokens, n), .scale = pt_config_scale(m->cfg.embed_scale)}));
    if (!m->cfg.learned_positions) return PT_OK;
    PT_RETURN(ops->embed(
        m->ctx, &(pt_embed_args){.y = more, .w = positions_of(m, m->positions.w), .tokens = pt_trim_vec(m->tab.positions, n), .scale = 1}));
    return ops->axpby(m->ctx, &(pt_axpby_args){.y = x, .x = more, .alpha = 1, .beta = 1});
}

pt_status pt_rope_tables(pt_model *m, int64_t n)
{
    const pt_tables *t = &m->tab;
    for (int k = 0; k < 2; k++)
        if (pt_view_ok(t->rope[k]))
            PT_RETURN(m->ctx->ops->rope_table(m->ctx, &(pt_rope_table_args){.table = pt_trim(t->rope[k], n),
                                                                            .positions = pt_trim_vec(t->positions, n),
                                                                            .inv_freq = t->inv_freq[k],
                                                                            .mscale = k ? 1 : m->mscale}));
    return PT_OK;
}

pt_status pt_decoder_forward(pt_model *m, const pt_pass *p)
{
    int64_t n = m->loaded.n;
    pt_view x = pt_block_live(m, 0, n, p->keep).h, branch = pt_trim(m->scratch.branch, n);
    PT_RETURN(pt_new_rows_put(m, p->rows));
    PT_RETURN(pt_embed_tokens(m, x, n));
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
    char block[64], embed[96], positions[96];
    int n = snprintf(block, sizeof block, "%s%s", m->fam->trunk ? m->fam->trunk : "model.", m->fam->block ? m->fam->block : "layers.");
    if (strncmp(p->name, block, (size_t)n) == 0) return m->cfg.layers - (int)strtol(p->name + n, NULL, 10);
    if (pt_part_path(m->fam, PT_PART_EMBED, -1, embed, sizeof embed) != PT_OK || pt_part_path(m->fam, PT_PART_POSITIONS, -1, positions, sizeof positions) != PT_OK)
        return 0;
    return strncmp(p->name, embed, strlen(embed)) == 0 || strncmp(p->name, positions, strlen(positions)) == 0 ? m->cfg.layers + 1 : 0;
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
    const pt_norm_state kept = {pt_trim_vec(t->rstd_at_heads, heads), pt_trim_vec(t->mean_at_heads, heads)};
    PT_RETURN(pt_norm_back(m, dnormed, dnormed, PT_NO_VIEW, pt_trim(t->hidden_at_heads, heads), &kept, &m->norm));
    PT_RETURN(ops->zero(m->ctx, dres));
    PT_RETURN(ops->scatter_add(m->ctx, &(pt_gather_args){.y = dres, .x = dnormed, .index = pt_trim_vec(t->head_token, heads)}));
    PT_RETURN(stage_done(m, 0));
    for (int l = m->cfg.layers - 1; l >= 0; l--) {
        PT_RETURN(pt_block_backward(m, l, p));
        PT_RETURN(stage_done(m, m->cfg.layers - l));
    }
    if (pt_view_ok(m->embed.dw))
        PT_RETURN(ops->embed_bwd(m->ctx, &(pt_embed_bwd_args){.dw = m->embed.dw,
                                                              .first = m->new_rows.first,
                                                              .dy = dres,
                                                              .tokens = pt_trim_vec(t->tokens, n),
                                                              .scale = pt_config_scale(m->cfg.embed_scale)}));
    if (m->opt.full && m->cfg.learned_positions)
        PT_RETURN(ops->embed_bwd(
            m->ctx, &(pt_embed_bwd_args){.dw = positions_of(m, m->positions.dw), .dy = dres, .tokens = pt_trim_vec(t->positions, n), .scale = 1}));
    return stage_done(m, m->cfg.layers + 1);
}
