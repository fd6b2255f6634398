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
static pt_status head_norm_forward(pt_model *m, pt_view stream, const pt_pass *p)
{
    const pt_ops *ops = m->ctx->ops;
    pt_tables *t = &m->tab;
    int64_t heads = m->loaded.heads;
    pt_view index = pt_trim_vec(t->head_token, heads), hidden = pt_trim(t->hidden_at_heads, heads), branch = pt_trim(t->branch_at_heads, heads);
    if (heads == 0) return PT_OK;
    PT_RETURN(ops->gather(m->ctx, &(pt_gather_args){.y = hidden, .x = stream, .index = index}));
    PT_RETURN(ops->gather(m->ctx, &(pt_gather_args){.y = branch, .x = pt_trim(m->scratch.branch, m->loaded.n), .index = index}));
    const pt_norm_state keep = {pt_trim_vec(t->rstd_at_heads, heads), pt_trim_vec(t->mean_at_heads, heads)};
    const pt_pass there = pt_pass_at_heads(m, p);
    return pt_last_norm(m, hidden, branch, hidden, &keep, heads, &there);
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
    PT_RETURN(pt_embed_tokens(m, x, n, p));
    for (int l = 0; l < m->cfg.layers; l++) {
        PT_RETURN(pt_block_forward(m, l, x, l ? branch : PT_NO_VIEW, p, false));
        pt_block_state s = pt_block_live(m, l, n, p->keep);
        x = pt_block_stream(m, &s);
    }
    return head_norm_forward(m, x, p);
}

void pt_model_on_grads(pt_model *m, pt_status (*done)(void *user, int stage), void *user)
{
    m->grads_done = done;
    m->grads_user = user;
}

void pt_model_on_inputs(pt_model *m, pt_status (*heard)(void *user, int layer, int module, int n, pt_view x), void *user)
{
    m->inputs_heard = heard;
    m->inputs_user = user;
}

int pt_model_grad_stage(const pt_model *m, const pt_param *p)
{
    static const int first[] = {PT_PART_EMBED, PT_PART_POSITIONS, PT_MOD_IN};
    char block[64], path[96];
    int n = snprintf(block, sizeof block, "%s%s", m->fam->trunk ? m->fam->trunk : "model.", m->fam->block ? m->fam->block : "layers.");
    if (strncmp(p->name, block, (size_t)n) == 0) return m->cfg.layers - (int)strtol(p->name + n, NULL, 10);
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        if (pt_part_path(m->fam, first[i], -1, path, sizeof path) == PT_OK && strncmp(p->name, path, strlen(path)) == 0) return m->cfg.layers + 1;
    return 0;
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
    pt_view dres = pt_trim(m->scratch.dres, n), dlast;
    if (heads == 0) return stage_done(m, m->cfg.layers + 1);
    const pt_norm_state kept = {pt_trim_vec(t->rstd_at_heads, heads), pt_trim_vec(t->mean_at_heads, heads)};
    const pt_pass there = pt_pass_at_heads(m, p);
    PT_RETURN(pt_last_norm_back(m, &dlast, pt_trim(t->hidden_at_heads, heads), &kept, heads, &there));
    PT_RETURN(ops->zero(m->ctx, dres));
    PT_RETURN(ops->scatter_add(m->ctx, &(pt_gather_args){.y = dres, .x = dlast, .index = pt_trim_vec(t->head_token, heads)}));
    PT_RETURN(stage_done(m, 0));
    for (int l = m->cfg.layers - 1; l >= 0; l--) {
        PT_RETURN(pt_block_backward(m, l, p));
        PT_RETURN(stage_done(m, m->cfg.layers - l));
    }
    PT_RETURN(pt_embed_back(m, dres, p));
    return stage_done(m, m->cfg.layers + 1);
}
