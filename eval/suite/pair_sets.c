#include "eval/suite/pair_sets.h"

#include <math.h>
#include <string.h>

#include "eval/metric/metric.h"

enum { BLOCK = 4, LEFT = 28, BASE = 10, CELL = 15 };

/* What a set is to a column. */
typedef enum relation { NONE, OWN, OTHER, UNSEEN, RELATIONS } relation;
static const char *const words[RELATIONS] = {NULL, "own", "other", "unseen"};

typedef struct figures {
    size_t n, right, grown;
    double margin;
    bool implicit;
} figures;

static const pt_questions *questions_of(const pt_suite *s)
{
    return s->data && s->data->questions->n_pairs && (s->pairs[PT_BEFORE] || s->pairs[PT_AFTER]) ? s->data->questions : NULL;
}

static bool owns(const pt_suite *s, const char *set)
{
    for (size_t i = 0; i < s->n_own_sets; i++)
        if (!strcmp(s->own_sets[i], set)) return true;
    return false;
}

static relation relation_of(const pt_suite *s, size_t n, size_t column, const char *set)
{
    const pt_questions *q = questions_of(s);
    bool any = false;
    for (size_t k = 0; k < q->n_sets; k++) any = any || owns(&s[column], q->sets[k]);
    if (!any) return NONE;
    if (owns(&s[column], set)) return OWN;
    for (size_t i = 0; i < n; i++)
        if (owns(&s[i], set)) return OTHER;
    return UNSEEN;
}

/* Of the pairs of one set (`set` below n_sets), of those that are `of` to the column, or of all. */
static figures count(const pt_suite *s, size_t n, size_t column, pt_side side, size_t set, relation of)
{
    const pt_questions *q = questions_of(s);
    const double *v = s[column].pairs[side], *base = side == PT_AFTER ? s[column].pairs[PT_BEFORE] : NULL;
    figures f = {.implicit = base != NULL};
    for (size_t i = 0; v && i < q->n_pairs; i++) {
        size_t in = q->pairs[i].set;
        if (set < q->n_sets ? in != set : of != NONE && relation_of(s, n, column, q->sets[in]) != of) continue;
        f.n++;
        f.right += v[2 * i] > v[2 * i + 1];
        if (!base) continue;
        double m = (v[2 * i] - v[2 * i + 1]) - (base[2 * i] - base[2 * i + 1]);
        f.grown += m > 0;
        f.margin += m;
    }
    return f;
}

static double share(size_t k, size_t n)
{
    return n ? (double)k / (double)n : NAN;
}

/* ---- JSON ---- */

static pt_status put(json_t *o, const char *key, json_t *v)
{
    return v && !json_object_set_new(o, key, v) ? PT_OK : pt_fail(PT_ENOMEM, "out of memory writing the report");
}

static json_t *number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

static pt_status put_figures(json_t *list, const figures *f, relation is)
{
    json_t *o = f->n ? json_object() : json_null();
    if (json_array_append_new(list, o)) return pt_fail(PT_ENOMEM, "out of memory writing the report");
    if (!f->n) return PT_OK;
    PT_RETURN(put(o, "pairs", json_integer((json_int_t)f->n)));
    PT_RETURN(put(o, "accuracy", number(share(f->right, f->n))));
    PT_RETURN(put(o, "implicit_accuracy", f->implicit ? number(share(f->grown, f->n)) : json_null()));
    PT_RETURN(put(o, "implicit_margin", f->implicit ? number(f->margin / (double)f->n) : json_null()));
    return put(o, "is", words[is] ? json_string(words[is]) : json_null());
}

/* A row of a set, of a relation, or of all pairs. */
static pt_status put_row(const pt_suite *s, size_t n, const char *name, size_t set, relation of, json_t *row)
{
    const pt_questions *q = questions_of(s);
    figures base = count(s, n, 0, PT_BEFORE, set, NONE);
    json_t *b = base.n && of == NONE ? json_object() : json_null(), *list;
    PT_RETURN(put(row, "name", pt_report_text(name)));
    PT_RETURN(put(row, "base", b));
    if (json_is_object(b)) {
        PT_RETURN(put(b, "pairs", json_integer((json_int_t)base.n)));
        PT_RETURN(put(b, "accuracy", number(share(base.right, base.n))));
    }
    PT_RETURN(put(row, "columns", list = json_array()));
    for (size_t i = 0; i < n; i++) {
        figures f = count(s, n, i, PT_AFTER, set, of);
        PT_RETURN(put_figures(list, &f, set < q->n_sets ? relation_of(s, n, i, q->sets[set]) : of));
    }
    return PT_OK;
}

static pt_status new_row(json_t *list, json_t **row)
{
    *row = json_object();
    return *row && !json_array_append_new(list, *row) ? PT_OK : pt_fail(PT_ENOMEM, "out of memory writing the report");
}

