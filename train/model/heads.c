#include "train/model/heads.h"

#include <stdlib.h>
#include <string.h>

#include "train/model/model_impl.h"

static int64_t by_vocabulary(const pt_model_config *c, int values)
{
    return c->vocab;
}

static int64_t by_option(const pt_model_config *c, int values)
{
    return values > 1 ? values : 1;
}

#define CARVE(type, rows, cols, out) PT_RETURN(pt_arena_carve(&m->arena[PT_ROLE_ACTIVATIONS], (type), (rows), (cols), (out)))

/* ---- the vocabulary: log-probabilities of rows, sums over all of it ------------------------------------------------------------------------------- */

static pt_status carve_logp(pt_model *m)
{
    pt_tables *t = &m->tab;
    CARVE(PT_F32, 1, m->caps.rows, &t->logp);
    CARVE(PT_F32, 1, m->caps.heads, &t->lse);
    if (m->opt.train && !m->opt.loss.logp_still) CARVE(PT_F32, 1, m->caps.rows, &t->dlogp);
    for (int k = 0; k < PT_VOCAB_SUMS; k++) {
        if (pt_vocab_on(m, k)) CARVE(PT_F32, 1, m->caps.heads, &t->vocab[k]);
        if (pt_vocab_on(m, k) && m->opt.train) CARVE(PT_F32, 1, m->caps.heads, &t->dvocab[k]);
    }
    t->entropy = t->vocab[PT_VOCAB_ENTROPY];
    if (m->opt.loss.tokens && !pt_vocab_on(m, PT_VOCAB_ENTROPY)) CARVE(PT_F32, 1, m->caps.heads, &t->entropy);
    if (m->opt.loss.tokens) CARVE(PT_I32, 1, m->caps.heads, &t->argmax);
    if (pt_vocab_on(m, PT_VOCAB_KL)) CARVE(m->ctx->act, m->caps.heads, pt_config_embed(&m->cfg), &t->reference_at_heads);
    return PT_OK;
}

/* What training and decoding have in common: the logits of hidden states x. */
static pt_head_args logits_of(const pt_model *m, pt_view x)
{
    return (pt_head_args){.x = x, .w = m->head[PT_HEAD_AT_VOCABULARY].w, .temperature = 1 / pt_config_scale(m->cfg.logit_scale), .softcap = m->cfg.logit_softcap, .tight = m->tight};
}

pt_status pt_model_tight(pt_model *m, bool on)
{
    if (m->committed) return pt_fail(PT_ESTATE, "the model is committed: its scratch is fixed");
    m->tight = on;
    return PT_OK;
}

static pt_head_args logp_args(const pt_model *m, pt_view logp, bool backward)
{
    const pt_tables *t = &m->tab;
    int64_t heads = m->loaded.heads, rows = m->loaded.rows;
    pt_head_args a = logits_of(m, pt_trim(t->normed_at_heads, heads));
    a.logp = logp;
    a.lse = pt_trim_vec(t->lse, heads);
    a.row_head = pt_trim_vec(t->row_head, rows);
    a.row_target = pt_trim_vec(t->row_target, rows);
    if (backward) {
        a.dx = pt_trim(t->dnormed_at_heads, heads);
        a.dw = m->head[PT_HEAD_AT_VOCABULARY].dw;
        a.dw_first = m->new_rows.first;
        a.dlogp = pt_trim_vec(t->dlogp, rows);
    }
    return a;
}

pt_status pt_head_logp(pt_model *m, pt_view logp, bool backward)
{
    pt_head_args a = logp_args(m, logp, backward);
    return m->ctx->ops->head(m->ctx, &a);
}

/* Its channels: log-probabilities, and the sums that the loss takes. */
static pt_status vocabulary(pt_model *m, bool backward)
{
    const pt_tables *t = &m->tab;
    int64_t heads = m->loaded.heads;
    pt_head_args a = logp_args(m, pt_trim_vec(t->logp, m->loaded.rows), backward);
    pt_view *const sum[] = {&a.entropy, &a.log_squares, &a.kl}, *const slope[] = {&a.dentropy, &a.dlog_squares, &a.dkl};
    for (int k = 0; k < PT_VOCAB_SUMS; k++) {
        if (!pt_vocab_on(m, k)) continue;
        *sum[k] = pt_trim_vec(t->vocab[k], heads);
        if (backward) *slope[k] = pt_trim_vec(t->dvocab[k], heads);
    }
    if (m->opt.loss.tokens && (!backward || m->opt.loss.linear)) { /* else the forward visit has told */
        a.entropy = pt_trim_vec(t->entropy, heads);
        a.argmax = pt_trim_vec(t->argmax, heads);
    }
    if (pt_vocab_on(m, PT_VOCAB_KL)) {
        a.xr = pt_trim(t->reference_at_heads, heads);
        a.kl_reverse = m->opt.loss.kl_reverse;
    }
    return m->ctx->ops->head(m->ctx, &a);
}

