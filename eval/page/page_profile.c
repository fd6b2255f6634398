/* Traits: a questionnaire's scales beside people's, around a centre and as bars; how far what somebody with a trait says is agreed with, and how that drifted. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "eval/page/page_priv.h"

enum { MOST_SCALES = 64 };

typedef struct scale {
    const char *name;
    double low, high, mean, deviation; /* what a score can be; people's; NAN: not known */
    const json_t *each[PT_PAGE_RUNS];  /* its row of each run */
} scale;

typedef struct scales {
    scale at[MOST_SCALES];
    size_t n;
    bool one_range, people; /* all scores lie in one range; people's are known of some */
} scales;

/* What the task says of a scale: {"scale", "low", "high", "people": {"mean", "deviation", "n"} | null}. */
static void known_of(const json_t *task, scale *x)
{
    json_t *one;
    size_t i;
    x->low = x->high = x->mean = x->deviation = NAN;
    json_array_foreach(json_object_get(task, "scales"), i, one)
    {
        const json_t *people = json_object_get(one, "people");
        if (strcmp(pt_page_string(one, "scale"), x->name)) continue;
        x->low = pt_page_value(one, "low");
        x->high = pt_page_value(one, "high");
        x->mean = pt_page_value(people, "mean");
        x->deviation = pt_page_value(people, "deviation");
    }
}

static void find_scales(const pt_page_sides *s, const pt_page_task *t, scales *out)
{
    json_t *r;
    size_t i;
    *out = (scales){.one_range = true};
    json_array_foreach((json_t *)t->rows, i, r)
    {
        const char *metric = pt_page_string(r, "metric");
        scale *x = &out->at[out->n];
        if (json_is_string(json_object_get(r, "scope")) || strncmp(metric, "scale.", 6) || strchr(metric + 6, '.') || out->n == MOST_SCALES) continue;
        x->name = metric + 6;
        known_of(t->task[0] ? t->task[0] : t->task[1], x);
        for (size_t k = 0; k < s->tuned; k++) {
            if (isnan(x->low)) known_of(t->task[k], x);
            x->each[k] = pt_page_task_row(t->task[k], metric, NULL);
        }
        out->people = out->people || isfinite(x->mean);
        out->one_range = out->one_range && (!out->n || (x->low == out->at[0].low && x->high == out->at[0].high));
        out->n++;
    }
}

/* Where ranges differ: the share of a scale's own range, of 100. */
static double placed(const scales *all, const scale *x, double v)
{
    return all->one_range ? v : 100 * (v - x->low) / (x->high - x->low);
}

