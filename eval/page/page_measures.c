/* What evaluation found: eval.json of each run as tables, bars, profiles and matrices. A column a model: the base of the first run, and what each run tuned. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/page/page_priv.h"

#define BELOW 0.05 /* p of what is more than noise */
enum { FOLDED = 12, BROAD = 4 }; /* rows of groups that are too many to be read at once; columns that a sheet of paper holds upright */

void pt_page_sides_find(pt_page_sides *s, const pt_page_run *runs, size_t n, const pt_page_options *o, const char *how)
{
    *s = (pt_page_sides){.runs = runs, .tuned = n, .how = how, .rows = o->rows > 0 ? o->rows : PT_PAGE_ROWS};
    if (json_is_object(json_object_get(runs[0].eval, "before"))) s->name[s->n++] = n > 1 ? "base" : "before";
    for (size_t i = 0; i < n; i++) s->name[s->n++] = n > 1 ? runs[i].name : "after";
}

const json_t *pt_page_side(const pt_page_sides *s, const json_t *const each[], size_t c)
{
    size_t base = s->n - s->tuned;
    return c < base ? json_object_get(each[0], "before") : json_object_get(each[c - base], "after");
}

/* "0.412 [0.380, 0.447]", and a mark where the change is more than noise. */
static void cell(char out[120], double v, const json_t *ci, double p)
{
    char a[32], lo[32], hi[32];
    pt_page_number(a, v);
    pt_page_number(lo, json_number_value(json_array_get(ci, 0)));
    pt_page_number(hi, json_number_value(json_array_get(ci, 1)));
    bool interval = json_array_size(ci) == 2 && isfinite(v);
    const char *mark = p < BELOW ? " *" : "";
    if (interval) snprintf(out, 120, "%s [%s, %s]%s", a, lo, hi, mark);
    else snprintf(out, 120, "%s%s", a, mark);
}

static pt_status begin_table(const pt_page_sides *s, json_t *section, const char *title, const char *first, const char *second, json_t **table)
{
    const char *names[PT_PAGE_RUNS + 3] = {first, second};
    size_t k = second ? 2 : 1;
    PT_RETURN(pt_page_block(section, "table", title, table));
    for (size_t c = 0; c < s->n; c++) names[k + c] = "";
    PT_RETURN(pt_page_columns(*table, k + s->n, names, second ? "ttnnnnnnnnn" : "tnnnnnnnnn"));
    for (size_t c = 0; c < s->n; c++) json_array_set_new(json_object_get(*table, "columns"), k + c, pt_page_text(s->name[c], strlen(s->name[c])));
    return PT_OK;
}

pt_status pt_page_left_out(json_t *block, size_t more)
{
    return more ? pt_page_put(block, "left_out", json_integer((json_int_t)more)) : PT_OK;
}

/* ---- of all questions ---- */

static pt_status overall_row(const pt_page_sides *s, const json_t *const each[], const char *key, json_t *table)
{
    json_t *row = json_array();
    PT_RETURN(pt_page_push(json_object_get(table, "rows"), row));
    PT_RETURN(pt_page_push(row, json_string(key)));
    for (size_t c = 0; c < s->n; c++) {
        const json_t *o = pt_page_side(s, each, c);
        char text[120];
        double p = c >= s->n - s->tuned ? pt_page_value(json_object_get(each[c - (s->n - s->tuned)], "p"), key) : NAN;
        cell(text, pt_page_value(o, key), json_object_get(json_object_get(o, "ci"), key), p);
        PT_RETURN(pt_page_push(row, json_string(text)));
    }
    return PT_OK;
}

static pt_status overall(const pt_page_sides *s, json_t *section)
{
    const json_t *each[PT_PAGE_RUNS];
    const char *key;
    json_t *table = NULL, *v;
    for (size_t i = 0; i < s->tuned; i++) each[i] = s->runs[i].eval;
    for (size_t c = 0; c < s->n; c++) {
        json_object_foreach((json_t *)pt_page_side(s, each, c), key, v)
        {
            bool had = !json_is_number(v);
            for (size_t k = 0; k < c && !had; k++) had = isfinite(pt_page_value(pt_page_side(s, each, k), key));
            if (had) continue;
            if (!table) PT_RETURN(begin_table(s, section, "Test data", "metric", NULL, &table));
            PT_RETURN(overall_row(s, each, key, table));
        }
    }
    return PT_OK;
}

