/* The document that a page is written from. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/page/page_priv.h"

enum { MOST_NAMED = 3 };

pt_status pt_page_put(json_t *o, const char *key, json_t *v)
{
    return json_object_set_new(o, key, v) == 0 ? PT_OK : pt_fail(PT_ENOMEM, "out of memory writing a report");
}

pt_status pt_page_push(json_t *list, json_t *v)
{
    return json_array_append_new(list, v) == 0 ? PT_OK : pt_fail(PT_ENOMEM, "out of memory writing a report");
}

pt_status pt_page_section(json_t *page, const char *title, json_t **section)
{
    *section = json_object();
    PT_RETURN(pt_page_push(json_object_get(page, "sections"), *section));
    PT_RETURN(pt_page_put(*section, "title", json_string(title)));
    return pt_page_put(*section, "blocks", json_array());
}

pt_status pt_page_block(json_t *section, const char *kind, const char *title, json_t **block)
{
    *block = json_object();
    PT_RETURN(pt_page_push(json_object_get(section, "blocks"), *block));
    PT_RETURN(pt_page_put(*block, "kind", json_string(kind)));
    return pt_page_put(*block, "title", json_string(title));
}

pt_status pt_page_note(json_t *section, const char *text)
{
    json_t *note;
    PT_RETURN(pt_page_block(section, "note", "", &note));
    return pt_page_put(note, "text", json_string(text));
}

pt_status pt_page_columns(json_t *table, size_t n, const char *const *names, const char *numbers)
{
    json_t *columns = json_array(), *is = json_array();
    PT_RETURN(pt_page_put(table, "columns", columns));
    PT_RETURN(pt_page_put(table, "numbers", is));
    for (size_t i = 0; i < n; i++) {
        PT_RETURN(pt_page_push(columns, json_string(names[i])));
        PT_RETURN(pt_page_push(is, json_boolean(numbers[i] == 'n')));
    }
    return pt_page_put(table, "rows", json_array());
}

void pt_page_number(char out[32], double v)
{
    double size = fabs(v);
    if (!isfinite(v)) snprintf(out, 32, "-");
    else if (v == floor(v) && size < 1e15) snprintf(out, 32, "%.0f", v);
    else if (size >= 1e6 || size < 1e-4) snprintf(out, 32, "%.3e", v);
    else {
        size_t n = (size_t)snprintf(out, 32, "%.*f", size >= 1000 ? 1 : size >= 10 ? 2 : size >= 0.01 ? 4 : 6, v);
        while (out[n - 1] == '0') out[--n] = 0; /* there is a point: 0.5000 says no more than 0.5 */
        if (out[n - 1] == '.') out[n - 1] = 0;
    }
}

