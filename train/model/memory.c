/* Every buffer of a model, carved in one fixed order: once to measure, once for real. */
#include <stdlib.h>

#include "train/model/adapters.h"
#include "train/model/model_impl.h"

#define CARVE(role, type, rows, cols, out) PT_RETURN(pt_arena_carve(&m->arena[role], (type), (rows), (cols), (out)))
/* With m->spare columns behind each row. */
#define CARVE_WIDE(role, type, rows, cols, out) PT_RETURN(carve_wide(m, (role), (type), (rows), (cols), m->spare, (out)))

static pt_status carve_wide(pt_model *m, pt_role role, pt_dtype type, int64_t rows, int64_t cols, int spare, pt_view *out)
{
    CARVE(role, type, rows, cols + spare, out);
    *out = pt_view_cols(*out, 0, cols);
    return PT_OK;
}

/* Columns that lora may take behind its inputs: as many as the group with the largest ranks needs. */
static int spare_columns(const pt_model *m)
{
    int most = 0;
    if (!pt_model_folds(m)) return 0;
    for (int l = 0; l < m->cfg.layers; l++)
        for (int k = 0; k < PT_MOD_COUNT; k++) {
            int first, last, sum = 0;
            pt_lora_group(k, &first, &last);
            for (int i = first; i <= last; i++) sum += pt_lora_columns(m->blocks[l].rank[i]);
            most = sum > most ? sum : most;
        }
    return most;
}

static pt_status carve_params(pt_model *m)
{
    m->flat = m->grad = m->frozen = PT_NO_VIEW;
    if (m->n_flat) {
        CARVE(PT_ROLE_ADAPTERS, PT_F32, 1, m->n_flat, &m->flat);
        if (m->opt.lora.frozen_copy) CARVE(PT_ROLE_ADAPTERS, PT_F32, 1, m->n_flat, &m->frozen);
        if (m->opt.train) CARVE(PT_ROLE_GRADIENTS, PT_F32, 1, m->n_flat, &m->grad);
    }
    PT_RETURN(pt_frozen_carve(m));
    PT_RETURN(pt_guests_carve(m));
    PT_RETURN(pt_new_rows_carve(m));
    pt_param_bind(m);
    pt_lora_bind(m);
    pt_guests_bind(m);
    return pt_new_rows_bind(m);
}

/* The t's of modules that read one input are column slices of one buffer. */
static pt_status carve_t(pt_model *m, pt_block_state *s, int layer, int first, int last, int64_t n)
{
    int64_t cols = 0;
    pt_view all = PT_NO_VIEW;
    for (int k = first; k <= last; k++) {
        int most = 0; /* a shared set serves every layer */
        for (int l = 0; l < m->cfg.layers; l++)
            if ((layer < 0 || l == layer) && m->blocks[l].rank[k] > most) most = m->blocks[l].rank[k];
        s->t[k] = (pt_view){.off = (size_t)cols, .cols = most};
        cols += most;
    }
    if (cols == 0) return PT_OK;
    CARVE(PT_ROLE_ACTIVATIONS, PT_F32, n, cols, &all);
    for (int k = first; k <= last; k++)
        s->t[k] = s->t[k].cols ? pt_view_cols(all, (int64_t)s->t[k].off, s->t[k].cols) : PT_NO_VIEW;
    return PT_OK;
}

static pt_status carve_norm(pt_model *m, pt_norm_state *s, int64_t n)
{
    CARVE(PT_ROLE_ACTIVATIONS, PT_F32, 1, n, &s->rstd);
    if (m->cfg.norm == PT_NORM_LAYER) CARVE(PT_ROLE_ACTIVATIONS, PT_F32, 1, n, &s->mean);
    return PT_OK;
}

/* q and k as they are before their norm or their clipping; with the norm what its backward reads. */
static pt_status carve_raw(pt_model *m, pt_block_state *s, int64_t n, pt_dtype act)
{
    bool whole = m->cfg.qk_norm == PT_QK_NORM_ROWS;
    s->qraw = s->q;
    s->kraw = s->k;
    if (!m->opt.train || !(m->cfg.qk_norm || m->cfg.clip_qkv > 0)) return PT_OK;
    CARVE(PT_ROLE_ACTIVATIONS, act, n, pt_q_cols(m), &s->qraw);
    CARVE(PT_ROLE_ACTIVATIONS, act, n, pt_kv_cols(m), &s->kraw);
    if (!m->cfg.qk_norm) return PT_OK;
    PT_RETURN(carve_norm(m, &s->nq, whole ? n : n * m->cfg.heads));
    return carve_norm(m, &s->nk, whole ? n : n * m->cfg.kv_heads);
}