/* ---- of a task ---- */

const json_t *pt_page_task_named(const json_t *eval, const char *name)
{
    const json_t *tasks = json_object_get(eval, "tasks");
    for (size_t i = 0; i < json_array_size(tasks); i++)
        if (!strcmp(pt_page_string(json_array_get(tasks, i), "name"), name)) return json_array_get(tasks, i);
    return NULL;
}

const json_t *pt_page_task_row(const json_t *task, const char *metric, const char *scope)
{
    const json_t *rows = json_object_get(task, "rows");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *r = json_array_get(rows, i), *v = json_object_get(r, "scope");
        if (strcmp(pt_page_string(r, "metric"), metric)) continue;
        if (scope ? json_is_string(v) && !strcmp(json_string_value(v), scope) : !json_is_string(v)) return r;
    }
    return NULL;
}

static pt_status task_row(const pt_page_sides *s, const pt_page_task *t, json_t *table, const json_t *like, bool scoped)
{
    const char *metric = pt_page_string(like, "metric"), *scope = scoped ? pt_page_string(like, "scope") : NULL;
    const json_t *each[PT_PAGE_RUNS];
    json_t *row = json_array();
    double items[PT_PAGE_RUNS + 1];
    for (size_t i = 0; i < s->tuned; i++) each[i] = pt_page_task_row(t->task[i], metric, scope);
    PT_RETURN(pt_page_push(json_object_get(table, "rows"), row));
    if (scoped) PT_RETURN(pt_page_push(row, json_string(scope[0] ? scope : "(no group)")));
    PT_RETURN(pt_page_push(row, json_string(metric)));
    for (size_t c = 0; c < s->n; c++) items[c] = pt_page_value(pt_page_side(s, each, c), "n");
    for (size_t c = 0; c < s->n; c++) {
        const json_t *o = pt_page_side(s, each, c);
        char text[120], all[160];
        bool uneven = false;
        if (json_is_string(json_object_get(o, "value"))) snprintf(text, sizeof text, "%.100s", pt_page_string(o, "value")); /* a type's letters */
        else cell(text, pt_page_value(o, "value"), json_object_get(o, "ci"), c >= s->n - s->tuned ? pt_page_value(each[c - (s->n - s->tuned)], "p") : NAN);
        for (size_t k = 0; k < s->n; k++) uneven = uneven || (items[k] > 0 && items[c] > 0 && items[k] != items[c]);
        snprintf(all, sizeof all, "%s", text);
        if (uneven) snprintf(all, sizeof all, "%s (n %.0f)", text, items[c]);
        PT_RETURN(pt_page_push(row, json_string(all)));
    }
    return PT_OK;
}

/* Bars of one metric over its groups. */
static pt_status group_bars(const pt_page_sides *s, const pt_page_task *t, json_t *section, const char *metric)
{
    json_t *bars = NULL, *names = json_array(), *rows = json_array(), *r;
    double low = 0, high = 0;
    size_t i, left = 0;
    pt_status rc = PT_OK;
    json_array_foreach((json_t *)t->rows, i, r)
    {
        json_t *row, *values;
        const json_t *each[PT_PAGE_RUNS];
        if (!json_is_string(json_object_get(r, "scope")) || strcmp(pt_page_string(r, "metric"), metric)) continue;
        if (json_array_size(rows) >= (size_t)s->rows && ++left) continue;
        for (size_t k = 0; k < s->tuned; k++) each[k] = pt_page_task_row(t->task[k], metric, pt_page_string(r, "scope"));
        PT_TRY(pt_page_push(rows, row = json_object()));
        PT_TRY(pt_page_put(row, "name", json_incref(json_object_get(r, "scope"))));
        PT_TRY(pt_page_put(row, "values", values = json_array()));
        for (size_t c = 0; c < s->n; c++) {
            const json_t *o = pt_page_side(s, each, c), *ci = json_object_get(o, "ci");
            double v = pt_page_value(o, "value"), lo = json_array_size(ci) == 2 ? json_number_value(json_array_get(ci, 0)) : v, hi = json_array_size(ci) == 2 ? json_number_value(json_array_get(ci, 1)) : v;
            if (isfinite(v)) low = fmin(low, fmin(lo, v)), high = fmax(high, fmax(hi, v));
            PT_TRY(pt_page_push(values, isfinite(v) ? json_pack("{s:f, s:f, s:f}", "value", v, "lo", lo, "hi", hi) : json_null()));
        }
    }
    if (json_array_size(rows) < 2 || !(high > low)) goto done;
    for (size_t c = 0; c < s->n; c++) PT_TRY(pt_page_push(names, pt_page_text(s->name[c], strlen(s->name[c]))));
    PT_TRY(pt_page_block(section, "bars", metric, &bars));
    PT_TRY(pt_page_put(bars, "low", json_real(low)));
    PT_TRY(pt_page_put(bars, "high", json_real(high)));
    PT_TRY(pt_page_put(bars, "series", json_incref(names)));
    PT_TRY(pt_page_put(bars, "rows", json_incref(rows)));
    PT_TRY(pt_page_left_out(bars, left));
done:
    json_decref(names);
    json_decref(rows);
    return rc;
}

