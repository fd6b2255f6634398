#include "eval/metric/noise.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { NAME_WIDTH = 84, ROLE_WIDTH = 22, LABEL_WIDTH = 46 };

void pt_measures_clear(pt_measures *m)
{
    *m = (pt_measures){0};
    for (int i = 0; i < PT_METRICS_MOST; i++) m->v[i] = m->lo[i] = m->hi[i] = NAN;
}

void pt_changes_clear(pt_changes *c)
{
    for (int i = 0; i < PT_METRICS_MOST; i++) c->p[i] = c->raw[i] = c->lo[i] = c->hi[i] = c->wilcoxon[i] = c->mcnemar[i] = NAN;
}

void pt_report_init(pt_report *r)
{
    *r = (pt_report){0};
    pt_changes_clear(&r->change);
    pt_measures_clear(&r->side[PT_BEFORE]);
    pt_measures_clear(&r->side[PT_AFTER]);
}

void pt_report_parts_free(struct pt_report_parts *p)
{
    for (size_t i = 0; p->said && i < p->n; i++) pt_words_free(&p->said[i]);
    free(p->said);
    free(p->of);
    free(p->role);
    free(p->cluster);
    *p = (struct pt_report_parts){0};
}

void pt_report_free(pt_report *r)
{
    for (size_t i = 0; i < r->roles; i++) {
        free(r->role[i].role);
        free(r->role[i].canned);
    }
    free(r->role);
    for (int s = 0; s < 2; s++) {
        free(r->name[s]);
        pt_report_parts_free(&r->parts[s]);
        pt_report_parts_free(&r->pairs[s]);
    }
    pt_wordbook_free(&r->book);
    pt_report_init(r);
}

pt_status pt_report_name(pt_report *r, pt_side side, const char *name)
{
    char *copy;
    PT_RETURN(pt_strdup(&copy, name));
    free(r->name[side]);
    r->name[side] = copy;
    return PT_OK;
}

pt_status pt_report_role_get(pt_report *r, const char *role, pt_report_role **out)
{
    for (size_t i = 0; i < r->roles; i++) {
        *out = &r->role[i];
        if (strcmp(r->role[i].role, role) == 0) return PT_OK;
    }
    PT_RETURN(pt_reserve(&r->role, &r->role_cap, r->roles + 1));
    *out = &r->role[r->roles];
    PT_RETURN(pt_strdup(&(*out)->role, role));
    pt_changes_clear(&(*out)->change);
    pt_measures_clear(&(*out)->side[PT_BEFORE]);
    pt_measures_clear(&(*out)->side[PT_AFTER]);
    r->roles++;
    return PT_OK;
}

static double metric_of(const pt_measures *m, int id)
{
    const pt_metric_kind *k = pt_metric_kind_at(id);
    return isnan(m->v[id]) && k->derived ? k->derived(m) : m->v[id];
}

/* ---- the table ---- */

pt_status pt_report_cell(pt_str *out, const char *text, int width)
{
    size_t left = strlen(text);
    int used = 0;
    while (left) {
        utf8proc_int32_t c;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)left, &c);
        utf8proc_category_t cat = n > 0 ? utf8proc_category(c) : UTF8PROC_CATEGORY_CC;
        bool shown = cat != UTF8PROC_CATEGORY_CC && cat != UTF8PROC_CATEGORY_CF && cat != UTF8PROC_CATEGORY_CN &&
                     cat != UTF8PROC_CATEGORY_ZL && cat != UTF8PROC_CATEGORY_ZP;
        size_t bytes = n > 0 ? (size_t)n : 1;
        int columns = shown ? utf8proc_charwidth(c) : 1;
        if (used + columns > width) break;
        PT_RETURN(pt_str_add(out, shown ? text : "?", shown ? bytes : 1));
        used += columns;
        text += bytes;
        left -= bytes;
    }
    return pt_str_printf(out, "%*s", width - used, "");
}

