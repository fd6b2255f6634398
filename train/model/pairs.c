/* Heads and losses of pairs without a round trip to the host: channels are fetched while the device goes on, and the gradient
 * of a pair's loss is made where the log-probabilities are. */
#include <stdlib.h>

#include "base/mem.h"
#include "train/model/model_impl.h"

bool pt_model_later(const pt_model *m)
{
    return m->ctx->ops->fetch && m->ctx->ops->group_loss;
}

/* A loss that is not finite makes the step's gradient so too, whatever gradient it has: then the update moves nothing, on any
 * rank, though nobody looked at the loss before it. Element 0 keeps the NaN: gradients are only added to. */
static pt_status guard(pt_model *m, pt_loss_guard_args a)
{
    a.mark = pt_view_cols(m->grad, 0, 1);
    a.mark.ld = 1;
    return m->ctx->ops->loss_guard(m->ctx, &a);
}

pt_status pt_model_logp_later(pt_model *m, const float *dlogp, float *logp)
{
    const pt_ops *ops = m->ctx->ops;
    PT_RETURN(pt_head_ready(m, false, dlogp != NULL));
    m->ctx->workspace = m->workspace;
    m->live.head_done |= dlogp != NULL;
    if (m->live.heads == 0) return PT_OK;
    if (dlogp) PT_RETURN(ops->upload(m->ctx, pt_trim_vec(m->tab.dlogp, m->live.rows), dlogp));
    PT_RETURN(pt_head_run(m, dlogp != NULL));
    if (dlogp) /* weights and their share of the loss are 0 together */
        PT_RETURN(guard(m, (pt_loss_guard_args){.value = pt_trim_vec(m->tab.logp, m->live.rows),
                                                .weight = pt_trim_vec(m->tab.dlogp, m->live.rows)}));
    return m->live.rows ? ops->fetch(m->ctx, logp, pt_trim_vec(m->tab.logp, m->live.rows)) : PT_OK;
}

pt_status pt_model_score_later(pt_model *m, float *score)
{
    const pt_ops *ops = m->ctx->ops;
    int64_t heads = m->live.heads;
    PT_RETURN(pt_head_ready(m, true, false));
    m->ctx->workspace = m->workspace;
    if (heads == 0) return PT_OK;
    PT_RETURN(pt_score_run(m));
    if (m->ctx->act != PT_F32)
        PT_RETURN(ops->cast(m->ctx, &(pt_cast_args){.y = pt_trim(m->tab.score32, heads), .x = pt_trim(m->tab.score, heads)}));
    return ops->fetch(m->ctx, score, pt_trim(m->tab.score32, heads));
}

void pt_model_drops(pt_model *m, bool on)
{
    m->live.train = on;
}

/* Groups' lists: their rows, or the head positions of their end tokens. */
static pt_status load_groups(pt_model *m, const pt_batch *b)
{
    pt_status rc = PT_OK;
    pt_ctx *c = m->ctx;
    pt_tables *t = &m->tab;
    int32_t *start = NULL, n = b->n_groups;
    float *ones = NULL;
    if (!m->opt.scalar_head) {
        m->live.n_entries = b->group_row_start[n];
        PT_CHECK(m->live.n_entries <= m->caps.group_rows, PT_ESTATE, "groups of %d rows, planned for %d", m->live.n_entries,
                 m->caps.group_rows);
        PT_TRY(c->ops->upload(c, pt_trim_vec(t->group_start, n + 1), b->group_row_start));
        if (m->live.n_entries == 0) goto done;
        PT_TRY(c->ops->upload(c, pt_trim_vec(t->group_rows, m->live.n_entries), b->group_rows));
        PT_TRY(c->ops->upload(c, pt_trim_vec(t->group_weight, m->live.n_entries), b->group_row_weight));
        goto done;
    }
    m->live.n_entries = n;
    PT_TRY(pt_alloc0(&start, n + 1));
    PT_TRY(pt_alloc0(&ones, n));
    for (int32_t g = 0; g < n; g++) {
        PT_CHECK(m->live.group_head[g] >= 0, PT_EARG, "group %d has no end token to score", g);
        start[g + 1] = g + 1;
        ones[g] = 1;
    }
    PT_TRY(c->ops->upload(c, pt_trim_vec(t->group_start, n + 1), start));
    PT_TRY(c->ops->upload(c, pt_trim_vec(t->group_rows, n), m->live.group_head));
    PT_TRY(c->ops->upload(c, pt_trim_vec(t->group_weight, n), ones));
done:
    free(start);
    free(ones);
    return rc;
}

