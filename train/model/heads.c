/* The heads: from hidden states at the head positions to log-probabilities, logits and scores, and back. */
#include <stdlib.h>
#include <string.h>

#include "train/model/model_impl.h"

/* The vocabulary head into `logp`; backward: from tab.dlogp too. */
static pt_status run_vocabulary(pt_model *m, pt_view logp, bool backward)
{
    pt_tables *t = &m->tab;
    int64_t heads = m->live.heads, rows = m->live.rows;
    pt_head_args a = {.logp = logp,
                      .lse = pt_trim_vec(t->lse, heads),
                      .x = pt_trim(t->xf, heads),
                      .w = m->head.w,
                      .row_head = pt_trim_vec(t->row_head, rows),
                      .row_target = pt_trim_vec(t->row_target, rows),
                      .temperature = 1};
    if (backward) {
        a.dx = pt_trim(t->dxf, heads);
        a.dw = m->head.dw;
        a.dlogp = pt_trim_vec(t->dlogp, rows);
    }
    return m->ctx->ops->head(m->ctx, &a);
}

pt_status pt_head_run(pt_model *m, bool backward)
{
    return run_vocabulary(m, pt_trim_vec(m->tab.logp, m->live.rows), backward);
}

pt_status pt_head_logp(pt_model *m, pt_view logp)
{
    return run_vocabulary(m, logp, false);
}

pt_status pt_head_ready(const pt_model *m, bool scalar, bool backward)
{
    if (!m->live.forwarded) return pt_fail(PT_ESTATE, "the head was asked for before a forward pass");
    if (!(m->opt.heads & (scalar ? PT_HEAD_SCALAR : PT_HEAD_VOCABULARY)))
        return pt_fail(PT_ESTATE, scalar ? "this model has no scalar head" : "this model has a scalar head, no vocabulary");
    if (backward && !(m->opt.train && m->live.kept))
        return pt_fail(PT_ESTATE, "backward without a forward pass that kept what it needs");
    return PT_OK;
}

pt_status pt_model_logp(pt_model *m, const float *dlogp, float *logp)
{
    pt_view rows = pt_trim_vec(m->tab.logp, m->live.rows);
    PT_RETURN(pt_head_ready(m, false, dlogp != NULL));
    m->ctx->workspace = m->workspace;
    if (m->live.heads == 0) {
        m->live.head_done |= dlogp != NULL;
        return PT_OK;
    }
    if (dlogp) PT_RETURN(m->ctx->ops->upload(m->ctx, pt_trim_vec(m->tab.dlogp, m->live.rows), dlogp));
    PT_RETURN(pt_head_run(m, dlogp != NULL));
    if (dlogp) m->live.head_done = true;
    return logp && m->live.rows ? m->ctx->ops->download(m->ctx, logp, rows) : PT_OK;
}

pt_status pt_score_run(pt_model *m)
{
    int64_t heads = m->live.heads;
    return m->ctx->ops->linear(
        m->ctx, &(pt_linear_args){.y = pt_trim(m->tab.score, heads), .x = pt_trim(m->tab.xf, heads), .w = m->scorer.w});
}

pt_status pt_score_run_backward(pt_model *m, bool add)
{
    const pt_ops *ops = m->ctx->ops;
    int64_t heads = m->live.heads;
    pt_view dy = pt_trim(m->tab.dscore, heads), x = pt_trim(m->tab.xf, heads);
    PT_RETURN(ops->linear_bwd_x(m->ctx, &(pt_linear_bwd_x_args){.dx = pt_trim(m->tab.dxf, heads), .dy = dy, .w = m->scorer.w, .beta = add ? 1 : 0}));
    return pt_view_ok(m->scorer.dw) ? ops->linear_bwd_w(m->ctx, &(pt_linear_bwd_w_args){.dw = m->scorer.dw, .dy = dy, .x = x})
                                  : PT_OK;
}

static float from_act(pt_dtype act, const void *host, int64_t i)
{
    return act == PT_F32 ? ((const float *)host)[i] : pt_bf16_to_f32(((const uint16_t *)host)[i]);
}

pt_status pt_model_score(pt_model *m, float *score)
{
    pt_status rc = PT_OK;
    float *all = NULL;
    PT_TRY(pt_head_ready(m, true, false));
    m->ctx->workspace = m->workspace;
    if (m->live.heads == 0) goto done;
    PT_TRY(pt_score_run(m));
    PT_TRY(pt_calloc(&all, (size_t)m->live.heads, sizeof *all));
    PT_TRY(m->ctx->ops->download(m->ctx, all, pt_trim(m->tab.score, m->live.heads)));
    for (int32_t g = 0; g < m->live.groups; g++) {
        PT_CHECK(m->live.group_head[g] >= 0, PT_EARG, "group %d has no end token to score", g);
        score[g] = from_act(m->ctx->act, all, m->live.group_head[g]);
    }
done:
    free(all);
    return rc;
}

pt_status pt_model_score_backward(pt_model *m, const float *dscore)
{
    pt_status rc = PT_OK;
    float *all = NULL;
    PT_TRY(pt_head_ready(m, true, true));
    m->ctx->workspace = m->workspace;
    m->live.head_done = true;
    if (m->live.heads == 0) goto done;
    PT_TRY(pt_calloc(&all, (size_t)m->live.heads, sizeof *all));
    for (int32_t g = 0; g < m->live.groups; g++) {
        PT_CHECK(m->live.group_head[g] >= 0, PT_EARG, "group %d has no end token to score", g);
        all[m->live.group_head[g]] += dscore[g]; /* equal answers share their end token */
    }
    for (int32_t i = 0; m->ctx->act == PT_BF16 && i < m->live.heads; i++) {
        uint16_t b = pt_f32_to_bf16(all[i]);
        memcpy((char *)all + 2 * (size_t)i, &b, 2);
    }
    PT_TRY(m->ctx->ops->upload(m->ctx, pt_trim(m->tab.dscore, m->live.heads), all));
    PT_TRY(pt_score_run_backward(m, false));
done:
    free(all);
    return rc;
}

/* logits of hf's first rows, as f32. */
pt_status pt_decode_logits(pt_model *m, int rows, pt_view x)
{
    const pt_ops *ops = m->ctx->ops;
    pt_view logits = pt_trim(m->dec.logits, rows);
    PT_RETURN(ops->linear(m->ctx, &(pt_linear_args){.y = logits, .x = x, .w = m->head.w}));
    if (m->dec.logits32.off == m->dec.logits.off) return PT_OK;
    return ops->cast(m->ctx, &(pt_cast_args){.y = pt_trim(m->dec.logits32, rows), .x = logits});
}