pt_status pt_report_value(pt_str *out, pt_metric_form form, double v, int width)
{
    if (isnan(v)) return pt_str_printf(out, "%*s", width, "-");
    if (form == PT_FORM_SHARE) return pt_str_printf(out, "%*.1f %%", width - 2, 100 * v);
    if (form == PT_FORM_RATIO && fabs(v) >= 1e6) return pt_str_printf(out, "%*.2e", width, v);
    return pt_str_printf(out, "%*.*f", width, form == PT_FORM_RATIO ? 2 : fabs(v) >= 100 ? 1 : 3, v); /* ratings have four places before the point */
}

pt_status pt_report_change(pt_str *out, pt_metric_form form, int better, double before, double after, int width)
{
    double d = after - before, least = 0.0005;
    pt_status rc;
    if (!isfinite(d)) return pt_str_printf(out, "%*s", width, "-");
    if (form == PT_FORM_RATIO) {
        if (before == 0) return pt_str_printf(out, "%*s", width, "-");
        d = 100 * d / before;
        least = 0.05;
        rc = pt_str_printf(out, "%+*.1f %%", width - 2, d);
    } else if (form == PT_FORM_SHARE) {
        rc = pt_str_printf(out, "%+*.1f pt", width - 3, 100 * d);
    } else {
        const bool large = fabs(before) >= 100 || fabs(after) >= 100;
        if (large) least = 0.05;
        rc = pt_str_printf(out, "%+*.*f", width, large ? 1 : 3, d);
    }
    if (rc != PT_OK || !better || fabs(d) < least) return rc;
    return pt_str_puts(out, better * d > 0 ? "  better" : "  worse");
}

static pt_status table_overall(const pt_report *r, const bool shown[2], pt_str *out)
{
    PT_RETURN(pt_report_cell(out, "", LABEL_WIDTH));
    for (int s = 0; s < 2; s++)
        if (shown[s]) PT_RETURN(pt_str_printf(out, "%12s", s == PT_BEFORE ? "before" : "after"));
    PT_RETURN(pt_str_puts(out, shown[0] && shown[1] ? "      change\n" : "\n"));
    bool marked = false;
    for (int m = 0; m < pt_metric_count(); m++) {
        const pt_metric_kind *kind = pt_metric_kind_at(m);
        double v[2];
        for (int s = 0; s < 2; s++) v[s] = shown[s] ? metric_of(&r->side[s], m) : NAN;
        if (isnan(v[0]) && isnan(v[1])) continue;
        PT_RETURN(pt_report_cell(out, kind->label, LABEL_WIDTH));
        for (int s = 0; s < 2; s++)
            if (shown[s]) PT_RETURN(pt_report_value(out, kind->form, v[s], 12));
        if (shown[0] && shown[1] && kind->better) PT_RETURN(pt_report_change(out, kind->form, kind->better, v[0], v[1], 12));
        bool more = shown[0] && shown[1] && kind->better && r->change.p[m] < PT_NOISE_BELOW;
        PT_RETURN(pt_str_puts(out, more ? " *\n" : "\n"));
        marked = marked || more;
    }
    return marked ? pt_str_puts(out, "* more than noise: p < 0.05, paired permutation by question or pair, Holm\n") : PT_OK;
}

static pt_status table_roles(const pt_report *r, const bool shown[2], pt_str *out)
{
    pt_side last = shown[PT_AFTER] ? PT_AFTER : PT_BEFORE;
    const struct {
        int m;
        pt_side side;
        const char *top, *head;
        int width;
    } column[] = {
        {PT_METRIC_PERPLEXITY, PT_BEFORE, "perplexity", "before", 11},
        {PT_METRIC_PERPLEXITY, PT_AFTER, "", "after", 9},
        {PT_METRIC_ROUGE_L_F, PT_BEFORE, "ROUGE-L", "before", 9},
        {PT_METRIC_ROUGE_L_F, PT_AFTER, "", "after", 8},
        {PT_METRIC_CANNED_ROUGE_L, last, "", "canned", 8},
        {PT_METRIC_STOPPED, last, "", "stops", 9},
        {PT_METRIC_COPIED, last, "", "copies", 9},
        {PT_METRIC_NLL_GAP, last, "other", "- own", 8},
    };
    size_t columns = sizeof column / sizeof *column;
    PT_RETURN(pt_str_puts(out, "\n"));
    for (int line = 0; line < 2; line++) {
        PT_RETURN(pt_report_cell(out, line ? "role" : "", ROLE_WIDTH));
        PT_RETURN(pt_str_printf(out, "%5s", line ? "rows" : ""));
        for (size_t c = 0; c < columns; c++)
            if (shown[column[c].side]) {
                bool alone = !shown[!column[c].side];
                const char *top = alone && column[c].m == PT_METRIC_ROUGE_L_F ? "ROUGE-L" : column[c].top;
                if (alone && column[c].m == PT_METRIC_PERPLEXITY) top = "perplex.";
                PT_RETURN(pt_str_printf(out, "%*s", column[c].width, line ? column[c].head : top));
            }
        PT_RETURN(pt_str_puts(out, "\n"));
    }
    for (size_t i = 0; i < r->roles; i++) {
        PT_RETURN(pt_report_cell(out, r->role[i].role, ROLE_WIDTH));
        PT_RETURN(pt_str_printf(out, "%5zu", r->role[i].questions));
        for (size_t c = 0; c < columns; c++)
            if (shown[column[c].side])
                PT_RETURN(pt_report_value(out, pt_metric_kind_at(column[c].m)->form, metric_of(&r->role[i].side[column[c].side], column[c].m),
                                    column[c].width));
        PT_RETURN(pt_str_puts(out, "\n"));
    }
    return PT_OK;
}

