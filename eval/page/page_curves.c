/* The numbers of metrics.jsonl over steps. */
#include <math.h>
#include <string.h>

#include "eval/page/page_priv.h"

/* At most PT_PAGE_POINTS of c: of each piece its least and its largest, in their order; what is not finite is a gap. */
static pt_status put_points(json_t *series, const struct pt_page_curve *c)
{
    json_t *points = json_array();
    size_t pieces = PT_PAGE_POINTS / 2, whole = c->n <= PT_PAGE_POINTS;
    PT_RETURN(pt_page_put(series, "points", points));
    if (whole) pieces = c->n;
    for (size_t p = 0; p < pieces; p++) {
        size_t from = p * c->n / pieces, to = (p + 1) * c->n / pieces, least = from, most = from;
        for (size_t i = from; i < to; i++) {
            if (!isfinite(c->y[i])) continue;
            if (!isfinite(c->y[least]) || c->y[i] < c->y[least]) least = i;
            if (!isfinite(c->y[most]) || c->y[i] > c->y[most]) most = i;
        }
        size_t at[2] = {least < most ? least : most, least < most ? most : least};
        for (int k = 0; k < (at[0] == at[1] ? 1 : 2); k++) {
            double y = c->y[at[k]];
            PT_RETURN(pt_page_push(points, isfinite(y) ? json_pack("[f, f]", c->x[at[k]], y) : json_pack("[f, n]", c->x[at[k]])));
        }
    }
    return PT_OK;
}

static pt_status put_series(json_t *chart, const char *name, const struct pt_page_curve *c, bool marks)
{
    json_t *s = json_object();
    PT_RETURN(pt_page_push(json_object_get(chart, "series"), s));
    PT_RETURN(pt_page_put(s, "name", pt_page_text(name, strlen(name))));
    PT_RETURN(pt_page_put(s, "marks", json_boolean(marks)));
    return put_points(s, c);
}

static bool of_eval(const char *key)
{
    return !strncmp(key, "eval_", 5) || !strncmp(key, "test_", 5);
}

/* A chart of one number, a series a run; with one run its value on test data beside it. */
static pt_status put_chart(json_t *section, const char *title, const char *key, const pt_page_run *runs, size_t n)
{
    json_t *chart;
    char beside[80];
    size_t most = 0;
    for (size_t i = 0; i < n; i++) {
        const struct pt_page_curve *c = pt_page_curve_find(&runs[i], key);
        if (c && c->n > most) most = c->n;
    }
    if (most < 2) return PT_OK; /* a number alone is in a table */
    PT_RETURN(pt_page_block(section, "chart", title, &chart));
    PT_RETURN(pt_page_put(chart, "x", json_string("step")));
    PT_RETURN(pt_page_put(chart, "series", json_array()));
    snprintf(beside, sizeof beside, "eval_%.70s", key);
    for (size_t i = 0; i < n; i++) {
        const struct pt_page_curve *c = pt_page_curve_find(&runs[i], key), *held = n == 1 && !of_eval(key) ? pt_page_curve_find(&runs[i], beside) : NULL;
        if (c) PT_RETURN(put_series(chart, n > 1 ? runs[i].name : of_eval(key) ? "test data" : "training", c, of_eval(key)));
        if (held) PT_RETURN(put_series(chart, "test data", held, true));
    }
    return PT_OK;
}

static const struct {
    const char *key, *title;
} first[] = {{"loss", "Loss"}, {"eval_loss", "Loss of test data"}, {"lr", "Learning rate"}, {"grad_norm", "Norm of the gradient, before clipping"}, {"tokens_per_second", "Tokens a second"}};

static bool passed_over(const pt_page_run *runs, const char *key, size_t n)
{
    static const char *const no[] = {"epoch", "tokens", "supervised_tokens", "records", "seconds", "during_seconds", "skipped"};
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        if (!strcmp(key, no[i]) || (of_eval(key) && strlen(key) > strlen(no[i]) && !strcmp(key + strlen(key) - strlen(no[i]), no[i]))) return true;
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        if (!strcmp(key, first[i].key)) return true;
    return n == 1 && !strncmp(key, "eval_", 5) && pt_page_curve_find(runs, key + 5); /* that one has it beside */
}

pt_status pt_page_curves(json_t *page, const pt_page_run *runs, size_t n)
{
    json_t *section;
    PT_RETURN(pt_page_section(page, "Training", &section));
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        if (n > 1 || strcmp(first[i].key, "eval_loss")) PT_RETURN(put_chart(section, first[i].title, first[i].key, runs, n));
    for (size_t r = 0; r < n; r++)
        for (size_t i = 0; i < runs[r].n_curves; i++) {
            const char *key = runs[r].curves[i].key;
            bool had = passed_over(runs, key, n);
            for (size_t k = 0; k < r && !had; k++) had = pt_page_curve_find(&runs[k], key) != NULL;
            if (!had) PT_RETURN(put_chart(section, key, key, runs, n));
        }
    if (!json_array_size(json_object_get(section, "blocks"))) return pt_page_note(section, "There are fewer than two steps, so no curves.");
    return PT_OK;
}
