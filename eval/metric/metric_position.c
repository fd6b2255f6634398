/* What the order of the options does, where each item was asked with its list in every rotation: then every option stood at every place equally
 * often, and whoever answers by content picks every place equally often. */
#include <math.h>

#include "eval/metric/metric.h"

enum { PLACES = 26 };

/* Whether choice i and those behind it are all n rotations of one item; then how many they are, else 0. */
static size_t whole(const pt_pick *const *c, size_t n, size_t i)
{
    size_t k = 0;
    while (i + k < n && c[i + k]->item == c[i]->item) k++;
    return c[i]->n <= PLACES && k >= (size_t)c[i]->n && c[i + k - 1]->shift == c[i]->n - 1 ? k : 0;
}

/* Half the sum over places of |share of picks there - 1/n|: 0 = every place alike, 1 - 1/n = always the same place. The mean over the items'
 * numbers of options n, by their picks. */
static double position_bias(const pt_pick *const *c, size_t n, size_t *counted)
{
    double picks[PLACES + 1][PLACES] = {{0}}, sum = 0, all = 0;
    *counted = 0;
    for (size_t i = 0, k; i < n; i += k ? k : 1) {
        k = whole(c, n, i);
        for (size_t j = i; j < i + k; j++)
            if (c[j]->picked >= 0) picks[c[j]->n][(c[j]->picked - c[j]->shift + c[j]->n) % c[j]->n]++;
        *counted += k > 0;
    }
    for (int m = 2; m <= PLACES; m++) {
        double total = 0, far = 0;
        for (int p = 0; p < m; p++) total += picks[m][p];
        for (int p = 0; p < m && total > 0; p++) far += fabs(picks[m][p] / total - 1.0 / m);
        sum += total * far / 2;
        all += total;
    }
    return all > 0 ? sum / all : NAN;
}

/* Share of items whose pick is the same option in every rotation. */
static double order_agreement(const pt_pick *const *c, size_t n, size_t *counted)
{
    size_t same = 0;
    *counted = 0;
    for (size_t i = 0, k; i < n; i += k ? k : 1) {
        k = whole(c, n, i);
        bool equal = k > 0 && c[i]->picked >= 0;
        for (size_t j = i; j < i + k; j++) equal = equal && c[j]->picked == c[i]->picked;
        same += equal;
        *counted += k > 0;
    }
    return *counted ? (double)same / (double)*counted : NAN;
}

const pt_metric_kind pt_metric_kind_position_bias = {.key = "position_bias", .label = "position bias (0 = none)", .form = PT_FORM_SCORE, .better = -1,
                                                     .choices = position_bias};
const pt_metric_kind pt_metric_kind_order_agreement = {.key = "order_agreement", .label = "same pick in every order", .form = PT_FORM_SHARE, .better = 1,
                                                       .choices = order_agreement, .mean = true};