static bool any_of(const pt_suite *s, size_t n, relation of)
{
    for (size_t i = 0; i < n; i++)
        if (count(s, n, i, PT_AFTER, SIZE_MAX, of).n) return true;
    return false;
}

pt_status pt_pair_sets_object(const pt_suite *s, size_t n, json_t **out)
{
    pt_status rc = PT_OK;
    const pt_questions *q = questions_of(s);
    json_t *root = NULL, *sets, *groups, *row;
    *out = NULL;
    if (!q) return PT_OK;
    PT_CHECK(root = json_object(), PT_ENOMEM, "out of memory writing the report");
    PT_TRY(put(root, "sets", sets = json_array()));
    PT_TRY(put(root, "groups", groups = json_array()));
    for (size_t k = 0; k < q->n_sets; k++) {
        PT_TRY(new_row(sets, &row));
        PT_TRY(put_row(s, n, q->sets[k], k, NONE, row));
    }
    for (int of = OWN; of < RELATIONS; of++) {
        if (!any_of(s, n, (relation)of)) continue;
        PT_TRY(new_row(groups, &row));
        PT_TRY(put_row(s, n, words[of], SIZE_MAX, (relation)of, row));
    }
    PT_TRY(put(root, "all", row = json_object()));
    PT_TRY(put_row(s, n, "all", SIZE_MAX, NONE, row));
    *out = root;
    root = NULL;
done:
    json_decref(root);
    return rc;
}

/* ---- table ---- */

typedef struct block {
    const pt_suite *s;
    size_t n, from, to;
    bool implicit, base;
} block;

static pt_status put_line(const block *b, const char *name, size_t set, relation of, pt_str *out)
{
    const pt_questions *q = questions_of(b->s);
    PT_RETURN(pt_str_puts(out, "  "));
    PT_RETURN(pt_report_cell(out, name, LEFT - 2));
    if (b->base) {
        figures f = count(b->s, b->n, 0, PT_BEFORE, set, NONE);
        if (b->implicit || of != NONE || !f.n) PT_RETURN(pt_str_printf(out, "%*s", BASE, ""));
        else PT_RETURN(pt_str_printf(out, "%*.1f %%", BASE - 2, 100 * share(f.right, f.n)));
    }
    for (size_t i = b->from; i < b->to; i++) {
        figures f = count(b->s, b->n, i, PT_AFTER, set, of);
        relation is = set < q->n_sets ? relation_of(b->s, b->n, i, q->sets[set]) : NONE;
        if (!f.n || (b->implicit && !f.implicit)) PT_RETURN(pt_str_printf(out, "%*s       ", CELL - 7, "-"));
        else PT_RETURN(pt_str_printf(out, "%*.1f %% %-6s", CELL - 9, 100 * share(b->implicit ? f.grown : f.right, f.n), words[is] ? words[is] : ""));
    }
    while (out->len && out->text[out->len - 1] == ' ') out->text[--out->len] = 0;
    return pt_str_puts(out, "\n");
}

static pt_status put_block(const block *b, pt_str *out)
{
    const pt_questions *q = questions_of(b->s);
    char text[64];
    PT_RETURN(pt_report_cell(out, b->implicit ? "its margin grew, by test set" : "chosen preferred, by set", LEFT));
    if (b->base) PT_RETURN(pt_str_printf(out, "%*s", BASE, b->implicit ? "" : "base"));
    for (size_t i = b->from; i < b->to; i++) {
        snprintf(text, sizeof text, "(%zu)", i + 1);
        PT_RETURN(pt_str_printf(out, "%*s       ", CELL - 7, b->n > 1 ? text : "run"));
    }
    while (out->len && out->text[out->len - 1] == ' ') out->text[--out->len] = 0;
    PT_RETURN(pt_str_puts(out, "\n"));
    for (size_t k = 0; k < q->n_sets; k++) PT_RETURN(put_line(b, q->sets[k], k, NONE, out));
    for (int of = OWN; of < RELATIONS; of++) {
        snprintf(text, sizeof text, "all that are %s", words[of]);
        if (any_of(b->s, b->n, (relation)of)) PT_RETURN(put_line(b, text, SIZE_MAX, (relation)of, out));
    }
    return PT_OK;
}

pt_status pt_pair_sets_table(const pt_suite *s, size_t n, pt_str *out)
{
    const pt_questions *q = questions_of(s);
    block b = {.s = s, .n = n};
    if (!q || q->n_sets < 2) return PT_OK;
    b.base = s->pairs[PT_BEFORE] != NULL;
    PT_RETURN(pt_str_puts(out, "\n"));
    for (; b.from < n; b.from = b.to) {
        b.to = b.from + BLOCK < n ? b.from + BLOCK : n;
        for (int implicit = 0; implicit <= b.base; implicit++) {
            b.implicit = implicit;
            PT_RETURN(put_block(&b, out));
        }
    }
    return PT_OK;
}
