/* Accuracy over items with options, as lm-evaluation-harness 0.4.13 defines it (lm_eval/api/task.py, process_results): the option with the highest
 * sum of log-probabilities; of the sums by characters (acc_norm) or UTF-8 bytes (acc_bytes) of the option's text, or by its tokens; less
 * the log-probability of the option behind nothing (acc_mutual_info). Of equal ones the first is taken. */
#include <math.h>

#include "eval/metric/metric.h"

/* Share of choices whose best value of a formula is the right option; NAN where none of them has what it takes. */
static double share(const pt_pick *const *c, size_t n, size_t *counted, double (*value)(const pt_pick *c, int k))
{
    size_t right = 0;
    *counted = 0;
    for (size_t i = 0; i < n; i++) {
        int best = 0;
        if (!c[i]->logp || c[i]->gold < 0 || isnan(value(c[i], 0))) continue;
        for (int k = 1; k < c[i]->n; k++)
            if (value(c[i], k) > value(c[i], best)) best = k;
        right += best == c[i]->gold;
        ++*counted;
    }
    return *counted ? (double)right / (double)*counted : NAN;
}

static double by_chars(const pt_pick *c, int k)
{
    return c->chars ? c->logp[k] / c->chars[k] : NAN;
}
static double by_bytes(const pt_pick *c, int k)
{
    return c->bytes ? c->logp[k] / c->bytes[k] : NAN;
}
static double by_tokens(const pt_pick *c, int k)
{
    return c->tokens ? c->logp[k] / c->tokens[k] : NAN;
}
static double less_alone(const pt_pick *c, int k)
{
    return c->alone ? c->logp[k] - c->alone[k] : NAN;
}

/* What names no option is wrong. */
static double acc(const pt_pick *const *c, size_t n, size_t *counted)
{
    size_t right = 0;
    *counted = 0;
    for (size_t i = 0; i < n; i++) {
        right += c[i]->gold >= 0 && c[i]->picked == c[i]->gold;
        *counted += c[i]->gold >= 0;
    }
    return *counted ? (double)right / (double)*counted : NAN;
}
static double acc_norm(const pt_pick *const *c, size_t n, size_t *counted)
{
    return share(c, n, counted, by_chars);
}
static double acc_bytes(const pt_pick *const *c, size_t n, size_t *counted)
{
    return share(c, n, counted, by_bytes);
}
static double acc_tokens(const pt_pick *const *c, size_t n, size_t *counted)
{
    return share(c, n, counted, by_tokens);
}
static double acc_mutual_info(const pt_pick *const *c, size_t n, size_t *counted)
{
    return share(c, n, counted, less_alone);
}

/* Answers that name no option, of those that were written. */
static double unread(const pt_pick *const *c, size_t n, size_t *counted)
{
    size_t none = 0;
    *counted = 0;
    for (size_t i = 0; i < n; i++) {
        if (c[i]->logp) continue;
        none += c[i]->picked < 0;
        ++*counted;
    }
    return *counted ? (double)none / (double)*counted : NAN;
}

const pt_metric_kind pt_metric_kind_acc = {.key = "acc", .label = "accuracy", .form = PT_FORM_SHARE, .better = 1, .choices = acc, .mean = true};
const pt_metric_kind pt_metric_kind_acc_norm = {.key = "acc_norm", .label = "accuracy, likelihood by character", .form = PT_FORM_SHARE, .better = 1,
                                                .choices = acc_norm, .mean = true};
const pt_metric_kind pt_metric_kind_acc_bytes = {.key = "acc_bytes", .label = "accuracy, likelihood by byte", .form = PT_FORM_SHARE, .better = 1,
                                                 .choices = acc_bytes, .mean = true};
const pt_metric_kind pt_metric_kind_acc_tokens = {.key = "acc_tokens", .label = "accuracy, likelihood by token", .form = PT_FORM_SHARE, .better = 1,
                                                  .choices = acc_tokens, .mean = true};
const pt_metric_kind pt_metric_kind_acc_mutual_info = {.key = "acc_mutual_info", .label = "accuracy, against the option alone", .form = PT_FORM_SHARE,
                                                       .better = 1, .choices = acc_mutual_info, .mean = true};
const pt_metric_kind pt_metric_kind_unread = {.key = "parse_failures", .label = "answers that name no option", .form = PT_FORM_SHARE, .better = -1,
                                              .choices = unread, .mean = true};