/* q, k, v and o. */
static pt_status carve_attention(pt_model *m, pt_block_state *s, int64_t n, pt_dtype act)
{
    int64_t q = pt_q_cols(m), kv = pt_kv_cols(m);
    if (m->cfg.fused_qkv) {
        CARVE(PT_ROLE_ACTIVATIONS, act, n, q + 2 * kv, &s->qkv);
        s->q = pt_view_cols(s->qkv, 0, q);
        s->k = pt_view_cols(s->qkv, q, kv);
        s->v = pt_view_cols(s->qkv, q + kv, kv);
    } else {
        CARVE(PT_ROLE_ACTIVATIONS, act, n, q, &s->q);
        CARVE(PT_ROLE_ACTIVATIONS, act, n, kv, &s->k);
        CARVE(PT_ROLE_ACTIVATIONS, act, n, kv, &s->v);
    }
    CARVE_WIDE(PT_ROLE_ACTIVATIONS, act, n, q, &s->o);
    return PT_OK;
}

static pt_status carve_mlp(pt_model *m, pt_block_state *s, int64_t n, pt_dtype act)
{
    int64_t f = m->cfg.ffn;
    if (m->cfg.fused_gate_up) {
        CARVE_WIDE(PT_ROLE_ACTIVATIONS, act, n, 2 * f, &s->gu);
        s->g = pt_view_cols(s->gu, 0, f);
        s->u = pt_view_cols(s->gu, f, f);
        return PT_OK;
    }
    CARVE_WIDE(PT_ROLE_ACTIVATIONS, act, n, f, &s->g);
    s->u = s->g;
    if (!m->cfg.plain_mlp) CARVE_WIDE(PT_ROLE_ACTIVATIONS, act, n, f, &s->u);
    return PT_OK;
}

/* What only a backward reads. */
static pt_status carve_kept(pt_model *m, pt_block_state *s, int64_t n, pt_dtype act)
{
    s->hmid = s->h; /* without a backward the residual stream is one buffer, updated in place */
    if (!m->opt.train) return PT_OK;
    if (!m->cfg.parallel) CARVE(PT_ROLE_ACTIVATIONS, act, n, m->cfg.hidden, &s->hmid);
    PT_RETURN(carve_norm(m, &s->n1, n));
    PT_RETURN(carve_norm(m, &s->n2, n));
    CARVE(PT_ROLE_ACTIVATIONS, PT_F32, m->cfg.heads, n, &s->lse);
    if (!m->cfg.post_norm) return PT_OK;
    CARVE(PT_ROLE_ACTIVATIONS, act, n, m->cfg.hidden, &s->raw1);
    CARVE(PT_ROLE_ACTIVATIONS, act, n, m->cfg.hidden, &s->raw2);
    PT_RETURN(carve_norm(m, &s->p1, n));
    return carve_norm(m, &s->p2, n);
}

/* layer < 0: one set shared by all layers. */
static pt_status carve_state(pt_model *m, pt_block_state *s, int layer)
{
    static const int groups[][2] = {{PT_MOD_QKV, PT_MOD_QKV},         {PT_MOD_Q, PT_MOD_V},     {PT_MOD_O, PT_MOD_O},
                                    {PT_MOD_GATE_UP, PT_MOD_GATE_UP}, {PT_MOD_GATE, PT_MOD_UP}, {PT_MOD_DOWN, PT_MOD_DOWN}};
    int64_t n = m->caps.tokens;
    pt_dtype act = m->ctx->act;
    *s = (pt_block_state){0};
    CARVE(PT_ROLE_ACTIVATIONS, act, n, m->cfg.hidden, &s->h);
    PT_RETURN(carve_attention(m, s, n, act));
    PT_RETURN(carve_mlp(m, s, n, act));
    PT_RETURN(carve_raw(m, s, n, act));
    PT_RETURN(carve_kept(m, s, n, act));
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) PT_RETURN(carve_t(m, s, layer, groups[g][0], groups[g][1], n));
    return PT_OK;
}

