/* Lists that a task keeps beside its rows: what judges gave and where they failed, ratings, what voices cost. An object a row; columns are members that
 * are texts, numbers or truths. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "eval/page/page_priv.h"

enum { MOST_MEMBERS = 24 };

static bool shown(const json_t *v)
{
    return json_is_string(v) || json_is_number(v) || json_is_boolean(v) || json_is_null(v);
}

static pt_status add_value(json_t *row, const json_t *v)
{
    char text[32];
    if (json_is_string(v)) return pt_page_push(row, pt_page_text(json_string_value(v), json_string_length(v)));
    if (json_is_boolean(v)) return pt_page_push(row, json_string(json_is_true(v) ? "yes" : "no"));
    pt_page_number(text, json_is_number(v) ? json_number_value(v) : NAN);
    return pt_page_push(row, json_string(text));
}

/* Members of any of the list's objects, in their order. */
static size_t members_of(const json_t *list, const char **names, char *numbers)
{
    const char *key;
    json_t *v, *one;
    size_t i, k, n = 0;
    json_array_foreach((json_t *)list, i, one)
        json_object_foreach(one, key, v)
        {
            for (k = 0; k < n && strcmp(names[k], key); k++) continue;
            if (!shown(v) || (k == n && n == MOST_MEMBERS)) continue;
            names[k] = key;
            if (k == n) numbers[n++] = 'n';
            if (json_is_string(v) || json_is_boolean(v)) numbers[k] = 't';
        }
    return n;
}

/* Takes out columns that say 0 or nothing in every row, behind the first `kept`; their names into `none`. */
static pt_status drop_empty(const json_t *const *of, size_t lists, const char **names, char *numbers, size_t *n, size_t kept, pt_str *none)
{
    size_t left = kept, i;
    json_t *one;
    for (size_t k = kept; k < *n; k++) {
        bool any = numbers[k] != 'n';
        for (size_t l = 0; l < lists; l++)
            json_array_foreach((json_t *)of[l], i, one)
            {
                const json_t *v = json_object_get(one, names[k]);
                any = any || (json_is_number(v) && json_number_value(v) != 0);
            }
        if (!any) PT_RETURN(pt_str_printf(none, "%s%s", none->len ? ", " : "", names[k]));
        if (!any) continue;
        names[left] = names[k];
        numbers[left++] = numbers[k];
    }
    *n = left;
    return PT_OK;
}

typedef struct lists {
    const pt_page_sides *s;
    const pt_page_task *t;
    json_t *section;
    const json_t *of[PT_PAGE_RUNS]; /* the list of each run */
} lists;

static pt_status put_rows(const lists *l, const char *const *names, size_t n, json_t *table)
{
    json_t *rows = json_object_get(table, "rows"), *one, *row;
    size_t i, left = 0;
    for (size_t k = 0; k < l->s->tuned; k++)
        json_array_foreach((json_t *)l->of[k], i, one)
        {
            if (json_array_size(rows) >= (size_t)l->s->rows && ++left) continue;
            PT_RETURN(pt_page_push(rows, row = json_array()));
            if (l->s->tuned > 1) PT_RETURN(pt_page_push(row, pt_page_text(l->s->runs[k].name, strlen(l->s->runs[k].name))));
            for (size_t c = 0; c < n; c++) PT_RETURN(add_value(row, json_object_get(one, names[c])));
        }
    return pt_page_left_out(table, left);
}

