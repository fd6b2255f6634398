/* One step of decoding: new tokens against the cache, one of each sequence or several. The tables (tokens, positions, lens, index, spans) are filled
 * by the caller; index[b] is the cache row of new token b, which holds zeros. Ends with logits. */
#include "train/model/model_impl.h"

static pt_status decode_block(pt_model *m, int layer, int64_t rows, bool first, const pt_pass *p)
{
    const pt_ops *ops = m->ctx->ops;
    pt_block_state s = pt_block_live(m, layer, rows, false);
    pt_view xn, branch = pt_trim(m->scratch.branch, rows), index = pt_trim_vec(m->dec.index, rows);
    s.n1 = s.n2 = s.p1 = s.p2 = s.nq = s.nk = (pt_norm_state){0};
    PT_RETURN(pt_block_enter(m, layer, &s, first ? s.h : pt_block_stream(m, &s), first ? PT_NO_VIEW : branch, &xn));
    PT_RETURN(pt_block_qkv(m, layer, xn, &s, p));
    PT_RETURN(ops->scatter_add(m->ctx, &(pt_gather_args){.y = m->dec.k[layer], .x = s.k, .index = index}));
    PT_RETURN(ops->scatter_add(m->ctx, &(pt_gather_args){.y = m->dec.v[layer], .x = s.v, .index = index}));
    PT_RETURN(ops->decode_attention(m->ctx, &(pt_decode_args){.o = s.o,
                                                              .q = s.q,
                                                              .k = m->dec.k[layer],
                                                              .v = m->dec.v[layer],
                                                              .lens = pt_trim_vec(m->dec.lens, rows),
                                                              .spans = pt_trim(m->dec.spans, rows),
                                                              .max_len = m->caps.decode_len,
                                                              .n_heads = m->cfg.heads,
                                                              .n_kv = m->cfg.kv_heads,
                                                              .dim = m->cfg.head_dim,
                                                              .window = pt_layer_window(m, layer),
                                                              .scale = pt_config_layer_scale(&m->cfg, layer),
                                                              .softcap = m->cfg.attn_softcap,
                                                              .slopes = m->tab.slopes}));
    return pt_block_rest(m, layer, &s, xn, p, false);
}

/* The residual stream behind the last block (what it adds is in scratch.branch). */
static pt_status decode_blocks(pt_model *m, int rows, const pt_pass *p, pt_view *stream)
{
    pt_block_state s = pt_block_live(m, 0, rows, false);
    PT_RETURN(pt_rope_tables(m, rows));
    PT_RETURN(pt_new_rows_put(m, p->rows));
    PT_RETURN(pt_embed_tokens(m, s.h, rows, p));
    for (int l = 0; l < m->cfg.layers; l++) PT_RETURN(decode_block(m, l, rows, l == 0, p));
    *stream = pt_block_stream(m, &s);
    return PT_OK;
}

pt_status pt_decode_step(pt_model *m, int rows, const pt_pass *p)
{
    pt_view stream;
    PT_RETURN(decode_blocks(m, rows, p, &stream));
    PT_RETURN(pt_last_norm(m, stream, pt_trim(m->scratch.branch, rows), pt_trim(m->tab.hidden_at_heads, rows), NULL, rows, p));
    return pt_decode_logits(m, rows, pt_trim(m->tab.normed_at_heads, rows));
}

pt_status pt_decode_tokens(pt_model *m, int rows, int heads, const int32_t *at, const pt_pass *p)
{
    const pt_ops *ops = m->ctx->ops;
    pt_view stream, index = pt_trim_vec(m->dec.lens, heads), hidden = pt_trim(m->tab.hidden_at_heads, heads), branch = pt_trim(m->tab.branch_at_heads, heads);
    pt_lora_run run = {0, heads, p->n_runs ? p->runs[0].slot : 0}; /* generation has one slot */
    pt_pass there = *p;
    PT_RETURN(decode_blocks(m, rows, p, &stream));
    if (heads == 0) return PT_OK;
    there.runs = &run;
    if (!m->ctx->dry) PT_RETURN(ops->upload(m->ctx, index, at)); /* attention has read the lengths that stood there */
    PT_RETURN(ops->gather(m->ctx, &(pt_gather_args){.y = hidden, .x = stream, .index = index}));
    PT_RETURN(ops->gather(m->ctx, &(pt_gather_args){.y = branch, .x = pt_trim(m->scratch.branch, rows), .index = index}));
    PT_RETURN(pt_last_norm(m, hidden, branch, hidden, NULL, heads, &there));
    return pt_decode_logits(m, heads, pt_trim(m->tab.normed_at_heads, heads));
}
