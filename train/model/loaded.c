/* The loaded batch: checks, uploads, runs; and the passes over it. */
#include <stdlib.h>
#include <string.h>

#include "train/model/model_impl.h"

static pt_status check_sizes(const pt_model *m, const pt_batch *b)
{
    const pt_model_caps *c = &m->caps;
    const struct {
        const char *name;
        int32_t have, cap;
    } sizes[] = {
        {"tokens", b->n_tokens, c->tokens}, {"segments", b->n_segs, c->segs},   {"head positions", b->n_heads, c->heads},
        {"rows", b->n_rows, c->rows},       {"groups", b->n_groups, c->groups},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i].have < 0 || sizes[i].have > sizes[i].cap)
            return pt_fail(PT_ESTATE, "a batch of %d %s, planned for at most %d", sizes[i].have, sizes[i].name, sizes[i].cap);
    if (b->n_tokens < 1 || b->n_live < 0 || b->n_live > b->n_tokens)
        return pt_fail(PT_EARG, "a batch of %d tokens, %d alive", b->n_tokens, b->n_live);
    return PT_OK;
}

static pt_status check_values(const pt_model *m, const pt_batch *b)
{
    const int reach = pt_config_reach(&m->cfg);
    for (int32_t i = 0; reach && i < b->n_live; i++)
        if (b->positions[i] < 0 || b->positions[i] >= reach)
            return pt_fail(PT_EARG, "token %d of the batch stands at position %d: this model has positions for %d; set sequence_len to at most that", i,
                           b->positions[i], reach);
    for (int32_t i = 0; i < b->n_tokens; i++)
        if (b->tokens[i] < 0 || b->tokens[i] >= m->cfg.vocab)
            return pt_fail(
                PT_EARG,
                "token %d of the batch is %d, the model's vocabulary has %d: tokenizer and model do not belong together", i,
                b->tokens[i], m->cfg.vocab);
    for (int32_t i = 0; i < b->n_heads; i++)
        if (b->head_token[i] < (i ? b->head_token[i - 1] + 1 : 0) || b->head_token[i] >= b->n_tokens)
            return pt_fail(PT_EARG, "head position %d of the batch is token %d", i, b->head_token[i]);
    for (int32_t i = 0; i < b->n_rows; i++)
        if (b->row_head[i] < (i ? b->row_head[i - 1] : 0) || b->row_head[i] >= b->n_heads || b->row_target[i] < 0 ||
            b->row_target[i] >= m->cfg.vocab)
            return pt_fail(PT_EARG, "row %d of the batch: head %d, target %d", i, b->row_head[i], b->row_target[i]);
    return PT_OK;
}

/* Runs of equal slots, the dead tail left out. */
static void make_runs(pt_loaded *v, const pt_batch *b)
{
    v->n_slot_runs = 0;
    v->max_slot = -1;
    for (int32_t s = 0; s < b->n_segs; s++) {
        pt_lora_run r = {b->seg_start[s], b->seg_start[s + 1], b->seg_slot[s]};
        if (r.begin >= b->n_live) break;
        if (r.slot < 0) continue;
        if (r.slot > v->max_slot) v->max_slot = r.slot;
        pt_lora_run *last = v->n_slot_runs ? &v->slot_runs[v->n_slot_runs - 1] : NULL;
        if (last && last->slot == r.slot && last->end == r.begin)
            last->end = r.end;
        else
            v->slot_runs[v->n_slot_runs++] = r;
    }
}

static pt_status put_i32(pt_model *m, pt_view table, const int32_t *src, int64_t n)
{
    return n ? m->ctx->ops->upload(m->ctx, pt_trim_vec(table, n), src) : PT_OK;
}

/* The dead tail counts on from 0: where positions end, it begins again. */
static pt_status put_positions(pt_model *m, const pt_batch *b)
{
    const int reach = pt_config_reach(&m->cfg);
    int32_t *p = NULL;
    if (!reach || b->n_tokens - b->n_live <= reach) return put_i32(m, m->tab.positions, b->positions, b->n_tokens);
    PT_RETURN(pt_calloc(&p, (size_t)b->n_tokens, sizeof *p));
    for (int32_t i = 0; i < b->n_tokens; i++) p[i] = i < b->n_live ? b->positions[i] : b->positions[i] % reach;
    pt_status rc = put_i32(m, m->tab.positions, p, b->n_tokens);
    free(p);
    return rc;
}

/* What the projection in front of the heads takes. */
static pt_status put_heads(pt_model *m, const pt_batch *b)
{
    pt_loaded *v = &m->loaded;
    if (!v->head_token || b->n_heads == 0) return PT_OK;
    memcpy(v->head_token, b->head_token, (size_t)b->n_heads * sizeof *v->head_token);
    if (!pt_view_ok(m->tab.key_at_heads)) return PT_OK;
    for (int32_t i = 0; i < b->n_heads; i++) v->head_key[i] = b->token_key[b->head_token[i]];
    return m->ctx->ops->upload(m->ctx, pt_trim_vec(m->tab.key_at_heads, b->n_heads), v->head_key);
}