static pt_status put_list(const lists *l, const char *title)
{
    const char *names[MOST_MEMBERS + 1] = {"run"};
    char numbers[MOST_MEMBERS + 2] = "t";
    const size_t more = l->s->tuned > 1;
    json_t *table, *note;
    pt_str none = {0};
    size_t n = 0, first = 0;
    while (first < l->s->tuned && !json_array_size(l->of[first])) first++;
    if (first == l->s->tuned) return PT_OK;
    n = members_of(l->of[first], names + more, numbers + more);
    pt_status rc = drop_empty(l->of, l->s->tuned, names + more, numbers + more, &n, n ? 1 : 0, &none);
    numbers[more + n] = 0;
    if (rc == PT_OK) rc = pt_page_block(l->section, "table", title, &table);
    if (rc == PT_OK) rc = pt_page_columns(table, more + n, names, numbers);
    if (rc == PT_OK) rc = put_rows(l, names + more, n, table);
    if (rc == PT_OK && none.len) rc = pt_page_block(l->section, "note", "", &note);
    if (rc == PT_OK && none.len) rc = pt_str_puts(&none, ": 0 in every row, and left out.");
    if (rc == PT_OK && none.len) rc = pt_page_put(note, "text", pt_page_text(none.text, none.len));
    pt_str_free(&none);
    return rc;
}

/* {"before": OBJECT, "after": OBJECT} as a list whose objects say their side. Owned; NULL: there is none. */
static pt_status of_sides(const json_t *both, json_t **out)
{
    static const char *const names[] = {"before", "after"};
    *out = json_is_object(both) ? json_array() : NULL;
    for (size_t k = 0; k < 2 && *out; k++) {
        json_t *from = json_object_get(both, names[k]), *one = json_is_object(from) ? json_object() : NULL;
        if (!one) continue;
        PT_RETURN(pt_page_push(*out, one));
        PT_RETURN(pt_page_put(one, "side", json_string(names[k])));
        if (json_object_update(one, from)) return pt_fail(PT_ENOMEM, "out of memory writing a report");
    }
    return PT_OK;
}

/* What best_of made of its samples. */
static pt_status put_best(lists *l)
{
    pt_status rc = PT_OK;
    json_t *made[PT_PAGE_RUNS] = {NULL};
    for (size_t k = 0; k < l->s->tuned; k++) {
        PT_TRY(of_sides(json_object_get(l->t->task[k], "best_of"), &made[k]));
        l->of[k] = made[k];
    }
    PT_TRY(put_list(l, "Pairs of the best and the worst"));
done:
    for (size_t k = 0; k < l->s->tuned; k++) json_decref(made[k]);
    return rc;
}

/* "compared": what a judge's scores come to over the texts that both sides have one of, where they have not all. */
static pt_status say_compared(const lists *l, size_t run)
{
    const json_t *c = json_object_get(l->t->task[run], "compared");
    char before[32], after[32];
    pt_str text = {0};
    if (!json_is_object(c)) return PT_OK;
    pt_page_number(before, pt_page_value(c, "before"));
    pt_page_number(after, pt_page_value(c, "after"));
    pt_status rc = pt_str_printf(&text, "%s%sNot all texts have a score on both sides. Over the %.0f that have: before %s, after %s.", l->s->tuned > 1 ? l->s->runs[run].name : "", l->s->tuned > 1 ? ": " : "",
                                 pt_page_value(c, "texts"), before, after);
    json_t *note = NULL;
    if (rc == PT_OK) rc = pt_page_block(l->section, "note", "", &note);
    if (rc == PT_OK) rc = pt_page_put(note, "text", pt_page_text(text.text, text.len));
    pt_str_free(&text);
    return rc;
}

pt_status pt_page_lists(const pt_page_sides *s, const pt_page_task *t, json_t *section)
{
    static const struct {
        const char *key, *title;
    } shows[] = {{"judges", "Judges"}, {"agreement", "Agreement of the judges"}, {"ratings", "Ratings"}, {"failures", "What got no score"}, {"voices", "What was asked of others"}};
    lists l = {.s = s, .t = t, .section = section};
    for (size_t i = 0; i < sizeof shows / sizeof *shows; i++) {
        for (size_t k = 0; k < s->tuned; k++) l.of[k] = json_object_get(t->task[k], shows[i].key);
        PT_RETURN(put_list(&l, shows[i].title));
    }
    for (size_t k = 0; k < s->tuned; k++) PT_RETURN(say_compared(&l, k));
    return put_best(&l);
}
