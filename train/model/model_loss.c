/* The loss of the loaded batch where its channels are (kernels/loss.h): tables, channels, gradient. Nothing here waits; what the host wants to
 * know is fetched. */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "kernels/ops.h"
#include "train/model/model_impl.h"

/* ---- tables of a batch ------------------------------------------------------------------------------------------------- */

static pt_status check_records(const pt_model *m, const pt_batch *b)
{
    const pt_loss_spec *s = &m->opt.loss;
    for (int32_t r = 0; r < b->n_records; r++) {
        int32_t n = b->record_start[r + 1] - b->record_start[r];
        if (n < 1 || (s->answers && n != s->answers))
            return pt_fail(PT_ESHAPE, "record %d of the batch has %d answers, this objective takes %d", r, n, s->answers);
    }
    if (b->n_records > 0 && b->record_start[b->n_records] != b->n_groups)
        return pt_fail(PT_ESHAPE, "%d records end at answer %d of %d", b->n_records, b->record_start[b->n_records], b->n_groups);
    return PT_OK;
}

/* The answers' lists of rows. */
static pt_status load_rows(pt_model *m, const pt_batch *b)
{
    const pt_ops *ops = m->ctx->ops;
    pt_tables *t = &m->tab;
    int32_t n = b->n_groups;
    m->loaded.n_entries = b->group_row_start[n];
    if (m->loaded.n_entries > m->caps.group_rows)
        return pt_fail(PT_ESTATE, "answers of %d rows, planned for %d", m->loaded.n_entries, m->caps.group_rows);
    PT_RETURN(ops->upload(m->ctx, pt_trim_vec(t->group_start, n + 1), b->group_row_start));
    if (m->loaded.n_entries == 0) return PT_OK;
    PT_RETURN(ops->upload(m->ctx, pt_trim_vec(t->group_rows, m->loaded.n_entries), b->group_rows));
    if (m->opt.loss.vocab) { /* sums over the vocabulary are of head positions */
        for (int32_t k = 0; k < m->loaded.n_entries; k++) m->loaded.entry_head[k] = b->row_head[b->group_rows[k]];
        PT_RETURN(ops->upload(m->ctx, pt_trim_vec(t->group_heads, m->loaded.n_entries), m->loaded.entry_head));
    }
    return ops->upload(m->ctx, pt_trim_vec(t->group_weight, m->loaded.n_entries), b->group_row_weight);
}

/* Of values an answer's rows are head positions: that of its end token, or those that its mean is over. */
static pt_status load_ends(pt_model *m, const pt_batch *b)
{
    const pt_ops *ops = m->ctx->ops;
    pt_tables *t = &m->tab;
    int32_t n = b->n_groups;
    for (int32_t g = 0; g < n; g++)
        if (m->loaded.end_start[g] == m->loaded.end_start[g + 1]) return pt_fail(PT_EARG, "group %d has no end token to score", g);
    PT_RETURN(ops->upload(m->ctx, pt_trim_vec(t->end_start, n + 1), m->loaded.end_start));
    PT_RETURN(ops->upload(m->ctx, pt_trim_vec(t->end_head, m->loaded.n_ends), m->loaded.end_head));
    return ops->upload(m->ctx, pt_trim_vec(t->end_weight, m->loaded.n_ends), m->loaded.end_weight);
}

static pt_status load_columns(pt_model *m, const pt_batch *b)
{
    const pt_loss_spec *s = &m->opt.loss;
    int64_t n = b->n_groups;
    for (int k = 0; k <= s->n_columns; k++) {
        const float *v = pt_batch_column_get(b, k ? s->columns[k - 1] : PT_COLUMN_WEIGHT);
        pt_view to = pt_view_rows(pt_column_view(m), k, 1);
        if (!v && k == 0) return pt_fail(PT_ESHAPE, "a batch whose answers have no weights");
        if (v) PT_RETURN(m->ctx->ops->upload(m->ctx, to, v));
        else PT_RETURN(m->ctx->ops->zero(m->ctx, to));
    }
    if (!s->reference_stored) return PT_OK;
    const float *ref = pt_batch_column_get(b, PT_COLUMN_REFERENCE);
    if (!ref) return pt_fail(PT_ESTATE, "a batch without a stored reference");
    return m->ctx->ops->upload(m->ctx, pt_trim_vec(m->tab.reference_sum, n), ref);
}

