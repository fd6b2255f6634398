/* classify: a text is of one of K classes; of the head's numbers z and the text's class y,
 *   L = -w_y log softmax(z)_y = w_y (log sum_k e^{z_k} - z_y);   dL/dz_k = w_y (softmax(z)_k - [k = y])
 * and the mean over texts: transformers' ForSequenceClassificationLoss, problem_type single_label_classification; with weights torch's CrossEntropyLoss
 * (weight = w) of reduction "none", and then the mean. */
#ifndef PT_OBJECTIVE_CLASSIFY_CORE_H
#define PT_OBJECTIVE_CLASSIFY_CORE_H
#include "train/objective/label_columns.h"

enum { pt_classify_by_rows = 0 };
enum { PT_CLASSIFY_LABELS, PT_CLASSIFY_PROBLEM, PT_CLASSIFY_WEIGHTS, PT_CLASSIFY_POOLING, pt_classify_n_options };
enum { PT_CLASSIFY_ACCURACY, PT_CLASSIFY_F1, PT_CLASSIFY_COUNTS, pt_classify_n_metrics = PT_CLASSIFY_COUNTS + PT_CLASS_COUNTS };
PT_HD double pt_core_classify(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    int classes = a->width, y = (int)a->column[PT_LABEL], best = pt_largest(a->value, classes);
    double sum = 0, w = y < s->n_list ? s->list[y] : 1;
    for (int k = 0; k < classes; k++) sum += exp(a->value[k] - a->value[best]);
    for (int k = 0; k < classes; k++) a->dvalue[k] = w * (exp(a->value[k] - a->value[best]) / sum - (k == y ? 1 : 0));
    metric[PT_CLASSIFY_ACCURACY] = best == y ? 1 : 0;
    pt_count_class(metric + PT_CLASSIFY_COUNTS, y, best);
    return w * (a->value[best] - a->value[y] + log(sum));
}
#endif

#ifdef PT_OBJECTIVE_DECLARE
static double pt_classify_f1(const double *metric, int width)
{
    return width <= PT_CLASSES_COUNTED ? pt_macro_f1(metric + PT_CLASSIFY_COUNTS) : NAN;
}
static const char *pt_classify_fits(const double *column, int width, int answers)
{
    if (column[PT_LABELS_GIVEN] == 0) return "the text has no label";
    if (column[PT_LABELS_GIVEN] != 1) return "the text has a list of labels: problem_type: multi_label_classification takes those";
    if (!pt_whole(column[PT_LABEL]) || column[PT_LABEL] < 0) return "the label is no class: classes are counted from 0";
    return column[PT_LABEL] < width ? NULL : "the label is past the last of num_labels classes";
}
static const pt_objective pt_objective_classify = {
    .name = "classify",
    .help = "classes of texts, by a head on the decoder",
    .channels = PT_CHANNEL_VALUES,
    .answers = 1,
    .mean = PT_MEAN_RECORDS,
    .data = "labels",
    .problem_type = "single_label_classification",
    .check = pt_label_weights_check,
    .fits = pt_classify_fits,
    .width_option = PT_CLASSIFY_LABELS,
    .list_option = 1 + PT_CLASSIFY_WEIGHTS,
    .pooling_option = 1 + PT_CLASSIFY_POOLING,
    .n_columns = 2,
    .columns = PT_LABEL_NAMES,
    .n_options = pt_classify_n_options,
    .options = {[PT_CLASSIFY_LABELS] = PT_OPTION_NUM_LABELS("2"),
                [PT_CLASSIFY_PROBLEM] = {"problem_type", PT_OPTION_WORD, NULL, .words = pt_problem_words, .effect = PT_EFFECT_SAID,
                                         .help = "classify: single_label_classification (a text is of one class; the default) or multi_label_classification "
                                                 "(each label is there or not). transformers' names."},
                [PT_CLASSIFY_WEIGHTS] = PT_OPTION_CLASS_WEIGHTS,
                [PT_CLASSIFY_POOLING] = PT_OPTION_POOLING},
    .n_metrics = pt_classify_n_metrics,
    .metrics = {[PT_CLASSIFY_ACCURACY] = {.name = "accuracy"}, [PT_CLASSIFY_F1] = {.name = "macro_f1", .derive = pt_classify_f1}},
};
#endif
