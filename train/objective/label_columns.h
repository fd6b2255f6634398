/* What the objectives of labelled texts have in common: the columns that their cores read, the options that they share, and the counts of which scores
 * of classes are made.
 *
 * A text's label is one number (a class, a level, a measure) or a list of them (a vector, or 0 and 1 for each of several labels). Column `labels_given`
 * says how many there are, 0 of a text that has none; `label` is the first, `label_1` the second ... */
#ifndef PT_OBJECTIVE_LABEL_COLUMNS_H
#define PT_OBJECTIVE_LABEL_COLUMNS_H
#include "base/loss_core.h"

enum { PT_LABELS_GIVEN, PT_LABEL, PT_LABELS_MOST = 32, PT_LABEL_COLUMNS = 1 + PT_LABELS_MOST };

/* Of the first PT_CLASSES_COUNTED classes: how often one was right, given and said. They are sums by weight, of which F1 is made. */
enum { PT_CLASSES_COUNTED = 16, PT_COUNT_RIGHT = 0, PT_COUNT_GIVEN = PT_CLASSES_COUNTED, PT_COUNT_SAID = 2 * PT_CLASSES_COUNTED, PT_CLASS_COUNTS = 3 * PT_CLASSES_COUNTED };

/* A text of class `gold` that is said to be of class `said`. */
PT_HD void pt_count_class(double *count, int gold, int said)
{
    if (gold >= 0 && gold < PT_CLASSES_COUNTED) count[PT_COUNT_GIVEN + gold] = 1;
    if (said < PT_CLASSES_COUNTED) count[PT_COUNT_SAID + said] = 1;
    if (said == gold && said < PT_CLASSES_COUNTED) count[PT_COUNT_RIGHT + said] = 1;
}

/* The class of the largest of n numbers, of equal ones the first. */
PT_HD int pt_largest(const double *v, int n)
{
    int best = 0;
    for (int k = 1; k < n; k++)
        if (v[k] > v[best]) best = k;
    return best;
}
#endif

#if defined(PT_OBJECTIVE_DECLARE) && !defined(PT_OBJECTIVE_LABEL_DECLARED)
#define PT_OBJECTIVE_LABEL_DECLARED
#define PT_LABEL_NAMES                                                                                                                          \
    {                                                                                                                                            \
        "labels_given", "label", "label_1", "label_2", "label_3", "label_4", "label_5", "label_6", "label_7", "label_8", "label_9", "label_10",   \
            "label_11", "label_12", "label_13", "label_14", "label_15", "label_16", "label_17", "label_18", "label_19", "label_20", "label_21",   \
            "label_22", "label_23", "label_24", "label_25", "label_26", "label_27", "label_28", "label_29", "label_30", "label_31"                \
    }

#define PT_OPTION_CLASS_WEIGHTS                                                                                                                      \
    {                                                                                                                                                \
        "class_weights", PT_OPTION_NUMBERS, NULL, 0, 1e6, .aliases = "label_weights", .effect = PT_EFFECT_SAID,                                     \
        .help = "classify, regress: what each class (or number of a vector) counts in the loss, in the order of `labels`. Default: 1 each. The mean " \
                "stays one over texts: it is not divided by the weights."                                                                            \
    }

/* F1 of a class is 2 right / (given + said); the macro mean is over the classes that were given or said. NAN where there are more classes than are
 * counted (their share of texts is not 1), or none. */
static double pt_macro_f1(const double *count)
{
    double sum = 0, n = 0;
    for (int k = 0; k < PT_CLASSES_COUNTED; k++) {
        double both = count[PT_COUNT_GIVEN + k] + count[PT_COUNT_SAID + k];
        if (!(both > 0)) continue;
        sum += 2 * count[PT_COUNT_RIGHT + k] / both;
        n++;
    }
    return n > 0 ? sum / n : NAN;
}

/* num_labels is the first option of each. */
static const char *pt_label_weights_check(const pt_core_step *s, const pt_option_value *values)
{
    bool same = !s->n_list || s->n_list == (int)s->option[0];
    return same ? NULL : "class_weights has another count of numbers than num_labels: each class (or number of a vector) takes one";
}

static bool pt_whole(double v)
{
    return v == floor(v);
}
#endif