/* Of rows: their weights and columns. */
static pt_status load_row_columns(pt_model *m, const pt_batch *b)
{
    const pt_loss_spec *s = &m->opt.loss;
    if (b->n_rows == 0) return PT_OK;
    for (int k = 0; s->by_rows && k < s->n_columns; k++) {
        const float *v = pt_batch_row_column(b, s->columns[k]);
        if (!v) return pt_fail(PT_ESHAPE, "a batch without the column '%s' of rows", s->columns[k]);
        PT_RETURN(m->ctx->ops->upload(m->ctx, pt_trim_vec(m->tab.row_column[k], b->n_rows), v));
    }
    return m->ctx->ops->upload(m->ctx, pt_trim_vec(m->tab.row_weight, b->n_rows), b->row_weight);
}

pt_status pt_model_load_loss(pt_model *m, const pt_batch *b)
{
    const pt_loss_spec *s = &m->opt.loss;
    if (!m->loaded.there || !s->on) return pt_fail(PT_ESTATE, "the loss of a model that was not planned for one, or without a batch");
    m->loaded.has_reference = s->reference_stored;
    m->loaded.batch = b;
    if (s->by_rows || s->tokens) PT_RETURN(load_row_columns(m, b));
    if (s->by_rows) return PT_OK;
    PT_RETURN(check_records(m, b));
    m->loaded.records = b->n_records;
    if (b->n_groups == 0) return PT_OK;
    if (s->logp) PT_RETURN(load_rows(m, b));
    if (s->width) PT_RETURN(load_ends(m, b));
    PT_RETURN(load_columns(m, b));
    return m->ctx->ops->upload(m->ctx, pt_trim_vec(m->tab.record_start, b->n_records + 1), b->record_start);
}

pt_status pt_model_load_columns(pt_model *m, const pt_batch *b)
{
    if (!m->loaded.there || m->loaded.batch != b || m->opt.loss.by_rows) return pt_fail(PT_ESTATE, "columns of a batch whose loss is not loaded");
    return b->n_groups ? load_columns(m, b) : PT_OK;
}

pt_view pt_column_view(const pt_model *m)
{
    pt_view v = m->tab.column;
    v.rows = m->opt.loss.n_columns + 1;
    v.cols = v.ld = m->loaded.groups;
    return v;
}

/* ---- the loss ------------------------------------------------------------------------------------------------------------ */

/* Where an answer's log-probabilities are, its sums over the vocabulary are too: at the heads of its rows. */
static void vocab_channels(const pt_model *m, bool gradient, pt_group_loss_args *a)
{
    const pt_tables *t = &m->tab;
    const pt_loaded *v = &m->loaded;
    for (int k = 0; k < PT_VOCAB_SUMS; k++) {
        if (!pt_vocab_on(m, k)) continue;
        a->vocab[k] = a->logp;
        a->vocab[k].value = pt_trim_vec(t->vocab[k], v->heads);
        a->vocab[k].dvalue = gradient ? pt_trim_vec(t->dvocab[k], v->heads) : PT_NO_VIEW;
        a->vocab[k].rows = m->opt.loss.by_rows ? pt_trim_vec(t->row_head, v->rows) : pt_trim_vec(t->group_heads, v->n_entries);
    }
}

/* What the tokens of the batch say beside the loss. */
static pt_status sum_tokens(pt_model *m)
{
    const pt_tables *t = &m->tab;
    const pt_loaded *v = &m->loaded;
    if (!m->opt.loss.tokens || v->rows == 0) return PT_OK;
    return m->ctx->ops->token_sums(m->ctx, &(pt_token_sums_args){.acc = t->token_sums,
                                                                 .weight = pt_trim_vec(t->row_weight, v->rows),
                                                                 .entropy = pt_trim_vec(t->entropy, v->heads),
                                                                 .argmax = pt_trim_vec(t->argmax, v->heads),
                                                                 .row_head = pt_trim_vec(t->row_head, v->rows),
                                                                 .row_target = pt_trim_vec(t->row_target, v->rows)});
}