double pt_page_value(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

const char *pt_page_string(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

/* Names that tell the runs apart: the last part of each folder's path, with more of it where two are the same. */
static pt_status name_runs(const char *const *dirs, pt_page_run *runs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t end = strlen(dirs[i]), from, parts = 1;
        while (end > 1 && dirs[i][end - 1] == '/') end--;
        for (bool again = true; again; parts++) {
            size_t left = parts;
            for (from = end; from && (dirs[i][from - 1] != '/' || --left);) from--;
            again = false;
            for (size_t k = 0; k < n && from; k++) {
                size_t more = strlen(dirs[k]);
                while (more > 1 && dirs[k][more - 1] == '/') more--;
                again = again || (k != i && more >= end - from && !memcmp(dirs[k] + more - (end - from), dirs[i] + from, end - from) &&
                                  (more == end - from || dirs[k][more - (end - from) - 1] == '/'));
            }
        }
        PT_RETURN(pt_strndup(&runs[i].name, dirs[i] + from, end - from));
    }
    return PT_OK;
}

/* eval_beside.json as runs that were evaluated and nothing else; *left: columns that a page has no room for. */
static pt_status runs_of(const json_t *beside, pt_page_run *runs, size_t *n, size_t *left)
{
    const char *names[PT_PAGE_RUNS];
    const size_t all = pt_page_beside_columns(beside);
    for (*n = 0; *n < all && *n < PT_PAGE_RUNS; ++*n) {
        names[*n] = runs[*n].dir = pt_page_beside_name(beside, *n);
        PT_RETURN(pt_page_beside_column(beside, *n, &runs[*n].eval));
    }
    *left = all - *n;
    return name_runs(names, runs, *n);
}

/* What was found of several beside each other, in a folder of one of them. */
static pt_status put_beside(json_t *page, const pt_page_run *of, const pt_page_options *o)
{
    pt_status rc = PT_OK;
    pt_page_run runs[PT_PAGE_RUNS] = {{0}};
    pt_str note = {0};
    size_t n = 0, left = 0;
    PT_TRY(runs_of(of->beside, runs, &n, &left));
    if (!n) goto done;
    PT_TRY(pt_str_puts(&note, "A star says that a column differs from the base by more than noise, of all columns together."));
    if (left) PT_TRY(pt_str_printf(&note, " %zu more columns are left out.", left));
    PT_TRY(pt_page_measures(page, runs, n, o, ", side by side", note.text));
    PT_TRY(pt_page_answers(page, runs, n, o, ", side by side"));
done:
    for (size_t i = 0; i < PT_PAGE_RUNS; i++) pt_page_run_close(&runs[i]);
    pt_str_free(&note);
    return rc;
}

/* What evaluation found: of one run its own, then what it was measured beside; of several together where that was done, else of each by itself. */
static pt_status put_evaluation(json_t *page, pt_page_run *runs, size_t n, const pt_page_options *o)
{
    pt_status rc = PT_OK;
    pt_str note = {0};
    const char *where = NULL;
    if (n > 1) PT_TRY(pt_page_beside_join(runs, n, &where));
    if (where) PT_TRY(pt_str_printf(&note, "A star says that a run differs from the base by more than noise, of all columns together. The figures stand in %s/eval_beside.json.", where));
    else if (n > 1) PT_TRY(pt_str_puts(&note, "Each run was evaluated by itself: a star says that it differs from its own base by more than noise. ptrain eval RUN RUN ... measures them side by side."));
    if (n > 1 || runs->eval || !runs->beside) {
        PT_TRY(pt_page_measures(page, runs, n, o, "", note.text));
        PT_TRY(pt_page_answers(page, runs, n, o, ""));
    }
    if (n == 1 && runs->beside) PT_TRY(put_beside(page, runs, o));
done:
    pt_str_free(&note);
    return rc;
}

/* What is asked for, else what the first run's config says, else PT_PAGE_ROWS. */
static pt_page_options with_rows(const pt_page_options *o, const pt_page_run *first)
{
    size_t n;
    const char *said = pt_page_config_value(first->config, "report_rows", &n);
    long rows = n ? strtol(said, NULL, 10) : 0;
    return (pt_page_options){.rows = o->rows > 0 ? o->rows : rows > 0 && rows < 1 << 24 ? (int)rows : PT_PAGE_ROWS};
}

/* Whether some of them say more than what evaluation found. */
static bool is_trained(const pt_page_run *runs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (runs[i].config || runs[i].n_curves || runs[i].trained) return true;
    return false;
}

pt_status pt_page_build(const char *const *dirs, size_t n, const pt_page_options *o, json_t **out)
{
    pt_status rc = PT_OK;
    pt_page_run runs[PT_PAGE_RUNS] = {{0}};
    pt_str title = {0};
    json_t *page = json_object(), *names = json_array();
    *out = NULL;
    PT_CHECK(n >= 1 && n <= PT_PAGE_RUNS, PT_EARG, "a report is of 1 to %d runs, not of %zu", PT_PAGE_RUNS, n);
    for (size_t i = 0; i < n; i++) PT_TRY(pt_page_run_open(&runs[i], dirs[i]));
    PT_TRY(name_runs(dirs, runs, n));
    const pt_page_options with = with_rows(o, &runs[0]);
    o = &with;
    for (size_t i = 0; i < n && n <= MOST_NAMED; i++) PT_TRY(pt_str_printf(&title, "%s%s", i ? ", " : "", runs[i].name));
    if (n > MOST_NAMED) PT_TRY(pt_str_printf(&title, "%zu runs", n)); /* the tables name them */
    PT_TRY(pt_page_put(page, "format", json_string("ptrain-report")));
    PT_TRY(pt_page_put(page, "version", json_integer(1)));
    PT_TRY(pt_page_put(page, "title", pt_page_text(title.text, title.len)));
    for (size_t i = 0; i < n; i++) PT_TRY(pt_page_push(names, pt_page_text(runs[i].name, strlen(runs[i].name))));
    PT_TRY(pt_page_put(page, "runs", json_incref(names)));
    PT_TRY(pt_page_put(page, "sections", json_array()));
    if (is_trained(runs, n)) {
        PT_TRY(pt_page_about(page, runs, n));
        PT_TRY(pt_page_trained(page, runs, n, o));
        PT_TRY(pt_page_curves(page, runs, n));
    }
    PT_TRY(put_evaluation(page, runs, n, o));
    *out = json_incref(page);
done:
    for (size_t i = 0; i < n && i < PT_PAGE_RUNS; i++) pt_page_run_close(&runs[i]);
    pt_str_free(&title);
    json_decref(names);
    json_decref(page);
    return rc;
}
