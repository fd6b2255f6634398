/* kernels/loss.h in plain loops: what ref and cpu run. A batch has thousands of rows, a step does this once a micro-batch. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kernels/check_loss.h"
#include "kernels/ref/ref.h"

#include "objective_list.h"

typedef double (*core_fn)(const pt_core_step *s, pt_core_answer *a, int n, double *metric);
#define ENTRY(name) {pt_core_##name, pt_##name##_n_metrics, pt_##name##_by_rows},
static const struct core {
    core_fn run;
    int n_metrics;
    bool by_rows;
} cores[] = {PT_OBJECTIVE_LIST(ENTRY)};

/* One batch being summed. */
typedef struct sums {
    double loss, metric[PT_CORE_METRICS];
    bool any;
} sums;

static void add(sums *s, const struct core *c, const pt_group_loss_args *a, double scale, double loss, const double *metric)
{
    s->loss += scale * loss;
    for (int k = 0; k < c->n_metrics; k++) {
        double v = a->reduce[k] == PT_REDUCE_MEAN ? scale * metric[k] : metric[k];
        s->metric[k] = s->any ? pt_reduced(s->metric[k], v, a->reduce[k]) : v;
    }
    s->any = true;
}

static void report(const sums *s, const struct core *c, const pt_group_loss_args *a)
{
    double *r = pt_at(a->report);
    if (!s->any) return;
    r[PT_REPORT_LOSS] += s->loss;
    for (int k = 0; k < c->n_metrics; k++) {
        double *to = &r[PT_REPORT_METRICS + k];
        *to = pt_reduced(*to, s->metric[k], a->reduce[k]);
    }
    if (pt_view_ok(a->mark) && !isfinite(s->loss)) pt_f32_at(a->mark)[0] = NAN;
}

/* A row's sums over the vocabulary are those of its head; their gradients go there. */
static void load_row_sums(const pt_group_loss_args *a, int64_t m, pt_core_answer *t)
{
    for (int k = 0; k < PT_VOCAB_SUMS; k++) {
        const int32_t *head = pt_view_ok(a->vocab[k].value) ? pt_at(a->vocab[k].rows) : NULL;
        if (head) *pt_core_sum(t, k) = pt_f32_at(a->vocab[k].value)[head[m]];
    }
}

static void spread_row_sums(const pt_group_loss_args *a, int64_t m, const pt_core_answer *t, double weight)
{
    for (int k = 0; k < PT_VOCAB_SUMS; k++) {
        const int32_t *head = pt_view_ok(a->vocab[k].dvalue) ? pt_at(a->vocab[k].rows) : NULL;
        if (head) pt_f32_at(a->vocab[k].dvalue)[head[m]] += (float)(weight * pt_core_dsum(t, k) / a->step.norm);
    }
}

static void by_rows(const struct core *c, const pt_group_loss_args *a, sums *s)
{
    const float *value = pt_f32_at(a->logp.value), *weight = pt_f32_at(a->row_weight);
    for (int64_t m = 0; m < a->logp.value.cols; m++) {
        double metric[PT_CORE_METRICS] = {0}, w = weight[m];
        pt_core_answer t = {.logp = value[m], .tokens = 1, .length = 1, .reference = pt_view_ok(a->reference) ? pt_f32_at(a->reference)[m] : 0};
        float d = 0;
        if (w != 0) {
            load_row_sums(a, m, &t);
            for (int k = 0; k < PT_CORE_ROW_COLUMNS; k++)
                if (pt_view_ok(a->row_column[k])) t.column[k] = pt_f32_at(a->row_column[k])[m];
            double loss = c->run(&a->step, &t, 1, metric);
            add(s, c, a, w / a->step.norm, loss, metric);
            d = (float)(w * t.dlogp / a->step.norm);
            spread_row_sums(a, m, &t, w);
        }
        if (pt_view_ok(a->logp.dvalue)) pt_f32_at(a->logp.dvalue)[m] = d;
    }
}

/* Sum over answer g of weight * number i of `width` of a value; the sum of weights in *tokens. */
static double gather(const pt_loss_channel *c, int64_t g, const float *value, int64_t width, int64_t i, double *tokens)
{
    const int32_t *start = pt_at(c->start), *rows = pt_at(c->rows);
    const float *w = pt_f32_at(c->weight);
    double sum = 0;
    *tokens = 0;
    for (int32_t k = start[g]; k < start[g + 1]; k++) {
        *tokens += w[k];
        if (w[k] != 0) sum += (double)w[k] * value[rows[k] * width + i];
    }
    return sum;
}

static void spread(const pt_loss_channel *c, int64_t g, int64_t width, int64_t i, double d)
{
    const int32_t *start = pt_at(c->start), *rows = pt_at(c->rows);
    float *to = pt_f32_at(c->dvalue);
    for (int32_t k = start[g]; k < start[g + 1]; k++) to[rows[k] * width + i] += (float)(d * pt_f32_at(c->weight)[k]);
}

