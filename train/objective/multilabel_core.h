/* multilabel: each of K labels is there or not, y_k in [0, 1]; of the head's numbers z,
 *   L = 1/K sum_k w_k (softplus(z_k) - y_k z_k);   dL/dz_k = w_k (sigmoid(z_k) - y_k) / K
 * binary cross entropy, and the mean over texts: transformers' ForSequenceClassificationLoss, problem_type multi_label_classification
 * (torch.nn.BCEWithLogitsLoss, its weight = w). */
#ifndef PT_OBJECTIVE_MULTILABEL_CORE_H
#define PT_OBJECTIVE_MULTILABEL_CORE_H
#include "train/objective/label_columns.h"

enum { pt_multilabel_by_rows = 0 };
enum { PT_MULTILABEL_LABELS, PT_MULTILABEL_PROBLEM, PT_MULTILABEL_WEIGHTS, PT_MULTILABEL_POOLING, pt_multilabel_n_options };
enum { PT_MULTILABEL_ACCURACY, PT_MULTILABEL_EXACT, PT_MULTILABEL_F1, PT_MULTILABEL_COUNTS, pt_multilabel_n_metrics = PT_MULTILABEL_COUNTS + PT_CLASS_COUNTS };
PT_HD double pt_core_multilabel(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    double loss = 0, right = 0;
    for (int k = 0; k < a->width; k++) {
        double z = a->value[k], y = a->column[PT_LABEL + k], w = (k < s->n_list ? s->list[k] : 1) / a->width;
        int given = y >= 0.5, said = z > 0;
        loss += w * (pt_softplus(z) - y * z);
        a->dvalue[k] = w * (pt_sigmoid(z) - y);
        right += given == said ? 1 : 0;
        if (k >= PT_CLASSES_COUNTED) continue;
        metric[PT_MULTILABEL_COUNTS + PT_COUNT_GIVEN + k] = given;
        metric[PT_MULTILABEL_COUNTS + PT_COUNT_SAID + k] = said;
        metric[PT_MULTILABEL_COUNTS + PT_COUNT_RIGHT + k] = given && said ? 1 : 0;
    }
    metric[PT_MULTILABEL_ACCURACY] = right / a->width;
    metric[PT_MULTILABEL_EXACT] = right == a->width ? 1 : 0;
    return loss;
}
#endif

#ifdef PT_OBJECTIVE_DECLARE
static double pt_multilabel_f1(const double *metric, int width)
{
    return width <= PT_CLASSES_COUNTED ? pt_macro_f1(metric + PT_MULTILABEL_COUNTS) : NAN;
}
static const char *pt_multilabel_fits(const double *column, int width, int answers)
{
    if (column[PT_LABELS_GIVEN] == 0) return "the text has no label";
    if (width > PT_LABELS_MOST) return "num_labels is more than the 32 that a text can have";
    if (column[PT_LABELS_GIVEN] != width) return "the text has another number of labels than num_labels: a list of names (with `labels` of the data set), or 0 and 1 for each label";
    for (int k = 0; k < width; k++)
        if (column[PT_LABEL + k] < 0 || column[PT_LABEL + k] > 1) return "a label is there (1) or not (0), or in between";
    return NULL;
}
static const pt_objective pt_objective_multilabel = {
    .name = "multilabel",
    .channels = PT_CHANNEL_VALUES,
    .answers = 1,
    .mean = PT_MEAN_RECORDS,
    .data = "labels",
    .problem_type = "multi_label_classification",
    .check = pt_label_weights_check,
    .fits = pt_multilabel_fits,
    .variant_of = "classify",
    .variant_key = "problem_type",
    .variant_value = "multi_label_classification",
    .width_option = PT_MULTILABEL_LABELS,
    .list_option = 1 + PT_MULTILABEL_WEIGHTS,
    .pooling_option = 1 + PT_MULTILABEL_POOLING,
    .n_columns = PT_LABEL_COLUMNS,
    .columns = PT_LABEL_NAMES,
    .n_options = pt_multilabel_n_options,
    .options = {[PT_MULTILABEL_LABELS] = PT_OPTION_NUM_LABELS("2"),
                [PT_MULTILABEL_PROBLEM] = {"problem_type", PT_OPTION_WORD, NULL, .words = pt_problem_words, .effect = PT_EFFECT_SAID, .help = "As of classify."},
                [PT_MULTILABEL_WEIGHTS] = PT_OPTION_CLASS_WEIGHTS,
                [PT_MULTILABEL_POOLING] = PT_OPTION_POOLING},
    .n_metrics = pt_multilabel_n_metrics,
    .metrics = {[PT_MULTILABEL_ACCURACY] = {.name = "accuracy"},
                [PT_MULTILABEL_EXACT] = {.name = "exact_match"},
                [PT_MULTILABEL_F1] = {.name = "macro_f1", .derive = pt_multilabel_f1}},
};
#endif