/* ---- what was taken for what ---- */

static pt_status matrix(json_t *section, const char *title, const json_t *counts)
{
    json_t *block, *rows, *columns, *table, *row, *v;
    const char *key, *of;
    if (!json_object_size(counts)) return PT_OK;
    PT_RETURN(pt_page_block(section, "matrix", title, &block));
    PT_RETURN(pt_page_put(block, "rows", rows = json_array()));
    PT_RETURN(pt_page_put(block, "columns", columns = json_array()));
    PT_RETURN(pt_page_put(block, "counts", table = json_array()));
    json_object_foreach((json_t *)counts, key, row)
    {
        bool given = false;
        json_object_foreach((json_t *)counts, of, v) given = given || json_object_get(v, key);
        PT_RETURN(pt_page_push(rows, json_string(key)));
        if (given) PT_RETURN(pt_page_push(columns, json_string(key))); /* in the order of the rows, so that what is right stands on the diagonal */
    }
    json_object_foreach((json_t *)counts, key, row)
        json_object_foreach(row, of, v)
        {
            size_t k = 0;
            while (k < json_array_size(columns) && strcmp(json_string_value(json_array_get(columns, k)), of)) k++;
            if (k == json_array_size(columns)) PT_RETURN(pt_page_push(columns, json_string(of)));
        }
    json_object_foreach((json_t *)counts, key, row)
    {
        json_t *line = json_array();
        PT_RETURN(pt_page_push(table, line));
        for (size_t k = 0; k < json_array_size(columns); k++)
            PT_RETURN(pt_page_push(line, json_integer(json_integer_value(json_object_get(row, json_string_value(json_array_get(columns, k)))))));
    }
    return PT_OK;
}

static pt_status matrices(const pt_page_sides *s, const pt_page_task *t, json_t *section)
{
    const json_t *each[PT_PAGE_RUNS];
    for (size_t i = 0; i < s->tuned; i++) each[i] = json_object_get(t->task[i], "confusion");
    for (size_t c = 0; c < s->n; c++) {
        pt_str title = {0};
        pt_status rc = pt_str_printf(&title, "Right (rows) and given (columns), %s", s->name[c]);
        if (rc == PT_OK) rc = matrix(section, title.text, pt_page_side(s, each, c));
        pt_str_free(&title);
        PT_RETURN(rc);
    }
    return PT_OK;
}

static bool constrained(const pt_page_sides *s, const pt_page_task *t)
{
    bool any = false;
    for (size_t k = 0; k < s->tuned; k++) any = any || json_is_true(json_object_get(t->task[k], "constrained"));
    return any;
}

/* How often what was asked without the constraint could not be read. */
static pt_status say_free(const pt_page_sides *s, const pt_page_task *t, json_t *section)
{
    static const char *const sides[2] = {"before", "after"};
    pt_str text = {0};
    const char *between = " ";
    pt_status rc = pt_str_puts(&text, "Answers are held to what can be read. Asked freely, a sample could not be read:");
    for (size_t k = 0; k < s->tuned; k++)
        for (int side = 0; side < 2 && rc == PT_OK; side++) {
            const json_t *o = json_object_get(json_object_get(t->task[k], "free"), sides[side]);
            if (!o) continue;
            rc = pt_str_printf(&text, "%s%s %.0f of %.0f", between, sides[side], pt_page_value(o, "unread"), pt_page_value(o, "asked"));
            between = ", ";
        }
    if (rc == PT_OK) rc = pt_str_puts(&text, ".");
    if (rc == PT_OK) rc = pt_page_note(section, text.text);
    pt_str_free(&text);
    return rc;
}

