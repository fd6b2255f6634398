/* The two ends of the decoder: from tokens to what the first block reads, and from the last block to what the heads read. */
#include "train/model/model_impl.h"

/* The first rows * cols elements of a dense buffer that is at least as wide. */
static pt_view narrow(pt_view v, int64_t rows, int64_t cols)
{
    return pt_view_reshape(v, rows, cols);
}

/* The rows of the learned positions from that of position 0 on. */
static pt_view positions_of(const pt_model *m, pt_view table)
{
    return pt_view_ok(table) ? pt_view_rows(table, m->cfg.position_offset, m->cfg.learned_positions) : table;
}

static pt_status embed(pt_model *m, pt_view y, int64_t n)
{
    return m->ctx->ops->embed(
        m->ctx, &(pt_embed_args){.y = y, .w = m->embed.w, .tokens = pt_trim_vec(m->tab.tokens, n), .scale = pt_config_scale(m->cfg.embed_scale)});
}

pt_status pt_embed_tokens(pt_model *m, pt_view x, int64_t n, const pt_pass *p)
{
    const pt_ops *ops = m->ctx->ops;
    pt_view more = pt_trim(m->scratch.branch, n), small = narrow(more, n, pt_config_embed(&m->cfg)), t = pt_trim(m->tab.t_in, n);
    PT_RETURN(embed(m, m->cfg.embed_width ? small : x, n));
    if (m->cfg.embed_width) PT_RETURN(pt_project(m, -1, PT_MOD_IN, 1, small, &x, &t, false, p));
    if (!m->cfg.learned_positions) return PT_OK;
    PT_RETURN(ops->embed(
        m->ctx, &(pt_embed_args){.y = more, .w = positions_of(m, m->positions.w), .tokens = pt_trim_vec(m->tab.positions, n), .scale = 1}));
    return ops->axpby(m->ctx, &(pt_axpby_args){.y = x, .x = more, .alpha = 1, .beta = 1});
}

bool pt_embed_learns(const pt_model *m)
{
    return m->opt.full || m->new_rows.n || pt_block_at(m, -1)->rank[PT_MOD_IN];
}

pt_status pt_embed_back(pt_model *m, pt_view dres, const pt_pass *p)
{
    const pt_ops *ops = m->ctx->ops;
    const int64_t n = dres.rows, width = pt_config_embed(&m->cfg);
    pt_view dy = dres;
    if (m->cfg.embed_width && pt_embed_learns(m)) { /* the embedding is made again */
        pt_view x = narrow(m->scratch.branch, n, width), t = pt_trim(m->tab.t_in, n);
        dy = narrow(m->scratch.xn, n, width);
        PT_RETURN(embed(m, x, n));
        PT_RETURN(pt_project_bwd(m, -1, PT_MOD_IN, 1, x, &dres, &t, pt_view_ok(m->embed.dw) ? dy : PT_NO_VIEW, false, p));
    }
    if (pt_view_ok(m->embed.dw))
        PT_RETURN(ops->embed_bwd(m->ctx, &(pt_embed_bwd_args){.dw = m->embed.dw,
                                                              .first = m->new_rows.first,
                                                              .dy = dy,
                                                              .tokens = pt_trim_vec(m->tab.tokens, n),
                                                              .scale = pt_config_scale(m->cfg.embed_scale)}));
    if (!m->opt.full || !m->cfg.learned_positions) return PT_OK;
    return ops->embed_bwd(
        m->ctx, &(pt_embed_bwd_args){.dw = positions_of(m, m->positions.dw), .dy = dres, .tokens = pt_trim_vec(m->tab.positions, n), .scale = 1});
}

pt_status pt_last_norm(pt_model *m, pt_view x, pt_view add, pt_view h, const pt_norm_state *keep, int64_t n, const pt_pass *p)
{
    pt_view y = pt_trim(m->tab.normed_at_heads, n), t = pt_trim(m->tab.t_out, n);
    pt_view last = m->cfg.embed_width ? pt_trim(m->tab.last_at_heads, n) : y;
    PT_RETURN(pt_norm_run(m, &(pt_norm_call){.y = last, .x = x, .add = add, .h = h, .keep = keep, .w = &m->norm}, NULL));
    if (!m->cfg.embed_width) return PT_OK;
    return pt_project(m, -1, PT_MOD_OUT, 1, last, &y, &t, false, p);
}

pt_status pt_last_norm_back(pt_model *m, pt_view *dx, pt_view h, const pt_norm_state *kept, int64_t n, const pt_pass *p)
{
    pt_view dy = pt_trim(m->tab.dnormed_at_heads, n), t = pt_trim(m->tab.t_out, n);
    *dx = m->cfg.embed_width ? pt_trim(m->tab.dlast_at_heads, n) : dy;
    if (m->cfg.embed_width) PT_RETURN(pt_project_bwd(m, -1, PT_MOD_OUT, 1, pt_trim(m->tab.last_at_heads, n), &dy, &t, *dx, false, p));
    return pt_norm_back(m, *dx, *dx, PT_NO_VIEW, h, kept, &m->norm);
}

/* The first head whose token is at or behind `token`. */
static int32_t head_from(const pt_model *m, int32_t token)
{
    int32_t lo = 0, hi = m->loaded.heads;
    while (lo < hi) {
        int32_t mid = lo + (hi - lo) / 2;
        if (m->loaded.head_token[mid] < token)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

pt_pass pt_pass_at_heads(pt_model *m, const pt_pass *p)
{
    pt_pass out = *p;
    if (!m->cfg.embed_width) return out; /* nothing runs there */
    if (!m->loaded.head_runs) {          /* the dry run: only sizes count */
        m->loaded.all_heads = (pt_lora_run){0, m->loaded.heads, 0};
        out.runs = &m->loaded.all_heads;
        return out;
    }
    out.runs = m->loaded.head_runs;
    out.n_runs = 0;
    for (int i = 0; i < p->n_runs; i++) {
        pt_lora_run r = {head_from(m, p->runs[i].begin), head_from(m, p->runs[i].end), p->runs[i].slot};
        if (r.begin < r.end) m->loaded.head_runs[out.n_runs++] = r;
    }
    return out;
}
