/* Sequences in the cache: prompts enter as a forest, then each step adds a token to every one of them. */
#include <stdlib.h>

#include "train/generate/generate_impl.h"

/* Tokens of the sequence that ends at token `end`, in order of position: own segment, then its ancestors. */
static pt_status path_of(const pt_batch *b, int32_t end, int32_t n, int32_t *index)
{
    int32_t at = n, seg = 0;
    while (seg + 1 < b->n_segs && b->seg_start[seg + 1] <= end) seg++;
    for (int32_t to = end + 1; seg >= 0; seg = b->seg_parent[seg], to = seg >= 0 ? b->seg_start[seg + 1] : 0)
        for (int32_t t = to - 1; t >= b->seg_start[seg]; t--) {
            if (at == 0) return pt_fail(PT_EINTERNAL, "a prompt of %d tokens has a longer path", n);
            index[--at] = t;
        }
    return at == 0 ? PT_OK : pt_fail(PT_EINTERNAL, "a prompt of %d tokens has a path of %d", n, n - at);
}

/* Uploads where each sequence's keys lie in the forest, and clears the rest of its cache rows. */
static pt_status place(pt_gen *g, const pt_batch *b, int first, int count, pt_view *index, int32_t *slot, int32_t *len)
{
    pt_model *m = g->m;
    int64_t cap = m->caps.decode_len;
    for (int i = 0; i < count; i++) {
        pt_gen_seq *s = &g->seqs[first + i];
        if (b->group_end_head[i] < 0) return pt_fail(PT_EINTERNAL, "a prompt without an end position");
        PT_RETURN(path_of(b, b->head_token[b->group_end_head[i]], s->len, g->index));
        index[i] = pt_view_rows(m->dec.index, first + i, 1);
        index[i].cols = s->len;
        PT_RETURN(m->ctx->ops->upload(m->ctx, index[i], g->index));
        slot[i] = first + i;
        len[i] = s->len;
        for (int l = 0; l < m->cfg.layers; l++) {
            PT_RETURN(m->ctx->ops->zero(m->ctx, pt_view_rows(m->dec.k[l], (first + i) * cap + s->len, cap - s->len)));
            PT_RETURN(m->ctx->ops->zero(m->ctx, pt_view_rows(m->dec.v[l], (first + i) * cap + s->len, cap - s->len)));
        }
    }
    return PT_OK;
}

/* Runs the forest of a batch and leaves the logits of the sequences' last tokens in the first `count` rows. */
static pt_status run_forest(pt_gen *g, const pt_batch *b, int first, int count)
{
    pt_status rc = PT_OK;
    pt_model *m = g->m;
    pt_view *index = NULL;
    int32_t *slot = NULL, *len = NULL;
    pt_prefill fill;
    PT_TRY(pt_alloc0(&index, count));
    PT_TRY(pt_alloc0(&slot, count));
    PT_TRY(pt_alloc0(&len, count));
    PT_TRY(pt_model_load_batch(m, b, 0, false));
    PT_TRY(place(g, b, first, count, index, slot, len));
    fill = (pt_prefill){count, slot, len, index};
    m->prefill = &fill;
    rc = pt_model_forward(m, g->opt->slot, false);
    m->prefill = NULL;
    if (rc != PT_OK) goto done;
    pt_view at = pt_trim_vec(m->dec.lens, count), rows = pt_view_reshape(m->tab.hidden_at_heads, count, m->tab.normed_at_heads.cols);
    PT_TRY(m->ctx->ops->upload(m->ctx, at, b->group_end_head)); /* equal prompts share a head position */
    PT_TRY(m->ctx->ops->gather(m->ctx, &(pt_gather_args){.y = rows, .x = pt_trim(m->tab.normed_at_heads, b->n_heads), .index = at}));
    PT_TRY(pt_decode_logits(m, count, rows));
done:
    free(index);
    free(slot);
    free(len);
    return rc;
}

pt_status pt_gen_prefill(pt_gen *g, int first, int count)
{
    pt_status rc = PT_OK;
    pt_seq *seqs = NULL;
    pt_batch b = {0};
    PT_TRY(pt_alloc0(&seqs, count));
    for (int i = 0; i < count; i++) {
        const pt_ids *p = &g->prompts[g->seqs[first + i].request];
        seqs[i] = (pt_seq){.ids = p->ids, .weight = g->zeros, .n = (int32_t)p->n, .slot = 0, .end_index = (int32_t)p->n - 1};
    }
    PT_TRY(pt_batch_build(&b, seqs, (size_t)count, PT_PACKING_FOREST));
    if (count > 1 && (b.n_tokens > g->m->caps.tokens || b.n_segs > g->m->caps.segs)) {
        PT_TRY(pt_gen_prefill(g, first, count / 2));
        PT_TRY(pt_gen_prefill(g, first + count / 2, count - count / 2));
        goto done;
    }
    PT_TRY(run_forest(g, &b, first, count));
    PT_TRY(pt_gen_choose(g, first, count));
done:
    pt_batch_free(&b);
    free(seqs);
    return rc;
}

/* Moves the last sequence's cache into slot `to`; what lies behind its tokens there is cleared. */
static pt_status move_last(pt_gen *g, int to)
{
    pt_model *m = g->m;
    int64_t cap = m->caps.decode_len, from = g->n - 1, len = g->seqs[from].len;
    for (int l = 0; l < m->cfg.layers; l++)
        for (int kv = 0; kv < 2; kv++) {
            pt_view c = kv ? m->dec.v[l] : m->dec.k[l];
            PT_RETURN(m->ctx->ops->cast(
                m->ctx, &(pt_cast_args){.y = pt_view_rows(c, to * cap, len), .x = pt_view_rows(c, from * cap, len)}));
            PT_RETURN(m->ctx->ops->zero(m->ctx, pt_view_rows(c, to * cap + len, cap - len)));
        }
    g->seqs[to] = g->seqs[from];
    return PT_OK;
}

pt_status pt_gen_drop_done(pt_gen *g)
{
    for (int i = 0; i < g->n;) {
        if (!g->seqs[i].done) {
            i++;
            continue;
        }
        if (i < g->n - 1) PT_RETURN(move_last(g, i));
        g->n--;
    }
    return PT_OK;
}

static pt_status upload_vec(pt_gen *g, pt_view table)
{
    return g->m->ctx->ops->upload(g->m->ctx, pt_view_reshape(table, 1, g->n), g->i32);
}

pt_status pt_gen_step(pt_gen *g)
{
    pt_model *m = g->m;
    pt_lora_run one;
    pt_pass p;
    for (int i = 0; i < g->n; i++) g->i32[i] = g->seqs[i].last;
    PT_RETURN(upload_vec(g, m->tab.tokens));
    for (int i = 0; i < g->n; i++) g->i32[i] = g->seqs[i].len;
    PT_RETURN(upload_vec(g, m->tab.positions));
    for (int i = 0; i < g->n; i++) g->i32[i] = i * m->caps.decode_len + g->seqs[i].len;
    PT_RETURN(upload_vec(g, m->dec.index));
    for (int i = 0; i < g->n; i++) g->i32[i] = ++g->seqs[i].len;
    PT_RETURN(upload_vec(g, m->dec.lens));
    m->loaded.n_live = g->n;
    PT_RETURN(pt_pass_make(m, g->opt->slot, false, &one, &p));
    PT_RETURN(pt_decode_step(m, g->n, &p));
    return pt_gen_choose(g, 0, g->n);
}