pt_status pt_decode_logits(pt_model *m, int rows, pt_view x)
{
    pt_head_args a = logits_of(m, x);
    a.logits = pt_trim(m->dec.logits, rows);
    return m->ctx->ops->head(m->ctx, &a);
}

static pt_status logp_forward(pt_model *m)
{
    return vocabulary(m, false);
}

/* Overwrites what other heads have put into dnormed_at_heads: its row is the first of the list. */
static pt_status logp_backward(pt_model *m, bool add)
{
    return vocabulary(m, true);
}

pt_status pt_model_logp(pt_model *m, const float *dlogp, float *logp)
{
    pt_view rows = pt_trim_vec(m->tab.logp, m->loaded.rows);
    PT_RETURN(pt_head_ready(m, PT_HEAD_AT_VOCABULARY, dlogp != NULL));
    m->ctx->workspace = m->workspace;
    if (m->loaded.heads == 0) {
        m->loaded.head_done |= dlogp != NULL;
        return PT_OK;
    }
    if (dlogp) PT_RETURN(m->ctx->ops->upload(m->ctx, pt_trim_vec(m->tab.dlogp, m->loaded.rows), dlogp));
    PT_RETURN(pt_head_logp(m, rows, dlogp != NULL));
    if (dlogp) m->loaded.head_done = true;
    return logp && m->loaded.rows ? m->ctx->ops->download(m->ctx, logp, rows) : PT_OK;
}

/* ---- values: a linear layer, at answers' ends ------------------------------------------------------------------------------ */

int pt_model_width(const pt_model *m)
{
    return m->opt.heads & PT_HEAD_VALUES ? (int)by_option(&m->cfg, m->opt.values) : 0;
}

static pt_status carve_values(pt_model *m)
{
    pt_tables *t = &m->tab;
    int64_t heads = m->caps.heads, width = pt_model_width(m);
    CARVE(m->ctx->act, heads, width, &t->values_act);
    if (m->opt.train) CARVE(m->ctx->act, heads, width, &t->dvalues_act);
    t->values = t->values_act;
    t->dvalues = t->dvalues_act;
    if (m->ctx->act == PT_F32) return PT_OK;
    CARVE(PT_F32, heads, width, &t->values);
    if (m->opt.train) CARVE(PT_F32, heads, width, &t->dvalues);
    return PT_OK;
}

static pt_status values_forward(pt_model *m)
{
    const pt_ops *ops = m->ctx->ops;
    int64_t heads = m->loaded.heads;
    pt_view y = pt_trim(m->tab.values_act, heads);
    PT_RETURN(ops->linear(m->ctx, &(pt_linear_args){.y = y, .x = pt_trim(m->tab.normed_at_heads, heads), .w = m->head[PT_HEAD_AT_VALUES].w}));
    if (m->ctx->act == PT_F32) return PT_OK;
    return ops->cast(m->ctx, &(pt_cast_args){.y = pt_trim(m->tab.values, heads), .x = y});
}

static pt_status values_backward(pt_model *m, bool add)
{
    const pt_ops *ops = m->ctx->ops;
    const pt_lin *weight = &m->head[PT_HEAD_AT_VALUES];
    int64_t heads = m->loaded.heads;
    pt_view dy = pt_trim(m->tab.dvalues_act, heads), x = pt_trim(m->tab.normed_at_heads, heads);
    if (m->ctx->act != PT_F32) PT_RETURN(ops->cast(m->ctx, &(pt_cast_args){.y = dy, .x = pt_trim(m->tab.dvalues, heads)}));
    PT_RETURN(ops->linear_bwd_x(m->ctx, &(pt_linear_bwd_x_args){.dx = pt_trim(m->tab.dnormed_at_heads, heads), .dy = dy, .w = weight->w, .beta = add ? 1 : 0}));
    return pt_view_ok(weight->dw) ? ops->linear_bwd_w(m->ctx, &(pt_linear_bwd_w_args){.dw = weight->dw, .dy = dy, .x = x}) : PT_OK;
}