pt_status pt_report_names(const pt_report *r, pt_str *out)
{
    for (int s = 0; s < 2; s++) {
        if (!r->name[s]) continue;
        PT_RETURN(pt_str_puts(out, s == PT_BEFORE ? "before: " : "after:  "));
        PT_RETURN(pt_report_cell(out, r->name[s], NAME_WIDTH));
        while (out->len && out->text[out->len - 1] == ' ') out->text[--out->len] = 0;
        PT_RETURN(pt_str_puts(out, "\n"));
    }
    return PT_OK;
}

pt_status pt_report_table(const pt_report *r, pt_str *out)
{
    const bool shown[2] = {r->name[PT_BEFORE] != NULL, r->name[PT_AFTER] != NULL};
    PT_RETURN(pt_str_printf(out, "%zu question%s", r->questions, r->questions == 1 ? "" : "s"));
    if (r->roles) PT_RETURN(pt_str_printf(out, ", %zu role%s", r->roles, r->roles == 1 ? "" : "s"));
    PT_RETURN(pt_str_puts(out, "\n"));
    PT_RETURN(pt_report_names(r, out));
    PT_RETURN(pt_str_puts(out, "\n"));
    PT_RETURN(table_overall(r, shown, out));
    return r->roles ? table_roles(r, shown, out) : PT_OK;
}

/* ---- JSON ---- */

json_t *pt_report_text(const char *text)
{
    pt_str clean = {0};
    json_t *j = NULL;
    size_t left = strlen(text);
    if (pt_str_add(&clean, "", 0) != PT_OK) return NULL;
    while (left) {
        utf8proc_int32_t c;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)left, &c);
        size_t bytes = n > 0 ? (size_t)n : 1;
        if (pt_str_add(&clean, n > 0 ? text : "\xef\xbf\xbd", n > 0 ? bytes : 3) != PT_OK) goto done;
        text += bytes;
        left -= bytes;
    }
    j = json_stringn(clean.text, clean.len);
done:
    pt_str_free(&clean);
    return j;
}

static json_t *json_number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

/* json_object_set_new takes the value even when it fails, and fails for a NULL value. */
static pt_status put(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0 ? PT_OK : pt_fail(PT_ENOMEM, "out of memory writing the report");
}

static pt_status put_side(json_t *parent, const char *key, const pt_measures *m, const char *name, bool with_name)
{
    json_t *o = json_object();
    PT_RETURN(put(parent, key, o));
    if (with_name) PT_RETURN(put(o, "name", pt_report_text(name)));
    for (int i = 0; i < pt_metric_count(); i++)
        if (pt_metric_of_questions(i)) PT_RETURN(put(o, pt_metric_kind_at(i)->key, json_number(metric_of(m, i))));
    json_t *ci = json_object();
    PT_RETURN(put(o, "ci", ci));
    for (int i = 0; i < pt_metric_count(); i++)
        if (isfinite(m->lo[i]) && isfinite(m->hi[i])) PT_RETURN(put(ci, pt_metric_kind_at(i)->key, json_pack("[f, f]", m->lo[i], m->hi[i])));
    return PT_OK;
}