pt_status pt_loss_run(pt_model *m, const pt_core_step *step, bool gradient)
{
    const pt_loss_spec *s = &m->opt.loss;
    pt_tables *t = &m->tab;
    pt_loaded *v = &m->loaded;
    pt_group_loss_args a = {.objective = s->objective, .report = t->report, .step = *step};
    memcpy(a.reduce, s->reduce, sizeof a.reduce);
    PT_RETURN(sum_tokens(m));
    if (gradient || (s->linear && v->kept)) { /* element 0 keeps the NaN: gradients are only added to */
        a.mark = pt_view_cols(m->grad, 0, 1);
        a.mark.ld = 1;
    }
    if (s->logp) {
        a.logp = (pt_loss_channel){.value = pt_trim_vec(t->logp, v->rows), .dvalue = gradient && !s->logp_still ? pt_trim_vec(t->dlogp, v->rows) : PT_NO_VIEW};
        if (s->reference) a.reference = pt_trim_vec(t->reference, v->rows);
    }
    if (s->by_rows) {
        a.row_weight = pt_trim_vec(t->row_weight, v->rows);
        for (int k = 0; k < s->n_columns; k++) a.row_column[k] = pt_trim_vec(t->row_column[k], v->rows);
        vocab_channels(m, gradient, &a);
        return m->ctx->ops->group_loss(m->ctx, &a);
    }
    if (s->logp) {
        a.logp.start = pt_trim_vec(t->group_start, v->groups + 1);
        a.logp.rows = pt_trim_vec(t->group_rows, v->n_entries);
        a.logp.weight = pt_trim_vec(t->group_weight, v->n_entries);
        if (s->reference_stored) a.reference_sum = pt_trim_vec(t->reference_sum, v->groups);
        vocab_channels(m, gradient, &a);
    }
    if (s->width)
        a.values = (pt_loss_channel){.value = pt_trim(t->values, v->heads),
                                     .dvalue = gradient ? pt_trim(t->dvalues, v->heads) : PT_NO_VIEW,
                                     .start = pt_trim_vec(t->end_start, v->groups + 1),
                                     .rows = pt_trim_vec(t->end_head, v->n_ends),
                                     .weight = pt_trim_vec(t->end_weight, v->n_ends)};
    a.column = pt_column_view(m);
    a.record_start = pt_trim_vec(t->record_start, v->records + 1);
    return m->ctx->ops->group_loss(m->ctx, &a);
}

/* n numbers of the host as a view through *b. */
static pt_view host_view(pt_buf *b, const void *at, pt_dtype type, int64_t n)
{
    *b = (pt_buf){.base = (unsigned char *)at, .bytes = (size_t)n * pt_dtype_get(type)->bytes};
    return (pt_view){.buf = b, .type = type, .rows = 1, .cols = n, .ld = n};
}

/* A linear objective's gradient does not depend on the channels: the host's own arithmetic has it before the head runs. */
static pt_status known_gradient(pt_model *m, const pt_core_step *step)
{
    const pt_batch *b = m->loaded.batch;
    double report[PT_REPORT_SIZE] = {0};
    int64_t n = b->n_rows, heads = b->n_heads;
    pt_buf d, w, r, at, sum[PT_VOCAB_SUMS], column[PT_CORE_ROW_COLUMNS];
    pt_view dv = host_view(&d, m->loaded.dlogp, PT_F32, n);
    pt_group_loss_args a = {.objective = m->opt.loss.objective,
                            .logp = {.value = dv, .dvalue = dv},
                            .row_weight = host_view(&w, b->row_weight, PT_F32, n),
                            .report = host_view(&r, report, PT_F64, PT_REPORT_SIZE),
                            .step = *step};
    for (int k = 0; k < PT_VOCAB_SUMS; k++) {
        if (!pt_vocab_on(m, k)) continue;
        dv = host_view(&sum[k], m->loaded.dvocab[k], PT_F32, heads);
        a.vocab[k] = (pt_loss_channel){.value = dv, .dvalue = dv, .rows = host_view(&at, b->row_head, PT_I32, n)};
    }
    for (int k = 0; k < m->opt.loss.n_columns; k++)
        a.row_column[k] = host_view(&column[k], pt_batch_row_column(b, m->opt.loss.columns[k]), PT_F32, n);
    pt_ctx host = {.ops = &pt_ops_ref, .act = PT_F32};
    PT_RETURN(pt_ops_ref.group_loss(&host, &a));
    for (int k = 0; k < PT_VOCAB_SUMS; k++)
        if (pt_vocab_on(m, k)) PT_RETURN(m->ctx->ops->upload(m->ctx, pt_trim_vec(m->tab.dvocab[k], heads), m->loaded.dvocab[k]));
    return m->ctx->ops->upload(m->ctx, pt_trim_vec(m->tab.dlogp, n), m->loaded.dlogp);
}

/* The channels of this batch. A linear objective's gradient is known beforehand: its head goes backward in the same visit. */
static pt_status channels(pt_model *m, const pt_core_step *step, bool train)
{
    const pt_loss_spec *s = &m->opt.loss;
    for (int k = 0; k < PT_HEAD_KINDS; k++)
        if (pt_head_on(m->opt.heads, k)) PT_RETURN(pt_head_ready(m, k, train));
    if (!(train && s->linear)) {
        if (!m->loaded.measured) PT_RETURN(pt_heads_forward(m));
        return m->loaded.measured = true, PT_OK;
    }
    if (m->loaded.rows) PT_RETURN(known_gradient(m, step));
    return pt_heads_backward(m);
}

