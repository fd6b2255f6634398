/* What a task of classes shows beside its metrics: each class by itself, and which was taken for which. */
#ifndef PT_EVAL_CLASS_TABLE_H
#define PT_EVAL_CLASS_TABLE_H
#include "eval/task/task.h"

/* Appends a line per class: its rows, and on each side shown precision, recall and F1 (eval/metric/classes.h); then, up to PT_CONFUSION_MOST classes, the confusion
 * matrix of each side. At most 100 columns. PT_ENOMEM. */
enum { PT_CONFUSION_MOST = 8 };
pt_status pt_class_table(const pt_task *t, const bool shown[2], pt_str *out);
/* Sets "classes" of a task's JSON (eval/task/task.h). */
pt_status pt_class_json(const pt_task *t, json_t *task);
#endif