static pt_status upload_all(pt_model *m, const pt_batch *b)
{
    pt_tables *t = &m->tab;
    int64_t n = b->n_tokens;
    PT_RETURN(put_i32(m, t->tokens, b->tokens, n));
    PT_RETURN(put_positions(m, b));
    if (pt_view_ok(t->token_key)) PT_RETURN(m->ctx->ops->upload(m->ctx, pt_trim_vec(t->token_key, n), b->token_key));
    PT_RETURN(put_i32(m, t->head_token, b->head_token, b->n_heads));
    PT_RETURN(put_heads(m, b));
    PT_RETURN(put_i32(m, t->row_head, b->row_head, b->n_rows));
    PT_RETURN(put_i32(m, t->row_target, b->row_target, b->n_rows));
    for (int w = 0; w < 2; w++) {
        if (!m->forest[w]) continue;
        pt_forest_desc d = {.n_tokens = b->n_tokens,
                            .n_segs = b->n_segs,
                            .seg_start = b->seg_start,
                            .seg_parent = b->seg_parent,
                            .seg_end = b->seg_end,
                            .positions = b->positions,
                            .window = w ? m->cfg.window : 0};
        PT_RETURN(m->ctx->ops->forest_set(m->ctx, m->forest[w], &d));
    }
    return pt_rope_tables(m, n);
}

/* The head positions that make each answer's values. */
static pt_status find_ends(pt_model *m, const pt_batch *b)
{
    pt_loaded *v = &m->loaded;
    v->n_ends = 0;
    for (int32_t g = 0; g < b->n_groups; g++) {
        int32_t end = b->group_end_head ? b->group_end_head[g] : -1, from = b->group_pool_start ? b->group_pool_start[g] : 0,
                n = b->group_pool_start ? b->group_pool_start[g + 1] - from : end >= 0;
        v->end_start[g] = v->n_ends;
        if (n < 0 || n > m->caps.ends - v->n_ends) return pt_fail(PT_ESTATE, "answers of more than the %d tokens that were planned to be scored", m->caps.ends);
        for (int32_t k = 0; k < n; k++) {
            int32_t h = b->group_pool_start ? b->group_pool_head[from + k] : end;
            if (h < 0 || h >= b->n_heads) return pt_fail(PT_EARG, "group %d of the batch ends at head position %d of %d", g, h, b->n_heads);
            v->end_head[v->n_ends] = h;
            v->end_weight[v->n_ends++] = 1 / (float)n;
        }
    }
    v->end_start[b->n_groups] = v->n_ends;
    return PT_OK;
}

pt_status pt_model_load_batch(pt_model *m, const pt_batch *b, uint64_t step, bool train)
{
    pt_loaded *v = &m->loaded;
    if (!m->committed) return pt_fail(PT_ESTATE, "a batch before commit");
    if (train && !m->opt.train) return pt_fail(PT_ESTATE, "a training batch on a model that was planned without training");
    v->there = v->forwarded = v->kept = v->head_done = v->has_reference = v->measured = false;
    v->records = v->n_entries = 0;
    v->batch = NULL;
    PT_RETURN(check_sizes(m, b));
    PT_RETURN(check_values(m, b));
    m->ctx->workspace = m->workspace;
    PT_RETURN(upload_all(m, b));
    v->n = b->n_tokens;
    v->n_live = b->n_live;
    v->heads = b->n_heads;
    v->rows = b->n_rows;
    v->groups = b->n_groups;
    v->step = step;
    v->train = train;
    make_runs(v, b);
    PT_RETURN(find_ends(m, b));
    v->there = true;
    return PT_OK;
}

pt_status pt_model_forward(pt_model *m, int slot, bool keep)
{
    pt_pass p;
    if (!m->loaded.there) return pt_fail(PT_ESTATE, "forward before a batch was loaded");
    if (keep && !m->opt.train)
        return pt_fail(PT_ESTATE, "this model was planned without training: nothing can be kept for backward");
    PT_RETURN(pt_pass_make(m, slot, keep, &m->loaded.one_run, &p));
    m->ctx->workspace = m->workspace;
    m->loaded.forwarded = m->loaded.kept = m->loaded.head_done = m->loaded.measured = false;
    PT_RETURN(pt_decoder_forward(m, &p));
    m->loaded.slot = slot;
    m->loaded.forwarded = true;
    m->loaded.kept = keep;
    return PT_OK;
}

pt_status pt_model_backward(pt_model *m)
{
    pt_pass p;
    if (!m->loaded.kept || !m->loaded.head_done)
        return pt_fail(PT_ESTATE, "backward needs a forward pass with keep and the head's gradient, once each");
    PT_RETURN(pt_pass_make(m, m->loaded.slot, true, &m->loaded.one_run, &p));
    m->ctx->workspace = m->workspace;
    m->loaded.kept = m->loaded.head_done = false; /* what was kept is used up */
    return pt_decoder_backward(m, &p);
}
