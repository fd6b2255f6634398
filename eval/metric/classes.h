/* Counts of classes: which stood in the rows, and which were picked. */
#ifndef PT_EVAL_CLASSES_H
#define PT_EVAL_CLASSES_H
#include "eval/metric/outcome.h"

enum { PT_CLASSES_MOST = 512 };

typedef struct pt_classes {
    int k;              /* classes */
    double n, right;    /* picks; those that are right */
    double unread;      /* that name no class */
    double gold[PT_CLASSES_MOST], picked[PT_CLASSES_MOST], hit[PT_CLASSES_MOST]; /* [k] by class: in the rows; picked; both */
    double gold_read[PT_CLASSES_MOST]; /* [k] in the rows of those that name a class */
} pt_classes;
/* false: no picks, one whose class nobody says, or of more than PT_CLASSES_MOST options. */
bool pt_classes_count(const pt_pick *const *c, size_t n, pt_classes *out);

/* 2 hit / (gold + picked); 0 / 0 is 0. Precision: hit / picked, recall: hit / gold, likewise. */
double pt_class_f1(const pt_classes *x, int k);
double pt_class_precision(const pt_classes *x, int k);
double pt_class_recall(const pt_classes *x, int k);
/* Whether it stood in a row or was picked: the others count for no mean. */
bool pt_class_met(const pt_classes *x, int k);
#endif
