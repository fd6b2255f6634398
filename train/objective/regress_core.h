/* regress: K numbers of a text, y; of the head's numbers z and d = z - y,
 *   L = 1/K sum_k w_k l(d_k)
 *   mse:   l(d) = d^2;                                             l'(d) = 2 d
 *   huber: l(d) = d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2);   l'(d) = d, else delta sign(d)
 * and the mean over texts: transformers' ForSequenceClassificationLoss, problem_type regression (torch.nn.MSELoss); torch.nn.HuberLoss(delta). With one
 * number it is a reward model that is trained on ratings. */
#ifndef PT_OBJECTIVE_REGRESS_CORE_H
#define PT_OBJECTIVE_REGRESS_CORE_H
#include "train/objective/label_columns.h"

enum { pt_regress_by_rows = 0, PT_REGRESS_MSE = 1, PT_REGRESS_HUBER };
enum { PT_REGRESS_LABELS, PT_REGRESS_LOSS, PT_REGRESS_DELTA, PT_REGRESS_WEIGHTS, PT_REGRESS_POOLING, pt_regress_n_options };
/* Of the first numbers of a vector, sums of which their correlation is made. */
enum { PT_REGRESS_COUNTED = 8, PT_REGRESS_Z = 0, PT_REGRESS_Y = 8, PT_REGRESS_ZZ = 16, PT_REGRESS_YY = 24, PT_REGRESS_ZY = 32 };
enum { PT_REGRESS_MAE, PT_REGRESS_MEAN_SQUARE, PT_REGRESS_PEARSON, PT_REGRESS_SUMS, pt_regress_n_metrics = PT_REGRESS_SUMS + 40 };
PT_HD double pt_core_regress(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    double loss = 0, delta = s->option[PT_REGRESS_DELTA], *sum = metric + PT_REGRESS_SUMS;
    int huber = s->option[PT_REGRESS_LOSS] == PT_REGRESS_HUBER;
    for (int k = 0; k < a->width; k++) {
        double z = a->value[k], y = a->column[PT_LABEL + k], d = z - y, size = fabs(d), w = (k < s->n_list ? s->list[k] : 1) / a->width;
        int far = huber && size > delta;
        loss += w * (!huber ? d * d : far ? delta * (size - 0.5 * delta) : 0.5 * d * d);
        a->dvalue[k] = w * (!huber ? 2 * d : far ? (d > 0 ? delta : -delta) : d);
        metric[PT_REGRESS_MAE] += size / a->width;
        metric[PT_REGRESS_MEAN_SQUARE] += d * d / a->width;
        if (k >= PT_REGRESS_COUNTED) continue;
        sum[PT_REGRESS_Z + k] = z;
        sum[PT_REGRESS_Y + k] = y;
        sum[PT_REGRESS_ZZ + k] = z * z;
        sum[PT_REGRESS_YY + k] = y * y;
        sum[PT_REGRESS_ZY + k] = z * y;
    }
    return loss;
}
#endif

#ifdef PT_OBJECTIVE_DECLARE
static const pt_word pt_regress_words[] = {{"mse", PT_REGRESS_MSE}, {"huber", PT_REGRESS_HUBER}, {NULL, 0}};
/* Pearson's correlation of what is said and given, the mean over the vector's numbers that vary (the first eight). */
static double pt_regress_pearson(const double *metric, int width)
{
    const double *s = metric + PT_REGRESS_SUMS;
    double sum = 0, n = 0;
    for (int k = 0; k < width && k < PT_REGRESS_COUNTED; k++) {
        double z = s[PT_REGRESS_Z + k], y = s[PT_REGRESS_Y + k], zz = s[PT_REGRESS_ZZ + k] - z * z, yy = s[PT_REGRESS_YY + k] - y * y;
        if (!(zz > 1e-12 * s[PT_REGRESS_ZZ + k] && yy > 1e-12 * s[PT_REGRESS_YY + k])) continue;
        sum += (s[PT_REGRESS_ZY + k] - z * y) / sqrt(zz * yy);
        n++;
    }
    return n > 0 ? sum / n : NAN;
}
static const char *pt_regress_fits(const double *column, int width, int answers)
{
    if (column[PT_LABELS_GIVEN] == 0) return "the text has no label";
    if (width > PT_LABELS_MOST) return "num_labels is more than the 32 numbers that a text can have";
    return column[PT_LABELS_GIVEN] == width ? NULL : "the text has another number of values than num_labels";
}
static const pt_objective pt_objective_regress = {
    .name = "regress",
    .help = "numbers of texts (ratings, traits), by a head on the decoder",
    .channels = PT_CHANNEL_VALUES,
    .answers = 1,
    .mean = PT_MEAN_RECORDS,
    .data = "labels",
    .problem_type = "regression",
    .check = pt_label_weights_check,
    .fits = pt_regress_fits,
    .width_option = PT_REGRESS_LABELS,
    .list_option = 1 + PT_REGRESS_WEIGHTS,
    .pooling_option = 1 + PT_REGRESS_POOLING,
    .n_columns = PT_LABEL_COLUMNS,
    .columns = PT_LABEL_NAMES,
    .n_options = pt_regress_n_options,
    .options = {[PT_REGRESS_LABELS] = PT_OPTION_NUM_LABELS("1"),
                [PT_REGRESS_LOSS] = {"regression_loss", PT_OPTION_WORD, "mse", .words = pt_regress_words, .effect = PT_EFFECT_SAID,
                                     .help = "regress: mse (the square of the difference) or huber (far differences count by their size)."},
                [PT_REGRESS_DELTA] = {"huber_delta", PT_OPTION_NUMBER, "1", 1e-6, 1e6, .effect = PT_EFFECT_SAID,
                                      .help = "regress: from this difference on huber counts it by its size."},
                [PT_REGRESS_WEIGHTS] = PT_OPTION_CLASS_WEIGHTS,
                [PT_REGRESS_POOLING] = PT_OPTION_POOLING},
    .n_metrics = pt_regress_n_metrics,
    .metrics = {[PT_REGRESS_MAE] = {.name = "mae"}, [PT_REGRESS_MEAN_SQUARE] = {.name = "mse"}, [PT_REGRESS_PEARSON] = {.name = "pearson", .derive = pt_regress_pearson}},
};
#endif