static pt_status check_end(const pt_model *m, int32_t g)
{
    return m->loaded.end_start[g] < m->loaded.end_start[g + 1] ? PT_OK : pt_fail(PT_EARG, "group %d has no end token to score", g);
}

pt_status pt_model_values(pt_model *m, float *value)
{
    pt_status rc = PT_OK;
    float *all = NULL;
    size_t width = (size_t)pt_model_width(m);
    PT_TRY(pt_head_ready(m, PT_HEAD_AT_VALUES, false));
    m->ctx->workspace = m->workspace;
    if (m->loaded.heads == 0) goto done;
    PT_TRY(values_forward(m));
    PT_TRY(pt_calloc(&all, (size_t)m->loaded.heads * width, sizeof *all));
    PT_TRY(m->ctx->ops->download(m->ctx, all, pt_trim(m->tab.values, m->loaded.heads)));
    for (int32_t g = 0; g < m->loaded.groups; g++) {
        PT_TRY(check_end(m, g));
        for (size_t k = 0; k < width; k++) {
            double sum = 0;
            for (int32_t e = m->loaded.end_start[g]; e < m->loaded.end_start[g + 1]; e++)
                sum += (double)m->loaded.end_weight[e] * (double)all[(size_t)m->loaded.end_head[e] * width + k];
            value[(size_t)g * width + k] = (float)sum;
        }
    }
done:
    free(all);
    return rc;
}

pt_status pt_model_values_backward(pt_model *m, const float *dvalue)
{
    pt_status rc = PT_OK;
    float *all = NULL;
    size_t width = (size_t)pt_model_width(m);
    PT_TRY(pt_head_ready(m, PT_HEAD_AT_VALUES, true));
    m->ctx->workspace = m->workspace;
    m->loaded.head_done = true;
    if (m->loaded.heads == 0) goto done;
    PT_TRY(pt_calloc(&all, (size_t)m->loaded.heads * width, sizeof *all));
    for (int32_t g = 0; g < m->loaded.groups; g++) {
        PT_TRY(check_end(m, g));
        for (int32_t e = m->loaded.end_start[g]; e < m->loaded.end_start[g + 1]; e++) /* equal answers share their end token */
            for (size_t k = 0; k < width; k++) all[(size_t)m->loaded.end_head[e] * width + k] += m->loaded.end_weight[e] * dvalue[(size_t)g * width + k];
    }
    PT_TRY(m->ctx->ops->upload(m->ctx, pt_trim(m->tab.dvalues, m->loaded.heads), all));
    PT_TRY(values_backward(m, false));
done:
    free(all);
    return rc;
}

/* ---- the list -------------------------------------------------------------------------------------------------------------- */

static const pt_head kinds[PT_HEAD_KINDS] = {
    [PT_HEAD_AT_VOCABULARY] = {.missing = "this model has a scalar head, no vocabulary", .tensor = "lm_head.weight", .tied = true, .width = by_vocabulary,
                               .carve = carve_logp, .forward = logp_forward, .backward = logp_backward},
    [PT_HEAD_AT_VALUES] = {.missing = "this model has no scalar head", .tensor = "score.weight", .saved = true, .width = by_option, .carve = carve_values,
                           .forward = values_forward, .backward = values_backward},
};

const pt_head *pt_head_at(int kind)
{
    return &kinds[kind];
}

pt_status pt_head_ready(const pt_model *m, int kind, bool backward)
{
    if (!m->loaded.forwarded) return pt_fail(PT_ESTATE, "the head was asked for before a forward pass");
    if (!pt_head_on(m->opt.heads, kind)) return pt_fail(PT_ESTATE, "%s", kinds[kind].missing);
    if (backward && !(m->opt.train && m->loaded.kept)) return pt_fail(PT_ESTATE, "backward without a forward pass that kept what it needs");
    return PT_OK;
}

pt_status pt_heads_forward(pt_model *m)
{
    for (int k = 0; k < PT_HEAD_KINDS; k++)
        if (pt_head_on(m->opt.heads, k)) PT_RETURN(kinds[k].forward(m));
    return PT_OK;
}

pt_status pt_heads_backward(pt_model *m)
{
    bool add = false;
    for (int k = 0; k < PT_HEAD_KINDS; k++) {
        if (!pt_head_on(m->opt.heads, k) || (k == PT_HEAD_AT_VOCABULARY && m->opt.loss.logp_still)) continue;
        PT_RETURN(kinds[k].backward(m, add));
        add = true;
    }
    return PT_OK;
}