pt_status pt_model_loss(pt_model *m, const pt_core_step *step, bool train)
{
    const pt_loss_spec *s = &m->opt.loss;
    if (!s->on) return pt_fail(PT_ESTATE, "the loss of a model that was not planned for one");
    if ((s->reference || s->reference_stored || pt_vocab_on(m, PT_VOCAB_KL)) && !m->loaded.has_reference) return pt_fail(PT_ESTATE, "a loss without its reference");
    m->ctx->workspace = m->workspace;
    m->loaded.head_done |= train;
    if (m->loaded.heads == 0 || (!s->by_rows && m->loaded.records == 0)) return PT_OK;
    PT_RETURN(channels(m, step, train));
    bool gradient = train && !s->linear;
    PT_RETURN(pt_loss_run(m, step, gradient));
    return gradient ? pt_heads_backward(m) : PT_OK;
}

pt_status pt_model_keep_reference(pt_model *m)
{
    pt_tables *t = &m->tab;
    if (!m->opt.loss.reference && !pt_vocab_on(m, PT_VOCAB_KL)) return pt_fail(PT_ESTATE, "a reference that the objective does not ask for");
    PT_RETURN(pt_head_ready(m, PT_HEAD_AT_VOCABULARY, false));
    m->ctx->workspace = m->workspace;
    m->loaded.has_reference = true;
    if (m->loaded.heads == 0) return PT_OK;
    if (m->opt.loss.reference) PT_RETURN(pt_head_logp(m, pt_trim_vec(t->reference, m->loaded.rows), false));
    if (!pt_vocab_on(m, PT_VOCAB_KL)) return PT_OK;
    pt_view kept = t->normed_at_heads; /* the next pass writes into the other of the two */
    t->normed_at_heads = t->reference_at_heads;
    t->reference_at_heads = kept;
    m->loaded.forwarded = m->loaded.measured = false;
    return PT_OK;
}

void pt_model_drops(pt_model *m, bool on)
{
    m->loaded.train = on;
}

/* ---- what the host hears ------------------------------------------------------------------------------------------------- */

pt_status pt_model_report_begin(pt_model *m)
{
    double start[PT_REPORT_SIZE] = {0};
    if (!m->opt.loss.on) return pt_fail(PT_ESTATE, "the report of a model that was not planned for a loss");
    for (int k = 0; k < PT_CORE_METRICS; k++) {
        if (m->opt.loss.reduce[k] == PT_REDUCE_MAX) start[PT_REPORT_METRICS + k] = -INFINITY;
        if (m->opt.loss.reduce[k] == PT_REDUCE_MIN) start[PT_REPORT_METRICS + k] = INFINITY;
    }
    if (m->opt.loss.tokens) PT_RETURN(m->ctx->ops->zero(m->ctx, m->tab.token_sums));
    return m->ctx->ops->upload(m->ctx, m->tab.report, start);
}

pt_status pt_model_tokens_fetch(pt_model *m, double sums[PT_TOKEN_SUMS])
{
    if (!m->opt.loss.tokens) return pt_fail(PT_ESTATE, "sums over tokens of a model that was not planned for them");
    return m->ctx->ops->fetch(m->ctx, sums, m->tab.token_sums);
}

pt_status pt_model_report_fetch(pt_model *m, double report[PT_REPORT_SIZE])
{
    return m->ctx->ops->fetch(m->ctx, report, m->tab.report);
}

pt_status pt_model_answers(pt_model *m, float *logp, float *reference, float *const vocab[PT_VOCAB_SUMS], float *values)
{
    const pt_loss_spec *s = &m->opt.loss;
    const pt_tables *t = &m->tab;
    m->ctx->workspace = m->workspace;
    if (m->loaded.heads == 0) return PT_OK;
    PT_RETURN(channels(m, NULL, false));
    if (s->logp && m->loaded.rows) {
        PT_RETURN(m->ctx->ops->fetch(m->ctx, logp, pt_trim_vec(t->logp, m->loaded.rows)));
        if (s->reference) PT_RETURN(m->ctx->ops->fetch(m->ctx, reference, pt_trim_vec(t->reference, m->loaded.rows)));
    }
    for (int k = 0; k < PT_VOCAB_SUMS; k++)
        if (pt_vocab_on(m, k)) PT_RETURN(m->ctx->ops->fetch(m->ctx, vocab[k], pt_trim_vec(t->vocab[k], m->loaded.heads)));
    return s->width ? m->ctx->ops->fetch(m->ctx, values, pt_trim(t->values, m->loaded.heads)) : PT_OK;
}