static pt_status carve_states(pt_model *m)
{
    bool each = m->opt.train && !m->opt.checkpointing;
    for (int l = 0; l < (each ? m->cfg.layers : 1); l++) PT_RETURN(carve_state(m, &m->states[l], each ? l : -1));
    for (int l = 0; m->inputs && l < m->cfg.layers; l++) {
        int rank = m->blocks[l].rank[PT_MOD_DOWN];
        CARVE(PT_ROLE_ACTIVATIONS, m->ctx->act, m->caps.tokens, m->cfg.hidden, &m->inputs[l]);
        m->tdown[l] = PT_NO_VIEW;
        if (rank) CARVE(PT_ROLE_ACTIVATIONS, PT_F32, m->caps.tokens, rank, &m->tdown[l]);
    }
    return PT_OK;
}

/* A norm of heads without the rotation behind it (pt_qk_norm_back) sees each head as a row: no columns between them. */
static bool dense_heads(const pt_model *m)
{
    if (m->cfg.qk_norm != PT_QK_NORM_HEADS) return false;
    for (int l = 0; l < m->cfg.layers; l++)
        if (pt_layer_rope(m, l) < 0) return true;
    return !pt_norm_turns(&m->cfg);
}

/* Rows of whole steps of 16 bytes, so that copies of them are. */
static pt_status carve_dt(pt_model *m, int64_t n)
{
    int most = 0;
    for (int l = 0; l < m->cfg.layers; l++) most = m->blocks[l].rank[PT_MOD_DOWN] > most ? m->blocks[l].rank[PT_MOD_DOWN] : most;
    if (most == 0) return PT_OK;
    CARVE(PT_ROLE_SCRATCH, PT_F32, n, (most + 3) / 4 * 4, &m->scratch.dt);
    return PT_OK;
}

static pt_status carve_scratch(pt_model *m)
{
    pt_arena *a = &m->arena[PT_ROLE_SCRATCH];
    pt_scratch *s = &m->scratch;
    int64_t n = m->caps.tokens;
    pt_dtype act = m->ctx->act;
    *s = (pt_scratch){0};
    CARVE_WIDE(PT_ROLE_SCRATCH, act, n, m->cfg.hidden, &s->xn);
    CARVE_WIDE(PT_ROLE_SCRATCH, act, n, m->cfg.hidden, &s->branch);
    if (m->cfg.sum_norm) CARVE_WIDE(PT_ROLE_SCRATCH, act, n, m->cfg.hidden, &s->xm);
    s->act = m->states[0].g;
    if (!m->opt.train) return PT_OK;
    CARVE_WIDE(PT_ROLE_SCRATCH, act, n, m->cfg.hidden, &s->dres);
    if (pt_model_has_side(m)) CARVE_WIDE(PT_ROLE_SCRATCH, act, n, m->cfg.hidden, &s->dside);
    size_t mark = pt_arena_mark(a);
    CARVE_WIDE(PT_ROLE_SCRATCH, act, n, m->cfg.ffn, &s->act);
    PT_RETURN(carve_dt(m, n));
    size_t end = pt_arena_mark(a);
    pt_arena_back(a, mark);
    if (m->cfg.fused_qkv) {
        CARVE_WIDE(PT_ROLE_SCRATCH, act, n, pt_q_cols(m) + 2 * pt_kv_cols(m), &s->dqkv);
        s->dq = pt_view_cols(s->dqkv, 0, pt_q_cols(m));
        s->dk = pt_view_cols(s->dqkv, pt_q_cols(m), pt_kv_cols(m));
        s->dv = pt_view_cols(s->dqkv, pt_q_cols(m) + pt_kv_cols(m), pt_kv_cols(m));
    } else {
        const int spare = dense_heads(m) ? 0 : m->spare;
        PT_RETURN(carve_wide(m, PT_ROLE_SCRATCH, act, n, pt_q_cols(m), spare, &s->dq));
        PT_RETURN(carve_wide(m, PT_ROLE_SCRATCH, act, n, pt_kv_cols(m), spare, &s->dk));
        CARVE_WIDE(PT_ROLE_SCRATCH, act, n, pt_kv_cols(m), &s->dv);
    }
    CARVE(PT_ROLE_SCRATCH, act, n, pt_q_cols(m), &s->dout);
    if (a->used < end) a->used = end;
    return PT_OK;
}

