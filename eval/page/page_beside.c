/* eval_beside.json (eval/suite/beside.h): what several beside one base are found to be. A column of it, taken alone, is what eval.json says of one; so pages of both are one. */
#include <string.h>
#include <sys/stat.h>

#include "eval/page/page_priv.h"

static pt_status split(const json_t *x, size_t column, json_t **out);

static bool is_test(const char *key)
{
    static const char *const tests[] = {"change", "change_ci", "p", "wilcoxon", "mcnemar"};
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        if (!strcmp(key, tests[i])) return true;
    return false;
}

/* A column's object holds the tests of its change, which eval.json has beside both sides. */
static pt_status put_side(json_t *to, const json_t *side)
{
    json_t *after = json_is_object(side) ? json_object() : json_incref((json_t *)side), *v;
    const char *key;
    PT_RETURN(pt_page_put(to, "after", after));
    if (!json_is_object(side)) return PT_OK;
    json_object_foreach((json_t *)side, key, v) PT_RETURN(pt_page_put(is_test(key) ? to : after, key, json_incref(v)));
    return PT_OK;
}

static pt_status split_object(const json_t *x, size_t column, json_t *to)
{
    const json_t *base = json_object_get(x, "base"), *columns = json_object_get(x, "columns"), *side = json_array_get(columns, column);
    const bool sides = base && json_is_array(columns);
    const char *key;
    json_t *v, *part;
    if (sides) PT_RETURN(pt_page_put(to, "before", json_incref((json_t *)base)));
    if (sides) PT_RETURN(put_side(to, side ? side : json_null()));
    json_object_foreach((json_t *)x, key, v)
    {
        if (sides && (!strcmp(key, "base") || !strcmp(key, "columns"))) continue;
        PT_RETURN(split(v, column, &part));
        PT_RETURN(pt_page_put(to, key, part));
    }
    return PT_OK;
}

/* {"columns": [that of each]}: a list that is not the same in all. */
static const json_t *own_list(const json_t *x, size_t column)
{
    const json_t *columns = json_object_get(x, "columns");
    return json_object_size(x) == 1 && json_is_array(columns) ? json_array_get(columns, column) : NULL;
}

static pt_status split(const json_t *x, size_t column, json_t **out)
{
    const json_t *own = own_list(x, column);
    pt_status rc = PT_OK;
    json_t *v;
    size_t i;
    *out = own ? json_incref((json_t *)own) : json_is_object(x) ? json_object() : json_is_array(x) ? json_array() : json_incref((json_t *)x);
    if (own || !*out) return PT_OK; /* NULL: whoever puts it somewhere fails */
    if (json_is_object(x)) rc = split_object(x, column, *out);
    if (json_is_array(x)) json_array_foreach((json_t *)x, i, v)
    {
        json_t *one = NULL;
        if (rc == PT_OK) rc = split(v, column, &one);
        if (rc == PT_OK) rc = pt_page_push(*out, one);
    }
    if (rc == PT_OK) return rc;
    json_decref(*out);
    *out = NULL;
    return rc;
}

size_t pt_page_beside_columns(const json_t *beside)
{
    return json_array_size(json_object_get(beside, "columns"));
}

const char *pt_page_beside_name(const json_t *beside, size_t column)
{
    return pt_page_string(json_array_get(json_object_get(beside, "columns"), column), "name");
}

pt_status pt_page_beside_column(const json_t *beside, size_t column, json_t **out)
{
    return split(beside, column, out);
}

static bool same_folder(const char *a, const char *b)
{
    struct stat x, y;
    return !strcmp(a, b) || (!stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

/* Where each run's column is in it; false: one has none. */
static bool has_all(const json_t *beside, const pt_page_run *runs, size_t n, size_t *column)
{
    const size_t columns = pt_page_beside_columns(beside);
    for (size_t i = 0; i < n; i++) {
        for (column[i] = 0; column[i] < columns && !same_folder(pt_page_beside_name(beside, column[i]), runs[i].dir); column[i]++) continue;
        if (column[i] == columns) return false;
    }
    return true;
}

pt_status pt_page_beside_join(pt_page_run *runs, size_t n, const char **where)
{
    size_t column[PT_PAGE_RUNS], from = 0;
    *where = NULL;
    while (from < n && !(runs[from].beside && has_all(runs[from].beside, runs, n, column))) from++;
    if (from == n) return PT_OK;
    for (size_t i = 0; i < n; i++) {
        json_decref(runs[i].eval);
        runs[i].eval = NULL;
        PT_RETURN(split(runs[from].beside, column[i], &runs[i].eval));
    }
    *where = runs[from].dir;
    return PT_OK;
}
