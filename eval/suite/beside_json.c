/* The JSON of several suites: theirs, laid side by side. */
#include <stdlib.h>
#include <string.h>

#include "eval/suite/beside.h"
#include "eval/suite/pair_sets.h"

static pt_status put(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0 ? PT_OK : pt_fail(PT_ENOMEM, "out of memory writing the report");
}

static pt_status append(json_t *list, json_t *value)
{
    return json_array_append_new(list, value) == 0 ? PT_OK : pt_fail(PT_ENOMEM, "out of memory writing the report");
}

static bool two_sided(const json_t *x)
{
    return json_object_get(x, "before") || json_object_get(x, "after");
}

static const char *const tests[] = {"change", "change_ci", "p", "wilcoxon", "mcnemar"};

/* One suite's own side, with the tests against the base in it. */
static json_t *column_of(const json_t *x)
{
    json_t *after = json_object_get(x, "after");
    if (!after || json_is_null(after)) return json_null();
    json_t *o = json_copy(after);
    for (size_t i = 0; i < sizeof tests / sizeof *tests && json_is_object(o); i++) {
        json_t *v = json_object_get(x, tests[i]);
        if (v && json_object_set(o, tests[i], v)) {
            json_decref(o);
            return NULL;
        }
    }
    return o;
}

static pt_status put_columns(json_t *to, json_t *const *x, size_t n)
{
    json_t *list = json_array(), *base = NULL;
    for (size_t i = 0; i < n && !json_is_object(base); i++) base = json_object_get(x[i], "before");
    PT_RETURN(put(to, "base", base ? json_incref(base) : json_null()));
    PT_RETURN(put(to, "columns", list));
    for (size_t i = 0; i < n; i++) PT_RETURN(append(list, column_of(x[i])));
    return PT_OK;
}

static pt_status merge(json_t *const *x, size_t n, json_t *o);

/* What a row is of: the same in every suite's list. */
static char *key_of(const json_t *row)
{
    json_t *k = json_object_get(row, "role") ? json_pack("[O]", json_object_get(row, "role"))
                                             : json_pack("[O, O?]", json_object_get(row, "metric"), json_object_get(row, "scope"));
    char *text = k ? json_dumps(k, JSON_COMPACT) : NULL;
    json_decref(k);
    return text;
}

/* Lists of two-sided objects: rows of the same metric and scope, or role, become one. */
static pt_status merge_rows(json_t *const *x, size_t n, json_t *list)
{
    pt_status rc = PT_OK;
    json_t *met = json_object(), *row, *lane;
    const char *key;
    size_t i;
    json_t **some = NULL;
    PT_TRY(pt_alloc0(&some, n));
    for (size_t s = 0; s < n; s++)
        json_array_foreach (x[s], i, row) { /* {key: [the row in each suite, or null]} in order of appearance */
            char *k = key_of(row);
            PT_CHECK(k, PT_ENOMEM, "out of memory writing the report");
            lane = json_object_get(met, k);
            if (!lane) {
                lane = json_array();
                rc = json_object_set_new(met, k, lane) ? PT_ENOMEM : PT_OK;
                for (size_t c = 0; c < n && rc == PT_OK; c++) rc = append(lane, json_null());
            }
            free(k);
            PT_CHECK(rc == PT_OK && !json_array_set(lane, s, row), PT_ENOMEM, "out of memory writing the report");
        }
    json_object_foreach (met, key, lane) {
        json_t *o = json_object();
        for (size_t c = 0; c < n; c++) some[c] = json_array_get(lane, c);
        PT_TRY(append(list, o));
        PT_TRY(merge(some, n, o));
    }
done:
    free(some);
    json_decref(met);
    return rc;
}