/* Of an embedding of another width than the blocks. */
static pt_status carve_ends(pt_model *m)
{
    pt_tables *t = &m->tab;
    const int *rank = pt_block_at(m, -1)->rank;
    const int64_t heads = m->caps.heads;
    if (!m->cfg.embed_width) return PT_OK;
    CARVE(PT_ROLE_ACTIVATIONS, m->ctx->act, heads, m->cfg.hidden, &t->last_at_heads);
    if (m->opt.train) CARVE(PT_ROLE_ACTIVATIONS, m->ctx->act, heads, m->cfg.hidden, &t->dlast_at_heads);
    if (m->opt.train && m->opt.lora.dropout > 0) CARVE(PT_ROLE_ACTIVATIONS, PT_U64, 1, heads, &t->key_at_heads);
    if (rank[PT_MOD_IN]) CARVE(PT_ROLE_ACTIVATIONS, PT_F32, m->caps.tokens, rank[PT_MOD_IN], &t->t_in);
    if (rank[PT_MOD_OUT]) CARVE(PT_ROLE_ACTIVATIONS, PT_F32, heads, rank[PT_MOD_OUT], &t->t_out);
    return PT_OK;
}

static pt_status carve_tables(pt_model *m)
{
    pt_tables *t = &m->tab;
    const pt_model_caps *c = &m->caps;
    int64_t hidden = m->cfg.hidden, width = pt_config_embed(&m->cfg);
    pt_dtype act = m->ctx->act;
    *t = (pt_tables){0};
    CARVE(PT_ROLE_ACTIVATIONS, PT_I32, 1, c->tokens, &t->tokens);
    CARVE(PT_ROLE_ACTIVATIONS, PT_I32, 1, c->tokens, &t->positions);
    if (m->opt.train && m->opt.lora.dropout > 0) CARVE(PT_ROLE_ACTIVATIONS, PT_U64, 1, c->tokens, &t->token_key);
    for (int k = 0; k < 2; k++) {
        if (!m->inv_freq[k]) continue;
        CARVE(PT_ROLE_ACTIVATIONS, PT_F32, 1, m->cfg.rot / 2, &t->inv_freq[k]);
        CARVE(PT_ROLE_ACTIVATIONS, PT_F32, c->tokens, m->cfg.rot, &t->rope[k]);
    }
    if (m->cfg.alibi > 0) CARVE(PT_ROLE_ACTIVATIONS, PT_F32, 1, m->cfg.heads, &t->slopes);
    CARVE(PT_ROLE_ACTIVATIONS, PT_I32, 1, c->heads, &t->head_token);
    CARVE(PT_ROLE_ACTIVATIONS, PT_I32, 1, c->rows, &t->row_head);
    CARVE(PT_ROLE_ACTIVATIONS, PT_I32, 1, c->rows, &t->row_target);
    CARVE(PT_ROLE_ACTIVATIONS, act, c->heads, hidden, &t->hidden_at_heads);
    CARVE(PT_ROLE_ACTIVATIONS, act, c->heads, hidden, &t->branch_at_heads);
    CARVE(PT_ROLE_ACTIVATIONS, act, c->heads, width, &t->normed_at_heads);
    CARVE(PT_ROLE_ACTIVATIONS, PT_F32, 1, c->heads, &t->rstd_at_heads);
    if (m->cfg.norm == PT_NORM_LAYER) CARVE(PT_ROLE_ACTIVATIONS, PT_F32, 1, c->heads, &t->mean_at_heads);
    if (m->opt.train) CARVE(PT_ROLE_ACTIVATIONS, act, c->heads, width, &t->dnormed_at_heads);
    PT_RETURN(carve_ends(m));
    for (int k = 0; k < PT_HEAD_KINDS; k++)
        if (pt_head_on(m->opt.heads, k)) PT_RETURN(pt_head_at(k)->carve(m));
    return PT_OK;
}