static json_t *number_or_null(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

static double value_of(const pt_page_sides *s, const scales *all, const scale *x, size_t c)
{
    return c < s->n ? placed(all, x, pt_page_value(pt_page_side(s, x->each, c), "value")) : placed(all, x, x->mean);
}

static pt_status put_range(const pt_page_sides *s, const scales *all, json_t *block)
{
    double low = all->one_range ? all->at[0].low : 0, high = all->one_range ? all->at[0].high : 100;
    if (!isfinite(low)) low = 1, high = 5;
    for (size_t i = 0; i < all->n; i++)
        for (size_t c = 0; c <= s->n; c++) {
            double v = value_of(s, all, &all->at[i], c);
            if (isfinite(v)) low = fmin(low, v), high = fmax(high, v);
        }
    PT_RETURN(pt_page_put(block, "low", json_real(low)));
    return pt_page_put(block, "high", json_real(high));
}

static pt_status radar(const pt_page_sides *s, const scales *all, json_t *section)
{
    json_t *block, *axes, *series;
    if (all->n < 3) return PT_OK; /* no area */
    PT_RETURN(pt_page_block(section, "radar", all->one_range ? "Profile" : "Profile, of 100 parts of each scale's range", &block));
    PT_RETURN(pt_page_put(block, "axes", axes = json_array()));
    PT_RETURN(pt_page_put(block, "series", series = json_array()));
    for (size_t i = 0; i < all->n; i++) PT_RETURN(pt_page_push(axes, json_string(all->at[i].name)));
    for (size_t c = 0; c < s->n + all->people; c++) {
        json_t *one = json_object(), *values;
        PT_RETURN(pt_page_push(series, one));
        PT_RETURN(pt_page_put(one, "name", c < s->n ? pt_page_text(s->name[c], strlen(s->name[c])) : json_string("people")));
        PT_RETURN(pt_page_put(one, "values", values = json_array()));
        for (size_t i = 0; i < all->n; i++) PT_RETURN(pt_page_push(values, number_or_null(value_of(s, all, &all->at[i], c))));
    }
    return put_range(s, all, block);
}

static json_t *bar(double v, double lo, double hi)
{
    return isfinite(v) ? json_pack("{s:f, s:f, s:f}", "value", v, "lo", isfinite(lo) ? lo : v, "hi", isfinite(hi) ? hi : v) : json_null();
}

/* The same in the scales' own units, with intervals. */
static pt_status bars(const pt_page_sides *s, const scales *all, json_t *section)
{
    json_t *block, *names, *rows;
    double low = 0, high = 0;
    PT_RETURN(pt_page_block(section, "bars", "Scores of the scales", &block));
    PT_RETURN(pt_page_put(block, "series", names = json_array()));
    PT_RETURN(pt_page_put(block, "rows", rows = json_array()));
    for (size_t c = 0; c < s->n + all->people; c++)
        PT_RETURN(pt_page_push(names, c < s->n ? pt_page_text(s->name[c], strlen(s->name[c])) : json_string("people (line: one standard deviation)")));
    for (size_t i = 0; i < all->n; i++) {
        const scale *x = &all->at[i];
        json_t *row = json_object(), *values;
        PT_RETURN(pt_page_push(rows, row));
        PT_RETURN(pt_page_put(row, "name", json_string(x->name)));
        PT_RETURN(pt_page_put(row, "values", values = json_array()));
        for (size_t c = 0; c < s->n + all->people; c++) {
            const json_t *o = c < s->n ? pt_page_side(s, x->each, c) : NULL, *ci = json_object_get(o, "ci");
            double v = o ? pt_page_value(o, "value") : c < s->n ? NAN : x->mean;
            double lo = c < s->n ? json_array_size(ci) == 2 ? json_number_value(json_array_get(ci, 0)) : v : v - x->deviation;
            double hi = c < s->n ? json_array_size(ci) == 2 ? json_number_value(json_array_get(ci, 1)) : v : v + x->deviation;
            if (isfinite(v)) low = fmin(low, fmin(v, lo)), high = fmax(high, fmax(v, hi));
            PT_RETURN(pt_page_push(values, bar(v, lo, hi)));
        }
    }
    PT_RETURN(pt_page_put(block, "low", json_real(low)));
    return pt_page_put(block, "high", json_real(high));
}

pt_status pt_page_profile(const pt_page_sides *s, const pt_page_task *t, json_t *section)
{
    scales all;
    find_scales(s, t, &all);
    if (!all.n) return PT_OK;
    PT_RETURN(radar(s, &all, section));
    return bars(s, &all, section);
}

/* ---- drift ---- */

/* After less before, of each trait, with the interval of the change. */
static pt_status drift_row(const pt_page_sides *s, const pt_page_task *t, const json_t *like, json_t *rows, double *low, double *high)
{
    json_t *row = json_object(), *values;
    PT_RETURN(pt_page_push(rows, row));
    PT_RETURN(pt_page_put(row, "name", json_is_string(json_object_get(like, "scope")) ? json_incref(json_object_get(like, "scope")) : json_string("all")));
    PT_RETURN(pt_page_put(row, "values", values = json_array()));
    for (size_t k = 0; k < s->tuned; k++) {
        const json_t *r = pt_page_task_row(t->task[k], "acc", json_string_value(json_object_get(like, "scope"))), *ci = json_object_get(r, "change_ci");
        double v = pt_page_value(json_object_get(r, "after"), "value") - pt_page_value(json_object_get(r, "before"), "value");
        double lo = json_array_size(ci) == 2 ? json_number_value(json_array_get(ci, 0)) : v, hi = json_array_size(ci) == 2 ? json_number_value(json_array_get(ci, 1)) : v;
        if (isfinite(v)) *low = fmin(*low, fmin(v, lo)), *high = fmax(*high, fmax(v, hi));
        PT_RETURN(pt_page_push(values, bar(v, lo, hi)));
    }
    return PT_OK;
}

pt_status pt_page_drift(const pt_page_sides *s, const pt_page_task *t, json_t *section)
{
    json_t *block = NULL, *names = json_array(), *rows = json_array(), *r;
    double low = 0, high = 0;
    size_t i, left = 0;
    bool statements = false, both = s->n > s->tuned;
    pt_status rc = PT_OK;
    for (size_t k = 0; k < s->tuned; k++) statements = statements || !strcmp(pt_page_string(t->task[k], "task"), "statements");
    if (!statements || !both) goto done;
    json_array_foreach((json_t *)t->rows, i, r)
    {
        if (strcmp(pt_page_string(r, "metric"), "acc")) continue;
        if (json_array_size(rows) < (size_t)s->rows) PT_TRY(drift_row(s, t, r, rows, &low, &high));
        else left++;
    }
    if (!json_array_size(rows)) goto done;
    for (size_t k = 0; k < s->tuned; k++) PT_TRY(pt_page_push(names, pt_page_text(s->name[s->n - s->tuned + k], strlen(s->name[s->n - s->tuned + k]))));
    PT_TRY(pt_page_block(section, "bars", "Drift: after less before, share of statements answered as somebody with the trait does", &block));
    PT_TRY(pt_page_put(block, "low", json_real(low)));
    PT_TRY(pt_page_put(block, "high", json_real(high)));
    PT_TRY(pt_page_put(block, "series", json_incref(names)));
    PT_TRY(pt_page_put(block, "rows", json_incref(rows)));
    PT_TRY(pt_page_left_out(block, left));
done:
    json_decref(names);
    json_decref(rows);
    return rc;
}