static pt_status one_task(const pt_page_sides *s, const pt_page_task *t, json_t *page)
{
    json_t *section, *table, *r;
    size_t i, left = 0;
    bool scoped = false, marked = false;
    const char *first = NULL;
    pt_str title = {0};
    const bool held = constrained(s, t);
    pt_status rc = pt_str_printf(&title, "Evaluation%s: %s%s", s->how, t->name, held ? " (constrained)" : "");
    if (rc == PT_OK) rc = pt_page_section(page, title.text, &section);
    pt_str_free(&title);
    PT_RETURN(rc);
    if (held) PT_RETURN(say_free(s, t, section));
    PT_RETURN(begin_table(s, section, "Of all items", "metric", NULL, &table));
    json_array_foreach((json_t *)t->rows, i, r)
    {
        bool of_group = json_is_string(json_object_get(r, "scope"));
        scoped = scoped || of_group;
        marked = marked || pt_page_value(r, "p") < BELOW;
        if (!first) first = pt_page_string(r, "metric");
        if (of_group) continue;
        if (json_array_size(json_object_get(table, "rows")) < (size_t)s->rows) PT_RETURN(task_row(s, t, table, r, false));
        else left++;
    }
    PT_RETURN(pt_page_left_out(table, left));
    if (marked) PT_RETURN(pt_page_note(section, "* more than noise: p < 0.05, paired permutation, Holm. Brackets: 95 % interval."));
    PT_RETURN(pt_page_profile(s, t, section));
    PT_RETURN(pt_page_drift(s, t, section));
    PT_RETURN(pt_page_lists(s, t, section));
    PT_RETURN(pt_page_verdicts(s, t, section));
    if (scoped && first) PT_RETURN(group_bars(s, t, section, first));
    PT_RETURN(matrices(s, t, section));
    if (!scoped) return PT_OK;
    PT_RETURN(begin_table(s, section, "Of each group", "group", "metric", &table));
    left = 0;
    json_array_foreach((json_t *)t->rows, i, r)
    {
        if (!json_is_string(json_object_get(r, "scope"))) continue;
        if (json_array_size(json_object_get(table, "rows")) < (size_t)s->rows) PT_RETURN(task_row(s, t, table, r, true));
        else left++;
    }
    if (json_array_size(json_object_get(table, "rows")) > FOLDED) PT_RETURN(pt_page_put(table, "folded", json_true()));
    return pt_page_left_out(table, left);
}

pt_status pt_page_measures(json_t *page, const pt_page_run *runs, size_t n, const pt_page_options *o, const char *how, const char *note)
{
    pt_page_sides s;
    json_t *section;
    bool any = false;
    char title[80];
    pt_page_sides_find(&s, runs, n, o, how);
    snprintf(title, sizeof title, "Evaluation%s", how);
    PT_RETURN(pt_page_section(page, title, &section));
    for (size_t i = 0; i < n; i++) any = any || runs[i].eval;
    if (!any) return pt_page_note(section, "Nothing was evaluated yet: ptrain eval RUN does it.");
    PT_RETURN(overall(&s, section));
    if (note) PT_RETURN(pt_page_note(section, note));
    if (s.n > BROAD) PT_RETURN(pt_page_put(page, "broad", json_true()));
    for (size_t r = 0; r < n; r++) {
        const json_t *tasks = json_object_get(runs[r].eval, "tasks");
        for (size_t i = 0; i < json_array_size(tasks); i++) {
            pt_page_task t = {.name = pt_page_string(json_array_get(tasks, i), "name"), .rows = json_object_get(json_array_get(tasks, i), "rows")};
            bool had = false;
            for (size_t k = 0; k < n; k++) t.task[k] = pt_page_task_named(runs[k].eval, t.name);
            for (size_t k = 0; k < r; k++) had = had || t.task[k];
            if (!had) PT_RETURN(one_task(&s, &t, page));
        }
    }
    return PT_OK;
}
