/* One step of decoding: a new token for each of `rows` sequences, against the cache. The tables (tokens, positions, lens,
 * index) are filled by the caller; index[b] is the cache row of sequence b's new token, which holds zeros. Ends with the
 * logits. */
#include "train/model/model_impl.h"

static pt_status decode_block(pt_model *m, int layer, int64_t rows, bool first, const pt_pass *p)
{
    const pt_ops *ops = m->ctx->ops;
    pt_block_state s = pt_block_live(m, layer, rows, false);
    pt_view xn, branch = pt_trim(m->scratch.branch, rows), index = pt_view_reshape(m->dec.index, 1, rows);
    int64_t cache = rows * m->caps.decode_len;
    s.n1 = s.n2 = s.p1 = s.p2 = s.nq = s.nk = (pt_norm_state){0};
    PT_RETURN(pt_block_enter(m, layer, &s, first ? s.h : pt_block_stream(m, &s), first ? PT_NO_VIEW : branch, &xn));
    PT_RETURN(pt_block_qkv(m, layer, xn, &s, p));
    PT_RETURN(ops->scatter_add(m->ctx, &(pt_gather_args){.y = m->dec.k[layer], .x = s.k, .index = index}));
    PT_RETURN(ops->scatter_add(m->ctx, &(pt_gather_args){.y = m->dec.v[layer], .x = s.v, .index = index}));
    PT_RETURN(ops->decode_attention(m->ctx, &(pt_decode_args){.o = s.o,
                                                              .q = s.q,
                                                              .k = pt_trim(m->dec.k[layer], cache),
                                                              .v = pt_trim(m->dec.v[layer], cache),
                                                              .lens = pt_trim_vec(m->dec.lens, rows),
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

pt_status pt_decode_step(pt_model *m, int rows, const pt_pass *p)
{
    pt_tables *t = &m->tab;
    pt_block_state s = pt_block_live(m, 0, rows, false);
    pt_view hidden = pt_trim(t->hidden_at_heads, rows);
    PT_RETURN(pt_rope_tables(m, rows));
    PT_RETURN(pt_new_rows_put(m, p->rows));
    PT_RETURN(pt_embed_tokens(m, s.h, rows, p));
    for (int l = 0; l < m->cfg.layers; l++) PT_RETURN(decode_block(m, l, rows, l == 0, p));
    PT_RETURN(pt_last_norm(m, pt_block_stream(m, &s), pt_trim(m->scratch.branch, rows), hidden, NULL, rows, p));
    return pt_decode_logits(m, rows, pt_trim(t->normed_at_heads, rows));
}