/* Tables of the loss. */
static pt_status carve_loss(pt_model *m)
{
    pt_tables *t = &m->tab;
    const pt_loss_spec *s = &m->opt.loss;
    int64_t groups = m->caps.groups, entries = m->caps.group_rows, rows = m->caps.rows;
    if (!s->on) return PT_OK;
    CARVE(PT_ROLE_ACTIVATIONS, PT_F64, 1, PT_REPORT_SIZE, &t->report);
    if (s->reference) CARVE(PT_ROLE_ACTIVATIONS, PT_F32, 1, rows, &t->reference);
    if (s->by_rows || s->tokens) CARVE(PT_ROLE_ACTIVATIONS, PT_F32, 1, rows, &t->row_weight);
    if (s->tokens) CARVE(PT_ROLE_ACTIVATIONS, PT_F64, 1, PT_TOKEN_SUMS, &t->token_sums);
    for (int k = 0; s->by_rows && k < s->n_columns; k++) CARVE(PT_ROLE_ACTIVATIONS, PT_F32, 1, rows, &t->row_column[k]);
    if (s->by_rows) return PT_OK;
    if (s->reference_stored) CARVE(PT_ROLE_ACTIVATIONS, PT_F32, 1, groups, &t->reference_sum);
    CARVE(PT_ROLE_ACTIVATIONS, PT_F32, 1 + s->n_columns, groups, &t->column);
    CARVE(PT_ROLE_ACTIVATIONS, PT_I32, 1, groups + 1, &t->record_start);
    if (s->logp) {
        CARVE(PT_ROLE_ACTIVATIONS, PT_I32, 1, groups + 1, &t->group_start);
        CARVE(PT_ROLE_ACTIVATIONS, PT_I32, 1, entries, &t->group_rows);
        CARVE(PT_ROLE_ACTIVATIONS, PT_F32, 1, entries, &t->group_weight);
        if (s->vocab) CARVE(PT_ROLE_ACTIVATIONS, PT_I32, 1, entries, &t->group_heads);
    }
    if (!s->width) return PT_OK;
    CARVE(PT_ROLE_ACTIVATIONS, PT_I32, 1, groups + 1, &t->end_start);
    CARVE(PT_ROLE_ACTIVATIONS, PT_I32, 1, m->caps.ends, &t->end_head);
    CARVE(PT_ROLE_ACTIVATIONS, PT_F32, 1, m->caps.ends, &t->end_weight);
    return PT_OK;
}

static pt_status carve_decode(pt_model *m)
{
    pt_decode *d = &m->dec;
    int64_t b = m->caps.decode_rows, len = m->caps.decode_len, cells = m->caps.decode_cells, chunk = pt_decode_chunk(m);
    d->logits = d->index = d->lens = d->ids = d->seen = d->spans = PT_NO_VIEW;
    if (b == 0 || !(m->opt.heads & PT_HEAD_VOCABULARY)) return PT_OK;
    for (int l = 0; l < m->cfg.layers; l++) {
        CARVE(PT_ROLE_CACHE, m->ctx->act, cells, pt_kv_cols(m), &d->k[l]);
        CARVE(PT_ROLE_CACHE, m->ctx->act, cells, pt_kv_cols(m), &d->v[l]);
    }
    CARVE(PT_ROLE_CACHE, PT_F32, b, m->cfg.vocab, &d->logits);
    CARVE(PT_ROLE_CACHE, PT_I32, 1, cells > chunk ? cells : chunk, &d->index);
    CARVE(PT_ROLE_CACHE, PT_I32, 1, chunk, &d->lens);
    CARVE(PT_ROLE_CACHE, PT_I32, chunk, 2 * PT_DECODE_SPANS, &d->spans);
    CARVE(PT_ROLE_CACHE, PT_I32, 1, b, &d->ids);
    CARVE(PT_ROLE_CACHE, PT_I32, b, len, &d->seen);
    return PT_OK;
}

pt_status pt_model_carve(pt_model *m)
{
    for (int r = 0; r < PT_ROLE_COUNT; r++) pt_arena_reset(&m->arena[r]);
    m->spare = spare_columns(m);
    PT_RETURN(carve_params(m));
    PT_RETURN(carve_states(m));
    PT_RETURN(carve_scratch(m));
    PT_RETURN(carve_tables(m));
    PT_RETURN(carve_loss(m));
    PT_RETURN(carve_decode(m));
    m->workspace = PT_NO_VIEW;
    if (m->ws_bytes) CARVE(PT_ROLE_SCRATCH, PT_U8, 1, (int64_t)m->ws_bytes, &m->workspace);
    return PT_OK;
}
