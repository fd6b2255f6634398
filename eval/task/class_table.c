#include "eval/task/class_table.h"

#include <stdlib.h>

#include "eval/metric/classes.h"

enum { NAME_WIDTH = 28, ROWS_WIDTH = 7, CELL_WIDTH = 10, TAKEN_WIDTH = 8 };

/* false: that side has no picks, or of too many classes. */
static pt_status count(const pt_task *t, int side, pt_classes *x, bool *have)
{
    const pt_pick **some;
    PT_RETURN(pt_alloc0(&some, t->n_choices[side]));
    for (size_t i = 0; i < t->n_choices[side]; i++) some[i] = &t->choices[side][i];
    *have = pt_classes_count(some, t->n_choices[side], x);
    free(some);
    return PT_OK;
}

/* Which was taken for which, of one side. */
static pt_status confusion(const pt_task *t, int side, const char *title, pt_str *out)
{
    size_t taken[PT_CONFUSION_MOST][PT_CONFUSION_MOST + 1] = {{0}}, n = t->n_classes, unread = 0;
    for (size_t i = 0; i < t->n_choices[side]; i++) {
        const pt_pick *c = &t->choices[side][i];
        taken[c->gold][c->picked < 0 ? n : (size_t)c->picked]++;
        unread += c->picked < 0;
    }
    PT_RETURN(pt_report_cell(out, title, NAME_WIDTH));
    for (size_t k = 0; k < n; k++) {
        PT_RETURN(pt_str_puts(out, " "));
        PT_RETURN(pt_report_cell(out, t->classes[k], TAKEN_WIDTH - 1));
    }
    PT_RETURN(pt_str_puts(out, unread ? " (none)\n" : "\n"));
    for (size_t g = 0; g < n; g++) {
        PT_RETURN(pt_report_cell(out, t->classes[g], NAME_WIDTH));
        for (size_t k = 0; k < n + (unread > 0); k++) PT_RETURN(pt_str_printf(out, " %-*zu", TAKEN_WIDTH - 1, taken[g][k]));
        PT_RETURN(pt_str_puts(out, "\n"));
    }
    return PT_OK;
}

static pt_status heads(const bool shown[2], pt_str *out)
{
    const bool both = shown[0] && shown[1];
    for (int line = !both; line < 2; line++) {
        PT_RETURN(pt_report_cell(out, line ? "class" : "", NAME_WIDTH));
        PT_RETURN(pt_str_printf(out, "%*s", ROWS_WIDTH, line ? "rows" : ""));
        for (int s = 0; s < 2; s++) {
            if (!shown[s]) continue;
            if (line) PT_RETURN(pt_str_printf(out, "%*s%*s%*s", CELL_WIDTH, "precision", CELL_WIDTH, "recall", CELL_WIDTH, "F1"));
            else PT_RETURN(pt_str_printf(out, "%*s", 3 * CELL_WIDTH, s ? "after" : "before"));
        }
        PT_RETURN(pt_str_puts(out, "\n"));
    }
    return PT_OK;
}

pt_status pt_class_table(const pt_task *t, const bool shown[2], pt_str *out)
{
    pt_classes x[2];
    bool have[2] = {false, false}, any = false;
    for (int s = 0; s < 2; s++) {
        if (shown[s]) PT_RETURN(count(t, s, &x[s], &have[s]));
        any = any || have[s];
    }
    if (!any) return PT_OK;
    PT_RETURN(heads(have, out));
    for (size_t k = 0; k < t->n_classes; k++) {
        PT_RETURN(pt_report_cell(out, t->classes[k], NAME_WIDTH));
        PT_RETURN(pt_str_printf(out, "%*.0f", ROWS_WIDTH, x[have[1]].gold[k]));
        for (int s = 0; s < 2; s++) {
            if (!have[s]) continue;
            const double v[] = {pt_class_precision(&x[s], (int)k), pt_class_recall(&x[s], (int)k), pt_class_f1(&x[s], (int)k)};
            for (int i = 0; i < 3; i++) PT_RETURN(pt_report_value(out, PT_FORM_SHARE, v[i], CELL_WIDTH));
        }
        PT_RETURN(pt_str_puts(out, "\n"));
    }
    for (int s = 0; s < 2 && t->n_classes <= PT_CONFUSION_MOST; s++)
        if (have[s]) PT_RETURN(confusion(t, s, have[0] && have[1] ? s ? "class, taken for (after)" : "class, taken for (before)" : "class, taken for", out));
    return PT_OK;
}

pt_status pt_class_json(const pt_task *t, json_t *task)
{
    static const char *const names[2] = {"before", "after"};
    pt_classes x;
    bool have, bad;
    json_t *all = json_object();
    bad = json_object_set_new(task, "classes", all) != 0;
    for (int s = 0; s < 2; s++) {
        json_t *list = json_array();
        bad = json_object_set_new(all, names[s], list) != 0 || bad;
        PT_RETURN(count(t, s, &x, &have));
        for (int k = 0; have && k < x.k; k++) {
            json_t *row = json_pack("{sf sf sf sI sI}", "precision", pt_class_precision(&x, k), "recall", pt_class_recall(&x, k), "f1", pt_class_f1(&x, k),
                                    "support", (json_int_t)x.gold[k], "picked", (json_int_t)x.picked[k]);
            bad = !row || json_object_set_new(row, "class", pt_report_text(t->classes[k])) || json_array_append_new(list, row) || bad;
        }
    }
    return bad ? pt_fail(PT_ENOMEM, "out of memory writing the report") : PT_OK;
}