static pt_status put_tests(json_t *parent, const pt_changes *c, bool both)
{
    static const char *const names[] = {"p", "wilcoxon", "mcnemar"};
    const double *const tests[] = {c->p, c->wilcoxon, c->mcnemar};
    for (int t = 0; t < 3; t++) {
        json_t *o = both ? json_object() : json_null();
        PT_RETURN(put(parent, names[t], o));
        for (int i = 0; both && i < pt_metric_count(); i++)
            if (isfinite(tests[t][i])) PT_RETURN(put(o, pt_metric_kind_at(i)->key, json_real(tests[t][i])));
    }
    json_t *ci = both ? json_object() : json_null();
    PT_RETURN(put(parent, "change_ci", ci));
    for (int i = 0; both && i < pt_metric_count(); i++)
        if (isfinite(c->lo[i]) && isfinite(c->hi[i])) PT_RETURN(put(ci, pt_metric_kind_at(i)->key, json_pack("[f, f]", c->lo[i], c->hi[i])));
    return PT_OK;
}

static pt_status put_sides(json_t *parent, const pt_report *r, const pt_measures side[2], bool with_name)
{
    static const char *const key[2] = {"before", "after"};
    for (int s = 0; s < 2; s++) {
        if (r->name[s])
            PT_RETURN(put_side(parent, key[s], &side[s], r->name[s], with_name));
        else
            PT_RETURN(put(parent, key[s], json_null()));
    }
    return PT_OK;
}

static pt_status put_roles(json_t *parent, const pt_report *r)
{
    json_t *list = json_array();
    PT_RETURN(put(parent, "roles", list));
    for (size_t i = 0; i < r->roles; i++) {
        json_t *o = json_object();
        if (json_array_append_new(list, o) != 0) return pt_fail(PT_ENOMEM, "out of memory writing the report");
        PT_RETURN(put(o, "role", pt_report_text(r->role[i].role)));
        PT_RETURN(put(o, "questions", json_integer((json_int_t)r->role[i].questions)));
        PT_RETURN(put_sides(o, r, r->role[i].side, false));
        PT_RETURN(put_tests(o, &r->role[i].change, r->name[PT_BEFORE] && r->name[PT_AFTER]));
        PT_RETURN(put(o, "canned_answer", r->role[i].canned ? pt_report_text(r->role[i].canned) : json_null()));
    }
    return PT_OK;
}

pt_status pt_report_object(const pt_report *r, json_t **out)
{
    pt_status rc = PT_OK;
    json_t *root = json_object(), *change = NULL;
    *out = root;
    PT_CHECK(root, PT_ENOMEM, "out of memory writing the report");
    PT_TRY(put(root, "format", json_string("ptrain-eval")));
    PT_TRY(put(root, "version", json_integer(1)));
    PT_TRY(put(root, "questions", json_integer((json_int_t)r->questions)));
    PT_TRY(put_sides(root, r, r->side, true));
    if (r->name[PT_BEFORE] && r->name[PT_AFTER]) {
        change = json_object();
        PT_TRY(put(root, "change", change));
        for (int i = 0; i < pt_metric_count(); i++) {
            double before = metric_of(&r->side[PT_BEFORE], i), after = metric_of(&r->side[PT_AFTER], i);
            if (pt_metric_of_questions(i)) PT_TRY(put(change, pt_metric_kind_at(i)->key, json_number(after - before)));
        }
    } else {
        PT_TRY(put(root, "change", json_null()));
    }
    PT_TRY(put_tests(root, &r->change, r->name[PT_BEFORE] && r->name[PT_AFTER]));
    PT_TRY(put_roles(root, r));
done:
    if (rc != PT_OK) {
        json_decref(root);
        *out = NULL;
    }
    return rc;
}

pt_status pt_report_json(const pt_report *r, char **out)
{
    json_t *root;
    PT_RETURN(pt_report_object(r, &root));
    *out = json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(10));
    json_decref(root);
    return *out ? PT_OK : pt_fail(PT_ENOMEM, "out of memory writing the report");
}