/* Lists whose places belong together. */
static pt_status merge_places(json_t *const *x, size_t n, json_t *list)
{
    pt_status rc = PT_OK;
    json_t **some = NULL;
    PT_TRY(pt_alloc0(&some, n));
    for (size_t i = 0; i < json_array_size(x[0]); i++) {
        json_t *o = json_object();
        for (size_t c = 0; c < n; c++) some[c] = json_array_get(x[c], i);
        PT_TRY(append(list, o));
        PT_TRY(merge(some, n, o));
    }
done:
    free(some);
    return rc;
}

/* A list of no sides: once where all have the same, else that of each. */
static pt_status merge_lists(const char *key, json_t *const *x, size_t n, json_t *o)
{
    json_t *to, *list = json_array();
    bool same = true;
    for (size_t i = 1; i < n; i++) same = same && json_equal(x[0], x[i]);
    for (size_t i = 0; i < n && !same; i++) PT_RETURN(append(list, x[i] ? json_deep_copy(x[i]) : json_null()));
    if (same) {
        json_decref(list);
        return put(o, key, json_deep_copy(x[0]));
    }
    PT_RETURN(put(o, key, to = json_object()));
    return put(to, "columns", list);
}

/* One key of objects that stand side by side; v[i] NULL: not in that one. */
static pt_status merge_key(const char *key, json_t *const *v, size_t n, json_t *o)
{
    const json_t *like = NULL;
    json_t *to;
    for (size_t i = n; i-- > 0;)
        if (v[i]) like = v[i];
    if (json_is_object(like)) {
        PT_RETURN(put(o, key, to = json_object()));
        return merge(v, n, to);
    }
    if (!json_is_array(like) || !json_is_object(json_array_get(like, 0))) return put(o, key, json_deep_copy(like));
    const bool places = !strcmp(key, "tasks") || !strcmp(key, "answers") || !strcmp(key, "verdicts");
    if (!places && !two_sided(json_array_get(like, 0))) return merge_lists(key, v, n, o);
    PT_RETURN(put(o, key, to = json_array()));
    return places ? merge_places(v, n, to) : merge_rows(v, n, to);
}

/* Objects into one: both sides as base and columns, what they hold besides by key. What is no object has nothing to say. */
static pt_status merge(json_t *const *x, size_t n, json_t *o)
{
    pt_status rc = PT_OK;
    json_t **v = NULL, *value;
    const char *key;
    bool sides = false;
    PT_TRY(pt_alloc0(&v, n));
    for (size_t i = 0; i < n; i++) sides = sides || two_sided(x[i]);
    for (size_t i = 0; i < n; i++)
        json_object_foreach (x[i], key, value) {
            bool side = sides && (!strcmp(key, "before") || !strcmp(key, "after")), done = side || json_object_get(o, key);
            if (side && !json_object_get(o, "columns")) PT_TRY(put_columns(o, x, n));
            for (size_t t = 0; t < sizeof tests / sizeof *tests && sides; t++) done = done || !strcmp(key, tests[t]);
            for (size_t k = 0; k < n; k++) v[k] = json_object_get(x[k], key);
            if (!done) PT_TRY(merge_key(key, v, n, o));
        }
done:
    free(v);
    return rc;
}

pt_status pt_beside_json(const pt_suite *s, size_t n, char **out)
{
    pt_status rc = PT_OK;
    json_t **x = NULL, *root = json_object(), *pairs;
    *out = NULL;
    PT_TRY(pt_alloc0(&x, n));
    for (size_t i = 0; i < n; i++) PT_TRY(pt_suite_object(&s[i], &x[i]));
    PT_TRY(merge(x, n, root));
    PT_TRY(put(root, "format", json_string("ptrain-eval-beside")));
    PT_TRY(pt_pair_sets_object(s, n, &pairs));
    if (pairs) PT_TRY(put(root, "pairs", pairs));
    *out = json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(10));
    PT_CHECK(*out, PT_ENOMEM, "out of memory writing the report");
done:
    for (size_t i = 0; x && i < n; i++) json_decref(x[i]);
    free(x);
    json_decref(root);
    return rc;
}