pt_status pt_model_load_pairs(pt_model *m, const pt_batch *b, const int32_t *chosen, const int32_t *rejected, int32_t n_pairs)
{
    pt_status rc = PT_OK;
    pt_ctx *c = m->ctx;
    pt_tables *t = &m->tab;
    float *weight = NULL, *margin = NULL;
    PT_CHECK(m->live.loaded && pt_view_ok(t->chosen), PT_ESTATE, "pairs of a model that was not planned for them");
    PT_CHECK(b->n_groups == m->live.groups && n_pairs >= 0 && n_pairs <= b->n_groups, PT_ESHAPE, "%d pairs of %d groups",
             n_pairs, b->n_groups);
    m->live.n_pairs = n_pairs;
    m->live.has_margin = b->group_margin != NULL;
    if (n_pairs == 0) goto done;
    PT_TRY(pt_alloc0(&weight, n_pairs));
    PT_TRY(pt_alloc0(&margin, n_pairs));
    for (int32_t p = 0; p < n_pairs; p++) {
        weight[p] = b->group_weight[chosen[p]];
        margin[p] = b->group_margin ? b->group_margin[chosen[p]] : 0;
    }
    PT_TRY(load_groups(m, b));
    PT_TRY(c->ops->upload(c, pt_trim_vec(t->chosen, n_pairs), chosen));
    PT_TRY(c->ops->upload(c, pt_trim_vec(t->rejected, n_pairs), rejected));
    PT_TRY(c->ops->upload(c, pt_trim_vec(t->pair_weight, n_pairs), weight));
    PT_TRY(c->ops->upload(c, pt_trim_vec(t->margin, n_pairs), margin));
done:
    free(weight);
    free(margin);
    return rc;
}

pt_status pt_model_keep_reference(pt_model *m)
{
    pt_tables *t = &m->tab;
    int64_t n = m->live.groups;
    if (!pt_view_ok(t->reference) || m->opt.scalar_head)
        return pt_fail(PT_ESTATE, "a reference without pairs of log-probabilities");
    m->live.has_reference = true;
    if (m->live.n_pairs == 0) return PT_OK;
    return m->ctx->ops->group_sum(m->ctx, &(pt_group_sum_args){.sum = pt_trim_vec(t->reference, n),
                                                               .value = pt_trim_vec(t->logp, m->live.rows),
                                                               .start = pt_trim_vec(t->group_start, n + 1),
                                                               .rows = pt_trim_vec(t->group_rows, m->live.n_entries),
                                                               .weight = pt_trim_vec(t->group_weight, m->live.n_entries)});
}

pt_status pt_model_load_reference(pt_model *m, const pt_batch *b)
{
    if (!pt_view_ok(m->tab.reference) || !b->group_ref_logp) return pt_fail(PT_ESTATE, "a batch without a stored reference");
    m->live.has_reference = true;
    if (m->live.groups == 0) return PT_OK;
    return m->ctx->ops->upload(m->ctx, pt_trim_vec(m->tab.reference, m->live.groups), b->group_ref_logp);
}

pt_status pt_pair_run(pt_model *m, pt_loss_kind kind, double beta, double norm)
{
    pt_tables *t = &m->tab;
    pt_live *v = &m->live;
    bool scores = kind == PT_LOSS_REWARD;
    int64_t heads = v->heads;
    pt_group_loss_args a = {.loss = t->loss,
                            .dvalue = scores ? pt_view_reshape(t->dscore32, 1, heads) : pt_trim_vec(t->dlogp, v->rows),
                            .sum = pt_trim_vec(t->group_sum, v->groups),
                            .value = scores ? pt_view_reshape(t->score32, 1, heads) : pt_trim_vec(t->logp, v->rows),
                            .start = pt_trim_vec(t->group_start, v->groups + 1),
                            .rows = pt_trim_vec(t->group_rows, v->n_entries),
                            .weight = pt_trim_vec(t->group_weight, v->n_entries),
                            .chosen = pt_trim_vec(t->chosen, v->n_pairs),
                            .rejected = pt_trim_vec(t->rejected, v->n_pairs),
                            .ref = v->has_reference ? pt_trim_vec(t->reference, v->groups) : PT_NO_VIEW,
                            .margin = scores && v->has_margin ? pt_trim_vec(t->margin, v->n_pairs) : PT_NO_VIEW,
                            .pair_weight = pt_trim_vec(t->pair_weight, v->n_pairs),
                            .kind = kind,
                            .beta = beta,
                            .norm = norm};
    PT_RETURN(m->ctx->ops->group_loss(m->ctx, &a));
    if (!scores || m->ctx->act == PT_F32) return PT_OK;
    return m->ctx->ops->cast(m->ctx, &(pt_cast_args){.y = pt_trim(t->dscore, heads), .x = pt_trim(t->dscore32, heads)});
}

pt_status pt_model_pair_backward(pt_model *m, pt_loss_kind kind, double beta, double norm)
{
    bool scores = kind == PT_LOSS_REWARD;
    PT_RETURN(pt_head_ready(m, scores, true));
    if (!pt_view_ok(m->tab.chosen)) return pt_fail(PT_ESTATE, "pairs of a model that was not planned for them");
    if (kind == PT_LOSS_DPO && !m->live.has_reference) return pt_fail(PT_ESTATE, "dpo without a reference");
    m->ctx->workspace = m->workspace;
    m->live.head_done = true;
    if (m->live.heads == 0 || m->live.n_pairs == 0) return PT_OK;
    PT_RETURN(m->ctx->ops->zero(m->ctx, m->tab.loss)); /* the host sums the loss from the channels; here it is only guarded */
    PT_RETURN(pt_pair_run(m, kind, beta, norm));
    PT_RETURN(guard(m, (pt_loss_guard_args){.loss = m->tab.loss}));
    return scores ? pt_score_run_backward(m) : pt_head_run(m, true);
}