/* numbers: [2 width] of this answer */
static void load_answer(const pt_group_loss_args *a, int64_t g, double *numbers, pt_core_answer *to)
{
    double tokens;
    *to = (pt_core_answer){0};
    if (pt_view_ok(a->logp.value)) {
        to->logp = gather(&a->logp, g, pt_f32_at(a->logp.value), 1, 0, &to->tokens);
        to->length = ((const int32_t *)pt_at(a->logp.start))[g + 1] - ((const int32_t *)pt_at(a->logp.start))[g];
        if (pt_view_ok(a->reference)) to->reference = gather(&a->logp, g, pt_f32_at(a->reference), 1, 0, &tokens);
        else if (pt_view_ok(a->reference_sum)) to->reference = pt_f32_at(a->reference_sum)[g];
    }
    for (int k = 0; k < PT_VOCAB_SUMS; k++)
        if (pt_view_ok(a->vocab[k].value)) *pt_core_sum(to, k) = gather(&a->vocab[k], g, pt_f32_at(a->vocab[k].value), 1, 0, &tokens);
    if (pt_view_ok(a->values.value)) {
        int64_t width = a->values.value.cols;
        double *value = width == 1 ? &to->score : numbers;
        for (int64_t i = 0; i < width; i++) value[i] = gather(&a->values, g, pt_f32_at(a->values.value), width, i, &tokens);
        for (int64_t i = 0; width > 1 && i < width; i++) numbers[width + i] = 0;
        pt_core_values(to, (int)width, numbers, width > 1 ? numbers + width : NULL);
    }
    for (int64_t k = 1; k < a->column.rows; k++) to->column[k - 1] = pt_f32_row(a->column, k)[g];
}

static void by_records(const struct core *c, const pt_group_loss_args *a, pt_core_answer *answer, double *numbers, sums *s)
{
    const int32_t *start = pt_at(a->record_start);
    int64_t records = a->record_start.cols - 1, width = pt_view_ok(a->values.value) ? a->values.value.cols : 0;
    for (int64_t r = 0; r < records; r++) {
        double metric[PT_CORE_METRICS] = {0}, w = pt_f32_at(a->column)[start[r]], scale = 1.0 / a->step.norm * w;
        int n = start[r + 1] - start[r];
        if (w == 0) continue;
        for (int i = 0; i < n; i++) load_answer(a, start[r] + i, width > 1 ? numbers + 2 * width * i : NULL, &answer[i]);
        double loss = c->run(&a->step, answer, n, metric);
        add(s, c, a, scale, loss, metric);
        for (int i = 0; i < n; i++) {
            if (pt_view_ok(a->logp.dvalue)) spread(&a->logp, start[r] + i, 1, 0, scale * answer[i].dlogp);
            for (int k = 0; k < PT_VOCAB_SUMS; k++)
                if (pt_view_ok(a->vocab[k].dvalue)) spread(&a->vocab[k], start[r] + i, 1, 0, scale * pt_core_dsum(&answer[i], k));
            for (int64_t k = 0; pt_view_ok(a->values.dvalue) && k < width; k++) spread(&a->values, start[r] + i, width, k, scale * answer[i].dvalue[k]);
        }
    }
}

static const struct core *find(int objective)
{
    return objective >= 0 && objective < (int)(sizeof cores / sizeof *cores) ? &cores[objective] : NULL;
}

pt_status pt_record_loss(int objective, const pt_core_step *step, pt_core_answer *a, int n, double *loss, double metric[PT_CORE_METRICS])
{
    const struct core *c = find(objective);
    double unused[PT_CORE_METRICS] = {0};
    if (!c) return pt_fail(PT_EARG, "group_loss: objective %d", objective);
    for (int i = 0; i < n; i++) pt_core_values(&a[i], a[i].width, a[i].value, a[i].dvalue);
    *loss = c->run(step, a, n, metric ? metric : unused);
    return PT_OK;
}

pt_status pt_host_group_loss(pt_ctx *ctx, const pt_group_loss_args *a, pt_core_answer *room, double *numbers)
{
    sums s = {0};
    const struct core *c = find(a->objective);
    if (!c) return pt_fail(PT_EARG, "group_loss: objective %d", a->objective);
    PT_RETURN(pt_check_group_loss(a, c->by_rows));
    if (ctx->dry) return PT_OK;
    if (pt_view_ok(a->logp.dvalue)) PT_RETURN(pt_host_zero(ctx, a->logp.dvalue));
    if (pt_view_ok(a->values.dvalue)) PT_RETURN(pt_host_zero(ctx, a->values.dvalue));
    for (int k = 0; k < PT_VOCAB_SUMS; k++)
        if (pt_view_ok(a->vocab[k].dvalue)) PT_RETURN(pt_host_zero(ctx, a->vocab[k].dvalue));
    if (c->by_rows) by_rows(c, a, &s);
    else by_records(c, a, room, numbers, &s);
    report(&s, c, a);
    return PT_OK;
}

pt_status pt_ref_group_loss(pt_ctx *ctx, const pt_group_loss_args *a)
{
    pt_status rc = PT_OK;
    pt_core_answer *room = NULL;
    double *numbers = NULL;
    PT_TRY(pt_alloc0(&room, a->column.cols));
    PT_TRY(pt_alloc0(&numbers, pt_group_loss_numbers(a)));
    PT_TRY(pt_host_group_loss(ctx, a, room, numbers));
done:
    free(room);
    free(numbers);
    return rc;
}

const pt_made_for pt_made_for_program = PT_MADE_FOR;
